#include "harness/stats/kernels/bit_columns.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <array>
#include <random>
#include <stdexcept>
#include <vector>

namespace dropcheck::stats::kernels {
namespace {

TEST(BitColumns, CollectOneBitOfEveryWordOnEveryTarget) {
  std::mt19937_64 engine(5);
  const std::array<unsigned, 4> bits = {0, 31, 63, 35};
  for (std::int64_t targets = hwy::SupportedTargets(); targets != 0; targets &= targets - 1) {
    hwy::SetSupportedTargetsForTest(targets & -targets);
    for (const std::size_t size : {0u, 1u, 2u, 3u, 7u, 8u, 9u, 63u, 64u}) {
      std::vector<std::uint64_t> words(size);
      for (std::uint64_t& word : words) word = engine();
      std::array<std::uint64_t, 4> columns = {1, 2, 3, 4};
      bit_columns(words, bits, columns);
      for (std::size_t c = 0; c < bits.size(); ++c)
        for (std::size_t j = 0; j < 64; ++j)
          EXPECT_EQ((columns[c] >> j) & 1, j < size ? (words[j] >> bits[c]) & 1 : 0)
              << size << " " << c << " " << j << " " << hwy::TargetName(targets & -targets);
    }
    hwy::SetSupportedTargetsForTest(0);
  }
}

TEST(BitColumns, RefuseWhatDoesNotFit) {
  const std::vector<std::uint64_t> words(65);
  const std::array<unsigned, 1> bits = {64};
  std::array<std::uint64_t, 1> column{};
  std::array<std::uint64_t, 2> two{};
  const std::span<const std::uint64_t> few = std::span(words).first(3);
  EXPECT_THROW(bit_columns(few, bits, column), std::domain_error);
  EXPECT_THROW(bit_columns(words, std::array<unsigned, 1>{1}, column), std::domain_error);
  EXPECT_THROW(bit_columns(few, std::array<unsigned, 1>{1}, two), std::domain_error);
}

}  // namespace
}  // namespace dropcheck::stats::kernels
