#pragma once
// PyTorch's own tests of dropout, restated as checks, to stand beside ours: what each can see is stated and
// measured like an effect of ours. They never decide.

#include <span>
#include <vector>

#include "harness/core/check.hpp"
#include "suites/dialects/row.hpp"

namespace dropcheck::suites {

struct ForeignRow {
  const char* name;
  const char* title;
  ForeignTest foreign;
  const char* impossible;  // null where it is tried
  std::vector<Step> (*steps)();
  void (*judge)(RowTrial&);
  std::vector<Axis> axes = {};  // under a dialect that says something else on one of these it is not asked
};
std::span<const ForeignRow> foreign_rows();

/// Their lines of the catalogue.
std::vector<CheckInfo> pytorch_test_infos();

}  // namespace dropcheck::suites
