#include "harness/run/inputs.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "harness/core/element.hpp"

namespace dropcheck {
namespace {

constexpr std::array kIntegerKinds = {Input::ones, Input::random_integers, Input::alternating, Input::ramp,
                                      Input::spikes};

Problem shaped(std::vector<std::int64_t> shape, DType dtype = DType::f32, Op op = Op::dropout) {
  Problem x;
  x.shape = std::move(shape);
  x.dtype = dtype;
  x.op = op;
  return x;
}

std::vector<double> values_of(const InputData& data, DType dtype) {
  std::vector<double> values;
  for (std::size_t at = 0; at < data.elements.size(); at += size_of(dtype))
    values.push_back(load_element(data.elements.data() + at, dtype));
  return values;
}

TEST(Inputs, OfIntegersAreTheSameExactNumbersInEveryDType) {
  for (const Input kind : kIntegerKinds) {
    const std::vector<std::int8_t> integers = make_input(kind, shaped({5003})).integers;
    ASSERT_EQ(integers.size(), 5003u);
    for (const std::int8_t v : integers) {
      ASSERT_NE(v, 0);
      ASSERT_GE(v, -127);
    }
    for (const DType dtype : kFloatDTypes) {
      const InputData data = make_input(kind, shaped({5003}, dtype));
      EXPECT_EQ(data.integers, integers);
      EXPECT_EQ(values_of(data, dtype), std::vector<double>(integers.begin(), integers.end()))
          << to_string(dtype);
    }
  }
}

TEST(Inputs, OfTheAlphaOperatorsArePositive) {
  for (const Op op : {Op::alpha_dropout, Op::feature_alpha_dropout}) {
    for (const Input kind : kIntegerKinds) {
      const std::vector<std::int8_t> plain = make_input(kind, shaped({50, 40})).integers;
      const InputData data = make_input(kind, shaped({50, 40}, DType::f16, op));
      const auto values = values_of(data, DType::f16);
      for (std::size_t i = 0; i < values.size(); ++i) {
        ASSERT_EQ(data.integers[i], std::abs(plain[i]));
        ASSERT_EQ(values[i], std::abs(plain[i]));
      }
    }
  }
}

TEST(Inputs, HaveTheShapeThatTheirNamePromises) {
  const auto integers = [](Input kind) { return make_input(kind, shaped({4096})).integers; };
  const auto ones = integers(Input::ones);
  EXPECT_TRUE(std::all_of(ones.begin(), ones.end(), [](std::int8_t v) { return v == 1; }));
  const auto random = integers(Input::random_integers);
  EXPECT_EQ(std::set<std::int8_t>(random.begin(), random.end()).size(), 254u) << "all of -127..127 but 0";
  const auto alternating = integers(Input::alternating);
  for (std::size_t i = 0; i < alternating.size(); ++i) ASSERT_EQ(alternating[i], i % 2 == 0 ? 64 : -64);
  const auto ramp = integers(Input::ramp);
  EXPECT_TRUE(std::is_sorted(ramp.begin(), ramp.end()));
  EXPECT_EQ(ramp.front(), 1);
  EXPECT_GE(ramp.back(), 126);
  const auto spikes = integers(Input::spikes);
  EXPECT_EQ(std::count(spikes.begin(), spikes.end(), 127), 5);
  EXPECT_EQ(std::count(spikes.begin(), spikes.end(), 1), 4091);
}

TEST(Inputs, OfARampRiseEvenly) {
  for (const std::int64_t n : {1, 2, 60, 125, 126, 127, 1000, 4099}) {
    const InputData data = make_input(Input::ramp, shaped({n}));
    for (std::int64_t i = 0; i < n; ++i)
      ASSERT_EQ(data.integers[static_cast<std::size_t>(i)], 1 + i * 126 / n) << i << " of " << n;
  }
}

TEST(Inputs, OfRealsHaveBothSignsAndModestMagnitudes) {
  for (const DType dtype : kFloatDTypes) {
    const InputData data = make_input(Input::random_reals, shaped({3000}, dtype));
    EXPECT_TRUE(data.integers.empty());
    const auto values = values_of(data, dtype);
    ASSERT_EQ(values.size(), 3000u);
    std::size_t negative = 0;
    for (const double v : values) {
      ASSERT_GE(std::abs(v), 1.0 / 16);
      ASSERT_LE(std::abs(v), 16.0);  // 16 itself only by rounding to the dtype
      negative += v < 0 ? 1u : 0u;
    }
    EXPECT_GT(negative, 1200u);
    EXPECT_LT(negative, 1800u);
    EXPECT_EQ(data.elements, make_input(Input::random_reals, shaped({3000}, dtype)).elements);
  }
}

TEST(Inputs, OfRealsUseEverySignificandBit) {
  for (const DType dtype : kFloatDTypes) {
    const InputData data = make_input(Input::random_reals, shaped({2000}, dtype));
    const unsigned fraction = dtype == DType::f64   ? 52
                              : dtype == DType::f32 ? 23
                              : dtype == DType::f16 ? 10
                                                    : 7;
    std::uint64_t ones = 0, zeros = 0;
    for (std::size_t at = 0; at < data.elements.size(); at += size_of(dtype)) {
      ones |= element_bits(data.elements.data() + at, dtype);
      zeros |= ~element_bits(data.elements.data() + at, dtype);
    }
    const std::uint64_t all = (std::uint64_t{1} << fraction) - 1;
    EXPECT_EQ(ones & all, all) << to_string(dtype);
    EXPECT_EQ(zeros & all, all) << to_string(dtype);
  }
}

TEST(Inputs, WithZerosHoldBothZerosAndTheSmallestNumbers) {
  for (const auto& [dtype, normal, subnormal] : {std::tuple{DType::f64, 0x1p-1022, 0x1p-1074},
                                                 {DType::f32, 0x1p-126, 0x1p-149},
                                                 {DType::f16, 0x1p-14, 0x1p-24},
                                                 {DType::bf16, 0x1p-126, 0x1p-133}}) {
    std::size_t plus = 0, minus = 0, normals = 0, subnormals = 0, others = 0;
    for (const double v : values_of(make_input(Input::with_zeros, shaped({550}, dtype)), dtype)) {
      if (v == 0) ++(std::signbit(v) ? minus : plus);
      else if (std::abs(v) == normal) ++normals;
      else if (std::abs(v) == subnormal) ++subnormals;
      else ++others;
    }
    EXPECT_EQ(plus, 50u) << to_string(dtype);
    EXPECT_EQ(minus, 50u) << to_string(dtype);
    EXPECT_EQ(normals, 50u) << to_string(dtype);
    EXPECT_EQ(subnormals, 50u) << to_string(dtype);
    EXPECT_EQ(others, 350u) << to_string(dtype);
  }
}

TEST(Inputs, DependOnKindSizeAndDTypeOnly) {
  for (const Input kind : {Input::ones, Input::random_integers, Input::alternating, Input::ramp,
                           Input::spikes, Input::random_reals, Input::with_zeros}) {
    const InputData base = make_input(kind, shaped({6, 35}));
    Problem other = shaped({7, 30});
    other.p = 0.9;
    other.seed = 77;
    other.mode = Mode::eval;
    other.layout = Layout::transposed;
    other.threads = 3;
    EXPECT_EQ(base.elements, make_input(kind, other).elements);
    EXPECT_EQ(base.integers, make_input(kind, other).integers);
  }
}

TEST(Inputs, RepeatEverySliceOfAnExpandedTensor) {
  for (const Input kind : {Input::random_integers, Input::ramp, Input::random_reals, Input::with_zeros}) {
    Problem x = shaped({3, 5, 7}, DType::bf16);
    x.layout = Layout::expanded;
    const InputData data = make_input(kind, x);
    const std::size_t slice = 5 * 7 * 2;
    ASSERT_EQ(data.elements.size(), 3 * slice);
    for (std::size_t i = 0; i < slice; ++i) {
      ASSERT_EQ(data.elements[i], data.elements[slice + i]);
      ASSERT_EQ(data.elements[i], data.elements[2 * slice + i]);
    }
    const InputData one = make_input(kind, shaped({1, 5, 7}, DType::bf16));
    EXPECT_TRUE(std::equal(one.elements.begin(), one.elements.end(), data.elements.begin()));
    EXPECT_EQ(data.integers.size(), one.integers.size() * 3);
  }
}

TEST(Inputs, ReachTensorsOfNoAndOfOneElement) {
  for (const Input kind : {Input::random_integers, Input::ramp, Input::random_reals}) {
    EXPECT_TRUE(make_input(kind, shaped({0, 3})).elements.empty());
    EXPECT_EQ(make_input(kind, shaped({})).elements.size(), 4u);
    Problem none = shaped({0, 3});
    none.layout = Layout::expanded;
    EXPECT_TRUE(make_input(kind, none).elements.empty());
  }
}

TEST(Inputs, OfIntegersAreScatteredAsTheirElements) {
  for (const DType dtype : {DType::f64, DType::f32, DType::f16, DType::bf16}) {
    for (const Layout layout : kAllLayouts) {
      for (const Op op : {Op::dropout, Op::alpha_dropout}) {
        Problem problem = shaped(layout == Layout::channels_last_3d ? std::vector<std::int64_t>{2, 3, 4, 5, 2}
                                                                    : std::vector<std::int64_t>{2, 3, 4, 5},
                                 dtype, op);
        problem.layout = layout;
        const TensorGeometry g = geometry_of(problem, false);
        for (const Input kind : kIntegerKinds) {
          const InputData whole = make_input(kind, problem), integers = make_input(kind, problem, false);
          EXPECT_EQ(integers.integers, whole.integers);
          EXPECT_TRUE(integers.elements.empty());
          const auto bytes = static_cast<std::size_t>(g.first + g.span) * size_of(dtype);
          std::vector<std::byte> one(bytes), other(bytes);
          const auto view = [&](std::vector<std::byte>& memory) {
            return TensorView{memory.data() + static_cast<std::size_t>(g.first) * size_of(dtype), dtype,
                              problem.shape, g.strides};
          };
          scatter(whole.elements.data(), view(one));
          scatter_integers(integers.integers, view(other));
          EXPECT_EQ(one, other) << to_string(dtype) << to_string(layout);
        }
      }
    }
  }
}

TEST(InputCache, GivesProblemsWithTheSameNumbersOneInput) {
  InputCache cache;
  const auto plain = cache.of(Input::ramp, shaped({4, 6}));
  EXPECT_EQ(plain->elements, make_input(Input::ramp, shaped({4, 6})).elements);
  Problem other = shaped({2, 12});
  other.layout = Layout::strided;
  other.p = 0.25;
  EXPECT_EQ(cache.of(Input::ramp, other), plain);
  EXPECT_NE(cache.of(Input::spikes, other), plain);
  const auto integers = cache.of(Input::ramp, other, false);  // of which all dtypes share one
  EXPECT_TRUE(integers->elements.empty());
  EXPECT_EQ(integers->integers, plain->integers);
  other.dtype = DType::f64;
  EXPECT_EQ(cache.of(Input::ramp, other, false), integers);
  EXPECT_FALSE(cache.of(Input::random_reals, other, false)->elements.empty());
}

TEST(InputCache, TellsApartWhatMakesOtherNumbers) {
  InputCache cache;
  std::vector<Problem> problems = {shaped({4, 6}), shaped({4, 6}, DType::bf16), shaped({4, 6}, DType::f16),
                                   shaped({5, 6}), shaped({4, 6}, DType::f32, Op::alpha_dropout)};
  for (const std::int64_t slices : {2, 4}) {
    problems.push_back(shaped({slices, 24 / slices}));
    problems.back().layout = Layout::expanded;
  }
  for (int pass = 0; pass < 2; ++pass)
    for (const Problem& problem : problems)
      for (const Input kind : {Input::alternating, Input::random_reals}) {
        const auto cached = cache.of(kind, problem);
        const InputData made = make_input(kind, problem);
        EXPECT_EQ(cached->elements, made.elements);
        EXPECT_EQ(cached->integers, made.integers);
      }
}

TEST(InputCache, KeepsTheLatestThatFit) {
  constexpr std::size_t kBytesOfOne = 100 * (4 + 1);
  InputCache cache(2 * kBytesOfOne);
  std::weak_ptr<const InputData> first = cache.of(Input::ramp, shaped({100}));
  std::weak_ptr<const InputData> second = cache.of(Input::spikes, shaped({100}));
  (void)cache.of(Input::ramp, shaped({100}));  // used again: the other one goes first
  (void)cache.of(Input::ones, shaped({100}));
  EXPECT_FALSE(first.expired());
  EXPECT_TRUE(second.expired());
  const auto large = cache.of(Input::ones, shaped({1000}));  // alone, though it exceeds the bound
  EXPECT_EQ(large->integers.size(), 1000u);
  EXPECT_TRUE(first.expired());
}

}  // namespace
}  // namespace dropcheck
