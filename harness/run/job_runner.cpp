#include "harness/run/job_runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "harness/run/block_feed.hpp"
#include "harness/run/fence.hpp"
#include "harness/run/seeds.hpp"

namespace dropcheck {
namespace {

constexpr std::uint64_t kStepOverhead = 4096;  // elements that one small step costs as much as

}  // namespace

std::uint64_t Job::work_of_block() const {
  if (explores()) return 400 * kStepOverhead;
  if (!sample->protocol->streaming) return 6 * kStepOverhead;
  return info.calls * (kStepOverhead + static_cast<std::uint64_t>(element_count(info.problem.shape)));
}

void DeclaredRates::see(const StepRecord& record) {
  if (!draws_mask(record.step->problem) || !record.observation->has_value()) return;
  const std::optional<double>& rate = (*record.observation)->effective_p;
  if (!rate) {
    ++silent;
    return;
  }
  ++declared;
  lowest = std::min(lowest, *rate);
  highest = std::max(highest, *rate);
}

void DeclaredRates::merge(const DeclaredRates& later) {
  silent += later.silent;
  declared += later.declared;
  lowest = std::min(lowest, later.lowest);
  highest = std::max(highest, later.highest);
}

struct JobRunner::Batch {
  std::span<const Job> jobs;
  const JobEvents& events;
  std::mutex mutex{};
  std::vector<State> states{};
  std::size_t next_job = 0;  // the next block to hand out is next_block of this job
  std::uint64_t next_block = 0;
};

JobRunner::JobRunner(const Registry& registry, std::string spec, const Capabilities& capabilities,
                     const BackendOptions& options, unsigned lanes, std::uint64_t master_seed,
                     std::atomic<bool>& stop)
    : registry_(registry),
      spec_(std::move(spec)),
      capabilities_(capabilities),
      options_(options),
      master_seed_(master_seed),
      stop_(stop),
      lanes_(lanes) {
  options_.stop = &stop;
}

void JobRunner::run(std::span<const Job> jobs, const JobEvents& events) {
  Batch batch{.jobs = jobs, .events = events};
  batch.states.resize(jobs.size());
  for (Lane& lane : lanes_) {
    if (lane.executor || stop_.load()) continue;
    auto opened = registry_.open(spec_, options_);
    if (opened) {
      lane.backend = std::move(*opened);
      lane.executor.emplace(*lane.backend, inputs_, [this](const Instance& instance) {
        BackendOptions options = options_;
        options.rank = instance.rank;
        options.world_size = instance.world_size;
        return registry_.open(spec_, options);
      });
    } else {
      lane.open_error = opened.error().message;
    }
  }
  std::vector<std::jthread> threads;
  for (std::size_t i = 1; i < lanes_.size(); ++i)
    threads.emplace_back([this, &batch, i] { work(batch, lanes_[i]); });
  work(batch, lanes_[0]);
}

std::vector<Incident> JobRunner::close() {
  std::vector<std::vector<Incident>> of_lanes(lanes_.size());
  {
    std::vector<std::jthread> threads;  // closing may take seconds
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      if (!lanes_[i].backend) continue;
      threads.emplace_back([&lane = lanes_[i], &incidents = of_lanes[i]] {
        lane.executor.reset();  // its tensors must be freed before the backend
        incidents = lane.backend->close();
        lane.backend.reset();
      });
    }
  }
  std::vector<Incident> all;
  for (const auto& incidents : of_lanes)
    for (const Incident& incident : incidents) add_incident(all, incident);
  return all;
}

void JobRunner::work(Batch& batch, Lane& lane) {
  while (true) {
    std::size_t index = 0;
    std::uint64_t block = 0;
    {
      const std::lock_guard lock(batch.mutex);
      if (stop_.load() || batch.next_job == batch.jobs.size()) return;
      index = batch.next_job;
      block = batch.next_block++;
      if (block == 0) prepare(batch.jobs[index], batch.states[index]);
      if (batch.next_block == batch.jobs[index].blocks()) {
        ++batch.next_job;
        batch.next_block = 0;
      }
    }
    const Job& job = batch.jobs[index];
    State& state = batch.states[index];
    if (!lane.executor) state.blocks[block].trouble = Trouble{Verdict::error, lane.open_error};
    else if (job.explores())
      state.outcome.exploration = batch.events.explore(*lane.executor, *job.sample->cells[0].check);
    else run_block(job, state, block, *lane.executor);
    bool last = false;
    {
      const std::lock_guard lock(batch.mutex);
      state.blocks[block].done = true;
      absorb(state);
      last = --state.remaining == 0;
    }
    if (stop_.load()) return;  // an unfinished sample is not judged
    if (last) {
      batch.events.on_done(index, std::move(state.outcome));
      state = State{};
    }
    if (batch.events.on_work) {
      const std::lock_guard lock(batch.mutex);
      batch.events.on_work(job.work_of_block());
    }
  }
}

void JobRunner::prepare(const Job& job, State& state) const {
  state.remaining = job.blocks();
  state.blocks.resize(state.remaining);
  if (!job.explores())
    state.seeds = sample_seeds(master_seed_, job.info, job.stage,
                               seed_slots(*job.sample->protocol, job.info, capabilities_.seed_semantics),
                               capabilities_.seed_bits);
}

void JobRunner::run_block(const Job& job, State& state, std::uint64_t block, BlockExecutor& executor) const {
  const Protocol& protocol = *job.sample->protocol;
  BlockOutcome& outcome = state.blocks[block];
  try {
    for (const std::size_t c : job.cells)
      outcome.observers.push_back(job.sample->cells[c].check->observer(job.info));
    BlockFeed feed(outcome.observers, protocol.streaming, capabilities_.effective_rate, block);
    outcome.trouble = executor.run(
        protocol, job.info, block, state.seeds[block],
        [&](const StepRecord& record) {
          outcome.rates.see(record);
          feed.observe(record);
        },
        stop_);
    feed.finish();
  } catch (const std::exception& e) {
    outcome.trouble = Trouble{Verdict::error, fmt::format("the check itself failed: {}", e.what())};
  }
}

void JobRunner::absorb(State& state) {
  JobOutcome& all = state.outcome;
  for (; state.absorbed < state.blocks.size() && state.blocks[state.absorbed].done; ++state.absorbed) {
    BlockOutcome block = std::move(state.blocks[state.absorbed]);
    if (block.trouble &&
        (!all.trouble || (all.trouble->verdict != Verdict::fail && block.trouble->verdict == Verdict::fail)))
      all.trouble = block.trouble;
    all.rates.merge(block.rates);
    if (state.absorbed == 0) {
      all.observers = std::move(block.observers);
      all.broken.resize(all.observers.size());
    } else if (!all.trouble) {
      for (std::size_t a = 0; a < all.observers.size(); ++a) {
        const Judgement merging = fenced([&] {
          all.observers[a]->merge(*block.observers[a]);
          return Judgement{};
        });
        if (merging.verdict != Verdict::pass) all.broken[a] = merging;
      }
    }
  }
}

}  // namespace dropcheck
