// Adapters that send packed masks in place of outputs, asked as a run asks them.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "harness/run/block_executor.hpp"
#include "impl/process/process_backend.hpp"

namespace dropcheck::process {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

constexpr std::int64_t kElements = 1003;
constexpr std::uint64_t kBlocks = 6;
constexpr std::size_t kCalls = 4;

std::unique_ptr<ProcessBackend> open(const std::string& arguments) {
  auto backend =
      open_process(fmt::format("exec python3 {}/lying_adapter.py {}", DROPCHECK_PROCESS_TESTING, arguments));
  EXPECT_TRUE(backend) << backend.error().message;
  return std::move(*backend);
}

/// Blocks of a reseed and calls that continue it.
Protocol mask_protocol() {
  Step first;
  first.problem.p = 0.3;
  first.problem.shape = {kElements};
  first.input = Input::random_integers;
  first.mask_suffices = true;
  Step further = first;
  first.seed_slot = 0;
  Protocol protocol;
  protocol.id = "mask";
  protocol.streaming = true;
  protocol.steps = [=](const SampleInfo&, std::uint64_t) {
    std::vector<Step> steps(kCalls, further);
    steps[0] = first;
    return steps;
  };
  return protocol;
}

struct Seen {
  MaskBits drops;
  Json request;
};

std::optional<Trouble> run(Backend& backend, std::vector<Seen>* seen = nullptr) {
  const Protocol protocol = mask_protocol();
  const SampleInfo info{"mask", protocol.steps({}, 0)[0].problem, kBlocks, kCalls};
  BlockExecutor executor(backend);
  const std::atomic<bool> stop{false};
  const auto sink = [&](const StepRecord& record) {
    if (seen == nullptr) return;
    ASSERT_NE(record.dropped, nullptr);
    const Observation& observation = **record.observation;
    if (record.y.data == nullptr) EXPECT_TRUE(observation.produced_shape.empty()) << "nothing is known of y";
    else EXPECT_EQ(observation.produced_shape, (std::vector<std::int64_t>{kElements}));
    seen->push_back({*record.dropped, Json::parse(observation.facts.at("request"))});
  };
  for (std::uint64_t block = 0; block < kBlocks; ++block) {
    const std::vector<std::uint64_t> seeds = {1000 + block, 2000 + block, 3000 + block, 4000 + block};
    if (auto trouble = executor.run(protocol, info, block, seeds, sink, stop)) return trouble;
  }
  return std::nullopt;
}

TEST(PackedMasks, TravelAloneWithAConstantInput) {
  const auto plain = open("honest 'features=[]'"), packed = open("honest");
  std::vector<Seen> outputs, masks;
  ASSERT_FALSE(run(*plain, &outputs));
  const auto trouble = run(*packed, &masks);
  ASSERT_FALSE(trouble) << trouble->message;
  ASSERT_EQ(masks.size(), kBlocks * kCalls);
  ASSERT_EQ(outputs.size(), masks.size());
  std::size_t alone = 0;
  for (std::size_t i = 0; i < masks.size(); ++i) {
    EXPECT_EQ(masks[i].drops, outputs[i].drops) << i;
    EXPECT_EQ(outputs[i].request["want"], Json::array({"y"}));
    EXPECT_EQ(outputs[i].request["nbytes"], 4 * kElements);
    const Json& request = masks[i].request;
    if (request["want"] == Json::array({"packed_mask"})) {
      ++alone;
      EXPECT_EQ(request["fill"], Json::parse(R"([{"name":"x","dtype":"f32","shape":[1003],"value":1.0}])"));
      EXPECT_FALSE(request.contains("nbytes") || request.contains("tensors"));
    } else {
      EXPECT_EQ(request["want"], Json::array({"y", "packed_mask"}));
      EXPECT_EQ(request["nbytes"], 4 * kElements) << "an output is that of the step's own input";
    }
  }
  EXPECT_GT(alone, masks.size() / 2);
  EXPECT_LT(alone, masks.size());
}

struct Lie {
  const char* fault;
  Verdict verdict;
  const char* message;
};
void PrintTo(const Lie& lie, std::ostream* out) { *out << lie.fault; }

class LyingAdapters : public ::testing::TestWithParam<Lie> {};

TEST_P(LyingAdapters, AreFoundOut) {
  for (const char* semantics : {"stateful", "per_call"}) {
    const auto backend = open(fmt::format("{} 'seed_semantics=\"{}\"'", GetParam().fault, semantics));
    const auto trouble = run(*backend);
    ASSERT_TRUE(trouble) << semantics;
    EXPECT_EQ(trouble->verdict, GetParam().verdict) << trouble->message;
    EXPECT_THAT(trouble->message, HasSubstr(GetParam().message)) << semantics;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, LyingAdapters,
    ::testing::Values(
        Lie{"beside_output", Verdict::fail,
            "packed_mask: the mask sent is not that of the output: 1 of 1003 elements differ, the first is "
            "element "
            "504"},
        Lie{"alone", Verdict::fail, "is not that of the output with the same seed"},
        Lie{"inverted", Verdict::fail, "the mask sent is not that of the output"},
        Lie{"most_significant_first", Verdict::fail, "the mask sent is not that of the output"},
        Lie{"padding", Verdict::fail, "bits past the last of 1003 elements are set"},
        Lie{"long", Verdict::error,
            "announces the tensor 'packed_mask' u8 [127] where 'packed_mask' u8 [126] was asked for"},
        Lie{"short", Verdict::error,
            "announces the tensor 'packed_mask' u8 [125] where 'packed_mask' u8 [126] was asked for"}),
    [](const auto& lie) { return lie.param.fault; });

}  // namespace
}  // namespace dropcheck::process
