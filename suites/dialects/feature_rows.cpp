// Operators that drop whole channels: which dimensions index the mask, through which interface, and what
// happens to tensors of a rank that has no channels.

#include "reference/pytorch_cpu_stream.hpp"
#include "suites/dialects/pytorch.hpp"
#include "suites/dialects/row_layers.hpp"
#include "suites/dialects/row_steps.hpp"

namespace dropcheck::suites {
namespace {

constexpr std::string_view kRankError = "Feature dropout requires at least 2 dimensions in the input";
constexpr std::array kChannelOps = {Op::dropout1d, Op::dropout2d, Op::dropout3d, Op::feature_alpha_dropout};

Step channels_step(double p, std::vector<std::int64_t> shape, Op op = Op::dropout2d,
                   DType dtype = DType::f32) {
  return seeded_step(problem_of(p, std::move(shape), dtype, op), Input::random_integers);
}

// --- 55

std::vector<Step> masks_of_all_ranks() {
  std::vector<Step> steps = {
      channels_step(.3, {24, 40}),
      channels_step(.1, {24, 40, 5}, Op::dropout1d),
      channels_step(.15, {24, 40, 3, 5}),
      channels_step(.3, {12, 16, 3, 2, 5}, Op::dropout3d),
      channels_step(.5, {12, 16, 2, 3, 2, 2}),
      channels_step(.15, {24, 40, 3, 5}, Op::dropout2d, DType::f64),
      channels_step(.3, {24, 40, 3, 5}, Op::dropout2d, DType::bf16),
  };
  Step step = channels_step(.5, {24, 40, 3, 5});
  step.problem.layout = Layout::channels_last;
  steps.push_back(step);
  step = channels_step(.3, {12, 16, 2, 2, 4}, Op::dropout3d);
  step.problem.layout = Layout::channels_last_3d;
  steps.push_back(step);
  for (const Layout layout : {Layout::transposed, Layout::strided, Layout::expanded}) {
    step = channels_step(.3, {24, 40, 6}, Op::dropout1d);
    step.problem.layout = layout;
    steps.push_back(step);
  }
  step = channels_step(.7, {24, 40, 3, 5});
  step.problem.in_place = true;
  steps.push_back(step);
  return steps;
}

void judge_masks_of_all_ranks(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i)
    if (trial.answered(i)) require_structure(trial, i, trial.dropped(i), 2);
}

// --- 56, 57

std::vector<Step> ranks_without_channels() {
  std::vector<Step> steps;
  for (const Op op : kChannelOps)
    for (const double p : {.1, .5})
      for (const auto& shape : {std::vector<std::int64_t>{}, std::vector<std::int64_t>{7}}) {
        steps.push_back(refused_step(problem_of(p, shape, DType::f32, op)));
        steps.push_back(refused_step(in_place(problem_of(p, shape, DType::f32, op))));
      }
  return steps;
}

void judge_ranks_without_channels(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) trial.require_refusal(i, kRankError);
}

std::vector<Step> ranks_without_draw() {
  std::vector<Step> steps;
  for (const Op op : kChannelOps)
    for (const auto& shape : {std::vector<std::int64_t>{}, std::vector<std::int64_t>{7}}) {
      steps.push_back(seeded_step(problem_of(0, shape, DType::f32, op), Input::random_reals));
      steps.push_back(seeded_step(problem_of(1, shape, DType::f32, op), Input::random_reals));
      steps.push_back(seeded_step(in_eval(problem_of(.3, shape, DType::f32, op)), Input::random_reals));
    }
  steps.push_back(seeded_step(problem_of(.3, {0}, DType::f32, Op::dropout2d)));
  for (Step& step : steps) step.expect_error = true;  // the row says what a refusal means
  return steps;
}

void judge_ranks_without_draw(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    const Problem& problem = trial.step(i).problem;
    if (problem.mode == Mode::eval || problem.p != 1) {
      trial.require_identity(i);
    } else if (trial.answered(i)) {
      for (const double y : numbers(trial, i, trial.reply(i).y))
        trial.require(y == 0, [&] { return fmt::format("{} returns {}; it must be 0", trial.place(i), y); });
    }
    if (trial.is_pytorch()) trial.require_words(i, 0);
  }
}

// --- 58, 59

std::vector<Step> counted_channels() {
  std::vector<Step> steps;
  for (const Op op : {Op::dropout2d, Op::feature_alpha_dropout}) {
    for (const double p : {.1, .15, .5}) {
      steps.push_back(channels_step(p, {10, 3}, op));
      steps.push_back(channels_step(p, {10, 3, 4}, op));
      steps.push_back(channels_step(p, {4, 5, 3, 2}, op));
      steps.push_back(channels_step(p, {2, 3, 2, 1, 4}, op));
      steps.push_back(channels_step(p, {2, 3, 1, 2, 2, 3}, op));
    }
    steps.push_back(channels_step(0, {10, 3, 4}, op));
    steps.push_back(channels_step(1, {10, 3, 4}, op));
    steps.push_back(channels_step(.5, {10, 0, 4}, op));
    steps.push_back(seeded_step(in_eval(problem_of(.5, {10, 3, 4}, DType::f32, op))));
  }
  return steps;
}

void judge_counted_channels(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    const Problem& problem = trial.step(i).problem;
    require_cpu_words(trial, i,
                      reference::words_of_dropout(problem.op, problem.shape, problem.p, problem.mode));
  }
}

std::vector<Step> channels_and_plain() {
  std::vector<Step> steps;
  for (const double p : {.1, .3, .5}) {
    steps.push_back(channels_step(p, {24, 40}, Op::dropout));
    steps.push_back(channels_step(p, {24, 40, 3, 5}));
    steps.push_back(channels_step(p, {24, 40, 7}, Op::dropout1d));
    steps.push_back(channels_step(p, {24, 40, 3, 5}, Op::feature_alpha_dropout));
  }
  return steps;
}

void judge_channels_and_plain(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const Problem& problem = trial.step(i).problem;
    const std::size_t plain = beside(trial, i, trial.reply(i).index / 4 * 4);
    if (i == plain || !trial.answered(plain)) continue;
    const std::vector<bool> entries = trial.dropped(plain);
    const std::vector<bool> mask = is_alpha(problem.op) ? alpha_dropped(trial, i) : trial.dropped(i);
    const std::size_t inner = mask.size() / entries.size();
    std::uint64_t wrong = 0;
    for (std::size_t e = 0; e < mask.size(); ++e) wrong += mask[e] != entries[e / inner] ? 1u : 0u;
    trial.require_all(mask.size(), wrong, [&] {
      return fmt::format("{} elements are not masked as the plain operator masks their channel: {} and {}",
                         wrong, trial.place(i), trial.place(plain));
    });
  }
}

// --- 61: the twin in C++ of what the Python row says

constexpr std::size_t kManyChannels = 400;  // so many that all of them being kept at p = 0.1 cannot happen

std::vector<Step> unbatched_and_batched() {
  const auto c = static_cast<std::int64_t>(kManyChannels);
  std::vector<Step> steps;
  for (const char* form : {"functional", "module"})
    for (const double p : {.1, .3, .5}) {
      steps.push_back(through(channels_step(p, {c, 2, 1, 2}, Op::dropout3d), form));
      steps.push_back(through(channels_step(p, {1, c, 2, 1, 2}, Op::dropout3d), form));
    }
  for (const auto& shape :
       {std::vector<std::int64_t>{c, 2, 1, 2}, std::vector<std::int64_t>{1, c, 2, 1, 2}}) {
    Step step = through(channels_step(.3, shape, Op::dropout3d), "functional");
    step.problem.in_place = true;
    steps.push_back(step);
  }
  return steps;
}

void judge_unbatched_and_batched(RowTrial& trial) {
  for (std::size_t i = 0; i + 1 < trial.size(); i += 2) {
    if (!trial.answered(i) || !trial.answered(i + 1)) continue;
    trial.require_equal(i, i + 1, "without and with a batch dimension");
    require_structure(trial, i, trial.dropped(i), 1);
  }
}

// --- 63, 64

std::vector<Step> interfaces_of_rank_3() {
  std::vector<Step> steps;
  for (const char* form : {"functional", "module"})
    for (const double p : {.1, .3}) {
      steps.push_back(through(channels_step(p, {400, 3, 5}), form));
      steps.push_back(
          through(seeded_step(in_eval(problem_of(p, {4, 3, 5}, DType::f32, Op::dropout2d))), form));
    }
  return steps;
}

std::vector<Step> interfaces_of_other_ranks() {
  std::vector<Step> steps;
  for (const char* form : {"functional", "module"}) {
    for (const Op op : {Op::dropout2d, Op::dropout3d}) {
      steps.push_back(through(channels_step(.3, {400}, op), form));
      steps.push_back(through(channels_step(.3, {400, 5}, op), form));
    }
    steps.push_back(through(channels_step(.3, {400, 3, 2, 2, 2}), form));
    steps.push_back(through(channels_step(.3, {400, 3, 5}, Op::dropout3d), form));
    steps.push_back(through(channels_step(.3, {400, 2, 1, 2, 1, 3}, Op::dropout3d), form));
  }
  return steps;
}

void judge_first_dimension(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    require_no_warning(trial, i);
    const Problem& problem = trial.step(i).problem;
    if (problem.mode == Mode::eval) {
      trial.require_identity(i);
      continue;
    }
    require_structure(trial, i, trial.dropped(i), 1);
    require_cpu_words(trial, i, 2 * static_cast<std::uint64_t>(problem.shape[0]));
  }
}

// --- 67

struct Reshaped {
  Op op;
  std::vector<std::int64_t> shape;
  std::string left;  // shape that the caller's tensor is left with; empty where it is not touched
};
const std::vector<Reshaped>& reshaped() {
  static const std::vector<Reshaped> cases = {{Op::dropout2d, {7, 6}, "[1, 7, 6]"},
                                              {Op::dropout2d, {4, 3, 2}, "[1, 4, 3, 2]"},
                                              {Op::dropout3d, {4, 3, 2, 2}, "[1, 4, 3, 2, 2]"},
                                              {Op::dropout2d, {2, 3, 4, 5}, ""}};
  return cases;
}

std::vector<Step> failing_in_place() {
  std::vector<Step> steps;
  for (const char* form : {"functional", "module"})
    for (const Reshaped& c : reshaped())
      steps.push_back(through(refused_step(in_place(problem_of(.3, c.shape, DType::i64, c.op))), form));
  return steps;
}

void judge_failing_in_place(RowTrial& trial) {
  constexpr std::string_view kReshaped = "; the input now has shape ";
  for (std::size_t i = 0; i < trial.size(); ++i) {
    const Reshaped& c = reshaped()[trial.reply(i).index % reshaped().size()];
    trial.require_refusal(i, "result type Float can't be cast to the desired output type Long");
    if (trial.reply(i).answered()) continue;
    const std::string& message = trial.reply(i).refusal->message;
    if (message.starts_with("the backend does not claim")) continue;  // left out above
    if (c.left.empty()) {
      trial.require(message.find(kReshaped) == std::string::npos, [&] {
        return fmt::format("{} has a batch and must leave its tensor as it was: {}", trial.place(i), message);
      });
    } else {
      trial.require(message.ends_with(std::string(kReshaped).append(c.left)), [&] {
        return fmt::format("{} must leave the caller's tensor with shape {}: {}", trial.place(i), c.left,
                           message);
      });
    }
  }
}

}  // namespace

std::vector<RowDefinition> feature_rows() {
  std::vector<RowDefinition> rows;
  const Problem filed = problem_of(.3, {24, 40, 3, 5}, DType::f32, Op::dropout2d);
  rows.push_back({.row = {55, "feature_dropout", "ranks 2 to 6, any layout, in place or not",
                          "the mask has one entry for each pair of indices of the first two dimensions",
                          "structural, bitwise", kRunOnBoth, "all", ""},
                  .problem = filed,
                  .steps = masks_of_all_ranks,
                  .judge = judge_masks_of_all_ranks,
                  .held = "channels are dropped as a whole, and each by a draw of its own"});
  rows.push_back(
      {.row = {56, "feature_dropout, feature_alpha_dropout", "rank 0 or 1 with 0 < p < 1 in training",
               "refused: at least two dimensions are needed", "error text", kRunOnBoth, "all", ""},
       .problem = filed,
       .steps = ranks_without_channels,
       .judge = judge_ranks_without_channels,
       .held = "tensors without channels are refused"});
  rows.push_back({.row = {57, "feature_dropout, feature_alpha_dropout",
                          "rank 0 or 1 with p = 0, p = 1, in eval, or empty",
                          "accepted, since no mask is drawn: the input, or zeros for p = 1", "structural",
                          kRunOnBoth, "all", ""},
                  .axes = {Axis::p_one, Axis::eval},
                  .problem = filed,
                  .steps = ranks_without_draw,
                  .judge = judge_ranks_without_draw,
                  .held = "the rank does not matter where nothing is drawn"});
  rows.push_back(
      {.row = {58, "feature_dropout, feature_alpha_dropout", "generator words of a call",
               "two for each pair of indices of the first two dimensions, whatever the other extents",
               "RNG state", kRunOnBoth, "builds that take two words an entry", ""},
       .axes = {Axis::p_one, Axis::eval},
       .problem = filed,
       .needs = {Feature::pytorch_conformance, Feature::rng_words},
       .steps = counted_channels,
       .judge = judge_counted_channels,
       .held = "a channel takes two generator words"});
  rows.push_back({.row = {59, "feature_dropout, feature_alpha_dropout and dropout, on the CPU",
                          "the same seed, p and first two extents",
                          "a channel is dropped where the plain operator drops its entry of a matrix",
                          "bitwise", kRunOnBoth, "all", ""},
                  .problem = filed,
                  .needs = {Feature::pytorch_conformance, Feature::seeds},
                  .steps = channels_and_plain,
                  .judge = judge_channels_and_plain,
                  .held = "channels are masked as the plain operator masks a matrix"});
  rows.push_back({.row = {60, "Dropout1d of the Python front end", "rank 1 or 4, also in eval",
                          "a RuntimeError that names the two ranks it takes", "error text",
                          "read in the source", "1.12 and newer", kNeedsPython}});
  rows.push_back({.row = {61, "Dropout1d and Dropout3d of the Python front end; Dropout3d of the C++ one",
                          "a tensor without a batch dimension, and the same with one of extent 1, one seed",
                          "equal results; the first of the four dimensions has the channels", "bitwise",
                          "run on 1.13.1 and 2.13 in C++, read in the source for Python", "all", ""},
                  .problem = problem_of(.3, {400, 2, 1, 2}, DType::f32, Op::dropout3d),
                  .needs = {Feature::pytorch_conformance, Feature::seeds},
                  .steps = unbatched_and_batched,
                  .judge = judge_unbatched_and_batched,
                  .held = "a missing batch dimension changes nothing (dropout3d of the C++ front end)"});
  rows.push_back({.row = {62, "Dropout2d of the Python front end", "rank 3",
                          "read as batch, channel, length: the mask has the first two dimensions, and a "
                          "warning says so",
                          "warning, structural", "read in the source", "all", kNeedsPython}});
  rows.push_back(
      {.row = {63, "Dropout2d of the C++ front end", "rank 3",
               "read as channel, height, width: one draw an index of the first dimension, no warning",
               "structural", kRunOnBoth, "all", ""},
       .axes = {Axis::eval},
       .problem = filed,
       .needs = {Feature::pytorch_conformance},
       .steps = interfaces_of_rank_3,
       .judge = judge_first_dimension,
       .held = "three dimensions are a picture without a batch"});
  rows.push_back({.row = {64, "Dropout2d and Dropout3d of the C++ front end", "ranks other than batched ones",
                          "taken for a tensor without a batch: one draw an index of the first dimension",
                          "structural", kRunOnBoth, "all", ""},
                  .problem = filed,
                  .needs = {Feature::pytorch_conformance},
                  .steps = interfaces_of_other_ranks,
                  .judge = judge_first_dimension,
                  .held = "every other rank is masked along its first dimension alone"});
  rows.push_back({.row = {65, "Dropout2d of the Python front end", "ranks 2 and 5",
                          "a warning that the rank is deprecated; the mask has the first two dimensions",
                          "warning, structural", "read in the source", "all", kNeedsPython}});
  rows.push_back({.row = {66, "Dropout3d of the Python front end", "ranks 3 and 6",
                          "a warning that the rank is deprecated", "warning", "read in the source", "all",
                          kNeedsPython}});
  rows.push_back({.row = {67, "dropout2d and dropout3d of the C++ front end, in place",
                          "no batch dimension and a dtype that the operator refuses",
                          "the caller's tensor keeps the dimension that was put in front of it", "structural",
                          kRunOnBoth, "all", ""},
                  .problem = filed,
                  .needs = {Feature::pytorch_conformance, Feature::in_place},
                  .steps = failing_in_place,
                  .judge = judge_failing_in_place,
                  .held = "the call that fails leaves the added dimension behind"});
  return rows;
}

}  // namespace dropcheck::suites
