#include "reference/pytorch_cpu_stream.hpp"

#include <algorithm>
#include <cmath>

#include "harness/core/invariant.hpp"
#include "harness/core/problem.hpp"

namespace dropcheck::reference {
namespace {

constexpr std::uint64_t kWordsPerEntry = 2;
constexpr std::uint64_t kLow53 = (std::uint64_t{1} << 53) - 1;
constexpr std::uint32_t kMcg31Modulus = 0x7fffffff;
constexpr std::uint64_t kMcg31Multiplier = 1132489760;

/// Overwrites the mask; `drops_next()` is asked once an entry, in order.
template <typename DropsNext>
void fill(MaskBits& drops, DropsNext&& drops_next) {
  std::uint64_t left = drops.size();
  for (std::uint64_t& word : drops.words()) {
    const auto count = static_cast<unsigned>(std::min<std::uint64_t>(64, left));
    left -= count;
    word = 0;
    for (unsigned i = 0; i < count; ++i) word |= std::uint64_t{drops_next()} << i;
  }
}

/// A dropout of the generic implementation draws only then (ATen/native/Dropout.cpp).
bool draws(double p, Mode mode) { return mode == Mode::train && p > 0.0 && p < 1.0; }

std::uint64_t words_of_entries(std::uint64_t entries, double p, Mode mode) {
  return draws(p, mode) ? kWordsPerEntry * entries : 0;
}

std::uint64_t attention_weights(const AttentionShape& shape) {
  return shape.batch * shape.heads * shape.targets * shape.sources;
}

}  // namespace

std::optional<CpuVariant> variant_of(std::uint64_t words_consumed, std::uint64_t elements) {
  if (elements == 0) return std::nullopt;  // no build draws anything
  if (words_consumed == kWordsPerEntry * elements) return CpuVariant::two_words;
  if (words_consumed == 1) return CpuVariant::mcg31;
  if (words_consumed == 0) return CpuVariant::mkl_generator;
  return std::nullopt;
}

std::uint64_t keep_threshold53(double p) {
  DROPCHECK_CHECK(p >= 0.0 && p <= 1.0);
  // q is a multiple of 2^-53 for every p: for p < 1/2 it is at least 1/2, otherwise the difference is exact.
  return static_cast<std::uint64_t>(std::ldexp(1.0 - p, 53));
}

Mcg31::Mcg31(std::uint32_t seed) : x_(seed % kMcg31Modulus) {
  if (x_ == 0) x_ = 1;
}

std::uint32_t Mcg31::next() {
  const std::uint32_t now = x_;
  x_ = static_cast<std::uint32_t>(kMcg31Multiplier * x_ % kMcg31Modulus);
  return now;
}

bool Mcg31::keeps(std::uint32_t x, double p) {
  constexpr auto kUnit = static_cast<float>(1.0 / kMcg31Modulus);
  return static_cast<float>(x) * kUnit < static_cast<float>(1.0 - p);
}

// ATen/CPUGeneratorImpl.cpp, ATen/core/MT19937RNGEngine.h: the engine is the standard one and its state takes
// 32 bits of the seed.
PyTorchCpuStream::PyTorchCpuStream(std::uint64_t seed) : engine_(static_cast<std::uint32_t>(seed)) {}

std::uint32_t PyTorchCpuStream::next_word() {
  ++words_drawn_;
  return static_cast<std::uint32_t>(engine_());
}

// ATen/native/cpu/DistributionTemplates.h (bernoulli_ with a scalar p), ATen/CPUGeneratorImpl.cpp (random64):
// the first word is the high half, the low 53 bits are the number. Equal to PyTorch 1.13.1 where that was
// run.
void PyTorchCpuStream::draw(double p, MaskBits& drops) {
  const std::uint64_t keeping = keep_threshold53(p);
  fill(drops, [&] {
    const std::uint64_t high = next_word(), low = next_word();
    return ((high << 32 | low) & kLow53) >= keeping;
  });
}

// ATen/native/cpu/DistributionKernels.cpp where MKL draws: one word of random() seeds a generator for the
// call.
void PyTorchCpuStream::draw_mcg31(double p, MaskBits& drops) {
  DROPCHECK_CHECK(p >= 0.0 && p <= 1.0);
  if (drops.size() == 0) return;
  Mcg31 generator(next_word());
  fill(drops, [&] { return !Mcg31::keeps(generator.next(), p); });
}

// ATen/native/Dropout.cpp: noise has one entry an element, or one for each pair of indices of dimensions 0
// and 1. Run on PyTorch 1.13.1, as are all counts below.
std::uint64_t words_of_dropout(Op op, std::span<const std::int64_t> shape, double p, Mode mode) {
  const auto elements = static_cast<std::uint64_t>(element_count(shape));
  if (elements == 0) return 0;
  if (!drops_channels(op)) return words_of_entries(elements, p, mode);
  if (shape.size() < 2) return 0;
  return words_of_entries(static_cast<std::uint64_t>(shape[0] * shape[1]), p, mode);
}

std::uint64_t words_of_native_dropout(std::uint64_t elements, Mode mode) {
  return mode == Mode::train ? kWordsPerEntry * elements : 0;
}

// ATen/native/RNN.cpp.
std::uint64_t words_of_recurrent(const RecurrentShape& shape, double p, Mode mode) {
  if (shape.layers == 0) return 0;
  const std::uint64_t output = shape.steps * shape.batch * shape.hidden * shape.directions;
  return words_of_entries((shape.layers - 1) * output, p, mode);
}

// torch/nn/functional.py, multi_head_attention_forward.
std::uint64_t words_of_attention(const AttentionShape& shape, double p, Mode mode) {
  return words_of_entries(attention_weights(shape), p, mode);
}

// torch/nn/modules/transformer.py and its twin in C++.
std::uint64_t words_of_encoder_layer(const TransformerShape& shape, double p, Mode mode) {
  const std::uint64_t positions = shape.batch * shape.targets;
  const std::uint64_t weights = attention_weights({shape.batch, shape.heads, shape.targets, shape.targets});
  return words_of_entries(weights + positions * (2 * shape.embedding + shape.feed_forward), p, mode);
}

std::uint64_t words_of_decoder_layer(const TransformerShape& shape, double p, Mode mode) {
  const std::uint64_t weights = attention_weights({shape.batch, shape.heads, shape.targets, shape.sources});
  const std::uint64_t output = shape.batch * shape.targets * shape.embedding;
  return words_of_encoder_layer(shape, p, mode) + words_of_entries(weights + output, p, mode);
}

}  // namespace dropcheck::reference
