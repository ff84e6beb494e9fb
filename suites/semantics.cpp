// pytorch_semantics, and mask_rate.extremes, which reads the same calls: what dropout does at the edges,
// judged by the rules of the dialect. Exact throughout.

#include <cstring>

#include "harness/core/element.hpp"
#include "reference/scale_forms.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dense_bytes.hpp"
#include "suites/judging.hpp"
#include "suites/mask_observer.hpp"

namespace dropcheck::suites {
namespace {

/// The first element of y whose bits differ from x, as text.
std::string first_change(const StepRecord& record, const std::vector<std::byte>& y) {
  const std::size_t size = record.y.element_size();
  for (std::size_t i = 0; i + size <= y.size(); i += size)
    if (std::memcmp(record.x.data() + i, y.data() + i, size) != 0)
      return fmt::format("element {}: {} became {}", i / size,
                         load_element(record.x.data() + i, record.y.dtype),
                         load_element(y.data() + i, record.y.dtype));
  return "no element";
}

/// A check whose observer turns each record into comparisons and violations by one function.
class RecordCheck final : public Check {
 public:
  using Look = void (*)(const Dialect&, const StepRecord&, ExactFinding&);
  using Applies = bool (*)(const SampleInfo&);

  RecordCheck(const char* id, const Dialect& dialect, Applies when, Look look, std::string what_held)
      : Check(catalogue_row(id, dialect)),
        dialect_(dialect),
        applies_(when),
        look_(look),
        what_held_(std::move(what_held)) {}

  Applicability applies(const SampleInfo& sample) const override {
    return is_float(sample.problem.dtype) && applies_(sample) ? Applicability::yes() : Applicability::no();
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<Seen>(dialect_, look_);
  }
  Judgement judge(const Observer& seen, const JudgeContext&) const override {
    return static_cast<const Seen&>(seen).finding.judgement(what_held_);
  }

 private:
  class Seen final : public MergingObserver<Seen> {
   public:
    Seen(const Dialect& dialect, Look look) : dialect_(dialect), look_(look) {}
    void observe(const StepRecord& record) override { look_(dialect_, record, finding); }
    void add(const Seen& later) { finding.merge(later.finding); }
    ExactFinding finding;

   private:
    const Dialect& dialect_;  // the check's
    Look look_;
  };

  Dialect dialect_;
  Applies applies_;
  Look look_;
  std::string what_held_;
};

bool always(const SampleInfo&) { return true; }
bool out_of_place(const SampleInfo& sample) { return !sample.problem.in_place; }
bool in_training(const SampleInfo& sample) { return sample.problem.mode == Mode::train; }
bool with_a_mask(const SampleInfo& sample) { return draws_mask(sample.problem); }
void look_at_bad_p(const Dialect&, const StepRecord& record, ExactFinding& finding) {
  const Problem& x = record.step->problem;
  finding.compared();
  if (!record.step->expect_error)
    return;  // the good call at the end: had it failed, this record would not be here
  finding.violated(record.observation->has_value() ? 1 : 0, [&] {
    return fmt::format("p = {} is accepted in {} mode; it must be refused", x.p, to_string(x.mode));
  });
}

/// p = 1 where the dialect refuses it; true when the record was about that.
bool look_at_refused_p_one(const Dialect& dialect, const StepRecord& record, ExactFinding& finding) {
  if (!record.step->expect_error) return false;
  finding.compared();
  finding.violated(record.observation->has_value() ? 1 : 0, [&] {
    return fmt::format("p = {} is accepted; dialect {} refuses it", record.step->problem.p, dialect.name);
  });
  return true;
}

void look_at_extremes(const Dialect& dialect, const StepRecord& record, ExactFinding& finding) {
  if (look_at_refused_p_one(dialect, record, finding)) return;
  const std::vector<std::byte> y = dense_bytes(record.y);
  const std::size_t size = record.y.element_size();
  finding.compared(y.size() / size);
  const double p = record.step->problem.p;
  if (p == 0 || dialect.p_one == AtOne::input) {
    finding.violated(differing(record.x, y, record.y.element_size()), [&] {
      return fmt::format("p = {} changed {} of {} elements ({}); it must return its input", p,
                         differing(record.x, y, record.y.element_size()), y.size() / size,
                         first_change(record, y));
    });
    return;
  }
  for (std::size_t i = 0; i + size <= y.size(); i += size) {
    const double out = load_element(y.data() + i, record.y.dtype);
    finding.violated(out == 0 ? 0 : 1, [&] {
      return fmt::format("element {}: p = 1 turned {} into {}; everything must be 0", i / size,
                         load_element(record.x.data() + i, record.y.dtype), out);
    });
  }
}

/// The same calls, counted as drops.
void look_at_extreme_rates(const Dialect& dialect, const StepRecord& record, ExactFinding& finding) {
  if (record.step->expect_error) return;  // pytorch_semantics.extremes looks at refusals
  const MaskBits zeros =
      drop_bits_of_output(Op::dropout, record.y);  // for every operator: p = 1 gives 0 and p = 0 gives x
  const bool drops = record.step->problem.p == 1 && dialect.p_one == AtOne::zeros;
  const std::uint64_t expected = drops ? zeros.size() : 0;
  finding.compared(zeros.size());
  finding.violated(zeros.count() == expected ? 0 : 1, [&] {
    return fmt::format("p = {} drops {} of {} elements", record.step->problem.p, zeros.count(), zeros.size());
  });
}

/// Eval mode that makes up for an unscaled training: x q, rounded in one known way throughout the call.
void look_at_scaled_eval(const StepRecord& record, ExactFinding& finding) {
  const Problem& x = record.step->problem;
  const std::vector<std::byte> y = dense_bytes(record.y);
  const std::size_t size = record.y.element_size();
  finding.compared(y.size() / size);
  reference::FormFilter forms(reference::eval_forms(x.dtype), x.p, x.dtype);
  for (std::size_t at = 0; at + size <= y.size(); at += size) {
    const double in = load_element(record.x.data() + at, x.dtype), out = load_element(y.data() + at, x.dtype);
    forms.observe(in, out);
    if (!forms.empty()) continue;
    return finding.violated(1, [&] {
      return fmt::format(
          "element {}: eval turned {} into {}; it must be q x = {:.9g} at p = {}, rounded in one way "
          "throughout",
          at / size, in, out, in * (1 - x.p), x.p);
    });
  }
}

void look_at_eval(const Dialect& dialect, const StepRecord& record, ExactFinding& finding) {
  // The alpha operators keep mean and variance by themselves: nothing is left for eval mode to make up for.
  if (dialect.eval == EvalRule::times_q && !is_alpha(record.step->problem.op))
    return look_at_scaled_eval(record, finding);
  const std::vector<std::byte> y = dense_bytes(record.y);
  finding.compared(y.size() / record.y.element_size());
  finding.violated(differing(record.x, y, record.y.element_size()), [&] {
    return fmt::format("eval changed {} of {} elements ({}); it must return its input",
                       differing(record.x, y, record.y.element_size()), y.size() / record.y.element_size(),
                       first_change(record, y));
  });
}

void look_at_shape(const Dialect&, const StepRecord& record, ExactFinding& finding) {
  // The guarded output was written completely and nothing else was: that is a comparison of its own.
  finding.compared(static_cast<std::uint64_t>(record.y.count()));
  const Observation& seen = record.observation->value();
  const Problem& x = record.step->problem;
  if (!seen.produced_dtype) return;
  finding.violated(*seen.produced_dtype == x.dtype ? 0 : 1, [&] {
    return fmt::format("the result has dtype {} where the input has {}", to_string(*seen.produced_dtype),
                       to_string(x.dtype));
  });
  finding.violated(seen.produced_shape == x.shape ? 0 : 1, [&] {
    return fmt::format("the result has shape [{}] where the input has [{}]",
                       fmt::join(seen.produced_shape, ", "), fmt::join(x.shape, ", "));
  });
}

void look_at_degenerate(const Dialect& dialect, const StepRecord& record, ExactFinding& finding) {
  look_at_shape(dialect, record, finding);
  const Problem& x = record.step->problem;
  finding.compared();
  if (!x.shape.empty() || is_alpha(x.op) || !(x.p > 0 && x.p < 1) || x.mode != Mode::train) return;
  const double out = load_element(record.y.data, x.dtype);  // x was 1
  bool kept = false;
  for (const auto form : dialect.kept_forms(x.dtype))
    kept = kept || out == reference::kept_value(form, 1.0, x.p, x.dtype);
  finding.violated(out == 0 || kept ? 0 : 1, [&] {
    return fmt::format("a tensor of rank 0 that holds 1 became {}; it must be 0 or {}", out,
                       dialect.scale == TrainScale::over_q ? "1 / q" : "1");
  });
}

void look_at_mask(const Dialect&, const StepRecord& record, ExactFinding& finding) {
  if (record.mask.data == nullptr || record.dropped == nullptr) return;
  const auto n = static_cast<std::size_t>(record.mask.count());
  finding.compared(n);
  for (std::size_t i = 0; i < n; ++i) {
    const int kept = std::to_integer<int>(record.mask.data[i]);
    const int shown = (*record.dropped)[i] ? 0 : 1;
    finding.violated(kept == shown ? 0 : 1, [&] {
      return fmt::format(
          "element {}: the returned mask says {} where the output shows that the element was {} (1 means "
          "kept)",
          i, kept, shown == 1 ? "kept" : "dropped");
    });
  }
}

/// What a pass of the checks on p = 0 and 1 says.
std::string held_at_one(AtOne rule, const char* zeros, const char* input) {
  switch (rule) {
    case AtOne::zeros: return zeros;
    case AtOne::input: return input;
    case AtOne::refused: return "p = 1 is refused";
    case AtOne::unspecified: return "p = 1 was not tried";
  }
  return {};
}

}  // namespace

void add_semantics(Registry& registry, const Dialect& dialect) {
  const auto add = [&](const char* id, RecordCheck::Applies when, RecordCheck::Look look,
                       std::string what_held) {
    registry.add_check(std::make_unique<RecordCheck>(id, dialect, when, look, std::move(what_held)));
  };
  add("mask_rate.extremes", in_training, look_at_extreme_rates,
      fmt::format("p = 0 drops nothing and {}",
                  held_at_one(dialect.p_one, "p = 1 drops everything", "p = 1 drops nothing")));
  add("pytorch_semantics.bad_p", always, look_at_bad_p,
      fmt::format("every p outside [0, 1] is refused, in training{}",
                  dialect.bad_p == BadP::refused && dialect.has_eval() ? " and in eval" : ""));
  add("pytorch_semantics.extremes", in_training, look_at_extremes,
      fmt::format("p = 0 returns the input, {}",
                  held_at_one(dialect.p_one, "p = 1 returns zeros", "p = 1 does as well")));
  add("pytorch_semantics.eval_identity", always, look_at_eval,
      dialect.eval == EvalRule::times_q ? "eval returns q x, rounded in one known way"
                                        : "eval returns its input bit for bit");
  add("pytorch_semantics.shape_and_dtype", out_of_place, look_at_shape,
      "the result has the input's shape and dtype and is wholly written");
  add("pytorch_semantics.degenerate", always, look_at_degenerate,
      "tensors without elements or dimensions are handled");
  add("pytorch_semantics.mask_output", with_a_mask, look_at_mask, "the returned mask agrees with the output");
}

}  // namespace dropcheck::suites
