// pytorch_tests: test/nn/test_dropout.py, test/cpp/api/modules.cpp, test_RNN_dropout and the samples of
// torch/testing for dropout, restated. Shapes, tolerances and drop probabilities are theirs; where one of
// them draws a shape at random, one shape stands for all.

#include "suites/pytorch_tests.hpp"

#include <algorithm>
#include <cmath>

#include "harness/core/element.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dialects/row_check.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/foreign_looks.hpp"

namespace dropcheck::suites {
namespace {

// --- what a tolerance can see; these tests have at least 1000 elements or channels

std::string mean_text(double relative_tolerance, double p, double n) {
  const double relative = visible(relative_tolerance, deviation_of_mean(p, n));
  return fmt::format(
      "a mean that is off by {:.2g} of itself, which is a drop probability off by {:.2g} at p = {}; nothing "
      "of where the drops lie",
      relative, relative * (1 - p), p);
}

// --- looks

void identities(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) trial.require_identity(i);
}

// --- test/nn/test_dropout.py

std::vector<Step> alpha_steps() {
  std::vector<Step> steps;
  for (const double p : {0.2, 0.5, 0.8})
    steps.push_back(seeded_step(problem_of(p, {5000}, DType::f32, Op::alpha_dropout), Input::normals));
  return steps;
}
std::vector<Step> feature_alpha_steps() {
  std::vector<Step> steps;
  for (const double p : {0.2, 0.5, 0.8})
    steps.push_back(
        seeded_step(problem_of(p, {50, 20, 64, 64}, DType::f32, Op::feature_alpha_dropout), Input::normals));
  return steps;
}
void moments_within(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const Reply& reply = trial.reply(i);
    require_within(trial, i, "the mean", mean_of(trial, i, reply.y), mean_of(trial, i, reply.x), 0.1);
    require_within(trial, i, "the standard deviation", deviation_of(trial, i, reply.y),
                   deviation_of(trial, i, reply.x), 0.1);
  }
}

std::vector<Step> corner_steps() {
  std::vector<Step> steps;
  for (const Mode mode : {Mode::train, Mode::eval})
    for (const double p : {0.0, 1.0}) {
      Problem x = problem_of(p, {5});
      x.mode = mode;
      steps.push_back(with_gradient(seeded_step(x, Input::random_reals)));
      steps.push_back(through(steps.back(), "native_dropout"));
    }
  return steps;
}
void corners_agree(RowTrial& trial) {
  for (std::size_t i = 0; i + 1 < trial.size(); i += 2) {
    if (!trial.answered(i) || !trial.answered(i + 1)) continue;
    const auto& a = trial.reply(i).y;
    const auto& b = trial.reply(i + 1).y;
    bool equal = a.size() == b.size();  // as numbers: the sign of zero is not theirs to ask for
    for (std::size_t e = 0; equal && e < trial.elements(i, a); ++e)
      equal = trial.value(i, a, e) == trial.value(i + 1, b, e);
    trial.require(equal,
                  [&] { return fmt::format("{}: native_dropout gives other values", trial.place(i)); });
    if (trial.reply(i).dx.empty() || trial.reply(i + 1).dx.empty()) continue;
    trial.require(trial.reply(i).dx == trial.reply(i + 1).dx,
                  [&] { return fmt::format("{}: the gradients differ", trial.place(i)); });
  }
}

std::vector<Step> bad_p_steps() {
  std::vector<Step> steps;
  for (const Op op : {Op::dropout, Op::dropout1d, Op::dropout2d, Op::dropout3d})
    for (const double p : {-0.1, 1.1}) {
      std::vector<std::int64_t> shape(ranks_of(op).largest, 2);
      if (op == Op::dropout) shape = {2};
      steps.push_back(refused_step(problem_of(p, shape, DType::f32, op)));
    }
  return steps;
}
void all_refused(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    const Problem& x = trial.step(i).problem;
    const auto& ops = trial.capabilities().ops;
    if (std::find(ops.begin(), ops.end(), x.op) != ops.end()) trial.require_refusal(i, "");
  }
}

constexpr double kTheirP = 0.2;

/// Input 1, not 0.8 as theirs: the tolerance is scaled alike.
constexpr double kTheirBand = 0.05 / (1 - kTheirP);

std::vector<Step> mean_steps() {
  std::vector<Step> steps;
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
    const Problem x = problem_of(kTheirP, {1000}, dtype);
    steps.push_back(with_gradient(seeded_step(x)));
    steps.push_back(with_gradient(next_step(in_place(x))));
  }
  return steps;
}
void mean_within_a_twentieth(RowTrial& trial) { means_within(trial, kTheirBand); }

std::vector<Step> eval_steps() {
  return {seeded_step(in_eval(problem_of(kTheirP, {1000})), Input::random_reals)};
}

std::vector<Step> discontiguous_steps() {
  std::vector<Step> steps;
  for (const double p : {0.0, 1e-10})
    for (const Layout layout : {Layout::transposed, Layout::strided, Layout::channels_last})
      steps.push_back(seeded_step(with_layout(problem_of(p, {4, 5, 6, 7}), layout), Input::random_reals));
  return steps;
}

std::vector<Step> stride_steps() {
  std::vector<Step> steps;
  for (const double p : {1e-10, 0.3, 0.5, 0.7})
    for (const Layout layout : {Layout::contiguous, Layout::channels_last, Layout::transposed,
                                Layout::strided, Layout::shifted, Layout::expanded})
      steps.push_back(seeded_step(with_layout(problem_of(p, {4, 5, 6, 7}), layout)));
  return steps;
}
void mean_within_a_half(RowTrial& trial) { means_within(trial, 1); }  // rtol 0.5 + atol 0.5

constexpr std::int64_t kBatch = 50, kChannels = 20;

std::vector<Step> channel_steps() {
  return {seeded_step(problem_of(kTheirP, {kBatch, kChannels, 4}, DType::f32, Op::dropout1d)),
          seeded_step(problem_of(kTheirP, {kBatch, kChannels, 2, 3}, DType::f32, Op::dropout2d)),
          seeded_step(problem_of(kTheirP, {kBatch, kChannels, 2, 2, 2}, DType::f32, Op::dropout3d))};
}
void channels_whole(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const std::vector<bool> drops = trial.dropped(i);
    const auto inner = drops.size() / static_cast<std::size_t>(kBatch * kChannels);
    std::uint64_t broken = 0;
    for (std::size_t c = 0; c < drops.size(); c += inner) {
      const auto count = std::count(drops.begin() + static_cast<std::ptrdiff_t>(c),
                                    drops.begin() + static_cast<std::ptrdiff_t>(c + inner), true);
      broken += count != 0 && count != static_cast<std::ptrdiff_t>(inner) ? 1u : 0u;
    }
    trial.require_all(drops.size() / inner, broken, [&] {
      return fmt::format("{}: {} channels are dropped in part", trial.place(i), broken);
    });
    require_within(trial, i, "the mean of the output", mean_of(trial, i, trial.reply(i).y), 1, kTheirBand);
  }
}

std::vector<Step> batch_steps() {
  return {
      through(seeded_step(problem_of(kTheirP, {7, 3, 2, 2}, DType::f32, Op::dropout3d)), "functional"),
      through(seeded_step(problem_of(kTheirP, {1, 7, 3, 2, 2}, DType::f32, Op::dropout3d)), "functional")};
}
void batched_equals_unbatched(RowTrial& trial) {
  trial.require_equal(0, 1, "the unbatched and the batched input");
}

std::vector<Step> empty_steps() { return {seeded_step(problem_of(0.5, {0}))}; }
void shape_kept(RowTrial& trial) {
  if (!trial.answered(0)) return;
  const auto& shape = trial.reply(0).seen.produced_shape;
  if (shape.empty()) return trial.leave_out("the backend does not tell the shape of its result");
  trial.require(shape == trial.step(0).problem.shape,
                [&] { return fmt::format("the result has shape [{}], not [0]", fmt::join(shape, ", ")); });
}

// --- test/cpp/api/modules.cpp

std::vector<Step> cpp_steps() {
  return {through(seeded_step(problem_of(0.5, {100})), "module"),
          through(seeded_step(in_eval(problem_of(0.5, {100}))), "module")};
}
void sums_between(RowTrial& trial) {
  const double least[] = {70, 99.999}, most[] = {130, 100.001};
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const double sum = 100 * mean_of(trial, i, trial.reply(i).y);
    trial.require(sum > least[i] && sum < most[i], [&] {
      return fmt::format("{}: the sum is {:.4g}, not between {} and {}", trial.place(i), sum, least[i],
                         most[i]);
    });
  }
}

std::vector<Step> cpp_channel_steps() {
  return {through(seeded_step(problem_of(0.5, {50, 50, 2, 2}, DType::f32, Op::dropout2d)), "module"),
          through(seeded_step(problem_of(0.5, {50, 50, 2, 2, 2}, DType::f32, Op::dropout3d)), "module")};
}
void mean_within_a_tenth(RowTrial& trial) { means_within(trial, 0.1); }  // 0.05 for inputs of 0.5

// --- others

std::vector<Step> sample_steps() {
  std::vector<Step> steps;
  for (const auto& shape : std::vector<std::vector<std::int64_t>>{{5, 5}, {5}, {}})
    for (const double p : {0.0, 0.5, 1.0}) {
      const Problem x = problem_of(p, shape);
      steps.push_back(seeded_step(x, Input::random_reals));
      steps.push_back(seeded_step(in_place(x), Input::random_reals));
    }
  return steps;
}
void variants_equal(RowTrial& trial) {
  for (std::size_t i = 0; i + 1 < trial.size(); i += 2)
    trial.require_equal(i, i + 1, "out of place and in place");
}

constexpr std::int64_t kRnnInput = 10, kRnnHidden = 1000;

std::vector<Step> rnn_steps() {
  std::vector<Step> steps;
  for (const double p : {0.0, 0.276, 0.731, 1.0}) {
    Step step = through(seeded_step(problem_of(p, {1, 1, kRnnInput})), "rnn");
    step.attributes["hidden"] = kRnnHidden;
    step.attributes["layers"] = std::int64_t{2};
    step.attributes["weights"] = std::string("ones");
    step.output_shape = std::vector<std::int64_t>{1, 1, kRnnHidden};
    steps.push_back(std::move(step));
  }
  return steps;
}
void rnn_between(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const double p = trial.step(i).problem.p, y = trial.value(i, trial.reply(i).y, 0);
    const double units = y * (1 - p) / kRnnInput;
    const bool holds = p == 0   ? y == kRnnInput * kRnnHidden
                       : p == 1 ? y == 0
                                : y > 8000 && y < 12000 && std::fabs(units - std::round(units)) < 1e-3;
    trial.require(holds, [&] { return fmt::format("{}: the output is {}", trial.place(i), y); });
  }
}

const char* const kPython = "needs the Python front end";
const char* const kGpu = "needs a CUDA device";

std::span<const ForeignRow> table() {
  static const double alpha_deviation = 1 / std::sqrt(5000.0);
  static const std::vector<ForeignRow> rows = {
      {"alpha_dropout",
       "mean and deviation within 0.1",
       {"test/nn/test_dropout.py: test_AlphaDropout",
        fmt::format("a mean of N(0, 1) data that is off by {:.2g}", visible(0.1, alpha_deviation)),
        "unbiasedness.kept_value"},
       nullptr,
       alpha_steps,
       moments_within},
      {"feature_alpha_dropout",
       "mean and deviation within 0.1, by channels",
       {"test/nn/test_dropout.py: test_FeatureAlphaDropout",
        fmt::format("a mean of N(0, 1) data that is off by {:.2g}", visible(0.1, 1 / std::sqrt(1000.0))),
        "unbiasedness.kept_value"},
       nullptr,
       feature_alpha_steps,
       moments_within},
      {"native_dropout_corner_case",
       "native_dropout equals dropout for p = 0 and 1",
       {"test/nn/test_dropout.py: test_native_dropout_corner_case",
        "any difference for p = 0 and 1, and nothing in between", "pytorch_semantics.extremes"},
       nullptr,
       corner_steps,
       corners_agree,
       {Axis::p_one, Axis::eval}},
      {"invalid_dropout_p",
       "p = -0.1 and 1.1 are refused",
       {"test/nn/test_dropout.py: test_invalid_dropout_p", "acceptance of -0.1 or 1.1; NaN is not tried",
        "pytorch_semantics.bad_p"},
       nullptr,
       bad_p_steps,
       all_refused,
       {Axis::bad_p}},
      {"dropout_mean",
       "mean of output and gradient within 0.05",
       {"test/nn/test_dropout.py: _test_dropout, test_Dropout", mean_text(kTheirBand, kTheirP, 1000),
        "mask_rate.drop_rate"},
       nullptr,
       mean_steps,
       mean_within_a_twentieth,
       {Axis::scale}},
      {"dropout_eval",
       "eval returns the input",
       {"test/nn/test_dropout.py: _test_dropout", "any difference", "pytorch_semantics.eval_identity"},
       nullptr,
       eval_steps,
       identities,
       {Axis::eval}},
      {"discontiguous",
       "p = 0 and 1e-10 return the input in every layout",
       {"test/nn/test_dropout.py: _test_dropout_discontiguous",
        "values moved to other places; it holds where nothing is dropped, and a drop rate below 1e-3 passes "
        "it as a rule",
        "pytorch_semantics.extremes"},
       nullptr,
       discontiguous_steps,
       identities},
      {"stride_mean_preserve",
       "mean within a half in every layout",
       {"test/nn/test_dropout.py: _test_dropout_stride_mean_preserve", mean_text(1, 0.3, 840),
        "mask_rate.drop_rate"},
       nullptr,
       stride_steps,
       mean_within_a_half,
       {Axis::scale}},
      {"dropoutnd_channel_zero",
       "channels are dropped whole",
       {"test/nn/test_dropout.py: _test_dropoutNd_channel_zero",
        "any channel dropped in part; " + mean_text(kTheirBand, kTheirP, kBatch * kChannels),
        "channel_correlation.whole_channels"},
       nullptr,
       channel_steps,
       channels_whole,
       {Axis::scale}},
      {"dropoutnd_no_batch",
       "unbatched equals batched",
       {"test/nn/test_dropout.py: _test_dropoutNd_no_batch", "any difference", "pytorch_semantics.row_61"},
       nullptr,
       batch_steps,
       batched_equals_unbatched},
      {"empty_dropout",
       "the shape of an empty result",
       {"test/nn/test_dropout.py: test_empty_dropout", "another shape", "pytorch_semantics.degenerate"},
       nullptr,
       empty_steps,
       shape_kept},
      {"dropout1d_ranks",
       "rank 1 and 4 are refused",
       {"test/nn/test_dropout.py: test_Dropout1d", "acceptance, and other words", "pytorch_semantics.row_60"},
       kPython,
       nullptr,
       nullptr},
      {"dropout2d_warnings",
       "warnings for ranks 2, 3 and 5",
       {"test/nn/test_dropout.py: test_Dropout2d", "a missing warning", "pytorch_semantics.row_65"},
       kPython,
       nullptr,
       nullptr},
      {"dropout3d_warnings",
       "warnings for ranks 3 and 6",
       {"test/nn/test_dropout.py: test_Dropout3d", "a missing warning", "pytorch_semantics.row_66"},
       kPython,
       nullptr,
       nullptr},
      {"cpp_modules",
       "sums of 100 ones between 70 and 130",
       {"test/cpp/api/modules.cpp: Dropout", mean_text(0.3, 0.5, 100), "mask_rate.drop_rate"},
       nullptr,
       cpp_steps,
       sums_between,
       {Axis::scale, Axis::eval}},
      {"cpp_alpha_module",
       "a sum of 100 outputs between 40 and 130",
       {"test/cpp/api/modules.cpp: AlphaDropout",
        "nothing: a correct one fails it with probability 0.36, since the mean is 44.3 and the deviation "
        "12.2; "
        "their program fixes a seed",
        "unbiasedness.kept_value"},
       "a correct dropout fails it in one case of three",
       nullptr,
       nullptr},
      {"cpp_channel_modules",
       "mean within a tenth",
       {"test/cpp/api/modules.cpp: Dropout2d, Dropout3d", mean_text(0.1, 0.5, 2500), "mask_rate.drop_rate"},
       nullptr,
       cpp_channel_steps,
       mean_within_a_tenth,
       {Axis::scale}},
      {"operator_samples",
       "variants agree under one seed",
       {"torch/testing: sample_inputs_dropout", "any difference between variants, on at most 25 elements",
        "pytorch_semantics.in_place"},
       nullptr,
       sample_steps,
       variants_equal,
       {Axis::p_one}},
      {"rnn_dropout",
       "an RNN of ones gives 8000 to 12000",
       {"test/test_nn.py: test_RNN_dropout",
        fmt::format("a drop probability off by {:.2g} at p = 0.276",
                    visible(0.2, deviation_of_mean(0.276, 1000)) * (1 - 0.276)),
        "pytorch_semantics.row_99"},
       nullptr,
       rnn_steps,
       rnn_between,
       {Axis::p_one, Axis::scale}},
      {"graph_rng_functional",
       "replays of a captured graph equal eager calls",
       {"test/test_cuda.py: test_graph_rng_functional", "any difference", "pytorch_semantics.row_85"},
       kGpu,
       nullptr,
       nullptr},
      {"rnn_cpu_vs_cudnn",
       "RNNs on both devices agree for dropout = 1",
       {"test/test_nn.py: test_RNN_cpu_vs_cudnn_with_dropout", "any difference for p = 1 alone", ""},
       kGpu,
       nullptr,
       nullptr},
  };
  return rows;
}

std::string id_of(const ForeignRow& row) { return fmt::format("pytorch_tests.{}", row.name); }
std::string protocol_of(const ForeignRow& row) { return fmt::format("their_{}", row.name); }

CheckInfo info_of(const ForeignRow& row, const Dialect& dialect = pytorch_dialect()) {
  CheckInfo info;
  info.id = id_of(row);
  info.level = Level::recommended;
  info.title = row.title;
  info.catches = row.foreign.sees;
  info.cannot_see = "whatever its tolerance covers; 'dropcheck explain' puts it beside ours";
  info.protocols = {protocol_of(row)};
  info.foreign = row.foreign;
  info.impossible = row.impossible != nullptr ? row.impossible : differs_there(dialect, row.axes);
  return info;
}

class ForeignCheck final : public RepliesCheck {
 public:
  ForeignCheck(const ForeignRow& row, const Dialect& dialect)
      : RepliesCheck(info_of(row, dialect)), row_(row) {}
  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const std::vector<Step> steps = row_.steps();
    RowTrial trial(steps, replies_of(seen), context);
    row_.judge(trial);
    return trial.judgement(info().title);
  }

 private:
  const ForeignRow& row_;
};

}  // namespace

std::span<const ForeignRow> foreign_rows() { return table(); }

std::vector<CheckInfo> pytorch_test_infos() {
  std::vector<CheckInfo> infos;
  for (const ForeignRow& row : table()) infos.push_back(info_of(row));
  return infos;
}

void add_pytorch_tests(Registry& registry, const Dialect& dialect) {
  for (const ForeignRow& row : table()) {
    const Problem problem = row.steps != nullptr ? row.steps().front().problem : problem_of(0.5, {1});
    Problem filed = problem_of(0.5, problem.shape, DType::f32, problem.op);
    if (element_count(filed.shape) == 0) filed.shape = {1};
    registry.add_protocol(own_protocol(protocol_of(row), fmt::format("what {} asks", row.foreign.source),
                                       row.steps, std::move(filed)));
    registry.add_check(std::make_unique<ForeignCheck>(row, dialect));
  }
}

}  // namespace dropcheck::suites
