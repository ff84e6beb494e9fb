#include "harness/core/descriptor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <string>

#include "harness/testing/generators.hpp"
#include "harness/testing/rc_gtest.hpp"

namespace dropcheck {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// The column that a message names; 0 when it names none.
std::size_t column_of(const std::string& message) {
  const std::string start = "column ";
  if (message.compare(0, start.size(), start) != 0) return 0;
  return std::stoul(message.substr(start.size()));
}

bool is_clean(const std::string& message) {
  return std::all_of(message.begin(), message.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

std::vector<std::string> split_at(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) parts.emplace_back();
    else parts.back() += c;
  }
  return parts;
}

/// Neither reader may crash on the text; each either gives valid problems or names a column of it.
void expect_survives(const std::string& text) {
  const auto one = parse_descriptor(text);
  if (one) {
    RC_ASSERT(validate(*one).has_value());
    const auto again = parse_descriptor(print_descriptor(*one));
    RC_ASSERT(again.has_value());
    RC_ASSERT(*again == *one);
  } else {
    const std::size_t column = column_of(one.error().message);
    RC_ASSERT(one.error().code == ErrorCode::invalid_argument);
    RC_ASSERT(column >= 1u);
    RC_ASSERT(column <= text.size() + 1);
    RC_ASSERT(is_clean(one.error().message));
  }
  const auto many = expand_descriptor(text);
  if (many) {
    RC_ASSERT(many->size() <= kMaxExpansion);
    for (const Problem& x : *many) RC_ASSERT(validate(x).has_value());
  } else {
    const std::size_t column = column_of(many.error().message);
    RC_ASSERT(column >= 1u);
    RC_ASSERT(column <= text.size() + 1);
    RC_ASSERT(is_clean(many.error().message));
  }
}

TEST(Descriptor, ReadsBackWhatItPrints) {
  DROPCHECK_PROPERTY([] {
    const Problem x = *testing::any_problem();
    const auto back = parse_descriptor(print_descriptor(x));
    RC_ASSERT(back.has_value());
    RC_ASSERT(*back == x);
    RC_ASSERT(std::bit_cast<std::uint64_t>(back->p) == std::bit_cast<std::uint64_t>(x.p));
  });
}

TEST(Descriptor, ReadsBackTheBitsOfEdgeProbabilities) {
  for (const double p : {0.0, -0.0, 1.0, std::numeric_limits<double>::denorm_min(), 0x1.fffffffffffffp-1,
                         0x0.fffffffffffffp-1022, 0x1p-1022, 0.1, 1.0 / 3.0, 0x1p-20}) {
    Problem x;
    x.p = p;
    x.shape = {4};
    const auto back = parse_descriptor(print_descriptor(x));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(std::bit_cast<std::uint64_t>(back->p), std::bit_cast<std::uint64_t>(p)) << print_descriptor(x);
  }
}

TEST(Descriptor, PrintsTheSameWhateverTheOrderOfKeys) {
  DROPCHECK_PROPERTY([] {
    const std::string canonical = print_descriptor(*testing::any_problem());
    auto fields = split_at(canonical, ',');
    for (std::size_t i = fields.size(); i > 1; --i)
      std::swap(fields[i - 1], fields[*rc::gen::inRange<std::size_t>(0, i)]);
    std::string shuffled;
    for (const std::string& field : fields) shuffled += (shuffled.empty() ? "" : ",") + field;
    const auto problem = parse_descriptor(shuffled);
    RC_ASSERT(problem.has_value());
    RC_ASSERT(print_descriptor(*problem) == canonical);
  });
}

TEST(Descriptor, PrintsEveryKeyThatIsNotAtItsDefault) {
  const auto problem = parse_descriptor(
      "threads=3,calls=7,offset=9,seed=24301,inplace=true,mode=eval,layout=channels_last,shape=16x64x32x32,"
      "dtype=bf16,p=0.20,op=dropout2d");
  ASSERT_TRUE(problem) << problem.error().message;
  EXPECT_EQ(print_descriptor(*problem),
            "op=dropout2d,p=0.2,dtype=bf16,shape=16x64x32x32,layout=channels_last,mode=eval,inplace=true,"
            "seed=0x5eed,offset=9,calls=7,threads=3");
}

TEST(Descriptor, LeavesDefaultsOut) {
  const auto problem = parse_descriptor(
      "op=dropout,p=1e-1,dtype=f32,shape=scalar,layout=contiguous,mode=train,inplace=false,offset=0,threads="
      "0");
  ASSERT_TRUE(problem) << problem.error().message;
  EXPECT_EQ(print_descriptor(*problem), "op=dropout,p=0.1,shape=scalar");
}

TEST(Descriptor, ReadsDecimalAndHexadecimalNumbers) {
  const auto problem = parse_descriptor("op=dropout,p=0.5,shape=4,seed=0XfF,offset=0x10,calls=0x2,threads=8");
  ASSERT_TRUE(problem) << problem.error().message;
  EXPECT_EQ(problem->seed, 255u);
  EXPECT_EQ(problem->offset, 16u);
  EXPECT_EQ(problem->calls, 2u);
  EXPECT_EQ(problem->threads, 8u);
  const auto largest = parse_descriptor("op=dropout,p=0.5,shape=4,seed=18446744073709551615");
  ASSERT_TRUE(largest);
  EXPECT_EQ(largest->seed, std::numeric_limits<std::uint64_t>::max());
}

struct Bad {
  std::string text;
  std::size_t column;
  std::string fragment;
};

void PrintTo(const Bad& bad, std::ostream* out) { *out << bad.text.substr(0, 60); }

class BadDescriptor : public ::testing::TestWithParam<Bad> {};

TEST_P(BadDescriptor, IsRefusedAtItsColumn) {
  const auto problem = parse_descriptor(GetParam().text);
  ASSERT_FALSE(problem) << print_descriptor(*problem);
  EXPECT_EQ(problem.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(column_of(problem.error().message), GetParam().column) << problem.error().message;
  EXPECT_THAT(problem.error().message, HasSubstr(GetParam().fragment));
  EXPECT_TRUE(is_clean(problem.error().message));
  EXPECT_FALSE(expand_descriptor(GetParam().text)) << "what no single case may be, no list may hold";
}

INSTANTIATE_TEST_SUITE_P(
    Words, BadDescriptor,
    ::testing::Values(
        Bad{"", 1, "the descriptor is empty"}, Bad{"op=dropout,p=0.5,shape=4,", 26, "has no '='"},
        Bad{"op", 1, "'op' has no '='"}, Bad{",op=dropout", 1, "'' has no '='"},
        Bad{"op=dropout,q=0.5,shape=4", 12, "key 'q' is not known: write one of op, p, dtype"},
        Bad{"op=dropout, p=0.5,shape=4", 12, "key ' p' is not known"},
        Bad{"op=dropout,\x01\x7f\xff=1", 12, "key '\\x01\\x7f\\xff' is not known"},
        Bad{"op=dropout,p=0.5,p=0.5,shape=4", 18, "key 'p' stands twice"},
        Bad{"p=0.5,shape=4", 1, "key 'op' is missing"}, Bad{"op=dropout,shape=4", 1, "key 'p' is missing"},
        Bad{"op=dropout,p=0.5", 1, "key 'shape' is missing"},
        Bad{"op=dropout4d,p=0.5,shape=4", 4, "op 'dropout4d' is not known: write one of dropout, dropout1d"},
        Bad{"op=,p=0.5,shape=4", 4, "op '' is not known"},
        Bad{"op=dropout,p=0.5,dtype=f8,shape=4", 24, "dtype 'f8' is not known: write one of f64"},
        Bad{"op=dropout,p=0.5,shape=4,layout=nhwc", 33,
            "layout 'nhwc' is not known: write one of contiguous"},
        Bad{"op=dropout,p=0.5,shape=4,mode=test", 31, "mode 'test' is not known: write train or eval"},
        Bad{"op=dropout,p=0.5,shape=4,inplace=1", 34, "inplace='1' cannot be read: write true or false"}));

INSTANTIATE_TEST_SUITE_P(
    Probabilities, BadDescriptor,
    ::testing::Values(
        Bad{"op=dropout,p=nan,shape=4", 14, "p='nan' is not a drop probability"},
        Bad{"op=dropout,p=inf,shape=4", 14, "p='inf'"}, Bad{"op=dropout,p=1.5,shape=4", 14, "p='1.5'"},
        Bad{"op=dropout,p=-0.1,shape=4", 14, "p='-0.1'"}, Bad{"op=dropout,p=,shape=4", 14, "p='' is not"},
        Bad{"op=dropout,p=0x1,shape=4", 14, "p='0x1'"}, Bad{"op=dropout,p=0.5 ,shape=4", 14, "p='0.5 '"},
        Bad{"op=dropout,p=0.5f,shape=4", 14, "p='0.5f'"}, Bad{"op=dropout,p==0.5,shape=4", 14, "p='=0.5'"},
        Bad{"op=dropout,p=1.0000000000000002,shape=4", 14, "write a number from 0 to 1"}));

INSTANTIATE_TEST_SUITE_P(
    Shapes, BadDescriptor,
    ::testing::Values(
        Bad{"op=dropout,p=0.5,shape=", 24, "shape extent '' cannot be read"},
        Bad{"op=dropout,p=0.5,shape=3xx4", 26, "shape extent '' cannot be read"},
        Bad{"op=dropout,p=0.5,shape=3x", 26, "shape extent ''"},
        Bad{"op=dropout,p=0.5,shape=-1", 24, "shape extent '-1'"},
        Bad{"op=dropout,p=0.5,shape=4x+1", 26, "shape extent '+1'"},
        Bad{"op=dropout,p=0.5,shape=9223372036854775808", 24, "cannot be read"},
        Bad{"op=dropout,p=0.5,shape=9223372036854775807x9223372036854775807", 24, "write a smaller shape"},
        Bad{"op=dropout,p=0.5,shape=1048576x1048576", 24, "more than 64 GiB"},
        Bad{"op=dropout,p=0.5,shape=1x1x1x1x1x1x1x1x1", 40, "more than 8 dimensions"},
        Bad{"op=dropout2d,p=0.5,shape=3x4", 26, "dropout2d takes a shape of 4 dimensions, not 2"}));

INSTANTIATE_TEST_SUITE_P(
    Numbers, BadDescriptor,
    ::testing::Values(Bad{"op=dropout,p=0.5,shape=4,seed=18446744073709551616", 31, "that fits 64 bits"},
                      Bad{"op=dropout,p=0.5,shape=4,seed=0x", 31, "seed='0x' cannot be read"},
                      Bad{"op=dropout,p=0.5,shape=4,seed=", 31, "seed='' cannot be read"},
                      Bad{"op=dropout,p=0.5,shape=4,seed=-1", 31, "seed='-1'"},
                      Bad{"op=dropout,p=0.5,shape=4,calls=4294967296", 32, "that fits 32 bits"},
                      Bad{"op=dropout,p=0.5,shape=4,offset=1.0", 33, "offset='1.0'"},
                      Bad{"op=dropout,p=0.5,shape=4,threads=two", 34, "threads='two'"}));

INSTANTIATE_TEST_SUITE_P(
    Together, BadDescriptor,
    ::testing::Values(Bad{"op=dropout,p=0.5,shape=2x3,layout=channels_last", 35,
                          "channels_last needs a shape of 4"},
                      Bad{"layout=transposed,op=dropout,p=0.5,shape=4", 8, "transposed needs a shape of 2"},
                      Bad{"op=dropout,p=0.5,shape=2x4,layout=expanded,inplace=true", 52, "share memory"},
                      Bad{"op=dropout,p=0.5,shape=4,calls=0", 32, "calls=0 is out of range"},
                      Bad{"op=dropout,p=0.5,shape=4,calls=1048577", 32, "write 1 to 1048576"},
                      Bad{"op=dropout,p=0.5,shape=4,threads=1025", 34, "threads=1025 is out of range"}));

TEST(Descriptor, PointsBehindTheLastCharacterThatItReads) {
  const std::string text = "op=dropout,p=0.5,shape=4,seed=" + std::string(kMaxDescriptorLength, '1');
  const auto problem = parse_descriptor(text);
  ASSERT_FALSE(problem);
  EXPECT_EQ(column_of(problem.error().message), kMaxDescriptorLength + 1);
  EXPECT_THAT(problem.error().message, HasSubstr("longer than 4096 characters"));
  EXPECT_LT(problem.error().message.size(), 200u);
}

TEST(Descriptor, QuotesNoMoreThanAFewCharactersOfALongValue) {
  const auto problem = parse_descriptor("op=" + std::string(4000, 'x') + ",p=0.5,shape=4");
  ASSERT_FALSE(problem);
  EXPECT_THAT(problem.error().message, HasSubstr("x...'"));
  EXPECT_LT(problem.error().message.size(), 300u);
}

TEST(Descriptor, TakesNoListWhereOneProblemMustStand) {
  const auto problem = parse_descriptor("op=dropout,p=[0.1,0.5],shape=4");
  ASSERT_FALSE(problem);
  EXPECT_EQ(column_of(problem.error().message), 14u);
  EXPECT_THAT(problem.error().message, HasSubstr("a list cannot stand here: write one value"));
}

TEST(Descriptor, SurvivesRandomBytes) {
  DROPCHECK_PROPERTY([] { expect_survives(*rc::gen::arbitrary<std::string>()); });
}

TEST(Descriptor, SurvivesRandomTextOfItsOwnAlphabet) {
  DROPCHECK_PROPERTY([] {
    const auto words = *rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
        "op", "p", "shape", "seed", "calls", "=", "=", ",", ",", "[", "]", ":", "x", "0", "7", "0.5",
        "dropout", "dropout2d", "f16", "nan", "-", "0x", "[0:3]", "op=dropout,", "p=0.5,", "shape=4"));
    std::string text;
    for (const std::string& word : words) text += word;
    expect_survives(text);
  });
}

TEST(Descriptor, SurvivesDamageToValidText) {
  DROPCHECK_PROPERTY([] {
    std::string text = print_descriptor(*testing::any_problem());
    const int damages = *rc::gen::inRange(1, 4);
    for (int i = 0; i < damages && !text.empty(); ++i) {
      const std::size_t at = *rc::gen::inRange<std::size_t>(0, text.size());
      switch (*rc::gen::inRange(0, 4)) {
        case 0: text[at] = *rc::gen::arbitrary<char>(); break;
        case 1: text.erase(at, 1); break;
        case 2: text.insert(at, 1, *rc::gen::elementOf(std::string("[]:,=x-0159.e"))); break;
        default: text.insert(at, text.substr(at / 2, 9)); break;
      }
    }
    expect_survives(text);
  });
}

TEST(Descriptor, SurvivesTruncationAnywhere) {
  DROPCHECK_PROPERTY([] {
    const std::string text = print_descriptor(*testing::any_problem());
    expect_survives(text.substr(0, *rc::gen::inRange<std::size_t>(0, text.size())));
  });
}

std::vector<std::string> expanded(const std::string& text) {
  const auto problems = expand_descriptor(text);
  if (!problems) return {problems.error().message};
  std::vector<std::string> texts;
  for (const Problem& x : *problems) texts.push_back(print_descriptor(x));
  return texts;
}

TEST(Expansion, OfOneProblemIsThatProblem) {
  EXPECT_THAT(expanded("shape=4,op=dropout,p=0.5"), ElementsAre("op=dropout,p=0.5,shape=4"));
}

TEST(Expansion, VariesTheLastListFastest) {
  EXPECT_THAT(expanded("op=[dropout,alpha_dropout],p=[0.1,0.5],shape=[4,scalar]"),
              ElementsAre("op=dropout,p=0.1,shape=4", "op=dropout,p=0.1,shape=scalar",
                          "op=dropout,p=0.5,shape=4", "op=dropout,p=0.5,shape=scalar",
                          "op=alpha_dropout,p=0.1,shape=4", "op=alpha_dropout,p=0.1,shape=scalar",
                          "op=alpha_dropout,p=0.5,shape=4", "op=alpha_dropout,p=0.5,shape=scalar"));
}

TEST(Expansion, FollowsTheOrderOfTheText) {
  EXPECT_THAT(expanded("p=[0.1,0.5],shape=[1,2],op=dropout"),
              ElementsAre("op=dropout,p=0.1,shape=1", "op=dropout,p=0.1,shape=2", "op=dropout,p=0.5,shape=1",
                          "op=dropout,p=0.5,shape=2"));
}

TEST(Expansion, CountsThroughRangesAndIncludesBothEnds) {
  EXPECT_THAT(
      expanded("op=dropout,p=0.5,shape=[3:5]"),
      ElementsAre("op=dropout,p=0.5,shape=3", "op=dropout,p=0.5,shape=4", "op=dropout,p=0.5,shape=5"));
  EXPECT_THAT(expanded("op=dropout,p=0.5,shape=4,seed=[0:6:3]"),
              ElementsAre("op=dropout,p=0.5,shape=4,seed=0x0", "op=dropout,p=0.5,shape=4,seed=0x3",
                          "op=dropout,p=0.5,shape=4,seed=0x6"));
  EXPECT_THAT(expanded("op=dropout,p=0.5,shape=4,threads=[1:6:4,8]"),
              ElementsAre("op=dropout,p=0.5,shape=4,threads=1", "op=dropout,p=0.5,shape=4,threads=5",
                          "op=dropout,p=0.5,shape=4,threads=8"));
  EXPECT_THAT(expanded("op=dropout,p=0.5,shape=4,seed=[18446744073709551614:18446744073709551615]"),
              ElementsAre("op=dropout,p=0.5,shape=4,seed=0xfffffffffffffffe",
                          "op=dropout,p=0.5,shape=4,seed=0xffffffffffffffff"));
}

TEST(Expansion, RefusesMalformedListsAndRangesAtTheirColumn) {
  const Bad bad[] = {{"op=dropout,p=[0.1,0.5,shape=4", 14, "no closing ']'"},
                     {"op=dropout,p=[],shape=4", 15, "p='' is not a drop probability"},
                     {"op=dropout,p=[0.1,],shape=4", 19, "p='' is not"},
                     {"op=dropout,p=[[0.1]],shape=4", 15, "p='[0.1]' is not"},
                     {"op=dropout,p=[0.1,2],shape=4", 19, "p='2' is not"},
                     {"op=dropout,p=0.5,shape=[1:]", 25, "range '1:' cannot be read"},
                     {"op=dropout,p=0.5,shape=[:1]", 25, "range ':1' cannot be read"},
                     {"op=dropout,p=0.5,shape=[a:b]", 25, "cannot be read"},
                     {"op=dropout,p=0.5,shape=[5:3]", 25, "is empty or too long"},
                     {"op=dropout,p=0.5,shape=[1:5:0]", 25, "is empty or too long"},
                     {"op=dropout,p=0.5,shape=[1:5:1:1]", 25, "is empty or too long"},
                     {"op=dropout,p=0.5,shape=[7,0:18446744073709551616]", 27, "cannot be read"}};
  for (const Bad& b : bad) {
    const auto problems = expand_descriptor(b.text);
    ASSERT_FALSE(problems) << b.text;
    EXPECT_EQ(column_of(problems.error().message), b.column) << b.text << ": " << problems.error().message;
    EXPECT_THAT(problems.error().message, HasSubstr(b.fragment));
  }
}

TEST(Expansion, RefusesAHostileRangeBeforeItIsLaidOut) {
  for (const char* range : {"[0:18446744073709551615]", "[0:18446744073709551615:2]", "[1:100001]"}) {
    const auto problems = expand_descriptor("op=dropout,p=0.5,shape=4,seed=" + std::string(range));
    ASSERT_FALSE(problems) << range;
    EXPECT_THAT(problems.error().message, HasSubstr("is empty or too long"));
  }
}

TEST(Expansion, RefusesACrossProductThatIsTooLong) {
  const auto problems = expand_descriptor("op=dropout,p=0.5,shape=[1:400],seed=[1:400]");
  ASSERT_FALSE(problems);
  EXPECT_THAT(problems.error().message, HasSubstr("more than 100000 cases"));
  EXPECT_EQ(column_of(problems.error().message), 37u);
}

TEST(Expansion, TakesAsManyCasesAsItAllows) {
  const auto problems = expand_descriptor("op=dropout,p=0.5,shape=4,seed=[1:100000]");
  ASSERT_TRUE(problems) << problems.error().message;
  EXPECT_EQ(problems->size(), kMaxExpansion);
  EXPECT_EQ(problems->back().seed, 100000u);
}

TEST(Expansion, BoundsAListOfManyLongRanges) {
  std::string list;
  while (list.size() < 4000) list += (list.empty() ? "" : ",") + std::string("0:99999");
  const auto problems = expand_descriptor("op=dropout,p=0.5,shape=4,seed=[" + list + "]");
  ASSERT_FALSE(problems);
  EXPECT_THAT(problems.error().message, HasSubstr("more than 100000 cases"));
}

}  // namespace
}  // namespace dropcheck
