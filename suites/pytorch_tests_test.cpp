#include "suites/pytorch_tests.hpp"

#include <gmock/gmock.h>

#include "harness/core/descriptor.hpp"
#include "suites/testing/planted_backend.hpp"

namespace dropcheck::suites {
namespace {

using testing::Drawn;
using testing::Dropped;
using ::testing::HasSubstr;
using testing::PlantedBackend;

/// Judges by one of their tests.
Judgement judged(const std::string& name, Backend& backend) {
  const Check& check = *testing::suites_registry().check("pytorch_tests." + name);
  const std::string& protocol = check.info().protocols.front();
  const Problem& problem = *testing::suites_registry().protocol(protocol)->own_problem;
  return testing::judge(check.info().id, protocol, print_descriptor(problem), backend);
}

TEST(PytorchTests, NeverDecideAndSayWhatTheySee) {
  for (const CheckInfo& info : pytorch_test_infos()) {
    EXPECT_EQ(info.level, Level::recommended) << info.id;
    EXPECT_EQ(info.weight, 0) << info.id;
    ASSERT_TRUE(info.foreign) << info.id;
    EXPECT_FALSE(info.foreign->source.empty() || info.foreign->sees.empty()) << info.id;
    if (!info.foreign->ours.empty()) {
      EXPECT_NE(testing::suites_registry().check(info.foreign->ours), nullptr) << info.foreign->ours;
    }
  }
}

TEST(PytorchTests, PassACorrectBackend) {
  for (const char* name : {"alpha_dropout", "feature_alpha_dropout", "invalid_dropout_p", "dropout_mean",
                           "dropout_eval", "discontiguous", "stride_mean_preserve", "dropoutnd_channel_zero",
                           "empty_dropout", "operator_samples"}) {
    PlantedBackend backend;
    const Judgement judgement = judged(name, backend);
    EXPECT_EQ(judgement.verdict, Verdict::pass) << name << ": " << judgement.message;
    EXPECT_GT(judgement.comparisons, 0u) << name;
  }
}

TEST(PytorchTests, SeeAMeanThatIsFarOffAndNoneThatIsThreePercentOff) {
  for (const auto& [factor, verdict] : {std::pair{1.2, Verdict::fail}, std::pair{1.03, Verdict::pass}}) {
    PlantedBackend backend;
    backend.spoil_value = [factor = factor](const Drawn&, std::size_t, bool, double y) { return y * factor; };
    EXPECT_EQ(judged("dropout_mean", backend).verdict, verdict) << factor;
  }
}

TEST(PytorchTests, SeeADropRateThatIsFarOffAndNoneThatIsThreePercentOff) {
  for (const auto& [rate, verdict] : {std::pair{0.4, Verdict::fail}, std::pair{0.23, Verdict::pass}}) {
    PlantedBackend backend;
    backend.rate = [rate = rate](double) { return rate; };
    EXPECT_EQ(judged("dropout_mean", backend).verdict, verdict) << rate;
  }
}

TEST(PytorchTests, SeeDefectsOfTheirKind) {
  const auto expect = [](const char* name, PlantedBackend& backend) {
    const Judgement judgement = judged(name, backend);
    EXPECT_EQ(judgement.verdict, Verdict::fail) << name << ": " << judgement.message;
  };
  PlantedBackend shifted, scaled_in_eval, elementwise, accepting, other_in_place;
  shifted.spoil_value = [](const Drawn&, std::size_t, bool, double y) { return y + 0.3; };
  expect("alpha_dropout", shifted);
  expect("feature_alpha_dropout", shifted);
  expect("discontiguous", shifted);
  scaled_in_eval.spoil_eval = [](double x) { return x * 1.25; };
  expect("dropout_eval", scaled_in_eval);
  elementwise.spoil_mask = [](const Drawn& drawn, Dropped& dropped) {
    if (drops_channels(drawn.call.op)) dropped[0] = dropped[0] == 0 ? 1 : 0;
  };
  expect("dropoutnd_channel_zero", elementwise);
  accepting.instead = [](const Call& call) -> std::optional<Expected<Observation>> {
    if (call.p >= 0 && call.p <= 1) return std::nullopt;
    return Observation{};
  };
  expect("invalid_dropout_p", accepting);
  other_in_place.before_drawing = [](const Call& call, PlantedBackend::Engine& engine) {
    if (call.in_place) engine.discard(1);
  };
  expect("operator_samples", other_in_place);
  PlantedBackend far_off;
  far_off.spoil_value = [](const Drawn&, std::size_t, bool, double y) { return y * 2.5; };
  expect("stride_mean_preserve", far_off);
  PlantedBackend reshaping;
  reshaping.spoil_observation = [](const Call&, Observation& seen) { seen.produced_shape = {1}; };
  expect("empty_dropout", reshaping);
}

}  // namespace
}  // namespace dropcheck::suites
