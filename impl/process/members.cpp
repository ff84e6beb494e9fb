#include "impl/process/members.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "impl/process/text.hpp"

namespace dropcheck::process {

using Json = nlohmann::json;

std::string shown(const Json& value) {
  if (value.is_array()) return "a list";
  if (value.is_object()) return "an object";
  return shown_head(value.dump(-1, ' ', false, Json::error_handler_t::replace), 100);
}

const Json* Members::find(const char* key) const {
  const auto found = object_.find(key);
  return found == object_.end() ? nullptr : &*found;
}

void Members::fail(const std::string& message) {
  if (!error_) error_ = Error{ErrorCode::protocol, fmt::format("{} {}", where_, message)};
}

void Members::misfit(const char* key, const Json& value, const char* wanted) {
  fail(fmt::format("has {} for '{}': {} is needed", shown(value), key, wanted));
}

std::optional<bool> Members::flag(const char* key) {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_boolean()) return value->get<bool>();
  misfit(key, *value, "true or false");
  return std::nullopt;
}

std::optional<std::uint64_t> Members::natural(const char* key, std::uint64_t least, std::uint64_t most) {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_number_unsigned()) {
    const auto number = value->get<std::uint64_t>();
    if (number >= least && number <= most) return number;
  }
  misfit(key, *value, fmt::format("an integer from {} to {}", least, most).c_str());
  return std::nullopt;
}

std::optional<double> Members::real(const char* key) {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_number()) return value->get<double>();
  if (value->is_string()) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const auto& word = value->get_ref<const std::string&>();
    if (word == "nan") return std::numeric_limits<double>::quiet_NaN();
    if (word == "inf") return kInfinity;
    if (word == "-inf") return -kInfinity;
    if (word == "-0") return -0.0;
  }
  misfit(key, *value, "a number, or one of the texts nan, inf, -inf, -0,");
  return std::nullopt;
}

std::optional<std::string> Members::text_of(const char* key, const Json& value) {
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    if (text.size() <= kMaxTextBytes) return printable(text);
  }
  misfit(key, value, fmt::format("text of at most {} bytes", kMaxTextBytes).c_str());
  return std::nullopt;
}

std::optional<std::string> Members::text(const char* key) {
  const Json* value = find(key);
  return value == nullptr ? std::nullopt : text_of(key, *value);
}

std::optional<std::vector<std::string>> Members::texts(const char* key) {
  const Json* list = find(key);
  if (list == nullptr) return std::nullopt;
  if (!list->is_array() || list->size() > kMaxListItems) {
    misfit(key, *list, fmt::format("a list of at most {} texts", kMaxListItems).c_str());
    return std::nullopt;
  }
  std::vector<std::string> result;
  for (const Json& item : *list) {
    auto text = text_of(key, item);
    if (!text) return std::nullopt;
    result.push_back(std::move(*text));
  }
  return result;
}

Json number_json(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  if (value == 0 && std::signbit(value)) return "-0";
  return value;
}

}  // namespace dropcheck::process
