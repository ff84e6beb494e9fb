// seed_determinism.replay: for who promises it, a call that was captured once and is replayed draws anew each
// time. The usual defect is a seed or an offset that is captured as a constant.

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dialects/row_check.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/judging.hpp"

namespace dropcheck::suites {
namespace {

/// At p = 1/2 two of the masks are equal by chance with probability below 2^-506.
Problem elements() { return problem_of(0.5, {512}); }

/// Capture and replays after one seed, an ordinary call, more replays, and a replay after another seed.
std::vector<Step> replay_steps() {
  std::vector<Step> steps = {seeded_step(elements()), next_step(elements()),
                             next_step(elements()),   next_step(elements()),
                             next_step(elements()),   next_step(elements()),
                             next_step(elements()),   seeded_step(elements(), Input::ones, 1)};
  for (std::size_t i = 0; i < steps.size(); ++i)
    if (i != 4) steps[i].attributes["replay"] = true;
  return steps;
}

class Replay final : public RepliesCheck {
 public:
  Replay() : RepliesCheck(catalogue_row("seed_determinism.replay")) {}

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const std::vector<Step> steps = replay_steps();
    RowTrial trial(steps, replies_of(seen), context);
    for (std::size_t b = 0; b < trial.size(); ++b) {
      if (!trial.answered(b)) continue;
      for (std::size_t a = 0; a < b; ++a) {
        if (!trial.reply(a).answered()) continue;
        trial.require(trial.reply(a).y != trial.reply(b).y, [&] {
          return fmt::format("{} and {} have the same mask of {} entries: a replay must draw anew",
                             trial.place(a), trial.place(b), element_count(elements().shape));
        });
      }
    }
    return trial.judgement("each replay draws another mask");
  }
};

}  // namespace

void add_replay(Registry& registry) {
  registry.add_protocol(own_protocol("replay", "a call that is captured and replayed, with a call in between",
                                     replay_steps, elements()));
  registry.add_check(std::make_unique<Replay>());
}

}  // namespace dropcheck::suites
