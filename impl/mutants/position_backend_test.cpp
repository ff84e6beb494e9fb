#include "impl/mutants/position_backend.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "impl/mutants/testing/outputs.hpp"

namespace dropcheck::mutants {
namespace {

using reference::OneCall;
using reference::OneResult;
using reference::run_one;

TEST(PositionMutant, HalfDropsInEval) {
  OneCall one = ones(0.5);
  one.problem.mode = Mode::eval;
  EXPECT_EQ(output("half_drops_in_eval", one), one.x);
  one.problem.dtype = DType::f16;
  EXPECT_NE(output("half_drops_in_eval", one), one.x);
  EXPECT_EQ(output("none", one), one.x);
}

TEST(PositionMutant, EvalTurnsDropoutOff) {
  const auto backend = *open_mutant("p_zero_after_eval", {});
  OneCall one = ones(0.5);
  const auto first = output(*backend, one);
  EXPECT_NE(first, one.x);
  one.problem.seed.reset();
  one.problem.mode = Mode::eval;
  EXPECT_EQ(output(*backend, one), one.x);
  one.problem.mode = Mode::train;
  EXPECT_EQ(output(*backend, one), one.x) << "p has become 0";
  EXPECT_EQ(output(*backend, ones(0.5)), first) << "a seed ends it";
}

TEST(PositionMutant, BatchedAsUnbatched) {
  OneCall one = ones(0.5, {64, 8, 3});
  one.problem.op = Op::dropout1d;
  const auto y = output("batched_as_unbatched", one);
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], y[i / 24 * 24]) << "a sample at a time";
  EXPECT_THAT(y, testing::Contains(0.0));
  EXPECT_THAT(y, testing::Contains(2.0));
  EXPECT_EQ(output("batched_as_unbatched", ones(0.5)), output("none", ones(0.5)));
}

TEST(PositionMutant, ChannelsByMemory) {
  OneCall one = ones(0.5, {4, 16, 8, 3});
  one.problem.op = Op::dropout2d;
  EXPECT_EQ(output("channels_by_memory", one), output("none", one)) << "row-major memory";
  one.problem.layout = Layout::channels_last;
  const auto y = output("channels_by_memory", one);
  int mixed = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const std::size_t sample = i / 384, row = i / 3 % 8;
    EXPECT_EQ(y[i], y[sample * 384 + row * 3]) << "all channels of a row alike";
    mixed += y[i] != y[i / 24 * 24] ? 1 : 0;
  }
  EXPECT_GT(mixed, 0) << "channels are dropped in part";
}

TEST(PositionMutant, MiddleIsAlwaysDropped) {
  const auto backend = *open_mutant("middle_undrawn", {});
  OneCall one = ones(0.01, {6});
  for (int call = 0; call < 20; ++call) {
    EXPECT_EQ(output(*backend, one)[3], 0.0);
    one.problem.seed.reset();
  }
  EXPECT_EQ(output("middle_undrawn", ones(0.01, {7})), output("none", ones(0.01, {7})));
}

TEST(PositionMutant, LostUpdates) {
  const OneCall one = ones(0.1, {24 * 6400});
  const auto wrong = output("packed_update_lost", one), right = output("none", one);
  EXPECT_EQ(output("packed_update_lost", one), wrong) << "played, and not left to chance";
  int lost = 0;
  for (std::size_t at = 0; at < right.size(); at += 24) {
    const bool differs = !std::equal(right.begin() + static_cast<std::ptrdiff_t>(at + 8),
                                     right.begin() + static_cast<std::ptrdiff_t>(at + 12),
                                     wrong.begin() + static_cast<std::ptrdiff_t>(at + 8));
    for (std::size_t i = at; i < at + 24; ++i) {
      const bool shared = i % 24 >= 8 && i % 24 < 12;
      EXPECT_EQ(wrong[i], differs && shared ? 0.0 : right[i]);
    }
    lost += differs ? 1 : 0;
  }
  EXPECT_NEAR(lost, 100, 50) << "one in 64 of 6400";
}

TEST(PositionMutant, LastGroupReversed) {
  const auto right = output("philox", ones(0.5, {4095})),
             wrong = output("last_group_reversed", ones(0.5, {4095}));
  EXPECT_TRUE(std::equal(right.begin(), right.end() - 3, wrong.begin()));
  EXPECT_TRUE(std::equal(right.rbegin(), right.rbegin() + 3, wrong.end() - 3));
  EXPECT_EQ(output("last_group_reversed", ones(0.5)), output("philox", ones(0.5)));
}

TEST(PositionMutant, LeftOverEntriesShareADraw) {
  int dropped = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    OneCall one = ones(0.5, {8 * 3 + 5});
    one.problem.seed = seed;
    const auto right = output("none", one), wrong = output("left_over_shared", one);
    EXPECT_TRUE(std::equal(right.begin(), right.begin() + 25, wrong.begin()));
    for (std::size_t i = 25; i < 29; ++i) EXPECT_EQ(wrong[i], wrong[24]);
    dropped += wrong[24] == 0 ? 1 : 0;
  }
  EXPECT_NEAR(dropped, 100, 35) << "at the right rate";
  EXPECT_EQ(output("left_over_shared", ones(0.5)), output("none", ones(0.5)));
}

TEST(PositionMutant, GeneratorByThreads) {
  OneCall one = ones(0.5);
  const auto few = output("generator_by_threads", one);
  one.problem.threads = 4;
  EXPECT_EQ(output("generator_by_threads", one), few);
  one.problem.threads = 5;
  EXPECT_NE(output("generator_by_threads", one), few);
}

TEST(PositionMutant, VariateThatOutlivesASeed) {
  int stale = 0;
  for (std::uint64_t seed = 0; seed < 64; ++seed) {
    const auto backend = *open_mutant("variate_kept", {});
    OneCall odd = ones(0.5, {5});
    odd.problem.seed = 1000 + seed;
    output(*backend, odd);  // leaves a variate behind
    OneCall one = ones(0.5, {64});
    one.problem.seed = seed;
    const auto y = output(*backend, one), clean = output("none", one);
    EXPECT_TRUE(std::equal(y.begin() + 1, y.end(), clean.begin() + 1)) << "one element alone";
    stale += y[0] != clean[0] ? 1 : 0;
  }
  EXPECT_GT(stale, 10) << "half of 64";
  EXPECT_LT(stale, 54);
}

TEST(SeedMutant, FoldsAndRemainders) {
  const auto of_seed = [](const std::string& id, std::uint64_t seed) {
    OneCall one = ones(0.5);
    one.problem.seed = seed;
    return output(id, one);
  };
  EXPECT_EQ(of_seed("seed_mod_mersenne", 5), of_seed("seed_mod_mersenne", 5 + std::uint64_t{0x7FFFFFFF}));
  EXPECT_NE(of_seed("seed_mod_mersenne", 5), of_seed("seed_mod_mersenne", 6));
  EXPECT_EQ(of_seed("seed_folded", 5), of_seed("seed_folded", std::uint64_t{5} << 32));
  EXPECT_NE(of_seed("seed_folded", 5), of_seed("seed_folded", 6));
  OneCall of_calls = ones(0.5);
  of_calls.problem.seed = std::uint64_t{5} << 32 | 7;
  const auto cut = [&](const char* id, const char* base, std::uint64_t offset) {
    of_calls.problem.offset = offset;
    return output(id, of_calls) != output(base, of_calls);
  };
  EXPECT_FALSE(cut("seed_cut_with_offset", "philox", 0));
  EXPECT_TRUE(cut("seed_cut_with_offset", "philox", 1));
  EXPECT_FALSE(cut("seed_cut_beside_offset", "entries", 0));
  EXPECT_TRUE(cut("seed_cut_beside_offset", "entries", 4));
  OneCall one = ones(0.5);
  one.problem.offset = 8;
  const auto eight = output("offset_signed", one);
  one.problem.offset = 8 + (std::uint64_t{1} << 31);
  EXPECT_EQ(output("offset_signed", one), eight);
  EXPECT_NE(output("entries", one), eight);
}

}  // namespace
}  // namespace dropcheck::mutants
