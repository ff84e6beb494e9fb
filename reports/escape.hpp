#pragma once
// Texts in a record come from backends and files that nobody vouches for. Each output format has one way to
// make them harmless.

#include <cstddef>
#include <string>
#include <string_view>

namespace dropcheck::reports {

/// Valid UTF-8 without control characters: bad bytes become U+FFFD, runs of line breaks and tabs one space;
/// at most `limit` bytes, a cut is shown as "...".
std::string clean_line(std::string_view text, std::size_t limit = 1000);
/// The same for Markdown prose and table cells.
std::string markdown_text(std::string_view text, std::size_t limit = 1000);
/// Inline code, also inside a table.
std::string markdown_code(std::string_view text, std::size_t limit = 1000);
/// A fenced block of one line, whatever backticks it holds.
std::string markdown_block(std::string_view text, std::string_view language);
/// Text or attribute of XML 1.0; line breaks are kept as references.
std::string xml_text(std::string_view text);

}  // namespace dropcheck::reports
