#pragma once
// Observer for statistics whose integers are those of chunks in logical order: whatever has add(chunk) and
// merge(other).

#include <utility>

#include "suites/mask_observer.hpp"

namespace dropcheck::suites {

template <typename Counts>
class ChunkObserver final : public MergingObserver<ChunkObserver<Counts>> {
 public:
  explicit ChunkObserver(Counts empty) : counts(std::move(empty)) {}
  void observe_chunk(const Chunk& chunk) override {
    if (chunk.order == Order::logical) counts.add(chunk);
  }
  void add(const ChunkObserver& later) { counts.merge(later.counts); }

  Counts counts;
};

template <typename Counts>
const Counts& counts_of(const Observer& seen) {
  return static_cast<const ChunkObserver<Counts>&>(seen).counts;
}

/// What a check says when the drop probability that it has to test turns out to be outside its validity.
inline Judgement invalid(const char* rule) {
  Judgement judgement;
  judgement.verdict = Verdict::inconclusive;
  judgement.message = std::string("invalid: ").append(rule);
  return judgement;
}

}  // namespace dropcheck::suites
