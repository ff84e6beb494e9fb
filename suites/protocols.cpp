#include "suites/protocols.hpp"

#include <array>
#include <cmath>
#include <limits>

namespace dropcheck::suites {
namespace {

constexpr std::array kMaskInputs = {Input::random_integers, Input::alternating, Input::ramp, Input::spikes};

Problem trained(const SampleInfo& sample) {
  Problem x = sample.problem;
  x.seed.reset();
  x.calls.reset();
  return x;
}

/// Continues the stream: an RNG offset belongs to the seed before it and is not asked for again.
Step next(const Problem& problem, Input input) {
  Step step;
  step.problem = problem;
  step.problem.offset = 0;
  step.input = input;
  return step;
}

Step seeded(const Problem& problem, unsigned slot, Input input) {
  Step step = next(problem, input);
  step.problem.offset = problem.offset;
  step.seed_slot = slot;
  return step;
}

/// A reseed, then `calls` calls on one input.
std::vector<Step> calls_on(const SampleInfo& sample, Input input) {
  std::vector<Step> steps = {seeded(trained(sample), 0, input)};
  steps.resize(sample.calls, next(trained(sample), input));
  return steps;
}

std::vector<Step> mask_steps(const SampleInfo& sample, std::uint64_t block) {
  return calls_on(sample, mask_input(block));
}
std::vector<Step> position_steps(const SampleInfo& sample, std::uint64_t) {
  return calls_on(sample, Input::ones);
}

std::vector<Step> value_steps(const SampleInfo& sample, std::uint64_t) {
  Step ones = seeded(trained(sample), 0, Input::ones);
  ones.want_mask = true;
  return {ones, next(trained(sample), Input::random_integers), next(trained(sample), Input::random_reals)};
}

/// Two calls that show the masks, then the same two with zeros among the inputs and their gradients.
std::vector<Step> gradient_steps(const SampleInfo& sample, std::uint64_t) {
  const Problem x = trained(sample);
  std::vector<Step> steps = {seeded(x, 0, Input::ones), next(x, Input::ones), seeded(x, 0, Input::with_zeros),
                             next(x, Input::with_zeros)};
  steps[2].upstream = steps[3].upstream = Input::random_reals;
  return steps;
}

std::vector<Step> determinism_steps(const SampleInfo& sample, std::uint64_t) {
  const Problem x = trained(sample);
  Problem eval = x;
  eval.mode = Mode::eval;
  const Input input = Input::random_integers;
  return {seeded(x, 0, input), next(x, input),      seeded(x, 0, input), next(x, input),
          seeded(x, 1, input), seeded(x, 0, input), next(eval, input),   next(x, input)};
}

std::vector<Step> thread_steps(const SampleInfo& sample, std::uint64_t) {
  std::vector<Step> steps;
  for (const std::uint32_t threads : {1u, 2u, 3u, 8u}) {
    Problem x = trained(sample);
    x.threads = threads;
    steps.push_back(seeded(x, 0, Input::ones));
  }
  return steps;
}

std::vector<Step> eval_steps(const SampleInfo& sample, std::uint64_t) {
  Problem x = trained(sample);
  x.mode = Mode::eval;
  return {seeded(x, 0, Input::with_zeros), next(x, Input::random_reals)};
}

std::vector<Step> in_place_steps(const SampleInfo& sample, std::uint64_t) {
  Problem apart = trained(sample);
  apart.in_place = false;
  Problem within = apart;
  within.in_place = true;
  return {seeded(apart, 0, Input::random_integers), seeded(within, 0, Input::random_integers)};
}

std::vector<Step> edge_p_steps(const SampleInfo& sample, std::uint64_t) {
  std::vector<Step> steps;
  for (const double p : {0.0, -0.0, 1.0}) {
    Problem x = trained(sample);
    x.p = p;
    steps.push_back(seeded(x, 0, Input::random_integers));
    steps.push_back(next(x, Input::random_reals));
  }
  return steps;
}

/// Every bad p in training and in eval, then one good call, which must still work.
std::vector<Step> bad_p_steps(const SampleInfo& sample, std::uint64_t) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::vector<Step> steps;
  for (const double p :
       {-0.1, 1.1, 2.0, -1.0, std::nextafter(1.0, 2.0), -std::numeric_limits<double>::denorm_min(), kInfinity,
        -kInfinity, std::numeric_limits<double>::quiet_NaN()}) {
    for (const Mode mode : {Mode::train, Mode::eval}) {
      Problem x = trained(sample);
      x.p = p;
      x.mode = mode;
      Step step = seeded(x, 0, Input::ones);
      step.expect_error = true;
      steps.push_back(step);
    }
  }
  steps.push_back(seeded(trained(sample), 0, Input::ones));
  return steps;
}

/// No elements, and for operators that take them no dimensions.
std::vector<Step> degenerate_steps(const SampleInfo& sample, std::uint64_t) {
  Problem empty = trained(sample);
  if (empty.shape.empty()) empty.shape = {0};
  else empty.shape[0] = 0;
  std::vector<Step> steps = {seeded(empty, 0, Input::ones)};
  if (ranks_of(empty.op).smallest == 0) {
    Problem scalar = trained(sample);
    scalar.shape.clear();
    scalar.layout = Layout::contiguous;
    steps.push_back(seeded(scalar, 0, Input::ones));
  }
  return steps;
}

}  // namespace

Input mask_input(std::uint64_t block) { return kMaskInputs[block % kMaskInputs.size()]; }

void register_protocols(Registry& registry) {
  const auto add = [&](const char* id, const char* summary, std::uint32_t calls, auto steps,
                       std::vector<Feature> needs, bool streaming) {
    registry.add_protocol({id, summary, calls, steps, std::move(needs), std::string_view(id) == "threads",
                           std::string_view(id) == "degenerate", streaming});
  };
  add("mask", "many masks, read for every streaming statistic; the inputs change from block to block", 4,
      mask_steps, {}, true);
  add("position", "one small tensor dropped over and over, read position by position", 512, position_steps,
      {}, true);
  add("values", "ones, integers and reals, compared with the definition element by element", 3, value_steps,
      {}, false);
  add("gradient", "masks shown first, then forward and backward under the same seeds with zeros in the input",
      4, gradient_steps, {Feature::backward, Feature::seeds}, false);
  add("determinism", "equal and different seeds, consecutive calls, an eval call in between", 8,
      determinism_steps, {}, false);
  add("threads", "one seed with 1, 2, 3 and 8 threads", 4, thread_steps, {Feature::threads}, false);
  add("eval", "calls in eval mode", 2, eval_steps, {}, false);
  add("in_place", "one seed, once out of place and once in place", 2, in_place_steps, {Feature::in_place},
      false);
  add("edge_p", "p = 0, -0 and 1", 6, edge_p_steps, {}, false);
  add("bad_p", "p outside [0, 1] and NaN, in training and in eval, then a good call", 19, bad_p_steps, {},
      false);
  add("degenerate", "tensors without elements and without dimensions", 2, degenerate_steps, {}, false);
}

}  // namespace dropcheck::suites
