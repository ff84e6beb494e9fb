// What PyTorch's sources predict about its CUDA kernels is seen by the statistics of profile quick, on the
// stream that the sources describe.

#include <gmock/gmock.h>

#include <atomic>
#include <map>

#include "harness/run/runner.hpp"
#include "reference/reference_backend.hpp"
#include "suites/register.hpp"
#include "suites/testing/planted_backend.hpp"

namespace dropcheck::suites {
namespace {

using ::testing::HasSubstr;

/// Cases of seed_determinism in profile quick that fail, each with its message. Checks that ask their own
/// questions are asked by name only.
std::map<std::string, std::string> failures(const std::string& stream, const std::string& problem,
                                            const std::string& check_glob = "") {
  Registry registry;
  register_suites(registry);
  registry.add_backend({"reference", "reference:STREAM", "simulated", true, reference::open_reference});
  PlanOptions options;
  options.profile = "quick";
  options.suites = {"seed_determinism"};
  options.only_case = testing::problem_of(problem);
  options.check_glob = check_glob;
  const auto plan = make_plan(registry, options);
  if (!plan) throw std::logic_error(plan.error().message);
  const std::string spec = "reference:" + stream;
  const auto backend = registry.open(spec, {});
  if (!backend) throw std::logic_error(backend.error().message);
  std::map<std::string, std::string> failed;
  RunnerEvents events;
  events.on_result = [&](const ResultRecord& result) {
    EXPECT_EQ(plan->profile, "quick") << "the case stands in the profile";
    if (result.verdict == Verdict::fail) failed[result.check] = result.message;
    return result.verdict;
  };
  std::atomic<bool> stop{false};
  run_plan(registry, *plan, spec, (*backend)->capabilities(), {}, events, stop);
  return failed;
}

constexpr const char* kNewer = "pytorch-cuda?sm=132&threads=2048&vec=8";
constexpr const char* kOlder = "pytorch-cuda?sm=132&threads=2048&vec=4";

class HalfCells : public ::testing::TestWithParam<const char*> {};

TEST_P(HalfCells, ShowThatEightAtOnceReadTheWordsOfTheCallBefore) {
  const auto failed = failures(kNewer, GetParam());
  ASSERT_TRUE(failed.contains("seed_determinism.chunk_overlaps"));
  EXPECT_THAT(failed.at("seed_determinism.chunk_overlaps"),
              HasSubstr("about half of each mask repeats the one before, 4 entries off"));
  EXPECT_TRUE(failures(kOlder, GetParam()).empty()) << "four at once reserve what they read";
}

INSTANTIATE_TEST_SUITE_P(OfQuick, HalfCells,
                         ::testing::Values("op=dropout,p=0.1,dtype=f16,shape=64x128x128,calls=4",
                                           "op=dropout,p=0.5,dtype=f16,shape=64x128x128,calls=4",
                                           "op=dropout,p=0.5,dtype=bf16,shape=64x128x128,calls=4"));

class DoubleCells : public ::testing::TestWithParam<const char*> {};

TEST_P(DoubleCells, ShowThatTwoAtOnceReadTheWordsOfTheCallBefore) {
  const auto failed = failures(kNewer, GetParam());
  ASSERT_TRUE(failed.contains("seed_determinism.repeats"));
  EXPECT_THAT(failed.at("seed_determinism.repeats"), HasSubstr("the stream may advance by too little"));
  EXPECT_TRUE(failures(kOlder, GetParam()).empty()) << "f64 takes four at once by the older rule";
}

INSTANTIATE_TEST_SUITE_P(OfQuick, DoubleCells,
                         ::testing::Values("op=dropout,p=0.1,dtype=f64,shape=128x128x128,calls=2",
                                           "op=dropout,p=0.5,dtype=f64,shape=128x128x128,calls=2"));

TEST(Alignment, IsWhatTheFusedKernelGoesBy) {
  const char* const kProblem = "op=dropout,p=0.5,shape=1024";
  const auto failed = failures(kNewer, kProblem, "seed_determinism.alignment");
  ASSERT_TRUE(failed.contains("seed_determinism.alignment"));
  EXPECT_THAT(failed.at("seed_determinism.alignment"), HasSubstr("4 bytes past an aligned address"));
  EXPECT_TRUE(failures(kNewer, kProblem, "seed_determinism.other_memory").empty())
      << "these are aligned alike";
}

}  // namespace
}  // namespace dropcheck::suites
