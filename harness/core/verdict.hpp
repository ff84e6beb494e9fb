#pragma once
// What a check concludes, and how conclusions add up to an exit code.

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

namespace dropcheck {

enum class Verdict : std::uint8_t { pass, unsupported, expected_fail, inconclusive, error, fail };

std::string_view to_string(Verdict verdict);
std::optional<Verdict> verdict_from(std::string_view name);

/// The worse of two for a run: pass < inconclusive < error < fail. `unsupported` and `expected_fail` never
/// decide and are treated as nothing at all (pass).
Verdict worse(Verdict a, Verdict b);

enum class ExitCode : int {
  pass = 0,
  fail = 1,
  interrupted = 2,
  internal = 3,
  usage = 4,
  no_comparison = 5,
  inconclusive = 10,
  backend_fault = 11,
};

/// What a run ended with; several may hold at once.
struct RunEnding {
  Verdict verdict = Verdict::pass;  // the worst over all backends
  std::uint64_t comparisons = 0;    // results that compared something
  bool interrupted = false;
  bool internal_fault = false;
  bool backend_unavailable = false;  // one could not be opened
};

/// If several hold: interrupted, internal, fail, backend fault, inconclusive, no comparison, pass.
ExitCode exit_code_of(const RunEnding& ending);

}  // namespace dropcheck
