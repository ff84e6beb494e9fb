// The drop rate of all operators.

#include <cmath>
#include <map>

#include "suites/dialect.hpp"
#include "suites/dialects/pytorch.hpp"
#include "suites/dialects/row_layers.hpp"
#include "suites/dialects/row_steps.hpp"

namespace dropcheck::suites {
namespace {

struct Drops {
  std::uint64_t entries = 0, dropped = 0;
  void add(const std::vector<bool>& mask, std::size_t elements_per_entry) {
    for (std::size_t e = 0; e < mask.size(); e += elements_per_entry) dropped += mask[e] ? 1u : 0u;
    entries += mask.size() / elements_per_entry;
  }
};

std::vector<Step> rates() {
  std::vector<Step> steps;
  for (const double p : {.1, .15, .3, .5, .9})
    steps.push_back(seeded_step(problem_of(p, {256, 512}), Input::random_integers));
  for (const Op op : {Op::dropout1d, Op::dropout2d, Op::dropout3d, Op::feature_alpha_dropout})
    steps.push_back(seeded_step(problem_of(.3, {256, 256, 2}, DType::f32, op), Input::random_integers));
  steps.push_back(seeded_step(problem_of(.3, {256, 512}, DType::f32, Op::alpha_dropout), Input::ones));
  steps.push_back(through(seeded_step(problem_of(.3, {256, 512}), Input::random_integers), "native_dropout"));
  return steps;
}
constexpr unsigned kRates = 11;

void judge_rates(RowTrial& trial) {
  std::map<std::size_t, Drops> drops;
  std::map<std::size_t, double> p_of;
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const Problem& problem = trial.step(i).problem;
    const std::size_t index = trial.reply(i).index;
    // Where a backend declares the rate that it draws with, that one is exact; it must be close.
    const double p = trial.reply(i).seen.effective_p.value_or(problem.p);
    trial.require(std::abs(p - problem.p) <= pytorch_dialect().rate_limit(problem.dtype),
                  [&] { return fmt::format("{} declares the drop probability {}", trial.place(i), p); });
    p_of[index] = p;
    drops[index].add(is_alpha(problem.op) ? alpha_dropped(trial, i) : trial.dropped(i),
                     drops_channels(problem.op) ? static_cast<std::size_t>(problem.shape[2]) : 1);
  }
  const std::vector<Step> steps = rates();
  for (const auto& [index, count] : drops) {
    const std::string form = form_of(steps[index].attributes);
    const std::string layer = form.empty() ? std::string(to_string(steps[index].problem.op)) : form;
    test_rate(trial, "R76", fmt::format("{} at p = {}", layer, steps[index].problem.p), count.entries,
              count.dropped, p_of[index]);
  }
}

}  // namespace

std::vector<RowDefinition> rate_rows() {
  RowDefinition rate;
  rate.row.number = 76;
  rate.row.layers = "all operators, native_dropout";
  rate.row.condition = "number of drops in many entries";
  rate.row.expectation =
      "binomial with the drop probability that was asked for, or the declared one next to it";
  rate.row.exactness = "statistical";
  rate.row.evidence = kRunOnBoth;
  rate.row.versions = "all";
  rate.axes = {Axis::resolution};
  rate.problem = problem_of(.3, {256, 512});
  rate.steps = rates;
  rate.judge = judge_rates;
  rate.held = "entries are dropped as often as they must be";
  rate.hypotheses = kRates;
  rate.power = {RowPower::Law::rate, 256 * 256, 0.3, "drop probability", 0.025};  // of the channel operators
  return {rate};
}

}  // namespace dropcheck::suites
