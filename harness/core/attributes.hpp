#pragma once
// Options of a call beyond the operator: which form of it is meant, or which layer that contains it. Small
// typed values by name; docs/attributes.md is their list.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <variant>

namespace dropcheck {

using AttributeValue = std::variant<bool, std::int64_t, double, std::string>;
using Attributes = std::map<std::string, AttributeValue, std::less<>>;

/// The attribute "form"; empty where the operator itself is meant.
inline std::string form_of(const Attributes& attributes) {
  const auto found = attributes.find("form");
  const auto* text = found == attributes.end() ? nullptr : std::get_if<std::string>(&found->second);
  return text != nullptr ? *text : std::string();
}

}  // namespace dropcheck
