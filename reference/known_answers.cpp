#include "reference/known_answers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <optional>
#include <sstream>
#include <utility>

namespace dropcheck::reference {
namespace {

Error unreadable(std::string message) { return Error{ErrorCode::invalid_argument, std::move(message)}; }

template <typename Integer>
std::optional<Integer> integer_from(std::string_view text, int base) {
  Integer value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (fault != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> real_from(std::string_view text) {
  double value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<std::uint32_t> word_from(std::string_view text) {
  if (text.size() != 8) return std::nullopt;
  return integer_from<std::uint32_t>(text, 16);
}

/// Every part between commas through `read`; nothing if one part cannot be read.
template <typename Value>
std::optional<std::vector<Value>> list_from(std::string_view text,
                                            std::optional<Value> (*read)(std::string_view)) {
  std::vector<Value> values;
  while (true) {
    const std::size_t comma = text.find(',');
    const std::optional<Value> value = read(text.substr(0, comma));
    if (!value) return std::nullopt;
    values.push_back(*value);
    if (comma == std::string_view::npos) return values;
    text.remove_prefix(comma + 1);
  }
}

/// One case from the text of its line, which has a word at least.
Expected<KnownAnswer> case_from(const std::string& line, const std::string& place,
                                std::span<const CaseKind> kinds) {
  std::istringstream words(line);
  std::string kind_name;
  words >> kind_name;
  const auto kind =
      std::find_if(kinds.begin(), kinds.end(), [&](const CaseKind& each) { return each.name == kind_name; });
  if (kind == kinds.end())
    return unreadable(
        fmt::format("{}: no kind of case is called '{}': begin the line with a known one", place, kind_name));
  KnownAnswer::Fields fields;
  for (std::string word; words >> word;) {
    const std::size_t equals = word.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == word.size())
      return unreadable(fmt::format("{}: '{}' is no field: write key=value", place, word));
    const std::string key = word.substr(0, equals);
    if (std::find(kind->keys.begin(), kind->keys.end(), key) == kind->keys.end())
      return unreadable(fmt::format("{}: {} has no key '{}': take it out", place, kind_name, key));
    if (!fields.emplace(key, word.substr(equals + 1)).second)
      return unreadable(fmt::format("{}: '{}' is given twice: keep one", place, key));
  }
  for (const std::string& key : kind->keys)
    if (!fields.contains(key))
      return unreadable(fmt::format("{}: {} needs the key '{}': add it", place, kind_name, key));
  return KnownAnswer(place, kind_name, std::move(fields));
}

}  // namespace

KnownAnswer::KnownAnswer(std::string place, std::string kind, Fields fields)
    : place_(std::move(place)), kind_(std::move(kind)), fields_(std::move(fields)) {}

Expected<std::string_view> KnownAnswer::text(std::string_view key) const {
  const auto found = fields_.find(key);
  if (found == fields_.end())
    return unreadable(fmt::format("{}: {} has no key '{}': ask for one that it has", place_, kind_, key));
  return std::string_view(found->second);
}

Error KnownAnswer::fault(std::string_view key, std::string_view wanted) const {
  return unreadable(fmt::format("{}: '{}' is {}: write {}", place_, key, fields_.find(key)->second, wanted));
}

Expected<std::uint64_t> KnownAnswer::integer(std::string_view key) const {
  const auto found = text(key);
  if (!found) return found.error();
  const bool hex = found->starts_with("0x");
  if (const auto value = integer_from<std::uint64_t>(found->substr(hex ? 2 : 0), hex ? 16 : 10))
    return *value;
  return fault(key, "an unsigned 64-bit integer, decimal or after 0x");
}

Expected<double> KnownAnswer::real(std::string_view key) const {
  const auto found = text(key);
  if (!found) return found.error();
  if (const auto value = real_from(*found)) return *value;
  return fault(key, "a finite number");
}

Expected<std::vector<double>> KnownAnswer::reals(std::string_view key) const {
  const auto found = text(key);
  if (!found) return found.error();
  if (auto values = list_from<double>(*found, real_from)) return std::move(*values);
  return fault(key, "finite numbers with commas between them");
}

Expected<std::vector<std::uint32_t>> KnownAnswer::words(std::string_view key) const {
  const auto found = text(key);
  if (!found) return found.error();
  if (auto values = list_from<std::uint32_t>(*found, word_from)) return std::move(*values);
  return fault(key, "words of eight hexadecimal digits with commas between them");
}

Expected<std::string> KnownAnswer::bits(std::string_view key) const {
  const auto found = text(key);
  if (!found) return found.error();
  if (found->find_first_not_of("01") == std::string_view::npos) return std::string(*found);
  return fault(key, "digits 0 and 1");
}

Expected<std::vector<KnownAnswer>> parse_known_answers(std::string_view text, const std::string& path,
                                                       std::span<const CaseKind> kinds) {
  std::vector<KnownAnswer> cases;
  std::istringstream lines{std::string(text)};
  std::string line;
  for (std::size_t number = 1; std::getline(lines, line); ++number) {
    line.resize(std::min(line.size(), line.find('#')));
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto found = case_from(line, fmt::format("{}:{}", path, number), kinds);
    if (!found) return found.error();
    cases.push_back(*std::move(found));
  }
  if (cases.empty()) return unreadable(fmt::format("{}: there is no case in it: add one", path));
  return cases;
}

Expected<std::vector<KnownAnswer>> read_known_answers(const std::string& path,
                                                      std::span<const CaseKind> kinds) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  if (!file.is_open() || file.bad())
    return Error{ErrorCode::io, fmt::format("cannot read '{}': name a readable file", path)};
  return parse_known_answers(text.str(), path, kinds);
}

}  // namespace dropcheck::reference
