#include "impl/mutants/draws_backend.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "impl/mutants/mutants.hpp"
#include "impl/mutants/weak_generators.hpp"
#include "reference/one_call.hpp"

namespace dropcheck::mutants {
namespace {

using Bits = std::vector<bool>;  // true = dropped
using Shape = std::vector<std::int64_t>;

Problem problem_of(double p, Shape shape, Op op = Op::dropout) {
  Problem problem;
  problem.op = op;
  problem.p = p;
  problem.shape = std::move(shape);
  problem.seed = 42;
  return problem;
}

/// The drops of one call on ones.
Bits drops(Backend& backend, const Problem& problem) {
  reference::OneCall one;
  one.problem = problem;
  one.x.assign(static_cast<std::size_t>(element_count(problem.shape)), 1.0);
  const reference::OneResult result = reference::run_one(backend, one);
  EXPECT_TRUE(result.observation.has_value());
  EXPECT_TRUE(result.faults.empty());
  Bits bits;
  for (const double y : result.values(result.y, problem.dtype)) bits.push_back(y == 0);
  return bits;
}

Bits drops(Fault fault, double strength, const Problem& problem) {
  DrawsBackend backend("test", fault, strength);
  return drops(backend, problem);
}

Bits clean(const Problem& problem) { return drops(Fault::none, 0, problem); }

std::size_t count(const Bits& bits) {
  return static_cast<std::size_t>(std::count(bits.begin(), bits.end(), true));
}

/// Masks are fixed by their seeds, so that no bound here can fail by chance later.
double rate(const Bits& bits) { return static_cast<double>(count(bits)) / static_cast<double>(bits.size()); }

/// Correlation of two sets of entries of drop probability p.
double correlation(const Bits& a, const Bits& b, double p) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - p) * (b[i] - p);
  return sum / (p * (1 - p) * static_cast<double>(a.size()));
}

double lag_correlation(const Bits& bits, std::size_t lag, double p) {
  return correlation(Bits(bits.begin(), bits.end() - static_cast<std::ptrdiff_t>(lag)),
                     Bits(bits.begin() + static_cast<std::ptrdiff_t>(lag), bits.end()), p);
}

TEST(DrawsBackend, IsTheCleanBaseWithoutAFault) {
  const auto base = *open_mutant("none", {});
  for (const double p : {0.1, 0.5, 0.9}) {
    const Problem problem = problem_of(p, {3, 40, 7});
    DrawsBackend backend("test", Fault::none, 0);
    EXPECT_EQ(drops(backend, problem), drops(*base, problem));
    Problem next = problem;
    next.seed.reset();
    EXPECT_EQ(drops(backend, next), drops(*base, next));
  }
}

TEST(DrawsBackend, EachFaultChangesTheMaskAndKeepsItsRateSeedAndCallsApart) {
  for (const MutantInfo& mutant : mutant_table()) {
    if (mutant.fault < Fault::lanes_shared || mutant.fault > Fault::common_factor) continue;
    SCOPED_TRACE(mutant.id);
    const bool of_channels = mutant.shown_by.find("dropout2d") != std::string_view::npos;
    const Problem problem =
        problem_of(0.5, {64, 128, of_channels ? 1 : 16}, of_channels ? Op::dropout1d : Op::dropout);
    DrawsBackend backend(std::string(mutant.id), mutant.fault, mutant.strength);
    const Bits first = drops(backend, problem);
    // At p = 1/2 a run of keeps as long as one that is cut does not come in so small a tensor.
    EXPECT_EQ(first == clean(problem), mutant.fault == Fault::runs_cut);
    EXPECT_NEAR(rate(first), 0.5, 0.1);
    EXPECT_EQ(drops(backend, problem), first) << "the same seed";
    Problem next = problem;
    next.seed.reset();
    EXPECT_NE(drops(backend, next), first) << "the next call";
    Problem other = problem;
    other.seed = 43;
    EXPECT_NE(drops(backend, other), first) << "another seed";
  }
}

TEST(DrawsBackend, LanesShareADraw) {
  for (const std::size_t lanes : {2u, 8u, 16u}) {
    const Bits bits = drops(Fault::lanes_shared, static_cast<double>(lanes), problem_of(0.5, {4096}));
    for (std::size_t i = 0; i < bits.size(); ++i) EXPECT_EQ(bits[i], bits[i / lanes * lanes]);
  }
}

TEST(DrawsBackend, FoursAlongTheSecondAxisOnly) {
  const Bits bits = drops(Fault::shared_along_axis, 4, problem_of(0.5, {2, 10, 30}));
  for (std::size_t i = 0; i < bits.size(); ++i) {
    const std::size_t channel = i / 30 % 10;
    EXPECT_EQ(bits[i], bits[i - channel % 4 * 30]) << i;
  }
  EXPECT_LT(std::abs(lag_correlation(bits, 1, 0.5)), 0.2) << "rows are as they should be";
  const Problem flat = problem_of(0.5, {600});
  EXPECT_EQ(drops(Fault::shared_along_axis, 4, flat), clean(flat)) << "no strided axis";
  const Bits channels = drops(Fault::shared_along_axis, 4, problem_of(0.5, {2, 10, 3}, Op::dropout1d));
  for (std::size_t i = 0; i < channels.size(); ++i)
    EXPECT_EQ(channels[i], channels[i - i / 3 % 10 % 4 * 3]) << i;
}

TEST(DrawsBackend, WordsShiftedByBitsDependOnEachOtherUnlessPIsAHalf) {
  // The next number is half of this one plus a new leading bit, so both are below p with probability p / 2
  // below p = 1/2: correlation (1/2 - p) / (1 - p). Three of four neighbours share a word.
  for (const double p : {0.1, 0.5}) {
    const Bits bits = drops(Fault::words_shifted_by_bits, 0, problem_of(p, {1 << 18}));
    EXPECT_NEAR(rate(bits), p, 0.01);
    EXPECT_NEAR(lag_correlation(bits, 1, p), 0.75 * (0.5 - p) / (1 - p), 0.02);
  }
}

TEST(DrawsBackend, ExactCountsAndStrataVaryTooLittle) {
  const Bits exact = drops(Fault::exact_count, 128, problem_of(0.3, {12800}));
  for (std::size_t i = 0; i < exact.size(); i += 128) {
    const auto begin = exact.begin() + static_cast<std::ptrdiff_t>(i);
    const auto drops_of_block = std::count(begin, begin + 128, true);
    EXPECT_TRUE(drops_of_block == 38 || drops_of_block == 39) << drops_of_block;  // 128 p = 38.4
  }
  EXPECT_NEAR(rate(exact), 0.3, 0.003);
  const auto in_call = count(drops(Fault::exact_count, 1e18, problem_of(0.3, {4099})));
  EXPECT_TRUE(in_call == 1229 || in_call == 1230) << in_call;  // a stretch is a call at most: 4099 p = 1229.7
  const Bits one_in_ten = drops(Fault::stratified, 0, problem_of(0.1, {10000}));
  for (std::size_t i = 0; i < one_in_ten.size(); i += 10)
    EXPECT_EQ(std::count(one_in_ten.begin() + static_cast<std::ptrdiff_t>(i),
                         one_in_ten.begin() + static_cast<std::ptrdiff_t>(i) + 10, true),
              1);
  EXPECT_EQ(count(drops(Fault::stratified, 0, problem_of(0.75, {1000}))), 750u) << "one keep in four";
}

TEST(DrawsBackend, TilesAndRowsComeAgain) {
  const Bits tiled = drops(Fault::tiled, 1000, problem_of(0.5, {4500}));
  for (std::size_t i = 1000; i < tiled.size(); ++i) EXPECT_EQ(tiled[i], tiled[i - 1000]);
  const Bits rows = drops(Fault::few_row_seeds, 16, problem_of(0.5, {40, 64}));
  for (std::size_t i = 16 * 64; i < rows.size(); ++i) EXPECT_EQ(rows[i], rows[i - 16 * 64]);
  EXPECT_NE(Bits(rows.begin(), rows.begin() + 64), Bits(rows.begin() + 64, rows.begin() + 128));
  const Bits batch = drops(Fault::first_key_of_batch, 0, problem_of(0.5, {4, 5, 60}));
  for (std::size_t i = 300; i < batch.size(); ++i) EXPECT_EQ(batch[i], batch[i - 300]);
}

TEST(DrawsBackend, ShortGeneratorsComeRound) {
  const Bits bytes = drops(Fault::lcg_low_byte, 0, problem_of(0.5, {4096}));
  for (std::size_t i = 256; i < bytes.size(); ++i) EXPECT_EQ(bytes[i], bytes[i - 256]);
  EXPECT_DOUBLE_EQ(rate(bytes), 0.5);
  const Bits lanes = drops(Fault::lanes_of_short_lcg, 0, problem_of(0.5, {8 * 65536 + 800}));
  for (std::size_t i = 8 * 65536; i < lanes.size(); ++i) EXPECT_EQ(lanes[i], lanes[i - 8 * 65536]);
}

TEST(WeakGenerators, HaveTheConstantsOfTheirSources) {
  Mcg31 mcg{1};
  EXPECT_EQ(mcg.next(), 1132489760.0 / 2147483647.0);
  EXPECT_EQ((mcg.next(), mcg.x), 826537482u);  // 1132489760^2 mod (2^31 - 1)
  Xorshift32 shift{1};
  EXPECT_EQ(shift.next(), 270369u);  // as Marsaglia's paper's generator from the seed 1
  PowerOfTwoLcg lcg{1664525, 1013904223, 0};
  EXPECT_EQ(lcg.next(), 1013904223u);
  EXPECT_EQ(lcg.next(), 1196435762u);  // Numerical Recipes, 2nd ed., 7.1
}

TEST(DrawsBackend, FewSeedsGiveFewMasks) {
  DrawsBackend backend("test", Fault::mcg31_few_seeds, 0);
  Problem problem = problem_of(0.5, {256});
  std::set<Bits> masks;
  for (int call = 0; call < 400; ++call) {
    masks.insert(drops(backend, problem));
    problem.seed.reset();
  }
  EXPECT_LT(masks.size(), 400u);  // 400^2 / 2 / 4096 = 19.5 repeats are expected
  EXPECT_GT(masks.size(), 350u);
}

TEST(DrawsBackend, CopiesOfTheNeighbour) {
  const Bits often = drops(Fault::copies_neighbour, 0.5, problem_of(0.1, {1 << 17}));
  EXPECT_NEAR(lag_correlation(often, 1, 0.1), 0.5, 0.02);
  EXPECT_NEAR(lag_correlation(often, 2, 0.1), 0.25, 0.02);
  const Problem problem = problem_of(0.5, {1 << 15});
  const Bits seams = drops(Fault::copies_over_seams, 1, problem), without = clean(problem);
  for (std::size_t i = 1; i < seams.size(); ++i)
    EXPECT_EQ(seams[i], i % 256 == 0 ? seams[i - 1] : without[i]);
}

TEST(DrawsBackend, RatesThatVary) {
  const std::size_t n = 1 << 16;
  const Bits drift = drops(Fault::drifts, 0.5, problem_of(0.2, {static_cast<std::int64_t>(n)}));
  EXPECT_NEAR(rate(Bits(drift.begin(), drift.begin() + n / 8)), 0.2 * (1 - 0.5 * 7 / 8), 0.01);
  EXPECT_NEAR(rate(Bits(drift.end() - n / 8, drift.end())), 0.2 * (1 + 0.5 * 7 / 8), 0.01);
  DrawsBackend calls("test", Fault::call_rates, 0.5);
  Problem problem = problem_of(0.2, {static_cast<std::int64_t>(n)});
  for (const double expected : {0.1, 0.1, 0.3, 0.3, 0.1}) {
    EXPECT_NEAR(rate(drops(calls, problem)), expected, 0.01);
    problem.seed.reset();
  }
  const Bits stretches = drops(Fault::stretch_rates, 1, problem_of(0.25, {static_cast<std::int64_t>(n)}));
  std::size_t empty = 0;
  for (std::size_t i = 0; i < n; i += 64)
    empty += count(Bits(stretches.begin() + static_cast<std::ptrdiff_t>(i),
                        stretches.begin() + static_cast<std::ptrdiff_t>(i + 64))) == 0;
  EXPECT_NEAR(static_cast<double>(empty), n / 128.0, 120);  // half of them have the rate 0
  const Bits period = drops(Fault::period_of_100, 1, problem_of(0.3, {100000}));
  std::size_t trough = 0;
  for (std::size_t i = 50; i < period.size(); i += 100) trough += period[i];
  EXPECT_EQ(trough, 0u) << "the rate is 0 in the middle of a period";
}

TEST(DrawsBackend, LinearBitsAtAHalfOnly) {
  const Bits even = drops(Fault::even_groups, 1, problem_of(0.5, {4096}));
  for (std::size_t i = 0; i < even.size(); i += 8)
    EXPECT_EQ(std::count(even.begin() + static_cast<std::ptrdiff_t>(i),
                         even.begin() + static_cast<std::ptrdiff_t>(i) + 8, true) %
                  2,
              0);
  for (const auto& [fault, near, far] :
       {std::tuple{Fault::register_of_31, 28, 31}, {Fault::register_of_55, 24, 55}}) {
    const Bits bits = drops(fault, 0, problem_of(0.5, {4096}));
    const auto kept = [&](std::size_t i) { return !bits[i]; };
    for (auto i = static_cast<std::size_t>(far); i < bits.size(); ++i)
      EXPECT_EQ(kept(i), kept(i - static_cast<std::size_t>(near)) != kept(i - static_cast<std::size_t>(far)));
  }
  for (const Fault fault : {Fault::even_groups, Fault::register_of_31, Fault::register_of_55,
                            Fault::twister_bit, Fault::few_words}) {
    const Problem problem = problem_of(0.3, {4096});
    EXPECT_EQ(drops(fault, 20, problem), clean(problem)) << "no other p shows it";
  }
}

TEST(DrawsBackend, FewWordsComeAgain) {
  const Bits bits = drops(Fault::few_words, 4, problem_of(0.5, {32 * 64}));
  std::set<Bits> words;
  for (std::size_t i = 0; i < bits.size(); i += 32)
    words.insert(Bits(bits.begin() + static_cast<std::ptrdiff_t>(i),
                      bits.begin() + static_cast<std::ptrdiff_t>(i) + 32));
  EXPECT_LE(words.size(), 16u);
  EXPECT_GT(words.size(), 8u);
}

TEST(DrawsBackend, GapsAndRuns) {
  const Bits gaps = drops(Fault::gap_avoided, 1, problem_of(0.1, {1 << 16}));
  std::size_t last = gaps.size();
  for (std::size_t i = 0; i < gaps.size(); ++i) {
    if (!gaps[i]) continue;
    EXPECT_NE(i, last + 11);
    last = i;
  }
  const Bits runs = drops(Fault::runs_cut, 20, problem_of(0.1, {1 << 16}));
  std::size_t run = 0, longest = 0;
  for (const bool dropped : runs) longest = std::max(longest, run = dropped ? 0 : run + 1);
  EXPECT_EQ(longest, 20u);
}

TEST(DrawsBackend, AllChannelsTakeTheCommonDraw) {
  const Bits bits = drops(Fault::common_factor, 1, problem_of(0.5, {4, 8, 30}));
  for (std::size_t i = 0; i < bits.size(); ++i) {
    const std::size_t of_first_channel = i - i / 30 % 8 * 30;
    EXPECT_EQ(bits[i], bits[of_first_channel]);
  }
  EXPECT_NE(Bits(bits.begin(), bits.begin() + 30), Bits(bits.begin() + 240, bits.begin() + 270));
}

}  // namespace
}  // namespace dropcheck::mutants
