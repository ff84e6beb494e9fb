// Layers that contain dropout: whether they draw, how much, and what their results show of it. Their weights
// are known, so that the results are, too.

#include <cmath>
#include <limits>
#include <map>

#include "reference/pytorch_cpu_stream.hpp"
#include "suites/dialects/pytorch.hpp"
#include "suites/dialects/row_layers.hpp"
#include "suites/dialects/row_steps.hpp"

namespace dropcheck::suites {
namespace {

constexpr std::array kRecurrent = {"rnn", "lstm", "gru"};

/// A recurrent layer on x of ones, (S, B, I).
struct Recurrent {
  std::int64_t steps = 5, batch = 2, input = 3, hidden = 4, layers = 1;
  bool bidirectional = false;
  bool ones = true;  // the weights

  std::int64_t directions() const { return bidirectional ? 2 : 1; }
  reference::RecurrentShape counted() const {
    const auto u = [](std::int64_t v) { return static_cast<std::uint64_t>(v); };
    return {u(layers), u(steps), u(batch), u(hidden), u(directions())};
  }
  Step step(const std::string& form, double p, Mode mode = Mode::train) const {
    Problem problem = problem_of(p, {steps, batch, input});
    problem.mode = mode;
    Step asked = through(seeded_step(problem), form);
    asked.output_shape = {{steps, batch, hidden * directions()}};
    asked.attributes["hidden"] = hidden;
    asked.attributes["layers"] = layers;
    asked.attributes["bidirectional"] = bidirectional;
    asked.attributes["weights"] = std::string(ones ? "ones" : "small");
    return asked;
  }
};

// --- 96

constexpr std::array kSingleP = {.5, .9, 0.};
constexpr std::size_t kSingleSteps = kSingleP.size() + 1;

std::vector<Step> single_layers() {
  std::vector<Step> steps;
  for (const char* form : kRecurrent) {
    for (const double p : kSingleP) steps.push_back(Recurrent{}.step(form, p));
    steps.push_back(Recurrent{}.step(form, .5, Mode::eval));
  }
  return steps;
}

void judge_single_layers(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const double p = trial.step(i).problem.p;
    if (p > 0)
      require_warning(
          trial, i,
          fmt::format("dropout option adds dropout after all but last recurrent layer, so non-zero "
                      "dropout expects num_layers greater than 1, but got dropout={} and "
                      "num_layers=1",
                      p));
    else require_no_warning(trial, i);
    trial.require_words(i, 0);
    const std::size_t first = trial.reply(i).index / kSingleSteps * kSingleSteps;
    trial.require_equal(i, beside(trial, i, first), "a single layer with and without dropout");
    if (form_of(trial.step(i).attributes) != "rnn") continue;
    // Of ones throughout: h(t) = I + H h(t - 1).
    const Recurrent layer;
    const std::vector<double> y = numbers(trial, i, trial.reply(i).y);
    double h = 0;
    for (std::size_t e = 0; e < y.size(); ++e) {
      const auto row = static_cast<std::size_t>(layer.batch * layer.hidden);
      if (e % row == 0) h = static_cast<double>(layer.input) + static_cast<double>(layer.hidden) * h;
      trial.require(y[e] == h, [&] {
        return fmt::format("{}: element {} is {}; without dropout it is {}", trial.place(i), e, y[e], h);
      });
    }
  }
}

// --- 97, 98

std::vector<Step> bad_recurrent() {
  Recurrent layer;
  layer.layers = 2;
  std::vector<Step> steps;
  for (const char* form : kRecurrent)
    for (const double p :
         {-.1, 1.1, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
      Step step = layer.step(form, p);
      step.expect_error = true;
      steps.push_back(step);
    }
  return steps;
}

void judge_bad_recurrent(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i)
    trial.require_refusal(
        i,
        "dropout should be a number in range [0, 1] representing the probability of an element being zeroed");
}

struct CountedLayer {
  const char* form;
  Recurrent layer;
  double p;
  Mode mode;
};
const std::vector<CountedLayer>& counted_layers() {
  static const std::vector<CountedLayer> cases = [] {
    std::vector<CountedLayer> made;
    Recurrent deep{.steps = 5, .batch = 2, .input = 4, .hidden = 6, .layers = 3, .bidirectional = true};
    Recurrent flat{.steps = 5, .batch = 2, .input = 4, .hidden = 6, .layers = 2};
    deep.ones = flat.ones = false;
    for (const char* form : kRecurrent)
      for (const Recurrent& layer : {deep, flat}) {
        for (const double p : {.1, .5, 0., 1.}) made.push_back({form, layer, p, Mode::train});
        made.push_back({form, layer, .5, Mode::eval});
      }
    return made;
  }();
  return cases;
}

std::vector<Step> counted_recurrent() {
  std::vector<Step> steps;
  for (const CountedLayer& c : counted_layers()) steps.push_back(c.layer.step(c.form, c.p, c.mode));
  return steps;
}

void judge_counted_recurrent(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    const CountedLayer& c = counted_layers()[trial.reply(i).index];
    require_cpu_words(trial, i, reference::words_of_recurrent(c.layer.counted(), c.p, c.mode));
  }
}

// --- 99

constexpr std::array kOnesP = {0., .276, .731, 1.};
constexpr Recurrent kOnes{.steps = 1, .batch = 64, .input = 10, .hidden = 1000, .layers = 2};

std::vector<Step> layers_of_ones() {
  std::vector<Step> steps;
  for (const double p : kOnesP) {
    steps.push_back(kOnes.step("rnn", p));
    steps.back().outputs = {{"h_n", {kOnes.layers, kOnes.batch, kOnes.hidden}}};
  }
  return steps;
}

/// The first layer gives 10 everywhere; the second adds up those that dropout left, each 10/q: 10 k/q with k
/// of Bin(1000, q), the same for all of its features.
void judge_layers_of_ones(RowTrial& trial) {
  std::map<std::size_t, std::pair<std::uint64_t, std::uint64_t>> kept;  // by step: kept ones, of how many
  const auto hidden = static_cast<std::size_t>(kOnes.hidden), batch = static_cast<std::size_t>(kOnes.batch);
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const Reply& reply = trial.reply(i);
    const double p = trial.step(i).problem.p;
    const std::vector<double> y = numbers(trial, i, reply.y), h_n = numbers(trial, i, reply.extra.at("h_n"));
    for (std::size_t b = 0; b < batch; ++b) {
      const double sum = y[b * hidden];
      const double ones = p == 1 ? sum : sum * (1 - p) / 10;  // k, up to rounding
      const double whole = p == 0 ? 1000 : p == 1 ? 0 : std::round(ones);
      trial.require(std::abs(ones - whole) <= 1e-2 && whole >= 0 && whole <= 1000, [&] {
        return fmt::format("{}: sequence {} ends in {}, {} kept ones times 10/(1 - p); that must be {}",
                           trial.place(i), b, sum, ones,
                           p == 0   ? "1000"
                           : p == 1 ? "0"
                                    : "a whole number from 0 to 1000");
      });
      if (whole >= 0 && whole <= 1000) kept[reply.index].first += static_cast<std::uint64_t>(whole);
      kept[reply.index].second += hidden;
      for (std::size_t e = 0; e < hidden; ++e) {
        const std::size_t at = b * hidden + e;
        trial.require(std::abs(y[at] - sum) <= 1e-5 * sum, [&] {
          return fmt::format("{}: sequence {} has {} and {} in two features that add up the same numbers",
                             trial.place(i), b, sum, y[at]);
        });
        trial.require(h_n[at] == 10, [&] {
          return fmt::format(
              "{}: h_n of the first layer is {} at {}; it is taken before dropout and must be 10",
              trial.place(i), h_n[at], at);
        });
        trial.require(h_n[batch * hidden + at] == y[at], [&] {
          return fmt::format("{}: h_n of the last layer is {} and its output {}; nothing is dropped there",
                             trial.place(i), h_n[batch * hidden + at], y[at]);
        });
      }
    }
  }
  for (const auto& [step, count] : kept) {
    const double p = kOnesP[step];
    if (p == 0 || p == 1) continue;
    test_rate(trial, "R99", fmt::format("drops between the layers at p = {}", p), count.second,
              count.second - count.first, p);
  }
}

// --- 100, 101

constexpr std::int64_t kLength = 8, kBatch = 4, kWidth = 8;

/// Attention of positions that are all alike: before dropout each weight is 1/L.
Step attention_step(const char* form, double p, Mode mode, std::optional<std::int64_t> heads) {
  const bool batch_first = !heads;  // (B, L, E), else (L, B, E)
  Problem problem =
      batch_first ? problem_of(p, {kBatch, kLength, kWidth}) : problem_of(p, {kLength, kBatch, kWidth});
  problem.mode = mode;
  Step step = through(seeded_step(problem), form);
  step.output_shape = problem.shape;
  step.outputs = {{"weights", {kBatch, kLength, kLength}}};
  if (heads) step.attributes["heads"] = *heads;
  return step;
}

/// Each returned weight must be a whole number of heads' (1/L)/q over the number of heads, or for `plain`
/// just 1/L. Returns the sums of the rows, by batch and position; empty where the weights are not such.
std::vector<double> weight_rows(RowTrial& trial, std::size_t i, bool plain, std::int64_t heads) {
  const std::vector<double> weights = numbers(trial, i, trial.reply(i).extra.at("weights"));
  const double p = trial.step(i).problem.p;
  const double unit = plain ? 1. / kLength : 1. / kLength / (1 - p) / static_cast<double>(heads);
  std::vector<double> rows(weights.size() / kLength);
  std::uint64_t wrong = 0, dropped = 0;
  for (std::size_t e = 0; e < weights.size(); ++e) {
    const double units = weights[e] / unit, whole = plain ? 1 : std::round(units);
    if (!(std::abs(units - whole) <= 1e-5) || whole < 0 || whole > static_cast<double>(heads)) ++wrong;
    dropped += whole < static_cast<double>(heads) ? 1u : 0u;
    rows[e / kLength] += weights[e];
  }
  trial.require_all(weights.size(), wrong, [&] {
    return fmt::format("{}: {} of {} weights are not {}", trial.place(i), wrong, weights.size(),
                       plain ? "1/L" : "0 or 1/L times 1/(1 - p)");
  });
  if (!plain)
    trial.require(dropped > 0 && dropped < weights.size() * static_cast<std::size_t>(heads), [&] {
      return fmt::format("{}: {} of {} weights were dropped somewhere; dropout must act on the returned ones",
                         trial.place(i), dropped, weights.size());
    });
  return wrong == 0 ? rows : std::vector<double>();
}

constexpr std::array kAttentionP = {.1, .3, .5};

std::vector<Step> scaled_products() {
  std::vector<Step> steps;
  for (const Mode mode : {Mode::train, Mode::eval}) {
    for (const double p : kAttentionP)
      steps.push_back(attention_step("scaled_dot_product_attention", p, mode, std::nullopt));
    steps.push_back(attention_step("scaled_dot_product_attention", 0, mode, std::nullopt));
  }
  return steps;
}

void judge_scaled_products(RowTrial& trial) {
  const auto entries = static_cast<std::uint64_t>(kBatch * kLength * kLength);
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const bool plain = trial.step(i).problem.p == 0;
    const std::vector<double> rows = weight_rows(trial, i, plain, 1);
    const std::vector<double> y = numbers(trial, i, trial.reply(i).y);
    for (std::size_t e = 0; e < y.size() && !rows.empty(); ++e)  // the values are ones: y is the row's sum
      trial.require(std::abs(y[e] - rows[e / kWidth]) <= 1e-5, [&] {
        return fmt::format("{}: element {} of the result is {}, the weights of its row add up to {}",
                           trial.place(i), e, y[e], rows[e / kWidth]);
      });
    require_cpu_words(trial, i, plain ? 0 : 2 * entries);
  }
}

constexpr std::array kHeads = {std::int64_t{1}, std::int64_t{2}};

std::vector<Step> attentions() {
  std::vector<Step> steps;
  for (const std::int64_t heads : kHeads) {
    steps.push_back(attention_step("multihead_attention", .3, Mode::eval, heads));
    for (const double p : kAttentionP)
      steps.push_back(attention_step("multihead_attention", p, Mode::train, heads));
  }
  return steps;
}

void judge_attentions(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const std::size_t steps_of_heads = 1 + kAttentionP.size();
    const std::int64_t heads = kHeads[trial.reply(i).index / steps_of_heads];
    const Problem& problem = trial.step(i).problem;
    const bool plain = problem.mode == Mode::eval;
    const std::vector<double> rows = weight_rows(trial, i, plain, heads);
    require_cpu_words(
        trial, i,
        reference::words_of_attention({kBatch, static_cast<std::uint64_t>(heads), kLength, kLength},
                                      problem.p, problem.mode));
    if (rows.empty()) continue;
    std::size_t whole = 0;
    for (const double row : rows) whole += std::abs(row - 1) <= 1e-5 ? 1u : 0u;
    trial.require(plain ? whole == rows.size() : whole < rows.size(), [&] {
      return fmt::format("{}: {} of {} rows of weights add up to 1; {} must", trial.place(i), whole,
                         rows.size(), plain ? "all" : "not all");
    });
    const std::size_t eval = beside(trial, i, trial.reply(i).index / steps_of_heads * steps_of_heads);
    if (plain || heads != 1 || !trial.answered(eval)) continue;
    // All values are alike, so the result is the one of eval times the row's sum.
    const std::vector<double> y = numbers(trial, i, trial.reply(i).y),
                              base = numbers(trial, i, trial.reply(eval).y);
    for (std::size_t e = 0; e < y.size(); ++e) {
      const std::size_t position = e / (kBatch * kWidth), b = e / kWidth % kBatch;
      const double wanted = base[e] * rows[b * kLength + position];
      trial.require(std::abs(y[e] - wanted) <= 1e-5, [&] {
        return fmt::format("{}: element {} is {}; with the returned weights it is {}", trial.place(i), e,
                           y[e], wanted);
      });
    }
  }
}

// --- 102

struct Transformer {
  bool decoder;
  reference::TransformerShape shape;
  double p;
  Mode mode;
};
const std::vector<Transformer>& transformers() {
  static const std::vector<Transformer> cases = [] {
    std::vector<Transformer> made;
    for (const bool decoder : {false, true})
      for (const auto& shape :
           {reference::TransformerShape{2, 2, 8, 16, decoder ? 4u : 5u, decoder ? 5u : 0u},
            reference::TransformerShape{3, 4, 12, 20, 6, decoder ? 7u : 0u}}) {
        for (const double p : {.1, .3, 0., 1.}) made.push_back({decoder, shape, p, Mode::train});
        made.push_back({decoder, shape, .1, Mode::eval});
      }
    return made;
  }();
  return cases;
}

std::vector<Step> counted_transformers() {
  std::vector<Step> steps;
  for (const Transformer& c : transformers()) {
    const auto s = [](std::uint64_t v) { return static_cast<std::int64_t>(v); };
    const std::int64_t batch = s(c.shape.batch), width = s(c.shape.embedding);
    Problem problem = problem_of(c.p, {s(c.shape.targets), batch, width});
    problem.mode = c.mode;
    Step step =
        through(seeded_step(problem, Input::random_reals), c.decoder ? "decoder_layer" : "encoder_layer");
    step.output_shape = problem.shape;
    step.attributes["heads"] = s(c.shape.heads);
    step.attributes["feed_forward"] = s(c.shape.feed_forward);
    if (c.decoder) step.inputs = {{"memory", {s(c.shape.sources), batch, width}, Input::random_reals}};
    steps.push_back(step);
  }
  return steps;
}

void judge_counted_transformers(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    const Transformer& c = transformers()[trial.reply(i).index];
    require_cpu_words(trial, i,
                      c.decoder ? reference::words_of_decoder_layer(c.shape, c.p, c.mode)
                                : reference::words_of_encoder_layer(c.shape, c.p, c.mode));
  }
}

}  // namespace

std::vector<RowDefinition> embedded_rows() {
  std::vector<RowDefinition> rows;
  const Problem filed = problem_of(.5, {5, 2, 4});
  const std::vector<Feature> counting = {Feature::pytorch_conformance, Feature::rng_words};
  rows.push_back(
      {.row = {96, "RNN, LSTM, GRU", "one layer with dropout > 0",
               "a warning that names both arguments; nothing is drawn and the output is that of p = 0",
               "warning, RNG state", kRunOnBoth, "all", ""},
       .axes = {Axis::eval},
       .problem = filed,
       .needs = {Feature::pytorch_conformance},
       .steps = single_layers,
       .judge = judge_single_layers,
       .held = "dropout of a single layer does nothing but warn"});
  rows.push_back(
      {.row = {97, "RNN, LSTM, GRU", "dropout outside [0, 1] or NaN",
               "refused in words of their own, which name the range", "error text", kRunOnBoth, "all", ""},
       .axes = {Axis::bad_p, Axis::eval},
       .problem = filed,
       .needs = {Feature::pytorch_conformance},
       .steps = bad_recurrent,
       .judge = judge_bad_recurrent,
       .held = "recurrent layers refuse a bad p"});
  rows.push_back(
      {.row = {98, "RNN, LSTM, GRU", "generator words of a call",
               "two for each output element of all layers but the last; none in eval, for p = 0 or 1",
               "RNG state", kRunOnBoth, "builds that take two words an entry", ""},
       .axes = {Axis::p_one, Axis::eval},
       .problem = filed,
       .needs = counting,
       .steps = counted_recurrent,
       .judge = judge_counted_recurrent,
       .held = "every layer's output but the last one's is dropped"});
  rows.push_back(
      {.row = {99, "RNN", "two layers of 1000 with ReLU, input and weights of ones",
               "10000 for p = 0, 0 for p = 1, else 10/(1 - p) times a binomial number; h_n is taken "
               "before dropout",
               "bitwise, statistical", kRunOnBoth, "all", ""},
       .axes = {Axis::p_one, Axis::scale},
       .problem = filed,
       .steps = layers_of_ones,
       .judge = judge_layers_of_ones,
       .held = "the layer between is dropped element by element, h_n is not",
       .hypotheses = 2,
       .power = {RowPower::Law::rate, static_cast<std::uint64_t>(kOnes.hidden * kOnes.batch), 0.5,
                 "drop probability", 0.2}});
  rows.push_back({.row = {100, "scaled_dot_product_attention", "dropout_p > 0 while the caller is in eval",
                          "dropout is applied all the same, to the weights that are returned",
                          "bitwise, RNG state", kRunOnBoth, "all", ""},
                  .axes = {Axis::eval, Axis::scale},
                  .problem = filed,
                  .steps = scaled_products,
                  .judge = judge_scaled_products,
                  .held = "attention drops in eval as in training"});
  rows.push_back({.row = {101, "MultiheadAttention", "training and eval, weights asked for",
                          "the returned weights are those after dropout: their rows add up to 1 in eval only",
                          "bitwise", kRunOnBoth, "all", ""},
                  .axes = {Axis::eval, Axis::scale},
                  .problem = filed,
                  .steps = attentions,
                  .judge = judge_attentions,
                  .held = "the weights come back as they were used"});
  rows.push_back(
      {.row = {102, "TransformerEncoderLayer, TransformerDecoderLayer", "generator words of a call",
               "two for each entry of the places with dropout, four in the encoder layer and six in "
               "the decoder layer",
               "RNG state", kRunOnBoth, "builds that take two words an entry", ""},
       .axes = {Axis::p_one, Axis::eval},
       .problem = filed,
       .needs = counting,
       .steps = counted_transformers,
       .judge = judge_counted_transformers,
       .held = "all places with dropout draw"});
  return rows;
}

}  // namespace dropcheck::suites
