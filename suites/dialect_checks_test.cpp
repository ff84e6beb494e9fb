// Every axis of a dialect, under the dialects that use it: a backend that follows the dialect passes, and one
// that breaks it is caught.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <ostream>
#include <set>

#include "harness/core/descriptor.hpp"
#include "reference/definition.hpp"
#include "suites/dialect_file.hpp"
#include "suites/dialect_words.hpp"
#include "suites/dialects/pytorch.hpp"
#include "suites/register.hpp"
#include "suites/testing/planted_backend.hpp"

namespace dropcheck::suites {
namespace {

using reference::ScaleForm;
using reference::ScaleRule;
using testing::Drawn;
using ::testing::HasSubstr;
using testing::PlantedBackend;
using testing::suites_registry;

constexpr const char* kExact = "op=dropout,p=0.15,shape=3x5x7x11";

Expected<Observation> refusal() { return Error{ErrorCode::invalid_argument, "p is out of range"}; }

/// Every element kept; for calls that a backend accepts without looking at p.
Expected<Observation> copied(const Call& call) {
  const TensorView& out = call.in_place ? call.x.view : call.y.view;
  std::vector<std::byte> bytes(static_cast<std::size_t>(out.count()) * out.element_size());
  gather(call.x.view, bytes.data());
  scatter(bytes.data(), out);
  return Observation{};
}

bool is_bad(double p) { return !(p >= 0 && p <= 1); }

// --- what can be planted

void nothing(PlantedBackend&) {}

void multiplies(PlantedBackend& b) {
  b.spoil_value = [](const Drawn& drawn, std::size_t i, bool dropped, double y) {
    return dropped && !is_alpha(drawn.call.op) ? reference::zeroed(drawn.x[i]) : y;
  };
}
void multiplies_but_clears_the_sign(PlantedBackend& b) {
  b.spoil_value = [](const Drawn& drawn, std::size_t i, bool dropped, double y) {
    return dropped ? reference::zeroed(drawn.x[i]) + 0.0 : y;
  };
}
void selects_but_keeps_nan(PlantedBackend& b) {
  b.spoil_value = [](const Drawn& drawn, std::size_t i, bool, double y) {
    return std::isnan(drawn.x[i]) ? drawn.x[i] : y;
  };
}

void refuses_p_one(PlantedBackend& b) {
  b.instead = [](const Call& call) -> std::optional<Expected<Observation>> {
    if (call.p == 1) return refusal();
    return std::nullopt;
  };
}
void returns_the_input_at_p_one(PlantedBackend& b) {
  b.instead = [](const Call& call) -> std::optional<Expected<Observation>> {
    if (call.p == 1) return copied(call);
    return std::nullopt;
  };
}
void accepts_bad_p(PlantedBackend& b) {
  b.instead = [](const Call& call) -> std::optional<Expected<Observation>> {
    if (is_bad(call.p)) return copied(call);
    return std::nullopt;
  };
}
void accepts_bad_p_in_eval(PlantedBackend& b) {
  b.instead = [](const Call& call) -> std::optional<Expected<Observation>> {
    if (is_bad(call.p) && call.mode == Mode::eval) return copied(call);
    return std::nullopt;
  };
}
void accepts_bad_p_in_training(PlantedBackend& b) {
  b.instead = [](const Call& call) -> std::optional<Expected<Observation>> {
    if (is_bad(call.p) && call.mode == Mode::train) return copied(call);
    return std::nullopt;
  };
}

/// What a framework does whose p is an f32.
void sees_a_float_p(PlantedBackend& b) {
  b.instead = [](const Call& call) -> std::optional<Expected<Observation>> {
    const auto seen = static_cast<double>(static_cast<float>(call.p));
    if (seen == call.p || is_bad(seen)) return std::nullopt;
    if (seen == 1) return refusal();
    return copied(call);
  };
}
void accepts_a_little_more_than_one(PlantedBackend& b) {
  b.instead = [](const Call& call) -> std::optional<Expected<Observation>> {
    if (call.p > 1 && call.p < 1.2) return copied(call);
    return std::nullopt;
  };
}

void does_not_scale(PlantedBackend& b) {
  b.spoil_value = [](const Drawn& drawn, std::size_t i, bool dropped, double y) {
    return dropped ? y : drawn.x[i];
  };
  b.spoil_gradient = [](std::size_t, bool dropped, double dy, double dx) { return dropped ? dx : dy; };
}
void scales_forward_only(PlantedBackend& b) {
  b.spoil_gradient = [](std::size_t, bool dropped, double dy, double dx) { return dropped ? dx : dy; };
}
void divides_by_the_q_of_a_float_p(PlantedBackend& b) {
  b.spoil_value = [](const Drawn& drawn, std::size_t i, bool dropped, double y) {
    const double p = drawn.call.p;
    if (dropped || !(p > 0 && p < 1)) return y;
    return ScaleRule(ScaleForm::quotient_of_float_q, p, drawn.call.x.view.dtype)(drawn.x[i]);
  };
}
void scales_a_little_too_much(PlantedBackend& b) {
  b.spoil_value = [](const Drawn&, std::size_t, bool, double y) {
    return static_cast<double>(std::nextafter(static_cast<float>(y), y < 0 ? -1e30f : 1e30f));
  };
}

void multiplies_by_q_in_eval(PlantedBackend& b) {
  b.spoil_eval = [](double x) { return ScaleRule(ScaleForm::times_float_q, 0.15, DType::f32)(x); };
}
void multiplies_by_p_in_eval(PlantedBackend& b) {
  b.spoil_eval = [](double x) { return ScaleRule(ScaleForm::times_float_q, 0.85, DType::f32)(x); };
}

void ignores_seeds(PlantedBackend& b) {
  b.before_drawing = [n = 0u](const Call&, PlantedBackend::Engine& e) mutable { e.seed(++n); };
}
void continues_no_stream(PlantedBackend& b) {
  b.before_drawing = [n = 0u](const Call& call, PlantedBackend::Engine& e) mutable {
    if (!call.seed) e.discard(++n);
  };
}
void draws_a_seed_for_zero(PlantedBackend& b) {
  b.before_drawing = [n = 0u](const Call& call, PlantedBackend::Engine& e) mutable {
    if (call.seed == std::uint64_t{0}) e.seed(1000 + ++n);
  };
}

void declares_seven_bits(PlantedBackend& b) {
  b.claims.effective_rate = true;
  b.spoil_observation = [](const Call& call, Observation& seen) {
    seen.effective_p = std::round(call.p * 128) / 128;
  };
}
void declares_five_bits(PlantedBackend& b) {
  b.claims.effective_rate = true;
  b.spoil_observation = [](const Call& call, Observation& seen) {
    seen.effective_p = std::round(call.p * 32) / 32;
  };
}

// --- dialects of our own, for what no built-in one says

/// The text of a dialect with one value of an axis written anew.
std::string with(const std::string& axis, const std::string& line) {
  const Dialect& pytorch = pytorch_dialect();
  std::string text = "name = \"own\"\ntitle = \"made by a test\"\nframeworks = []\n";
  const auto add = [&](const std::string& key, const std::string& lines) {
    text += fmt::format("[{}]\n{}\nsource = \"a test\"\n", key, key == axis ? line : lines);
  };
  add("p_domain", "value = \"[0, 1]\"\ntype = \"f64\"");
  for (const auto& [key, a] : {std::pair{"bad_p", Axis::bad_p},
                               {"p_one", Axis::p_one},
                               {"scale", Axis::scale},
                               {"eval", Axis::eval},
                               {"dropped", Axis::dropped},
                               {"gradient", Axis::gradient}})
    add(key, fmt::format("value = \"{}\"", value_text(pytorch, a)));
  add("roundings", "value = \"any\"");
  add("seed", "value = \"stream\"\nzero = \"a seed\"");
  add("resolution",
      "f64 = 5.9604644775390625e-08\nf32 = 5.9604644775390625e-08\nf16 = "
      "5.9604644775390625e-08\nbf16 = 5.9604644775390625e-08");
  return text;
}

/// Checks and protocols under "own:AXIS:LINE", a change of PyTorch's dialect, or under a built-in dialect.
const Registry& registry_of(const std::string& name) {
  if (!name.starts_with("own:")) return suites_registry(name);
  static std::map<std::string, Registry> registries;
  const auto [at, is_new] = registries.try_emplace(name);
  if (is_new) {
    const std::size_t colon = name.find(':', 4);
    const auto dialect = parse_dialect(with(name.substr(4, colon - 4), name.substr(colon + 1)), name);
    if (!dialect) throw std::logic_error(dialect.error().message);
    register_suites(at->second, *dialect);
  }
  return at->second;
}

struct AxisCase {
  const char* dialect;
  const char* check;
  const char* protocol;
  const char* problem;
  void (*follow)(PlantedBackend&);
  void (*deviate)(PlantedBackend&);
  const char* message;
  friend void PrintTo(const AxisCase& row, std::ostream* out) {
    *out << row.dialect << ", " << row.check << ": " << row.message;
  }
};

class DialectAxis : public ::testing::TestWithParam<AxisCase> {};

TEST_P(DialectAxis, PassesWhoFollowsItAndCatchesWhoDoesNot) {
  const AxisCase& c = GetParam();
  const testing::Sampling sampling{.registry = &registry_of(c.dialect)};
  PlantedBackend follower, deviator;
  c.follow(follower);
  c.deviate(deviator);
  const Judgement good = testing::judge(c.check, c.protocol, c.problem, follower, sampling);
  EXPECT_EQ(good.verdict, Verdict::pass) << good.message;
  EXPECT_GT(good.comparisons, 0u);
  const Judgement bad = testing::judge(c.check, c.protocol, c.problem, deviator, sampling);
  EXPECT_TRUE(bad.verdict == Verdict::fail || bad.verdict == Verdict::error) << bad.message;
  EXPECT_THAT(bad.message, HasSubstr(c.message));
}

constexpr const char* kDropped = "pytorch_semantics.dropped_values";
constexpr const char* kExtremes = "pytorch_semantics.extremes";
constexpr const char* kBadP = "pytorch_semantics.bad_p";
constexpr const char* kKept = "unbiasedness.kept_value";
constexpr const char* kEval = "pytorch_semantics.eval_identity";
constexpr const char* kSeed = "seed_determinism.same_seed";
constexpr const char* kZero = "seed_determinism.seed_zero";
constexpr const char* kRate = "mask_rate.effective_rate";
constexpr const char* kOwnDropped = "op=dropout,p=0.5,shape=1500";
constexpr const char* kOwnZero = "op=dropout,p=0.5,shape=1024";
constexpr const char* kTelling = "op=dropout,p=0.6,shape=3x5x7x11";  // fl32(1 - fl32(p)) is not fl32(1 - p)
constexpr const char* kScalar = "op=dropout,p=0.15,shape=4x4";

INSTANTIATE_TEST_SUITE_P(
    DroppedElements, DialectAxis,
    ::testing::Values(
        AxisCase{"pytorch", kDropped, "dropped_values", kOwnDropped, multiplies, nothing, "multiplied by 0"},
        AxisCase{"onnx-13", kDropped, "dropped_values", kOwnDropped, multiplies, nothing, "multiplied by 0"},
        AxisCase{"mlx", kDropped, "dropped_values", kOwnDropped, multiplies, nothing, "multiplied by 0"},
        AxisCase{"mxnet", kDropped, "dropped_values", kOwnDropped, multiplies, nothing, "multiplied by 0"},
        AxisCase{"chainer", kDropped, "dropped_values", kOwnDropped, multiplies, nothing, "multiplied by 0"},
        AxisCase{"dlib", kDropped, "dropped_values", kOwnDropped, multiplies, multiplies_but_clears_the_sign,
                 "is 0"},
        AxisCase{"keras3", kDropped, "dropped_values", kOwnDropped, nothing, multiplies, "is +0"},
        AxisCase{"jax-flax", kDropped, "dropped_values", kOwnDropped, nothing, selects_but_keeps_nan,
                 "of 100 NaN none was dropped"},
        AxisCase{"tensorflow", kDropped, "dropped_values", kOwnDropped, nothing, multiplies, "is +0"},
        AxisCase{"paddle-upscale", kDropped, "dropped_values", kOwnDropped, nothing, multiplies, "is +0"},
        AxisCase{"paddle-downscale", kDropped, "dropped_values", kOwnDropped, nothing, multiplies, "is +0"}));

INSTANTIATE_TEST_SUITE_P(
    POne, DialectAxis,
    ::testing::Values(
        AxisCase{"pytorch", kExtremes, "edge_p", kExact, nothing, refuses_p_one, "out of range"},
        AxisCase{"pytorch", kExtremes, "edge_p", kExact, nothing, returns_the_input_at_p_one, "must be 0"},
        AxisCase{"keras3", kExtremes, "edge_p", kExact, nothing, refuses_p_one, "out of range"},
        AxisCase{"dlib", "mask_rate.extremes", "edge_p", kExact, nothing, returns_the_input_at_p_one,
                 "drops 0 of 1155"},
        AxisCase{"onnx-13", kExtremes, "edge_p", kExact, refuses_p_one, nothing,
                 "p = 1 is accepted; dialect onnx-13 refuses it"},
        AxisCase{"tensorflow", kExtremes, "edge_p", kExact, refuses_p_one, returns_the_input_at_p_one,
                 "p = 1 is accepted"},
        AxisCase{"mlx", kExtremes, "edge_p", kExact, refuses_p_one, nothing, "p = 1 is accepted"},
        AxisCase{"chainer", kExtremes, "edge_p", kExact, refuses_p_one, nothing, "p = 1 is accepted"},
        AxisCase{"own:p_one:value = \"input\"", kExtremes, "edge_p", kExact, returns_the_input_at_p_one,
                 nothing, "it must return its input"},
        AxisCase{"own:p_one:value = \"input\"", "mask_rate.extremes", "edge_p", kExact,
                 returns_the_input_at_p_one, nothing, "drops 1155 of 1155"}));

INSTANTIATE_TEST_SUITE_P(
    BadP, DialectAxis,
    ::testing::Values(
        AxisCase{"pytorch", kBadP, "bad_p", kExact, nothing, accepts_bad_p_in_eval, "accepted in eval"},
        AxisCase{"keras3", kBadP, "bad_p", kExact, nothing, accepts_bad_p_in_eval, "accepted in eval"},
        AxisCase{"onnx-13", kBadP, "bad_p", kExact, nothing, accepts_bad_p, "accepted in train"},
        AxisCase{"paddle-upscale", kBadP, "bad_p", kExact, nothing, accepts_bad_p, "accepted in train"},
        AxisCase{"tensorflow", kBadP, "bad_p", kExact, accepts_bad_p_in_eval, accepts_bad_p_in_training,
                 "accepted in train"},
        AxisCase{"pytorch", kBadP, "bad_p", kExact, nothing, sees_a_float_p, "is accepted in train"},
        AxisCase{"onnx-13", kBadP, "bad_p", kExact, sees_a_float_p, accepts_a_little_more_than_one,
                 "p = 1.1 is accepted"},
        AxisCase{"mxnet", kBadP, "bad_p", kExact, sees_a_float_p, accepts_a_little_more_than_one,
                 "p = 1.1 is accepted"},
        AxisCase{"chainer", kBadP, "bad_p", kExact, accepts_bad_p_in_eval, accepts_bad_p_in_training,
                 "accepted in train"}));

INSTANTIATE_TEST_SUITE_P(
    Scale, DialectAxis,
    ::testing::Values(
        AxisCase{"dlib", kKept, "values", kExact, does_not_scale, nothing, "a kept value is x ="},
        AxisCase{"dlib", kKept, "mask", kExact, does_not_scale, nothing, "a kept value is x ="},
        AxisCase{"paddle-downscale", kKept, "values", kExact, does_not_scale, nothing, "a kept value is x ="},
        AxisCase{"paddle-downscale", "gradient_consistency.value", "gradient", kExact, does_not_scale,
                 nothing, "dx must be 1 dy"},
        AxisCase{"dlib", "gradient_consistency.value", "gradient", kExact, does_not_scale, nothing,
                 "dx must be 1 dy"},
        AxisCase{"keras3", "gradient_consistency.value", "gradient", kExact, nothing, scales_forward_only,
                 "dx must be 1.17647059 dy"},
        AxisCase{"paddle-downscale", "pytorch_semantics.degenerate", "degenerate",
                 "op=dropout,p=0.15,shape=4x4,seed=3", does_not_scale, scales_a_little_too_much, "0 or 1"},
        AxisCase{"paddle-downscale", "pytorch_semantics.scale_form", "scale_form",
                 "op=dropout,p=0.15,shape=1000", does_not_scale, nothing, "no form that is known"}));

INSTANTIATE_TEST_SUITE_P(
    Roundings, DialectAxis,
    ::testing::Values(AxisCase{"pytorch", kKept, "values", kTelling, nothing, divides_by_the_q_of_a_float_p,
                               "a kept value is"},
                      AxisCase{"onnx-13", kKept, "values", kTelling, divides_by_the_q_of_a_float_p,
                               scales_a_little_too_much, "a kept value is"},
                      AxisCase{"paddle-upscale", kKept, "mask", kTelling, divides_by_the_q_of_a_float_p,
                               does_not_scale, "a kept value is x / q"},
                      AxisCase{"own:roundings:value = [\"quotient_of_float_q\", \"quotient\"]", kKept,
                               "values", kTelling, divides_by_the_q_of_a_float_p, nothing,
                               "a kept value is"}));

INSTANTIATE_TEST_SUITE_P(EvalMode, DialectAxis,
                         ::testing::Values(AxisCase{"pytorch", kEval, "eval", kExact, nothing,
                                                    multiplies_by_q_in_eval, "eval changed"},
                                           AxisCase{"onnx-13", kEval, "eval", kExact, nothing,
                                                    multiplies_by_q_in_eval, "eval changed"},
                                           AxisCase{"paddle-downscale", kEval, "eval", kExact,
                                                    multiplies_by_q_in_eval, nothing, "it must be q x"},
                                           AxisCase{"paddle-downscale", kEval, "eval", kExact,
                                                    multiplies_by_q_in_eval, multiplies_by_p_in_eval,
                                                    "it must be q x"}));

INSTANTIATE_TEST_SUITE_P(
    Seeds, DialectAxis,
    ::testing::Values(
        AxisCase{"pytorch", kSeed, "determinism", kExact, nothing, continues_no_stream, "the second calls"},
        AxisCase{"jax-flax", kSeed, "determinism", kExact, continues_no_stream, ignores_seeds,
                 "two calls with the same seed"},
        AxisCase{"onednn", kSeed, "determinism", kExact, continues_no_stream, ignores_seeds,
                 "two calls with the same seed"},
        AxisCase{"onnx-13", kSeed, "determinism", kExact, nothing, continues_no_stream, "the second calls"},
        AxisCase{"keras3", kSeed, "determinism", kExact, nothing, ignores_seeds,
                 "two calls with the same seed"},
        AxisCase{"pytorch", kZero, "seed_zero", kOwnZero, nothing, draws_a_seed_for_zero, "the seed 0"},
        AxisCase{"jax-flax", kZero, "seed_zero", kOwnZero, nothing, draws_a_seed_for_zero, "the seed 0"},
        AxisCase{"own:seed:value = \"stream\"\nzero = \"random\"", kZero, "seed_zero", kOwnZero,
                 draws_a_seed_for_zero, nothing, "it must draw a seed at random"}));

INSTANTIATE_TEST_SUITE_P(
    Resolution, DialectAxis,
    ::testing::Values(AxisCase{"own:resolution:f64 = 0.0\nf32 = 0.0\nf16 = 0.0\nbf16 = 0.00390625", kRate,
                               "rates", "op=dropout,p=0.5,dtype=bf16,shape=4x4", declares_seven_bits,
                               declares_five_bits, "above the limit 0.00391"},
                      AxisCase{"own:resolution:f64 = 0.5\nf32 = 0.00390625\nf16 = 0.5\nbf16 = 0.5", kRate,
                               "rates", kScalar, declares_seven_bits, declares_five_bits,
                               "above the limit 0.00391"}));

TEST(DialectAxes, AThresholdOfSevenBitsIsTooCoarseForEveryBuiltInDialect) {
  for (const std::string& name : builtin_dialects()) {
    PlantedBackend backend;
    declares_seven_bits(backend);
    const Judgement j = testing::judge(kRate, "rates", "op=dropout,p=0.5,dtype=bf16,shape=4x4", backend,
                                       {.registry = &suites_registry(name)});
    EXPECT_EQ(j.verdict, Verdict::fail) << name << ": " << j.message;
  }
}

/// Why the dialect does not ask a check; empty where it does.
std::string why_not(const std::string& dialect, const char* check) {
  return registry_of(dialect).check(check)->info().impossible;
}

TEST(DialectAxes, WhatADialectDoesNotSpecifyIsNotAskedAndSaysSo) {
  EXPECT_EQ(why_not("dlib", kEval), "dialect dlib: there is no eval mode");
  EXPECT_EQ(why_not("tensorflow", "seed_determinism.eval_draws_nothing"),
            "dialect tensorflow: there is no eval mode");
  EXPECT_EQ(why_not("jax-flax", kBadP),
            "dialect jax-flax: what a p outside its domain does is not specified");
  EXPECT_EQ(why_not("onednn", kDropped),
            "dialect onednn: what dropping makes of NaN, infinities and signs is not specified");
  EXPECT_EQ(why_not("dlib", kSeed), "dialect dlib: nothing is promised for a seed");
  EXPECT_EQ(why_not("onnx-13", kZero), "dialect onnx-13: what seed 0 means is not specified");
  EXPECT_EQ(why_not("onnx-13", "gradient_consistency.value"), "dialect onnx-13: gradients are not specified");
  EXPECT_EQ(why_not("onnx-13", "exact_stream.words"), "dialect onnx-13: p = 1 is refused");
  EXPECT_EQ(why_not("paddle-downscale", "exact_stream.masks"),
            "dialect paddle-downscale: eval mode multiplies by q");
  for (const auto& check : suites_registry("pytorch").checks())
    EXPECT_THAT(check->info().impossible, ::testing::Not(HasSubstr("dialect "))) << check->info().id;
}

TEST(DialectAxes, RowsThatContradictADialectAreNotAskedUnderIt) {
  EXPECT_EQ(why_not("onnx-13", "pytorch_semantics.row_14"), "dialect onnx-13: p = 1 is refused");
  EXPECT_EQ(why_not("keras3", "pytorch_semantics.row_17"),
            "dialect keras3: a dropped element is +0, whatever it was");
  EXPECT_EQ(why_not("keras3", "pytorch_semantics.row_11"), "");
  EXPECT_EQ(why_not("dlib", "pytorch_semantics.row_11"), "dialect dlib: there is no eval mode");
  EXPECT_EQ(why_not("paddle-downscale", "pytorch_tests.dropout_mean"),
            "dialect paddle-downscale: training does not scale");
  EXPECT_EQ(why_not("keras3", "pytorch_semantics.row_8"), "needs the Python front end");
}

/// The axes that a row's steps show it to depend on.
std::vector<Axis> shown_by_steps(const RowDefinition& row) {
  bool p_one = false, eval = false, bad_p = false;
  if (row.steps != nullptr)
    for (const Step& step : row.steps()) {
      p_one |= step.problem.p == 1;
      eval |= step.problem.mode == Mode::eval;
      bad_p |= is_bad(step.problem.p);
    }
  std::vector<Axis> axes;
  if (p_one) axes.push_back(Axis::p_one);
  if (eval) axes.push_back(Axis::eval);
  if (bad_p) axes.push_back(Axis::bad_p);
  return axes;
}

TEST(DialectAxes, EveryRowNamesTheAxesThatItsStepsDependOn) {
  for (const RowDefinition& row : pytorch_rows())
    for (const Axis axis : shown_by_steps(row))
      EXPECT_THAT(row.axes, ::testing::Contains(axis)) << "row " << row.row.number << ", " << axis_name(axis);
}

TEST(DialectAxes, DeterminismHasNoEvalCallsWhereThereIsNoEvalMode) {
  const SampleInfo sample{"determinism", testing::problem_of(kExact), 1, 1};
  EXPECT_EQ(suites_registry("pytorch").protocol("determinism")->steps(sample, 0).size(), 8u);
  EXPECT_EQ(suites_registry("pytorch").protocol("determinism")->default_calls, 8u);
  const Protocol& without = *suites_registry("dlib").protocol("determinism");
  EXPECT_EQ(without.default_calls, 5u);
  for (const Step& step : without.steps(sample, 0)) EXPECT_EQ(step.problem.mode, Mode::train);
}

TEST(DialectAxes, NoDialectExcusesAStatisticalCheck) {
  for (const std::string& name : builtin_dialects())
    for (const auto& check : suites_registry(name).checks())
      // What gradients are is an axis of its own.
      if (!check->is_exact() && !check->info().row && check->info().suite() != "gradient_consistency") {
        EXPECT_EQ(check->info().impossible, "") << name << ", " << check->info().id;
      }
}

TEST(DialectAxes, AWrongRateFailsUnderEveryDialect) {
  for (const std::string& name : builtin_dialects()) {
    PlantedBackend backend;
    backend.rate = [](double p) { return 1.2 * p; };
    const Judgement j = testing::judge("mask_rate.drop_rate", "mask", "op=dropout,p=0.3,shape=256x256",
                                       backend, {.registry = &suites_registry(name)});
    EXPECT_EQ(j.verdict, Verdict::fail) << name;
  }
}

/// A backend that does what a dialect says.
void obey(PlantedBackend& b, const Dialect& dialect) {
  b.instead = [dialect](const Call& call) -> std::optional<Expected<Observation>> {
    if (call.p == 1 && dialect.p_one == AtOne::refused) return refusal();
    if (call.p == 1 && dialect.p_one == AtOne::input) return copied(call);
    if (call.mode == Mode::eval && !dialect.has_eval()) return refusal();
    return std::nullopt;
  };
  b.spoil_value = [dialect](const Drawn& drawn, std::size_t i, bool dropped, double y) {
    const bool multiplied = dialect.dropped == DroppedRule::multiply;
    if (is_alpha(drawn.call.op)) return y;
    if (dropped) return multiplied ? reference::zeroed(drawn.x[i]) : y;
    return dialect.scale == TrainScale::none ? drawn.x[i] : y;
  };
  if (dialect.eval == EvalRule::times_q) multiplies_by_q_in_eval(b);
  b.unscaled_gradients = dialect.scale == TrainScale::none;
  b.eval_gradients_times_q = dialect.eval == EvalRule::times_q;
}

class BuiltInDialect : public ::testing::TestWithParam<std::string> {};
std::string test_name(const ::testing::TestParamInfo<std::string>& row) {
  std::string name = row.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(All, BuiltInDialect, ::testing::ValuesIn(builtin_dialects()), test_name);

/// Checks that ask for what the planted backend has not: other instances, forms of a call, an offset that
/// matters.
bool asks_for_more(const std::string& id) {
  static const std::set<std::string> ids = {
      "seed_determinism.fresh_process",     "seed_determinism.forms",
      "seed_determinism.offset_bits",       "seed_determinism.equal_ranks",
      "seed_determinism.independent_ranks", "gradient_consistency.double_backward"};
  return ids.contains(id);
}

TEST_P(BuiltInDialect, PassesABackendThatDoesWhatItSaysInEveryExactCheck) {
  const Registry& registry = suites_registry(GetParam());
  const Dialect dialect = builtin_dialect(GetParam());
  std::size_t judged = 0;
  for (const auto& check : registry.checks()) {
    const CheckInfo& info = check->info();
    if (!check->is_exact() || !info.impossible.empty() || info.row || info.foreign ||
        info.protocols.empty() || info.suite() == "exact_stream" || info.suite() == "embedding" ||
        info.id == kRate || asks_for_more(info.id))
      continue;
    for (const std::string& protocol : info.protocols) {
      const auto& own = registry.protocol(protocol)->own_problem;
      const std::string problem = own ? print_descriptor(*own)
                                  : info.suite() == "channel_correlation"
                                      ? "op=dropout2d,p=0.15,shape=16x17x2x3"
                                      : kExact;
      if (!check->applies({protocol, testing::problem_of(problem), 1, 1}).applies) continue;
      PlantedBackend backend;
      obey(backend, dialect);
      testing::Sampling sampling;
      sampling.registry = &registry;
      sampling.instances = [&](const Instance&) -> Expected<std::unique_ptr<Backend>> {
        auto other = std::make_unique<PlantedBackend>();
        obey(*other, dialect);
        return std::unique_ptr<Backend>(std::move(other));
      };
      const Judgement j = testing::judge(info.id, protocol, problem, backend, sampling);
      EXPECT_EQ(j.verdict, Verdict::pass) << info.id << " on " << protocol << ": " << j.message;
      ++judged;
    }
  }
  EXPECT_GT(judged, 10u);
}

}  // namespace
}  // namespace dropcheck::suites
