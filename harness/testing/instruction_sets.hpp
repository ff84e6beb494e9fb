#pragma once
// Fixture for code that Highway compiles once for each instruction set: every case runs on each one that this
// machine has.
//   using CountOnes = testing::OnEachInstructionSet;
//   DROPCHECK_ON_EACH_INSTRUCTION_SET(CountOnes);
//   TEST_P(CountOnes, ...) { ... }

#include <gtest/gtest.h>

// Without it Highway leaves out the instruction sets with a vector population count.
#ifndef HWY_WANT_AVX3_DL
#define HWY_WANT_AVX3_DL
#endif
#include <hwy/highway.h>

#include <cstdint>
#include <string>

namespace dropcheck::testing {

class OnEachInstructionSet : public ::testing::TestWithParam<std::int64_t> {
 protected:
  void SetUp() override { choose(GetParam()); }
  void TearDown() override { choose(0); }  // the best again

 private:
  static void choose(std::int64_t target) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
};

}  // namespace dropcheck::testing

#define DROPCHECK_ON_EACH_INSTRUCTION_SET(fixture)                                   \
  INSTANTIATE_TEST_SUITE_P(InstructionSets, fixture,                                 \
                           ::testing::ValuesIn(hwy::SupportedAndGeneratedTargets()), \
                           [](const auto& row) { return std::string(hwy::TargetName(row.param)); })
