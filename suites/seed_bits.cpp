// seed_determinism.seed_bits: every bit that a backend says its seeds have matters. A seed, the same with
// each of its bits flipped, its neighbours, its double and both ends of the range must give masks that all
// differ; nothing is statistical. Bits beyond those are asked for as well: that they have no effect is a fact
// for the reader and no fault.

#include <bit>
#include <map>

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dialects/row_check.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/judging.hpp"

namespace dropcheck::suites {
namespace {

/// At p = 1/2 two of the 136 masks are equal by chance with probability below 2^-242.
Problem mask_of_a_seed() { return problem_of(0.5, {256}); }

/// A seed of the checks' own, with which bits are asked for that a backend may not say it has.
constexpr std::uint64_t kOwn = 0x5EED;

Step own_seed_step(std::uint64_t seed) {
  Step step = seeded_step(mask_of_a_seed());
  step.seed_slot.reset();
  step.own_seed = seed;
  step.expect_error = true;  // a seed out of its range may be refused
  return step;
}

constexpr std::size_t kFirstOwn = 68;  // step with kOwn; those with its bits flipped follow

std::vector<Step> seed_bit_steps() {
  std::vector<Step> steps(kFirstOwn, seeded_step(mask_of_a_seed()));
  for (std::size_t bit = 0; bit < 64; ++bit) steps[bit + 1].seed_flip = std::uint64_t{1} << bit;
  steps[65].seed_add = 1;
  steps[66].seed_add = std::uint64_t{1} << 31;
  steps[67].seed_add = std::uint64_t{1} << 32;
  steps.push_back(own_seed_step(kOwn));
  for (unsigned bit = 0; bit < 64; ++bit) steps.push_back(own_seed_step(kOwn ^ std::uint64_t{1} << bit));
  steps.push_back(own_seed_step(2 * kOwn));
  steps.push_back(own_seed_step(0));
  steps.push_back(own_seed_step(~std::uint64_t{0}));
  return steps;
}

class SeedBits final : public RepliesCheck {
 public:
  SeedBits() : RepliesCheck(catalogue_row("seed_determinism.seed_bits")) {}

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const std::vector<Step> steps = seed_bit_steps();
    const unsigned bits = context.capabilities->seed_bits;
    RowTrial trial(steps, replies_of(seen), context);
    std::map<std::string, std::uint64_t> seed_of_mask;  // by the bytes of a mask
    std::map<std::uint64_t, bool> asked;                // seeds, so that none is compared with itself
    for (std::size_t i = 0; i < trial.size(); ++i) {
      const Reply& reply = trial.reply(i);
      if (!reply.answered() && trial.step(i).expect_error) continue;
      if (!trial.answered(i)) continue;
      const std::uint64_t seed = reply.seed.value_or(0);
      if (bits < 64 && seed >> bits != 0) continue;  // more than the backend says that its seeds hold
      if (!asked.emplace(seed, true).second) continue;
      const auto [other, is_new] = seed_of_mask.emplace(key_of(reply.y), seed);
      if (asked.size() == 1) continue;
      trial.require(is_new, [&, &earlier = other->second] {
        return fmt::format(
            "the seeds {:#x} and {:#x}, which differ in {}, give the same mask of {} entries; the "
            "backend says that its seeds have {} bits that matter",
            earlier, seed, differing_text(earlier ^ seed), element_count(mask_of_a_seed().shape), bits);
      });
    }
    if (const std::string fact = without_effect(trial, bits); !fact.empty()) trial.note(fact);
    return trial.judgement("each bit of the seed, flipped alone, gives another mask");
  }

 private:
  static std::string key_of(const std::vector<std::byte>& y) {
    return {reinterpret_cast<const char*>(y.data()), y.size()};
  }

  static std::string differing_text(std::uint64_t bits) {
    const int low = std::countr_zero(bits), high = 63 - std::countl_zero(bits);
    if (low == high) return fmt::format("bit {}", low);
    if (std::popcount(bits) == 2) return fmt::format("the bits {} and {}", low, high);
    return fmt::format("{} bits from {} to {}", std::popcount(bits), low, high);
  }

  /// "bits 32 to 63 of a seed have no effect", of those that the backend does not promise; empty where all
  /// that were answered have one.
  static std::string without_effect(const RowTrial& trial, unsigned promised) {
    const Reply& own = trial.reply(kFirstOwn);
    std::string ranges;
    if (!own.answered()) return ranges;
    for (unsigned bit = promised; bit < 64; ++bit) {
      unsigned end = bit;
      while (end < 64 && trial.reply(kFirstOwn + 1 + end).answered() &&
             trial.reply(kFirstOwn + 1 + end).y == own.y)
        ++end;
      if (end == bit) continue;
      ranges += ranges.empty() ? "" : ", ";
      ranges += end == bit + 1 ? fmt::format("bit {}", bit) : fmt::format("bits {} to {}", bit, end - 1);
      bit = end;
    }
    return ranges.empty() ? ranges : fmt::format("without effect, and not promised: {} of a seed", ranges);
  }
};

}  // namespace

void add_seed_bits(Registry& registry) {
  registry.add_protocol(own_protocol(
      "seed_bits", "a seed, the same with each of its bits flipped, and others that are close to it",
      seed_bit_steps, mask_of_a_seed()));
  registry.add_check(std::make_unique<SeedBits>());
}

}  // namespace dropcheck::suites
