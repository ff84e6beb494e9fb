#include "harness/run/runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <thread>

#include "harness/core/descriptor.hpp"
#include "harness/run/block_executor.hpp"
#include "harness/run/repro.hpp"
#include "harness/run/seeds.hpp"

namespace dropcheck {
namespace {

constexpr unsigned kStage = 1;
constexpr std::uint64_t kStepOverhead =
    4096;  // elements that one small step costs as much as, for progress only

Judgement with_verdict(Verdict verdict, std::string message) {
  Judgement judgement;
  judgement.verdict = verdict;
  judgement.message = std::move(message);
  return judgement;
}

/// The feature that a check or its protocol needs and the backend lacks.
std::string missing_for(const Capabilities& capabilities, const Protocol* protocol, const Check& check,
                        const Problem* problem) {
  if (problem != nullptr)
    if (auto missing = missing_capability(capabilities, *problem)) return *missing;
  for (const Feature feature : check.info().needs)
    if (!has_feature(capabilities, feature)) return std::string(to_string(feature));
  if (protocol != nullptr)
    for (const Feature feature : protocol->needs)
      if (!has_feature(capabilities, feature)) return std::string(to_string(feature));
  return {};
}

/// A protocol that makes sense on the small tensors of random problems.
bool is_small(const Protocol& protocol) { return !protocol.streaming && !protocol.needs_large_tensors; }

/// Runs a check's own code; whatever escapes it is an error, never a pass.
template <typename Body>
Judgement fenced(Body&& body) {
  try {
    return body();
  } catch (const std::exception& e) {
    return with_verdict(Verdict::error, fmt::format("the check itself failed: {}", e.what()));
  }
}

/// A check that compared nothing cannot pass.
void require_comparison(Judgement& judgement) {
  if (judgement.verdict != Verdict::pass || judgement.comparisons > 0) return;
  judgement.verdict = Verdict::inconclusive;
  judgement.message = "invalid: the check made no comparison";
}

/// What one block of a sample brought: an observer a cell, or trouble.
struct BlockOutcome {
  std::vector<std::unique_ptr<Observer>> observers;
  std::optional<Trouble> trouble;
  bool done = false;
};

struct SampleState {
  std::vector<std::vector<std::uint64_t>> seeds;
  std::vector<BlockOutcome> blocks;
  std::uint64_t absorbed = 0;                     // blocks that are merged and forgotten, in block order
  std::vector<std::unique_ptr<Observer>> merged;  // one an active cell
  std::vector<std::optional<Judgement>> broken;   // cells whose merging failed
  std::optional<Trouble> trouble;
  std::vector<std::size_t> active;    // cells that the backend can serve
  std::vector<ResultRecord> results;  // one a cell, filled when done
  std::uint64_t remaining = 0;        // blocks
  bool done = false;
};

class Run {
 public:
  Run(const Registry& registry, const Plan& plan, const std::string& spec, const Capabilities& capabilities,
      const RunnerOptions& options, const RunnerEvents& events, std::atomic<bool>& stop)
      : registry_(registry),
        plan_(plan),
        spec_(spec),
        capabilities_(capabilities),
        options_(options),
        events_(events),
        stop_(stop),
        states_(plan.samples.size()) {
    for (const PlannedSample& sample : plan_.samples) total_work_ += work_of(sample) * blocks_of(sample);
  }

  bool execute() {
    std::vector<std::jthread> lanes;
    for (unsigned i = 1; i < options_.lanes; ++i) lanes.emplace_back([this] { lane(); });
    lane();
    lanes.clear();
    return flushed_ == plan_.samples.size() && !failed_fast_;
  }

  /// Used by property checks: judges an exact check on one problem right away.
  std::optional<Judgement> judge_now(BlockExecutor& executor, const Check& check, const Problem& problem);

 private:
  static std::uint64_t blocks_of(const PlannedSample& sample) {
    return sample.protocol == nullptr ? 1 : sample.info.blocks;
  }
  std::uint64_t work_of(const PlannedSample& sample) const {
    if (sample.protocol == nullptr) return 400 * kStepOverhead;
    if (!sample.protocol->streaming) return 6 * kStepOverhead;
    return sample.info.calls *
           (kStepOverhead + static_cast<std::uint64_t>(element_count(sample.info.problem.shape)));
  }

  void lane();
  /// Sets the sample up when its first block is taken. Needs the lock.
  void prepare(std::size_t index);
  void run_block(BlockExecutor& executor, std::size_t index, std::uint64_t block);
  void explore(BlockExecutor& executor, std::size_t index);
  /// Merges the finished blocks as far as they follow one another. Needs the lock: memory stays flat in the
  /// number of blocks, and the order does not depend on the lanes.
  static void absorb(SampleState& state);
  void finish(std::size_t index);  // judges; needs no lock, all blocks are in
  void flush();                    // needs the lock
  ResultRecord record_of(const PlannedSample& sample, const Check& check, Judgement judgement) const;
  JudgeContext context_of(const SampleInfo& info, const Check& check, double alpha) const {
    return {info, alpha, pit_key(plan_.master_seed, info, check.info().id, kStage), &capabilities_};
  }

  const Registry& registry_;
  const Plan& plan_;
  const std::string& spec_;
  const Capabilities& capabilities_;
  const RunnerOptions& options_;
  const RunnerEvents& events_;
  std::atomic<bool>& stop_;

  std::mutex mutex_;
  std::vector<SampleState> states_;
  std::size_t next_sample_ = 0;  // the next block to hand out is next_block_ of this sample
  std::uint64_t next_block_ = 0;
  std::size_t flushed_ = 0;  // samples whose results are out
  std::uint64_t done_work_ = 0, total_work_ = 0;
  bool failed_fast_ = false;
};

class RunExplorer final : public Explorer {
 public:
  RunExplorer(Run& run, const Registry& registry, const Plan& plan, const Capabilities& capabilities,
              BlockExecutor& executor, std::string check_id, const std::atomic<bool>& stop)
      : run_(run),
        registry_(registry),
        plan_(plan),
        capabilities_(capabilities),
        executor_(executor),
        check_id_(std::move(check_id)),
        stop_(stop) {}

  std::uint64_t seed() const override { return derived_seed(plan_.master_seed, "explore|" + check_id_); }
  const Capabilities& capabilities() const override { return capabilities_; }
  bool stopping() const override { return stop_.load(std::memory_order_relaxed); }
  std::optional<Judgement> try_check(const std::string& check_id, const Problem& problem) override {
    return run_.judge_now(executor_, *registry_.check(check_id), problem);
  }
  std::vector<std::string> exact_checks(const std::string& suite) const override {
    std::vector<std::string> ids;
    for (const auto& check : registry_.checks()) {
      const auto& protocols = check->info().protocols;
      const bool small = std::any_of(protocols.begin(), protocols.end(), [&](const std::string& id) {
        return is_small(*registry_.protocol(id));
      });
      if (check->info().suite() == suite && check->is_exact() && small) ids.push_back(check->info().id);
    }
    return ids;
  }

 private:
  Run& run_;
  const Registry& registry_;
  const Plan& plan_;
  const Capabilities& capabilities_;
  BlockExecutor& executor_;
  std::string check_id_;
  const std::atomic<bool>& stop_;
};

std::optional<Judgement> Run::judge_now(BlockExecutor& executor, const Check& check, const Problem& problem) {
  std::optional<Judgement> worst;
  for (const Protocol& protocol : registry_.protocols()) {
    const auto& ids = check.info().protocols;
    if (!is_small(protocol) || std::find(ids.begin(), ids.end(), protocol.id) == ids.end()) continue;
    const SampleInfo info{protocol.id, problem, 1, problem.calls.value_or(protocol.default_calls)};
    if (!check.applies(info).applies || !missing_for(capabilities_, &protocol, check, &problem).empty())
      continue;
    const auto seeds =
        sample_seeds(plan_.master_seed, info, kStage, seed_slots(protocol, info), capabilities_.seed_bits);
    Judgement judgement = fenced([&] {
      const auto observer = check.observer(info);
      const auto trouble = executor.run(
          protocol, info, 0, seeds[0], [&](const StepRecord& record) { observer->observe(record); }, stop_);
      if (trouble) return with_verdict(trouble->verdict, trouble->message);
      return check.judge(*observer, context_of(info, check, 0));
    });
    if (judgement.verdict == Verdict::unsupported) continue;
    require_comparison(judgement);
    if (!worst || worse(worst->verdict, judgement.verdict) != worst->verdict) worst = std::move(judgement);
  }
  return worst;
}

void Run::lane() {
  std::unique_ptr<Backend> backend;
  std::optional<BlockExecutor> executor;
  while (true) {
    std::size_t index = 0;
    std::uint64_t block = 0;
    {
      const std::lock_guard lock(mutex_);
      while (true) {
        if (stop_.load() || next_sample_ == plan_.samples.size()) return;
        if (next_block_ == 0) prepare(next_sample_);
        if (states_[next_sample_].remaining > 0) break;
        done_work_ += work_of(plan_.samples[next_sample_]) * blocks_of(plan_.samples[next_sample_]);
        ++next_sample_;  // nothing to ask: all its cells are unsupported
        flush();
      }
      index = next_sample_;
      block = next_block_++;
      if (next_block_ == blocks_of(plan_.samples[index])) {
        ++next_sample_;
        next_block_ = 0;
      }
    }
    if (!backend) {
      auto opened = registry_.open(spec_, options_.backend);
      if (opened) {
        backend = std::move(*opened);
        executor.emplace(*backend);
      } else {
        states_[index].blocks[block].trouble = Trouble{Verdict::error, opened.error().message};
      }
    }
    if (executor) {
      if (plan_.samples[index].protocol == nullptr) explore(*executor, index);
      else run_block(*executor, index, block);
    }
    bool last = false;
    {
      const std::lock_guard lock(mutex_);
      states_[index].blocks[block].done = true;
      absorb(states_[index]);
      last = --states_[index].remaining == 0;
    }
    if (stop_.load()) return;  // an unfinished sample is not judged
    if (last) finish(index);
    const std::lock_guard lock(mutex_);
    done_work_ += work_of(plan_.samples[index]);
    if (last) {
      states_[index].done = true;
      flush();
    }
    if (events_.on_progress) events_.on_progress(done_work_, total_work_);
  }
}

void Run::prepare(std::size_t index) {
  const PlannedSample& sample = plan_.samples[index];
  SampleState& state = states_[index];
  state.results.resize(sample.cells.size());
  for (std::size_t c = 0; c < sample.cells.size(); ++c) {
    const Check& check = *sample.cells[c].check;
    const std::string missing = missing_for(capabilities_, sample.protocol, check,
                                            sample.protocol != nullptr ? &sample.info.problem : nullptr);
    if (missing.empty()) {
      state.active.push_back(c);
      continue;
    }
    state.results[c] =
        record_of(sample, check,
                  with_verdict(Verdict::unsupported, fmt::format("the backend does not claim {}", missing)));
    state.results[c].missing = missing;
  }
  if (state.active.empty()) {
    state.done = true;
    return;
  }
  state.remaining = blocks_of(sample);
  state.blocks.resize(state.remaining);
  if (sample.protocol != nullptr)
    state.seeds = sample_seeds(plan_.master_seed, sample.info, kStage,
                               seed_slots(*sample.protocol, sample.info), capabilities_.seed_bits);
}

void Run::run_block(BlockExecutor& executor, std::size_t index, std::uint64_t block) {
  const PlannedSample& sample = plan_.samples[index];
  SampleState& state = states_[index];
  BlockOutcome& outcome = state.blocks[block];
  try {
    for (const std::size_t c : state.active)
      outcome.observers.push_back(sample.cells[c].check->observer(sample.info));
    outcome.trouble = executor.run(
        *sample.protocol, sample.info, block, state.seeds[block],
        [&](const StepRecord& record) {
          for (const auto& observer : outcome.observers) observer->observe(record);
        },
        stop_);
  } catch (const std::exception& e) {
    outcome.trouble = Trouble{Verdict::error, fmt::format("the check itself failed: {}", e.what())};
  }
}

void Run::explore(BlockExecutor& executor, std::size_t index) {
  const PlannedSample& sample = plan_.samples[index];
  SampleState& state = states_[index];
  const Check& check = *sample.cells[0].check;
  RunExplorer explorer(*this, registry_, plan_, capabilities_, executor, check.info().id, stop_);
  std::optional<Exploration> found;
  try {
    found = check.explore(explorer);
  } catch (const std::exception& e) {
    found = Exploration{
        with_verdict(Verdict::error, fmt::format("the check itself failed: {}", e.what())), std::nullopt, {}};
  }
  if (!found)
    found = Exploration{with_verdict(Verdict::error, "the check explores nothing"), std::nullopt, {}};
  ResultRecord record = record_of(sample, check, std::move(found->judgement));
  if (found->problem && record.verdict != Verdict::pass)
    record.repro = repro_line(spec_, plan_, found->check_id, print_descriptor(*found->problem));
  state.results[0] = std::move(record);
}

void Run::absorb(SampleState& state) {
  for (; state.absorbed < state.blocks.size() && state.blocks[state.absorbed].done; ++state.absorbed) {
    BlockOutcome block = std::move(state.blocks[state.absorbed]);
    if (block.trouble && (!state.trouble || (state.trouble->verdict != Verdict::fail &&
                                             block.trouble->verdict == Verdict::fail)))
      state.trouble = block.trouble;
    if (state.absorbed == 0) {
      state.merged = std::move(block.observers);
      state.broken.resize(state.merged.size());
    } else if (!state.trouble) {
      for (std::size_t a = 0; a < state.merged.size(); ++a) {
        const Judgement merging = fenced([&] {
          state.merged[a]->merge(*block.observers[a]);
          return Judgement{};
        });
        if (merging.verdict != Verdict::pass) state.broken[a] = merging;
      }
    }
  }
}

void Run::finish(std::size_t index) {
  const PlannedSample& sample = plan_.samples[index];
  SampleState& state = states_[index];
  const std::optional<Trouble>& trouble = state.trouble;
  if (sample.protocol == nullptr && !trouble) return;
  for (std::size_t a = 0; a < state.active.size(); ++a) {
    const PlannedCell& cell = sample.cells[state.active[a]];
    Judgement judgement;
    if (trouble) {
      judgement = with_verdict(trouble->verdict, trouble->message);
    } else if (state.broken[a]) {
      judgement = *state.broken[a];
    } else {
      judgement = fenced([&] {
        return cell.check->judge(*state.merged[a], context_of(sample.info, *cell.check, cell.alpha));
      });
    }
    state.results[state.active[a]] = record_of(sample, *cell.check, std::move(judgement));
  }
}

ResultRecord Run::record_of(const PlannedSample& sample, const Check& check, Judgement judgement) const {
  require_comparison(judgement);
  ResultRecord record;
  record.backend = spec_;
  record.check = check.info().id;
  record.level = check.info().level == Level::required ? "required" : "recommended";
  record.problem = sample.case_text();
  record.protocol = sample.info.protocol;
  record.verdict = judgement.verdict;
  record.comparisons = judgement.comparisons;
  record.statistics = std::move(judgement.statistics);
  record.message = std::move(judgement.message);
  if (record.verdict == Verdict::unsupported) record.missing = record.message;
  if (record.verdict != Verdict::unsupported)
    record.stages.push_back(
        {kStage, sample.protocol != nullptr && sample.protocol->streaming ? sample.info.mask_entries() : 0,
         std::string(to_string(record.verdict))});
  if (record.verdict != Verdict::pass && record.verdict != Verdict::unsupported)
    record.repro = repro_line(spec_, plan_, record.check, record.problem);
  return record;
}

void Run::flush() {
  while (flushed_ < states_.size() && states_[flushed_].done && !failed_fast_) {
    for (ResultRecord& record : states_[flushed_].results) {
      if (events_.on_result(std::move(record)) == Verdict::fail && options_.fail_fast) {
        failed_fast_ = true;
        stop_.store(true);
        return;
      }
    }
    states_[flushed_] = SampleState{};
    states_[flushed_].done = true;
    ++flushed_;
  }
}

}  // namespace

bool run_plan(const Registry& registry, const Plan& plan, const std::string& spec,
              const Capabilities& capabilities, const RunnerOptions& options, const RunnerEvents& events,
              std::atomic<bool>& stop) {
  return Run(registry, plan, spec, capabilities, options, events, stop).execute();
}

}  // namespace dropcheck
