// seed_determinism.other_shape: a call on another shape goes on with the stream like any other call.
// Generators that belong to a compiled kernel begin again with each new shape or operator. Exact: masks are
// compared bit for bit.

#include <algorithm>

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dialects/row_check.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/judging.hpp"

namespace dropcheck::suites {
namespace {

constexpr double kP = 0.5;
/// Mask entries that are compared: two independent masks agree in all of them with probability 2^-240.
constexpr std::size_t kCompared = 240;

/// One seed, then calls that differ in the number of elements, in the rank, or in both.
std::vector<Step> element_steps() {
  return {seeded_step(problem_of(kP, {256})), next_step(problem_of(kP, {250})),
          next_step(problem_of(kP, {2, 128})), next_step(problem_of(kP, {255})),
          next_step(problem_of(kP, {2, 8, 15}))};
}

/// The same for operators that drop channels, among them two operators with the same channels.
std::vector<Step> channel_steps() {
  const auto at = [](Op op, std::vector<std::int64_t> shape) {
    return problem_of(kP, std::move(shape), DType::f32, op);
  };
  return {seeded_step(at(Op::dropout2d, {1, 256, 2, 2})), next_step(at(Op::dropout2d, {1, 256, 3, 1})),
          next_step(at(Op::dropout2d, {1, 250, 2, 2})), next_step(at(Op::dropout3d, {1, 256, 1, 2, 2})),
          next_step(at(Op::dropout1d, {1, 256, 4}))};
}

class OtherShape final : public RepliesCheck {
 public:
  OtherShape() : RepliesCheck(catalogue_row("seed_determinism.other_shape")) {}

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const bool by_channel = drops_channels(context.sample.problem.op);
    const std::vector<Step> steps = by_channel ? channel_steps() : element_steps();
    RowTrial trial(steps, replies_of(seen), context);
    for (std::size_t i = 0; i < trial.size(); ++i) {
      if (!trial.answered(i)) continue;
      for (std::size_t j = 0; j < i; ++j) {
        if (!trial.reply(j).answered()) continue;
        trial.require(beginning(trial, i) != beginning(trial, j), [&] {
          return fmt::format(
              "{} and {}, calls after one seed, have the same mask in the first {} {}: the stream "
              "begins again with another shape",
              trial.place(j), trial.place(i), kCompared, by_channel ? "channels" : "elements");
        });
      }
    }
    return trial.judgement("calls on different shapes draw different masks");
  }

 private:
  /// The first drop bits, one an element or channel.
  static std::vector<bool> beginning(const RowTrial& trial, std::size_t i) {
    const std::vector<bool> dropped = trial.dropped(i);
    const Problem& problem = trial.step(i).problem;
    const std::size_t inner = dropped.size() / static_cast<std::size_t>(mask_count(problem));
    std::vector<bool> bits;
    for (std::size_t entry = 0; entry < kCompared; ++entry) bits.push_back(dropped[entry * inner]);
    return bits;
  }
};

}  // namespace

void add_other_shape(Registry& registry) {
  registry.add_protocol(own_protocol("other_shape", "calls on different shapes after one seed", element_steps,
                                     element_steps().front().problem));
  registry.add_protocol(
      own_protocol("other_channel_shape",
                   "calls on different shapes, and of different operators on channels, after one "
                   "seed",
                   channel_steps, channel_steps().front().problem));
  registry.add_check(std::make_unique<OtherShape>());
}

}  // namespace dropcheck::suites
