// The restated tests of others: each passes a correct dropout, sees a defect that the original is known to
// see and passes one that it is known to miss. What they say never decides.
#include "suites/rivals/rivals.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>
#include <functional>
#include <ostream>
#include <set>

#include "harness/core/descriptor.hpp"
#include "harness/run/plan.hpp"
#include "impl/mutants/mutants.hpp"
#include "suites/rivals/rival_looks.hpp"
#include "suites/testing/planted_backend.hpp"

namespace dropcheck::suites {
namespace {

using testing::Drawn;
using testing::Dropped;
using testing::PlantedBackend;
using testing::Sampling;

const Registry& with_rivals() {
  static const Registry registry = [] {
    Registry made;
    made.add_profile("quick", "own 100000000\n");
    for (const RivalInfo& rival : rivals()) register_rival(made, rival.name);
    return made;
  }();
  return registry;
}

Plan plan_of(std::string_view rival) {
  PlanOptions options;
  options.suites = {fmt::format("rival:{}", rival)};
  auto plan = make_plan(with_rivals(), options);
  EXPECT_TRUE(plan) << plan.error().message;
  return std::move(*plan);
}

/// What one test says of a backend. `test` is "SUITE.NAME".
Judgement said(const std::string& test, Backend& backend, Sampling sampling = {}) {
  sampling.registry = &with_rivals();
  const std::string id = fmt::format("rival:{}", test);
  const std::string& protocol = with_rivals().check(id)->info().protocols.front();
  return testing::judge(id, protocol, print_descriptor(*with_rivals().protocol(protocol)->own_problem),
                        backend, sampling);
}

TEST(Rivals, AreRegisteredOutsideTheBudgetAndSayWhatTheySee) {
  EXPECT_GE(rivals().size(), 14u);
  std::set<std::string> ids, names;
  for (const RivalInfo& rival : rivals()) {
    EXPECT_TRUE(names.insert(std::string(rival.name)).second) << rival.name;
    EXPECT_FALSE(rival.title.empty() || rival.source.empty()) << rival.name;
  }
  for (const auto& check : with_rivals().checks()) {
    const CheckInfo& info = check->info();
    EXPECT_TRUE(ids.insert(info.id).second) << info.id;
    EXPECT_TRUE(info.id.starts_with("rival:")) << info.id;
    EXPECT_EQ(info.level, Level::recommended) << info.id;
    EXPECT_EQ(info.weight, 0) << info.id;
    ASSERT_TRUE(info.foreign) << info.id;
    EXPECT_FALSE(info.foreign->source.empty() || info.foreign->sees.empty() || info.cannot_see.empty())
        << info.id;
    EXPECT_NE(testing::suites_registry().check(info.foreign->ours), nullptr)
        << info.id << " " << info.foreign->ours;
  }
}

TEST(Rivals, APlanHoldsExactlyTheTestsThatWereAskedFor) {
  std::size_t planned = 0;
  for (const RivalInfo& rival : rivals()) {
    const Plan plan = plan_of(rival.name);
    EXPECT_TRUE(plan.left_out.empty()) << rival.name << ": " << plan.left_out.front().rule;
    for (const PlannedSample& sample : plan.samples)
      for (const PlannedCell& cell : sample.cells) {
        EXPECT_EQ(cell.check->info().suite(), fmt::format("rival:{}", rival.name));
        EXPECT_EQ(cell.alpha, 0) << cell.check->info().id;
      }
    planned += plan.cells();
  }
  EXPECT_EQ(planned, with_rivals().checks().size());
}

TEST(Rivals, CostIsTheElementsThatTheyAskFor) {
  EXPECT_EQ(plan_of("tinygrad").elements(), 1000000u + 256 + 512 + 20 + 20 + 300);
  EXPECT_EQ(plan_of("mlpack").elements(), 2u * 1000 + 2 * 5 * 10 * 1500 + 2 * 1500);
  EXPECT_EQ(plan_of("jax").elements(), 100000000u + 9 * 10000 + 3 * (2 + 3 + 10 + 100));
}

TEST(Rivals, AreNotAmongOurChecks) {
  for (const auto& check : testing::suites_registry().checks())
    EXPECT_FALSE(check->info().id.starts_with("rival:")) << check->info().id;
}

TEST(Rivals, TheBinomialTestIsScipys) {
  // scipy.stats.binomtest(k, n, p).pvalue, worked out by hand over all outcomes.
  EXPECT_NEAR(binomtest(10, 3, 0.5), 0.34375, 1e-12);               // 2 (1 + 10 + 45 + 120) / 1024
  EXPECT_NEAR(binomtest(3, 0, 0.3), 0.343 + 0.189 + 0.027, 1e-12);  // 2 and 3 are less probable
  EXPECT_NEAR(binomtest(3, 3, 0.3), 0.027, 1e-12);
  EXPECT_EQ(binomtest(10, 5, 0.5), 1);
  EXPECT_NEAR(binomtest(1000, 300, 0.3), 1, 1e-12);
  EXPECT_LT(binomtest(4290000, 1292000, 0.3), 1e-6);
}

// --- a correct dropout

struct Clean {
  const char* suite;
  const char* base;    // a backend without a fault
  std::uint64_t seed;  // at which it passes: many fail one run in ten or more
  friend void PrintTo(const Clean& row, std::ostream* out) { *out << row.suite; }
};
class CleanBackend : public ::testing::TestWithParam<Clean> {};

TEST_P(CleanBackend, Passes) {
  for (const PlannedSample& sample : plan_of(GetParam().suite).samples)
    for (const PlannedCell& cell : sample.cells) {
      const std::string id = cell.check->info().id.substr(std::string("rival:").size());
      auto backend = mutants::open_mutant(GetParam().base, {});
      ASSERT_TRUE(backend);
      Sampling sampling{.master_seed = GetParam().seed};
      sampling.instances = [](const Instance&) { return mutants::open_mutant(GetParam().base, {}); };
      const Judgement judgement = said(id, **backend, sampling);
      // A claimed stream, or a form of the operator, that this base has not.
      const bool needs_claim = id.ends_with("known_words") || id.ends_with("randint") ||
                               id.ends_with("dropoutnd_no_batch") ||
                               id.ends_with("native_dropout_corner_case");
      EXPECT_EQ(judgement.verdict, needs_claim ? Verdict::unsupported : Verdict::pass)
          << id << ": " << judgement.message;
      if (!needs_claim) {
        EXPECT_GT(judgement.comparisons, 0u) << id;
      }
    }
}

INSTANTIATE_TEST_SUITE_P(Suites, CleanBackend,
                         ::testing::Values(Clean{"pytorch_nn", "none", 1}, Clean{"pytorch_native", "none", 1},
                                           Clean{"xformers", "none", 1}, Clean{"flash_attention", "none", 1},
                                           Clean{"transformer_engine", "none", 1}, Clean{"jax", "none", 1},
                                           Clean{"flax", "none", 1}, Clean{"keras", "none", 1},
                                           Clean{"tensorflow", "none", 1}, Clean{"onnxruntime", "none", 1},
                                           Clean{"onednn", "none", 1}, Clean{"triton", "none", 1},
                                           Clean{"tinygrad", "none", 1}, Clean{"mlx", "none", 1},
                                           Clean{"burn", "none", 1}, Clean{"mlpack", "none", 1},
                                           Clean{"caffe", "none", 2}, Clean{"flaggems", "none", 1}),
                         [](const auto& row) { return row.param.suite; });

/// The claimed stream is the oracle of the tests of known words.
TEST(KnownWords, PassWhereAStreamIsKeptAndFailWhereItIsNot) {
  for (const char* test :
       {"jax.known_words", "triton.randint", "tinygrad.known_words", "onednn.own_recipe"}) {
    for (const auto& [id, verdict] :
         {std::pair{"philox", Verdict::pass}, std::pair{"words_swapped", Verdict::fail}}) {
      auto backend = mutants::open_mutant(id, {});
      ASSERT_TRUE(backend) << id;
      Sampling sampling;
      sampling.instances = [id = id](const Instance&) { return mutants::open_mutant(id, {}); };
      const Judgement judgement = said(test, **backend, sampling);
      EXPECT_EQ(judgement.verdict, verdict) << test << " " << id << ": " << judgement.message;
    }
  }
}

// --- planted defects

using Plant = std::function<void(PlantedBackend&)>;

Plant rate(std::function<double(double)> of) {
  return [of](PlantedBackend& b) { b.rate = of; };
}
Plant rate_off(double by) {
  return rate([by](double p) { return p + by; });
}
/// Thresholds of 8 bits: FlashAttention's formula, and the one that TransformerEngine rounds down.
Plant eight_bits_up() {
  return rate([](double p) { return 1 - (std::floor(255 * (1 - p)) + 1) / 256; });
}
Plant eight_bits_down() {
  return rate([](double p) { return std::floor(256 * p) / 256; });
}
Plant mask(std::function<void(Dropped&)> change) {
  return [change](PlantedBackend& b) {
    b.spoil_mask = [change](const Drawn& drawn, Dropped& dropped) {
      if (drawn.call.p > 0 && drawn.call.p < 1) change(dropped);
    };
  };
}
Plant groups_of(std::size_t size) {
  return mask([size](Dropped& d) {
    for (std::size_t i = 0; i < d.size(); ++i) d[i] = d[i - i % size];
  });
}
/// Exactly the first elements are kept, as many as p asks for.
Plant first_kept() {
  return [](PlantedBackend& b) {
    b.spoil_mask = [](const Drawn& drawn, Dropped& d) {
      const double p = drawn.call.p;
      if (!(p > 0 && p < 1)) return;
      for (std::size_t i = 0; i < d.size(); ++i)
        d[i] = static_cast<double>(i) >= (1 - p) * static_cast<double>(d.size()) ? 1 : 0;
    };
  };
}
Plant dead_element() {
  return mask([](Dropped& d) { d[d.size() / 2] = 0; });
}
Plant second_half_repeats() {
  return mask([](Dropped& d) {
    for (std::size_t i = d.size() / 2; i < d.size(); ++i) d[i] = d[i - d.size() / 2];
  });
}
Plant gradient_unmasked() {
  return [](PlantedBackend& b) {
    b.spoil_gradient = [](std::size_t, bool dropped, double dy, double dx) { return dropped ? dy : dx; };
  };
}
Plant seeds_ignored() {
  return [](PlantedBackend& b) {
    b.before_drawing = [](const Call& call, PlantedBackend::Engine& engine) {
      if (call.seed) engine.seed(7);
    };
  };
}
Plant value_times(double factor) {
  return [factor](PlantedBackend& b) {
    b.spoil_value = [factor](const Drawn&, std::size_t, bool, double y) { return y * factor; };
  };
}
Plant other_dtype() {
  return [](PlantedBackend& b) {
    b.spoil_observation = [](const Call&, Observation& seen) { seen.produced_dtype = DType::f64; };
  };
}
Plant accepts_everything() {
  return [](PlantedBackend& b) {
    b.instead = [](const Call& call) -> std::optional<Expected<Observation>> {
      if (call.p >= 0 && call.p <= 1) return std::nullopt;
      return Observation{};
    };
  };
}
Plant whole_channels_broken() {
  return [](PlantedBackend& b) {
    b.spoil_mask = [](const Drawn& drawn, Dropped& d) {
      if (drops_channels(drawn.call.op)) d[1] = d[1] == 0 ? 1 : 0;
    };
  };
}
Plant eval_scaled() {
  return [](PlantedBackend& b) { b.spoil_eval = [](double x) { return x * 1.25; }; };
}

struct Planted {
  const char* test;
  const char* defect;
  Plant plant;
  Verdict verdict;
};

void PrintTo(const Planted& row, std::ostream* out) { *out << row.test << ", " << row.defect; }

class PlantedDefects : public ::testing::TestWithParam<Planted> {};

TEST_P(PlantedDefects, AreSeenOrMissedAsByTheOriginal) {
  PlantedBackend backend;
  GetParam().plant(backend);
  Sampling sampling{.master_seed = 3};
  sampling.instances = [](const Instance&) -> Expected<std::unique_ptr<Backend>> {
    auto other = std::make_unique<PlantedBackend>();
    GetParam().plant(*other);
    return std::unique_ptr<Backend>(std::move(other));
  };
  const Judgement judgement = said(GetParam().test, backend, sampling);
  EXPECT_EQ(judgement.verdict, GetParam().verdict) << judgement.message;
}

constexpr Verdict kSeen = Verdict::fail, kMissed = Verdict::pass;

INSTANTIATE_TEST_SUITE_P(
    Tests, PlantedDefects,
    ::testing::Values(
        Planted{"pytorch_nn.dropout_mean", "rate off by 0.2", rate_off(0.2), kSeen},
        Planted{"pytorch_nn.dropout_mean", "exactly the first are kept", first_kept(), kMissed},
        Planted{"pytorch_nn.dropout_mean", "seeds ignored", seeds_ignored(), kMissed},
        Planted{"pytorch_nn.dropoutnd_channel_zero", "a channel dropped in part", whole_channels_broken(),
                kSeen},
        Planted{"pytorch_nn.invalid_dropout_p", "bad p accepted", accepts_everything(), kSeen},
        Planted{"pytorch_nn.dropout_eval", "eval scales", eval_scaled(), kSeen},
        Planted{"pytorch_native.regenerated_mask", "gradient without mask", gradient_unmasked(), kSeen},
        Planted{"pytorch_native.regenerated_mask", "rate off by 0.1", rate_off(0.1), kMissed},
        Planted{"xformers.pooled_rate", "rate off by 0.004", rate_off(0.004), kSeen},
        Planted{"xformers.rate_by_place", "one element never dropped", dead_element(), kSeen},
        Planted{"xformers.rate_by_place", "groups of four", groups_of(4), kMissed},
        Planted{"xformers.output", "scale off by 5 %", value_times(1.05), kSeen},
        Planted{"xformers.output", "8 bits", eight_bits_up(), kMissed},
        Planted{"xformers.backward", "gradient without mask", gradient_unmasked(), kSeen},
        Planted{"xformers.triton_dropout", "rate off by 0.05", rate_off(0.05), kSeen},
        Planted{"xformers.triton_dropout", "groups of four", groups_of(4), kMissed},
        Planted{"flash_attention.fraction", "rate off by 0.02", rate_off(0.02), kSeen},
        Planted{"flash_attention.fraction", "its own 8 bits", eight_bits_up(), kMissed},
        Planted{"flash_attention.errors", "gradient without mask", gradient_unmasked(), kSeen},
        Planted{"flash_attention.race", "seeds ignored", seeds_ignored(), kMissed},
        Planted{"transformer_engine.zeros", "rate off by 0.03", rate_off(0.03), kSeen},
        Planted{"transformer_engine.zeros", "its own 8 bits", eight_bits_down(), kMissed},
        Planted{"transformer_engine.values", "gradient without mask", gradient_unmasked(), kSeen},
        Planted{"transformer_engine.values", "groups of four", groups_of(4), kMissed},
        Planted{"jax.bernoulli", "rate off by 0.05", rate_off(0.05), kSeen},
        Planted{"jax.bernoulli", "exactly the first are kept", first_kept(), kMissed},
        Planted{"jax.small_p", "23 bits", rate([](double p) { return std::max(p, 0x1p-23); }), kSeen},
        Planted{"flax.rate_stats", "rate off by 0.02", rate_off(0.02), kSeen},
        Planted{"flax.rate_stats", "rate off by 0.0005", rate_off(0.0005), kMissed},
        Planted{"flax.layer", "seeds ignored", seeds_ignored(), kSeen},
        Planted{"flax.broadcast", "a channel dropped in part", whole_channels_broken(), kSeen},
        Planted{"keras.rescaling", "rate off by 0.05", rate_off(0.05), kSeen},
        Planted{"keras.rescaling", "rate off by 0.001", rate_off(0.001), kMissed},
        Planted{"keras.bad_rate", "bad p accepted", accepts_everything(), kSeen},
        Planted{"tensorflow.count", "keeps 30 % fewer at 0.1",
                rate([](double p) { return p > 0.85 ? 0.93 : p; }), kSeen},
        Planted{"tensorflow.count", "keeps 0.69 for 0.8", rate([](double p) { return p < 0.25 ? 0.31 : p; }),
                kMissed},
        Planted{"tensorflow.shaped_correlation", "a row dropped in part", whole_channels_broken(), kSeen},
        Planted{"onnxruntime.output", "rate off by 0.15", rate_off(0.15), kSeen},
        Planted{"onnxruntime.output", "rate off by 0.05", rate_off(0.05), kMissed},
        Planted{"onnxruntime.gradient", "gradient without mask", gradient_unmasked(), kSeen},
        Planted{"onednn.own_recipe", "scale off by 5 %", value_times(1.05), kSeen},
        Planted{"onednn.own_recipe", "rate off by 0.1", rate_off(0.1), kMissed},
        Planted{"onednn.own_recipe", "groups of four", groups_of(4), kMissed},
        Planted{"triton.rand", "rate off by 0.02", rate_off(0.02), kSeen},
        Planted{"triton.rand", "second half repeats the first", second_half_repeats(), kMissed},
        Planted{"tinygrad.count", "8 bits rounded down", eight_bits_down(), kSeen},
        Planted{"tinygrad.count", "FlashAttention's 8 bits", eight_bits_up(), kMissed},
        Planted{"mlx.shape_and_dtype", "another dtype", other_dtype(), kSeen},
        Planted{"mlx.shape_and_dtype", "rate off by 0.4", rate_off(0.4), kMissed},
        Planted{"burn.proportion", "rate off by 0.15", rate_off(0.15), kSeen},
        Planted{"burn.proportion", "rate off by 0.005", rate_off(0.005), kMissed},
        Planted{"burn.runs", "pairs", groups_of(2), kSeen},
        Planted{"burn.runs", "second half repeats the first", second_half_repeats(), kMissed},
        Planted{"burn.layer", "eval scales", eval_scaled(), kSeen},
        Planted{"mlpack.probability", "rate off by 0.1", rate_off(0.1), kSeen},
        Planted{"mlpack.probability", "rate off by 0.01", rate_off(0.01), kMissed},
        Planted{"mlpack.simple", "exactly the first are kept", first_kept(), kMissed},
        Planted{"caffe.forward", "scale off by 0.1 %", value_times(1.001), kSeen},
        Planted{"caffe.forward", "exactly the first are kept", first_kept(), kMissed},
        Planted{"caffe.gradient", "gradient without mask", gradient_unmasked(), kSeen},
        Planted{"flaggems.agreement", "rate off by 0.09", rate_off(0.09), kSeen},
        Planted{"flaggems.agreement", "rate off by 0.01", rate_off(0.01), kMissed},
        Planted{"flaggems.zeros", "rate off by 0.09", rate_off(0.09), kSeen},
        Planted{"flaggems.zeros", "groups of four", groups_of(4), kMissed}));

/// Seeds that reach another instance changed.
TEST(OneDnn, SeesInstancesThatDiffer) {
  PlantedBackend backend;
  Sampling sampling;
  sampling.instances = [](const Instance&) -> Expected<std::unique_ptr<Backend>> {
    auto other = std::make_unique<PlantedBackend>();
    other->before_drawing = [](const Call& call, PlantedBackend::Engine& engine) {
      if (call.seed) engine.seed(*call.seed + 1);
    };
    return std::unique_ptr<Backend>(std::move(other));
  };
  EXPECT_EQ(said("onednn.own_recipe", backend, sampling).verdict, Verdict::fail);
}

/// Gradients that a backend does not have are left out, and nothing passes on them.
TEST(Rivals, WithoutGradientsNothingIsSaidOfThem) {
  PlantedBackend backend;
  backend.claims.backward = false;
  EXPECT_EQ(said("xformers.backward", backend).verdict, Verdict::unsupported);
  EXPECT_EQ(said("onnxruntime.gradient", backend).verdict, Verdict::unsupported);
}

}  // namespace
}  // namespace dropcheck::suites
