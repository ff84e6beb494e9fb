#include "harness/core/registry.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dropcheck {

void Registry::add_backend(BackendFamily family) { backends_.push_back(std::move(family)); }

void Registry::add_protocol(Protocol protocol) {
  DROPCHECK_CHECK(this->protocol(protocol.id) == nullptr);
  protocols_.push_back(std::move(protocol));
}

void Registry::add_check(std::unique_ptr<Check> check) {
  DROPCHECK_CHECK(this->check(check->info().id) == nullptr);
  checks_.push_back(std::move(check));
}

void Registry::order_checks(const std::vector<std::string>& ids) {
  const auto rank = [&](const std::unique_ptr<Check>& check) {
    return std::find(ids.begin(), ids.end(), check->info().id) - ids.begin();
  };
  std::stable_sort(checks_.begin(), checks_.end(),
                   [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
}

void Registry::add_profile(std::string name, std::string_view text) {
  profiles_.emplace_back(std::move(name), text);
}

std::vector<std::string> Registry::profiles() const {
  std::vector<std::string> names;
  for (const auto& [name, text] : profiles_) names.push_back(name);
  return names;
}

const Protocol* Registry::protocol(std::string_view id) const {
  for (const Protocol& protocol : protocols_)
    if (protocol.id == id) return &protocol;
  return nullptr;
}

const Check* Registry::check(std::string_view id) const {
  for (const auto& check : checks_)
    if (check->info().id == id) return check.get();
  return nullptr;
}

Expected<std::string_view> Registry::profile(std::string_view name) const {
  for (const auto& [known, text] : profiles_)
    if (known == name) return std::string_view(text);
  return Error{ErrorCode::invalid_argument,
               fmt::format("profile '{}' is not known: write one of {}", name, fmt::join(profiles(), ", "))};
}

Expected<const BackendFamily*> Registry::family(std::string_view spec) const {
  const std::string_view name = spec.substr(0, spec.find_first_of(":?"));
  std::string known;
  for (const BackendFamily& family : backends_) {
    if (family.name == name) {
      const bool has_argument = name.size() < spec.size();
      if (family.takes_argument == has_argument || family.argument_is_optional) return &family;
      return Error{ErrorCode::invalid_argument,
                   fmt::format("backend '{}' is written {}", name, family.usage)};
    }
    known += (known.empty() ? "" : ", ") + family.usage;
  }
  return Error{ErrorCode::invalid_argument,
               fmt::format("backend '{}' is not known: write one of {}", spec, known)};
}

Expected<std::unique_ptr<Backend>> Registry::open(std::string_view spec,
                                                  const BackendOptions& options) const {
  const auto found = family(spec);
  if (!found) return found.error();
  const std::size_t end = spec.find_first_of(":?");
  return (*found)->open(end == std::string_view::npos ? std::string() : std::string(spec.substr(end + 1)),
                        options);
}

}  // namespace dropcheck
