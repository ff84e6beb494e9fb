#include "reference/reference_backend.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "reference/definition.hpp"
#include "reference/one_call.hpp"
#include "reference/stream.hpp"

namespace dropcheck::reference {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

OneCall plain_call(double p, std::vector<double> x) {
  OneCall one;
  one.problem.p = p;
  one.problem.shape = {static_cast<std::int64_t>(x.size())};
  one.problem.seed = 42;
  one.x = std::move(x);
  return one;
}

std::vector<double> outputs(Backend& backend, const OneCall& one) {
  const OneResult result = run_one(backend, one);
  EXPECT_TRUE(result.observation.has_value());
  EXPECT_THAT(result.faults, IsEmpty());
  return result.values(result.y, one.problem.dtype);
}

std::vector<std::uint8_t> expected_mask(std::uint64_t seed, std::uint64_t call, double p, std::size_t size) {
  std::vector<std::uint8_t> kept(size);
  draw_mask(seed, call, p, kept);
  return kept;
}

/// Every (shape, layout) pair that the operator can be planned with.
std::vector<Problem> cells(Op op, DType dtype) {
  std::vector<Problem> problems;
  for (const std::vector<std::int64_t>& shape :
       {std::vector<std::int64_t>{}, {7}, {5, 6}, {3, 4, 5}, {2, 3, 4, 5}, {2, 3, 2, 3, 4}}) {
    for (const Layout layout : kAllLayouts) {
      Problem problem;
      problem.op = op;
      problem.p = 0.3;
      problem.dtype = dtype;
      problem.shape = shape;
      problem.layout = layout;
      problem.seed = 9;
      if (validate(problem)) problems.push_back(problem);
    }
  }
  return problems;
}

TEST(ReferenceBackend, ValuesAndGradientsFollowDefinitionInEveryLayout) {
  for (const Op op : kAllOps) {
    for (const DType dtype : kFloatDTypes) {
      for (Problem problem : cells(op, dtype)) {
        for (const bool in_place : {false, true}) {
          problem.in_place = in_place;
          if (!validate(problem)) continue;
          const std::int64_t count = element_count(problem.shape);
          OneCall one{problem, some_reals(count), some_reals(count), true};
          if (problem.layout == Layout::expanded) {
            const auto slice = static_cast<std::size_t>(count / problem.shape[0]);
            for (std::size_t i = slice; i < one.x.size(); ++i) one.x[i] = one.x[i % slice];
          }
          ReferenceBackend backend;
          const OneResult result = run_one(backend, one);
          ASSERT_TRUE(result.observation.has_value());
          EXPECT_THAT(result.faults, IsEmpty());
          EXPECT_EQ(result.observation->aliases_input, in_place);
          EXPECT_EQ(result.observation->produced_shape, problem.shape);
          EXPECT_EQ(result.observation->produced_dtype, dtype);
          const auto entries = static_cast<std::size_t>(mask_count(problem));
          const auto kept = expected_mask(9, 0, problem.p, entries);
          const Definition definition(op, problem.p, dtype);
          const auto y = result.values(result.y, dtype), dx = result.values(result.dx, dtype);
          for (std::size_t i = 0; i < y.size(); ++i) {
            const bool keep = kept[i / (y.size() / entries)] != 0;
            const double x = round_to(one.x[i], dtype), dy = round_to(one.dy[i], dtype);
            EXPECT_EQ(y[i], keep ? definition.kept(x) : definition.dropped(x));
            EXPECT_EQ(std::signbit(y[i]), std::signbit(keep ? definition.kept(x) : definition.dropped(x)));
            EXPECT_EQ(dx[i], keep ? definition.kept_gradient(dy) : definition.dropped_gradient(dy));
            EXPECT_EQ(result.mask[i], std::byte{keep});
          }
        }
      }
    }
  }
}

TEST(ReferenceBackend, CallsContinueTheStreamAndSeedsResetIt) {
  ReferenceBackend backend;
  OneCall one = plain_call(0.5, std::vector<double>(64, 1.0));
  const auto mask_of_next = [&] {
    std::vector<std::uint8_t> kept;
    for (const double y : outputs(backend, one)) kept.push_back(y != 0.0);
    return kept;
  };
  one.problem.seed.reset();
  EXPECT_EQ(mask_of_next(), expected_mask(0, 0, 0.5, 64)) << "never seeded: seed 0";
  one.problem.seed = 42;
  EXPECT_EQ(mask_of_next(), expected_mask(42, 0, 0.5, 64));
  one.problem.seed.reset();
  EXPECT_EQ(mask_of_next(), expected_mask(42, 1, 0.5, 64));
  EXPECT_EQ(mask_of_next(), expected_mask(42, 2, 0.5, 64));
  one.problem.offset = 10;
  EXPECT_EQ(mask_of_next(), expected_mask(42, 13, 0.5, 64)) << "an offset without a seed is added";
  one.problem.seed = 42;
  one.problem.offset = 2;
  EXPECT_EQ(mask_of_next(), expected_mask(42, 2, 0.5, 64)) << "with a seed it is where the stream starts";
}

TEST(ReferenceBackend, CallsThatDrawNothingLeaveTheStreamAlone) {
  ReferenceBackend backend;
  OneCall drawing = plain_call(0.5, std::vector<double>(64, 1.0));
  outputs(backend, drawing);
  for (const double p : {0.0, 1.0}) {
    OneCall still = plain_call(p, {1.0});
    still.problem.seed.reset();
    outputs(backend, still);
  }
  OneCall eval = plain_call(0.5, {1.0});
  eval.problem.seed.reset();
  eval.problem.mode = Mode::eval;
  outputs(backend, eval);
  OneCall empty = plain_call(0.5, {});
  empty.problem.seed.reset();
  outputs(backend, empty);
  OneCall bad = plain_call(1.5, {1.0});
  bad.problem.seed.reset();
  EXPECT_FALSE(run_one(backend, bad).observation.has_value());
  drawing.problem.seed.reset();
  const auto y = outputs(backend, drawing);
  const auto kept = expected_mask(42, 1, 0.5, 64);
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i] != 0.0, kept[i] != 0);
}

TEST(ReferenceBackend, RefusesBadProbabilitiesEvenInEval) {
  ReferenceBackend backend;
  for (const Op op : kAllOps) {
    for (const double p :
         {-0.1, 1.1, kNaN, kInfinity, -kInfinity, -std::numeric_limits<double>::denorm_min()}) {
      for (const Mode mode : {Mode::train, Mode::eval}) {
        OneCall one = plain_call(p, {1.0});
        one.problem.op = op;
        one.problem.mode = mode;
        const auto seen = run_one(backend, one).observation;
        ASSERT_FALSE(seen.has_value());
        EXPECT_EQ(seen.error().code, ErrorCode::invalid_argument);
        EXPECT_THAT(seen.error().message,
                    HasSubstr("dropout probability has to be between 0 and 1, but got"));
      }
    }
  }
  EXPECT_EQ(run_one(backend, plain_call(1.1, {1.0})).observation.error().message,
            "dropout probability has to be between 0 and 1, but got 1.1");
}

TEST(ReferenceBackend, RankIsCheckedOnlyWhenAMaskIsDrawn) {
  ReferenceBackend backend;
  OneCall one = plain_call(0.5, {1.0, 2.0});
  one.problem.op = Op::feature_alpha_dropout;
  const auto seen = run_one(backend, one).observation;
  ASSERT_FALSE(seen.has_value());
  EXPECT_EQ(seen.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(seen.error().message, "Feature dropout requires at least 2 dimensions in the input");
  for (const double p : {0.0, 1.0}) {
    one.problem.p = p;
    EXPECT_TRUE(run_one(backend, one).observation.has_value());
  }
  one.problem.p = 0.5;
  one.problem.mode = Mode::eval;
  EXPECT_TRUE(run_one(backend, one).observation.has_value());
}

TEST(ReferenceBackend, EdgesOfPAreExact) {
  const std::vector<double> x = {1.0, -1.0, -0.0, kInfinity, -kInfinity, kNaN};
  for (const Op op : {Op::dropout, Op::alpha_dropout}) {
    for (const DType dtype : kFloatDTypes) {
      ReferenceBackend backend;
      OneCall one = plain_call(0.0, x);
      one.problem.op = op;
      one.problem.dtype = dtype;
      one.dy = x;
      one.want_mask = true;
      const OneResult same = run_one(backend, one);
      for (std::size_t i = 0; i < x.size(); ++i) {
        std::byte bits[8];
        store_element(x[i], bits, dtype);
        EXPECT_EQ(element_bits(same.y.data() + i * size_of(dtype), dtype), element_bits(bits, dtype));
        EXPECT_EQ(element_bits(same.dx.data() + i * size_of(dtype), dtype), element_bits(bits, dtype));
        EXPECT_EQ(same.mask[i], std::byte{1});
      }
      one.problem.p = 1.0;
      const OneResult zero = run_one(backend, one);
      for (const auto& bytes : {zero.y, zero.dx}) {
        const auto y = zero.values(bytes, dtype);
        EXPECT_TRUE(y[0] == 0.0 && !std::signbit(y[0]));
        EXPECT_TRUE(y[1] == 0.0 && std::signbit(y[1]));
        EXPECT_TRUE(y[2] == 0.0 && std::signbit(y[2]));
        for (std::size_t i = 3; i < 6; ++i) EXPECT_TRUE(std::isnan(y[i]));
      }
      EXPECT_EQ(zero.mask, std::vector<std::byte>(x.size(), std::byte{0}));
    }
  }
}

TEST(ReferenceBackend, NaNAndInfinityInTraining) {
  ReferenceBackend backend;
  std::vector<double> x(64, kNaN);
  for (const double y : outputs(backend, plain_call(0.5, x))) EXPECT_TRUE(std::isnan(y));
  x.assign(64, -kInfinity);
  const auto kept = expected_mask(42, 0, 0.5, 64);
  const auto y = outputs(backend, plain_call(0.5, x));
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (kept[i] != 0) EXPECT_EQ(y[i], -kInfinity);
    else EXPECT_TRUE(std::isnan(y[i]));
  }
}

TEST(ReferenceBackend, SeveralForwardCallsMayBeOpen) {
  ReferenceBackend backend;
  Problem problem;
  problem.shape = {100};
  std::vector<SavedToken> tokens;
  std::vector<std::vector<double>> outputs_of;
  GuardedTensor x = make_tensor(backend, problem, false), y = make_tensor(backend, problem, true);
  fill(x, std::vector<double>(100, 1.0));
  for (int i = 0; i < 3; ++i) {
    Call call;
    if (i == 0) call.seed = 5;
    call.save_for_backward = true;
    call.x = {&x.memory(), x.view()};
    call.y = {&y.memory(), y.view()};
    tokens.push_back(backend.forward(call)->saved);
    outputs_of.push_back(OneResult{}.values(dense_bytes(y), DType::f32));
  }
  EXPECT_NE(outputs_of[0], outputs_of[1]);
  for (const std::size_t i : {std::size_t{2}, std::size_t{0}, std::size_t{1}}) {
    ASSERT_TRUE(backend.backward({tokens[i], {&x.memory(), x.view()}, {&y.memory(), y.view()}}).has_value());
    EXPECT_EQ(OneResult{}.values(dense_bytes(y), DType::f32), outputs_of[i]) << "dy = x = 1, so dx = y";
  }
  backend.release(tokens[0]);
  backend.release(tokens[0]);
  backend.release({12345});
  EXPECT_FALSE(backend.backward({tokens[0], {&x.memory(), x.view()}, {&y.memory(), y.view()}}).has_value());
}

TEST(ReferenceBackend, IntegersAreUnsupported) {
  ReferenceBackend backend;
  auto memory = *backend.allocate(64);
  Call call;
  call.x = {memory.get(), {memory->data(), DType::i32, {4}, {1}}};
  call.in_place = true;
  const auto seen = backend.forward(call);
  ASSERT_FALSE(seen.has_value());
  EXPECT_EQ(seen.error().code, ErrorCode::unsupported);
}

TEST(ReferenceBackend, AttributesAreUnsupported) {
  ReferenceBackend backend;
  auto memory = *backend.allocate(64);
  Call call;
  call.x = {memory.get(), {memory->data(), DType::f32, {4}, {1}}};
  call.in_place = true;
  EXPECT_TRUE(backend.forward(call).has_value());
  call.attributes["form"] = std::string("native_dropout");
  EXPECT_EQ(backend.forward(call).error().code, ErrorCode::unsupported);
}

TEST(OpenReference, OpensTheDefinitionWithoutAnArgument) {
  EXPECT_TRUE(open_reference("", {}).has_value());
  ASSERT_FALSE(open_reference("x", {}).has_value());
  EXPECT_EQ((*open_reference("", {}))->capabilities().name, "reference");
  EXPECT_EQ((*open_reference("", {}))->capabilities().exact_stream, "dropcheck-philox");
}

}  // namespace
}  // namespace dropcheck::reference
