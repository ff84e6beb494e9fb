// embedding.attention: dropout acts on the weights of attention, after the softmax, and nowhere else.

#include <algorithm>

#include "reference/pytorch_cpu_stream.hpp"
#include "suites/dialects/row_layers.hpp"
#include "suites/embedding/attention_network.hpp"
#include "suites/embedding/embedding_check.hpp"
#include "suites/embedding/parameters.hpp"
#include "suites/embedding/site_mask.hpp"

namespace dropcheck::suites::embedding {
namespace {

constexpr AttentionShape kProduct{4, 1, 12, 4}, kMultihead{4, 2, 12, 8};
constexpr double kTolerance = 2e-5;  // of sums of at most 12 numbers below 2/q, in f32

struct Case {
  bool multihead;
  double p;
  Mode mode;
  bool average = false;  // under the seed of the step before
};
const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {false, 0.5, Mode::train}, {false, 0.2, Mode::train}, {false, 0.5, Mode::eval},
      {false, 0.2, Mode::eval},  {false, 0.0, Mode::train}, {false, 1.0, Mode::train},
      {true, 0.2, Mode::train},  {true, 0.5, Mode::train},  {true, 0.5, Mode::train, true},
      {true, 0.5, Mode::eval},   {true, 0.0, Mode::train},  {true, 1.0, Mode::train}};
  return all;
}

std::vector<Step> steps() {
  std::vector<Step> asked;
  for (const Case& c : cases())
    asked.push_back(c.multihead ? multihead_step(kMultihead, c.p, c.mode, c.average)
                                : product_step(kProduct, c.p, c.mode));
  return asked;
}

/// scaled_dot_product_attention has no mode; multi-head attention drops in training only.
bool drops(const Case& c) { return c.p > 0 && (!c.multihead || c.mode == Mode::train); }

void judge_weights(RowTrial& trial, std::size_t i, const Case& c, const PlainAttention& plain,
                   const std::vector<double>& weights) {
  const double scale = drops(c) && c.p < 1 ? 1 / (1 - c.p) : 1;
  std::uint64_t wrong = 0, dropped = 0;
  std::size_t first = 0;
  for (std::size_t e = 0; e < weights.size(); ++e) {
    const bool zero = near(weights[e], 0, 1e-9);
    dropped += zero ? 1u : 0u;
    const bool right = drops(c) ? zero || (c.p < 1 && near(weights[e], plain.weights[e] * scale, kTolerance))
                                : near(weights[e], plain.weights[e], kTolerance);
    if (!right && wrong++ == 0) first = e;
  }
  trial.require_all(weights.size(), wrong, [&] {
    return fmt::format("{}: {} of {} weights are not {}; weight {} is {:.6g} where the softmax is {:.6g}",
                       trial.place(i), wrong, weights.size(),
                       !drops(c)  ? "those of the softmax"
                       : c.p == 1 ? "0"
                                  : "0 or those of the softmax over 1 - p",
                       first, weights[first], plain.weights[first]);
  });
  if (!drops(c) || c.p == 1) return;
  trial.require(dropped > 0 && dropped < weights.size(), [&] {
    return fmt::format("{}: {} of {} weights are dropped; some must be, and not all{}", trial.place(i),
                       dropped, weights.size(),
                       c.mode == Mode::eval ? ": this function has no mode and drops in eval too" : "");
  });
}

void judge_result(RowTrial& trial, std::size_t i, const PlainAttention& plain,
                  const std::vector<double>& weights) {
  const std::vector<double> y = numbers(trial, i, trial.reply(i).y), wanted = plain.result(weights);
  std::uint64_t wrong = 0;
  std::size_t first = 0;
  for (std::size_t e = 0; e < y.size(); ++e)
    if (!near(y[e], wanted[e], kTolerance) && wrong++ == 0) first = e;
  trial.require_all(y.size(), wrong, [&] {
    return fmt::format(
        "{}: {} of {} elements of the result are not the returned weights times the values; "
        "element {} is {:.6g} for {:.6g}",
        trial.place(i), wrong, y.size(), first, y[first], wanted[first]);
  });
}

/// Averaged weights are the mean over the heads of those of the same seed.
void judge_average(RowTrial& trial, std::size_t i, const std::vector<double>& weights) {
  const std::vector<double> average = numbers(trial, i, trial.reply(i).extra.at("weights"));
  const auto per_head = static_cast<std::size_t>(kMultihead.length * kMultihead.length);
  const auto heads = static_cast<std::size_t>(kMultihead.heads);
  std::uint64_t wrong = 0;
  for (std::size_t e = 0; e < average.size(); ++e) {
    double sum = 0;
    for (std::size_t h = 0; h < heads; ++h)
      sum += weights[(e / per_head * heads + h) * per_head + e % per_head];
    wrong += near(average[e], sum / static_cast<double>(heads), kTolerance) ? 0u : 1u;
  }
  trial.require_all(average.size(), wrong, [&] {
    return fmt::format("{}: {} of {} averaged weights are not the mean of the heads' under the same seed",
                       trial.place(i), wrong, average.size());
  });
}

void judge(RowTrial& trial) {
  const PlainAttention product = plain_product(kProduct), multihead = plain_multihead(kMultihead);
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const Case& c = cases()[trial.reply(i).index];
    if (c.average) {
      if (trial.answered(i - 1))
        judge_average(trial, i, numbers(trial, i - 1, trial.reply(i - 1).extra.at("weights")));
      continue;
    }
    const PlainAttention& plain = c.multihead ? multihead : product;
    const std::vector<double> weights = numbers(trial, i, trial.reply(i).extra.at("weights"));
    judge_weights(trial, i, c, plain, weights);
    judge_result(trial, i, plain, weights);
    const AttentionShape& s = plain.shape;
    const auto u = [](std::int64_t v) { return static_cast<std::uint64_t>(v); };
    require_cpu_words(trial, i,
                      reference::words_of_attention({u(s.batch), u(s.heads), u(s.length), u(s.length)}, c.p,
                                                    c.multihead ? c.mode : Mode::train));
  }
}

}  // namespace

Definition attention() {
  return {"embedding.attention",
          "embedding_attention",
          "attention with given queries, keys and values, and its weights",
          problem_of(0.5, {4, 12, 4}),
          steps,
          judge,
          "weights are those of the softmax, dropped and scaled, and the result is made with them"};
}

}  // namespace dropcheck::suites::embedding
