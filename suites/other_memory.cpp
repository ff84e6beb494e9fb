// seed_determinism.other_memory and .alignment: a mask depends on the seed and not on where its tensors, or
// the seed, happen to lie. The same seed is asked for again while the tensors of the first call still occupy
// their memory, at addresses that are aligned alike, and at such that are not.

#include <fmt/format.h>

#include <span>

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dialects/row_check.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/judging.hpp"

namespace dropcheck::suites {
namespace {

Problem elements() { return problem_of(0.5, {1024}); }

std::vector<Step> memory_steps() {
  std::vector<Step> steps(3, seeded_step(elements(), Input::random_integers));
  steps[1].other_memory = steps[2].other_memory = true;
  Step channels = seeded_step(problem_of(0.5, {4, 64, 2, 1}, DType::f32, Op::dropout2d), Input::ones);
  steps.push_back(channels);
  channels.other_memory = true;
  steps.push_back(channels);
  return steps;
}

class OtherMemory final : public RepliesCheck {
 public:
  explicit OtherMemory(const Dialect& dialect)
      : RepliesCheck(catalogue_row("seed_determinism.other_memory", dialect)) {}

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const std::vector<Step> steps = memory_steps();
    RowTrial trial(steps, replies_of(seen), context);
    for (const auto& [a, b] : {std::pair{0u, 1u}, std::pair{0u, 2u}, std::pair{3u, 4u}})
      if (trial.answered(a) && trial.answered(b))
        trial.require_equal(a, b, "the same seed with tensors at other addresses");
    return trial.judgement("the same seed gives the same bits wherever the tensors lie");
  }
};

// Blocks of 16, 32 and 64 bytes, as vectors of f32 are, begin with the 4th, 8th and 16th element.
constexpr std::uint32_t kPast[] = {1, 2, 4, 8};

/// Each group begins with an aligned call; the others have its seed and its x.
std::vector<Step> alignment_steps() {
  std::vector<Step> steps;
  const auto group = [&](Step step, std::span<const std::uint32_t> past) {
    steps.push_back(step);
    for (const std::uint32_t elements : past) {
      step.elements_past = elements;
      steps.push_back(step);
    }
  };
  const auto first = std::span(kPast).first(1);
  const Problem f32 = problem_of(0.5, {512});
  group(seeded_step(f32, Input::random_integers), kPast);
  group(seeded_step(in_place(f32), Input::random_integers), first);
  group(seeded_step(problem_of(0.5, {512}, DType::f64), Input::random_integers), first);
  group(seeded_step(problem_of(0.5, {512}, DType::f16), Input::random_integers), kPast);
  group(seeded_step(problem_of(0.5, {4, 64, 2, 1}, DType::f32, Op::dropout2d), Input::random_integers),
        first);
  return steps;
}

class Alignment final : public RepliesCheck {
 public:
  explicit Alignment(const Dialect& dialect)
      : RepliesCheck(catalogue_row("seed_determinism.alignment", dialect)) {}

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const std::vector<Step> steps = alignment_steps();
    RowTrial trial(steps, replies_of(seen), context);
    std::size_t aligned = 0;
    for (std::size_t i = 0; i < trial.size(); ++i) {
      const Step& step = trial.step(i);
      if (step.elements_past == 0) aligned = i;
      else if (trial.answered(aligned) && trial.answered(i))
        trial.require_equal(
            aligned, i,
            fmt::format("the same seed with tensors that begin {} bytes past an aligned address, as where a "
                        "kernel takes as many elements at once as the address allows",
                        step.elements_past * size_of(step.problem.dtype)));
    }
    return trial.judgement("the same seed gives the same bits however the tensors are aligned");
  }
};

}  // namespace

void add_other_memory(Registry& registry, const Dialect& dialect) {
  registry.add_protocol(
      own_protocol("other_memory", "one seed with tensors at different addresses", memory_steps, elements()));
  registry.add_check(std::make_unique<OtherMemory>(dialect));
  registry.add_protocol(
      own_protocol("alignment", "one seed with tensors of different alignment", alignment_steps, elements()));
  registry.add_check(std::make_unique<Alignment>(dialect));
}

}  // namespace dropcheck::suites
