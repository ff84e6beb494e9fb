#include "reports/escape.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace dropcheck::reports {
namespace {

constexpr char32_t kReplacement = 0xFFFD;
constexpr std::string_view kReplacementBytes = "\xEF\xBF\xBD";

struct CodePoint {
  char32_t value = kReplacement;
  std::size_t bytes = 1;
};

/// Reads one code point; anything that is not well-formed UTF-8 is one replaced byte.
CodePoint decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < size) return {};
  char32_t value = first & (0xFFu >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0u) != 0x80u) return {};
    value = (value << 6) | (byte(i) & 0x3Fu);
  }
  const bool overlong = (size == 3 && value < 0x800) || (size == 4 && value < 0x10000);
  if (overlong || (value >= 0xD800 && value <= 0xDFFF) || value > 0x10FFFF) return {};
  return {value, size};
}

bool is_control(char32_t c) { return c < 0x20 || (c >= 0x7F && c < 0xA0); }
/// Marks that turn the direction of the text around them.
bool is_invisible(char32_t c) { return (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069); }
bool is_xml_char(char32_t c) {
  return c == '\t' || c == '\n' || c == '\r' || (!is_control(c) && c != 0xFFFE && c != 0xFFFF);
}

bool is_alnum(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

/// Characters that mean nothing to Markdown inside backticks, table cells included.
bool is_plain_code(char c) { return c >= 0x20 && c < 0x7F && c != '`' && c != '|' && c != '\\'; }

}  // namespace

std::string clean_line(std::string_view text, std::size_t limit) {
  std::string out;
  bool space = false;
  while (!text.empty()) {
    const CodePoint c = decode(text);
    const std::string_view bytes = c.value == kReplacement ? kReplacementBytes : text.substr(0, c.bytes);
    text.remove_prefix(c.bytes);
    if (c.value == '\n' || c.value == '\r' || c.value == '\t') {
      space = true;
      continue;
    }
    if (is_control(c.value) || is_invisible(c.value)) continue;
    if (space && !out.empty()) out += ' ';
    space = false;
    if (out.size() + bytes.size() > limit) return out + "...";
    out += bytes;
  }
  return out;
}

std::string markdown_text(std::string_view text, std::size_t limit) {
  const std::string line = clean_line(text, limit);
  std::string out;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    const char next = i + 1 < line.size() ? line[i + 1] : ' ';
    const bool inside_word = i > 0 && is_alnum(line[i - 1]) && is_alnum(next);
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '`': out += "&#96;"; break;
      case '|': out += "\\|"; break;
      case '\\': out += "\\\\"; break;
      case '*': out += "\\*"; break;
      case '_': out += inside_word ? "_" : "\\_"; break;
      case '~': out += next == '~' ? "\\~" : "~"; break;
      case ']': out += next == '(' || next == '[' || next == ':' ? "\\]" : "]"; break;
      case '#':
      case '+':
      case '-': out += i == 0 ? std::string{'\\', c} : std::string{c}; break;
      default: out += c;
    }
  }
  return out;
}

std::string markdown_code(std::string_view text, std::size_t limit) {
  const std::string line = clean_line(text, limit);
  if (line.empty()) return {};
  if (std::all_of(line.begin(), line.end(), is_plain_code)) return fmt::format("`{}`", line);
  return fmt::format("<code>{}</code>", markdown_text(line, line.size()));
}

std::string markdown_block(std::string_view text, std::string_view language) {
  const std::string line = clean_line(text, 8192);
  std::size_t longest = 0;
  for (std::size_t i = 0, run = 0; i < line.size(); ++i)
    longest = std::max(longest, run = line[i] == '`' ? run + 1 : 0);
  const std::string fence(std::max<std::size_t>(3, longest + 1), '`');
  return fmt::format("{}{}\n{}\n{}\n", fence, language, line, fence);
}

std::string xml_text(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const CodePoint c = decode(text);
    const std::string_view bytes = text.substr(0, c.bytes);
    text.remove_prefix(c.bytes);
    const bool malformed = c.value == kReplacement && c.bytes == 1;
    if (malformed || !is_xml_char(c.value)) continue;
    switch (c.value) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&apos;"; break;
      case '\n': out += "&#10;"; break;
      case '\r': out += "&#13;"; break;
      case '\t': out += "&#9;"; break;
      default: out += bytes;
    }
  }
  return out;
}

}  // namespace dropcheck::reports
