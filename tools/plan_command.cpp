#include <fmt/format.h>

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>

#include "harness/core/guarded_tensor.hpp"
#include "tools/backend_names.hpp"
#include "tools/commands.hpp"

namespace dropcheck::tools {
namespace {

using Json = nlohmann::ordered_json;

/// Elements a second on one lane, measured on a few calls now; absent when the backend does not open or
/// answer.
std::optional<double> throughput(const Registry& registry, const std::string& spec,
                                 const BackendOptions& options) {
  const auto backend = registry.open(spec, options);
  if (!backend) return std::nullopt;
  Problem problem;
  problem.p = 0.3;
  problem.shape = {1 << 20};
  const std::size_t bytes = GuardedTensor::bytes_needed(problem, false);
  auto x = (*backend)->allocate(bytes), y = (*backend)->allocate(bytes);
  if (!x || !y) return std::nullopt;
  GuardedTensor input(std::move(*x), problem, false), output(std::move(*y), problem, true);
  Call call;
  call.p = problem.p;
  call.seed = 1;
  call.x = {&input.memory(), input.view()};
  call.y = {&output.memory(), output.view()};
  double best = 0;
  for (int i = 0; i < 4; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    if (!(*backend)->forward(call)) return std::nullopt;
    best =
        std::max(best, static_cast<double>(1 << 20) /
                           std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
}

std::string effect_text(const PlannedCell& cell, const SampleInfo& info) {
  if (cell.check->is_exact()) return "exact: any violation";
  const auto effect = cell.check->detectable(info, cell.alpha);
  return effect ? fmt::format("{:.2g} {}", effect->value, effect->unit) : "not stated";
}

Json to_json(const Plan& plan) {
  Json samples = Json::array();
  for (const PlannedSample& sample : plan.samples) {
    Json cells = Json::array();
    for (const PlannedCell& cell : sample.cells) {
      Json entry = {{"check", cell.check->info().id}, {"hypotheses", cell.hypotheses}, {"alpha", cell.alpha}};
      if (sample.protocol != nullptr && !cell.check->is_exact())
        if (const auto effect = cell.check->detectable(sample.info, cell.alpha))
          entry["minimum_detectable_effect"] = {
              {"value", effect->value}, {"unit", effect->unit}, {"power", effect->power}};
      cells.push_back(std::move(entry));
    }
    samples.push_back({{"protocol", sample.info.protocol},
                       {"case", sample.case_text()},
                       {"blocks", sample.info.blocks},
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
  fmt::print("{} samples, {} cells, {:.3g} elements in streaming samples for each backend\n\n",
             plan->samples.size(), plan->cells(), static_cast<double>(plan->elements()));
  std::map<std::string, double> spent;
  for (const PlannedSample& sample : plan->samples) {
    fmt::print("{} {}\n", sample.protocol != nullptr ? sample.info.protocol : "explore", sample.case_text());
    if (sample.protocol != nullptr && sample.protocol->streaming)
      fmt::print("  {} blocks of {} calls, {} mask entries\n", sample.info.blocks, sample.info.calls,
                 sample.info.mask_entries());
    for (const PlannedCell& cell : sample.cells) {
      spent[cell.check->info().id] += cell.alpha * cell.hypotheses;
      if (cell.hypotheses > 0)
        fmt::print("  {:40} {} x {:.2g}  catches {}\n", cell.check->info().id, cell.hypotheses, cell.alpha,
                   effect_text(cell, sample.info));
      else fmt::print("  {:40} {}\n", cell.check->info().id, "exact");
    }
  }
  fmt::print("\nfalse-alarm budget\n");
  double total = 0;
  for (const auto& [id, alpha] : spent) {
    if (alpha > 0) fmt::print("  {:40} {:.3g}\n", id, alpha);
    total += alpha;
  }
  fmt::print("  {:40} {:.3g} of {}\n", "all", total, plan->alpha);
  if (!plan->left_out.empty()) {
    fmt::print("\nleft out, because a rule fails at the planned size\n");
    for (const LeftOut& l : plan->left_out) fmt::print("  {} {}: {}\n", l.check, l.problem, l.rule);
  }
  fmt::print("\ntime, from a measurement of each backend just now on {} lanes; judging is not counted\n",
             lanes_of(selection));
  BackendOptions options;
  options.in_process = selection.in_process;
  for (const std::string& spec : split_backend_names(selection.backends)) {
    const auto rate = throughput(registry, spec, options);
    if (rate)
      fmt::print("  {:40} about {:.0f} s\n", spec,
                 static_cast<double>(plan->elements()) / *rate / lanes_of(selection));
    else fmt::print("  {:40} cannot be measured: it does not open or does not answer\n", spec);
  }
  return ExitCode::pass;
}

}  // namespace dropcheck::tools
