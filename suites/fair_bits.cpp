// Tests of fair bits drawn from the mask: channel_correlation.rank (S17), .collisions (S20) and .birthday
// (S21). They need large samples, and see what generators of random numbers, not kernels, get wrong.

#include "harness/stats/fair_bits.hpp"

#include <algorithm>
#include <cmath>

#include "harness/stats/binomial.hpp"
#include "harness/stats/birthday.hpp"
#include "harness/stats/collisions.hpp"
#include "harness/stats/matrix_rank.hpp"
#include "harness/stats/poisson.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/chunk_observer.hpp"
#include "suites/judging.hpp"

namespace dropcheck::suites {
namespace {

using stats::BirthdayCounts;
using stats::CollisionCounts;
using stats::RankCounts;

/// Expected coincidences below which their number says little.
constexpr double kFewestCoincidences = 10;

bool has_arrangement(const SampleInfo& sample) {
  return sample.problem.p > 0 && sample.problem.p < 1 && needs_arrangement(sample).applies;
}

/// Masks at p = 1/2 were read as fair bits, which they are not under another drop probability.
bool are_fair(std::uint64_t raw_chunks, double p) { return raw_chunks == 0 || stats::is_fair(p); }

constexpr const char* kNotFair =
    "the mask was read as fair bits, which it is not under the drop probability that has to be tested";

const char* origin(std::uint64_t raw_chunks) {
  return raw_chunks > 0 ? "the mask's bits, fair at p = 1/2"
                        : "fair bits: the first of two entries that differ";
}

class Rank final : public Check {
 public:
  Rank() : Check(catalogue_row("channel_correlation.rank")) {}

  Applicability applies(const SampleInfo& sample) const override {
    if (!has_arrangement(sample)) return needs_arrangement(sample);
    if (!std::isfinite(stats::rank_min_effect(planned(sample), kPlannedLevel, kBeta)))
      return Applicability::rule_fails("fewer than 3463 matrices of 64 x 64 fair bits");
    return Applicability::yes();
  }
  unsigned hypotheses(const SampleInfo&) const override { return 2; }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    return MinimumDetectableEffect{stats::rank_min_effect(planned(sample), alpha, beta), kUnit, 1 - beta};
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<ChunkObserver<RankCounts>>(RankCounts{});
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& counts = counts_of<RankCounts>(seen);
    if (!are_fair(counts.raw_chunks, context.p)) return context.recentred ? Judgement{} : invalid(kNotFair);
    const auto pooled = stats::rank_test(counts);
    if (!pooled) return invalid("fewer than 3463 matrices of 64 x 64 fair bits");
    const std::uint64_t n = counts.total();

    Statistic ranks;
    ranks.id = "S17";
    ranks.name = "ranks of 64 x 64 matrices";
    ranks.counts = {{"matrices", integers(counts.matrices)}};
    ranks.null_law = fmt::format(
        "ranks 64, 63, 62 and less of random matrices, pooled to 1000 expected each: chi-squared(cells - 1); "
        "{}",
        origin(counts.raw_chunks));
    ranks.null_parameters = {{"degrees_of_freedom", pooled->degrees_of_freedom}};
    ranks.value = pooled->statistic;
    set_tail(ranks, pooled->tail, context.alpha);
    const double excess = (pooled->statistic - pooled->degrees_of_freedom) / static_cast<double>(n);
    ranks.effect = Effect{std::sqrt(std::max(excess, 0.0)), kUnit, std::nullopt, std::nullopt};
    ranks.minimum_detectable_effect = detectable(context.sample, context.alpha, kBeta);

    const std::uint64_t low_count = counts.matrices.back();
    double low_probability = 1;
    for (unsigned deficit = 0; deficit + 1 < stats::kRankCells; ++deficit)
      low_probability -= stats::rank_probability(stats::kMatrixSize, deficit);
    const stats::Interval interval = stats::clopper_pearson(n, low_count, context.alpha);
    Statistic low;
    low.id = "S17";
    low.name = "matrices of rank 61 or less";
    low.counts = {{"n", {n}}, {"x", {low_count}}};
    low.null_law = "Binomial(n, 0.005285...), the probability of so low a rank";
    low.value = static_cast<double>(low_count);
    set_tail(low, stats::low_rank_test(counts), context.alpha);
    low.effect = Effect{static_cast<double>(low_count) / static_cast<double>(n), "share of matrices",
                        interval.lower, interval.upper};
    low.minimum_detectable_effect = MinimumDetectableEffect{
        stats::binomial_min_effect(planned(context.sample), context.alpha, kBeta, low_probability),
        "share of matrices", kPower};

    return judge_statistics({ranks, low}, n * stats::kMatrixBits, [&](const Statistic& s) {
      return fmt::format(
          "{} are not those of independent bits: {} of {} matrices have rank 61 or less where {:.4g} are "
          "expected. Bits are linear functions of too few others, as in generators over two elements",
          s.name, low_count, n, low_probability * static_cast<double>(n));
    });
  }

 private:
  static constexpr const char* kUnit = "Cohen's w between the ranks";
  static std::uint64_t planned(const SampleInfo& sample) {
    return stats::planned_matrices(sample.chunks(), sample.problem.p);
  }
};

/// The statistic of a Poisson number of coincidences.
Statistic coincidences(const char* id, const char* name, std::uint64_t seen, double expected,
                       const stats::Tail& tail, const char* unit, const JudgeContext& context) {
  Statistic s;
  s.id = id;
  s.name = name;
  s.value = static_cast<double>(seen);
  set_tail(s, tail, context.alpha);
  s.effect = Effect{static_cast<double>(seen) / expected - 1, unit, std::nullopt, std::nullopt};
  return s;
}

class Collisions final : public Check {
 public:
  Collisions() : Check(catalogue_row("channel_correlation.collisions")) {}

  Applicability applies(const SampleInfo& sample) const override {
    if (!has_arrangement(sample)) return needs_arrangement(sample);
    if (planned(sample) < kFewestCoincidences)
      return Applicability::rule_fails("fewer than 10 expected collisions of 24 fair bits");
    return Applicability::yes();
  }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    return MinimumDetectableEffect{stats::poisson_min_effect(planned(sample), alpha, beta), kUnit, 1 - beta};
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<ChunkObserver<CollisionCounts>>(CollisionCounts{});
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& counts = counts_of<CollisionCounts>(seen);
    if (!are_fair(counts.raw_chunks, context.p)) return context.recentred ? Judgement{} : invalid(kNotFair);
    if (counts.pairs == 0) return invalid("no two words of 24 fair bits");
    Statistic s = coincidences("S20", "collisions of 24 bits", counts.collisions, counts.expected(),
                               stats::collision_test(counts), kUnit, context);
    s.counts = {{"pairs", {counts.pairs}}, {"collisions", {counts.collisions}}};
    s.null_law = fmt::format("Poisson(pairs / 2^24), doubled; words of {}", origin(counts.raw_chunks));
    s.null_parameters = {{"mean", counts.expected()}};
    s.minimum_detectable_effect = detectable(context.sample, context.alpha, kBeta);
    return judge_statistics({s}, counts.pairs, [&](const Statistic&) {
      return fmt::format("{} pairs of words of 24 bits are equal where {:.4g} are expected: {}",
                         counts.collisions, counts.expected(),
                         static_cast<double>(counts.collisions) > counts.expected()
                             ? "stretches of the mask are repeated, or the generator has too few outputs"
                             : "words avoid those that came before, as if dealt without being put back");
    });
  }

 private:
  static constexpr const char* kUnit = "relative excess of collisions";
  static double planned(const SampleInfo& sample) {
    return stats::planned_collisions(sample.chunks(), sample.problem.p);
  }
};

class Birthday final : public Check {
 public:
  Birthday() : Check(catalogue_row("channel_correlation.birthday")) {}

  Applicability applies(const SampleInfo& sample) const override {
    if (!has_arrangement(sample)) return needs_arrangement(sample);
    if (planned(sample) < kFewestCoincidences)
      return Applicability::rule_fails("fewer than 10 expected repeats of birthday spacings");
    return Applicability::yes();
  }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    return MinimumDetectableEffect{stats::poisson_min_effect(planned(sample), alpha, beta), kUnit, 1 - beta};
  }
  std::unique_ptr<Observer> observer(const SampleInfo& sample) const override {
    return std::make_unique<ChunkObserver<BirthdayCounts>>(
        BirthdayCounts(stats::birthdays_of_year(sample.chunks(), sample.problem.p)));
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& counts = counts_of<BirthdayCounts>(seen);
    if (!are_fair(counts.raw_chunks(), context.p)) return context.recentred ? Judgement{} : invalid(kNotFair);
    if (counts.years() == 0) return invalid("too few fair bits for one year of birthdays");
    Statistic s = coincidences("S21", "repeated birthday spacings", counts.repeats(), counts.expected(),
                               stats::birthday_test(counts), kUnit, context);
    s.counts = {
        {"birthdays", {counts.birthdays()}}, {"years", {counts.years()}}, {"repeats", {counts.repeats()}}};
    s.null_law = fmt::format("Poisson(years C(birthdays-1, 2) birthdays / 2^33), doubled; words of 32 {}",
                             origin(counts.raw_chunks()));
    s.null_parameters = {{"mean", counts.expected()}};
    s.minimum_detectable_effect = detectable(context.sample, context.alpha, kBeta);
    return judge_statistics({s}, counts.years() * counts.birthdays(), [&](const Statistic&) {
      return fmt::format("{} distances between words of 32 bits repeat where {:.4g} are expected: {}",
                         counts.repeats(), counts.expected(),
                         static_cast<double>(counts.repeats()) > counts.expected()
                             ? "words lie on a lattice, as those of a linear congruential generator"
                             : "words are spread more evenly than chance spreads them");
    });
  }

 private:
  static constexpr const char* kUnit = "relative excess of repeated spacings";
  static double planned(const SampleInfo& sample) {
    return stats::planned_repeats(sample.chunks(), sample.problem.p);
  }
};

}  // namespace

void add_fair_bits(Registry& registry) {
  registry.add_check(std::make_unique<Rank>());
  registry.add_check(std::make_unique<Collisions>());
  registry.add_check(std::make_unique<Birthday>());
}

}  // namespace dropcheck::suites
