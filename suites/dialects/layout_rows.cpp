// Rows 48-53: strides of results, inputs that share their elements, calls in place.

#include "harness/core/tensor.hpp"
#include "harness/stats/binomial.hpp"
#include "suites/dialects/pytorch.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/dialects/row_values.hpp"

namespace dropcheck::suites {
namespace {

using Strides = std::vector<std::int64_t>;

/// Strides of the result that the backend itself made; dimensions of one element do not count.
void require_strides(RowTrial& trial, std::size_t i, const Strides& expected) {
  if (!trial.answered(i)) return;
  const Strides& told = trial.reply(i).seen.produced_strides;
  const auto& shape = trial.step(i).problem.shape;
  if (told.empty()) return trial.leave_out("the backend does not tell the strides of its result");
  bool same = told.size() == expected.size();
  for (std::size_t d = 0; same && d < shape.size(); ++d) same = shape[d] == 1 || told[d] == expected[d];
  trial.require(same, [&] {
    return fmt::format("{} has a result with strides [{}]; they must be [{}]", trial.place(i),
                       fmt::join(told, ", "), fmt::join(expected, ", "));
  });
}

Strides strides_of(const Problem& problem) { return geometry_of(problem, false).strides; }
Strides contiguous_strides(Problem problem) {
  problem.layout = Layout::contiguous;
  return strides_of(problem);
}

// --- 48

std::vector<Step> permuted_calls() {
  std::vector<Step> steps;
  for (const double p : {0.1, 0.5, 1.0, 0.0})
    for (const DType dtype : {DType::f32, DType::bf16}) {
      for (const Op op : {Op::dropout, Op::dropout2d, Op::alpha_dropout}) {
        steps.push_back(seeded_step(with_layout(problem_of(p, {6, 20}, dtype, op), Layout::transposed)));
        steps.push_back(seeded_step(with_layout(problem_of(p, {3, 4, 5}, dtype, op), Layout::transposed)));
        steps.push_back(
            seeded_step(with_layout(problem_of(p, {4, 3, 5, 7}, dtype, op), Layout::channels_last)));
        steps.push_back(
            seeded_step(with_layout(problem_of(p, {2, 3, 4, 5, 3}, dtype, op), Layout::channels_last_3d)));
      }
      steps.push_back(
          seeded_step(in_place(with_layout(problem_of(p, {4, 3, 5, 7}, dtype), Layout::channels_last))));
    }
  return steps;
}

void judge_permuted(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) require_strides(trial, i, strides_of(trial.step(i).problem));
}

// --- 49

std::vector<Step> sliced_calls() {
  std::vector<Step> steps;
  for (const double p : {0.1, 0.5, 1.0, 0.0})
    for (const std::vector<std::int64_t>& shape :
         std::vector<std::vector<std::int64_t>>{{40}, {6, 7}, {3, 4, 5}}) {
      steps.push_back(seeded_step(with_layout(problem_of(p, shape), Layout::strided)));
      steps.push_back(seeded_step(in_eval(with_layout(problem_of(p, shape), Layout::strided))));
      steps.push_back(
          seeded_step(with_layout(problem_of(p, shape, DType::f32, Op::alpha_dropout), Layout::strided)));
    }
  return steps;
}

void judge_sliced(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    const Problem& problem = trial.step(i).problem;
    const bool untouched = problem.p == 0 || problem.mode == Mode::eval;
    require_strides(trial, i, untouched ? strides_of(problem) : contiguous_strides(problem));
  }
}

// --- 50: copies of one slice, compared two and two

constexpr double kExpandedP[] = {0.1, 0.3, 0.5};
constexpr std::int64_t kCopies = 32, kSlice = 4096;

std::vector<Step> expanded_calls() {
  std::vector<Step> steps;
  unsigned slot = 0;
  for (const double p : kExpandedP)
    steps.push_back(
        seeded_step(with_layout(problem_of(p, {kCopies, kSlice}), Layout::expanded), Input::ones, slot++));
  return steps;
}

/// Number of entries in which neighbouring copies differ: Binomial(pairs, 2 p q) where they are independent.
void test_copies(RowTrial& trial, double p, std::uint64_t pairs, std::uint64_t differ) {
  const double rate = 2 * p * (1 - p);
  Statistic statistic;
  statistic.id = "R50";
  statistic.name = fmt::format("copies that differ, p = {}", p);
  statistic.counts = {{"n", {Int128(pairs)}}, {"x", {Int128(differ)}}};
  statistic.null_law = "Binomial(n, p)";
  statistic.null_parameters = {{"p", rate}};
  set_tail(statistic, stats::binomial_two_sided(pairs, differ, rate), trial.alpha());
  const double seen = static_cast<double>(differ) / static_cast<double>(pairs);
  trial.test(std::move(statistic),
             fmt::format("p = {}: {} of {} pairs of copies of one element have different fates, "
                         "a share of {:.6g}; independent draws give {:.6g}",
                         p, differ, pairs, seen, rate));
}

void judge_expanded(RowTrial& trial) {
  for (std::size_t k = 0; k < std::size(kExpandedP); ++k) {
    std::uint64_t pairs = 0, differ = 0;
    double p = kExpandedP[k];
    for (std::size_t i = 0; i < trial.size(); ++i) {
      if (trial.reply(i).index != k || !trial.answered(i)) continue;
      p = trial.reply(i).seen.effective_p.value_or(p);
      const std::vector<bool> dropped = trial.dropped(i);
      for (std::size_t copy = 0; copy + 1 < static_cast<std::size_t>(kCopies); copy += 2)
        for (std::size_t e = 0; e < static_cast<std::size_t>(kSlice); ++e) {
          const std::size_t at = copy * static_cast<std::size_t>(kSlice) + e;
          differ += dropped[at] != dropped[at + static_cast<std::size_t>(kSlice)] ? 1u : 0u;
          ++pairs;
        }
    }
    if (pairs > 0) test_copies(trial, p, pairs, differ);
  }
}

// --- 51

constexpr std::int64_t kAfter = 256;

std::vector<Step> expanded_in_place() {
  std::vector<Step> steps;
  for (const double p : {0.1, 0.3})
    for (const std::vector<std::int64_t>& shape :
         std::vector<std::vector<std::int64_t>>{{4, 6}, {3, 2, 5}, {7, 1}}) {
      steps.push_back(refused_step(in_place(with_layout(problem_of(p, shape), Layout::expanded))));
      steps.push_back(next_step(problem_of(0.3, {kAfter})));
    }
  return steps;
}

void judge_expanded_in_place(RowTrial& trial) {
  const bool knows_stream = claims_two_words(trial);
  for (std::size_t i = 0; i + 1 < trial.size(); i += 2) {
    trial.require_refusal(
        i,
        "unsupported operation: more than one element of the written-to tensor refers to a single "
        "memory location. Please clone() the tensor before performing the operation.");
    const Reply& failed = trial.reply(i);
    if (failed.answered()) continue;
    trial.require(failed.x == failed.y,
                  [&] { return fmt::format("{} fails and has changed its input", trial.place(i)); });
    if (!knows_stream) continue;
    const std::uint64_t words = 2 * static_cast<std::uint64_t>(element_count(trial.step(i).problem.shape));
    require_mask(trial, i + 1, stream_mask(*failed.seed, 0.3, kAfter, words),
                 fmt::format("the stream after the {} words of the call that failed", words));
  }
}

// --- 52: out of place and in place under one seed

std::vector<Step> both_ways() {
  std::vector<Step> steps;
  const auto add = [&](const Problem& problem) {
    steps.push_back(seeded_step(problem, Input::random_reals));
    steps.push_back(seeded_step(in_place(problem), Input::random_reals));
  };
  for (const double p : {0.1, 0.15, 0.3, 0.5, 0.9})
    for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16})
      add(problem_of(p, {1000}, dtype));
  for (const Layout layout : {Layout::transposed, Layout::strided, Layout::shifted})
    add(with_layout(problem_of(0.3, {30, 41}), layout));
  add(with_layout(problem_of(0.3, {4, 3, 5, 7}), Layout::channels_last));
  add(problem_of(0.3, {20, 30, 4}, DType::f32, Op::dropout2d));
  return steps;
}

void judge_both_ways(RowTrial& trial) {
  if (trial.capabilities().exact_stream.starts_with("pytorch-cuda"))
    return trial.leave_out("the row is about the CPU: on CUDA the two have different kernels");
  for (std::size_t i = 0; i + 1 < trial.size(); i += 2)
    trial.require_equal(i, i + 1, "the call in place gives another result than the one out of place");
}

}  // namespace

std::vector<RowDefinition> layout_rows() {
  const Problem plain = problem_of(0.3, {6, 20});
  return {
      {.row = {48,
               "dropout",
               "a dense input with permuted dimensions",
               "the result has the input's strides",
               "structural",
               kRunOnBoth,
               "all",
               {}},
       .axes = {Axis::p_one, Axis::eval},
       .problem = plain,
       .needs = {Feature::pytorch_conformance},
       .steps = permuted_calls,
       .judge = judge_permuted,
       .held = "results of permuted inputs have their strides"},
      {.row = {49,
               "dropout",
               "a sliced input",
               "a contiguous result; with p = 0 and in eval mode the input's own strides",
               "structural",
               kRunOnBoth,
               "all",
               {}},
       .axes = {Axis::p_one, Axis::eval},
       .problem = with_layout(plain, Layout::strided),
       .needs = {Feature::pytorch_conformance},
       .steps = sliced_calls,
       .judge = judge_sliced,
       .held = "results of sliced inputs are contiguous unless they are the input"},
      {.row = {50,
               "dropout",
               "an expanded input, whose copies share their memory",
               "every copy of an element has a fate of its own",
               "statistical",
               kRunOnBoth,
               "all",
               {}},
       .problem = with_layout(problem_of(0.3, {kCopies, kSlice}), Layout::expanded),
       .steps = expanded_calls,
       .judge = judge_expanded,
       .held = "copies of one element are dropped independently",
       .hypotheses = static_cast<unsigned>(std::size(kExpandedP)),
       .power = {RowPower::Law::rate, kCopies / 2 * kSlice, 0.5, "share of copies that differ", 0.03}},
      {.row = {51,
               "dropout in place",
               "an expanded input",
               "refused, since elements share memory; the random words are gone all the same",
               "error text",
               kRunOnBoth,
               "all",
               {}},
       .problem = plain,
       .needs = {Feature::pytorch_conformance, Feature::in_place},
       .steps = expanded_in_place,
       .judge = judge_expanded_in_place,
       .held = "a call in place on shared elements is refused"},
      {.row = {52,
               "dropout, CPU",
               "in place and out of place under one seed",
               "the same result",
               "bitwise",
               kRunOnBoth,
               "all",
               {}},
       .problem = plain,
       .needs = {Feature::in_place, Feature::seeds, Feature::pytorch_conformance},
       .steps = both_ways,
       .judge = judge_both_ways,
       .held = "a call in place gives what the call out of place gives"},
      {.row = {53, "dropout, CUDA", "in place and out of place under one seed, 0 < p < 1",
               "different masks in general, since the kernels differ", "statistical",
               "read in the source, derived", "not known", "needs a CUDA device"}},
  };
}

}  // namespace dropcheck::suites
