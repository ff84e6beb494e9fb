#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "impl/mutants/mutants.hpp"
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

std::vector<Item> checks(const Registry& registry) {
  std::vector<Item> items;
  for (const auto& check : registry.checks()) items.push_back({check->info().id, check->info().catches});
  return items;
}

std::vector<Item> suites(const Registry& registry) {
  std::vector<Item> items;
  for (const auto& check : registry.checks()) {
    const std::string suite = check->info().suite();
    const auto known =
        std::find_if(items.begin(), items.end(), [&](const Item& item) { return item.name == suite; });
    if (known == items.end()) items.push_back({suite, check->info().title});
    else known->text += ", " + check->info().title;
  }
  return items;
}

}  // namespace

ExitCode list_command(const Registry& registry, const std::string& what, const std::string& profile,
                      bool json) {
  std::vector<Item> items;
  if (what == "backends") items = backends(registry);
  else if (what == "checks") items = checks(registry);
  else if (what == "suites") items = suites(registry);
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
