#include "suites/calibration/defects.hpp"

#include <cmath>

namespace dropcheck::suites::calibration {
namespace {

void put(MaskBits& mask, std::uint64_t i, bool dropped) {
  const std::uint64_t bit = std::uint64_t{1} << (i % 64);
  std::uint64_t& word = mask.words()[i / 64];
  word = dropped ? word | bit : word & ~bit;
}

constexpr std::uint64_t kRow = 1024;

void eight_bits(MaskBits& mask, std::uint64_t, double p, BitSource& source) {
  fill(mask, Rate(std::ceil(p * 256) / 256), source);
}

void counted_blocks(MaskBits& mask, std::uint64_t, double p, BitSource& source) {
  const double mean = p * kRow;
  for (std::uint64_t begin = 0; begin + kRow <= mask.size(); begin += kRow) {
    const double more = source.uniform() < mean - std::floor(mean) ? 1 : 0;
    place_drops(mask, begin, kRow, static_cast<std::uint64_t>(std::floor(mean) + more), source);
  }
}

void stratified(MaskBits& mask, std::uint64_t, double p, BitSource& source) {
  const auto stratum = static_cast<std::uint64_t>(std::round(1 / p));
  for (std::uint64_t& word : mask.words()) word = 0;
  for (std::uint64_t begin = 0; begin < mask.size(); begin += stratum) {
    const std::uint64_t i = begin + source.below(stratum);
    if (i < mask.size()) mask.set(i);
  }
}

void fourfold_rows(MaskBits& mask, std::uint64_t, double p, BitSource& source) {
  fill(mask, Rate(p), source);
  for (std::size_t w = 0; w < mask.words().size(); ++w) mask.words()[w] = mask.words()[w - w % 4];
}

void few_row_seeds(MaskBits& mask, std::uint64_t, double p, BitSource& source) {
  MaskBits rows(16 * kRow);
  fill(rows, Rate(p), source);
  constexpr std::uint64_t kWords = kRow / 64;
  for (std::size_t w = 0; w + kWords <= mask.words().size(); w += kWords) {
    const std::uint64_t seed = source.below(16);
    for (std::size_t i = 0; i < kWords; ++i) mask.words()[w + i] = rows.words()[seed * kWords + i];
  }
}

void same_mask_twice(MaskBits& mask, std::uint64_t call, double p, BitSource& source) {
  fill(mask, Rate(p), source);
  for (std::uint64_t begin = 0; begin + 2 * call <= mask.size(); begin += 2 * call)
    copy_entries(mask, begin, begin + call, call);
}

void shifted_call(MaskBits& mask, std::uint64_t call, double p, BitSource& source) {
  fill(mask, Rate(p), source);
  for (std::uint64_t begin = 0; begin + 2 * call <= mask.size(); begin += 2 * call)
    copy_entries(mask, begin + 4096, begin + call, call - 4096);
}

void congruential(MaskBits& mask, std::uint64_t, double p, BitSource& source) {
  auto state = static_cast<std::uint32_t>(source.word());
  const auto threshold = static_cast<std::uint32_t>(std::ceil(p * 256));
  for (std::uint64_t i = 0; i < mask.size(); ++i) {
    put(mask, i, (state & 255) < threshold);
    state = state * 1664525u + 1013904223u;
  }
}

void copied_seams(MaskBits& mask, std::uint64_t, double p, BitSource& source) {
  fill(mask, Rate(p), source);
  for (std::uint64_t i = 256; i < mask.size(); i += 256)
    if (source.below(2) == 0) put(mask, i, mask[i - 1]);
}

void autoregressive(MaskBits& mask, std::uint64_t, double p, BitSource& source) {
  constexpr double kCorrelation = 0.01;
  fill(mask, Rate(p), source);
  for (std::uint64_t i = 1; i < mask.size(); ++i)
    if (source.uniform() < kCorrelation) put(mask, i, mask[i - 1]);
}

void one_lane(MaskBits& mask, std::uint64_t, double p, BitSource& source) {
  fill(mask, Rate(p), source);
  const Rate rate(p + 0.01);
  for (std::uint64_t i = 31; i < mask.size(); i += 32) put(mask, i, rate.one(source));
}

void drifting(MaskBits& mask, std::uint64_t, double p, BitSource& source) {
  const auto n = static_cast<double>(mask.size());
  draw_each(mask, source, [&](std::uint64_t i) { return p * (0.98 + 0.04 * static_cast<double>(i) / n); });
}

void none(MaskBits& mask, std::uint64_t, double p, BitSource& source) { fill(mask, Rate(p), source); }

}  // namespace

void place_drops(MaskBits& mask, std::uint64_t begin, std::uint64_t bits, std::uint64_t drops,
                 BitSource& source) {
  for (std::uint64_t i = begin; i < begin + bits; ++i) put(mask, i, false);
  while (drops > 0) {
    const std::uint64_t i = begin + source.below(bits);
    if (mask[i]) continue;
    mask.set(i);
    --drops;
  }
}

void copy_entries(MaskBits& mask, std::uint64_t from, std::uint64_t to, std::uint64_t bits) {
  if (from % 64 == 0 && to % 64 == 0 && bits % 64 == 0) {
    for (std::uint64_t w = 0; w < bits / 64; ++w) mask.words()[to / 64 + w] = mask.words()[from / 64 + w];
    return;
  }
  for (std::uint64_t i = 0; i < bits; ++i) put(mask, to + i, mask[from + i]);
}

void draw_each(MaskBits& mask, BitSource& source, const std::function<double(std::uint64_t i)>& rate) {
  for (std::uint64_t i = 0; i < mask.size(); ++i) put(mask, i, source.uniform() < rate(i));
}

const std::vector<Defect>& named_defects() {
  static const std::vector<Defect> all = {
      {"8-bit p", "the threshold has 8 bits: 26/256 instead of 0.1", eight_bits},
      {"exact counts", "exactly 102 or 103 drops in every 1024 entries", counted_blocks},
      {"stratified", "exactly one drop in every 10 entries", stratified},
      {"4-fold rows", "four rows of 64 entries share one row of random numbers", fourfold_rows},
      {"16 row seeds", "rows of 1024 entries with one of 16 seeds", few_row_seeds},
      {"same twice", "every second call repeats the mask of the first", same_mask_twice},
      {"shifted call", "every second call begins 4096 entries into the first", shifted_call},
      {"LCG low byte", "the low byte of a linear congruential generator, against 26", congruential},
      {"boundary copy", "the first entry of every 256 copies its neighbour with probability 1/2",
       copied_seams},
      {"AR(1)", "each entry copies the one before with probability 0.01", autoregressive},
      {"lane 31", "one lane of 32 has a rate 0.01 higher", one_lane},
      {"drift", "the rate rises from 0.098 to 0.102", drifting},
      {"none", "a correct mask", none}};
  return all;
}

}  // namespace dropcheck::suites::calibration
