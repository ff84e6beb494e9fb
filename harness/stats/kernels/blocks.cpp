#include "harness/stats/kernels/blocks.hpp"

#include <algorithm>
#include <array>

#include "harness/stats/preconditions.hpp"
#include "harness/stats/word_counts.hpp"

#ifndef HWY_WANT_AVX3_DL
#define HWY_WANT_AVX3_DL
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "harness/stats/kernels/blocks.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for every instruction set
#include <hwy/highway.h>

#include "harness/stats/kernels/tally-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dropcheck::stats::kernels {
namespace HWY_NAMESPACE {

/// counts[b] = ones of block b of `words_each` words.
void count_blocks(const std::uint64_t* words, std::size_t blocks, std::size_t words_each,
                  std::uint32_t* counts) {
  const Words d;
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t b = 0; b < blocks; ++b, words += words_each) {
    WordVector sum = hn::Zero(d);
    std::size_t i = 0;
    while (words_each - i >= lanes) {
      const std::size_t steps = std::min((words_each - i) / lanes, kPartialVectors);
      Partial partial = no_ones();
      for (std::size_t s = 0; s < steps; ++s, i += lanes)
        partial = with_ones(partial, hn::LoadU(d, words + i));
      sum = hn::Add(sum, widen(partial));
    }
    std::uint64_t ones = total(sum);
    for (; i < words_each; ++i) ones += count_word(words[i]);
    counts[b] = static_cast<std::uint32_t>(ones);
  }
}

/// products[k] += sum of first[j] * second[j + k], j < size, k = 0 to 3. Weights are at most 64 and size is
/// at most 2^16, so that sums of two products in 32 bits do not overflow.
void four_dot_products(const std::uint8_t* first, const std::uint8_t* second, std::size_t size,
                       std::uint64_t* products) {
  std::size_t j = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<std::int16_t> d16;
  const hn::Rebind<std::uint8_t, decltype(d16)> d8;
  const hn::RepartitionToWide<decltype(d16)> d32;
  const std::size_t lanes = hn::Lanes(d16);
  auto s0 = hn::Zero(d32), s1 = s0, s2 = s0, s3 = s0;
  auto t0 = s0, t1 = s0, t2 = s0, t3 = s0;  // the other half of each sum, on some instruction sets
  for (; j + lanes <= size; j += lanes) {
    const auto a = hn::PromoteTo(d16, hn::LoadU(d8, first + j));
    s0 = hn::ReorderWidenMulAccumulate(d32, a, hn::PromoteTo(d16, hn::LoadU(d8, second + j)), s0, t0);
    s1 = hn::ReorderWidenMulAccumulate(d32, a, hn::PromoteTo(d16, hn::LoadU(d8, second + j + 1)), s1, t1);
    s2 = hn::ReorderWidenMulAccumulate(d32, a, hn::PromoteTo(d16, hn::LoadU(d8, second + j + 2)), s2, t2);
    s3 = hn::ReorderWidenMulAccumulate(d32, a, hn::PromoteTo(d16, hn::LoadU(d8, second + j + 3)), s3, t3);
  }
  const auto sum = [d32](auto s, auto t) HWY_ATTR {
    return static_cast<std::uint64_t>(hn::GetLane(hn::SumOfLanes(d32, hn::Add(s, t))));
  };
  products[0] += sum(s0, t0);
  products[1] += sum(s1, t1);
  products[2] += sum(s2, t2);
  products[3] += sum(s3, t3);
#endif
  for (; j < size; ++j)
    for (std::size_t k = 0; k < 4; ++k) products[k] += std::uint32_t{first[j]} * second[j + k];
}

}  // namespace HWY_NAMESPACE
}  // namespace dropcheck::stats::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace dropcheck::stats::kernels {
namespace {

constexpr std::size_t kStretch = std::size_t{1} << 16;  // weights whose products sum up in 32 bits

void require_blocks(std::span<const std::uint64_t> words, std::uint64_t size, unsigned log2_block) {
  require(log2_block >= 6 && log2_block <= 20, "blocks of 2^6 to 2^20 entries");
  require(words.size() >= (size + 63) / 64, "words that hold all bits");
}

}  // namespace

HWY_EXPORT(count_blocks);
HWY_EXPORT(four_dot_products);

void word_histogram(std::span<const std::uint64_t> words, std::uint64_t n_words,
                    std::span<std::uint64_t> histogram) {
  require(histogram.size() == 65 && words.size() >= n_words, "65 counts and enough words");
  constexpr std::size_t kTogether = 1024,
                        kTables = 4;  // tables, so that equal counts do not wait for each other
  std::array<std::uint8_t, kTogether> counts;
  std::array<std::array<std::uint32_t, 65>, kTables> tables;
  for (std::size_t from = 0; from < n_words;) {
    for (auto& table : tables) table.fill(0);
    // Few enough words for tables of 32 bits.
    const std::size_t end = from + std::min<std::size_t>(n_words - from, std::size_t{1} << 30);
    for (; from < end; from += kTogether) {
      const std::size_t now = std::min(kTogether, end - from);
      word_counts(words.subspan(from, now), std::span(counts).first(now));
      std::size_t i = 0;
      for (; i + kTables <= now; i += kTables)
        for (std::size_t t = 0; t < kTables; ++t) ++tables[t][counts[i + t]];
      for (; i < now; ++i) ++tables[0][counts[i]];
    }
    from = end;
    for (const auto& table : tables)
      for (std::size_t c = 0; c <= 64; ++c) histogram[c] += table[c];
  }
}

/// Calls visit(c) for every whole block.
template <typename Visit>
static void for_each_block(std::span<const std::uint64_t> words, std::uint64_t size, unsigned log2_block,
                           Visit&& visit) {
  const std::size_t words_each = std::size_t{1} << (log2_block - 6);
  const auto blocks = static_cast<std::size_t>(size >> log2_block);
  std::array<std::uint32_t, 256> counts;
  for (std::size_t from = 0; from < blocks; from += counts.size()) {
    const std::size_t now = std::min(counts.size(), blocks - from);
    HWY_DYNAMIC_DISPATCH(count_blocks)(words.data() + from * words_each, now, words_each, counts.data());
    for (std::size_t b = 0; b < now; ++b) visit(counts[b]);
  }
}

void block_moments(std::span<const std::uint64_t> words, std::uint64_t size, unsigned log2_block,
                   BlockMoments& moments) {
  require_blocks(words, size, log2_block);
  moments.blocks += size >> log2_block;
  if (log2_block == 6) {
    std::array<std::uint64_t, 65> histogram{};
    word_histogram(words, size / 64, histogram);
    for (std::uint64_t c = 0; c <= 64; ++c) {
      moments.sum += c * histogram[c];
      moments.sum_squares += c * c * histogram[c];
    }
    return;
  }
  for_each_block(words, size, log2_block, [&](std::uint64_t c) {
    moments.sum += c;
    moments.sum_squares += c * c;
  });
}

void block_histogram(std::span<const std::uint64_t> words, std::uint64_t size, unsigned log2_block,
                     std::span<std::uint64_t> histogram) {
  require_blocks(words, size, log2_block);
  require(histogram.size() == (std::size_t{1} << log2_block) + 1, "one count for each number of ones");
  if (log2_block == 6) return word_histogram(words, size / 64, histogram);
  for_each_block(words, size, log2_block, [&](std::uint32_t c) { ++histogram[c]; });
}

void weight_lag_products(std::span<const std::uint8_t> weights, std::span<std::uint64_t> products) {
  const std::size_t n = weights.size();
  for (std::size_t k = 0; k < products.size() && k + 1 < n; k += 4) {
    std::array<std::uint64_t, 4> sums{};
    // Places at which all four lags have a partner, then the rest of each lag.
    const std::size_t common = n > k + 4 ? n - k - 4 : 0;
    for (std::size_t from = 0; from < common; from += kStretch) HWY_DYNAMIC_DISPATCH(four_dot_products)
    (weights.data() + from, weights.data() + from + k + 1, std::min(kStretch, common - from), sums.data());
    for (std::size_t m = 0; m < 4 && k + m < products.size(); ++m) {
      for (std::size_t j = common; j + k + m + 1 < n; ++j)
        sums[m] += std::uint32_t{weights[j]} * weights[j + k + m + 1];
      products[k + m] += sums[m];
    }
  }
}

}  // namespace dropcheck::stats::kernels

#endif  // HWY_ONCE
