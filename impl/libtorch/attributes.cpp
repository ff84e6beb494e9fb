#include "impl/libtorch/attributes.hpp"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "harness/abi/dropcheck_plugin.hpp"

namespace dropcheck::libtorch {
namespace {

constexpr std::int64_t kMaxThreads = 1024;

int parse_threads(const nlohmann::json& value) {
  // A number above the signed range must not wrap into a valid count.
  if (!value.is_number_integer() || (value.is_number_unsigned() && value.get<std::uint64_t>() > kMaxThreads))
    throw plugin::InvalidArgument("attribute \"threads\" must be an integer from 1 to 1024");
  const auto threads = value.get<std::int64_t>();
  if (threads < 1 || threads > kMaxThreads)
    throw plugin::InvalidArgument("attribute \"threads\" must be an integer from 1 to 1024");
  return static_cast<int>(threads);
}

}  // namespace

Attributes parse_attributes(std::string_view json) {
  Attributes attributes;
  if (json.empty() || json == "{}") return attributes;
  const auto object = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) throw plugin::InvalidArgument("the attributes are not a JSON object");
  for (const auto& [key, value] : object.items()) {
    if (key != "threads") throw plugin::Unsupported("attribute \"" + key + "\"");
    attributes.threads = parse_threads(value);
  }
  return attributes;
}

}  // namespace dropcheck::libtorch
