#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "harness/run/ledger.hpp"
#include "reports/escape.hpp"
#include "tools/commands.hpp"

namespace dropcheck::tools {
namespace {

using Json = nlohmann::ordered_json;

std::string counted(std::size_t n, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", n, n == 1 ? one : many);
}

bool same_epoch(const LedgerEvidence& a, const LedgerEvidence& b) {
  return a.backend == b.backend && a.version == b.version && a.device == b.device && a.contract == b.contract;
}

std::string_view verdict_of(const LedgerEvidence& e) { return e.alarms() ? "ALARM" : "pass"; }

std::string unit_of(const LedgerEvidence& e) {
  return e.kind == LedgerKind::rate ? "drop probability" : "correlation between neighbours";
}

/// "0.10002 [0.09997, 0.10007]"; the correlation of neighbours has no interval.
std::string estimate_text(const LedgerEvidence& e) {
  if (!e.lower || !e.upper) return fmt::format("{:.4g}", e.estimate);
  return fmt::format("{:.7g} [{:.7g}, {:.7g}]", e.estimate, *e.lower, *e.upper);
}

void print_epoch(std::vector<LedgerEvidence> lines) {
  const LedgerEvidence& first = lines.front();
  fmt::print("\n{}, version {}, on {}\n", reports::clean_line(first.backend),
             first.version.empty() ? "unknown" : reports::clean_line(first.version),
             reports::clean_line(first.device));
  // The strongest evidence first.
  std::stable_sort(lines.begin(), lines.end(), [](const LedgerEvidence& a, const LedgerEvidence& b) {
    return a.ln_e - a.ln_threshold > b.ln_e - b.ln_threshold;
  });
  fmt::print("  {:7} {:>6} {:>15} {:>9} {:>8}  {:42} {}\n", "verdict", "nights", "entries", "ln E",
             "alarm at", "estimate", "hypothesis");
  for (const LedgerEvidence& e : lines)
    fmt::print(
        "  {:7} {:>6} {:>15} {:>9.2f} {:>8.2f}  {:42} {}\n", verdict_of(e), e.runs, e.n, e.ln_e,
        e.ln_threshold, estimate_text(e),
        reports::clean_line(fmt::format("{} | {} | {} (p = {})", e.check, e.statistic, e.problem, e.p)));
}

void print_history(const std::vector<LedgerEvidence>& lines) {
  const auto alarms = std::count_if(lines.begin(), lines.end(), [](const auto& e) { return e.alarms(); });
  const auto best = std::max_element(lines.begin(), lines.end(),
                                     [](const auto& a, const auto& b) { return a.ln_e < b.ln_e; });
  fmt::print("  {}, version {}, on {}: {}, {}, highest ln E {:.2f}\n", reports::clean_line(best->backend),
             best->version.empty() ? "unknown" : reports::clean_line(best->version),
             reports::clean_line(best->device), counted(lines.size(), "hypothesis", "hypotheses"),
             counted(static_cast<std::size_t>(alarms), "alarm", "alarms"), best->ln_e);
}

void print_sentences(const std::vector<LedgerEvidence>& evidence) {
  for (const LedgerEvidence& e : evidence) {
    if (!e.current || !e.alarms()) continue;
    const std::string what =
        e.kind == LedgerKind::rate
            ? fmt::format("drops {} of {} entries where p = {}", estimate_text(e), e.n, e.p)
            : fmt::format("neighbours are correlated by {} over {} pairs", estimate_text(e), e.n);
    fmt::print("ALARM {}: {} ({}, {}; {})\n", reports::clean_line(e.backend), what,
               reports::clean_line(e.problem), counted(e.runs, "night", "nights"),
               e.alarm ? fmt::format("first seen after run {}", e.alarm->run) : std::string("seen now"));
  }
}

Json to_json(const LedgerEvidence& e) {
  Json json = {{"backend", e.backend},
               {"version", e.version},
               {"device", e.device},
               {"contract", e.contract},
               {"current", e.current},
               {"check", e.check},
               {"statistic", e.statistic},
               {"case", e.problem},
               {"p", e.p},
               {"nights", e.runs},
               {"n", e.n},
               {"estimate", e.estimate},
               {"unit", unit_of(e)},
               {"ln_e", e.ln_e},
               {"ln_threshold", e.ln_threshold},
               {"verdict", e.alarms() ? "alarm" : "pass"}};
  if (e.lower) json["lower"] = *e.lower;
  if (e.upper) json["upper"] = *e.upper;
  if (e.alarm) json["first_alarm"] = {{"run", e.alarm->run}, {"ln_e", e.alarm->ln_e}};
  return json;
}

std::vector<std::vector<LedgerEvidence>> by_epoch(const std::vector<LedgerEvidence>& evidence) {
  std::vector<std::vector<LedgerEvidence>> groups;
  for (const LedgerEvidence& e : evidence) {
    if (groups.empty() || !same_epoch(groups.back().front(), e)) groups.emplace_back();
    groups.back().push_back(e);
  }
  return groups;
}

}  // namespace

ExitCode ledger_command(const std::string& file, bool json) {
  const auto ledger = Ledger::read(file);
  if (!ledger) return usage_error(ledger.error().message);
  const auto evidence = ledger->evidence();
  const bool alarm = ledger->alarm();
  const LedgerContent& content = ledger->content();
  if (json) {
    Json lines = Json::array();
    for (const LedgerEvidence& e : evidence) lines.push_back(to_json(e));
    const Json all = {{"runs", content.runs.size()},
                      {"alpha", content.alpha},
                      {"alarm", alarm},
                      {"hypotheses", std::move(lines)}};
    fmt::print("{}\n", all.dump(1, ' ', false, Json::error_handler_t::replace));
    return alarm ? ExitCode::fail : ExitCode::pass;
  }
  fmt::print("ledger {}: {}, {}; false-alarm budget {} over its whole life, beside that of the runs\n", file,
             counted(content.runs.size(), "run", "runs"),
             counted(evidence.size(), "hypothesis", "hypotheses"), content.alpha);
  const auto groups = by_epoch(evidence);
  for (const auto& group : groups)
    if (group.front().current) print_epoch(group);
  if (std::any_of(groups.begin(), groups.end(), [](const auto& group) { return !group.front().current; })) {
    fmt::print("\nhistory: earlier versions and contracts, which decide nothing any more\n");
    for (const auto& group : groups)
      if (!group.front().current) print_history(group);
  }
  fmt::print("\n");
  print_sentences(evidence);
  fmt::print("{}\n", alarm              ? "ALARM: a backend above is wrong"
                     : evidence.empty() ? "nothing counted yet"
                                        : "no alarm");
  return alarm ? ExitCode::fail : ExitCode::pass;
}

}  // namespace dropcheck::tools
