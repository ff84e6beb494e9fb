#pragma once
// For tests of the suite: a check on its own questions, against a backend.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <memory>
#include <string>

#include "harness/core/descriptor.hpp"
#include "impl/mutants/mutants.hpp"
#include "suites/dialects/row_testing.hpp"

namespace dropcheck::suites::embedding::testing {

/// A fault-free base or a mutant.
inline std::unique_ptr<Backend> opened(std::string_view id) {
  auto backend = mutants::open_mutant(std::string(id), {});
  if (!backend) throw std::logic_error(backend.error().message);
  return std::move(*backend);
}

/// The level that a hypothesis of the suite has at the default alpha.
inline constexpr double kLevel = 1e-9;

/// The check on one of its protocols.
inline Judgement judge(const std::string& check, const std::string& protocol, Backend& backend,
                       std::uint64_t master_seed = 1, double alpha = kLevel) {
  const Protocol* asked = suites::testing::suites_registry().protocol(protocol);
  if (asked == nullptr || !asked->own_problem) throw std::logic_error(protocol);
  return suites::testing::judge(check, protocol, print_descriptor(*asked->own_problem), backend,
                                {.alpha = alpha, .master_seed = master_seed});
}

inline const std::vector<std::string>& protocols_of(const std::string& check) {
  return suites::testing::suites_registry().check(check)->info().protocols;
}

}  // namespace dropcheck::suites::embedding::testing
