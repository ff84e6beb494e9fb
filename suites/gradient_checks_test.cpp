// The checks of whole gradients against a right backend, and against one planted defect each.
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "suites/gradient_law.hpp"
#include "suites/testing/planted_backend.hpp"
#include "suites/testing/torch_model.hpp"

namespace dropcheck::suites {
namespace {

using testing::Drawn;
using testing::Dropped;
using ::testing::HasSubstr;
using testing::judge;
using testing::PlantedBackend;
using testing::SpoiledBackend;
using testing::TorchModel;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr const char* kOwn = "op=dropout,p=0.5,shape=4";  // protocols that ask their own steps
constexpr const char* kExact = "op=dropout,p=0.15,shape=3x5x7x11";

void expect_fail(const Judgement& j, const std::string& part) {
  EXPECT_EQ(j.verdict, Verdict::fail) << j.message;
  EXPECT_THAT(j.message, HasSubstr(part));
}

// --- the rule

std::vector<double> two(double a, double b) { return {a, b}; }

TEST(GradientLaw, HoldsOneWayOfDroppingThroughout) {
  GradientLaw multiplies(Op::dropout, .5, DType::f32, pytorch_dialect());
  EXPECT_EQ(multiplies.compare({true, true}, two(kInfinity, -1), two(kNaN, -0.0)).wrong, 0u);
  EXPECT_THAT(multiplies.description(), HasSubstr("dropped dy * 0"));
  EXPECT_EQ(multiplies.compare({true}, {kNaN}, {0}).wrong, 1u) << "the other way, too late";
  GradientLaw selects(Op::dropout, .5, DType::f32, pytorch_dialect());
  EXPECT_EQ(selects.compare({true, true}, two(kNaN, -1), two(0, 0)).wrong, 0u);
  EXPECT_THAT(selects.description(), HasSubstr("dropped +0"));
  EXPECT_EQ(selects.compare({true}, {-1}, {-0.0}).wrong, 1u);
  EXPECT_EQ(selects.compare({true}, {1}, {1e-30}).wrong, 1u);
}

TEST(GradientLaw, FollowsKeptElementsToTheLastBitAndSign) {
  GradientLaw rule(Op::dropout, .5, DType::f32, pytorch_dialect());
  EXPECT_EQ(rule.compare({false, false}, two(-0.0, kInfinity), two(-0.0, kInfinity)).wrong, 0u);
  EXPECT_EQ(rule.compare({false}, {-0.0}, {0.0}).wrong, 1u);
  EXPECT_EQ(rule.compare({false}, {1}, {std::nextafter(2.0f, 3.0f)}).wrong, 1u);
  EXPECT_EQ(rule.compare({false}, {1}, {2}).wrong, 0u) << "a wrong element rules out no way";
}

TEST(GradientLaw, LetsOtherFrameworksFlushNumbersBelowTheNormalRangeButNotSometimes) {
  GradientLaw strict(Op::dropout, .5, DType::f32, pytorch_dialect());
  EXPECT_EQ(strict.compare({false}, {0x1p-140}, {0}).wrong, 1u);
  Dialect other = pytorch_dialect();
  other.name = "other";
  GradientLaw flushes(Op::dropout, .5, DType::f32, other);
  EXPECT_EQ(flushes.compare({false}, {0x1p-140}, {0}).wrong, 0u);
  EXPECT_EQ(flushes.compare({false}, {0x1p-140}, {0x1p-139}).wrong, 1u);
  EXPECT_THAT(flushes.description(), HasSubstr("below the normal range 0"));
  EXPECT_EQ(flushes.compare({false}, {0x1p-100}, {0}).wrong, 1u);
}

TEST(GradientLaw, SetsTheAgreementBesideThatOfIndependentMasks) {
  const std::string text = agreement_text({true, false, false}, {1, 1, kNaN}, {0, 0, 0}, .1);
  EXPECT_THAT(text, HasSubstr("agree on 0.5 of 2 elements"));
  EXPECT_THAT(text, HasSubstr("p^2 + q^2 = 0.82"));
}

// --- every_element

Judgement judge_elements(Backend& backend) {
  return judge("gradient_consistency.every_element", "gradient_elements", kOwn, backend);
}

TEST(EveryElement, PassesARightBackend) {
  PlantedBackend backend;
  const Judgement j = judge_elements(backend);
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  EXPECT_GT(j.comparisons, 30000u);
  EXPECT_THAT(j.message, HasSubstr("dropped +0"));
}

TEST(EveryElement, CatchesOneElementPastTheFirstBlock) {
  PlantedBackend backend;
  backend.spoil_gradient = [](std::size_t i, bool, double, double dx) { return i == 1024 ? -dx : dx; };
  expect_fail(judge_elements(backend), "1024");
}

TEST(EveryElement, CatchesAGradientThatHidesInfinitiesAndNaN) {
  for (const bool of_kept : {false, true}) {
    PlantedBackend backend;
    backend.spoil_gradient = [of_kept](std::size_t, bool drop, double dy, double dx) {
      return !std::isfinite(dy) && (!drop || !of_kept) ? (of_kept ? 0 : kInfinity) : dx;
    };
    expect_fail(judge_elements(backend), "it must be");
  }
}

TEST(EveryElement, CatchesSubnormalNumbersThatAreFlushed) {
  PlantedBackend backend;
  backend.spoil_gradient = [](std::size_t, bool, double dy, double dx) {
    return std::fabs(dy) < 0x1p-126 ? dx * 0 : dx;
  };
  expect_fail(judge_elements(backend), "is kept");
}

TEST(EveryElement, IsUnsupportedWithoutAnythingToCompare) {
  PlantedBackend backend;
  backend.claims.dtypes.clear();
  EXPECT_EQ(judge_elements(backend).verdict, Verdict::unsupported);
}

// --- steps

Judgement judge_steps(Backend& backend, const char* descriptor = kExact) {
  return judge("gradient_consistency.steps", "gradient_steps", descriptor, backend);
}

TEST(GradientSteps, PassARightBackend) {
  for (const char* descriptor :
       {kExact, "op=alpha_dropout,p=0.15,shape=3x5x7x11", "op=dropout2d,p=0.15,dtype=bf16,shape=16x17x3x5",
        "op=dropout,p=0.5,shape=1", "op=dropout,p=0.15,dtype=f16,shape=3x5x7x11,layout=expanded"}) {
    PlantedBackend backend;
    const Judgement j = judge_steps(backend, descriptor);
    EXPECT_EQ(j.verdict, Verdict::pass) << descriptor << ": " << j.message;
    EXPECT_GT(j.comparisons, 0u);
  }
}

TEST(GradientSteps, PassABackendWhoseSeedsNameOneCall) {
  PlantedBackend backend;
  backend.claims.seed_semantics = SeedSemantics::per_call;
  EXPECT_EQ(judge_steps(backend).verdict, Verdict::pass);
}

/// A backend that answers a gradient with that of another saved call.
class Confused final : public Backend {
 public:
  const Capabilities& capabilities() const override { return inner_.capabilities(); }
  Expected<Observation> forward(const Call& call) override {
    auto seen = inner_.forward(call);
    if (seen && seen->saved.id != 0) ++open;
    latest_ = seen ? seen->saved : SavedToken{};
    return seen;
  }
  Expected<Observation> backward(const BackwardCall& call) override {
    BackwardCall changed = call;
    changed.saved.id = changed.saved.id == 2 ? 3 : changed.saved.id;
    return inner_.backward(changed);
  }
  void release(SavedToken saved) override {
    --open;
    inner_.release(saved);
  }
  int open = 0;

 private:
  PlantedBackend inner_;
  SavedToken latest_;
};

TEST(GradientSteps, CatchTheMaskOfAnotherCallAndSayOfWhich) {
  Confused backend;
  const Judgement j = judge_steps(backend);
  expect_fail(j, "the gradient of the second call");
  EXPECT_THAT(j.message, HasSubstr("p^2 + q^2 = 0.745"));
  EXPECT_THAT(j.message, HasSubstr("it has the mask of the third call"));
  EXPECT_EQ(backend.open, 0) << "what is saved is released";
}

TEST(GradientSteps, CatchAScaledGradientOfEval) {
  PlantedBackend backend;
  std::size_t n = 0;
  backend.spoil_gradient = [&](std::size_t, bool drop, double dy, double dx) {
    n += !drop && dx == dy ? 1 : 0;
    return !drop && dx == dy ? 2 * dx : dx;
  };
  expect_fail(judge_steps(backend), "in eval");
  EXPECT_GT(n, 0u);
}

// --- recompute

/// Its generator's state is the seed and the number of calls since.
class Restorable final : public Backend {
 public:
  explicit Restorable(bool restores = true) : restores_(restores) {
    inner_.claims.recompute = true;
    inner_.before_drawing = [this](const Call&, PlantedBackend::Engine& engine) {
      engine.seed(seed_ * 1000003 + calls_++);
    };
  }
  const Capabilities& capabilities() const override { return inner_.capabilities(); }
  Expected<Observation> forward(const Call& call) override {
    if (call.seed) {
      seed_ = *call.seed;
      calls_ = 0;
    }
    return inner_.forward(call);
  }
  Expected<Observation> backward(const BackwardCall& call) override { return inner_.backward(call); }
  void release(SavedToken saved) override { inner_.release(saved); }
  Expected<std::vector<std::byte>> save_state() override {
    kept_ = {seed_, calls_};
    return std::vector<std::byte>(1);
  }
  Status load_state(std::span<const std::byte>) override {
    if (restores_) std::tie(seed_, calls_) = kept_;
    return Done{};
  }

 private:
  PlantedBackend inner_;
  bool restores_;
  std::uint64_t seed_ = 0, calls_ = 0;
  std::pair<std::uint64_t, std::uint64_t> kept_;
};

Judgement judge_recompute(Backend& backend) {
  return judge("gradient_consistency.recompute", "recompute", kExact, backend);
}

TEST(Recompute, PassesWithAndWithoutAStateThatCanBeSaved) {
  PlantedBackend seeds_only;
  const Judgement seeds = judge_recompute(seeds_only);
  EXPECT_EQ(seeds.verdict, Verdict::pass) << seeds.message;
  EXPECT_THAT(seeds.message, HasSubstr("left out: the state of the generator"));
  Restorable states;
  const Judgement j = judge_recompute(states);
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  EXPECT_THAT(j.message, Not(HasSubstr("left out")));
  EXPECT_GT(j.comparisons, seeds.comparisons);
}

TEST(Recompute, CatchesAStateThatIsNotSet) {
  Restorable backend(false);
  const Judgement j = judge_recompute(backend);
  expect_fail(j, "forward again under the saved state");
  EXPECT_THAT(j.message, HasSubstr("p^2 + q^2 = 0.745"));
}

TEST(Recompute, CatchesASeedThatGivesAnotherMaskTheSecondTime) {
  PlantedBackend backend;
  std::uint64_t calls = 0;
  backend.before_drawing = [&](const Call& call, PlantedBackend::Engine& engine) {
    if (call.seed) engine.seed(*call.seed + calls++);
  };
  expect_fail(judge_recompute(backend), "forward again under the same seed");
}

TEST(Recompute, CatchesAGradientThatChangesUnderTheSameMask) {
  PlantedBackend backend;
  std::uint64_t calls = 0;
  backend.spoil_gradient = [&](std::size_t i, bool, double, double dx) {
    return i == 7 ? dx + static_cast<double>(++calls) : dx;
  };
  expect_fail(judge_recompute(backend), "of the gradient differ");
}

// --- numerical

Judgement judge_numerical(Backend& backend) {
  return judge("gradient_consistency.numerical", "gradient_numerical", kOwn, backend);
}

TEST(Numerical, PassesARightBackend) {
  PlantedBackend backend;
  const Judgement j = judge_numerical(backend);
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  EXPECT_EQ(j.comparisons, 4u * 17);
}

TEST(Numerical, CatchesAGradientOfAnotherScaleOrMask) {
  PlantedBackend unscaled;
  unscaled.spoil_gradient = [](std::size_t, bool drop, double dy, double dx) { return drop ? dx : dy; };
  expect_fail(judge_numerical(unscaled), "under the same seed gives");
  PlantedBackend open;
  open.spoil_gradient = [](std::size_t i, bool, double dy, double dx) { return i == 16 ? 1.25 * dy : dx; };
  expect_fail(judge_numerical(open), "element 16");
}

TEST(Numerical, CatchesAnOutputThatDependsOnAnotherInput) {
  PlantedBackend backend;
  backend.spoil_value = [](const Drawn& drawn, std::size_t i, bool, double y) {
    return i == 3 ? y + drawn.x[4] : y;
  };
  expect_fail(judge_numerical(backend), "element 4");
}

TEST(Numerical, IsUnsupportedWithoutF64) {
  PlantedBackend backend;
  backend.claims.dtypes = {DType::f32};
  EXPECT_EQ(judge_numerical(backend).verdict, Verdict::unsupported);
}

// --- expectation

Judgement judge_sums(Backend& backend, const char* descriptor = "op=dropout,p=0.3,shape=64x64") {
  return judge("gradient_consistency.expectation", "gradient_sums", descriptor, backend, {4, 1e-9, 1});
}

TEST(Expectation, PassesARightBackendAndStatesBothMomentsOfEachKindOfGradient) {
  for (const char* descriptor :
       {"op=dropout,p=0.3,shape=64x64", "op=alpha_dropout,p=0.3,dtype=bf16,shape=64x64"}) {
    PlantedBackend backend;
    const Judgement j = judge_sums(backend, descriptor);
    EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
    ASSERT_EQ(j.statistics.size(), 8u);
    EXPECT_EQ(j.comparisons, 4u * 2 * 64 * 64);
  }
}

TEST(Expectation, CatchesABackwardMaskThatDependsOnTheSignOfDy) {
  PlantedBackend backend;
  std::uint64_t n = 0;
  backend.spoil_gradient = [&](std::size_t, bool, double dy, double dx) {
    return dy < 0 && ++n % 10 == 0 ? 0 : dx;
  };
  expect_fail(judge_sums(backend), "sum of dx");
}

TEST(Expectation, CatchesLargeGradientsThatAreKeptTooOften) {
  PlantedBackend backend;
  backend.spoil_gradient = [](std::size_t, bool drop, double dy, double dx) {
    return drop && std::fabs(dy) > 60 ? dy : dx;
  };
  expect_fail(judge_sums(backend), "sum of dx^2");
}

// --- double_backward

Judgement judge_second(Backend& backend) {
  return judge("gradient_consistency.double_backward", "double_backward", kOwn, backend);
}

TEST(DoubleBackward, PassesABackendThatDifferentiatesTwiceAndIsUnsupportedElsewhere) {
  TorchModel model;
  const Judgement j = judge_second(model);
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  PlantedBackend once;  // ignores the attribute, and leaves the second gradient as it was
  const Judgement unsupported = judge_second(once);
  EXPECT_EQ(unsupported.verdict, Verdict::unsupported) << unsupported.message;
  EXPECT_THAT(unsupported.message, HasSubstr("does not differentiate gradients again"));
}

TEST(DoubleBackward, CatchesASecondGradientWithoutTheMask) {
  TorchModel model;
  SpoiledBackend backend(model);
  backend.after_backward = [](const BackwardCall& call, Expected<Observation>&) {
    if (!call.outputs.empty())
      testing::write(testing::read(call.inputs.at(0).tensor), call.outputs[0].tensor);
  };
  expect_fail(judge_second(backend), "the gradient of the sum of dx v by dy");
}

}  // namespace
}  // namespace dropcheck::suites
