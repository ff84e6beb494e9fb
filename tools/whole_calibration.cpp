#include "tools/whole_calibration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "harness/run/runner.hpp"
#include "harness/run/seeds.hpp"
#include "harness/stats/binomial.hpp"
#include "suites/calibration/p_value_subject.hpp"

namespace dropcheck::tools {
namespace {

constexpr std::size_t kFivePercent = 1;  // of kAlarmLevels
static_assert(kAlarmLevels[kFivePercent] == 0.05);

/// The counts of one run, from its results.
class OneRun {
 public:
  OneRun(const WholePlan& whole, RunCounts& counts) : whole_(whole), counts_(counts) {}

  void take(const ResultRecord& result, unsigned planned) {
    if (result.verdict != Verdict::pass && result.verdict != Verdict::unsupported)
      fail(fmt::format("{} {} is {}: {}; {}", result.check, result.problem, to_string(result.verdict),
                       result.message, result.repro));
    if (result.statistics.size() > planned)
      fail(fmt::format("{} {} tests {} hypotheses and has shares for {}", result.check, result.problem,
                       result.statistics.size(), planned));
    for (const Statistic& s : result.statistics) {
      LawCounts& law = counts_.laws[{result.check, s.engine}];
      ++law.tests;
      const auto share = whole_.share.find(result.check);
      if (share == whole_.share.end()) continue;  // told above: it has shares for none
      for (std::size_t i = 0; i < kAlarmLevels.size(); ++i) {
        // A p-value that is no number alarms.
        if (s.p_value > share->second * kAlarmLevels[i]) continue;
        ++law.alarms[i];
        checks_[i].push_back(result.check);
      }
    }
  }

  void finish() {
    ++counts_.runs;
    for (std::size_t i = 0; i < kAlarmLevels.size(); ++i) {
      std::vector<std::string>& checks = checks_[i];
      counts_.alarmed[i] += checks.empty() ? 0u : 1u;
      std::sort(checks.begin(), checks.end());
      checks.erase(std::unique(checks.begin(), checks.end()), checks.end());
      for (const std::string& check : checks) ++counts_.by_check[check][i];
    }
  }

 private:
  void fail(std::string words) {
    ++counts_.failures;
    if (counts_.failed.size() < kMostFailed) counts_.failed.push_back(std::move(words));
  }

  const WholePlan& whole_;
  RunCounts& counts_;
  std::array<std::vector<std::string>, kAlarmLevels.size()> checks_;  // that alarm
};

/// Processor time of this thread, so that other load on the machine does not show.
double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

LevelCounts& operator+=(LevelCounts& all, const LevelCounts& more) {
  for (std::size_t i = 0; i < all.size(); ++i) all[i] += more[i];
  return all;
}

/// The hypotheses of every planned cell, by check, protocol and case.
std::map<std::string, unsigned> planned_hypotheses(const Plan& plan) {
  std::map<std::string, unsigned> planned;
  for (const PlannedSample& sample : plan.samples)
    for (const PlannedCell& cell : sample.cells)
      planned[fmt::format("{} {} {}", cell.check->info().id, sample.info.protocol, sample.case_text())] +=
          cell.hypotheses;
  return planned;
}

}  // namespace

Expected<WholePlan> whole_plan(const Registry& registry, const std::string& profile, std::uint64_t seed) {
  PlanOptions options;
  options.profile = profile;
  options.master_seed = seed;
  auto plan = make_plan(registry, options);
  if (!plan) return plan.error();
  WholePlan whole;
  whole.plan = std::move(*plan);
  for (PlannedSample& sample : whole.plan.samples)
    for (PlannedCell& cell : sample.cells) {
      if (cell.alpha <= 0) continue;
      const double share = cell.alpha / whole.plan.alpha;
      whole.share[cell.check->info().id] = share;
      whole.whole_shares[cell.check->info().id] += share * cell.hypotheses;
      cell.detectable.reset();  // nobody reads it, and it takes longer than the run
    }
  return whole;
}

void RunCounts::add(const RunCounts& more) {
  runs += more.runs;
  seconds += more.seconds;
  alarmed += more.alarmed;
  for (const auto& [check, counts] : more.by_check) by_check[check] += counts;
  for (const auto& [key, law] : more.laws) {
    laws[key].tests += law.tests;
    laws[key].alarms += law.alarms;
  }
  failures += more.failures;
  for (const std::string& words : more.failed)
    if (failed.size() < kMostFailed) failed.push_back(words);
}

std::optional<RunCounts> measure_runs(const Registry& registry, const WholePlan& whole,
                                      const std::string& spec, const Capabilities& capabilities,
                                      std::uint64_t first, std::uint64_t count, std::atomic<bool>& stop) {
  const double begin = thread_seconds();
  const auto planned = planned_hypotheses(whole.plan);
  Plan plan = whole.plan;
  RunnerOptions options;
  options.pursue = Pursue::never;
  RunCounts counts;
  for (std::uint64_t i = first; i < first + count; ++i) {
    plan.master_seed = derived_seed(whole.plan.master_seed, fmt::format("calibration|{}", i));
    OneRun run(whole, counts);
    RunnerEvents events;
    events.on_result = [&](const ResultRecord& result) {
      const auto hypotheses =
          planned.find(fmt::format("{} {} {}", result.check, result.protocol, result.problem));
      run.take(result, hypotheses == planned.end() ? 0 : hypotheses->second);
      return result.verdict;
    };
    if (!run_plan(registry, plan, spec, capabilities, options, events, stop)) return std::nullopt;
    run.finish();
  }
  counts.seconds = thread_seconds() - begin;
  return counts;
}

std::uint64_t most_of(std::uint64_t runs, double rate, double tail) {
  if (rate >= 1) return runs;
  std::uint64_t low = 0, high = runs;  // P(X > high) <= tail always holds
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (stats::binomial_upper_tail(runs, middle + 1, rate) <= tail) high = middle;
    else low = middle + 1;
  }
  return low;
}

WholeFindings findings_of(const WholePlan& whole, const RunCounts& counts) {
  WholeFindings found;
  const auto runs = static_cast<double>(counts.runs);
  if (counts.runs == 0) return found;
  for (const auto& [key, law] : counts.laws) {
    const auto share = whole.share.find(key.first);
    if (share == whole.share.end() || law.tests == 0) continue;
    const double rate = share->second * kAlarmLevels[kFivePercent];
    const auto tests = static_cast<double>(law.tests);
    if (suites::calibration::why_bound(key.second) == nullptr)
      found.exact_share += tests * share->second / runs;
    const std::uint64_t alarms = law.alarms[kFivePercent];
    found.laws.push_back({key.first, key.second, law.tests, alarms, tests * rate,
                          stats::binomial_upper_tail(law.tests, alarms, rate)});
  }
  std::stable_sort(found.laws.begin(), found.laws.end(),
                   [](const LawFinding& a, const LawFinding& b) { return a.tail < b.tail; });
  for (std::size_t i = 0; i < kAlarmLevels.size(); ++i) {
    const double level = kAlarmLevels[i];
    LevelFinding finding{level, counts.alarmed[i], most_of(counts.runs, level, kWholeError / 2)};
    finding.least = runs * level * found.exact_share / 2;
    finding.has_least = finding.least >= kFewestForLow;
    found.fails = found.fails || finding.is_too_many() || finding.is_too_few();
    found.levels.push_back(finding);
    // By the same inequality a check alarms in at most as many runs as all of its hypotheses may.
    const double tail =
        kWholeError / static_cast<double>(kAlarmLevels.size() * std::max<std::size_t>(1, whole.share.size()));
    for (const auto& [check, alarmed] : counts.by_check) {
      const std::uint64_t most = most_of(counts.runs, level * whole.whole_shares.at(check), tail);
      if (alarmed[i] > most) found.too_many.push_back({check, level, alarmed[i], most});
    }
  }
  found.fails = found.fails || !found.too_many.empty() || counts.failures > 0;
  return found;
}

}  // namespace dropcheck::tools
