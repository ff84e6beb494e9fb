// embedding.modes: training and eval as a module keeps them, through its history and its parents.

#include <cmath>

#include "suites/dialects/row_layers.hpp"
#include "suites/embedding/embedding_check.hpp"
#include "suites/embedding/parameters.hpp"
#include "suites/embedding/site_mask.hpp"

namespace dropcheck::suites::embedding {
namespace {

const std::vector<std::pair<Op, std::vector<std::int64_t>>>& operators() {
  static const std::vector<std::pair<Op, std::vector<std::int64_t>>> all = {{Op::dropout, {16, 40}},
                                                                            {Op::dropout2d, {16, 40, 3, 2}}};
  return all;
}

struct Case {
  Mode mode;
  bool active;  // whether it must drop; else it must be the identity
  const char* what;
  Attributes attributes;
  int equal_to = -1;  // the case whose result it must have, bit for bit: the same seed, the same draws
  const char* form = "module";
};

// Cases by number, for `equal_to`.
constexpr int kTrain = 0, kEval = 1, kTrainTrain = 3;

const std::vector<Case>& cases() {
  const auto history = [](const char* modes) { return Attributes{{"history", std::string(modes)}}; };
  const auto nested = [](std::int64_t n) { return Attributes{{"nested", n}}; };
  static const std::vector<Case> all = {
      {Mode::train, true, "training", {}},
      {Mode::eval, false, "eval", {}},
      {Mode::train, true, "training after a call in eval", history("eval"), kTrain},
      {Mode::train, true, "training after a call in training", history("train")},
      {Mode::eval, false, "eval after a call in training", history("train"), kEval},
      {Mode::train, true, "training after training and eval", history("train,eval"), kTrainTrain},
      {Mode::train, true, "training after eval and training", history("eval,train"), kTrainTrain},
      {Mode::eval, false, "eval after eval and training", history("eval,train"), kEval},
      {Mode::train, true, "training set on a parent", nested(1), kTrain},
      {Mode::eval, false, "eval set on a parent", nested(1), kEval},
      {Mode::train, true, "training set three levels above", nested(3), kTrain},
      {Mode::eval, false, "eval set three levels above", nested(3), kEval},
      {Mode::eval,
       false,
       "eval set three levels above after training",
       {{"nested", std::int64_t{3}}, {"history", std::string("train")}},
       kEval},
      {Mode::train, true, "training under no_grad", {{"no_grad", true}}, kTrain},
      {Mode::eval, false, "eval under no_grad", {{"no_grad", true}}, kEval},
      {Mode::train,
       true,
       "a module built inside forward, the parent in training",
       {{"inside", true}},
       kTrain},
      {Mode::eval,
       true,
       "a module built inside forward, which is in training whatever its parent is",
       {{"inside", true}},
       kTrain},
      {Mode::train, true, "the function's own defaults", {{"defaults", true}}, -1, "functional"}};
  return all;
}

std::vector<Step> steps() {
  std::vector<Step> asked;
  for (const auto& [op, shape] : operators())
    for (const Case& c : cases()) {
      Problem problem = problem_of(0.5, shape, DType::f32, op);
      problem.mode = c.mode;
      Step step = through(seeded_step(problem, Input::random_integers), c.form);
      for (const auto& [name, value] : c.attributes) step.attributes[name] = value;
      asked.push_back(std::move(step));
    }
  return asked;
}

void judge_case(RowTrial& trial, std::size_t i, const Case& c, std::size_t first) {
  if (!c.active) {
    trial.require_identity(i);
  } else {
    const std::vector<double> x = numbers(trial, i, trial.reply(i).x),
                              y = numbers(trial, i, trial.reply(i).y);
    std::uint64_t dropped = 0, wrong = 0;
    for (std::size_t e = 0; e < y.size(); ++e) {
      dropped += y[e] == 0 ? 1u : 0u;
      wrong += y[e] != 0 && y[e] != 2 * x[e] ? 1u : 0u;
    }
    trial.require_all(y.size(), wrong, [&] {
      return fmt::format(
          "{}: in {}, {} of {} elements are neither 0 nor twice the input, as p = 0.5 makes them",
          trial.place(i), c.what, wrong, y.size());
    });
    trial.require(dropped > 0 && dropped < y.size(), [&] {
      return fmt::format("{}: in {}, {} of {} elements are dropped; some must be, and not all",
                         trial.place(i), c.what, dropped, y.size());
    });
  }
  if (c.equal_to >= 0)
    trial.require_equal(i, first + static_cast<std::size_t>(c.equal_to),
                        fmt::format("{} gives another result under one seed than {}", c.what,
                                    cases()[static_cast<std::size_t>(c.equal_to)].what));
}

void judge(RowTrial& trial) {
  const bool continues = trial.capabilities().seed_semantics == SeedSemantics::stateful;
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const std::size_t number = trial.reply(i).index % cases().size(), first = i - number;
    const Case& c = cases()[number];
    judge_case(trial, i, c, first);
    // A call in the history draws, so the stream has moved on where there is one.
    if (static_cast<int>(number) == kTrainTrain && continues && trial.answered(first))
      trial.require(trial.reply(i).y != trial.reply(first).y, [&] {
        return fmt::format("{}: {} gives the mask of the first call again", trial.place(i), c.what);
      });
  }
}

}  // namespace

Definition modes() {
  return {"embedding.modes",
          "embedding_modes",
          "modules in training and in eval, with a history, inside others, and built inside forward",
          problem_of(0.5, {16, 40}),
          steps,
          judge,
          "a module drops in training and only there, whatever came before and wherever it lies"};
}

}  // namespace dropcheck::suites::embedding
