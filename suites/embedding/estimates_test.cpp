// The statistical checks of the suite: planted defects of known size, levels, and what they say.
#include <cmath>

#include "harness/stats/binomial.hpp"
#include "suites/embedding/testing/embedding_testing.hpp"

namespace dropcheck::suites::embedding {
namespace {

using suites::testing::read;
using suites::testing::result_of;
using suites::testing::SpoiledBackend;
using suites::testing::write;
using ::testing::HasSubstr;
using testing::judge;
using testing::opened;

constexpr const char* kEstimate = "embedding.mc_estimate";
constexpr const char* kSubnetworks = "embedding.subnetworks";

/// Every so many rows, the row before it is handed out again.
SpoiledBackend::After rows_repeated(std::size_t every) {
  return [every](const Call& call, const Expected<Observation>& seen) {
    if (!seen) return;
    std::vector<double> y = read(result_of(call));
    for (std::size_t i = every; i < y.size(); i += every) y[i] = y[i - 1];
    write(y, result_of(call));
  };
}

/// Every so many rows, all units are kept.
SpoiledBackend::After rows_kept(std::size_t every, double whole) {
  return [every, whole](const Call& call, const Expected<Observation>& seen) {
    if (!seen || call.mode != Mode::train) return;
    std::vector<double> y = read(result_of(call));
    for (std::size_t i = 0; i < y.size(); i += every) y[i] = whole;
    write(y, result_of(call));
  };
}

TEST(McEstimate, StatesEstimatesWithTheirIntervalsBesideTheExactValues) {
  const auto base = opened("network");
  const Judgement linear = judge(kEstimate, "embedding_mc_linear", *base);
  EXPECT_EQ(linear.verdict, Verdict::pass) << linear.message;
  EXPECT_THAT(linear.message, HasSubstr("exactly it is"));
  EXPECT_THAT(linear.message, HasSubstr("262144 passes of a linear network"));
  ASSERT_EQ(linear.statistics.size(), 2u);
  const Judgement relu = judge(kEstimate, "embedding_mc_relu", *base);
  EXPECT_EQ(relu.verdict, Verdict::pass) << relu.message;
  EXPECT_THAT(relu.message, HasSubstr("of a ReLU network"));
}

TEST(McEstimate, HoldsTheExactMomentsOfItsNetworks) {
  // By hand: variance of K = p q sum of the parts' squares; parts of the linear network are
  // 3 -2 -6 4 -10 -6 7 16 9 10, those of the other one lose -6, -6 and 9.
  const auto base = opened("network");
  const double pq = 0.3 * 0.7;
  const struct {
    const char* protocol;
    double mean, variance;
  } cases[] = {{"embedding_mc_linear", 0.7 * 25, pq * 687}, {"embedding_mc_relu", 0.7 * 28, pq * 534}};
  for (const auto& c : cases) {
    const Judgement j = judge(kEstimate, c.protocol, *base);
    ASSERT_EQ(j.statistics.size(), 2u);
    const auto parameter = [&](const char* name) {
      for (const auto& [key, value] : j.statistics[1].null_parameters)
        if (key == name) return value;
      return std::nan("");
    };
    EXPECT_NEAR(parameter("mean"), c.mean, 1e-9) << c.protocol;
    EXPECT_NEAR(parameter("variance"), c.variance, 1e-9) << c.protocol;
  }
}

TEST(McEstimate, CatchesPassesThatDropTooLittle) {
  const auto base = opened("network");
  SpoiledBackend backend(*base);
  backend.after = rows_kept(20, 5 + 25 / 0.7);  // 5 % of the passes of the linear network
  const Judgement j = judge(kEstimate, "embedding_mc_linear", backend);
  EXPECT_EQ(j.verdict, Verdict::fail) << j.message;
  EXPECT_THAT(j.message, HasSubstr("over 262144 passes of a linear network"));
}

TEST(McEstimate, CatchesASpreadThatIsTooSmallThoughTheMeanIsRight) {
  const auto base = opened("network");
  SpoiledBackend backend(*base);
  // Two masks that make up for each other, which a batch of antithetic rows would be averaged to: rows of
  // the values next to the mean in turn.
  backend.after = [](const Call& call, const Expected<Observation>& seen) {
    if (!seen) return;
    std::vector<double> y = read(result_of(call));
    for (std::size_t i = 0; i < y.size(); i += 10) y[i] = 5 + (i % 20 == 0 ? 17 : 18) / 0.7;
    write(y, result_of(call));
  };
  const Judgement j = judge(kEstimate, "embedding_mc_linear", backend);
  EXPECT_EQ(j.verdict, Verdict::fail) << j.message;
  EXPECT_THAT(j.message, HasSubstr("the variance over"));
}

TEST(McEstimate, CatchesOutputsThatNoMaskMakes) {
  const auto base = opened("network");
  SpoiledBackend backend(*base);
  backend.after = [](const Call& call, const Expected<Observation>& seen) {
    if (!seen) return;
    std::vector<double> y = read(result_of(call));
    y[3] += 0.5;
    write(y, result_of(call));
  };
  const Judgement j = judge(kEstimate, "embedding_mc_relu", backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("no mask of its ten units"));
}

TEST(Subnetworks, SayWhatTheySaw) {
  const auto base = opened("network");
  const Judgement fair = judge(kSubnetworks, "embedding_subnetworks", *base);
  EXPECT_EQ(fair.verdict, Verdict::pass) << fair.message;
  EXPECT_THAT(fair.message, HasSubstr("all 1024 subnetworks were seen, and the average"));
  ASSERT_EQ(fair.statistics.size(), 1u);
  EXPECT_EQ(fair.statistics[0].id, "E1");
  const Judgement sets = judge(kSubnetworks, "embedding_subnetwork_sets", *base);
  EXPECT_EQ(sets.verdict, Verdict::pass) << sets.message;
  ASSERT_EQ(sets.statistics.size(), 1u);
  EXPECT_EQ(sets.statistics[0].id, "E2");
  EXPECT_EQ(sets.statistics[0].counts.back(), (std::pair<std::string, std::vector<Int128>>{"sets", {385}}));
}

TEST(Subnetworks, CatchRepeatedRowsAndACommonSubnetwork) {
  const auto base = opened("network");
  for (const char* protocol : {"embedding_subnetworks", "embedding_subnetwork_sets"}) {
    SpoiledBackend kept(*base);
    const bool fair = std::string_view(protocol) == "embedding_subnetworks";
    kept.after = rows_kept(fair ? 400 : 20, 1023 * (fair ? 2 : 1.25));
    const Judgement j = judge(kSubnetworks, protocol, kept);
    EXPECT_EQ(j.verdict, Verdict::fail) << protocol << ": " << j.message;
  }
  SpoiledBackend repeated(*base);  // half of the draws are none: squares of counts have twice the variance
  repeated.after = rows_repeated(2);
  const Judgement j = judge(kSubnetworks, "embedding_subnetworks", repeated);
  EXPECT_EQ(j.verdict, Verdict::fail) << j.message;
  EXPECT_THAT(j.message, HasSubstr("do not come equally often"));
}

TEST(Subnetworks, CatchASubnetworkThatNeverComesAndAnEvalThatIsNoAverage) {
  const auto base = opened("network");
  SpoiledBackend missing(*base);
  missing.after = [](const Call& call, const Expected<Observation>& seen) {
    if (!seen || call.mode == Mode::eval) return;
    std::vector<double> y = read(result_of(call));
    for (double& value : y)
      if (value == 0) value = 2;  // no unit: the first one instead
    write(y, result_of(call));
  };
  EXPECT_THAT(judge(kSubnetworks, "embedding_subnetworks", missing).message,
              HasSubstr("1 of 1024 subnetworks never come"));
  SpoiledBackend scaled(*base);
  scaled.before = [](Call& call) {
    if (call.mode == Mode::eval) call.attributes["activation"] = std::string("relu");
  };
  scaled.after = [](const Call& call, const Expected<Observation>& seen) {
    if (seen && call.mode == Mode::eval) write({511.5}, result_of(call));
  };
  EXPECT_THAT(judge(kSubnetworks, "embedding_subnetworks", scaled).message,
              HasSubstr("the whole network in eval gives 511.5"));
}

TEST(Subnetworks, CountSetsInFocusWithoutTheFactorForTheirNumber) {
  const auto base = opened("network");
  SpoiledBackend kept(*base);
  kept.after = rows_kept(20, 1023 * 1.25);
  const Judgement all = judge(kSubnetworks, "embedding_subnetwork_sets", kept);
  ASSERT_EQ(all.statistics.size(), 1u);
  ASSERT_TRUE(all.statistics[0].cell.has_value());
  EXPECT_EQ(all.statistics[0].engine, "binomial_exact_bonferroni");
  const auto count = [&](const char* name) {
    for (const auto& [key, values] : all.statistics[0].counts)
      if (key == name) return static_cast<std::uint64_t>(values.front());
    return std::uint64_t{0};
  };
  const double alone =
      stats::binomial_two_sided(count("n"), count("x"), all.statistics[0].null_parameters.back().second)
          .log10_p;
  EXPECT_NEAR(all.statistics[0].log10_p, alone + std::log10(385), 1e-6);
}

/// Share of seeds at which a correct backend is rejected at 5 %: Bernstein's bound and Bonferroni's factor
/// are on the careful side, Pearson's statistic is near the level.
TEST(EmbeddingStatistics, KeepTheirLevelOnTheBase) {
  const auto base = opened("network");
  constexpr std::uint64_t kSeeds = 40;
  for (const auto& [check, protocol] : {std::pair{kEstimate, "embedding_mc_linear"},
                                        {kEstimate, "embedding_mc_relu"},
                                        {kSubnetworks, "embedding_subnetworks"},
                                        {kSubnetworks, "embedding_subnetwork_sets"}}) {
    std::uint64_t rejected = 0;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed)
      rejected += judge(check, protocol, *base, seed, 0.05).verdict == Verdict::fail ? 1u : 0u;
    // With at most two hypotheses of 5 % each; the test's own level is 1e-6.
    EXPECT_GT(stats::binomial_upper_tail(kSeeds, rejected, 0.1), 1e-6) << protocol << ": " << rejected;
  }
}

}  // namespace
}  // namespace dropcheck::suites::embedding
