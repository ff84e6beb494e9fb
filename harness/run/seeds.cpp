#include "harness/run/seeds.hpp"

#include <fmt/format.h>

#include <unordered_set>

#include "harness/core/descriptor.hpp"
#include "harness/core/hash.hpp"

namespace dropcheck {
namespace {

std::string question(const SampleInfo& sample, unsigned stage) {
  Problem problem = sample.problem;
  problem.seed.reset();
  return fmt::format("{}|{}|{}", sample.protocol, print_descriptor(problem), stage);
}

}  // namespace

std::vector<std::vector<std::uint64_t>> sample_seeds(std::uint64_t master_seed, const SampleInfo& sample,
                                                     unsigned stage, unsigned slots, unsigned seed_bits) {
  DROPCHECK_CHECK(seed_bits >= 1 && seed_bits <= 64);
  const std::uint64_t keep = seed_bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << seed_bits) - 1;
  const std::string base = question(sample, stage);
  std::unordered_set<std::uint64_t> used;
  std::vector<std::vector<std::uint64_t>> seeds(sample.blocks, std::vector<std::uint64_t>(slots, 0));
  for (std::uint64_t block = 0; block < sample.blocks; ++block) {
    for (unsigned slot = 0; slot < slots; ++slot) {
      std::uint64_t seed = stage == 1 && block == 0 && slot == 0 && sample.problem.seed
                               ? *sample.problem.seed & keep
                               : keyed_hash(master_seed, fmt::format("{}|{}|{}", base, block, slot)) & keep;
      if (used.size() <= keep)  // otherwise seeds must repeat
        while (!used.insert(seed).second) seed = (seed + 1) & keep;
      seeds[block][slot] = seed;
    }
  }
  if (stage == 1 && sample.problem.seed && !seeds.empty() && slots > 0) seeds[0][0] = *sample.problem.seed;
  return seeds;
}

std::uint64_t pit_key(std::uint64_t master_seed, const SampleInfo& sample, const std::string& check_id,
                      unsigned stage) {
  return keyed_hash(master_seed, fmt::format("pit|{}|{}", check_id, question(sample, stage)));
}

std::uint64_t derived_seed(std::uint64_t master_seed, const std::string& purpose) {
  return keyed_hash(master_seed, purpose);
}

}  // namespace dropcheck
