#include "harness/stats/mask_pairs.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "harness/stats/binomial.hpp"
#include "harness/stats/hypergeometric.hpp"
#include "harness/stats/kernels/popcount.hpp"
#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

/// `n` bits from bit `at` on as whole words, without a copy where they begin with a word; `scratch` keeps a
/// copy alive. In the last word bits past the end are whatever follows.
std::span<const std::uint64_t> stretch(std::span<const std::uint64_t> words, std::uint64_t at,
                                       std::uint64_t n, std::vector<std::uint64_t>& scratch) {
  const std::size_t from = at / 64, size = (n + 63) / 64;
  const unsigned shift = at % 64;
  if (shift == 0) return words.subspan(from, size);
  scratch.resize(size);
  const std::size_t whole = std::min(size, words.size() - from - 1);  // with a word after them
  for (std::size_t w = 0; w < whole; ++w)
    scratch[w] = (words[from + w] >> shift) | (words[from + w + 1] << (64 - shift));
  if (whole < size) scratch[whole] = words[from + whole] >> shift;
  return scratch;
}

std::uint64_t magnitude(std::int64_t shift) {
  return shift < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(shift) : static_cast<std::uint64_t>(shift);
}

}  // namespace

void OverlapCounts::merge(const OverlapCounts& later) {
  n += later.n;
  first += later.first;
  second += later.second;
  both += later.both;
}

std::uint64_t overlapping_entries(std::uint64_t first_size, std::uint64_t second_size, std::int64_t shift) {
  const std::uint64_t skipped = magnitude(shift);
  std::uint64_t& moved = shift < 0 ? first_size : second_size;
  moved -= std::min(moved, skipped);
  return std::min(first_size, second_size);
}

void add_overlap(OverlapCounts& counts, const PackedMask& first, const PackedMask& second,
                 std::int64_t shift) {
  require(first.size <= 64 * first.words.size() && second.size <= 64 * second.words.size(),
          "masks are no longer than their words");
  const std::uint64_t n = overlapping_entries(first.size, second.size, shift);
  if (n == 0) return;
  const std::uint64_t from_first = shift < 0 ? magnitude(shift) : 0;
  const std::uint64_t from_second = shift > 0 ? magnitude(shift) : 0;
  std::vector<std::uint64_t> scratch_a, scratch_b;
  const auto a = stretch(first.words, from_first, n, scratch_a);
  const auto b = stretch(second.words, from_second, n, scratch_b);
  const std::size_t whole = n / 64;
  counts.n += n;
  counts.first += kernels::count(a.first(whole));
  counts.second += kernels::count(b.first(whole));
  counts.both += kernels::and_count(a.first(whole), b.first(whole));
  if (n % 64 == 0) return;
  const std::uint64_t used = (std::uint64_t{1} << (n % 64)) - 1;
  const auto drops = [used](std::uint64_t word) {
    return static_cast<std::uint64_t>(std::popcount(word & used));
  };
  counts.first += drops(a[whole]);
  counts.second += drops(b[whole]);
  counts.both += drops(a[whole] & b[whole]);
}

Tail overlap_test(const OverlapCounts& counts) {
  if (counts.n == 0) return tail_from_p(1.0, "hypergeometric_exact");
  return hypergeometric_two_sided(counts.n, counts.first, counts.second, counts.both);
}

double overlap_correlation(const OverlapCounts& counts) {
  const double n = exact_double(counts.n);
  const double a = exact_double(counts.first), b = exact_double(counts.second);
  const double spread = n > 0.0 ? a * (n - a) / n * (b * (n - b) / n) : 0.0;
  if (!(spread > 0.0)) return 0.0;
  return (exact_double(counts.both) - a * b / n) / std::sqrt(spread);
}

std::uint64_t differing_entries(const OverlapCounts& counts) {
  return counts.first - counts.both + (counts.second - counts.both);
}

}  // namespace dropcheck::stats
