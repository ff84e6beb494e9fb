#pragma once
// Observes samples: their blocks run on as many lanes (threads, each with its own backend instance) as asked
// for, and the observers of a sample are merged in block order, so that nothing depends on the lanes.

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/core/registry.hpp"
#include "harness/run/block_executor.hpp"
#include "harness/run/plan.hpp"

namespace dropcheck {

/// One sample at one stage, with the checks that observe it; or a property check that explores.
struct Job {
  const PlannedSample* sample = nullptr;
  SampleInfo info;  // at this stage's size
  unsigned stage = 1;
  std::vector<std::size_t> cells;  // of the sample

  bool explores() const { return sample->protocol == nullptr; }
  std::uint64_t blocks() const { return explores() ? 1 : info.blocks; }
  /// Work to be done, in elements asked of the backend; small steps count a fixed overhead.
  std::uint64_t work_of_block() const;
};

/// What the calls of a sample declared about their drop probability.
struct DeclaredRates {
  std::uint64_t silent = 0, declared = 0;  // calls that draw a mask
  double lowest = 2, highest = -1;

  void see(const StepRecord& record);
  void merge(const DeclaredRates& later);
  /// The rate that all calls declared alike; absent otherwise.
  std::optional<double> common() const {
    return silent == 0 && declared > 0 && lowest == highest ? std::optional(lowest) : std::nullopt;
  }
};

struct JobOutcome {
  std::vector<std::unique_ptr<Observer>> observers;  // one a cell of the job
  std::vector<std::optional<Judgement>> broken;      // instead of an observer whose merging failed
  DeclaredRates rates;
  std::optional<Trouble> trouble;
  std::optional<Exploration> exploration;
};

struct JobEvents {
  /// Called once for every finished job, from the lane that finished it; several at once for different jobs.
  std::function<void(std::size_t job, JobOutcome)> on_done;
  /// What a property check finds. Called in a lane.
  std::function<Exploration(BlockExecutor&, const Check&)> explore;
  /// After every block, one at a time: its work.
  std::function<void(std::uint64_t work)> on_work;
};

class JobRunner {
 public:
  /// All references must outlive the runner. `spec` names the backend, which each lane opens for itself.
  JobRunner(const Registry& registry, std::string spec, const Capabilities& capabilities,
            const BackendOptions& options, unsigned lanes, std::uint64_t master_seed,
            std::atomic<bool>& stop);

  /// Returns when all jobs are done or the stop has been asked for. Backends stay open for the next call.
  void run(std::span<const Job> jobs, const JobEvents& events);
  /// Closes the backends of all lanes and tells what they did beside answering; nothing runs afterwards.
  std::vector<Incident> close();

 private:
  struct BlockOutcome {
    std::vector<std::unique_ptr<Observer>> observers;
    DeclaredRates rates;
    std::optional<Trouble> trouble;
    bool done = false;
  };
  struct State {
    std::vector<std::vector<std::uint64_t>> seeds;  // by block and slot
    std::vector<BlockOutcome> blocks;
    std::uint64_t absorbed = 0;   // blocks that are merged and forgotten
    std::uint64_t remaining = 0;  // blocks
    JobOutcome outcome;
  };
  struct Lane {
    std::unique_ptr<Backend> backend;
    std::optional<BlockExecutor> executor;
    std::string open_error = "the run was stopped";
  };
  struct Batch;

  void work(Batch& batch, Lane& lane);
  void prepare(const Job& job, State& state) const;
  void run_block(const Job& job, State& state, std::uint64_t block, BlockExecutor& executor) const;
  static void absorb(State& state);

  const Registry& registry_;
  std::string spec_;
  const Capabilities& capabilities_;
  BackendOptions options_;
  std::uint64_t master_seed_;
  std::atomic<bool>& stop_;
  const std::shared_ptr<InputCache> inputs_ = std::make_shared<InputCache>();
  std::vector<Lane> lanes_;
};

}  // namespace dropcheck
