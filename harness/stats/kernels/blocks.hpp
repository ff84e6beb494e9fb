#pragma once
// Drops in blocks of a mask: moments, histograms, and products of neighbouring words' counts. Compiled for
// every vector width and chosen at run time.

#include <cstddef>
#include <cstdint>
#include <span>

namespace dropcheck::stats::kernels {

/// Sums over blocks with c ones each.
struct BlockMoments {
  std::uint64_t blocks = 0;
  std::uint64_t sum = 0;          // of c
  std::uint64_t sum_squares = 0;  // of c^2; exact for 2^42 entries in blocks of at most 2^20

  friend bool operator==(const BlockMoments&, const BlockMoments&) = default;
};

/// Adds the moments of the disjoint blocks of 2^log2_block entries, 64 or more. The entries after the last
/// whole block are left out. std::domain_error when log2_block < 6 or words do not hold `size` bits.
void block_moments(std::span<const std::uint64_t> words, std::uint64_t size, unsigned log2_block,
                   BlockMoments& moments);

/// histogram[c] += blocks of 2^log2_block entries with c ones; size 2^log2_block + 1. As block_moments().
void block_histogram(std::span<const std::uint64_t> words, std::uint64_t size, unsigned log2_block,
                     std::span<std::uint64_t> histogram);

/// histogram[c] += words among the first n_words with c ones; 65 counts. std::domain_error otherwise.
void word_histogram(std::span<const std::uint64_t> words, std::uint64_t n_words,
                    std::span<std::uint64_t> histogram);

/// products[l - 1] += sum of weights[j] * weights[j + l] over all pairs, l = 1 to products.size(). Weights
/// are counts of at most 64, as word_counts() gives them; larger ones are not detected.
void weight_lag_products(std::span<const std::uint8_t> weights, std::span<std::uint64_t> products);

}  // namespace dropcheck::stats::kernels
