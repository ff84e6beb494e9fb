#include "harness/run/stream_lock_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <vector>

#include "harness/core/descriptor.hpp"
#include "harness/run/atomic_file.hpp"
#include "harness/run/stored_json.hpp"

namespace dropcheck {
namespace {

using stored::Fault;
using stored::Json;

constexpr stored::Kind kKind{
    kStreamLockSchemaName,
    kStreamLockMajor,
    kStreamLockMinor,
    "stream lock",
    "it was written by another version of dropcheck, with a format that this one does not know",
    8};

constexpr std::size_t kMostText = 1024;          // bytes of a name when written,
constexpr std::size_t kMostTextRead = 4 * 1024;  // and when read: replaced characters are longer
// A lock asks a backend for what it holds, so that is bounded as well.
constexpr std::uint32_t kMostCalls = 64;                               // after a seed
constexpr std::int64_t kMostElements = std::int64_t{1} << 20;          // of a call
constexpr std::int64_t kMostElementsTogether = std::int64_t{1} << 27;  // of all calls
constexpr std::uint32_t kMostThreads = 64;
constexpr std::string_view kCall = "call=";

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// --- writing

std::string line_of(const LockedCall& call) {
  return fmt::format("{} {}{} {}", print_descriptor(call.problem), kCall, call.call, call.digest);
}

Json to_json(const StreamLock& lock) {
  Json json;
  json["backend"] = lock.backend;
  json["name"] = lock.name;
  json["version"] = lock.version;
  json["seeds"] = std::string(to_string(lock.seeds));
  json["tool_version"] = lock.tool_version;
  json["date"] = lock.date;
  json["calls"] = Json::array();
  for (const LockedCall& call : lock.calls) json["calls"].push_back(line_of(call));
  return json;
}

// --- reading

std::string short_text_at(const Json& object, const char* key) {
  std::string text = stored::text_at(object, key);
  if (text.size() > kMostTextRead || std::any_of(text.begin(), text.end(), is_control))
    throw Fault{fmt::format("'{}' is no short line of text", key)};
  return text;
}

std::uint32_t number_of(std::string_view digits) {
  std::uint32_t value = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, fault] = std::from_chars(digits.data(), end, value);
  if (fault != std::errc{} || stop != end || value == 0 || value > kMostCalls)
    throw Fault{fmt::format("a call has no number from 1 to {}", kMostCalls)};
  return value;
}

/// Why a lock cannot hold this case; empty where it can.
std::string why_not(const Problem& problem) {
  if (!problem.seed) return "has no seed";
  if (!is_float(problem.dtype) || problem.mode != Mode::train || !(problem.p > 0 && problem.p < 1))
    return "draws no mask";
  if (problem.calls) return "says how many calls there are";
  if (problem.threads > kMostThreads) return fmt::format("has more than {} threads", kMostThreads);
  const std::int64_t elements = element_count(problem.shape);
  if (elements == 0) return "has no elements";
  if (elements > kMostElements) return fmt::format("has more than {} elements", kMostElements);
  return {};
}

LockedCall call_from(const std::string& line) {
  const std::size_t first = line.find(' '), second = line.find(' ', first + 1);
  if (first == std::string::npos || second == std::string::npos ||
      line.compare(first + 1, kCall.size(), kCall) != 0)
    throw Fault{"a line is not DESCRIPTOR call=NUMBER DIGEST"};
  const std::string descriptor = line.substr(0, first);
  auto problem = parse_descriptor(descriptor);
  if (!problem) throw Fault{fmt::format("a descriptor cannot be read: {}", problem.error().message)};
  if (const std::string why = why_not(*problem); !why.empty())
    throw Fault{fmt::format("{} {}", print_descriptor(*problem), why)};
  // Calls are compared by their text.
  if (print_descriptor(*problem) != descriptor)
    throw Fault{fmt::format("a case is not written as {}", print_descriptor(*problem))};
  LockedCall call;
  call.problem = *std::move(problem);
  const std::size_t number = first + 1 + kCall.size();
  call.call = number_of(std::string_view(line).substr(number, second - number));
  call.digest = line.substr(second + 1);
  if (call.digest.size() != 32 || call.digest.find_first_not_of("0123456789abcdef") != std::string::npos)
    throw Fault{fmt::format("{} has no digest of 32 hexadecimal digits", call_text(call))};
  return call;
}

std::vector<LockedCall> calls_from(const Json& lines) {
  if (!lines.is_array()) throw Fault{"'calls' is no list"};
  if (lines.empty()) throw Fault{"it holds no calls"};
  std::vector<LockedCall> calls;
  std::set<std::string> cases;
  std::int64_t elements = 0;
  for (const Json& line : lines) {
    if (!line.is_string()) throw Fault{"a line of 'calls' is no text"};
    LockedCall call = call_from(line.get<std::string>());
    // A call continues the stream of the one before it, so the order is part of what was asked.
    const bool continues =
        !calls.empty() && calls.back().problem == call.problem && calls.back().call + 1 == call.call;
    if (!continues && call.call != 1)
      throw Fault{fmt::format("{} does not follow the call before it", call_text(call))};
    if (call.call == 1 && !cases.insert(print_descriptor(call.problem)).second)
      throw Fault{fmt::format("{} stands twice", print_descriptor(call.problem))};
    elements += element_count(call.problem.shape);
    if (elements > kMostElementsTogether)
      throw Fault{fmt::format("its calls have more than {} elements together", kMostElementsTogether)};
    calls.push_back(std::move(call));
  }
  return calls;
}

std::string date_at(const Json& object, const char* key) {
  const std::string date = short_text_at(object, key);
  bool fits = date.size() == 10;
  for (std::size_t i = 0; fits && i < date.size(); ++i)
    fits = i == 4 || i == 7 ? date[i] == '-' : date[i] >= '0' && date[i] <= '9';
  if (!fits) throw Fault{fmt::format("'{}' is no date", key)};
  return date;
}

StreamLock lock_from(const Json& content) {
  StreamLock lock;
  lock.backend = short_text_at(content, "backend");
  lock.name = short_text_at(content, "name");
  lock.version = short_text_at(content, "version");
  const auto seeds = seed_semantics_from(short_text_at(content, "seeds"));
  if (!seeds || (*seeds != SeedSemantics::stateful && *seeds != SeedSemantics::per_call))
    throw Fault{"'seeds' is neither stateful nor per_call"};
  lock.seeds = *seeds;
  lock.tool_version = short_text_at(content, "tool_version");
  lock.date = date_at(content, "date");
  lock.calls = calls_from(stored::member(content, "calls"));
  return lock;
}

}  // namespace

std::string lock_header_text(std::string text) {
  text.resize(std::min(text.size(), kMostText));
  std::replace_if(text.begin(), text.end(), is_control, ' ');
  return stored::as_stored(text);
}

std::string stream_lock_text(const StreamLock& lock) { return stored::to_text(kKind, to_json(lock)); }

Expected<StreamLock> parse_stream_lock(std::string_view bytes, const std::string& path) {
  try {
    return lock_from(stored::content_of(kKind, bytes));
  } catch (const Fault& fault) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("stream lock '{}' cannot be used: {}; bring back a copy of it, or lock again",
                             path, fault.what)};
  }
}

Expected<StreamLock> read_stream_lock(const std::string& path) {
  auto bytes = read_plain_file(path, kMaxStreamLockBytes);
  if (!bytes)
    return Error{ErrorCode::invalid_argument, fmt::format("stream lock: {}", bytes.error().message)};
  if (!bytes->has_value())
    return Error{ErrorCode::invalid_argument,
                 fmt::format("stream lock '{}' does not exist: 'dropcheck lock' writes one", path)};
  return parse_stream_lock(**bytes, path);
}

}  // namespace dropcheck
