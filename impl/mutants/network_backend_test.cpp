// The base with layers that contain dropout: each form against numbers computed by hand from the masks that
// the operator draws under the same seed, which also pins the order of the draws.
#include "impl/mutants/network_backend.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "impl/mutants/testing/layer_asker.hpp"

namespace dropcheck::mutants {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pointwise;
using testing::SizeIs;

auto nearly(const Numbers& values) { return Pointwise(testing::DoubleNear(1e-12), values); }

/// Element by element.
Numbers product(const Numbers& a, const Numbers& b) {
  EXPECT_EQ(a.size(), b.size());
  Numbers out(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) out[i] = a[i] * b[i];
  return out;
}
/// Gains (B, W) for every one of `steps`.
Numbers over_time(const Numbers& gains, std::size_t steps) {
  Numbers out;
  for (std::size_t t = 0; t < steps; ++t) out.insert(out.end(), gains.begin(), gains.end());
  return out;
}

/// A call that needs no layer: the next mask of the stream.
Numbers next_gains(Backend& backend, std::vector<std::int64_t> shape) {
  return operator_gains(backend, std::move(shape), 0.5, std::nullopt);
}

// --- recurrent

/// Layers that pass their input on: W_ih of ones on the diagonal, W_hh of 0. x is (3, 2, 4), positive.
LayerQuestion passing_rnn(std::int64_t layers, const char* kind = "layers") {
  LayerQuestion q;
  q.attributes = {{"form", word("rnn")},
                  {"hidden", number(4)},
                  {"layers", number(layers)},
                  {"weights", word("given")},
                  {"dropout_kind", word(kind)}};
  q.x = rising({3, 2, 4});
  q.y_shape = {3, 2, 4};
  q.outputs = {{"h_n", {layers, 2, 4}}};
  for (std::int64_t l = 0; l < layers; ++l) {
    const std::string suffix = "_l" + std::to_string(l);
    q.inputs["weight_ih" + suffix] = diagonal(4);
    q.inputs["weight_hh" + suffix] = diagonal(4, 0);
    q.inputs["bias_ih" + suffix] = q.inputs["bias_hh" + suffix] = zeros({4});
  }
  return q;
}

Numbers last_step(const Numbers& y) { return {y.end() - 8, y.end()}; }

TEST(NetworkBase, RecurrentLayersDropBetweenThemAlone) {
  const auto backend = open_one("network");
  const LayerQuestion q = passing_rnn(3);
  const LayerReply reply = ask(*backend, q);
  ASSERT_TRUE(reply.seen.has_value()) << reply.seen.error().message;
  const auto gains = draws_of({{3, 2, 4}, {3, 2, 4}, {5}});
  const Numbers first = product(q.x.values, gains[0]), second = product(first, gains[1]);
  EXPECT_EQ(reply.y, second);
  Numbers h_n = last_step(q.x.values);
  for (const Numbers& y : {first, second})
    for (const double v : last_step(y)) h_n.push_back(v);
  EXPECT_EQ(reply.outputs.at("h_n"), h_n) << "before dropout";
  EXPECT_EQ(next_gains(*backend, {5}), gains[2]) << "two draws and no more";
  EXPECT_THAT(reply.seen->warnings, IsEmpty());
}

TEST(NetworkBase, NothingIsDrawnWhereNothingIsDropped) {
  LayerQuestion q = passing_rnn(3);
  for (const auto& [p, mode] : {std::pair{0.5, Mode::eval}, {0.0, Mode::train}, {1.0, Mode::train}}) {
    const auto backend = open_one("network");
    q.p = p;
    q.mode = mode;
    EXPECT_EQ(answer(*backend, q), p == 1 ? Numbers(24, 0.0) : q.x.values);
    EXPECT_EQ(next_gains(*backend, {9}), draws_of({{9}})[0]);
  }
  const LayerReply single = ask("network", passing_rnn(1));
  EXPECT_EQ(single.y, passing_rnn(1).x.values);
  EXPECT_THAT(single.seen->warnings, ElementsAre(HasSubstr("got dropout=0.5 and num_layers=1")));
}

TEST(NetworkBase, BothDirections) {
  LayerQuestion q = passing_rnn(2);
  q.attributes["bidirectional"] = true;
  q.y_shape = {3, 2, 8};
  q.outputs = {{"h_n", {4, 2, 4}}};
  // The second layer takes its own direction's half.
  Given left = zeros({4, 8}), right = left;
  for (std::size_t i = 0; i < 4; ++i) left.values[i * 8 + i] = right.values[i * 8 + 4 + i] = 1;
  q.inputs["weight_ih_l1"] = left;
  for (const char* l : {"_l0", "_l1"})
    for (const char* name : {"weight_ih", "weight_hh", "bias_ih", "bias_hh"})
      q.inputs[std::string(name) + l + "_reverse"] = q.inputs[std::string(name) + l];
  q.inputs["weight_ih_l1_reverse"] = right;
  const LayerReply reply = ask("network", q);
  ASSERT_TRUE(reply.seen.has_value()) << reply.seen.error().message;
  Numbers both;
  for (std::size_t row = 0; row < 6; ++row)
    for (std::size_t i = 0; i < 8; ++i) both.push_back(q.x.values[row * 4 + i % 4]);
  const Numbers y = product(both, draws_of({{3, 2, 8}})[0]);
  EXPECT_EQ(reply.y, y);
  Numbers h_n;
  for (std::size_t b = 0; b < 2; ++b)
    h_n.insert(h_n.end(), &q.x.values[16 + b * 4], &q.x.values[16 + b * 4] + 4);
  for (std::size_t b = 0; b < 2; ++b) h_n.insert(h_n.end(), &q.x.values[b * 4], &q.x.values[b * 4] + 4);
  for (std::size_t b = 0; b < 2; ++b) h_n.insert(h_n.end(), &y[32 + b * 8], &y[32 + b * 8] + 4);
  for (std::size_t b = 0; b < 2; ++b) h_n.insert(h_n.end(), &y[b * 8 + 4], &y[b * 8 + 4] + 4);
  EXPECT_EQ(reply.outputs.at("h_n"), h_n);
}

TEST(NetworkBase, ConstantWeightsAreThoseOfTheOtherBase) {
  LayerQuestion q;
  q.attributes = {{"form", word("rnn")}, {"hidden", number(3)}, {"weights", word("ones")}};
  q.p = 0;
  q.x = rising({2, 1, 2});
  q.y_shape = {2, 1, 3};
  EXPECT_THAT(answer("network", q), ElementsAre(3, 3, 3, 16, 16, 16));
  q.attributes.erase("weights");
  EXPECT_THAT(answer("network", q), ElementsAre(0, 0, 0.3125, 0, 0, 0.6875 - 0.0390625));
}

double sigmoid(double v) { return 1 / (1 + std::exp(-v)); }

/// One sequence, two steps, one unit; the input does not count.
LayerQuestion one_unit(const char* form, const Numbers& from_h, const Numbers& bias_x,
                       const Numbers& bias_h) {
  const auto rows = static_cast<std::int64_t>(from_h.size());
  LayerQuestion q;
  q.attributes = {{"form", word(form)}, {"hidden", number(1)}, {"weights", word("given")}};
  q.x = rising({2, 1, 1});
  q.y_shape = {2, 1, 1};
  q.inputs = {{"weight_ih_l0", zeros({rows, 1})},
              {"weight_hh_l0", {{rows, 1}, from_h}},
              {"bias_ih_l0", {{rows}, bias_x}},
              {"bias_hh_l0", {{rows}, bias_h}}};
  return q;
}

TEST(NetworkBase, GatesOfLstmAndGru) {
  const double i = sigmoid(.5), f = sigmoid(-.25), g = std::tanh(.75), o = sigmoid(1);
  const double c1 = i * g, h1 = o * std::tanh(c1);
  const double c2 = sigmoid(-.25 + 2 * h1) * c1 + i * g;
  EXPECT_THAT(f, DoubleNear(sigmoid(-.25), 0));
  EXPECT_THAT(answer("network", one_unit("lstm", {0, 2, 0, 0}, {.5, 0, .75, 1}, {0, -.25, 0, 0})),
              nearly({h1, o * std::tanh(c2)}));

  const auto gru = [](double h) {
    const double r = sigmoid(.5 + h), z = sigmoid(-.25), n = std::tanh(.75 + r * (2 * h + .125));
    return (1 - z) * n + z * h;
  };
  EXPECT_THAT(answer("network", one_unit("gru", {1, 0, 2}, {.5, -.25, .75}, {0, 0, .125})),
              nearly({gru(0), gru(gru(0))}));
}

TEST(NetworkBase, VariationalAndInputMasksHoldForAllSteps) {
  LayerQuestion q = passing_rnn(2, "variational");
  const auto gains = draws_of({{2, 4}, {2, 4}, {5}});
  EXPECT_EQ(answer("network", q), product(q.x.values, over_time(gains[0], 3)));
  q = passing_rnn(2, "input");
  const auto backend = open_one("network");
  EXPECT_EQ(answer(*backend, q),
            product(product(q.x.values, over_time(gains[0], 3)), over_time(gains[1], 3)));
  EXPECT_EQ(next_gains(*backend, {5}), gains[2]);
}

TEST(NetworkBase, RecurrentMasksAreOnTheState) {
  LayerQuestion q = passing_rnn(2, "recurrent");
  q.inputs["weight_hh_l0"] = q.inputs["weight_hh_l1"] = diagonal(4);
  const auto gains = draws_of({{2, 4}, {2, 4}});
  Numbers x = q.x.values;
  for (const Numbers& mask : gains)
    for (std::size_t at = 8; at < x.size(); ++at) x[at] += mask[at % 8] * x[at - 8];
  EXPECT_EQ(answer("network", q), x);
}

/// An LSTM of many units, with each gate's state weight on the diagonal.
LayerQuestion wide_lstm() {
  const std::int64_t n = 16;
  LayerQuestion q;
  q.attributes = {{"form", word("lstm")},
                  {"hidden", number(n)},
                  {"weights", word("given")},
                  {"dropout_kind", word("recurrent")}};
  q.x = rising({2, 1, 1});
  q.y_shape = {2, 1, n};
  q.inputs = {{"weight_ih_l0", zeros({4 * n, 1})},
              {"weight_hh_l0", stacked({diagonal(n, 1), diagonal(n, 2), diagonal(n, 3), diagonal(n, 4)})},
              {"bias_ih_l0", all({4 * n}, .5)},
              {"bias_hh_l0", zeros({4 * n})}};
  return q;
}

TEST(NetworkBase, EveryGateHasItsMaskOnTheState) {
  const auto gains = draws_of({{1, 16}, {1, 16}, {1, 16}, {1, 16}});
  const double c1 = sigmoid(.5) * std::tanh(.5), h1 = sigmoid(.5) * std::tanh(c1);
  Numbers expected(16, h1);
  for (std::size_t u = 0; u < 16; ++u) {
    const auto gate = [&](std::size_t k) { return .5 + static_cast<double>(k + 1) * gains[k][u] * h1; };
    const double c2 = sigmoid(gate(1)) * c1 + sigmoid(gate(0)) * std::tanh(gate(2));
    expected.push_back(sigmoid(gate(3)) * std::tanh(c2));
  }
  EXPECT_THAT(answer("network", wide_lstm()), nearly(expected));
}

TEST(NetworkMutant, RecurrentSites) {
  const auto gains = draws_of({{3, 2, 4}, {3, 2, 4}});
  const LayerQuestion one = passing_rnn(1), two = passing_rnn(2);
  const Numbers dropped = product(two.x.values, gains[0]);
  ASSERT_EQ(answer("network", two), dropped);
  EXPECT_EQ(answer("rnn_drops_last_layer", two), product(dropped, gains[1]));
  EXPECT_EQ(answer("rnn_drops_last_layer", one), one.x.values);
  EXPECT_EQ(answer("rnn_single_layer_drops", two), dropped);
  EXPECT_EQ(answer("rnn_single_layer_drops", one), dropped);
  EXPECT_EQ(answer("rnn_dropout_off", two), two.x.values);
  const LayerReply after = ask("rnn_hidden_after_dropout", two);
  EXPECT_EQ(after.y, dropped);
  Numbers h_n = last_step(dropped);
  h_n.insert(h_n.end(), h_n.begin(), h_n.begin() + 8);
  EXPECT_EQ(after.outputs.at("h_n"), h_n);
  EXPECT_NE(ask("network", two).outputs.at("h_n"), h_n);
}

TEST(NetworkMutant, RecurrentMasks) {
  const auto gains = draws_of({{3, 2, 4}, {3, 2, 4}});
  const LayerQuestion two = passing_rnn(2), three = passing_rnn(3);
  EXPECT_EQ(answer("rnn_mask_over_time", two), product(two.x.values, over_time(draws_of({{2, 4}})[0], 3)));
  EXPECT_EQ(answer("rnn_same_mask_every_layer", three), product(product(three.x.values, gains[0]), gains[0]));
  EXPECT_NE(answer("network", three), product(product(three.x.values, gains[0]), gains[0]));

  const auto cached = open_one("rnn_mask_cached");
  LayerQuestion next = two;
  const Numbers first = answer(*cached, two);
  EXPECT_EQ(first, product(two.x.values, gains[0]));
  next.seed.reset();
  EXPECT_EQ(answer(*cached, next), first);
  next.seed = 43;
  EXPECT_EQ(answer(*cached, next), first) << "whatever the seed";
  const auto clean = open_one("network");
  answer(*clean, two);
  next.seed.reset();
  EXPECT_EQ(answer(*clean, next), product(two.x.values, gains[1]));
}

TEST(NetworkMutant, VariationalMasks) {
  const LayerQuestion q = passing_rnn(2, "variational");
  EXPECT_EQ(answer("variational_fresh_each_step", q), product(q.x.values, draws_of({{3, 2, 4}})[0]));
  EXPECT_EQ(answer("variational_fresh_each_step", passing_rnn(2)), answer("network", passing_rnn(2)));

  const auto gains = draws_of({{1, 16}});
  const double c1 = sigmoid(.5) * std::tanh(.5), h1 = sigmoid(.5) * std::tanh(c1);
  const Numbers shared = answer("gates_share_mask", wide_lstm());
  for (std::size_t u = 0; u < 16; ++u) {
    const auto gate = [&](double weight) { return .5 + weight * gains[0][u] * h1; };
    const double c2 = sigmoid(gate(2)) * c1 + sigmoid(gate(1)) * std::tanh(gate(3));
    EXPECT_NEAR(shared[16 + u], sigmoid(gate(4)) * std::tanh(c2), 1e-12);
  }
  EXPECT_NE(shared, answer("network", wide_lstm()));
  EXPECT_EQ(answer("recurrent_input_swapped", passing_rnn(2, "recurrent")),
            answer("network", passing_rnn(2, "input")));
}

// --- attention

/// Self-attention that looks everywhere alike and hands the values on: E = 4, L = 3, B = 2, 2 heads.
LayerQuestion even_attention() {
  LayerQuestion q;
  q.attributes = {{"form", word("multihead_attention")},
                  {"heads", number(2)},
                  {"weights", word("given")},
                  {"average", false}};
  q.x = rising({3, 2, 4});
  q.y_shape = {3, 2, 4};
  q.inputs = {{"in_proj_weight", stacked({diagonal(4, 0), diagonal(4, 0), diagonal(4)})},
              {"in_proj_bias", zeros({12})},
              {"out_proj.weight", diagonal(4)},
              {"out_proj.bias", zeros({4})}};
  q.outputs = {{"weights", {2, 2, 3, 3}}};
  return q;
}

/// y (L, B, E) of weights (B, heads, L, S) and values (S, B, E).
Numbers attended(const Numbers& weights, const Numbers& values, std::size_t queries, std::size_t keys,
                 std::size_t heads = 2, std::size_t batch = 2, std::size_t width = 4) {
  Numbers y(queries * batch * width);
  for (std::size_t at = 0; at < y.size(); ++at) {
    const std::size_t l = at / (batch * width), b = at / width % batch, head = at % width / (width / heads);
    for (std::size_t s = 0; s < keys; ++s)
      y[at] += weights[((b * heads + head) * queries + l) * keys + s] *
               values[(s * batch + b) * width + at % width];
  }
  return y;
}
Numbers times(Numbers values, double factor) {
  for (double& v : values) v *= factor;
  return values;
}

TEST(NetworkBase, MultiheadAttentionDropsItsWeights) {
  LayerQuestion q = even_attention();
  const auto backend = open_one("network");
  const LayerReply reply = ask(*backend, q);
  ASSERT_TRUE(reply.seen.has_value()) << reply.seen.error().message;
  const auto gains = draws_of({{4, 3, 3}, {7}});
  const Numbers weights = times(gains[0], 1. / 3);
  EXPECT_THAT(reply.outputs.at("weights"), nearly(weights));
  EXPECT_THAT(reply.y, nearly(attended(weights, q.x.values, 3, 3)));
  EXPECT_EQ(next_gains(*backend, {7}), gains[1]);

  q.attributes.erase("average");
  q.outputs = {{"weights", {2, 3, 3}}};
  Numbers mean(18);
  for (std::size_t i = 0; i < 18; ++i)
    mean[i] = (weights[i / 9 * 18 + i % 9] + weights[i / 9 * 18 + 9 + i % 9]) / 2;
  EXPECT_THAT(ask("network", q).outputs.at("weights"), nearly(mean));
  q.mode = Mode::eval;
  EXPECT_THAT(ask("network", q).outputs.at("weights"), nearly(Numbers(18, 1. / 3)));
}

TEST(NetworkBase, AttentionIsSoftmaxOfScaledProducts) {
  // Two positions, two heads of two units each; queries and keys are the input.
  LayerQuestion q = even_attention();
  q.inputs["in_proj_weight"] = stacked({diagonal(4), diagonal(4), diagonal(4)});
  q.p = 0;
  q.x = {{2, 1, 4}, {1, 2, .5, 0, -1, 1, 2, .25}};
  q.y_shape = {2, 1, 4};
  q.outputs = {{"weights", {1, 2, 2, 2}}};
  const LayerReply reply = ask("network", q);
  const Numbers& weights = reply.outputs.at("weights");
  for (std::size_t head = 0; head < 2; ++head)
    for (std::size_t l = 0; l < 2; ++l) {
      double scores[2] = {};
      for (std::size_t s = 0; s < 2; ++s)
        for (std::size_t i = 0; i < 2; ++i)
          scores[s] += q.x.values[l * 4 + head * 2 + i] * q.x.values[s * 4 + head * 2 + i] / std::sqrt(2.);
      EXPECT_NEAR(weights[(head * 2 + l) * 2], 1 / (1 + std::exp(scores[1] - scores[0])), 1e-12);
      EXPECT_NEAR(weights[(head * 2 + l) * 2 + 1], 1 / (1 + std::exp(scores[0] - scores[1])), 1e-12);
    }
  EXPECT_THAT(reply.y, nearly(attended(weights, q.x.values, 2, 2, 2, 1)));
}

/// Queries of 0 look everywhere alike: B = 2, L = 3, E = 4.
LayerQuestion even_product() {
  LayerQuestion q;
  q.attributes = {{"form", word("scaled_dot_product_attention")}};
  q.x = zeros({2, 3, 4});
  q.y_shape = {2, 3, 4};
  q.inputs = {{"key", rising({2, 3, 4})}, {"value", rising({2, 3, 4})}};
  q.outputs = {{"weights", {2, 3, 3}}};
  return q;
}

TEST(NetworkBase, ScaledDotProductAttentionHasNoMode) {
  LayerQuestion q = even_product();
  const Numbers weights = times(draws_of({{2, 3, 3}})[0], 1. / 3);
  Numbers y(24);
  for (std::size_t at = 0; at < 24; ++at)
    for (std::size_t s = 0; s < 3; ++s)
      y[at] += weights[at / 4 * 3 + s] * q.inputs["value"].values[at / 12 * 12 + s * 4 + at % 4];
  for (const Mode mode : {Mode::train, Mode::eval}) {
    q.mode = mode;
    const LayerReply reply = ask("network", q);
    EXPECT_THAT(reply.outputs.at("weights"), nearly(weights));
    EXPECT_THAT(reply.y, nearly(y));
  }
  // Without them key and value are x.
  q.inputs.clear();
  q.p = 0;
  q.x = {{1, 2, 1}, {0, 1}};
  q.y_shape = {1, 2, 1};
  q.outputs = {{"weights", {1, 2, 2}}};
  const double e = std::exp(1.);
  EXPECT_THAT(answer("network", q), nearly({.5, e / (1 + e)}));
}

TEST(NetworkMutant, Attention) {
  LayerQuestion q = even_attention(), product = even_product();
  EXPECT_THAT(ask("attention_unscaled", q).outputs.at("weights"),
              nearly(times(ask("network", q).outputs.at("weights"), .5)));
  EXPECT_EQ(answer("sdpa_silent_in_eval", product), answer("network", product));
  const Numbers training = answer("network", q);
  EXPECT_EQ(answer("attention_drops_in_eval", product), answer("network", product));
  q.mode = product.mode = Mode::eval;
  EXPECT_EQ(answer("attention_drops_in_eval", q), training);
  EXPECT_NE(answer("network", q), training);
  EXPECT_THAT(ask("sdpa_silent_in_eval", product).outputs.at("weights"), nearly(Numbers(18, 1. / 3)));
}

TEST(NetworkMutant, AttentionMasks) {
  const LayerQuestion q = even_attention();
  // Weight (b, head, l, s) by b, head, l, s.
  const auto at = [](std::size_t b, std::size_t head, std::size_t l, std::size_t s) {
    return ((b * 2 + head) * 3 + l) * 3 + s;
  };
  const auto weights = [&](const char* id) { return ask(id, q).outputs.at("weights"); };
  const Numbers clean = weights("network"), queries = weights("attention_broadcast_queries"),
                heads = weights("attention_heads_share"), batch = weights("attention_batch_shares");
  int differ = 0;
  for (std::size_t b = 0; b < 2; ++b)
    for (std::size_t head = 0; head < 2; ++head)
      for (std::size_t l = 0; l < 3; ++l)
        for (std::size_t s = 0; s < 3; ++s) {
          EXPECT_EQ(queries[at(b, head, l, s)], queries[at(b, head, 0, s)]);
          EXPECT_EQ(heads[at(b, head, l, s)], heads[at(b, 0, l, s)]);
          EXPECT_EQ(batch[at(b, head, l, s)], batch[at(0, head, l, s)]);
          differ |= clean[at(b, head, l, s)] != clean[at(b, head, 0, s)] ? 1 : 0;
          differ |= clean[at(b, head, l, s)] != clean[at(b, 0, l, s)] ? 2 : 0;
          differ |= clean[at(b, head, l, s)] != clean[at(0, head, l, s)] ? 4 : 0;
        }
  EXPECT_EQ(differ, 7);
  EXPECT_NE(heads, queries);
}

// --- transformer

Numbers sum(Numbers a, const Numbers& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}
Numbers normalised(const Numbers& x, std::size_t width = 4) {
  Numbers y(x.size());
  const auto n = static_cast<double>(width);
  for (std::size_t row = 0; row < x.size(); row += width) {
    double mean = 0, squares = 0;
    for (std::size_t i = 0; i < width; ++i) mean += x[row + i] / n;
    for (std::size_t i = 0; i < width; ++i) squares += x[row + i] * x[row + i] / n;
    for (std::size_t i = 0; i < width; ++i)
      y[row + i] = (x[row + i] - mean) / std::sqrt(squares - mean * mean + 1e-5);
  }
  return y;
}
Numbers positive(Numbers x) {
  for (double& v : x) v = std::max(v, 0.);
  return x;
}

/// Attention as above, a feed-forward block that hands the positive on.
LayerQuestion passing_block(bool decoder) {
  LayerQuestion q;
  q.attributes = {{"form", word(decoder ? "decoder_layer" : "encoder_layer")},
                  {"heads", number(2)},
                  {"feed_forward", number(4)},
                  {"weights", word("given")}};
  q.x = {{3, 2, 4}, reference::some_reals(24)};
  q.y_shape = {3, 2, 4};
  for (const char* prefix : {"self_attn.", "multihead_attn."}) {
    if (!decoder && prefix[0] == 'm') continue;
    for (const auto& [name, given] : even_attention().inputs) q.inputs[prefix + name] = given;
  }
  for (const char* name : {"linear1", "linear2"}) {
    q.inputs[std::string(name) + ".weight"] = diagonal(4);
    q.inputs[std::string(name) + ".bias"] = zeros({4});
  }
  for (const char* name : {"norm1", "norm2", "norm3"}) {
    if (!decoder && name[4] == '3') continue;
    q.inputs[std::string(name) + ".weight"] = all({4}, 1);
    q.inputs[std::string(name) + ".bias"] = zeros({4});
  }
  if (decoder) q.inputs["memory"] = rising({5, 2, 4});
  return q;
}

Numbers encoded(const Numbers& x, const std::vector<Numbers>& gains) {
  const Numbers self = attended(times(gains[0], 1. / 3), x, 3, 3);
  const Numbers first = normalised(sum(x, product(self, gains[1])));
  return normalised(sum(first, product(product(positive(first), gains[2]), gains[3])));
}

const std::vector<std::vector<std::int64_t>> kEncoderSites = {{4, 3, 3}, {3, 2, 4}, {3, 2, 4}, {3, 2, 4}};

TEST(NetworkBase, EncoderLayerHasFourSites) {
  LayerQuestion q = passing_block(false);
  const auto gains = draws_of({{4, 3, 3}, {3, 2, 4}, {3, 2, 4}, {3, 2, 4}, {5}});
  const auto backend = open_one("network");
  EXPECT_THAT(answer(*backend, q), Pointwise(DoubleNear(1e-9), encoded(q.x.values, gains)));
  EXPECT_EQ(next_gains(*backend, {5}), gains[4]);
  q.mode = Mode::eval;
  EXPECT_THAT(answer("network", q),
              Pointwise(DoubleNear(1e-9), encoded(q.x.values, {Numbers(36, 1), Numbers(24, 1), Numbers(24, 1),
                                                               Numbers(24, 1)})));
}

TEST(NetworkBase, DecoderLayerHasSixSites) {
  const LayerQuestion q = passing_block(true);
  const auto gains = draws_of({{4, 3, 3}, {3, 2, 4}, {4, 3, 5}, {3, 2, 4}, {3, 2, 4}, {3, 2, 4}, {5}});
  const auto backend = open_one("network");
  const Numbers& x = q.x.values;
  const Numbers first = normalised(sum(x, product(attended(times(gains[0], 1. / 3), x, 3, 3), gains[1])));
  const auto decoded = [&](const Numbers& cross_gains) {
    const Numbers cross = attended(times(cross_gains, .2), q.inputs.at("memory").values, 3, 5);
    const Numbers second = normalised(sum(first, product(cross, gains[3])));
    return normalised(sum(second, product(product(positive(second), gains[4]), gains[5])));
  };
  EXPECT_THAT(answer(*backend, q), Pointwise(DoubleNear(1e-9), decoded(gains[2])));
  EXPECT_EQ(next_gains(*backend, {5}), gains[6]);
}

TEST(NetworkMutant, EncoderSites) {
  const LayerQuestion q = passing_block(false);
  const Numbers& x = q.x.values;
  auto gains = draws_of(kEncoderSites);
  const Numbers clean = encoded(x, gains);
  EXPECT_THAT(answer("encoder_sites_share", q),
              Pointwise(DoubleNear(1e-9), encoded(x, {gains[0], gains[1], gains[2], gains[1]})));
  EXPECT_THAT(answer("encoder_site_missing", q),
              Pointwise(DoubleNear(1e-9), encoded(x, {gains[0], gains[1], Numbers(24, 1), gains[2]})));
  const Numbers self = attended(times(gains[0], 1. / 3), x, 3, 3);
  const Numbers first = normalised(product(sum(x, self), gains[1]));
  EXPECT_THAT(answer("encoder_dropout_after_residual", q),
              Pointwise(DoubleNear(1e-9),
                        normalised(product(sum(first, product(positive(first), gains[2])), gains[3]))));
  for (const char* id : {"encoder_sites_share", "encoder_site_missing", "encoder_dropout_after_residual"})
    EXPECT_NE(answer(id, q), answer("network", q)) << id;
}

TEST(NetworkMutant, DecoderCrossShares) {
  LayerQuestion q = passing_block(true);
  q.inputs["memory"] = {{3, 2, 4}, reference::some_reals(24)};
  const auto gains = draws_of({{4, 3, 3}, {3, 2, 4}, {3, 2, 4}, {3, 2, 4}, {3, 2, 4}});
  const Numbers& x = q.x.values;
  const Numbers first = normalised(sum(x, product(attended(times(gains[0], 1. / 3), x, 3, 3), gains[1])));
  const Numbers cross = attended(times(gains[0], 1. / 3), q.inputs["memory"].values, 3, 3);
  const Numbers second = normalised(sum(first, product(cross, gains[2])));
  EXPECT_THAT(answer("decoder_cross_shares", q),
              Pointwise(DoubleNear(1e-9),
                        normalised(sum(second, product(product(positive(second), gains[3]), gains[4])))));
  q.inputs["memory"] = rising({5, 2, 4});
  EXPECT_NE(answer("decoder_cross_shares", q), answer("network", q)) << "of another length";
}

// --- convolution

LayerQuestion passing_cnn(std::vector<std::int64_t> shape, std::int64_t dimensions = 2) {
  const std::int64_t channels = shape[shape.size() - static_cast<std::size_t>(dimensions) - 1];
  LayerQuestion q;
  q.attributes = {{"form", word("cnn")},
                  {"channels", number(channels)},
                  {"dimensions", number(dimensions)},
                  {"weights", word("given")}};
  q.x = rising(shape);
  q.y_shape = shape;
  Given kernel = diagonal(channels);
  kernel.shape.resize(2 + static_cast<std::size_t>(dimensions), 1);
  for (const char* name : {"conv1", "conv2"}) {
    q.inputs[std::string(name) + ".weight"] = kernel;
    q.inputs[std::string(name) + ".bias"] = zeros({channels});
  }
  return q;
}

/// Gains of maps, each for as many elements.
Numbers each(const Numbers& gains, std::size_t elements) {
  Numbers out;
  for (const double gain : gains) out.insert(out.end(), elements, gain);
  return out;
}

TEST(NetworkBase, ConvolutionDropsWholeMaps) {
  const LayerQuestion flat = passing_cnn({3, 4, 2, 5}), deep = passing_cnn({3, 4, 2, 2, 3}, 3);
  const auto gains = draws_of({{3, 4}, {6}});
  const auto backend = open_one("network");
  EXPECT_EQ(answer(*backend, flat), product(flat.x.values, each(gains[0], 10)));
  EXPECT_EQ(next_gains(*backend, {6}), gains[1]);
  EXPECT_EQ(answer("network", deep), product(deep.x.values, each(gains[0], 12)));
  const auto maps = draws_of({{6}});
  const LayerQuestion alone = passing_cnn({6, 2, 5}), deep_alone = passing_cnn({6, 2, 2, 5}, 3);
  EXPECT_EQ(answer("network", alone), product(alone.x.values, each(maps[0], 10)));
  EXPECT_EQ(answer("network", deep_alone), product(deep_alone.x.values, each(maps[0], 20)));
}

TEST(NetworkBase, ConvolutionMixesChannels) {
  LayerQuestion q = passing_cnn({2, 1, 2});
  q.p = 0;
  q.attributes["channels"] = number(3);
  q.y_shape = {3, 1, 2};
  q.inputs = {{"conv1.weight", {{3, 2, 1, 1}, {1, 0, 0, 1, 1, -1}}},
              {"conv1.bias", {{3}, {0, .5, 1.5}}},
              {"conv2.weight", {{3, 3, 1, 1}, {0, 1, 0, 1, 0, 1, 0, 0, 0}}},
              {"conv2.bias", {{3}, {0, 0, 7}}}};
  // x is (1, 2), (3, 4): maps (1, 2), (3.5, 4.5) and relu(1.5 - 2) = (0, 0).
  EXPECT_THAT(answer("network", q), ElementsAre(3.5, 4.5, 1, 2, 7, 7));
  q.inputs["conv1.bias"].values[2] = 2.5;
  EXPECT_THAT(answer("network", q), ElementsAre(3.5, 4.5, 1.5, 2.5, 7, 7));
}

TEST(NetworkMutant, Convolution) {
  const LayerQuestion alone = passing_cnn({6, 3, 5}), batch = passing_cnn({3, 4, 2, 5});
  EXPECT_EQ(answer("cnn_wrong_axis", alone), product(alone.x.values, each(draws_of({{6, 3}})[0], 5)));
  EXPECT_EQ(answer("cnn_wrong_axis", batch), answer("network", batch));
  EXPECT_EQ(answer("cnn_elementwise", batch), product(batch.x.values, draws_of({{3, 4, 2, 5}})[0]));
}

// --- networks with one hidden layer

/// Hands its input on: (rows, width).
LayerQuestion passing_mlp(std::int64_t rows, std::int64_t width, const char* norm = "none") {
  LayerQuestion q;
  q.attributes = {{"form", word("mlp")},
                  {"hidden", number(width)},
                  {"outputs", number(width)},
                  {"weights", word("given")},
                  {"norm", word(norm)}};
  q.x = rising({rows, width});
  q.y_shape = {rows, width};
  for (const char* name : {"linear1", "linear2"}) {
    q.inputs[std::string(name) + ".weight"] = diagonal(width);
    q.inputs[std::string(name) + ".bias"] = zeros({width});
  }
  if (norm != std::string("none")) {
    q.inputs["norm.weight"] = all({width}, 1);
    q.inputs["norm.bias"] = zeros({width});
    q.outputs = {{"norm.running_mean", {width}}, {"norm.running_var", {width}}};
  }
  return q;
}

TEST(NetworkBase, MlpDropsItsHiddenUnits) {
  LayerQuestion q = passing_mlp(5, 8);
  const auto gains = draws_of({{5, 8}, {5, 8}, {4}});
  const auto backend = open_one("network");
  EXPECT_EQ(answer(*backend, q), product(q.x.values, gains[0]));
  q.attributes["modes"] = word("mc");
  q.seed.reset();
  EXPECT_EQ(answer(*backend, q), product(q.x.values, gains[1])) << "another pass, another mask";
  EXPECT_EQ(next_gains(*backend, {4}), gains[2]);

  q = passing_mlp(2, 2);
  q.p = 0;
  q.x.values = {1, -2, -3, 4};
  EXPECT_THAT(answer("network", q), ElementsAre(1, 0, 0, 4));
  q.attributes["activation"] = word("identity");
  EXPECT_THAT(answer("network", q), ElementsAre(1, -2, -3, 4));
  q.attributes["outputs"] = number(1);
  q.y_shape = {2, 1};
  q.inputs["linear1.bias"] = {{2}, {.5, .25}};
  q.inputs["linear2.weight"] = {{1, 2}, {2, 3}};
  q.inputs["linear2.bias"] = {{1}, {10}};
  EXPECT_THAT(answer("network", q), ElementsAre(10 + 3 - 5.25, 10 - 5 + 12.75));
}

struct Moments {
  Numbers mean, unbiased;
};
Moments moments(const Numbers& x, std::size_t width) {
  const std::size_t rows = x.size() / width;
  Moments m{Numbers(width), Numbers(width)};
  for (std::size_t i = 0; i < x.size(); ++i) m.mean[i % width] += x[i] / static_cast<double>(rows);
  for (std::size_t i = 0; i < x.size(); ++i)
    m.unbiased[i % width] += std::pow(x[i] - m.mean[i % width], 2) / static_cast<double>(rows - 1);
  return m;
}
/// With mean and variance of each column.
Numbers standardised(const Numbers& x, const Numbers& mean, const Numbers& variance) {
  Numbers y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t unit = i % mean.size();
    y[i] = (x[i] - mean[unit]) / std::sqrt(variance[unit] + 1e-5);
  }
  return y;
}

TEST(NetworkBase, BatchNormBeforeAndAfterDropout) {
  const auto gains = draws_of({{6, 3}});
  for (const char* norm : {"before", "after"}) {
    const bool after = norm == std::string("after");
    LayerQuestion q = passing_mlp(6, 3, norm);
    q.attributes["activation"] = word("identity");
    const Numbers normed = after ? product(q.x.values, gains[0]) : q.x.values;
    const Moments m = moments(normed, 3);
    const LayerReply reply = ask("network", q);
    ASSERT_TRUE(reply.seen.has_value()) << reply.seen.error().message;
    EXPECT_THAT(reply.outputs.at("norm.running_mean"), nearly(m.mean));
    EXPECT_THAT(reply.outputs.at("norm.running_var"), Pointwise(DoubleNear(1e-9), m.unbiased));
    const Numbers y = standardised(normed, m.mean, times(m.unbiased, 5. / 6));
    EXPECT_THAT(reply.y, Pointwise(DoubleNear(1e-9), after ? y : product(y, gains[0])));

    // In eval by what is given, or 0 and 1; and so in MC dropout, which drops all the same.
    q.mode = Mode::eval;
    EXPECT_THAT(answer("network", q), nearly(standardised(q.x.values, {0, 0, 0}, {1, 1, 1})));
    q.inputs["norm.running_mean"] = {{3}, {1, 2, 3}};
    q.inputs["norm.running_var"] = {{3}, {4, 5, 6}};
    const Numbers scaled = standardised(q.x.values, {1, 2, 3}, {4, 5, 6});
    EXPECT_THAT(answer("network", q), nearly(scaled));
    q.mode = Mode::train;
    q.attributes["modes"] = word("mc");
    const LayerReply mc = ask("network", q);
    EXPECT_THAT(mc.y, nearly(after ? standardised(normed, {1, 2, 3}, {4, 5, 6}) : product(scaled, gains[0])));
    EXPECT_THAT(mc.outputs.at("norm.running_mean"), ElementsAre(1, 2, 3));
    EXPECT_THAT(mc.outputs.at("norm.running_var"), ElementsAre(4, 5, 6));
    EXPECT_NE(ask("mc_norm_in_training", q).outputs.at("norm.running_var"),
              mc.outputs.at("norm.running_var"));
  }
}

TEST(NetworkMutant, McPasses) {
  LayerQuestion q = passing_mlp(4, 16);
  const Numbers ordinary = answer("network", q);
  for (const char* id : {"mc_same_mask", "mc_norm_in_training", "mc_unscaled_variance"})
    EXPECT_EQ(answer(id, q), ordinary) << id << " is wrong in MC dropout alone";
  q.attributes["modes"] = word("mc");
  const auto same = open_one("mc_same_mask");
  const Numbers first = answer(*same, q);
  EXPECT_EQ(first, ordinary);
  for (const auto& seed : {std::optional<std::uint64_t>(), std::optional<std::uint64_t>(7)}) {
    q.seed = seed;
    EXPECT_EQ(answer(*same, q), first);
  }
  q.seed = 42;
  const Numbers row = draws_of({{1, 16}})[0];
  EXPECT_EQ(answer("mc_unscaled_variance", q), product(q.x.values, over_time(row, 4)));
}

TEST(NetworkMutant, Subnetworks) {
  LayerQuestion q = passing_mlp(64, 10);
  q.x = all({64, 10}, 1);
  const Numbers exact = answer("mlp_exact_count", q), pairs = answer("mlp_pairs_coupled", q),
                clean = answer("network", q);
  bool clean_varies = false, pair_differs = false;
  std::set<Numbers> subsets;
  for (std::size_t row = 0; row < 64; ++row) {
    const auto of = [&](const Numbers& y) {
      return Numbers(y.begin() + static_cast<std::ptrdiff_t>(row * 10),
                     y.begin() + static_cast<std::ptrdiff_t>(row * 10 + 10));
    };
    const Numbers y = of(exact);
    EXPECT_EQ(std::count(y.begin(), y.end(), 0.), 5);
    EXPECT_EQ(std::count(y.begin(), y.end(), 2.), 5);
    subsets.insert(y);
    const Numbers c = of(clean);
    clean_varies |= std::count(c.begin(), c.end(), 0.) != 5;
    for (std::size_t i = 0; i < 10; i += 2) {
      EXPECT_EQ(of(pairs)[i], of(pairs)[i + 1]);
      pair_differs |= c[i] != c[i + 1];
    }
  }
  EXPECT_TRUE(clean_varies && pair_differs);
  EXPECT_GT(subsets.size(), 40u) << "the units are chosen at random";
  q.mode = Mode::eval;
  for (const char* id : {"mlp_exact_count", "mlp_pairs_coupled"}) EXPECT_EQ(answer(id, q), q.x.values);
}

TEST(NetworkMutant, NormShiftHidden) {
  LayerQuestion q = passing_mlp(6, 3, "after");
  const LayerReply wrong = ask("norm_shift_hidden", q), right = ask("network", q);
  EXPECT_EQ(wrong.y, right.y);
  EXPECT_EQ(wrong.outputs.at("norm.running_mean"), right.outputs.at("norm.running_mean"));
  EXPECT_THAT(wrong.outputs.at("norm.running_var"),
              Pointwise(DoubleNear(1e-9), moments(q.x.values, 3).unbiased));
  EXPECT_NE(wrong.outputs.at("norm.running_var"), right.outputs.at("norm.running_var"));
}

// --- modules

LayerQuestion module_of(Attributes attributes = {}, Mode mode = Mode::train) {
  LayerQuestion q;
  q.attributes = std::move(attributes);
  q.attributes["form"] = word("module");
  q.x = all({40}, 1);
  q.y_shape = {40};
  q.mode = mode;
  return q;
}

TEST(NetworkBase, ModulesFollowTheirMode) {
  const auto gains = draws_of({{40}, {40}, {40}});
  const Numbers ones(40, 1.0);
  EXPECT_EQ(answer("network", module_of()), gains[0]);
  EXPECT_EQ(answer("network", module_of({}, Mode::eval)), ones);
  const Attributes history = {{"history", word("train,eval,train,eval")}};
  EXPECT_EQ(answer("network", module_of(history)), gains[2]) << "two of the four have drawn";
  EXPECT_EQ(answer("network", module_of(history, Mode::eval)), ones);
  LayerQuestion in_place = module_of(history);
  in_place.in_place = true;
  EXPECT_EQ(answer("network", in_place), gains[2]) << "x is written to once";
  EXPECT_EQ(answer("network", module_of({{"nested", number(3)}})), gains[0]);
  EXPECT_EQ(answer("network", module_of({{"nested", number(3)}}, Mode::eval)), ones);
  EXPECT_EQ(answer("network", module_of({{"no_grad", true}})), gains[0]);
  EXPECT_EQ(answer("network", module_of({{"inside", true}}, Mode::eval)), gains[0])
      << "made in a forward call, it knows no eval";
  Attributes both = history;
  both["inside"] = true;
  LayerQuestion fifth = module_of(both, Mode::eval);
  EXPECT_EQ(answer("network", fifth), draws_of({{40}, {40}, {40}, {40}, {40}})[4]);
  LayerQuestion channels = module_of();
  channels.op = Op::dropout2d;
  channels.x = all({8, 5, 2}, 1);
  channels.y_shape = {8, 5, 2};
  EXPECT_EQ(answer("network", channels), each(gains[0], 2));
  LayerQuestion defaults = module_of({{"defaults", true}});
  defaults.p = 0.1;
  EXPECT_EQ(answer("network", defaults), gains[0]) << "p = 0.5";
}

TEST(NetworkMutant, Modes) {
  const auto gains = draws_of({{40}, {40}});
  const Numbers ones(40, 1.0);
  const Attributes history = {{"history", word("train,eval")}};
  EXPECT_EQ(answer("network", module_of(history)), gains[1]);
  EXPECT_EQ(answer("eval_forgets", module_of(history)), ones);
  EXPECT_EQ(answer("eval_forgets", module_of({{"history", word("train")}})), gains[1]);
  const Attributes nested = {{"nested", number(2)}};
  EXPECT_EQ(answer("eval_ignored_by_children", module_of(nested, Mode::eval)), gains[0]);
  EXPECT_EQ(answer("eval_ignored_by_children", module_of({}, Mode::eval)), ones);
  EXPECT_EQ(answer("no_grad_disables", module_of({{"no_grad", true}})), ones);
  EXPECT_EQ(answer("no_grad_disables", module_of()), gains[0]);
}

// --- all of them

std::vector<LayerQuestion> one_of_each() {
  std::vector<LayerQuestion> all = {passing_rnn(3),
                                    passing_rnn(2, "variational"),
                                    wide_lstm(),
                                    even_attention(),
                                    even_product(),
                                    passing_block(false),
                                    passing_block(true),
                                    passing_cnn({3, 4, 2, 5}),
                                    passing_mlp(6, 3, "after")};
  LayerQuestion gru = wide_lstm();
  gru.attributes["form"] = word("gru");
  for (auto& [name, given] : gru.inputs) {
    given.values.resize(given.values.size() / 4 * 3);
    given.shape[0] = given.shape[0] / 4 * 3;
  }
  all.push_back(gru);
  return all;
}

TEST(NetworkBase, RoundsOnceAtTheEnd) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    for (LayerQuestion q : one_of_each()) {
      q.p = 0.25;  // 4/3 is no number of any dtype
      for (double& value : q.x.values) value = round_to(value, dtype);
      for (auto& [name, given] : q.inputs)
        for (double& value : given.values) value = round_to(value, dtype);
      q.dtype = DType::f64;
      const Numbers exact = answer("network", q);
      q.dtype = dtype;
      const Numbers y = answer("network", q);
      ASSERT_THAT(y, SizeIs(exact.size()));
      for (std::size_t i = 0; i < y.size(); ++i)
        EXPECT_EQ(y[i], round_to(exact[i], dtype)) << form_of(q.attributes);
    }
  }
}

TEST(NetworkBase, GivenWeightsAreChecked) {
  for (LayerQuestion q : one_of_each()) {
    if (form_of(q.attributes) == "scaled_dot_product_attention") continue;
    for (const auto& [name, given] : q.inputs) {
      LayerQuestion wrong = q;
      wrong.inputs.erase(name);
      LayerReply reply = ask("network", wrong);
      ASSERT_FALSE(reply.seen.has_value()) << name;
      EXPECT_EQ(reply.seen.error().code, ErrorCode::invalid_argument);
      EXPECT_THAT(reply.seen.error().message, HasSubstr("input " + name + " is missing"));
      wrong = q;
      wrong.inputs[name].shape.insert(wrong.inputs[name].shape.begin(), 1);
      reply = ask("network", wrong);
      ASSERT_FALSE(reply.seen.has_value()) << name;
      EXPECT_EQ(reply.seen.error().code, ErrorCode::invalid_argument);
      EXPECT_THAT(reply.seen.error().message, HasSubstr("input " + name + " is (1, "));
    }
    q.inputs["surprise"] = zeros({1});
    EXPECT_THAT(ask("network", q).seen.error().message, HasSubstr("surprise"));
  }
}

Error refusal(const LayerQuestion& q) {
  const LayerReply reply = ask("network", q);
  return reply.seen ? Error{ErrorCode::internal, "it was answered"} : reply.seen.error();
}

TEST(NetworkBase, RefusesWhatDoesNotFit) {
  const auto changed = [](LayerQuestion q, const char* name, AttributeValue value) {
    q.attributes[name] = std::move(value);
    return q;
  };
  const LayerQuestion mlp = passing_mlp(2, 2), rnn = passing_rnn(2), attention = even_attention();
  for (const LayerQuestion& q :
       {changed(mlp, "form", word("perceptron")), changed(mlp, "norm", word("twice")),
        changed(mlp, "layers", number(2)), changed(rnn, "modes", word("mc")),
        changed(rnn, "dropout_kind", word("zoneout")),
        changed(passing_cnn({2, 2, 2, 2}), "dimensions", number(1)),
        changed(module_of(), "autograd", word("leaf"))})
    EXPECT_EQ(refusal(q).code, ErrorCode::unsupported) << refusal(q).message;
  LayerQuestion without_hidden = rnn, bad_p = rnn, other_op = rnn, wrong_y = rnn, wrong_x = rnn, more = rnn;
  without_hidden.attributes.erase("hidden");
  bad_p.p = std::nan("");
  wrong_y.y_shape = {3, 2, 5};
  wrong_x.x.shape = {6, 4};
  LayerQuestion in_eval = changed(mlp, "modes", word("mc"));
  in_eval.mode = Mode::eval;
  LayerQuestion one_row = passing_mlp(1, 3, "before");
  for (const LayerQuestion& q :
       {changed(rnn, "hidden", number(0)), changed(rnn, "hidden", word("4")), without_hidden, bad_p, wrong_y,
        wrong_x, changed(attention, "heads", number(3)), in_eval, one_row,
        changed(module_of(), "history", word("train,,eval")), changed(module_of(), "nested", number(1000)),
        changed(passing_cnn({2, 2, 2, 2}), "dimensions", number(3))})
    EXPECT_EQ(refusal(q).code, ErrorCode::invalid_argument) << refusal(q).message;
  other_op.op = Op::dropout2d;
  EXPECT_EQ(refusal(other_op).code, ErrorCode::unsupported);
  more.outputs["c_n"] = {2, 2, 4};
  EXPECT_THAT(refusal(more).message, HasSubstr("no output c_n"));
  LayerQuestion huge = rnn;
  huge.inputs.clear();
  huge.attributes["weights"] = word("ones");
  huge.attributes["hidden"] = number(8192);
  huge.attributes["layers"] = number(8192);
  EXPECT_EQ(refusal(huge).code, ErrorCode::unsupported);
}

TEST(NetworkBase, ARefusedCallDrawsNothing) {
  const auto backend = open_one("network");
  LayerQuestion q = passing_rnn(2);
  q.outputs["c_n"] = {2, 2, 4};
  const auto gains = draws_of({{3}, {3}});
  EXPECT_EQ(operator_gains(*backend, {3}, 0.5, 42), gains[0]);
  q.seed.reset();
  EXPECT_FALSE(ask(*backend, q).seen.has_value());
  EXPECT_EQ(next_gains(*backend, {3}), gains[1]);
}

TEST(NetworkBase, SaysItsForms) {
  EXPECT_THAT(open_one("network")->capabilities().forms,
              testing::UnorderedElementsAre("rnn", "lstm", "gru", "multihead_attention",
                                            "scaled_dot_product_attention", "encoder_layer", "decoder_layer",
                                            "mlp", "cnn", "module"));
}

TEST(NetworkMutant, OtherwiseClean) {
  // Each differs from the base in the forms that its name tells, and nowhere else.
  const std::map<std::string, std::string> forms = {{"rnn", "rnn lstm gru"},
                                                    {"variational", "rnn"},
                                                    {"gates", "lstm gru"},
                                                    {"recurrent", "lstm gru"},
                                                    {"attention", "attention encoder_layer decoder_layer"},
                                                    {"sdpa", "none"},
                                                    {"encoder", "encoder_layer"},
                                                    {"decoder", "decoder_layer"},
                                                    {"cnn", "cnn"},
                                                    {"mc", "none"},
                                                    {"mlp", "mlp"},
                                                    {"module", "module"},
                                                    {"eval", "none"},
                                                    {"no", "none"},
                                                    {"norm", "none"}};
  for (const MutantInfo& mutant : mutant_table()) {
    if (mutant.base != "network") continue;
    const std::string id(mutant.id), family = id.substr(0, id.find('_'));
    for (const LayerQuestion& q : one_of_each()) {
      const std::string form = form_of(q.attributes);
      const bool touched = forms.at(family).find(form) != std::string::npos ||
                           (family == "attention" && form.find("attention") != std::string::npos);
      if (!touched) {
        EXPECT_EQ(answer(id, q), answer("network", q)) << id << " in " << form;
      }
    }
    EXPECT_EQ(operator_gains(*open_one(id), {50}, 0.3, 42), draws_of({{50}}, 0.3)[0]) << id;
  }
}

}  // namespace
}  // namespace dropcheck::mutants
