// word_counts and next_word_with_run on every instruction set of this machine.
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <bit>
#include <random>
#include <stdexcept>
#include <vector>

#include "harness/stats/word_counts.hpp"
#include "harness/stats/word_runs.hpp"

namespace dropcheck::stats {
namespace {

class WordKernels : public ::testing::TestWithParam<std::int64_t> {
 protected:
  WordKernels() { choose(GetParam()); }
  ~WordKernels() override { choose(0); }  // back to the best

 private:
  static void choose(std::int64_t target) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
};

TEST_P(WordKernels, CountOnesInAnyNumberOfWords) {
  std::mt19937_64 engine(5);
  for (std::size_t size = 0; size < 70; ++size) {
    std::vector<std::uint64_t> words(size);
    for (auto& word : words) word = size % 3 == 0 ? ~std::uint64_t{0} : engine();
    std::vector<std::uint8_t> counts(size, 255);
    word_counts(words, counts);
    for (std::size_t i = 0; i < size; ++i) EXPECT_EQ(counts[i], std::popcount(words[i]));
  }
}

TEST_P(WordKernels, FindTheFirstWordWithARun) {
  std::mt19937_64 engine(4);
  std::vector<std::uint64_t> words(37);
  for (int repeat = 0; repeat < 100; ++repeat) {
    for (auto& word : words) word = repeat % 2 == 0 ? engine() & engine() : engine() | engine();
    words[engine() % 37] = repeat % 2 == 0 ? ~std::uint64_t{0} : 0;
    for (const std::uint64_t flip : {std::uint64_t{0}, ~std::uint64_t{0}})
      for (const unsigned length : {1u, 2u, 3u, 5u, 8u, 13u, 31u, 33u, 63u, 64u}) {
        const std::size_t begin = engine() % (words.size() + 1);
        std::size_t expected = begin;
        for (; expected < words.size(); ++expected) {
          unsigned run = 0, longest = 0;
          for (int t = 0; t < 64; ++t) {
            run = ((words[expected] ^ flip) >> t & 1) != 0 ? run + 1 : 0;
            longest = std::max(longest, run);
          }
          if (longest >= length) break;
        }
        EXPECT_EQ(next_word_with_run(words, begin, flip, length), expected);
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, WordKernels, ::testing::ValuesIn(hwy::SupportedAndGeneratedTargets()),
                         [](const auto& row) { return std::string(hwy::TargetName(row.param)); });

TEST(WordKernelsGuards, RefuseWhatCannotBe) {
  std::vector<std::uint64_t> words(3);
  std::vector<std::uint8_t> counts(2);
  EXPECT_THROW(word_counts(words, counts), std::domain_error);
  EXPECT_THROW(next_word_with_run(words, 4, 0, 5), std::domain_error);
  EXPECT_THROW(next_word_with_run(words, 0, 0, 65), std::domain_error);
  EXPECT_THROW(next_word_with_run(words, 0, 0, 0), std::domain_error);
}

}  // namespace
}  // namespace dropcheck::stats
