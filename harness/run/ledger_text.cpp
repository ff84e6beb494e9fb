#include "harness/run/ledger_text.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "harness/run/stored_json.hpp"

namespace dropcheck {
namespace {

using stored::count_at;
using stored::count_of;
using stored::Fault;
using stored::Json;
using stored::member;
using stored::text_at;

constexpr stored::Kind kKind{kLedgerSchemaName,
                             kLedgerMajor,
                             kLedgerMinor,
                             "ledger",
                             "it was written by another version of dropcheck; use that one",
                             16};

// --- writing

Json to_json(const LedgerHypothesis& h) {
  Json json;
  json["check"] = h.check;
  json["id"] = h.id;
  json["version"] = h.version;
  json["name"] = h.name;
  json["case"] = h.problem;
  json["p"] = h.p;
  json["runs"] = h.runs;
  json["generation"] = h.generation;
  if (h.kind == LedgerKind::rate) json["rate"] = {{"n", h.drops.n}, {"x", h.drops.x}};
  else json["lag"] = {{"n", h.pairs.n}, {"n11", h.pairs.n11}, {"n1L", h.pairs.n1L}, {"n1R", h.pairs.n1R}};
  if (h.alarm) json["alarm"] = {{"run", h.alarm->run}, {"ln_e", h.alarm->ln_e}};
  return json;
}

Json to_json(const LedgerContent& content) {
  Json json;
  json["alpha"] = content.alpha;
  json["runs"] = Json::array();
  for (const LedgerRun& run : content.runs)
    json["runs"].push_back(
        {{"plan_hash", run.plan_hash}, {"master_seed", fmt::format("{:#x}", run.master_seed)}});
  json["generations"] = content.generations;
  json["epochs"] = Json::array();
  for (const LedgerEpoch& epoch : content.epochs) {
    Json each;
    each["backend"] = epoch.backend;
    each["version"] = epoch.version;
    each["device"] = epoch.device;
    each["contract"] = epoch.contract;
    each["first_run"] = epoch.first_run;
    each["last_run"] = epoch.last_run;
    each["hypotheses"] = Json::array();
    for (const LedgerHypothesis& h : epoch.hypotheses) each["hypotheses"].push_back(to_json(h));
    json["epochs"].push_back(std::move(each));
  }
  return json;
}

// --- reading

double real_at(const Json& object, const char* key) {
  const Json& value = member(object, key);
  if (!value.is_number() || !std::isfinite(value.get<double>()))
    throw Fault{fmt::format("'{}' is no number", key)};
  return value.get<double>();
}

double probability_at(const Json& object, const char* key) {
  const double value = real_at(object, key);
  if (!(value > 0.0 && value < 1.0)) throw Fault{fmt::format("'{}' is not between 0 and 1", key)};
  return value;
}

std::uint64_t seed_at(const Json& object, const char* key) {
  const std::string digits = text_at(object, key);
  std::uint64_t value = 0;
  const char* end = digits.data() + digits.size();
  if (!digits.starts_with("0x") || digits.size() < 3) throw Fault{fmt::format("'{}' is no seed", key)};
  const auto [stop, fault] = std::from_chars(digits.data() + 2, end, value, 16);
  if (fault != std::errc{} || stop != end) throw Fault{fmt::format("'{}' is no seed", key)};
  return value;
}

const Json& list_at(const Json& object, const char* key) {
  const Json& value = member(object, key);
  if (!value.is_array()) throw Fault{fmt::format("'{}' is no list", key)};
  return value;
}

LedgerHypothesis hypothesis_from(const Json& json, std::uint64_t runs) {
  LedgerHypothesis h;
  h.check = text_at(json, "check");
  h.id = text_at(json, "id");
  const std::uint64_t version = count_at(json, "version");
  if (version > std::numeric_limits<unsigned>::max()) throw Fault{"'version' is too large"};
  h.version = static_cast<unsigned>(version);
  h.name = text_at(json, "name");
  h.problem = text_at(json, "case");
  h.p = probability_at(json, "p");
  h.runs = count_at(json, "runs", 1);
  h.generation = count_at(json, "generation", 1);
  if (h.runs > runs) throw Fault{"a hypothesis has more runs than there were"};
  if (json.contains("rate")) {
    const Json& rate = member(json, "rate");
    h.kind = LedgerKind::rate;
    h.drops = {count_at(rate, "n"), count_at(rate, "x")};
    if (h.drops.x > h.drops.n) throw Fault{"there are more drops than entries"};
  } else {
    const Json& lag = member(json, "lag");
    h.kind = LedgerKind::lag;
    h.pairs = {count_at(lag, "n11"), count_at(lag, "n1L"), count_at(lag, "n1R"), count_at(lag, "n")};
    if (!stats::is_possible(h.pairs)) throw Fault{"there are counts that no pairs have"};
  }
  if (json.contains("alarm")) {
    const Json& alarm = member(json, "alarm");
    h.alarm = LedgerAlarm{count_at(alarm, "run", 1), real_at(alarm, "ln_e")};
    if (h.alarm->run > runs) throw Fault{"an alarm is of a run that never was"};
  }
  return h;
}

LedgerContent content_from(const Json& json) {
  LedgerContent content;
  content.alpha = probability_at(json, "alpha");
  for (const Json& run : list_at(json, "runs"))
    content.runs.push_back({text_at(run, "plan_hash"), seed_at(run, "master_seed")});
  const std::uint64_t runs = content.runs.size();
  for (const Json& size : list_at(json, "generations"))
    content.generations.push_back(count_of(size, "generations", 1));
  std::vector<std::uint64_t> members(content.generations.size(), 0);
  for (const Json& each : list_at(json, "epochs")) {
    LedgerEpoch epoch;
    epoch.backend = text_at(each, "backend");
    epoch.version = text_at(each, "version");
    epoch.device = text_at(each, "device");
    epoch.contract = text_at(each, "contract");
    epoch.first_run = count_at(each, "first_run", 1);
    epoch.last_run = count_at(each, "last_run", 1);
    if (epoch.first_run > epoch.last_run || epoch.last_run > runs)
      throw Fault{"an epoch is of runs that never were"};
    for (const Json& h : list_at(each, "hypotheses")) {
      epoch.hypotheses.push_back(hypothesis_from(h, runs));
      const std::uint64_t generation = epoch.hypotheses.back().generation;
      if (generation > members.size()) throw Fault{"a generation is missing"};
      ++members[generation - 1];
    }
    content.epochs.push_back(std::move(epoch));
  }
  // The thresholds follow from these numbers: a wrong one would break the promise of the budget.
  if (members != content.generations) throw Fault{"the generations do not have the sizes that are stated"};
  return content;
}

}  // namespace

std::string ledger_text(const LedgerContent& content) { return stored::to_text(kKind, to_json(content)); }

Expected<LedgerContent> parse_ledger(std::string_view bytes, const std::string& path) {
  try {
    if (bytes.size() > kMaxLedgerBytes) throw Fault{"it is longer than 64 MiB"};
    return content_from(stored::content_of(kKind, bytes));
  } catch (const Fault& fault) {
    return Error{
        ErrorCode::invalid_argument,
        fmt::format("ledger '{}' cannot be used: {}; name another file, or bring back a copy of this one",
                    path, fault.what)};
  }
}

}  // namespace dropcheck
