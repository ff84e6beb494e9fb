// gradient_consistency.every_element: dx = dy * mask * scale, bit for bit, at every element: sizes around
// block borders, every dtype, operator and layout, with zeros of both signs, infinities, NaN and subnormal
// numbers among x and among dy. The mask comes from a call on ones under the same seed, so that no zero of x
// or of dy can hide behind a mask that was read off a result.

#include <array>
#include <map>

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dialects/row_check.hpp"
#include "suites/dialects/row_layers.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/gradient_law.hpp"

namespace dropcheck::suites {
namespace {

/// Near 1/2, so that small tensors have both kinds; 1/q is rounded differently by the ways of rounding.
constexpr double kP = 0.42;

/// xformers#755: the mask of rows past the first block of 64 keys was another one in the backward pass, and
/// no test was as long as 64.
constexpr std::array<std::int64_t, 19> kSizes = {1,  2,   3,   7,   31,  32,  33,   61,   63,  64,
                                                 65, 127, 129, 255, 256, 257, 1023, 1024, 1025};
constexpr std::array<std::int64_t, 6> kFewSizes = {1, 3, 33, 65, 129, 257};

std::vector<Problem> problems() {
  std::vector<Problem> all;
  for (const std::int64_t n : kSizes) all.push_back(problem_of(kP, {n}));
  for (const DType dtype : {DType::f64, DType::f16, DType::bf16})
    for (const std::int64_t n : kFewSizes) all.push_back(problem_of(kP, {n}, dtype));
  all.push_back(problem_of(kP, {9, 65}));
  all.push_back(problem_of(kP, {9, 129}));
  for (const Layout layout : {Layout::transposed, Layout::strided, Layout::shifted, Layout::expanded})
    all.push_back(with_layout(problem_of(kP, {9, 17}), layout));
  all.push_back(with_layout(problem_of(kP, {2, 5, 3, 7}), Layout::channels_last));
  all.push_back(with_layout(problem_of(kP, {2, 3, 2, 3, 4}), Layout::channels_last_3d));
  for (const DType dtype : kFloatDTypes) all.push_back(problem_of(kP, {129}, dtype, Op::alpha_dropout));
  all.push_back(problem_of(kP, {5, 7, 9}, DType::f32, Op::dropout1d));
  all.push_back(problem_of(kP, {5, 7, 3, 3}, DType::f32, Op::dropout2d));
  all.push_back(problem_of(kP, {5, 7, 2, 2, 2}, DType::f32, Op::dropout3d));
  all.push_back(problem_of(kP, {5, 7, 3, 3}, DType::f32, Op::feature_alpha_dropout));
  return all;
}

struct Asked {
  Input x, dy;
};
constexpr std::array kAsked = {Asked{Input::extremes, Input::random_reals},
                               Asked{Input::random_reals, Input::extremes},
                               Asked{Input::with_zeros, Input::with_zeros}};
constexpr std::size_t kSteps = 1 + kAsked.size();  // of a problem: the mask first

std::vector<Step> element_steps() {
  std::vector<Step> steps;
  for (const Problem& problem : problems()) {
    steps.push_back(seeded_step(problem));
    for (const Asked& asked : kAsked) {
      steps.push_back(seeded_step(problem, asked.x));
      steps.back().upstream = asked.dy;
    }
  }
  return steps;
}

class EveryElement final : public RepliesCheck {
 public:
  explicit EveryElement(const Dialect& dialect)
      : RepliesCheck(catalogue_row("gradient_consistency.every_element", dialect)), dialect_(dialect) {}

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const std::vector<Step> steps = element_steps();
    RowTrial trial(steps, replies_of(seen), context);
    // A kernel of one operator and dtype has one way of multiplying, whatever the size and the layout.
    std::map<std::pair<Op, DType>, GradientLaw> rules;
    for (std::size_t i = 0; i < trial.size(); ++i) {
      if (!trial.step(i).upstream || !gradient_answered(trial, i)) continue;
      const std::size_t index = trial.reply(i).index;
      const std::size_t shown = beside(trial, i, index - index % kSteps);
      if (!trial.answered(shown)) continue;
      const Problem& problem = trial.step(i).problem;
      compare(trial, i, shown,
              rules.try_emplace({problem.op, problem.dtype}, problem.op, problem.p, problem.dtype, dialect_)
                  .first->second);
    }
    for (const auto& [kind, rule] : rules)
      trial.note(fmt::format("{} {}: {}", to_string(kind.first), to_string(kind.second), rule.description()));
    return trial.judgement("every element of the gradient is dy * mask * scale");
  }

 private:
  static void compare(RowTrial& trial, std::size_t i, std::size_t shown, GradientLaw& rule) {
    const Problem& problem = trial.step(i).problem;
    const std::vector<bool> dropped =
        is_alpha(problem.op) ? alpha_dropped(trial, shown) : trial.dropped(shown);
    const std::vector<double> dy = numbers(trial, i, trial.reply(i).dy),
                              dx = numbers(trial, i, trial.reply(i).dx);
    const bool same_size = dx.size() == dropped.size() && dy.size() == dropped.size();
    trial.require(same_size,
                  [&] { return fmt::format("{}: the gradient has another size", trial.place(i)); });
    if (!same_size) return;
    const GradientLaw::Found found = rule.compare(dropped, dy, dx);
    trial.require_all(dx.size(), found.wrong, [&] {
      return fmt::format("{}: {}; {}", trial.place(i), found.first,
                         agreement_text(dropped, dy, dx, problem.p));
    });
  }

  Dialect dialect_;
};

}  // namespace

void add_gradient_elements(Registry& registry, const Dialect& dialect) {
  // Filed under what its steps have on average.
  registry.add_protocol(
      own_protocol("gradient_elements",
                   "gradients at sizes around block borders, with zeros, infinities, NaN and "
                   "subnormal numbers among x and dy",
                   element_steps, problem_of(kP, {233})));
  registry.add_check(std::make_unique<EveryElement>(dialect));
}

}  // namespace dropcheck::suites
