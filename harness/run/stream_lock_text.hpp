#pragma once
// A stream lock as text: one JSON object with the schema, a checksum of the content and the content, with a
// line for each call, so that version control shows what changed. What is read is untrusted: bounded,
// checked, refused with a sentence.

#include <cstddef>
#include <string>
#include <string_view>

#include "harness/core/expected.hpp"
#include "harness/run/stream_lock.hpp"

namespace dropcheck {

inline constexpr std::string_view kStreamLockSchemaName = "dropcheck.stream_lock";
inline constexpr int kStreamLockMajor = 1;
inline constexpr int kStreamLockMinor = 0;
inline constexpr std::size_t kMaxStreamLockBytes = std::size_t{16} << 20;

/// Ends with a line break, so that any shorter text is seen to be cut.
std::string stream_lock_text(const StreamLock& lock);

/// Errors (invalid_argument) name `path` and what is wrong: no lock at all, another version, cut short or
/// changed, calls that no lock holds, or none.
Expected<StreamLock> parse_stream_lock(std::string_view bytes, const std::string& path);

/// Reads a lock; a file that does not exist is an error.
Expected<StreamLock> read_stream_lock(const std::string& path);

/// A name or version as a file keeps it: one line of valid UTF-8, bounded.
std::string lock_header_text(std::string text);

}  // namespace dropcheck
