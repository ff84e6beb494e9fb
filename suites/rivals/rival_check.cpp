// Makes checks and protocols of the rivals' tests.

#include <algorithm>
#include <stdexcept>

#include "suites/dialects/row_check.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/mask_observer.hpp"
#include "suites/rivals/rival_test.hpp"

namespace dropcheck::suites {
namespace {

const std::vector<RivalSuite>& all_suites() {
  static const std::vector<RivalSuite> suites = {pytorch_nn_rival(),
                                                 pytorch_native_rival(),
                                                 xformers_rival(),
                                                 flash_attention_rival(),
                                                 transformer_engine_rival(),
                                                 jax_rival(),
                                                 flax_rival(),
                                                 keras_rival(),
                                                 tensorflow_rival(),
                                                 onnxruntime_rival(),
                                                 onednn_rival(),
                                                 triton_rival(),
                                                 tinygrad_rival(),
                                                 mlx_rival(),
                                                 burn_rival(),
                                                 mlpack_rival(),
                                                 caffe_rival(),
                                                 flaggems_rival()};
  return suites;
}

std::string id_of(std::string_view suite, std::string_view test) {
  return fmt::format("{}{}.{}", kRivalPrefix, suite, test);
}

class CallsObserver final : public MergingObserver<CallsObserver> {
 public:
  explicit CallsObserver(const RivalTest& test) : test_(test) {}

  void observe(const StepRecord& record) override {
    if (test_.keeps_elements) {
      replies.push_back(reply_of(record));
    } else {
      Reply reply;
      reply.index = record.index;
      reply.seed = record.seed;
      if (record.observation->has_value()) reply.seen = record.observation->value();
      else reply.refusal = record.observation->error();
      if (record.gradient != nullptr && !record.gradient->has_value())
        reply.gradient_refusal = record.gradient->error();
      replies.push_back(std::move(reply));
    }
    CallCount& count = counts.emplace_back();
    count.elements = static_cast<std::uint64_t>(element_count(record.step->problem.shape));
    if (!record.observation->has_value()) return;
    if (record.dropped != nullptr) {
      count.dropped = record.dropped->count();
      if (test_.calls_of_case > 0) count_places(*record.dropped, record.index / test_.calls_of_case);
    }
    if (test_.look != nullptr) count.look = test_.look(record);
  }

  void add(const CallsObserver& later) {
    replies.insert(replies.end(), later.replies.begin(), later.replies.end());
    counts.insert(counts.end(), later.counts.begin(), later.counts.end());
    dropped_at.resize(std::max(dropped_at.size(), later.dropped_at.size()));
    for (std::size_t c = 0; c < later.dropped_at.size(); ++c) {
      dropped_at[c].resize(std::max(dropped_at[c].size(), later.dropped_at[c].size()));
      for (std::size_t e = 0; e < later.dropped_at[c].size(); ++e) dropped_at[c][e] += later.dropped_at[c][e];
    }
  }

  std::vector<Reply> replies;
  std::vector<CallCount> counts;
  std::vector<std::vector<std::uint32_t>> dropped_at;

 private:
  void count_places(const MaskBits& drops, std::size_t case_number) {
    dropped_at.resize(std::max(dropped_at.size(), case_number + 1));
    std::vector<std::uint32_t>& places = dropped_at[case_number];
    places.resize(drops.size());
    for_each_drop(drops, [&](std::uint64_t e) { ++places[e]; });
  }

  const RivalTest& test_;
};

CheckInfo info_of(std::string_view suite, const RivalTest& test) {
  CheckInfo info;
  info.id = id_of(suite, test.name);
  info.level = Level::recommended;
  info.title = test.title;
  info.catches = test.foreign.sees;
  info.cannot_see = test.cannot_see;
  info.protocols = {id_of(suite, test.reads.empty() ? test.name : test.reads)};
  info.needs = test.needs;
  info.foreign = test.foreign;
  return info;
}

class RivalCheck final : public Check {
 public:
  RivalCheck(std::string_view suite, const RivalTest& test, std::vector<Step> (*steps)())
      : Check(info_of(suite, test)), test_(test), steps_(steps) {}

  Applicability applies(const SampleInfo& sample) const override {
    return sample.protocol == info().protocols.front() ? Applicability::yes() : Applicability::no();
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<CallsObserver>(test_);
  }
  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& calls = static_cast<const CallsObserver&>(seen);
    const std::vector<Step> steps = steps_();
    RivalTrial trial(steps, calls.replies, context, calls.counts, calls.dropped_at);
    test_.judge(trial);
    return trial.judgement(test_.title);
  }

 private:
  const RivalTest& test_;
  std::vector<Step> (*steps_)();
};

/// What a test is filed under: a valid problem that whoever is asked must claim the operator of.
Problem filed_under(const Problem& first) {
  Problem filed = problem_of(0.5, first.shape, DType::f32, first.op);
  if (element_count(filed.shape) == 0) filed.shape = {1};
  const bool by_rank = first.op == Op::dropout1d || first.op == Op::dropout2d || first.op == Op::dropout3d;
  while (by_rank && filed.shape.size() < ranks_of(first.op).largest)
    filed.shape.insert(filed.shape.begin(), 1);
  return filed;
}

}  // namespace

bool RivalTrial::shows(std::size_t i) {
  if (!answered(i)) return false;
  if (count(i).dropped) return true;
  leave_out("the output of a call does not tell what was dropped");
  return false;
}

double RivalTrial::rate(std::size_t i) const {
  return static_cast<double>(*count(i).dropped) / static_cast<double>(count(i).elements);
}

std::span<const RivalInfo> rivals() {
  static const std::vector<RivalInfo> infos = [] {
    std::vector<RivalInfo> all;
    for (const RivalSuite& suite : all_suites()) all.push_back(suite.info);
    return all;
  }();
  return infos;
}

void register_rival(Registry& registry, std::string_view name) {
  const auto& suites = all_suites();
  const auto suite =
      std::find_if(suites.begin(), suites.end(), [&](const RivalSuite& s) { return s.info.name == name; });
  DROPCHECK_CHECK(suite != suites.end());
  for (const RivalTest& test : suite->tests) {
    auto* steps = test.steps;
    if (!test.reads.empty()) {
      const auto read = std::find_if(suite->tests.begin(), suite->tests.end(),
                                     [&](const RivalTest& t) { return t.name == test.reads; });
      DROPCHECK_CHECK(read != suite->tests.end());
      steps = read->steps;
    } else {
      registry.add_protocol(own_protocol(id_of(name, test.name),
                                         fmt::format("what {} asks", test.foreign.source), steps,
                                         filed_under(steps().front().problem)));
    }
    registry.add_check(std::make_unique<RivalCheck>(name, test, steps));
  }
}

}  // namespace dropcheck::suites
