// channel_correlation.axes (S6 in its first form): within plain dropout, disjoint pairs of neighbours along
// each axis are both dropped Binomial(n, p^2) times.

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/disjoint_pairs.hpp"

namespace dropcheck::suites {
namespace {

class Axes final : public Check {
 public:
  Axes() : Check(catalogue_row("channel_correlation.axes")) {}
  Applicability applies(const SampleInfo& sample) const override {
    if (drops_channels(sample.problem.op) || hypotheses(sample) == 0) return Applicability::no();
    return needs_arrangement(sample);
  }
  unsigned hypotheses(const SampleInfo& sample) const override {
    return paired_axes(mask_shape(sample.problem));
  }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha) const override {
    return pair_effect(mask_shape(sample.problem), sample, alpha);
  }
  std::unique_ptr<Observer> observer(const SampleInfo& sample) const override {
    return std::make_unique<PairCounts>(mask_shape(sample.problem));
  }
  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    return judge_pairs(static_cast<const PairCounts&>(seen), "S6", "elements", context);
  }
};

}  // namespace

void add_axes(Registry& registry) { registry.add_check(std::make_unique<Axes>()); }

}  // namespace dropcheck::suites
