#include "impl/cpu/philox_lanes.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "reference/philox.hpp"

namespace dropcheck::cpu {
namespace {

// Random123's kat_vectors for philox4x32-10; (group, call) and seed hold the words of counter and key, low
// half first.
TEST(PhiloxWords, KnownAnswers) {
  struct Row {
    std::uint64_t group, call, seed;
    std::uint32_t words[4];
  };
  for (const Row& row : {Row{0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
                         Row{~0ull, ~0ull, ~0ull, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
                         Row{0x85a308d3243f6a88,
                             0x0370734413198a2e,
                             0x299f31d0a4093822,
                             {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}}) {
    std::uint32_t words[kWordsPerBatch];
    philox_words(row.seed, row.call, row.group, 1, words);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(words[i], row.words[i]);
  }
}

TEST(PhiloxWords, EveryLaneIsItsOwnCounter) {
  constexpr std::uint64_t kFirst = 0xfffffff5;  // crosses from the low into the high half
  std::vector<std::uint32_t> words(3 * kWordsPerBatch);
  philox_words(7, 1, kFirst, 3, words.data());
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::uint64_t group = kFirst + i / 4;
    const auto expected = reference::philox4x32_10(
        {static_cast<std::uint32_t>(group), static_cast<std::uint32_t>(group >> 32), 1, 0}, {7, 0});
    EXPECT_EQ(words[i], expected[i % 4]);
  }
}

}  // namespace
}  // namespace dropcheck::cpu
