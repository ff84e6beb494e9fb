#include "harness/stats/boundaries.hpp"

#include <algorithm>
#include <bit>

#include "harness/stats/kernels/bit_columns.hpp"
#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

constexpr std::uint64_t kWidestTail = 256;
constexpr std::uint64_t kLastBit = 63;  // of a word: every 64th seam
constexpr std::uint64_t kMiddleBit = 31;

std::uint64_t ones(std::uint64_t word) { return static_cast<std::uint64_t>(std::popcount(word)); }

// Bits below `count`, for count <= 64.
std::uint64_t low_bits(std::uint64_t count) {
  return count >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
}

// Bits of a word next to a seam: right members after the last bit, that bit, and the pairs in the middle.
constexpr std::array<unsigned, 6> kColumns = {
    kSeamLags[0] - 1, kSeamLags[1] - 1,          kLastBit,
    kMiddleBit,       kMiddleBit + kSeamLags[0], kMiddleBit + kSeamLags[1]};

// Seams after word j, for 64 words: one bit a word, so that coarser spacings are every 2nd, 4th ... bit.
constexpr std::array<std::uint64_t, 5> kEveryNth = {~std::uint64_t{0}, 0xaaaa'aaaa'aaaa'aaaau,
                                                    0x8888'8888'8888'8888u, 0x8080'8080'8080'8080u,
                                                    0x8000'8000'8000'8000u};

void add_pairs(SeamPairs& sum, std::uint64_t valid, std::uint64_t left, std::uint64_t right) {
  sum.pairs += ones(valid);
  sum.left += ones(left & valid);
  sum.right += ones(right & valid);
  sum.both += ones(left & right & valid);
}

void add_to(SeamPairs& sum, const SeamPairs& other) {
  sum.pairs += other.pairs;
  sum.left += other.left;
  sum.right += other.right;
  sum.both += other.both;
}

void add_to(EdgeEntries& sum, const EdgeEntries& other) {
  sum.entries += other.entries;
  sum.drops += other.drops;
}

// Words whose seam's right member, entry 64 j + offset, lies inside the call; `from` is the first of 64
// words.
std::uint64_t words_with(std::uint64_t entries, std::uint64_t from, std::uint64_t offset) {
  const std::uint64_t words = entries > offset ? (entries - offset - 1) / 64 + 1 : 0;
  return words > from ? low_bits(words - from) : 0;
}

}  // namespace

std::uint64_t seam_pairs(std::uint64_t entries, std::uint64_t spacing, std::uint64_t lag) {
  // Left members are B - 1, 2 B - 1, ...; the right one must be below `entries`.
  return entries >= spacing + lag ? (entries - spacing - lag) / spacing + 1 : 0;
}

std::vector<std::uint64_t> tail_widths(std::uint64_t entries) {
  std::vector<std::uint64_t> widths;
  std::uint64_t before = 0;
  for (std::uint64_t width = 4; width <= kWidestTail && width <= entries; width *= 2) {
    const std::uint64_t rest = entries % width;
    if (rest > 1 && rest != before) widths.push_back(width);
    before = rest;
  }
  return widths;
}

std::size_t tail_index(std::uint64_t width) {
  require(std::has_single_bit(width) && width >= 4 && width <= kWidestTail, "width 4, 8, ... 256");
  return static_cast<std::size_t>(std::countr_zero(width)) - 2;
}

void BoundaryCounts::add(const MaskBits& call) {
  const std::uint64_t entries = call.size();
  if (entries == 0) return;
  const auto words = call.words();
  for (std::uint64_t from = 0; from < words.size(); from += 64) {
    const auto group = words.subspan(from, std::min<std::size_t>(64, words.size() - from));
    const std::uint64_t next = from + 64 < words.size() ? words[from + 64] : 0;
    // Members of seams inside words, of those at their ends, and first the right members of the latter: these
    // lie in the word after.
    std::array<std::uint64_t, 6> columns;
    kernels::bit_columns(group, kColumns, columns);
    const auto of_next_word = [&](std::size_t column) {
      return (columns[column] >> 1) | (((next >> kColumns[column]) & 1) << 63);
    };
    const std::array<std::uint64_t, 2> right = {of_next_word(0), of_next_word(1)};
    const std::uint64_t left = columns[2], middle_left = columns[3];
    const std::array<std::uint64_t, 2> middle_right = {columns[4], columns[5]};
    for (std::size_t l = 0; l < kSeamLags.size(); ++l) {
      const std::uint64_t valid = words_with(entries, from, kLastBit + kSeamLags[l]);
      add_pairs(seams[0][l], words_with(entries, from, kMiddleBit + kSeamLags[l]), middle_left,
                middle_right[l]);
      add_pairs(seams[0][l], valid, left, right[l]);
      for (std::size_t b = 1; b < kSeamSpacings.size(); ++b)
        add_pairs(seams[b][l], valid & kEveryNth[b - 1], left, right[l]);
    }
  }
  if (entries > 1) {
    const std::uint64_t left = call[entries - 2] ? 1 : 0, right = call[entries - 1] ? 1 : 0;
    add_to(last_two, {1, left, right, left & right});
  }
  add_to(first, {1, call[0] ? 1u : 0u});
  add_to(last, {1, call[entries - 1] ? 1u : 0u});
  for (const std::uint64_t width : tail_widths(entries)) {
    EdgeEntries tail;
    for (std::uint64_t i = entries - entries % width; i < entries; ++i) {
      ++tail.entries;
      tail.drops += call[i] ? 1u : 0u;
    }
    add_to(tails[tail_index(width)], tail);
  }
}

void BoundaryCounts::merge(const BoundaryCounts& other) {
  for (std::size_t b = 0; b < seams.size(); ++b)
    for (std::size_t l = 0; l < kSeamLags.size(); ++l) add_to(seams[b][l], other.seams[b][l]);
  add_to(last_two, other.last_two);
  add_to(first, other.first);
  add_to(last, other.last);
  for (std::size_t t = 0; t < tails.size(); ++t) add_to(tails[t], other.tails[t]);
}

}  // namespace dropcheck::stats
