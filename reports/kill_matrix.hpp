#pragma once
// Deliberately wrong backends against checks, ours and others': who caught what. Only what was run is in it.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace dropcheck::reports {

/// What a check said of a backend, the worst over its problems.
enum class Said : std::uint8_t {
  nothing,     // it was not asked, or the backend lacks what it needs
  passed,      // in all that it could compare
  suspicious,  // more data would have decided
  fired,
};
std::string_view to_string(Said said);
std::optional<Said> said_from(std::string_view word);

/// The check that was named in advance, asked alone in the profile that was named with it.
struct NamedCheck {
  std::string check;
  std::string profile;
  std::string problem;  // the one that shows the defect; empty: all of the check's
  bool asked = false;   // false: its profile is larger than what was run
  bool killed = false;
  std::string verdict;  // the worst
  std::string repro;    // of the first failure
};

struct MatrixRow {
  std::string backend;  // spec
  std::string family, mechanism, source, base;
  double strength = 0;
  std::optional<NamedCheck> named;         // absent for clean backends and for those that no list names
  std::map<std::string, Said> ours;        // by check id
  std::map<std::string, Said> rivals;      // by suite
  std::vector<std::string> fired_wrongly;  // exact checks that must not fire and did
  bool contains_layers = false;            // the defect sits in a layer, which operators' tests never call
};

/// Somebody else's tests of dropout.
struct RivalScore {
  std::string name, source;
  std::size_t tests = 0;
  std::uint64_t elements = 0;      // asked of a backend by one run
  std::uint64_t runs = 0;          // of the clean backend, each with a fresh seed
  std::uint64_t false_alarms = 0;  // of those runs, with at least one failure
};

/// A defect that no CPU can play.
struct NotPlayed {
  std::string source, defect, reason;
};

struct KillMatrix {
  std::string tool_version, command, profile, matrix_profile, clean_backend;
  std::uint64_t seed = 0;
  double seconds = 0;
  std::string machine;
  std::vector<std::string> checks;  // ours, in catalogue order
  std::vector<MatrixRow> mutants;
  std::vector<MatrixRow> clean;
  std::vector<RivalScore> rivals;
  std::vector<NotPlayed> not_played;
};

struct KillCount {
  std::size_t killed = 0, of = 0;
};
/// By the check named in advance, among those that were asked.
KillCount killed_as_named(const KillMatrix& matrix);
/// By any test of that suite, among all mutants that were asked; `operators_only`: without those whose defect
/// sits in a layer.
KillCount killed_by_rival(const KillMatrix& matrix, const std::string& rival, bool operators_only);
/// By any check of ours, whether named or not.
KillCount killed_by_ours(const KillMatrix& matrix, bool operators_only);
/// Every mutant that was asked was killed as named, no check fired on a clean backend, and none where it
/// must not.
bool is_flawless(const KillMatrix& matrix);

/// For terminals: one line a backend, ours by suite, the rivals', and the score as the last line.
std::string kill_matrix_text(const KillMatrix& matrix);
/// The page, in Markdown; `picture` is the file that it shows, empty for none.
std::string mutation_score_page(const KillMatrix& matrix, const std::string& picture);
/// Everything, for scripts: one JSON object.
std::string kill_matrix_json(const KillMatrix& matrix);
/// The picture: a square for each mutant and check.
std::string kill_matrix_svg(const KillMatrix& matrix);

}  // namespace dropcheck::reports
