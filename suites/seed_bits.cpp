// seed_determinism.seed_bits: every bit that a backend says its seeds have matters. A seed, and the same with
// each of its bits flipped, must give masks that all differ; nothing is statistical.

#include <bit>
#include <map>

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dialects/row_check.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/judging.hpp"

namespace dropcheck::suites {
namespace {

/// At p = 1/2 two of the 65 masks are equal by chance with probability below 2080 * 2^-512.
Problem mask_of_a_seed() { return problem_of(0.5, {512}); }

std::vector<Step> seed_bit_steps() {
  std::vector<Step> steps(65, seeded_step(mask_of_a_seed()));
  for (std::size_t bit = 0; bit < 64; ++bit) steps[bit + 1].seed_flip = std::uint64_t{1} << bit;
  return steps;
}

class SeedBits final : public RepliesCheck {
 public:
  SeedBits() : RepliesCheck(catalogue_row("seed_determinism.seed_bits")) {}

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const std::vector<Step> steps = seed_bit_steps();
    RowTrial trial(steps, replies_of(seen), context);
    std::map<std::string, std::uint64_t> seed_of_mask;  // of the bytes of a mask
    std::uint64_t base = 0;
    for (std::size_t i = 0; i < trial.size(); ++i) {
      if (!trial.answered(i)) continue;
      const std::uint64_t seed = trial.reply(i).seed.value_or(0);
      if (i == 0) base = seed;
      else if (seed == base) continue;  // a bit that the backend does not say its seeds have
      const std::vector<std::byte>& y = trial.reply(i).y;
      const auto [other, is_new] =
          seed_of_mask.emplace(std::string(reinterpret_cast<const char*>(y.data()), y.size()), seed);
      if (i == 0) continue;
      trial.require(is_new, [&, &earlier = other->second] {
        return fmt::format(
            "the seeds {:#x} and {:#x}, which differ in {}, give the same mask of {} entries; the "
            "backend says that its seeds have {} bits that matter",
            earlier, seed, bits_text(earlier ^ seed), element_count(mask_of_a_seed().shape),
            context.capabilities->seed_bits);
      });
    }
    return trial.judgement("each bit of the seed, flipped alone, gives another mask");
  }

 private:
  static std::string bits_text(std::uint64_t bits) {
    const int low = std::countr_zero(bits), high = 63 - std::countl_zero(bits);
    return low == high ? fmt::format("bit {}", low) : fmt::format("the bits {} and {}", low, high);
  }
};

}  // namespace

void add_seed_bits(Registry& registry) {
  registry.add_protocol(own_protocol("seed_bits", "a seed, then the same with each of its bits flipped",
                                     seed_bit_steps, mask_of_a_seed()));
  registry.add_check(std::make_unique<SeedBits>());
}

}  // namespace dropcheck::suites
