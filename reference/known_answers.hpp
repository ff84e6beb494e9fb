#pragma once
// Known answers of generators and masks, kept in text files so that a reader can compare them with their
// source: one case a line, `kind key=value key=value`. A `#` starts a comment; blank lines are skipped.

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/expected.hpp"

namespace dropcheck::reference {

/// A kind of case: the first word of its lines, and the keys that each of them has, in any order.
struct CaseKind {
  std::string name;
  std::vector<std::string> keys;
};

/// One line. Its values are text until they are fetched; each fetch fails with an error that names file and
/// line if the case has no such key or the text cannot be read as asked.
class KnownAnswer {
 public:
  using Fields = std::map<std::string, std::string, std::less<>>;
  KnownAnswer(std::string place, std::string kind, Fields fields);

  const std::string& kind() const { return kind_; }
  /// "file:line", for messages.
  const std::string& place() const { return place_; }

  /// Decimal, or hexadecimal after 0x.
  Expected<std::uint64_t> integer(std::string_view key) const;
  /// A finite number.
  Expected<double> real(std::string_view key) const;
  /// One or more finite numbers, separated by commas.
  Expected<std::vector<double>> reals(std::string_view key) const;
  /// One or more 32-bit words of exactly eight hexadecimal digits, separated by commas.
  Expected<std::vector<std::uint32_t>> words(std::string_view key) const;
  /// One or more of the digits 0 and 1, as they are written.
  Expected<std::string> bits(std::string_view key) const;

 private:
  Expected<std::string_view> text(std::string_view key) const;
  Error fault(std::string_view key, std::string_view wanted) const;

  std::string place_;
  std::string kind_;
  Fields fields_;
};

/// The cases of a file in its order, at least one. Errors name file and line: a line that is no case, a kind
/// or key that `kinds` does not list, a key that is missing or given twice; or they name the file alone if it
/// cannot be read or has no case.
Expected<std::vector<KnownAnswer>> read_known_answers(const std::string& path,
                                                      std::span<const CaseKind> kinds);
/// The same for text that was read already; `path` is for messages.
Expected<std::vector<KnownAnswer>> parse_known_answers(std::string_view text, const std::string& path,
                                                       std::span<const CaseKind> kinds);

}  // namespace dropcheck::reference
