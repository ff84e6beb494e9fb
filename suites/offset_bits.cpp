// seed_determinism.offset_bits: every bit of an RNG offset matters, where a backend takes offsets, and the
// seed beside one matters as it does without. Exact: the masks at offsets with one bit each, and those of
// seeds that differ in one bit at one of these offsets, must all differ.

#include <algorithm>
#include <array>
#include <map>

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dialects/row_check.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/judging.hpp"

namespace dropcheck::suites {
namespace {

/// At p = 1/2 two of the 71 masks are equal by chance with probability below 2^-243.
Problem elements() { return problem_of(0.5, {256}); }

/// Offsets are multiples of four: some generators make four words at a time and take no others.
constexpr unsigned kFirstBit = 2;

/// Bits of the seed that are flipped at the first offset: where 16, 32 and 48 bits of it end. That all of
/// them matter is asked without an offset (seed_bits).
constexpr std::array kSeedBits = {0u, 15u, 16u, 31u, 32u, 47u, 48u, 63u};

std::vector<Step> offset_steps() {
  std::vector<Step> steps(65 - kFirstBit, seeded_step(elements()));
  for (unsigned bit = kFirstBit; bit < 64; ++bit)
    steps[bit - kFirstBit + 1].problem.offset = std::uint64_t{1} << bit;
  for (const unsigned bit : kSeedBits) {
    steps.push_back(steps[1]);
    steps.back().seed_flip = std::uint64_t{1} << bit;
  }
  return steps;
}

/// Where a mask was drawn.
struct Place {
  std::uint64_t seed, offset;
  friend bool operator==(const Place&, const Place&) = default;
};

class OffsetBits final : public RepliesCheck {
 public:
  OffsetBits() : RepliesCheck(catalogue_row("seed_determinism.offset_bits")) {}

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    if (context.capabilities->offset_unit.empty()) {
      Judgement unsupported;
      unsupported.verdict = Verdict::unsupported;
      unsupported.message = "the backend takes no RNG offsets";
      return unsupported;
    }
    const std::vector<Step> steps = offset_steps();
    RowTrial trial(steps, replies_of(seen), context);
    std::map<std::string, Place> place_of_mask;  // by the bytes of a mask
    std::vector<Place> asked;
    for (std::size_t i = 0; i < trial.size(); ++i) {
      if (!trial.answered(i)) continue;
      const Place place{trial.reply(i).seed.value_or(0), trial.step(i).problem.offset};
      // A bit that the backend's seeds do not have is not flipped.
      if (std::find(asked.begin(), asked.end(), place) != asked.end()) continue;
      asked.push_back(place);
      const std::vector<std::byte>& y = trial.reply(i).y;
      const auto [other, is_new] =
          place_of_mask.emplace(std::string(reinterpret_cast<const char*>(y.data()), y.size()), place);
      if (i == 0) continue;
      trial.require(is_new, [&, &earlier = other->second] {
        return same_mask_text(earlier, place, context.capabilities->offset_unit);
      });
    }
    return trial.judgement(
        "each bit of the offset from 2 on, and of the seed beside an offset, gives another mask");
  }

 private:
  static std::string same_mask_text(const Place& a, const Place& b, const std::string& unit) {
    const auto entries = element_count(elements().shape);
    if (a.seed == b.seed)
      return fmt::format("after one seed, the offsets {:#x} and {:#x} ({}) give the same mask of {} entries",
                         a.offset, b.offset, unit, entries);
    return fmt::format(
        "the seed {:#x} at offset {:#x} and the seed {:#x} at offset {:#x} ({}) give the same mask of {} "
        "entries",
        a.seed, a.offset, b.seed, b.offset, unit, entries);
  }
};

}  // namespace

void add_offset_bits(Registry& registry) {
  registry.add_protocol(own_protocol(
      "offset_bits",
      "one seed at offsets that have one bit each, and seeds that differ in one bit at one of them",
      offset_steps, elements()));
  registry.add_check(std::make_unique<OffsetBits>());
}

}  // namespace dropcheck::suites
