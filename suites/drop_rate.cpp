// mask_rate.drop_rate: S1, the exact binomial test of the number of drops. Source: statistic (n, x), null
// Bin(n, p), doubled tails; the interval is Clopper and Pearson's (1934), which inverts the same test.

#include <cmath>

#include "harness/stats/binomial.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/judging.hpp"
#include "suites/mask_observer.hpp"

namespace dropcheck::suites {
namespace {

class DropCount final : public MergingObserver<DropCount> {
 public:
  void observe(const StepRecord& record) override {
    MaskBits scratch;
    const MaskBits& bits = mask_entries(record, scratch);
    entries += bits.size();
    drops += bits.count();
  }
  void add(const DropCount& later) {
    entries += later.entries;
    drops += later.drops;
  }
  std::uint64_t entries = 0, drops = 0;
};

/// A guess at the defect behind a wrong rate, when the interval holds a telling value.
std::string likely_cause(double p, const stats::Interval& seen) {
  const auto holds = [&](double rate) { return seen.lower <= rate && rate <= seen.upper; };
  if (seen.upper < 1e-3 * p) return "; almost nothing is dropped";
  if (seen.upper >= 1) return "; nothing is kept";
  if (holds(1 - p)) return "; that is 1 - p: keep and drop probability may be swapped";
  if (holds(1 - (1 - p) * (1 - p))) return "; that is 1 - q^2: dropout may be applied twice";
  const double middle = (seen.lower + seen.upper) / 2;
  for (int bits = 3; bits <= 16; ++bits) {
    const double steps = std::ldexp(1.0, bits);
    if (seen.upper - seen.lower >= 0.5 / steps) break;  // holding a multiple would say too little
    const double nearest = std::round(p * steps);
    for (const double threshold : {nearest, std::floor(p * steps), std::ceil(p * steps)})
      if (std::abs(threshold / steps - middle) <= 0.25 * (seen.upper - seen.lower))
        return fmt::format("; that is {}/{}: the random numbers or the threshold may have {} bits", threshold,
                           steps, bits);
  }
  return "";
}

class DropRate final : public Check {
 public:
  DropRate() : Check(row()) {}

  Applicability applies(const SampleInfo&) const override { return Applicability::yes(); }

  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    return MinimumDetectableEffect{
        stats::binomial_min_effect(sample.mask_entries(), alpha, beta, sample.problem.p), "drop probability",
        1 - beta};
  }

  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<DropCount>();
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& count = static_cast<const DropCount&>(seen);
    const double p = context.p;
    Statistic s;
    s.id = "S1";
    s.name = "drop rate";
    s.counts = {{"n", {count.entries}}, {"x", {count.drops}}};
    s.null_law = "Binomial(n, p)";
    s.null_parameters = {{"p", p}};
    set_tail(s, stats::binomial_two_sided(count.entries, count.drops, p), context.alpha);
    const stats::Interval interval = stats::clopper_pearson(count.entries, count.drops, context.alpha);
    const double rate = static_cast<double>(count.drops) / static_cast<double>(count.entries);
    s.effect = Effect{rate, "drop probability", interval.lower, interval.upper};
    s.minimum_detectable_effect = detectable(context.sample, context.alpha, kBeta);
    Judgement judgement = judge_statistics({s}, count.entries, [&](const Statistic&) {
      return fmt::format("drops {:.7g} [{:.7g}, {:.7g}] of {} mask entries where p = {} was {}{}", rate,
                         interval.lower, interval.upper, count.entries, p,
                         p == context.sample.problem.p ? "asked for" : "declared", likely_cause(p, interval));
    });
    if (judgement.verdict == Verdict::fail) judgement.estimated_p = rate;
    return judgement;
  }

 private:
  static CheckInfo row() {
    CheckInfo info = catalogue_row("mask_rate.drop_rate");
    info.estimates_rate = true;
    return info;
  }
};

}  // namespace

void add_drop_rate(Registry& registry) { registry.add_check(std::make_unique<DropRate>()); }

}  // namespace dropcheck::suites
