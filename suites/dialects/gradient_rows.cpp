// Gradients: by what factor, with which signs, differentiated once more, and what happens to tensors that are
// overwritten around the call.

#include <algorithm>
#include <cmath>

#include "harness/core/element.hpp"
#include "reference/definition.hpp"
#include "suites/dialects/pytorch.hpp"
#include "suites/dialects/row_layers.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/dialects/row_values.hpp"

namespace dropcheck::suites {
namespace {

using reference::GradientForm;

constexpr std::string_view kLeafError =
    "a leaf Variable that requires grad is being used in an in-place operation";
constexpr std::string_view kVersionError =
    "one of the variables needed for gradient computation has been modified by an inplace operation";

Step gradient_step(Problem problem, Input upstream = Input::random_reals) {
  Step step = seeded_step(std::move(problem), Input::random_integers);
  step.upstream = upstream;
  return step;
}

Step with_autograd(Step step, const char* scenario) {
  step.attributes["autograd"] = std::string(scenario);
  return step;
}

// --- 86, 87

std::vector<Step> gradients() {
  std::vector<Step> steps;
  for (const double p : {.1, .15, .3, .5, .9})
    for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16})
      steps.push_back(gradient_step(problem_of(p, {40, 25}, dtype)));
  steps.push_back(gradient_step(problem_of(.15, {24, 40, 3, 2}, DType::f32, Op::dropout2d)));
  steps.push_back(gradient_step(in_place(problem_of(.15, {40, 25}))));
  for (const Layout layout : {Layout::transposed, Layout::strided, Layout::expanded})
    steps.push_back(gradient_step(with_layout(problem_of(.15, {40, 25}), layout)));
  steps.push_back(gradient_step(with_layout(problem_of(.3, {8, 6, 5, 4}), Layout::channels_last)));
  return steps;
}

void judge_gradients(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i)
    if (gradient_answered(trial, i))
      require_gradient(trial, i, trial.dropped(i), operator_forms(trial, trial.step(i).problem.dtype));
}

std::vector<Step> native_gradients() {
  std::vector<Step> steps;
  for (const double p : kTellingP)
    steps.push_back(through(gradient_step(problem_of(p, {40, 25})), "native_dropout"));
  for (const double p : {.1, .15, .3}) {
    steps.push_back(through(gradient_step(problem_of(p, {40, 25}, DType::f64)), "native_dropout"));
    steps.push_back(through(gradient_step(problem_of(p, {40, 25}, DType::bf16)), "native_dropout"));
  }
  steps.push_back(through(gradient_step(problem_of(1, {40, 25})), "native_dropout"));
  steps.push_back(through(gradient_step(problem_of(0, {40, 25})), "native_dropout"));
  return steps;
}

/// dx must be what `wanted` makes of dy and of whether the element was dropped.
template <typename Wanted>
void require_each(RowTrial& trial, std::size_t i, Wanted&& wanted) {
  const std::vector<double> dy = numbers(trial, i, trial.reply(i).dy),
                            dx = numbers(trial, i, trial.reply(i).dx);
  const std::vector<bool> dropped = trial.dropped(i);
  for (std::size_t e = 0; e < dx.size(); ++e) {
    const double value = wanted(dy[e], dropped[e]);
    trial.require(same_number(dx[e], value), [&] {
      return fmt::format("{}: element {} is {}, dy is {}, dx is {}; it must be {}", trial.place(i), e,
                         dropped[e] ? "dropped" : "kept", dy[e], dx[e], value);
    });
  }
}

void judge_native_gradients(RowTrial& trial) {
  constexpr GradientForm kNarrow[] = {GradientForm::rounded_reciprocal};
  constexpr GradientForm kHalf[] = {GradientForm::rounded_reciprocal, GradientForm::wide_reciprocal_B};
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!gradient_answered(trial, i)) continue;
    const Problem& problem = trial.step(i).problem;
    if (problem.p == 0) require_each(trial, i, [](double dy, bool) { return dy; });
    else if (problem.p == 1) require_each(trial, i, [](double dy, bool) { return reference::zeroed(dy); });
    else if (problem.dtype == DType::bf16) require_gradient(trial, i, trial.dropped(i), kHalf);
    else require_gradient(trial, i, trial.dropped(i), kNarrow);
  }
}

// --- 88

std::vector<Step> without_train() {
  std::vector<Step> steps;
  for (const double p : {.1, .15, .3, .5, .9}) {
    Step step = through(gradient_step(problem_of(p, {40, 25})), "native_dropout");
    step.attributes["train_none"] = true;
    steps.push_back(step);
  }
  return steps;
}

void judge_without_train(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!gradient_answered(trial, i)) continue;
    const Problem& problem = trial.step(i).problem;
    const reference::ScaleRule scale(reference::ScaleForm::rounded_reciprocal, problem.p, problem.dtype);
    const std::vector<double> x = numbers(trial, i, trial.reply(i).x),
                              y = numbers(trial, i, trial.reply(i).y);
    const std::vector<bool> dropped = trial.dropped(i);
    for (const bool kind : {false, true})
      trial.require(std::find(dropped.begin(), dropped.end(), kind) != dropped.end(), [&] {
        return fmt::format("{}: no element is {}", trial.place(i), kind ? "dropped" : "kept");
      });
    for (std::size_t e = 0; e < x.size(); ++e)
      trial.require(dropped[e] || same_number(y[e], scale(x[e])), [&] {
        return fmt::format("{}: element {} is {} and becomes {}; kept it must be {}", trial.place(i), e, x[e],
                           y[e], scale(x[e]));
      });
    require_each(trial, i, [](double dy, bool drop) { return drop ? reference::zeroed(dy) : dy; });
  }
}

// --- 89, 90

Step create_graph(Step step) {
  step.backward_attributes["create_graph"] = true;
  return step;
}

std::vector<Step> native_graphs() {
  std::vector<Step> steps;
  for (const double p : kTellingP)
    for (const DType dtype : {DType::f32, DType::bf16})
      steps.push_back(create_graph(through(gradient_step(problem_of(p, {40, 25}, dtype)), "native_dropout")));
  return steps;
}

void judge_native_graphs(RowTrial& trial) {
  // mask * s is rounded to the dtype before dy comes in: x * fl(1/q).
  constexpr GradientForm kForms[] = {GradientForm::rounded_reciprocal};
  for (std::size_t i = 0; i < trial.size(); ++i)
    if (gradient_answered(trial, i)) require_gradient(trial, i, trial.dropped(i), kForms);
}

std::vector<Step> second_gradients() {
  std::vector<Step> steps;
  for (const double p : {.1, .15, .3, .9})
    for (const Input v : {Input::ones, Input::alternating}) {
      Step step = create_graph(gradient_step(problem_of(p, {40, 25})));
      step.backward_inputs = {{"v", step.problem.shape, v}};
      step.backward_outputs = {{"d_dy", step.problem.shape}};
      steps.push_back(step);
    }
  return steps;
}

void judge_second_gradients(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!gradient_answered(trial, i)) continue;
    const Reply& reply = trial.reply(i);
    const Problem& problem = trial.step(i).problem;
    const std::vector<bool> dropped = trial.dropped(i);
    require_gradient(trial, i, dropped, operator_forms(trial, problem.dtype));
    const auto told = reply.gradient_seen.facts.find("d2x");
    const std::string d2x = told == reply.gradient_seen.facts.end() ? "not told" : told->second;
    trial.require(d2x == "none", [&] {
      return fmt::format("{}: the second derivative with respect to x is '{}'; there is none", trial.place(i),
                         d2x);
    });
    const auto found = reply.extra.find("d_dy");
    trial.require(found != reply.extra.end() && trial.elements(i, found->second) == dropped.size(),
                  [&] { return fmt::format("{}: the gradient of dx v is missing", trial.place(i)); });
    if (found == reply.extra.end() || trial.elements(i, found->second) != dropped.size()) continue;
    const reference::ScaleRule scale(reference::ScaleForm::reciprocal_of_rounded_q, problem.p, problem.dtype);
    const bool ones = trial.step(i).backward_inputs.at(0).input == Input::ones;
    for (std::size_t e = 0; e < dropped.size(); ++e) {
      const double v = ones ? 1 : e % 2 == 0 ? 64 : -64;
      const double wanted = dropped[e] ? reference::zeroed(v) : scale(v),
                   got = trial.value(i, found->second, e);
      trial.require(same_number(got, wanted), [&] {
        return fmt::format("{}: d(dx v)/d(dy) of element {}, {}, is {}; it must be {}", trial.place(i), e,
                           dropped[e] ? "dropped" : "kept", got, wanted);
      });
    }
  }
}

// --- 91

std::vector<Step> infinite_gradients() {
  std::vector<Step> steps;
  // Not bf16, of which some kernels make NaN with all bits set, which is what memory is poisoned with.
  for (const DType dtype : {DType::f32, DType::f64, DType::f16})
    steps.push_back(gradient_step(problem_of(1, {12, 15}, dtype), Input::extremes));
  steps.push_back(gradient_step(problem_of(1, {12, 15}, DType::f32, Op::dropout2d), Input::extremes));
  steps.push_back(gradient_step(in_place(problem_of(1, {12, 15})), Input::extremes));
  return steps;
}

void judge_infinite_gradients(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!gradient_answered(trial, i)) continue;
    const std::vector<double> dy = numbers(trial, i, trial.reply(i).dy),
                              dx = numbers(trial, i, trial.reply(i).dx);
    for (std::size_t e = 0; e < dx.size(); ++e) {
      const double zero = reference::zeroed(dy[e]);
      const bool right = trial.is_pytorch() ? same_number(dx[e], zero)
                                            : dx[e] == zero || (std::isnan(dx[e]) && std::isnan(zero));
      trial.require(right, [&] {
        return fmt::format("{}: element {} has dy {} and dx {}; it must be {}", trial.place(i), e, dy[e],
                           dx[e], zero);
      });
    }
  }
}

// --- 92, 93, 94

std::vector<Step> leaves() {
  std::vector<Step> steps;
  for (const Op op : {Op::dropout, Op::dropout2d, Op::alpha_dropout, Op::feature_alpha_dropout}) {
    for (const double p : {.1, .5, 1.})
      steps.push_back(with_autograd(refused_step(in_place(problem_of(p, {12, 15}, DType::f32, op))), "leaf"));
    steps.push_back(with_autograd(
        seeded_step(in_place(problem_of(0, {12, 15}, DType::f32, op)), Input::random_reals), "leaf"));
    steps.push_back(with_autograd(
        seeded_step(in_eval(in_place(problem_of(.5, {12, 15}, DType::f32, op))), Input::random_reals),
        "leaf"));
  }
  for (Step& step : steps) step.expect_error = true;  // the row says what a refusal means
  return steps;
}

void judge_leaves(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    const Problem& problem = trial.step(i).problem;
    if (problem.mode == Mode::train && problem.p > 0) trial.require_refusal(i, kLeafError);
    else trial.require_identity(i);
  }
}

std::vector<Step> saved_elsewhere() {
  std::vector<Step> steps;
  for (const double p : {.1, .5, 1.}) {
    Step step = with_autograd(refused_step(in_place(problem_of(p, {40, 25})), Input::ones), "after_exp");
    step.upstream = Input::random_reals;
    steps.push_back(step);
  }
  for (const Problem& problem : {problem_of(0, {40, 25}), in_eval(problem_of(.5, {40, 25}))}) {
    Step step = with_autograd(seeded_step(in_place(problem), Input::ones), "after_exp");
    step.upstream = Input::random_reals;
    steps.push_back(step);
  }
  return steps;
}

void judge_saved_elsewhere(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const Reply& reply = trial.reply(i);
    if (trial.step(i).expect_error) {
      const std::string said = reply.gradient_refusal ? reply.gradient_refusal->message : "nothing";
      trial.require(said.find(kVersionError) != std::string::npos, [&] {
        return fmt::format(
            "the gradient of {}, whose input exp() has saved, is refused with '{}'; expected is "
            "'{}'",
            trial.place(i), said, kVersionError);
      });
      continue;
    }
    if (!gradient_answered(trial, i)) continue;
    // Nothing was written, so y is still exp(x), which is its own derivative.
    const std::vector<double> y = numbers(trial, i, reply.y), dy = numbers(trial, i, reply.dy);
    for (std::size_t e = 0; e < y.size(); ++e) {
      const double dx = trial.value(i, reply.dx, e);
      trial.require(dx == round_to(dy[e] * y[e], DType::f32) && std::abs(y[e] - std::exp(1.0)) < 1e-6, [&] {
        return fmt::format("{}: exp(1) is {}, dy is {} and dx is {}; it must be dy exp(1)", trial.place(i),
                           y[e], dy[e], dx);
      });
    }
  }
}

std::vector<Step> overwritten() {
  std::vector<Step> steps;
  for (const char* scenario : {"modify_input", "modify_output"})
    for (const double p : {.15, .5}) {
      steps.push_back(with_autograd(gradient_step(problem_of(p, {40, 25})), scenario));
      steps.push_back(
          with_autograd(gradient_step(problem_of(p, {24, 40, 3}, DType::f32, Op::dropout1d)), scenario));
    }
  for (Step& step : steps) step.expect_error = true;  // the row says what a refusal means
  return steps;
}

// --- 95

struct Counted {
  Op op;
  const char* form;
  std::vector<std::int64_t> shape;
  double p;
  Mode mode;
  std::int64_t delta;
};
const std::vector<Counted>& counted() {
  static const std::vector<Counted> cases = {
      {Op::dropout, "", {12, 15}, .3, Mode::train, 1},
      {Op::dropout, "", {12, 15}, 1, Mode::train, 1},
      {Op::dropout, "", {12, 15}, 0, Mode::train, 0},
      {Op::dropout, "", {12, 15}, .3, Mode::eval, 0},
      {Op::dropout2d, "", {12, 15, 2}, .3, Mode::train, 1},
      {Op::alpha_dropout, "", {12, 15}, .3, Mode::train, 2},
      {Op::alpha_dropout, "", {12, 15}, 0, Mode::train, 0},
      {Op::alpha_dropout, "", {12, 15}, .3, Mode::eval, 0},
      {Op::feature_alpha_dropout, "", {12, 15, 2}, .3, Mode::train, 2},
      {Op::dropout2d, "functional", {12, 5, 3}, .3, Mode::train, 3},  // unsqueeze_, mul_, squeeze_
      {Op::dropout2d, "functional", {12, 5, 3, 2}, .3, Mode::train, 1},
  };
  return cases;
}

std::vector<Step> counted_writes() {
  std::vector<Step> steps;
  for (const Counted& c : counted()) {
    Problem problem = in_place(problem_of(c.p, c.shape, DType::f32, c.op));
    problem.mode = c.mode;
    Step step = seeded_step(problem, Input::random_integers);
    steps.push_back(*c.form == '\0' ? step : through(step, c.form));
  }
  return steps;
}

void judge_counted_writes(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const auto& delta = trial.reply(i).seen.version_delta;
    if (!delta) {
      trial.leave_out("the backend does not tell the version counter");
      continue;
    }
    const std::int64_t wanted = counted()[trial.reply(i).index].delta;
    trial.require(*delta == wanted, [&] {
      return fmt::format("{} moves the version counter by {}; it must be {}", trial.place(i), *delta, wanted);
    });
  }
}

}  // namespace

std::vector<RowDefinition> gradient_rows() {
  std::vector<RowDefinition> rows;
  const Problem filed = problem_of(.15, {40, 25});
  const std::vector<Feature> torch = {Feature::pytorch_conformance, Feature::backward};
  rows.push_back(
      {.row = {86, "dropout, dropout2d", "backward, any layout, in place or not",
               "dy times the noise of the forward pass: for PyTorch on the CPU dy fl(1/fl(q)) where "
               "kept and dy 0, with its sign, where dropped",
               "bitwise", kRunOnBoth, "all", ""},
       .axes = {Axis::gradient, Axis::scale, Axis::roundings, Axis::dropped},
       .problem = filed,
       .needs = {Feature::backward},
       .steps = gradients,
       .judge = judge_gradients,
       .held = "the gradient is dy times the noise"});
  rows.push_back(
      {.row = {87, "native_dropout", "backward", "dy times mask, times fl(1/q) from the double quotient",
               "bitwise", kRunOnBoth, "all", ""},
       .axes = {Axis::gradient, Axis::scale, Axis::dropped, Axis::p_one},
       .problem = filed,
       .needs = {Feature::backward},
       .steps = native_gradients,
       .judge = judge_native_gradients,
       .held = "the gradient is (dy mask) fl(1/q)"});
  rows.push_back({.row = {88, "native_dropout", "the argument train left out",
                          "the forward pass drops and scales, the gradient is dy times the bare mask",
                          "bitwise", kRunOnBoth, "all", ""},
                  .axes = {Axis::gradient, Axis::scale, Axis::dropped},
                  .problem = filed,
                  .needs = torch,
                  .steps = without_train,
                  .judge = judge_without_train,
                  .held = "forward scales, backward does not"});
  rows.push_back({.row = {89, "native_dropout", "a gradient that can be differentiated again",
                          "dy times fl(mask / q): the scale is rounded to the dtype before dy comes in",
                          "bitwise", kRunOnBoth, "all", ""},
                  .axes = {Axis::gradient, Axis::scale, Axis::dropped},
                  .problem = filed,
                  .needs = torch,
                  .steps = native_graphs,
                  .judge = judge_native_graphs,
                  .held = "the gradient is dy (mask fl(1/q))"});
  rows.push_back({.row = {90, "dropout", "backward of backward",
                          "with respect to dy it is the noise; with respect to x there is none",
                          "bitwise, structural", kRunOnBoth, "all", ""},
                  .axes = {Axis::gradient, Axis::scale, Axis::dropped},
                  .problem = filed,
                  .needs = torch,
                  .steps = second_gradients,
                  .judge = judge_second_gradients,
                  .held = "the gradient is linear in dy and does not depend on x"});
  rows.push_back({.row = {91, "dropout, dropout2d", "p = 1, dy with infinities and NaN",
                          "dy times 0: NaN where dy is not finite", "bitwise", kRunOnBoth, "all", ""},
                  .axes = {Axis::gradient, Axis::dropped, Axis::p_one},
                  .problem = filed,
                  .needs = {Feature::backward},
                  .steps = infinite_gradients,
                  .judge = judge_infinite_gradients,
                  .held = "p = 1 multiplies the gradient by zero"});
  rows.push_back(
      {.row = {92, "all operators in place", "a leaf that needs a gradient",
               "refused for 0 < p <= 1 in training; accepted for p = 0 and in eval, where nothing is "
               "written",
               "error text", kRunOnBoth, "all", ""},
       .axes = {Axis::p_one, Axis::eval},
       .problem = in_place(filed),
       .needs = torch,
       .steps = leaves,
       .judge = judge_leaves,
       .held = "leaves are written to only where nothing is written"});
  rows.push_back({.row = {93, "dropout in place", "a tensor that the backward pass of exp has saved",
                          "the backward pass is refused, unless p = 0 or eval left the tensor alone",
                          "error text", kRunOnBoth, "all", ""},
                  .axes = {Axis::gradient, Axis::p_one, Axis::eval},
                  .problem = in_place(filed),
                  .needs = torch,
                  .steps = saved_elsewhere,
                  .judge = judge_saved_elsewhere,
                  .held = "overwriting a saved tensor is noticed"});
  rows.push_back(
      {.row = {94, "dropout, dropout1d", "input or result overwritten between forward and backward",
               "no error, and the same gradient: neither is saved", "structural, bitwise", kRunOnBoth, "all",
               ""},
       .axes = {Axis::gradient, Axis::scale, Axis::roundings, Axis::dropped},
       .problem = filed,
       .needs = torch,
       .steps = overwritten,
       .judge = judge_gradients,
       .held = "the gradient needs neither input nor result"});
  rows.push_back(
      {.row = {95, "all operators in place", "the input's version counter",
               "+1, for the alpha operators +2, +0 where nothing is written; +3 in the C++ function "
               "dropout2d without a batch dimension",
               "structural", kRunOnBoth, "all", ""},
       .axes = {Axis::p_one, Axis::eval},
       .problem = in_place(filed),
       .needs = {Feature::pytorch_conformance, Feature::in_place},
       .steps = counted_writes,
       .judge = judge_counted_writes,
       .held = "each write is counted"});
  return rows;
}

}  // namespace dropcheck::suites
