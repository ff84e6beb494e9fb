#include "reports/json_fields.hpp"

#include <fmt/format.h>

#include <limits>

namespace dropcheck::reports {

JsonFields::JsonFields(const Json& object, std::string& fault, std::string path)
    : object_(&object), fault_(&fault), path_(std::move(path)) {}

std::string JsonFields::path_to(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

void JsonFields::fail(std::string_view key, std::string_view what) {
  if (!failed()) *fault_ = fmt::format("field '{}' {}", path_to(key), what);
}

const Json* JsonFields::find(const char* key) {
  if (failed()) return nullptr;
  const auto found = object_->find(key);
  if (found == object_->end()) {
    fail(key, "is missing");
    return nullptr;
  }
  return &*found;
}

void JsonFields::text(const char* key, std::string& out) {
  const Json* value = find(key);
  if (value == nullptr) return;
  if (!value->is_string()) return fail(key, "is no string");
  out = value->get_ref<const std::string&>();
}

void JsonFields::optional_text(const char* key, std::string& out) {
  if (has(key)) text(key, out);
}

void JsonFields::texts(const char* key, std::vector<std::string>& out) {
  const Json* value = find(key);
  if (value == nullptr) return;
  if (!value->is_array()) return fail(key, "is no list of strings");
  for (const Json& item : *value) {
    if (!item.is_string()) return fail(key, "is no list of strings");
    out.push_back(item.get_ref<const std::string&>());
  }
}

void JsonFields::flag(const char* key, bool& out) {
  const Json* value = find(key);
  if (value == nullptr) return;
  if (!value->is_boolean()) return fail(key, "is neither true nor false");
  out = value->get<bool>();
}

void JsonFields::real(const char* key, double& out) {
  const Json* value = find(key);
  if (value == nullptr) return;
  const auto number = real_from(*value);
  if (!number) return fail(key, R"(is no number, "NaN", "Inf" or "-Inf")");
  out = *number;
}

void JsonFields::seed(const char* key, std::uint64_t& out) {
  const Json* value = find(key);
  if (value == nullptr) return;
  const auto number = seed_from(*value);
  if (!number) return fail(key, "is no seed (a string such as \"0x5eed\")");
  out = *number;
}

void JsonFields::count(const char* key, std::uint64_t& out) {
  const Json* value = find(key);
  if (value == nullptr) return;
  const auto number = unsigned_from(*value);
  if (!number) return fail(key, "is no integer from 0 to 2^64 - 1");
  out = *number;
}

void JsonFields::small_count(const char* key, unsigned& out) {
  std::uint64_t number = 0;
  count(key, number);
  if (failed()) return;
  if (number > std::numeric_limits<unsigned>::max()) return fail(key, "is too large");
  out = static_cast<unsigned>(number);
}

bool JsonFields::object(const char* key, const std::function<void(JsonFields)>& read, bool optional) {
  if (optional && !has(key)) return false;
  const Json* value = find(key);
  if (value == nullptr) return false;
  if (!value->is_object()) {
    fail(key, "is no object");
    return false;
  }
  read(JsonFields(*value, *fault_, path_to(key)));
  return true;
}

void JsonFields::objects(const char* key, const std::function<void(JsonFields)>& read) {
  const Json* value = find(key);
  if (value == nullptr) return;
  if (!value->is_array()) return fail(key, "is no list of objects");
  std::size_t index = 0;
  for (const Json& item : *value) {
    if (!item.is_object()) return fail(key, "is no list of objects");
    read(JsonFields(item, *fault_, fmt::format("{}[{}]", path_to(key), index++)));
    if (failed()) return;
  }
}

void JsonFields::members(const char* key, const std::function<bool(const std::string&, const Json&)>& read,
                         const char* wanted) {
  const Json* value = find(key);
  if (value == nullptr) return;
  if (!value->is_object()) return fail(key, "is no object");
  for (const auto& [name, item] : value->items())
    if (!read(name, item)) return fail(key, fmt::format("has a member that is no {}", wanted));
}

}  // namespace dropcheck::reports
