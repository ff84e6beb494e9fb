// seed_determinism.distinct_masks: the masks of thousands of small calls after one seed, and of calls after
// thousands of seeds, are all different. With K different masks, n draws of them are all different with
// probability below exp(-n (n - 1) / 2K) (birthday problem), so that few seeds or states show soon. Exact:
// the masks are so large that two of them are equal by chance with probability below 2^-60.

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/judging.hpp"
#include "suites/mask_observer.hpp"

namespace dropcheck::suites {
namespace {

/// The first half of the calls goes on after one seed, each of the others has a seed of its own.
std::uint32_t calls_of_one_seed(std::uint32_t calls) { return calls / 2; }

std::vector<Step> distinct_steps(const SampleInfo& sample, std::uint64_t) {
  Step step;
  step.problem = sample.problem;
  step.problem.seed.reset();
  step.problem.calls.reset();
  std::vector<Step> steps(sample.calls, step);
  for (std::uint32_t i = 0; i < sample.calls; ++i)
    if (i == 0) steps[i].seed_slot = 0;
    else if (i >= calls_of_one_seed(sample.calls))
      steps[i].seed_slot = 1 + i - calls_of_one_seed(sample.calls);
  return steps;
}

class MasksObserver final : public MergingObserver<MasksObserver> {
 public:
  struct Mask {
    std::vector<std::uint64_t> words;
    std::uint64_t block;
    std::size_t call;
    std::optional<std::uint64_t> seed;
  };
  void observe(const StepRecord& record) override {
    MaskBits scratch;
    const auto words = mask_entries(record, scratch).words();
    masks.push_back({{words.begin(), words.end()}, record.block, record.index, record.seed});
  }
  void add(const MasksObserver& later) { masks.insert(masks.end(), later.masks.begin(), later.masks.end()); }
  std::vector<Mask> masks;
};

class DistinctMasks final : public Check {
 public:
  DistinctMasks() : Check(catalogue_row("seed_determinism.distinct_masks")) {}

  Applicability applies(const SampleInfo& sample) const override {
    const double p = sample.problem.p;
    const double bits =
        -static_cast<double>(mask_count(sample.problem)) * std::log2(p * p + (1 - p) * (1 - p));
    const double pairs =
        2 * std::log2(static_cast<double>(sample.calls) * static_cast<double>(sample.blocks));
    return draws_mask(sample.problem) && bits - pairs >= 60 ? Applicability::yes() : Applicability::no();
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<MasksObserver>();
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const std::vector<MasksObserver::Mask>& masks = static_cast<const MasksObserver&>(seen).masks;
    std::vector<std::size_t> order(masks.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return masks[a].words < masks[b].words; });
    ExactFinding finding;
    std::size_t equal = 0;
    std::optional<std::pair<std::size_t, std::size_t>> first;
    for (std::size_t i = 1; i < order.size(); ++i) {
      const MasksObserver::Mask &a = masks[order[i - 1]], &b = masks[order[i]];
      finding.compared();
      // A seed that was given twice, where there are fewer seeds than calls, must give the same mask.
      if (a.words != b.words || (a.seed && a.seed == b.seed)) continue;
      ++equal;
      if (!first || order[i] < first->second) first = {order[i - 1], order[i]};
    }
    finding.violated(equal, [&] {
      return fmt::format(
          "{} and {} have the same mask of {} entries; of {} calls, {} have the mask of an "
          "earlier one",
          call_text(masks[first->first], context.sample.calls),
          call_text(masks[first->second], context.sample.calls), mask_count(context.sample.problem),
          masks.size(), equal);
    });
    const double n = context.sample.calls - calls_of_one_seed(context.sample.calls);
    return finding.judgement(fmt::format(
        "the masks of {} calls are all different; fewer than {:.2g} different ones among those of "
        "{} seeds would have shown with probability 1 - 1e-6",
        masks.size(), n * (n - 1) / 2 / std::log(1e6), n));
  }

 private:
  static std::string call_text(const MasksObserver::Mask& mask, std::uint32_t calls) {
    const bool goes_on = mask.call > 0 && mask.call < calls_of_one_seed(calls);
    if (goes_on || !mask.seed) return fmt::format("call {} after the first seed", mask.call + 1);
    return fmt::format("the seed {:#x}", *mask.seed);
  }
};

}  // namespace

void add_distinct_masks(Registry& registry) {
  registry.add_protocol({.id = "distinct_masks",
                         .summary = "many small calls after one seed, then as many seeds with a call each",
                         .default_calls = 400,
                         .steps = distinct_steps,
                         .takes_calls = true,
                         .named_only = true});
  registry.add_check(std::make_unique<DistinctMasks>());
}

}  // namespace dropcheck::suites
