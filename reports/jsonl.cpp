#include "reports/jsonl.hpp"

#include "reports/json_scalar.hpp"

namespace dropcheck::reports {
namespace {

std::string line_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

template <typename Words>
Json words_json(const Words& words) {
  Json json = Json::array();
  for (const auto& word : words) json.push_back(std::string(to_string(word)));
  return json;
}

Json capabilities_json(const Capabilities& c) {
  Json json;
  json["name"] = c.name;
  json["version"] = c.version;
  json["library"] = c.library;
  json["device"] = c.device;
  json["exact_stream"] = c.exact_stream;
  json["notes"] = c.notes;
  json["ops"] = words_json(c.ops);
  json["dtypes"] = words_json(c.dtypes);
  json["layouts"] = words_json(c.layouts);
  json["seed_semantics"] = std::string(to_string(c.seed_semantics));
  json["seed_bits"] = c.seed_bits;
  json["offset_unit"] = c.offset_unit;
  json["backward"] = c.backward;
  json["in_place"] = c.in_place;
  json["threads"] = c.threads;
  json["mask_output"] = c.mask_output;
  json["packed_mask"] = c.packed_mask;
  json["constant_input"] = c.constant_input;
  json["recompute"] = c.recompute;
  json["reports_rng_words"] = c.reports_rng_words;
  json["effective_rate"] = c.effective_rate;
  json["forms"] = c.forms;
  json["conforms_to"] = c.conforms_to;
  return json;
}

Json row_json(const DialectRow& row) {
  Json json;
  json["number"] = row.number;
  json["layers"] = row.layers;
  json["condition"] = row.condition;
  json["expectation"] = row.expectation;
  json["exactness"] = row.exactness;
  json["evidence"] = row.evidence;
  json["versions"] = row.versions;
  if (!row.impossible.empty()) json["impossible"] = row.impossible;
  return json;
}

Json check_json(const CheckRecord& check) {
  Json json;
  json["id"] = check.id;
  json["level"] = check.level;
  json["title"] = check.title;
  json["catches"] = check.catches;
  json["cannot_see"] = check.cannot_see;
  if (check.row) json["row"] = row_json(*check.row);
  return json;
}

Json counts_json(const Statistic& statistic) {
  Json json = Json::object();
  for (const auto& [name, values] : statistic.counts) {
    if (values.size() == 1) {
      json[name] = json_integer(values.front());
      continue;
    }
    Json list = Json::array();
    for (const Int128 value : values) list.push_back(json_integer(value));
    json[name] = std::move(list);
  }
  return json;
}

Json effect_json(const Effect& effect) {
  Json json;
  json["value"] = json_real(effect.value);
  json["unit"] = effect.unit;
  if (effect.lower) json["lower"] = json_real(*effect.lower);
  if (effect.upper) json["upper"] = json_real(*effect.upper);
  return json;
}

Json detectable_json(const MinimumDetectableEffect& m) {
  return {{"value", json_real(m.value)}, {"unit", m.unit}, {"power", json_real(m.power)}};
}

Json statistic_json(const Statistic& s) {
  Json json;
  json["id"] = s.id;
  json["version"] = s.version;
  json["name"] = s.name;
  if (s.cell) json["cell"] = json_integer(Int128{*s.cell});
  json["counts"] = counts_json(s);
  Json parameters = Json::object();
  for (const auto& [name, value] : s.null_parameters) parameters[name] = json_real(value);
  json["null"] = {{"law", s.null_law}, {"parameters", std::move(parameters)}};
  json["engine"] = s.engine;
  json["value"] = json_real(s.value);
  json["p_value"] = json_real(s.p_value);
  json["log10_p"] = json_real(s.log10_p);
  json["alpha"] = json_real(s.alpha);
  if (s.effect) json["effect"] = effect_json(*s.effect);
  if (const auto& m = s.minimum_detectable_effect) json["minimum_detectable_effect"] = detectable_json(*m);
  return json;
}

Json statistics_json(const std::vector<Statistic>& statistics) {
  Json json = Json::array();
  for (const Statistic& statistic : statistics) json.push_back(statistic_json(statistic));
  return json;
}

Json stage_json(const StageRecord& stage) {
  Json json;
  json["stage"] = stage.stage;
  json["mask_entries"] = json_integer(Int128{stage.mask_entries});
  json["outcome"] = stage.outcome;
  if (!stage.statistics.empty()) json["statistics"] = statistics_json(stage.statistics);
  return json;
}

}  // namespace

std::string header_line(const RunHeader& header) {
  Json json;
  json["record"] = "header";
  json["schema"] = {{"name", std::string(kSchemaName)}, {"major", kSchemaMajor}, {"minor", kSchemaMinor}};
  json["tool_version"] = header.tool_version;
  json["plan_hash"] = header.plan_hash;
  json["master_seed"] = json_seed(header.master_seed);
  json["dialect"] = header.dialect;
  json["dialect_rules"] = Json::array();
  for (const DialectRule& rule : header.dialect_rules)
    json["dialect_rules"].push_back(
        Json{{"axis", rule.axis}, {"value", rule.value}, {"allows", rule.allows}});
  json["profile"] = header.profile;
  json["alpha"] = json_real(header.alpha);
  json["filters"] = header.filters;
  json["backends"] = Json::array();
  for (const BackendRecord& backend : header.backends)
    json["backends"].push_back(Json{{"spec", backend.spec},
                                    {"open_error", backend.open_error},
                                    {"capabilities", capabilities_json(backend.capabilities)}});
  json["checks"] = Json::array();
  for (const CheckRecord& check : header.checks) json["checks"].push_back(check_json(check));
  return line_of(json);
}

std::string result_line(const ResultRecord& result) {
  Json json;
  json["record"] = "result";
  json["backend"] = result.backend;
  json["check"] = result.check;
  json["level"] = result.level;
  json["case"] = result.problem;
  json["protocol"] = result.protocol;
  json["verdict"] = std::string(to_string(result.verdict));
  json["comparisons"] = json_integer(Int128{result.comparisons});
  json["statistics"] = statistics_json(result.statistics);
  json["stages"] = Json::array();
  for (const StageRecord& stage : result.stages) json["stages"].push_back(stage_json(stage));
  if (result.detectable) json["detectable"] = detectable_json(*result.detectable);
  if (result.required_effect) json["required_effect"] = json_real(*result.required_effect);
  if (result.effective_p) json["effective_p"] = json_real(*result.effective_p);
  if (!result.message.empty()) json["message"] = result.message;
  if (!result.repro.empty()) json["repro"] = result.repro;
  if (!result.missing.empty()) json["missing"] = result.missing;
  if (!result.reason.empty()) json["reason"] = result.reason;
  return line_of(json);
}

std::string rejections_line(const RejectionList& list) {
  Json json;
  json["record"] = "rejections";
  json["backend"] = list.backend;
  json["hypotheses"] = json_integer(Int128{list.hypotheses});
  json["rejected"] = Json::array();
  for (const Rejection& rejection : list.rejected)
    json["rejected"].push_back(Json{{"check", rejection.check},
                                    {"case", rejection.problem},
                                    {"statistic", rejection.statistic},
                                    {"log10_p", json_real(rejection.log10_p)},
                                    {"share", json_real(rejection.share)}});
  return line_of(json);
}

std::string incidents_line(const IncidentList& list) {
  Json json;
  json["record"] = "incidents";
  json["backend"] = list.backend;
  json["texts"] = list.texts;
  return line_of(json);
}

std::string environment_line(const Environment& environment) {
  Json facts = Json::object();
  for (const auto& [name, value] : environment) facts[name] = value;
  Json json;
  json["record"] = "environment";
  json["facts"] = std::move(facts);
  return line_of(json);
}

std::string footer_line(const Footer& footer) {
  Json counts = Json::object();
  for (const auto& [name, count] : footer.counts) counts[name] = json_integer(Int128{count});
  Json json;
  json["record"] = "footer";
  json["verdict"] = std::string(to_string(footer.verdict));
  json["counts"] = std::move(counts);
  json["exit_code"] = footer.exit_code;
  json["complete"] = footer.complete;
  return line_of(json);
}

}  // namespace dropcheck::reports
