#include "harness/stats/kernels/selected_sums.hpp"

#include <algorithm>
#include <cstdlib>
#include <random>
#include <stdexcept>
#include <vector>

#include "harness/testing/instruction_sets.hpp"

namespace dropcheck::stats::kernels {
namespace {

using Sums = testing::OnEachInstructionSet;
DROPCHECK_ON_EACH_INSTRUCTION_SET(Sums);

struct Data {
  std::vector<std::uint64_t> words;
  std::vector<std::int8_t> values;
};

Data random_data(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  Data data{std::vector<std::uint64_t>((size + 63) / 64), std::vector<std::int8_t>(size)};
  for (auto& word : data.words) word = engine();
  if (size % 64 != 0) data.words.back() &= (std::uint64_t{1} << (size % 64)) - 1;
  for (auto& value : data.values) value = static_cast<std::int8_t>(engine());
  return data;
}

void expect_the_definition(const Data& data) {
  std::int64_t sum = 0, squares = 0;
  for (std::size_t i = 0; i < data.values.size(); ++i) {
    if ((data.words[i / 64] >> (i % 64) & 1) == 0) continue;
    sum += data.values[i];
    squares += int{data.values[i]} * data.values[i];
  }
  EXPECT_EQ(selected_sum(data.words, data.values), sum) << data.values.size();
  EXPECT_EQ(selected_squares(data.words, data.values), squares) << data.values.size();
}

IntegerMoments naive_moments(std::span<const std::int8_t> values) {
  IntegerMoments m;
  for (const std::int64_t x : values) {
    m.sum += x;
    m.absolute += std::abs(x);
    m.squares += x * x;
    m.fourths += x * x * x * x;
    m.largest = std::max(m.largest, std::abs(x));
  }
  return m;
}

TEST_P(Sums, OfSelectedValuesEqualTheDefinition) {
  for (const std::size_t size : {0u, 1u, 63u, 64u, 65u, 127u, 128u, 1000u, 16384u, 16385u, 100000u}) {
    const Data data = random_data(size, size);
    expect_the_definition(data);
  }
}

TEST_P(Sums, OfAllValuesEqualTheDefinition) {
  for (const std::size_t size : {0u, 1u, 15u, 16u, 17u, 63u, 64u, 65u, 1000u, 65537u}) {
    const Data data = random_data(size, size + 5);
    EXPECT_EQ(integer_moments(data.values), naive_moments(data.values)) << size;
  }
}

TEST_P(Sums, OfTheLargestValuesDoNotOverflow) {
  for (const std::int8_t value : {std::int8_t{-128}, std::int8_t{127}, std::int8_t{-1}}) {
    const Data data{std::vector<std::uint64_t>(4000, ~std::uint64_t{0}),
                    std::vector<std::int8_t>(64 * 4000, value)};
    expect_the_definition(data);
    EXPECT_EQ(integer_moments(data.values), naive_moments(data.values));
  }
}

TEST(SumsGuards, RefuseMasksThatAreTooShort) {
  const std::vector<std::uint64_t> words(1);
  const std::vector<std::int8_t> values(65);
  EXPECT_THROW(selected_sum(words, values), std::domain_error);
  EXPECT_THROW(selected_squares(words, values), std::domain_error);
}

}  // namespace
}  // namespace dropcheck::stats::kernels
