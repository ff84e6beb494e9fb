// seed_determinism.offset_bits: every bit of an RNG offset matters, where a backend takes offsets. Exact: the
// masks at offsets with one bit each must all differ.

#include <map>

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dialects/row_check.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/judging.hpp"

namespace dropcheck::suites {
namespace {

/// At p = 1/2 two of the 63 masks are equal by chance with probability below 2^-245.
Problem elements() { return problem_of(0.5, {256}); }

/// Offsets are multiples of four: some generators make four words at a time and take no others.
constexpr unsigned kFirstBit = 2;

std::vector<Step> offset_steps() {
  std::vector<Step> steps(65 - kFirstBit, seeded_step(elements()));
  for (unsigned bit = kFirstBit; bit < 64; ++bit)
    steps[bit - kFirstBit + 1].problem.offset = std::uint64_t{1} << bit;
  return steps;
}

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
    std::map<std::string, std::uint64_t> offset_of_mask;  // by the bytes of a mask
    for (std::size_t i = 0; i < trial.size(); ++i) {
      if (!trial.answered(i)) continue;
      const std::uint64_t offset = trial.step(i).problem.offset;
      const std::vector<std::byte>& y = trial.reply(i).y;
      const auto [other, is_new] =
          offset_of_mask.emplace(std::string(reinterpret_cast<const char*>(y.data()), y.size()), offset);
      if (i == 0) continue;
      trial.require(is_new, [&, &earlier = other->second] {
        return fmt::format(
            "after one seed, the offsets {:#x} and {:#x} ({}) give the same mask of {} entries", earlier,
            offset, context.capabilities->offset_unit, element_count(elements().shape));
      });
    }
    return trial.judgement("each bit of the offset from 2 on gives another mask");
  }
};

}  // namespace

void add_offset_bits(Registry& registry) {
  registry.add_protocol(
      own_protocol("offset_bits", "one seed at offsets that have one bit each", offset_steps, elements()));
  registry.add_check(std::make_unique<OffsetBits>());
}

}  // namespace dropcheck::suites
