#include "harness/run/expectations.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

namespace dropcheck {
namespace {

using ::testing::HasSubstr;

ResultRecord result_of(Verdict verdict) {
  ResultRecord r;
  r.backend = "plugin:./libtorch.so";
  r.check = "mask_rate.drop_rate";
  r.problem = "op=dropout,p=0.1,shape=64x128";
  r.verdict = verdict;
  r.message = "as judged";
  return r;
}

Expectations listed(const std::string& text) {
  auto parsed = Expectations::parse(text, "known.txt");
  EXPECT_TRUE(parsed) << parsed.error().message;
  return *std::move(parsed);
}

ResultRecord applied(const std::string& text, ResultRecord result) {
  listed(text).apply(result);
  return result;
}

TEST(Expectations, TurnAListedFailureIntoAnExpectedOne) {
  const ResultRecord r =
      applied("plugin:* mask_rate.drop_rate op=dropout,* : too few bits, see example.org/1\n",
              result_of(Verdict::fail));
  EXPECT_EQ(r.verdict, Verdict::expected_fail);
  EXPECT_EQ(r.reason, "too few bits, see example.org/1");
  EXPECT_EQ(r.message, "as judged");
}

TEST(Expectations, FailAListedPassAndNameTheLineToDelete) {
  const ResultRecord r = applied("# known\n\n* mask_rate.* * : fixed long ago\n", result_of(Verdict::pass));
  EXPECT_EQ(r.verdict, Verdict::fail);
  EXPECT_THAT(r.message, HasSubstr("delete line 3 of known.txt"));
  EXPECT_THAT(r.message, HasSubstr("fixed long ago"));
}

TEST(Expectations, LeaveOtherVerdictsAlone) {
  for (const Verdict v :
       {Verdict::error, Verdict::inconclusive, Verdict::unsupported, Verdict::expected_fail}) {
    const ResultRecord r = applied("* * * : anything\n", result_of(v));
    EXPECT_EQ(r.verdict, v);
    EXPECT_EQ(r.message, "as judged");
    EXPECT_EQ(r.reason, "");
  }
}

TEST(Expectations, LeaveResultsAloneThatNoLineMatches) {
  for (const char* line : {"reference * *", "* mask_rate.lanes *", "* * op=dropout,p=0.2*", "plugin * *",
                           "* mask_rate *", "* * op=dropout"}) {
    const ResultRecord r = applied(std::string(line) + " : reason\n", result_of(Verdict::fail));
    EXPECT_EQ(r.verdict, Verdict::fail) << line;
  }
}

TEST(Expectations, MatchByGlobs) {
  for (const char* line :
       {"* * *", "plugin:?/lib*.so * *", "* mask_rate.[dl]* *", "* *.drop_rate *,shape=64x128",
        "plugin:./libtorch.so mask_rate.drop_rate op=dropout,p=0.1,shape=64x128"}) {
    const ResultRecord r = applied(std::string(line) + " : reason\n", result_of(Verdict::fail));
    EXPECT_EQ(r.verdict, Verdict::expected_fail) << line;
  }
}

TEST(Expectations, TakeAllThatStandsBeforeTheColonAsTheCase) {
  ResultRecord random = result_of(Verdict::fail);
  random.problem = "random problems";
  EXPECT_EQ(applied("* * random problems : reason\n", random).verdict, Verdict::expected_fail);
  EXPECT_EQ(applied("\t*\t*   random problems \t : reason\n", random).verdict, Verdict::expected_fail);
  EXPECT_EQ(applied("* * random : reason\n", random).verdict, Verdict::fail);
}

TEST(Expectations, NoteLinesThatNoResultIsMeantBy) {
  Expectations expectations =
      listed("# known\n* mask_rate.drop_rate * : one\n* other.check * : two\n* *.lanes * : three\n");
  EXPECT_EQ(expectations.unmatched().size(), 3u);
  ResultRecord inconclusive = result_of(Verdict::inconclusive);
  expectations.apply(inconclusive);
  const auto notes = expectations.unmatched();
  ASSERT_EQ(notes.size(), 2u);
  EXPECT_THAT(notes[0], HasSubstr("known.txt:3:"));
  EXPECT_THAT(notes[1], HasSubstr("known.txt:4:"));
}

TEST(Expectations, TakeTheFirstLineThatMatches) {
  EXPECT_EQ(applied("* * * : first\n* * * : second\n", result_of(Verdict::fail)).reason, "first");
}

TEST(Expectations, OfAnEmptyListChangeNothing) {
  for (const char* text : {"", "\n\n", "# only\n  # comments\n\t\n"})
    EXPECT_EQ(applied(text, result_of(Verdict::fail)).verdict, Verdict::fail);
}

TEST(Expectations, RefuseMalformedLinesByNumber) {
  const std::pair<const char*, const char*> bad[] = {
      {"* *", "known.txt:1:"},       {"* * * reason", "known.txt:1:"},
      {"* * * : ", "known.txt:1:"},  {"* * : reason", "known.txt:1:"},
      {" : reason", "known.txt:1:"}, {"# comment\n* * * : good\n\n* * *: reason\n", "known.txt:4:"}};
  for (const auto& [text, place] : bad) {
    const auto parsed = Expectations::parse(text, "known.txt");
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(parsed.error().message, HasSubstr(place));
    EXPECT_THAT(parsed.error().message, HasSubstr("write BACKEND CHECK CASE : reason and link"));
  }
}

TEST(Expectations, ComeFromAFile) {
  const std::string path = ::testing::TempDir() + "dropcheck_expectations_test.txt";
  std::ofstream(path) << "* * * : from a file\n";
  auto read = Expectations::read(path);
  ASSERT_TRUE(read) << read.error().message;
  ResultRecord r = result_of(Verdict::fail);
  read->apply(r);
  EXPECT_EQ(r.reason, "from a file");
  const auto missing = Expectations::read(path + ".missing");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(missing.error().message, HasSubstr(".missing': name a readable file"));
}

}  // namespace
}  // namespace dropcheck
