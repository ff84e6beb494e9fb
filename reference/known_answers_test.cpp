#include "reference/known_answers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace dropcheck::reference {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

const std::vector<CaseKind> kKinds = {{"words", {"seed", "out"}}, {"rate", {"p"}}};

template <typename T>
T got(Expected<T> found) {
  if (!found) throw std::runtime_error(found.error().message);
  return *std::move(found);
}

Expected<std::vector<KnownAnswer>> parse(const std::string& text) {
  return parse_known_answers(text, "a.kat", kKinds);
}

std::string fault_of(const std::string& text) {
  const auto found = parse(text);
  if (found) return "no error";
  EXPECT_EQ(found.error().code, ErrorCode::invalid_argument);
  return found.error().message;
}

TEST(KnownAnswers, ReadsCasesInOrder) {
  const auto cases = got(parse(
      "# source\n\nwords out=0000000a,ffffffff seed=0x10\n \t\r\n  rate\tp=1e-3 # evidence\r\nrate p=0.5"));
  ASSERT_EQ(cases.size(), 3u);
  EXPECT_EQ(cases[0].kind(), "words");
  EXPECT_EQ(cases[0].place(), "a.kat:3");
  EXPECT_EQ(got(cases[0].integer("seed")), 16u);
  EXPECT_THAT(got(cases[0].words("out")), ElementsAre(10u, 0xffffffffu));
  EXPECT_EQ(cases[1].kind(), "rate");
  EXPECT_EQ(cases[1].place(), "a.kat:5");
  EXPECT_EQ(got(cases[1].real("p")), 1e-3);
  EXPECT_EQ(cases[2].place(), "a.kat:6");
  EXPECT_EQ(got(cases[2].real("p")), 0.5);
}

TEST(KnownAnswers, RefusesBadLinesByFileAndLine) {
  EXPECT_THAT(fault_of("rate p=1\nwrods seed=1 out=00000000\n"),
              AllOf(StartsWith("a.kat:2: "), HasSubstr("'wrods'")));
  EXPECT_THAT(fault_of("\n\nrate p=1 q=2"), AllOf(StartsWith("a.kat:3: "), HasSubstr("'q'")));
  EXPECT_THAT(fault_of("rate"), AllOf(StartsWith("a.kat:1: "), HasSubstr("needs the key 'p'")));
  EXPECT_THAT(fault_of("rate p=1 p=1"), AllOf(StartsWith("a.kat:1: "), HasSubstr("twice")));
  for (const char* field : {"p", "=1", "p=", "="})
    EXPECT_THAT(fault_of(std::string("rate p=1\nrate ") + field),
                AllOf(StartsWith("a.kat:2: "), HasSubstr("write key=value")))
        << field;
  EXPECT_THAT(fault_of("rate # p=1"), HasSubstr("needs the key 'p'"));
}

TEST(KnownAnswers, RefusesTextWithoutCases) {
  for (const char* text : {"", "\n\n", "# only a comment\n"})
    EXPECT_THAT(fault_of(text), AllOf(StartsWith("a.kat: "), HasSubstr("no case")));
}

TEST(KnownAnswers, RefusesFileThatIsNotThere) {
  const std::string path = std::string(DROPCHECK_REFERENCE_VECTORS) + "/none.kat";
  const auto found = read_known_answers(path, kKinds);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::io);
  EXPECT_THAT(found.error().message, HasSubstr(path));
}

KnownAnswer with(std::string value) { return KnownAnswer("b.kat:7", "kind", {{"key", std::move(value)}}); }

template <typename T>
std::string fault_of(const Expected<T>& found) {
  return found ? "no error" : found.error().message;
}

TEST(KnownAnswer, FetchesIntegers) {
  EXPECT_EQ(got(with("0").integer("key")), 0u);
  EXPECT_EQ(got(with("18446744073709551615").integer("key")), ~std::uint64_t{0});
  EXPECT_EQ(got(with("0xFedc000000000001").integer("key")), 0xfedc000000000001u);
  for (const char* bad : {"18446744073709551616", "-1", "+1", "1.0", "0x", "0x10000000000000000", "a", "1,2"})
    EXPECT_THAT(fault_of(with(bad).integer("key")), AllOf(StartsWith("b.kat:7: 'key' is "), HasSubstr(bad)));
}

TEST(KnownAnswer, FetchesReals) {
  EXPECT_EQ(got(with("-2.5e-1").real("key")), -0.25);
  EXPECT_THAT(got(with("0.1,2,1e-320").reals("key")), ElementsAre(0.1, 2.0, 1e-320));
  for (const char* bad : {"nan", "inf", "1e999", "x", "0.5x", "1,2"})
    EXPECT_THAT(fault_of(with(bad).real("key")), StartsWith("b.kat:7: 'key' is "));
  for (const char* bad : {",", "1,", ",1", "1,,2", "1,nan"})
    EXPECT_THAT(fault_of(with(bad).reals("key")), StartsWith("b.kat:7: 'key' is "));
}

TEST(KnownAnswer, FetchesWords) {
  EXPECT_THAT(got(with("6627e8d5").words("key")), ElementsAre(0x6627e8d5u));
  for (const char* bad : {"6627e8d", "06627e8d5", "0x66e8d5", "6627e8dg", "-627e8d5", "6627e8d5,"})
    EXPECT_THAT(fault_of(with(bad).words("key")), StartsWith("b.kat:7: 'key' is ")) << bad;
}

TEST(KnownAnswer, FetchesBits) {
  EXPECT_EQ(got(with("0110").bits("key")), "0110");
  EXPECT_THAT(fault_of(with("0120").bits("key")), StartsWith("b.kat:7: 'key' is 0120"));
}

TEST(KnownAnswer, RefusesKeysThatItLacks) {
  const KnownAnswer answer = with("0");
  for (const std::string& fault :
       {fault_of(answer.integer("kez")), fault_of(answer.real("kez")), fault_of(answer.reals("kez")),
        fault_of(answer.words("kez")), fault_of(answer.bits("kez"))})
    EXPECT_THAT(fault, AllOf(StartsWith("b.kat:7: "), HasSubstr("'kez'")));
}

}  // namespace
}  // namespace dropcheck::reference
