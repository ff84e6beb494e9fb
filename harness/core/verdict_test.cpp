#include "harness/core/verdict.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace dropcheck {
namespace {

constexpr std::array kVerdicts = {Verdict::pass,         Verdict::unsupported, Verdict::expected_fail,
                                  Verdict::inconclusive, Verdict::error,       Verdict::fail};

TEST(Verdict, EveryOneReadsBackFromItsName) {
  for (const Verdict v : kVerdicts) EXPECT_EQ(verdict_from(to_string(v)), v) << to_string(v);
  EXPECT_FALSE(verdict_from("Pass"));
  EXPECT_FALSE(verdict_from(""));
}

TEST(Verdict, WorseFollowsTheOrderOfARun) {
  constexpr std::array kOrder = {Verdict::pass, Verdict::inconclusive, Verdict::error, Verdict::fail};
  for (std::size_t i = 0; i < kOrder.size(); ++i)
    for (std::size_t j = 0; j < kOrder.size(); ++j)
      EXPECT_EQ(worse(kOrder[i], kOrder[j]), kOrder[std::max(i, j)]) << i << " " << j;
}

TEST(Verdict, UnsupportedAndExpectedFailuresNeverDecide) {
  for (const Verdict silent : {Verdict::unsupported, Verdict::expected_fail}) {
    EXPECT_EQ(worse(silent, Verdict::pass), Verdict::pass);
    EXPECT_EQ(worse(silent, silent), Verdict::pass);
    EXPECT_EQ(worse(Verdict::inconclusive, silent), Verdict::inconclusive);
    EXPECT_EQ(worse(silent, Verdict::fail), Verdict::fail);
  }
}

TEST(ExitCode, OfEachEndingAloneIsTheDocumentedOne) {
  EXPECT_EQ(static_cast<int>(exit_code_of({.comparisons = 1})), 0);
  EXPECT_EQ(static_cast<int>(exit_code_of({.verdict = Verdict::fail, .comparisons = 1})), 1);
  EXPECT_EQ(static_cast<int>(exit_code_of({.comparisons = 1, .interrupted = true})), 2);
  EXPECT_EQ(static_cast<int>(exit_code_of({.comparisons = 1, .internal_fault = true})), 3);
  EXPECT_EQ(static_cast<int>(exit_code_of({})), 5);
  EXPECT_EQ(static_cast<int>(exit_code_of({.verdict = Verdict::inconclusive, .comparisons = 1})), 10);
  EXPECT_EQ(static_cast<int>(exit_code_of({.verdict = Verdict::error, .comparisons = 1})), 11);
  EXPECT_EQ(static_cast<int>(exit_code_of({.comparisons = 1, .backend_unavailable = true})), 11);
}

/// Precedence as the documentation lists it, read naively.
ExitCode documented(const RunEnding& e) {
  const std::pair<bool, ExitCode> order[] = {
      {e.interrupted, ExitCode::interrupted},
      {e.internal_fault, ExitCode::internal},
      {e.verdict == Verdict::fail, ExitCode::fail},
      {e.verdict == Verdict::error || e.backend_unavailable, ExitCode::backend_fault},
      {e.verdict == Verdict::inconclusive, ExitCode::inconclusive},
      {e.comparisons == 0, ExitCode::no_comparison}};
  for (const auto& [holds, code] : order)
    if (holds) return code;
  return ExitCode::pass;
}

TEST(ExitCode, OfSeveralEndingsIsTheFirstOfThePrecedence) {
  for (const Verdict verdict : kVerdicts)
    for (const std::uint64_t comparisons : {0u, 9u})
      for (const bool interrupted : {false, true})
        for (const bool internal : {false, true})
          for (const bool unavailable : {false, true}) {
            const RunEnding e{verdict, comparisons, interrupted, internal, unavailable};
            EXPECT_EQ(exit_code_of(e), documented(e))
                << to_string(verdict) << comparisons << interrupted << internal << unavailable;
          }
}

}  // namespace
}  // namespace dropcheck
