#include "harness/stats/fair_bits.hpp"

#include <array>
#include <cmath>

#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

// What the four pairs of a byte give: at most four bits.
struct Extract {
  std::uint8_t bits = 0, count = 0;
};

constexpr std::array<Extract, 256> extracts() {
  std::array<Extract, 256> table{};
  for (unsigned byte = 0; byte < 256; ++byte)
    for (unsigned pair = 0; pair < 4; ++pair) {
      const unsigned first = (byte >> (2 * pair)) & 1, second = (byte >> (2 * pair + 1)) & 1;
      if (first == second) continue;
      table[byte].bits = static_cast<std::uint8_t>(table[byte].bits | (first << table[byte].count));
      ++table[byte].count;
    }
  return table;
}

constexpr std::array<Extract, 256> kExtracts = extracts();

}  // namespace

std::uint64_t FairBits::at(std::uint64_t first, unsigned count) const {
  require(count >= 1 && count <= 64 && first + count <= size, "bits inside the stream");
  const std::uint64_t word = first / 64;
  const unsigned shift = static_cast<unsigned>(first % 64);
  std::uint64_t bits = words[word] >> shift;
  if (shift + count > 64) bits |= words[word + 1] << (64 - shift);
  return count == 64 ? bits : bits & ((std::uint64_t{1} << count) - 1);
}

FairBits fair_bits(const Chunk& chunk) {
  FairBits fair;
  if (is_fair(chunk.p)) {
    fair.words.assign(chunk.words.begin(), chunk.words.end());
    fair.size = chunk.size;
    return fair;
  }
  fair.words.reserve(chunk.words.size() / 4 + 1);
  std::uint64_t pending = 0;
  unsigned waiting = 0;
  // Past the end entries are 0, so whole pairs of them differ nowhere; the partner that an odd last entry
  // lacks would be made up, so it is masked.
  const std::uint64_t odd_end = chunk.size % 2 == 1 ? chunk.size - 1 : ~std::uint64_t{0};
  for (std::size_t w = 0; w < chunk.words.size(); ++w) {
    std::uint64_t word = chunk.words[w];
    if (w == odd_end / 64) word &= ~(std::uint64_t{1} << (odd_end % 64));
    for (unsigned byte = 0; byte < 8; ++byte, word >>= 8) {
      const Extract& extract = kExtracts[word & 255];
      pending |= std::uint64_t{extract.bits} << waiting;
      waiting += extract.count;
      if (waiting >= 64) {
        fair.words.push_back(pending);
        waiting -= 64;
        pending = waiting == 0 ? 0 : std::uint64_t{extract.bits} >> (extract.count - waiting);
      }
    }
  }
  fair.size = 64 * fair.words.size() + waiting;
  if (waiting != 0) fair.words.push_back(pending);
  return fair;
}

std::uint64_t planned_fair_bits(std::uint64_t chunk_size, double p) {
  require(p > 0.0 && p < 1.0, "0 < p < 1");
  if (is_fair(p)) return chunk_size;
  const double pairs = exact_double(chunk_size / 2);
  const double differ = 2 * p * (1 - p);
  const double least = pairs * differ - 8 * std::sqrt(pairs * differ * (1 - differ));
  return least > 0 ? static_cast<std::uint64_t>(least) : 0;
}

}  // namespace dropcheck::stats
