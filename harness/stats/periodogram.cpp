#include "harness/stats/periodogram.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <unsupported/Eigen/FFT>

#include "harness/stats/gamma_law.hpp"
#include "harness/stats/kernels/power_spectra.hpp"
#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

constexpr std::uint64_t kBlocksOfChunk = kChunkBits / kPeriodogramBlock;
constexpr double kRoot = 256;  // samples of up to as many blocks are read whole
constexpr double kLeastPower = 1e-9;
constexpr auto kLength = static_cast<Eigen::Index>(kPeriodogramBlock);
constexpr std::size_t kHalf = kFrequencies + 1;

static_assert(kPeriodogramBlock == kernels::kSpectrumBits);

// Forward and inverse transforms of real sequences, of which only frequencies 0 to 2048 are kept.
class Transform {
 public:
  Transform() { fft_.SetFlag(Eigen::FFT<double>::HalfSpectrum); }
  void forward(const std::vector<double>& entries, std::vector<std::complex<double>>& spectrum) {
    spectrum.resize(kHalf);
    fft_.fwd(spectrum.data(), entries.data(), kLength);
  }
  void inverse(const std::vector<std::complex<double>>& spectrum, std::vector<double>& entries) {
    entries.resize(kPeriodogramBlock);
    fft_.inv(entries.data(), spectrum.data(), kLength);
  }

 private:
  Eigen::FFT<double> fft_;
};

std::uint64_t blocks_read(std::uint64_t chunk_size, std::uint64_t blocks_of_chunk) {
  const std::uint64_t blocks = chunk_size / kPeriodogramBlock;
  return (blocks * blocks_of_chunk + kBlocksOfChunk - 1) / kBlocksOfChunk;
}

double excess_kurtosis_share(double p) {
  const double v = p * (1.0 - p);
  return ((1.0 - 3.0 * v) / v - 3.0) / static_cast<double>(kPeriodogramBlock);
}

// Of the sum of `blocks` standardised powers.
GammaLaw power_law(std::uint64_t frequency, std::uint64_t blocks, double p) {
  const double n = exact_double(blocks);
  return {n, n * ((frequency == kFrequencies ? 2.0 : 1.0) + excess_kurtosis_share(p))};
}

}  // namespace

std::uint64_t periodogram_blocks(const ChunkCounts& chunks) {
  const std::uint64_t all = chunks.blocks_of(kPeriodogramBlock);
  const double share = std::sqrt(kRoot / static_cast<double>(std::max<std::uint64_t>(all, 1)));
  return static_cast<std::uint64_t>(std::ceil(static_cast<double>(kBlocksOfChunk) * std::min(1.0, share)));
}

std::uint64_t planned_periodogram_blocks(const ChunkCounts& chunks) {
  const std::uint64_t read = periodogram_blocks(chunks);
  return chunks.full * blocks_read(kChunkBits, read) + chunks.tails * blocks_read(chunks.tail_size, read);
}

PeriodogramCounts::PeriodogramCounts(std::uint64_t blocks_of_chunk)
    : blocks_of_chunk_(blocks_of_chunk), autocovariances_(kHalf, 0) {
  require(blocks_of_chunk >= 1 && blocks_of_chunk <= kBlocksOfChunk, "1 to 256 blocks of a chunk");
}

void PeriodogramCounts::add(const Chunk& chunk) {
  const std::uint64_t available = chunk.size / kPeriodogramBlock;
  const std::uint64_t read = blocks_read(chunk.size, blocks_of_chunk_);
  if (read == 0) return;
  std::vector<const std::uint64_t*> blocks(read);
  for (std::uint64_t i = 0; i < read; ++i)  // spread evenly over the chunk
    blocks[i] = &chunk.words[i * available / read * (kPeriodogramBlock / 64)];
  std::vector<double> power(kHalf, 0.0);
  kernels::add_power_spectra(blocks, std::span<double, kHalf>(power));
  Transform transform;
  std::vector<double> entries;
  transform.inverse({power.begin(), power.end()}, entries);
  for (std::size_t k = 0; k < kHalf; ++k) {
    // At most 2^20, computed to about 1e-9.
    const double whole = std::round(entries[k]);
    require(std::abs(entries[k] - whole) < 0.01, "autocovariances are whole numbers");
    autocovariances_[k] += static_cast<std::uint64_t>(whole);
  }
  blocks_ += read;
}

void PeriodogramCounts::merge(const PeriodogramCounts& other) {
  blocks_ += other.blocks_;
  for (std::size_t k = 0; k < kHalf; ++k) autocovariances_[k] += other.autocovariances_[k];
}

std::vector<double> PeriodogramCounts::powers() const {
  // A constant moves frequency 0 only; without it nothing large cancels.
  double sum = 0;
  for (std::size_t k = 0; k < kHalf; ++k)
    sum += (k == 0 || k == kFrequencies ? 1.0 : 2.0) * exact_double(autocovariances_[k]);
  const double mean = sum / static_cast<double>(kPeriodogramBlock);
  std::vector<double> circular(kPeriodogramBlock);
  for (std::uint64_t k = 0; k < kPeriodogramBlock; ++k)
    circular[k] = exact_double(autocovariances_[std::min(k, kPeriodogramBlock - k)]) - mean;
  Transform transform;
  std::vector<std::complex<double>> spectrum;
  transform.forward(circular, spectrum);
  std::vector<double> result(kHalf);
  result[0] = sum;
  for (std::size_t j = 1; j < kHalf; ++j) result[j] = std::max(spectrum[j].real(), 0.0);
  return result;
}

bool periodogram_is_valid(std::uint64_t blocks, double p) {
  require(p > 0.0 && p < 1.0, "0 < p < 1");
  return blocks >= kLeastPeriodogramBlocks && std::abs(excess_kurtosis_share(p)) < 0.01;
}

PeriodogramTest periodogram_test(const PeriodogramCounts& counts, double p,
                                 std::optional<std::uint64_t> chosen) {
  require(periodogram_is_valid(counts.blocks(), p), "256 blocks and a moderate kurtosis of an entry");
  require(!chosen || (*chosen >= 1 && *chosen <= kFrequencies), "frequency 1 to 2048");
  const std::vector<double> powers = counts.powers();
  const double unit = static_cast<double>(kPeriodogramBlock) * p * (1.0 - p);
  const std::uint64_t first = chosen.value_or(1);
  const std::uint64_t last = chosen.value_or(kFrequencies);
  PeriodogramTest worst{{1.0, 0.0, ""}, first, 1.0};
  for (std::uint64_t j = first; j <= last; ++j) {
    // A power of 0 up to rounding is unlikely, not impossible.
    const double sum = std::max(powers[j] / unit, kLeastPower * exact_double(counts.blocks()));
    const Tail tail = gamma_two_sided(power_law(j, counts.blocks(), p), sum);
    if (j == first || tail.log10_p < worst.tail.log10_p)
      worst = {tail, j, sum / exact_double(counts.blocks())};
  }
  if (!chosen) worst.tail = bonferroni(worst.tail, kFrequencies, "gamma_bonferroni");
  return worst;
}

double periodogram_min_effect(std::uint64_t blocks, double alpha, double beta, double p) {
  require_error_rates(alpha, beta);
  require(p > 0.0 && p < 1.0, "0 < p < 1");
  if (blocks == 0) return std::numeric_limits<double>::infinity();
  const GammaLaw law = power_law(1, blocks, p);
  const double critical = gamma_upper_quantile(law, alpha / 2 / static_cast<double>(kFrequencies));
  return critical / gamma_lower_quantile(law, beta) - 1.0;
}

std::uint64_t periodogram_min_samples(double effect, double alpha, double beta, double p) {
  require(effect > 0.0, "effect > 0");
  constexpr std::uint64_t kMost = std::uint64_t{1} << 50;
  const auto enough = [&](std::uint64_t blocks) {
    return periodogram_min_effect(blocks, alpha, beta, p) <= effect;
  };
  std::uint64_t high = kLeastPeriodogramBlocks;
  if (enough(high)) return high;
  while (!enough(high)) {
    if (high >= kMost) return std::numeric_limits<std::uint64_t>::max();
    high *= 2;
  }
  std::uint64_t low = high / 2;
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    (enough(middle) ? high : low) = middle;
  }
  return high;
}

}  // namespace dropcheck::stats
