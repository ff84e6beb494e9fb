// gradient_consistency: S28. The gradient is upstream gradient x mask x scale, with the mask of the forward
// call, for every element, zeros in the input included. The masks come from calls on ones under the same
// seeds.

#include <cmath>

#include "harness/core/element.hpp"
#include "reference/scale_forms.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dense_bytes.hpp"
#include "suites/judging.hpp"
#include "suites/mask_observer.hpp"

namespace dropcheck::suites {
namespace {

/// Mask of step i of the gradient protocol belongs to step i + 2.
constexpr std::size_t kShown = 2;

class SameMaskObserver final : public MergingObserver<SameMaskObserver> {
 public:
  void observe(const StepRecord& record) override {
    if (record.dropped != nullptr && !record.step->upstream) shown_.push_back(*record.dropped);
    if (!record.step->upstream || record.index < kShown || shown_.size() <= record.index - kShown) return;
    const MaskBits& forward = shown_[record.index - kShown];
    // dy has no zero, so a gradient is zero exactly where the backward mask drops.
    const MaskBits backward = drop_bits_of_output(Op::dropout, record.dx);
    const std::uint64_t differing = hamming_distance(forward, backward);
    finding.compared(forward.size());
    finding.violated(differing, [&] {
      const double p = record.step->problem.p;
      return fmt::format(
          "forward and backward masks agree on {:.4g} of {} elements; they must agree on all (two "
          "independent masks would "
          "agree on p^2 + q^2 = {:.4g}, a mask read off the zeros of the output on about {:.4g})",
          1 - static_cast<double>(differing) / static_cast<double>(forward.size()), forward.size(),
          p * p + (1 - p) * (1 - p), 1 - (1 - p) * 2.0 / 11);
    });
  }
  void add(const SameMaskObserver& later) { finding.merge(later.finding); }
  ExactFinding finding;

 private:
  std::vector<MaskBits> shown_;
};

class SameMask final : public Check {
 public:
  explicit SameMask(const Dialect& dialect)
      : Check(catalogue_row("gradient_consistency.same_mask", dialect)) {}
  Applicability applies(const SampleInfo& sample) const override {
    return draws_mask(sample.problem) ? Applicability::yes() : Applicability::no();
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<SameMaskObserver>();
  }
  Judgement judge(const Observer& seen, const JudgeContext&) const override {
    return static_cast<const SameMaskObserver&>(seen).finding.judgement(
        "the backward mask is the forward mask");
  }
};

class GradientObserver final : public MergingObserver<GradientObserver> {
 public:
  GradientObserver(const Problem& problem, const Dialect& dialect)
      : problem_(problem),
        scales_(dialect.scale == TrainScale::over_q),
        forms_(dialect.gradient_forms(problem.op, problem.dtype), problem.p, problem.dtype) {}

  void observe(const StepRecord& record) override {
    if (!record.step->upstream) return;
    const std::vector<std::byte> dx = dense_bytes(record.dx);
    const std::size_t size = size_of(problem_.dtype), n = dx.size() / size;
    for (std::size_t i = 0; i < n; ++i) {
      const double out = load_element(dx.data() + i * size, problem_.dtype);
      if (out == 0) continue;  // dropped
      const double dy = load_element(record.dy.data() + i * size, problem_.dtype);
      const bool was_empty = forms_.empty();
      forms_.observe(dy, out);
      finding.violated(!was_empty && forms_.empty() ? 1 : 0, [&] {
        const double gain = is_alpha(problem_.op) ? reference::alpha_gain(problem_.p)
                            : scales_             ? 1 / (1 - problem_.p)
                                                  : 1;
        return fmt::format(
            "element {}: dy = {} became dx = {}, which is {:.6g} dy; where kept, dx must be {:.9g} dy at p = "
            "{}, rounded in one "
            "way throughout",
            i, dy, out, out / dy, gain, problem_.p);
      });
    }
    finding.compared(n);
  }
  void add(const GradientObserver& later) {
    finding.merge(later.finding);
    const bool had = !forms_.empty() && !later.forms_.empty();
    forms_.merge(later.forms_);
    finding.violated(had && forms_.empty() ? 1 : 0, [] {
      return std::string("different backward calls round kept gradients in different ways");
    });
  }
  std::string forms() const { return fmt::format("kept gradients are {}", forms_.description()); }
  ExactFinding finding;

 private:
  Problem problem_;
  bool scales_;
  reference::FormFilter forms_;
};

class GradientValue final : public Check {
 public:
  explicit GradientValue(const Dialect& dialect)
      : Check(catalogue_row("gradient_consistency.value", dialect)), dialect_(dialect) {}
  Applicability applies(const SampleInfo& sample) const override {
    return draws_mask(sample.problem) ? Applicability::yes() : Applicability::no();
  }
  std::unique_ptr<Observer> observer(const SampleInfo& sample) const override {
    return std::make_unique<GradientObserver>(sample.problem, dialect_);
  }
  Judgement judge(const Observer& seen, const JudgeContext&) const override {
    const auto& gradients = static_cast<const GradientObserver&>(seen);
    return gradients.finding.judgement(gradients.forms());
  }

 private:
  Dialect dialect_;
};

}  // namespace

void add_gradient(Registry& registry, const Dialect& dialect) {
  registry.add_check(std::make_unique<SameMask>(dialect));
  registry.add_check(std::make_unique<GradientValue>(dialect));
}

}  // namespace dropcheck::suites
