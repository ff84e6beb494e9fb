// Rows 77 to 84 against the simulated CUDA device, and against the device with planted defects.
#include <memory>

#include "reference/pytorch_cuda_stream.hpp"
#include "reference/simulated_cuda_backend.hpp"
#include "suites/dialects/row_testing.hpp"

namespace dropcheck::suites::testing {
namespace {

constexpr const char* kNew = "pytorch-cuda?sm=132&threads=2048&vec=8";
constexpr const char* kOld = "pytorch-cuda?sm=132&threads=2048&vec=4";

std::unique_ptr<Backend> device(const char* name) {
  auto opened = reference::SimulatedCudaBackend::open(name);
  EXPECT_TRUE(opened) << opened.error().message;
  return *std::move(opened);
}

void flip_last(const Call&, std::vector<double>& y) { y.back() = y.back() == 0 ? 7 : 0; }
bool all(const Call&) { return true; }

TEST(CudaRows, SayWhyTheyAreNotTriedElsewhere) {
  TorchModel model;
  for (const int row : {77, 79, 80, 81, 82, 83, 84}) {
    const Judgement judgement = judge_row(row, model);
    EXPECT_EQ(judgement.verdict, Verdict::unsupported) << row;
    EXPECT_EQ(judgement.message, "needs a CUDA device or a claim of its stream");
  }
}

TEST(CudaRows, PassTheSimulatedDevice) {
  for (const char* name : {kNew, kOld}) expect_passes({76, 77, 79, 80, 83, 84}, *device(name));
  // Four elements a thread read what they reserve.
  expect_passes({82}, *device(kOld));
}

TEST(CudaRows, SeeTheOverlapsThatTheSourcesPredict) {
  for (const char* name : {kNew, kOld}) {
    const Judgement narrow = judge_row(81, *device(name));
    EXPECT_EQ(narrow.verdict, Verdict::fail) << narrow.message;
    EXPECT_THAT(narrow.message, ::testing::HasSubstr("correlation 1;"));
  }
  const Judgement wide = judge_row(82, *device(kNew));
  EXPECT_EQ(wide.verdict, Verdict::fail) << wide.message;
  EXPECT_THAT(wide.message, ::testing::HasSubstr("correlation 1;"));
}

TEST(CudaRows, PassADeviceThatReservesEnough) {
  const auto predicted = device(kNew);
  SpoiledBackend backend(*predicted);
  backend.before = [](Call& call) {
    if (!call.seed) call.offset = 4096;
  };
  expect_passes({81, 82}, backend);
}

TEST(CudaRows, CatchPlantedDefects) {
  const auto simulated = device(kNew);
  expect_failures(
      {
          {.row = 77,
           .what = "declares p itself",
           .said = "declares the drop probability",
           .after = told([](const Call& call, Observation& seen) { seen.effective_p = call.p; })},
          {.row = 77,
           .what = "drops 15 % too often",
           .said = "drop rate at p = 0.1",
           .before =
               [](Call& call) {
                 if (call.p > .05 && call.p < .12) call.p *= 1.15;
               },
           .after = told([](const Call& call, Observation& seen) {
             seen.effective_p = reference::effective_drop_probability(call.p, call.x.view.dtype);
           })},
          {.row = 79,
           .what = "one element",
           .said = "differ from pytorch-cuda",
           .after = result_where(all, flip_last)},
          {.row = 79,
           .what = "the known mask alone",
           .said = "it must keep 0111",
           .after = result_where([](const Call& call) { return call.seed == 42; }, flip_last)},
          {.row = 80,
           .what = "a block less",
           .said = "generator words",
           .after = told([](const Call&, Observation& seen) {
             if (seen.rng_words.value_or(0) > 0) *seen.rng_words -= 4;
           })},
          {.row = 80,
           .what = "eval moves the offset",
           .said = "it must use 0",
           .after = told([](const Call& call, Observation& seen) {
             if (call.mode == Mode::eval) seen.rng_words = 4;
           })},
          {.row = 80,
           .what = "the next call begins elsewhere",
           .said = "differ from pytorch-cuda",
           .before =
               [](Call& call) {
                 if (!call.seed) call.offset = 4;
               }},
          {.row = 83,
           .what = "one element",
           .said = "differ from pytorch-cuda",
           .after = result_where(all, flip_last)},
          {.row = 84,
           .what = "one element",
           .said = "differ from pytorch-cuda",
           .after = result_where(all, flip_last)},
          {.row = 84,
           .what = "the misaligned input alone",
           .said = "differ from pytorch-cuda",
           .after = result_where(
               [](const Call& call) { return reinterpret_cast<std::uintptr_t>(call.x.view.data) % 16 != 0; },
               flip_last)},
      },
      *simulated);
}

}  // namespace
}  // namespace dropcheck::suites::testing
