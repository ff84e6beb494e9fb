// mask_rate.effective_rate: S34, the contract on the drop probability. A backend may declare, per call, the
// rate T / 2^b at which it really drops; the statistics then test that rate, and this check compares it with
// the one that was asked for. Exact.

#include <cmath>

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dialect.hpp"
#include "suites/judging.hpp"
#include "suites/mask_observer.hpp"

namespace dropcheck::suites {
namespace {

class DeclaredRatesObserver final : public MergingObserver<DeclaredRatesObserver> {
 public:
  explicit DeclaredRatesObserver(double limit) : limit_(limit) {}
  void observe(const StepRecord& record) override {
    const Problem& problem = record.step->problem;
    if (problem.mode != Mode::train || !record.observation->has_value()) return;
    finding.compared();
    const double p = problem.p;
    const std::optional<double>& declared = (*record.observation)->effective_p;
    if (!declared) {
      finding.violated(1, [&] {
        return fmt::format(
            "the backend claims to declare its drop probability, but a call with p = {} declared none", p);
      });
      return;
    }
    const bool exact = p == 0 || p == 1;
    const double off = std::fabs(*declared - p);
    if (!exact) largest = std::max(largest, off);
    if (exact ? *declared != p : !(off <= limit_)) {
      finding.violated(1, [&] {
        return fmt::format(
            "drops with probability {:.10g} by its own account where p = {:.10g} was asked for: the "
            "difference {:.3g} is above the limit {}{}",
            *declared, p, off, exact ? "0 at p = 0 and 1" : fmt::format("{:.3g}", limit_),
            threshold_text(*declared));
      });
    }
  }
  void add(const DeclaredRatesObserver& later) {
    finding.merge(later.finding);
    largest = std::max(largest, later.largest);
  }
  ExactFinding finding;
  double largest = 0;

 private:
  /// How coarse the declared rate is, where that tells.
  static std::string threshold_text(double declared) {
    for (int bits = 1; bits <= 16; ++bits) {
      const double steps = std::ldexp(declared, bits);
      if (steps == std::floor(steps) && declared > 0 && declared < 1)
        return fmt::format("; it is {}/{}: the threshold has {} bits", steps, std::ldexp(1.0, bits), bits);
    }
    return "";
  }

  double limit_;
};

class EffectiveRate final : public Check {
 public:
  explicit EffectiveRate(const Dialect& dialect)
      : Check(catalogue_row("mask_rate.effective_rate")), dialect_(dialect) {}
  Applicability applies(const SampleInfo& sample) const override {
    return is_float(sample.problem.dtype) && sample.problem.mode == Mode::train ? Applicability::yes()
                                                                                : Applicability::no();
  }
  std::unique_ptr<Observer> observer(const SampleInfo& sample) const override {
    return std::make_unique<DeclaredRatesObserver>(dialect_.rate_limit(sample.problem.dtype));
  }
  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& rates = static_cast<const DeclaredRatesObserver&>(seen);
    return rates.finding.judgement(
        fmt::format("the declared drop probability is within {:.3g} of p (largest difference {:.3g})",
                    dialect_.rate_limit(context.sample.problem.dtype), rates.largest));
  }

 private:
  Dialect dialect_;
};

}  // namespace

void add_effective_rate(Registry& registry, const Dialect& dialect) {
  registry.add_check(std::make_unique<EffectiveRate>(dialect));
}

}  // namespace dropcheck::suites
