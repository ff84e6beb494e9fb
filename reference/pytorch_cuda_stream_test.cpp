#include "reference/pytorch_cuda_stream.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "reference/known_answers.hpp"

namespace dropcheck::reference {
namespace {

using testing::HasSubstr;

using Pair = std::pair<std::uint64_t, std::uint64_t>;  // grid, increment

constexpr std::uint64_t kAllWords = std::uint64_t{1} << 32;
constexpr CudaDevice kLarge = {132, 2048, VectorRule::sixteen_bytes};  // T is at most 270336
constexpr CudaDevice kTiny = {1, 256, VectorRule::sixteen_bytes};      // T is 256

template <typename T>
T got(Expected<T> found) {
  if (!found) throw std::runtime_error(found.error().message);
  return *std::move(found);
}

std::vector<KnownAnswer> known(const char* file, const std::vector<CaseKind>& kinds) {
  return got(read_known_answers(std::string(DROPCHECK_REFERENCE_VECTORS) + "/" + file, kinds));
}

std::vector<KnownAnswer> of_kind(const std::vector<KnownAnswer>& cases, const char* kind) {
  std::vector<KnownAnswer> found;
  std::copy_if(cases.begin(), cases.end(), std::back_inserter(found),
               [&](const KnownAnswer& each) { return each.kind() == kind; });
  return found;
}

std::vector<KnownAnswer> known_masks() {
  return known("pytorch_cuda_masks.kat",
               {{"mask", {"seed", "offset", "multiprocessors", "threads", "p", "vec", "kept"}},
                {"uniform", {"seed", "thread", "offset", "values"}},
                {"rate", {"p", "dropping", "effective"}}});
}

/// '1' = kept.
std::string kept_text(const MaskBits& drops) {
  std::string text;
  for (std::uint64_t i = 0; i < drops.size(); ++i) text += drops[i] ? '0' : '1';
  return text;
}

CudaCall with_vec(unsigned vec, std::uint64_t numel, double p = 0.5) {
  CudaCall call;
  call.numel = numel;
  call.p = p;
  call.vec = vec;
  return call;
}

MaskBits draw(PyTorchCudaStream& stream, const CudaCall& call) {
  MaskBits drops;
  stream.draw(call, drops);
  return drops;
}

MaskBits first_mask(const CudaDevice& device, std::uint64_t seed, const CudaCall& call) {
  PyTorchCudaStream stream(device, seed);
  return draw(stream, call);
}

TEST(KnownPhiloxAnswers, Hold) {
  const auto cases = known("philox.kat", {{"philox4x32_10", {"counter", "key", "words"}},
                                          {"philox_thread", {"seed", "thread", "offset", "words"}}});
  const auto published = of_kind(cases, "philox4x32_10"), threads = of_kind(cases, "philox_thread");
  EXPECT_EQ(published.size(), 3u);
  EXPECT_EQ(threads.size(), 6u);
  for (const KnownAnswer& each : published) {
    const auto c = got(each.words("counter")), key = got(each.words("key")), words = got(each.words("words"));
    ASSERT_EQ(std::make_tuple(c.size(), key.size(), words.size()), std::make_tuple(4u, 2u, 4u))
        << each.place();
    const PhiloxCounter expected = {words[0], words[1], words[2], words[3]};
    EXPECT_EQ(philox4x32_10({c[0], c[1], c[2], c[3]}, {key[0], key[1]}), expected) << each.place();
    // The same case as a thread's block: counter = (block, thread), key = seed, low halves first.
    const auto joined = [](std::uint32_t low, std::uint32_t high) { return std::uint64_t{high} << 32 | low; };
    EXPECT_EQ(thread_block(joined(key[0], key[1]), 0, joined(c[2], c[3]), joined(c[0], c[1])), expected);
  }
  for (const KnownAnswer& each : threads) {
    const auto words = got(each.words("words"));
    ASSERT_EQ(words.size(), 4u) << each.place();
    const std::uint64_t seed = got(each.integer("seed")), thread = got(each.integer("thread")),
                        offset = got(each.integer("offset"));
    const PhiloxCounter expected = {words[0], words[1], words[2], words[3]};
    EXPECT_EQ(thread_block(seed, offset, thread, 0), expected) << each.place();
    EXPECT_EQ(thread_block(seed, 0, thread, offset / 4), expected) << each.place();
  }
}

TEST(CudaGeometry, FollowsTheLaunchOfTheKernel) {
  const auto geometry = [](const CudaDevice& device, std::uint64_t numel) {
    const LaunchGeometry found = launch_geometry(device, numel);
    EXPECT_EQ(found.threads, 256 * found.grid);
    return Pair(found.grid, found.increment);
  };
  EXPECT_EQ(geometry(kLarge, 0), Pair(0, 0));
  EXPECT_EQ(geometry(kLarge, 1), Pair(1, 4));
  EXPECT_EQ(geometry(kLarge, 256), Pair(1, 4));
  EXPECT_EQ(geometry(kLarge, 257), Pair(2, 4));
  EXPECT_EQ(geometry(kLarge, 1 << 20), Pair(1056, 4));
  EXPECT_EQ(geometry(kLarge, 1081344), Pair(1056, 4));  // 4T
  EXPECT_EQ(geometry(kLarge, 1081345), Pair(1056, 8));
  EXPECT_EQ(geometry(kLarge, std::uint64_t{1} << 32), Pair(1056, 4 * 3972));
  EXPECT_EQ(geometry(kTiny, 1024), Pair(1, 4));
  EXPECT_EQ(geometry(kTiny, 1025), Pair(1, 8));
  EXPECT_EQ(geometry({108, 1536, VectorRule::at_most_four}, 1 << 24), Pair(648, 4 * 26));
  EXPECT_EQ(geometry({2, 1023, VectorRule::at_most_four}, 1 << 24), Pair(6, 4 * 2731));
}

TEST(CudaGeometry, RefusesDevicesWithoutRoom) {
  EXPECT_TRUE(validate(kTiny));
  EXPECT_FALSE(validate(CudaDevice{0, 2048, VectorRule::sixteen_bytes}));
  EXPECT_FALSE(validate(CudaDevice{132, 255, VectorRule::sixteen_bytes}));
}

TEST(CudaVectorWidth, IsLimitedByRuleAlignmentSizeAndGaps) {
  const auto width = [](DType dtype, VectorRule rule, std::uint64_t numel = 1024,
                        std::uint64_t alignment = 256) {
    return vector_width(dtype, rule, numel, alignment, true);
  };
  for (const DType dtype : kFloatDTypes) EXPECT_EQ(width(dtype, VectorRule::at_most_four), 4u);
  EXPECT_EQ(width(DType::f64, VectorRule::sixteen_bytes), 2u);
  EXPECT_EQ(width(DType::f32, VectorRule::sixteen_bytes), 4u);
  EXPECT_EQ(width(DType::f16, VectorRule::sixteen_bytes), 8u);
  EXPECT_EQ(width(DType::bf16, VectorRule::sixteen_bytes), 8u);
  for (const VectorRule rule : {VectorRule::at_most_four, VectorRule::sixteen_bytes}) {
    // x[1:] of an aligned tensor begins after one element, x[2:] after two.
    EXPECT_EQ(width(DType::f32, rule, 1024, 256 + 4), 1u);
    EXPECT_EQ(width(DType::f32, rule, 1024, 256 + 8), 2u);
    EXPECT_EQ(width(DType::f32, rule, 1024, 16), 4u);
    EXPECT_EQ(width(DType::f16, rule, 1024, 2), 1u);
    EXPECT_EQ(width(DType::f16, rule, 1024, 8), 4u);
    EXPECT_EQ(width(DType::f32, rule, 1023), 1u);
    EXPECT_EQ(width(DType::f32, rule, 1022), 2u);
    for (const DType dtype : kFloatDTypes) EXPECT_EQ(vector_width(dtype, rule, 1024, 256, false), 1u);
  }
  EXPECT_EQ(width(DType::f64, VectorRule::at_most_four, 1024, 16), 2u);
  EXPECT_EQ(width(DType::f16, VectorRule::sixteen_bytes, 1020), 4u);
  EXPECT_EQ(width(DType::f16, VectorRule::sixteen_bytes, 1018), 2u);
  EXPECT_EQ(width(DType::f16, VectorRule::sixteen_bytes, 1019), 1u);
}

TEST(CudaPlaces, AreThoseOfTheKernelsLoops) {
  for (const std::uint64_t threads : {256u, 512u}) {
    const std::uint64_t numel = 40 * threads;
    // The kernel with elements alone: each thread goes on by 4T and deals its four words to i, i + T, ...
    for (std::uint64_t thread = 0; thread < threads; ++thread) {
      std::uint64_t block = 0;
      for (std::uint64_t at = thread; at < numel; at += 4 * threads, ++block)
        for (unsigned lane = 0; lane < 4; ++lane)
          ASSERT_EQ(place_of(at + lane * threads, threads, 1), (DrawPlace{thread, block, lane}));
    }
    // The others: each thread goes on by vec T; every four elements, or all if there are fewer, take a block.
    for (const unsigned vec : {2u, 4u, 8u}) {
      for (std::uint64_t thread = 0; thread < threads; ++thread) {
        std::uint64_t block = 0;
        for (std::uint64_t at = thread * vec; at < numel; at += vec * threads)
          for (unsigned from = 0; from < vec; from += 4, ++block)
            for (unsigned lane = 0; lane < std::min(vec, 4u); ++lane)
              ASSERT_EQ(place_of(at + from + lane, threads, vec), (DrawPlace{thread, block, lane}));
      }
    }
  }
}

TEST(CudaPlaces, NoTwoElementsOfACallShareOne) {
  for (const unsigned vec : {1u, 2u, 4u, 8u}) {
    std::set<std::tuple<std::uint64_t, std::uint64_t, unsigned>> places;
    std::uint64_t last_block = 0;
    for (std::uint64_t i = 0; i < 10000; ++i) {
      const DrawPlace place = place_of(i, 256, vec);
      EXPECT_TRUE(places.emplace(place.thread, place.block, place.lane).second);
      EXPECT_LT(place.lane, vec == 2 ? 2u : 4u);
      EXPECT_LT(place.thread, 256u);
      last_block = std::max(last_block, place.block);
    }
    EXPECT_EQ(blocks_used(vec, 10000, 256), last_block + 1);
  }
}

TEST(CudaUniform, IsCurandsAndNeverFalls) {
  const auto cases = of_kind(known_masks(), "uniform");
  EXPECT_EQ(cases.size(), 1u);
  for (const KnownAnswer& each : cases) {
    const PhiloxCounter words =
        thread_block(got(each.integer("seed")), got(each.integer("offset")), got(each.integer("thread")), 0);
    const std::vector<double> values = got(each.reals("values"));
    ASSERT_EQ(values.size(), 4u);
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(uniform_of(words[i]), static_cast<float>(values[i]));
  }
  EXPECT_EQ(uniform_of(0), 0x1p-33f);
  EXPECT_EQ(uniform_of(0xffffffff), 1.0f);
  float before = 0;
  for (std::uint64_t word = 0; word < kAllWords; word += 4093) {
    const float u = uniform_of(static_cast<std::uint32_t>(word));
    ASSERT_GE(u, before);
    before = u;
  }
  for (unsigned bits = 1; bits < 33; ++bits) {  // where the spacing of floats changes
    const std::uint64_t middle = std::uint64_t{1} << bits;
    const std::uint64_t first = middle > 2000 ? middle - 2000 : 1,
                        last = std::min(middle + 2000, kAllWords - 1);
    for (std::uint64_t word = first; word <= last; ++word)
      ASSERT_GE(uniform_of(static_cast<std::uint32_t>(word)),
                uniform_of(static_cast<std::uint32_t>(word - 1)));
  }
}

TEST(CudaRate, CountsTheWordsThatKeep) {
  const auto cases = of_kind(known_masks(), "rate");
  EXPECT_EQ(cases.size(), 7u);
  for (const KnownAnswer& each : cases) {
    SCOPED_TRACE(each.place());
    const double p = got(each.real("p")), effective = got(each.real("effective"));
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
      EXPECT_EQ(kAllWords - keeping_words(p, dtype), got(each.integer("dropping")));
      EXPECT_NEAR(effective_drop_probability(p, dtype), effective, 1e-11 * effective);
    }
  }
}

TEST(CudaRate, NeighboursOfTheThresholdAgree) {
  for (const double p : {0.0, 1e-8, 0.1, 0.2, 0.5, 2.0 / 3.0, 0.9, 0.999999, 1.0}) {
    for (const DType dtype : {DType::f32, DType::f64}) {
      const std::uint64_t keeping = keeping_words(p, dtype);
      const std::uint64_t first = keeping > 1000 ? keeping - 1000 : 0,
                          last = std::min(keeping + 1000, kAllWords);
      for (std::uint64_t word = first; word < last; ++word) {
        const float u = uniform_of(static_cast<std::uint32_t>(word));
        const bool keeps =
            dtype == DType::f64 ? static_cast<double>(u) < 1.0 - p : u < static_cast<float>(1.0 - p);
        ASSERT_EQ(keeps, word < keeping) << p << " " << word;
      }
    }
  }
}

TEST(CudaRate, IsOffByLessThanTheStepOfFloats) {
  for (const double p : {0.0, 1e-12, 1e-7, 0.01, 0.1, 0.25, 0.3, 0.5, 0.75, 0.99, 1.0}) {
    EXPECT_NEAR(effective_drop_probability(p, DType::f32), p, 0x1p-23);
    EXPECT_NEAR(effective_drop_probability(p, DType::f64), p, 0x1p-24);
  }
  // The comparison in double sees a p that float rounds away.
  EXPECT_EQ(effective_drop_probability(1e-8, DType::f32), 0x1p-25);
  EXPECT_NE(keeping_words(0.1, DType::f64), keeping_words(0.1, DType::f32));
  EXPECT_EQ(keeping_words(0.5, DType::f64), keeping_words(0.5, DType::f32));
}

// native_dropout does not look at p.
TEST(CudaRate, TakesAnyNumber) {
  for (const DType dtype : kFloatDTypes) {
    EXPECT_EQ(keeping_words(-0.1, dtype), kAllWords);
    EXPECT_EQ(keeping_words(1.0, dtype), 0u);
    EXPECT_EQ(keeping_words(1.1, dtype), 0u);
    EXPECT_EQ(keeping_words(std::numeric_limits<double>::quiet_NaN(), dtype), 0u);
  }
}

TEST(PyTorchCudaStream, MasksAreTheKnownOnes) {
  const auto cases = known_masks();
  EXPECT_EQ(cases.size(), 12u);
  const auto masks = of_kind(cases, "mask");
  EXPECT_EQ(masks.size(), 4u);
  for (const KnownAnswer& each : masks) {
    const CudaDevice device = {static_cast<unsigned>(got(each.integer("multiprocessors"))),
                               static_cast<unsigned>(got(each.integer("threads"))),
                               VectorRule::sixteen_bytes};
    auto stream =
        got(PyTorchCudaStream::open(device, got(each.integer("seed")), got(each.integer("offset"))));
    const std::string kept = got(each.bits("kept"));
    const auto vec = static_cast<unsigned>(got(each.integer("vec")));
    EXPECT_EQ(kept_text(draw(stream, with_vec(vec, kept.size(), got(each.real("p"))))), kept) << each.place();
    EXPECT_EQ(stream.offset(), got(each.integer("offset")) + 4);
  }
}

/// The mask by definition, element by element.
MaskBits by_definition(const CudaDevice& device, std::uint64_t seed, std::uint64_t offset,
                       const CudaCall& call) {
  MaskBits drops(call.numel);
  const std::uint64_t threads = launch_geometry(device, call.numel).threads;
  for (std::uint64_t i = 0; i < call.numel; ++i) {
    const DrawPlace place = place_of(i, threads, *call.vec);
    const float u = uniform_of(thread_block(seed, offset, place.thread, place.block)[place.lane]);
    const bool keeps = call.dtype == DType::f64 ? static_cast<double>(u) < 1.0 - call.p
                                                : u < static_cast<float>(1.0 - call.p);
    if (!keeps) drops.set(i);
  }
  return drops;
}

TEST(PyTorchCudaStream, DrawsByDefinition) {
  constexpr CudaDevice kTwo = {2, 512, VectorRule::sixteen_bytes};  // T is at most 1024
  for (const CudaDevice& device : {kTiny, kTwo}) {
    for (const unsigned vec : {1u, 2u, 4u, 8u}) {
      for (const std::uint64_t numel :
           {8u, 248u, 256u, 264u, 1024u, 2048u, 2056u, 6144u, 8184u, 8200u, 17000u}) {
        for (const DType dtype : {DType::f32, DType::f64}) {
          CudaCall call = with_vec(vec, numel, 0.3);
          call.dtype = dtype;
          const std::uint64_t seed = 0x123456789abcdef0, offset = (std::uint64_t{1} << 34) + 8;
          PyTorchCudaStream stream(device, seed, offset);
          EXPECT_EQ(draw(stream, call), by_definition(device, seed, offset, call)) << vec << " " << numel;
          const std::uint64_t next = offset + launch_geometry(device, numel).increment;
          EXPECT_EQ(stream.offset(), next);
          EXPECT_EQ(draw(stream, call), by_definition(device, seed, next, call)) << vec << " " << numel;
        }
      }
    }
  }
  for (const std::uint64_t numel : {1u, 7u, 255u, 1025u, 4099u}) {  // sizes that only elements alone fit
    PyTorchCudaStream stream(kTiny, 5);
    EXPECT_EQ(draw(stream, with_vec(1, numel)), by_definition(kTiny, 5, 0, with_vec(1, numel)));
  }
}

TEST(PyTorchCudaStream, EmptyCallsMoveNothing) {
  PyTorchCudaStream stream(kLarge, 1, 12);
  MaskBits drops(3);
  stream.draw(CudaCall{}, drops);
  EXPECT_EQ(drops.size(), 0u);
  EXPECT_EQ(stream.offset(), 12u);
}

TEST(PyTorchCudaStream, WidthComesFromTheRuleUnlessGiven) {
  const PyTorchCudaStream newer(kLarge, 42), older({132, 2048, VectorRule::at_most_four}, 42);
  CudaCall call;
  call.numel = 32;
  for (const auto& [dtype, older_vec, newer_vec] :
       {std::make_tuple(DType::f64, 4u, 2u), std::make_tuple(DType::f32, 4u, 4u),
        std::make_tuple(DType::f16, 4u, 8u), std::make_tuple(DType::bf16, 4u, 8u)}) {
    call.dtype = dtype;
    EXPECT_EQ(newer.vec_of(call), newer_vec);
    EXPECT_EQ(older.vec_of(call), older_vec);
    EXPECT_EQ(first_mask(kLarge, 42, call), first_mask(kLarge, 42, with_vec(newer_vec, 32)));
  }
  call.vec = 1;
  EXPECT_EQ(newer.vec_of(call), 1u);
  call.vec.reset();
  call.alignment_bytes = 2;
  EXPECT_EQ(newer.vec_of(call), 1u);
  call.alignment_bytes = 256;
  call.dense = false;
  EXPECT_EQ(newer.vec_of(call), 1u);
  call.dense = true;
  call.kernel = CudaKernel::bernoulli;
  EXPECT_EQ(newer.vec_of(call), 1u);
  EXPECT_EQ(first_mask(kLarge, 42, call), first_mask(kLarge, 42, with_vec(1, 32)));
}

TEST(PyTorchCudaStream, AllBitsOfTheSeedMatter) {
  const MaskBits mask = first_mask(kLarge, 42, with_vec(4, 256));
  EXPECT_EQ(first_mask(kLarge, 42, with_vec(4, 256)), mask);
  for (const unsigned bit : {0u, 31u, 32u, 63u})
    EXPECT_NE(first_mask(kLarge, 42 ^ std::uint64_t{1} << bit, with_vec(4, 256)), mask);
}

TEST(PyTorchCudaStream, KeptSetsAreNestedInP) {
  for (const unsigned vec : {1u, 2u, 4u, 8u}) {
    const MaskBits few = first_mask(kLarge, 9, with_vec(vec, 4096, 0.3));
    const MaskBits many = first_mask(kLarge, 9, with_vec(vec, 4096, 0.7));
    for (std::uint64_t i = 0; i < few.size(); ++i) EXPECT_LE(few[i], many[i]);
    EXPECT_LT(few.count(), many.count());
  }
}

// The multiprocessors enter through T alone. Four elements at once: i < 4T is element i % 4 of thread i / 4
// whatever T is. Elements alone: i < T.
TEST(PyTorchCudaStream, SmallMasksDoNotDependOnTheDevice) {
  constexpr CudaDevice kFour = {4, 256, VectorRule::sixteen_bytes};  // T is at most 1024
  for (const std::uint64_t numel : {1024u, 4096u})
    EXPECT_EQ(first_mask(kFour, 1, with_vec(4, numel)), first_mask(kLarge, 1, with_vec(4, numel)));
  EXPECT_NE(first_mask(kFour, 1, with_vec(4, 8192)), first_mask(kLarge, 1, with_vec(4, 8192)));
  EXPECT_EQ(first_mask(kFour, 1, with_vec(1, 1024)), first_mask(kLarge, 1, with_vec(1, 1024)));
  EXPECT_NE(first_mask(kFour, 1, with_vec(1, 2048)), first_mask(kLarge, 1, with_vec(1, 2048)));
}

TEST(PyTorchCudaStream, RateIsTheEffectiveOne) {
  constexpr std::uint64_t kSize = 1u << 20;
  for (const unsigned vec : {1u, 2u, 4u, 8u}) {
    for (const double p : {0.1, 0.5, 0.9}) {
      const double rate = effective_drop_probability(p, DType::f32);
      // Six standard deviations of Binomial(n, p); the mask is fixed, so this cannot fail by chance later.
      EXPECT_NEAR(static_cast<double>(first_mask(kLarge, 5, with_vec(vec, kSize, p)).count()), kSize * rate,
                  6 * std::sqrt(kSize * rate * (1 - rate)));
    }
  }
}

TEST(CudaBlocks, UsedAndReserved) {
  constexpr std::uint64_t kT = 256;
  for (std::uint64_t numel = 0; numel <= 40 * kT; numel += 8) {
    const std::uint64_t reserved = blocks_reserved(numel, kT);
    EXPECT_EQ(4 * reserved, launch_geometry(kTiny, numel).increment);
    EXPECT_EQ(blocks_used(1, numel, kT), reserved);
    EXPECT_EQ(blocks_used(4, numel, kT), reserved);
    EXPECT_EQ(blocks_used(2, numel, kT) > reserved, numel > 2 * kT);
    const std::uint64_t rest = numel % (8 * kT);
    EXPECT_EQ(blocks_used(8, numel, kT) > reserved, rest >= 1 && rest <= 4 * kT);
  }
  EXPECT_EQ(blocks_used(2, 2 * kT + 2, kT), 2u);
  EXPECT_EQ(blocks_used(2, 40 * kT, kT), 20u);
  EXPECT_EQ(blocks_reserved(40 * kT, kT), 10u);
  EXPECT_EQ(blocks_used(8, 8, kT), 2u);
  EXPECT_EQ(blocks_reserved(8, kT), 1u);
}

/// Two calls in a row.
struct TwoCalls {
  TwoCalls(const CudaDevice& device, const CudaCall& call) {
    PyTorchCudaStream stream(device, 2024);
    stream.draw(call, before);
    stream.draw(call, after);
  }
  MaskBits before, after;
};

/// Elements 8t + j of `after`, j < 4, that equal elements 8t + 4 + j of `before`.
std::uint64_t matches_half_a_vector_on(const TwoCalls& calls) {
  std::uint64_t matches = 0;
  for (std::uint64_t i = 0; i < calls.after.size(); i += 8)
    for (std::uint64_t j = 0; j < 4; ++j) matches += calls.after[i + j] == calls.before[i + 4 + j] ? 1 : 0;
  return matches;
}

// With eight elements at once the second block of a call of at most 4T elements is the first of the next
// call.
TEST(CudaOverlap, EightAtOnceRepeatHalfOfTheMask) {
  for (const std::uint64_t numel : {std::uint64_t{1024}, std::uint64_t{65536}, std::uint64_t{1} << 20}) {
    CudaCall call;
    call.numel = numel;
    call.dtype = DType::f16;
    EXPECT_EQ(PyTorchCudaStream(kLarge, 0).vec_of(call), 8u);
    EXPECT_EQ(matches_half_a_vector_on(TwoCalls(kLarge, call)), numel / 2);

    // Control: four at once reserve what they use. Six standard deviations about one half of all pairs.
    const double pairs = static_cast<double>(numel) / 2;
    const auto control = static_cast<double>(matches_half_a_vector_on(TwoCalls(kLarge, with_vec(4, numel))));
    EXPECT_NEAR(control, pairs / 2, 6 * std::sqrt(pairs) / 2);
  }
}

// Beyond 8T it is the last block of an odd number that repeats: block 3 of 3 reserved here.
TEST(CudaOverlap, EightAtOnceRepeatInLargerCallsToo) {
  constexpr std::uint64_t kT = 256, kSize = 12 * kT;
  const TwoCalls calls(kTiny, with_vec(8, kSize));
  ASSERT_EQ(blocks_reserved(kSize, kT), 3u);
  for (std::uint64_t i = 8 * kT; i < kSize; i += 8)
    for (std::uint64_t j = 0; j < 4; ++j) EXPECT_EQ(calls.after[i - 8 * kT + j], calls.before[i + 4 + j]);
}

TEST(CudaOverlap, TwoAtOnceRepeatFromTwoTOn) {
  for (const auto& [device, numel] :
       {std::make_pair(kTiny, std::uint64_t{1024}), std::make_pair(kTiny, std::uint64_t{2050}),
        std::make_pair(kTiny, std::uint64_t{10000}), std::make_pair(kLarge, std::uint64_t{1} << 20)}) {
    CudaCall call;
    call.numel = numel;
    call.dtype = DType::f64;
    EXPECT_EQ(PyTorchCudaStream(device, 0).vec_of(call), 2u);
    const LaunchGeometry geometry = launch_geometry(device, numel);
    const std::uint64_t shift = 2 * geometry.threads * (geometry.increment / 4);
    ASSERT_LT(shift, numel);
    const TwoCalls calls(device, call);
    std::uint64_t matches = 0;
    for (std::uint64_t i = 0; i + shift < numel; ++i)
      matches += calls.after[i] == calls.before[i + shift] ? 1 : 0;
    EXPECT_EQ(matches, numel - shift);

    const std::uint64_t even = numel / 4 * 4;  // a size that four at once fit
    const TwoCalls control(device, with_vec(4, even));
    std::uint64_t chance = 0;
    for (std::uint64_t i = 0; i + shift < even; ++i)
      chance += control.after[i] == control.before[i + shift] ? 1 : 0;
    const auto trials = static_cast<double>(even - shift);
    EXPECT_NEAR(static_cast<double>(chance), trials / 2, 6 * std::sqrt(trials) / 2);
  }
}

TEST(CudaOverlap, NoneWhereBlocksSuffice) {
  const TwoCalls two(kTiny, with_vec(2, 512)), eight(kTiny, with_vec(8, 2048));
  EXPECT_NEAR(static_cast<double>(hamming_distance(two.before, two.after)), 256, 6 * std::sqrt(512.0) / 2);
  EXPECT_NEAR(static_cast<double>(matches_half_a_vector_on(eight)), 512, 6 * std::sqrt(1024.0) / 2);
}

TEST(PyTorchCudaStream, OpensOnMultiplesOfFourOnly) {
  EXPECT_EQ(got(PyTorchCudaStream::open(kLarge, 1, 8)).offset(), 8u);
  for (const std::uint64_t offset : {1u, 2u, 3u, 6u}) {
    const auto refused = PyTorchCudaStream::open(kLarge, 1, offset);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(refused.error().message, HasSubstr("multiple of 4"));
  }
  EXPECT_FALSE(PyTorchCudaStream::open({0, 2048, VectorRule::at_most_four}, 1));
}

TEST(CudaCalls, AreValidated) {
  const auto code_of = [](const CudaCall& call) {
    const Status status = validate(call);
    return status ? std::optional<ErrorCode>() : status.error().code;
  };
  const auto fused = [](DType dtype, std::optional<unsigned> vec) {
    CudaCall call;
    call.dtype = dtype;
    call.numel = 24;
    call.vec = vec;
    return call;
  };
  const auto bernoulli = [](DType dtype, std::uint64_t numel, double p) {
    CudaCall call;
    call.kernel = CudaKernel::bernoulli;
    call.dtype = dtype;
    call.numel = numel;
    call.p = p;
    return call;
  };
  for (const DType dtype : kFloatDTypes)
    for (const unsigned vec : {1u, 2u, 4u, 8u}) EXPECT_EQ(code_of(fused(dtype, vec)), std::nullopt);
  EXPECT_EQ(code_of(fused(DType::i64, {})), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(fused(DType::c64, {})), ErrorCode::invalid_argument);
  for (const unsigned vec : {0u, 3u, 16u})
    EXPECT_EQ(code_of(fused(DType::f32, vec)), ErrorCode::invalid_argument);
  CudaCall uneven = fused(DType::f32, 8);
  uneven.numel = 28;
  EXPECT_EQ(code_of(uneven), ErrorCode::invalid_argument);

  EXPECT_EQ(code_of(bernoulli(DType::f32, 24, 0.5)), std::nullopt);
  EXPECT_EQ(code_of(bernoulli(DType::f32, 0, 0.5)), std::nullopt);
  EXPECT_EQ(code_of(bernoulli(DType::f64, 24, 0.5)), ErrorCode::unsupported);
  for (const double p : {-0.1, 1.1, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_EQ(code_of(bernoulli(DType::f32, 24, p)), ErrorCode::invalid_argument);
    CudaCall unchecked = fused(DType::f32, 8);
    unchecked.p = p;
    EXPECT_EQ(code_of(unchecked), std::nullopt);
  }
  CudaCall wide = bernoulli(DType::f32, 24, 0.5);
  wide.vec = 1;
  EXPECT_EQ(code_of(wide), std::nullopt);
  wide.vec = 4;
  EXPECT_EQ(code_of(wide), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(bernoulli(DType::f32, std::uint64_t{1} << 29, 0.5)), std::nullopt);
  EXPECT_EQ(code_of(bernoulli(DType::f32, (std::uint64_t{1} << 29) + 1, 0.5)), ErrorCode::unsupported);
  EXPECT_EQ(code_of(bernoulli(DType::f16, std::uint64_t{1} << 30, 0.5)), std::nullopt);
  EXPECT_EQ(code_of(bernoulli(DType::f16, std::uint64_t{1} << 62, 0.5)), ErrorCode::unsupported);
}

}  // namespace
}  // namespace dropcheck::reference
