// What seeds do.
#include <fmt/format.h>

#include <algorithm>

#include "tools/adapter_trial.hpp"

namespace dropcheck::tools {
namespace {

constexpr std::uint64_t kSeed = 12345;

Bytes answer_to(AdapterTrial& trial, std::uint64_t seed) {
  RunRequest request;
  request.shape = trial.wide();
  request.seed = seed;
  return trial.run(request).y();
}

Bytes continued(AdapterTrial& trial) {
  RunRequest request;
  request.shape = trial.wide();
  request.continues = true;
  return trial.run(request).y();
}

std::size_t differing(const AdapterTrial& trial, const Bytes& a, const Bytes& b) {
  return differing_elements(a, b, size_of(trial.dtype()));
}

std::string needs_seeds(const AdapterTrial& trial) {
  if (trial.has_seeds()) return {};
  return fmt::format("seed_semantics is '{}'", to_string(trial.capabilities().seed_semantics));
}

std::string needs_stream(const AdapterTrial& trial) {
  if (trial.capabilities().seed_semantics == SeedSemantics::stateful) return {};
  return fmt::format("seed_semantics is '{}'", to_string(trial.capabilities().seed_semantics));
}

std::string needs_bits(const AdapterTrial& trial, unsigned bits) {
  if (std::string reason = needs_seeds(trial); !reason.empty()) return reason;
  const unsigned claimed = trial.capabilities().seed_bits;
  return claimed >= bits ? "" : fmt::format("seed_bits is {}", claimed);
}

Finding same_seed(AdapterTrial& trial, std::uint64_t seed) {
  const Bytes first = answer_to(trial, seed);
  answer_to(trial, seed ^ 1u);
  const Bytes again = answer_to(trial, seed);
  if (const std::size_t n = differing(trial, first, again); n > 0)
    return {Outcome::wrong, fmt::format("two runs with seed {} differ in {} elements", seed, n)};
  return {};
}

Finding other_seed(AdapterTrial& trial) {
  std::vector<std::pair<std::uint64_t, Bytes>> seen;
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{2}, kSeed}) {
    if (seed > trial.highest_seed()) continue;
    Bytes y = answer_to(trial, seed);
    for (const auto& [other, before] : seen)
      if (before == y)
        return {Outcome::wrong, fmt::format("seeds {} and {} give the same mask", other, seed)};
    seen.emplace_back(seed, std::move(y));
  }
  return {};
}

Finding every_bit_counts(AdapterTrial& trial) {
  const unsigned bits = trial.capabilities().seed_bits;
  const std::uint64_t low = bits > 4 ? 5 : 0;
  const Bytes y = answer_to(trial, low);
  for (const unsigned bit : {31u, 32u, bits - 1}) {
    if (bit >= bits) continue;
    const std::uint64_t high = low | std::uint64_t{1} << bit;
    if (answer_to(trial, high) == y)
      return {Outcome::wrong, fmt::format("seeds {} and {} + 2^{} give the same mask", low, low, bit)};
  }
  return {};
}

Finding large_seeds_are_exact(AdapterTrial& trial) {
  const std::uint64_t top = trial.highest_seed();
  for (const std::uint64_t seed : {std::uint64_t{1} << 53, top - 1})
    if (answer_to(trial, seed) == answer_to(trial, seed + 1))
      return {Outcome::wrong,
              fmt::format("seeds {} and {} give the same mask: they are rounded to 53 bits", seed, seed + 1)};
  return {};
}

Finding stream_continues(AdapterTrial& trial) {
  const Bytes first = answer_to(trial, kSeed), second = continued(trial), third = continued(trial);
  if (second == third && second == first)
    return {Outcome::wrong, "two runs without a seed repeat the one with a seed before them"};
  if (second == third) return {Outcome::wrong, "two runs without a seed have the same mask"};
  if (second == first || third == first)
    return {Outcome::wrong, "a run without a seed repeats the one with a seed before it"};
  return {};
}

Finding stream_resets(AdapterTrial& trial) {
  std::vector<Bytes> runs[2];
  for (auto& run : runs) {
    run.push_back(answer_to(trial, kSeed));
    for (int i = 0; i < 3; ++i) run.push_back(continued(trial));
  }
  for (std::size_t i = 0; i < runs[0].size(); ++i)
    if (runs[0][i] != runs[1][i])
      return {Outcome::wrong, fmt::format("run {} after seed {} is another the second time", i, kSeed)};
  return {};
}

}  // namespace

std::vector<Exchange> seed_exchanges() {
  return {
      {"seed.same",
       "two runs with one seed, another seed in between",
       "they have the same mask",
       "The seed does not reach the generator: seed it with each request that has a seed, or claim "
       "seed_semantics 'none'.",
       {"p.drops"},
       needs_seeds,
       [](AdapterTrial& trial) { return same_seed(trial, std::min(kSeed, trial.highest_seed())); }},
      {"seed.other",
       "runs with seeds 0, 1, 2 and 12345",
       "they have four masks",
       "The seed does not reach the generator whole: is it replaced by a constant or cut?",
       {"seed.same"},
       needs_seeds,
       other_seed},
      {"seed.zero",
       "two runs with seed 0",
       "they have the same mask",
       "0 is a seed like others: is it taken for 'no seed'?",
       {"seed.same"},
       needs_seeds,
       [](AdapterTrial& trial) { return same_seed(trial, 0); }},
      {"seed.high_bits",
       "runs with seeds that differ only in a high bit",
       "they have different masks",
       "Seeds lose their high bits: use all of them, or claim in 'seed_bits' how many count.",
       {"seed.other"},
       needs_seeds,
       every_bit_counts},
      {"seed.exact",
       "runs with seeds 2^53 and 2^53 + 1, and the two highest",
       "they have different masks",
       "Seeds are read as floating-point numbers: read them as 64-bit integers (BigInt in JavaScript), or "
       "claim seed_bits 53.",
       {"seed.high_bits"},
       [](const AdapterTrial& trial) { return needs_bits(trial, 54); },
       large_seeds_are_exact},
      {"seed.highest",
       "two runs with the highest seed, 2^seed_bits - 1",
       "they are answered with the same mask",
       "Seeds are integers without a sign: take them as uint64, or claim fewer in 'seed_bits'.",
       {"seed.same"},
       needs_seeds,
       [](AdapterTrial& trial) { return same_seed(trial, trial.highest_seed()); }},
      {"seed.continues",
       "a run with a seed, then two without",
       "the three have different masks",
       "A run without a seed continues the stream: do not seed the generator again, or claim 'per_call'.",
       {"seed.same"},
       needs_stream,
       stream_continues},
      {"seed.resets",
       "twice: a run with a seed, then three without",
       "the second time brings the masks of the first",
       "A seed must reset all that the stream depends on, or claim 'none'.",
       {"seed.continues"},
       needs_stream,
       stream_resets},
  };
}

}  // namespace dropcheck::tools
