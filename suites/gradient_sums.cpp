// gradient_consistency.expectation: E[dx] = dy and Var[dx] = dy^2 p/q, over integer dy that a defect cannot
// hide from: random, alternating, rising, spikes. The sums are exact: with the backward mask k (1 = kept,
// read off dx, whose dy has no zero) U = sum w (k - q) has mean 0 for w = dy and for w = dy^2, since a kept
// gradient is dy times a constant (gradient_consistency.value judges which). p-values are Bernstein's bound
// (1946), valid at every n.

#include <array>

#include "harness/core/element.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dense_bytes.hpp"
#include "suites/judging.hpp"
#include "suites/kept_weights.hpp"
#include "suites/mask_observer.hpp"
#include "suites/protocols.hpp"

namespace dropcheck::suites {
namespace {

constexpr std::size_t kKinds = kWeightKinds.size(), kPowers = 2;
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
      for (std::size_t power = 0; power < kPowers; ++power) {
        const std::int64_t w = power == 0 ? dy : dy * dy;
        kind[power].add_weight(w);
        if (keeps) kind[power].kept += w;
      }
    }
  }
  void add(const GradientSums& later) {
    for (std::size_t k = 0; k < kKinds; ++k)
      for (std::size_t power = 0; power < kPowers; ++power) sums[k][power].add(later.sums[k][power]);
  }
  std::array<std::array<KeptWeights, kPowers>, kKinds> sums;
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
    return kept_weights_detectable(sample.mask_entries() / kinds(sample), sample.problem.p, alpha, beta,
                                   kUnit);
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<GradientSums>();
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& observed = static_cast<const GradientSums&>(seen);
    std::vector<Statistic> statistics;
    std::uint64_t entries = 0;
    for (std::size_t k = 0; k < kKinds; ++k) {
      entries += observed.sums[k][0].entries;
      for (std::size_t power = 0; power < kPowers; ++power)
        if (const KeptWeights& sums = observed.sums[k][power]; sums.entries > 0)
          statistics.push_back(
              kept_weights_statistic("S28", fmt::format("{} over {} dy", kPowerNames[power], kWeightKinds[k]),
                                     kUnit, sums, context));
    }
    return judge_statistics(std::move(statistics), entries, kept_weights_finding);
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
