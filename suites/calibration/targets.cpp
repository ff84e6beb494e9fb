#include "suites/calibration/targets.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "harness/stats/bernstein.hpp"
#include "harness/stats/chi_squared.hpp"
#include "harness/stats/gaps.hpp"
#include "harness/stats/triples.hpp"
#include "suites/calibration/strengths.hpp"
#include "suites/calibration/wave_tilt.hpp"
#include "suites/seed_streams.hpp"

namespace dropcheck::suites::calibration {
namespace {

using Tilted = std::unique_ptr<Tilt>;

// --- samples

SampleInfo masks(double p, std::vector<std::int64_t> shape, std::uint32_t calls = 1) {
  Problem problem;
  problem.p = p;
  problem.shape = std::move(shape);
  return {"mask", std::move(problem), 1, calls};
}

SampleInfo one_call(double p, std::uint64_t n) { return masks(p, {static_cast<std::int64_t>(n)}); }
SampleInfo two_calls(double p, std::uint64_t n) { return masks(p, {static_cast<std::int64_t>(n / 2)}, 2); }

constexpr std::int64_t kChannels = 8;
SampleInfo eight_channels(double p, std::uint64_t n) {
  return masks(p, {1, kChannels, static_cast<std::int64_t>(n) / kChannels});
}

constexpr std::uint64_t kPositions = 256;
SampleInfo small_tensor(double p, std::uint64_t n) {
  SampleInfo sample = masks(p, {kPositions}, static_cast<std::uint32_t>(n / kPositions));
  sample.protocol = "position";
  return sample;
}

SampleInfo seed_streams(double p, std::uint64_t n) {
  SampleInfo sample = masks(p, {static_cast<std::int64_t>(n / kStreamSteps)}, kStreamSteps);
  sample.protocol = "streams";
  return sample;
}

double rate_of(const SampleInfo& sample) { return sample.problem.p; }

// --- laws of one integer

CountLaw binomial_count(std::uint64_t n, double p, std::function<MaskBits(std::uint64_t)> mask,
                        std::uint64_t cells = 1) {
  CountLaw law;
  law.highest = n;
  law.middle = static_cast<std::uint64_t>(static_cast<double>(n) * p);
  law.mask = std::move(mask);
  law.upper_tail = [=](std::uint64_t t) { return binomial_terms_above(n, t, p); };
  law.lower_tail = [=](std::uint64_t t) { return binomial_terms_below(n, t, p); };
  law.cells = cells;
  return law;
}

CountLaw drop_count(const SampleInfo& sample) {
  const std::uint64_t n = sample.mask_entries();
  return binomial_count(n, rate_of(sample), [n](std::uint64_t t) {
    MaskBits mask(n);
    for (std::uint64_t i = 0; i < t; ++i) mask.set(i);
    return mask;
  });
}

/// Positions modulo `lanes`: one lane has t drops, the others what is expected.
CountLaw lane_count(const SampleInfo& sample, std::uint64_t lanes) {
  const std::uint64_t n = sample.mask_entries(), rows = n / lanes;
  const double p = rate_of(sample);
  const auto usual = static_cast<std::uint64_t>(std::round(static_cast<double>(rows) * p));
  return binomial_count(
      rows, p,
      [=](std::uint64_t t) {
        MaskBits mask(n);
        for (std::uint64_t row = 0; row < rows; ++row)
          for (std::uint64_t lane = 0; lane < lanes; ++lane)
            if (row < (lane == 0 ? t : usual)) mask.set(row * lanes + lane);
        return mask;
      },
      lanes);
}

CountLaw neighbour_pairs(const SampleInfo& sample) {
  const std::uint64_t n = sample.mask_entries();
  return binomial_count(n / 2, rate_of(sample) * rate_of(sample), [n](std::uint64_t t) {
    MaskBits mask(n);
    for (std::uint64_t i = 0; i < 2 * t; ++i) mask.set(i);
    return mask;
  });
}

/// The longest run of keeps or drops, in a mask that is all of the other kind but for it.
CountLaw run_length(const SampleInfo& sample, bool of_drops) {
  const std::uint64_t n = sample.mask_entries();
  const double rate = of_drops ? rate_of(sample) : 1 - rate_of(sample);
  CountLaw law;
  law.highest = std::min<std::uint64_t>(n, 60000);  // no chance run is as long at any p here
  // Near the median of the longest run: n rate^L (1 - rate) = ln 2.
  law.middle = static_cast<std::uint64_t>(
      std::max(1.0, std::log(static_cast<double>(n) * (1 - rate) / std::log(2.0)) / -std::log(rate)));
  law.middle = std::min(law.middle, law.highest);
  law.mask = [=](std::uint64_t t) {
    MaskBits mask(n);
    for (std::uint64_t i = 0; i < n; ++i)
      if ((i < t) == of_drops) mask.set(i);
    return mask;
  };
  law.upper_tail = [=](std::uint64_t t) { return run_probability(n, t, rate); };
  law.lower_tail = [=](std::uint64_t t) { return no_run_probability(n, t + 1, rate); };
  return law;
}

/// Matrices of rank 61 or less, among 64 x 64 matrices of the bits: so many of zeros, the others of rank 64.
CountLaw low_ranks(const SampleInfo& sample) {
  const std::uint64_t n = sample.mask_entries();
  // P(rank 64 - d) = 2^(-d^2) prod_{i>d} (1 - 2^-i) / prod_{i<=d} (1 - 2^-i), all but exactly at this size.
  double above = 0;
  for (int deficit = 0; deficit <= 2; ++deficit) {
    double probability = std::ldexp(1.0, -deficit * deficit);
    for (int i = deficit + 1; i <= 60; ++i) probability *= 1 - std::ldexp(1.0, -i);
    for (int i = 1; i <= deficit; ++i) probability /= 1 - std::ldexp(1.0, -i);
    above += probability;
  }
  return binomial_count(n / 4096, 1 - above, [n](std::uint64_t t) {
    MaskBits mask(n);
    for (std::uint64_t matrix = t; matrix < n / 4096; ++matrix)
      for (std::uint64_t i = 0; i < 64; ++i) mask.set(matrix * 4096 + 65 * i);
    return mask;
  });
}

// --- tilts

/// One rate from the beginning on to a part of the sample, the null rate after it.
Tilted prefix_rates(const SampleInfo& sample) {
  const std::uint64_t n = sample.mask_entries();
  const double p = rate_of(sample);
  const double v = p * (1 - p);
  std::vector<std::uint64_t> ends;
  for (std::uint64_t k = 1; k <= 4; ++k) ends.push_back(n * k / 4);
  std::vector<std::vector<ContextRate>> components;
  for (const double z : signed_strengths(kLevels)) {
    for (std::size_t parts = 1; parts <= 4; ++parts) {
      const double shift = z * std::sqrt(v / static_cast<double>(n)) / (0.25 * static_cast<double>(parts));
      std::vector<ContextRate> component;
      for (std::size_t c = 0; c < parts; ++c) component.push_back({c, logit_shifted(p, shift / v)});
      components.push_back(std::move(component));
    }
  }
  return std::make_unique<RateMixture>(std::make_unique<Stretches>(ends, p), std::move(components));
}

/// More in the first part of the sample and as much less in the rest.
Tilted seesaw_rates(const SampleInfo& sample) {
  const std::uint64_t n = sample.mask_entries();
  const double p = rate_of(sample), v = p * (1 - p);
  std::vector<std::uint64_t> ends;
  for (std::uint64_t k = 1; k <= 8; ++k) ends.push_back(n * k / 8);
  std::vector<std::vector<ContextRate>> components;
  for (const double level : kLevels) {
    const double x = std::sqrt(std::log(2 / level) / 2);
    for (const double sign : {1.0, -1.0}) {
      for (std::size_t parts = 2; parts <= 6; ++parts) {
        const double first = 0.125 * static_cast<double>(parts);
        const double shift = sign * x / std::sqrt(v * static_cast<double>(n));
        std::vector<ContextRate> component;
        for (std::size_t c = 0; c < 8; ++c)
          component.push_back({c, logit_shifted(p, c < parts ? shift / first : -shift / (1 - first))});
        components.push_back(std::move(component));
      }
    }
  }
  return std::make_unique<RateMixture>(std::make_unique<Stretches>(ends, p), std::move(components));
}

/// Entries `lag` apart.
Tilted lag_products(const SampleInfo& sample, std::uint64_t lag) {
  const std::uint64_t n = sample.mask_entries();
  const double p = rate_of(sample), pairs = static_cast<double>(n - lag);
  if (lag < 64)
    return std::make_unique<RateMixture>(
        std::make_unique<Chain>(n, std::vector<unsigned>{static_cast<unsigned>(lag)}, p),
        twisted_chains(0, pairs, p, signed_strengths(kLevels)));
  MaskBits second(n);
  for (std::uint64_t t = lag; t < n; ++t) second.set(t);
  return std::make_unique<RateMixture>(std::make_unique<Partners>(std::move(second), lag, p),
                                       twisted_chains(1, pairs, p, signed_strengths(kLevels)));
}

/// Disjoint pairs: [begin, end) with what lies `distance` before.
Tilted disjoint_products(const SampleInfo& sample, std::uint64_t begin, std::uint64_t end,
                         std::uint64_t distance) {
  const double p = rate_of(sample);
  MaskBits second(sample.mask_entries());
  for (std::uint64_t t = begin; t < end; ++t) second.set(t);
  return std::make_unique<RateMixture>(
      std::make_unique<Partners>(std::move(second), distance, p),
      product_components({0, -p, 1 - p}, 2, static_cast<double>(end - begin), p, signed_strengths(kLevels)));
}

Tilted seam_products(const SampleInfo& sample, std::uint64_t spacing, std::uint64_t lag) {
  const double p = rate_of(sample);
  MaskBits second(sample.mask_entries());
  for (std::uint64_t t = spacing - 1 + lag; t < second.size(); t += spacing) second.set(t);
  return std::make_unique<RateMixture>(
      std::make_unique<Partners>(std::move(second), lag, p),
      product_components({0, -p, 1 - p}, 2, static_cast<double>(sample.mask_entries() / spacing), p,
                         signed_strengths(kLevels)));
}

Tilted triple_products(const SampleInfo& sample, unsigned i, unsigned j) {
  const std::uint64_t n = sample.mask_entries();
  const double p = rate_of(sample), q = 1 - p;
  return std::make_unique<RateMixture>(
      std::make_unique<Chain>(n, std::vector<unsigned>{j - i, j}, p),
      product_components({p * p, -p * q, -p * q, q * q}, 3, static_cast<double>(n), p,
                         signed_strengths(kLevels)));
}

Tilted word_products(const SampleInfo& sample, std::uint64_t lag) {
  const std::uint64_t words = sample.mask_entries() / 64;
  const double p = rate_of(sample);
  std::vector<std::vector<ContextRate>> components;
  for (const double z : signed_strengths(kLevels)) {
    const double slope = z / std::sqrt(static_cast<double>(words - lag)) / 64;
    std::vector<ContextRate> component;
    for (std::size_t weight = 0; weight <= 64; ++weight)
      component.push_back(
          {weight, between_zero_and_one(p + slope * (static_cast<double>(weight) - 64 * p), p)});
    components.push_back(std::move(component));
  }
  return std::make_unique<RateMixture>(std::make_unique<WordWeights>(words, lag, p), std::move(components));
}

/// What lanes mod m add to lanes mod m/2; all m lanes where the p-value is of randomised normals.
Tilted lane_spread(const SampleInfo& sample, std::size_t modulus) {
  const std::uint64_t n = sample.mask_entries();
  const double p = rate_of(sample);
  const bool pearson = stats::pearson_is_valid(static_cast<double>(n / modulus), p);
  std::vector<RateSpread::Group> groups;
  if (pearson)
    for (std::size_t c = 0; c < modulus / 2; ++c) groups.push_back({{c, 1.0}, {c + modulus / 2, -1.0}});
  else
    for (std::size_t c = 0; c < modulus; ++c) groups.push_back({{c, 1.0}});
  std::vector<double> spreads;
  for (const double excess : chi_squared_excess(static_cast<double>(groups.size()), kLevels))
    spreads.push_back(std::sqrt(excess / (pearson ? 2 : 1)));
  const std::vector<double> entries(modulus, static_cast<double>(n) / static_cast<double>(modulus));
  return std::make_unique<RateSpread>(lanes_model(n, n, modulus, p), std::move(groups), entries, spreads);
}

Tilted position_spread(const SampleInfo& sample) {
  std::vector<RateSpread::Group> groups;
  for (std::size_t c = 0; c < kPositions; ++c) groups.push_back({{c, 1.0}});
  std::vector<double> spreads;
  for (const double excess : chi_squared_excess(kPositions, kLevels)) spreads.push_back(std::sqrt(excess));
  return std::make_unique<RateSpread>(
      lanes_model(sample.mask_entries(), kPositions, kPositions, rate_of(sample)), std::move(groups),
      std::vector<double>(kPositions, static_cast<double>(sample.calls)), spreads);
}

/// Every context of k - 1 entries has a rate of its own.
Tilted pattern_spread(const SampleInfo& sample, unsigned length) {
  const std::uint64_t n = sample.mask_entries();
  const double p = rate_of(sample);
  std::vector<unsigned> lags;
  for (unsigned lag = 1; lag < length; ++lag) lags.push_back(lag);
  auto chain = std::make_unique<Chain>(n, lags, p);
  std::vector<RateSpread::Group> groups;
  std::vector<double> entries(chain->contexts(), 1);
  for (std::size_t c = 0; c + 1 < chain->contexts(); ++c) {
    groups.push_back({{c, 1.0}});
    const double drops = std::popcount(c);
    entries[c] = static_cast<double>(n) * std::pow(p, drops) * std::pow(1 - p, length - 1 - drops);
  }
  std::vector<double> spreads;
  for (const double excess : chi_squared_excess(static_cast<double>(groups.size()), kLevels))
    spreads.push_back(std::sqrt(excess));
  return std::make_unique<RateSpread>(std::move(chain), std::move(groups), entries, spreads);
}

/// Half of the lanes against the other half: those with an odd number of bits in common with the pattern.
Tilted lane_pattern(const SampleInfo& sample, std::uint64_t pattern) {
  const std::uint64_t n = sample.mask_entries();
  const double p = rate_of(sample), v = p * (1 - p);
  std::vector<std::uint16_t> half(n);
  for (std::uint64_t i = 0; i < n; ++i) half[i] = std::popcount(i & pattern) % 2 == 1 ? 1 : 0;
  std::vector<std::vector<ContextRate>> components;
  for (const double z : signed_strengths(kLevels)) {
    const double shift = z / std::sqrt(v * static_cast<double>(n));
    components.push_back({{0, logit_shifted(p, -shift)}, {1, logit_shifted(p, shift)}});
  }
  return std::make_unique<RateMixture>(std::make_unique<Classes>(std::move(half), 2, p),
                                       std::move(components));
}

constexpr std::uint64_t kWaveBlock = 4096;
Tilted wave(const SampleInfo& sample, std::uint64_t cycles) {
  const std::uint64_t n = sample.mask_entries();
  const double p = rate_of(sample), v = p * (1 - p), blocks = static_cast<double>(n / kWaveBlock);
  std::vector<double> amplitudes;
  for (const double level : kLevels) {
    const double excess = chi_squared_excess(2 * blocks, {level / 2}).front();
    amplitudes.push_back(std::sqrt(excess * 4 * v / kWaveBlock) / v);
  }
  return std::make_unique<WaveTilt>(n, kWaveBlock, cycles, p, amplitudes);
}

/// More or less drops among the entries whose block-count law is `law`, values below a quantile more likely.
Tilted block_quantiles(const SampleInfo& sample, std::uint64_t bits) {
  const std::uint64_t n = sample.mask_entries();
  const double blocks = static_cast<double>(n / bits);
  const std::vector<double> null = binomial_law(bits, rate_of(sample));
  std::vector<std::vector<double>> laws;
  for (const double level : kLevels) {
    for (const double quantile : {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9}) {
      double below = 0;
      std::size_t cut = 0;
      while (cut < bits && below < quantile) below += null[cut++];
      for (const double sign : {1.0, -1.0}) {
        const double moved = tilted_rate(blocks, below, sign * two_sided_z(level));
        std::vector<double> law = null;
        for (std::size_t c = 0; c <= bits; ++c) law[c] *= c < cut ? moved / below : (1 - moved) / (1 - below);
        laws.push_back(std::move(law));
      }
    }
  }
  return std::make_unique<BlockCountMixture>(n, bits, rate_of(sample), std::move(laws));
}

/// Blocks whose counts vary more, or less, than binomial ones.
Tilted block_variances(const SampleInfo& sample, std::uint64_t bits) {
  const std::uint64_t n = sample.mask_entries();
  const double p = rate_of(sample), mean = static_cast<double>(bits) * p, variance = mean * (1 - p);
  const double blocks = static_cast<double>(n / bits);
  const std::vector<double> null = binomial_law(bits, p);
  std::vector<double> squares;  // no block further out than 8 deviations is made more likely than that
  for (std::size_t c = 0; c <= bits; ++c) {
    const double deviation = static_cast<double>(c) - mean;
    squares.push_back(std::min(deviation * deviation / variance, 64.0));
  }
  const double spread = std::sqrt((2 + (1 - 6 * p * (1 - p)) / variance) / blocks);
  std::vector<std::vector<double>> laws;
  for (const double z : signed_strengths(kLevels))
    laws.push_back(exponentially_tilted(null, squares, std::max(1 + z * spread, 0.05)));
  return std::make_unique<BlockCountMixture>(n, bits, p, std::move(laws));
}

/// Words with one number of drops, more or less often.
Tilted word_count_cell(const SampleInfo& sample, std::uint64_t drops) {
  const std::uint64_t n = sample.mask_entries();
  const std::vector<double> null = binomial_law(64, rate_of(sample));
  std::vector<std::vector<double>> laws;
  for (const double z : signed_strengths(kLevels)) {
    const double moved = tilted_rate(static_cast<double>(n / 64), null[drops], z);
    std::vector<double> law = null;
    for (std::size_t c = 0; c < law.size(); ++c)
      law[c] *= c == drops ? moved / null[drops] : (1 - moved) / (1 - null[drops]);
    laws.push_back(std::move(law));
  }
  return std::make_unique<BlockCountMixture>(n, 64, rate_of(sample), std::move(laws));
}

constexpr double kPooled = 1000;  // expected count of a pooled cell

Tilted word_count_cells(const SampleInfo& sample) {
  const std::uint64_t n = sample.mask_entries();
  const double words = static_cast<double>(n / 64);
  CellLaw cells = pooled_cells(binomial_law(64, rate_of(sample)), kPooled / words);
  std::vector<double> concentrations;
  for (const double excess : chi_squared_excess(static_cast<double>(cells.probabilities.size() - 1), kLevels))
    concentrations.push_back(words / excess);
  return std::make_unique<BlockCellSpread>(n, 64, rate_of(sample), std::move(cells), concentrations);
}

std::vector<double> distance_law(double p, std::size_t cells) {
  std::vector<double> law;
  for (std::size_t g = 1; g < cells; ++g)
    law.push_back(p * std::exp(static_cast<double>(g - 1) * std::log1p(-p)));
  law.push_back(std::exp(static_cast<double>(cells - 1) * std::log1p(-p)));
  return law;
}

Tilted distance_cells(const SampleInfo& sample) {
  const std::uint64_t n = sample.mask_entries(),
                      gaps = stats::planned_gaps(std::min(n, kChunkBits), rate_of(sample));
  CellLaw cells = pooled_cells(distance_law(rate_of(sample), 2000), kPooled / static_cast<double>(gaps));
  std::vector<double> concentrations;
  for (const double excess : chi_squared_excess(static_cast<double>(cells.probabilities.size() - 1), kLevels))
    concentrations.push_back(static_cast<double>(gaps) / excess);
  return std::make_unique<GapTilt>(n, gaps, rate_of(sample), std::move(cells),
                                   std::vector<std::vector<double>>{}, concentrations);
}

/// Distances of 1, more or less often.
Tilted distance_of_one(const SampleInfo& sample) {
  const std::uint64_t n = sample.mask_entries(),
                      gaps = stats::planned_gaps(std::min(n, kChunkBits), rate_of(sample));
  const double p = rate_of(sample);
  std::vector<std::vector<double>> laws;
  for (const double z : signed_strengths(kLevels)) {
    const double moved = tilted_rate(static_cast<double>(gaps), p, z);
    laws.push_back({moved, 1 - moved});
  }
  return std::make_unique<GapTilt>(n, gaps, p, CellLaw{{0}, {p, 1 - p}}, std::move(laws),
                                   std::vector<double>{});
}

// --- weighted sums

constexpr std::uint64_t kWeights = 1u << 16;  // the input repeats itself after so many

/// Integers without 0 of the range that inputs have, the same in every run.
std::vector<std::int8_t> some_integers(std::uint64_t n) {
  BitSource source(25);
  std::vector<std::int8_t> period;
  for (std::uint64_t i = 0; i < std::min(n, kWeights); ++i) {
    const auto magnitude = static_cast<int>(source.below(127)) + 1;
    period.push_back(static_cast<std::int8_t>(source.below(2) == 0 ? magnitude : -magnitude));
  }
  std::vector<std::int8_t> all(n);
  for (std::uint64_t i = 0; i < n; ++i) all[i] = period[i % kWeights];
  return all;
}

/// The weight of an entry is its integer to the power of 1 or 2.
Tilted weighted_rates(const SampleInfo& sample, int power) {
  const auto weight_of = [=](int value) { return static_cast<double>(power == 1 ? value : value * value); };
  const std::vector<std::int8_t> x = some_integers(sample.mask_entries());
  const double p = rate_of(sample);
  std::vector<std::uint16_t> class_of;
  double squares = 0, largest = 0;
  for (const std::int8_t value : x) {
    class_of.push_back(static_cast<std::uint16_t>(value + 128));
    squares += weight_of(value) * weight_of(value);
    largest = std::max(largest, std::abs(weight_of(value)));
  }
  std::vector<std::vector<ContextRate>> components;
  for (const double level : kLevels) {
    for (const double further : {1.0, 1.1}) {
      for (const double sign : {1.0, -1.0}) {
        const double sum = further * stats::bernstein_threshold({0, squares, largest, p}, level);
        const double theta = sign * sum / (squares * p * (1 - p));
        std::vector<ContextRate> component;
        for (int value = -127; value <= 127; ++value)
          component.push_back(
              {static_cast<std::size_t>(value + 128), logit_shifted(p, theta * weight_of(value))});
        components.push_back(std::move(component));
      }
    }
  }
  return std::make_unique<RateMixture>(std::make_unique<Classes>(std::move(class_of), 256, p),
                                       std::move(components));
}

Tilted untilted(const SampleInfo& sample) {
  return std::make_unique<NoTilt>(sample.mask_entries(), rate_of(sample));
}

// --- the table

std::vector<Target> table() {
  std::vector<Target> all;
  const auto exact = [&](const char* id, const char* check, const char* statistic, auto sample, auto law) {
    Target& t = all.emplace_back();
    t.id = id;
    t.check = check;
    t.statistic = statistic;
    t.sample = sample;
    t.law = law;
  };
  const auto tilted = [&](const char* id, const char* check, std::string statistic, auto sample,
                          auto tilt) -> Target& {
    Target& t = all.emplace_back();
    t.id = id;
    t.check = check;
    t.statistic = std::move(statistic);
    t.sample = sample;
    t.tilt = tilt;
    return t;
  };

  exact("S1", "mask_rate.drop_rate", "drop rate", one_call, drop_count);
  for (const std::size_t modulus : {2u, 32u, 1024u})
    tilted("S2", "mask_rate.lanes", "lanes mod " + std::to_string(modulus), one_call,
           [=](const SampleInfo& s) { return lane_spread(s, modulus); });
  exact("S3", "mask_rate.worst_lane", "worst lane", one_call,
        [](const SampleInfo& s) { return lane_count(s, 1024); });
  for (const std::uint64_t bits : {64u, 1024u, 65536u}) {
    Target& t = tilted("S4", "mask_rate.dispersion", "blocks of " + std::to_string(bits), one_call,
                       [=](const SampleInfo& s) { return block_variances(s, bits); });
    if (bits == 65536) t.sizes = {1u << 24};
  }
  tilted("S4", "mask_rate.dispersion", "whole calls", small_tensor,
         [](const SampleInfo& s) { return block_variances(s, kPositions); });
  tilted("S5", "mask_rate.block_histogram", "drops per 64 entries", one_call, word_count_cells);
  tilted("S5", "mask_rate.block_histogram", "oddest number of drops per 64 entries", one_call,
         [](const SampleInfo& s) { return word_count_cell(s, 6); })
      .cell = 6;
  exact("S6", "channel_correlation.axes", "pairs along axis 0", one_call, neighbour_pairs);
  for (const std::uint64_t lag : {1u, 7u, 64u})
    tilted("S6", "channel_correlation.lags", "lag " + std::to_string(lag), one_call,
           [=](const SampleInfo& s) { return lag_products(s, lag); });
  for (const std::uint64_t lag : {96u, 1024u, 65536u})
    tilted("S7", "channel_correlation.structural_lags", "lag " + std::to_string(lag), one_call,
           [=](const SampleInfo& s) { return lag_products(s, lag); });
  tilted("S8", "channel_correlation.channel_pairs", "worst pair of channels", eight_channels,
         [](const SampleInfo& s) {
           const std::uint64_t row = s.mask_entries() / kChannels;
           return disjoint_products(s, row, 2 * row, row);
         })
      .cell = 1;  // channels 0 and 1
  {
    Target& t =
        tilted("S9", "channel_correlation.channel_pairs", "all pairs of channels", eight_channels, untilted);
    t.levels = {1e-2, 1e-3};
    t.runs = 10;
  }
  for (const char* name : {"chunks 1 apart", "chunks 1 apart, shifted by -4"})
    tilted("S11", "seed_determinism.chunk_overlaps", name, two_calls, [=](const SampleInfo& s) {
      const std::uint64_t half = s.mask_entries() / 2;
      const bool shifted = std::string_view(name).ends_with("-4");
      return disjoint_products(s, half, s.mask_entries() - (shifted ? 4 : 0), shifted ? half - 4 : half);
    });
  {
    Target& t =
        tilted("S11", "seed_determinism.streams", kWorstStreams, seed_streams, [](const SampleInfo& s) {
          const std::uint64_t entries = s.mask_entries() / kStreamSteps;
          return disjoint_products(s, entries, 2 * entries, entries);
        });
    t.cell = 1;  // steps 0 and 1
    t.sizes = {1u << 18, 1u << 22};
  }
  tilted("S12", "mask_rate.gaps", "distances between drops", one_call, distance_cells);
  tilted("S12", "mask_rate.gaps", "oddest distance", one_call, distance_of_one).cell = 0;
  for (const bool of_drops : {false, true})
    exact("S13", "mask_rate.longest_run", of_drops ? "longest run of drops" : "longest run of keeps",
          one_call, [=](const SampleInfo& s) { return run_length(s, of_drops); });
  tilted("S14", "mask_rate.drift", "walk", one_call, prefix_rates).runs = 4;
  tilted("S14", "mask_rate.drift", "position of drops", one_call, seesaw_rates).runs = 4;
  tilted("S14", "mask_rate.block_rates", "rates of blocks of 1024 entries", one_call,
         [](const SampleInfo& s) { return block_quantiles(s, 1024); })
      .runs = 4;
  for (const unsigned length : {2u, 4u, 8u})
    tilted("S15", "channel_correlation.serial", "patterns of " + std::to_string(length) + " entries",
           one_call, [=](const SampleInfo& s) { return pattern_spread(s, length); });
  for (const auto& [i, j] : {std::pair{1u, 2u}, std::pair{5u, 19u}}) {
    std::uint64_t cell = 0;
    while (stats::triple_offsets(cell).i != i || stats::triple_offsets(cell).j != j) ++cell;
    tilted("S16", "channel_correlation.triples", "worst triple", one_call,
           [i = i, j = j](const SampleInfo& s) { return triple_products(s, i, j); })
        .cell = cell;
  }
  exact(
      "S17", "channel_correlation.rank", "matrices of rank 61 or less",
      [](double p, std::uint64_t n) { return masks(p, {1 << 20}, static_cast<std::uint32_t>(n >> 20)); },
      low_ranks);
  all.back().sizes = {1u << 24};
  all.back().rates = {0.5};
  {
    Target& t = tilted("S19", "channel_correlation.spectrum", "strongest frequency", one_call,
                       [](const SampleInfo& s) { return wave(s, 409); });
    t.cell = 409;
    t.side = [](const Statistic& s) { return s.value > 1; };
    t.share = 0.5;
    t.runs = 0.4;
  }
  tilted("S19", "channel_correlation.spectrum", "worst pattern of lanes", one_call, [](const SampleInfo& s) {
    return lane_pattern(s, 5);
  }).cell = 5;
  for (const std::uint64_t lag : {1u, 16u})
    tilted("S22", "channel_correlation.word_weights", "words " + std::to_string(lag) + " apart", one_call,
           [=](const SampleInfo& s) { return word_products(s, lag); });
  tilted("S23", "channel_correlation.boundaries", "entries 1 apart across seams every 32", one_call,
         [](const SampleInfo& s) { return seam_products(s, 32, 1); });
  for (const int power : {1, 2})
    tilted("S25", power == 1 ? "unbiasedness.mean" : "unbiasedness.variance",
           power == 1 ? "sum of y over random x" : "sum of y^2 over random x", one_call,
           [=](const SampleInfo& s) { return weighted_rates(s, power); })
        .integers = some_integers;
  tilted("S29", "mask_rate.position", "rates of all positions", small_tensor, position_spread);
  exact("S29", "mask_rate.position", "worst position", small_tensor,
        [](const SampleInfo& s) { return lane_count(s, kPositions); });
  {
    Target& t = tilted("S30", "seed_determinism.seed_flips", "seeds in succession", seed_streams,
                       [](const SampleInfo& s) {
                         const std::uint64_t entries = s.mask_entries() / kStreamSteps;
                         return disjoint_products(s, entries, 2 * entries, entries);
                       });
    t.cell = 1;
    t.sizes = {1u << 18, 1u << 22};
  }
  return all;
}

}  // namespace

const std::vector<Target>& targets() {
  static const std::vector<Target> all = table();
  return all;
}

const std::vector<NotMeasured>& not_measured() {
  static const std::vector<NotMeasured> all = {
      {"S10", "channel_correlation.channels",
       "the law and the code of S6's pairs along an axis, on channels instead of elements"},
      {"S11", "seed_determinism.streams, all pairs",
       "the law and the code of S9, on masks instead of channels"},
      {"S17", "channel_correlation.rank, all ranks", "the law of the row above, and Pearson's sum as in S5"},
      {"S18, S20, S21", "channel_correlation.linear_complexity, collisions, birthday",
       "exact and Poisson laws that no tilt reaches; tested against enumeration beside their engines"},
      {"S24", "seed_determinism.repeats",
       "one repeat rejects, and the union bound on a chance repeat is 1e-12; there are no other p-values"},
      {"S28", "gradient_consistency.expectation", "the bound and the code of S25, on gradients"},
      {"E1, E2", "embedding.subnetworks", "Pearson's sum as in S5, and exact binomial laws as in S1"},
      {"E3", "embedding.mc_estimate", "the bound and the code of S25, on terms of any law"},
      {"L1", "mask_rate.large_call", "the law and the code of S3, on parts of a call instead of lanes"},
      {"L2", "channel_correlation.large_call", "the law and the code of S11, on parts of one call"}};
  return all;
}

}  // namespace dropcheck::suites::calibration
