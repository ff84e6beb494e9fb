#pragma once
// PyTorch's own tests of dropout, restated as checks, to stand beside ours: what each can see is stated and
// measured like an effect of ours. They never decide.

#include <span>

#include "harness/core/check.hpp"

namespace dropcheck::suites {

/// Their lines of the catalogue.
std::vector<CheckInfo> pytorch_test_infos();

}  // namespace dropcheck::suites
