#include "impl/cpu/cpu_backend.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "harness/core/packed_mask.hpp"
#include "reference/one_call.hpp"
#include "reference/reference_backend.hpp"

namespace dropcheck::cpu {
namespace {

using reference::OneCall;
using reference::OneResult;
using reference::ReferenceBackend;
using reference::run_one;
using reference::some_reals;
using testing::IsEmpty;

/// Same bits, but for NaN, whose sign and payload nobody promises.
void expect_same(const std::vector<std::byte>& a, const std::vector<std::byte>& b, DType dtype,
                 const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  for (std::size_t at = 0; at < a.size(); at += size_of(dtype)) {
    const double left = load_element(a.data() + at, dtype), right = load_element(b.data() + at, dtype);
    if (std::isnan(left) && std::isnan(right)) continue;
    ASSERT_EQ(element_bits(a.data() + at, dtype), element_bits(b.data() + at, dtype))
        << what << " at " << at / size_of(dtype);
  }
}

/// Two calls on each backend, the second continuing the stream.
void expect_equal_to_reference(const OneCall& first) {
  CpuBackend ours;
  ReferenceBackend theirs;
  OneCall one = first;
  for (int call = 0; call < 2; ++call) {
    const OneResult a = run_one(ours, one), b = run_one(theirs, one);
    const std::string what(to_string(one.problem.op));
    ASSERT_EQ(a.observation.has_value(), b.observation.has_value()) << what;
    if (!a.observation) {
      EXPECT_EQ(a.observation.error().message, b.observation.error().message);
      return;
    }
    EXPECT_THAT(a.faults, IsEmpty()) << what;
    EXPECT_EQ(a.observation->produced_strides, b.observation->produced_strides);
    EXPECT_EQ(a.observation->aliases_input, b.observation->aliases_input);
    expect_same(a.y, b.y, one.problem.dtype, what + " y");
    expect_same(a.dx, b.dx, one.problem.dtype, what + " dx");
    EXPECT_EQ(a.mask, b.mask) << what;
    one.problem.seed.reset();
  }
}

OneCall full_call(const Problem& problem) {
  const std::int64_t count = element_count(problem.shape);
  return {problem, some_reals(count), some_reals(count), true};
}

TEST(CpuBackend, EqualsReferenceInEveryCell) {
  for (const Op op : kAllOps) {
    for (const DType dtype : kFloatDTypes) {
      for (const Layout layout : kAllLayouts) {
        for (const std::vector<std::int64_t>& shape :
             {std::vector<std::int64_t>{}, {37}, {7, 9}, {9, 31, 33}, {3, 5, 4, 7}, {2, 3, 4, 3, 5}}) {
          for (const bool in_place : {false, true}) {
            for (const Mode mode : {Mode::train, Mode::eval}) {
              for (const double p : {0.0, 0.3, 1.0}) {
                Problem problem{.op = op,
                                .p = p,
                                .dtype = dtype,
                                .shape = shape,
                                .layout = layout,
                                .mode = mode,
                                .in_place = in_place,
                                .seed = 0xfeedfacecafebeef,
                                .offset = 0,
                                .calls = {},
                                .threads = 0};
                if (validate(problem)) expect_equal_to_reference(full_call(problem));
              }
            }
          }
        }
      }
    }
  }
}

TEST(CpuBackend, EqualsReferenceAtVectorBoundaries) {
  for (const DType dtype : kFloatDTypes) {
    for (const std::int64_t size :
         {1, 3, 31, 32, 33, 63, 64, 65, 255, 256, 257, 1023, 1024, 1025, 2047, 2048, 2049, 5000}) {
      for (const Layout layout : {Layout::contiguous, Layout::shifted, Layout::strided}) {
        for (const Op op : {Op::dropout, Op::alpha_dropout}) {
          Problem problem;
          problem.op = op;
          problem.p = 0.15;
          problem.dtype = dtype;
          problem.shape = {size};
          problem.layout = layout;
          problem.seed = 17;
          expect_equal_to_reference(full_call(problem));
        }
      }
    }
  }
}

TEST(CpuBackend, EqualsReferenceOnSpecialValues) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const Op op : {Op::dropout, Op::alpha_dropout}) {
    for (const DType dtype : kFloatDTypes) {
      OneCall one;
      one.problem.op = op;
      one.problem.dtype = dtype;
      one.problem.shape = {70};
      one.problem.seed = 3;
      const double special[] = {0.0,   -0.0,  kInfinity, -kInfinity, std::nan(""),
                                1e-45, -6e-8, 3e38,      60000.0,    -1.0};
      for (std::size_t i = 0; i < 70; ++i) one.x.push_back(special[i % 10]);
      one.dy = one.x;
      for (const double p : {0.0, 0.5, 1.0}) {
        one.problem.p = p;
        expect_equal_to_reference(one);
      }
    }
  }
}

TEST(CpuBackend, EqualsReferenceForEveryTwoDecimalP) {
  for (int percent = 1; percent < 100; ++percent) {
    for (const DType dtype : kFloatDTypes) {
      for (const Op op : {Op::dropout, Op::alpha_dropout}) {
        Problem problem;
        problem.op = op;
        problem.p = percent / 100.0;
        problem.dtype = dtype;
        problem.shape = {64};
        expect_equal_to_reference(full_call(problem));
      }
    }
  }
}

TEST(CpuBackend, NumberOfThreadsDoesNotMatter) {
  for (const Op op : {Op::dropout, Op::dropout1d, Op::alpha_dropout}) {
    for (const Layout layout : {Layout::contiguous, Layout::transposed}) {
      Problem problem;
      problem.op = op;
      problem.p = 0.4;
      problem.shape = {333, 401, 2};  // not a multiple of anything that a split would like
      problem.layout = layout;
      problem.seed = 21;
      std::vector<OneResult> results;
      for (const std::uint32_t threads : {0u, 1u, 2u, 3u, 8u}) {
        problem.threads = threads;
        CpuBackend backend;
        results.push_back(run_one(backend, full_call(problem)));
        EXPECT_THAT(results.back().faults, IsEmpty());
      }
      ReferenceBackend yardstick;
      results.push_back(run_one(yardstick, full_call(problem)));
      for (const OneResult& result : results) {
        EXPECT_EQ(result.y, results[0].y);
        EXPECT_EQ(result.mask, results[0].mask);
        EXPECT_EQ(result.dx, results[0].dx);
      }
    }
  }
}

TEST(CpuBackend, OffsetsCountCalls) {
  Problem problem;
  problem.shape = {100};
  problem.seed = 8;
  problem.offset = 5;
  expect_equal_to_reference(full_call(problem));
  problem.seed.reset();
  problem.offset = (std::uint64_t{1} << 32) + 1;
  expect_equal_to_reference(full_call(problem));
}

/// The packed mask that a call brings, with or without its output, and with x as a constant where asked.
struct PackedResult {
  std::vector<std::byte> packed, y;
};
PackedResult packed_call(CpuBackend& backend, const Problem& problem, bool with_output, bool constant) {
  Problem bytes;
  bytes.dtype = DType::u8;
  bytes.shape = {packed_bytes(element_count(problem.shape))};
  GuardedTensor x = reference::make_tensor(backend, problem, false);
  GuardedTensor y = reference::make_tensor(backend, problem, true);
  GuardedTensor packed = reference::make_tensor(backend, bytes, true);
  reference::fill(x, std::vector<double>(static_cast<std::size_t>(x.view().count()), 3.0));
  Call call;
  call.op = problem.op;
  call.p = problem.p;
  call.mode = problem.mode;
  call.seed = problem.seed;
  call.threads = problem.threads;
  call.packed_mask = {&packed.memory(), packed.view()};
  if (with_output) call.y = {&y.memory(), y.view()};
  call.x = {&x.memory(), x.view()};
  if (constant) {
    call.x.memory = nullptr;
    call.x.view.data = nullptr;
    call.constant_input = 3.0;
  }
  EXPECT_TRUE(backend.forward(call).has_value());
  EXPECT_EQ(packed.fault("packed_mask", false), std::nullopt);
  if (!with_output) return {reference::dense_bytes(packed), {}};
  EXPECT_EQ(y.fault("y", true), std::nullopt);
  return {reference::dense_bytes(packed), reference::dense_bytes(y)};
}

TEST(CpuBackend, PacksTheMaskOfItsOutputWithAndWithoutIt) {
  for (const Op op : {Op::dropout, Op::alpha_dropout, Op::dropout1d, Op::dropout2d})
    for (const std::vector<std::int64_t>& shape :
         {std::vector<std::int64_t>{1, 1, 1}, {3, 5, 7}, {9, 31, 33}, {4, 1, 2048}, {5, 7, 9000}})
      for (const Mode mode : {Mode::train, Mode::eval})
        for (const double p : {0.0, 0.3, 1.0})
          for (const std::uint32_t threads : {1u, 3u}) {
            Problem problem;
            problem.op = op;
            problem.p = p;
            problem.shape = shape;
            if (op == Op::dropout2d) problem.shape.push_back(2);
            problem.mode = mode;
            problem.seed = 77;
            problem.threads = threads;
            OneCall one = full_call(problem);
            one.x.assign(one.x.size(), 3.0);
            CpuBackend whole;
            const OneResult expected = run_one(whole, one);  // its mask equals the reference's, tested above
            std::vector<std::byte> packed(
                static_cast<std::size_t>(packed_bytes(element_count(problem.shape))));
            for (std::size_t i = 0; i < expected.mask.size(); ++i)
              if (expected.mask[i] != std::byte{0}) packed[i / 8] |= std::byte{1} << (i % 8);
            for (const bool with_output : {false, true})
              for (const bool constant : {false, true}) {
                CpuBackend backend;
                const PackedResult got = packed_call(backend, problem, with_output, constant);
                ASSERT_EQ(got.packed, packed) << to_string(op) << " p = " << p << " constant " << constant;
                if (with_output) {
                  ASSERT_EQ(got.y, expected.y) << to_string(op) << " p = " << p;
                }
              }
          }
}

TEST(CpuBackend, ACallForThePackedMaskAloneAdvancesTheStreamAsAnyOther) {
  Problem problem;
  problem.shape = {500};
  problem.seed = 5;
  CpuBackend alone, both;
  packed_call(alone, problem, false, true);
  packed_call(both, problem, true, false);
  problem.seed.reset();
  EXPECT_EQ(packed_call(alone, problem, false, true).packed, packed_call(both, problem, true, true).packed);
}

TEST(CpuBackend, RefusesACallForNothingAndAConstantInPlace) {
  CpuBackend backend;
  Problem problem;
  problem.shape = {4};
  GuardedTensor x = reference::make_tensor(backend, problem, true);
  Call call;
  call.x = {&x.memory(), x.view()};
  EXPECT_FALSE(backend.forward(call).has_value());
  call.x.memory = nullptr;
  call.constant_input = 1.0;
  call.in_place = true;
  EXPECT_FALSE(backend.forward(call).has_value());
}

TEST(CpuBackend, RefusesWhatTheReferenceRefuses) {
  for (const double p :
       {-0.1, 1.1, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    Problem problem;
    problem.p = p;
    problem.shape = {3};
    for (const Mode mode : {Mode::train, Mode::eval}) {
      problem.mode = mode;
      CpuBackend backend;
      const OneResult result = run_one(backend, full_call(problem));
      ASSERT_FALSE(result.observation.has_value());
      EXPECT_EQ(result.observation.error().code, ErrorCode::invalid_argument);
      expect_equal_to_reference(full_call(problem));
    }
  }
  Problem flat;
  flat.op = Op::dropout2d;
  flat.shape = {3};
  expect_equal_to_reference(full_call(flat));
}

TEST(OpenCpu, TakesNoArgument) {
  EXPECT_TRUE(open_cpu("", {}).has_value());
  EXPECT_FALSE(open_cpu("fast", {}).has_value());
}

}  // namespace
}  // namespace dropcheck::cpu
