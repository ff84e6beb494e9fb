// The page on mutants and rivals.

#include <fmt/format.h>

#include <algorithm>

#include "reports/escape.hpp"
#include "reports/kill_matrix.hpp"
#include "reports/number_text.hpp"

namespace dropcheck::reports {
namespace {

double share(KillCount count) {
  return count.of == 0 ? 0 : static_cast<double>(count.killed) / static_cast<double>(count.of);
}

std::string introduction(const KillMatrix& matrix, const std::string& picture) {
  const KillCount named = killed_as_named(matrix);
  std::string text = fmt::format(
      "# Mutation score\n\nA judge that is not judged proves nothing. `dropcheck mutants` runs backends that "
      "are wrong on purpose, each modelled on a defect that was really met with, and counts who notices: our "
      "checks, and the tests that others publish for their own dropout.\n\n**{} of {} were killed by the "
      "check that was named in advance.** {}\n\nThis page is written by the run itself:\n\n{}\n\n"
      "- {:.0f} s; {}; dropcheck {}, seed {:#x}.\n"
      "- The named check is asked alone, in the profile and on the problem that the table names with it, and "
      "what is suspicious is pursued.\n"
      "- The columns beside it come from one run of the whole profile `{}`, in which nothing is pursued once "
      "something has failed.\n"
      "- `kill_matrix.json`, which the same run writes, holds every cell for scripts.\n\n",
      named.killed, named.of,
      is_flawless(matrix) ? "No check fired on a clean backend, and no exact check fired where it must not."
                          : "Not all is as it should be: see below.",
      markdown_block(matrix.command, "sh"), matrix.seconds, markdown_text(matrix.machine),
      markdown_text(matrix.tool_version), matrix.seed, matrix.matrix_profile);
  if (!picture.empty()) text += fmt::format("![the kill matrix: mutants by checks]({})\n\n", picture);
  return text;
}

std::string rivals_section(const KillMatrix& matrix) {
  if (matrix.rivals.empty()) return {};
  const KillCount ours = killed_by_ours(matrix, false), ours_plain = killed_by_ours(matrix, true);
  std::string text = fmt::format(
      "## Beside the tests of others\n\nEach suite is restated in our words: its statistic, tolerance, "
      "sample "
      "size and drop probabilities ([rivals.md](rivals.md)). A mutant counts as killed when at least one "
      "test "
      "of the suite fails on it. \"Operators\" leaves out mutants whose defect sits in a layer that contains "
      "dropout, which most of these suites never call. Elements are what one run asks of a backend. False "
      "alarms are runs of `{}`, each with a fresh seed, in which at least one test failed.\n\n"
      "| Suite | Tests | Kills | Share of ours | Operators | Elements | False alarms |\n"
      "|---|--:|--:|--:|--:|--:|--:|\n"
      "| **dropcheck**, `{}` and named checks | | {} of {} | 100 % | {} of {} | | |\n",
      matrix.clean_backend, matrix.matrix_profile, ours.killed, ours.of, ours_plain.killed, ours_plain.of);
  std::vector<const RivalScore*> order;
  for (const RivalScore& rival : matrix.rivals) order.push_back(&rival);
  const auto kills = [&](const RivalScore* rival) {
    return killed_by_rival(matrix, rival->name, false).killed;
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](const RivalScore* a, const RivalScore* b) { return kills(a) > kills(b); });
  for (const RivalScore* rival : order) {
    const KillCount all = killed_by_rival(matrix, rival->name, false),
                    plain = killed_by_rival(matrix, rival->name, true);
    const double of_ours =
        ours.killed == 0 ? 0 : static_cast<double>(all.killed) / static_cast<double>(ours.killed);
    text += fmt::format("| {}: {} | {} | {} of {} | {:.0f} % | {} of {} ({:.0f} %) | {} | {} |\n",
                        markdown_text(rival->name), markdown_text(rival->source), rival->tests, all.killed,
                        all.of, 100 * of_ours, plain.killed, plain.of, 100 * share(plain), rival->elements,
                        rival->runs == 0 ? std::string("not run")
                                         : fmt::format("{} in {}", rival->false_alarms, rival->runs));
  }
  return text + "\n";
}

std::string fired_besides(const MatrixRow& row) {
  std::string text;
  std::size_t more = 0, named = 0;
  for (const auto& [check, said] : row.ours) {
    if (said != Said::fired || (row.named && check == row.named->check)) continue;
    if (named == 3) {
      ++more;
      continue;
    }
    ++named;
    text += fmt::format("{}{}", text.empty() ? "" : ", ", check);
  }
  if (more > 0) text += fmt::format(" and {} more", more);
  return text;
}

std::string fired_rivals(const MatrixRow& row) {
  std::string text;
  for (const auto& [rival, said] : row.rivals)
    if (said == Said::fired) text += fmt::format("{}{}", text.empty() ? "" : ", ", rival);
  return text;
}

std::string table_of(const KillMatrix& matrix, bool asked) {
  std::string text, family;
  for (const MatrixRow& row : matrix.mutants) {
    if (!row.named || row.named->asked != asked) continue;
    if (row.family != family) {
      family = row.family;
      text += fmt::format(
          "{}{} {}\n\n| Mutant | What it does wrong | Met with in | Named check | | Also fire | Rivals |\n"
          "|---|---|---|---|---|---|---|\n",
          text.empty() ? "" : "\n", "###", markdown_text(family));
    }
    std::string name = row.backend.substr(row.backend.find(':') + 1);
    std::string mechanism = row.mechanism;
    if (row.strength != 0) mechanism += fmt::format(" (strength {})", short_number(row.strength));
    text += fmt::format("| {} | {} | {} | {}, `{}` | {} | {} | {} |\n", markdown_code(name),
                        markdown_text(mechanism), markdown_text(row.source), markdown_text(row.named->check),
                        row.named->profile,
                        !row.named->asked   ? ""
                        : row.named->killed ? "killed"
                                            : "**survives**",
                        markdown_text(fired_besides(row)), markdown_text(fired_rivals(row)));
  }
  return text;
}

/// Backends that no list names.
std::string beside_section(const KillMatrix& matrix) {
  std::string text;
  for (const MatrixRow& row : matrix.mutants)
    if (!row.named)
      text += fmt::format("| {} | {} | {} |\n", markdown_code(row.backend), markdown_text(fired_besides(row)),
                          markdown_text(fired_rivals(row)));
  if (text.empty()) return text;
  return "## Also asked\n\n| Backend | Checks that fire | Rivals |\n|---|---|---|\n" + text + "\n";
}

std::string faults_section(const KillMatrix& matrix) {
  std::string text;
  for (const MatrixRow& row : matrix.mutants) {
    if (row.named && row.named->asked && !row.named->killed)
      text += fmt::format("- {} survives {}, which says {}.\n", markdown_code(row.backend),
                          markdown_text(row.named->check), row.named->verdict);
    for (const std::string& check : row.fired_wrongly)
      text +=
          fmt::format("- {} fires on {} and must not.\n", markdown_text(check), markdown_code(row.backend));
  }
  for (const MatrixRow& row : matrix.clean)
    for (const auto& [check, said] : row.ours)
      if (said == Said::fired)
        text +=
            fmt::format("- {} fires on the clean {}.\n", markdown_text(check), markdown_code(row.backend));
  return text.empty() ? text : "## What is not as it should be\n\n" + text + "\n";
}

}  // namespace

std::string mutation_score_page(const KillMatrix& matrix, const std::string& picture) {
  std::string text = introduction(matrix, picture) + faults_section(matrix) + rivals_section(matrix) +
                     beside_section(matrix);
  text += "## The mutants\n\n\"Also fire\" are checks of the one run of `" + matrix.matrix_profile +
          "` beside the named one. Clean backends in the same run: ";
  for (std::size_t i = 0; i < matrix.clean.size(); ++i)
    text += fmt::format("{}{}", i == 0 ? "" : ", ", markdown_code(matrix.clean[i].backend));
  text += ".\n\n" + table_of(matrix, true);
  const std::string larger = table_of(matrix, false);
  if (!larger.empty())
    text += "\n## Not asked in this run\n\nTheir named checks need a larger profile.\n\n" + larger;
  if (!matrix.not_played.empty()) {
    text +=
        "\n## Known defects that no mutant plays\n\n| Met with in | What was wrong | Why it is not played "
        "|\n|---|---|---|\n";
    for (const NotPlayed& entry : matrix.not_played)
      text += fmt::format("| {} | {} | {} |\n", markdown_text(entry.source), markdown_text(entry.defect),
                          markdown_text(entry.reason));
  }
  return text;
}

}  // namespace dropcheck::reports
