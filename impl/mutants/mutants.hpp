#pragma once
// Backends that are wrong on purpose, one known defect each: a harness that passes one of them is blind
// there.

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "harness/core/backend.hpp"
#include "harness/core/registry.hpp"
#include "impl/mutants/fault.hpp"

namespace dropcheck::mutants {

struct MutantInfo {
  std::string_view id = {};
  std::string_view mechanism = {};  // one sentence: what it does wrong
  /// Where a defect of its kind was met with: threads and commits of projects, or "ours" for one that was
  /// made up; then the defect, where it differs from the mechanism.
  std::string_view source = {};
  std::string_view killed_by = {};  // id of the check that must catch it
  Fault fault = Fault::none;
  std::string_view base = "none";      // what it would be without the fault: an id that `open_mutant` knows
  std::string_view profile = "quick";  // quick, standard or deep: in which the check must catch it
  /// A problem of that profile that shows it; empty: the problems of the check between them.
  std::string_view shown_by = {};
  /// Size of the defect where it comes in several, in the unit that the mechanism names.
  double strength = 0;
  /// Exact checks, separated by spaces, that must not fire; empty: those of its family.
  std::string_view spared = {};
};

/// Mutants of one class of defects.
struct Family {
  std::string_view title;
  std::string_view spared;  // exact checks, separated by spaces, that no member's defect concerns
  std::span<const MutantInfo> mutants;
};

std::span<const Family> mutant_families();

/// Those of all families, one after another.
std::span<const MutantInfo> mutant_table();
/// The ids of the exact checks that must not fire on it.
std::vector<std::string> spared_checks(const MutantInfo& mutant);

/// What mutants are made of, without a fault. "none" has a stream of its own, "philox" is the same with the
/// stream dropcheck-philox, "entries" the same with one stream of entries, which makes promises; "torchlike"
/// behaves like PyTorch 1.13.1 on a CPU, "network" has layers and networks that contain dropout, and "large"
/// sends packed masks without outputs, of calls of any size.
inline constexpr std::array<std::string_view, 6> kBases = {"none",      "philox",  "entries",
                                                           "torchlike", "network", "large"};

/// `id` is one of the table or of the bases.
Expected<std::unique_ptr<Backend>> open_mutant(const std::string& id, const BackendOptions& options);

}  // namespace dropcheck::mutants
