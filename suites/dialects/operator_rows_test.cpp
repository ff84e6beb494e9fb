// Rows 1 to 54 and 107 against a model of PyTorch's operators, and against the model with planted defects.
#include <cmath>

#include "harness/core/element.hpp"
#include "reference/scale_forms.hpp"
#include "suites/dialects/row_testing.hpp"
#include "suites/testing/cpu_model.hpp"

namespace dropcheck::suites::testing {
namespace {

using reference::ScaleForm;

bool is_bad(double p) { return !(p >= 0 && p <= 1); }
bool is_native(const Call& call) { return form_of(call.attributes) == "native_dropout"; }
bool in_train(const Call& call) { return call.mode == Mode::train; }
bool zeroes(const Call& call) { return in_train(call) && call.p == 1; }

/// Only calls that `when` chooses are changed.
template <typename When, typename Change>
SpoiledBackend::Before asked_where(When when, Change change) {
  return [when, change](Call& call) {
    if (when(call)) change(call);
  };
}

void with_good_p(Call& call) { call.p = 0.5; }
void without_form(Call& call) { call.attributes.clear(); }
void with_another_seed(Call& call) {
  if (call.seed) *call.seed ^= 1;
}
void other_words(std::string& message) { message = "something is wrong"; }

/// Elements that hold one value get another.
template <typename Which>
auto replace(Which which, double by) {
  return [which, by](const Call& call, std::vector<double>& y) {
    const std::vector<double> x = read(call.x);  // in place it holds the result
    for (std::size_t e = 0; e < y.size(); ++e)
      if (which(x[e], y[e])) y[e] = by;
  };
}

/// Kept elements follow another form.
auto kept_as(ScaleForm form) {
  return result_where(
      [](const Call& call) { return draws(call) && !call.in_place && is_float(call.x.view.dtype); },
      [form](const Call& call, std::vector<double>& y) {
        const std::vector<double> x = read(call.x);
        for (std::size_t e = 0; e < y.size(); ++e)
          if (y[e] != 0) y[e] = reference::kept_value(form, x[e], call.p, call.x.view.dtype);
      });
}

/// The results of calls without a shared input, so that x can be read.
bool out_of_place(const Call& call) { return !call.in_place && call.op == Op::dropout; }
bool draws_out_of_place(const Call& call) { return draws(call) && out_of_place(call); }
bool zeroes_out_of_place(const Call& call) { return zeroes(call) && out_of_place(call); }

TEST(OperatorRows, PassTheModelOfEachRelease) {
  const std::vector<int> both = {1,  2,  3,  4,  5,  6,  10, 11, 12, 13, 14, 15, 17, 18, 19,
                                 20, 21, 22, 23, 24, 25, 31, 32, 33, 34, 35, 36, 37, 38, 39,
                                 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 51, 52, 54};
  for (const char* version : {"1.13.1", "2.13.0"}) {
    SCOPED_TRACE(version);
    CpuModel model(version);
    expect_passes(both, model);
    EXPECT_EQ(judge_row(50, model).verdict, Verdict::pass);
  }
  CpuModel old_release("1.13.1"), new_release("2.13.0");
  expect_passes({27}, old_release);
  expect_passes({26, 107}, new_release);
  for (const int row : {26, 107}) EXPECT_EQ(judge_row(row, old_release).verdict, Verdict::unsupported);
  EXPECT_EQ(judge_row(27, new_release).verdict, Verdict::unsupported);
}

TEST(OperatorRows, SayWhatCannotBeComparedWithWhoClaimsNothing) {
  CpuModel model("1.13.1");
  model.claims.conforms_to.clear();
  model.claims.exact_stream.clear();
  for (const int row : {21, 39, 40, 44, 46, 47}) {
    const Judgement judgement = judge_row(row, model);
    EXPECT_EQ(judgement.verdict, Verdict::unsupported) << row << ": " << judgement.message;
    EXPECT_THAT(judgement.message, ::testing::HasSubstr("is not claimed")) << row;
  }
  model.claims.exact_stream = "pytorch-cpu?variant=mcg31";
  EXPECT_EQ(judge_row(39, model).verdict, Verdict::unsupported);
}

TEST(DropProbabilityRows, CatchPlantedDefects) {
  CpuModel model("1.13.1");
  const auto bad = [](const Call& call) { return is_bad(call.p); };
  expect_failures(
      {
          {.row = 1,
           .what = "p above 1 taken as 1",
           .said = "is accepted",
           .before =
               asked_where([](const Call& call) { return call.p > 1; }, [](Call& call) { call.p = 1; })},
          {.row = 1,
           .what = "other words",
           .said = "is refused with the words",
           .after = refused_with(other_words)},
          {.row = 2,
           .what = "NaN accepted",
           .said = "is accepted",
           .before = asked_where([](const Call& call) { return std::isnan(call.p); }, with_good_p)},
          {.row = 3,
           .what = "eval does not look at p",
           .said = "is accepted",
           .before = asked_where([](const Call& call) { return !in_train(call); }, with_good_p)},
          {.row = 4,
           .what = "-0.0 draws",
           .said = "differ from the input",
           .before = asked_where([](const Call& call) { return std::signbit(call.p); }, with_good_p)},
          {.row = 4,
           .what = "a copy instead of the input",
           .said = "it must return the input itself",
           .after = told([](const Call&, Observation& seen) { seen.aliases_input = false; })},
          {.row = 5,
           .what = "p printed instead of 1 - p",
           .said = "expected are 'bernoulli_",
           .after = refused_with([](std::string& message) { message.back() = '7'; })},
          {.row = 5, .what = "accepted", .said = "is accepted", .before = asked_where(bad, with_good_p)},
          {.row = 6,
           .what = "p is looked at",
           .said = "it must be served",
           .before = asked_where(bad, without_form)},
          {.row = 6,
           .what = "a mask of zeros",
           .said = "elements that are not kept",
           .after =
               [](const Call& call, Expected<Observation>&) {
                 for (const NamedTensor& output : call.outputs)
                   write(std::vector<double>(static_cast<std::size_t>(call.x.view.count())), output.tensor);
               }},
          {.row = 6,
           .what = "the input itself",
           .said = "it must return a new tensor",
           .after = told([](const Call&, Observation& seen) { seen.aliases_input = true; })},
          {.row = 10, .what = "accepted", .said = "is accepted", .before = asked_where(bad, with_good_p)},
      },
      model);
}

TEST(IdentityRows, CatchPlantedDefects) {
  CpuModel model("1.13.1");
  const auto drawing = [&model](auto when) {
    return asked_where(when, [&model](Call&) { model.stream.next_word(); });
  };
  const auto eval = [](const Call& call) { return !in_train(call); };
  const auto empty = [](const Call& call) { return call.x.view.count() == 0; };
  const auto p_0 = [](const Call& call) { return call.p == 0; };
  const std::string drawn = "after calls that must draw nothing";
  expect_failures(
      {
          {.row = 11,
           .what = "trains in eval mode",
           .said = "differ from the input",
           .before = [](Call& call) { call.mode = Mode::train; }},
          {.row = 11, .what = "draws in eval mode", .said = drawn, .before = drawing(eval)},
          {.row = 11,
           .what = "no alias in eval mode",
           .said = "it must return the input itself",
           .after = told([](const Call&, Observation& seen) { seen.aliases_input = false; })},
          {.row = 12, .what = "draws for p = 0", .said = drawn, .before = drawing(p_0)},
          {.row = 12,
           .what = "words for p = 0",
           .said = "uses 2 generator words",
           .after = told([](const Call& call, Observation& seen) {
             if (call.p == 0) seen.rng_words = 2;
           })},
          {.row = 12,
           .what = "no alias for p = 0",
           .said = "it must return the input itself",
           .after = told([](const Call&, Observation& seen) { seen.aliases_input = false; })},
          {.row = 13, .what = "draws for nothing", .said = drawn, .before = drawing(empty)},
          {.row = 13,
           .what = "another shape",
           .said = "has a result of shape [1]",
           .after = told([](const Call& call, Observation& seen) {
             if (call.x.view.count() == 0) seen.produced_shape = {1};
           })},
          {.row = 20, .what = "draws for p = 1", .said = drawn, .before = drawing(zeroes)},
          {.row = 20,
           .what = "words for p = 1",
           .said = "it must use 0",
           .after = told([](const Call& call, Observation& seen) {
             if (zeroes(call)) seen.rng_words = 90;
           })},
          {.row = 21,
           .what = "does not draw for p = 0",
           .said = "uses 0 generator words",
           .before = asked_where(p_0, without_form)},
          {.row = 21,
           .what = "draws without counting",
           .said = "the stream after",
           .before = asked_where([](const Call& call) { return !call.seed; },
                                 [&model](Call&) { model.stream.next_word(); })},
      },
      model);
}

TEST(ValueRows, CatchPlantedDefects) {
  CpuModel model("1.13.1");
  const auto is_zero = [](double, double y) { return y == 0; };
  const auto was_nan = [](double x, double) { return std::isnan(x); };
  const auto lost_infinity = [](double x, double y) { return std::isinf(x) && std::isnan(y); };
  expect_failures(
      {
          {.row = 14,
           .what = "zeros without a sign",
           .said = "a zero with the sign of the input",
           .after = result_where(zeroes_out_of_place, replace(is_zero, 0.0))},
          {.row = 15,
           .what = "NaN cleared by p = 1",
           .said = "p = 1 makes NaN",
           .after = result_where(zeroes_out_of_place, replace(was_nan, 0.0))},
          {.row = 17,
           .what = "dropped NaN is 0",
           .said = "NaN stays NaN",
           .after = result_where(draws_out_of_place, replace(was_nan, 0.0))},
          {.row = 18,
           .what = "a dropped infinity is 0",
           .said = "a dropped infinity is NaN",
           .after = result_where(draws_out_of_place, replace(lost_infinity, 0.0))},
          {.row = 18,
           .what = "a kept infinity changes its sign",
           .said = "a kept infinity stays",
           .after = result_where(draws_out_of_place,
                                 replace([](double, double y) { return std::isinf(y); }, -INFINITY))},
          {.row = 19,
           .what = "zeros without a sign",
           .said = "a zero with the sign of the input",
           .after = result_where(draws_out_of_place, replace(is_zero, 0.0))},
          {.row = 22,
           .what = "one unit in the last place",
           .said = "are not x * fl(1/fl(q))",
           .after = result_where(draws_out_of_place,
                                 [](const Call& call, std::vector<double>& y) {
                                   if (call.x.view.dtype == DType::f32)
                                     y[7] =
                                         static_cast<double>(std::nextafterf(static_cast<float>(y[7]), 100));
                                 })},
          {.row = 22,
           .what = "the other reciprocal",
           .said = "are not x * fl(1/fl(q))",
           .after = kept_as(ScaleForm::rounded_reciprocal)},
          {.row = 22,
           .what = "everything dropped",
           .said = "keeps no element",
           .after = result_where(draws_out_of_place, replace([](double, double) { return true; }, 0.0))},
          {.row = 23, .what = "the scale of dropout", .said = "are not x * fl(1/q)", .before = without_form},
          {.row = 24, .what = "the scale of dropout", .said = "are not x * fl(1/q)", .before = without_form},
          {.row = 25,
           .what = "the quotient",
           .said = "are not x * fl(1/fl(q))",
           .after = kept_as(ScaleForm::quotient)},
          {.row = 27,
           .what = "the scale of newer releases",
           .said = "are not x * fl(1/fl(q))",
           .after = kept_as(ScaleForm::reciprocal_of_wide_q)},
      },
      model);
  CpuModel newer("2.13.0");
  expect_failures({{.row = 26,
                    .what = "the scale of 1.13.1",
                    .said = "are not x * fl(1/fl32(q))",
                    .after = kept_as(ScaleForm::reciprocal_of_rounded_q)}},
                  newer);
}

TEST(DTypeRows, CatchPlantedDefects) {
  CpuModel model("1.13.1");
  const auto no_float = [](const Call& call) { return !is_float(call.x.view.dtype); };
  const auto fact = [](const char* name, const char* value) {
    return told([name, value](const Call& call, Observation& seen) {
      if (is_native(call)) seen.facts[name] = value;
    });
  };
  const auto spoil_mask = [](const Call& call, Expected<Observation>& seen) {
    if (!seen || call.outputs.empty()) return;
    std::vector<double> mask = read(call.outputs[0].tensor);
    mask[0] = 1 - mask[0];
    if (is_float(call.x.view.dtype)) write(mask, call.outputs[0].tensor);
  };
  expect_failures(
      {
          {.row = 31,
           .what = "accepted",
           .said = "is accepted",
           .before = asked_where(no_float, [](Call& call) { call.mode = Mode::eval; })},
          {.row = 31,
           .what = "other words",
           .said = "is refused with the words",
           .after = refused_with(other_words)},
          {.row = 32,
           .what = "refused at rest",
           .said = "it must be served",
           .before = asked_where([](const Call& call) { return call.p == 1; }, with_good_p)},
          {.row = 32,
           .what = "another dtype",
           .said = "has a result of dtype f32",
           .after = told([](const Call&, Observation& seen) { seen.produced_dtype = DType::f32; })},
          {.row = 33,
           .what = "other words",
           .said = "is refused with the words",
           .after = refused_with(other_words)},
          {.row = 33,
           .what = "accepted",
           .said = "is accepted",
           .before = [](Call& call) { call.mode = Mode::eval; }},
          {.row = 34,
           .what = "a mask of another dtype",
           .said = "it must be bool",
           .after = fact("mask_dtype", "c64")},
          {.row = 34, .what = "refused", .said = "it must be served", .before = without_form},
          {.row = 35,
           .what = "other words",
           .said = "is refused with the words",
           .after = refused_with(other_words)},
          {.row = 36,
           .what = "refused before it draws",
           .said = "of the call that failed",
           .before = asked_where(no_float, [](Call& call) { call.p = 2; })},
          {.row = 36,
           .what = "writes before it fails",
           .said = "has changed its input",
           .after =
               [](const Call& call, Expected<Observation>& seen) {
                 if (!seen && call.in_place) call.x.view.data[0] ^= std::byte{1};
               }},
          {.row = 37,
           .what = "a mask of another dtype",
           .said = "it must be bool",
           .after = fact("mask_dtype", "u8")},
          {.row = 37,
           .what = "a mask of another shape",
           .said = "tells mask_shape",
           .after = fact("mask_shape", "[1]")},
          {.row = 37, .what = "a wrong mask", .said = "do not say what became", .after = spoil_mask},
          {.row = 38,
           .what = "a boolean mask",
           .said = "tells mask_dtype",
           .after = fact("mask_dtype", "bool")},
          {.row = 38,
           .what = "a copy",
           .said = "it must return the input itself",
           .after = told([](const Call&, Observation& seen) { seen.aliases_input = false; })},
      },
      model);
  CpuModel newer("2.13.0");
  const auto half = [](const Call& call) { return call.x.view.dtype == DType::f16; };
  expect_failures(
      {
          {.row = 35,
           .what = "still refused",
           .said = "it must be served",
           .after =
               [half](const Call& call, Expected<Observation>& seen) {
                 if (half(call)) seen = Error{ErrorCode::unsupported, "not implemented for 'Half'"};
               }},
          {.row = 35,
           .what = "the scale of bf16 in 1.13.1",
           .said = "are not x * fl(1/fl32(q))",
           .after = kept_as(ScaleForm::reciprocal_of_rounded_q)},
          {.row = 35,
           .what = "a mask of its own",
           .said = "drops other elements",
           .before = asked_where(half, with_another_seed)},
      },
      newer);
}

TEST(StreamRows, CatchPlantedDefects) {
  CpuModel model("1.13.1");
  const auto drops_first = result_where(draws, replace([](double, double) { return true; }, 0.0));
  const auto dtype = [](DType which) {
    return [which](const Call& call) { return call.x.view.dtype == which; };
  };
  const std::string differ = "mask entries differ from MT19937";
  expect_failures(
      {
          {.row = 39, .what = "everything dropped", .said = differ, .after = drops_first},
          {.row = 39,
           .what = "another mask for 17 elements",
           .said = differ,
           .before =
               asked_where([](const Call& call) { return call.x.view.count() == 17; }, with_another_seed)},
          {.row = 40,
           .what = "another mask",
           .said = "differ from the mask that was written down",
           .before = with_another_seed},
          {.row = 41,
           .what = "high halves of seeds count",
           .said = differ,
           .before = asked_where([](const Call& call) { return call.seed.value_or(0) >> 32 != 0; },
                                 with_another_seed)},
          {.row = 42,
           .what = "bf16 has a mask of its own",
           .said = differ,
           .before = asked_where(dtype(DType::bf16), with_another_seed)},
          {.row = 43,
           .what = "three threads have a mask of their own",
           .said = differ,
           .before = asked_where([](const Call& call) { return call.threads == 3; }, with_another_seed)},
          {.row = 44,
           .what = "a word is lost between calls",
           .said = "the stream where the call before left it",
           .before = asked_where([](const Call& call) { return !call.seed; },
                                 [&model](Call&) { model.stream.next_word(); })},
          {.row = 45,
           .what = "three words an element",
           .said = "words for",
           .after = told([](const Call& call, Observation& seen) {
             seen.rng_words = 3 * static_cast<std::uint64_t>(call.x.view.count());
           })},
          {.row = 45,
           .what = "words of a build that is not claimed",
           .said = "the claim is the stream",
           .after = told([](const Call&, Observation& seen) { seen.rng_words = 1; })},
          {.row = 46,
           .what = "drawn by address",
           .said = "the stream in logical order",
           .before = [](Call& call) { call.attributes["form"] = "native_dropout"; }},
          {.row = 47,
           .what = "drawn in logical order",
           .said = "the stream in the order of addresses",
           .before = without_form},
          {.row = 54,
           .what = "a mask of its own for each p",
           .said = "that the smaller p = ",
           .before = asked_where([](const Call& call) { return call.p == 0.5; }, with_another_seed)},
          {.row = 54,
           .what = "one mask for all p",
           .said = "drops no more than the smaller p",
           .before = [](Call& call) { call.p = 0.3; }},
      },
      model);
  CpuModel mislabelled("1.13.1");  // draws in logical order, which 2.13 does not
  mislabelled.claims.version = "2.13.0";
  const Judgement order = judge_row(46, mislabelled);
  EXPECT_EQ(order.verdict, Verdict::fail);
  EXPECT_THAT(order.message, ::testing::HasSubstr("the stream in the order of addresses"));
}

TEST(StreamRows, AskTheGeneratorForAnOffset) {
  CpuModel model("2.13.0");
  expect_failures({{.row = 107,
                    .what = "other words",
                    .said = "is refused with the words",
                    .after = refused_with(other_words)}},
                  model);
  SpoiledBackend ignores(model);
  ignores.claims.offset_unit.clear();
  ignores.before = [](Call& call) { call.offset = 0; };
  EXPECT_EQ(judge_row(107, ignores).verdict, Verdict::unsupported);
  ignores.claims.offset_unit = "words";
  const Judgement accepted = judge_row(107, ignores);
  EXPECT_EQ(accepted.verdict, Verdict::fail);
  EXPECT_THAT(accepted.message, ::testing::HasSubstr("is accepted"));
}

TEST(LayoutRows, CatchPlantedDefects) {
  CpuModel model("1.13.1");
  const auto expanded = [](const Call& call) {
    return draws(call) && !call.x.view.strides.empty() && call.x.view.strides[0] == 0 &&
           call.x.view.shape[0] > 1;
  };
  const auto one_draw_for_all = [](const Call& call, std::vector<double>& y) {
    const std::size_t slice = y.size() / static_cast<std::size_t>(call.x.view.shape[0]);
    for (std::size_t e = slice; e < y.size(); ++e) y[e] = y[e % slice];
  };
  expect_failures(
      {
          {.row = 48,
           .what = "always contiguous",
           .said = "they must be [1, 6]",
           .after = told([](const Call& call, Observation& seen) {
             if (call.x.view.shape.size() == 2) seen.produced_strides = {20, 1};
           })},
          {.row = 49,
           .what = "gaps in the result",
           .said = "they must be [1]",
           .after = told(
               [](const Call& call, Observation& seen) { seen.produced_strides = call.x.view.strides; })},
          {.row = 49,
           .what = "contiguous for p = 0",
           .said = "they must be [2]",
           .after = told([](const Call& call, Observation& seen) {
             if (call.p == 0 && call.x.view.shape.size() == 1) seen.produced_strides = {1};
           })},
          {.row = 50,
           .what = "one draw for all copies",
           .said = "of copies of one element have different fates",
           .after = result_where(expanded, one_draw_for_all)},
          {.row = 51,
           .what = "accepted",
           .said = "is accepted",
           .before = asked_where(expanded, [](Call& call) { call.p = 0; })},
          {.row = 51,
           .what = "other words",
           .said = "is refused with the words",
           .after = refused_with(other_words)},
          {.row = 51,
           .what = "refused before it draws",
           .said = "of the call that failed",
           .after =
               [&model, expanded](const Call& call, Expected<Observation>& seen) {
                 if (!seen && expanded(call)) model.stream = reference::PyTorchCpuStream(*call.seed);
               }},
          {.row = 52,
           .what = "another mask in place",
           .said = "gives another result",
           .before = asked_where([](const Call& call) { return call.in_place; }, with_another_seed)},
      },
      model);
}

}  // namespace
}  // namespace dropcheck::suites::testing
