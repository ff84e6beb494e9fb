#pragma once
// What a gradient of dropout may be, element by element: dy times the kept scale, in one of the known ways of
// rounding, where the forward pass kept, and dy times 0 or a plain 0 where it dropped. Correct
// implementations differ in these ways; one of them must hold throughout.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reference/scale_forms.hpp"
#include "suites/dialect.hpp"

namespace dropcheck::suites {

class GradientLaw {
 public:
  /// For 0 < p < 1 in training.
  GradientLaw(Op op, double p, DType dtype, const Dialect& dialect);

  struct Found {
    std::uint64_t wrong = 0;
    std::string first;  // a sentence about the first of them
  };
  /// Compares dx with what dy and the forward mask (true = dropped) make of it, and rules out the ways that
  /// do not agree. All three have the same length. Elements that agree with none of the ways left are wrong
  /// and rule out nothing.
  Found compare(const std::vector<bool>& dropped, const std::vector<double>& dy,
                const std::vector<double>& dx);
  /// The ways that are left: "kept dy becomes x * fl(1/fl(q)), dropped dy * 0".
  std::string description() const;

 private:
  bool agrees_kept(double dy, double dx);
  bool agrees_dropped(double dy, double dx);

  double p_;
  DType dtype_;
  bool may_flush_;  // results below the normal range to 0, as some processors and kernels do
  reference::FormFilter kept_;
  bool multiplies_ = true, selects_ = true;  // dropped: dy * 0, or +0
  std::optional<bool> flushes_;
};

/// Agreement of the forward mask with the one that dx shows, over the elements at which dy shows it (finite
/// and not 0), as part of a sentence that sets it beside p^2 + q^2: a reader sees at once whether the
/// backward pass drew a mask of its own.
std::string agreement_text(const std::vector<bool>& dropped, const std::vector<double>& dy,
                           const std::vector<double>& dx, double p);

/// The least normal number of a floating dtype.
double least_normal(DType dtype);

}  // namespace dropcheck::suites
