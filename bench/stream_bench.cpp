// The streaming tier: what reading one chunk of 2^20 mask bits costs each kernel, each statistic, and all of
// them together with 64 lags. p = 0.3. Counter per_bit; for the lags also per_bit_and_lag.

#include <array>
#include <numeric>
#include <random>
#include <vector>

#include "bench/counters.hpp"
#include "harness/core/chunk.hpp"
#include "harness/stats/dispersion.hpp"
#include "harness/stats/kernels/blocks.hpp"
#include "harness/stats/kernels/lag_products.hpp"
#include "harness/stats/kernels/popcount.hpp"
#include "harness/stats/kernels/position_counts.hpp"
#include "harness/stats/kernels/selected_sums.hpp"
#include "harness/stats/lags.hpp"
#include "harness/stats/longest_run.hpp"
#include "harness/stats/word_counts.hpp"
#include "harness/stats/word_weights.hpp"

namespace dropcheck::bench {
namespace {

namespace kernels = stats::kernels;

/// Independent bits, 1 with probability 0.3 up to 2^-64.
std::vector<std::uint64_t> random_mask(std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::vector<std::uint64_t> words(kChunkBits / 64);
  for (std::uint64_t& word : words)
    for (unsigned t = 0; t < 64; ++t) word |= std::uint64_t{engine() < 0x4CCCCCCCCCCCCCCDu} << t;
  return words;
}

const std::vector<std::uint64_t>& mask() {
  static const std::vector<std::uint64_t> words = random_mask(1);
  return words;
}

Chunk chunk() { return {mask(), kChunkBits, Order::logical, 0, 0, 0.3}; }

void report(benchmark::State& state) {
  state.counters["per_bit"] = time_per(static_cast<double>(kChunkBits));
}

void count(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(kernels::count(mask()));
  report(state);
}

void overlap(benchmark::State& state) {
  const auto other = random_mask(2);
  for (auto _ : state) benchmark::DoNotOptimize(kernels::and_count(mask(), other));
  report(state);
}

void lags(benchmark::State& state, const std::vector<std::uint32_t>& lags) {
  std::vector<std::uint64_t> n11(lags.size(), 0);
  for (auto _ : state) {
    kernels::lag_products(mask(), kChunkBits, lags, n11);
    benchmark::ClobberMemory();
  }
  report(state);
  state.counters["per_bit_and_lag"] = time_per(static_cast<double>(kChunkBits * lags.size()));
}

void positions(benchmark::State& state) {
  std::vector<std::uint64_t> counts(kernels::kLanes, 0);
  for (auto _ : state) {
    kernels::position_counts(mask(), kChunkBits, counts, 0);
    benchmark::ClobberMemory();
  }
  report(state);
}

void add_bits(benchmark::State& state) {
  std::vector<std::uint8_t> counts(1 << 16);
  for (auto _ : state) {
    kernels::add_bits(mask(), counts);
    benchmark::ClobberMemory();
  }
  state.counters["per_bit"] = time_per(static_cast<double>(counts.size()));
}

void block_moments(benchmark::State& state, unsigned log2_block) {
  kernels::BlockMoments moments;
  for (auto _ : state) {
    kernels::block_moments(mask(), kChunkBits, log2_block, moments);
    benchmark::DoNotOptimize(moments);
  }
  report(state);
}

void word_histogram(benchmark::State& state) {
  std::vector<std::uint64_t> histogram(65, 0);
  for (auto _ : state) {
    kernels::word_histogram(mask(), mask().size(), histogram);
    benchmark::ClobberMemory();
  }
  report(state);
}

void weight_lags(benchmark::State& state) {
  std::vector<std::uint8_t> weights(mask().size());
  std::array<std::uint64_t, 16> products{};
  for (auto _ : state) {
    stats::word_counts(mask(), weights);
    kernels::weight_lag_products(weights, products);
    benchmark::ClobberMemory();
  }
  report(state);
}

void selected_sums(benchmark::State& state) {
  std::vector<std::int8_t> values(kChunkBits);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::int8_t>(i * 37);
  for (auto _ : state) {
    benchmark::DoNotOptimize(kernels::selected_sum(mask(), values));
    benchmark::DoNotOptimize(kernels::selected_squares(mask(), values));
  }
  report(state);
}

void gram(benchmark::State& state) {
  constexpr std::size_t kStreams = 64;
  const std::size_t words = mask().size() / kStreams;
  std::vector<std::uint64_t> counts(kStreams * kStreams, 0);
  for (auto _ : state) {
    kernels::pair_counts(mask(), kStreams, counts);
    benchmark::ClobberMemory();
  }
  state.counters["per_pair_and_bit"] =
      time_per(static_cast<double>(64 * words * kStreams * (kStreams + 1) / 2));
}

template <typename Counts>
void statistic(benchmark::State& state, Counts counts) {
  const Chunk one = chunk();
  for (auto _ : state) {
    counts.add(one);
    benchmark::ClobberMemory();
  }
  report(state);
}

/// All kernels on one chunk: rate, 64 lags, structural lags, lanes, moments, histogram, word weights and the
/// overlap with another chunk.
void tier(benchmark::State& state) {
  const auto other = random_mask(2);
  const auto near = stats::short_lags(), far = stats::structural_lags();
  std::vector<std::uint64_t> n11_near(near.size(), 0), n11_far(far.size(), 0), lanes(kernels::kLanes, 0),
      histogram(65, 0);
  std::vector<std::uint8_t> weights(mask().size());
  std::array<std::uint64_t, 16> products{};
  kernels::BlockMoments small, middle, large;
  for (auto _ : state) {
    benchmark::DoNotOptimize(kernels::count(mask()));
    kernels::lag_products(mask(), kChunkBits, near, n11_near);
    kernels::lag_products(mask(), kChunkBits, far, n11_far);
    kernels::position_counts(mask(), kChunkBits, lanes, 0);
    kernels::block_moments(mask(), kChunkBits, 6, small);
    kernels::block_moments(mask(), kChunkBits, 10, middle);
    kernels::block_moments(mask(), kChunkBits, 16, large);
    kernels::word_histogram(mask(), mask().size(), histogram);
    stats::word_counts(mask(), weights);
    kernels::weight_lag_products(weights, products);
    benchmark::DoNotOptimize(kernels::and_count(mask(), other));
    benchmark::ClobberMemory();
  }
  report(state);
}

/// The same bits, but through the accumulators that the checks use.
void tier_of_statistics(benchmark::State& state) {
  stats::LagCounts near(stats::short_lags()), far(stats::structural_lags());
  stats::DispersionCounts dispersion;
  stats::LongestRuns runs;
  stats::WordWeightCounts weights;
  std::vector<std::uint64_t> lanes(kernels::kLanes, 0), histogram(65, 0);
  const Chunk one = chunk();
  for (auto _ : state) {
    benchmark::DoNotOptimize(kernels::count(one.words));
    near.add(one);
    far.add(one);
    dispersion.add(one);
    runs.add(one);
    weights.add(one);
    kernels::position_counts(one.words, one.size, lanes, 0);
    kernels::word_histogram(one.words, one.words.size(), histogram);
    benchmark::ClobberMemory();
  }
  report(state);
}

const bool registered = [] {
  on_each_instruction_set("tier", tier);
  on_each_instruction_set("tier_of_statistics", tier_of_statistics);
  std::vector<std::uint32_t> few(8);
  std::iota(few.begin(), few.end(), 1);
  on_each_instruction_set("lags_1_to_64", [](benchmark::State& s) { lags(s, stats::short_lags()); });
  on_each_instruction_set("lags_1_to_8", [few](benchmark::State& s) { lags(s, few); });
  on_each_instruction_set("lags_structural", [](benchmark::State& s) { lags(s, stats::structural_lags()); });
  on_each_instruction_set("count", count);
  on_each_instruction_set("overlap", overlap);
  on_each_instruction_set("position_counts", positions);
  on_each_instruction_set("add_bits", add_bits);
  on_each_instruction_set("block_moments_64", [](benchmark::State& s) { block_moments(s, 6); });
  on_each_instruction_set("block_moments_1024", [](benchmark::State& s) { block_moments(s, 10); });
  on_each_instruction_set("block_moments_65536", [](benchmark::State& s) { block_moments(s, 16); });
  on_each_instruction_set("word_histogram", word_histogram);
  on_each_instruction_set("word_weight_lags", weight_lags);
  on_each_instruction_set("selected_sums", selected_sums);
  on_each_instruction_set("pair_counts_64", gram);
  benchmark::RegisterBenchmark("statistic/lags_1_to_64", [](benchmark::State& s) {
    statistic(s, stats::LagCounts(stats::short_lags()));
  });
  benchmark::RegisterBenchmark("statistic/lags_structural", [](benchmark::State& s) {
    statistic(s, stats::LagCounts(stats::structural_lags()));
  });
  benchmark::RegisterBenchmark("statistic/dispersion",
                               [](benchmark::State& s) { statistic(s, stats::DispersionCounts()); });
  benchmark::RegisterBenchmark("statistic/longest_runs",
                               [](benchmark::State& s) { statistic(s, stats::LongestRuns()); });
  benchmark::RegisterBenchmark("statistic/word_weights",
                               [](benchmark::State& s) { statistic(s, stats::WordWeightCounts()); });
  return true;
}();

}  // namespace
}  // namespace dropcheck::bench
