#pragma once
// The calls of a plan without anything that judges them: what the backend itself costs.

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "harness/run/job_runner.hpp"

namespace dropcheck {

class BackendAlone {
 public:
  /// As many lanes as there are backends; all must outlive the object.
  explicit BackendAlone(std::vector<std::unique_ptr<Backend>> backends) : backends_(std::move(backends)) {}

  /// Makes every forward and backward call of the jobs' samples, with inputs of ones, nothing poisoned,
  /// compared or counted. What the backend answers is ignored.
  void run(std::span<const Job> jobs, std::uint64_t master_seed);

 private:
  std::vector<std::unique_ptr<Backend>> backends_;
};

}  // namespace dropcheck
