// Alpha dropout: its two branches, its moments, its gradient; and what the interfaces do when p and training
// are left out.

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "harness/core/element.hpp"
#include "harness/stats/bernstein.hpp"
#include "reference/definition.hpp"
#include "suites/dialects/pytorch.hpp"
#include "suites/dialects/row_layers.hpp"
#include "suites/dialects/row_steps.hpp"

namespace dropcheck::suites {
namespace {

constexpr std::array kAlphaOps = {Op::alpha_dropout, Op::feature_alpha_dropout};

Step with_defaults(Step step, const char* form) {
  step = through(std::move(step), form);
  step.attributes["defaults"] = true;
  return step;
}

// --- 68

std::vector<Step> modules_in_place() {
  std::vector<Step> steps;
  for (const Op op : {Op::alpha_dropout, Op::feature_alpha_dropout, Op::dropout}) {
    const Problem problem = in_place(problem_of(.3, {24, 40}, DType::f32, op));
    steps.push_back(through(seeded_step(problem, Input::random_reals), "module"));
  }
  return steps;
}

void judge_modules_in_place(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const Reply& reply = trial.reply(i);
    const bool honours = !is_alpha(trial.step(i).problem.op);  // the plain module shows that writing is seen
    trial.require_alias(i, honours);
    if (!honours) {
      trial.require_identity(i);
      trial.require(reply.seen.version_delta.value_or(0) == 0, [&] {
        return fmt::format("{} has written to its input: the version counter went up by {}", trial.place(i),
                           *reply.seen.version_delta);
      });
    } else {
      trial.require(reply.y != reply.x, [&] {
        return fmt::format("{} leaves its tensor as it was; the plain module must write to it",
                           trial.place(i));
      });
    }
  }
}

// --- 69, 70

std::vector<Step> alpha_defaults() {
  std::vector<Step> steps;
  for (const Op op : kAlphaOps)
    for (const auto& shape : {std::vector<std::int64_t>{24, 40}, std::vector<std::int64_t>{4, 6, 3, 2}})
      steps.push_back(with_defaults(
          seeded_step(in_eval(problem_of(.5, shape, DType::f32, op)), Input::random_reals), "functional"));
  return steps;
}

void judge_alpha_defaults(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    trial.require_identity(i);
    trial.require_words(i, 0);
    trial.require_alias(i, true);
  }
}

std::vector<Step> dropout_defaults() {
  std::vector<Step> steps;
  for (const auto& [op, shape] : {std::pair{Op::dropout, std::vector<std::int64_t>{24, 40}},
                                  {Op::dropout2d, {24, 40, 3, 2}},
                                  {Op::dropout3d, {24, 40, 2, 1, 2}}}) {
    const Step plain = seeded_step(problem_of(.5, shape, DType::f32, op), Input::random_integers);
    for (const char* form : {"functional", "module"}) {
      steps.push_back(with_defaults(plain, form));
      steps.push_back(plain);
    }
  }
  return steps;
}

void judge_dropout_defaults(RowTrial& trial) {
  for (std::size_t i = 0; i + 1 < trial.size(); i += 2) {
    if (!trial.answered(i) || !trial.answered(i + 1)) continue;
    const std::vector<double> x = numbers(trial, i, trial.reply(i).x),
                              y = numbers(trial, i, trial.reply(i).y);
    std::uint64_t wrong = 0, kept = 0;
    for (std::size_t e = 0; e < x.size(); ++e) {
      wrong += y[e] != 0 && y[e] != 2 * x[e] ? 1u : 0u;
      kept += y[e] != 0 ? 1u : 0u;
    }
    trial.require_all(x.size(), wrong, [&] {
      return fmt::format("{}: {} elements are neither 0 nor twice the input, as p = 0.5 makes them",
                         trial.place(i), wrong);
    });
    trial.require(kept > 0 && kept < x.size(), [&] {
      return fmt::format("{}: {} of {} elements are kept; training must be the default", trial.place(i), kept,
                         x.size());
    });
    trial.require_equal(i, i + 1, "without arguments and with p = 0.5 in training");
  }
}

// --- 71

std::vector<Step> alpha_branches() {
  std::vector<Step> steps;
  for (const double p : {.1, .15, .3, .5, .8, .97})
    for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16}) {
      const Problem problem = problem_of(p, {40, 50}, dtype, Op::alpha_dropout);
      steps.push_back(seeded_step(problem, Input::random_reals));
      // For PyTorch the mask is known beside the values: the plain operator's.
      steps.push_back(seeded_step(problem_of(p, {40, 50}, dtype), Input::random_integers));
    }
  for (const Op op : {Op::alpha_dropout, Op::dropout}) {
    Step transposed = seeded_step(problem_of(.3, {40, 50}, DType::f32, op),
                                  op == Op::dropout ? Input::random_integers : Input::random_reals);
    transposed.problem.layout = Layout::transposed;
    steps.push_back(transposed);
  }
  return steps;
}

/// ATen/native/Dropout.cpp in the order of its roundings: noise - 1 times fl(alpha a) plus fl(alpha a p),
/// then x times noise times fl(a) plus that. Equal to PyTorch 1.13.1 and 2.13 where that was run.
struct TorchAlpha {
  TorchAlpha(double p, DType type) : dtype(type) {
    const double a = 1.0 / std::sqrt((reference::kAlpha * reference::kAlpha * p + 1.0) * (1.0 - p));
    gain = round_to(a, dtype);
    kept_shift = round_to(reference::kAlpha * a * p, dtype);
    dropped_shift = round_to(-round_to(reference::kAlpha * a, dtype) + kept_shift, dtype);
  }
  double operator()(double x, bool dropped) const {
    return dropped ? round_to(reference::zeroed(x) + dropped_shift, dtype)
                   : round_to(round_to(x * gain, dtype) + kept_shift, dtype);
  }
  DType dtype;
  double gain = 0, kept_shift = 0, dropped_shift = 0;
};

void judge_alpha_branches(RowTrial& trial) {
  for (std::size_t i = 0; i + 1 < trial.size(); i += 2) {
    if (!trial.answered(i)) continue;
    const Problem& problem = trial.step(i).problem;
    const std::vector<double> x = numbers(trial, i, trial.reply(i).x),
                              y = numbers(trial, i, trial.reply(i).y);
    const std::vector<bool> drops = alpha_dropped(trial, i);
    for (const bool branch : {false, true})
      trial.require(std::find(drops.begin(), drops.end(), branch) != drops.end(), [&] {
        return fmt::format("{}: no element is {}", trial.place(i), branch ? "dropped" : "kept");
      });
    std::uint64_t outside = 0;
    std::size_t first = x.size();
    for (std::size_t e = 0; e < x.size(); ++e) {
      const auto branches = reference::alpha_values(x[e], problem.p, problem.dtype);
      if (std::abs(y[e] - (drops[e] ? branches.dropped : branches.kept)) <=
          (drops[e] ? branches.dropped_tolerance : branches.kept_tolerance))
        continue;
      ++outside;
      first = std::min(first, e);
    }
    trial.require_all(x.size(), outside, [&] {
      const auto branches = reference::alpha_values(x[first], problem.p, problem.dtype);
      return fmt::format(
          "{}: element {} is {} and becomes {}; kept it is a x + alpha a p = {}, dropped "
          "-alpha a q = {} ({} elements are neither)",
          trial.place(i), first, x[first], y[first], branches.kept, branches.dropped, outside);
    });
    const bool narrow = problem.dtype != DType::f32 && problem.dtype != DType::f64;
    if (!trial.is_pytorch() || narrow || outside > 0 || !trial.answered(i + 1)) continue;
    const std::vector<bool> mask = trial.dropped(i + 1);
    const TorchAlpha branch(problem.p, problem.dtype);
    for (std::size_t e = 0; e < x.size(); ++e)
      trial.require(same_number(y[e], branch(x[e], mask[e])), [&] {
        return fmt::format(
            "{}: element {} is {} and becomes {}; to the bit it must be {}, {} as by the plain "
            "operator",
            trial.place(i), e, x[e], y[e], branch(x[e], mask[e]), mask[e] ? "dropped" : "kept");
      });
  }
}

// --- 72

constexpr std::array kMomentP = {.1, .3, .5, .8};

std::vector<Step> many_alphas() {
  std::vector<Step> steps;
  for (const double p : kMomentP)
    steps.push_back(
        seeded_step(problem_of(p, {256, 512}, DType::f32, Op::alpha_dropout), Input::random_reals));
  return steps;
}

/// Sum of y^power - E y^power over all replies to one step, as a weighted sum of centred drop bits.
struct Moment {
  double deviation = 0, sum_squares = 0, largest = 0, rounding = 0;
  std::uint64_t n = 0;
};

/// With d = 1 for a drop, y^k = kept^k - d (kept^k - dropped^k): so y^k - E y^k is the weight kept^k -
/// dropped^k times p - d, for every fixed x. For inputs of mean 0 and variance 1 the expectations, a q x and
/// a^2 q (x^2 + 2 p alpha x + p alpha^2), have the means 0 and 1.
void judge_many_alphas(RowTrial& trial) {
  for (std::size_t k = 0; k < kMomentP.size(); ++k) {
    const double p = kMomentP[k], q = 1 - p;
    Moment moments[2];
    bool finite = true;
    for (std::size_t i = 0; i < trial.size(); ++i) {
      if (trial.reply(i).index != k || !trial.answered(i)) continue;
      for (std::size_t e = 0; e < trial.elements(i, trial.reply(i).y); ++e) {
        const double y = trial.value(i, trial.reply(i).y, e);
        finite = finite && std::isfinite(y);
        const auto exact = reference::alpha_values(trial.value(i, trial.reply(i).x, e), p, DType::f32);
        for (int power = 1; power <= 2; ++power) {
          Moment& m = moments[power - 1];
          const auto raised = [power](double value) { return power == 1 ? value : value * value; };
          const double kept = raised(exact.kept), dropped = raised(exact.dropped);
          const double weight = kept - dropped;
          m.deviation += raised(y) - (q * kept + p * dropped);
          m.sum_squares += weight * weight;
          m.largest = std::max(m.largest, std::abs(weight));
          // What rounding may add, so that the bound stays a bound.
          const double step = std::max(exact.kept_tolerance, exact.dropped_tolerance);
          m.rounding += power == 1 ? step : step * (2 * std::abs(y) + step);
          ++m.n;
        }
      }
    }
    if (moments[0].n == 0) continue;
    trial.require(finite, [&] { return fmt::format("p = {}: an output is not finite", p); });
    if (!finite) continue;
    for (int power = 1; power <= 2; ++power) {
      const Moment& m = moments[power - 1];
      const double beyond = std::max(0.0, std::abs(m.deviation) - m.rounding);
      const stats::WeightedSum sum{std::copysign(beyond, m.deviation), m.sum_squares, m.largest, p};
      Statistic s;
      s.id = "R72";
      s.name = fmt::format("sum of y{} at p = {}", power == 1 ? "" : "^2", p);
      s.counts = {{"n", {static_cast<Int128>(m.n)}}};
      s.null_law = "Bernstein's bound for sum w (p - d), d = 1 with probability p";
      s.null_parameters = {
          {"p", p}, {"deviation", sum.deviation}, {"sum_squares", sum.sum_squares}, {"max_abs", sum.max_abs}};
      s.value = m.deviation;
      set_tail(s, stats::bernstein_two_sided(sum), trial.alpha());
      const auto n = static_cast<double>(m.n);
      const double half_width = stats::bernstein_threshold(sum, trial.alpha()) / n;
      const std::string unit = power == 1 ? "mean of the output" : "second moment of the output";
      s.effect = Effect{m.deviation / n, unit, m.deviation / n - half_width, m.deviation / n + half_width};
      s.minimum_detectable_effect =
          MinimumDetectableEffect{stats::bernstein_min_effect(sum, trial.alpha(), kBeta) / n, unit, kPower};
      trial.test(std::move(s),
                 fmt::format("at p = {} the {} of alpha dropout is off by {:.4g}", p, unit, m.deviation / n));
    }
  }
}

// --- 73

std::vector<Step> alpha_at_one() {
  std::vector<Step> steps;
  for (const Op op : kAlphaOps)
    for (const DType dtype :
         {DType::f32, DType::f64, DType::f16})  // bf16 may make NaN of all ones: the poison
      for (const Input input : {Input::random_reals, Input::extremes}) {
        steps.push_back(seeded_step(problem_of(1, {12, 15}, dtype, op), input));
        steps.push_back(seeded_step(in_place(problem_of(1, {12, 15}, dtype, op)), input));
      }
  return steps;
}

void judge_alpha_at_one(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const std::vector<double> x = numbers(trial, i, trial.reply(i).x),
                              y = numbers(trial, i, trial.reply(i).y);
    for (std::size_t e = 0; e < x.size(); ++e) {
      const double zero = reference::zeroed(x[e]);
      const bool right = trial.is_pytorch() ? same_number(y[e], zero)
                                            : y[e] == zero || (std::isnan(y[e]) && std::isnan(zero));
      trial.require(right, [&] {
        return fmt::format("{}: element {} is {} and becomes {}; it must be {}", trial.place(i), e, x[e],
                           y[e], zero);
      });
    }
    if (trial.is_pytorch()) trial.require_words(i, 0);
  }
}

// --- 74

std::vector<Step> alpha_gradients() {
  std::vector<Step> steps;
  for (const double p : {.1, .15, .3, .5, .8})
    for (const DType dtype : {DType::f32, DType::f64})
      for (const Input upstream : {Input::ones, Input::random_reals}) {
        Step step = seeded_step(problem_of(p, {40, 25}, dtype, Op::alpha_dropout), Input::random_integers);
        step.upstream = upstream;
        steps.push_back(step);
      }
  Step step =
      seeded_step(problem_of(.3, {24, 40, 3}, DType::f32, Op::feature_alpha_dropout), Input::random_integers);
  step.upstream = Input::random_reals;
  steps.push_back(step);
  return steps;
}

void judge_alpha_gradients(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!gradient_answered(trial, i)) continue;
    const Problem& problem = trial.step(i).problem;
    require_gradient(trial, i, alpha_dropped(trial, i), reference::gradient_forms(problem.op, problem.dtype));
  }
}

// --- 75

std::vector<Step> alpha_channels() {
  std::vector<Step> steps;
  for (const double p : {.15, .3, .5})
    for (const auto& shape :
         {std::vector<std::int64_t>{24, 40}, std::vector<std::int64_t>{24, 40, 5},
          std::vector<std::int64_t>{24, 40, 3, 2}, std::vector<std::int64_t>{24, 40, 2, 1, 2}})
      steps.push_back(seeded_step(problem_of(p, shape, DType::f32, Op::feature_alpha_dropout), Input::ones));
  return steps;
}

void judge_alpha_channels(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const Problem& problem = trial.step(i).problem;
    const auto branches = reference::alpha_values(1, problem.p, problem.dtype);
    const std::vector<double> y = numbers(trial, i, trial.reply(i).y);
    for (const double value : y)
      trial.require(std::abs(value - branches.kept) <= branches.kept_tolerance ||
                        std::abs(value - branches.dropped) <= branches.dropped_tolerance,
                    [&] {
                      return fmt::format("{}: 1 becomes {}; it must be {} or {}", trial.place(i), value,
                                         branches.kept, branches.dropped);
                    });
    require_structure(trial, i, alpha_dropped(trial, i), 2);
  }
}

}  // namespace

std::vector<RowDefinition> alpha_rows() {
  std::vector<RowDefinition> rows;
  const Problem filed = problem_of(.3, {40, 50}, DType::f32, Op::alpha_dropout);
  rows.push_back({.row = {68, "AlphaDropout and FeatureAlphaDropout modules", "built with inplace = true",
                          "the flag is ignored: the input keeps its values and the result is a new tensor",
                          "structural", kRunOnBoth, "all", ""},
                  .problem = filed,
                  .needs = {Feature::pytorch_conformance, Feature::in_place},
                  .steps = modules_in_place,
                  .judge = judge_modules_in_place,
                  .held = "the modules of alpha dropout never write to their input, the plain one does"});
  rows.push_back(
      {.row = {69, "functional alpha_dropout and feature_alpha_dropout", "called with the input alone",
               "training is off by default: the input comes back and nothing is drawn",
               "structural, RNG state", kRunOnBoth, "all", ""},
       .axes = {Axis::eval},
       .problem = filed,
       .steps = alpha_defaults,
       .judge = judge_alpha_defaults,
       .held = "the functional alpha forms do nothing unless training is asked for"});
  rows.push_back(
      {.row = {70, "functional and module dropout, dropout2d, dropout3d", "called with the input alone",
               "p = 0.5 and training are the defaults", "structural", kRunOnBoth, "all", ""},
       .problem = problem_of(.5, {24, 40}),
       .needs = {Feature::seeds},
       .steps = dropout_defaults,
       .judge = judge_dropout_defaults,
       .held = "without arguments p is 0.5 and training is on"});
  rows.push_back(
      {.row = {71, "alpha_dropout", "values of kept and dropped elements",
               "a x + alpha a p and -alpha a q, a = ((alpha^2 p + 1) q)^(-1/2), within the roundings of "
               "the dtype; to the bit for PyTorch in f32 and f64",
               "bitwise", kRunOnBoth, "all", ""},
       .problem = filed,
       .steps = alpha_branches,
       .judge = judge_alpha_branches,
       .held = "every element is on one of the two branches"});
  rows.push_back(
      {.row = {72, "alpha_dropout", "mean and second moment of many outputs",
               "those that give mean 0 and variance 1 for inputs of mean 0 and variance 1", "statistical",
               kRunOnBoth, "all", ""},
       .problem = filed,
       .steps = many_alphas,
       .judge = judge_many_alphas,
       .held = "mean and second moment are those of alpha dropout",
       .hypotheses = 2 * kMomentP.size(),
       .power = {RowPower::Law::sum, 256 * 512, 0.5, "drop probability, for equal weights", 0.02}});
  rows.push_back({.row = {73, "alpha_dropout, feature_alpha_dropout", "p = 1 in training",
                          "x times 0, which is 0 for finite x and NaN otherwise, not the value of a dropped "
                          "element",
                          "bitwise", kRunOnBoth, "all", ""},
                  .axes = {Axis::p_one, Axis::dropped},
                  .problem = filed,
                  .steps = alpha_at_one,
                  .judge = judge_alpha_at_one,
                  .held = "p = 1 multiplies by zero"});
  rows.push_back(
      {.row = {74, "alpha_dropout, feature_alpha_dropout", "backward",
               "dy times fl(a) where kept, dy times 0 where dropped", "bitwise", kRunOnBoth, "all", ""},
       .axes = {Axis::gradient, Axis::dropped},
       .problem = filed,
       .needs = {Feature::backward},
       .steps = alpha_gradients,
       .judge = judge_alpha_gradients,
       .held = "the gradient is a where kept and 0 where dropped"});
  rows.push_back({.row = {75, "feature_alpha_dropout", "ranks 2 to 5",
                          "one branch for all elements of a pair of indices of the first two dimensions",
                          "structural", kRunOnBoth, "all", ""},
                  .problem = problem_of(.3, {24, 40, 3, 2}, DType::f32, Op::feature_alpha_dropout),
                  .steps = alpha_channels,
                  .judge = judge_alpha_channels,
                  .held = "each channel is kept or dropped as a whole"});
  return rows;
}

}  // namespace dropcheck::suites
