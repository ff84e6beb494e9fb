#include "harness/core/pack.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "harness/core/element.hpp"
#include "harness/testing/instruction_sets.hpp"

namespace dropcheck {
namespace {

using Pack = testing::OnEachInstructionSet;
DROPCHECK_ON_EACH_INSTRUCTION_SET(Pack);

const std::vector<double> kNumbers = {0.0,
                                      -0.0,
                                      1.0,
                                      -1.0,
                                      2.5,
                                      -300,
                                      0x1p-24,
                                      -0x1p-24,
                                      std::numeric_limits<double>::infinity(),
                                      -std::numeric_limits<double>::infinity(),
                                      std::numeric_limits<double>::quiet_NaN()};

TEST_P(Pack, GivesTheBitsOfTheDefinition) {
  std::mt19937_64 engine(1);
  for (const DType dtype : kFloatDTypes) {
    const std::size_t size = size_of(dtype);
    for (std::size_t n = 0; n <= 300; ++n) {
      std::vector<double> numbers(n);
      std::vector<std::byte> data(n * size + 1);  // begins at an odd address
      for (std::size_t i = 0; i < n; ++i) {
        numbers[i] = kNumbers[engine() % kNumbers.size()];
        store_element(numbers[i], data.data() + 1 + i * size, dtype);
      }
      for (const DropMark mark : {DropMark::zero, DropMark::negative}) {
        std::vector<std::uint64_t> words((n + 63) / 64, ~std::uint64_t{0});
        pack_drops(data.data() + 1, n, size, mark, words);
        for (std::size_t i = 0; i < 64 * words.size(); ++i) {
          const bool dropped = i < n && (mark == DropMark::zero ? numbers[i] == 0 : numbers[i] < 0);
          ASSERT_EQ(words[i / 64] >> (i % 64) & 1, dropped ? 1u : 0u)
              << to_string(dtype) << " " << n << " " << i;
        }
      }
    }
  }
}

TEST_P(Pack, ReadsTheSignOfANan) {
  for (const std::uint32_t bits : {0xFFC00000u, 0x7FC00000u}) {
    const std::vector<std::uint32_t> data(70, bits);
    std::vector<std::uint64_t> words(2);
    pack_drops(reinterpret_cast<const std::byte*>(data.data()), data.size(), 4, DropMark::negative, words);
    EXPECT_EQ(words[0], bits == 0xFFC00000u ? ~std::uint64_t{0} : 0u);
    pack_drops(reinterpret_cast<const std::byte*>(data.data()), data.size(), 4, DropMark::zero, words);
    EXPECT_EQ(words[0], 0u);
  }
}

TEST_P(Pack, ReadsEveryHalfFloat) {
  std::vector<std::uint16_t> data(1 << 16);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::uint16_t>(i);
  std::vector<std::uint64_t> words(1 << 10);
  pack_drops(reinterpret_cast<const std::byte*>(data.data()), data.size(), 2, DropMark::zero, words);
  for (std::size_t i = 0; i < data.size(); ++i)
    ASSERT_EQ(words[i / 64] >> (i % 64) & 1, i == 0 || i == 0x8000 ? 1u : 0u) << i;
  pack_drops(reinterpret_cast<const std::byte*>(data.data()), data.size(), 2, DropMark::negative, words);
  for (std::size_t i = 0; i < data.size(); ++i)
    ASSERT_EQ(words[i / 64] >> (i % 64) & 1, i > 0x8000 ? 1u : 0u) << i;
}

TEST_P(Pack, CountsOnesAndDifferences) {
  std::mt19937_64 engine(2);
  for (std::size_t size = 0; size < 70; ++size) {
    std::vector<std::uint64_t> a(size), b(size);
    std::uint64_t ones = 0, differ = 0;
    for (std::size_t i = 0; i < size; ++i) {
      a[i] = engine();
      b[i] = engine();
      for (unsigned t = 0; t < 64; ++t) {
        ones += a[i] >> t & 1;
        differ += (a[i] >> t & 1) != (b[i] >> t & 1) ? 1u : 0u;
      }
    }
    EXPECT_EQ(count_ones(a), ones);
    EXPECT_EQ(count_differing(a, b), differ);
  }
}

TEST_P(Pack, FindsAnElementWithAllBitsSetAnywhere) {
  for (const std::size_t size : {1u, 2u, 4u, 8u, 16u}) {
    for (const std::size_t n : {0u, 1u, 2u, 15u, 63u, 64u, 65u, 200u, 5000u}) {
      std::vector<std::byte> data(n * size, std::byte{0xFF});
      for (std::size_t i = 0; i < n; ++i) data[i * size + i % size] = std::byte{0x7F};
      ASSERT_FALSE(any_all_ones(data.data(), n, size)) << size << " " << n;
      for (std::size_t i = 0; i<n; i += n> 300 ? 61 : 1) {
        data[i * size + i % size] = std::byte{0xFF};
        ASSERT_TRUE(any_all_ones(data.data(), n, size)) << size << " " << n << " " << i;
        data[i * size + i % size] = std::byte{0x7F};
      }
    }
  }
}

/// One problem of the comparison with scaled integers.
template <typename Float>
void expect_exact_comparison(bool divide, Float operand) {
  using Word = std::conditional_t<sizeof(Float) == 4, std::uint32_t, std::uint64_t>;
  for (const std::size_t n : {1u, 7u, 16u, 33u, 256u}) {
    std::vector<std::int8_t> x(n);
    std::vector<Float> y(n);
    for (std::size_t i = 0; i < n; ++i) {
      x[i] = static_cast<std::int8_t>(i * 37 + 1);
      const volatile Float value = static_cast<Float>(x[i]), scale = operand;  // rounded at run time
      y[i] = divide ? value / scale : value * scale;
      if (i % 5 == 1) y[i] = 0;
      if (i % 5 == 3) y[i] = static_cast<Float>(-0.0);
    }
    const auto fits = [&] {
      return all_zero_or_scaled(reinterpret_cast<const std::byte*>(y.data()), x,
                                sizeof(Float) == 4 ? DType::f32 : DType::f64,
                                {divide, static_cast<double>(operand)});
    };
    ASSERT_TRUE(fits()) << n;
    for (std::size_t i = 0; i < n; ++i) {
      if (y[i] == 0) continue;
      const Float right = y[i];
      for (const int bit : {0, 8 * static_cast<int>(sizeof(Float)) - 1}) {  // off by one place; another sign
        y[i] = std::bit_cast<Float>(static_cast<Word>(std::bit_cast<Word>(right) ^ Word{1} << bit));
        ASSERT_FALSE(fits()) << n << " " << i << " " << bit;
      }
      y[i] = std::numeric_limits<Float>::quiet_NaN();
      ASSERT_FALSE(fits());
      y[i] = right;
    }
  }
}

TEST_P(Pack, ComparesWithScaledIntegersToTheBit) {
  for (const double q : {0.9, 0.7, 0.5, 0.1, 1.0 / 3}) {
    expect_exact_comparison<float>(false, 1 / static_cast<float>(q));
    expect_exact_comparison<float>(true, static_cast<float>(q));
    expect_exact_comparison<double>(false, 1 / q);
    expect_exact_comparison<double>(true, q);
  }
}

TEST_P(Pack, ComparesHalfTypesWithScaledIntegersToTheBit) {
  for (const DType dtype : {DType::f16, DType::bf16}) {
    for (const bool divide : {false, true}) {
      for (const float operand : {0.9f, 0.7f, 1.0f / 3, 1.1111112f, 0.001f, 3e-6f}) {
        for (const std::size_t n : {1u, 7u, 16u, 33u, 256u}) {
          std::vector<std::int8_t> x(n);
          std::vector<std::uint16_t> y(n);
          const auto bytes = [&] { return reinterpret_cast<std::byte*>(y.data()); };
          for (std::size_t i = 0; i < n; ++i) {
            x[i] = static_cast<std::int8_t>(i * 37 + 1);
            const volatile float value = static_cast<float>(x[i]), scale = operand;
            store_element(divide ? value / scale : value * scale, bytes() + 2 * i, dtype);
            if (i % 5 == 1) y[i] = 0;
            if (i % 5 == 3) y[i] = 0x8000;
          }
          const auto fits = [&] { return all_zero_or_scaled(bytes(), x, dtype, {divide, double{operand}}); };
          ASSERT_TRUE(fits()) << to_string(dtype) << divide << operand << " " << n;
          for (std::size_t i = 0; i < n; ++i) {
            if ((y[i] & 0x7fff) == 0) continue;
            const std::uint16_t right = y[i];
            for (const int flip : {1, 0x8000}) {
              y[i] = static_cast<std::uint16_t>(right ^ flip);
              ASSERT_TRUE(!fits() || (y[i] & 0x7fff) == 0) << to_string(dtype) << n << " " << i;
            }
            y[i] = 0xffff;
            ASSERT_FALSE(fits());
            y[i] = right;
          }
        }
      }
    }
  }
}

TEST_P(Pack, TellsWhetherAnyElementHasAllBitsSet) {
  for (const std::size_t size : {2u, 4u, 8u}) {
    for (const std::size_t n : {1u, 63u, 64u, 65u, 200u}) {
      std::vector<std::byte> data(n * size, std::byte{0xFF});
      for (std::size_t i = 0; i < n; ++i) data[i * size + i % size] = std::byte{0x7F};
      std::vector<std::uint64_t> words((n + 63) / 64);
      for (const DropMark mark : {DropMark::zero, DropMark::negative}) {
        ASSERT_FALSE(pack_drops(data.data(), n, size, mark, words)) << size << " " << n;
        for (std::size_t i = 0; i < n; ++i) {
          data[i * size + i % size] = std::byte{0xFF};
          ASSERT_TRUE(pack_drops(data.data(), n, size, mark, words)) << size << " " << n << " " << i;
          data[i * size + i % size] = std::byte{0x7F};
        }
      }
    }
  }
}

TEST(PackDeathTest, RefusesSizesThatDoNotFit) {
  std::vector<std::uint64_t> words(2);
  const std::vector<std::byte> data(1000);
  EXPECT_DEATH(pack_drops(data.data(), 129, 4, DropMark::zero, words), "internal error");
  EXPECT_DEATH(pack_drops(data.data(), 128, 3, DropMark::zero, words), "internal error");
  EXPECT_DEATH(static_cast<void>(any_all_ones(data.data(), 1, 3)), "internal error");
}

}  // namespace
}  // namespace dropcheck
