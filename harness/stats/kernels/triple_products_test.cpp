#include "harness/stats/kernels/triple_products.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <array>
#include <random>
#include <vector>

namespace dropcheck::stats::kernels {
namespace {

TEST(CircularTriples, EqualTheDefinitionOnEveryTarget) {
  std::mt19937_64 engine(5);
  for (const std::size_t size : {2u, 3u, 4u, 8u, 9u, 127u, 128u, 130u, 256u}) {
    std::vector<std::uint64_t> words(size);
    for (std::uint64_t& word : words) word = engine() & engine();
    std::vector<std::uint8_t> bits(64 * size);
    for (std::size_t i = 0; i < bits.size(); ++i)
      bits[i] = static_cast<std::uint8_t>((words[i / 64] >> (i % 64)) & 1);
    const std::size_t n = bits.size();
    std::array<std::uint64_t, kTripleReach + 1> expected_pairs{};
    std::array<std::uint64_t, kTripleCount> expected{};
    for (std::size_t t = 0; t < n; ++t) {
      if (bits[t] == 0) continue;
      std::size_t cell = 0;
      ++expected_pairs[0];
      for (std::size_t i = 1; i <= kTripleReach; ++i) {
        const unsigned both = bits[(t + i) % n];
        expected_pairs[i] += both;
        for (std::size_t j = i + 1; j <= kTripleReach; ++j) expected[cell++] += both & bits[(t + j) % n];
      }
    }
    for (std::int64_t targets = hwy::SupportedTargets(); targets != 0; targets &= targets - 1) {
      hwy::SetSupportedTargetsForTest(targets & -targets);
      std::array<std::uint64_t, kTripleReach + 1> pairs{};
      std::array<std::uint64_t, kTripleCount> triples{};
      circular_triples(words, pairs, triples);
      EXPECT_EQ(pairs, expected_pairs) << size << " " << hwy::TargetName(targets & -targets);
      EXPECT_EQ(triples, expected) << size << " " << hwy::TargetName(targets & -targets);
      circular_triples(words, pairs, triples);
      EXPECT_EQ(triples[7], 2 * expected[7]);
      hwy::SetSupportedTargetsForTest(0);
    }
  }
}

}  // namespace
}  // namespace dropcheck::stats::kernels
