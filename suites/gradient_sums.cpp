// gradient_consistency.expectation: E[dx] = dy and Var[dx] = dy^2 p/q, over integer dy that a defect cannot
// hide from: random, alternating, rising, spikes. The sums are exact: with the backward mask k (1 = kept,
// read off dx, whose dy has no zero) U = sum w (k - q) has mean 0 for w = dy and for w = dy^2, since a kept
// gradient is dy times a constant (gradient_consistency.value judges which). p-values are Bernstein's bound
// (1946), valid at every n.

#include <array>
#include <cmath>

#include "harness/core/element.hpp"
#include "harness/stats/bernstein.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dense_bytes.hpp"
#include "suites/judging.hpp"
#include "suites/mask_observer.hpp"
#include "suites/protocols.hpp"

namespace dropcheck::suites {
namespace {

constexpr std::size_t kKinds = 4, kPowers = 2;
constexpr std::array<std::string_view, kKinds> kKindNames = {"random", "alternating", "ramp", "spikes"};
constexpr std::array<std::string_view, kPowers> kPowerNames = {"sum of dx", "sum of dx^2"};

std::vector<Step> gradient_sum_steps(const SampleInfo& sample, std::uint64_t block) {
  Step step;
  step.problem = sample.problem;
  step.problem.seed.reset();
  step.problem.calls.reset();
  step.input = Input::random_integers;
  step.upstream = mask_input(block);
  step.seed_slot = 0;
  std::vector<Step> steps = {step};
  step.seed_slot.reset();
  step.problem.offset = 0;
  steps.resize(sample.calls, step);
  return steps;
}

/// Exact sums over dy of one kind with weights w.
struct Sums {
  Int128 kept = 0;     // sum of w over kept entries
  Int128 all = 0;      // sum of w
  Int128 squares = 0;  // sum of w^2
  Int128 absolute = 0;
  std::int64_t largest = 0;
  std::uint64_t entries = 0;

  void add_weight(std::int64_t w, bool keeps) {
    const std::int64_t magnitude = w < 0 ? -w : w;
    if (keeps) kept += w;
    all += w;
    squares += static_cast<Int128>(w) * w;
    absolute += magnitude;
    largest = std::max(largest, magnitude);
    ++entries;
  }
  void add(const Sums& other) {
    kept += other.kept;
    all += other.all;
    squares += other.squares;
    absolute += other.absolute;
    largest = std::max(largest, other.largest);
    entries += other.entries;
  }
};

class GradientSums final : public MergingObserver<GradientSums> {
 public:
  void observe(const StepRecord& record) override {
    const DType dtype = record.step->problem.dtype;
    const std::size_t size = size_of(dtype);
    const std::vector<std::byte> dx = dense_bytes(record.dx);
    auto& kind = sums[record.block % kKinds];
    for (std::size_t at = 0; at < dx.size(); at += size) {
      const auto dy = static_cast<std::int64_t>(load_element(record.dy.data() + at, dtype));
      const bool keeps = load_element(dx.data() + at, dtype) != 0;
      kind[0].add_weight(dy, keeps);
      kind[1].add_weight(dy * dy, keeps);
    }
  }
  void add(const GradientSums& later) {
    for (std::size_t k = 0; k < kKinds; ++k)
      for (std::size_t power = 0; power < kPowers; ++power) sums[k][power].add(later.sums[k][power]);
  }
  std::array<std::array<Sums, kPowers>, kKinds> sums;
};

class Expectation final : public Check {
 public:
  explicit Expectation(const Dialect& dialect)
      : Check(catalogue_row("gradient_consistency.expectation", dialect)) {}

  Applicability applies(const SampleInfo& sample) const override {
    // One weight an element: those of a channel are dropped together.
    if (drops_channels(sample.problem.op)) return Applicability::no();
    return needs_arrangement(sample);
  }
  unsigned hypotheses(const SampleInfo& sample) const override {
    return static_cast<unsigned>(kPowers * kinds(sample));
  }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    // Planned for dy of one magnitude: the random kind detects a little less.
    const auto n = static_cast<double>(sample.mask_entries() / kinds(sample));
    const double threshold = stats::bernstein_min_effect({0, n, 1, sample.problem.p}, alpha, beta);
    return MinimumDetectableEffect{threshold / (n * (1 - sample.problem.p)), kUnit, 1 - beta};
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<GradientSums>();
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& observed = static_cast<const GradientSums&>(seen);
    const double p = context.p, q = 1 - p;
    std::vector<Statistic> statistics;
    std::uint64_t entries = 0;
    for (std::size_t k = 0; k < kKinds; ++k) {
      entries += observed.sums[k][0].entries;
      for (std::size_t power = 0; power < kPowers; ++power) {
        const Sums& sum = observed.sums[k][power];
        if (sum.entries == 0) continue;
        const double deviation = to_double(sum.kept) - q * to_double(sum.all);
        const stats::WeightedSum weighted{deviation, to_double(sum.squares), static_cast<double>(sum.largest),
                                          p};
        const double scale = q * to_double(sum.absolute);
        const double half_width = stats::bernstein_threshold(weighted, context.alpha) / scale;
        Statistic s;
        s.id = "S28";
        s.name = fmt::format("{} over {} dy", kPowerNames[power], kKindNames[k]);
        s.counts = {
            {"n", {sum.entries}},           {"sum_kept", {sum.kept}},         {"sum", {sum.all}},
            {"sum_squares", {sum.squares}}, {"sum_absolute", {sum.absolute}}, {"largest", {sum.largest}}};
        s.null_law = "E sum_kept = q sum; Bernstein's bound with variance p q sum_squares";
        s.null_parameters = {{"p", p}};
        s.value = deviation;
        set_tail(s, stats::bernstein_two_sided(weighted), context.alpha);
        s.effect =
            Effect{deviation / scale, kUnit, deviation / scale - half_width, deviation / scale + half_width};
        s.minimum_detectable_effect = MinimumDetectableEffect{
            stats::bernstein_min_effect(weighted, context.alpha, kBeta) / scale, kUnit, kPower};
        statistics.push_back(std::move(s));
      }
    }
    return judge_statistics(std::move(statistics), entries, [](const Statistic& s) {
      return fmt::format("{} is off by {:.4g} [{:.4g}, {:.4g}] of what is expected", s.name, s.effect->value,
                         *s.effect->lower, *s.effect->upper);
    });
  }

 private:
  static constexpr const char* kUnit = "bias as a part of what is expected of |dx|";

  static std::uint64_t kinds(const SampleInfo& sample) {
    return std::min<std::uint64_t>(sample.blocks, kKinds);
  }
};

}  // namespace

void add_gradient_sums(Registry& registry, const Dialect& dialect) {
  registry.add_protocol({.id = "gradient_sums",
                         .summary = "gradients of integer dy, summed; the dy change from block to block",
                         .default_calls = 2,
                         .steps = gradient_sum_steps,
                         .needs = {Feature::backward},
                         .takes_calls = true,
                         .named_only = true,
                         .streaming = true});
  registry.add_check(std::make_unique<Expectation>(dialect));
}

}  // namespace dropcheck::suites
