#include "reference/thread_rows.hpp"

#include <gtest/gtest.h>

#include "reference/philox.hpp"

namespace dropcheck::reference {
namespace {

TEST(ThreadRows, AreTheWordsOfThePaperComparedWithTheThreshold) {
  const auto half = [](std::uint64_t value, unsigned shift) {
    return static_cast<std::uint32_t>(value >> shift);
  };
  for (const std::uint64_t seed : {0ull, 42ull, 0x0123456789abcdefull})
    for (const std::uint64_t count : {0ull, 1ull, 0xfffffffffull})
      for (const std::uint64_t first : {0ull, 64ull, 0xffffffe0ull})
        for (const std::uint32_t threshold : {0u, 1u, 0x40000000u, 0xc0000000u, 0xffffffffu}) {
          std::uint8_t bits[kRowThreads];
          row_at_least(seed, count, first, threshold, bits);
          for (std::size_t k = 0; k < kRowThreads; ++k) {
            const PhiloxCounter words =
                philox4x32_10({half(count, 0), half(count, 32), half(first + k, 0), half(first + k, 32)},
                              {half(seed, 0), half(seed, 32)});
            unsigned expected = 0;
            for (unsigned lane = 0; lane < 4; ++lane)
              expected |= (words[lane] >= threshold ? 1u : 0u) << lane;
            ASSERT_EQ(bits[k], expected) << seed << " " << count << " " << first + k << " " << threshold;
          }
        }
}

TEST(ThreadRows, CountAThresholdThatIsAWordItselfAsReached) {
  const PhiloxCounter words = philox4x32_10({0, 0, 0, 0}, {0, 0});
  std::uint8_t bits[kRowThreads];
  for (unsigned lane = 0; lane < 4; ++lane) {
    row_at_least(0, 0, 0, words[lane], bits);
    EXPECT_EQ(bits[0] >> lane & 1, 1);
    row_at_least(0, 0, 0, words[lane] + 1, bits);
    EXPECT_EQ(bits[0] >> lane & 1, 0);
  }
}

}  // namespace
}  // namespace dropcheck::reference
