// embedding.recurrent_sites: dropout stands between stacked recurrent layers and nowhere else.

#include <cmath>

#include "suites/dialects/row_layers.hpp"
#include "suites/embedding/embedding_check.hpp"
#include "suites/embedding/parameters.hpp"
#include "suites/embedding/recurrent_network.hpp"
#include "suites/embedding/site_mask.hpp"

namespace dropcheck::suites::embedding {
namespace {

constexpr double kTolerance = 1e-4;  // of numbers between 0.1 and 3 after a few operations in f32

struct Case {
  Cell cell;
  RecurrentShape shape;
  std::int64_t first_reading;  // layers before it are constant
  double p;
  Mode mode;
};

/// Cases of one cell; the last two have one seed and show one place with dropout, and both.
std::vector<Case> cases_of(Cell cell) {
  const RecurrentShape one{4, 4, 16, 1}, two{4, 4, 16, 2}, three{4, 4, 16, 3};
  const RecurrentShape one_both{4, 4, 16, 1, true}, two_both{4, 4, 16, 2, true};
  return {{cell, two, 1, 0.5, Mode::train},      {cell, two, 1, 0.2, Mode::train},
          {cell, two_both, 1, 0.5, Mode::train}, {cell, two, 1, 0.5, Mode::eval},
          {cell, two, 1, 0.0, Mode::train},      {cell, two, 1, 1.0, Mode::train},
          {cell, two, 2, 0.5, Mode::train},  // constant last layer: what comes after it would show
          {cell, two_both, 2, 0.5, Mode::train}, {cell, one, 0, 0.5, Mode::train},  // reads x
          {cell, one_both, 0, 0.5, Mode::train}, {cell, three, 2, 0.5, Mode::train},
          {cell, three, 1, 0.5, Mode::train}};
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all = [] {
    std::vector<Case> made;
    for (const Cell cell : kCells)
      for (const Case& c : cases_of(cell)) made.push_back(c);
    return made;
  }();
  return all;
}

std::vector<Step> steps() {
  std::vector<Step> asked;
  for (const Case& c : cases())
    asked.push_back(RecurrentNetwork::reading_from(c.cell, c.shape, c.first_reading).step(c.p, c.mode));
  return asked;
}

/// Whether something is dropped on the way to y: between two layers, before one that reads.
bool shows_dropout(const Case& c) {
  return c.mode == Mode::train && c.p > 0 && c.first_reading > 0 && c.first_reading < c.shape.layers;
}

/// What y is where nothing on its way was dropped.
double kept_level(const Case& c) {
  const double scale = c.mode == Mode::train && c.p < 1 ? 1 / (1 - c.p) : 1;
  double level = c.first_reading == 0 ? 1 : RecurrentNetwork::constant_level(c.cell);
  for (std::int64_t l = c.first_reading; l < c.shape.layers; ++l)
    level = RecurrentNetwork::read(c.cell, l == 0 ? level : level * scale);
  return level;
}

void judge_values(RowTrial& trial, std::size_t i, const Case& c, const std::vector<double>& y) {
  const double kept = kept_level(c);
  if (!shows_dropout(c))
    return require_all_near(trial, i, y, kept, kTolerance, "there is no dropout on its way");
  if (c.p == 1) return require_all_near(trial, i, y, 0, kTolerance, "p = 1 drops everything");
  std::uint64_t dropped = 0, wrong = 0;
  double first = 0;
  for (const double value : y) {
    if (near(value, 0, kTolerance)) ++dropped;
    else if (!near(value, kept, kTolerance) && wrong++ == 0) first = value;
  }
  trial.require_all(y.size(), wrong, [&] {
    return fmt::format(
        "{}: {} of {} elements are neither 0 nor {:.6g}, which a kept one is after the scale "
        "1/(1 - p); one is {:.6g}",
        trial.place(i), wrong, y.size(), kept, first);
  });
  trial.require(dropped > 0 && dropped < y.size(), [&] {
    return fmt::format("{}: {} of {} elements are dropped between the layers; some must be, and not all",
                       trial.place(i), dropped, y.size());
  });
}

/// h_n comes before dropout: constant layers have their constant in it, the last layer what y has.
void judge_last_states(RowTrial& trial, std::size_t i, const Case& c, const std::vector<double>& y) {
  const std::vector<double> h_n = numbers(trial, i, trial.reply(i).extra.at("h_n"));
  const RecurrentShape& s = c.shape;
  const auto per_layer = static_cast<std::size_t>(s.directions() * s.batch * s.hidden);
  const auto constant = static_cast<std::size_t>(c.first_reading) * per_layer;
  require_all_near(trial, i, {h_n.begin(), h_n.begin() + static_cast<std::ptrdiff_t>(constant)},
                   RecurrentNetwork::constant_level(c.cell), kTolerance,
                   "h_n of a constant layer, taken before dropout");
  std::size_t at = static_cast<std::size_t>(s.layers - 1) * per_layer;
  std::uint64_t wrong = 0;
  for (std::int64_t d = 0; d < s.directions(); ++d)
    for (std::int64_t b = 0; b < s.batch; ++b)
      for (std::int64_t j = 0; j < s.hidden; ++j, ++at) {
        const std::int64_t t = d == 0 ? s.steps - 1 : 0;
        wrong += h_n[at] != y[static_cast<std::size_t>((t * s.batch + b) * s.width() + d * s.hidden + j)];
      }
  trial.require_all(per_layer, wrong, [&] {
    return fmt::format(
        "{}: h_n of the last layer differs from its output in {} of {} elements; nothing is "
        "dropped after it",
        trial.place(i), wrong, per_layer);
  });
}

/// Three layers under one seed: what the second place alone drops stays dropped where both drop, and the
/// first drops more.
void judge_both_places(RowTrial& trial, std::size_t second, std::size_t both) {
  if (!trial.answered(second) || !trial.answered(both)) return;
  const std::vector<double> a = numbers(trial, second, trial.reply(second).y),
                            b = numbers(trial, both, trial.reply(both).y);
  std::uint64_t risen = 0, first = 0;
  for (std::size_t e = 0; e < a.size(); ++e) {
    const bool dropped_by_second = near(a[e], 0, kTolerance), dropped_by_any = near(b[e], 0, kTolerance);
    risen += dropped_by_second && !dropped_by_any ? 1u : 0u;
    first += !dropped_by_second && dropped_by_any ? 1u : 0u;
  }
  trial.require_all(a.size(), risen, [&] {
    return fmt::format(
        "{}: {} elements pass the place before the last layer that it drops under the same seed "
        "with other weights",
        trial.place(both), risen);
  });
  trial.require(first > 0, [&] {
    return fmt::format("{}: nothing is dropped between the first two of three layers", trial.place(both));
  });
}

void judge(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const Case& c = cases()[trial.reply(i).index];
    const std::vector<double> y = numbers(trial, i, trial.reply(i).y);
    judge_values(trial, i, c, y);
    judge_last_states(trial, i, c, y);
    require_cpu_words(trial, i, reference::words_of_recurrent(c.shape.counted(), c.p, c.mode));
    const bool is_last_of_cell = c.shape.layers == 3 && c.first_reading == 1;
    if (is_last_of_cell) judge_both_places(trial, i - 1, i);
  }
}

}  // namespace

Definition recurrent_sites() {
  return {"embedding.recurrent_sites",
          "embedding_recurrent_sites",
          "stacked recurrent layers whose weights show where something is dropped",
          problem_of(0.5, {4, 4, 16}),
          steps,
          judge,
          "dropout stands between stacked recurrent layers and nowhere else, and h_n is taken before it"};
}

}  // namespace dropcheck::suites::embedding
