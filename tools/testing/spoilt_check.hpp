#pragma once
// A check whose p-values are not what they say, for tests of calibration.

#include <algorithm>

#include "harness/core/check.hpp"

namespace dropcheck::tools {

/// A real check, which must outlive it, whose p-values are multiplied by a factor.
class SpoiltCheck final : public Check {
 public:
  SpoiltCheck(const Check& real, double factor) : Check(real.info()), real_(real), factor_(factor) {}
  Applicability applies(const SampleInfo& sample) const override { return real_.applies(sample); }
  unsigned hypotheses(const SampleInfo& sample) const override { return real_.hypotheses(sample); }
  std::unique_ptr<Observer> observer(const SampleInfo& sample) const override {
    return real_.observer(sample);
  }
  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    Judgement judgement = real_.judge(seen, context);
    for (Statistic& s : judgement.statistics) s.p_value = std::min(1.0, s.p_value * factor_);
    return judgement;
  }

 private:
  const Check& real_;
  double factor_;
};

}  // namespace dropcheck::tools
