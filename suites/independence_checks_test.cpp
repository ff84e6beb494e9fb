// Suite channel_correlation and the weighted sums of unbiasedness against planted defects.
#include <gmock/gmock.h>

#include <cmath>
#include <random>

#include "suites/disjoint_pairs.hpp"
#include "suites/testing/planted_backend.hpp"

namespace dropcheck::suites {
namespace {

using testing::Drawn;
using testing::Dropped;
using ::testing::HasSubstr;
using testing::judge;
using testing::PlantedBackend;

constexpr const char* kCube = "op=dropout,p=0.3,shape=32x48x64";

TEST(Axes, PassACorrectStreamAlongEveryAxis) {
  PlantedBackend backend;
  const Judgement j = judge("channel_correlation.axes", "mask", kCube, backend);
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  EXPECT_EQ(j.statistics.size(), 3u);
}

class AlongAxis : public ::testing::TestWithParam<std::size_t> {};

TEST_P(AlongAxis, OnlyTheCopiedAxisRejects) {
  const std::vector<std::size_t> shape = {32, 48, 64}, strides = {48 * 64, 64, 1};
  const std::size_t axis = GetParam();
  PlantedBackend backend;
  backend.spoil_mask = [&](const Drawn&, Dropped& dropped) {
    for (std::size_t i = 0; i < dropped.size(); ++i)
      if (i / strides[axis] % shape[axis] % 2 == 1) dropped[i] = dropped[i - strides[axis]];
  };
  const Judgement j = judge("channel_correlation.axes", "mask", kCube, backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("pairs along axis " + std::to_string(axis)));
  EXPECT_THAT(j.message, HasSubstr("independent ones would be with 0.09"));
  for (std::size_t a = 0; a < 3; ++a) EXPECT_EQ(j.statistics.at(a).rejects(), a == axis) << "axis " << a;
}

INSTANTIATE_TEST_SUITE_P(Axes, AlongAxis, ::testing::Values(0, 1, 2));

TEST(Axes, DoNotApplyToOperatorsThatDropChannels) {
  const Check& check = *testing::suites_registry().check("channel_correlation.axes");
  const SampleInfo info{"mask", testing::problem_of("op=dropout2d,p=0.3,shape=256x256x2x2"), 4, 4};
  EXPECT_FALSE(check.applies(info).applies);
}

TEST(Channels, PassACorrectStream) {
  PlantedBackend backend;
  const char* descriptor = "op=dropout2d,p=0.3,shape=128x128x2x2";
  EXPECT_EQ(judge("channel_correlation.channels", "mask", descriptor, backend).verdict, Verdict::pass);
  EXPECT_EQ(judge("channel_correlation.whole_channels", "mask", descriptor, backend).verdict, Verdict::pass);
}

TEST(Channels, CatchPairsOfChannelsThatAreDroppedTogether) {
  PlantedBackend backend;
  backend.spoil_mask = [](const Drawn&, Dropped& dropped) {
    for (std::size_t i = 0; i < dropped.size(); ++i)
      if (i / 4 % 2 == 1) dropped[i] = dropped[i - 4];
  };
  const Judgement j =
      judge("channel_correlation.channels", "mask", "op=dropout2d,p=0.3,shape=128x128x2x2", backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("neighbouring channels (pairs along axis 1)"));
}

TEST(Channels, CatchOneMaskForTheWholeBatch) {
  PlantedBackend backend;
  backend.spoil_mask = [](const Drawn&, Dropped& dropped) {
    for (std::size_t i = 128 * 4; i < dropped.size(); ++i) dropped[i] = dropped[i % (128 * 4)];
  };
  const Judgement j =
      judge("channel_correlation.channels", "mask", "op=dropout2d,p=0.3,shape=128x128x2x2", backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("pairs along axis 0"));
}

TEST(WholeChannels, CatchASingleElementThatWasLeftOver) {
  PlantedBackend backend;
  backend.spoil_mask = [](const Drawn&, Dropped& dropped) {
    dropped[7] = static_cast<std::uint8_t>(1 - dropped[7]);
  };
  const Judgement j =
      judge("channel_correlation.whole_channels", "values", "op=dropout2d,p=0.15,shape=16x17x3x5", backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("1 of 272 channels have both dropped and kept elements"));
}

TEST(WholeChannels, CatchElementwiseDroppingInEveryChannelOperator) {
  for (const char* descriptor :
       {"op=dropout1d,p=0.15,shape=16x17x5", "op=dropout2d,p=0.15,shape=16x17x3x5",
        "op=dropout3d,p=0.15,shape=16x17x3x2x2", "op=feature_alpha_dropout,p=0.15,shape=16x17x3x5"}) {
    PlantedBackend clean, backend;
    backend.spoil_mask = [engine = std::mt19937_64(5)](const Drawn&, Dropped& dropped) mutable {
      for (auto& d : dropped) d = engine() % 7 == 0 ? 1 : 0;
    };
    EXPECT_EQ(judge("channel_correlation.whole_channels", "values", descriptor, clean).verdict,
              Verdict::pass);
    EXPECT_EQ(judge("channel_correlation.whole_channels", "values", descriptor, backend).verdict,
              Verdict::fail)
        << descriptor;
  }
}

/// A mask hook that draws each element with a probability that depends on its value.
template <typename Rate>
auto drawn_by_value(Rate rate) {
  return [rate, engine = std::mt19937_64(11)](const Drawn& drawn, Dropped& dropped) mutable {
    for (std::size_t i = 0; i < dropped.size(); ++i)
      dropped[i] = static_cast<double>(engine() >> 11) * 0x1p-53 < rate(drawn.x[i]) ? 1 : 0;
  };
}

TEST(WeightedSums, PassACorrectStreamOverEveryKindOfInput) {
  PlantedBackend backend;
  for (const char* check : {"unbiasedness.mean", "unbiasedness.variance"}) {
    const Judgement j = judge(check, "mask", kCube, backend, {4, 1e-9, 1});
    EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
    EXPECT_EQ(j.statistics.size(), 4u);
    EXPECT_EQ(j.comparisons, 4u * 4 * 32 * 48 * 64);
  }
}

TEST(WeightedSums, MeanCatchesPositiveInputsThatAreDroppedMoreOften) {
  PlantedBackend backend;
  backend.spoil_mask = drawn_by_value([](double x) { return x > 0 ? 0.35 : 0.25; });
  const Judgement j = judge("unbiasedness.mean", "mask", kCube, backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("sum of y over random x is off by -"));
  EXPECT_EQ(judge("unbiasedness.variance", "mask", kCube, backend).verdict, Verdict::pass)
      << "a bias by sign alone leaves the second moment";
}

TEST(WeightedSums, VarianceCatchesLargeInputsThatAreDroppedMoreOften) {
  PlantedBackend backend;
  backend.spoil_mask = drawn_by_value([](double x) { return std::abs(x) > 64 ? 0.35 : 0.25; });
  const Judgement j = judge("unbiasedness.variance", "mask", kCube, backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("sum of y^2 over random x"));
  EXPECT_EQ(judge("unbiasedness.mean", "mask", kCube, backend).verdict, Verdict::pass)
      << "a bias by magnitude alone leaves the mean";
}

TEST(WeightedSums, SeeChannelOperatorsByTheirChannels) {
  PlantedBackend clean;
  const char* descriptor = "op=dropout2d,p=0.3,shape=128x128x2x2";
  EXPECT_EQ(judge("unbiasedness.mean", "mask", descriptor, clean).comparisons, 4u * 128 * 128);
  PlantedBackend backend;
  backend.spoil_mask = [engine = std::mt19937_64(4)](const Drawn& drawn, Dropped& dropped) mutable {
    for (std::size_t c = 0; c < dropped.size(); c += 4) {
      const double sum = drawn.x[c] + drawn.x[c + 1] + drawn.x[c + 2] + drawn.x[c + 3];
      const bool drop = static_cast<double>(engine() >> 11) * 0x1p-53 < (sum > 0 ? 0.36 : 0.24);
      for (std::size_t i = c; i < c + 4; ++i) dropped[i] = drop ? 1 : 0;
    }
  };
  EXPECT_EQ(judge("unbiasedness.mean", "mask", descriptor, backend).verdict, Verdict::fail);
}

}  // namespace
}  // namespace dropcheck::suites
