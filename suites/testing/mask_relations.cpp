#include "suites/testing/mask_relations.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "harness/run/chunker.hpp"
#include "harness/stats/randomised_pit.hpp"

namespace dropcheck::suites::testing {
namespace {

/// Shuffles what lies `stride` apart from `first` on, below `last`: Fisher and Yates, so all orders are
/// equally likely but for the bias of a remainder of 64 bits.
void shuffle(Permutation& order, std::uint64_t first, std::uint64_t last, std::uint64_t stride,
             Engine& engine) {
  const std::uint64_t count = first < last ? (last - first + stride - 1) / stride : 0;
  for (std::uint64_t k = count; k > 1; --k)
    std::swap(order[first + (k - 1) * stride], order[first + engine() % k * stride]);
}

Permutation identity(std::uint64_t entries) {
  Permutation order(entries);
  std::iota(order.begin(), order.end(), std::uint64_t{0});
  return order;
}

}  // namespace

std::unique_ptr<Observer> observe(const Check& check, const Seen& seen, std::uint64_t from,
                                  std::uint64_t until) {
  const SampleInfo& sample = seen.sample;
  DROPCHECK_CHECK(seen.masks.size() == sample.blocks * sample.calls && until <= sample.blocks);
  auto observer = check.observer(sample);
  Step step;
  step.problem = sample.problem;
  for (std::uint64_t block = from; block < until; ++block) {
    Chunker chunker(Order::logical, block, [&](const Chunk& chunk) { observer->observe_chunk(chunk); });
    for (std::uint32_t call = 0; call < sample.calls; ++call) {
      const MaskBits& mask = seen.masks[block * sample.calls + call];
      DROPCHECK_CHECK(mask.size() == static_cast<std::uint64_t>(mask_count(sample.problem)));
      ChannelBits channels{mask, 0};
      StepRecord record;
      record.block = block;
      record.index = call;
      record.step = &step;
      record.seed = stats::derived_key(block, call);  // all masks here are of different seeds
      record.integers = seen.integers;
      record.dropped = &mask;
      record.channels = drops_channels(sample.problem.op) ? &channels : nullptr;
      observer->observe(record);
      chunker.append(mask, sample.problem.p);
    }
    chunker.finish();
  }
  return observer;
}

Judgement judge(const Check& check, const Seen& seen) {
  return judge(check, seen, *observe(check, seen, 0, seen.sample.blocks));
}

Judgement judge(const Check& check, const Seen& seen, const Observer& observer) {
  JudgeContext context;
  context.sample = seen.sample;
  context.p = seen.sample.problem.p;
  context.alpha = 1e-9;
  context.pit_key = 1;
  return check.judge(observer, context);
}

Permutation random_order(std::uint64_t entries, Engine& engine) {
  Permutation order = identity(entries);
  shuffle(order, 0, entries, 1, engine);
  return order;
}

Permutation order_in_lanes(std::uint64_t entries, Engine& engine) {
  Permutation order = identity(entries);
  for (std::uint64_t lane = 0; lane < 1024; ++lane) shuffle(order, lane, entries, 1024, engine);
  return order;
}

Permutation order_in_words(std::uint64_t entries, Engine& engine) {
  Permutation order = identity(entries);
  for (std::uint64_t first = 0; first < entries; first += 64)
    shuffle(order, first, std::min(first + 64, entries), 1, engine);
  return order;
}

MaskBits reordered(const MaskBits& mask, const Permutation& order) {
  DROPCHECK_CHECK(order.size() == mask.size());
  MaskBits result(mask.size());
  for (std::uint64_t i = 0; i < mask.size(); ++i)
    if (mask[order[i]]) result.set(i);
  return result;
}

MaskBits relabelled(const MaskBits& mask) {
  MaskBits result(mask.size());
  std::transform(mask.words().begin(), mask.words().end(), result.words().begin(),
                 [](std::uint64_t word) { return ~word; });
  if (mask.tail_length() % 64 != 0) result.words().back() &= (std::uint64_t{1} << mask.tail_length()) - 1;
  return result;
}

Masks recut(const Masks& masks, std::uint64_t entries_of_call) {
  Masks result;
  std::uint64_t filled = entries_of_call;
  for (const MaskBits& mask : masks)
    for (std::uint64_t i = 0; i < mask.size(); ++i) {
      if (filled == entries_of_call) {
        result.emplace_back(entries_of_call);
        filled = 0;
      }
      if (mask[i]) result.back().set(filled);
      ++filled;
    }
  if (filled != entries_of_call) throw std::logic_error("the entries do not fill the last call");
  return result;
}

Masks reversed_blocks(const Masks& masks, std::uint64_t calls_of_block) {
  Masks result;
  for (std::size_t begin = 0; begin < masks.size(); begin += calls_of_block)
    for (std::size_t call = begin + calls_of_block; call-- > begin;) {
      const MaskBits& mask = masks[call];
      MaskBits& mirrored = result.emplace_back(mask.size());
      for (std::uint64_t i = 0; i < mask.size(); ++i)
        if (mask[i]) mirrored.set(mask.size() - 1 - i);
    }
  return result;
}

}  // namespace dropcheck::suites::testing
