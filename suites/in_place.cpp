// pytorch_semantics.in_place: a call in place writes a dropout of the tensor into the tensor. Its mask need
// not be that of the call out of place: PyTorch's CUDA kernels for the two draw differently. Where a stream
// is claimed, exact_stream compares the masks.

#include <cmath>
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

/// A tensor of n entries is left as it was, or dropped whole, with at most this probability by chance.
constexpr double kNoChance = 0x1p-100;

class InPlaceObserver final : public MergingObserver<InPlaceObserver> {
 public:
  InPlaceObserver(const Problem& problem, const Dialect& dialect)
      : kept_forms_(dialect.kept_forms(problem.dtype)) {}
  void observe(const StepRecord& record) override {
    const std::vector<std::byte> y = dense_bytes(record.y);
    if (!record.step->problem.in_place) {
      apart_ = y;
      return;
    }
    const Problem& x = record.step->problem;
    const std::size_t size = record.y.element_size(), n = y.size() / size;
    finding.compared(n);
    if (y == apart_) return;  // the values of the call out of place are judged elsewhere
    const bool untouched = n > 0 && std::memcmp(record.x.data(), y.data(), y.size()) == 0;
    if (!(x.p > 0 && x.p < 1)) {
      finding.violated(1, [&] {
        return fmt::format("in place and out of place differ for p = {}{}", x.p, not_written(untouched));
      });
      return;
    }
    if (untouched) {
      const bool by_chance = std::pow(1 - x.p, static_cast<double>(mask_count(x))) > kNoChance;
      finding.violated(by_chance ? 0 : 1, [&] {
        return fmt::format("in place, no element is dropped or scaled{}", not_written(true));
      });
      if (by_chance) return;
    }
    other_mask = true;
    if (is_alpha(x.op)) alpha_values(record, y);
    else plain_values(record, y);
  }
  void add(const InPlaceObserver& later) {
    finding.merge(later.finding);
    other_mask = other_mask || later.other_mask;
  }

  ExactFinding finding;
  bool other_mask = false;

 private:
  static std::string_view not_written(bool untouched) {
    return untouched ? ": the tensor was not written at all" : "";
  }

  void plain_values(const StepRecord& record, const std::vector<std::byte>& y) {
    const Problem& x = record.step->problem;
    const std::size_t size = size_of(x.dtype);
    reference::FormFilter forms(kept_forms_, x.p, x.dtype);
    for (std::size_t at = 0; at < y.size(); at += size) {
      const double in = load_element(record.x.data() + at, x.dtype),
                   out = load_element(y.data() + at, x.dtype);
      if (out == 0) continue;
      forms.observe(in, out);
      if (!forms.empty()) continue;
      return finding.violated(1, [&] { return wrong(at / size, in, out); });
    }
  }

  void alpha_values(const StepRecord& record, const std::vector<std::byte>& y) {
    const Problem& x = record.step->problem;
    const std::size_t size = size_of(x.dtype);
    for (std::size_t at = 0; at < y.size(); at += size) {
      const double in = load_element(record.x.data() + at, x.dtype),
                   out = load_element(y.data() + at, x.dtype);
      const reference::AlphaValues law = reference::alpha_values(in, x.p, x.dtype);
      const bool fits = std::fabs(out - law.kept) <= law.kept_tolerance ||
                        std::fabs(out - law.dropped) <= law.dropped_tolerance;
      finding.violated(fits ? 0 : 1, [&] { return wrong(at / size, in, out); });
    }
  }

  static std::string wrong(std::size_t element, double in, double out) {
    return fmt::format("in place, element {} was {} and is {}, which is neither dropped nor kept", element,
                       in, out);
  }

  std::vector<reference::ScaleForm> kept_forms_;
  std::vector<std::byte> apart_;
};

class InPlace final : public Check {
 public:
  explicit InPlace(const Dialect& dialect)
      : Check(catalogue_row("pytorch_semantics.in_place")), dialect_(dialect) {}
  Applicability applies(const SampleInfo& sample) const override {
    const Problem& x = sample.problem;
    return x.mode == Mode::train && x.layout != Layout::expanded && is_float(x.dtype) ? Applicability::yes()
                                                                                      : Applicability::no();
  }
  std::unique_ptr<Observer> observer(const SampleInfo& sample) const override {
    return std::make_unique<InPlaceObserver>(sample.problem, dialect_);
  }
  Judgement judge(const Observer& seen, const JudgeContext&) const override {
    const auto& observer = static_cast<const InPlaceObserver&>(seen);
    return observer.finding.judgement(
        observer.other_mask
            ? "the tensor itself holds a dropout of its elements, by another mask than out of place"
            : "the tensor itself holds the result of the call out of place");
  }

 private:
  Dialect dialect_;
};

}  // namespace

void add_in_place(Registry& registry, const Dialect& dialect) {
  registry.add_check(std::make_unique<InPlace>(dialect));
}

}  // namespace dropcheck::suites
