#pragma once
// Judges one backend by a plan. Results come out in plan order and do not depend on the number of lanes.
// Suspicious statistics are tested again on fresh samples when the whole plan has been looked at once.

#include <atomic>
#include <functional>
#include <string>

#include "harness/core/registry.hpp"
#include "harness/core/run_record.hpp"
#include "harness/run/plan.hpp"

namespace dropcheck {

/// What becomes of a statistic that looks suspicious in the first stage.
enum class Pursue : std::uint8_t {
  unless_failed,  // it is drawn again, larger, unless the run has failed already
  always,         // also when something else has failed: each check as if it ran alone
  never,          // nothing is: the first stage decides alone, at the whole share of a hypothesis
};

struct RunnerOptions {
  unsigned lanes = 1;
  BackendOptions backend;
  bool fail_fast = false;
  Pursue pursue = Pursue::unless_failed;
};

/// Called from several threads, one at a time.
struct RunnerEvents {
  /// In plan order. Returns the verdict that counts, which expectations may have changed.
  std::function<Verdict(ResultRecord)> on_result;
  /// Work done so far, in elements asked of the backend (small steps count a fixed overhead), out of the
  /// total. Later stages raise the total.
  std::function<void(std::uint64_t done, std::uint64_t total)> on_progress;
  /// Whether this failure is a known one; absent: none is.
  std::function<bool(const ResultRecord&)> is_expected;
  /// At the end, also of a run that was stopped: what the backends of all lanes did beside answering.
  std::function<void(const std::vector<Incident>&)> on_incidents;
};

/// Runs the whole plan against the backend that `spec` names. Returns false when it was stopped (by `stop` or
/// fail_fast) before all results were out; what was finished has been handed over. The backend must open:
/// `open` it first to say why not.
bool run_plan(const Registry& registry, const Plan& plan, const std::string& spec,
              const Capabilities& capabilities, const RunnerOptions& options, const RunnerEvents& events,
              std::atomic<bool>& stop);

}  // namespace dropcheck
