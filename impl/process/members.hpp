#pragma once
// Reading members of a JSON object that a stranger wrote.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "harness/core/expected.hpp"

namespace dropcheck::process {

inline constexpr std::size_t kMaxTextBytes = 4096;
inline constexpr std::size_t kMaxListItems = 256;

/// A value as it may stand in a message: scalars as they are, at most 100 bytes; "a list", "an object".
std::string shown(const nlohmann::json& value);

/// Reads members one after another. The first that does not fit is kept as a protocol error; what is returned
/// for it is empty. Members that are not there are absent, never an error.
class Members {
 public:
  /// `where` begins the messages, e.g. "the reply to start".
  Members(const nlohmann::json& object, std::string where) : object_(object), where_(std::move(where)) {}

  std::optional<bool> flag(const char* key);
  std::optional<std::uint64_t> natural(const char* key, std::uint64_t least, std::uint64_t most);
  /// A number, or one of the texts nan, inf, -inf, -0.
  std::optional<double> real(const char* key);
  /// Control characters are blanked; at most kMaxTextBytes.
  std::optional<std::string> text(const char* key);
  /// At most kMaxListItems.
  std::optional<std::vector<std::string>> texts(const char* key);

  void fail(const std::string& message);
  const std::optional<Error>& error() const { return error_; }

 private:
  const nlohmann::json* find(const char* key) const;
  void misfit(const char* key, const nlohmann::json& value, const char* wanted);
  std::optional<std::string> text_of(const char* key, const nlohmann::json& value);

  const nlohmann::json& object_;
  std::string where_;
  std::optional<Error> error_;
};

/// The same in the other direction: what has no JSON number is one of those texts.
nlohmann::json number_json(double value);

}  // namespace dropcheck::process
