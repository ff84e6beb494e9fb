#include "suites/protocols.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "suites/seed_streams.hpp"

namespace dropcheck::suites {
namespace {

/// Elements of a large call that is still asked for its output: 256 MiB of f32.
constexpr std::int64_t kMostShownElements = std::int64_t{1} << 26;

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

/// Streaming checks look at nothing but masks, apart from unbiasedness.kept_value, which takes the outputs
/// that there are.
std::vector<Step> for_masks(std::vector<Step> steps) {
  for (Step& step : steps) {
    const Problem& x = step.problem;
    step.mask_suffices = draws_mask(x) && x.layout == Layout::contiguous && !x.in_place;
  }
  return steps;
}

/// A reseed, then `calls` calls on one input.
std::vector<Step> calls_on(const SampleInfo& sample, Input input) {
  std::vector<Step> steps = {seeded(trained(sample), 0, input)};
  steps.resize(sample.calls, next(trained(sample), input));
  return for_masks(std::move(steps));
}

std::vector<Step> mask_steps(const SampleInfo& sample, std::uint64_t block) {
  return calls_on(sample, mask_input(block));
}
std::vector<Step> position_steps(const SampleInfo& sample, std::uint64_t) {
  return calls_on(sample, Input::ones);
}

/// One call, which may have more elements than x and y could lie in memory.
std::vector<Step> large_call_steps(const SampleInfo& sample, std::uint64_t) {
  std::vector<Step> steps = calls_on(sample, Input::ones);
  for (Step& step : steps) step.mask_only = element_count(step.problem.shape) > kMostShownElements;
  return steps;
}

/// Seeds in succession, a call each.
std::vector<Step> neighbour_seed_steps(const SampleInfo& sample, std::uint64_t) {
  std::vector<Step> steps;
  for (std::uint32_t i = 0; i < sample.calls; ++i) {
    steps.push_back(seeded(trained(sample), 0, Input::ones));
    steps.back().seed_add = i;
  }
  return steps;
}

/// Masks whose seeds and calls lie close together; see seed_streams.hpp.
std::vector<Step> stream_steps(const SampleInfo& sample, std::uint64_t) {
  const Problem x = trained(sample);
  std::vector<Step> steps;
  for (std::uint64_t i = 0; i < kStreamSteps; ++i) {
    if (i < kFirstFlip) {
      steps.push_back(seeded(x, 0, Input::ones));
      steps.back().seed_add = i;
    } else if (i < kFirstCall) {
      steps.push_back(seeded(x, 0, Input::ones));
      steps.back().seed_flip = std::uint64_t{1} << (i - kFirstFlip);
    } else if (i < kFirstOther) {
      // A few seeds below the first: were seeds counted up from call to call, these calls would meet it.
      steps.push_back(i == kFirstCall ? seeded(x, 0, Input::ones) : next(x, Input::ones));
      if (i == kFirstCall) steps.back().seed_add = std::uint64_t{0} - kSeedsBelow;
    } else {
      steps.push_back(seeded(x, static_cast<unsigned>(1 + i - kFirstOther), Input::ones));
    }
  }
  return for_masks(std::move(steps));
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

std::vector<Step> determinism_steps(const Dialect& dialect, const SampleInfo& sample) {
  const Problem x = trained(sample);
  Problem eval = x;
  eval.mode = Mode::eval;
  const Input input = Input::random_integers;
  std::vector<Step> steps = {seeded(x, 0, input), next(x, input), seeded(x, 0, input), next(x, input),
                             seeded(x, 1, input)};
  if (dialect.has_eval())
    for (const Step& step : {seeded(x, 0, input), next(eval, input), next(x, input)}) steps.push_back(step);
  return steps;
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

std::vector<Step> edge_p_steps(const Dialect& dialect, const SampleInfo& sample) {
  std::vector<Step> steps;
  for (const double p : {0.0, -0.0, 1.0}) {
    if (p == 1 && dialect.p_one == AtOne::unspecified) continue;
    Problem x = trained(sample);
    x.p = p;
    for (Step& step : std::vector{seeded(x, 0, Input::random_integers), next(x, Input::random_reals)}) {
      step.expect_error = p == 1 && dialect.p_one == AtOne::refused;
      steps.push_back(std::move(step));
    }
  }
  return steps;
}

/// p = 0 on as many elements as the sample has: what is dropped with probability 2^-24 shows on large tensors
/// only.
std::vector<Step> zero_p_steps(const SampleInfo& sample, std::uint64_t) {
  SampleInfo at_zero = sample;
  at_zero.problem.p = 0;
  return calls_on(at_zero, Input::random_integers);
}

/// Drop probabilities over the whole range: both ends and what lies next to them, powers of two, decimal
/// fractions.
std::vector<double> swept_rates() {
  using Limits = std::numeric_limits<double>;
  std::vector<double> rates = {0.0,
                               -0.0,
                               1.0,
                               Limits::denorm_min(),
                               Limits::min(),
                               std::nextafter(1.0, 0.0),
                               std::nextafter(0.5, 0.0),
                               std::nextafter(0.5, 1.0)};
  for (int bits = 1; bits <= 32; ++bits) {
    rates.push_back(std::ldexp(1.0, -bits));
    rates.push_back(1 - std::ldexp(1.0, -bits));
  }
  for (int percent = 5; percent < 100; percent += 5) rates.push_back(percent / 100.0);
  for (const double rate : {0.001, 0.01, 0.33, 0.99, 0.999, 1.0 / 3}) rates.push_back(rate);
  return rates;
}

std::vector<Step> rate_steps(const Dialect& dialect, const SampleInfo& sample) {
  std::vector<Step> steps;
  for (const double p : swept_rates()) {
    if (dialect.seen_p(p) == 1 && dialect.p_one != AtOne::zeros) continue;
    Problem x = trained(sample);
    for (std::int64_t& extent : x.shape) extent = std::min<std::int64_t>(extent, 4);  // p is what matters
    x.p = p;
    steps.push_back(seeded(x, 0, Input::ones));
  }
  return steps;
}

/// Every bad p in training and in eval, then one good call, which must still work.
std::vector<Step> bad_p_steps(const Dialect& dialect, const SampleInfo& sample) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::vector<Step> steps;
  for (const double p :
       {-0.1, 1.1, 2.0, -1.0, std::nextafter(1.0, 2.0), -std::numeric_limits<double>::denorm_min(), kInfinity,
        -kInfinity, std::numeric_limits<double>::quiet_NaN()}) {
    if (const double seen = dialect.seen_p(p); seen >= 0 && seen <= 1) continue;  // no bad one any more
    for (const Mode mode : {Mode::train, Mode::eval}) {
      if (mode == Mode::eval && (dialect.bad_p != BadP::refused || !dialect.has_eval())) continue;
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

/// Registers a protocol whose steps depend on the dialect; as many calls as it asks.
void add_by_dialect(Registry& registry, const Dialect& dialect, const char* id, const char* summary,
                    std::vector<Step> (*steps)(const Dialect&, const SampleInfo&), bool named_only = false) {
  const SampleInfo any{id, Problem{}, 1, 1};
  registry.add_protocol(
      {.id = id,
       .summary = summary,
       .default_calls = static_cast<std::uint32_t>(steps(dialect, any).size()),
       .steps = [dialect, steps](const SampleInfo& sample, std::uint64_t) { return steps(dialect, sample); },
       .named_only = named_only});
}

}  // namespace

Input mask_input(std::uint64_t block) { return kMaskInputs[block % kMaskInputs.size()]; }

void register_protocols(Registry& registry, const Dialect& dialect) {
  registry.add_protocol(
      {.id = "mask",
       .summary = "many masks, read for every streaming statistic; the inputs change from block to block",
       .default_calls = 4,
       .steps = mask_steps,
       .takes_calls = true,
       .streaming = true});
  registry.add_protocol({.id = "deep_mask",
                         .summary = "masks from which fair bits are drawn",
                         .default_calls = 4,
                         .steps = mask_steps,
                         .takes_calls = true,
                         .named_only = true,
                         .streaming = true});
  registry.add_protocol({.id = "position",
                         .summary = "one small tensor dropped over and over, read position by position",
                         .default_calls = 512,
                         .steps = position_steps,
                         .takes_calls = true,
                         .streaming = true});
  registry.add_protocol({.id = "large_call",
                         .summary = "one large call; of more than 2^26 elements the packed mask of a "
                                    "constant input alone",
                         .default_calls = 1,
                         .steps = large_call_steps,
                         .named_only = true,
                         .streaming = true});
  registry.add_protocol({.id = "neighbour_seeds",
                         .summary = "a call each after seeds in succession",
                         .default_calls = 8,
                         .steps = neighbour_seed_steps,
                         .needs = {Feature::seeds},
                         .takes_calls = true,
                         .named_only = true,
                         .streaming = true});
  registry.add_protocol({.id = "streams",
                         .summary =
                             "64 masks a block: seeds in succession, seeds with one bit flipped, calls in "
                             "succession, other seeds",
                         .default_calls = kStreamSteps,
                         .steps = stream_steps,
                         .needs = {Feature::seeds},
                         .streaming = true});
  registry.add_protocol(
      {.id = "values",
       .summary = "ones, integers and reals, compared with the definition element by element",
       .default_calls = 3,
       .steps = value_steps});
  registry.add_protocol({.id = "gradient",
                         .summary = "masks shown first, then forward and backward under the same seeds with "
                                    "zeros in the input",
                         .default_calls = 4,
                         .steps = gradient_steps,
                         .needs = {Feature::backward, Feature::seeds}});
  add_by_dialect(registry, dialect, "determinism",
                 "equal and different seeds, consecutive calls, an eval call in between", determinism_steps);
  registry.add_protocol({.id = "threads",  // work is split on large tensors only
                         .summary = "one seed with 1, 2, 3 and 8 threads",
                         .default_calls = 4,
                         .steps = thread_steps,
                         .needs = {Feature::threads},
                         .named_only = true});
  registry.add_protocol(
      {.id = "eval", .summary = "calls in eval mode", .default_calls = 2, .steps = eval_steps});
  registry.add_protocol({.id = "in_place",
                         .summary = "one seed, once out of place and once in place",
                         .default_calls = 2,
                         .steps = in_place_steps,
                         .needs = {Feature::in_place}});
  add_by_dialect(registry, dialect, "edge_p", "p = 0, -0 and 1", edge_p_steps);
  registry.add_protocol({.id = "zero_p",
                         .summary = "p = 0 on large tensors",
                         .default_calls = 4,
                         .steps = zero_p_steps,
                         .takes_calls = true,
                         .named_only = true});
  add_by_dialect(registry, dialect, "rates",
                 "drop probabilities from 0 to 1, with the smallest steps at both ends and at 1/2",
                 rate_steps, true);
  add_by_dialect(registry, dialect, "bad_p",
                 "p outside [0, 1] and NaN, in training and in eval, then a good call", bad_p_steps);
  registry.add_protocol({.id = "degenerate",
                         .summary = "tensors without elements and without dimensions",
                         .default_calls = 2,
                         .steps = degenerate_steps,
                         .handles_empty = true});
}

}  // namespace dropcheck::suites
