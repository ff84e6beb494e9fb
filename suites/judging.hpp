#pragma once
// From statistics and counters to a judgement: shared by all checks, so that every pass and every failure
// reads alike.

#include <fmt/format.h>

#include <functional>
#include <string>
#include <vector>

#include "harness/core/check.hpp"
#include "harness/stats/tail.hpp"

namespace dropcheck::suites {

/// p-value fields of a statistic from a tail.
void set_tail(Statistic& statistic, const stats::Tail& tail, double alpha);

/// "4.0e-11", or "10^-345" below what a double holds.
std::string p_value_text(const Statistic& statistic);

/// The judgement of one or more statistics: fail when any rejects. `what_failed` is the sentence for the
/// statistic with the smallest p-value relative to its level; a pass says what was seen. What a pass would
/// have caught is added by whoever knows all stages.
Judgement judge_statistics(std::vector<Statistic> statistics, std::uint64_t comparisons,
                           const std::function<std::string(const Statistic&)>& what_failed);

/// For exact checks: counts comparisons and keeps the first violation.
class ExactFinding {
 public:
  void compared(std::uint64_t n = 1) { comparisons_ += n; }
  /// `describe` is called for the first violation only.
  template <typename Describe>
  void violated(std::uint64_t n, Describe&& describe) {
    if (n == 0) return;
    if (violations_ == 0) first_ = describe();
    violations_ += n;
  }
  void merge(const ExactFinding& later);
  bool clean() const { return violations_ == 0; }
  /// Pass with `what_held`, or fail with the first violation's sentence.
  Judgement judgement(const std::string& what_held) const;

 private:
  std::uint64_t comparisons_ = 0;
  std::uint64_t violations_ = 0;
  std::string first_;
};

}  // namespace dropcheck::suites
