#include "impl/process/text.hpp"

#include <algorithm>

namespace dropcheck::process {
namespace {

unsigned byte_at(std::string_view bytes, std::size_t i) { return static_cast<unsigned char>(bytes[i]); }

/// Bytes that a UTF-8 sequence with this first byte has; 0 for bytes that begin none.
std::size_t announced_length(unsigned first) {
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first < 0xE0) return 2;
  if (first >= 0xE0 && first < 0xF0) return 3;
  return first >= 0xF0 && first < 0xF5 ? 4 : 0;
}

bool is_continuation(unsigned byte) { return (byte & 0xC0u) == 0x80; }

/// Bytes of the valid UTF-8 sequence at the front (table 3-7 of the Unicode standard); 0 for none.
std::size_t sequence_at(std::string_view bytes) {
  const unsigned first = byte_at(bytes, 0);
  const std::size_t size = announced_length(first);
  if (size == 0 || size > bytes.size()) return 0;
  for (std::size_t i = 1; i < size; ++i)
    if (!is_continuation(byte_at(bytes, i))) return 0;
  if (size < 3) return size;
  const unsigned second = byte_at(bytes, 1);
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool no_character = (first == 0xED && second >= 0xA0) || (first == 0xF4 && second >= 0x90);
  return overlong || no_character ? 0 : size;
}

bool is_cut_sequence(std::string_view bytes) {
  if (announced_length(byte_at(bytes, 0)) <= bytes.size()) return false;
  return std::all_of(bytes.begin() + 1, bytes.end(),
                     [](char c) { return is_continuation(static_cast<unsigned char>(c)); });
}

bool is_forbidden(unsigned byte) {
  return (byte < 0x20 && !(byte >= 7 && byte <= 13) && byte != 27) || byte == 127;
}

std::string_view without_blanks(std::string_view text) {
  const char* const kBlanks = " \n";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

}  // namespace

bool is_text(std::string_view bytes, bool may_be_cut) {
  while (!bytes.empty()) {
    const std::size_t size = sequence_at(bytes);
    if (size == 0) return may_be_cut && is_cut_sequence(bytes);
    if (size == 1 && is_forbidden(byte_at(bytes, 0))) return false;
    bytes.remove_prefix(size);
  }
  return true;
}

std::string printable(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const std::size_t size = sequence_at(bytes);
    const unsigned first = byte_at(bytes, 0);
    if (size == 0) text += '?';
    else if ((first < 0x20 && first != '\n') || first == 127) text += ' ';
    else text.append(bytes.substr(0, size));
    bytes.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return text;
}

std::string shown_head(std::string_view bytes, std::size_t most) {
  const bool all = bytes.size() <= most;
  // No character is cut: bytes that continue one go too.
  while (!all && most > 0 && is_continuation(byte_at(bytes, most))) --most;
  std::string text(without_blanks(printable(bytes.substr(0, most))));
  if (!all) text += "...";
  return text;
}

std::string shown_tail(std::string_view bytes, std::size_t most) {
  const bool all = bytes.size() <= most;
  if (!all) bytes.remove_prefix(bytes.size() - most);
  while (!all && !bytes.empty() && is_continuation(byte_at(bytes, 0))) bytes.remove_prefix(1);
  std::string text(without_blanks(printable(bytes)));
  if (!all) text.insert(0, "...");
  return text;
}

void Tail::add(std::string_view bytes) {
  total_ += bytes.size();
  if (bytes.size() > limit_) bytes.remove_prefix(bytes.size() - limit_);
  if (kept_.size() + bytes.size() > 2 * limit_) kept_.erase(0, kept_.size() - std::min(kept_.size(), limit_));
  kept_ += bytes;
}

std::string_view Tail::last() const {
  std::string_view all = kept_;
  if (all.size() > limit_) all.remove_prefix(all.size() - limit_);
  return all;
}

}  // namespace dropcheck::process
