#pragma once
// Dialects from files in TOML. Nothing in a file is taken on trust: an unknown key, a missing axis, a value
// of another type or two axes that contradict each other are errors that name the line.

#include <string>
#include <string_view>
#include <vector>

#include "harness/core/expected.hpp"
#include "suites/dialect.hpp"

namespace dropcheck::suites {

/// Bytes of a dialect file; larger ones are refused unread.
inline constexpr std::size_t kMostDialectBytes = std::size_t{1} << 16;

/// Names of the built-in dialects, PyTorch's first.
const std::vector<std::string>& builtin_dialects();
/// A built-in dialect; the name must be one of theirs.
Dialect builtin_dialect(std::string_view name);

/// Reads a dialect from text; `where` stands before the line number in errors.
Expected<Dialect> parse_dialect(std::string_view text, std::string_view where);

/// The built-in dialect of that name, or the user's own where the word ends in ".toml". Errors are usage
/// errors.
Expected<Dialect> find_dialect(const std::string& name_or_file);

}  // namespace dropcheck::suites
