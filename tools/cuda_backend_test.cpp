// The CUDA backends where they cannot run: one sentence, the same from `run` and from `doctor`.

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tools/registration.hpp"
#include "tools/testing/program.hpp"

namespace dropcheck::tools {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using Json = nlohmann::json;

const std::string kProgram = DROPCHECK_PROGRAM;

/// What doctor says of a backend.
Json finding(const std::string& what) {
  const Json said = Json::parse(ran(kProgram + " doctor --json").out, nullptr, false);
  for (const Json& f : said.at("findings"))
    if (f.at("what") == what) return f;
  return {};
}

class CudaBackend : public ::testing::TestWithParam<const char*> {};

TEST_P(CudaBackend, ThatCannotRunSaysWhatIsMissingAndHowToGetIt) {
  const std::string name = GetParam();
  const Json said = finding("backend " + name);
  ASSERT_TRUE(said.is_object());
  if (said.at("works") == true) GTEST_SKIP() << "there is a GPU: " << said.at("text");
  const auto text = said.at("text").get<std::string>();
  EXPECT_THAT(text, AnyOf(HasSubstr("is not built: install"), HasSubstr("no NVIDIA driver is installed"),
                          HasSubstr("no GPU is visible"), HasSubstr("the NVIDIA driver is for CUDA"),
                          HasSubstr("and the kernels are built for")));
  EXPECT_EQ(text.find('\n'), std::string::npos) << "one sentence";
  const TemporaryFolder folder;
  const Ran run = ran(kProgram + " run --backend=" + name +
                      " --profile=smoke --out=" + folder.path().string() + "/out 2>&1");
  EXPECT_EQ(run.code, 11);
  EXPECT_THAT(run.out, HasSubstr(text));
}

INSTANTIATE_TEST_SUITE_P(Names, CudaBackend, ::testing::Values("cuda", "cuda-curand"),
                         [](const auto& row) { return std::string(row.param) == "cuda" ? "Own" : "CuRand"; });

TEST(CudaBackend, AConfigurationIsPartOfItsName) {
  if (finding("backend cuda").at("works") == true) GTEST_SKIP() << "there is a GPU";
  const TemporaryFolder folder;
  const std::string out = " --profile=smoke --out=" + folder.path().string() + "/out 2>&1";
  EXPECT_EQ(ran(kProgram + " run --backend='cuda?stream=pytorch-cuda'" + out).code, 11);
  const Ran usage = ran(kProgram + " run --backend='cuda-curand?x=1'" + out);
  EXPECT_EQ(usage.code, 4);
  EXPECT_THAT(usage.out, HasSubstr("backend 'cuda-curand' is written cuda-curand"));
}

/// The device code's element functions, run on the host through the whole program.
TEST(CudaEmulated, PassesTheSmokeProfile) {
  const TemporaryFolder folder;
  const Ran run = ran(kProgram + " run --backend=plugin:" + DROPCHECK_CUDA_EMULATED +
                      " --profile=smoke --out=" + folder.path().string() + "/out 2>&1");
  EXPECT_EQ(run.code, 0) << run.out;
  EXPECT_THAT(run.out, HasSubstr("exact_stream"));
}

TEST(CudaEmulated, DrawsPyTorchsStreamForAStatedDevice) {
  const TemporaryFolder folder;
  const Ran run =
      ran(kProgram + " run '--backend=plugin:" + DROPCHECK_CUDA_EMULATED +
          "?stream=pytorch-cuda&sm=3&threads=1536&vec=4' --suite=exact_stream --profile=smoke --out=" +
          folder.path().string() + "/out 2>&1");
  EXPECT_EQ(run.code, 0) << run.out;
  const Ran refused =
      ran(kProgram + " run '--backend=plugin:" + DROPCHECK_CUDA_EMULATED +
          "?stream=pytorch-cuda&sm=0' --profile=smoke --out=" + folder.path().string() + "/x 2>&1");
  EXPECT_EQ(refused.code, 11);
  EXPECT_THAT(refused.out, HasSubstr("configuration 'sm=0' is not known"));
}

#ifdef DROPCHECK_CURAND_EMULATED
/// The peer's own code with cuRAND's functions, run on the host.
TEST(CurandEmulated, PassesTheSmokeProfile) {
  const TemporaryFolder folder;
  const Ran run = ran(kProgram + " run --backend=plugin:" + DROPCHECK_CURAND_EMULATED +
                      " --profile=smoke --out=" + folder.path().string() + "/out 2>&1");
  EXPECT_EQ(run.code, 0) << run.out;
}
#endif

#ifdef DROPCHECK_BUILD_FOLDER
/// What goes to a machine with a GPU, tried where there is none.
TEST(VerifyGpu, PacksAFolderThatSaysThatThereIsNoGpu) {
  if (finding("backend cuda").at("works") == true) GTEST_SKIP() << "there is a GPU";
  const TemporaryFolder folder;
  const std::string packed = folder.path().string() + "/packed", report = folder.path().string() + "/report";
  const Ran pack = ran(std::string(DROPCHECK_SOURCE_DIR "/tools/verify-gpu --pack --build=") +
                       DROPCHECK_BUILD_FOLDER + " --out=" + packed + " 2>&1");
  ASSERT_EQ(pack.code, 0) << pack.out;
  const Ran run = ran(packed + "/verify-gpu --run --out=" + report + " 2>&1");
  EXPECT_EQ(run.code, 11) << run.out;
  EXPECT_THAT(text_of(report + "/report.md"), HasSubstr("There is no GPU to use: nothing else was tried."));
  std::istringstream lines(text_of(report + "/report.jsonl"));
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) EXPECT_TRUE(Json::accept(line)) << line;
  EXPECT_EQ(count, 2u) << "the step and what it said";
}

TEST(VerifyGpu, NeedsABuildWithTheKernels) {
  const TemporaryFolder folder;
  const Ran pack = ran(std::string(DROPCHECK_SOURCE_DIR "/tools/verify-gpu --pack --build=") +
                       folder.path().string() + " --out=" + folder.path().string() + "/packed 2>&1");
  EXPECT_EQ(pack.code, 2);
  EXPECT_THAT(pack.out, HasSubstr("is not there: build with nvcc first"));
  EXPECT_EQ(ran(std::string(DROPCHECK_SOURCE_DIR "/tools/verify-gpu --fly 2>&1")).code, 4);
}
#endif

}  // namespace
}  // namespace dropcheck::tools
