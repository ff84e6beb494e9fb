#include "tools/whole_calibration_state.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "harness/core/hash.hpp"
#include "harness/run/atomic_file.hpp"
#include "harness/run/stored_json.hpp"

namespace dropcheck::tools {
namespace {

using stored::count_at;
using stored::count_of;
using stored::Fault;
using stored::Json;
using stored::member;
using stored::text_at;

constexpr std::string_view kSchema = "dropcheck.whole_calibration/1";
constexpr std::size_t kMostBytes = std::size_t{1} << 28;
constexpr std::uint64_t kMostRuns = std::uint64_t{1} << 40;

std::string levels_text() {
  std::string text;
  for (const double level : kAlarmLevels) text += fmt::format("{}{:g}", text.empty() ? "" : " ", level);
  return text;
}

Json json_of(const LevelCounts& counts) {
  Json json = Json::array();
  for (const std::uint64_t count : counts) json.push_back(count);
  return json;
}

LevelCounts levels_at(const Json& object, const char* key, std::uint64_t most) {
  const Json& list = member(object, key);
  LevelCounts counts{};
  if (!list.is_array() || list.size() != counts.size())
    throw Fault{fmt::format("'{}' has not one count a level", key)};
  for (std::size_t i = 0; i < counts.size(); ++i) {
    counts[i] = count_of(list[i], key, 0);
    // What alarms at a level alarms at every larger one.
    if (counts[i] > most || (i > 0 && counts[i] > counts[i - 1]))
      throw Fault{fmt::format("'{}' is larger than it can be", key)};
  }
  return counts;
}

const Json& list_at(const Json& object, const char* key) {
  const Json& list = member(object, key);
  if (!list.is_array()) throw Fault{fmt::format("'{}' is no list", key)};
  return list;
}

std::string checksum_of(const Json& json) {
  return text_fingerprint(json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

Json json_of(const WholeIdentity& identity, const WholeBatch& batch) {
  const RunCounts& counts = batch.counts;
  Json json;
  json["schema"] = kSchema;
  json["plan"] = identity.plan;
  json["seed"] = fmt::format("{:#x}", identity.seed);
  json["levels"] = levels_text();
  json["backend"] = batch.backend;
  json["version"] = stored::as_stored(batch.version);
  json["first"] = batch.first;
  json["runs"] = counts.runs;
  json["milliseconds"] = static_cast<std::uint64_t>(std::llround(1000 * counts.seconds));
  json["alarmed"] = json_of(counts.alarmed);
  json["checks"] = Json::array();
  for (const auto& [check, levels] : counts.by_check)
    json["checks"].push_back({{"check", check}, {"alarmed", json_of(levels)}});
  json["laws"] = Json::array();
  for (const auto& [key, law] : counts.laws)
    json["laws"].push_back({{"check", key.first},
                            {"engine", key.second},
                            {"tests", law.tests},
                            {"alarms", json_of(law.alarms)}});
  json["failures"] = counts.failures;
  json["failed"] = Json::array();
  for (const std::string& words : counts.failed) json["failed"].push_back(stored::as_stored(words));
  return json;
}

WholeBatch batch_of(const Json& json) {
  WholeBatch batch;
  batch.backend = text_at(json, "backend");
  batch.version = text_at(json, "version");
  batch.first = count_at(json, "first");
  RunCounts& counts = batch.counts;
  counts.runs = count_at(json, "runs", 1);
  if (batch.first > kMostRuns || counts.runs > kMostRuns) throw Fault{"'runs' is larger than it can be"};
  counts.seconds = static_cast<double>(count_at(json, "milliseconds")) / 1000;
  counts.alarmed = levels_at(json, "alarmed", counts.runs);
  for (const Json& each : list_at(json, "checks"))
    if (!counts.by_check.emplace(text_at(each, "check"), levels_at(each, "alarmed", counts.runs)).second)
      throw Fault{"a check stands twice"};
  for (const Json& each : list_at(json, "laws")) {
    LawCounts law;
    law.tests = count_at(each, "tests", 1);
    law.alarms = levels_at(each, "alarms", law.tests);
    if (!counts.laws.emplace(std::pair(text_at(each, "check"), text_at(each, "engine")), law).second)
      throw Fault{"an engine of a check stands twice"};
  }
  counts.failures = count_at(json, "failures");
  for (const Json& words : list_at(json, "failed")) {
    if (!words.is_string()) throw Fault{"'failed' holds what is no text"};
    counts.failed.push_back(words.get<std::string>());
  }
  if (counts.failed.size() > counts.failures) throw Fault{"'failed' holds more than 'failures'"};
  return batch;
}

WholeBatch read_line(const WholeIdentity& identity, std::string_view line) {
  Json json = Json::parse(line, nullptr, false);
  if (!json.is_object() || !json.contains("schema") || json["schema"] != Json(kSchema))
    throw Fault{"it is cut short, or no line of 'dropcheck calibrate --full'"};
  const std::string checksum = text_at(json, "checksum");
  json.erase("checksum");
  if (checksum_of(json) != checksum)
    throw Fault{"its checksum does not fit its content: it was damaged or changed"};
  if (text_at(json, "seed") != fmt::format("{:#x}", identity.seed))
    throw Fault{fmt::format("it belongs to --seed={}", text_at(json, "seed"))};
  if (text_at(json, "plan") != identity.plan || text_at(json, "levels") != levels_text())
    throw Fault{"it belongs to another plan, of another version of dropcheck or of the profile"};
  return batch_of(json);
}

/// Whether a batch holds runs that this one holds, too.
bool overlaps(const WholeBatch& a, const WholeBatch& b) {
  return a.backend == b.backend && a.first < b.first + b.counts.runs && b.first < a.first + a.counts.runs;
}

}  // namespace

std::string line_of(const WholeIdentity& identity, const WholeBatch& batch) {
  Json json = json_of(identity, batch);
  json["checksum"] = checksum_of(json);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Expected<std::vector<WholeBatch>> batches_of(const WholeIdentity& identity, std::string_view text) {
  std::vector<WholeBatch> batches;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    try {
      if (end == std::string_view::npos) throw Fault{"it is cut short"};
      WholeBatch batch = read_line(identity, text.substr(0, end));
      for (const WholeBatch& known : batches) {
        if (overlaps(known, batch)) throw Fault{"an earlier line holds the same runs"};
        if (known.backend == batch.backend && known.version != batch.version)
          throw Fault{
              fmt::format("it is about {} and an earlier line about {}", batch.version, known.version)};
      }
      batches.push_back(std::move(batch));
    } catch (const Fault& fault) {
      return Error{ErrorCode::invalid_argument,
                   fmt::format("line {}: {}; without that line its runs are made again", number, fault.what)};
    }
    text.remove_prefix(end + 1);
  }
  return batches;
}

std::vector<std::pair<std::uint64_t, std::uint64_t>> pending_runs(const std::vector<WholeBatch>& batches,
                                                                  const std::string& backend,
                                                                  std::uint64_t runs, std::uint64_t batch) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> held, pending;
  for (const WholeBatch& b : batches)
    if (b.backend == backend) held.emplace_back(b.first, b.first + b.counts.runs);
  held.emplace_back(runs, runs);
  std::sort(held.begin(), held.end());
  std::uint64_t at = 0;
  for (const auto& [first, end] : held) {
    for (const std::uint64_t stop = std::min(first, runs); at < stop;) {
      const std::uint64_t count = std::min(batch, stop - at);
      pending.emplace_back(at, count);
      at += count;
    }
    at = std::max(at, end);
  }
  return pending;
}

Expected<WholeState> WholeState::open(const std::string& path, const WholeIdentity& identity) {
  WholeState state(path, identity);
  if (path.empty()) return state;
  const auto refused = [&](const std::string& why) {
    return Error{ErrorCode::invalid_argument, fmt::format("--state={}: {}", path, why)};
  };
  auto lock = FileLock::take(path + ".lock");
  if (!lock) return refused(lock.error().message);
  state.lock_.emplace(std::move(*lock));
  const auto text = read_plain_file(path, kMostBytes);
  if (!text) return refused(text.error().message);
  if (!*text) return state;
  auto batches = batches_of(identity, **text);
  if (!batches) return refused(batches.error().message);
  state.batches_ = std::move(*batches);
  return state;
}

Status WholeState::add(WholeBatch batch) {
  if (!path_.empty()) {
    const std::string line = line_of(identity_, batch);
    const int file = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    const bool written = file >= 0 &&
                         ::write(file, line.data(), line.size()) == static_cast<ssize_t>(line.size()) &&
                         ::fsync(file) == 0;
    const int fault = errno;
    if (file >= 0) ::close(file);
    if (!written)
      return Error{ErrorCode::io,
                   fmt::format("--state={} cannot be written: {}", path_, std::strerror(fault))};
  }
  batches_.push_back(std::move(batch));
  return Done{};
}

}  // namespace dropcheck::tools
