#include "harness/core/verdict.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace dropcheck {
namespace {

constexpr std::array<std::pair<Verdict, std::string_view>, 6> kNames = {
    {{Verdict::pass, "pass"},
     {Verdict::unsupported, "unsupported"},
     {Verdict::expected_fail, "expected_fail"},
     {Verdict::inconclusive, "inconclusive"},
     {Verdict::error, "error"},
     {Verdict::fail, "fail"}}};

Verdict deciding(Verdict v) {
  return v == Verdict::unsupported || v == Verdict::expected_fail ? Verdict::pass : v;
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  for (const auto& [value, name] : kNames)
    if (value == verdict) return name;
  return "error";
}

std::optional<Verdict> verdict_from(std::string_view name) {
  for (const auto& [value, known] : kNames)
    if (known == name) return value;
  return std::nullopt;
}

Verdict worse(Verdict a, Verdict b) { return std::max(deciding(a), deciding(b)); }

ExitCode exit_code_of(const RunEnding& ending) {
  if (ending.interrupted) return ExitCode::interrupted;
  if (ending.internal_fault) return ExitCode::internal;
  if (ending.verdict == Verdict::fail) return ExitCode::fail;
  if (ending.backend_unavailable || ending.verdict == Verdict::error) return ExitCode::backend_fault;
  if (ending.verdict == Verdict::inconclusive) return ExitCode::inconclusive;
  if (ending.comparisons == 0) return ExitCode::no_comparison;
  return ExitCode::pass;
}

}  // namespace dropcheck
