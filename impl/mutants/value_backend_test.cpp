#include "impl/mutants/value_backend.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "impl/mutants/testing/outputs.hpp"

namespace dropcheck::mutants {
namespace {

using reference::OneCall;
using reference::OneResult;
using reference::run_one;
using testing::HasSubstr;
using testing::IsEmpty;

OneResult result_of(const std::string& id, const OneCall& one) {
  const auto backend = *open_mutant(id, {});
  OneResult result = run_one(*backend, one);
  EXPECT_TRUE(result.observation.has_value());
  return result;
}

double largest(const std::vector<double>& y) { return *std::max_element(y.begin(), y.end()); }

TEST(PlainBase, ReturnsTheMaskOfItsOutput) {
  for (const Op op : {Op::dropout, Op::dropout2d}) {
    OneCall one = ones(0.5, {3, 5, 4, 4});
    one.problem.op = op;
    one.want_mask = true;
    const OneResult result = result_of("none", one);
    EXPECT_THAT(result.faults, IsEmpty());
    const auto y = result.values(result.y, DType::f32);
    for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(std::to_integer<int>(result.mask[i]), y[i] != 0);
    one.problem.p = 1;
    EXPECT_EQ(result_of("none", one).mask, std::vector<std::byte>(240, std::byte{0}));
    one.problem.mode = Mode::eval;
    EXPECT_EQ(result_of("none", one).mask, std::vector<std::byte>(240, std::byte{1}));
  }
}

TEST(ValueMutant, WrongFactors) {
  EXPECT_EQ(largest(output("scale_by_q", ones(0.25))), 0.75);
  EXPECT_EQ(largest(output("scale_integer", ones(0.25))), 1.0);
  EXPECT_EQ(largest(output("scale_integer", ones(0.5))), 2.0) << "right at p = 1/2";
  OneCall alpha = ones(0.3);
  alpha.problem.op = Op::alpha_dropout;
  OneCall twice = alpha;
  for (double& x : twice.x) x = 2;
  // The gain is what a kept element grows by when x grows by 1.
  const double wrong = largest(output("alpha_gain_not_inverted", twice)) -
                       largest(output("alpha_gain_not_inverted", alpha)),
               right = largest(output("none", twice)) - largest(output("none", alpha));
  EXPECT_NEAR(wrong * right, 1.0, 1e-6);
  EXPECT_GT(wrong, right);
  OneCall gradient = ones(0.25);
  gradient.dy = gradient.x;
  const OneResult back = result_of("backward_inverse_scale", gradient);
  EXPECT_EQ(largest(back.values(back.dx, DType::f32)), 0.75);
  EXPECT_EQ(back.y, result_of("none", gradient).y);
}

TEST(ValueMutant, NotInverted) {
  EXPECT_EQ(largest(output("not_inverted", ones(0.25))), 1.0);
  OneCall eval = ones(0.25);
  eval.problem.mode = Mode::eval;
  EXPECT_EQ(output("not_inverted", eval), std::vector<double>(4096, 0.75));
}

TEST(ValueMutant, NaNAtOne) {
  OneCall one = ones(1.0, {5});
  one.dy = one.x;
  const OneResult forward = result_of("nan_at_p1", one), backward = result_of("gradient_nan_at_p1", one);
  for (const double y : forward.values(forward.y, DType::f32)) EXPECT_TRUE(std::isnan(y));
  for (const double dx : forward.values(forward.dx, DType::f32)) EXPECT_EQ(dx, 0.0);
  for (const double y : backward.values(backward.y, DType::f32)) EXPECT_EQ(y, 0.0);
  for (const double dx : backward.values(backward.dx, DType::f32)) EXPECT_TRUE(std::isnan(dx));
  EXPECT_EQ(output("nan_at_p1", ones(0.5)), output("none", ones(0.5)));
}

TEST(ValueMutant, StridedAsDense) {
  OneCall one = ones(0x1p-40, {2, 3, 2, 2});
  one.problem.layout = Layout::channels_last;
  for (std::size_t i = 0; i < one.x.size(); ++i) one.x[i] = static_cast<double>(i + 1);
  EXPECT_EQ(output("none", one), one.x);
  const auto y = output("strided_as_dense", one);
  // Memory of sample 0 holds the channels of a pixel next to each other.
  EXPECT_THAT(std::vector(y.begin(), y.begin() + 6), testing::ElementsAre(1, 5, 9, 2, 6, 10));
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::shifted}) {
    one.problem.layout = layout;
    EXPECT_EQ(output("strided_as_dense", one), one.x) << to_string(layout);
  }
}

/// What a call out of place leaves in its input, and its output.
std::pair<std::vector<double>, std::vector<double>> input_and_output(const std::string& id,
                                                                     const OneCall& one) {
  const auto backend = *open_mutant(id, {});
  auto x = reference::make_tensor(*backend, one.problem, false);
  auto y = reference::make_tensor(*backend, one.problem, true);
  reference::fill(x, one.x);
  const auto seen = backend->forward({.p = one.problem.p,
                                      .seed = one.problem.seed,
                                      .x = {&x.memory(), x.view()},
                                      .y = {&y.memory(), y.view()},
                                      .mask = {}});
  EXPECT_TRUE(seen.has_value());
  const OneResult read;
  return {read.values(reference::dense_bytes(x), DType::f32),
          read.values(reference::dense_bytes(y), DType::f32)};
}

TEST(ValueMutant, InputsThatChange) {
  const OneCall one = ones(0.5);
  const auto [kept, clean] = input_and_output("none", one);
  EXPECT_EQ(kept, one.x);
  const auto [overwritten, y] = input_and_output("input_overwritten", one);
  EXPECT_EQ(y, clean);
  EXPECT_EQ(overwritten, y);
  const auto [dropped, same] = input_and_output("input_dropped", one);
  EXPECT_EQ(same, clean);
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(dropped[i], y[i] == 0 ? 0.0 : 1.0);
}

TEST(ValueMutant, MaskInverted) {
  const auto wrong = output("mask_inverted_unscaled", ones(0.25)), right = output("none", ones(0.25));
  for (std::size_t i = 0; i < right.size(); ++i) EXPECT_EQ(wrong[i], right[i] == 0 ? 1.0 : 0.0);
}

TEST(ValueMutant, OtherDtype) {
  OneCall one = ones(0.25);
  EXPECT_EQ(result_of("dtype_promoted", one).observation->produced_dtype, DType::f32);
  one.problem.dtype = DType::f16;
  EXPECT_EQ(result_of("dtype_promoted", one).observation->produced_dtype, DType::f32);
  EXPECT_EQ(result_of("none", one).observation->produced_dtype, DType::f16);
}

TEST(ValueMutant, MaskOutput) {
  OneCall one = ones(0.5, {3, 8, 5});
  one.want_mask = true;
  const OneResult right = result_of("none", one);
  EXPECT_EQ(result_of("mask_output_constant", one).mask, std::vector<std::byte>(120, std::byte{0}));
  const OneResult transposed = result_of("mask_output_transposed", one);
  EXPECT_EQ(transposed.y, right.y);
  for (std::size_t m = 0; m < 3; ++m)
    for (std::size_t i = 0; i < 40; ++i)  // element i of 8 x 5, read as element of 5 x 8 transposed
      EXPECT_EQ(transposed.mask[m * 40 + i], right.mask[m * 40 + i % 8 * 5 + i / 8]);
}

TEST(ValueMutant, SelectsForAProduct) {
  OneCall one = ones(0.5, {64});
  one.x.assign(64, -1.0);
  one.x[0] = one.x[1] = one.x[2] = one.x[3] = one.x[4] = one.x[5] = std::nan("");
  const auto wrong = output("selects_for_product", one), right = output("none", one);
  int dropped = 0;
  for (std::size_t i = 6; i < 64; ++i) {
    EXPECT_EQ(wrong[i], right[i]);
    if (right[i] != 0) continue;
    EXPECT_TRUE(std::signbit(right[i]));
    EXPECT_FALSE(std::signbit(wrong[i]));
    ++dropped;
  }
  EXPECT_GT(dropped, 10);
  EXPECT_LT(std::count_if(wrong.begin(), wrong.begin() + 6, [](double y) { return std::isnan(y); }), 6);
}

TEST(ValueMutant, GradientOfEvalScaled) {
  OneCall one = ones(0.75, {4});
  one.dy = one.x;
  one.problem.mode = Mode::eval;
  const OneResult result = result_of("eval_gradient_scaled", one);
  EXPECT_EQ(result.values(result.y, DType::f32), one.x);
  EXPECT_EQ(result.values(result.dx, DType::f32), std::vector<double>(4, 4.0));
  one.problem.mode = Mode::train;
  EXPECT_EQ(result_of("eval_gradient_scaled", one).dx, result_of("none", one).dx);
}

TEST(ValueMutant, TileOfZeros) {
  const auto wrong = output("tile_zeroed", ones(0.25, {2, 32, 20})),
             right = output("none", ones(0.25, {2, 32, 20}));
  for (std::size_t i = 0; i < right.size(); ++i) {
    const bool in_tile = i < 640 && i / 20 < 16 && i % 20 < 16;
    EXPECT_EQ(wrong[i], in_tile ? 0.0 : right[i]) << i;
  }
  EXPECT_EQ(output("tile_zeroed", ones(0.25, {64, 15})), output("none", ones(0.25, {64, 15})));
}

TEST(ValueMutant, ElementsAndBytesThatAreNotItsOwn) {
  EXPECT_THAT(result_of("middle_unwritten", ones(0.5, {64})).faults,
              testing::ElementsAre(HasSubstr("never written")));
  EXPECT_THAT(result_of("middle_unwritten", ones(0.5, {65})).faults, IsEmpty());
  OneCall one = ones(0.5, {65});
  EXPECT_THAT(result_of("tail_overrun", one).faults, IsEmpty()) << "f32 fills its words";
  one.problem.dtype = DType::f16;
  EXPECT_THAT(result_of("tail_overrun", one).faults, testing::SizeIs(1));
  EXPECT_THAT(result_of("none", one).faults, IsEmpty());
  one.problem.shape = {64};
  one.x.resize(64);
  EXPECT_THAT(result_of("tail_overrun", one).faults, IsEmpty());
}

}  // namespace
}  // namespace dropcheck::mutants
