#pragma once
// Masks of a whole sample, the transformations of them that leave the null hypothesis as it is, and one check
// before them, without a backend.

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "harness/core/check.hpp"

namespace dropcheck::suites::testing {

/// The mask of every call of a sample, block after block; all of one size.
using Masks = std::vector<MaskBits>;

/// What a check sees of a sample.
struct Seen {
  SampleInfo sample;
  Masks masks;                          // blocks * calls of them
  std::vector<std::int8_t> integers{};  // that each call was given
};

/// Observes the blocks `from` to `until` - 1 as the runner lets a check see them.
std::unique_ptr<Observer> observe(const Check& check, const Seen& seen, std::uint64_t from,
                                  std::uint64_t until);
/// Judges all blocks by one observer, each hypothesis at level 1e-9.
Judgement judge(const Check& check, const Seen& seen);
/// Judges what an observer saw of all blocks.
Judgement judge(const Check& check, const Seen& seen, const Observer& observer);

/// Entry i of the result is entry [i] of this of the original.
using Permutation = std::vector<std::uint64_t>;
using Engine = std::mt19937_64;

/// Every order equally likely, out of those that keep entries inside their class.
Permutation random_order(std::uint64_t entries, Engine& engine);
/// Classes are the positions with equal remainder modulo 1024.
Permutation order_in_lanes(std::uint64_t entries, Engine& engine);
/// Classes are the words of 64 entries.
Permutation order_in_words(std::uint64_t entries, Engine& engine);

MaskBits reordered(const MaskBits& mask, const Permutation& order);
/// Dropped for kept.
MaskBits relabelled(const MaskBits& mask);

/// The same entries in calls of another length, which the length of a block must be a multiple of.
Masks recut(const Masks& masks, std::uint64_t entries_of_call);
/// The entries of each block, all its calls together, from the last to the first.
Masks reversed_blocks(const Masks& masks, std::uint64_t calls_of_block);

}  // namespace dropcheck::suites::testing
