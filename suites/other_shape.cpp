// seed_determinism.other_shape: a call on another shape or dtype goes on with the stream like any other call,
// and after another seed it has another mask. Generators that belong to a compiled kernel begin again with
// each new shape, dtype or operator, and a seed may reach the first of them only. Exact: masks are compared
// bit for bit.

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

constexpr unsigned kSeeds = 2;

/// The same calls after each of two seeds.
std::vector<Step> after_seeds(const std::vector<Problem>& calls) {
  std::vector<Step> steps;
  for (unsigned slot = 0; slot < kSeeds; ++slot)
    for (const Problem& call : calls)
      steps.push_back(&call == &calls.front() ? seeded_step(call, Input::ones, slot) : next_step(call));
  return steps;
}

/// Calls that differ in the number of elements, in the rank, or in both, then in the dtype.
std::vector<Step> element_steps() {
  return after_seeds({problem_of(kP, {256}), problem_of(kP, {250}), problem_of(kP, {2, 128}),
                      problem_of(kP, {255}), problem_of(kP, {2, 8, 15}), problem_of(kP, {256}, DType::f64),
                      problem_of(kP, {256}, DType::f16), problem_of(kP, {256}, DType::bf16)});
}

/// The same for operators that drop channels, among them two operators with the same channels.
std::vector<Step> channel_steps() {
  const auto at = [](Op op, std::vector<std::int64_t> shape, DType dtype = DType::f32) {
    return problem_of(kP, std::move(shape), dtype, op);
  };
  const Op op = Op::dropout2d;
  return after_seeds({at(op, {1, 256, 2, 2}), at(op, {1, 256, 3, 1}), at(op, {1, 250, 2, 2}),
                      at(Op::dropout3d, {1, 256, 1, 2, 2}), at(Op::dropout1d, {1, 256, 4}),
                      at(op, {1, 256, 2, 2}, DType::f64), at(op, {1, 256, 2, 2}, DType::f16),
                      at(op, {1, 256, 2, 2}, DType::bf16)});
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
        const std::size_t of_a_seed = steps.size() / kSeeds;
        const bool one_seed = i / of_a_seed == j / of_a_seed;
        trial.require(beginning(trial, i) != beginning(trial, j), [&] {
          return fmt::format("{} and {}, calls after {}, have the same mask in the first {} {}: {}",
                             trial.place(j), trial.place(i), one_seed ? "one seed" : "two seeds", kCompared,
                             by_channel ? "channels" : "elements",
                             one_seed ? "the stream begins again with another shape or dtype"
                                      : "the seed does not reach every stream");
        });
      }
    }
    return trial.judgement(
        "calls on different shapes and dtypes, and after different seeds, draw different masks");
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
  registry.add_protocol(own_protocol("other_shape", "calls on different shapes and dtypes after two seeds",
                                     element_steps, element_steps().front().problem));
  registry.add_protocol(
      own_protocol("other_channel_shape",
                   "calls on different shapes and dtypes, and of different operators on channels, after two "
                   "seeds",
                   channel_steps, channel_steps().front().problem));
  registry.add_check(std::make_unique<OtherShape>());
}

}  // namespace dropcheck::suites
