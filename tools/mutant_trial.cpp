#include "tools/mutant_trial.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "harness/run/runner.hpp"

namespace dropcheck::tools {
namespace {

using reports::Said;

Said said_of(const ResultRecord& result) {
  switch (result.verdict) {
    case Verdict::fail: return Said::fired;
    case Verdict::inconclusive: return Said::suspicious;
    case Verdict::pass: return Said::passed;
    // What a backend that breaks down was asked is not what the check is for.
    case Verdict::error:
    case Verdict::unsupported:
    case Verdict::expected_fail: break;
  }
  return Said::nothing;
}

/// All results of a plan on one lane, in plan order.
Expected<std::vector<ResultRecord>> ask(const Registry& registry, const Plan& plan, const std::string& spec,
                                        const RunnerOptions& options, std::atomic<bool>& stop) {
  auto opened = registry.open(spec, {});
  if (!opened) return opened.error();
  const Capabilities capabilities = (*opened)->capabilities();
  (*opened)->close();
  opened->reset();
  std::vector<ResultRecord> results;
  RunnerEvents events;
  events.on_result = [&](ResultRecord result) {
    const Verdict verdict = result.verdict;
    results.push_back(std::move(result));
    return verdict;
  };
  run_plan(registry, plan, spec, capabilities, options, events, stop);
  return results;
}

/// Whether a test of the rival failed. What our executor's guards found is not the rival's finding.
Expected<Said> said_by_rival(const TrialGround& ground, const Plan& plan, const std::string& spec) {
  const auto results = ask(*ground.rivals, plan, spec, {}, *ground.stop);
  if (!results) return results.error();
  Said worst = Said::nothing;
  for (const ResultRecord& result : *results)
    if (result.comparisons > 0) worst = std::max(worst, said_of(result));
  return worst;
}

}  // namespace

Status fill_columns(const TrialGround& ground, reports::MatrixRow& row) {
  const auto results = ask(*ground.ours, *ground.matrix, row.backend, {}, *ground.stop);
  if (!results) return results.error();
  for (const ResultRecord& result : *results) {
    Said& worst = row.ours[result.check];
    worst = std::max(worst, said_of(result));
  }
  for (const RivalPlan& rival : ground.rival_plans) {
    const auto said = said_by_rival(ground, rival.plan, row.backend);
    if (!said) return said.error();
    row.rivals[rival.name] = *said;
  }
  return Done{};
}

Status ask_named(const TrialGround& ground, const PlanOptions& options, reports::MatrixRow& row) {
  const auto plan = make_plan(*ground.ours, options);
  if (!plan) return Error{plan.error().code, fmt::format("{}: {}", row.backend, plan.error().message)};
  RunnerOptions alone;
  alone.pursue = Pursue::always;
  const auto results = ask(*ground.ours, *plan, row.backend, alone, *ground.stop);
  if (!results) return results.error();
  row.named->asked = true;
  row.named->verdict = "nothing";
  Verdict worst = Verdict::pass;
  for (const ResultRecord& result : *results) {
    if (result.check != row.named->check) continue;
    worst = std::max(worst, result.verdict);
    row.named->verdict = to_string(worst);
    if (result.verdict == Verdict::fail && row.named->repro.empty()) row.named->repro = result.repro;
  }
  row.named->killed = worst == Verdict::fail;
  return Done{};
}

Expected<std::uint64_t> false_alarms(const TrialGround& ground, const RivalPlan& rival,
                                     const std::string& spec, std::uint64_t first_seed, std::uint64_t runs) {
  Plan plan = rival.plan;
  std::uint64_t alarms = 0;
  for (std::uint64_t run = 0; run < runs && !ground.stop->load(); ++run) {
    plan.master_seed = first_seed + run;
    const auto said = said_by_rival(ground, plan, spec);
    if (!said) return said.error();
    alarms += *said == Said::fired ? 1 : 0;
  }
  return alarms;
}

}  // namespace dropcheck::tools
