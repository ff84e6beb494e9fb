#pragma once
// One wrong or clean backend before our checks and before the tests of others.

#include <atomic>
#include <string>
#include <vector>

#include "harness/core/registry.hpp"
#include "harness/run/plan.hpp"
#include "reports/kill_matrix.hpp"

namespace dropcheck::tools {

/// A rival's suite and the plan that asks its tests.
struct RivalPlan {
  std::string name;
  Plan plan;
};

/// What all trials share. Plans are made once; they may be asked from several threads.
struct TrialGround {
  const Registry* ours = nullptr;
  const Registry* rivals = nullptr;  // with their checks and protocols beside the backends
  const Plan* matrix = nullptr;      // of the columns beside the named check
  std::vector<RivalPlan> rival_plans;
  std::atomic<bool>* stop = nullptr;
};

/// Fills `row.ours` and `row.rivals`.
Status fill_columns(const TrialGround& ground, reports::MatrixRow& row);

/// Asks the named check of a row alone.
Status ask_named(const TrialGround& ground, const PlanOptions& options, reports::MatrixRow& row);

/// Runs of a rival's suite on the backend with seeds of their own, and how many had a failure.
Expected<std::uint64_t> false_alarms(const TrialGround& ground, const RivalPlan& rival,
                                     const std::string& spec, std::uint64_t first_seed, std::uint64_t runs);

}  // namespace dropcheck::tools
