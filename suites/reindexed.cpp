// seed_determinism.reindexed: no mask is another one with its entries in other places. Calls that read the
// same words again, but hand them to other threads or vector lanes, have entries 4t + i of one mask equal to
// entries 4(t + s) + j of another, which neither the same places nor stretches of neighbours show. Exact:
// every window of 128 entries that lie g apart, g = 1, 2, 4, 8, 16, occurs once among all masks, at whatever
// shift. At p = 1/2 two of the 2.4e5 windows are equal by chance with probability below 2^-92.

#include <algorithm>
#include <array>
#include <set>
#include <tuple>

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dialects/row_check.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/judging.hpp"

namespace dropcheck::suites {
namespace {

constexpr std::size_t kEntries = 8192, kWindow = 128;
constexpr std::array<std::size_t, 5> kStrides = {1, 2, 4, 8, 16};

Problem elements() { return problem_of(0.5, {static_cast<std::int64_t>(kEntries)}); }

/// Three calls of one stream, then seeds near it and far from it.
std::vector<Step> reindexed_steps() {
  std::vector<Step> steps = {seeded_step(elements()), next_step(elements()),   next_step(elements()),
                             seeded_step(elements()), seeded_step(elements()), seeded_step(elements())};
  steps[3].seed_add = 1;
  steps[4].seed_flip = 4;
  steps[5].seed_slot = 1;
  return steps;
}

/// kWindow entries of one mask, kStrides[...] apart.
struct Window {
  std::array<std::uint64_t, 2> bits;
  std::uint32_t step;
  std::uint32_t first;  // entry

  bool operator<(const Window& other) const {
    return std::tie(bits, step, first) < std::tie(other.bits, other.step, other.first);
  }
};

void add_windows(const std::vector<bool>& dropped, std::size_t stride, std::uint32_t step,
                 std::vector<Window>& windows) {
  static_assert(kWindow == 128);
  for (std::size_t lane = 0; lane < stride; ++lane) {
    Window window{{0, 0}, step, 0};
    std::size_t seen = 0;
    for (std::size_t at = lane; at < dropped.size(); at += stride) {
      window.bits[1] = window.bits[1] << 1 | window.bits[0] >> 63;
      window.bits[0] = window.bits[0] << 1 | (dropped[at] ? 1 : 0);
      if (++seen < kWindow) continue;
      window.first = static_cast<std::uint32_t>(at - (kWindow - 1) * stride);
      windows.push_back(window);
    }
  }
}

class Reindexed final : public RepliesCheck {
 public:
  Reindexed() : RepliesCheck(catalogue_row("seed_determinism.reindexed")) {}

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const std::vector<Step> steps = reindexed_steps();
    RowTrial trial(steps, replies_of(seen), context);
    std::set<std::uint64_t> seeds;  // few bits may leave fewer seeds than steps
    std::vector<std::pair<std::uint32_t, std::vector<bool>>> masks;
    for (std::size_t i = 0; i < trial.size(); ++i)
      if (trial.answered(i) && (!trial.reply(i).seed || seeds.insert(*trial.reply(i).seed).second))
        masks.emplace_back(static_cast<std::uint32_t>(i), trial.dropped(i));
    for (const std::size_t stride : kStrides) {
      std::vector<Window> windows;
      for (const auto& [step, dropped] : masks) add_windows(dropped, stride, step, windows);
      std::sort(windows.begin(), windows.end());
      const auto same = [](const Window& a, const Window& b) { return a.bits == b.bits; };
      std::uint64_t repeats = 0;
      for (std::size_t i = 1; i < windows.size(); ++i) repeats += same(windows[i - 1], windows[i]) ? 1 : 0;
      trial.require_all(windows.size(), repeats, [&] {
        const auto at = std::adjacent_find(windows.begin(), windows.end(), same);
        return fmt::format(
            "{} successive entries {} apart are the same from entry {} of {} and from entry {} of {} on; {} "
            "of "
            "{} such windows occur again: random numbers are used twice, in other places",
            kWindow, stride, at->first, trial.place(at->step), (at + 1)->first, trial.place((at + 1)->step),
            repeats, windows.size());
      });
    }
    return trial.judgement("no mask holds entries of another one in other places");
  }
};

}  // namespace

void add_reindexed(Registry& registry) {
  registry.add_protocol(own_protocol("reindexed", "calls of one stream and of close seeds, in full",
                                     reindexed_steps, elements()));
  registry.add_check(std::make_unique<Reindexed>());
}

}  // namespace dropcheck::suites
