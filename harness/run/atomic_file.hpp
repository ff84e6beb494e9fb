#pragma once
// A file that is either the old one or the new one, whatever happens in between.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "harness/core/expected.hpp"

namespace dropcheck {

/// The bytes of a file; empty when there is none. Errors (invalid_argument): not a plain file, unreadable,
/// longer than `most` bytes.
Expected<std::optional<std::string>> read_plain_file(const std::string& path, std::size_t most);

/// Writes `text` to `path`.new, brings it to the disk and renames it to `path`. On an error (io) the old file
/// stays and nothing is left beside it; what a crash leaves there is overwritten the next time. One writer at
/// a time (FileLock).
Status replace_file(const std::string& path, std::string_view text);

}  // namespace dropcheck
