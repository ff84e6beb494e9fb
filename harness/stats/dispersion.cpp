#include "harness/stats/dispersion.hpp"

#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <limits>
#include <numbers>
#include <span>
#include <vector>

#include "harness/stats/deviance.hpp"
#include "harness/stats/preconditions.hpp"
#include "harness/stats/saddlepoint.hpp"
#include "harness/stats/word_counts.hpp"

namespace dropcheck::stats {
namespace {

constexpr std::uint64_t kWordBits = 64;
constexpr std::uint64_t kMinimumBlocks = 256;
constexpr double kMinimumVariance = 1000.0;  // over all blocks

/// Possible drops of a block, standardised: y = (c - bits p)^2 / (bits p q) - 1, and their probabilities.
struct CellLaw {
  std::vector<double> y;
  std::vector<double> ln_probability;
  double outside;  // bound on the probability of the counts that were left out
};

// -ln of Chernoff's bound on the tail that begins at c drops.
double divergence(double bits, double c, double p) {
  return bits * bernoulli_divergence(p, 1 - p, std::clamp(std::fma(-bits, p, c) / bits, -p, 1 - p));
}

// ln P(C = c) in deviance form (Loader 2000).
double ln_binomial(double bits, double c, double p) {
  if (c == 0) return bits * std::log1p(-p);
  if (c == bits) return bits * std::log(p);
  return stirling_error(bits) - stirling_error(c) - stirling_error(bits - c) - divergence(bits, c, p) +
         0.5 * std::log(bits / (2 * std::numbers::pi * c * (bits - c)));
}

CellLaw cell_law(std::uint64_t bits, double p, double largest_divergence) {
  const double n = exact_double(bits);
  CellLaw law;
  for (std::uint64_t c = 0; c <= bits; ++c) {
    const double drops = static_cast<double>(c);
    if (divergence(n, drops, p) > largest_divergence) continue;
    const double deviation = std::fma(-n, p, drops);
    law.y.push_back(deviation * deviation / (n * p * (1 - p)) - 1);
    law.ln_probability.push_back(ln_binomial(n, drops, p));
  }
  law.outside = law.y.size() == bits + 1 ? 0.0 : 2 * std::exp(-largest_divergence);
  return law;
}

// Cumulants of one cell. Weights relative to the largest, so nothing overflows.
Cumulants cell_cumulants(const CellLaw& law, double theta) {
  double largest = -std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < law.y.size(); ++i)
    largest = std::max(largest, law.ln_probability[i] + theta * law.y[i]);
  double mass = 0, first = 0, second = 0;
  for (std::size_t i = 0; i < law.y.size(); ++i) {
    const double exponent = law.ln_probability[i] + theta * law.y[i] - largest;
    if (exponent < -60) continue;  // below the last bit of the sums
    const double weight = std::exp(exponent);
    mass += weight;
    first += weight * law.y[i];
    second += weight * law.y[i] * law.y[i];
  }
  const double mean = first / mass;
  return {largest + std::log(mass), mean, std::max(0.0, second / mass - mean * mean)};
}

Tail tail_of_cells(const CellLaw& law, double cells, double s) {
  const double ln_mass = cell_cumulants(law, 0).k;  // 0 but for what was left out and rounding
  const CumulantFunction cumulants = [&](double theta) {
    const Cumulants one = cell_cumulants(law, theta);
    return Cumulants{cells * (one.k - ln_mass), cells * one.k1, cells * one.k2};
  };
  const auto [low, high] = std::minmax_element(law.y.begin(), law.y.end());
  const Support support{cells * *low, cells * *high};
  return saddlepoint_two_sided(cumulants, support, std::clamp(s, support.lower, support.upper));
}

// Over its mean, the chi-squared value that is exceeded, or not reached, with probability `tail`. Beyond a
// million degrees, where Boost gives up in the end, by Cornish & Fisher's expansion (1938), error below 1e-8.
struct RelativeQuantiles {
  double below, above;
};

RelativeQuantiles relative_quantiles(double degrees, double below, double above) {
  using boost::math::complement;
  if (degrees < 1e6) {
    const boost::math::chi_squared_distribution<double> law(degrees);
    return {quantile(law, below) / degrees, quantile(complement(law, above)) / degrees};
  }
  const boost::math::normal_distribution<double> normal;
  const auto expansion = [&](double z) {
    return 1 + z * std::sqrt(2 / degrees) + 2 * (z * z - 1) / (3 * degrees);
  };
  return {expansion(quantile(normal, below)), expansion(quantile(complement(normal, above)))};
}

// The sum's upper tail, doubled.
Tail upper_tail(std::uint64_t bits, double cells, double p, double s) {
  Tail best{1.0, 0.0, "saddlepoint"};
  for (const double reach : {45.0, 90.0, 200.0, 700.0, std::numeric_limits<double>::infinity()}) {
    const CellLaw law = cell_law(bits, p, reach + std::log(cells));
    const double outside = 2 * cells * law.outside;
    const Tail tail = tail_of_cells(law, cells, s);
    if (outside == 0) return tail.log10_p < best.log10_p ? tail : best;
    if (tail.p_value + outside < best.p_value) best = tail_from_p(tail.p_value + outside, tail.engine);
    if (tail.p_value > 1e6 * outside) return best;
  }
  return best;
}

// Under a tilt to the left all weight lies at the middle of the cells' law, whose ends then do not matter.
Tail lower_tail(std::uint64_t bits, double cells, double p, double s) {
  return tail_of_cells(cell_law(bits, p, 100.0 + std::log(cells)), cells, s);
}

double statistic(std::uint64_t bits, const BlockSums& sums, double p) {
  const double mean = exact_double(bits) * p;
  // Squares around the nearest integer to the mean: exact, and nothing cancels in the rest.
  const double centre = std::nearbyint(mean);
  const auto c = static_cast<Int128>(centre);
  const auto blocks = static_cast<Int128>(sums.blocks);
  const Int128 squares = sums.squares - 2 * c * sums.drops + blocks * c * c;
  const Int128 excess = sums.drops - blocks * c;
  const double rest = std::fma(exact_double(bits), p, -centre);
  const double around_mean =
      to_double(squares) - 2 * rest * to_double(excess) + rest * rest * exact_double(sums.blocks);
  return std::max(0.0, around_mean) / (mean * (1 - p));
}

}  // namespace

void DispersionCounts::add(const Chunk& chunk) {
  std::array<std::uint8_t, 1024> counts;
  std::uint64_t in_1024 = 0, in_65536 = 0;
  const std::uint64_t whole_words = chunk.size / kWordBits;
  std::array<std::uint64_t, kDispersionBlocks.size()> drops{}, squares{};
  for (std::uint64_t begin = 0; begin < whole_words; begin += counts.size()) {
    const std::size_t words = std::min<std::uint64_t>(counts.size(), whole_words - begin);
    const std::span<std::uint8_t> block(counts.data(), words);
    word_counts(chunk.words.subspan(begin, words), block);
    for (std::size_t first = 0; first < words; first += 16) {
      const std::size_t last = std::min<std::size_t>(first + 16, words);
      std::uint32_t sum = 0, sum_squares = 0;
      for (std::size_t i = first; i < last; ++i) {
        sum += block[i];
        sum_squares += std::uint32_t{block[i]} * block[i];
      }
      drops[0] += sum;
      squares[0] += sum_squares;
      if (last - first < 16) continue;
      in_1024 = sum;
      drops[1] += in_1024;
      squares[1] += in_1024 * in_1024;
      in_65536 += in_1024;
    }
    if (words == counts.size()) {
      drops[2] += in_65536;
      squares[2] += in_65536 * in_65536;
    }
    in_65536 = 0;
  }
  for (std::size_t i = 0; i < sums.size(); ++i) {
    sums[i].blocks += chunk.size / kDispersionBlocks[i];
    sums[i].drops += static_cast<Int128>(drops[i]);
    sums[i].squares += static_cast<Int128>(squares[i]);
  }
}

void DispersionCounts::merge(const DispersionCounts& other) {
  for (std::size_t i = 0; i < sums.size(); ++i) {
    sums[i].blocks += other.sums[i].blocks;
    sums[i].drops += other.sums[i].drops;
    sums[i].squares += other.sums[i].squares;
  }
}

bool dispersion_is_valid(std::uint64_t bits, std::uint64_t blocks, double p) {
  return p > 0 && p < 1 && blocks >= kMinimumBlocks &&
         exact_double(blocks) * exact_double(bits) * p * (1 - p) >= kMinimumVariance;
}

DispersionTest dispersion_test(std::uint64_t bits, const BlockSums& sums, double p) {
  require(dispersion_is_valid(bits, sums.blocks, p),
          "256 blocks or more, and n p q >= 1000 over all of them");
  const double cells = exact_double(sums.blocks);
  const double d = statistic(bits, sums, p);
  const double s = d - cells;
  return {s >= 0 ? upper_tail(bits, cells, p, s) : lower_tail(bits, cells, p, s), d, d / cells};
}

double dispersion_min_effect(std::uint64_t bits, std::uint64_t blocks, double alpha, double beta, double p) {
  require_error_rates(alpha, beta);
  if (!dispersion_is_valid(bits, blocks, p)) return std::numeric_limits<double>::infinity();
  const double v = p * (1 - p);
  const double kurtosis = (1 - 6 * v) / (exact_double(bits) * v);
  const double degrees = exact_double(blocks) / (1 + kurtosis / 2);
  // 1 + effect times the law's own lower quantile must still lie above the critical value.
  const RelativeQuantiles quantiles = relative_quantiles(degrees, beta, alpha / 2);
  return quantiles.above / quantiles.below - 1;
}

std::uint64_t dispersion_min_samples(std::uint64_t bits, double effect, double alpha, double beta, double p) {
  require(effect > 0, "effect > 0");
  require(p > 0 && p < 1, "0 < p < 1");
  const auto suffices = [&](std::uint64_t blocks) {
    return dispersion_min_effect(bits, blocks, alpha, beta, p) <= effect;
  };
  constexpr std::uint64_t kMostBlocks = std::uint64_t{1} << 53;
  std::uint64_t low = 0, high = kMinimumBlocks;  // low does not suffice
  while (!suffices(high)) {
    low = high;
    if (high >= kMostBlocks / bits) return std::numeric_limits<std::uint64_t>::max();
    high *= 2;
  }
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    (suffices(middle) ? high : low) = middle;
  }
  return high * bits;
}

}  // namespace dropcheck::stats
