#include "harness/stats/longest_run.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numbers>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "harness/stats/memo.hpp"
#include "harness/stats/preconditions.hpp"
#include "harness/stats/word_runs.hpp"

namespace dropcheck::stats {
namespace {

constexpr double kTrustedComplement = 1e-3;  // 1 - P keeps six digits above it
constexpr double kRounding = 1e-9;           // of 1 - P: more than 2^20 roundings of a number below 1
constexpr double kNever = -std::numeric_limits<double>::infinity();

// Length and first position of the longest run, of ones, of a word.
struct RunInWord {
  unsigned length, first;
};

RunInWord longest_inside(std::uint64_t word) {
  unsigned length = 0;
  std::uint64_t starts = word;
  for (std::uint64_t x = word; x != 0; x &= x >> 1) {
    ++length;
    starts = x;
  }
  return {length, static_cast<unsigned>(std::countr_zero(starts))};
}

// The words of a chunk without its last incomplete one, 1 where the run's kind is.
class WholeWords {
 public:
  WholeWords(const Chunk& chunk, std::uint64_t flip)
      : words_(chunk.words.first(chunk.size / 64)), flip_(flip) {}
  std::size_t size() const { return words_.size(); }
  std::uint64_t operator[](std::size_t w) const { return words_[w] ^ flip_; }

  /// Length of the run that ends before word w.
  std::uint64_t open_before(std::size_t w) const {
    std::uint64_t open = 0, ones = 64;
    for (; w > 0 && ones == 64; --w)
      open += ones = static_cast<std::uint64_t>(std::countl_one((*this)[w - 1]));
    return open;
  }

  /// The first word from `w` on that must be read lest a run of `length` be missed, size() when none.
  std::size_t next(std::size_t w, std::uint64_t length) const {
    // A run lies in one word, or has a half of itself in one of two, or fills a word.
    const std::uint64_t full = length < 63 ? 0 : (length - 63) / 64;
    if (full <= 1)
      return next_word_with_run(words_, w, flip_,
                                static_cast<unsigned>(std::clamp<std::uint64_t>((length + 1) / 2, 1, 64)));
    // It fills so many in a row, and one in as many is looked at.
    for (std::size_t i = w + full - 1; i < size(); i += full) {
      if (~(*this)[i] != 0) continue;
      while (i > w && ~(*this)[i - 1] == 0) --i;
      return i;
    }
    return size();
  }

 private:
  std::span<const std::uint64_t> words_;
  std::uint64_t flip_;
};

void scan(const Chunk& chunk, bool drops, LongestRun& longest) {
  const std::uint64_t flip = drops ? 0 : ~std::uint64_t{0};
  const WholeWords words(chunk, flip);
  const auto take = [&](std::uint64_t length, std::uint64_t offset) {
    if (length > 0) longest.merge({length, {chunk.block, chunk.index, offset}});
  };
  std::uint64_t open = 0;  // length of the run that ends with the words read so far
  const auto read = [&](std::uint64_t word, std::uint64_t begin) {
    if (~word == 0) {
      open += 64;
      return;
    }
    take(open + static_cast<std::uint64_t>(std::countr_one(word)), begin - open);
    if (longest.length < 64) {
      const RunInWord inside = longest_inside(word);
      take(inside.length, begin + inside.first);
    }
    open = static_cast<std::uint64_t>(std::countl_one(word));
  };
  for (std::size_t w = 0; w < words.size();) {
    if (open < 64 && (2 * open < longest.length || longest.length == 0)) {
      const std::size_t next = words.next(w, longest.length);
      if (next > w) open = words.open_before(next);
      w = next;
      if (w == words.size()) break;
    }
    read(words[w], 64 * w);
    ++w;
  }
  const std::uint64_t left = chunk.size % 64;
  if (left != 0)
    read((chunk.words[words.size()] ^ flip) & ((std::uint64_t{1} << left) - 1), 64 * words.size());
  take(open, chunk.size - open);
}

/// ln of the probability of no run of L or more in n entries.
struct WithoutRun {
  double ln_p;
  bool exact;  // else a bound from above, below kTrustedComplement
};

// ln of the probability of no run in n entries from what the recursion has reached at t: s_t = s_{t-1} (1 -
// d_t), where d_t = (1 - rate) rate^L s_{t-L-1} / s_{t-1} has stopped to change.
double continued(double ln_without, double hazard, std::uint64_t t, std::uint64_t n) {
  return ln_without + static_cast<double>(n - t) * std::log1p(-hazard);
}

// L <= n.
WithoutRun recursion(std::uint64_t n, std::uint64_t run, double rate) {
  constexpr double kSettled = 1e-15;  // relative change of d_t in L + 1 steps
  const double all = std::pow(rate, static_cast<double>(run));
  std::vector<double> earlier(run + 1, 0.0);  // P_{t-L-1}, ..., P_{t-1} in a ring
  earlier[run] = all;                         // P_L
  std::size_t oldest = 0;
  double p = all, hazard = 0;
  for (std::uint64_t t = run;; ++t) {
    // No run in n entries: none in each of n / t disjoint parts either.
    if (1 - p < kTrustedComplement)
      return {static_cast<double>(n / t) * std::log(std::max(1 - p, kRounding)), t == n};
    if (t == n) return {std::log1p(-p), true};
    const double added = (1 - rate) * all * (1 - earlier[oldest]);
    if (oldest == 0) {
      const double before = std::exchange(hazard, added / (1 - p));
      if (std::abs(hazard - before) <= kSettled * hazard)
        return {continued(std::log1p(-p), hazard, t, n), true};
    }
    p += added;
    earlier[oldest] = p;
    oldest = oldest == run ? 0 : oldest + 1;
  }
}

/// A run asks for the same few lengths on hundreds of samples, and each costs a pass over the chunk's length.
WithoutRun without_run(std::uint64_t n, std::uint64_t run, double rate) {
  thread_local Memo<std::tuple<std::uint64_t, std::uint64_t, double>, WithoutRun, 1024> known;
  return known.of({n, run, rate}, [&] { return recursion(n, run, rate); });
}

double ln_boole(std::uint64_t length, const ChunkSizes& chunks, double rate) {
  const double run = exact_double(length);
  double starts = 0;
  for (const auto& [bits, count] : chunks)
    if (bits >= length) starts += exact_double(count) * (1 + (exact_double(bits) - run) * (1 - rate));
  return starts > 0 ? run * std::log(rate) + std::log(starts) : kNever;
}

Tail too_long(std::uint64_t length, const ChunkSizes& chunks, double rate) {
  const double ln_bound = std::numbers::ln2 + ln_boole(length, chunks, rate);
  if (length == 0) return tail_from_p(1.0, "longest_run_exact");
  double ln_without = 0;
  // A p-value far below the range of doubles does not need its exact law.
  if (ln_bound > std::log(kSmallestExactTail))
    for (const auto& [bits, count] : chunks)
      if (bits >= length) ln_without += exact_double(count) * without_run(bits, length, rate).ln_p;
  const double p = std::min(1.0, -2 * std::expm1(ln_without));
  if (p >= kSmallestExactTail) return tail_from_p(p, "longest_run_exact");
  return tail_below_exact(p, ln_bound, "longest_run_bound");
}

Tail too_short(std::uint64_t length, const ChunkSizes& chunks, double rate) {
  double ln_p = std::numbers::ln2;
  bool exact = true;
  for (const auto& [bits, count] : chunks) {
    if (bits <= length) continue;
    const WithoutRun longer = without_run(bits, length + 1, rate);
    ln_p += exact_double(count) * longer.ln_p;
    exact = exact && longer.exact;
  }
  return tail_from_ln(ln_p, exact ? "longest_run_exact" : "longest_run_bound");
}

}  // namespace

void LongestRun::merge(const LongestRun& other) {
  if (other.length > length || (other.length == length && other.place < place)) *this = other;
}

ChunkSizes sizes_of(const ChunkCounts& chunks) {
  ChunkSizes sizes;
  if (chunks.full > 0) sizes[kChunkBits] = chunks.full;
  if (chunks.tails > 0) sizes[chunks.tail_size] += chunks.tails;
  return sizes;
}

void LongestRuns::add(const Chunk& chunk) {
  if (chunk.size == 0) return;
  scan(chunk, false, keeps);
  scan(chunk, true, drops);
  ++chunks[chunk.size];
}

void LongestRuns::merge(const LongestRuns& other) {
  keeps.merge(other.keeps);
  drops.merge(other.drops);
  for (const auto& [bits, count] : other.chunks) chunks[bits] += count;
}

Tail longest_run_test(std::uint64_t length, const ChunkSizes& chunks, double rate) {
  require(rate > 0 && rate < 1, "0 < rate < 1");
  require(!chunks.empty() && chunks.begin()->first > 0, "at least one chunk, none empty");
  require(length <= chunks.rbegin()->first, "a run fits into its chunk");
  const Tail longer = too_long(length, chunks, rate);
  if (longer.p_value < 0.5) return longer;
  const Tail shorter = too_short(length, chunks, rate);
  return shorter.log10_p < longer.log10_p ? shorter : longer;
}

std::uint64_t longest_run_min_effect(const ChunkSizes& chunks, double alpha, double rate) {
  require(alpha > 0 && alpha < 1, "0 < alpha < 1");
  require(rate > 0 && rate < 1, "0 < rate < 1");
  if (chunks.empty()) return 0;
  const auto certain = [&](std::uint64_t length) {
    return std::numbers::ln2 + ln_boole(length, chunks, rate) <= std::log(alpha);
  };
  std::uint64_t low = 0, high = chunks.rbegin()->first;  // low is not certain
  if (!certain(high)) return 0;
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    (certain(middle) ? high : low) = middle;
  }
  return high;
}

std::uint64_t longest_run_max_chunks(std::uint64_t length, std::uint64_t bits, double alpha, double rate) {
  require(alpha > 0 && alpha < 1, "0 < alpha < 1");
  require(rate > 0 && rate < 1, "0 < rate < 1");
  require(length > 0 && length <= bits, "a run fits into its chunk");
  const double ln_chunks = std::log(alpha / 2) - ln_boole(length, {{bits, 1}}, rate);
  return static_cast<std::uint64_t>(std::min(0x1p53, std::exp(std::min(40.0, ln_chunks))));
}

}  // namespace dropcheck::stats
