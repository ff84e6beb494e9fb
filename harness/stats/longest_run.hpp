#pragma once
// The longest run of kept, and of dropped, entries. A region that was never masked or never written is one
// long run, however small a part of the tensor it is. Broken preconditions throw std::domain_error.

#include <cstdint>
#include <map>

#include "harness/core/chunk.hpp"
#include "harness/stats/tail.hpp"

namespace dropcheck::stats {

/// Where a run begins.
struct RunPlace {
  std::uint64_t block = 0, chunk = 0, offset = 0;

  friend auto operator<=>(const RunPlace&, const RunPlace&) = default;
};

/// The longest run of one kind, and the first place where a run of that length begins.
struct LongestRun {
  std::uint64_t length = 0;
  RunPlace place;

  void merge(const LongestRun& other);
  friend bool operator==(const LongestRun&, const LongestRun&) = default;
};

/// Chunk sizes in entries, and how many chunks have them. Runs do not cross the ends of chunks.
using ChunkSizes = std::map<std::uint64_t, std::uint64_t>;

/// The sizes that a plan foresees.
ChunkSizes sizes_of(const ChunkCounts& chunks);

struct LongestRuns {
  LongestRun keeps, drops;
  ChunkSizes chunks;

  void add(const Chunk& chunk);
  void merge(const LongestRuns& other);
};

/// Two-sided test of the longest run of entries of one kind, `rate` in (0,1) the probability of that kind: p
/// for drops, 1-p for keeps. Doubled smaller tail of its law over independent chunks, at least one; length at
/// most the largest chunk.
///
/// Too long, engine "longest_run_exact": 1 - prod (1 - P_n)^chunks with the probability P_n of a run of L or
/// more in n entries, P_t = P_{t-1} + (1-rate) rate^L (1 - P_{t-L-1}) (de Moivre; Feller 1968, XIII.7): a sum
/// of positive terms. Below 1e-300 engine "longest_run_bound", chunks * rate^L (1 + (n-L)(1-rate)) by
/// Boole's inequality.
///
/// Too short: the product of the probabilities of no longer run. Where one of them is below 1e-3 it is
/// bounded by those of parts of the chunk, which no longer run must avoid each: never too small, engine
/// "longest_run_bound".
Tail longest_run_test(std::uint64_t length, const ChunkSizes& chunks, double rate);

/// Minimum detectable effect, in entries: the shortest run that is always rejected at level alpha, by the
/// same inequality as above. 0 where no chunk is long enough for one. It grows with the logarithm of the
/// number of entries: more chunks make one run less remarkable.
std::uint64_t longest_run_min_effect(const ChunkSizes& chunks, double alpha, double rate);

/// Largest number of chunks of `bits` entries among which a run of `length` is still always rejected at level
/// alpha; 0 when it is not even in one. At most 2^53.
std::uint64_t longest_run_max_chunks(std::uint64_t length, std::uint64_t bits, double alpha, double rate);

}  // namespace dropcheck::stats
