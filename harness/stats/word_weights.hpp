#pragma once
// Do words of 64 entries know of each other's number of drops? The product of two words' deviations adds up
// 64 x 64 pairs of entries, so it sees dependence that is spread too thinly for any single lag: a rate that
// varies from stretch to stretch, or one draw that makes up for another. Broken preconditions throw
// std::domain_error.

#include <array>
#include <cstdint>

#include "harness/core/chunk.hpp"
#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

inline constexpr unsigned kWordLags = 16;

/// Over the full words of chunks, X_j = drops in word j. Element l - 1 of the arrays belongs to lag l.
struct WordWeightCounts {
  std::array<std::uint64_t, kWordLags> pairs{};     // words j, j + l of one chunk
  std::array<std::uint64_t, kWordLags> products{};  // sum of X_j X_(j+l)
  std::array<std::uint64_t, kWordLags> margins{};   // sum of X_j + X_(j+l)

  void add(const Chunk& chunk);
  void merge(const WordWeightCounts& other);
};

/// Pairs of words `lag` apart in a sample with these chunks.
std::uint64_t planned_word_pairs(const ChunkCounts& chunks, unsigned lag);

/// Whether the test can decide at level alpha: petrov_is_valid at the skewness and the fourth cumulant of so
/// many pairs. p in (0,1).
bool word_weights_are_valid(std::uint64_t pairs, double p, double alpha);

struct WordWeightTest {
  Tail tail;
  double z;
  double correlation;        // of the numbers of drops in two words
  double skewness, quartic;  // of z, as petrov_two_sided takes them
};

/// z = sum (X_j - 64 p)(X_(j+l) - 64 p) / (64 p q sqrt(pairs)): mean 0, variance 1 and skewness (1-2p)^2 /
/// (64 p q sqrt(pairs)), exactly, since a product of different words' deviations has mean 0 unless each
/// occurs twice; Petrov's tail. 1 <= lag <= 16, at least one pair, p in (0,1).
WordWeightTest word_weight_test(const WordWeightCounts& counts, unsigned lag, double p);

/// Correlation of the numbers of drops in two words that is rejected with probability 1 - beta: up to 64
/// times the mean correlation of an entry of one with an entry of the other. Infinity for no pairs.
double word_weight_min_effect(std::uint64_t pairs, double alpha, double beta, double p);

/// Smallest number of pairs with word_weight_min_effect <= effect, effect > 0.
std::uint64_t word_weight_min_samples(double effect, double alpha, double beta, double p);

}  // namespace dropcheck::stats
