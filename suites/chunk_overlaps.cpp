// seed_determinism.chunk_overlaps (S11): the masks of one stream against each other, one to three apart, in
// place and shifted. A chunk is here a call's mask, or 2^20 entries of a larger one.

#include <algorithm>
#include <array>
#include <cmath>

#include "harness/stats/hypergeometric.hpp"
#include "harness/stats/mask_pairs.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/judging.hpp"
#include "suites/mask_observer.hpp"

namespace dropcheck::suites {
namespace {

constexpr std::uint64_t kMostApart = 3;
constexpr const char* kUnit = "correlation of the entries of two chunks";

/// How the second chunk is laid over the first.
struct Placement {
  std::uint64_t apart;
  std::int64_t shift;

  std::string name() const {
    if (shift == 0) return fmt::format("chunks {} apart", apart);
    return fmt::format("chunks {} apart, shifted by {}", apart, shift);
  }
};

constexpr std::array kPlacements = {
    Placement{1, 0},    Placement{2, 0},    Placement{3, 0},     Placement{1, 1},    Placement{1, -1},
    Placement{1, 4},    Placement{1, -4},   Placement{1, 8},     Placement{1, -8},   Placement{1, 256},
    Placement{1, -256}, Placement{1, 1024}, Placement{1, -1024}, Placement{1, 4096}, Placement{1, -4096}};

/// Chunk i closes a pair with chunk i - apart: every chunk is in one pair at most.
bool closes_pair(std::uint64_t i, std::uint64_t apart) { return i % (2 * apart) >= apart; }

class ChunkOverlaps final : public MergingObserver<ChunkOverlaps> {
 public:
  void observe(const StepRecord& record) override {
    if (record.index == 0) seen_ = 0;
    MaskBits scratch;
    const MaskBits& bits = mask_entries(record, scratch);
    for (std::uint64_t begin = 0; begin < bits.size(); begin += kChunkBits) {
      const std::uint64_t size = std::min(kChunkBits, bits.size() - begin);
      next({bits.words().subspan(begin / 64, (size + 63) / 64), size});
    }
  }
  void add(const ChunkOverlaps& later) {
    for (std::size_t k = 0; k < counts.size(); ++k) counts[k].merge(later.counts[k]);
    entries += later.entries;
  }

  std::array<stats::OverlapCounts, kPlacements.size()> counts;
  std::uint64_t entries = 0;

 private:
  struct Kept {
    std::vector<std::uint64_t> words;
    std::uint64_t size = 0;
  };

  void next(const stats::PackedMask& chunk) {
    entries += chunk.size;
    for (std::size_t k = 0; k < kPlacements.size(); ++k) {
      const Placement& placement = kPlacements[k];
      if (!closes_pair(seen_, placement.apart)) continue;
      const Kept& first = kept_[(seen_ - placement.apart) % kMostApart];
      stats::add_overlap(counts[k], {first.words, first.size}, chunk, placement.shift);
    }
    Kept& place = kept_[seen_ % kMostApart];
    place.words.assign(chunk.words.begin(), chunk.words.end());
    place.size = chunk.size;
    ++seen_;
  }

  std::uint64_t seen_ = 0;  // chunks of this block
  std::array<Kept, kMostApart> kept_;
};

/// Pairs of entries that a placement compares over the whole sample.
std::uint64_t planned_entries(const SampleInfo& sample, const Placement& placement) {
  const auto call = static_cast<std::uint64_t>(mask_count(sample.problem));
  const std::uint64_t parts = (call + kChunkBits - 1) / kChunkBits;  // of a call
  const std::uint64_t chunks = sample.calls * parts;
  const auto size = [&](std::uint64_t i) {
    return i % parts + 1 < parts ? kChunkBits : call - (parts - 1) * kChunkBits;
  };
  const std::uint64_t group = 2 * placement.apart;
  if (parts == 1) {
    const std::uint64_t rest = chunks % group;
    const std::uint64_t pairs =
        chunks / group * placement.apart + (rest > placement.apart ? rest - placement.apart : 0);
    return sample.blocks * pairs * stats::overlapping_entries(call, call, placement.shift);
  }
  std::uint64_t entries = 0;
  for (std::uint64_t i = placement.apart; i < chunks; ++i)
    if (closes_pair(i, placement.apart))
      entries += stats::overlapping_entries(size(i - placement.apart), size(i), placement.shift);
  return sample.blocks * entries;
}

/// Overlaps of fewer expected drops or keeps than needed for any arrangement show nothing.
bool is_tested(const SampleInfo& sample, const Placement& placement) {
  const double p = sample.problem.p;
  return static_cast<double>(planned_entries(sample, placement)) * p * (1 - p) >= kMinimumVariance;
}

std::string likely_cause(const Placement& placement, double correlation) {
  if (std::abs(correlation) < 0.4) return "";
  if (placement.shift != 0 && std::abs(correlation) < 0.6)
    return fmt::format(
        "; about half of each mask repeats the one before, {} entries off: the stream may advance by half of "
        "what a call reads",
        std::abs(placement.shift));
  if (placement.shift == 0)
    return correlation > 0 ? "; one mask repeats the other: the stream may not advance between calls"
                           : "; one mask is the opposite of the other";
  return placement.shift < 0
             ? fmt::format(
                   "; each mask begins {} entries into the one before: the stream may advance by too "
                   "little between calls",
                   -placement.shift)
             : fmt::format("; each mask repeats the one before from its entry {} on", placement.shift);
}

class ChunkOverlapsCheck final : public Check {
 public:
  ChunkOverlapsCheck() : Check(catalogue_row("seed_determinism.chunk_overlaps")) {}

  Applicability applies(const SampleInfo& sample) const override {
    if (!needs_arrangement(sample).applies) return needs_arrangement(sample);
    if (hypotheses(sample) == 0)
      return Applicability::rule_fails(
          "one chunk a block, or chunks with n p q below 1000 over all pairs: no two to compare");
    return Applicability::yes();
  }
  unsigned hypotheses(const SampleInfo& sample) const override {
    return static_cast<unsigned>(
        std::count_if(kPlacements.begin(), kPlacements.end(),
                      [&](const Placement& placement) { return is_tested(sample, placement); }));
  }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    std::uint64_t fewest = 0;
    for (const Placement& placement : kPlacements)
      if (is_tested(sample, placement)) {
        const std::uint64_t n = planned_entries(sample, placement);
        fewest = fewest == 0 ? n : std::min(fewest, n);
      }
    if (fewest == 0) return std::nullopt;
    return effect_at(fewest, sample, alpha, beta);
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<ChunkOverlaps>();
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& overlaps = static_cast<const ChunkOverlaps&>(seen);
    std::vector<Statistic> statistics;
    for (std::size_t k = 0; k < kPlacements.size(); ++k) {
      if (!is_tested(context.sample, kPlacements[k])) continue;
      const stats::OverlapCounts& counts = overlaps.counts[k];
      Statistic s;
      s.id = "S11";
      s.name = kPlacements[k].name();
      s.counts = {
          {"n", {counts.n}}, {"first", {counts.first}}, {"second", {counts.second}}, {"both", {counts.both}}};
      s.null_law = "hypergeometric given the drops of both";
      s.null_parameters = {{"p", context.p}};
      set_tail(s, stats::overlap_test(counts), context.alpha);
      s.effect = Effect{stats::overlap_correlation(counts), kUnit, std::nullopt, std::nullopt};
      s.minimum_detectable_effect = effect_at(counts.n, context.sample, context.alpha, kBeta);
      statistics.push_back(std::move(s));
    }
    return judge_statistics(std::move(statistics), overlaps.entries, [&](const Statistic& s) {
      const auto placement = std::find_if(kPlacements.begin(), kPlacements.end(),
                                          [&](const Placement& p) { return p.name() == s.name; });
      const double correlation = s.effect->value;
      return fmt::format(
          "{} of one stream are dropped {} often together than chance allows: {} of {} entries, correlation "
          "{:.4g}{}",
          s.name, correlation > 0 ? "more" : "less", to_string(s.counts[3].second[0]),
          to_string(s.counts[0].second[0]), correlation, likely_cause(*placement, correlation));
    });
  }

 private:
  static MinimumDetectableEffect effect_at(std::uint64_t n, const SampleInfo& sample, double alpha,
                                           double beta) {
    return {stats::overlap_min_effect(n, alpha, beta, sample.problem.p), kUnit, 1 - beta};
  }
};

}  // namespace

void add_chunk_overlaps(Registry& registry) { registry.add_check(std::make_unique<ChunkOverlapsCheck>()); }

}  // namespace dropcheck::suites
