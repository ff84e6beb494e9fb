#pragma once
// Backends that are wrong on purpose, one known defect each: a harness that passes one of them is blind
// there.

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
};

std::span<const MutantInfo> mutant_table();

/// `id` is one of the table, or "none": the plain base without a fault.
Expected<std::unique_ptr<Backend>> open_mutant(const std::string& id, const BackendOptions& options);

}  // namespace dropcheck::mutants
