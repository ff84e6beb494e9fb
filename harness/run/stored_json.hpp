#pragma once
// A file that a later run reads again: JSON with a schema, its content and a checksum of that. Nothing in it
// is taken on trust: whatever reads it throws stored::Fault, which the reader of the file turns into an
// error.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace dropcheck::stored {

using Json = nlohmann::ordered_json;

struct Kind {
  std::string_view schema;  // name of its schema
  int major = 1, minor = 0;
  std::string_view noun;           // for messages: "ledger"
  std::string_view other_version;  // what a format is that this program does not know, as a sentence's end
  std::size_t most_depth = 0;      // of nested lists and objects
};

/// What is wrong, as the end of a sentence.
struct Fault {
  std::string what;
};

/// The file with that content.
std::string to_text(const Kind& kind, const Json& content);
/// The content of such a file.
Json content_of(const Kind& kind, std::string_view bytes);

/// A text as it is after it was written and read: what is no UTF-8 is replaced.
std::string as_stored(const std::string& text);

/// Members of an object, by key.
const Json& member(const Json& object, const char* key);
std::string text_at(const Json& object, const char* key);
/// At most 2^53, which every reader of JSON can hold.
std::uint64_t count_of(const Json& value, const char* key, std::uint64_t least);
std::uint64_t count_at(const Json& object, const char* key, std::uint64_t least = 0);

}  // namespace dropcheck::stored
