#include "reference/simulated_cuda_backend.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "reference/definition.hpp"
#include "reference/one_call.hpp"
#include "reference/pytorch_cuda_stream.hpp"
#include "reference/reference_backend.hpp"
#include "reference/scale_forms.hpp"

namespace dropcheck::reference {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kName = "pytorch-cuda?sm=132&threads=2048&vec=8";
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::unique_ptr<Backend> device(const char* name = kName) { return *SimulatedCudaBackend::open(name); }

OneCall call_on(std::vector<double> x, double p, DType dtype = DType::f32) {
  OneCall one;
  one.problem.p = p;
  one.problem.dtype = dtype;
  one.problem.shape = {static_cast<std::int64_t>(x.size())};
  one.problem.seed = 42;
  one.x = std::move(x);
  return one;
}

/// The mask that the documented stream draws first after the problem's seed.
MaskBits documented(const Problem& problem) {
  auto stream = *ClaimedStream::open(kName);
  EXPECT_TRUE(stream->reseed(*problem.seed, problem.offset));
  const TensorGeometry geometry = geometry_of(problem, problem.in_place);
  const StreamCall call = {problem.op,
                           problem.p,
                           problem.dtype,
                           problem.shape,
                           geometry.strides,
                           256 + static_cast<std::uint64_t>(geometry.first) * size_of(problem.dtype),
                           problem.mode,
                           problem.in_place,
                           ""};
  auto drops = stream->draw(call);
  EXPECT_TRUE(drops.has_value());
  return *drops;
}

TEST(SimulatedCuda, FollowsStreamAndDefinitionInEveryLayout) {
  std::size_t tried = 0;
  for (const Op op : kAllOps)
    for (const DType dtype : kFloatDTypes)
      for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{},
                                                     {7},
                                                     {64},
                                                     {5, 6},
                                                     {3, 4, 5},
                                                     {2, 3, 4, 5},
                                                     {2, 3, 4, 16},
                                                     {2, 3, 2, 3, 4}})
        for (const Layout layout : kAllLayouts)
          for (const bool in_place : {false, true}) {
            Problem problem;
            problem.op = op;
            problem.p = 0.15;  // separates the ways of rounding 1/q
            problem.dtype = dtype;
            problem.shape = shape;
            problem.layout = layout;
            problem.in_place = in_place;
            problem.seed = 9;
            problem.offset = 8;
            if (!validate(problem)) continue;
            const bool fused = op == Op::dropout && !in_place;
            if (!fused && dtype == DType::f64) continue;
            const std::int64_t count = element_count(shape);
            OneCall one{problem, some_reals(count), some_reals(count), true};
            if (layout == Layout::expanded) {
              const auto slice = static_cast<std::size_t>(count / shape[0]);
              for (std::size_t i = slice; i < one.x.size(); ++i) one.x[i] = one.x[i % slice];
            }
            auto backend = device();
            const OneResult result = run_one(*backend, one);
            ASSERT_TRUE(result.observation.has_value()) << result.observation.error().message;
            EXPECT_THAT(result.faults, IsEmpty());
            ++tried;
            const MaskBits drops = documented(problem);
            const Definition definition(op, problem.p, dtype);
            const bool half = size_of(dtype) == 2;
            const ScaleForm forward =
                half ? ScaleForm::wide_reciprocal_A : ScaleForm::reciprocal_of_rounded_q;
            const ScaleForm back = half ? ScaleForm::wide_reciprocal_B : ScaleForm::rounded_reciprocal;
            const auto y = result.values(result.y, dtype), dx = result.values(result.dx, dtype);
            ASSERT_EQ(y.size() % drops.size(), 0u);
            for (std::size_t i = 0; i < y.size(); ++i) {
              const bool drop = drops[i / (y.size() / drops.size())];
              const double x = round_to(one.x[i], dtype), dy = round_to(one.dy[i], dtype);
              const double kept = fused ? kept_value(forward, x, problem.p, dtype) : definition.kept(x);
              const double kept_dx =
                  fused ? kept_gradient(back, dy, problem.p, dtype) : definition.kept_gradient(dy);
              const double expected = drop ? definition.dropped(x) : kept;
              EXPECT_EQ(y[i], expected) << i;
              EXPECT_EQ(std::signbit(y[i]), std::signbit(expected)) << i;
              EXPECT_EQ(dx[i], drop ? definition.dropped_gradient(dy) : kept_dx) << i;
              EXPECT_EQ(result.mask[i], std::byte{!drop});
            }
          }
  EXPECT_GT(tried, 300u);
}

TEST(SimulatedCuda, ForwardAndBackwardScaleDifferByOneUnitWhereTheirReciprocalsDo) {
  // p = 0.15: fl(1 / fl(0.85)) and fl(1 / 0.85) are neighbours in f32.
  auto backend = device();
  OneCall one = call_on(std::vector<double>(64, 1.0), 0.15);
  one.dy = one.x;
  const OneResult result = run_one(*backend, one);
  const auto y = result.values(result.y, DType::f32), dx = result.values(result.dx, DType::f32);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (y[i] == 0) continue;
    ++kept;
    const float towards = y[i] < dx[i] ? 2.0f : 0.0f;
    EXPECT_NE(y[i], dx[i]);
    EXPECT_EQ(std::nextafter(static_cast<float>(y[i]), towards), static_cast<float>(dx[i]));
  }
  EXPECT_GT(kept, 32u);
}

TEST(SimulatedCuda, DoublesInPlaceAreUnsupported) {
  auto backend = device();
  OneCall one = call_on({1, 2, 3, 4}, 0.5, DType::f64);
  EXPECT_TRUE(run_one(*backend, one).observation.has_value());
  one.problem.in_place = true;
  const OneResult result = run_one(*backend, one);
  ASSERT_FALSE(result.observation.has_value());
  EXPECT_EQ(result.observation.error().code, ErrorCode::unsupported);
}

TEST(SimulatedCuda, EndsEvalAndNaNAreThoseOfPyTorch) {
  auto backend = device();
  const std::vector<double> x = {1.5, -1.5, std::nan(""), kInfinity, -0.0};
  for (const double p : {0.0, -0.0}) {
    const OneResult same = run_one(*backend, call_on(x, p));
    const auto y = same.values(same.y, DType::f32);
    EXPECT_EQ(y[1], -1.5);
    EXPECT_TRUE(std::isnan(y[2]) && std::signbit(y[4]));
    EXPECT_EQ(same.observation->effective_p, 0.0);
  }
  const OneResult none = run_one(*backend, call_on(x, 1.0));
  const auto y = none.values(none.y, DType::f32);
  EXPECT_TRUE(y[0] == 0 && !std::signbit(y[0]) && y[1] == 0 && std::signbit(y[1]));
  EXPECT_TRUE(std::isnan(y[2]) && std::isnan(y[3]) && std::signbit(y[4]));
  EXPECT_EQ(none.observation->effective_p, 1.0);
  OneCall eval = call_on(x, 0.5);
  eval.problem.mode = Mode::eval;
  const OneResult untouched = run_one(*backend, eval);
  EXPECT_EQ(untouched.values(untouched.y, DType::f32)[1], -1.5);
  EXPECT_FALSE(untouched.observation->effective_p.has_value());
  for (const double p : {-0.1, 1.1, std::nan("")}) {
    const OneResult refusal = run_one(*backend, call_on(x, p));
    ASSERT_FALSE(refusal.observation.has_value());
    EXPECT_THAT(refusal.observation.error().message,
                HasSubstr("dropout probability has to be between 0 and 1, but got"));
  }
  // A dropped NaN stays one, and an infinity becomes one.
  const OneResult most = run_one(*backend, call_on(std::vector<double>(64, kInfinity), 0.9));
  for (const double value : most.values(most.y, DType::f32))
    EXPECT_TRUE(std::isnan(value) || value == kInfinity);
}

TEST(SimulatedCuda, CountsItsOffsetInWords) {
  auto backend = device();
  OneCall one = call_on(std::vector<double>(2000, 1.0), 0.5);
  const auto y_of = [&](std::optional<std::uint64_t> seed, std::uint64_t offset) {
    one.problem.seed = seed;
    one.problem.offset = offset;
    return run_one(*backend, one).y;
  };
  const auto first = y_of(42, 0), second = y_of({}, 0), third = y_of({}, 0);
  EXPECT_NE(first, second);
  EXPECT_EQ(y_of(42, 4), second) << "2000 elements take 4 words of each thread";
  EXPECT_EQ(y_of(42, 8), third);
  EXPECT_EQ(y_of(42, 0), first);
  EXPECT_EQ(y_of({}, 4), third) << "an offset without a seed is added";
  one.problem.seed = 42;
  one.problem.offset = 6;
  const OneResult refusal = run_one(*backend, one);
  ASSERT_FALSE(refusal.observation.has_value());
  EXPECT_EQ(refusal.observation.error().message, "offset must be a multiple of 4");
}

/// One call on ones, counted.
Expected<Observation> counted(Backend& backend, std::int64_t n, double p, Mode mode = Mode::train,
                              const char* form = nullptr) {
  Problem problem;
  problem.shape = {n};
  GuardedTensor x = make_tensor(backend, problem, false), y = make_tensor(backend, problem, true);
  fill(x, std::vector<double>(static_cast<std::size_t>(n), 1.0));
  Call call;
  call.p = p;
  call.mode = mode;
  call.count_words = true;
  if (form != nullptr) call.attributes["form"] = std::string(form);
  call.x = {&x.memory(), x.view()};
  call.y = {&y.memory(), y.view()};
  return backend.forward(call);
}

TEST(SimulatedCuda, ReportsTheWordsOfEachCallAndItsTrueRate) {
  auto backend = device();
  EXPECT_EQ(counted(*backend, 5, 0.5)->rng_words, 4u);
  EXPECT_EQ(counted(*backend, 1081345, 0.5)->rng_words, 8u);
  EXPECT_EQ(counted(*backend, 5, 0.5, Mode::eval)->rng_words, 0u);
  EXPECT_EQ(counted(*backend, 5, 0.0)->rng_words, 0u);
  EXPECT_EQ(counted(*backend, 5, 1.0)->rng_words, 0u);
  EXPECT_EQ(counted(*backend, 5, 0.0, Mode::train, "native_dropout")->rng_words, 4u);
  EXPECT_EQ(counted(*backend, 5, 0.5)->effective_p, effective_drop_probability(0.5, DType::f32));
  EXPECT_EQ(counted(*backend, 5, 0.0, Mode::train, "native_dropout")->effective_p, 0x1p-25);
  EXPECT_EQ(counted(*backend, 5, 0.5, Mode::train, "rnn").error().code, ErrorCode::unsupported);
}

TEST(SimulatedCuda, NativeDropoutReturnsItsMaskAndPlainZerosAtOne) {
  auto backend = device();
  Problem problem;
  problem.shape = {40};
  GuardedTensor x = make_tensor(*backend, problem, false), y = make_tensor(*backend, problem, true),
                mask = make_tensor(*backend, problem, true);
  fill(x, std::vector<double>(40, -kInfinity));
  Call call;
  call.seed = 3;
  call.attributes["form"] = std::string("native_dropout");
  call.x = {&x.memory(), x.view()};
  call.y = {&y.memory(), y.view()};
  call.outputs.push_back({"mask", {&mask.memory(), mask.view()}});
  for (const double p : {0.5, 1.0}) {
    call.p = p;
    const auto seen = backend->forward(call);
    ASSERT_TRUE(seen.has_value()) << seen.error().message;
    EXPECT_EQ(seen->facts.at("mask_dtype"), "bool");
    EXPECT_EQ(seen->facts.at("mask_shape"), "[40]");
    std::size_t kept = 0;
    for (std::size_t i = 0; i < 40; ++i) {
      const double value = load_element(y.view().data + 4 * i, DType::f32);
      const double keep = load_element(mask.view().data + 4 * i, DType::f32);
      kept += keep == 1.0 ? 1u : 0u;
      if (p == 1.0) {
        EXPECT_TRUE(value == 0.0 && !std::signbit(value) && keep == 0.0);
      } else {
        EXPECT_TRUE(keep == 1.0 ? value == -kInfinity : std::isnan(value) && keep == 0.0);
      }
    }
    EXPECT_EQ(kept > 0, p < 1.0);
  }
  call.outputs[0].name = "h_n";
  EXPECT_EQ(backend->forward(call).error().code, ErrorCode::unsupported);
}

TEST(SimulatedCuda, CallsOfHalfTypesShareWordsAsTheSourcesPredict) {
  // Eight at once take two blocks where one is reserved: the next call begins with the second.
  for (const DType dtype : {DType::f16, DType::bf16, DType::f32}) {
    auto backend = device();
    OneCall one = call_on(std::vector<double>(4096, 1.0), 0.5, dtype);
    const auto first = run_one(*backend, one);
    one.problem.seed.reset();
    const auto next = run_one(*backend, one);
    const auto y = first.values(first.y, dtype), again = next.values(next.y, dtype);
    std::size_t equal = 0;
    for (std::size_t t = 0; t < 512; ++t)
      for (std::size_t j = 0; j < 4; ++j) equal += again[8 * t + j] == y[8 * t + 4 + j] ? 1u : 0u;
    if (dtype == DType::f32) {
      EXPECT_LT(equal, 1200u);
    } else {
      EXPECT_EQ(equal, 2048u);
    }
  }
}

TEST(SimulatedCuda, ClaimsItsStreamByItsFullNameAndSaysThatItIsASimulation) {
  const auto backend = device("pytorch-cuda?threads=2048&sm=132");
  const Capabilities& claims = backend->capabilities();
  EXPECT_EQ(claims.exact_stream, kName);
  EXPECT_EQ(claims.offset_unit, "32-bit word, a multiple of 4");
  EXPECT_EQ(claims.seed_bits, 64u);
  EXPECT_TRUE(claims.effective_rate && claims.reports_rng_words && claims.backward && claims.in_place);
  EXPECT_THAT(claims.notes,
              testing::Contains(HasSubstr("simulated from PyTorch's sources, not run on a GPU")));
  EXPECT_TRUE(claims.conforms_to.empty());
}

TEST(OpenReference, OpensASimulatedDeviceByItsStream) {
  const auto backend = open_reference(kName, {});
  ASSERT_TRUE(backend.has_value()) << backend.error().message;
  EXPECT_EQ((*backend)->capabilities().exact_stream, kName);
  for (const char* argument :
       {"x", "pytorch-cpu", "dropcheck-philox", "pytorch-cuda", "pytorch-cuda?sm=132"}) {
    const auto refusal = open_reference(argument, {});
    ASSERT_FALSE(refusal.has_value()) << argument;
    EXPECT_EQ(refusal.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(refusal.error().message, HasSubstr("pytorch-cuda?sm=132&threads=2048"));
  }
  EXPECT_FALSE(SimulatedCudaBackend::open("pytorch-cpu").has_value());
}

}  // namespace
}  // namespace dropcheck::reference
