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
  std::string_view id;
  std::string_view mechanism;  // one sentence: what it does wrong
  std::string_view killed_by;  // check id that must catch it
  Fault fault;
  std::string_view base = "none";  // what it would be without the fault: an id that `open_mutant` knows
};

std::span<const MutantInfo> mutant_table();

/// What mutants are made of, without a fault. "none" has a stream of its own, "philox" is the same with the
/// stream dropcheck-philox, "entries" the same with one stream of entries, which makes promises; "torchlike"
/// behaves like PyTorch 1.13.1 on a CPU, and "network" has layers and networks that contain dropout.
inline constexpr std::array<std::string_view, 5> kBases = {"none", "philox", "entries", "torchlike",
                                                           "network"};

/// `id` is one of the table or of the bases.
Expected<std::unique_ptr<Backend>> open_mutant(const std::string& id, const BackendOptions& options);

}  // namespace dropcheck::mutants
