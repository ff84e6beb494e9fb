#include "harness/run/stream_lock_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "harness/core/descriptor.hpp"
#include "harness/run/block_executor.hpp"
#include "harness/run/repro.hpp"

namespace dropcheck {
namespace {

/// What came back for one locked call.
struct Answer {
  std::string digest;  // of the mask; empty where none was shown
  std::string fault;   // why there is none
  bool refused = false;
};

/// Operators that drop channels have one bit a channel; where a channel is dropped in part, all elements'.
Answer answer_of(const StepRecord& record) {
  Answer answer;
  if (!record.observation->has_value()) {
    answer.refused = true;
    answer.fault = record.observation->error().message;
  } else if (record.dropped == nullptr) {
    answer.fault = "its output shows no mask";
  } else {
    const bool by_channel = record.channels != nullptr && record.channels->mixed_channels == 0;
    answer.digest = mask_digest(by_channel ? record.channels->bits : *record.dropped);
  }
  return answer;
}

std::vector<Step> steps_of(const std::vector<LockedCall>& calls) {
  std::vector<Step> steps(calls.size());
  for (std::size_t i = 0; i < calls.size(); ++i) {
    steps[i].problem = calls[i].problem;
    if (calls[i].call == 1) steps[i].own_seed = calls[i].problem.seed;
    steps[i].problem.seed.reset();
    steps[i].skip_unclaimed = true;
  }
  return steps;
}

/// What the sample is filed under: any problem will do, for the steps name what they ask.
Problem problem_of(const std::vector<LockedCall>& calls) {
  Problem problem;
  problem.shape = {1};
  return calls.empty() ? problem : calls.front().problem;
}

Protocol protocol_of(std::vector<LockedCall> calls) {
  Problem problem = problem_of(calls);
  return {.id = std::string(kStreamLockProtocol),
          .summary = "the calls of a stream lock, each case from its seed on",
          .default_calls = std::max(1u, static_cast<unsigned>(calls.size())),
          .steps = [calls = std::move(calls)](const SampleInfo&, std::uint64_t) { return steps_of(calls); },
          .named_only = true,
          .handles_empty = true,
          .own_problem = std::move(problem)};
}

CheckInfo info_of() {
  CheckInfo info;
  info.id = kStreamLockCheck;
  info.title = "stream lock";
  info.catches =
      "a mask that differs from the one which a locked version of the same backend drew for the same case, "
      "seed and call, whether or not the new one is a good mask";
  info.cannot_see =
      "cases that the lock does not hold; values of kept elements; whether the locked masks were right. "
      "It judges only in 'run --lock=FILE', with a file that 'dropcheck lock' has written";
  info.protocols = {std::string(kStreamLockProtocol)};
  return info;
}

class AnswersObserver final : public Observer {
 public:
  void observe(const StepRecord& record) override { answers.push_back(answer_of(record)); }
  void merge(const Observer&) override {}  // one block
  std::vector<Answer> answers;
};

class StreamLockCheck final : public Check {
 public:
  StreamLockCheck(StreamLock lock, std::string path)
      : Check(info_of()), lock_(std::move(lock)), path_(std::move(path)) {}

  Applicability applies(const SampleInfo&) const override {
    return lock_.calls.empty() ? Applicability::no() : Applicability::yes();
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<AnswersObserver>();
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& answers = static_cast<const AnswersObserver&>(seen).answers;
    const Capabilities& now = *context.capabilities;
    Judgement judgement;
    if (now.seed_semantics != lock_.seeds) {
      judgement.verdict = Verdict::fail;
      judgement.comparisons = 1;
      judgement.message = fmt::format("seeds were {} in {}, and are now {}: {}", to_string(lock_.seeds),
                                      locked_text(), to_string(now.seed_semantics), advice());
      return judgement;
    }
    std::uint64_t changed = 0;
    std::string first;
    for (std::size_t i = 0; i < lock_.calls.size(); ++i) {
      const LockedCall& locked = lock_.calls[i];
      const Answer missing{{}, "it was not asked", false};
      const Answer& answer = i < answers.size() ? answers[i] : missing;
      if (answer.digest == locked.digest) continue;
      if (changed++ > 0) continue;
      first = answer.digest.empty()
                  ? fmt::format("{} (no mask: {})", call_text(locked), answer.fault)
                  : fmt::format("{} (digest {}, now {})", call_text(locked), locked.digest, answer.digest);
    }
    judgement.comparisons = lock_.calls.size();
    if (changed == 0) {
      judgement.message = fmt::format("all {} locked calls draw the masks of {}; this is version {}",
                                      lock_.calls.size(), locked_text(), version_text(now.version));
      return judgement;
    }
    judgement.verdict = Verdict::fail;
    judgement.message =
        fmt::format("{} of {} locked masks have changed since {}; the first is {}; this is version {}: {}",
                    changed, lock_.calls.size(), locked_text(), first, version_text(now.version), advice());
    return judgement;
  }

 private:
  static std::string version_text(const std::string& version) {
    return version.empty() ? "unknown" : version;
  }
  std::string locked_text() const {
    return fmt::format("version {} of {} (locked on {} with dropcheck {})", version_text(lock_.version),
                       lock_.name, lock_.date, lock_.tool_version);
  }
  std::string advice() const {
    return fmt::format("if that is meant, 'dropcheck lock --update {}' shows the difference",
                       shell_word(path_));
  }

  StreamLock lock_;
  std::string path_;
};

}  // namespace

void add_stream_lock(Registry& registry, const StreamLock& lock, const std::string& path) {
  registry.add_protocol(protocol_of(lock.calls));
  registry.add_check(std::make_unique<StreamLockCheck>(lock, path));
}

Expected<DrawnStreams> draw_streams(Backend& backend, const std::vector<LockedCall>& calls,
                                    const std::atomic<bool>& stop) {
  const Protocol protocol = protocol_of(calls);
  const SampleInfo sample{std::string(kStreamLockProtocol), problem_of(calls), 1, 1};
  // One for every call: what continues no stream is given a seed by the block, which no case here needs.
  const std::vector<std::uint64_t> seeds(calls.size() + 1, 1);
  std::vector<Answer> answers;
  BlockExecutor executor(backend);
  const auto trouble = executor.run(
      protocol, sample, 0, seeds, [&](const StepRecord& record) { answers.push_back(answer_of(record)); },
      stop);
  const auto failed = [&](std::size_t at, const std::string& why) {
    return Error{ErrorCode::backend_failed, fmt::format("{}: {}", call_text(calls[at]), why)};
  };
  if (trouble) return failed(std::min(answers.size(), calls.size() - 1), trouble->message);
  DrawnStreams drawn;
  std::map<std::string, std::string> refused;  // cases, with the words of the refusal
  for (std::size_t i = 0; i < calls.size(); ++i) {
    if (answers[i].refused) refused.emplace(print_descriptor(calls[i].problem), answers[i].fault);
    else if (answers[i].digest.empty()) return failed(i, answers[i].fault);
  }
  for (std::size_t i = 0; i < calls.size(); ++i) {
    if (refused.contains(print_descriptor(calls[i].problem))) continue;
    drawn.calls.push_back(calls[i]);
    drawn.calls.back().digest = answers[i].digest;
  }
  for (const auto& [problem, words] : refused)
    drawn.left_out.push_back(fmt::format("{}: {}", problem, words));
  return drawn;
}

}  // namespace dropcheck
