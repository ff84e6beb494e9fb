#include "harness/stats/kernels/power_spectra.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <array>
#include <cmath>
#include <complex>
#include <numbers>
#include <random>
#include <vector>

namespace dropcheck::stats::kernels {
namespace {

constexpr std::size_t kFrequencyCount = kSpectrumBits / 2 + 1;

double power_by_definition(const std::vector<std::uint64_t>& words, std::size_t j) {
  std::complex<double> sum = 0;
  for (std::size_t t = 0; t < kSpectrumBits; ++t)
    if ((words[t / 64] >> (t % 64)) & 1)
      sum += std::polar(1.0, -2 * std::numbers::pi * static_cast<double>(j * t % kSpectrumBits) /
                                 static_cast<double>(kSpectrumBits));
  return std::norm(sum);
}

TEST(PowerSpectra, EqualTheDefinitionOnEveryTarget) {
  std::mt19937_64 engine(6);
  std::vector<std::vector<std::uint64_t>> blocks(19, std::vector<std::uint64_t>(64));
  for (auto& block : blocks)
    for (std::uint64_t& word : block) word = engine() & engine();
  const std::array<std::size_t, 9> frequencies = {0, 1, 2, 5, 511, 1024, 1707, 2047, 2048};
  for (std::int64_t targets = hwy::SupportedTargets(); targets != 0; targets &= targets - 1) {
    hwy::SetSupportedTargetsForTest(targets & -targets);
    for (const std::size_t count : {0u, 1u, 2u, 3u, 16u, 19u}) {
      std::vector<const std::uint64_t*> starts;
      for (std::size_t b = 0; b < count; ++b) starts.push_back(blocks[b].data());
      std::vector<double> powers(kFrequencyCount, 1.0);
      add_power_spectra(starts, std::span<double, kFrequencyCount>(powers));
      for (const std::size_t j : frequencies) {
        double expected = 1;
        for (std::size_t b = 0; b < count; ++b) expected += power_by_definition(blocks[b], j);
        EXPECT_NEAR(powers[j], expected, 1e-9 * (expected + 1000))
            << count << " " << j << " " << hwy::TargetName(targets & -targets);
      }
    }
    hwy::SetSupportedTargetsForTest(0);
  }
}

TEST(PowerSpectra, KeepTheEnergyOfABlock) {
  std::mt19937_64 engine(7);
  std::vector<std::uint64_t> block(64);
  double drops = 0;
  for (std::uint64_t& word : block) {
    word = engine();
    drops += static_cast<double>(__builtin_popcountll(word));
  }
  const std::uint64_t* start = block.data();
  std::vector<double> powers(kFrequencyCount, 0.0);
  add_power_spectra({&start, 1}, std::span<double, kFrequencyCount>(powers));
  double energy = powers.front() + powers.back();
  for (std::size_t j = 1; j + 1 < powers.size(); ++j) energy += 2 * powers[j];
  EXPECT_NEAR(energy / static_cast<double>(kSpectrumBits), drops, 1e-7);  // Parseval
}

}  // namespace
}  // namespace dropcheck::stats::kernels
