#include "reports/kill_matrix.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

namespace dropcheck::reports {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 4> kWords = {"nothing", "passed", "suspicious", "fired"};

bool was_asked(const MatrixRow& row) { return row.named && row.named->asked; }

Json row_json(const MatrixRow& row) {
  Json json{{"backend", row.backend}};
  if (!row.mechanism.empty())
    json.update(Json{{"family", row.family},
                     {"mechanism", row.mechanism},
                     {"source", row.source},
                     {"base", row.base},
                     {"strength", row.strength},
                     {"contains_layers", row.contains_layers}});
  if (row.named)
    json["named"] = {{"check", row.named->check},   {"profile", row.named->profile},
                     {"case", row.named->problem},  {"asked", row.named->asked},
                     {"killed", row.named->killed}, {"verdict", row.named->verdict},
                     {"repro", row.named->repro}};
  for (const auto& [check, said] : row.ours)
    if (said != Said::nothing) json["ours"][check] = to_string(said);
  for (const auto& [rival, said] : row.rivals) json["rivals"][rival] = to_string(said);
  json["fired_wrongly"] = row.fired_wrongly;
  return json;
}

}  // namespace

std::string_view to_string(Said said) { return kWords[static_cast<std::size_t>(said)]; }

std::optional<Said> said_from(std::string_view word) {
  const auto found = std::find(kWords.begin(), kWords.end(), word);
  if (found == kWords.end()) return std::nullopt;
  return static_cast<Said>(found - kWords.begin());
}

KillCount killed_as_named(const KillMatrix& matrix) {
  KillCount count;
  for (const MatrixRow& row : matrix.mutants) {
    if (!was_asked(row)) continue;
    ++count.of;
    count.killed += row.named->killed ? 1 : 0;
  }
  return count;
}

KillCount killed_by_rival(const KillMatrix& matrix, const std::string& rival, bool operators_only) {
  KillCount count;
  for (const MatrixRow& row : matrix.mutants) {
    const auto said = row.rivals.find(rival);
    if (!was_asked(row) || said == row.rivals.end() || (operators_only && row.contains_layers)) continue;
    ++count.of;
    count.killed += said->second == Said::fired ? 1 : 0;
  }
  return count;
}

KillCount killed_by_ours(const KillMatrix& matrix, bool operators_only) {
  KillCount count;
  for (const MatrixRow& row : matrix.mutants) {
    if (!was_asked(row) || (operators_only && row.contains_layers)) continue;
    ++count.of;
    const bool fired = std::any_of(row.ours.begin(), row.ours.end(),
                                   [](const auto& entry) { return entry.second == Said::fired; });
    count.killed += fired || row.named->killed ? 1 : 0;
  }
  return count;
}

bool is_flawless(const KillMatrix& matrix) {
  const KillCount named = killed_as_named(matrix);
  if (named.of == 0 || named.killed != named.of) return false;
  for (const MatrixRow& row : matrix.mutants)
    if (!row.fired_wrongly.empty()) return false;
  for (const MatrixRow& row : matrix.clean)
    for (const auto& [check, said] : row.ours)
      if (said == Said::fired) return false;
  return true;
}

std::string kill_matrix_json(const KillMatrix& matrix) {
  const KillCount named = killed_as_named(matrix);
  Json json{{"schema", "dropcheck.mutants"},
            {"schema_version", 1},
            {"tool_version", matrix.tool_version},
            {"command", matrix.command},
            {"profile", matrix.profile},
            {"matrix_profile", matrix.matrix_profile},
            {"seed", matrix.seed},
            {"seconds", matrix.seconds},
            {"machine", matrix.machine},
            {"killed_as_named", named.killed},
            {"asked", named.of},
            {"flawless", is_flawless(matrix)},
            {"clean_backend", matrix.clean_backend},
            {"checks", matrix.checks}};
  json["rivals"] = Json::array();
  for (const RivalScore& rival : matrix.rivals)
    json["rivals"].push_back({{"name", rival.name},
                              {"source", rival.source},
                              {"tests", rival.tests},
                              {"elements", rival.elements},
                              {"killed", killed_by_rival(matrix, rival.name, false).killed},
                              {"killed_operators", killed_by_rival(matrix, rival.name, true).killed},
                              {"clean_runs", rival.runs},
                              {"false_alarms", rival.false_alarms}});
  json["mutants"] = json["clean"] = json["not_played"] = Json::array();
  for (const MatrixRow& row : matrix.mutants) json["mutants"].push_back(row_json(row));
  for (const MatrixRow& row : matrix.clean) json["clean"].push_back(row_json(row));
  for (const NotPlayed& entry : matrix.not_played)
    json["not_played"].push_back(
        {{"source", entry.source}, {"defect", entry.defect}, {"reason", entry.reason}});
  return json.dump(1) + "\n";
}

}  // namespace dropcheck::reports
