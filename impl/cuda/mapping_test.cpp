// The mapping of elements to random words, on the host: against the `cpu` backend's generator, the reference
// streams and published numbers, on both sides of every border.

#include "impl/cuda/mapping.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "harness/core/mask_bits.hpp"
#include "impl/cpu/mask.hpp"
#include "impl/cuda/stream_setup.hpp"
#include "reference/philox.hpp"
#include "reference/pytorch_cuda_stream.hpp"

namespace dropcheck::cuda {
namespace {

using CoreDType = ::dropcheck::DType;

constexpr std::array<std::uint64_t, 8> kBorders = {0,
                                                   256,
                                                   1024,
                                                   270336,
                                                   std::uint64_t{1} << 31,
                                                   std::uint64_t{1} << 32,
                                                   std::uint64_t{1} << 34,
                                                   std::uint64_t{1} << 40};

/// Numbers around each border, none below 0.
std::vector<std::uint64_t> around_borders() {
  std::vector<std::uint64_t> numbers;
  for (const std::uint64_t border : kBorders)
    for (std::uint64_t i = border < 9 ? 0 : border - 9; i <= border + 9; ++i) numbers.push_back(i);
  return numbers;
}

TEST(Philox, KnownAnswers) {
  const Words zero = philox4x32_10(0, 0, KeySchedule(0));
  EXPECT_EQ(zero.word[0], 0x6627e8d5u);
  EXPECT_EQ(zero.word[1], 0xe169c58du);
  EXPECT_EQ(zero.word[2], 0xbc57ac4cu);
  EXPECT_EQ(zero.word[3], 0x9b00dbd8u);
  // docs/streams.md, worked example: call 1, group 1.
  const Words example = philox4x32_10(1, 1, KeySchedule(0x0123456789abcdef));
  EXPECT_EQ(example.word[0], 0xf11fc46fu);
  EXPECT_EQ(example.at(3), 0x3147ab5bu);
}

TEST(Philox, EqualsTheReferenceOnEveryHalfOfCounterAndKey) {
  for (const std::uint64_t low : around_borders())
    for (const std::uint64_t high : {std::uint64_t{0}, std::uint64_t{1} << 32, ~std::uint64_t{0}}) {
      const std::uint64_t key = low * 0x9e3779b97f4a7c15u + high;
      const auto half = [](std::uint64_t v, int shift) { return static_cast<std::uint32_t>(v >> shift); };
      const auto expected = reference::philox4x32_10(
          {half(low, 0), half(low, 32), half(high, 0), half(high, 32)}, {half(key, 0), half(key, 32)});
      const Words words = philox4x32_10(low, high, KeySchedule(key));
      for (unsigned lane = 0; lane < 4; ++lane)
        ASSERT_EQ(words.at(lane), expected[lane]) << low << " " << high;
    }
}

TEST(DropcheckStream, EqualsTheCpuBackendAroundEveryBorder) {
  for (const double p : {1e-12, 0.1, 0.5, 0.999, 1 - 0x1p-53}) {
    const cpu::MaskStream expected{0x0123456789abcdef, 7, cpu::last_dropped_word(p)};
    const DropcheckStream stream{KeySchedule(0x0123456789abcdef), 7, last_dropped_word(p)};
    EXPECT_EQ(dropcheck_rate(p), cpu::effective_rate(p));
    for (const std::uint64_t border : kBorders) {
      const std::uint64_t first = border < 64 ? 0 : border - 64;
      std::array<std::uint8_t, 160> kept{};
      expected.draw(first, kept.size(), kept.data());
      for (std::uint64_t i = 0; i < kept.size(); i += 8) {
        const unsigned eight = keep_bits<8>(stream, first + i);
        const unsigned four = keep_bits<4>(stream, first + i + 4);
        EXPECT_EQ(eight >> 4, four);
        for (unsigned k = 0; k < 8; ++k) ASSERT_EQ(eight >> k & 1u, kept[i + k]) << p << " " << first + i + k;
      }
    }
  }
}

TEST(DropcheckStream, ChannelsHaveOneEntryEach) {
  const DropcheckStream stream{KeySchedule(99), 3, last_dropped_word(0.4)};
  const cpu::MaskStream expected{99, 3, cpu::last_dropped_word(0.4)};
  for (const std::uint64_t per_entry : {2u, 3u, 5u, 7u, 8u, 9u, 49u, 1000u, 65537u})
    for (const std::uint64_t border : kBorders) {
      const std::uint64_t first = border < 16 ? 0 : (border - 16) / 4 * 4;
      for (std::uint64_t i = first; i < first + 64; i += 4) {
        const unsigned eight = channel_bits<8>(stream, i, per_entry);
        EXPECT_EQ(channel_bits<4>(stream, i, per_entry), eight & 15u);
        for (unsigned k = 0; k < 8; ++k) {
          std::uint8_t kept = 2;
          expected.draw((i + k) / per_entry, 1, &kept);
          ASSERT_EQ(eight >> k & 1u, kept) << per_entry << " " << i + k;
        }
      }
    }
}

TEST(PyTorchStream, PlacesAreTheReferences) {
  for (const unsigned vec : {1u, 2u, 4u, 8u})
    for (const std::uint64_t threads : {std::uint64_t{256}, std::uint64_t{512}, std::uint64_t{270336}}) {
      PyTorchStream stream;
      stream.keys = KeySchedule(42);
      stream.first_block = std::uint64_t{1} << 32;
      stream.threads = threads;
      stream.vec = vec;
      std::vector<std::uint64_t> numbers = around_borders();
      for (const std::uint64_t times : {1, 2, 4, 8, 16})
        for (std::uint64_t i = 0; i < 18; ++i) numbers.push_back(times * threads + i - 9);
      for (const std::uint64_t i : numbers) {
        const reference::DrawPlace expected = reference::place_of(i, threads, vec);
        const Place place = stream.place(i);
        ASSERT_EQ(place.thread, expected.thread) << vec << " " << i;
        ASSERT_EQ(place.block, expected.block) << vec << " " << i;
        ASSERT_EQ(place.lane, expected.lane) << vec << " " << i;
        const auto words =
            reference::thread_block(42, std::uint64_t{4} << 32, expected.thread, expected.block);
        ASSERT_EQ(stream.word(i), words[expected.lane]) << vec << " " << i;
        ASSERT_EQ(stream.words(i / 4).at(static_cast<unsigned>(i % 4)), words[expected.lane])
            << vec << " " << i;
      }
    }
}

TEST(PyTorchStream, WholeMasksAreTheReferences) {
  const reference::CudaDevice small{1, 512, reference::VectorRule::sixteen_bytes};
  const PyTorchDevice ours{1, 512, 8};
  const std::array<std::pair<CoreDType, DType>, 4> dtypes = {{{CoreDType::f64, DType::f64},
                                                              {CoreDType::f32, DType::f32},
                                                              {CoreDType::f16, DType::f16},
                                                              {CoreDType::bf16, DType::bf16}}};
  for (const auto& [core, dtype] : dtypes)
    for (const std::uint64_t numel :
         {1, 2, 6, 8, 255, 256, 257, 1024, 2048, 4094, 4096, 4100, 12288, 12290, 16384})
      for (const std::uint64_t address : {256u, 8u, 2u})
        for (const double p : {0.1, 0.5, 1e-8}) {
          if (address % size_of(dtype) != 0) continue;
          reference::PyTorchCudaStream reference_stream(small, 42, 8);
          reference::CudaCall call;
          call.dtype = core;
          call.numel = numel;
          call.p = p;
          call.alignment_bytes = address;
          MaskBits drops;
          const unsigned vec = reference_stream.vec_of(call);
          reference_stream.draw(call, drops);
          EXPECT_EQ(pytorch_vec(ours, dtype, numel, address, true), vec);
          PyTorchStream stream;
          stream.keys = KeySchedule(42);
          stream.first_block = 2;
          stream.threads = pytorch_threads(ours, numel);
          stream.vec = vec;
          stream.in_double = dtype == DType::f64;
          stream.q = 1 - p;
          EXPECT_EQ(8 + pytorch_words(numel, stream.threads), reference_stream.offset());
          for (std::uint64_t i = 0; i < numel; ++i)
            ASSERT_EQ(stream.keeps(stream.word(i)), !drops[i]) << numel << " " << vec << " " << i;
        }
}

TEST(PyTorchStream, GoldenMasks) {
  // Seed 42, offset 0, 32 elements, p 0.5: the mask for each number of elements at once.
  const std::array<std::pair<unsigned, std::string>, 4> rows = {{{1, "01111101011001110101100111110111"},
                                                                 {2, "01111011101100100110100000111011"},
                                                                 {4, "01111110101011001011111000001011"},
                                                                 {8, "01110101111010111010000011000101"}}};
  for (const auto& [vec, expected] : rows) {
    PyTorchStream stream;
    stream.keys = KeySchedule(42);
    stream.threads = 256;
    stream.vec = vec;
    stream.q = 0.5;
    std::string mask;
    for (std::uint64_t i = 0; i < 32; ++i) mask += stream.keeps(stream.word(i)) ? '1' : '0';
    EXPECT_EQ(mask, expected) << vec;
  }
}

TEST(PyTorchStream, RatesAndKeepTestsAreTheReferences) {
  for (const double p : {0.0, 1e-10, 1e-7, 0.1, 0.5, 0.9, 1 - 0x1p-25, 1 - 0x1p-33, 1.0}) {
    EXPECT_EQ(pytorch_rate(p, DType::f32), reference::effective_drop_probability(p, CoreDType::f32)) << p;
    EXPECT_EQ(pytorch_rate(p, DType::f16), reference::effective_drop_probability(p, CoreDType::f16)) << p;
    EXPECT_EQ(pytorch_rate(p, DType::f64), reference::effective_drop_probability(p, CoreDType::f64)) << p;
  }
  for (const std::uint64_t w : around_borders()) {
    const auto word = static_cast<std::uint32_t>(w * 0x9e3779b1u);
    EXPECT_EQ(uniform_of(word), reference::uniform_of(word));
  }
}

TEST(PyTorchStream, GeometryIsTheReferences) {
  for (const unsigned multiprocessors : {1u, 46u, 132u})
    for (const unsigned resident : {256u, 1536u, 2047u, 2048u})
      for (const std::uint64_t numel : around_borders()) {
        if (numel == 0) continue;
        const auto expected = reference::launch_geometry(
            {multiprocessors, resident, reference::VectorRule::sixteen_bytes}, numel);
        const std::uint64_t threads = pytorch_threads({multiprocessors, resident, 8}, numel);
        ASSERT_EQ(threads, expected.threads) << multiprocessors << " " << resident << " " << numel;
        ASSERT_EQ(pytorch_words(numel, threads), expected.increment) << numel;
      }
}

TEST(PyTorchStream, VectorWidthsAreTheReferences) {
  const std::array<std::pair<CoreDType, DType>, 4> dtypes = {{{CoreDType::f64, DType::f64},
                                                              {CoreDType::f32, DType::f32},
                                                              {CoreDType::f16, DType::f16},
                                                              {CoreDType::bf16, DType::bf16}}};
  for (const auto& [core, dtype] : dtypes)
    for (const unsigned max_vec : {4u, 8u})
      for (std::uint64_t numel = 1; numel < 20; ++numel)
        for (std::uint64_t address = 256; address < 290; address += size_of(dtype))
          for (const bool dense : {false, true}) {
            const auto rule =
                max_vec == 8 ? reference::VectorRule::sixteen_bytes : reference::VectorRule::at_most_four;
            ASSERT_EQ(pytorch_vec({132, 2048, max_vec}, dtype, numel, address, dense),
                      reference::vector_width(core, rule, numel, address, dense));
          }
}

}  // namespace
}  // namespace dropcheck::cuda
