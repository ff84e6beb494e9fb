#pragma once
// For tests of rows: a right backend passes, and one with a planted defect fails.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "suites/testing/planted_backend.hpp"
#include "suites/testing/torch_model.hpp"

namespace dropcheck::suites::testing {

inline Judgement judge_row(int row, Backend& backend) {
  const std::string id = fmt::format("row_{}", row);
  return judge("pytorch_semantics." + id, id, "op=dropout,p=0.5,shape=4", backend);
}

/// One defect in the answers of an otherwise right backend.
struct RowDefect {
  int row;
  std::string what;
  std::string said;  // part of the message of the failure
  SpoiledBackend::Before before{};
  SpoiledBackend::After after{};
  SpoiledBackend::AfterBackward after_backward{};
};

inline void expect_failures(const std::vector<RowDefect>& defects, Backend& right) {
  for (const RowDefect& defect : defects) {
    SCOPED_TRACE(fmt::format("row {}: {}", defect.row, defect.what));
    SpoiledBackend backend(right);
    backend.before = defect.before;
    backend.after = defect.after;
    backend.after_backward = defect.after_backward;
    const Judgement judgement = judge_row(defect.row, backend);
    EXPECT_EQ(judgement.verdict, Verdict::fail) << judgement.message;
    EXPECT_THAT(judgement.message, ::testing::HasSubstr(defect.said));
  }
}

inline void expect_passes(const std::vector<int>& rows, Backend& backend) {
  for (const int row : rows) {
    const Judgement judgement = judge_row(row, backend);
    EXPECT_EQ(judgement.verdict, Verdict::pass) << "row " << row << ": " << judgement.message;
    EXPECT_GT(judgement.comparisons, 0u) << "row " << row;
  }
}

/// Changes the result of calls that answer and that `when` chooses.
template <typename When, typename Change>
SpoiledBackend::After result_where(When when, Change change) {
  return [when, change](const Call& call, const Expected<Observation>& seen) {
    if (!seen || !when(call)) return;
    std::vector<double> y = read(result_of(call));
    change(call, y);
    write(y, result_of(call));
  };
}

/// Changes what is told of calls that answer.
template <typename Change>
SpoiledBackend::After told(Change change) {
  return [change](const Call& call, Expected<Observation>& seen) {
    if (seen) change(call, *seen);
  };
}

/// Changes the words of refusals.
template <typename Change>
SpoiledBackend::After refused_with(Change change) {
  return [change](const Call&, Expected<Observation>& seen) {
    if (seen) return;
    Error error = seen.error();
    change(error.message);
    seen = error;
  };
}

/// Changes gradients.
template <typename Change>
SpoiledBackend::AfterBackward gradient_with(Change change) {
  return [change](const BackwardCall& call, const Expected<Observation>& seen) {
    if (!seen) return;
    std::vector<double> dy = read(call.dy), dx = read(call.dx);
    for (std::size_t e = 0; e < dx.size(); ++e) dx[e] = change(dy[e], dx[e]);
    write(dx, call.dx);
  };
}

inline bool draws(const Call& call) { return call.mode == Mode::train && call.p > 0 && call.p < 1; }

}  // namespace dropcheck::suites::testing
