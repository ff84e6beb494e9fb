#include "suites/channel_rows.hpp"

#include <gtest/gtest.h>

#include <random>

namespace dropcheck::suites {
namespace {

TEST(ChannelRows, HoldTheEntriesOfEachChannelInOrder) {
  for (const std::vector<std::int64_t>& shape : std::vector<std::vector<std::int64_t>>{{1, 2},
                                                                                       {3, 5},
                                                                                       {64, 64},
                                                                                       {65, 63},
                                                                                       {200, 130},
                                                                                       {7, 300},
                                                                                       {130, 256},
                                                                                       {2, 3, 4},
                                                                                       {5, 6, 64},
                                                                                       {3, 4, 65},
                                                                                       {4, 3, 2, 5},
                                                                                       {1, 300, 7},
                                                                                       {16, 2, 100},
                                                                                       {2, 2, 1, 1, 1},
                                                                                       {9, 2, 64, 3}}) {
    std::uint64_t count = 1;
    for (const std::int64_t extent : shape) count *= static_cast<std::uint64_t>(extent);
    const auto outer = static_cast<std::uint64_t>(shape[0]), channels = static_cast<std::uint64_t>(shape[1]);
    const std::uint64_t inner = count / outer / channels;
    std::mt19937_64 engine(count);
    ChannelRows rows(shape);
    ASSERT_EQ(rows.channels(), std::min<std::size_t>(256, channels));
    ASSERT_EQ(rows.entries(), outer * inner);
    for (int mask = 0; mask < 2; ++mask) {  // the second must not see the first
      MaskBits bits(count);
      for (std::uint64_t i = 0; i < count; ++i)
        if (engine() % 3 == 0) bits.set(i);
      const auto split = rows.split(bits);
      const std::size_t words = (rows.entries() + 63) / 64;
      ASSERT_EQ(split.size(), rows.channels() * words);
      for (std::size_t c = 0; c < rows.channels(); ++c)
        for (std::uint64_t t = 0; t < words * 64; ++t) {
          const bool seen = ((split[c * words + t / 64] >> (t % 64)) & 1u) != 0;
          const bool expected = t < rows.entries() && bits[(t / inner * channels + c) * inner + t % inner];
          ASSERT_EQ(seen, expected) << "shape " << shape[0] << "x" << shape[1] << "..., channel " << c << ", "
                                    << t;
        }
    }
  }
}

TEST(ChannelRows, AreNoneWithoutAChannelDimension) {
  EXPECT_EQ(ChannelRows({}).channels(), 0u);
  EXPECT_EQ(ChannelRows({100}).channels(), 0u);
  EXPECT_EQ(ChannelRows({100}).entries(), 0u);
  EXPECT_TRUE(ChannelRows({100}).split(MaskBits(100)).empty());
}

}  // namespace
}  // namespace dropcheck::suites
