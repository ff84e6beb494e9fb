#include "harness/stats/kernels/lag_products.hpp"

#include <numeric>
#include <random>
#include <stdexcept>
#include <vector>

#include "harness/testing/instruction_sets.hpp"

namespace dropcheck::stats::kernels {
namespace {

using LagProducts = testing::OnEachInstructionSet;
DROPCHECK_ON_EACH_INSTRUCTION_SET(LagProducts);

std::vector<std::uint64_t> random_mask(std::uint64_t size, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::vector<std::uint64_t> words((size + 63) / 64);
  for (auto& word : words) word = engine();
  if (size % 64 != 0) words.back() &= (std::uint64_t{1} << (size % 64)) - 1;
  return words;
}

/// The definition, bit by bit.
std::uint64_t naive(std::span<const std::uint64_t> words, std::uint64_t size, std::uint64_t lag) {
  std::uint64_t both = 0;
  for (std::uint64_t t = 0; t + lag < size; ++t)
    both += (words[t / 64] >> (t % 64)) & (words[(t + lag) / 64] >> ((t + lag) % 64)) & 1;
  return both;
}

std::vector<std::uint32_t> from_to(std::uint32_t first, std::uint32_t last) {
  std::vector<std::uint32_t> lags(last - first + 1);
  std::iota(lags.begin(), lags.end(), first);
  return lags;
}

void expect_definition(std::uint64_t size, const std::vector<std::uint32_t>& lags) {
  const auto words = random_mask(size, size);
  std::vector<std::uint64_t> n11(lags.size(), 3);
  lag_products(words, size, lags, n11);
  for (std::size_t i = 0; i < lags.size(); ++i)
    ASSERT_EQ(n11[i], 3 + naive(words, size, lags[i])) << "lag " << lags[i] << " size " << size;
}

TEST_P(LagProducts, EqualTheDefinitionForShortLags) {
  for (const std::uint64_t size : {0u,   1u,   2u,   63u,  64u,  65u,   127u,  128u,  129u,  511u, 512u,
                                   513u, 575u, 576u, 577u, 640u, 1000u, 1024u, 1087u, 2500u, 4096u})
    expect_definition(size, from_to(1, 64));
}

TEST_P(LagProducts, EqualTheDefinitionForAnyList) {
  const std::vector<std::uint32_t> lags = {0,    1,    1,    63,   64,   65,   66,  67,  70,
                                           96,   127,  128,  129,  192,  256,  300, 301, 5000,
                                           5001, 5100, 9000, 9983, 9984, 9985, 7,   300};
  for (const std::uint64_t size : {1u, 65u, 700u, 5001u, 9984u, 9985u, 10000u}) expect_definition(size, lags);
}

TEST_P(LagProducts, OfAllOnesAreTheNumberOfPairs) {  // counters of bytes must not overflow
  const std::uint64_t size = 100001;
  std::vector<std::uint64_t> words(size / 64 + 1, ~std::uint64_t{0});
  words.back() = (std::uint64_t{1} << (size % 64)) - 1;
  auto lags = from_to(1, 130);
  lags.push_back(100000);
  lags.push_back(100001);
  std::vector<std::uint64_t> n11(lags.size(), 0);
  lag_products(words, size, lags, n11);
  for (std::size_t i = 0; i < lags.size(); ++i) ASSERT_EQ(n11[i], size - lags[i]) << lags[i];
}

TEST(LagProductsGuards, RefuseSizesThatDoNotFit) {
  const std::vector<std::uint64_t> words(2);
  const std::vector<std::uint32_t> lags = {1, 2};
  std::vector<std::uint64_t> one(1), two(2);
  EXPECT_THROW(lag_products(words, 128, lags, one), std::domain_error);
  EXPECT_THROW(lag_products(words, 129, lags, two), std::domain_error);
}

}  // namespace
}  // namespace dropcheck::stats::kernels
