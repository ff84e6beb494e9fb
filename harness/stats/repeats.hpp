#pragma once
// Does any stretch of the mask occur twice, bit for bit, at whatever distance? A pattern of a few bits marks
// the places ("anchors") whose following window is hashed, so that two copies of one stretch are marked
// alike wherever they lie; equal hashes are a repeat. Under the null hypothesis windows are made so long that
// even one repeat is not to be expected in a million million runs. Broken preconditions throw
// std::domain_error.

#include <cstdint>
#include <optional>
#include <vector>

#include "harness/core/chunk.hpp"
#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

/// Expected number of chance repeats that a planned sample stays below.
inline constexpr double kChanceRepeats = 1e-12;

/// What is looked for, a function of sample size and p only. An anchor is `rare` bits of the less probable
/// kind followed by `common` of the other; no two anchors overlap. The window are the bits after it.
struct RepeatPlan {
  std::uint64_t window = 0;  // bits
  std::uint64_t rare = 1;    // bits of the pattern, at least 1 each
  std::uint64_t common = 1;
  bool rare_is_drop = true;
  double anchor_probability = 0;  // of the pattern at a given position
  double kept_share = 1;          // of the anchors, by their hash
  double chance = 0;              // repeat_chance of the planned sample

  std::uint64_t anchor_bits() const { return rare + common; }
};

/// The plan for `entries` mask entries (of all orders together) in chunks of at most `longest_chunk`; empty
/// where no window fits a chunk. Window: at least ceil((2 log2 N + 39) / -log2(p^2 + q^2)), and long enough
/// for repeat_chance <= kChanceRepeats. Pattern: about one anchor in 2048 bits, more in small samples. Cheap
/// (below 1 ms for windows to 10^5 bits).
std::optional<RepeatPlan> plan_repeats(std::uint64_t entries, std::uint64_t longest_chunk, double p);

/// Upper bound on the expected number of repeated windows among `entries` independent entries of drop
/// probability p: N^2/2 pi^2 (p^2 + q^2)^W for pairs of windows apart, and for windows that overlap, at
/// distance s, N times the probability that pattern and window have period s. The residues mod s are chains
/// of m equal bits: rho^m and kappa^m for those of the pattern, rho and kappa the probabilities of its two
/// kinds, p^m + q^m for the others. Exceeds (p^2 + q^2)^W, so it cannot be left out: a run of keeps repeats
/// itself. Holds for any p, planned or not.
double repeat_chance(const RepeatPlan& plan, std::uint64_t entries, double p);

/// Length of a stretch, wholly inside one chunk at both places, whose repeat is found with probability
/// 1 - beta: anchor, window, and positions enough for one kept anchor. Positions before the first anchor are
/// at most geometric: f_n = f_{n-1} - pi f_{n-L} <= (1 - pi) f_{n-1} for a pattern that does not overlap
/// itself.
std::uint64_t shortest_repeat(const RepeatPlan& plan, double beta);

/// The largest number of entries (in chunks of kChunkBits) whose shortest_repeat is at most `length`; 0 where
/// no sample sees so short a repeat. Longer windows and fewer kept anchors make larger samples see less.
std::uint64_t repeat_max_samples(std::uint64_t length, double beta, double p);

/// Where a repeated window was seen: the start of its anchor.
struct RepeatPosition {
  std::uint64_t block = 0;
  std::uint64_t entry = 0;  // of the block, in this order
  Order order = Order::logical;

  friend auto operator<=>(const RepeatPosition&, const RepeatPosition&) = default;
};

struct Repeat {
  RepeatPosition first;
  RepeatPosition second;
  std::uint64_t occurrences = 0;
};

/// What a sample's windows tell.
struct RepeatFindings {
  std::uint64_t windows = 0;       // different ones that are kept
  std::uint64_t repeated = 0;      // occurrences of kept windows beyond the first of each
  double kept_share = 1;           // share of the anchors that the threshold keeps by now
  std::optional<Repeat> earliest;  // the repeat whose second position comes first
};

/// The windows seen so far: a set of 128-bit hashes with the two first positions of each. When it outgrows
/// its bound, those with large hashes are left out, by a threshold that only falls: the set is the same
/// whatever the order of chunks and merges.
class RepeatFinder {
 public:
  /// The planned sample's blocks, in which positions are counted, must all use the same plan. Up to twice
  /// `most_windows` are held, equal ones among them.
  explicit RepeatFinder(const RepeatPlan& plan, std::uint64_t most_windows = kMostWindows);

  void add(const Chunk& chunk);
  void merge(const RepeatFinder& later);

  const RepeatPlan& plan() const { return plan_; }
  std::uint64_t anchors() const { return anchors_; }  // found with a window that fits its chunk
  /// Positions in logical order at which an anchor with its window would fit.
  std::uint64_t places() const { return places_; }
  RepeatFindings findings() const;

  static constexpr std::uint64_t kMostWindows = std::uint64_t{1} << 19;

 private:
  struct Hash {
    std::uint64_t high = 0, low = 0;
    friend auto operator<=>(const Hash&, const Hash&) = default;
  };
  /// A position in 16 bytes, ordered by block, then entry.
  struct Place {
    std::uint64_t block = ~std::uint64_t{0};
    std::uint64_t entry_and_order = ~std::uint64_t{0};  // nowhere: after every other place
    friend auto operator<=>(const Place&, const Place&) = default;
    RepeatPosition position() const;
  };
  struct Window {
    Hash hash;
    std::uint64_t occurrences = 1;
    Place first, second;  // the two that come first

    void note(const Place& place);
  };

  void look(const Chunk& chunk, std::uint64_t position);
  void keep(const Window& window);
  std::vector<Window> different(std::uint64_t& threshold) const;

  RepeatPlan plan_;
  std::uint64_t most_windows_;
  std::uint64_t threshold_;  // hashes whose high half is above are left out
  std::uint64_t anchors_ = 0, places_ = 0;
  std::vector<Window> windows_;
  std::vector<std::uint64_t> window_words_;
};

/// ln (1 - pi)^places, which bounds the probability that so many places hold no anchor, at drop probability
/// p, planned or not: f_n <= (1 - pi) f_{n-1} as for shortest_repeat.
double ln_no_anchor(const RepeatPlan& plan, std::uint64_t places, double p);

/// One test of what `finder` saw (`findings` are its own) at drop probability p. Any repeat has at most the
/// probability `chance`. A mask without anchors has no window to compare: where that is as unlikely as a
/// repeat (kChanceRepeats), it counts too, and the bounds are added. All else has probability 1. Engine
/// "union_bound".
Tail repeat_test(const RepeatFinder& finder, const RepeatFindings& findings, double chance, double p);

}  // namespace dropcheck::stats
