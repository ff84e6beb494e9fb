// mask_rate.longest_run: S13, the longest run of keeps and of drops inside a chunk, over all chunks.

#include "harness/stats/longest_run.hpp"

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/chunk_observer.hpp"
#include "suites/judging.hpp"

namespace dropcheck::suites {
namespace {

using stats::LongestRun;
using stats::LongestRuns;
constexpr const char* kUnit = "entries in a row";

/// One of the two hypotheses.
struct Kind {
  const char* name;
  const char* entries;
  bool drops;
  const LongestRun& of(const LongestRuns& runs) const { return drops ? runs.drops : runs.keeps; }
  double rate(double p) const { return drops ? p : 1 - p; }
};
constexpr Kind kKinds[] = {{"longest run of keeps", "kept", false},
                           {"longest run of drops", "dropped", true}};

std::uint64_t certain_length(const Kind& kind, const SampleInfo& sample, double alpha) {
  return stats::longest_run_min_effect(stats::sizes_of(sample.chunks()), alpha, kind.rate(sample.problem.p));
}

/// The kinds of which some run would be remarkable.
std::vector<Kind> planned(const SampleInfo& sample) {
  std::vector<Kind> kinds;
  for (const Kind& kind : kKinds)
    if (certain_length(kind, sample, kPlannedLevel) > 0) kinds.push_back(kind);
  return kinds;
}

class LongestRunCheck final : public Check {
 public:
  LongestRunCheck() : Check(catalogue_row("mask_rate.longest_run")) {}

  Applicability applies(const SampleInfo& sample) const override {
    if (!needs_arrangement(sample).applies) return needs_arrangement(sample);
    if (planned(sample).empty())
      return Applicability::rule_fails("calls of a block are too short for any run to be remarkable");
    return Applicability::yes();
  }
  unsigned hypotheses(const SampleInfo& sample) const override {
    return static_cast<unsigned>(planned(sample).size());
  }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    std::uint64_t longest = 0;
    for (const Kind& kind : planned(sample)) longest = std::max(longest, certain_length(kind, sample, alpha));
    if (longest == 0) return std::nullopt;
    return MinimumDetectableEffect{static_cast<double>(longest), kUnit, 1 - beta};
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<ChunkObserver<LongestRuns>>(LongestRuns{});
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    if (!(context.p > 0 && context.p < 1)) return {};  // estimated, where all entries are alike
    const LongestRuns& runs = counts_of<LongestRuns>(seen);
    std::vector<Statistic> statistics;
    for (const Kind& kind : planned(context.sample)) statistics.push_back(statistic_of(kind, runs, context));
    std::uint64_t entries = 0;
    for (const auto& [bits, count] : runs.chunks) entries += bits * count;
    return judge_statistics(std::move(statistics), entries, [&](const Statistic& s) {
      const Kind& kind = s.name == kKinds[0].name ? kKinds[0] : kKinds[1];
      const LongestRun& run = kind.of(runs);
      if (run.length < stats::longest_run_min_effect(runs.chunks, 0.5, kind.rate(context.p)))
        return fmt::format(
            "no {} is longer than {} in {} mask entries: {} entries are spread more evenly than independent "
            "draws are",
            kind.name + 8, run.length, entries, kind.entries);
      return fmt::format(
          "{} entries in a row are {}, from entry {} of block {} on, among {} mask entries: {}", run.length,
          kind.entries, run.place.chunk * kChunkBits + run.place.offset, run.place.block, entries,
          kind.drops ? "a part may be overwritten with zeros or drawn once for all its entries"
                     : "a part may never be masked, or be drawn once for all its entries");
    });
  }

 private:
  static Statistic statistic_of(const Kind& kind, const LongestRuns& runs, const JudgeContext& context) {
    const LongestRun& run = kind.of(runs);
    Statistic s;
    s.id = "S13";
    s.name = kind.name;
    std::vector<Int128> sizes, numbers;
    for (const auto& [bits, count] : runs.chunks) {
      sizes.push_back(bits);
      numbers.push_back(count);
    }
    s.counts = {{"length", {run.length}},
                {"place", {run.place.block, run.place.chunk, run.place.offset}},
                {"chunk_sizes", sizes},
                {"chunks", numbers}};
    s.null_law = "longest run inside independent chunks of independent entries, doubled smaller tail";
    s.null_parameters = {{"p", context.p}};
    s.value = static_cast<double>(run.length);
    set_tail(s, stats::longest_run_test(run.length, runs.chunks, kind.rate(context.p)), context.alpha);
    s.effect = Effect{static_cast<double>(run.length), kUnit, std::nullopt, std::nullopt};
    s.minimum_detectable_effect = MinimumDetectableEffect{
        static_cast<double>(certain_length(kind, context.sample, context.alpha)), kUnit, kPower};
    return s;
  }
};

}  // namespace

void add_longest_run(Registry& registry) { registry.add_check(std::make_unique<LongestRunCheck>()); }

}  // namespace dropcheck::suites
