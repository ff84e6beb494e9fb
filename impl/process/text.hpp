#pragma once
// Bytes that an adapter printed, made fit to be shown.

#include <cstdint>
#include <string>
#include <string_view>

namespace dropcheck::process {

/// True for valid UTF-8 without control characters other than those of terminals (BEL, BS, TAB, LF, VT, FF,
/// CR, ESC). With `may_be_cut` the last character may be incomplete.
bool is_text(std::string_view bytes, bool may_be_cut = false);

/// The bytes as valid UTF-8: whatever is no text becomes '?', control characters other than LF a blank.
std::string printable(std::string_view bytes);
/// The same of at most `most` bytes from the front, or from the end, with an ellipsis where some were left
/// out and without white space around it.
std::string shown_head(std::string_view bytes, std::size_t most);
std::string shown_tail(std::string_view bytes, std::size_t most);

/// The last bytes of a stream that may be endless.
class Tail {
 public:
  explicit Tail(std::size_t limit) : limit_(limit) {}
  void add(std::string_view bytes);
  /// At most `limit` bytes.
  std::string_view last() const;
  /// Bytes that were ever added.
  std::uint64_t total() const { return total_; }

 private:
  std::size_t limit_;
  std::string kept_;  // at most twice the limit
  std::uint64_t total_ = 0;
};

}  // namespace dropcheck::process
