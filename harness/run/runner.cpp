#include "harness/run/runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>

#include "harness/core/descriptor.hpp"
#include "harness/run/cell_judge.hpp"
#include "harness/run/fence.hpp"
#include "harness/run/job_runner.hpp"
#include "harness/run/property_explorer.hpp"
#include "harness/stats/escalation.hpp"

namespace dropcheck {
namespace {

/// What is known of one cell so far.
struct CellState {
  ResultRecord record;
  std::vector<Suspicion> suspicions;  // hypotheses that are still open
  bool judged = false;
  bool settled() const { return judged && suspicions.empty(); }
};

struct SampleState {
  std::vector<CellState> cells;  // one a planned cell
  bool is_settled() const {
    return std::all_of(cells.begin(), cells.end(), [](const CellState& c) { return c.settled(); });
  }
};

class Run {
 public:
  Run(const Registry& registry, const Plan& plan, const std::string& spec, const Capabilities& capabilities,
      const RunnerOptions& options, const RunnerEvents& events, std::atomic<bool>& stop)
      : registry_(registry),
        plan_(plan),
        capabilities_(capabilities),
        options_(options),
        events_(events),
        stop_(stop),
        judge_(plan, spec, capabilities, options.pursue != Pursue::never),
        jobs_(registry, spec, capabilities, options.backend, options.lanes, plan.master_seed, stop),
        states_(plan.samples.size()) {}

  bool execute() {
    first_stage();
    if (!stop_.load()) pursue();
    const auto incidents = jobs_.close();
    if (events_.on_incidents) events_.on_incidents(incidents);
    const std::lock_guard lock(mutex_);
    if (stop_.load()) flush_settled();
    return flushed_ == plan_.samples.size() && !failed_fast_;
  }

 private:
  struct Pursuit {
    std::size_t sample;
    Job job;
  };

  void first_stage();
  void pursue();
  void close_unpursued();
  /// Samples with open suspicions at this size, observing only the suspicious cells.
  std::vector<Pursuit> pursuits(unsigned stage, std::uint64_t size_factor) const;
  void run_jobs(const std::vector<Pursuit>& pursuits,
                const std::function<void(CellState&, const PlannedCell&, const JobOutcome&, std::size_t cell,
                                         const Job&)>& settle);
  bool holds_failure() const;
  void flush();          // needs the lock
  void flush_settled();  // needs the lock: when stopped, whatever is settled goes out
  bool emit(SampleState& state, const PlannedSample& sample);

  const Registry& registry_;
  const Plan& plan_;
  const Capabilities& capabilities_;
  const RunnerOptions& options_;
  const RunnerEvents& events_;
  std::atomic<bool>& stop_;
  CellJudge judge_;
  JobRunner jobs_;

  std::mutex mutex_;
  std::vector<SampleState> states_;
  std::size_t flushed_ = 0;  // samples whose results are out
  std::uint64_t done_work_ = 0, total_work_ = 0;
  bool failed_ = false;  // a required check whose failure nobody expected, among the results that are out
  bool failed_fast_ = false;
};

void Run::first_stage() {
  std::vector<Pursuit> first;
  for (std::size_t i = 0; i < plan_.samples.size(); ++i) {
    const PlannedSample& sample = plan_.samples[i];
    Job job{&sample, sample.info, 1, {}};
    states_[i].cells.resize(sample.cells.size());
    for (std::size_t c = 0; c < sample.cells.size(); ++c) {
      const std::string missing = judge_.missing_for(sample, sample.cells[c]);
      if (missing.empty()) {
        job.cells.push_back(c);
        continue;
      }
      states_[i].cells[c].record = judge_.unsupported(sample, sample.cells[c], missing);
      states_[i].cells[c].judged = true;
    }
    if (!job.cells.empty()) first.push_back({i, std::move(job)});
  }
  std::vector<Job> jobs;
  for (const Pursuit& p : first) {
    jobs.push_back(p.job);
    total_work_ += p.job.work_of_block() * p.job.blocks();
  }
  {
    const std::lock_guard lock(mutex_);
    flush();
  }
  JobEvents events;
  events.explore = [&](BlockExecutor& executor, const Check& check) {
    return explore(registry_, plan_, judge_, capabilities_, executor, check, stop_);
  };
  events.on_work = [&](std::uint64_t work) {
    const std::lock_guard lock(mutex_);
    done_work_ += work;
    if (events_.on_progress) events_.on_progress(done_work_, total_work_);
  };
  events.on_done = [&](std::size_t j, JobOutcome outcome) {
    const Job& job = jobs[j];
    SampleState state;
    state.cells.resize(job.sample->cells.size());
    std::vector<FirstLook> looks = judge_.first_look(job, outcome);
    const std::lock_guard lock(mutex_);
    for (std::size_t a = 0; a < looks.size(); ++a) {
      CellState& cell = states_[first[j].sample].cells[job.cells[a]];
      cell.record = std::move(looks[a].record);
      cell.suspicions = std::move(looks[a].suspicions);
      cell.judged = true;
    }
    flush();
  };
  jobs_.run(jobs, events);
}

std::vector<Run::Pursuit> Run::pursuits(unsigned stage, std::uint64_t size_factor) const {
  std::vector<Pursuit> open;
  for (std::size_t i = flushed_; i < plan_.samples.size(); ++i) {
    const PlannedSample& sample = plan_.samples[i];
    Job job{&sample, sample.info, stage, {}};
    job.info.blocks *= size_factor;
    for (std::size_t c = 0; c < sample.cells.size(); ++c)
      if (!states_[i].cells[c].suspicions.empty()) job.cells.push_back(c);
    if (!job.cells.empty()) open.push_back({i, std::move(job)});
  }
  return open;
}

void Run::run_jobs(const std::vector<Pursuit>& pursuits,
                   const std::function<void(CellState&, const PlannedCell&, const JobOutcome&, std::size_t,
                                            const Job&)>& settle) {
  std::vector<Job> jobs;
  {
    const std::lock_guard lock(mutex_);
    for (const Pursuit& p : pursuits) {
      jobs.push_back(p.job);
      total_work_ += p.job.work_of_block() * p.job.blocks();
    }
  }
  JobEvents events;
  events.on_work = [&](std::uint64_t work) {
    const std::lock_guard lock(mutex_);
    done_work_ += work;
    if (events_.on_progress) events_.on_progress(done_work_, total_work_);
  };
  events.on_done = [&](std::size_t j, JobOutcome outcome) {
    for (std::size_t a = 0; a < jobs[j].cells.size(); ++a) {
      const std::size_t c = jobs[j].cells[a];
      settle(states_[pursuits[j].sample].cells[c], jobs[j].sample->cells[c], outcome, a, jobs[j]);
    }
  };
  jobs_.run(jobs, events);
}

void Run::pursue() {
  if (pursuits(1, 1).empty()) return;
  if (options_.pursue != Pursue::always && holds_failure()) {
    close_unpursued();
  } else {
    // A verdict on fresh data means nothing when the same seeds do not even give the same data.
    if (judge_.promises_reproduction())
      run_jobs(pursuits(1, 1), [&](CellState& cell, const PlannedCell& planned, const JobOutcome& outcome,
                                   std::size_t a, const Job& job) {
        judge_.reproduce(cell.record, cell.suspicions, planned, outcome, a, job);
      });
    for (const unsigned stage : {2u, 3u}) {
      if (stop_.load()) return;
      run_jobs(
          pursuits(stage, stats::stage_factor(stage)),
          [&](CellState& cell, const PlannedCell& planned, const JobOutcome& outcome, std::size_t a,
              const Job& job) { judge_.later_look(cell.record, cell.suspicions, planned, outcome, a, job); });
    }
  }
  const std::lock_guard lock(mutex_);
  if (!stop_.load()) flush();
}

bool Run::holds_failure() const {
  if (failed_) return true;
  for (std::size_t i = flushed_; i < states_.size(); ++i)
    for (const CellState& cell : states_[i].cells)
      if (cell.judged && cell.record.verdict == Verdict::fail && cell.record.level == "required" &&
          !(events_.is_expected && events_.is_expected(cell.record)))
        return true;
  return false;
}

void Run::close_unpursued() {
  for (SampleState& state : states_)
    for (CellState& cell : state.cells)
      if (!cell.suspicions.empty()) judge_.leave_unpursued(cell.record, cell.suspicions);
}

bool Run::emit(SampleState& state, const PlannedSample& sample) {
  for (std::size_t c = 0; c < state.cells.size(); ++c) {
    CellState& cell = state.cells[c];
    if (sample.cells[c].hidden || !cell.settled()) continue;
    const bool required = cell.record.level == "required";
    const Verdict counts = events_.on_result(std::move(cell.record));
    failed_ = failed_ || (required && counts == Verdict::fail);
    if (counts == Verdict::fail && options_.fail_fast) {
      failed_fast_ = true;
      stop_.store(true);
      return false;
    }
  }
  state = SampleState{};
  return true;
}

void Run::flush() {
  while (flushed_ < states_.size() && !failed_fast_ && states_[flushed_].is_settled()) {
    if (!emit(states_[flushed_], plan_.samples[flushed_])) return;
    ++flushed_;
  }
}

void Run::flush_settled() {
  for (std::size_t i = flushed_; i < states_.size() && !failed_fast_; ++i)
    if (!states_[i].cells.empty() && !emit(states_[i], plan_.samples[i])) return;
}

}  // namespace

bool run_plan(const Registry& registry, const Plan& plan, const std::string& spec,
              const Capabilities& capabilities, const RunnerOptions& options, const RunnerEvents& events,
              std::atomic<bool>& stop) {
  return Run(registry, plan, spec, capabilities, options, events, stop).execute();
}

}  // namespace dropcheck
