// pytorch_semantics.dropped_values: what dropping makes of numbers on which x * 0 and 0 differ. An
// implementation that multiplies keeps NaN, turns infinities into NaN and leaves a dropped negative number as
// -0; one that selects writes +0. The dialect says which of them is right. Exact: no mask is needed, since
// what a kept and what a dropped element may become are different things for each kind of input. The alpha
// operators are left out: what they make of a dropped element is a number of their own.

#include <cmath>
#include <limits>

#include "harness/core/element.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dialects/row_check.hpp"
#include "suites/dialects/row_steps.hpp"

namespace dropcheck::suites {
namespace {

constexpr double kP = 0.5;
/// Entries of a call. Each of the fifteen extremes comes a hundred times: that none of a kind is dropped, or
/// none kept, has a probability of at most 2^-99.
constexpr std::int64_t kEntries = 1500;

std::vector<std::int64_t> shape_of(Op op) {
  if (!drops_channels(op)) return {kEntries};
  std::vector<std::int64_t> shape(ranks_of(op).largest, 1);
  shape[0] = 50;  // one element a channel
  shape[1] = kEntries / shape[0];
  return shape;
}

std::vector<Step> extreme_steps() {
  std::vector<Step> steps;
  for (const Op op : {Op::dropout, Op::dropout1d, Op::dropout2d, Op::dropout3d})
    for (const DType dtype : kFloatDTypes)
      steps.push_back(seeded_step(problem_of(kP, shape_of(op), dtype, op), Input::extremes));
  steps.push_back(seeded_step(in_place(problem_of(kP, {kEntries})), Input::extremes));
  return steps;
}

enum class Fate : std::uint8_t { kept, dropped, either, wrong };

/// Kinds of input, in the words of a message.
enum Kind : std::size_t { kNaN, kInfinity, kNegative, kPositive, kKinds };
constexpr const char* kNames[kKinds] = {"NaN", "infinities", "negative numbers", "positive numbers"};

Kind kind_of(double x) {
  if (std::isnan(x)) return kNaN;
  if (std::isinf(x)) return kInfinity;
  return std::signbit(x) ? kNegative : kPositive;
}

double least_normal(DType dtype) {
  switch (dtype) {
    case DType::f16: return 0x1p-14;
    case DType::f64: return std::numeric_limits<double>::min();
    default: return 0x1p-126;  // f32 and bf16
  }
}

/// Whether the element tells the two rules apart. Subnormal numbers are flushed by some processors; what
/// overflows when it is scaled may be dropped after that.
bool is_telling(double x, DType dtype) {
  if (std::isnan(x) || std::isinf(x)) return true;
  if (x != 0 && std::fabs(x) < least_normal(dtype)) return false;
  return !std::isinf(round_to(2 * x / (1 - kP), dtype));
}

bool same_zero(double y, double sign_of) { return y == 0 && std::signbit(y) == std::signbit(sign_of); }

/// What became of an element.
Fate fate_of(DroppedRule rule, double x, double y) {
  const bool multiplies = rule == DroppedRule::multiply;
  if (std::isnan(x)) {
    if (std::isnan(y)) return multiplies ? Fate::either : Fate::kept;
    return !multiplies && same_zero(y, +0.0) ? Fate::dropped : Fate::wrong;
  }
  if (std::isinf(x)) {
    if (y == x) return Fate::kept;
    if (multiplies) return std::isnan(y) ? Fate::dropped : Fate::wrong;
    return same_zero(y, +0.0) ? Fate::dropped : Fate::wrong;
  }
  if (x == 0) {  // a kept zero keeps its sign
    if (same_zero(y, x)) return Fate::either;
    return !multiplies && same_zero(y, +0.0) ? Fate::dropped : Fate::wrong;
  }
  if (y == 0) return same_zero(y, multiplies ? x : +0.0) ? Fate::dropped : Fate::wrong;
  return std::signbit(y) == std::signbit(x) && !std::isnan(y) ? Fate::kept : Fate::wrong;
}

class DroppedValues final : public RepliesCheck {
 public:
  explicit DroppedValues(const Dialect& dialect)
      : RepliesCheck(catalogue_row("pytorch_semantics.dropped_values", dialect)), dialect_(dialect) {}

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const std::vector<Step> steps = extreme_steps();
    RowTrial trial(steps, replies_of(seen), context);
    for (std::size_t i = 0; i < trial.size(); ++i)
      if (trial.answered(i)) look(trial, i);
    return trial.judgement(rule_text(dialect_, Axis::dropped));
  }

 private:
  void look(RowTrial& trial, std::size_t i) const {
    const Problem& problem = trial.step(i).problem;
    const Reply& reply = trial.reply(i);
    std::uint64_t fates[kKinds][3] = {};
    for (std::size_t e = 0; e < trial.elements(i, reply.y); ++e) {
      const double x = trial.value(i, reply.x, e), y = trial.value(i, reply.y, e);
      if (!is_telling(x, problem.dtype)) continue;
      const Fate fate = fate_of(dialect_.dropped, x, y);
      trial.require(fate != Fate::wrong, [&] {
        return fmt::format("{}: element {} was {} and is {}; {}", trial.place(i), e, x, y,
                           rule_text(dialect_, Axis::dropped));
      });
      if (fate == Fate::wrong) return;  // the rest would say the same
      if (x != 0) ++fates[kind_of(x)][static_cast<std::size_t>(fate)];
    }
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
      const auto count = [&](Fate fate) { return fates[kind][static_cast<std::size_t>(fate)]; };
      if (count(Fate::either) > 0 || count(Fate::kept) + count(Fate::dropped) == 0) continue;
      for (const auto& [fate, word] : {std::pair{Fate::kept, "kept"}, std::pair{Fate::dropped, "dropped"}})
        trial.require(count(fate) > 0, [&, &what = word] {
          return fmt::format("{}: of {} {} none was {}; half of them must be", trial.place(i),
                             count(Fate::kept) + count(Fate::dropped), kNames[kind], what);
        });
    }
  }

  Dialect dialect_;
};

}  // namespace

void add_dropped_values(Registry& registry, const Dialect& dialect) {
  registry.add_protocol(own_protocol("dropped_values", "NaN, infinities, signed zeros and numbers at p = 1/2",
                                     extreme_steps, problem_of(kP, {kEntries})));
  registry.add_check(std::make_unique<DroppedValues>(dialect));
}

}  // namespace dropcheck::suites
