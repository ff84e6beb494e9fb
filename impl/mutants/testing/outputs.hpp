#pragma once
// One call of a mutant, for tests of what its fault does.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "impl/mutants/mutants.hpp"
#include "reference/one_call.hpp"

namespace dropcheck::mutants {

/// A forward call of ones with the seed 42.
inline reference::OneCall ones(double p, std::vector<std::int64_t> shape = {4096}) {
  reference::OneCall one;
  one.problem.p = p;
  one.problem.shape = std::move(shape);
  one.problem.seed = 42;
  one.x.assign(static_cast<std::size_t>(element_count(one.problem.shape)), 1.0);
  return one;
}

/// y of a call that has to be answered without touching anything else.
inline std::vector<double> output(Backend& backend, const reference::OneCall& one) {
  const reference::OneResult result = reference::run_one(backend, one);
  EXPECT_TRUE(result.observation.has_value());
  EXPECT_THAT(result.faults, ::testing::IsEmpty());
  return result.values(result.y, one.problem.dtype);
}
inline std::vector<double> output(const std::string& id, const reference::OneCall& one) {
  return output(**open_mutant(id, {}), one);
}

}  // namespace dropcheck::mutants
