// A harness that compared only the mean of a gradient, as PyTorch's own test of dropout does, would pass a
// backward pass with any mask of the right rate. Here it does, and ours does not.
#include <gmock/gmock.h>

#include <algorithm>
#include <array>

#include "impl/mutants/mutants.hpp"
#include "suites/testing/planted_backend.hpp"

namespace dropcheck::suites {
namespace {

/// Mutants of backward passes and of recomputation, other than those that a mean shows: these change which
/// elements get a gradient and not how many.
constexpr std::array kWrongMasks = {
    "backward_own_mask",        "backward_block_stride",   "backward_unmasked_tile", "recompute_fresh",
    "recompute_under_pressure", "recompute_seed_advanced", "preserve_flag_ignored",  "recompute_other_shards",
    "recompute_default_seed",   "mask_not_shared",         "backward_transposed",    "regenerates_fresh",
    "mask_from_output"};

std::unique_ptr<Backend> opened(const std::string& id) {
  auto backend = mutants::open_mutant(id, {});
  if (!backend) throw std::logic_error(backend.error().message);
  return std::move(*backend);
}

Judgement judge_named(std::string_view check, Backend& backend) {
  const Registry& registry = testing::suites_registry();
  const std::string protocol = registry.check(std::string(check))->info().protocols.at(0);
  return testing::judge(std::string(check), protocol, "op=dropout,p=0.15,shape=3x5x7x11", backend);
}

class WrongMasks : public ::testing::TestWithParam<const char*> {};

TEST_P(WrongMasks, SurviveATestOfTheMeanAndNotTheCheckThatTheTableNames) {
  const auto table = mutants::mutant_table();
  const auto mutant =
      std::find_if(table.begin(), table.end(), [](const auto& m) { return m.id == GetParam(); });
  ASSERT_NE(mutant, table.end());
  const Judgement mean = judge_named("pytorch_tests.dropout_mean", *opened(GetParam()));
  EXPECT_EQ(mean.verdict, Verdict::pass) << mean.message;
  const Judgement ours = judge_named(mutant->killed_by, *opened(GetParam()));
  EXPECT_EQ(ours.verdict, Verdict::fail) << ours.message;
}

INSTANTIATE_TEST_SUITE_P(All, WrongMasks, ::testing::ValuesIn(kWrongMasks),
                         [](const auto& id) { return std::string(id.param); });

TEST(WrongMasks, AreOnesThatTheBaseDoesNotHave) {
  for (const char* check :
       {"pytorch_tests.dropout_mean", "gradient_consistency.same_mask", "gradient_consistency.every_element",
        "gradient_consistency.steps", "gradient_consistency.recompute", "gradient_consistency.numerical",
        "gradient_consistency.double_backward"}) {
    const Judgement j = judge_named(check, *opened("none"));
    EXPECT_EQ(j.verdict, Verdict::pass) << check << ": " << j.message;
    EXPECT_GT(j.comparisons, 0u) << check;
  }
}

TEST(WrongMasks, OfAnIndependentBackwardPassAgreeAsOftenAsTheMessageSays) {
  const Judgement j = judge_named("gradient_consistency.same_mask", *opened("backward_own_mask"));
  EXPECT_THAT(j.message, ::testing::HasSubstr("p^2 + q^2 = 0.745"));
}

}  // namespace
}  // namespace dropcheck::suites
