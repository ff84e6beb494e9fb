#include "impl/process/text.hpp"

#include <gtest/gtest.h>

namespace dropcheck::process {
namespace {

TEST(IsText, TakesUtf8AndWhatTerminalsUse) {
  EXPECT_TRUE(is_text(""));
  EXPECT_TRUE(is_text("zwölf \t\r\n \x1b[32m€ 𝄞 \x07"));
}

TEST(IsText, RefusesBinaryBytes) {
  for (const std::string_view bytes :
       {std::string_view("\0", 1), std::string_view("a\x01"), std::string_view("\x7f"),
        std::string_view("\xff"), std::string_view("\x80"), std::string_view("\xc0\xaf"),
        std::string_view("\xc3"), std::string_view("\xed\xa0\x80"), std::string_view("\xe0\x80\x80"),
        std::string_view("\xf4\x90\x80\x80"), std::string_view("\xf5\x80\x80\x80"),
        std::string_view("\0\0\x80\x3f", 4)})
    EXPECT_FALSE(is_text(bytes)) << printable(bytes);
}

TEST(IsText, MayEndInsideACharacterOnlyWhereToldSo) {
  EXPECT_TRUE(is_text("\xe2\x82", true));
  EXPECT_FALSE(is_text("\xe2\x82"));
  EXPECT_FALSE(is_text("\xe2x", true));
  EXPECT_FALSE(is_text("\x82", true));
}

TEST(Printable, ReplacesOnlyWhatCannotBeShown) {
  EXPECT_EQ(printable("zwölf\n\x1b[1m\xff\xe2\x82"), "zwölf\n [1m???");
  EXPECT_EQ(printable(std::string_view("\0", 1)), " ");
}

TEST(Shown, NamesWhatWasLeftOutAndCutsNoCharacter) {
  EXPECT_EQ(shown_head("  short \n", 100), "short");
  EXPECT_EQ(shown_head("aöb", 2), "a...");
  EXPECT_EQ(shown_head("aöb", 3), "aö...");
  EXPECT_EQ(shown_tail("aöb", 2), "...b");
  EXPECT_EQ(shown_tail("aöb", 3), "...öb");
  EXPECT_EQ(shown_tail("\n", 3), "");
  EXPECT_EQ(shown_tail("\x80\x80\x80", 2), "...");
}

TEST(Tail, KeepsTheLastBytesOfAnEndlessStream) {
  Tail tail(10);
  EXPECT_EQ(tail.last(), "");
  std::string all;
  for (int i = 0; i < 1000; ++i) {
    const std::string bytes(static_cast<std::size_t>(i % 14), static_cast<char>('a' + i % 26));
    tail.add(bytes);
    all += bytes;
    ASSERT_EQ(tail.last(), std::string_view(all).substr(all.size() < 10 ? 0 : all.size() - 10)) << i;
  }
  EXPECT_EQ(tail.total(), all.size());
}

}  // namespace
}  // namespace dropcheck::process
