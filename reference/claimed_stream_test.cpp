#include "reference/claimed_stream.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <stdexcept>

#include "harness/core/tensor.hpp"
#include "reference/known_answers.hpp"
#include "reference/pytorch_cpu_stream.hpp"
#include "reference/pytorch_cuda_stream.hpp"
#include "reference/stream.hpp"

namespace dropcheck::reference {
namespace {

using testing::HasSubstr;

constexpr const char* kCuda = "pytorch-cuda?sm=132&threads=2048&vec=8";
constexpr const char* kCudaFour = "pytorch-cuda?sm=132&threads=2048&vec=4";
constexpr std::array kAll = {"dropcheck-philox", "pytorch-cpu", "pytorch-cpu?variant=mcg31", kCuda,
                             kCudaFour};

std::unique_ptr<ClaimedStream> opened(std::string_view name) {
  auto stream = ClaimedStream::open(name);
  if (!stream) throw std::runtime_error(stream.error().message);
  return *std::move(stream);
}

StreamCall on(std::vector<std::int64_t> shape, double p = 0.3, Layout layout = Layout::contiguous) {
  Problem problem;
  problem.shape = shape;
  problem.layout = layout;
  StreamCall call;
  call.p = p;
  call.shape = std::move(shape);
  call.strides = geometry_of(problem, false).strides;
  return call;
}

MaskBits drawn(ClaimedStream& stream, const StreamCall& call) {
  auto drops = stream.draw(call);
  if (!drops) throw std::runtime_error(drops.error().message);
  return *std::move(drops);
}

std::string kept_text(const MaskBits& drops) {
  std::string text;
  for (std::uint64_t i = 0; i < drops.size(); ++i) text += drops[i] ? '0' : '1';
  return text;
}

TEST(StreamNames, AreReadWithTheirParametersInAnyOrder) {
  for (const char* name : kAll) EXPECT_EQ(opened(name)->name(), name);
  EXPECT_EQ(opened("pytorch-cuda?sm=132&threads=2048")->name(), kCuda);
  EXPECT_EQ(opened("pytorch-cuda?vec=4&threads=2048&sm=132")->name(), kCudaFour);
}

TEST(StreamNames, ThatAreNotKnownAreRefusedWithTheList) {
  for (const char* name : {"",
                           "philox",
                           "pytorch",
                           "pytorch-cpu?",
                           "pytorch-cpu?variant=mt",
                           "pytorch-cpu?sm=1",
                           "pytorch-cuda",
                           "pytorch-cuda?",
                           "pytorch-cuda?sm=132",
                           "pytorch-cuda?threads=2048",
                           "pytorch-cuda?sm=0&threads=2048",
                           "pytorch-cuda?sm=1025&threads=2048",
                           "pytorch-cuda?sm=-1&threads=2048",
                           "pytorch-cuda?sm=1.5&threads=2048",
                           "pytorch-cuda?sm=132&threads=255",
                           "pytorch-cuda?sm=132&threads=8193",
                           "pytorch-cuda?sm=132&threads=",
                           "pytorch-cuda?sm=132&threads=2048&vec=2",
                           "pytorch-cuda?sm=132&threads=2048&vec=5",
                           "pytorch-cuda?sm=132&threads=2048&cap=1",
                           "pytorch-cuda?sm=132&sm=132&threads=2048",
                           "pytorch-cuda?sm=99999999999999999999&threads=2048",
                           "pytorch-cuda?sm&threads=2048",
                           "dropcheck-philox?x=1",
                           "PyTorch-CPU",
                           "pytorch-cpu?variant=mcg31&variant=mcg31"}) {
    const auto stream = ClaimedStream::open(name);
    ASSERT_FALSE(stream.has_value()) << name;
    EXPECT_EQ(stream.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(stream.error().message, HasSubstr(std::string("'").append(name).append("'")));
    EXPECT_THAT(stream.error().message, HasSubstr(stream_names()));
  }
  EXPECT_THAT(ClaimedStream::open("pytorch-cuda?sm=132").error().message, HasSubstr("threads is missing"));
  EXPECT_THAT(ClaimedStream::open("pytorch-cuda?sm=1&sm=1").error().message, HasSubstr("sm stands twice"));
}

TEST(ClaimedStream, GivesTheKnownMasksOfPyTorchOnTheCpu) {
  const auto cases = read_known_answers(std::string(DROPCHECK_REFERENCE_VECTORS) + "/pytorch_cpu_masks.kat",
                                        std::vector<CaseKind>{{"mask", {"seed", "p", "kept", "then"}}});
  ASSERT_TRUE(cases.has_value()) << cases.error().message;
  auto stream = opened("pytorch-cpu");
  for (const KnownAnswer& each : *cases) {
    const std::string first = *each.bits("kept"), then = *each.bits("then");
    ASSERT_TRUE(stream->reseed(*each.integer("seed"), 0));
    EXPECT_EQ(kept_text(drawn(*stream, on({static_cast<std::int64_t>(first.size())}, *each.real("p")))),
              first);
    EXPECT_EQ(stream->words(), 2 * first.size());
    EXPECT_EQ(kept_text(drawn(*stream, on({static_cast<std::int64_t>(then.size())}, *each.real("p")))), then);
  }
}

TEST(ClaimedStream, GivesTheDerivedMasksOfPyTorchOnCuda) {
  // pytorch_cuda_masks.kat, by dtype: f32 takes 4 at once; f64 takes 2 and f16 takes 8 under the newer rule.
  const auto mask = [](DType dtype, Layout layout) {
    auto stream = opened(kCuda);
    EXPECT_TRUE(stream->reseed(42, 0));
    StreamCall call = on({32}, 0.5, layout);
    call.dtype = dtype;
    return kept_text(drawn(*stream, call));
  };
  EXPECT_EQ(mask(DType::f32, Layout::strided), "01111101011001110101100111110111");
  EXPECT_EQ(mask(DType::f64, Layout::contiguous), "01111011101100100110100000111011");
  EXPECT_EQ(mask(DType::f32, Layout::contiguous), "01111110101011001011111000001011");
  EXPECT_EQ(mask(DType::f16, Layout::contiguous), "01110101111010111010000011000101");
  EXPECT_EQ(mask(DType::bf16, Layout::contiguous), "01110101111010111010000011000101");
}

TEST(ClaimedStream, GivesTheWorkedExampleOfDropcheckPhilox) {
  auto stream = opened("dropcheck-philox");
  ASSERT_TRUE(stream->reseed(0x0123456789abcdef, 0));
  EXPECT_EQ(kept_text(drawn(*stream, on({7}))), "1101111");
  EXPECT_EQ(stream->words(), 7u);
  EXPECT_EQ(stream->place(2), "word 0x14a7a020 (call 0, group 0, word 2) < T = 0x4ccccccd: dropped");
  EXPECT_EQ(kept_text(drawn(*stream, on({7}))), "1110111");
  EXPECT_EQ(stream->place(0), "word 0xfa9dff5e (call 1, group 0, word 0) >= T = 0x4ccccccd: kept");
  ASSERT_TRUE(stream->reseed(0x0123456789abcdef, 1));
  EXPECT_EQ(kept_text(drawn(*stream, on({7}))), "1110111") << "an offset counts calls";
}

TEST(ClaimedStream, DrawsNothingWhereTheOperatorReturnsItsInputOrZeros) {
  for (const char* name : kAll) {
    auto one = opened(name), other = opened(name);
    std::vector<StreamCall> still = {on({9}, 0.0), on({9}, -0.0), on({9}, 1.0), on({0}), on({9})};
    still[4].mode = Mode::eval;
    for (const StreamCall& call : still) {
      EXPECT_EQ(drawn(*one, call).size(), 0u) << name;
      EXPECT_EQ(one->words(), 0u) << name;
    }
    EXPECT_EQ(drawn(*one, on({300})), drawn(*other, on({300}))) << name;
    EXPECT_GT(one->words(), 0u) << name;
  }
}

TEST(ClaimedStream, RefusesWhatNoCallCanBeAndStaysWhereItWas) {
  for (const char* name : kAll) {
    auto one = opened(name), other = opened(name);
    for (const double p : {-0.1, 1.1, std::nan("")}) {
      const auto refusal = one->draw(on({9}, p));
      ASSERT_FALSE(refusal.has_value());
      EXPECT_EQ(refusal.error().code, ErrorCode::invalid_argument);
    }
    StreamCall channel = on({9});
    channel.op = Op::dropout2d;
    EXPECT_EQ(one->draw(channel).error().code, ErrorCode::invalid_argument);
    StreamCall crooked = on({9});
    crooked.strides = {1, 1};
    EXPECT_EQ(one->draw(crooked).error().code, ErrorCode::invalid_argument);
    StreamCall layer = on({9, 9});
    layer.form = "rnn";
    EXPECT_EQ(one->draw(layer).error().code, ErrorCode::unsupported);
    StreamCall integers = on({9});
    integers.dtype = DType::i64;
    EXPECT_EQ(one->draw(integers).error().code, ErrorCode::unsupported);
    EXPECT_EQ(drawn(*one, on({70})), drawn(*other, on({70}))) << name;
  }
  EXPECT_FALSE(opened("pytorch-cpu")->reseed(1, 4));
  EXPECT_FALSE(opened(kCuda)->reseed(1, 2));
}

TEST(ClaimedStream, SaysWhatIsNotDocumented) {
  auto cuda = opened(kCuda);
  StreamCall noise = on({9});
  noise.dtype = DType::f64;
  noise.in_place = true;
  EXPECT_EQ(cuda->draw(noise).error().code, ErrorCode::unsupported);
  StreamCall native = on({9});
  native.form = "native_dropout";
  EXPECT_EQ(opened("dropcheck-philox")->draw(native).error().code, ErrorCode::unsupported);
  native.in_place = true;
  EXPECT_EQ(cuda->draw(native).error().code, ErrorCode::unsupported);
}

TEST(ClaimedStream, DrawsOneEntryAChannel) {
  for (const char* name : kAll) {
    auto channels = opened(name), plain = opened(name);
    StreamCall call = on({3, 5, 4, 2}, 0.3, Layout::channels_last);
    call.op = Op::feature_alpha_dropout;
    StreamCall same = on({3, 5});
    same.in_place = true;  // the kernel that fills noise on CUDA
    EXPECT_EQ(drawn(*channels, call), drawn(*plain, same)) << name;
    EXPECT_EQ(channels->words(), plain->words());
  }
}

/// Masks of native_dropout and dropout on one layout, as text.
std::pair<std::string, std::string> native_and_plain(const char* name, StreamCall call) {
  auto stream = opened(name);
  const std::string plain = kept_text(drawn(*stream, call));
  EXPECT_TRUE(stream->reseed(0, 0));
  call.form = "native_dropout";
  return {kept_text(drawn(*stream, call)), plain};
}

TEST(ClaimedStream, FillsMemoryInNativeDropoutOnTheCpuAndIndicesInDropout) {
  for (const char* name : {"pytorch-cpu", "pytorch-cpu?variant=mcg31"}) {
    const auto [flat, also_flat] = native_and_plain(name, on({2, 3, 4, 5}));
    EXPECT_EQ(flat, also_flat);
    const auto [native, plain] = native_and_plain(name, on({2, 3, 4, 5}, 0.3, Layout::channels_last));
    EXPECT_EQ(plain, flat);
    EXPECT_NE(native, flat);
    // Element (n, c, h, w) of channels-last memory is number ((n * 4 + h) * 5 + w) * 3 + c.
    for (std::size_t n = 0, i = 0; n < 2; ++n)
      for (std::size_t c = 0; c < 3; ++c)
        for (std::size_t hw = 0; hw < 20; ++hw, ++i) EXPECT_EQ(native[i], flat[(n * 20 + hw) * 3 + c]);
    // Without a dense input the mask is contiguous.
    for (const Layout layout : {Layout::strided, Layout::expanded})
      EXPECT_EQ(native_and_plain(name, on({2, 3, 4, 5}, 0.3, layout)).first, flat);
  }
}

TEST(ClaimedStream, FillsMemoryInDropoutWhereTheClaimSaysSo) {
  for (const char* name : {"pytorch-cpu?order=memory", "pytorch-cpu?variant=mcg31&order=memory"}) {
    EXPECT_EQ(opened(name)->name(), name);
    const std::string flat = native_and_plain(name, on({2, 3, 4, 5})).second;
    const auto [native, plain] = native_and_plain(name, on({2, 3, 4, 5}, 0.3, Layout::channels_last));
    EXPECT_EQ(plain, native);
    EXPECT_NE(plain, flat);
    for (const Layout layout : {Layout::strided, Layout::shifted, Layout::expanded})
      EXPECT_EQ(native_and_plain(name, on({2, 3, 4, 5}, 0.3, layout)).second, flat);
    auto stream = opened(name);
    StreamCall channels = on({2, 3, 4, 5}, 0.3, Layout::channels_last);
    channels.op = Op::dropout2d;
    const MaskBits by_channel = drawn(*stream, channels);
    ASSERT_TRUE(stream->reseed(0, 0));
    EXPECT_EQ(drawn(*stream, on({6})), by_channel) << "channels are drawn into noise of their own";
  }
  EXPECT_EQ(opened("pytorch-cpu?order=logical")->name(), "pytorch-cpu");
  EXPECT_FALSE(ClaimedStream::open("pytorch-cpu?order=other").has_value());
}

TEST(ClaimedStream, DrawsInNativeDropoutAtTheEnds) {
  auto cpu = opened("pytorch-cpu"), cuda = opened(kCuda);
  StreamCall call = on({5}, 1.0);
  call.form = "native_dropout";
  EXPECT_EQ(drawn(*cpu, call).count(), 5u);
  EXPECT_EQ(cpu->words(), 10u);
  EXPECT_EQ(drawn(*cuda, call).size(), 0u);
  EXPECT_EQ(cuda->words(), 0u);
  call.p = 0.0;
  EXPECT_EQ(drawn(*cpu, call).size(), 5u);
  EXPECT_EQ(cpu->words(), 10u);
  EXPECT_EQ(drawn(*cuda, call).size(), 5u);
  EXPECT_EQ(cuda->words(), 4u);
}

TEST(ClaimedStream, ReadsMemoryInTheVectorKernelsOfCudaAndIndicesInTheOthers) {
  const auto mask = [](std::vector<std::int64_t> shape, Layout layout, std::uint64_t alignment = 256) {
    auto stream = opened(kCuda);
    StreamCall call = on(std::move(shape), 0.3, layout);
    call.alignment_bytes = alignment;
    return kept_text(drawn(*stream, call));
  };
  const std::string flat = mask({2, 3, 4, 5}, Layout::contiguous);
  const std::string native = mask({2, 3, 4, 5}, Layout::channels_last);
  EXPECT_NE(native, flat);
  for (std::size_t n = 0, i = 0; n < 2; ++n)
    for (std::size_t c = 0; c < 3; ++c)
      for (std::size_t hw = 0; hw < 20; ++hw, ++i) EXPECT_EQ(native[i], flat[(n * 20 + hw) * 3 + c]);
  // One at once: an odd number of elements, an address between vectors, gaps.
  EXPECT_EQ(mask({1, 3, 5, 7}, Layout::channels_last), mask({1, 3, 5, 7}, Layout::contiguous));
  const std::string single = mask({2, 3, 4, 5}, Layout::contiguous, 4);
  EXPECT_NE(single, flat);
  EXPECT_EQ(mask({2, 3, 4, 5}, Layout::channels_last, 260), single);
  EXPECT_EQ(mask({2, 3, 4, 5}, Layout::strided), single);
  EXPECT_EQ(mask({2, 3, 4, 5}, Layout::expanded), single);
}

TEST(ClaimedStream, CountsTheWordsOfEachCall) {
  auto mcg31 = opened("pytorch-cpu?variant=mcg31");
  drawn(*mcg31, on({1000}));
  EXPECT_EQ(mcg31->words(), 1u);
  auto cuda = opened(kCuda);
  drawn(*cuda, on({1081344}));
  EXPECT_EQ(cuda->words(), 4u);
  drawn(*cuda, on({1081345}));
  EXPECT_EQ(cuda->words(), 8u);
  ASSERT_TRUE(cuda->reseed(7, 12));
  const MaskBits later = drawn(*cuda, on({64}));
  auto other = opened(kCuda);
  ASSERT_TRUE(other->reseed(7, 0));
  for (int i = 0; i < 3; ++i) drawn(*other, on({64}));
  EXPECT_EQ(drawn(*other, on({64})), later);
}

TEST(ClaimedStream, NamesThePlaceOfEveryEntry) {
  auto cpu = opened("pytorch-cpu");
  std::mt19937 engine(5);
  ASSERT_TRUE(cpu->reseed(5, 0));
  drawn(*cpu, on({3}));
  engine.discard(6);
  const MaskBits drops = drawn(*cpu, on({40}, 0.5));
  for (std::uint64_t i = 0; i < 40; ++i) {
    char words[64];
    const auto high = static_cast<unsigned>(engine()), low = static_cast<unsigned>(engine());
    std::snprintf(words, sizeof words, "words 0x%08x, 0x%08x -> u = 0.", high, low);
    EXPECT_THAT(cpu->place(i), HasSubstr(words));
    EXPECT_THAT(cpu->place(i), HasSubstr(drops[i] ? ">= q = 0.5: dropped" : "< q = 0.5: kept"));
  }
  auto cuda = opened(kCuda);
  ASSERT_TRUE(cuda->reseed(42, 0));
  drawn(*cuda, on({4}));
  drawn(*cuda, on({8}, 0.5));
  ASSERT_TRUE(cuda->reseed(42, 0));
  drawn(*cuda, on({8}, 0.5));
  EXPECT_EQ(cuda->place(0),
            "word 0x9ceaf053 (thread 0, offset 0, word 0) -> u = 0.61295986 >= q = 0.5: dropped");
  EXPECT_EQ(cuda->place(1), "word 0x77f5493b (thread 0, offset 0, word 1) -> u = 0.4685865 < q = 0.5: kept");
  EXPECT_THAT(cuda->place(4), HasSubstr("thread 1, offset 0, word 0"));
}

TEST(ClaimedStream, KnowsTheProbabilitiesAtWhichAnEntryLiesOnTheThreshold) {
  for (const char* name : kAll)
    for (const bool f64 : {false, true}) {
      auto stream = opened(name);
      StreamCall call = on({64});
      if (f64) call.dtype = DType::f64;
      drawn(*stream, call);
      std::vector<std::optional<Edge>> edges;
      for (std::uint64_t i = 0; i < 64; ++i) edges.push_back(stream->edge(i));
      unsigned found = 0;
      for (std::uint64_t i = 0; i < 64; ++i) {
        if (!edges[i]) continue;
        ++found;
        ASSERT_TRUE(stream->reseed(0, 0));
        call.p = edges[i]->at;
        const bool at = drawn(*stream, call)[i];
        // The document of dropcheck-philox drops below its threshold, PyTorch keeps below its own.
        EXPECT_EQ(at, std::string_view(name) != "dropcheck-philox") << name << " " << stream->place(i);
        ASSERT_TRUE(stream->reseed(0, 0));
        call.p = edges[i]->beyond;
        EXPECT_EQ(drawn(*stream, call)[i], !at) << name << " " << stream->place(i);
      }
      EXPECT_GE(found, 50u) << name;
    }
}

}  // namespace
}  // namespace dropcheck::reference
