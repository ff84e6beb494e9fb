// gradient_consistency.double_backward: a gradient that can be differentiated again. dx is linear in dy, so
// the gradient of the sum of dx v with respect to dy is v * mask * scale, with the forward mask once more.

#include <string>

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dialects/row_check.hpp"
#include "suites/dialects/row_layers.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/gradient_law.hpp"

namespace dropcheck::suites {
namespace {

constexpr std::size_t kSteps = 2;  // of a problem: the mask, then the gradients

/// Numbers of both signs and some zeros, exact in every dtype.
std::vector<double> weights(std::int64_t n) {
  std::vector<double> v;
  for (std::int64_t i = 0; i < n; ++i) v.push_back(static_cast<double>(i % 13 - 6) / 4);
  return v;
}

std::vector<Step> second_steps() {
  std::vector<Step> steps;
  for (const double p : {.15, .42})
    for (const DType dtype : {DType::f32, DType::f64})
      for (const auto& shape : std::vector<std::vector<std::int64_t>>{{257}, {9, 65}}) {
        const Problem problem = problem_of(p, shape, dtype);
        steps.push_back(seeded_step(problem));
        Step step = seeded_step(problem, Input::with_zeros);
        step.upstream = Input::random_reals;
        step.backward_attributes["create_graph"] = true;
        step.backward_inputs = {{.name = "v", .shape = shape, .values = weights(element_count(shape))}};
        step.backward_outputs = {{.name = "d_dy", .shape = shape}};
        steps.push_back(step);
      }
  return steps;
}

class DoubleBackward final : public RepliesCheck {
 public:
  explicit DoubleBackward(const Dialect& dialect)
      : RepliesCheck(catalogue_row("gradient_consistency.double_backward", dialect)), dialect_(dialect) {}

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const std::vector<Step> steps = second_steps();
    RowTrial trial(steps, replies_of(seen), context);
    for (std::size_t i = 0; i < trial.size(); ++i)
      if (trial.step(i).upstream && gradient_answered(trial, i)) look(trial, i);
    return trial.judgement("the gradient and its own gradient by dy have the forward mask");
  }

 private:
  void look(RowTrial& trial, std::size_t i) const {
    const Reply& reply = trial.reply(i);
    const auto found = reply.extra.find("d_dy");
    if (found == reply.extra.end())
      return trial.leave_out("the backend does not differentiate gradients again");
    const std::size_t shown = beside(trial, i, reply.index - reply.index % kSteps);
    if (!trial.answered(shown)) return;
    const std::vector<bool> dropped = trial.dropped(shown);
    require(trial, i, dropped, numbers(trial, i, reply.dy), numbers(trial, i, reply.dx), "dx");
    require(trial, i, dropped, trial.step(i).backward_inputs.at(0).values, numbers(trial, i, found->second),
            "the gradient of the sum of dx v by dy, with v for dy");
  }
  void require(RowTrial& trial, std::size_t i, const std::vector<bool>& dropped,
               const std::vector<double>& from, const std::vector<double>& to, const char* what) const {
    const Problem& problem = trial.step(i).problem;
    GradientLaw rule(problem.op, problem.p, problem.dtype, dialect_);
    const bool same_size = from.size() == dropped.size() && to.size() == dropped.size();
    trial.require(same_size, [&] { return fmt::format("{}: {} has another size", trial.place(i), what); });
    if (!same_size) return;
    const GradientLaw::Found wrong = rule.compare(dropped, from, to);
    trial.require_all(to.size(), wrong.wrong, [&] {
      return fmt::format("{}: {}: {}; {}", trial.place(i), what, wrong.first,
                         agreement_text(dropped, from, to, problem.p));
    });
  }

  Dialect dialect_;
};

}  // namespace

void add_double_backward(Registry& registry, const Dialect& dialect) {
  registry.add_protocol(own_protocol("double_backward", "gradients that are differentiated again",
                                     second_steps, problem_of(.15, {420})));
  registry.add_check(std::make_unique<DoubleBackward>(dialect));
}

}  // namespace dropcheck::suites
