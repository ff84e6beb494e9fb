// xformers and FlashAttention: their tests of dropout inside attention, restated on plain dropout of shapes
// [batch, heads, queries, keys]. The mask is read off the output instead of the kernel's own dump.

#include <algorithm>
#include <cmath>

#include "harness/core/element.hpp"
#include "harness/core/hash.hpp"
#include "reference/scale_forms.hpp"
#include "suites/dense_bytes.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/foreign_looks.hpp"
#include "suites/rivals/rival_looks.hpp"

namespace dropcheck::suites {
namespace {

// --- xformers

constexpr unsigned kMasks = 1000;  // of a case
constexpr double kLeastP = 1e-6;   // p-values that pass are above it

/// p 0.3 and 0.7, 20 shapes, two seeds: 80 cases of 1000 masks that one seed begins.
std::vector<Step> mask_steps() {
  std::vector<Step> steps;
  steps.reserve(std::size_t{80} * kMasks);
  unsigned slot = 0;
  for (const double p : {0.3, 0.7})
    for (const std::int64_t batch : {1, 2})
      for (const std::int64_t q : {2, 33})
        for (const std::int64_t k : {3, 15, 32, 33, 65})
          for (int seed = 0; seed < 2; ++seed) {
            Step step = seeded_step(problem_of(p, {batch, 1, q, k}), Input::ones, slot++);
            step.count_words = false;
            steps.push_back(step);
            step.seed_slot.reset();
            steps.insert(steps.end(), kMasks - 1, step);
          }
  return steps;
}

/// Whether all masks of a case can be counted.
bool case_shows(RivalTrial& trial, std::size_t first) {
  for (std::size_t i = first; i < std::min(trial.size(), first + kMasks); ++i)
    if (!trial.shows(i)) return false;
  return true;
}

void pooled_rates(RivalTrial& trial) {
  for (std::size_t first = 0; first < trial.size(); first += kMasks) {
    if (!case_shows(trial, first)) continue;
    const double p = trial.step(first).problem.p;
    std::uint64_t n = 0, dropped = 0;
    for (std::size_t i = first; i < first + kMasks; ++i) {
      n += trial.count(i).elements;
      dropped += *trial.count(i).dropped;
    }
    const double p_value = binomtest(n, dropped, p);
    trial.require(p_value > kLeastP, [&] {
      return fmt::format("{} and the {} masks after it: {} of {} entries are dropped, p-value {:.2g}",
                         trial.place(first), kMasks - 1, dropped, n, p_value);
    });
  }
}

void rates_by_place(RivalTrial& trial) {
  std::vector<double> p_values;  // by the number of drops, for the p of the last case
  double p = 0;
  for (std::size_t c = 0; c < trial.cases(); ++c) {
    const std::size_t first = c * kMasks;
    if (!case_shows(trial, first)) continue;
    if (trial.step(first).problem.p != p) {
      p = trial.step(first).problem.p;
      p_values.clear();
      for (unsigned x = 0; x <= kMasks; ++x) p_values.push_back(binomtest(kMasks, x, p));
    }
    const std::vector<std::uint32_t>& dropped = trial.dropped_at(c);
    std::uint64_t wrong = 0;
    std::size_t worst = 0;
    for (std::size_t e = 0; e < dropped.size(); ++e) {
      wrong += p_values.at(dropped[e]) > kLeastP ? 0u : 1u;
      if (p_values.at(dropped[e]) < p_values.at(dropped[worst])) worst = e;
    }
    trial.require_all(dropped.size(), wrong, [&] {
      return fmt::format("{} and the {} masks after it: element {} is dropped {} times, p-value {:.2g}",
                         trial.place(first), kMasks - 1, worst, dropped[worst], p_values.at(dropped[worst]));
    });
  }
}

/// Twice with one seed, and the mask once more from it.
std::vector<Step> output_steps() {
  std::vector<Step> steps;
  unsigned slot = 0;
  for (const double p : {0.3, 0.7})
    for (const std::int64_t batch : {1, 2})
      for (const std::int64_t q : {2, 33})
        for (const std::int64_t k : {3, 15, 32, 33, 65}) {
          const Problem x = problem_of(p, {batch, 1, q, k}, DType::f16);
          for (const Input input : {Input::normals, Input::normals, Input::ones})
            steps.push_back(seeded_step(x, input, slot));
          ++slot;
        }
  return steps;
}
void outputs_follow_mask(RivalTrial& trial) {
  for (std::size_t i = 0; i + 2 < trial.size(); i += 3) {
    trial.require_equal(i, i + 1, "one seed, twice");
    require_mask_of(trial, i, i + 2);
    require_kept_values(trial, i, 2.8e-2, 0);
  }
}

std::vector<Step> backward_steps() {
  std::vector<Step> steps;
  unsigned slot = 0;
  for (const double p : {1e-6, 0.3, 0.7})
    for (const std::int64_t batch : {1, 2})
      for (const std::int64_t q : {3, 248, 256})
        for (const std::int64_t k : {3, 248, 256}) {
          const Problem x = problem_of(p, {batch, 1, q, k}, DType::f16);
          steps.push_back(with_gradient(seeded_step(x, Input::random_reals, slot)));
          steps.push_back(seeded_step(x, Input::ones, slot++));
        }
  return steps;
}
void gradients_follow_mask(RivalTrial& trial) {
  for (std::size_t i = 0; i + 1 < trial.size(); i += 2) {
    require_mask_of(trial, i, i + 1);
    require_gradient_by_output(trial, i, 0.2, 0.02);
  }
}

/// The older tests of the Triton kernel.
std::vector<Step> triton_kernel_steps() {
  std::vector<Step> steps;
  unsigned slot = 0;
  for (const double p : {0.1, 0.5}) {
    const Problem x = problem_of(p, {384, 512});
    steps.push_back(seeded_step(x, Input::ones, slot));
    steps.push_back(next_step(x));
    steps.push_back(seeded_step(x, Input::ones, slot++));
  }
  return steps;
}
void triton_kernel_holds(RivalTrial& trial) {
  require_rates(trial, 0.02);
  for (std::size_t i = 0; i + 2 < trial.size(); i += 3) {
    require_other(trial, i, i + 1, "two calls in turn");
    trial.require_equal(i, i + 2, "one seed, twice");
    if (!trial.answered(i)) continue;
    const auto& y = trial.reply(i).y;
    const auto row = static_cast<std::ptrdiff_t>(512 * size_of(DType::f32));
    trial.require(!std::equal(y.begin(), y.begin() + row, y.begin() + row),
                  [&] { return fmt::format("{}: rows 0 and 1 are equal", trial.place(i)); });
  }
}

// --- FlashAttention

constexpr double kFlashP = 0.17;

/// Batch 4 and 6 heads; three of their pairs of lengths, with p = 0 beside theirs.
std::vector<Step> flash_steps() {
  std::vector<Step> steps;
  unsigned slot = 0;
  for (const DType dtype : {DType::f16, DType::bf16})
    for (const auto& [q, k] : {std::pair{113, 203}, std::pair{128, 217}, std::pair{108, 256}})
      for (const double p : {0.0, kFlashP})
        steps.push_back(
            with_gradient(seeded_step(problem_of(p, {4, 6, q, k}, dtype), Input::random_reals, slot++),
                          Input::random_reals));
  return steps;
}

/// The same without gradients, for whoever has none.
std::vector<Step> flash_forward_steps() {
  std::vector<Step> steps = flash_steps();
  for (Step& step : steps) step.upstream.reset();
  return steps;
}

/// The largest errors against the exact quotient: of y, of y as PyTorch would round it, of dx, and of dx so
/// rounded. The mask is where y is not zero.
std::vector<double> flash_look(const StepRecord& record) {
  const Problem& problem = record.step->problem;
  const std::size_t size = size_of(problem.dtype);
  const double q = 1 - problem.p;
  const reference::ScaleRule rule(reference::scale_forms(problem.dtype)[0], problem.p, problem.dtype);
  const std::vector<std::byte> y = dense_bytes(record.y), dx = dense_bytes(record.dx);
  std::vector<double> errors(4, 0.0);
  const auto see = [&](std::size_t at, double seen, double exact, double rounded) {
    const double error = std::fabs(seen - exact);
    if (!(error <= errors[at])) errors[at] = error;  // a NaN is taken, and stays
    errors[at + 1] = std::max(errors[at + 1], std::fabs(rounded - exact));
  };
  for (std::size_t at = 0; at + size <= y.size(); at += size) {
    const double seen = load_element(y.data() + at, problem.dtype);
    const bool kept = seen != 0;
    if (kept) {
      const double x = load_element(record.x.data() + at, problem.dtype);
      see(0, seen, x / q, rule(x));
    }
    if (dx.empty()) continue;
    const double dy = load_element(record.dy.data() + at, problem.dtype);
    see(2, load_element(dx.data() + at, problem.dtype), kept ? dy / q : 0, kept ? rule(dy) : 0);
  }
  return errors;
}
void flash_fractions(RivalTrial& trial) { require_rates(trial, 0.01); }
void flash_errors(RivalTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const std::vector<double>& errors = trial.count(i).look;
    const auto bounded = [&](std::size_t at, double factor, const char* what) {
      trial.require(errors.at(at) <= factor * errors.at(at + 1), [&] {
        return fmt::format(
            "{}: the largest error of the {} is {:.3g}, more than {} times the {:.3g} of PyTorch",
            trial.place(i), what, errors.at(at), factor, errors.at(at + 1));
      });
    };
    bounded(0, 2, "output");
    bounded(2, 3, "gradient");
  }
}

constexpr unsigned kRepeats = 250;

std::vector<Step> race_steps() {
  Step step = with_gradient(seeded_step(problem_of(kFlashP, {4, 4, 32, 32}, DType::f16), Input::random_reals),
                            Input::random_reals);
  step.count_words = false;
  return std::vector<Step>(kRepeats, step);
}
std::vector<double> digest_look(const StepRecord& record) {
  std::vector<double> halves;
  for (const TensorView& view : {record.y, record.dx}) {
    const std::vector<std::byte> bytes = dense_bytes(view);
    const std::uint64_t hash =
        keyed_hash(0, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});  // bytes as text
    halves.push_back(static_cast<double>(hash >> 32));
    halves.push_back(static_cast<double>(hash & 0xffffffff));
  }
  return halves;
}
void repeats_equal(RivalTrial& trial) {
  if (trial.size() == 0 || !trial.answered(0)) return;
  for (std::size_t i = 1; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    trial.require(trial.count(i).look == trial.count(0).look, [&] {
      return fmt::format("{}: output or gradient is not that of the first call with this seed",
                         trial.place(i));
    });
  }
}

std::string best_text() {
  const double n = 2.0 * 33 * 65 * kMasks;
  const double z = 4.8916;  // two-sided p-value 1e-6
  return sigma_text(z, 0.3, n);
}

}  // namespace

RivalSuite xformers_rival() {
  return {
      {"xformers", "xformers' tests of dropout in attention",
       "facebookresearch/xformers, tests/test_mem_eff_attention.py as of a205b24e (pull request 755) and at "
       "HEAD, "
       "and the older tests of its Triton dropout"},
      {{.name = "pooled_rate",
        .title = "1000 masks a case together have the rate, p-value above 1e-6",
        .foreign =
            {"tests/test_mem_eff_attention.py: test_dropout, binomial test of 1000 masks; p 0.3 and 0.7, "
             "seeds 42 and 124, keys 3 to 65; here two seeds of the run a case",
             best_text() + " in the largest of 80 cases", "mask_rate.drop_rate"},
        .cannot_see = "rates that only other p show, dependence between entries and between calls, and the "
                      "other shapes",
        .steps = mask_steps,
        .judge = pooled_rates,
        .keeps_elements = false},
       {.name = "rate_by_place",
        .title = "each place has the rate over 1000 masks, p-value above 1e-6",
        .foreign = {"tests/test_mem_eff_attention.py: test_dropout, binomial test of each place",
                    sigma_text(4.8916, 0.3, kMasks) + " of one place", "mask_rate.position"},
        .cannot_see = "dependence between places and between calls: groups of four with one entry pass",
        .steps = nullptr,
        .judge = rates_by_place,
        .reads = "pooled_rate",
        .keeps_elements = false,
        .calls_of_case = kMasks},
       {.name = "output",
        .title = "one seed gives one output, which follows the mask",
        .foreign =
            {"tests/test_mem_eff_attention.py: test_dropout; f16 within 2.8e-2 of the reference with the "
             "mask generated again",
             "no error of the rate at all; any difference under one seed, and a kept value off by "
             "2.8e-2",
             "seed_determinism.same_seed"},
        .cannot_see = "whether the mask itself is right: the same generator gives it twice",
        .steps = output_steps,
        .judge = outputs_follow_mask,
        .needs = {Feature::seeds}},
       {.name = "backward",
        .title = "the gradient follows the mask",
        .foreign =
            {"tests/test_mem_eff_attention.py: test_dropout_backward; p 1e-6, 0.3 and 0.7, sizes 3, 248 "
             "and 256, f16; within 0.2 and 2 % (their bounds for half)",
             "no error of the rate at all; another mask in the gradient, or a scale off by 0.2",
             "gradient_consistency.same_mask"},
        .cannot_see = "scales that are off by less than 0.2 and 2 % in the gradient",
        .steps = backward_steps,
        .judge = gradients_follow_mask,
        .needs = {Feature::seeds}},
       {.name = "triton_dropout",
        .title = "rate within 0.02; other rows and calls differ, one seed repeats",
        .foreign = {"the older tests of the Triton dropout, at 384 x 512, p 0.1 and 0.5",
                    rate_text(0.02, 0.5, 384.0 * 512), "mask_rate.drop_rate"},
        .cannot_see = "masks that are alike without being equal",
        .steps = triton_kernel_steps,
        .judge = triton_kernel_holds,
        .needs = {Feature::seeds}}}};
}

RivalSuite flash_attention_rival() {
  return {
      {"flash_attention", "FlashAttention's tests with dropout",
       "Dao-AILab/flash-attention, tests/test_flash_attn.py"},
      {{.name = "fraction",
        .title = "the part of entries that are dropped is within 0.01",
        .foreign =
            {"tests/test_flash_attn.py: dropout_fraction at p = 0.17, batch 4, 6 heads; their seed is 0; "
             "here three of their pairs of lengths",
             rate_text(0.01, kFlashP, 4.0 * 6 * 113 * 203), "mask_rate.drop_rate"},
        .cannot_see =
            "other p, where the drops lie, calls and seeds that share a mask; a threshold of 8 bits "
            "is off by 0.0019 at its p",
        .steps = flash_forward_steps,
        .judge = flash_fractions,
        .keeps_elements = false},
       {.name = "errors",
        .title = "errors at most 2 and 3 times those of PyTorch, in output and gradient",
        .foreign =
            {"tests/test_flash_attn.py: output within twice, gradients within three times the error of "
             "PyTorch in f16 and bf16, with the mask that the kernel returns",
             "no error of the rate at all; another mask in the gradient", "gradient_consistency.value"},
        .cannot_see = "whether the mask is right",
        .steps = flash_steps,
        .judge = flash_errors,
        .keeps_elements = false,
        .look = flash_look},
       {.name = "race",
        .title = "250 repeats with one seed are equal bit for bit",
        .foreign =
            {"tests/test_flash_attn.py: test_flash_attn_race_condition; their seed is 42, and their shapes "
             "are larger",
             "no error of the rate at all; any difference under one seed, in output or gradient",
             "seed_determinism.same_seed"},
        .cannot_see = "anything that repeats",
        .steps = race_steps,
        .judge = repeats_equal,
        .keeps_elements = false,
        .look = digest_look,
        .needs = {Feature::seeds}}}};
}

}  // namespace dropcheck::suites
