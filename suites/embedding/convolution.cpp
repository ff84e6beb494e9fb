// embedding.convolution: Dropout2d and Dropout3d between convolutions drop whole feature maps.

#include "suites/dialects/row_layers.hpp"
#include "suites/embedding/embedding_check.hpp"
#include "suites/embedding/parameters.hpp"
#include "suites/embedding/site_mask.hpp"

namespace dropcheck::suites::embedding {
namespace {

struct Case {
  std::vector<std::int64_t> shape;
  std::int64_t dimensions;  // 2 or 3
  double p;
  Mode mode = Mode::train;
  Layout layout = Layout::contiguous;
  bool next = false;  // continues the stream after the step before
  bool batched() const { return static_cast<std::int64_t>(shape.size()) == dimensions + 2; }
  std::int64_t channels() const { return shape[batched() ? 1 : 0]; }
  std::int64_t batch() const { return batched() ? shape[0] : 1; }
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {{16, 64, 32, 32}, 2, 0.5},
      {{8, 32, 6, 5}, 2, 0.2},
      {{8, 32, 6, 5}, 2, 0.5},
      {{8, 32, 6, 5}, 2, 0.5, Mode::train, Layout::contiguous, true},
      {{8, 32, 6, 5}, 2, 0.5, Mode::train, Layout::channels_last},
      {{8, 32, 6, 5}, 2, 0.5, Mode::train, Layout::transposed},
      {{128, 6, 5}, 2, 0.5},  // unbatched: the first dimension is the channels'
      {{8, 32, 3, 4, 2}, 3, 0.5},
      {{8, 32, 3, 4, 2}, 3, 0.5, Mode::train, Layout::channels_last_3d},
      {{128, 3, 4, 2}, 3, 0.5},
      {{8, 32, 6, 5}, 2, 0.5, Mode::eval},
      {{8, 32, 3, 4, 2}, 3, 0.5, Mode::eval},
      {{8, 32, 6, 5}, 2, 0.0},
      {{8, 32, 6, 5}, 2, 1.0}};
  return all;
}

std::vector<Step> steps() {
  std::vector<Step> asked;
  for (const Case& c : cases()) {
    Problem problem = problem_of(c.p, c.shape);
    problem.mode = c.mode;
    problem.layout = c.layout;
    const auto ones = static_cast<std::size_t>(c.dimensions);  // of a kernel's extents
    Step step = given(seeded_step(problem, Input::ramp), "cnn",
                      {identity_tensor("conv1.weight", c.channels(), 1, ones),
                       filled_tensor("conv1.bias", {c.channels()}, 0),
                       identity_tensor("conv2.weight", c.channels(), 1, ones),
                       filled_tensor("conv2.bias", {c.channels()}, 0)});
    step.attributes["channels"] = c.channels();
    step.attributes["dimensions"] = c.dimensions;
    asked.push_back(c.next ? continued(step) : step);
  }
  return asked;
}

/// Whether maps are dropped and kept whole, kept ones scaled by 1/(1 - p).
SiteMask judge_maps(RowTrial& trial, std::size_t i, const Case& c) {
  SiteMask mask = unseen_mask("the mask of the feature maps", {c.batch(), c.channels()});
  const std::vector<double> x = numbers(trial, i, trial.reply(i).x), y = numbers(trial, i, trial.reply(i).y);
  const std::size_t inner = x.size() / mask.entries.size();
  const double scale = c.p < 1 ? 1 / (1 - c.p) : 0;
  std::uint64_t wrong = 0, mixed = 0;
  std::size_t first_wrong = 0, first_mixed = 0;
  for (std::size_t e = 0; e < x.size(); ++e) {
    Entry& map = mask.entries[e / inner];
    const Entry seen = y[e] == 0 ? Entry::dropped : Entry::kept;
    if (seen == Entry::kept && !near(y[e], x[e] * scale, 1e-5 * x[e] * scale) && wrong++ == 0)
      first_wrong = e;
    if (e % inner == 0) map = seen;
    else if (map != seen && mixed++ == 0) first_mixed = e / inner;
  }
  trial.require_all(x.size(), wrong, [&] {
    return fmt::format(
        "{}: {} of {} elements are neither 0 nor x/(1 - p); element {} was {:.6g} and is {:.6g}",
        trial.place(i), wrong, x.size(), first_wrong, x[first_wrong], y[first_wrong]);
  });
  trial.require_all(x.size(), mixed, [&] {
    return fmt::format(
        "{}: {} of {} elements are not dropped or kept with their feature map; the first is in "
        "map {} of sample {}",
        trial.place(i), mixed, x.size(), first_mixed % static_cast<std::size_t>(c.channels()),
        first_mixed / static_cast<std::size_t>(c.channels()));
  });
  return mask;
}

void judge_unchanged(RowTrial& trial, std::size_t i) {
  const std::vector<double> x = numbers(trial, i, trial.reply(i).x), y = numbers(trial, i, trial.reply(i).y);
  std::uint64_t wrong = 0;
  for (std::size_t e = 0; e < x.size(); ++e) wrong += near(y[e], x[e], 1e-5 * x[e]) ? 0u : 1u;
  trial.require_all(x.size(), wrong, [&] {
    return fmt::format("{}: {} of {} elements are changed where nothing is dropped", trial.place(i), wrong,
                       x.size());
  });
}

void judge(RowTrial& trial) {
  SiteMask before;
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) {
      before = {};
      continue;
    }
    const Case& c = cases()[trial.reply(i).index];
    const auto maps = static_cast<std::uint64_t>(c.batch() * c.channels());
    const bool draws = c.mode == Mode::train && c.p > 0 && c.p < 1;
    require_cpu_words(trial, i, draws ? 2 * maps : 0);
    if (c.mode == Mode::eval || c.p == 0) {
      judge_unchanged(trial, i);
      continue;
    }
    const SiteMask mask = judge_maps(trial, i, c);
    if (!draws) {
      require_all_near(trial, i, numbers(trial, i, trial.reply(i).y), 0, 0, "p = 1 drops everything");
      continue;
    }
    require_active(trial, i, mask);
    if (c.p == kMaskP) {
      if (c.batched()) require_unshared(trial, i, mask, 0, "samples");
      require_unshared(trial, i, mask, 1, "channels");
    }
    if (c.next && !before.entries.empty()) {
      before.name = "the mask of the call before";
      require_different(trial, i, mask, before);
    }
    before = mask;
  }
}

}  // namespace

Definition convolution() {
  return {
      "embedding.convolution",
      "embedding_convolution",
      "convolutional networks with Dropout2d and Dropout3d, batched and not, in several layouts",
      problem_of(kMaskP, {16, 64, 32, 32}),
      steps,
      judge,
      "whole feature maps are dropped, each with a draw of its own, and kept ones are scaled by 1/(1 - p)"};
}

}  // namespace dropcheck::suites::embedding
