// The exact checks against planted defects: values, gradients, determinism, semantics.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <ostream>

#include "harness/core/element.hpp"
#include "reference/scale_forms.hpp"
#include "suites/testing/planted_backend.hpp"

namespace dropcheck::suites {
namespace {

using testing::Drawn;
using testing::Dropped;
using ::testing::HasSubstr;
using testing::judge;
using testing::PlantedBackend;

constexpr const char* kExact = "op=dropout,p=0.15,shape=3x5x7x11";

void expect_fail(const Judgement& j, const std::string& part) {
  EXPECT_EQ(j.verdict, Verdict::fail) << j.message;
  EXPECT_THAT(j.message, HasSubstr(part));
}

// --- unbiasedness.kept_value

TEST(KeptValue, PassesEveryOperatorAndDtypeOfACorrectBackend) {
  for (const std::string dtype : {"f64", "f32", "f16", "bf16"}) {
    for (const std::string op : {"dropout", "alpha_dropout"}) {
      for (const std::string protocol : {"values", "mask"}) {
        PlantedBackend backend;
        const Judgement j = judge("unbiasedness.kept_value", protocol,
                                  "op=" + op + ",p=0.15,dtype=" + dtype + ",shape=3x5x7x11", backend);
        EXPECT_EQ(j.verdict, Verdict::pass) << op << " " << dtype << " " << j.message;
        EXPECT_GT(j.comparisons, 0u);
      }
    }
  }
}

TEST(KeptValue, CatchesAMissingScale) {
  PlantedBackend backend;
  backend.spoil_value = [](const Drawn& drawn, std::size_t i, bool dropped, double y) {
    return dropped ? y : drawn.x[i];
  };
  expect_fail(judge("unbiasedness.kept_value", "values", kExact, backend), "a kept value is x / q");
  expect_fail(judge("unbiasedness.kept_value", "mask", kExact, backend), "which is 1 x");
}

TEST(KeptValue, CatchesOneElementThatIsOffByOneUnitInTheLastPlace) {
  for (const char* protocol : {"values", "mask"}) {
    PlantedBackend backend;
    backend.spoil_mask = [](const Drawn&, Dropped& dropped) { dropped[100] = 0; };
    backend.spoil_value = [](const Drawn&, std::size_t i, bool, double y) {
      return i == 100 ? static_cast<double>(std::nextafter(static_cast<float>(y), 1e30f)) : y;
    };
    // At p = 1/2 the scale is 2 and every form is exact: one unit is never another form.
    expect_fail(judge("unbiasedness.kept_value", protocol, "op=dropout,p=0.5,shape=3x5x7x11", backend),
                "element 100");
  }
}

TEST(KeptValue, FollowsEveryFormOfEveryDtypeToTheLastElement) {
  for (const DType dtype : kFloatDTypes) {
    for (const reference::ScaleForm form : reference::scale_forms(dtype)) {
      for (const bool spoiled : {false, true}) {
        PlantedBackend backend;
        backend.spoil_mask = [](const Drawn&, Dropped& dropped) { dropped[9998] = 0; };
        backend.spoil_value = [&](const Drawn& drawn, std::size_t i, bool dropped, double y) {
          if (dropped) return y;
          const double kept = reference::kept_value(form, drawn.x[i], 0.15, dtype);
          return spoiled && i == 9998 ? -kept : kept;
        };
        const Judgement j =
            judge("unbiasedness.kept_value", "mask",
                  fmt::format("op=dropout,p=0.15,dtype={},shape=9999", to_string(dtype)), backend);
        if (spoiled) expect_fail(j, "element 9998");
        else
          EXPECT_EQ(j.verdict, Verdict::pass)
              << to_string(dtype) << " " << to_string(form) << " " << j.message;
      }
    }
  }
}

TEST(KeptValue, CatchesRoundingThatDiffersFromElementToElement) {
  PlantedBackend backend;
  const auto forms = reference::scale_forms(DType::f32);
  backend.spoil_value = [&](const Drawn& drawn, std::size_t i, bool dropped, double y) {
    return dropped ? y : reference::kept_value(forms[i % 2 == 0 ? 0 : 2], drawn.x[i], 0.15, DType::f32);
  };
  expect_fail(judge("unbiasedness.kept_value", "values", kExact, backend), "rounded in one way throughout");
}

TEST(KeptValue, CatchesCallsThatRoundInDifferentWays) {
  PlantedBackend backend;
  const auto forms = reference::scale_forms(DType::f32);
  int calls = 0;  // blocks, each of which begins with a seed; the third one has a ramp of inputs
  backend.before_drawing = [&](const Call& call, PlantedBackend::Engine&) { calls += call.seed ? 1 : 0; };
  backend.spoil_value = [&](const Drawn& drawn, std::size_t i, bool dropped, double y) {
    return dropped ? y : reference::kept_value(forms[calls == 3 ? 0 : 2], drawn.x[i], 0.15, DType::f32);
  };
  expect_fail(judge("unbiasedness.kept_value", "mask", kExact, backend, {3, 1e-9, 1}),
              "different calls round kept values in different ways");
}

TEST(KeptValue, CatchesADroppedElementThatIsNotZero) {
  PlantedBackend backend;
  backend.spoil_value = [](const Drawn&, std::size_t, bool dropped, double y) { return dropped ? 1e-30 : y; };
  expect_fail(judge("unbiasedness.kept_value", "values", kExact, backend), "1e-30");
}

TEST(KeptValue, CatchesWrongAlphaConstants) {
  const char* alpha = "op=alpha_dropout,p=0.15,shape=3x5x7x11";
  PlantedBackend kept, dropped_value;
  kept.spoil_value = [](const Drawn&, std::size_t, bool dropped, double y) {
    return dropped ? y : 1.001 * y;
  };
  expect_fail(judge("unbiasedness.kept_value", "values", alpha, kept), "alpha_dropout keeps it as");
  dropped_value.spoil_value = [](const Drawn&, std::size_t, bool dropped, double y) {
    return dropped ? 0.999 * y : y;
  };
  expect_fail(judge("unbiasedness.kept_value", "values", alpha, dropped_value), "or drops it to");
}

TEST(KeptValue, CatchesPlainDropoutInThePlaceOfAlphaDropout) {
  PlantedBackend backend;
  backend.spoil_value = [](const Drawn& drawn, std::size_t i, bool dropped, double) {
    return dropped ? 0.0 : drawn.x[i] / 0.85;
  };
  expect_fail(judge("unbiasedness.kept_value", "values", "op=alpha_dropout,p=0.15,shape=3x5x7x11", backend),
              "alpha_dropout");
}

// --- gradient_consistency

TEST(Gradient, PassesEveryOperatorOfACorrectBackend) {
  for (const char* descriptor :
       {kExact, "op=alpha_dropout,p=0.15,shape=3x5x7x11", "op=dropout2d,p=0.15,dtype=bf16,shape=16x17x3x5",
        "op=dropout,p=0.15,dtype=f16,shape=3x5x7x11,layout=strided"}) {
    PlantedBackend backend;
    EXPECT_EQ(judge("gradient_consistency.same_mask", "gradient", descriptor, backend).verdict, Verdict::pass)
        << descriptor;
    EXPECT_EQ(judge("gradient_consistency.value", "gradient", descriptor, backend).verdict, Verdict::pass)
        << descriptor;
  }
}

TEST(Gradient, SameMaskCatchesOneElementThatIsKeptBackwardOnly) {
  PlantedBackend backend;
  backend.spoil_mask = [](const Drawn&, Dropped& dropped) { dropped[9] = 1; };
  backend.spoil_gradient = [](std::size_t i, bool, double dy, double dx) {
    return i == 9 ? reference::kept_gradient(reference::gradient_forms(Op::dropout, DType::f32)[0], dy, 0.15,
                                             DType::f32)
                  : dx;
  };
  expect_fail(judge("gradient_consistency.same_mask", "gradient", kExact, backend),
              "forward and backward masks agree on");
  EXPECT_EQ(judge("gradient_consistency.value", "gradient", kExact, backend).verdict, Verdict::pass)
      << "how the gradient is scaled is right";
}

TEST(Gradient, SameMaskCatchesAMaskThatIsReadOffTheZerosOfTheOutput) {
  PlantedBackend backend;
  std::vector<std::uint8_t> zero;
  backend.spoil_value = [&](const Drawn& drawn, std::size_t i, bool, double y) {
    zero.resize(drawn.x.size());
    zero[i] = y == 0 ? 1 : 0;
    return y;
  };
  backend.spoil_gradient = [&](std::size_t i, bool, double, double dx) { return zero[i] != 0 ? 0.0 : dx; };
  expect_fail(judge("gradient_consistency.same_mask", "gradient", kExact, backend),
              "a mask read off the zeros of the output");
}

TEST(Gradient, ValueCatchesAWrongScale) {
  PlantedBackend backend;
  backend.spoil_gradient = [](std::size_t, bool dropped, double dy, double) {
    return dropped ? 0 : dy * 0.15;
  };
  expect_fail(judge("gradient_consistency.value", "gradient", kExact, backend), "dx must be");
  EXPECT_EQ(judge("gradient_consistency.same_mask", "gradient", kExact, backend).verdict, Verdict::pass);
}

TEST(Gradient, ValueCatchesADroppedElementThatLetsTheGradientThrough) {
  PlantedBackend backend;
  backend.spoil_gradient = [](std::size_t, bool dropped, double dy, double dx) { return dropped ? dy : dx; };
  expect_fail(judge("gradient_consistency.value", "gradient", kExact, backend), "which is 1 dy");
}

TEST(Gradient, AnUnwrittenGradientIsAFailureOfTheBackend) {
  PlantedBackend backend;
  backend.spoil_gradient = [](std::size_t i, bool, double, double dx) {
    return i == 3 ? static_cast<double>(std::bit_cast<float>(0xFFFFFFFFu)) : dx;
  };
  expect_fail(judge("gradient_consistency.value", "gradient", kExact, backend),
              "1 of 1155 elements were never written");
}

// --- seed_determinism

struct DeterminismDefect {
  const char* check;
  const char* protocol;
  const char* message;
  void (*plant)(PlantedBackend&);
  friend void PrintTo(const DeterminismDefect& row, std::ostream* out) { *out << row.message; }
};

class Determinism : public ::testing::TestWithParam<DeterminismDefect> {};

TEST_P(Determinism, PassesACorrectBackendAndCatchesItsDefect) {
  const DeterminismDefect& d = GetParam();
  PlantedBackend clean, defective;
  const Judgement good = judge(d.check, d.protocol, kExact, clean);
  EXPECT_EQ(good.verdict, Verdict::pass) << good.message;
  EXPECT_GT(good.comparisons, 0u);
  d.plant(defective);
  expect_fail(judge(d.check, d.protocol, kExact, defective), d.message);
}

INSTANTIATE_TEST_SUITE_P(
    Defects, Determinism,
    ::testing::Values(
        DeterminismDefect{"seed_determinism.same_seed", "determinism", "two calls with the same seed",
                          [](PlantedBackend& b) {
                            b.before_drawing = [n = 0u](const Call&, PlantedBackend::Engine& e) mutable {
                              e.seed(++n);
                            };
                          }},
        DeterminismDefect{"seed_determinism.same_seed", "determinism", "the second calls after the same seed",
                          [](PlantedBackend& b) {
                            b.before_drawing = [n = 0u](const Call& c, PlantedBackend::Engine& e) mutable {
                              if (!c.seed) e.discard(++n);
                            };
                          }},
        DeterminismDefect{"seed_determinism.other_seed", "determinism", "calls with two different seeds",
                          [](PlantedBackend& b) {
                            b.before_drawing = [](const Call& c, PlantedBackend::Engine& e) {
                              if (c.seed) e.seed(1);
                            };
                          }},
        DeterminismDefect{"seed_determinism.next_call", "determinism", "a call and the next one",
                          [](PlantedBackend& b) {
                            b.before_drawing = [last = std::uint64_t{0}](const Call& c,
                                                                         PlantedBackend::Engine& e) mutable {
                              last = c.seed.value_or(last);
                              e.seed(last);
                            };
                          }},
        DeterminismDefect{"seed_determinism.eval_draws_nothing", "determinism", "a call after an eval call",
                          [](PlantedBackend& b) {
                            b.before_drawing = [](const Call& c, PlantedBackend::Engine& e) {
                              if (c.mode == Mode::eval) e.discard(1);
                            };
                          }},
        DeterminismDefect{"seed_determinism.threads", "threads", "the same seed with 1 and 8 threads",
                          [](PlantedBackend& b) {
                            b.before_drawing = [](const Call& c, PlantedBackend::Engine& e) {
                              if (c.threads == 8) e.discard(1);
                            };
                          }}));

TEST(OtherSeed, IsNotAskedWhereEqualityCouldBeACoincidence) {
  const Check& check = *testing::suites_registry().check("seed_determinism.other_seed");
  EXPECT_FALSE(
      check.applies({"determinism", testing::problem_of("op=dropout,p=0.1,shape=100"), 1, 8}).applies);
  EXPECT_TRUE(
      check.applies({"determinism", testing::problem_of("op=dropout,p=0.1,shape=1000"), 1, 8}).applies);
}

// --- pytorch_semantics

TEST(BadP, PassesABackendThatRefusesAll) {
  PlantedBackend backend;
  const Judgement j = judge("pytorch_semantics.bad_p", "bad_p", kExact, backend);
  EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
  EXPECT_EQ(j.comparisons, 19u);
}

TEST(BadP, CatchesEachBadValueInEachMode) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const double bad :
       {-0.1, 1.1, 2.0, -1.0, std::nextafter(1.0, 2.0), -std::numeric_limits<double>::denorm_min(), kInfinity,
        -kInfinity, std::numeric_limits<double>::quiet_NaN()}) {
    for (const Mode mode : {Mode::train, Mode::eval}) {
      PlantedBackend backend;
      backend.instead = [&](const Call& call) -> std::optional<Expected<Observation>> {
        const bool same = call.p == bad || (std::isnan(bad) && std::isnan(call.p));
        if (!same || call.mode != mode) return std::nullopt;
        return Observation{};
      };
      expect_fail(judge("pytorch_semantics.bad_p", "bad_p", kExact, backend),
                  "is accepted in " + std::string(to_string(mode)) + " mode");
    }
  }
}

TEST(BadP, ACrashIsNoRefusal) {
  PlantedBackend backend;
  backend.instead = [](const Call& call) -> std::optional<Expected<Observation>> {
    if (call.p <= 1) return std::nullopt;
    return Expected<Observation>(Error{ErrorCode::crashed, "the worker was ended by signal 11"});
  };
  const Judgement j = judge("pytorch_semantics.bad_p", "bad_p", kExact, backend);
  EXPECT_EQ(j.verdict, Verdict::error);
  EXPECT_THAT(j.message, HasSubstr("crashed"));
}

TEST(OutputsAtTheEdges, CatchAnInputThatPZeroChanges) {
  PlantedBackend clean, backend;
  EXPECT_EQ(judge("pytorch_semantics.extremes", "edge_p", kExact, clean).verdict, Verdict::pass);
  backend.spoil_value = [](const Drawn& drawn, std::size_t i, bool, double y) {
    return drawn.call.p == 0 && i == 4 ? 2 * y : y;
  };
  expect_fail(judge("pytorch_semantics.extremes", "edge_p", kExact, backend), "element 4");
}

TEST(OutputsAtTheEdges, CatchADivisionByZeroAtPOne) {
  PlantedBackend backend;
  backend.spoil_value = [](const Drawn& drawn, std::size_t, bool, double y) {
    return drawn.call.p == 1 ? 0 * std::numeric_limits<double>::infinity() : y;
  };
  expect_fail(judge("pytorch_semantics.extremes", "edge_p", kExact, backend), "p = 1 turned");
}

TEST(OutputsAtTheEdges, ARefusedMinusZeroIsNoPass) {
  PlantedBackend backend;
  backend.instead = [](const Call& call) -> std::optional<Expected<Observation>> {
    if (call.p != 0 || !std::signbit(call.p)) return std::nullopt;
    return Expected<Observation>(Error{ErrorCode::invalid_argument, "p must not be negative"});
  };
  const Judgement j = judge("pytorch_semantics.extremes", "edge_p", kExact, backend);
  EXPECT_EQ(j.verdict, Verdict::error);
  EXPECT_THAT(j.message, HasSubstr("p must not be negative"));
}

TEST(EvalIdentity, CatchesAnyChange) {
  PlantedBackend clean, scaled, zero_sign;
  EXPECT_EQ(judge("pytorch_semantics.eval_identity", "eval", kExact, clean).verdict, Verdict::pass);
  scaled.spoil_eval = [](double x) { return x / 0.85; };
  expect_fail(judge("pytorch_semantics.eval_identity", "eval", kExact, scaled), "eval changed");
  zero_sign.spoil_eval = [](double x) { return x + 0.0; };  // -0 becomes +0
  expect_fail(judge("pytorch_semantics.eval_identity", "eval", kExact, zero_sign), "-0 became 0");
}

TEST(InPlace, CatchesATensorThatIsNotWritten) {
  PlantedBackend clean, backend;
  EXPECT_EQ(judge("pytorch_semantics.in_place", "in_place", kExact, clean).verdict, Verdict::pass);
  backend.instead = [](const Call& call) -> std::optional<Expected<Observation>> {
    if (!call.in_place) return std::nullopt;
    return Observation{};
  };
  expect_fail(judge("pytorch_semantics.in_place", "in_place", kExact, backend),
              "the tensor was not written at all");
}

TEST(InPlace, SaysThatTheMaskIsAnother) {
  PlantedBackend backend;
  backend.before_drawing = [](const Call& call, PlantedBackend::Engine& engine) {
    if (call.in_place) engine.discard(1);
  };
  for (const char* problem : {kExact, "op=alpha_dropout,p=0.15,shape=3x5x7x11"}) {
    const Judgement j = judge("pytorch_semantics.in_place", "in_place", problem, backend);
    EXPECT_EQ(j.verdict, Verdict::pass) << j.message;
    EXPECT_THAT(j.message, HasSubstr("by another mask than out of place"));
  }
}

TEST(InPlace, CatchesValuesThatAreNeitherDroppedNorKept) {
  PlantedBackend backend;
  backend.spoil_value = [](const Drawn& drawn, std::size_t i, bool, double y) {
    return drawn.call.in_place && i == 5 ? y * 1.5 + 0.25 : y;
  };
  for (const char* problem : {kExact, "op=alpha_dropout,p=0.15,shape=3x5x7x11"})
    expect_fail(judge("pytorch_semantics.in_place", "in_place", problem, backend), "in place, element 5 was");
}

TEST(ShapeAndDtype, CatchesResultsOfAnotherShapeOrDtype) {
  PlantedBackend clean, shape, dtype;
  EXPECT_EQ(judge("pytorch_semantics.shape_and_dtype", "values", kExact, clean).verdict, Verdict::pass);
  shape.spoil_observation = [](const Call&, Observation& seen) { seen.produced_shape = {3, 385}; };
  expect_fail(judge("pytorch_semantics.shape_and_dtype", "values", kExact, shape),
              "the result has shape [3, 385] where the input has [3, 5, 7, 11]");
  dtype.spoil_observation = [](const Call&, Observation& seen) { seen.produced_dtype = DType::f64; };
  expect_fail(judge("pytorch_semantics.shape_and_dtype", "values", kExact, dtype), "dtype f64");
}

TEST(ShapeAndDtype, CatchesMemoryThatIsLeftUnwrittenOrWrittenOutside) {
  PlantedBackend nothing, beyond, input;
  nothing.instead = [](const Call&) { return std::optional<Expected<Observation>>(Observation{}); };
  expect_fail(judge("pytorch_semantics.shape_and_dtype", "values", kExact, nothing),
              "1155 of 1155 elements were never written");
  beyond.spoil_observation = [](const Call& call, Observation&) {
    call.y.view.data[1155 * sizeof(float)] = std::byte{0};
  };
  expect_fail(judge("pytorch_semantics.shape_and_dtype", "values", kExact, beyond), "writes past its bounds");
  input.spoil_observation = [](const Call& call, Observation&) { call.x.view.data[0] = std::byte{1}; };
  expect_fail(judge("pytorch_semantics.shape_and_dtype", "values", kExact, input), "changed its input");
}

TEST(Degenerate, CatchesARefusalOfEmptyTensorsAndAWrongScalar) {
  PlantedBackend clean, refuses, wrong;
  EXPECT_EQ(judge("pytorch_semantics.degenerate", "degenerate", kExact, clean).verdict, Verdict::pass);
  refuses.instead = [](const Call& call) -> std::optional<Expected<Observation>> {
    if (call.x.view.count() > 0) return std::nullopt;
    return Expected<Observation>(Error{ErrorCode::backend_failed, "cannot handle empty tensors"});
  };
  const Judgement j = judge("pytorch_semantics.degenerate", "degenerate", kExact, refuses);
  EXPECT_EQ(j.verdict, Verdict::error);
  EXPECT_THAT(j.message, HasSubstr("cannot handle empty tensors"));
  wrong.spoil_value = [](const Drawn& drawn, std::size_t, bool, double y) {
    return drawn.call.x.view.shape.empty() ? 0.5 : y;
  };
  expect_fail(judge("pytorch_semantics.degenerate", "degenerate", kExact, wrong),
              "a tensor of rank 0 that holds 1 became 0.5");
}

TEST(MaskOutput, CatchesAnInvertedMaskAndBytesThatAreNeitherZeroNorOne) {
  PlantedBackend clean, inverted, bytes;
  const Judgement good = judge("pytorch_semantics.mask_output", "values", kExact, clean);
  EXPECT_EQ(good.verdict, Verdict::pass) << good.message;
  EXPECT_EQ(good.comparisons, 1155u);
  inverted.spoil_returned_mask = [](std::size_t, std::uint8_t kept) {
    return static_cast<std::uint8_t>(1 - kept);
  };
  expect_fail(judge("pytorch_semantics.mask_output", "values", kExact, inverted), "element 0");
  bytes.spoil_returned_mask = [](std::size_t, std::uint8_t kept) {
    return static_cast<std::uint8_t>(kept * 2);
  };
  expect_fail(judge("pytorch_semantics.mask_output", "values", kExact, bytes), "the returned mask says 2");
}

}  // namespace
}  // namespace dropcheck::suites
