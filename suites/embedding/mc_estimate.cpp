// embedding.mc_estimate: mean and spread over passes of MC dropout against their exact values, which going
// through all 1024 masks of ten units gives. p-values are Bernstein's bound (1946) for sums of independent
// bounded terms of known variance, valid at every n.

#include <cmath>

#include "harness/stats/bernstein.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dense_bytes.hpp"
#include "suites/dialects/row_check.hpp"
#include "suites/embedding/embedding_check.hpp"
#include "suites/embedding/parameters.hpp"
#include "suites/embedding/pass_network.hpp"
#include "suites/mask_observer.hpp"

namespace dropcheck::suites::embedding {
namespace {

constexpr std::int64_t kRows = 1 << 14;
constexpr std::size_t kCalls = 16;
constexpr double kP = 0.3;

struct Subject {
  const char* protocol;
  const char* what;
  PassNetwork network;
};
constexpr std::array<int, kPassUnits> kFirst = {1, 2, -3, 4, 5, -6, 7, 8, -9, 10};
constexpr std::array<int, kPassUnits> kSecond = {3, -1, 2, 1, -2, 1, 1, 2, -1, 1};
constexpr std::array kSubjects = {
    Subject{"embedding_mc_linear", "a linear network", {kFirst, kSecond, false, 5}},
    Subject{"embedding_mc_relu", "a ReLU network", {kFirst, kSecond, true, -7}}};

const Subject* subject_of(const std::string& protocol) {
  for (const Subject& s : kSubjects)
    if (protocol == s.protocol) return &s;
  return nullptr;
}

/// A term of a sum over passes: mean 0, known variance and bound.
struct Term {
  double variance = 0, bound = 0;
};

/// The law of the whole number K that kept units add up to, over all masks.
struct PassLaw {
  PassLaw(const PassNetwork& network, double p) {
    std::array<double, kSubnetworks> probability{};
    for (std::size_t kept = 0; kept < kSubnetworks; ++kept) {
      probability[kept] = 1;
      for (std::size_t unit = 0; unit < kPassUnits; ++unit)
        probability[kept] *= (kept >> unit & 1) != 0 ? 1 - p : p;
      mean += probability[kept] * network.sum_of_kept(kept);
    }
    for (std::size_t kept = 0; kept < kSubnetworks; ++kept)
      variance += probability[kept] * std::pow(network.sum_of_kept(kept) - mean, 2);
    for (std::size_t kept = 0; kept < kSubnetworks; ++kept) {
      const double off = network.sum_of_kept(kept) - mean, square = off * off - variance;
      first.bound = std::max(first.bound, std::abs(off));
      second.variance += probability[kept] * square * square;
      second.bound = std::max(second.bound, std::abs(square));
    }
    first.variance = variance;
  }
  double mean = 0, variance = 0;
  Term first, second;  // K - mean, and its square - variance
};

/// Bernstein's bound is that of a weighted sum with p = 1/2 and weights that have the terms' variance and
/// bound: variance w^2/4 and bound w/2.
stats::WeightedSum as_weighted(const Term& term, double n, double deviation) {
  return {deviation, 4 * n * term.variance, 2 * term.bound, 0.5};
}

class PassSums final : public MergingObserver<PassSums> {
 public:
  PassSums(const PassNetwork& network, TrainScale rule) : network_(network), rule_(rule) {}

  void observe(const StepRecord& record) override {
    if (!record.observation->has_value()) {
      if (!refusal) refusal = record.observation->error();
      return;
    }
    const double scale = rule_ == TrainScale::over_q ? 1 / (1 - record.step->problem.p) : 1;
    const std::vector<std::byte> y = dense_bytes(record.y);
    for (std::size_t at = 0; at < y.size(); at += sizeof(float)) {
      const double value = static_cast<double>(element_at<float>(y.data() + at));
      ++passes;
      const auto number = whole_number(value, network_.bias, scale);
      if (!number || std::abs(*number) > 1000) {
        if (strange++ == 0) first_strange = value;
        continue;
      }
      sum += *number;
      squares += *number * *number;
    }
  }
  void add(const PassSums& later) {
    if (!refusal) refusal = later.refusal;
    if (strange == 0) first_strange = later.first_strange;
    strange += later.strange;
    passes += later.passes;
    sum += later.sum;
    squares += later.squares;
  }

  std::optional<Error> refusal;
  std::uint64_t passes = 0, strange = 0;
  double first_strange = 0;
  std::int64_t sum = 0, squares = 0;

 private:
  const PassNetwork& network_;
  TrainScale rule_;
};

class McEstimate final : public Check {
 public:
  explicit McEstimate(const Dialect& dialect)
      : Check(catalogue_row("embedding.mc_estimate", dialect)), rule_(dialect.scale) {}

  Applicability applies(const SampleInfo& sample) const override {
    return subject_of(sample.protocol) != nullptr ? Applicability::yes() : Applicability::no();
  }
  unsigned hypotheses(const SampleInfo&) const override { return 2; }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    const PassLaw law(subject_of(sample.protocol)->network, sample.problem.p);
    const auto n = static_cast<double>(sample.blocks * kCalls * static_cast<std::uint64_t>(kRows));
    const double mean = stats::bernstein_min_effect(as_weighted(law.first, n, 0), alpha, beta) / n,
                 variance = stats::bernstein_min_effect(as_weighted(law.second, n, 0), alpha, beta) / n;
    return MinimumDetectableEffect{
        std::max(mean / std::sqrt(law.variance), variance / law.variance),
        "error of the mean or the variance over passes, as a part of the deviation "
        "or the variance",
        1 - beta};
  }
  std::unique_ptr<Observer> observer(const SampleInfo& sample) const override {
    return std::make_unique<PassSums>(subject_of(sample.protocol)->network, rule_);
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    if (context.recentred) return {};
    const auto& sums = static_cast<const PassSums&>(seen);
    if (sums.refusal) {
      Judgement judgement;
      judgement.verdict = Verdict::unsupported;
      judgement.message = sums.refusal->message;
      return judgement;
    }
    const Subject& subject = *subject_of(context.sample.protocol);
    ExactFinding finding;
    finding.compared(sums.passes);
    finding.violated(sums.strange, [&] {
      return fmt::format("{} of {} outputs of {} are those of no mask of its ten units; one is {}",
                         sums.strange, sums.passes, subject.what, sums.first_strange);
    });
    if (!finding.clean()) return finding.judgement("");
    const PassLaw law(subject.network, context.p);
    const double q = 1 - context.p, scale = rule_ == TrainScale::over_q ? 1 / q : 1;
    std::vector<Statistic> statistics = {mean_of(sums, law, context), variance_of(sums, law, context)};
    // Of y, which is bias + K scale.
    const auto in_y = [&](const Statistic& s) {
      const bool mean = s.name == kMean;
      const double unit = mean ? std::sqrt(law.variance) * scale : law.variance * scale * scale;
      const double exact = mean ? subject.network.bias + law.mean * scale : law.variance * scale * scale;
      return fmt::format("the {} over {} passes of {} is {:.6g} [{:.6g}, {:.6g}], exactly it is {:.6g}",
                         mean ? "mean" : "variance", sums.passes, subject.what,
                         exact + s.effect->value * unit, exact + *s.effect->lower * unit,
                         exact + *s.effect->upper * unit, exact);
    };
    std::string estimates = fmt::format("{}; {}", in_y(statistics[0]), in_y(statistics[1]));
    Judgement judgement = judge_statistics(std::move(statistics), sums.passes, in_y);
    if (judgement.verdict == Verdict::pass)
      judgement.message = judgement.message.empty() ? estimates : judgement.message + "; " + estimates;
    return judgement;
  }

 private:
  static constexpr const char* kMean = "mean over passes";
  static constexpr const char* kVariance = "variance over passes";

  static Statistic statistic(const char* name, const char* unit, const PassSums& sums, const Term& term,
                             double one, double deviation, const JudgeContext& context) {
    const auto n = static_cast<double>(sums.passes);
    const stats::WeightedSum weighted = as_weighted(term, n, deviation);
    const double value = deviation / n / one,
                 half_width = stats::bernstein_threshold(weighted, context.alpha) / n / one;
    Statistic s;
    s.id = "E3";
    s.name = name;
    s.counts = {{"n", {sums.passes}}, {"sum", {sums.sum}}, {"sum_squares", {sums.squares}}};
    s.null_law = "Bernstein's bound for independent terms of that variance and bound, over all 1024 masks";
    s.null_parameters = {{"p", context.p}, {"term_variance", term.variance}, {"term_bound", term.bound}};
    s.value = deviation;
    set_tail(s, stats::bernstein_two_sided(weighted), context.alpha);
    s.effect = Effect{value, unit, value - half_width, value + half_width};
    s.minimum_detectable_effect = MinimumDetectableEffect{
        stats::bernstein_min_effect(weighted, context.alpha, kBeta) / n / one, unit, kPower};
    return s;
  }
  static Statistic mean_of(const PassSums& sums, const PassLaw& law, const JudgeContext& context) {
    const double deviation = static_cast<double>(sums.sum) - static_cast<double>(sums.passes) * law.mean;
    Statistic s = statistic(kMean, "error as a part of the standard deviation over passes", sums, law.first,
                            std::sqrt(law.variance), deviation, context);
    s.null_parameters.emplace_back("mean", law.mean);
    return s;
  }
  static Statistic variance_of(const PassSums& sums, const PassLaw& law, const JudgeContext& context) {
    const auto n = static_cast<double>(sums.passes);
    const double spread = static_cast<double>(sums.squares) - 2 * law.mean * static_cast<double>(sums.sum) +
                          n * law.mean * law.mean;
    Statistic s = statistic(kVariance, "error as a part of the variance over passes", sums, law.second,
                            law.variance, spread - n * law.variance, context);
    s.null_parameters.emplace_back("mean", law.mean);
    s.null_parameters.emplace_back("variance", law.variance);
    return s;
  }

  TrainScale rule_;
};

}  // namespace

void add_mc_estimate(Registry& registry, const Dialect& dialect) {
  for (const Subject& subject : kSubjects) {
    Protocol protocol = own_protocol(
        subject.protocol, fmt::format("2^18 passes of MC dropout through {} of ten units", subject.what),
        nullptr, problem_of(kP, {kRows, 1}));
    protocol.steps = [&subject](const SampleInfo&, std::uint64_t) {
      Step pass = subject.network.step(kRows, kP, Mode::train);
      pass.attributes["modes"] = std::string("mc");
      std::vector<Step> steps(kCalls, continued(pass));
      steps.front() = pass;
      return steps;
    };
    protocol.default_calls = static_cast<std::uint32_t>(kCalls);
    registry.add_protocol(std::move(protocol));
  }
  registry.add_check(std::make_unique<McEstimate>(dialect));
}

}  // namespace dropcheck::suites::embedding
