#pragma once
// Patterns of lanes: do the rates of 1024 lanes follow a product of bits of the lane's number? A sum over
// lanes takes 1023 such patterns together; the worst one names which bits of the position the drops depend
// on. Broken preconditions throw std::domain_error.

#include <array>
#include <cstdint>
#include <optional>

#include "harness/core/chunk.hpp"
#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

inline constexpr std::size_t kWalshLanes = 1024;

/// Drops by position modulo 1024 in a chunk; what is left at its end is left out, so all lanes have the same
/// number of entries.
struct WalshCounts {
  std::uint64_t rows = 0;  // entries of each lane
  std::array<std::uint64_t, kWalshLanes> drops{};

  void add(const Chunk& chunk);
  void merge(const WalshCounts& other);
};

/// Entries of each lane in a sample with these chunks.
std::uint64_t planned_walsh_rows(const ChunkCounts& chunks);

struct WalshTest {
  Tail tail;                // corrected for 1023 patterns, unless one was chosen
  std::uint64_t pattern;    // lanes with an odd number of bits in common with it against the others
  std::uint64_t odd, even;  // drops in either half
  double amplitude;         // half the difference of their rates, odd minus even
};

/// The pattern with the most unequal halves. Given all drops, those in one half of the lanes are
/// hypergeometric whatever p is; the rate itself is not tested. Times 1023 (Bonferroni). `chosen`, 1 to 1023,
/// is tested alone and without correction. At least one row.
WalshTest walsh_test(const WalshCounts& counts, std::optional<std::uint64_t> chosen = std::nullopt);

/// Amplitude a, rates p + a and p - a in the two halves, that is rejected with probability 1 - beta.
double walsh_min_effect(std::uint64_t rows, double alpha, double beta, double p);

/// Smallest number of rows with walsh_min_effect <= effect, effect > 0.
std::uint64_t walsh_min_samples(double effect, double alpha, double beta, double p);

}  // namespace dropcheck::stats
