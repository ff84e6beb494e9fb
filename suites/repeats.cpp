// seed_determinism.repeats (S24): stretches of mask entries that occur twice, bit for bit, anywhere in the
// sample.

#include "harness/stats/repeats.hpp"

#include <cmath>
#include <limits>

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/judging.hpp"
#include "suites/mask_observer.hpp"

namespace dropcheck::suites {
namespace {

constexpr const char* kUnit = "length of a repeat, in entries";

/// Entries of both orders where there are two.
std::uint64_t searched_entries(const SampleInfo& sample) {
  return sample.mask_entries() * (has_memory_order(sample.problem) ? 2 : 1);
}

std::uint64_t longest_chunk(const SampleInfo& sample) {
  const ChunkCounts chunks = sample.chunks();
  return chunks.full > 0 ? kChunkBits : chunks.tail_size;
}

/// Absent where not even a repeat as long as a chunk would be seen for certain.
std::optional<stats::RepeatPlan> plan_of(const SampleInfo& sample) {
  const double p = sample.problem.p;
  if (!(p > 0 && p < 1)) return std::nullopt;
  auto plan = stats::plan_repeats(searched_entries(sample), longest_chunk(sample), p);
  if (plan && stats::shortest_repeat(*plan, kBeta) > longest_chunk(sample)) plan.reset();
  return plan;
}

class RepeatObserver final : public MergingObserver<RepeatObserver> {
 public:
  explicit RepeatObserver(const stats::RepeatPlan& plan) : finder(plan) {}
  void observe_chunk(const Chunk& chunk) override {
    finder.add(chunk);
    entries += chunk.size;
  }
  void add(const RepeatObserver& later) {
    finder.merge(later.finder);
    entries += later.entries;
  }
  stats::RepeatFinder finder;
  std::uint64_t entries = 0;
};

/// A position as a reader counts: block, call and entry of the call.
struct Place {
  Place(const stats::RepeatPosition& position, const SampleInfo& sample) : block(position.block) {
    const auto call_entries = static_cast<std::uint64_t>(mask_count(sample.problem));
    call = position.entry / call_entries;
    entry = position.entry % call_entries;
  }
  std::string text() const { return fmt::format("entry {} of call {} of block {}", entry, call, block); }
  std::uint64_t block, call, entry;
};

std::string likely_cause(const Place& first, const Place& second) {
  if (first.block == second.block && first.call == second.call)
    return fmt::format("inside one call, {} entries apart: random numbers are used twice",
                       second.entry - first.entry);
  if (first.block == second.block && first.entry == second.entry)
    return fmt::format("the mask of call {} repeats call {}: the stream may not advance", second.call,
                       first.call);
  if (first.block == second.block) return "the stream may advance by too little between calls";
  if (first.call == second.call && first.entry == second.entry)
    return fmt::format(
        "the mask of block {} repeats block {}, which has another seed: the seed may not matter",
        second.block, first.block);
  return "streams of different seeds overlap";
}

class Repeats final : public Check {
 public:
  Repeats() : Check(catalogue_row("seed_determinism.repeats")) {}

  Applicability applies(const SampleInfo& sample) const override {
    if (!needs_arrangement(sample).applies) return needs_arrangement(sample);
    if (!plan_of(sample))
      return Applicability::rule_fails(
          "a repeat must be longer than a chunk to be no coincidence and to be seen for certain");
    return Applicability::yes();
  }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    const auto plan = plan_of(sample);
    if (!plan) return std::nullopt;
    const double length = plan->chance <= alpha ? static_cast<double>(stats::shortest_repeat(*plan, beta))
                                                : std::numeric_limits<double>::infinity();
    return MinimumDetectableEffect{length, kUnit, 1 - beta};
  }
  std::unique_ptr<Observer> observer(const SampleInfo& sample) const override {
    return std::make_unique<RepeatObserver>(plan_of(sample).value());
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& observer = static_cast<const RepeatObserver&>(seen);
    const stats::RepeatFinder& finder = observer.finder;
    if (seeds_repeat(context)) {
      Judgement judgement;
      judgement.verdict = Verdict::inconclusive;
      judgement.message =
          "invalid: the sample has more blocks than the backend has seeds, so masks must repeat";
      return judgement;
    }
    const stats::RepeatPlan& plan = finder.plan();
    const double chance = stats::repeat_chance(plan, searched_entries(context.sample), context.p);
    const stats::RepeatFindings findings = finder.findings();
    const auto& repeat = findings.earliest;
    Statistic s;
    s.id = "S24";
    s.name = "repeated windows";
    s.counts = {{"entries", {observer.entries}},
                {"places", {finder.places()}},
                {"anchors", {finder.anchors()}},
                {"windows", {findings.windows}},
                {"repeated", {findings.repeated}}};
    if (repeat) {
      s.counts.push_back({"first_block_and_entry", {repeat->first.block, repeat->first.entry}});
      s.counts.push_back({"second_block_and_entry", {repeat->second.block, repeat->second.entry}});
    }
    s.null_law =
        "no window occurs twice: the expected number of repeats bounds their probability; and some places "
        "hold an anchor";
    s.null_parameters = {{"p", context.p},
                         {"window", static_cast<double>(plan.window)},
                         {"rare_is_drop", plan.rare_is_drop ? 1.0 : 0.0},
                         {"anchor_rare_bits", static_cast<double>(plan.rare)},
                         {"anchor_common_bits", static_cast<double>(plan.common)},
                         {"kept_share", findings.kept_share},
                         {"shortest_repeat_seen", static_cast<double>(stats::shortest_repeat(plan, 1e-9))},
                         {"expected_repeats", chance}};
    s.value = static_cast<double>(findings.repeated);
    set_tail(s, stats::repeat_test(finder, findings, chance, context.p), context.alpha);
    s.minimum_detectable_effect = detectable(context.sample, context.alpha, kBeta);
    return judge_statistics({s}, observer.entries, [&](const Statistic&) {
      if (!repeat)
        return fmt::format(
            "none of {} places begins {} {} in a row followed by {} {}, where about {} are expected: "
            "such runs are never drawn",
            finder.places(), plan.rare, plan.rare_is_drop ? "drops" : "keeps", plan.common,
            plan.rare_is_drop ? "keeps" : "drops",
            std::llround(static_cast<double>(finder.places()) * plan.anchor_probability));
      const Place first(repeat->first, context.sample), second(repeat->second, context.sample);
      const bool own_seeds = context.sample.protocol == "neighbour_seeds" && first.call != second.call;
      return fmt::format(
          "windows of {} entries occur again {} times, bit for bit: the first starts at {} and again at "
          "{}{}; {}",
          plan.window, findings.repeated, first.text(), second.text(),
          repeat->first.order == Order::memory ? ", in memory order" : "",
          own_seeds ? fmt::format("the stream of a seed goes on inside that of the seed {} above it",
                                  second.call - first.call)
                    : likely_cause(first, second));
    });
  }

 private:
  static bool seeds_repeat(const JudgeContext& context) {
    if (context.capabilities == nullptr) return false;
    const unsigned bits = context.capabilities->seed_bits;
    return bits < 64 && context.sample.blocks > std::uint64_t{1} << bits;
  }
};

}  // namespace

void add_repeats(Registry& registry) { registry.add_check(std::make_unique<Repeats>()); }

}  // namespace dropcheck::suites
