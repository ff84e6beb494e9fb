// unbiasedness.kept_value: S26 and S27. Every output of a plain or feature operator is 0 or, to the bit, x
// scaled by 1/q in one of the ways that the dialect allows, the same way everywhere. Outputs of the alpha
// operators lie on one of two affine branches, within the rounding of their dtype.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "harness/core/element.hpp"
#include "harness/core/pack.hpp"
#include "reference/scale_forms.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/judging.hpp"
#include "suites/mask_observer.hpp"

namespace dropcheck::suites {
namespace {

using reference::AlphaValues;
using reference::ScaleForm;
using reference::ScaleRule;

constexpr int kIntegerRange = 256;  // inputs are -128..127
constexpr int kIntegerOffset = 128;
constexpr std::size_t kChunk = 4096;  // elements looked at before the first that disagrees is sought

/// Dense raw elements of a view; a copy where the view has gaps, which lasts until the thread's next one.
const std::byte* dense(const TensorView& view) {
  if (view.is_contiguous()) return view.data;
  thread_local std::vector<std::byte> scratch;  // fresh pages would cost more than the copy
  const std::size_t bytes = static_cast<std::size_t>(view.count()) * view.element_size();
  if (scratch.size() < bytes) scratch.resize(bytes);
  gather(view, scratch.data());
  return scratch.data();
}

template <typename Word>
Word word_at(const std::byte* data, std::size_t i) {
  Word word;
  std::memcpy(&word, data + i * sizeof(Word), sizeof word);
  return word;
}

/// Which of at most 31 forms agree, one bit a form.
using FormSet = std::uint32_t;

class ValueObserver final : public MergingObserver<ValueObserver> {
 public:
  ValueObserver(const Problem& problem, const Dialect& dialect)
      : problem_(problem),
        scales_(dialect.scale == TrainScale::over_q),
        forms_(dialect.kept_forms(problem.dtype)) {
    DROPCHECK_CHECK(forms_.size() < 32);
    alive_ = (FormSet{1} << forms_.size()) - 1;
    for (const ScaleForm form : forms_) rules_.emplace_back(form, problem.p, problem.dtype);
  }

  void observe(const StepRecord& record) override {
    if (record.step->problem.mode != Mode::train || !(problem_.p > 0 && problem_.p < 1)) return;
    if (record.y.data == nullptr) return;  // the mask came alone: nothing to compare
    const std::byte* y = dense(record.y);
    const auto n = static_cast<std::size_t>(record.y.count());
    finding.compared(n);
    if (is_alpha(problem_.op)) {
      alpha(record, y, n);
    } else if (!record.integers.empty()) {
      switch (record.y.element_size()) {
        case 2: integers<std::uint16_t>(record, y, n); break;
        case 4: integers<std::uint32_t>(record, y, n); break;
        default: integers<std::uint64_t>(record, y, n); break;
      }
    } else {
      reals(record, y, n);
    }
  }

  void add(const ValueObserver& later) {
    const FormSet before = alive_;
    finding.merge(later.finding);
    alive_ &= later.alive_;
    if (before != 0 && later.alive_ != 0 && alive_ == 0)
      finding.violated(1, [] { return std::string("different calls round kept values in different ways"); });
  }

  std::string forms() const {
    if (is_alpha(problem_.op)) return "outputs lie on the two branches a x + alpha a p and -alpha a q";
    std::string text;
    for (std::size_t f = 0; f < forms_.size(); ++f)
      if ((alive_ >> f & 1u) != 0)
        text += (text.empty() ? "" : " = ") + std::string(reference::to_string(forms_[f]));
    return fmt::format("kept values are {}", text);
  }

  ExactFinding finding;

 private:
  struct Table {
    FormSet forms;
    std::vector<std::uint64_t> values;  // raw bits by integer + 128
    std::optional<ScaledInteger> arithmetic;
  };

  /// Inputs take few values: what each becomes under each form is worked out once. Forms that agree on all of
  /// them share a table.
  void fill_tables() {
    for (std::size_t f = 0; f < rules_.size(); ++f) {
      std::vector<std::uint64_t> table(kIntegerRange);
      for (int v = 0; v < kIntegerRange; ++v) {
        std::array<std::byte, 8> bytes{};
        store_element(rules_[f](v - kIntegerOffset), bytes.data(), problem_.dtype);
        table[static_cast<std::size_t>(v)] = element_bits(bytes.data(), problem_.dtype);
      }
      const auto same =
          std::find_if(tables_.begin(), tables_.end(), [&](const Table& t) { return t.values == table; });
      if (same != tables_.end()) same->forms |= FormSet{1} << f;
      else tables_.push_back({FormSet{1} << f, std::move(table), std::nullopt});
    }
    for (Table& table : tables_) table.arithmetic = arithmetic_of(table);
  }

  /// One multiplication or division that gives the table for every integer, where there is one: vectors of
  /// elements are compared with it instead.
  std::optional<ScaledInteger> arithmetic_of(const Table& table) const {
    const std::size_t size = size_of(problem_.dtype);
    std::array<std::int8_t, kIntegerRange> x{};
    std::vector<std::byte> y(kIntegerRange * size);
    for (std::size_t v = 0; v < kIntegerRange; ++v) {
      x[v] = static_cast<std::int8_t>(static_cast<int>(v) - kIntegerOffset);
      if (x[v] != 0 && table.values[v] << (64 - 8 * size + 1) == 0) return std::nullopt;  // reads as dropped
      std::memcpy(y.data() + v * size, &table.values[v], size);
    }
    const double q = 1 - problem_.p,
                 factor = load_element(y.data() + (kIntegerOffset + 1) * size, problem_.dtype);
    const double float_q = round_to(1 - round_to(problem_.p, DType::f32), DType::f32);
    std::vector<ScaledInteger> candidates = {
        {false, factor}, {true, round_to(q, problem_.dtype)}, {true, round_to(float_q, problem_.dtype)}};
    if (size == 2) {
      const double wide_q = round_to(q, DType::f32);
      candidates.push_back({false, round_to(1 / wide_q, DType::f32)});
      candidates.push_back({false, round_to(1 / q, DType::f32)});
      candidates.push_back({true, wide_q});
      candidates.push_back({false, round_to(1 / float_q, DType::f32)});
      candidates.push_back({true, float_q});
    }
    for (const ScaledInteger& candidate : candidates)
      if (all_zero_or_scaled(y.data(), x, problem_.dtype, candidate)) return candidate;
    return std::nullopt;
  }

  template <typename Word>
  void integers(const StepRecord& record, const std::byte* y, std::size_t n) {
    if (tables_.empty()) fill_tables();
    const FormSet before = alive_;
    std::size_t last_death = 0;  // the element that struck out the last form, if all go
    for (const Table& table : tables_) {
      if ((alive_ & table.forms) == 0) continue;
      const auto disagrees = [&](std::size_t i) {
        const Word bits = word_at<Word>(y, i);
        const bool dropped = static_cast<Word>(bits << 1) == 0;  // +0 or -0
        const bool fits = table.values[static_cast<std::size_t>(record.integers[i] + kIntegerOffset)] == bits;
        return !dropped & !fits;  // no branches: which elements are dropped cannot be predicted
      };
      for (std::size_t begin = 0; begin < n; begin += kChunk) {
        const std::size_t end = std::min(begin + kChunk, n);
        bool any = false;
        if (table.arithmetic)
          any = !all_zero_or_scaled(y + begin * sizeof(Word), record.integers.subspan(begin, end - begin),
                                    problem_.dtype, *table.arithmetic);
        else
          for (std::size_t i = begin; i < end; ++i) any |= disagrees(i);
        if (!any) continue;
        std::size_t first = begin;
        while (!disagrees(first)) ++first;
        alive_ &= ~table.forms;
        last_death = std::max(last_death, first);
        break;
      }
    }
    if (before != 0 && alive_ == 0)
      no_form_left(last_death, record.integers[last_death],
                   load_element(y + last_death * sizeof(Word), problem_.dtype));
  }

  void reals(const StepRecord& record, const std::byte* y, std::size_t n) {
    const std::size_t size = size_of(problem_.dtype);
    for (std::size_t i = 0; i < n; ++i) {
      const double out = load_element(y + i * size, problem_.dtype);
      if (out == 0) continue;
      const double x = load_element(record.x.data() + i * size, problem_.dtype);
      FormSet agrees = 0;
      for (std::size_t f = 0; f < rules_.size(); ++f)
        agrees |= FormSet{std::bit_cast<std::uint64_t>(rules_[f](x)) == std::bit_cast<std::uint64_t>(out)}
                  << f;
      restrict_to(agrees, i, x, out);
    }
  }

  void alpha(const StepRecord& record, const std::byte* y, std::size_t n) {
    if (!record.integers.empty() && alpha_values_.empty())
      for (int v = 0; v < kIntegerRange; ++v)
        alpha_values_.push_back(reference::alpha_values(v - kIntegerOffset, problem_.p, problem_.dtype));
    for (std::size_t begin = 0; begin < n; begin += kChunk) {
      const std::size_t end = std::min(begin + kChunk, n);
      if (!record.integers.empty() && all_on_branches(record.integers, y, begin, end)) continue;
      for (std::size_t i = begin; i < end; ++i) alpha_element(record, y, i);
    }
  }

  void alpha_element(const StepRecord& record, const std::byte* y, std::size_t i) {
    const std::size_t size = size_of(problem_.dtype);
    const double x = record.integers.empty() ? load_element(record.x.data() + i * size, problem_.dtype)
                                             : record.integers[i];
    const double out = load_element(y + i * size, problem_.dtype);
    const AlphaValues values = reference::alpha_values(x, problem_.p, problem_.dtype);
    finding.violated(on_branch(out, values) ? 0 : 1, [&] {
      return fmt::format("element {}: x = {} became {}; {} keeps it as {} or drops it to {} at p = {}", i, x,
                         out, to_string(problem_.op), values.kept, values.dropped, problem_.p);
    });
  }

  static bool on_branch(double out, const AlphaValues& values) {
    return (std::abs(out - values.kept) <= values.kept_tolerance) |
           (std::abs(out - values.dropped) <= values.dropped_tolerance);
  }

  bool all_on_branches(std::span<const std::int8_t> x, const std::byte* y, std::size_t begin,
                       std::size_t end) const {
    switch (problem_.dtype) {
      case DType::f16: return all_on_branches<DType::f16, 2>(x, y, begin, end);
      case DType::bf16: return all_on_branches<DType::bf16, 2>(x, y, begin, end);
      case DType::f32: return all_on_branches<DType::f32, 4>(x, y, begin, end);
      default: return all_on_branches<DType::f64, 8>(x, y, begin, end);
    }
  }

  template <DType kDType, std::size_t kSize>
  bool all_on_branches(std::span<const std::int8_t> x, const std::byte* y, std::size_t begin,
                       std::size_t end) const {
    bool all = true;  // no branches: which elements are dropped cannot be predicted
    for (std::size_t i = begin; i < end; ++i)
      all &= on_branch(load_element(y + i * kSize, kDType),
                       alpha_values_[static_cast<std::size_t>(int{x[i]} + kIntegerOffset)]);
    return all;
  }

  void restrict_to(FormSet agrees, std::size_t i, double x, double out) {
    const FormSet before = alive_;
    alive_ &= agrees;
    if (before != 0 && alive_ == 0) no_form_left(i, x, out);
  }

  void no_form_left(std::size_t i, double x, double out) {
    const bool some_form_fits =
        std::any_of(rules_.begin(), rules_.end(), [&](const ScaleRule& rule) { return rule(x) == out; });
    finding.violated(1, [&] {
      return fmt::format(
          "element {}: x = {} became {}, which is {:.6g} x; a kept value is {} = {:.9g} at p = {}{}", i, x,
          out, out / x, scales_ ? "x / q" : "x", scales_ ? x / (1 - problem_.p) : x, problem_.p,
          some_form_fits ? ", rounded in one way throughout" : "");
    });
  }

  Problem problem_;
  bool scales_;
  std::vector<ScaleForm> forms_;
  std::vector<ScaleRule> rules_;
  std::vector<Table> tables_;
  std::vector<AlphaValues> alpha_values_;  // by integer + 128
  FormSet alive_ = 0;
};

class KeptValue final : public Check {
 public:
  explicit KeptValue(const Dialect& dialect)
      : Check(catalogue_row("unbiasedness.kept_value")), dialect_(dialect) {}
  Applicability applies(const SampleInfo& sample) const override {
    return draws_mask(sample.problem) ? Applicability::yes() : Applicability::no();
  }
  std::unique_ptr<Observer> observer(const SampleInfo& sample) const override {
    return std::make_unique<ValueObserver>(sample.problem, dialect_);
  }
  Judgement judge(const Observer& seen, const JudgeContext&) const override {
    const auto& values = static_cast<const ValueObserver&>(seen);
    return values.finding.judgement(values.forms());
  }

 private:
  Dialect dialect_;
};

}  // namespace

void add_kept_value(Registry& registry, const Dialect& dialect) {
  registry.add_check(std::make_unique<KeptValue>(dialect));
}

}  // namespace dropcheck::suites
