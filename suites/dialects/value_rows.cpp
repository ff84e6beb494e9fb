// Rows 14-19 and 22-30: the values of kept and dropped elements, to the bit.

#include <cmath>

#include "suites/dialects/pytorch.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/dialects/row_values.hpp"

namespace dropcheck::suites {
namespace {

using reference::ScaleForm;

constexpr DType kDTypes[] = {DType::f32, DType::f64, DType::bf16, DType::f16};

/// Elements of step i that break a rule of one element, counted and shown.
template <typename Selects, typename Holds>
void require_elements(RowTrial& trial, std::size_t i, Selects&& selects, Holds&& holds, const char* rule) {
  if (!trial.answered(i)) return;
  const Reply& reply = trial.reply(i);
  std::uint64_t compared = 0, wrong = 0;
  std::size_t first = 0;
  for (std::size_t e = 0; e < trial.elements(i, reply.y); ++e) {
    const double x = trial.value(i, reply.x, e), y = trial.value(i, reply.y, e);
    if (!selects(e, x, y)) continue;
    ++compared;
    if (!holds(x, y) && wrong++ == 0) first = e;
  }
  trial.require_all(compared, wrong, [&] {
    return fmt::format("{}: {} of {} elements break the rule that {}; element {} was {} and is {}",
                       trial.place(i), wrong, compared, rule, first, trial.value(i, reply.x, first),
                       trial.value(i, reply.y, first));
  });
}

// --- 14 and 15: p = 1

std::vector<Step> calls_with_p_1() {
  std::vector<Step> steps;
  for (const DType dtype : kDTypes) {
    for (const Input input : {Input::extremes, Input::random_reals}) {
      steps.push_back(seeded_step(problem_of(1, {90}, dtype), input));
      steps.push_back(seeded_step(in_place(problem_of(1, {90}, dtype)), input));
      steps.push_back(seeded_step(problem_of(1, {5, 3, 6}, dtype, Op::dropout2d), input));
    }
    for (const Layout layout : {Layout::transposed, Layout::strided, Layout::expanded})
      steps.push_back(seeded_step(with_layout(problem_of(1, {6, 30}, dtype), layout), Input::extremes));
  }
  for (const char* form : {"module", "functional"})
    steps.push_back(through(seeded_step(problem_of(1, {90}), Input::extremes), form));
  return steps;
}

bool zero_like(double x, double y) { return y == 0 && std::signbit(y) == std::signbit(x); }

void judge_signed_zeros(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i)
    require_elements(
        trial, i, [](std::size_t, double x, double) { return std::isfinite(x); }, zero_like,
        "p = 1 makes a zero with the sign of the input");
}

void judge_not_finite(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i)
    require_elements(
        trial, i, [](std::size_t, double x, double) { return !std::isfinite(x); },
        [](double, double y) { return std::isnan(y); }, "p = 1 makes NaN of NaN and of infinities");
}

// --- 17, 18, 19: ones and then extremes under the same seed

std::vector<Step> pairs_of_masks() {
  std::vector<Step> steps;
  const auto add = [&](const Problem& problem) {
    steps.push_back(seeded_step(problem));
    steps.push_back(seeded_step(problem, Input::extremes));
  };
  for (const double p : {0.1, 0.15, 0.3, 0.5, 0.9})
    for (const DType dtype : kDTypes) add(problem_of(p, {450}, dtype));
  for (const double p : {0.3, 0.7}) {
    add(in_place(problem_of(p, {450})));
    add(problem_of(p, {30, 15, 3}, DType::f32, Op::dropout2d));
    for (const Layout layout : {Layout::transposed, Layout::strided, Layout::expanded})
      add(with_layout(problem_of(p, {18, 25}), layout));
  }
  return steps;
}

void judge_nan(RowTrial& trial) {
  for (std::size_t i = 1; i < trial.size(); i += 2)
    require_elements(
        trial, i, [](std::size_t, double x, double) { return std::isnan(x); },
        [](double, double y) { return std::isnan(y); }, "NaN stays NaN, kept or dropped");
}

void judge_infinities(RowTrial& trial) {
  for (std::size_t i = 1; i < trial.size(); i += 2) {
    if (!trial.answered(i - 1) || !trial.answered(i)) continue;
    const std::vector<bool> dropped = trial.dropped(i - 1);
    require_elements(
        trial, i, [&](std::size_t e, double x, double) { return std::isinf(x) && dropped[e]; },
        [](double, double y) { return std::isnan(y); }, "a dropped infinity is NaN");
    require_elements(
        trial, i, [&](std::size_t e, double x, double) { return std::isinf(x) && !dropped[e]; },
        [](double x, double y) { return y == x; }, "a kept infinity stays");
  }
}

void judge_dropped_signs(RowTrial& trial) {
  for (std::size_t i = 1; i < trial.size(); i += 2)
    require_elements(
        trial, i, [](std::size_t, double x, double y) { return std::isfinite(x) && y == 0; }, zero_like,
        "a dropped element is a zero with the sign of the input");
}

// --- 22 and 23: the scale of each interface

std::vector<Step> dropout_scales() {
  std::vector<Step> steps;
  for (const double p : common_and_telling_p()) {
    for (const DType dtype : {DType::f32, DType::f64}) {
      steps.push_back(seeded_step(problem_of(p, {2048}, dtype), Input::random_reals));
      steps.push_back(seeded_step(in_place(problem_of(p, {2048}, dtype)), Input::random_reals));
    }
    steps.push_back(seeded_step(problem_of(p, {64, 32, 3}, DType::f32, Op::dropout2d), Input::random_reals));
    for (const char* form : {"module", "functional"})
      steps.push_back(through(seeded_step(problem_of(p, {1024}), Input::random_reals), form));
  }
  for (const Layout layout : {Layout::transposed, Layout::strided, Layout::shifted, Layout::expanded})
    steps.push_back(seeded_step(with_layout(problem_of(0.15, {32, 65}), layout), Input::random_reals));
  steps.push_back(
      seeded_step(with_layout(problem_of(0.15, {4, 16, 5, 7}), Layout::channels_last), Input::random_reals));
  return steps;
}

std::vector<Step> native_scales() {
  std::vector<Step> steps;
  for (const double p : common_and_telling_p()) {
    for (const std::int64_t n : {1024, 1023})
      steps.push_back(through(seeded_step(problem_of(p, {n}), Input::random_reals), "native_dropout"));
    for (const DType dtype : {DType::f64, DType::f16, DType::bf16})  // f16 where dropout itself has none, too
      steps.push_back(
          through(asked_step(problem_of(p, {1023}, dtype), Input::random_reals), "native_dropout"));
  }
  for (const Layout layout : {Layout::transposed, Layout::strided, Layout::expanded})
    steps.push_back(through(seeded_step(with_layout(problem_of(0.15, {32, 65}), layout), Input::random_reals),
                            "native_dropout"));
  return steps;
}

template <ScaleForm form>
void judge_form(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i)
    if (trial.answered(i)) require_kept_form(trial, i, form);
}

/// Elements of which some are kept for every p of two decimals, but with probability 0.99^4096 < 1e-17.
constexpr std::int64_t kEnough = 4096;

// --- 24: both interfaces under one seed, at every p of two decimals

std::vector<Step> both_interfaces() {
  std::vector<Step> steps;
  for (const double p : two_decimal_p()) {
    steps.push_back(seeded_step(problem_of(p, {kEnough})));
    steps.push_back(through(seeded_step(problem_of(p, {kEnough})), "native_dropout"));
  }
  return steps;
}

/// The scale that a mask of ones shows; 0 where nothing is kept.
float scale_of(const RowTrial& trial, std::size_t i) {
  for (std::size_t e = 0; e < trial.elements(i, trial.reply(i).y); ++e)
    if (const double y = trial.value(i, trial.reply(i).y, e); y != 0) return static_cast<float>(y);
  return 0;
}

void judge_both_interfaces(RowTrial& trial) {
  for (std::size_t i = 0; i + 1 < trial.size(); i += 2) {
    if (!trial.answered(i) || !trial.answered(i + 1)) continue;
    require_kept_form(trial, i, ScaleForm::reciprocal_of_rounded_q);
    require_kept_form(trial, i + 1, ScaleForm::rounded_reciprocal);
    const double p = trial.step(i).problem.p;
    const float plain = scale_of(trial, i), native = scale_of(trial, i + 1);
    const bool neighbours = plain != native && std::nextafter(plain, native) == native;
    trial.require(is_telling(p) ? neighbours : plain == native, [&] {
      return fmt::format("{}: dropout scales by {:.9g} and native_dropout by {:.9g}; they must {}",
                         trial.place(i), plain, native,
                         is_telling(p) ? "differ by one unit in the last place" : "be equal");
    });
  }
}

// --- 25: the quotient is another number

std::vector<Step> all_two_decimals() {
  std::vector<Step> steps;
  for (const double p : two_decimal_p())
    steps.push_back(seeded_step(problem_of(p, {kEnough}), Input::random_reals));
  return steps;
}

void judge_no_quotient(RowTrial& trial) {
  std::uint64_t kept = 0, differ = 0;
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    require_kept_form(trial, i, ScaleForm::reciprocal_of_rounded_q);
    const Problem& problem = trial.step(i).problem;
    const reference::ScaleRule quotient(ScaleForm::quotient, problem.p, problem.dtype);
    const Reply& reply = trial.reply(i);
    for (std::size_t e = 0; e < trial.elements(i, reply.y); ++e) {
      const double y = trial.value(i, reply.y, e);
      if (y == 0) continue;
      ++kept;
      differ += y == quotient(trial.value(i, reply.x, e)) ? 0u : 1u;
    }
  }
  if (kept == 0) return;
  trial.require(differ > 0, [] {
    return std::string(
        "every kept value is x / (1 - p); it must be x times a rounded reciprocal, which is another "
        "number for many x");
  });
  trial.note(fmt::format("{} of {} kept values are not the quotient", differ, kept));
}

// --- 26 and 27: bf16

std::vector<Step> half_scales() {
  std::vector<Step> steps;
  for (const double p : two_decimal_p()) {
    steps.push_back(seeded_step(problem_of(p, {kEnough}, DType::bf16), Input::random_reals));
    steps.push_back(seeded_step(in_place(problem_of(p, {kEnough - 1}, DType::bf16)), Input::random_reals));
  }
  steps.push_back(
      seeded_step(problem_of(0.15, {64, 32, 3}, DType::bf16, Op::dropout2d), Input::random_reals));
  for (const Layout layout : {Layout::transposed, Layout::strided, Layout::expanded})
    steps.push_back(
        seeded_step(with_layout(problem_of(0.15, {32, 65}, DType::bf16), layout), Input::random_reals));
  return steps;
}

}  // namespace

std::vector<RowDefinition> value_rows() {
  const Problem plain = problem_of(0.15, {2048});
  return {
      {.row = {14,
               "dropout",
               "p = 1, finite input",
               "zeros that keep the sign of the input",
               "bitwise",
               kRunOnBoth,
               "all",
               {}},
       .axes = {Axis::p_one, Axis::dropped},
       .problem = problem_of(1, {90}),
       .steps = calls_with_p_1,
       .judge = judge_signed_zeros,
       .held = "p = 1 makes zeros with the sign of the input"},
      {.row = {15, "dropout", "p = 1, input NaN or infinite", "NaN", "bitwise", kRunOnBoth, "all", {}},
       .axes = {Axis::p_one, Axis::dropped},
       .problem = problem_of(1, {90}),
       .steps = calls_with_p_1,
       .judge = judge_not_finite,
       .held = "p = 1 makes NaN of everything that is not finite"},
      {.row = {16, "native_dropout, CUDA", "p = 1, input NaN", "+0, and a mask that keeps nothing", "bitwise",
               "read in the source", "not known", kNeedsCuda}},
      {.row = {17, "dropout", "input NaN, dropped", "NaN", "bitwise", kRunOnBoth, "all", {}},
       .axes = {Axis::dropped},
       .problem = problem_of(0.3, {450}),
       .steps = pairs_of_masks,
       .judge = judge_nan,
       .held = "NaN stays NaN where it is dropped"},
      {.row = {18, "dropout", "input infinite, dropped", "NaN", "bitwise", kRunOnBoth, "all", {}},
       .axes = {Axis::dropped},
       .problem = problem_of(0.3, {450}),
       .needs = {Feature::seeds},
       .steps = pairs_of_masks,
       .judge = judge_infinities,
       .held = "a dropped infinity is NaN, a kept one stays"},
      {.row = {19, "dropout", "input negative and finite, dropped", "-0.0", "bitwise", kRunOnBoth, "all", {}},
       .axes = {Axis::dropped},
       .problem = problem_of(0.3, {450}),
       .steps = pairs_of_masks,
       .judge = judge_dropped_signs,
       .held = "a dropped element keeps its sign"},
      {.row = {22,
               "dropout, CPU, f32 and f64",
               "kept elements",
               "x times the reciprocal, in the dtype, of 1 - p rounded to the dtype",
               "bitwise",
               kRunOnBoth,
               "all",
               {}},
       .axes = {Axis::scale},
       .problem = plain,
       .needs = {Feature::pytorch_conformance},
       .steps = dropout_scales,
       .judge = judge_form<ScaleForm::reciprocal_of_rounded_q>,
       .held = "kept elements are x * fl(1/fl(q))"},
      {.row = {23,
               "native_dropout, CPU, f32",
               "kept elements",
               "x times the reciprocal of 1 - p in double, rounded once",
               "bitwise",
               kRunOnBoth,
               "all",
               {}},
       .axes = {Axis::scale},
       .problem = plain,
       .needs = {Feature::pytorch_conformance},
       .steps = native_scales,
       .judge = judge_form<ScaleForm::rounded_reciprocal>,
       .held = "kept elements are x * fl(1/q)"},
      {.row = {24,
               "dropout and native_dropout, CPU, f32",
               "every p of two decimals",
               "scales one unit in the last place apart at fifteen of them, equal at the others",
               "bitwise",
               kRunOnBoth,
               "all",
               {}},
       .axes = {Axis::scale},
       .problem = plain,
       .needs = {Feature::pytorch_conformance},
       .steps = both_interfaces,
       .judge = judge_both_interfaces,
       .held = "the two scales differ at the fifteen p and nowhere else"},
      {.row = {25,
               "dropout, CPU, f32",
               "every p of two decimals",
               "kept values are not the quotient of x and 1 - p: only the product with the reciprocal agrees",
               "bitwise",
               kRunOnBoth,
               "all",
               {}},
       .axes = {Axis::scale},
       .problem = plain,
       .needs = {Feature::pytorch_conformance},
       .steps = all_two_decimals,
       .judge = judge_no_quotient,
       .held = "kept values are products, and some are not the quotient"},
      {.row = {26,
               "dropout, CPU, bf16",
               "kept elements, newer releases",
               "x times the reciprocal, rounded to bf16, of 1 - p rounded to f32",
               "bitwise",
               "run on 2.13",
               "2.13; the release that brought it is not known",
               {}},
       .axes = {Axis::scale},
       .problem = problem_of(0.15, {1024}, DType::bf16),
       .needs = {Feature::pytorch_conformance},
       .steps = half_scales,
       .judge = judge_form<ScaleForm::reciprocal_of_wide_q>,
       .held = "kept elements are x * fl(1/fl32(q))",
       .since = {2, 13}},
      {.row = {27,
               "dropout, CPU, bf16",
               "kept elements, 1.13.1",
               "x times the reciprocal, in bf16, of 1 - p rounded to bf16",
               "bitwise",
               "run on 1.13.1",
               "1.13.1; the release that ended it is not known",
               {}},
       .axes = {Axis::scale},
       .problem = problem_of(0.15, {1024}, DType::bf16),
       .needs = {Feature::pytorch_conformance},
       .steps = half_scales,
       .judge = judge_form<ScaleForm::reciprocal_of_rounded_q>,
       .held = "kept elements are x * fl(1/fl(q))",
       .until = {1, 14}},
      {.row = {28, "dropout, CUDA, f16 and bf16", "kept elements",
               "the product in f32 with the reciprocal of 1 - p in f32, rounded once", "bitwise",
               "read in the source", "not known", kNeedsCuda}},
      {.row = {29, "dropout in place, CUDA, f16", "kept elements",
               "x times the reciprocal in f32, rounded to f16 before the product", "bitwise",
               "read in the source, derived", "not known", kNeedsCuda}},
      {.row = {30, "native_dropout_backward, CUDA", "kept elements",
               "the product in f32 with 1 / (1 - p) rounded from double", "bitwise", "read in the source",
               "not known", kNeedsCuda}},
  };
}

}  // namespace dropcheck::suites
