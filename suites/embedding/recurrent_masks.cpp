// embedding.recurrent_masks: between recurrent layers every element has a draw of its own.

#include "suites/dialects/row_layers.hpp"
#include "suites/embedding/embedding_check.hpp"
#include "suites/embedding/parameters.hpp"
#include "suites/embedding/recurrent_network.hpp"
#include "suites/embedding/site_mask.hpp"

namespace dropcheck::suites::embedding {
namespace {

// Any two time steps, sequences or features have 128 entries or more to compare.
constexpr RecurrentShape kTwo{8, 16, 8, 2, true}, kThree{8, 16, 8, 3, true};
constexpr std::size_t kStepsOfCell = 4;

std::vector<Step> steps() {
  std::vector<Step> asked;
  for (const Cell cell : kCells) {
    const auto step = [&](const RecurrentShape& shape, std::int64_t first_reading) {
      return RecurrentNetwork::reading_from(cell, shape, first_reading).step(kMaskP);
    };
    asked.push_back(step(kTwo, 1));
    asked.push_back(continued(step(kTwo, 1)));
    asked.push_back(step(kThree, 2));  // shows the second place with dropout,
    asked.push_back(step(kThree, 1));  // then both, under the same seed
  }
  return asked;
}

/// Zeros in y are dropped.
SiteMask shown_mask(const RowTrial& trial, std::size_t i, std::string name) {
  SiteMask mask = unseen_mask(std::move(name), {kTwo.steps, kTwo.batch, kTwo.width()});
  const std::vector<double> y = numbers(trial, i, trial.reply(i).y);
  for (std::size_t e = 0; e < y.size(); ++e)
    mask.entries[e] = near(y[e], 0, 1e-4) ? Entry::dropped : Entry::kept;
  return mask;
}

void judge_axes(RowTrial& trial, std::size_t i, const SiteMask& mask) {
  require_active(trial, i, mask);
  require_unshared(trial, i, mask, 0, "time steps");
  require_unshared(trial, i, mask, 1, "sequences");
  require_unshared(trial, i, mask, 2, "features of both directions");
}

void judge(RowTrial& trial) {
  for (std::size_t i = 0; i + kStepsOfCell <= trial.size(); i += kStepsOfCell) {
    bool answered = true;
    for (std::size_t k = 0; k < kStepsOfCell; ++k) answered = trial.answered(i + k) && answered;
    if (!answered) continue;
    for (std::size_t k = 0; k < kStepsOfCell; ++k)
      require_cpu_words(
          trial, i + k,
          reference::words_of_recurrent(k < 2 ? kTwo.counted() : kThree.counted(), kMaskP, Mode::train));
    const SiteMask first_call = shown_mask(trial, i, "the mask between two layers"),
                   next_call = shown_mask(trial, i + 1, "that of the next call"),
                   second_place = shown_mask(trial, i + 2, "the mask between layers 2 and 3"),
                   both = shown_mask(trial, i + 3, "that of both places");
    judge_axes(trial, i, first_call);
    require_different(trial, i + 1, first_call, next_call);
    judge_axes(trial, i + 2, second_place);
    SiteMask first_place = unseen_mask("the mask between layers 1 and 2", both.shape);
    for (std::size_t e = 0; e < both.entries.size(); ++e)
      if (second_place.entries[e] == Entry::kept) first_place.entries[e] = both.entries[e];
    require_different(trial, i + 3, first_place, second_place);
    require_active(trial, i + 3, first_place);
  }
}

}  // namespace

Definition recurrent_masks() {
  return {"embedding.recurrent_masks",
          "embedding_recurrent_masks",
          "stacked recurrent layers whose weights show their masks",
          problem_of(kMaskP, {8, 16, 8}),
          steps,
          judge,
          "time steps, sequences, features, directions, layers and calls have draws of their own"};
}

}  // namespace dropcheck::suites::embedding
