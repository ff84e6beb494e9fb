#include "suites/testing/relation_samples.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <stdexcept>

#include "suites/calibration/bit_source.hpp"
#include "suites/testing/planted_backend.hpp"

namespace dropcheck::suites::testing {
namespace {

std::uint64_t entries_of(const SampleInfo& sample) {
  return static_cast<std::uint64_t>(mask_count(sample.problem));
}

/// Integers other than 0, the same every `period` elements.
std::vector<std::int8_t> some_integers(std::uint64_t elements, std::uint64_t period, Engine& engine) {
  std::vector<std::int8_t> integers(elements);
  for (std::uint64_t i = 0; i < elements; ++i) {
    const auto x = static_cast<std::int8_t>(1 + engine() % 127);
    integers[i] = i >= period ? integers[i - period] : static_cast<std::int8_t>(engine() % 2 == 0 ? x : -x);
  }
  return integers;
}

std::vector<std::int8_t> reordered_inputs(const std::vector<std::int8_t>& integers,
                                          const Permutation& order) {
  const std::uint64_t inner = integers.size() / order.size();  // elements of a channel
  std::vector<std::int8_t> result(integers.size());
  for (std::uint64_t i = 0; i < order.size(); ++i)
    for (std::uint64_t j = 0; j < inner; ++j) result[i * inner + j] = integers[order[i] * inner + j];
  return result;
}

/// Entries that all cuts of a block have in common as a period.
std::uint64_t common_period(const RelationSample& sample, const SampleInfo& info) {
  std::uint32_t most = info.calls;
  for (const std::uint32_t calls : sample.cuts) most = std::max(most, calls);
  return entries_of(info) * info.calls / most;
}

template <typename Choose>
void reorder_calls(Seen& seen, Choose&& order_of) {
  for (MaskBits& mask : seen.masks) mask = reordered(mask, order_of());
}

std::optional<Seen> cut_otherwise(const RelationSample& sample, const Seen& seen, std::uint64_t aligned,
                                  Engine& engine) {
  const std::uint64_t block = entries_of(seen.sample) * seen.sample.calls;
  if (entries_of(seen.sample) % aligned != 0) return std::nullopt;
  std::vector<std::uint32_t> possible;
  for (const std::uint32_t calls : sample.cuts)
    if (calls != seen.sample.calls && block / calls % aligned == 0) possible.push_back(calls);
  if (possible.empty()) return std::nullopt;
  Seen after = seen;
  after.sample.calls = possible[engine() % possible.size()];
  const std::uint64_t entries = block / after.sample.calls;
  after.sample.problem.shape = {static_cast<std::int64_t>(entries)};
  after.masks = recut(seen.masks, entries);
  const std::uint64_t period = common_period(sample, seen.sample);
  after.integers.resize(entries);
  for (std::uint64_t i = 0; i < entries; ++i) after.integers[i] = seen.integers[i % period];
  return after;
}

}  // namespace

const std::vector<RelationSample>& relation_samples() {
  static const std::vector<RelationSample> samples = {
      {.name = "odd calls", .protocol = "mask", .shape = "20011", .blocks = 5, .calls = 3, .cuts = {1, 3}},
      {.name = "whole words",
       .protocol = "mask",
       .shape = "65536",
       .blocks = 4,
       .calls = 4,
       .cuts = {1, 2, 4, 8, 16}},
      {.name = "tensor", .protocol = "mask", .shape = "16x32x16x8", .blocks = 3, .calls = 2},
      {.name = "channels",
       .protocol = "mask",
       .op = "dropout2d",
       .shape = "64x64x3x3",
       .blocks = 4,
       .calls = 4},
      {.name = "words of fair bits",
       .protocol = "deep_mask",
       .shape = "131072",
       .blocks = 24,
       .calls = 1,
       .cuts = {1, 2},
       .checks = {"channel_correlation.collisions", "channel_correlation.birthday"}},
      {.name = "matrices of fair bits",
       .protocol = "deep_mask",
       .shape = "524288",
       .blocks = 28,
       .calls = 2,
       .cuts = {1, 2},
       .checks = {"channel_correlation.rank"},
       .rates = {0.5}},
      {.name = "sequences of fair bits",
       .protocol = "deep_mask",
       .shape = "65536",
       .blocks = 2,
       .calls = 2,
       .cuts = {1, 2},
       .checks = {"channel_correlation.linear_complexity"},
       .rates = {0.5}},
      {.name = "positions", .protocol = "position", .shape = "1031", .blocks = 4, .calls = 64},
      {.name = "streams", .protocol = "streams", .shape = "4099", .blocks = 3, .calls = 64},
  };
  return samples;
}

SampleInfo info_of(const RelationSample& sample, double p) {
  return {sample.protocol, problem_of(fmt::format("op={},p={},shape={}", sample.op, p, sample.shape)),
          sample.blocks, sample.calls};
}

std::vector<const Check*> checks_on(const RelationSample& sample, double p) {
  const auto names = [](const std::vector<std::string>& list, const std::string& word) {
    return std::find(list.begin(), list.end(), word) != list.end();
  };
  std::vector<const Check*> checks;
  for (const auto& check : suites_registry().checks()) {
    const CheckInfo& info = check->info();
    if (info.statistics.empty() || !names(info.protocols, sample.protocol)) continue;
    const bool planned = sample.checks.empty() && check->applies(info_of(sample, p)).applies;
    if (planned || names(sample.checks, info.id)) checks.push_back(check.get());
  }
  return checks;
}

Seen drawn(const RelationSample& sample, double p, Draw draw, std::uint64_t seed) {
  Seen seen{info_of(sample, p), {}};
  calibration::BitSource source(seed);
  Engine engine(seed);
  const std::uint64_t entries = entries_of(seen.sample), calls = seen.sample.blocks * seen.sample.calls;
  const std::uint64_t lane = engine() % 64;
  for (std::uint64_t call = 0; call < calls; ++call) {
    MaskBits mask(entries);
    const bool later = draw == Draw::step_of_rate && 2 * call >= calls;
    calibration::fill(mask, calibration::Rate(later ? p / 2 : p), source);
    if (draw == Draw::stuck_lane)
      for (std::uint64_t i = lane; i < entries; i += 64) mask.set(i);
    if (draw == Draw::copied_neighbours)
      for (std::uint64_t i = 1; i < entries; ++i)
        if (engine() % 8 == 0 && mask[i - 1]) mask.set(i);
    if (draw == Draw::repeated_call && call % 2 == 1) mask = seen.masks.back();
    seen.masks.push_back(std::move(mask));
  }
  const auto elements = static_cast<std::uint64_t>(element_count(seen.sample.problem.shape));
  const std::uint64_t period = sample.cuts.empty() ? elements : common_period(sample, seen.sample);
  seen.integers = some_integers(elements, period, engine);
  return seen;
}

std::optional<Seen> transformed(const RelationSample& sample, const Seen& seen, Relation relation,
                                std::uint64_t seed) {
  Engine engine(seed);
  const std::uint64_t entries = entries_of(seen.sample);
  const std::uint32_t calls = seen.sample.calls;
  Seen after = seen;
  switch (relation) {
    case Relation::relabelled:
      after.sample.problem.p = 1 - seen.sample.problem.p;
      for (MaskBits& mask : after.masks) mask = relabelled(mask);
      return after;
    case Relation::any_order:
      reorder_calls(after, [&] { return random_order(entries, engine); });
      return after;
    case Relation::lane_order:
      reorder_calls(after, [&] { return order_in_lanes(entries, engine); });
      return after;
    case Relation::word_order:
      if (entries % 64 != 0) return std::nullopt;
      reorder_calls(after, [&] { return order_in_words(entries, engine); });
      return after;
    case Relation::same_order: {
      const Permutation order = random_order(entries, engine);
      reorder_calls(after, [&] { return order; });
      after.integers = reordered_inputs(seen.integers, order);
      return after;
    }
    case Relation::calls_reordered:
      if (calls < 2) return std::nullopt;
      for (std::size_t begin = 0; begin < after.masks.size(); begin += calls) {
        const auto first = after.masks.begin() + static_cast<std::ptrdiff_t>(begin);
        std::shuffle(first, first + calls, engine);
      }
      return after;
    case Relation::reversed:
      if (entries * calls > kChunkBits) return std::nullopt;
      after.masks = reversed_blocks(seen.masks, calls);
      return after;
    case Relation::recut: return cut_otherwise(sample, seen, 1, engine);
    case Relation::recut_aligned: return cut_otherwise(sample, seen, 65536, engine);
  }
  throw std::logic_error("a relation of no name");
}

bool speaks(const Cell& cell, const SampleInfo& sample) {
  if (!cell.expected) return false;
  const std::uint64_t block = entries_of(sample) * sample.calls;
  if (cell.needs_powers && (!std::has_single_bit(block) || block < 4096)) return false;
  return !(cell.unless_fair && sample.problem.p == 0.5);
}

}  // namespace dropcheck::suites::testing
