#pragma once
// Power of the mask at every frequency, averaged over blocks: any period shows, whatever its phase in each
// block. The power spectrum is the Fourier transform of the circular autocovariances, and those are whole
// numbers, so they are what is counted: sums of them are exact in any order and on every machine. Broken
// preconditions throw std::domain_error.

#include <cstdint>
#include <optional>
#include <vector>

#include "harness/core/chunk.hpp"
#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

inline constexpr std::uint64_t kPeriodogramBlock = 4096;
/// Frequencies 1 to 2048 cycles in a block; 0 is the rate.
inline constexpr std::uint64_t kFrequencies = kPeriodogramBlock / 2;
inline constexpr std::uint64_t kLeastPeriodogramBlocks = 256;

/// Blocks of a full chunk (256 in all) that are read: a transform is dear, so large samples are read in part.
/// All blocks read are about 16 times the root of the sample's, but at least 16 of a chunk and a multiple of
/// it: so many are transformed in one go.
std::uint64_t periodogram_blocks(const ChunkCounts& chunks);

/// Blocks that PeriodogramCounts reads in a sample with these chunks.
std::uint64_t planned_periodogram_blocks(const ChunkCounts& chunks);

class PeriodogramCounts {
 public:
  /// `blocks_of_chunk`: of a full chunk, 1 to 256; a shorter one is read in proportion.
  explicit PeriodogramCounts(std::uint64_t blocks_of_chunk);
  void add(const Chunk& chunk);
  void merge(const PeriodogramCounts& other);

  std::uint64_t blocks() const { return blocks_; }
  /// [k] = number of t, over all blocks, with entries t and t + k (modulo 4096) dropped, 0 <= k <= 2048.
  std::vector<std::uint64_t> autocovariances() const;
  /// [j] = sum over blocks of |sum_t d_t exp(-2 pi i j t / 4096)|^2, 0 <= j <= 2048. Centring changes [0]
  /// only.
  std::vector<double> powers() const;

 private:
  std::uint64_t blocks_of_chunk_;
  std::uint64_t blocks_ = 0;
  std::vector<std::uint64_t> autocovariances_;  // of all blocks but the pending ones
  std::vector<double> pending_;                 // power spectrum of blocks whose counts are not made out yet
  std::uint64_t pending_blocks_ = 0;

  void settle_if_many();
};

/// At least 256 blocks, and a kurtosis k = (1 - 3pq)/pq of an entry with |k - 3| / 4096 < 0.01: a block's
/// power is then exponential to the accuracy that tails of the sum need. p in (0,1).
bool periodogram_is_valid(std::uint64_t blocks, double p);

struct PeriodogramTest {
  Tail tail;                // corrected for 2048 frequencies, unless one was chosen
  std::uint64_t frequency;  // the worst, in cycles in 4096 entries
  double power;             // its mean power, 1 expected
};

/// The frequency whose power is least likely. The power of one block over 4096 p q has mean 1 and variance 1
/// + (k
/// - 3)/4096, at frequency 2048 2 + (k - 3)/4096, exactly (Priestley 1981, section 6.2); a sum over blocks is
/// referred to the gamma law of its mean and variance. Times 2048 (Bonferroni). `chosen`, 1 to 2048, is
/// tested alone and without correction. Throws where periodogram_is_valid is false.
PeriodogramTest periodogram_test(const PeriodogramCounts& counts, double p,
                                 std::optional<std::uint64_t> chosen = std::nullopt);

/// Excess e of the power at one frequency, 1 + e instead of 1, that is rejected with probability 1 - beta. A
/// rate p + a cos(2 pi j t / 4096 + phase) has e = 4096 a^2 / (4 p q). Infinity for no blocks.
double periodogram_min_effect(std::uint64_t blocks, double alpha, double beta, double p);

/// Smallest number of blocks with periodogram_min_effect <= effect, effect > 0, at least 256; the largest
/// std::uint64_t when 2^50 do not suffice.
std::uint64_t periodogram_min_samples(double effect, double alpha, double beta, double p);

}  // namespace dropcheck::stats
