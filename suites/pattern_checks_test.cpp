// channel_correlation: serial patterns, triples, words, seams, periods. Masks written bit by bit, with one
// defect each.
#include <gmock/gmock.h>

#include <cmath>

#include "harness/stats/binomial.hpp"
#include "suites/checks.hpp"
#include "suites/testing/streams.hpp"

namespace dropcheck::suites {
namespace {

using testing::fill_ideal;
using testing::FillMask;
using ::testing::HasSubstr;
using testing::ideal;
using testing::judge_stream;
using testing::Stream;

const Registry& checks() {
  static const Registry registry = [] {
    Registry made;
    add_serial(made);
    add_triples(made);
    add_word_weights(made);
    add_boundaries(made);
    add_spectrum(made);
    return made;
  }();
  return registry;
}
const Check& check(const char* id) { return *checks().check(id); }

constexpr const char* kSerial = "channel_correlation.serial";
constexpr const char* kTriples = "channel_correlation.triples";
constexpr const char* kWords = "channel_correlation.word_weights";
constexpr const char* kSpectrum = "channel_correlation.spectrum";
constexpr const char* kBoundaries = "channel_correlation.boundaries";

const Stream kFair{"op=dropout,p=0.5,shape=262144", 4, 1, 1, "mask"};
const Stream kThird{"op=dropout,p=0.3,shape=65536", 4, 4, 1, "mask"};

void put(MaskBits& mask, std::uint64_t i, bool value) {
  const std::uint64_t bit = std::uint64_t{1} << (i % 64);
  std::uint64_t& word = mask.words()[i / 64];
  word = value ? word | bit : word & ~bit;
}

TEST(PatternChecks, PassIdealMasksAndSayWhatTheyWouldCatch) {
  for (const auto& c : checks().checks()) {
    for (const Stream& stream : {kFair, kThird}) {
      const double p = testing::sample_of(stream).problem.p;
      const Judgement j = judge_stream(*c, stream, ideal(p));
      EXPECT_EQ(j.verdict, Verdict::pass) << c->info().id << ": " << j.message;
      EXPECT_GT(j.comparisons, 0u);
      EXPECT_EQ(j.statistics.size(), c->hypotheses(testing::sample_of(stream)));
      for (const Statistic& s : j.statistics) {
        EXPECT_FALSE(s.counts.empty()) << s.name;
        EXPECT_TRUE(s.minimum_detectable_effect.has_value()) << s.name;
      }
    }
  }
}

struct Calibrated {
  const char* id;
  Stream stream;
};

class PatternCalibration : public ::testing::TestWithParam<Calibrated> {};

TEST_P(PatternCalibration, RejectsNoMoreOftenThanItsLevel) {
  constexpr std::uint64_t kRuns = 200;
  const auto alarms = testing::false_alarms(check(GetParam().id), GetParam().stream, 0.01, kRuns);
  EXPECT_EQ(alarms.hypotheses, check(GetParam().id).hypotheses(testing::sample_of(GetParam().stream)));
  EXPECT_GT(stats::binomial_upper_tail(kRuns, alarms.rejections, 0.01), 1e-6)
      << alarms.hypothesis << ": " << alarms.rejections;
}

INSTANTIATE_TEST_SUITE_P(
    Checks, PatternCalibration,
    ::testing::Values(Calibrated{kSerial, {"op=dropout,p=0.5,shape=20000", 2, 2, 5, "mask"}},
                      Calibrated{kSerial, {"op=dropout,p=0.4,shape=40000", 1, 1, 6, "mask"}},
                      Calibrated{kTriples, {"op=dropout,p=0.5,shape=8192", 1, 1, 7, "mask"}},
                      Calibrated{kWords, {"op=dropout,p=0.5,shape=262144", 4, 1, 9, "mask"}},
                      Calibrated{kSpectrum, {"op=dropout,p=0.5,shape=1048576", 1, 1, 10, "mask"}},
                      Calibrated{kBoundaries, {"op=dropout,p=0.5,shape=1500", 40, 10, 8, "mask"}}));

/// From the fourth entry on: the exclusive or of the ones 1, 2 and 3 before it, or not, as the mask has it.
void four_point(MaskBits& mask, std::mt19937_64& engine) {
  for (std::uint64_t i = 3; i < mask.size(); ++i)
    if (engine() % 16 == 0) put(mask, i, mask[i - 1] != (mask[i - 2] != mask[i - 3]));
}

TEST(Serial, AloneSeesThreeEntriesThatDecideAFourth) {
  const FillMask fill = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    fill_ideal(mask, engine, 0.5);
    four_point(mask, engine);
  };
  const Judgement j = judge_stream(check(kSerial), kFair, fill);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("the pattern "));
  EXPECT_THAT(j.message, HasSubstr("are expected"));
  EXPECT_EQ(judge_stream(check(kTriples), kFair, fill).verdict, Verdict::pass);
  // Patterns of two and three entries are as they should be.
  for (const Statistic& s : j.statistics)
    if (s.name == "patterns of 2 entries" || s.name == "patterns of 3 entries") {
      EXPECT_FALSE(s.rejects()) << s.name;
    }
}

TEST(Serial, TestsTheLengthsWhoseRarestPatternIsExpectedOftenEnough) {
  const auto lengths = [](const char* descriptor, std::uint64_t blocks) {
    return check(kSerial).hypotheses(testing::sample_of({descriptor, blocks, 1, 1, "mask"}));
  };
  EXPECT_EQ(lengths("op=dropout,p=0.5,shape=1048576", 1), 7u);   // 2^20 / 2^8 = 4096
  EXPECT_EQ(lengths("op=dropout,p=0.1,shape=1048576", 1), 1u);   // 2^20 / 10^2 = 10486
  EXPECT_EQ(lengths("op=dropout,p=0.1,shape=1048576", 32), 2u);  // 2^25 / 10^3 = 33554
  EXPECT_EQ(lengths("op=dropout,p=0.9,shape=1048576", 32), 2u);
  const auto too_rare =
      check(kSerial).applies(testing::sample_of({"op=dropout,p=0.01,shape=1048576", 1, 1, 1, "mask"}));
  EXPECT_FALSE(too_rare.applies);
  EXPECT_THAT(too_rare.left_out, HasSubstr("fewer than 4000"));
}

TEST(Triples, AloneSeeTheTapsOfAShiftRegisterInHalfOfTheEntries) {
  const FillMask fill = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    fill_ideal(mask, engine, 0.5);
    for (std::uint64_t i = 31; i < mask.size(); ++i)
      if (engine() % 2 == 0) put(mask, i, mask[i - 13] != mask[i - 31]);
  };
  const Judgement j = judge_stream(check(kTriples), kFair, fill);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("entries t, t + 18 and t + 31"));
  EXPECT_EQ(judge_stream(check(kSerial), kFair, fill).verdict, Verdict::pass);
  ASSERT_TRUE(j.statistics.at(0).cell.has_value());

  const Judgement focused =
      judge_stream(check(kTriples), kFair, fill, 1e-9, Focus{j.statistics[0].name, j.statistics[0].cell});
  EXPECT_EQ(focused.verdict, Verdict::fail);
  EXPECT_EQ(focused.statistics.at(0).cell, j.statistics[0].cell);
  EXPECT_LT(focused.statistics[0].log10_p, j.statistics[0].log10_p);  // without the factor 496
  // Another cell, chosen beforehand, is as it should be.
  EXPECT_EQ(judge_stream(check(kTriples), kFair, fill, 1e-9, Focus{"worst triple", 3}).verdict,
            Verdict::pass);
}

TEST(Triples, NameTheRecurrenceThatDecidesEveryEntry) {
  const FillMask fill = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    fill_ideal(mask, engine, 0.5);
    for (std::uint64_t i = 31; i < mask.size(); ++i) put(mask, i, mask[i - 3] != mask[i - 31]);
  };
  EXPECT_THAT(judge_stream(check(kTriples), kFair, fill).message, HasSubstr("lagged Fibonacci"));
}

TEST(Triples, WorkAtOtherDropProbabilities) {
  // The third entry is dropped more often where exactly one of two others is: pairs stay independent.
  const FillMask fill = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    fill_ideal(mask, engine, 0.3);
    for (std::uint64_t i = 9; i < mask.size(); ++i) {
      const double a = (mask[i - 4] ? 1 : 0) - 0.3, b = (mask[i - 9] ? 1 : 0) - 0.3;
      put(mask, i, static_cast<double>(engine() >> 11) * 0x1p-53 < 0.3 + 0.15 * a * b / 0.21);
    }
  };
  const Judgement j = judge_stream(check(kTriples), kThird, fill);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("entries t, t + 5 and t + 9"));
  // 0.15 a b / v of a dropped entry: correlation 0.15 / sqrt(v).
  EXPECT_NEAR(j.statistics.at(0).effect->value, 0.15 / std::sqrt(0.21), 0.02);
}

TEST(Boundaries, AloneSeeACopyAcrossEverySeamOf256) {
  const FillMask fill = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    fill_ideal(mask, engine, 0.3);
    for (std::uint64_t i = 256; i < mask.size(); i += 256)
      if (engine() % 2 == 0) put(mask, i, mask[i - 1]);
  };
  const Judgement j = judge_stream(check(kBoundaries), kThird, fill);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("entries 1 apart across seams every 256"));
  EXPECT_EQ(judge_stream(check(kSerial), kThird, fill).verdict, Verdict::pass);
  for (const Statistic& s : j.statistics) {
    if (s.name == "entries 1 apart across seams every 256") {
      EXPECT_NEAR(s.effect->value, 0.5, 0.1);
    }
    if (s.name.find("4 apart") != std::string::npos) {
      EXPECT_FALSE(s.rejects()) << s.name;
    }
  }
}

TEST(Boundaries, SeeALeftOverVectorThatIsNotDropped) {
  const Stream stream{"op=dropout,p=0.3,shape=1027", 40, 8, 1, "mask"};
  const FillMask fill = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    fill_ideal(mask, engine, 0.3);
    for (std::uint64_t i = 1024; i < 1027; ++i) put(mask, i, false);
  };
  EXPECT_EQ(judge_stream(check(kBoundaries), stream, ideal(0.3)).verdict, Verdict::pass);
  const Judgement j = judge_stream(check(kBoundaries), stream, fill);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("incomplete last vectors of 4 are dropped at 0 "));
}

TEST(Boundaries, AloneSeeOneDrawForALeftOverVector) {
  const Stream stream{"op=dropout,p=0.3,shape=1027", 40, 16, 1, "position"};
  const FillMask fill = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    fill_ideal(mask, engine, 0.3);
    for (std::uint64_t i = 1025; i < 1027; ++i) put(mask, i, mask[1024]);
  };
  EXPECT_EQ(judge_stream(check(kBoundaries), stream, ideal(0.3)).verdict, Verdict::pass);
  const Judgement j = judge_stream(check(kBoundaries), stream, fill);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("last two entries of calls are not independent: correlation 1;"));
  EXPECT_THAT(j.message, HasSubstr("where a call ends"));
  for (const Statistic& s : j.statistics)
    EXPECT_EQ(s.rejects(), s.name == "last two entries of calls") << s.name;
}

TEST(Boundaries, SeeAFirstEntryThatIsAlwaysKept) {
  const Stream stream{"op=dropout,p=0.5,shape=512", 64, 8, 1, "mask"};
  const FillMask fill = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    fill_ideal(mask, engine, 0.5);
    put(mask, 0, false);
  };
  EXPECT_THAT(judge_stream(check(kBoundaries), stream, fill).message, HasSubstr("first entries of calls"));
}

double uniform(std::mt19937_64& engine) { return static_cast<double>(engine() >> 11) * 0x1p-53; }

TEST(WordWeights, AloneSeeARateThatWandersSlowly) {
  // Stretches of 256 entries are dropped at 0.325 or at 0.275: correlation 0.003 of neighbouring entries.
  const FillMask fill = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    double rate = 0;
    for (std::uint64_t i = 0; i < mask.size(); ++i) {
      if (i % 256 == 0) rate = engine() % 2 == 0 ? 0.325 : 0.275;
      if (uniform(engine) < rate) mask.set(i);
    }
  };
  const Judgement j = judge_stream(check(kWords), kThird, fill);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("varies from stretch to stretch"));
  EXPECT_EQ(judge_stream(check(kSerial), kThird, fill).verdict, Verdict::pass);
  EXPECT_EQ(judge_stream(check(kTriples), kThird, fill).verdict, Verdict::pass);
  // Words further apart than a stretch do not know of each other.
  for (const Statistic& s : j.statistics)
    if (s.counts[0].second[0] > 4) {
      EXPECT_FALSE(s.rejects()) << s.name;
    }
}

TEST(WordWeights, SeeWordsThatMakeUpForEachOther) {
  const FillMask fill = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    fill_ideal(mask, engine, 0.5);
    for (std::uint64_t w = 1; w < mask.words().size(); w += 2)
      if (engine() % 8 == 0) mask.words()[w] = ~mask.words()[w - 1];
  };
  const Judgement j = judge_stream(check(kWords), kFair, fill);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("words of 64 entries, words 1 apart"));
  EXPECT_THAT(j.message, HasSubstr("made up for"));
}

TEST(Spectrum, AloneSeesAPeriodOfAnyLengthAndPhase) {
  // A weak wave of period 4096/77 that begins anew in each call.
  const FillMask fill = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    const double phase = 6.283185307179586 * uniform(engine);
    for (std::uint64_t i = 0; i < mask.size(); ++i) {
      const double angle = 6.283185307179586 * 77 * static_cast<double>(i % 4096) / 4096;
      if (uniform(engine) < 0.3 + 0.015 * std::cos(angle + phase)) mask.set(i);
    }
  };
  const Judgement j = judge_stream(check(kSpectrum), kThird, fill);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("a period of 53.1948 entries"));
  EXPECT_EQ(j.statistics.at(0).cell, 77u);
  EXPECT_EQ(judge_stream(check(kSerial), kThird, fill).verdict, Verdict::pass);
  const Judgement focused =
      judge_stream(check(kSpectrum), kThird, fill, 1e-9, Focus{"strongest frequency", 77});
  EXPECT_LT(focused.statistics.at(0).log10_p, j.statistics[0].log10_p);
  EXPECT_EQ(judge_stream(check(kSpectrum), kThird, fill, 1e-9, Focus{"strongest frequency", 500}).verdict,
            Verdict::pass);
}

TEST(Spectrum, NamesTheBitsOfThePositionThatARateDependsOn) {
  const FillMask fill = [](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    for (std::uint64_t i = 0; i < mask.size(); ++i) {
      const bool odd = ((i >> 2) ^ (i >> 5) ^ (i >> 9)) & 1;
      if (uniform(engine) < (odd ? 0.3035 : 0.2965)) mask.set(i);
    }
  };
  const Judgement j = judge_stream(check(kSpectrum), kThird, fill);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("bits 2, 5 and 9 of the position"));
}

TEST(PatternChecks, MergeToTheSameIntegersInAnyGrouping) {
  const Stream stream{"op=dropout,p=0.3,shape=70001", 8, 3, 9, "mask"};
  JudgeContext context;
  context.sample = testing::sample_of(stream);
  context.p = 0.3;
  context.alpha = 1e-9;
  for (const auto& c : checks().checks()) {
    auto left = testing::observe(*c, stream, ideal(0.3), 0, 2);
    left->merge(*testing::observe(*c, stream, ideal(0.3), 2, 8));
    const auto whole = testing::observe(*c, stream, ideal(0.3), 0, 8);
    auto backwards = testing::observe(*c, stream, ideal(0.3), 3, 8);
    backwards->merge(*testing::observe(*c, stream, ideal(0.3), 0, 3));
    const Judgement a = c->judge(*left, context), b = c->judge(*whole, context),
                    d = c->judge(*backwards, context);
    ASSERT_EQ(a.statistics.size(), b.statistics.size());
    for (std::size_t i = 0; i < a.statistics.size(); ++i) {
      EXPECT_TRUE(a.statistics[i].counts == b.statistics[i].counts) << a.statistics[i].name;
      EXPECT_TRUE(d.statistics[i].counts == b.statistics[i].counts) << a.statistics[i].name;
      EXPECT_EQ(a.statistics[i].p_value, b.statistics[i].p_value);
    }
  }
}

TEST(PatternChecks, DetectSmallerEffectsInLargerSamples) {
  for (const auto& c : checks().checks()) {
    Stream stream{"op=dropout,p=0.3,shape=1048576", 1, 4, 1, "mask"};
    double before = 1;
    for (int i = 0; i < 4; ++i, stream.blocks *= 8) {
      const auto effect = c->detectable(testing::sample_of(stream), 1e-10, 1e-6 / 3);
      ASSERT_TRUE(effect.has_value());
      EXPECT_LT(effect->value, before) << c->info().id;
      before = effect->value;
    }
  }
}

TEST(PatternChecks, ReadTinyAndOddCallsWithoutTrouble) {
  for (const char* shape : {"1", "2", "31", "63", "65", "127", "129", "1025"}) {
    const Stream stream{std::string("op=dropout,p=0.5,shape=").append(shape), 3, 5, 2, "mask"};
    for (const auto& c : checks().checks())
      EXPECT_NE(testing::observe(*c, stream, ideal(0.5), 0, 3), nullptr);
  }
}

TEST(PatternChecks, SayNothingAboutARateThatLeavesNothingToTest) {
  JudgeContext context;
  context.sample = testing::sample_of(kThird);
  context.alpha = 1e-9;
  context.recentred = true;
  for (const double p : {0.0, 1e-6, 1.0}) {
    context.p = p;
    for (const char* id : {kSerial, kTriples})
      EXPECT_EQ(check(id).judge(*testing::observe(check(id), kThird, ideal(0.3), 0, 1), context).verdict,
                Verdict::inconclusive)
          << id << " " << p;
  }
}

}  // namespace
}  // namespace dropcheck::suites
