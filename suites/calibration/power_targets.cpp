// One family of defects for each statistic, with a strength in the unit of its minimum detectable effect.

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "harness/core/chunk.hpp"
#include "suites/calibration/defects.hpp"
#include "suites/calibration/power.hpp"
#include "suites/calibration/strengths.hpp"
#include "suites/calibration/wave_tilt.hpp"
#include "suites/seed_streams.hpp"

namespace dropcheck::suites::calibration {
namespace {

using Plant = std::function<void(double p, double effect, BitSource&, MaskBits&)>;

constexpr double kUsualP = 0.1;
constexpr std::int64_t kSmall = 1 << 18, kMiddle = 1 << 20;

SampleInfo sample_of(std::vector<std::int64_t> shape, std::uint32_t calls = 1, const char* protocol = "mask",
                     double p = kUsualP) {
  Problem problem;
  problem.p = p;
  problem.shape = std::move(shape);
  return {protocol, std::move(problem), 1, calls};
}

/// A random sign, or + where a rate that much lower does not exist.
double either(double effect, double p, BitSource& source) {
  return effect > p || source.below(2) == 0 ? effect : -effect;
}

/// The same for the correlation of two entries: they cannot avoid each other more than never to meet.
double either_correlation(double rho, double p, BitSource& source) {
  return either(rho, p / (1 - p), source);
}

/// Draws with some contexts of a model at other rates, all others at p.
void draw_rates(const ContextModel& model, const std::vector<ContextRate>& changed, BitSource& source,
                MaskBits& mask) {
  std::vector<double> rates(model.contexts(), model.p());
  for (const ContextRate& c : changed) rates[c.context] = std::clamp(c.rate, 0.0, 1.0);
  model.draw(source, rates, mask);
}

void shift_rate(double p, double effect, BitSource& source, MaskBits& mask) {
  fill(mask, Rate(p + either(effect, p, source)), source);
}

/// Lanes alternate between p + effect and p - effect, such that only this modulus sees it.
Plant lanes(std::size_t modulus) {
  return [=](double p, double effect, BitSource& source, MaskBits& mask) {
    const auto shift = either(effect, p, source);
    const auto model = lanes_model(mask.size(), mask.size(), modulus, p);
    std::vector<ContextRate> rates;
    for (std::size_t lane = 0; lane < modulus; ++lane)
      rates.push_back({lane, lane < modulus / 2 ? p + shift : p - shift});
    draw_rates(*model, rates, source, mask);
  };
}

Plant one_lane(std::size_t modulus, std::size_t lane) {
  return [=](double p, double effect, BitSource& source, MaskBits& mask) {
    const auto shift = either(effect, p, source);
    fill(mask, Rate(p), source);
    const Rate rate(p + shift);
    for (std::uint64_t i = lane; i < mask.size(); i += modulus) {
      const std::uint64_t bit = std::uint64_t{1} << (i % 64);
      mask.words()[i / 64] = (mask.words()[i / 64] & ~bit) | (rate.one(source) ? bit : 0);
    }
  };
}

/// The first of so many equal parts has another rate.
Plant first_part(std::size_t parts) {
  return [=](double p, double effect, BitSource& source, MaskBits& mask) {
    fill(mask, Rate(p), source);
    const Rate rate(p + either(effect, p, source));
    for (std::uint64_t& word : mask.words().first(mask.words().size() / parts)) word = rate.word(source);
  };
}

/// Blocks whose entries have this mean correlation: their counts a variance ratio of 1 + (bits - 1) effect.
Plant block_variance(std::uint64_t bits) {
  return [=](double p, double effect, BitSource& source, MaskBits& mask) {
    const double mean = static_cast<double>(bits) * p, variance = mean * (1 - p);
    const std::vector<double> null = binomial_law(bits, p);
    std::vector<double> squares;
    for (std::size_t c = 0; c <= bits; ++c)
      squares.push_back(
          std::min((static_cast<double>(c) - mean) * (static_cast<double>(c) - mean) / variance, 64.0));
    const BlockCountMixture tilt(
        mask.size(), bits, p,
        {exponentially_tilted(null, squares, 1 + static_cast<double>(bits - 1) * effect)});
    tilt.draw(source, mask);
  };
}

/// law' with more probability below a cut and less above, or the other way round, at Cohen's distance w.
std::vector<double> moved_law(std::vector<double> law, double w, bool up) {
  double below = 0;
  std::size_t cut = 0;
  while (below < 0.5) below += law[cut++];
  const double eps = w * std::sqrt((1 - below) / below) * (up ? 1 : -1);
  for (std::size_t c = 0; c < law.size(); ++c) law[c] *= c < cut ? 1 + eps : 1 - eps * below / (1 - below);
  return law;
}

void word_histogram(double p, double effect, BitSource& source, MaskBits& mask) {
  const BlockCountMixture tilt(mask.size(), 64, p,
                               {moved_law(binomial_law(64, p), effect, source.below(2) == 0)});
  tilt.draw(source, mask);
}

/// The number of drops that is the most probable one, more or less often by `effect`.
void word_cell(double p, double effect, BitSource& source, MaskBits& mask) {
  std::vector<double> law = binomial_law(64, p);
  const std::size_t cell = 6;
  const double moved = law[cell] + either(effect, p, source), rest = (1 - moved) / (1 - law[cell]);
  for (std::size_t c = 0; c < law.size(); ++c) law[c] = c == cell ? moved : law[c] * rest;
  const BlockCountMixture tilt(mask.size(), 64, p, {law});
  tilt.draw(source, mask);
}

/// An entry with a partner is dropped with the partner's state as much as the correlation says; the rate of
/// each stays p.
std::vector<ContextRate> correlated(double p, double rho, std::size_t after_keep) {
  return {{after_keep, p - rho * p}, {after_keep + 1, p + rho * (1 - p)}};
}

Plant lag(std::uint64_t distance) {
  return [=](double p, double effect, BitSource& source, MaskBits& mask) {
    const double rho = either_correlation(effect, p, source);
    if (distance < 64)
      return draw_rates(Chain(mask.size(), {static_cast<unsigned>(distance)}, p), correlated(p, rho, 0),
                        source, mask);
    MaskBits second(mask.size());
    for (std::uint64_t t = distance; t < mask.size(); ++t) second.set(t);
    draw_rates(Partners(std::move(second), distance, p), correlated(p, rho, 1), source, mask);
  };
}

/// Of `streams` equal parts of the mask the first two have correlation rho.
void two_streams(std::uint64_t streams, double p, double rho, BitSource& source, MaskBits& mask) {
  const std::uint64_t size = mask.size() / streams;
  MaskBits second(mask.size());
  for (std::uint64_t t = size; t < 2 * size; ++t) second.set(t);
  draw_rates(Partners(std::move(second), size, p), correlated(p, rho, 1), source, mask);
}

Plant stream_pair(std::uint64_t streams) {
  return [=](double p, double effect, BitSource& source, MaskBits& mask) {
    two_streams(streams, p, either_correlation(effect, p, source), source, mask);
  };
}

/// All streams have a rate in common that changes from entry to entry: every pair has this correlation.
Plant common_factor(std::uint64_t streams) {
  return [=](double p, double effect, BitSource& source, MaskBits& mask) {
    const double swing = std::sqrt(effect * p * (1 - p));
    const std::uint64_t words = mask.words().size() / streams;
    const Rate high(p + swing), low(p - swing);
    for (std::uint64_t w = 0; w < words; ++w) {
      const std::uint64_t up = source.word();
      for (std::uint64_t s = 0; s < streams; ++s)
        mask.words()[s * words + w] = (up & high.word(source)) | (~up & low.word(source));
    }
  };
}

/// Disjoint neighbours both dropped with probability p^2 + effect; no less than 0.
void neighbour_pairs(double p, double effect, BitSource& source, MaskBits& mask) {
  MaskBits second(mask.size());
  for (std::uint64_t t = 1; t < mask.size(); t += 2) second.set(t);
  const double more = either(effect, p * p, source);
  draw_rates(Partners(std::move(second), 1, p), {{1, p - more / (1 - p)}, {2, p + more / p}}, source, mask);
}

void seams(double p, double effect, BitSource& source, MaskBits& mask) {
  MaskBits second(mask.size());
  for (std::uint64_t t = 32; t < mask.size(); t += 32) second.set(t);
  draw_rates(Partners(std::move(second), 1, p), correlated(p, either_correlation(effect, p, source), 1),
             source, mask);
}

/// Distances between drops of another law.
Plant distances(bool one_distance) {
  return [=](double p, double effect, BitSource& source, MaskBits& mask) {
    const std::uint64_t gaps = mask.size();  // all of them
    std::vector<double> law;
    for (int g = 1; g <= 300; ++g) law.push_back(p * std::pow(1 - p, g - 1));
    if (one_distance) {
      const double moved = p + either(effect, p, source);
      const GapTilt tilt(mask.size(), gaps, p, {{0}, {p, 1 - p}}, {{moved, 1 - moved}}, {});
      return tilt.draw(source, mask);
    }
    double below = 0;
    CellLaw cells;
    for (std::size_t g = 0; g < law.size() && below < 0.5; ++g) {
      below += law[g];
      cells.cell_of.push_back(0);
    }
    cells.probabilities = {below, 1 - below};
    const double moved = below + either(effect, 1, source) * std::sqrt(below * (1 - below));
    const GapTilt tilt(mask.size(), gaps, p, cells, {{moved, 1 - moved}}, {});
    tilt.draw(source, mask);
  };
}

Plant run(bool of_drops) {
  return [=](double p, double effect, BitSource& source, MaskBits& mask) {
    const ForcedRun tilt(mask.size(), p, of_drops, {static_cast<std::uint64_t>(effect)});
    tilt.draw(source, mask);
  };
}

void half_and_half(double p, double effect, BitSource& source, MaskBits& mask) {
  const double step = either(effect, p, source);
  draw_rates(Stretches({mask.size() / 2, mask.size()}, p), {{0, p + step}, {1, p - step}}, source, mask);
}

/// Blocks whose counts have a distribution function that is `effect` away from the binomial one.
void block_distribution(double p, double effect, BitSource& source, MaskBits& mask) {
  std::vector<double> law = binomial_law(1024, p);
  double below = 0;
  std::size_t cut = 0;
  while (below < 0.5) below += law[cut++];
  const double moved = below + either(effect, 1, source);
  for (std::size_t c = 0; c < law.size(); ++c) law[c] *= c < cut ? moved / below : (1 - moved) / (1 - below);
  const BlockCountMixture tilt(mask.size(), 1024, p, {law});
  tilt.draw(source, mask);
}

Plant triple(unsigned i, unsigned j) {
  return [=](double p, double effect, BitSource& source, MaskBits& mask) {
    // E of the product of the three standardised entries is rho: the rate moves by rho v times the product of
    // the two standardised entries before.
    const double rho = either_correlation(effect, p, source), v = p * (1 - p), q = 1 - p;
    const double slope = rho * std::sqrt(v) / v;
    draw_rates(
        Chain(mask.size(), {j - i, j}, p),
        {{0, p + slope * p * p}, {1, p - slope * p * q}, {2, p - slope * p * q}, {3, p + slope * q * q}},
        source, mask);
  };
}

void wave(double p, double effect, BitSource& source, MaskBits& mask) {
  const double v = p * (1 - p);
  const WaveTilt tilt(mask.size(), 4096, 409, p, {std::sqrt(effect * 4 * v / 4096) / v});
  tilt.draw(source, mask);
}

void lane_halves(double p, double effect, BitSource& source, MaskBits& mask) {
  const double amplitude = either(effect, p, source);
  std::vector<std::uint16_t> half(mask.size());
  for (std::uint64_t i = 0; i < mask.size(); ++i) half[i] = std::popcount(i & 5) % 2 == 1 ? 1 : 0;
  draw_rates(Classes(std::move(half), 2, p), {{0, p - amplitude}, {1, p + amplitude}}, source, mask);
}

void word_pairs(double p, double effect, BitSource& source, MaskBits& mask) {
  const double rho = either_correlation(effect, p, source);
  std::vector<ContextRate> rates;
  for (std::size_t weight = 0; weight <= 64; ++weight)
    rates.push_back({weight, p + rho * (static_cast<double>(weight) - 64 * p) / 64});
  draw_rates(WordWeights(mask.words().size(), 1, p), rates, source, mask);
}

std::vector<std::int8_t> signs(std::int64_t n) {
  BitSource source(25);
  std::vector<std::int8_t> x;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto magnitude = static_cast<int>(source.below(127)) + 1;
    x.push_back(static_cast<std::int8_t>(source.below(2) == 0 ? magnitude : -magnitude));
  }
  return x;
}

/// Entries with a positive input are dropped less often, those with a negative one more: a bias of `effect`
/// of the mean |x|.
void biased_sums(double p, double effect, BitSource& source, MaskBits& mask) {
  static const std::vector<std::int8_t> x = signs(kSmall);
  const double shift = either(effect, p, source) * (1 - p);
  draw_each(mask, source, [&](std::uint64_t i) { return x[i] > 0 ? p - shift : p + shift; });
}

constexpr std::int64_t kPositions = 256;

void position_rates(double p, double effect, BitSource& source, MaskBits& mask) {
  const auto model = lanes_model(mask.size(), kPositions, kPositions, p);
  std::vector<ContextRate> rates;
  for (std::size_t i = 0; i < kPositions; ++i) rates.push_back({i, p + (i % 2 == 0 ? effect : -effect)});
  draw_rates(*model, rates, source, mask);
}

/// Masks of two seeds that differ in more or in fewer entries than they should.
void close_seeds(double p, double effect, BitSource& source, MaskBits& mask) {
  two_streams(kStreamSteps, p, either_correlation(effect / (2 * p * (1 - p)), p, source), source, mask);
}

void repeat(double p, double effect, BitSource& source, MaskBits& mask) {
  fill(mask, Rate(p), source);
  const auto length = static_cast<std::uint64_t>(effect);
  const std::uint64_t half = mask.size() / 2;
  copy_entries(mask, source.below(half - length), half + source.below(half - length), length);
}

// --- fair bits: masks at p = 1/2 are read as they are

constexpr std::uint64_t kMatrixWords = 64;

/// Poisson by products of uniforms (Knuth); mean below 500.
std::uint64_t poisson(double mean, BitSource& source) {
  std::uint64_t count = 0;
  for (double product = source.uniform(); product > std::exp(-mean); product *= source.uniform()) ++count;
  return count;
}

/// Some 64 x 64 matrices whose last `rows` rows repeat the first ones.
void repeat_rows(double share, std::size_t rows, BitSource& source, MaskBits& mask) {
  fill(mask, Rate(0.5), source);
  for (std::size_t w = 0; w + kMatrixWords <= mask.words().size(); w += kMatrixWords)
    if (source.uniform() < share)
      for (std::size_t r = 0; r < rows; ++r) mask.words()[w + kMatrixWords - 1 - r] = mask.words()[w + r];
}

/// Singular matrices: with two cells, full rank (probability 0.2888) and less, Cohen's distance is 0.6372
/// times their share.
void singular_matrices(double, double effect, BitSource& source, MaskBits& mask) {
  repeat_rows(effect / 0.6372, 1, source, mask);
}
void low_rank_matrices(double, double effect, BitSource& source, MaskBits& mask) {
  repeat_rows(effect / (1 - 0.0053), 3, source, mask);
}

std::uint64_t bits_at(const MaskBits& mask, std::uint64_t begin, unsigned count) {
  std::uint64_t bits = mask.words()[begin / 64] >> (begin % 64);
  if (begin % 64 + count > 64) bits |= mask.words()[begin / 64 + 1] << (64 - begin % 64);
  return bits & ((std::uint64_t{1} << count) - 1);
}

/// More words of 24 bits that are equal to another one of the 4096 of their chunk.
void equal_words(double, double effect, BitSource& source, MaskBits& mask) {
  fill(mask, Rate(0.5), source);
  constexpr double kExpected = 4096.0 * 4095 / 2 / (1 << 24);  // in a chunk
  for (std::uint64_t begin = 0; begin < mask.size(); begin += kChunkBits)
    for (std::uint64_t more = poisson(effect * kExpected, source); more > 0; --more) {
      const std::uint64_t first = source.below(2048), second = 2048 + source.below(2048);
      copy_entries(mask, begin + 24 * first, begin + 24 * second, 24);
    }
}

/// More words of 32 bits, among the 4096 of a chunk, that follow one as closely as some word follows another.
void equal_distances(double, double effect, BitSource& source, MaskBits& mask) {
  fill(mask, Rate(0.5), source);
  const double expected = 4096.0 * 4095 * 4094 / 2 / 2 / 4294967296.0;  // in a chunk
  for (std::uint64_t begin = 0; begin < mask.size(); begin += kChunkBits) {
    std::vector<std::uint64_t> days;
    for (std::uint64_t i = 0; i < 4096; ++i) days.push_back(bits_at(mask, begin + 32 * i, 32));
    std::vector<std::uint64_t> sorted = days;
    std::sort(sorted.begin(), sorted.end());
    for (std::uint64_t more = poisson(effect * expected, source); more > 0;) {
      const std::uint64_t i = source.below(4095), j = source.below(4095);
      const std::uint64_t distance = sorted[i + 1] - sorted[i];
      if (i == j || sorted[j] + distance >= sorted[j + 1]) continue;
      // Takes the place of a word that is neither of the four.
      const std::uint64_t k = source.below(4096);
      const std::uint64_t day = days[k];
      if (day == sorted[i] || day == sorted[i + 1] || day == sorted[j] || day == sorted[j + 1]) continue;
      for (unsigned b = 0; b < 32; ++b) {
        const std::uint64_t at = begin + 32 * k + b, bit = std::uint64_t{1} << (at % 64);
        std::uint64_t& word = mask.words()[at / 64];
        word = (((sorted[j] + distance) >> b) & 1) != 0 ? word | bit : word & ~bit;
      }
      --more;
    }
  }
}

/// The output of a random linear recurrence, of an order that is `effect` short of half the bits.
void linear_recurrence(double, double effect, BitSource& source, MaskBits& mask) {
  constexpr std::uint64_t kBits = 45000;
  const std::uint64_t order = kBits / 2 - static_cast<std::uint64_t>(effect);
  fill(mask, Rate(0.5), source);
  // The last `order` entries, the latest first, in a window that moves down through its words.
  const std::size_t words = (order + 63) / 64;
  std::vector<std::uint64_t> taps(words), window(words + (mask.size() + 63) / 64 + 1, 0);
  for (std::uint64_t& w : taps) w = source.word();
  if (order % 64 != 0) taps.back() &= (std::uint64_t{1} << (order % 64)) - 1;
  taps[(order - 1) / 64] |= std::uint64_t{1} << ((order - 1) % 64);
  std::uint64_t top = window.size() * 64 - order;  // bit of the latest entry
  for (std::uint64_t i = 0; i < order; ++i) {
    const std::uint64_t at = top + order - 1 - i;
    if (mask[i]) window[at / 64] |= std::uint64_t{1} << (at % 64);
  }
  for (std::uint64_t t = order; t < kBits; ++t) {
    std::uint64_t sum = 0;
    for (std::size_t w = 0; w < words; ++w) {
      const std::size_t at = top / 64 + w;
      std::uint64_t seen = window[at] >> (top % 64);
      if (top % 64 != 0 && at + 1 < window.size()) seen |= window[at + 1] << (64 - top % 64);
      sum ^= seen & taps[w];
    }
    const bool bit = std::popcount(sum) % 2 == 1;
    --top;
    if (bit) window[top / 64] |= std::uint64_t{1} << (top % 64);
    const std::uint64_t place = std::uint64_t{1} << (t % 64);
    mask.words()[t / 64] = bit ? mask.words()[t / 64] | place : mask.words()[t / 64] & ~place;
  }
}

}  // namespace

std::vector<PowerTarget> power_targets() {
  std::vector<PowerTarget> all;
  const auto add = [&](const char* id, const char* check, const char* statistic, const char* defect,
                       SampleInfo sample, Plant plant) {
    all.push_back({id, check, statistic, defect, std::move(sample), std::move(plant)});
  };
  const SampleInfo small = sample_of({kSmall}), middle = sample_of({kMiddle});
  const SampleInfo channels = sample_of({1, 8, kSmall / 8}), more_channels = sample_of({1, 8, kMiddle / 8});
  const SampleInfo streams = sample_of({kSmall / 16}, kStreamSteps, "streams");  // 2^14 each
  const SampleInfo positions = sample_of({kPositions}, 1024, "position");

  add("S1", "mask_rate.drop_rate", "drop rate", "another rate", small, shift_rate);
  add("S2", "mask_rate.lanes", "lanes mod 2", "even and odd lanes differ", small, lanes(2));
  add("S2", "mask_rate.lanes", "lanes mod 32", "lanes 0-15 and 16-31 differ", small, lanes(32));
  add("S2", "mask_rate.lanes", "lanes mod 1024", "lanes 0-511 and 512-1023 differ", small, lanes(1024));
  add("S3", "mask_rate.worst_lane", "worst lane", "one lane of 1024 has another rate", small,
      one_lane(1024, 17));
  add("S4", "mask_rate.dispersion", "blocks of 64", "blocks of 64 vary more", small, block_variance(64));
  add("S4", "mask_rate.dispersion", "blocks of 1024", "blocks of 1024 vary more", middle,
      block_variance(1024));
  add("S5", "mask_rate.block_histogram", "drops per 64 entries",
      "words with few drops are more or less frequent", middle, word_histogram);
  add("S5", "mask_rate.block_histogram", "oddest number of drops per 64 entries",
      "words with 6 drops are more or less frequent", middle, word_cell);
  add("S6", "channel_correlation.axes", "pairs along axis 0",
      "disjoint neighbours are dropped together or not", small, neighbour_pairs);
  add("S6", "channel_correlation.lags", "lag 1", "each entry depends on the one before", small, lag(1));
  add("S6", "channel_correlation.lags", "lag 64", "each entry depends on the 64th before", small, lag(64));
  add("S7", "channel_correlation.structural_lags", "lag 1024", "each entry depends on the 1024th before",
      small, lag(1024));
  add("S8", "channel_correlation.channel_pairs", "worst pair of channels",
      "channels 0 and 1 of 8 are correlated", channels, stream_pair(8));
  add("S9", "channel_correlation.channel_pairs", "all pairs of channels", "8 channels share a factor",
      more_channels, common_factor(8));
  add("S11", "seed_determinism.chunk_overlaps", "chunks 1 apart", "two calls are correlated",
      sample_of({kSmall / 2}, 2), stream_pair(2));
  add("S11", "seed_determinism.streams", kWorstStreams, "masks of two of 64 seeds are correlated", streams,
      stream_pair(kStreamSteps));
  add("S11", "seed_determinism.streams", kAllStreams, "masks of 64 seeds share a factor", streams,
      common_factor(kStreamSteps));
  add("L1", "mask_rate.large_call", "worst part of a large call", "the first of 16 parts has another rate",
      sample_of({kSmall}, 1, "large_call"), first_part(16));
  add("L2", "channel_correlation.large_call", "entries 2^17 apart", "the halves of a call are correlated",
      sample_of({kSmall}, 1, "large_call"), stream_pair(2));
  add("S12", "mask_rate.gaps", "distances between drops", "short distances are more or less frequent", small,
      distances(false));
  add("S12", "mask_rate.gaps", "oddest distance", "distances of 1 are more or less frequent", small,
      distances(true));
  add("S13", "mask_rate.longest_run", "longest run of keeps", "one stretch is all kept", small, run(false));
  add("S13", "mask_rate.longest_run", "longest run of drops", "one stretch is all dropped", small, run(true));
  add("S14", "mask_rate.drift", "walk", "the halves of a call have different rates", middle, half_and_half);
  add("S14", "mask_rate.drift", "position of drops", "the halves of a call have different rates", middle,
      half_and_half);
  add("S14", "mask_rate.block_rates", "rates of blocks of 1024 entries",
      "blocks with few drops are more or less frequent", small, block_distribution);
  add("S15", "channel_correlation.serial", "patterns of 2 entries", "each entry depends on the one before",
      middle, lag(1));
  add("S15", "channel_correlation.serial", "patterns of 8 entries", "each entry depends on the 7th before",
      sample_of({kMiddle}, 1, "mask", 0.5), lag(7));
  add("S16", "channel_correlation.triples", "worst triple", "each entry depends on the product of two others",
      sample_of({kMiddle}, 1, "mask", 0.3), triple(5, 19));
  const auto fair_calls = [](std::uint32_t calls) { return sample_of({kMiddle}, calls, "deep_mask", 0.5); };
  add("S17", "channel_correlation.rank", "ranks of 64 x 64 matrices", "some matrices are singular",
      fair_calls(16), singular_matrices);
  add("S17", "channel_correlation.rank", "matrices of rank 61 or less", "some matrices have three rows twice",
      fair_calls(16), low_rank_matrices);
  add("S18", "channel_correlation.linear_complexity", "linear complexity", "a linear recurrence",
      sample_of({45056}, 1, "deep_mask", 0.5), linear_recurrence);
  add("S20", "channel_correlation.collisions", "collisions of 24 bits", "some words occur twice",
      fair_calls(32), equal_words);
  add("S21", "channel_correlation.birthday", "repeated birthday spacings",
      "some distances of words occur twice", fair_calls(16), equal_distances);
  add("S19", "channel_correlation.spectrum", "strongest frequency", "the rate is a wave of random phase",
      middle, wave);
  add("S19", "channel_correlation.spectrum", "worst pattern of lanes",
      "lanes differ by the parity of two bits", small, lane_halves);
  add("S22", "channel_correlation.word_weights", "words 1 apart",
      "the rate of a word depends on the one before", sample_of({1 << 22}), word_pairs);
  add("S23", "channel_correlation.boundaries", "entries 1 apart across seams every 32",
      "entries on both sides of seams are correlated", small, seams);
  add("S24", "seed_determinism.repeats", "repeated windows", "one stretch occurs twice", small, repeat);
  add("S25", "unbiasedness.mean", "sum of y over random x", "dropping depends on the sign of the input",
      small, biased_sums);
  all.back().integers = signs(kSmall);
  add("S29", "mask_rate.position", "rates of all positions", "even and odd positions differ", positions,
      position_rates);
  add("S29", "mask_rate.position", "worst position", "one position has another rate", positions,
      one_lane(kPositions, 17));
  add("S30", "seed_determinism.seed_flips", "seeds in succession",
      "masks of two seeds are too close or too far", streams, close_seeds);
  return all;
}

}  // namespace dropcheck::suites::calibration
