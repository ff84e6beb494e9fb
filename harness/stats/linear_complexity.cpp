#include "harness/stats/linear_complexity.hpp"

#include <bit>
#include <cmath>
#include <numbers>
#include <vector>

#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

using Polynomial = std::vector<std::uint64_t>;  // coefficient i is bit i

// 64 bits from bit `first` on; there is always a word after the last one used.
std::uint64_t window(const Polynomial& bits, std::uint64_t first) {
  const std::uint64_t word = first / 64;
  const unsigned shift = static_cast<unsigned>(first % 64);
  return shift == 0 ? bits[word] : (bits[word] >> shift) | (bits[word + 1] << (64 - shift));
}

// to ^= from * x^shift over the first `words` words of `to`.
void add_shifted(Polynomial& to, const Polynomial& from, std::uint64_t shift, std::uint64_t words) {
  const std::uint64_t skip = shift / 64;
  const unsigned bits = static_cast<unsigned>(shift % 64);
  for (std::uint64_t w = skip; w < words; ++w) {
    std::uint64_t moved = from[w - skip] << bits;
    if (bits != 0 && w > skip) moved |= from[w - skip - 1] >> (64 - bits);
    to[w] ^= moved;
  }
}

// ln P(complexity <= L) for L <= size / 2.
double ln_lower(std::uint64_t size, std::uint64_t complexity) {
  const double l = exact_double(complexity);
  return (2 * l + 1 - exact_double(size)) * std::numbers::ln2 + std::log1p(std::exp2(-2 * l - 1)) -
         std::log(3.0);
}

// ln P(complexity >= L) for L > size / 2: (4^(size-L+1) - 1) / (3 2^size).
double ln_upper(std::uint64_t size, std::uint64_t complexity) {
  const double n = exact_double(size);
  const double power = 2 * (n - exact_double(complexity) + 1);
  return (power - n) * std::numbers::ln2 + std::log1p(-std::exp2(-power)) - std::log(3.0);
}

}  // namespace

std::uint64_t linear_complexity(std::span<const std::uint64_t> words, std::uint64_t size) {
  require(size <= 64 * words.size(), "bits inside the words");
  // Reversed, so that the entries before the current one lie in the order of the polynomial's coefficients.
  const std::size_t room = static_cast<std::size_t>(size / 64 + 2);
  Polynomial reversed(room + 1, 0), current(room, 0), before(room, 0), kept;
  for (std::uint64_t i = 0; i < size; ++i) {
    const std::uint64_t bit = (words[i / 64] >> (i % 64)) & 1, at = size - 1 - i;
    reversed[at / 64] |= bit << (at % 64);
  }
  current[0] = before[0] = 1;
  std::uint64_t length = 0, shift = 1;
  for (std::uint64_t n = 0; n < size; ++n, ++shift) {
    // Discrepancy: sum over i <= length of coefficient i times entry n - i.
    std::uint64_t sum = 0;
    for (std::uint64_t w = 0; w <= length / 64; ++w)
      sum ^= current[w] & window(reversed, size - 1 - n + 64 * w);
    if (std::popcount(sum) % 2 == 0) continue;
    // Degrees stay below the longer of the two lengths.
    if (2 * length <= n) {
      kept = current;
      add_shifted(current, before, shift, (n + 1 - length) / 64 + 1);
      length = n + 1 - length;
      before.swap(kept);
      shift = 0;
    } else {
      add_shifted(current, before, shift, length / 64 + 1);
    }
  }
  return length;
}

Tail linear_complexity_tail(std::uint64_t size, std::uint64_t complexity) {
  require(size >= 1 && complexity <= size, "complexity <= size, size >= 1");
  constexpr const char* kEngine = "linear_complexity_exact";
  if (2 * complexity == size) return tail_from_p(1.0, kEngine);  // more than 1/2 on both sides
  return tail_from_ln(
      std::numbers::ln2 + (2 * complexity < size ? ln_lower(size, complexity) : ln_upper(size, complexity)),
      kEngine);
}

void ComplexityCounts::add(const Chunk& chunk) {
  if (chunk.index != 0 || chunk.block >= kMostSequences || chunk.size < kComplexityBits) return;
  complexity[chunk.block] = linear_complexity(chunk.words, kComplexityBits);
}

void ComplexityCounts::merge(const ComplexityCounts& other) {
  complexity.insert(other.complexity.begin(), other.complexity.end());
}

ComplexityTest complexity_test(const ComplexityCounts& counts) {
  require(!counts.complexity.empty(), "at least one sequence");
  ComplexityTest worst{{1.0, 1.0, ""}, 0, 0};
  for (const auto& [block, complexity] : counts.complexity) {
    const Tail tail = linear_complexity_tail(kComplexityBits, complexity);
    if (tail.log10_p < worst.tail.log10_p) worst = {tail, block, complexity};
  }
  worst.tail = bonferroni(worst.tail, counts.complexity.size(), "linear_complexity_bonferroni");
  return worst;
}

std::uint64_t complexity_min_deficit(std::size_t sequences, double alpha) {
  require(alpha > 0.0 && alpha < 1.0, "0 < alpha < 1");
  std::uint64_t deficit = 1;
  while (static_cast<double>(sequences) *
             linear_complexity_tail(kComplexityBits, kComplexityBits / 2 - deficit).p_value >
         alpha)
    ++deficit;
  return deficit;
}

}  // namespace dropcheck::stats
