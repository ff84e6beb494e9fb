#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "harness/run/runner.hpp"
#include "harness/stats/power_planning.hpp"
#include "tools/backend_names.hpp"
#include "tools/commands.hpp"

namespace dropcheck::tools {
namespace {

using Json = nlohmann::ordered_json;

/// Seconds that judging a plan takes on one lane, the opening of the backend left out.
double seconds_for(const Registry& registry, const std::string& spec, const Capabilities& capabilities,
                   RunnerOptions options, const Plan& plan) {
  options.lanes = 1;
  std::atomic<bool> stop = false;
  RunnerEvents events;
  events.on_result = [](const ResultRecord& result) { return result.verdict; };
  const auto now = [] { return std::chrono::steady_clock::now(); };
  const auto begin = now();
  { const auto opened = registry.open(spec, options.backend); }
  const auto opened_at = now();
  run_plan(registry, plan, spec, capabilities, options, events, stop);
  const std::chrono::duration<double> opening = opened_at - begin, all = now() - opened_at;
  return std::max(0.0, (all - opening).count());
}

/// Seconds that the plan may take, extrapolated from a large and a small case that are judged now.
std::optional<double> estimate(const Registry& registry, const std::string& spec, const Plan& plan,
                               const RunnerOptions& options) {
  const auto opened = registry.open(spec, options.backend);
  if (!opened) return std::nullopt;
  const Capabilities capabilities = (*opened)->capabilities();
  const auto plan_for = [&](const char* suite, std::vector<std::int64_t> shape) {
    Problem problem;
    problem.p = 0.31;
    problem.shape = std::move(shape);
    PlanOptions choice;
    choice.profile = plan.requested_profile;
    choice.suites.emplace_back(suite);
    choice.only_case.emplace(std::move(problem));
    return make_plan(registry, choice);
  };
  const auto large = plan_for("unbiasedness", {64, 128, 127});
  const auto small = plan_for("pytorch_semantics", {3, 5, 7, 13});
  if (!large || !small) return std::nullopt;
  std::uint64_t streamed = 0, exact_samples = 0;
  for (const PlannedSample& sample : plan.samples) {
    if (sample.protocol == nullptr) continue;
    if (sample.protocol->streaming) streamed += sample.elements();
    else ++exact_samples;
  }
  const double per_element =
      seconds_for(registry, spec, capabilities, options, *large) / static_cast<double>(large->elements());
  const double per_sample =
      seconds_for(registry, spec, capabilities, options, *small) / static_cast<double>(small->samples.size());
  return (per_element * static_cast<double>(streamed) + per_sample * static_cast<double>(exact_samples)) /
         options.lanes;
}

std::string effect_text(const PlannedCell& cell) {
  if (!cell.detectable) return "not stated";
  std::string text = fmt::format("{:.2g} {}", cell.detectable->value, cell.detectable->unit);
  if (cell.required)
    text.append(
        fmt::format("{} (required {:.2g})", cell.underpowered() ? " UNDERPOWERED" : "", *cell.required));
  return text;
}

/// Blocks that would show the required effect of an underpowered cell.
std::optional<std::uint64_t> blocks_needed(const PlannedSample& sample, const PlannedCell& cell) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 32;
  return stats::min_blocks(
      [&](std::uint64_t blocks) {
        SampleInfo larger = sample.info;
        larger.blocks = blocks;
        const auto effect = planned_effect(*cell.check, larger, cell.alpha);
        return effect ? effect->value : std::numeric_limits<double>::infinity();
      },
      *cell.required, kMost);
}

Json to_json(const Plan& plan) {
  Json samples = Json::array();
  for (const PlannedSample& sample : plan.samples) {
    Json cells = Json::array();
    for (const PlannedCell& cell : sample.cells) {
      Json entry = {{"check", cell.check->info().id}, {"hypotheses", cell.hypotheses}, {"alpha", cell.alpha}};
      if (cell.hidden) continue;
      if (cell.detectable)
        entry["minimum_detectable_effect"] = {{"value", cell.detectable->value},
                                              {"unit", cell.detectable->unit},
                                              {"power", cell.detectable->power}};
      if (cell.required) entry["required_effect"] = *cell.required;
      if (cell.underpowered()) entry["underpowered"] = true;
      cells.push_back(std::move(entry));
    }
    samples.push_back({{"protocol", sample.info.protocol},
                       {"case", sample.case_text()},
                       {"blocks", sample.info.blocks},
                       {"elements", sample.elements()},
                       {"calls", sample.info.calls},
                       {"checks", std::move(cells)}});
  }
  Json left_out = Json::array();
  for (const LeftOut& l : plan.left_out)
    left_out.push_back({{"check", l.check}, {"case", l.problem}, {"rule", l.rule}});
  return {{"profile", plan.profile},
          {"plan_hash", plan.hash},
          {"master_seed", fmt::format("{:#x}", plan.master_seed)},
          {"alpha", plan.alpha},
          {"elements", plan.elements()},
          {"samples", std::move(samples)},
          {"left_out", std::move(left_out)}};
}

void print_underpowered(const Plan& plan) {
  bool any = false;
  for (const PlannedSample& sample : plan.samples)
    for (const PlannedCell& cell : sample.cells) {
      if (cell.hidden || !cell.underpowered()) continue;
      if (!any) fmt::print("\nunderpowered: a pass would be worth less than the profile requires\n");
      any = true;
      const auto blocks = blocks_needed(sample, cell);
      fmt::print("  {} on {}: {}; {}\n", cell.check->info().id, sample.case_text(), effect_text(cell),
                 blocks ? fmt::format("{} blocks of {} calls would do", *blocks, sample.info.calls)
                        : std::string("no number of blocks would do"));
    }
}

}  // namespace

ExitCode plan_command(const Registry& registry, const Selection& selection, bool json) {
  const auto plan = plan_of(registry, selection);
  if (!plan) return usage_error(plan.error().message);
  if (json) {
    fmt::print("{}\n", to_json(*plan).dump(1));
    return ExitCode::pass;
  }
  fmt::print("plan {} (profile {}, seed {:#x}, alpha {} per backend)\n", plan->hash, plan->profile,
             plan->master_seed, plan->alpha);
  fmt::print("{} samples, {} cells, {:.3g} elements for each backend\n\n", plan->samples.size(),
             plan->cells(), static_cast<double>(plan->elements()));
  std::map<std::string, double> spent;
  for (const PlannedSample& sample : plan->samples) {
    fmt::print("{} {}\n", sample.protocol != nullptr ? sample.info.protocol : "explore", sample.case_text());
    if (sample.protocol != nullptr && sample.protocol->streaming)
      fmt::print("  {} blocks of {} calls, {} mask entries\n", sample.info.blocks, sample.info.calls,
                 sample.info.mask_entries());
    for (const PlannedCell& cell : sample.cells) {
      spent[cell.check->info().id] += cell.alpha * cell.hypotheses;
      if (cell.hidden) continue;
      if (cell.hypotheses > 0)
        fmt::print("  {:40} {} x {:.2g}  catches {}\n", cell.check->info().id, cell.hypotheses, cell.alpha,
                   effect_text(cell));
      else fmt::print("  {:40} {}\n", cell.check->info().id, "exact");
    }
  }
  print_underpowered(*plan);
  fmt::print("\nfalse-alarm budget\n");
  double total = 0;
  for (const auto& [id, alpha] : spent) {
    if (alpha > 0) fmt::print("  {:40} {:.3g}\n", id, alpha);
    total += alpha;
  }
  fmt::print("  {:40} {:.3g} of {}\n", "all", total, plan->alpha);
  if (!plan->left_out.empty()) {
    fmt::print("\nleft out, because a rule fails at the planned size\n");
    std::map<std::pair<std::string, std::string>, std::vector<std::string>> by_rule;
    for (const LeftOut& l : plan->left_out) by_rule[{l.check, l.rule}].push_back(l.problem);
    for (const auto& [what, problems] : by_rule)
      fmt::print(
          "  {}: {}: {}{}\n", what.first, what.second, problems.front(),
          problems.size() > 1 ? fmt::format(" and {} more cases", problems.size() - 1) : std::string());
  }
  fmt::print("\ntime on {} lanes, judging included, from two small cases judged just now\n",
             lanes_of(selection));
  RunnerOptions options;
  options.lanes = lanes_of(selection);
  options.backend.in_process = selection.in_process;
  for (const std::string& spec : split_backend_names(selection.backends)) {
    const auto seconds = estimate(registry, spec, *plan, options);
    if (seconds) fmt::print("  {:40} about {:.0f} s\n", spec, std::ceil(*seconds));
    else fmt::print("  {:40} cannot be measured: it does not open\n", spec);
  }
  return ExitCode::pass;
}

}  // namespace dropcheck::tools
