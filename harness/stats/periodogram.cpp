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
constexpr double kRoot = 256;            // samples of up to as many blocks are read whole
constexpr std::uint64_t kTogether = 16;  // blocks that the widest vectors transform in one go
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
  const double wanted = static_cast<double>(kBlocksOfChunk) * std::min(1.0, share);
  return kTogether * std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::round(wanted / kTogether)));
}

std::uint64_t planned_periodogram_blocks(const ChunkCounts& chunks) {
  const std::uint64_t read = periodogram_blocks(chunks);
  return chunks.full * blocks_read(kChunkBits, read) + chunks.tails * blocks_read(chunks.tail_size, read);
}

PeriodogramCounts::PeriodogramCounts(std::uint64_t blocks_of_chunk)
    : blocks_of_chunk_(blocks_of_chunk), autocovariances_(kHalf, 0), pending_(kHalf, 0.0) {
  require(blocks_of_chunk >= 1 && blocks_of_chunk <= kBlocksOfChunk, "1 to 256 blocks of a chunk");
}

void PeriodogramCounts::add(const Chunk& chunk) {
  const std::uint64_t available = chunk.size / kPeriodogramBlock;
  const std::uint64_t read = blocks_read(chunk.size, blocks_of_chunk_);
  if (read == 0) return;
  std::vector<const std::uint64_t*> blocks(read);
  for (std::uint64_t i = 0; i < read; ++i)  // spread evenly over the chunk
    blocks[i] = &chunk.words[i * available / read * (kPeriodogramBlock / 64)];
  kernels::add_power_spectra(blocks, std::span<double, kHalf>(pending_));
  blocks_ += read;
  pending_blocks_ += read;
  settle_if_many();
}

void PeriodogramCounts::merge(const PeriodogramCounts& other) {
  blocks_ += other.blocks_;
  pending_blocks_ += other.pending_blocks_;
  for (std::size_t k = 0; k < kHalf; ++k) {
    autocovariances_[k] += other.autocovariances_[k];
    pending_[k] += other.pending_[k];
  }
  settle_if_many();
}

std::vector<std::uint64_t> PeriodogramCounts::autocovariances() const {
  std::vector<std::uint64_t> sums = autocovariances_;
  if (pending_blocks_ == 0) return sums;
  Transform transform;
  std::vector<double> entries;
  transform.inverse({pending_.begin(), pending_.end()}, entries);
  for (std::size_t k = 0; k < kHalf; ++k) {
    const double whole = std::round(entries[k]);
    require(std::abs(entries[k] - whole) < 0.01, "autocovariances are whole numbers");
    sums[k] += static_cast<std::uint64_t>(whole);
  }
  return sums;
}

// Whole numbers of at most 2^12 a block come out of the transform with a relative error of about 2^-45: so
// far below 1 for the blocks that are held back, that rounding finds them in whatever order powers were
// added.
void PeriodogramCounts::settle_if_many() {
  constexpr std::uint64_t kMostPending = 8192;
  if (pending_blocks_ < kMostPending) return;
  autocovariances_ = autocovariances();
  std::fill(pending_.begin(), pending_.end(), 0.0);
  pending_blocks_ = 0;
}

std::vector<double> PeriodogramCounts::powers() const {
  const std::vector<std::uint64_t> counts = autocovariances();
  // A constant moves frequency 0 only; without it nothing large cancels.
  double sum = 0;
  for (std::size_t k = 0; k < kHalf; ++k)
    sum += (k == 0 || k == kFrequencies ? 1.0 : 2.0) * exact_double(counts[k]);
  const double mean = sum / static_cast<double>(kPeriodogramBlock);
  std::vector<double> circular(kPeriodogramBlock);
  for (std::uint64_t k = 0; k < kPeriodogramBlock; ++k)
    circular[k] = exact_double(counts[std::min(k, kPeriodogramBlock - k)]) - mean;
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
  const auto test_of = [&](std::uint64_t j) -> PeriodogramTest {
    // A power of 0 up to rounding is unlikely, not impossible.
    const double sum = std::max(powers[j] / unit, kLeastPower * exact_double(counts.blocks()));
    return {gamma_two_sided(power_law(j, counts.blocks(), p), sum), j, sum / exact_double(counts.blocks())};
  };
  if (chosen) return test_of(*chosen);
  // All frequencies but the last have one law: the smallest p-value is that of the least or greatest power.
  const auto begin = powers.begin() + 1, end = powers.begin() + static_cast<std::ptrdiff_t>(kFrequencies);
  const auto [least, greatest] = std::minmax_element(begin, end);
  const auto index = [&](auto at) { return static_cast<std::uint64_t>(at - powers.begin()); };
  PeriodogramTest worst = test_of(kFrequencies);
  for (const std::uint64_t j : {index(least), index(greatest)})
    if (const PeriodogramTest other = test_of(j); other.tail.log10_p < worst.tail.log10_p) worst = other;
  worst.tail = bonferroni(worst.tail, kFrequencies, "gamma_bonferroni");
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
