#include "harness/run/block_feed.hpp"

namespace dropcheck {

BlockFeed::BlockFeed(std::span<const std::unique_ptr<Observer>> observers, bool streaming, bool declares_rate,
                     std::uint64_t block)
    : observers_(observers),
      streaming_(streaming),
      declares_rate_(declares_rate),
      logical_(Order::logical, block,
               [this](const Chunk& chunk) {
                 for (const auto& observer : observers_) observer->observe_chunk(chunk);
               }),
      memory_(Order::memory, block, [this](const Chunk& chunk) {
        for (const auto& observer : observers_) observer->observe_chunk(chunk);
      }) {}

void BlockFeed::observe(const StepRecord& record) {
  for (const auto& observer : observers_) observer->observe(record);
  if (!streaming_ || record.dropped == nullptr) return;
  const Problem& problem = record.step->problem;
  const double p = declares_rate_ ? (*record.observation)->effective_p.value_or(problem.p) : problem.p;
  logical_.append(record.channels != nullptr ? record.channels->bits : *record.dropped, p);
  // Masks without outputs are asked for only where there is no other order.
  if (has_memory_order(problem)) memory_.append(drop_bits_in_memory_order(problem.op, record.y), p);
}

void BlockFeed::finish() {
  logical_.finish();
  memory_.finish();
}

}  // namespace dropcheck
