#include "harness/run/stored_json.hpp"

#include <fmt/format.h>

#include "harness/core/hash.hpp"

namespace dropcheck::stored {
namespace {

constexpr std::uint64_t kLargestCount = std::uint64_t{1} << 53;

/// Of the content without white space: an editor's indentation or line ends do no harm.
std::string checksum_of(const Json& content) {
  return text_fingerprint(content.dump(-1, ' ', false, Json::error_handler_t::replace));
}

/// Nesting is bounded before anything recurses over it.
bool is_too_deep(std::string_view bytes, std::size_t most) {
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
      if (++depth > most) return true;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return false;
}

}  // namespace

std::string to_text(const Kind& kind, const Json& content) {
  Json json;
  json["schema"] = {{"name", kind.schema}, {"major", kind.major}, {"minor", kind.minor}};
  json["checksum"] = checksum_of(content);
  json["content"] = content;
  std::string text = json.dump(1, ' ', false, Json::error_handler_t::replace);
  text.push_back('\n');
  return text;
}

Json content_of(const Kind& kind, std::string_view bytes) {
  if (bytes.empty()) throw Fault{"it is empty"};
  const Fault other_file{fmt::format("it is no {}", kind.noun)};
  if (is_too_deep(bytes, kind.most_depth)) throw other_file;
  const Json json = Json::parse(bytes, nullptr, false);
  if (json.is_discarded()) throw Fault{fmt::format("it is cut short, or no {}", kind.noun)};
  if (!json.is_object() || !json.contains("schema") || !json["schema"].is_object() ||
      !json["schema"].contains("name") || json["schema"]["name"] != Json(kind.schema))
    throw other_file;
  if (count_at(json["schema"], "major") != static_cast<std::uint64_t>(kind.major) ||
      count_at(json["schema"], "minor") > static_cast<std::uint64_t>(kind.minor))
    throw Fault{std::string(kind.other_version)};
  if (!bytes.ends_with('\n')) throw Fault{"it is cut short"};
  const Json& content = member(json, "content");
  if (checksum_of(content) != text_at(json, "checksum"))
    throw Fault{"its checksum does not fit its content: it was damaged or changed"};
  return content;
}

std::string as_stored(const std::string& text) {
  return Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
}

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

std::uint64_t count_at(const Json& object, const char* key, std::uint64_t least) {
  return count_of(member(object, key), key, least);
}

}  // namespace dropcheck::stored
