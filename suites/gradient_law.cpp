#include "suites/gradient_law.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <utility>

#include "harness/core/invariant.hpp"
#include "reference/definition.hpp"

namespace dropcheck::suites {
namespace {

bool same_number(double x, double y) {
  return (std::isnan(x) && std::isnan(y)) || (x == y && std::signbit(x) == std::signbit(y));
}

}  // namespace

double least_normal(DType dtype) {
  switch (dtype) {
    case DType::f16: return 0x1p-14;
    case DType::f64: return std::numeric_limits<double>::min();
    default: return 0x1p-126;  // f32 and bf16
  }
}

GradientLaw::GradientLaw(Op op, double p, DType dtype, const Dialect& dialect)
    : p_(p),
      dtype_(dtype),
      // PyTorch flushes nothing unless it is told to; of other frameworks some do in threads of their own.
      may_flush_(dialect.name != pytorch_dialect().name),
      kept_(dialect.gradient_forms(op, dtype), p, dtype) {}

bool GradientLaw::agrees_kept(double dy, double dx) {
  const bool is_tiny = dy != 0 && std::fabs(dy) < least_normal(dtype_);
  if (is_tiny && may_flush_ && dx == 0 && flushes_ != false) {
    flushes_ = true;
    return true;
  }
  if (is_tiny && flushes_ == true) return false;
  reference::FormFilter left = kept_;
  left.observe(dy, dx);
  if (left.empty()) return false;
  if (is_tiny) flushes_ = false;
  kept_ = std::move(left);
  return true;
}

bool GradientLaw::agrees_dropped(double dy, double dx) {
  const bool multiplied = multiplies_ && same_number(dx, reference::zeroed(dy));
  const bool selected = selects_ && same_number(dx, 0.0);
  if (!multiplied && !selected) return false;
  multiplies_ = multiplied;
  selects_ = selected;
  return true;
}

GradientLaw::Found GradientLaw::compare(const std::vector<bool>& dropped, const std::vector<double>& dy,
                                        const std::vector<double>& dx) {
  DROPCHECK_CHECK(dropped.size() == dy.size() && dropped.size() == dx.size());
  Found found;
  for (std::size_t e = 0; e < dx.size(); ++e) {
    if (dropped[e] ? agrees_dropped(dy[e], dx[e]) : agrees_kept(dy[e], dx[e])) continue;
    if (found.wrong++ > 0) continue;
    found.first = fmt::format("element {} is {}, dy is {:.9g} and dx is {:.9g}; it must be ", e,
                              dropped[e] ? "dropped" : "kept", dy[e], dx[e]);
    if (dropped[e])
      found.first.append(multiplies_ && selects_ ? "dy * 0 or +0" : multiplies_ ? "dy * 0" : "+0");
    else found.first.append(kept_.description());
    found.first.append(", in one way throughout");
  }
  return found;
}

std::string GradientLaw::description() const {
  std::string text = fmt::format("kept dy becomes {}, dropped {}", kept_.description(),
                                 multiplies_ && selects_ ? "0"
                                 : multiplies_           ? "dy * 0"
                                                         : "+0");
  if (flushes_ == true) text.append(", numbers below the normal range 0");
  return text;
}

std::string agreement_text(const std::vector<bool>& dropped, const std::vector<double>& dy,
                           const std::vector<double>& dx, double p) {
  std::uint64_t shown = 0, equal = 0;
  for (std::size_t e = 0; e < dx.size() && e < dropped.size() && e < dy.size(); ++e) {
    if (!std::isfinite(dy[e]) || dy[e] == 0) continue;
    ++shown;
    equal += (dx[e] == 0) == dropped[e] ? 1 : 0;
  }
  if (shown == 0) return "no element shows the backward mask";
  return fmt::format(
      "forward and backward masks agree on {:.4g} of {} elements (two independent masks would agree on p^2 + "
      "q^2 = {:.4g})",
      static_cast<double>(equal) / static_cast<double>(shown), shown, p * p + (1 - p) * (1 - p));
}

}  // namespace dropcheck::suites
