// Rows 46, 47 and 54: which entry of a mask takes which numbers of the stream.

#include "harness/core/tensor.hpp"
#include "reference/memory_order.hpp"
#include "suites/dialects/pytorch.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/dialects/row_values.hpp"

namespace dropcheck::suites {
namespace {

// --- 46 and 47: the order in which a mask is drawn

std::vector<Step> permuted_calls() {
  std::vector<Step> steps;
  for (const double p : {0.1, 0.3, 0.5}) {
    for (const std::vector<std::int64_t>& shape :
         std::vector<std::vector<std::int64_t>>{{6, 20}, {3, 4, 5}, {2, 3, 5, 7}})
      steps.push_back(seeded_step(with_layout(problem_of(p, shape), Layout::transposed)));
    steps.push_back(seeded_step(with_layout(problem_of(p, {4, 3, 5, 7}), Layout::channels_last)));
    steps.push_back(
        seeded_step(with_layout(problem_of(p, {2, 3, 4, 5, 3}, DType::f64), Layout::channels_last_3d)));
    steps.push_back(seeded_step(in_place(with_layout(problem_of(p, {4, 3, 5, 7}), Layout::channels_last))));
  }
  return steps;
}

std::vector<Step> native_permuted_calls() {
  std::vector<Step> steps;
  for (Step& step : permuted_calls())
    if (!step.problem.in_place) steps.push_back(through(std::move(step), "native_dropout"));
  return steps;
}

/// Each step's mask is the stream's, laid down by address or by index.
void require_order(RowTrial& trial, bool by_address) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const Problem& problem = trial.step(i).problem;
    const MaskBits drawn = stream_mask(*trial.reply(i).seed, problem.p,
                                       static_cast<std::uint64_t>(element_count(problem.shape)));
    if (!by_address) {
      require_mask(trial, i, drawn, "the stream in logical order");
      continue;
    }
    MaskBits laid(drawn.size());
    reference::MemoryOrder(problem.shape, geometry_of(problem, problem.in_place).strides)
        .for_each([&](std::uint64_t logical, std::uint64_t address) {
          if (drawn[address]) laid.set(logical);
        });
    require_mask(trial, i, laid, "the stream in the order of addresses");
  }
}

void judge_dropout_order(RowTrial& trial) {
  if (!claims_two_words(trial)) return;
  if (trial.is_pytorch() && !is_old_pytorch(trial) && !is_new_pytorch(trial))
    return trial.leave_out("it is not known what releases between 1.13.1 and 2.13 do");
  require_order(trial, is_new_pytorch(trial));
  trial.note(is_new_pytorch(trial) ? "drawn in the order of addresses" : "drawn in logical order");
}

void judge_native_order(RowTrial& trial) {
  if (claims_two_words(trial)) require_order(trial, true);
}

// --- 54

std::vector<Step> rising_p() {
  std::vector<Step> steps;
  for (const Op op : {Op::dropout, Op::dropout2d})
    for (const double p : {0.1, 0.15, 0.3, 0.5, 0.7, 0.9})
      steps.push_back(seeded_step(problem_of(p, {60, 70}, DType::f32, op)));
  return steps;
}

void judge_rising_p(RowTrial& trial) {
  for (std::size_t i = 1; i < trial.size(); ++i) {
    if (trial.step(i).problem.op != trial.step(i - 1).problem.op || trial.reply(i).index == 0) continue;
    if (!trial.answered(i - 1) || !trial.answered(i)) continue;
    const std::vector<bool> less = trial.dropped(i - 1), more = trial.dropped(i);
    std::uint64_t back = 0, added = 0;
    for (std::size_t e = 0; e < more.size(); ++e) {
      back += less[e] && !more[e] ? 1u : 0u;
      added += more[e] && !less[e] ? 1u : 0u;
    }
    trial.require_all(more.size(), back, [&] {
      return fmt::format("{} keeps {} elements that the smaller p = {} drops under the same seed",
                         trial.place(i), back, trial.step(i - 1).problem.p);
    });
    trial.require(added > 0, [&] {
      return fmt::format("{} drops no more than the smaller p = {}", trial.place(i),
                         trial.step(i - 1).problem.p);
    });
  }
}

}  // namespace

std::vector<RowDefinition> draw_order_rows() {
  const Problem plain = problem_of(0.3, {1000});
  return {
      {.row = {46,
               "dropout, CPU",
               "input in channels-last or another permuted order",
               "1.13.1 draws in logical order; 2.13 in the order of addresses",
               "bitwise",
               kRunOnBoth,
               "1.13.1 and 2.13, each with its own",
               {}},
       .problem = plain,
       .needs = {Feature::exact_stream},
       .steps = permuted_calls,
       .judge = judge_dropout_order,
       .held = "permuted inputs get their mask in the order of that release"},
      {.row = {47,
               "native_dropout, CPU",
               "input in channels-last or another permuted order",
               "the mask is drawn in the order of addresses",
               "bitwise",
               kRunOnBoth,
               "all",
               {}},
       .problem = plain,
       .needs = {Feature::exact_stream},
       .steps = native_permuted_calls,
       .judge = judge_native_order,
       .held = "native_dropout draws in the order of addresses"},
      {.row = {54,
               "dropout",
               "the same seed with a larger p",
               "drops what the smaller p drops, and more",
               "bitwise",
               kRunOnBoth,
               "all",
               {}},
       .problem = plain,
       .needs = {Feature::exact_stream, Feature::seeds},
       .steps = rising_p,
       .judge = judge_rising_p,
       .held = "masks of one seed are nested"},
  };
}

}  // namespace dropcheck::suites
