#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "impl/mutants/mutants.hpp"
#include "suites/dialect_file.hpp"
#include "suites/dialect_words.hpp"
#include "suites/rivals/rivals.hpp"
#include "tools/commands.hpp"

namespace dropcheck::tools {
namespace {

using Json = nlohmann::ordered_json;

struct Item {
  std::string name;
  std::string text;
};

std::vector<Item> backends(const Registry& registry) {
  std::vector<Item> items;
  for (const BackendFamily& family : registry.backends()) items.push_back({family.usage, family.summary});
  for (const auto& mutant : mutants::mutant_table())
    items.push_back({fmt::format("mutant:{}", mutant.id),
                     fmt::format("{}; caught by {}", mutant.mechanism, mutant.killed_by)});
  return items;
}

std::vector<Item> wrong_ones() {
  std::vector<Item> items;
  for (const auto& mutant : mutants::mutant_table())
    items.push_back({std::string(mutant.id), fmt::format("{}; {}; caught by {} in {}", mutant.mechanism,
                                                         mutant.source, mutant.killed_by, mutant.profile)});
  return items;
}

std::vector<Item> checks(const Registry& registry) {
  std::vector<Item> items;
  for (const auto& check : registry.checks())
    if (!check->info().row) items.push_back({check->info().id, check->info().catches});
  return items;
}

/// The dialect's checklist.
std::vector<Item> rows(const Registry& registry) {
  std::vector<Item> items;
  for (const auto& check : registry.checks())
    if (const auto& row = check->info().row)
      items.push_back(
          {check->info().id, fmt::format("{}; {}: {} [{}; {}; holds for {}]{}", row->layers, row->condition,
                                         row->expectation, row->exactness, row->evidence, row->versions,
                                         row->impossible.empty() ? "" : " not tried: " + row->impossible)});
  return items;
}

std::vector<Item> suites_of(const Registry& registry) {
  std::vector<Item> items;
  for (const auto& check : registry.checks()) {
    if (check->info().row) continue;
    const std::string suite = check->info().suite();
    const auto known =
        std::find_if(items.begin(), items.end(), [&](const Item& item) { return item.name == suite; });
    if (known == items.end()) items.push_back({suite, check->info().title});
    else known->text += ", " + check->info().title;
  }
  return items;
}

/// Tests of others, as --suite takes their names.
std::vector<Item> rivals() {
  std::vector<Item> items;
  for (const suites::RivalInfo& rival : suites::rivals())
    items.push_back({fmt::format("{}{}", suites::kRivalPrefix, rival.name),
                     fmt::format("{}; {}", rival.title, rival.source)});
  return items;
}

/// The built-in dialects: whose they are, and what they let pass that PyTorch would not do.
std::vector<Item> dialects() {
  std::vector<Item> items;
  for (const std::string& name : suites::builtin_dialects()) {
    const suites::Dialect dialect = suites::builtin_dialect(name);
    std::string differences;
    for (const DialectRule& rule : suites::rules_of(dialect))
      if (!rule.allows.empty()) differences += fmt::format("; {}", rule.allows);
    items.push_back({name, fmt::format("{} (fits {}){}", dialect.title, fmt::join(dialect.frameworks, ", "),
                                       differences)});
  }
  return items;
}

/// The known ways of rounding a kept value, by their names in dialect files.
std::vector<Item> roundings() {
  std::vector<Item> items;
  for (const auto form : suites::all_roundings())
    items.push_back({std::string(reference::name_of(form)), std::string(reference::to_string(form))});
  return items;
}

/// Drop probabilities that foreign tests use; at tiny ones effects are tiny as well.
bool is_common(double p) { return p >= 0.1 && p <= 0.9; }

/// The smallest effect that the profile quick would catch in one of the check's cells.
std::string effect_of(const Registry& registry, const std::string& check_id) {
  const Check* check = registry.check(check_id);
  if (check == nullptr || check->is_exact()) return "any violation";
  PlanOptions options;
  const auto plan = make_plan(registry, options);
  std::optional<MinimumDetectableEffect> least;
  if (plan)
    for (const PlannedSample& sample : plan->samples)
      for (const PlannedCell& cell : sample.cells)
        if (cell.check == check && cell.detectable && is_common(sample.info.problem.p) &&
            (!least || cell.detectable->value < least->value))
          least = cell.detectable;
  return least ? fmt::format("an effect of {:.2g} ({}) in profile {}", least->value, least->unit,
                             options.profile)
               : "nothing that it states";
}

/// What a foreign test can see beside ours.
void explain_foreign(const Registry& registry, const ForeignTest& test) {
  fmt::print("source      {}\n", test.source);
  fmt::print("it sees     {}\n", test.sees);
  if (!test.ours.empty())
    fmt::print("ours sees   {} ({}), with the same probability\n", effect_of(registry, test.ours), test.ours);
}

}  // namespace

ExitCode list_command(const Registry& registry, const std::string& what, const std::string& profile,
                      bool json) {
  std::vector<Item> items;
  if (what == "backends") items = backends(registry);
  else if (what == "checks") items = checks(registry);
  else if (what == "rows") items = rows(registry);
  else if (what == "suites") items = suites_of(registry);
  else if (what == "rivals") items = rivals();
  else if (what == "dialects") items = dialects();
  else if (what == "roundings") items = roundings();
  else if (what == "mutants") items = wrong_ones();
  else {
    PlanOptions options;
    options.profile = profile;
    const auto plan = make_plan(registry, options);
    if (!plan) return usage_error(plan.error().message);
    for (const PlannedSample& sample : plan->samples) {
      std::string ids;
      for (const PlannedCell& cell : sample.cells) ids += (ids.empty() ? "" : ", ") + cell.check->info().id;
      items.push_back({sample.case_text(), fmt::format("{}: {}", sample.info.protocol, ids)});
    }
  }
  if (json) {
    Json list = Json::array();
    for (const Item& item : items) list.push_back({{"name", item.name}, {"text", item.text}});
    fmt::print("{}\n", list.dump(1));
  } else {
    for (const Item& item : items) fmt::print("{:36} {}\n", item.name, item.text);
  }
  return ExitCode::pass;
}

ExitCode explain_command(const Registry& registry, const std::string& check_id) {
  const Check* check = registry.check(check_id);
  if (check == nullptr)
    return usage_error(
        fmt::format("check '{}' is not known: 'dropcheck list checks' shows their names", check_id));
  const CheckInfo& info = check->info();
  fmt::print("{}: {}\n\n", info.id, info.title);
  fmt::print("level       {}\n", info.level == Level::required ? "required: a failure fails the run"
                                                               : "recommended: never decides");
  fmt::print("catches     {}\n", info.catches);
  fmt::print("cannot see  {}\n", info.cannot_see);
  if (const auto& row = info.row) {
    fmt::print("asked       {}\n", row->condition);
    fmt::print("expected    {}\n", row->expectation);
    fmt::print("how exact   {}\n", row->exactness);
    fmt::print("known from  {}; holds for {}\n", row->evidence, row->versions);
  }
  if (!info.impossible.empty()) fmt::print("not tried   {}\n", info.impossible);
  if (info.foreign) explain_foreign(registry, *info.foreign);
  if (info.statistics.empty()) fmt::print("kind        exact: any violation fails, no budget is spent\n");
  else
    fmt::print("kind        statistical: {}, {:.3g} of the false-alarm budget\n",
               fmt::join(info.statistics, ", "), info.weight);
  for (const std::string& id : info.protocols)
    fmt::print("reads       {}: {}\n", id, registry.protocol(id)->summary);
  if (info.protocols.empty()) fmt::print("reads       random problems among what the backend claims\n");
  for (const Feature feature : info.needs) fmt::print("needs       {}\n", to_string(feature));
  bool any = false;
  for (const auto& mutant : mutants::mutant_table()) {
    if (mutant.killed_by != info.id) continue;
    fmt::print("{}mutant:{} ({})\n", any ? "            " : "must catch  ", mutant.id, mutant.mechanism);
    any = true;
  }
  return ExitCode::pass;
}

}  // namespace dropcheck::tools
