// gradient_consistency.steps: several forward calls are saved before the gradient of any is asked for, and
// these then come in another order. Each belongs to the mask of its own call. The masks come from calls on
// ones in the same order under the same seed.

#include <array>

#include "harness/core/element.hpp"
#include "reference/definition.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dense_bytes.hpp"
#include "suites/gradient_law.hpp"
#include "suites/judging.hpp"
#include "suites/mask_observer.hpp"

namespace dropcheck::suites {
namespace {

/// What is saved, in order. The first four draw; the others come after them, so that no mask depends on
/// whether they do too.
enum Saved : unsigned { kFirst, kSecond, kThird, kInPlace, kEval, kAtZero, kAtOne };
constexpr unsigned kDrawing = kInPlace + 1;
constexpr const char* kNames[] = {"the first call",     "the second call",  "the third call",
                                  "the call in place",  "the call in eval", "the call with p = 0",
                                  "the call with p = 1"};
/// Of the gradients: neither the order of the calls nor its reverse.
constexpr std::array kOrder = {kThird, kEval, kFirst, kAtOne, kInPlace, kAtZero, kSecond};

Problem saved_problem(const SampleInfo& sample, unsigned which) {
  Problem x = sample.problem;
  x.seed.reset();
  x.calls.reset();
  x.in_place = which == kInPlace;
  if (which > kFirst) x.offset = 0;
  if (which == kEval) x.mode = Mode::eval;
  if (which == kAtZero) x.p = 0;
  if (which == kAtOne) x.p = 1;
  return x;
}

bool is_asked(const Dialect& dialect, unsigned which) {
  if (which == kEval) return dialect.has_eval();
  if (which == kAtOne) return dialect.answers_p_one();
  return true;
}

Step step_of(const SampleInfo& sample, unsigned which, Input input) {
  Step step;
  step.problem = saved_problem(sample, which);
  step.input = input;
  step.skip_unclaimed = which == kInPlace;
  if (which == kFirst) step.seed_slot = 0;
  return step;
}

std::vector<Step> saved_steps(const Dialect& dialect, const SampleInfo& sample) {
  std::vector<Step> steps;
  for (unsigned which = kFirst; which < kDrawing; ++which)
    steps.push_back(step_of(sample, which, Input::ones));
  for (unsigned which = kFirst; which <= kAtOne; ++which) {
    if (!is_asked(dialect, which)) continue;
    steps.push_back(step_of(sample, which, which % 2 == 0 ? Input::with_zeros : Input::random_reals));
    steps.back().keep_saved = which;
  }
  for (const unsigned which : kOrder) {
    if (!is_asked(dialect, which)) continue;
    Step step = step_of(sample, which, Input::ones);
    step.seed_slot.reset();
    step.skip_unclaimed = true;
    step.gradient_of = which;
    step.upstream = Input::random_reals;
    steps.push_back(step);
  }
  return steps;
}

std::vector<double> numbers_of(std::span<const std::byte> bytes, DType dtype) {
  std::vector<double> numbers;
  for (std::size_t at = 0; at < bytes.size(); at += size_of(dtype))
    numbers.push_back(load_element(bytes.data() + at, dtype));
  return numbers;
}

std::vector<bool> flags_of(const MaskBits& bits) {
  std::vector<bool> flags(bits.size());
  for (std::uint64_t i = 0; i < bits.size(); ++i) flags[i] = bits[i];
  return flags;
}

class SavedStepsObserver final : public MergingObserver<SavedStepsObserver> {
 public:
  SavedStepsObserver(const Problem& problem, const Dialect& dialect)
      : rule_(problem.op, problem.p, problem.dtype, dialect), dialect_(dialect) {}

  void observe(const StepRecord& record) override {
    if (record.index == 0) masks_ = {};
    if (record.index < kDrawing && record.dropped != nullptr)
      masks_[record.index] = flags_of(*record.dropped);
    if (!record.step->gradient_of || record.gradient == nullptr || !record.gradient->has_value()) return;
    const unsigned which = *record.step->gradient_of;
    const DType dtype = record.step->problem.dtype;
    const std::vector<double> dy = numbers_of(record.dy, dtype),
                              dx = numbers_of(dense_bytes(record.dx), dtype);
    finding.compared(dx.size());
    if (which < kDrawing) drawn(which, record.step->problem.p, dy, dx);
    else undrawn(which, record.step->problem, dy, dx);
  }
  void add(const SavedStepsObserver& later) { finding.merge(later.finding); }
  std::string held() const {
    return fmt::format("each gradient belongs to the mask of its own call; {}", rule_.description());
  }
  ExactFinding finding;

 private:
  void drawn(unsigned which, double p, const std::vector<double>& dy, const std::vector<double>& dx) {
    const std::vector<bool>& mask = masks_[which];
    if (mask.size() != dx.size())
      return finding.violated(
          1, [&] { return fmt::format("{} on ones under the same seed shows no mask", kNames[which]); });
    const GradientLaw::Found found = rule_.compare(mask, dy, dx);
    finding.violated(found.wrong, [&] {
      return fmt::format("the gradient of {}, which was asked for after later calls: {}; {}{}", kNames[which],
                         found.first, agreement_text(mask, dy, dx, p), other_mask(which, dx));
    });
  }
  /// Whether dx, whose dy has no zero, is that of another call.
  std::string other_mask(unsigned which, const std::vector<double>& dx) const {
    for (unsigned other = kFirst; other < kDrawing; ++other) {
      const std::vector<bool>& mask = masks_[other];
      if (other == which || mask.size() != dx.size() || mask == masks_[which]) continue;
      bool same = true;
      for (std::size_t e = 0; e < dx.size() && same; ++e) same = (dx[e] == 0) == mask[e];
      if (same) return fmt::format("; it has the mask of {}", kNames[other]);
    }
    return "";
  }
  /// Eval, p = 0 and p = 1: the whole gradient is dy, or 0, or what the dialect makes of eval mode.
  void undrawn(unsigned which, const Problem& problem, const std::vector<double>& dy,
               const std::vector<double>& dx) {
    const bool scales = which == kEval && dialect_.eval == EvalRule::times_q && !is_alpha(problem.op);
    const bool zeroes = which == kAtOne && dialect_.p_one == AtOne::zeros;
    reference::FormFilter eval(reference::eval_forms(problem.dtype), problem.p, problem.dtype);
    for (std::size_t e = 0; e < dx.size(); ++e) {
      bool holds = dx[e] == (zeroes ? 0 : dy[e]);
      if (scales) {
        eval.observe(dy[e], dx[e]);
        holds = !eval.empty();
      }
      finding.violated(holds ? 0 : 1, [&] {
        return fmt::format("the gradient of {}: element {}: dy = {:.9g} became dx = {:.9g}; it must be {}",
                           kNames[which], e, dy[e], dx[e],
                           zeroes   ? "0"
                           : scales ? "q dy, rounded in one way throughout"
                                    : "dy");
      });
      if (!holds) return;
    }
  }

  GradientLaw rule_;
  Dialect dialect_;
  std::array<std::vector<bool>, kDrawing> masks_;
};

class SavedSteps final : public Check {
 public:
  explicit SavedSteps(const Dialect& dialect)
      : Check(catalogue_row("gradient_consistency.steps", dialect)), dialect_(dialect) {}
  Applicability applies(const SampleInfo& sample) const override {
    return draws_mask(sample.problem) ? Applicability::yes() : Applicability::no();
  }
  std::unique_ptr<Observer> observer(const SampleInfo& sample) const override {
    return std::make_unique<SavedStepsObserver>(sample.problem, dialect_);
  }
  Judgement judge(const Observer& seen, const JudgeContext&) const override {
    const auto& steps = static_cast<const SavedStepsObserver&>(seen);
    return steps.finding.judgement(steps.held());
  }

 private:
  Dialect dialect_;
};

}  // namespace

void add_gradient_steps(Registry& registry, const Dialect& dialect) {
  const SampleInfo any{"gradient_steps", Problem{}, 1, 1};
  registry.add_protocol(
      {.id = "gradient_steps",
       .summary = "several forward calls, then their gradients in another order",
       .default_calls = static_cast<std::uint32_t>(saved_steps(dialect, any).size()),
       .steps = [dialect](const SampleInfo& sample, std::uint64_t) { return saved_steps(dialect, sample); },
       .needs = {Feature::backward, Feature::seeds}});
  registry.add_check(std::make_unique<SavedSteps>(dialect));
}

}  // namespace dropcheck::suites
