#include "reports/escape.hpp"

#include <gtest/gtest.h>

namespace dropcheck::reports {
namespace {

TEST(Escape, LinesHoldNoControlCharactersAndOnlyUtf8) {
  EXPECT_EQ(clean_line("a\r\n\tb\x1b[31mc\x7f"), "a b[31mc");
  EXPECT_EQ(clean_line("\n a"), " a");
  EXPECT_EQ(clean_line("\xC3\xA9 \xFF \xC0\x80 \xED\xA0\x80"),
            "\xC3\xA9 \xEF\xBF\xBD \xEF\xBF\xBD\xEF\xBF\xBD \xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(clean_line("safe\xE2\x80\xAEtxt"), "safetxt");
  EXPECT_EQ(clean_line("\xE2\x82"), "\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(Escape, CutsFallBetweenCharacters) {
  EXPECT_EQ(clean_line("abcdef", 6), "abcdef");
  EXPECT_EQ(clean_line("abcdef", 5), "abcde...");
  EXPECT_EQ(clean_line("ab\xE2\x88\x9E", 4), "ab...");
}

TEST(Escape, MarkdownTextCannotMakeTagsTablesCodeOrLinks) {
  EXPECT_EQ(markdown_text("<b>|`x`|&"), "&lt;b&gt;\\|&#96;x&#96;\\|&amp;");
  EXPECT_EQ(markdown_text("[a](javascript:x) [0.1, 0.2]"), "[a\\](javascript:x) [0.1, 0.2]");
  EXPECT_EQ(markdown_text("# *a* _b_ c_d\ne"), "\\# \\*a\\* \\_b\\_ c_d e");
  EXPECT_EQ(markdown_text("1 - p"), "1 - p");
}

TEST(Escape, CodeStaysInItsQuotes) {
  EXPECT_EQ(markdown_code("op=dropout,p=0.1"), "`op=dropout,p=0.1`");
  EXPECT_EQ(markdown_code("a`|b"), "<code>a&#96;\\|b</code>");
  EXPECT_EQ(markdown_code(""), "");
  EXPECT_EQ(markdown_block("a ``` b\nc", "sh"), "````sh\na ``` b c\n````\n");
}

TEST(Escape, XmlHoldsOnlyItsCharacters) {
  EXPECT_EQ(xml_text("<a b=\"c\" d='e'>&"), "&lt;a b=&quot;c&quot; d=&apos;e&apos;&gt;&amp;");
  EXPECT_EQ(xml_text(std::string("a\0b\x08\x1b\xFF\xEF\xBF\xBE\xED\xA0\x80z", 14)), "abz");
  EXPECT_EQ(xml_text("a\nb\xF0\x9F\x98\x80\xEF\xBF\xBD"), "a&#10;b\xF0\x9F\x98\x80\xEF\xBF\xBD");
}

}  // namespace
}  // namespace dropcheck::reports
