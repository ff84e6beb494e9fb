#include "harness/run/property_explorer.hpp"

#include <algorithm>

#include "harness/run/fence.hpp"
#include "harness/run/seeds.hpp"

namespace dropcheck {
namespace {

/// A protocol that makes sense on the small tensors of random problems.
bool is_small(const Protocol& protocol) { return !protocol.streaming && !protocol.named_only; }

bool subscribes(const Check& check, const Protocol& protocol) {
  const auto& ids = check.info().protocols;
  return std::find(ids.begin(), ids.end(), protocol.id) != ids.end();
}

class PropertyExplorer final : public Explorer {
 public:
  PropertyExplorer(const Registry& registry, const Plan& plan, const CellJudge& judge,
                   const Capabilities& capabilities, BlockExecutor& executor, std::string check_id,
                   const std::atomic<bool>& stop)
      : registry_(registry),
        plan_(plan),
        judge_(judge),
        capabilities_(capabilities),
        executor_(executor),
        check_id_(std::move(check_id)),
        stop_(stop) {}

  std::uint64_t seed() const override { return derived_seed(plan_.master_seed, "explore|" + check_id_); }
  std::uint64_t problems() const override { return plan_.random_problems; }
  const Capabilities& capabilities() const override { return capabilities_; }
  bool stopping() const override { return stop_.load(std::memory_order_relaxed); }

  std::optional<Judgement> try_check(const std::string& check_id, const Problem& problem) override {
    const Check& check = *registry_.check(check_id);
    std::optional<Judgement> worst;
    for (const Protocol& protocol : registry_.protocols()) {
      if (!is_small(protocol) || !subscribes(check, protocol)) continue;
      std::optional<Judgement> judgement = try_protocol(check, protocol, problem);
      if (!judgement || judgement->verdict == Verdict::unsupported) continue;
      if (!worst || worse(worst->verdict, judgement->verdict) != worst->verdict) worst = std::move(judgement);
    }
    return worst;
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
  std::optional<Judgement> try_protocol(const Check& check, const Protocol& protocol,
                                        const Problem& problem) {
    const SampleInfo info{protocol.id, problem, 1, problem.calls.value_or(protocol.default_calls)};
    const PlannedSample sample{&protocol, info, {}};
    const PlannedCell cell{.check = &check};
    if (!check.applies(info).applies || !judge_.missing_for(sample, cell).empty()) return std::nullopt;
    const auto seeds =
        sample_seeds(plan_.master_seed, info, 1, seed_slots(protocol, info, capabilities_.seed_semantics),
                     capabilities_.seed_bits);
    return fenced([&] {
      const auto observer = check.observer(info);
      const auto trouble = executor_.run(
          protocol, info, 0, seeds[0], [&](const StepRecord& record) { observer->observe(record); }, stop_);
      if (trouble) return with_verdict(trouble->verdict, trouble->message);
      return judge_.judge_exact(check, info, *observer);
    });
  }

  const Registry& registry_;
  const Plan& plan_;
  const CellJudge& judge_;
  const Capabilities& capabilities_;
  BlockExecutor& executor_;
  std::string check_id_;
  const std::atomic<bool>& stop_;
};

}  // namespace

Exploration explore(const Registry& registry, const Plan& plan, const CellJudge& judge,
                    const Capabilities& capabilities, BlockExecutor& executor, const Check& check,
                    const std::atomic<bool>& stop) {
  PropertyExplorer explorer(registry, plan, judge, capabilities, executor, check.info().id, stop);
  std::optional<Exploration> found;
  const Judgement failed = fenced([&] {
    found = check.explore(explorer);
    return Judgement{};
  });
  if (found) return std::move(*found);
  return {
      failed.verdict == Verdict::error ? failed : with_verdict(Verdict::error, "the check explores nothing"),
      std::nullopt,
      {}};
}

}  // namespace dropcheck
