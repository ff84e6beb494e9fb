// The kill matrix for terminals.

#include <fmt/format.h>

#include <algorithm>

#include "reports/kill_matrix.hpp"

namespace dropcheck::reports {
namespace {

std::string suite_of(const std::string& check) { return check.substr(0, check.find('.')); }

std::vector<std::string> suites_of(const KillMatrix& matrix) {
  std::vector<std::string> suites;
  for (const std::string& check : matrix.checks)
    if (std::find(suites.begin(), suites.end(), suite_of(check)) == suites.end())
      suites.push_back(suite_of(check));
  return suites;
}

char mark(Said said) {
  switch (said) {
    case Said::fired: return 'x';
    case Said::suspicious: return '?';
    case Said::passed: return '.';
    case Said::nothing: break;
  }
  return ' ';
}

std::string line_of(const KillMatrix& matrix, const MatrixRow& row, const std::vector<std::string>& suites) {
  std::string state = "clean";
  if (row.named) state = !row.named->asked ? "not asked" : row.named->killed ? "killed" : "SURVIVES";
  else if (!row.family.empty()) state = "";
  std::string line = fmt::format("{:34} {:9}", row.backend, state);
  for (const std::string& suite : suites) {
    std::size_t fired = 0;
    bool asked = false;
    for (const auto& [check, said] : row.ours) {
      if (suite_of(check) != suite) continue;
      asked = asked || said != Said::nothing;
      fired += said == Said::fired ? 1 : 0;
    }
    line += fmt::format("{:>4}", fired > 0 ? std::to_string(fired) : asked ? "." : "");
  }
  line += "  ";
  for (const RivalScore& rival : matrix.rivals) {
    const auto said = row.rivals.find(rival.name);
    line += fmt::format(" {}", said == row.rivals.end() ? ' ' : mark(said->second));
  }
  while (line.ends_with(' ')) line.pop_back();
  line += '\n';
  for (const std::string& check : row.fired_wrongly) line += fmt::format("  {} must not fire\n", check);
  if (row.named && row.named->asked && !row.named->killed)
    line += fmt::format("  {} was to catch it in {} and says {}\n", row.named->check, row.named->profile,
                        row.named->verdict);
  return line;
}

}  // namespace

std::string kill_matrix_text(const KillMatrix& matrix) {
  const std::vector<std::string> suites = suites_of(matrix);
  std::string text = fmt::format(
      "Ours: how many checks of each suite fire in profile {} (. none, blank: nothing to compare).\nRivals: "
      "x at least one test fails, . none does.\n\n",
      matrix.matrix_profile);
  for (std::size_t i = 0; i < suites.size(); ++i)
    text += fmt::format("{:{}}{}\n", "", 44 + 4 * i + 3, suites[i]);
  const std::size_t rivals_at = 44 + 4 * suites.size() + 3;
  for (std::size_t i = 0; i < matrix.rivals.size(); ++i)
    text += fmt::format("{:{}}{}\n", "", rivals_at + 2 * i, matrix.rivals[i].name);
  for (const MatrixRow& row : matrix.mutants) text += line_of(matrix, row, suites);
  for (const MatrixRow& row : matrix.clean) text += line_of(matrix, row, suites);
  const KillCount ours = killed_by_ours(matrix, false);
  text += "\n";
  for (const RivalScore& rival : matrix.rivals) {
    const KillCount killed = killed_by_rival(matrix, rival.name, false);
    const KillCount operators = killed_by_rival(matrix, rival.name, true);
    text += fmt::format("{:20} kills {:3} of {} ({} of {} without layers)", rival.name, killed.killed,
                        killed.of, operators.killed, operators.of);
    if (rival.runs > 0)
      text += fmt::format("; {} false alarms in {} runs of {}", rival.false_alarms, rival.runs,
                          matrix.clean_backend);
    text += "\n";
  }
  if (!matrix.rivals.empty()) text += fmt::format("{:20} kills {:3} of {}\n", "ours", ours.killed, ours.of);
  std::string larger;
  for (const MatrixRow& row : matrix.mutants)
    if (row.named && !row.named->asked)
      larger += fmt::format("{}{} ({})", larger.empty() ? "" : ", ", row.backend, row.named->profile);
  if (!larger.empty()) text += fmt::format("not asked, for a larger profile: {}\n", larger);
  const KillCount named = killed_as_named(matrix);
  text += fmt::format("killed {} of {} by the check named in advance\n", named.killed, named.of);
  return text;
}

}  // namespace dropcheck::reports
