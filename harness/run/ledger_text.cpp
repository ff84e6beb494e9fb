#include "harness/run/ledger_text.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "harness/core/hash.hpp"

namespace dropcheck {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxDepth = 16;
constexpr std::uint64_t kLargestCount = std::uint64_t{1} << 53;

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

/// Of the content without white space: an editor's indentation or line ends do no harm.
std::string checksum_of(const Json& content) {
  return text_fingerprint(content.dump(-1, ' ', false, Json::error_handler_t::replace));
}

// --- reading

/// What is wrong, as the end of a sentence; caught in parse_ledger.
struct Fault {
  std::string what;
};

const Json& member(const Json& object, const char* key) {
  if (!object.is_object()) throw Fault{fmt::format("'{}' has no object around it", key)};
  const auto found = object.find(key);
  if (found == object.end()) throw Fault{fmt::format("'{}' is missing", key)};
  return *found;
}

std::string text_at(const Json& object, const char* key) {
  const Json& value = member(object, key);
  if (!value.is_string()) throw Fault{fmt::format("'{}' is no text", key)};
  return value.get<std::string>();
}

std::uint64_t count_of(const Json& value, const char* key, std::uint64_t least) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() < least ||
      value.get<std::uint64_t>() > kLargestCount)
    throw Fault{fmt::format("'{}' is no count", key)};
  return value.get<std::uint64_t>();
}

std::uint64_t count_at(const Json& object, const char* key, std::uint64_t least = 0) {
  return count_of(member(object, key), key, least);
}

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

/// Nesting is bounded before anything recurses over it.
bool is_too_deep(std::string_view bytes) {
  std::size_t depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const char c = bytes[i];
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) return true;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return false;
}

LedgerContent parse(std::string_view bytes) {
  if (bytes.empty()) throw Fault{"it is empty"};
  if (bytes.size() > kMaxLedgerBytes) throw Fault{"it is longer than 64 MiB"};
  if (is_too_deep(bytes)) throw Fault{"it is no ledger"};
  const Json json = Json::parse(bytes, nullptr, false);
  if (json.is_discarded()) throw Fault{"it is cut short, or no ledger"};
  if (!json.is_object() || !json.contains("schema") || !json["schema"].is_object() ||
      !json["schema"].contains("name") || json["schema"]["name"] != Json(kLedgerSchemaName))
    throw Fault{"it is no ledger"};
  if (count_at(json["schema"], "major") != kLedgerMajor || count_at(json["schema"], "minor") > kLedgerMinor)
    throw Fault{"it was written by another version of dropcheck; use that one"};
  if (!bytes.ends_with('\n')) throw Fault{"it is cut short"};
  const Json& content = member(json, "content");
  if (checksum_of(content) != text_at(json, "checksum"))
    throw Fault{"its checksum does not fit its content: it was damaged or changed"};
  return content_from(content);
}

}  // namespace

std::string as_stored(const std::string& text) {
  return Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
}

std::string ledger_text(const LedgerContent& content) {
  const Json body = to_json(content);
  Json json;
  json["schema"] = {{"name", kLedgerSchemaName}, {"major", kLedgerMajor}, {"minor", kLedgerMinor}};
  json["checksum"] = checksum_of(body);
  json["content"] = body;
  std::string text = json.dump(1, ' ', false, Json::error_handler_t::replace);
  text.push_back('\n');
  return text;
}

Expected<LedgerContent> parse_ledger(std::string_view bytes, const std::string& path) {
  try {
    return parse(bytes);
  } catch (const Fault& fault) {
    return Error{
        ErrorCode::invalid_argument,
        fmt::format("ledger '{}' cannot be used: {}; name another file, or bring back a copy of this one",
                    path, fault.what)};
  }
}

}  // namespace dropcheck
