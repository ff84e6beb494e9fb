// embedding.subnetworks: dropout trains an ensemble of all subnetworks (Srivastava et al. 2014). With the
// weights 2^i behind ten units the output names the subnetwork that made it, and all 1024 can be counted.

#include <array>
#include <bit>
#include <cmath>

#include "harness/stats/binomial.hpp"
#include "harness/stats/chi_squared.hpp"
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

// 2^20 rows: each of 1024 equally probable cells expects 1024, enough for Pearson's statistic.
constexpr std::int64_t kRows = 1 << 16;
constexpr std::size_t kCalls = 16;
constexpr PassNetwork kNetwork{
    {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 2, 4, 8, 16, 32, 64, 128, 256, 512}, false, 0};
constexpr double kFairP = 0.5, kOtherP = 0.2;
constexpr int kLargestSet = 4;  // units whose common drops are counted
constexpr const char* kFairProtocol = "embedding_subnetworks";
constexpr const char* kOtherProtocol = "embedding_subnetwork_sets";
constexpr double kPearsonExpected = 1000;  // of a cell, for pooled_chi_squared

/// Sets of 1 to 4 units, as bits: 385 of them.
const std::vector<std::uint64_t>& unit_sets() {
  static const std::vector<std::uint64_t> all = [] {
    std::vector<std::uint64_t> made;
    for (int size = 1; size <= kLargestSet; ++size)
      for (std::uint64_t set = 1; set < kSubnetworks; ++set)
        if (std::popcount(set) == size) made.push_back(set);
    return made;
  }();
  return all;
}

class SubnetworkCounts final : public MergingObserver<SubnetworkCounts> {
 public:
  explicit SubnetworkCounts(TrainScale rule) : rule_(rule) {}

  void observe(const StepRecord& record) override {
    if (!record.observation->has_value()) {
      if (!refusal) refusal = record.observation->error();
      return;
    }
    const double p = record.step->problem.p;
    const bool eval_call = record.step->problem.mode == Mode::eval;
    const double scale = rule_ == TrainScale::over_q ? 1 / (1 - p) : 1;
    const std::vector<std::byte> y = dense_bytes(record.y);
    for (std::size_t at = 0; at < y.size(); at += sizeof(float)) {
      const double value = static_cast<double>(element_at<float>(y.data() + at));
      if (eval_call) {
        if (!eval) eval = value;
        continue;
      }
      ++draws;
      const auto number = whole_number(value, 0, scale);
      if (!number || *number < 0 || *number >= static_cast<std::int64_t>(kSubnetworks)) {
        if (strange++ == 0) first_strange = value;
        continue;
      }
      const auto cell = static_cast<std::size_t>(*number);
      if (counts[cell]++ == 0) outputs[cell] = value;
    }
  }
  void add(const SubnetworkCounts& later) {
    if (!refusal) refusal = later.refusal;
    if (!eval) eval = later.eval;
    if (strange == 0) first_strange = later.first_strange;
    strange += later.strange;
    draws += later.draws;
    for (std::size_t cell = 0; cell < kSubnetworks; ++cell) {
      if (counts[cell] == 0) outputs[cell] = later.outputs[cell];
      counts[cell] += later.counts[cell];
    }
  }

  std::optional<Error> refusal;
  std::array<std::uint64_t, kSubnetworks> counts{};  // by kept units, as bits
  std::array<double, kSubnetworks> outputs{};        // of each, as it was seen first
  std::optional<double> eval;                        // the output of the whole network
  std::uint64_t draws = 0, strange = 0;              // rows; those that no subnetwork makes
  double first_strange = 0;

 private:
  TrainScale rule_;
};

class Subnetworks final : public Check {
 public:
  explicit Subnetworks(const Dialect& dialect)
      : Check(catalogue_row("embedding.subnetworks", dialect)), rule_(dialect.scale) {}

  Applicability applies(const SampleInfo& sample) const override {
    return sample.protocol == kFairProtocol || sample.protocol == kOtherProtocol ? Applicability::yes()
                                                                                 : Applicability::no();
  }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    const std::uint64_t n = sample.blocks * kCalls * static_cast<std::uint64_t>(kRows);
    if (sample.protocol == kFairProtocol) return fair_effect(n, alpha, beta);
    return sets_effect(n, alpha, beta);
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<SubnetworkCounts>(rule_);
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    if (context.recentred) return {};
    const auto& counted = static_cast<const SubnetworkCounts&>(seen);
    if (counted.refusal) {
      Judgement judgement;
      judgement.verdict = Verdict::unsupported;
      judgement.message = counted.refusal->message;
      return judgement;
    }
    const bool fair = context.sample.protocol == kFairProtocol;
    ExactFinding finding;
    finding.compared(counted.draws);
    finding.violated(counted.strange, [&] {
      return fmt::format("{} of {} outputs are those of no subnetwork; one is {}", counted.strange,
                         counted.draws, counted.first_strange);
    });
    if (fair) judge_ensemble(counted, finding);
    if (!finding.clean()) return finding.judgement("");
    std::vector<Statistic> statistics = {fair ? pearson(counted, context) : common_drops(counted, context)};
    Judgement judgement = judge_statistics(std::move(statistics), counted.draws, [&](const Statistic& s) {
      if (fair)
        return fmt::format(
            "the 1024 subnetworks do not come equally often: Cohen's w is {:.4g} over {} "
            "draws",
            s.effect->value, counted.draws);
      return fmt::format("{}: {:.6g} [{:.6g}, {:.6g}] of {} draws, where {:.6g} is expected", set_text(s),
                         s.effect->value, *s.effect->lower, *s.effect->upper, counted.draws,
                         s.null_parameters.back().second);
    });
    if (judgement.verdict == Verdict::pass && fair)
      judgement.message =
          fmt::format("all 1024 subnetworks were seen{}",
                      counted.eval ? ", and the average of their outputs is that of the whole "
                                     "network in eval"
                                   : "");
    return judgement;
  }

 private:
  static constexpr const char* kCohen = "Cohen's w over 1024 subnetworks";
  static constexpr const char* kTogether = "probability that a set of units is dropped together";

  static MinimumDetectableEffect fair_effect(std::uint64_t n, double alpha, double beta) {
    const double lambda = stats::chi_squared_noncentrality(kSubnetworks - 1, alpha, beta);
    return {std::sqrt(lambda / static_cast<double>(n)), kCohen, 1 - beta};
  }
  /// Of the size whose sets need the largest effect.
  static MinimumDetectableEffect sets_effect(std::uint64_t n, double alpha, double beta) {
    double largest = 0;
    for (int size = 1; size <= kLargestSet; ++size)
      largest =
          std::max(largest, stats::binomial_min_effect(n, alpha / static_cast<double>(unit_sets().size()),
                                                       beta, std::pow(kOtherP, size)));
    return {largest, kTogether, 1 - beta};
  }

  /// At p = 1/2 every subnetwork weighs the same: the plain average is the expectation, which for a linear
  /// output is the network without dropout.
  static void judge_ensemble(const SubnetworkCounts& counted, ExactFinding& finding) {
    std::uint64_t unseen = 0;
    double sum = 0;
    for (std::size_t cell = 0; cell < kSubnetworks; ++cell) {
      unseen += counted.counts[cell] == 0 ? 1u : 0u;
      sum += counted.outputs[cell];
    }
    finding.compared(kSubnetworks);
    finding.violated(unseen, [&] {
      return fmt::format("{} of 1024 subnetworks never come in {} draws, where each is expected {:.0f} times",
                         unseen, counted.draws,
                         static_cast<double>(counted.draws) / static_cast<double>(kSubnetworks));
    });
    if (!counted.eval || unseen > 0) return;
    const double average = sum / static_cast<double>(kSubnetworks);
    finding.compared();
    finding.violated(near(average, *counted.eval, 1e-5 * std::abs(average)) ? 0 : 1, [&] {
      return fmt::format(
          "the average over all 1024 subnetworks is {:.9g}, the whole network in eval gives "
          "{:.9g}; for a linear output they are equal",
          average, *counted.eval);
    });
  }

  static Statistic pearson(const SubnetworkCounts& counted, const JudgeContext& context) {
    const std::vector<double> probabilities(kSubnetworks, 1.0 / static_cast<double>(kSubnetworks));
    const auto result = stats::pooled_chi_squared(counted.counts, probabilities, kPearsonExpected);
    DROPCHECK_CHECK(result.has_value());  // the protocol draws enough
    Statistic s;
    s.id = "E1";
    s.name = "subnetworks";
    s.counts = {{"n", {counted.draws}}, {"subnetworks", integers(counted.counts)}};
    s.null_law = "Pearson's statistic of 1024 equally probable cells, chi-squared with 1023 degrees";
    s.value = result->statistic;
    set_tail(s, result->tail, context.alpha);
    const auto n = static_cast<double>(counted.draws);
    const double excess = std::max(result->statistic - result->degrees_of_freedom, 0.0);
    s.effect = Effect{std::sqrt(excess / n), kCohen, std::nullopt, std::nullopt};
    s.minimum_detectable_effect = fair_effect(counted.draws, context.alpha, kBeta);
    return s;
  }

  /// The number of draws in which all units of a set are dropped is Bin(n, p^size).
  static Statistic common_drops(const SubnetworkCounts& counted, const JudgeContext& context) {
    const std::vector<std::uint64_t>& sets = unit_sets();
    const bool alone = context.focus && context.focus->cell && *context.focus->cell < sets.size();
    std::size_t worst = 0;
    std::optional<stats::Tail> smallest;
    std::uint64_t together = 0;
    for (std::size_t k = 0; k < sets.size(); ++k) {
      if (alone && k != *context.focus->cell) continue;
      std::uint64_t x = 0;
      for (std::size_t cell = 0; cell < kSubnetworks; ++cell)
        if ((cell & sets[k]) == 0) x += counted.counts[cell];
      const stats::Tail tail =
          stats::binomial_two_sided(counted.draws, x, std::pow(context.p, std::popcount(sets[k])));
      if (smallest && tail.log10_p >= smallest->log10_p) continue;
      smallest = tail;
      worst = k;
      together = x;
    }
    const std::size_t tests = alone ? 1 : sets.size();
    const double probability = std::pow(context.p, std::popcount(sets[worst]));
    Statistic s;
    s.id = "E2";
    s.name = "units dropped together";
    s.cell = worst;
    s.counts = {{"n", {counted.draws}}, {"x", {together}}, {"units", {sets[worst]}}, {"sets", {tests}}};
    s.null_law = "Binomial(n, p^size), worst of the sets of 1 to 4 units";
    s.null_parameters = {{"p", context.p}, {"p^size", probability}};
    s.value = static_cast<double>(together);
    set_tail(s, alone ? *smallest : stats::bonferroni(*smallest, tests, "binomial_exact_bonferroni"),
             context.alpha);
    const stats::Interval interval =
        stats::clopper_pearson(counted.draws, together, context.alpha / static_cast<double>(tests));
    s.effect = Effect{static_cast<double>(together) / static_cast<double>(counted.draws), kTogether,
                      interval.lower, interval.upper};
    s.minimum_detectable_effect = sets_effect(counted.draws, context.alpha, kBeta);
    return s;
  }

  static std::string set_text(const Statistic& s) {
    std::string units;
    const std::uint64_t set = unit_sets()[*s.cell];
    for (std::size_t unit = 0; unit < kPassUnits; ++unit)
      if ((set >> unit & 1) != 0) units.append(fmt::format("{}{}", units.empty() ? "" : ", ", unit + 1));
    return fmt::format("all of the units {} are dropped in", units);
  }

  TrainScale rule_;
};

}  // namespace

void add_subnetworks(Registry& registry, const Dialect& dialect) {
  const bool has_eval = dialect.has_eval();
  for (const auto& [id, p] : {std::pair{kFairProtocol, kFairP}, {kOtherProtocol, kOtherP}}) {
    Protocol protocol = own_protocol(
        id, fmt::format("2^20 passes of a network of ten units with p = {}, whose output names its mask", p),
        nullptr, problem_of(p, {kRows, 1}));
    protocol.steps = [p = p, has_eval](const SampleInfo&, std::uint64_t) {
      std::vector<Step> steps(kCalls, continued(kNetwork.step(kRows, p, Mode::train)));
      steps.front() = kNetwork.step(kRows, p, Mode::train);
      if (has_eval) steps.push_back(continued(kNetwork.step(1, p, Mode::eval)));
      return steps;
    };
    protocol.default_calls = static_cast<std::uint32_t>(kCalls) + (has_eval ? 1 : 0);
    registry.add_protocol(std::move(protocol));
  }
  registry.add_check(std::make_unique<Subnetworks>(dialect));
}

}  // namespace dropcheck::suites::embedding
