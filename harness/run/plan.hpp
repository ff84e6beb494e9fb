#pragma once
// The plan is fixed before any data exist: which samples, which checks on them, their sizes and shares of the
// false-alarm budget. Its hash identifies the run.

#include <optional>
#include <string>
#include <vector>

#include "harness/core/registry.hpp"

namespace dropcheck {

inline constexpr double kDefaultAlpha = 1e-6;  // per backend
inline constexpr std::uint64_t kDefaultSeed = 0x5eed;
inline constexpr std::string_view kRandomProblems =
    "random problems";  // what stands for the case of a property check

struct PlannedCell {
  const Check* check = nullptr;
  double alpha = 0;  // of each of its hypotheses, over all stages; 0 for exact checks
  unsigned hypotheses = 0;
  std::optional<MinimumDetectableEffect> detectable = std::nullopt;  // over all stages
  std::optional<double> required = std::nullopt;                     // effect that must be detectable
  bool hidden = false;  // filtered out; judged all the same, because it tells others the rate

  bool underpowered() const { return detectable && required && !(detectable->value <= *required); }
};

/// One sample with the checks that read it; or, where `protocol` is null, one property check.
struct PlannedSample {
  const Protocol* protocol = nullptr;
  SampleInfo info;
  std::vector<PlannedCell> cells;

  std::string case_text() const;
  /// Elements asked of a backend, all steps counted; 0 for a property check.
  std::uint64_t elements() const;
};

/// A statistic that a sample would have carried, had its validity rule held at the planned size.
struct LeftOut {
  std::string check;
  std::string problem;
  std::string rule;
};

inline constexpr std::uint64_t kDefaultRandomProblems = 60, kMostRandomProblems = 1000000;

struct Plan {
  std::string profile;            // name, or "case" for a case outside it
  std::string requested_profile;  // as asked for
  std::string dialect;            // as asked for, where it is not PyTorch's
  double alpha = kDefaultAlpha;
  std::uint64_t master_seed = kDefaultSeed;
  std::uint64_t random_problems = kDefaultRandomProblems;  // tried by each property check
  std::string filters;
  std::vector<PlannedSample> samples;
  std::vector<LeftOut> left_out;
  std::string hash;

  std::uint64_t elements() const;  // asked of a backend in all planned samples
  std::size_t cells() const;
};

struct PlanOptions {
  std::string profile = "quick";
  double alpha = kDefaultAlpha;
  std::uint64_t master_seed = kDefaultSeed;
  std::vector<std::string> suites;  // empty: all
  std::string check_glob;           // empty: all
  std::optional<Problem> only_case;
  std::string dialect;          // that the registry's checks judge by, as asked for; empty: PyTorch's
  std::string dialect_content;  // its rules, for the hash; empty with it
};

/// Shares come from the whole profile before the filters, so that a filter changes no verdict. Errors are
/// usage errors.
Expected<Plan> make_plan(const Registry& registry, const PlanOptions& options);

/// The effect that a check of this share catches on a sample with probability kPower, all stages counted.
/// Absent where the check states none.
std::optional<MinimumDetectableEffect> planned_effect(const Check& check, const SampleInfo& sample,
                                                      double share);

/// Number of block seeds that the steps of a protocol name; and where no stream can be continued, one more
/// for every step that would continue it.
unsigned seed_slots(const Protocol& protocol, const SampleInfo& sample,
                    SeedSemantics semantics = SeedSemantics::stateful);

}  // namespace dropcheck
