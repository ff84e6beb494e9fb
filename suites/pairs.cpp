// channel_correlation.channels (S10) and channel_correlation.axes (S6 in its first form): disjoint pairs of
// neighbours along each axis of the mask are both dropped Binomial(n, p^2) times.

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/disjoint_pairs.hpp"

namespace dropcheck::suites {
namespace {

class Pairs final : public Check {
 public:
  /// `entries` names the mask entries in messages.
  Pairs(const char* id, const char* entries, bool of_channels)
      : Check(catalogue_row(id)), entries_(entries), of_channels_(of_channels) {}

  Applicability applies(const SampleInfo& sample) const override {
    if (drops_channels(sample.problem.op) != of_channels_ || hypotheses(sample) == 0)
      return Applicability::no();
    return needs_arrangement(sample);
  }
  unsigned hypotheses(const SampleInfo& sample) const override {
    return paired_axes(mask_shape(sample.problem));
  }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    return pair_effect(mask_shape(sample.problem), sample, alpha, beta);
  }
  std::unique_ptr<Observer> observer(const SampleInfo& sample) const override {
    return std::make_unique<PairCounts>(mask_shape(sample.problem));
  }
  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    return judge_pairs(static_cast<const PairCounts&>(seen), info().statistics.front(), entries_, context);
  }

 private:
  const char* entries_;
  bool of_channels_;
};

}  // namespace

void add_pairs(Registry& registry) {
  registry.add_check(std::make_unique<Pairs>("channel_correlation.channels", "channels", true));
  registry.add_check(std::make_unique<Pairs>("channel_correlation.axes", "elements", false));
}

}  // namespace dropcheck::suites
