#include "reference/pytorch_cpu_stream.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "reference/known_answers.hpp"

namespace dropcheck::reference {
namespace {

constexpr double kSmallest = 0x1p-53;

template <typename T>
T got(Expected<T> found) {
  if (!found) throw std::runtime_error(found.error().message);
  return *std::move(found);
}

std::vector<KnownAnswer> known(const char* file, const CaseKind& kind) {
  return got(read_known_answers(std::string(DROPCHECK_REFERENCE_VECTORS) + "/" + file, {&kind, 1}));
}

/// '1' = kept.
std::string kept_text(const MaskBits& drops) {
  std::string text;
  for (std::uint64_t i = 0; i < drops.size(); ++i) text += drops[i] ? '0' : '1';
  return text;
}

std::string draw(PyTorchCpuStream& stream, double p, std::uint64_t size) {
  MaskBits drops(size);
  stream.draw(p, drops);
  return kept_text(drops);
}

std::string first_mask(std::uint64_t seed, double p, std::uint64_t size) {
  PyTorchCpuStream stream(seed);
  return draw(stream, p, size);
}

TEST(CpuVariants, AreToldByTheWordsOfACall) {
  EXPECT_EQ(variant_of(20, 10), CpuVariant::two_words);
  EXPECT_EQ(variant_of(2, 1), CpuVariant::two_words);
  EXPECT_EQ(variant_of(1, 10), CpuVariant::mcg31);
  EXPECT_EQ(variant_of(1, 1), CpuVariant::mcg31);
  EXPECT_EQ(variant_of(0, 10), CpuVariant::mkl_generator);
  for (const std::uint64_t words : {2u, 10u, 19u, 21u, 40u}) EXPECT_EQ(variant_of(words, 10), std::nullopt);
  for (const std::uint64_t words : {0u, 1u, 2u}) EXPECT_EQ(variant_of(words, 0), std::nullopt);
}

TEST(PyTorchCpuStream, WordsAreThoseOfTheStandard) {
  const auto cases = known("mt19937.kat", {"mt19937", {"seed", "nth", "word"}});
  EXPECT_EQ(cases.size(), 1u);
  for (const KnownAnswer& each : cases) {
    PyTorchCpuStream stream(got(each.integer("seed")));
    const std::uint64_t nth = got(each.integer("nth"));
    for (std::uint64_t i = 1; i < nth; ++i) stream.next_word();
    EXPECT_EQ(stream.next_word(), got(each.integer("word"))) << each.place();
    EXPECT_EQ(stream.words_drawn(), nth);
  }
}

TEST(PyTorchCpuStream, MasksAreThoseOfPyTorch) {
  const auto cases = known("pytorch_cpu_masks.kat", {"mask", {"seed", "p", "kept", "then"}});
  EXPECT_EQ(cases.size(), 8u);
  for (const KnownAnswer& each : cases) {
    SCOPED_TRACE(each.place());
    PyTorchCpuStream stream(got(each.integer("seed")));
    const double p = got(each.real("p"));
    const std::string kept = got(each.bits("kept")), then = got(each.bits("then"));
    EXPECT_EQ(draw(stream, p, kept.size()), kept);
    EXPECT_EQ(draw(stream, p, then.size()), then);
    EXPECT_EQ(stream.words_drawn(), 2 * (kept.size() + then.size()));
  }
}

TEST(PyTorchCpuStream, EntriesFollowTheFormula) {
  for (const double p : {0.0, 1e-3, 0.3, 0.5, 0.9, 1.0}) {
    std::mt19937 engine(17);
    const std::string kept = first_mask(17, p, 1000);
    for (const char keep : kept) {
      const std::uint64_t high = engine(), low = engine();
      const double u = static_cast<double>((high << 32 | low) & ((std::uint64_t{1} << 53) - 1)) * 0x1p-53;
      EXPECT_EQ(keep == '1', u < 1.0 - p);
    }
  }
}

// 1 - p is exact for these p, so that the draw can be made to hit q.
TEST(PyTorchCpuStream, AValueEqualToQDrops) {
  for (const std::uint32_t seed : {1u, 2u, 3u, 4u}) {
    std::mt19937 engine(seed);
    const std::uint64_t high = engine(), low = engine();
    const std::uint64_t v = (high << 32 | low) & ((std::uint64_t{1} << 53) - 1);
    const double p = 1.0 - std::ldexp(static_cast<double>(v), -53);
    EXPECT_EQ(keep_threshold53(p), v);
    EXPECT_EQ(first_mask(seed, p, 1), "0");
    EXPECT_EQ(first_mask(seed, p - kSmallest, 1), "1");
  }
}

TEST(PyTorchCpuStream, CallsConcatenate) {
  PyTorchCpuStream parts(5);
  const std::string ten = draw(parts, 0.3, 10), seven = draw(parts, 0.3, 7);
  EXPECT_EQ(ten + seven, first_mask(5, 0.3, 17));
  EXPECT_EQ(draw(parts, 0.3, 0), "");
  EXPECT_EQ(parts.words_drawn(), 34u);
}

TEST(PyTorchCpuStream, SizesAroundAMaskWordAgree) {
  const std::string longest = first_mask(9, 0.6, 193);
  for (const std::uint64_t size : {1u, 63u, 64u, 65u, 127u, 128u, 192u}) {
    EXPECT_EQ(first_mask(9, 0.6, size), longest.substr(0, size));
    MaskBits drops(size);
    for (std::uint64_t& word : drops.words()) word = ~std::uint64_t{0};
    PyTorchCpuStream(9).draw(0.6, drops);
    EXPECT_EQ(kept_text(drops), longest.substr(0, size)) << "what was there before stayed";
    EXPECT_EQ(drops.words().back() >> (drops.tail_length() - 1) >> 1, 0u) << "bits past the end are set";
  }
}

TEST(PyTorchCpuStream, OnlyTheLowHalfOfTheSeedMatters) {
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{42}, std::uint64_t{0xffffffff}}) {
    const std::string mask = first_mask(seed, 0.5, 256);
    EXPECT_EQ(first_mask(seed + (std::uint64_t{1} << 32), 0.5, 256), mask);
    EXPECT_EQ(first_mask(seed | std::uint64_t{0xdeadbeef} << 32, 0.5, 256), mask);
    EXPECT_NE(first_mask(seed ^ 1, 0.5, 256), mask);
    EXPECT_NE(first_mask(seed ^ 0x80000000u, 0.5, 256), mask);
  }
}

TEST(PyTorchCpuStream, KeptSetsAreNestedInP) {
  const std::string many = first_mask(42, 0.3, 4096), few = first_mask(42, 0.7, 4096);
  EXPECT_NE(many, few);
  for (std::size_t i = 0; i < many.size(); ++i) EXPECT_LE(few[i], many[i]);
}

TEST(PyTorchCpuStream, EndsOfTheRangeDrawAllTheSame) {
  PyTorchCpuStream stream(3);
  EXPECT_EQ(draw(stream, 0.0, 100), std::string(100, '1'));
  EXPECT_EQ(stream.words_drawn(), 200u);
  EXPECT_EQ(draw(stream, 1.0, 100), std::string(100, '0'));
  EXPECT_EQ(stream.words_drawn(), 400u);
}

TEST(KeepThreshold53, CountsTheValuesBelowQ) {
  constexpr std::uint64_t kAll = std::uint64_t{1} << 53;
  EXPECT_EQ(keep_threshold53(0.0), kAll);
  EXPECT_EQ(keep_threshold53(-0.0), kAll);
  EXPECT_EQ(keep_threshold53(1e-320), kAll);  // 1 - p rounds to 1
  EXPECT_EQ(keep_threshold53(kSmallest), kAll - 1);
  EXPECT_EQ(keep_threshold53(0.25), kAll / 4 * 3);
  EXPECT_EQ(keep_threshold53(0.5), kAll / 2);
  EXPECT_EQ(keep_threshold53(1.0 - kSmallest), 1u);
  EXPECT_EQ(keep_threshold53(1.0), 0u);
  for (const double p : {1e-300, 1e-17, 1e-9, 0.1, 1.0 / 3.0, 0.7, 0.999, 1.0 - 3e-16}) {
    const std::uint64_t keeping = keep_threshold53(p);
    EXPECT_EQ(std::ldexp(static_cast<double>(keeping), -53), 1.0 - p);
    EXPECT_LT(std::ldexp(static_cast<double>(keeping - 1), -53), 1.0 - p);  // the last value that keeps
    EXPECT_GE(std::ldexp(static_cast<double>(keeping), -53), 1.0 - p);      // the first that drops
  }
}

// 1132489760^2 mod (2^31 - 1) and the next power, by hand (integers of any length).
TEST(Mcg31, StepsAsWorkedOutByHand) {
  Mcg31 generator(1);
  EXPECT_EQ(generator.next(), 1u);
  EXPECT_EQ(generator.next(), 1132489760u);
  EXPECT_EQ(generator.next(), 826537482u);
  EXPECT_EQ(generator.next(), 289798557u);
}

TEST(Mcg31, SeedsAreReduced) {
  EXPECT_EQ(Mcg31(0).next(), 1u);
  EXPECT_EQ(Mcg31(0x7fffffff).next(), 1u);
  EXPECT_EQ(Mcg31(0xfffffffe).next(), 1u);
  EXPECT_EQ(Mcg31(0x7ffffffe).next(), 0x7ffffffeu);
  EXPECT_EQ(Mcg31(0x80000001).next(), 2u);
  EXPECT_EQ(Mcg31(0xffffffff).next(), 1u);
}

TEST(Mcg31, ComparesInSinglePrecision) {
  EXPECT_TRUE(Mcg31::keeps(1, 0.5));
  EXPECT_FALSE(Mcg31::keeps(1u << 30, 0.5));  // u is 0.5 exactly
  EXPECT_TRUE(Mcg31::keeps((1u << 30) - 64, 0.5));
  EXPECT_FALSE(Mcg31::keeps((1u << 30) - 1, 0.5));  // rounds up to 2^30
  EXPECT_FALSE(Mcg31::keeps(0x7ffffffe, 1e-9));     // u and q both round to 1
  EXPECT_TRUE(Mcg31::keeps(1, 0.999999));
  EXPECT_FALSE(Mcg31::keeps(1, 1.0));
}

// The first word after seeding with 5489 is 3499211612, so the generator begins at 1351727965; the states
// after it are 1132489760 times the one before, modulo 2^31 - 1.
TEST(PyTorchCpuStream, Mcg31TakesOneWordAndItsOwnSteps) {
  const std::vector<std::uint64_t> states = {1351727965, 1027589501, 622215298};
  for (std::size_t i = 0; i + 1 < states.size(); ++i)
    ASSERT_EQ(states[i] * 1132489760 % 0x7fffffff, states[i + 1]);  // u: 0.6294, 0.4785, 0.2897
  const auto mask = [](double p, std::uint64_t size) {
    PyTorchCpuStream stream(5489);
    MaskBits drops(size);
    stream.draw_mcg31(p, drops);
    EXPECT_EQ(stream.words_drawn(), size == 0 ? 0u : 1u);
    return kept_text(drops);
  };
  EXPECT_EQ(mask(0.36, 3), "111");
  EXPECT_EQ(mask(0.40, 3), "011");
  EXPECT_EQ(mask(0.60, 3), "001");
  EXPECT_EQ(mask(0.72, 3), "000");
  EXPECT_EQ(mask(0.5, 0), "");
}

TEST(PyTorchCpuStream, Mcg31CallsSeedAnew) {
  PyTorchCpuStream stream(5489), words(5489);
  for (int call = 0; call < 2; ++call) {
    MaskBits drops(100);
    stream.draw_mcg31(0.3, drops);
    Mcg31 generator(words.next_word());
    std::string kept;
    for (int i = 0; i < 100; ++i) kept += Mcg31::keeps(generator.next(), 0.3) ? '1' : '0';
    EXPECT_EQ(kept_text(drops), kept);
  }
}

TEST(WordsOfDropout, FollowEntriesAndMode) {
  const std::vector<std::int64_t> shape = {10, 3, 4};
  for (const Op op : {Op::dropout, Op::alpha_dropout})
    EXPECT_EQ(words_of_dropout(op, shape, 0.5, Mode::train), 240u);
  for (const Op op : {Op::dropout1d, Op::dropout2d, Op::dropout3d, Op::feature_alpha_dropout})
    EXPECT_EQ(words_of_dropout(op, shape, 0.5, Mode::train), 60u);
  for (const Op op : kAllOps) {
    EXPECT_EQ(words_of_dropout(op, shape, 0.5, Mode::eval), 0u);
    for (const double p : {0.0, -0.0, 1.0}) EXPECT_EQ(words_of_dropout(op, shape, p, Mode::train), 0u);
    EXPECT_EQ(words_of_dropout(op, std::vector<std::int64_t>{10, 3, 0}, 0.5, Mode::train), 0u);
  }
  EXPECT_EQ(words_of_dropout(Op::dropout, {}, 0.5, Mode::train), 2u);
  const std::vector<std::int64_t> vector = {10};
  EXPECT_EQ(words_of_dropout(Op::dropout, vector, 0.5, Mode::train), 20u);
  EXPECT_EQ(words_of_dropout(Op::dropout2d, vector, 0.5, Mode::train), 0u);  // refused
  // C++ takes a (4, 3, 2) input of dropout2d for one without a batch, Python for (N, C, L).
  EXPECT_EQ(words_of_dropout(Op::dropout2d, std::vector<std::int64_t>{1, 4, 3, 2}, 0.5, Mode::train), 8u);
  EXPECT_EQ(words_of_dropout(Op::dropout2d, std::vector<std::int64_t>{4, 3, 2}, 0.5, Mode::train), 24u);
}

TEST(WordsOfDropout, AreWhatTheStreamTakes) {
  PyTorchCpuStream stream(1);
  MaskBits drops(120);
  stream.draw(0.5, drops);
  EXPECT_EQ(stream.words_drawn(),
            words_of_dropout(Op::dropout, std::vector<std::int64_t>{10, 3, 4}, 0.5, Mode::train));
}

TEST(WordsOfNativeDropout, DoNotDependOnP) {
  EXPECT_EQ(words_of_native_dropout(10, Mode::train), 20u);
  EXPECT_EQ(words_of_native_dropout(0, Mode::train), 0u);
  EXPECT_EQ(words_of_native_dropout(10, Mode::eval), 0u);
}

// The figures of this and the next test were counted on PyTorch 1.13.1.
TEST(WordsOfRecurrent, AreThoseOfAllLayersButTheLast) {
  const RecurrentShape lstm = {.layers = 3, .steps = 5, .batch = 2, .hidden = 6, .directions = 2};
  EXPECT_EQ(words_of_recurrent(lstm, 0.3, Mode::train), 480u);
  EXPECT_EQ(words_of_recurrent(lstm, 0.3, Mode::eval), 0u);
  EXPECT_EQ(words_of_recurrent(lstm, 0.0, Mode::train), 0u);
  EXPECT_EQ(words_of_recurrent(lstm, 1.0, Mode::train), 0u);
  RecurrentShape projected = lstm;
  projected.hidden = 4;  // proj_size
  EXPECT_EQ(words_of_recurrent(projected, 0.3, Mode::train), 320u);
  const RecurrentShape gru = {.layers = 2, .steps = 5, .batch = 2, .hidden = 6, .directions = 1};
  EXPECT_EQ(words_of_recurrent(gru, 0.3, Mode::train), 120u);
  RecurrentShape single = gru;
  single.layers = 1;
  EXPECT_EQ(words_of_recurrent(single, 0.9, Mode::train), 0u);
  single.layers = 0;
  EXPECT_EQ(words_of_recurrent(single, 0.9, Mode::train), 0u);
}

TEST(WordsOfTransformer, AreThoseOfEverySite) {
  const AttentionShape attention = {.batch = 3, .heads = 2, .targets = 4, .sources = 5};
  EXPECT_EQ(words_of_attention(attention, 0.2, Mode::train), 240u);
  EXPECT_EQ(words_of_attention(attention, 0.2, Mode::eval), 0u);
  EXPECT_EQ(words_of_attention(attention, 1.0, Mode::train), 0u);

  const TransformerShape encoder = {.batch = 2, .heads = 2, .embedding = 8, .feed_forward = 16, .targets = 5};
  EXPECT_EQ(words_of_encoder_layer(encoder, 0.1, Mode::train), 840u);
  EXPECT_EQ(words_of_encoder_layer(encoder, 0.1, Mode::eval), 0u);
  EXPECT_EQ(words_of_encoder_layer(encoder, 1.0, Mode::train), 0u);
  const TransformerShape shorter = {.batch = 4, .heads = 2, .embedding = 8, .feed_forward = 16, .targets = 3};
  EXPECT_EQ(words_of_encoder_layer(shorter, 0.1, Mode::train), 912u);

  const TransformerShape decoder = {
      .batch = 2, .heads = 2, .embedding = 8, .feed_forward = 16, .targets = 4, .sources = 5};
  EXPECT_EQ(words_of_decoder_layer(decoder, 0.1, Mode::train), 928u);
  EXPECT_EQ(words_of_decoder_layer(decoder, 0.1, Mode::eval), 0u);
  EXPECT_EQ(words_of_decoder_layer(decoder, 0.0, Mode::train), 0u);
}

}  // namespace
}  // namespace dropcheck::reference
