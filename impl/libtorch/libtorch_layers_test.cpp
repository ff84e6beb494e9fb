// Layers that contain dropout with parameters of the test's own, against values computed by hand. Masks are
// made visible by identity weights, and are those that plain dropout draws from the same stream.

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "impl/libtorch/testing/plugin_fixture.hpp"

namespace dropcheck::libtorch {
namespace {

using Shape = std::vector<std::int64_t>;
using Values = std::vector<float>;

std::size_t count(const Shape& shape) {
  std::size_t n = 1;
  for (const std::int64_t extent : shape) n *= static_cast<std::size_t>(extent);
  return n;
}

Values constant(std::size_t n, float value) { return Values(n, value); }

Values identity(std::size_t n) {
  Values values(n * n);
  for (std::size_t i = 0; i < n; ++i) values[i * n + i] = 1;
  return values;
}

/// Named inputs of a call.
class Given {
 public:
  Given() = default;
  Given(Given&&) = default;
  Given(const Given&) = delete;
  Given& operator=(const Given&) = delete;
  Given& add(const char* name, Shape shape, Values values) {
    hosts_.push_back(Host::of(std::move(shape), std::move(values)));
    tensors_.emplace_back(name, &hosts_.back());
    return *this;
  }
  /// Zeros.
  Given& add(const char* name, const Shape& shape) { return add(name, shape, Values(count(shape))); }
  /// Of the tensor that was added under this name.
  Values& operator[](std::string_view name) {
    for (const auto& [key, host] : tensors_)
      if (key == name) return host->values();
    ADD_FAILURE() << "no " << name;
    return hosts_.front().values();
  }
  const Tensors& tensors() const { return tensors_; }

 private:
  std::deque<Host> hosts_;
  Tensors tensors_;
};

class LibTorchLayers : public LibTorchPlugin {
 protected:
  /// The result of a call that is to succeed.
  Values y_of(const Options& options, const Given& in, const Shape& shape, const Tensors& more_out = {}) {
    Host y(shape, -7);
    Tensors out{{"y", &y}};
    out.insert(out.end(), more_out.begin(), more_out.end());
    last_ = forward(options, in.tensors(), out);
    EXPECT_EQ(last_.error, "") << options.attributes;
    return y.values();
  }
  /// Plain dropout of ones in this stream.
  Values mask_of(const Shape& shape, std::int64_t seed, double p = 0.5) {
    return y_of({.p = p, .seed = seed}, Given().add("x", shape, constant(count(shape), 1)), shape);
  }
  /// Why a call with an output y of that shape is refused, after "invalid: " or "unsupported: ".
  std::string refusal(const Options& options, const Given& in, const Shape& shape,
                      const Tensors& more_out = {}) {
    Host y(shape);
    Tensors out{{"y", &y}};
    out.insert(out.end(), more_out.begin(), more_out.end());
    const Outcome outcome = forward(options, in.tensors(), out);
    return (outcome.status == DROPCHECK_INVALID_ARGUMENT ? "invalid: "
            : outcome.status == DROPCHECK_UNSUPPORTED    ? "unsupported: "
                                                         : "other: ") +
           outcome.error;
  }

  Outcome last_{};
};

void expect_near(const Values& actual, const Values& wanted, double tolerance = 1e-4) {
  ASSERT_EQ(actual.size(), wanted.size());
  for (std::size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], wanted[i], tolerance) << i;
}

Values signs(Values values) {
  for (float& value : values) value = value > 0 ? 2 : 0;
  return values;
}

// --- recurrent layers

const std::string kTwoRnn = R"({"form":"rnn","hidden":2,"layers":2,"weights":"given"})";

Given two_rnn_layers() {
  Given in;
  in.add("x", {2, 1, 2}, {1, 2, 3, 1});
  in.add("weight_ih_l0", {2, 2}, {1, 0, 0, 2}).add("weight_hh_l0", {2, 2}, {0, 1, 0, 0});
  in.add("bias_ih_l0", {2}, {1, 0}).add("bias_hh_l0", {2}, {0, -1});
  in.add("weight_ih_l1", {2, 2}, {1, 1, 1, -1}).add("weight_hh_l1", {2, 2});
  in.add("bias_ih_l1", {2}).add("bias_hh_l1", {2});
  return in;
}

TEST_F(LibTorchLayers, RnnComputesWithTheGivenParameters) {
  Host h_n({2, 1, 2});
  // Layer 0: (2, 3), then (3 + 1 + 3, 2 - 1); layer 1 adds and subtracts.
  EXPECT_EQ(y_of({.attributes = kTwoRnn, .p = 0}, two_rnn_layers(), {2, 1, 2}, {{"h_n", &h_n}}),
            (Values{5, 0, 8, 6}));
  EXPECT_EQ(h_n.values(), (Values{7, 1, 8, 6}));
  EXPECT_EQ(last_.words, 0);
}

TEST_F(LibTorchLayers, TheSecondDirectionHasParametersOfItsOwn) {
  Given in;
  in.add("x", {2, 1, 1}, {1, 2});
  in.add("weight_ih_l0", {1, 1}, {1}).add("weight_hh_l0", {1, 1}, {1});
  in.add("bias_ih_l0", {1}).add("bias_hh_l0", {1});
  in.add("weight_ih_l0_reverse", {1, 1}, {10}).add("weight_hh_l0_reverse", {1, 1}, {1});
  in.add("bias_ih_l0_reverse", {1}).add("bias_hh_l0_reverse", {1});
  EXPECT_EQ(
      y_of({.attributes = R"({"form":"rnn","hidden":1,"bidirectional":true,"weights":"given"})", .p = 0}, in,
           {2, 1, 2}),
      (Values{1, 30, 3, 20}));
}

TEST_F(LibTorchLayers, GatesOfAnLstmAreInTheOrderOfPyTorch) {
  Given in;
  in.add("x", {1, 1, 1}).add("weight_ih_l0", {4, 1}).add("weight_hh_l0", {4, 1});
  in.add("bias_ih_l0", {4}, {100, -100, 0.5, 0}).add("bias_hh_l0", {4});  // input, forget, cell, output
  expect_near(y_of({.attributes = R"({"form":"lstm","hidden":1,"weights":"given"})", .p = 0}, in, {1, 1, 1}),
              {static_cast<float>(0.5 * std::tanh(std::tanh(0.5)))}, 1e-6);
}

TEST_F(LibTorchLayers, GatesOfAGruAreInTheOrderOfPyTorch) {
  Given in;
  in.add("x", {1, 1, 1}).add("weight_ih_l0", {3, 1}).add("weight_hh_l0", {3, 1});
  // Reset 1/2, update 3/4; the new gate's hidden bias is behind the reset gate.
  in.add("bias_ih_l0", {3}, {0, std::log(3.F), 0.25}).add("bias_hh_l0", {3}, {0, 0, 0.5});
  expect_near(y_of({.attributes = R"({"form":"gru","hidden":1,"weights":"given"})", .p = 0}, in, {1, 1, 1}),
              {static_cast<float>(0.25 * std::tanh(0.5))}, 1e-6);
}

TEST_F(LibTorchLayers, TheMaskBetweenRecurrentLayersIsPlainDropoutOfTheOutput) {
  constexpr std::size_t kHidden = 8;
  const Shape shape{4, 2, kHidden};
  Given in;
  in.add("x", shape, constant(count(shape), 1));
  in.add("weight_ih_l0", {kHidden, kHidden}, identity(kHidden)).add("weight_hh_l0", {kHidden, kHidden});
  in.add("weight_ih_l1", {kHidden, kHidden}, identity(kHidden)).add("weight_hh_l1", {kHidden, kHidden});
  for (const char* name : {"bias_ih_l0", "bias_hh_l0", "bias_ih_l1", "bias_hh_l1"}) in.add(name, {kHidden});
  const std::string attributes =
      R"({"form":"rnn","hidden":8,"layers":2,"weights":"given","dropout_kind":"layers"})";
  EXPECT_EQ(y_of({.attributes = attributes, .seed = 5}, in, shape), mask_of(shape, 5));
  EXPECT_EQ(y_of({.attributes = attributes, .train = false, .seed = 5}, in, shape), in["x"]);
  EXPECT_EQ(last_.words, 0);
}

// --- attention

/// Queries and keys are 0, so that all positions count alike; values are x + (10, 20), results get 100 more
/// in the first feature.
Given even_attention(std::int64_t length, std::int64_t batch) {
  Given in;
  const Shape shape{length, batch, 2};
  Values x(count(shape));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i + 1);
  in.add("x", shape, x);
  in.add("in_proj_weight", {6, 2}, {0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1});
  in.add("in_proj_bias", {6}, {0, 0, 0, 0, 10, 20});
  in.add("out_proj.weight", {2, 2}, identity(2)).add("out_proj.bias", {2}, {100, 0});
  return in;
}

TEST_F(LibTorchLayers, MultiheadAttentionComputesWithTheGivenParameters) {
  const std::string attributes =
      R"({"form":"multihead_attention","heads":2,"weights":"given","average":false})";
  Host weights({1, 2, 2, 2});
  expect_near(y_of({.attributes = attributes, .train = false}, even_attention(2, 1), {2, 1, 2},
                   {{"weights", &weights}}),
              {112, 23, 112, 23});
  EXPECT_EQ(weights.values(), constant(8, 0.5));
}

TEST_F(LibTorchLayers, WeightsOfEveryHeadAreThoseThatAttentionUsed) {
  constexpr std::size_t kLength = 8, kBatch = 3, kHeads = 2;
  Given in = even_attention(kLength, kBatch);
  Host weights({kBatch, kHeads, kLength, kLength}), averaged({kBatch, kLength, kLength});
  const Values y = y_of({.attributes = R"({"form":"multihead_attention","heads":2,"weights":"given",)"
                                       R"("average":false})"},
                        in, {kLength, kBatch, 2}, {{"weights", &weights}});
  EXPECT_EQ(last_.words, static_cast<std::int64_t>(2 * kBatch * kHeads * kLength * kLength));
  y_of({.attributes = R"({"form":"multihead_attention","heads":2,"weights":"given"})"}, in,
       {kLength, kBatch, 2}, {{"weights", &averaged}});
  Values mask = mask_of({kBatch * kHeads, kLength, kLength}, 0);
  for (float& value : mask) value /= kLength;
  EXPECT_EQ(weights.values(), mask);
  for (std::size_t b = 0; b < kBatch; ++b)
    for (std::size_t l = 0; l < kLength; ++l)
      for (std::size_t h = 0; h < kHeads; ++h) {
        float wanted = h == 0 ? 100 : 0;
        for (std::size_t k = 0; k < kLength; ++k) {
          const float weight = weights.values()[((b * kHeads + h) * kLength + l) * kLength + k];
          wanted += weight * (in["x"][(k * kBatch + b) * 2 + h] + (h == 0 ? 10 : 20));
          const float other = weights.values()[((b * kHeads + 1 - h) * kLength + l) * kLength + k];
          EXPECT_EQ(averaged.values()[(b * kLength + l) * kLength + k], (weight + other) / 2);
        }
        EXPECT_NEAR(y[(l * kBatch + b) * 2 + h], wanted, 1e-3) << b << " " << l << " " << h;
      }
}

const std::string kScaled = R"({"form":"scaled_dot_product_attention"})";

TEST_F(LibTorchLayers, ScaledDotProductAttentionTakesKeyAndValue) {
  Given in;
  in.add("x", {1, 2, 1}, {0, std::log(3.F)}).add("key", {1, 2, 1}, {0, 1}).add("value", {1, 2, 1}, {4, 8});
  Host weights({1, 2, 2});
  expect_near(y_of({.attributes = kScaled, .p = 0}, in, {1, 2, 1}, {{"weights", &weights}}), {6, 7}, 1e-5);
  expect_near(weights.values(), {0.5, 0.5, 0.25, 0.75}, 1e-6);
  Given alone;
  alone.add("x", {1, 2, 1}, {0, 0}).add("value", {1, 2, 1}, {4, 8});
  expect_near(y_of({.attributes = kScaled, .p = 0}, alone, {1, 2, 1}), {6, 6}, 1e-5);
}

TEST_F(LibTorchLayers, KeysOfASavedCallAreKeptToo) {
  const auto gradient = [&](bool spoil) {
    Given in;
    in.add("x", {1, 2, 1}, {0.5, 2}).add("key", {1, 2, 1}, {0, 1}).add("value", {1, 2, 1}, {4, 8});
    Host y({1, 2, 1}), dy({1, 2, 1}, 1), dx({1, 2, 1});
    const Outcome saved = forward({.attributes = kScaled, .p = 0, .save = true}, in.tensors(), {{"y", &y}});
    EXPECT_EQ(saved.error, "");
    if (spoil) in["key"] = in["value"] = {-100, 100};
    EXPECT_EQ(backward(saved.saved, {}, {{"dy", &dy}}, {{"dx", &dx}}).error, "");
    return dx.values();
  };
  const Values dx = gradient(false);
  // y = 4 + 4 s(q) with the logistic function s, so that dy/dq is 4 s (1 - s).
  const auto slope = [](double q) {
    const double s = 1 / (1 + std::exp(-q));
    return static_cast<float>(4 * s * (1 - s));
  };
  expect_near(dx, {slope(0.5), slope(2)}, 1e-5);
  EXPECT_EQ(gradient(true), dx);
}

// --- transformer layers

/// Of one row: (x - mean) / sqrt(biased variance + 1e-5).
Values normalised(const Values& row) {
  double mean = 0, variance = 0;
  for (const float value : row) mean += value / static_cast<double>(row.size());
  for (const float value : row) variance += std::pow(value - mean, 2) / static_cast<double>(row.size());
  Values result;
  for (const float value : row)
    result.push_back(static_cast<float>((value - mean) / std::sqrt(variance + 1e-5)));
  return result;
}

TEST_F(LibTorchLayers, EncoderLayerComputesWithTheGivenParameters) {
  const std::string attributes = R"({"form":"encoder_layer","heads":2,"feed_forward":3,"weights":"given"})";
  Given in;
  in.add("x", {1, 1, 4}, {1, 3, 1, 3});
  in.add("self_attn.in_proj_weight", {12, 4}).add("self_attn.in_proj_bias", {12});
  in.add("self_attn.out_proj.weight", {4, 4}).add("self_attn.out_proj.bias", {4}, {0, 2, 0, 2});
  in.add("norm1.weight", {4}, {2, 3, 2, 3}).add("norm1.bias", {4}, {0, 1, 0, 1});
  // The second, third and fourth feature, and from there to the first, third and fourth.
  in.add("linear1.weight", {3, 4}, {0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1})
      .add("linear1.bias", {3}, {-1, 16, -5});
  in.add("linear2.weight", {4, 3}, {1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1})
      .add("linear2.bias", {4}, {0, 1, 0, 0});
  in.add("norm2.weight", {4}, constant(4, 1)).add("norm2.bias", {4});
  // norm1 of (1, 5, 1, 5), with gain and bias (-2, 4, -2, 4); hidden (3, 14, -1), of which ReLU leaves
  // (3, 14, 0); then (3, 1, 14, 0).
  const Values wanted = normalised({1, 5, 12, 4});
  expect_near(y_of({.attributes = attributes, .p = 0}, in, {1, 1, 4}), wanted);
  expect_near(y_of({.attributes = attributes, .train = false}, in, {1, 1, 4}), wanted);
  EXPECT_EQ(last_.words, 0);
}

TEST_F(LibTorchLayers, DecoderLayerComputesWithTheGivenParameters) {
  Given in;
  in.add("x", {1, 1, 4}, {1, 3, 1, 3}).add("memory", {1, 1, 4}, {3, -1, 5, 1});
  in.add("self_attn.in_proj_weight", {12, 4}).add("self_attn.in_proj_bias", {12});
  in.add("self_attn.out_proj.weight", {4, 4}).add("self_attn.out_proj.bias", {4}, {0, 2, 0, 2});
  Values values(48);  // the values alone, as they are
  for (std::size_t i = 0; i < 4; ++i) values[32 + 5 * i] = 1;
  in.add("multihead_attn.in_proj_weight", {12, 4}, values).add("multihead_attn.in_proj_bias", {12});
  in.add("multihead_attn.out_proj.weight", {4, 4}, identity(4)).add("multihead_attn.out_proj.bias", {4});
  in.add("linear1.weight", {4, 4}, identity(4)).add("linear1.bias", {4});
  in.add("linear2.weight", {4, 4}, identity(4)).add("linear2.bias", {4});
  for (const char* norm : {"norm1.weight", "norm2.weight", "norm3.weight"}) in.add(norm, {4}, constant(4, 1));
  for (const char* norm : {"norm1.bias", "norm2.bias", "norm3.bias"}) in.add(norm, {4});
  // norm1 of (1, 5, 1, 5) is (-1, 1, -1, 1); with the memory's only row (2, 0, 4, 2), of which norm2 makes
  // (0, -r, r, 0); the feed-forward part doubles the positive r.
  const float r = std::sqrt(2.F);
  expect_near(
      y_of({.attributes = R"({"form":"decoder_layer","heads":1,"feed_forward":4,"weights":"given"})", .p = 0},
           in, {1, 1, 4}),
      normalised({0, -r, 2 * r, 0}));
}

constexpr std::int64_t kSteps = 4, kBatch = 2, kWidth = 8, kWide = 16, kMemory = 5;

/// Nothing but what the test sets: gains 1, all else 0.
Given still_layer(bool decoder) {
  Given in;
  in.add("x", {kSteps, kBatch, kWidth});
  const auto attention = [&](const char* w, const char* b, const char* ow, const char* ob) {
    in.add(w, {3 * kWidth, kWidth}).add(b, {3 * kWidth}).add(ow, {kWidth, kWidth}).add(ob, {kWidth});
  };
  attention("self_attn.in_proj_weight", "self_attn.in_proj_bias", "self_attn.out_proj.weight",
            "self_attn.out_proj.bias");
  if (decoder) {
    in.add("memory", {kMemory, kBatch, kWidth});
    attention("multihead_attn.in_proj_weight", "multihead_attn.in_proj_bias",
              "multihead_attn.out_proj.weight", "multihead_attn.out_proj.bias");
    in.add("norm3.weight", {kWidth}, constant(kWidth, 1)).add("norm3.bias", {kWidth});
  }
  in.add("linear1.weight", {kWide, kWidth}).add("linear1.bias", {kWide});
  in.add("linear2.weight", {kWidth, kWide}).add("linear2.bias", {kWidth});
  in.add("norm1.weight", {kWidth}, constant(kWidth, 1)).add("norm1.bias", {kWidth});
  in.add("norm2.weight", {kWidth}, constant(kWidth, 1)).add("norm2.bias", {kWidth});
  return in;
}

// A site of ones behind which only normalisations follow shows its mask in the sign of the result: dropped
// entries are below the mean of their row. Seeds whose rows are neither all kept nor all dropped.
constexpr std::int64_t kMixedSeed = 1;

TEST_F(LibTorchLayers, SitesOfAnEncoderLayerDrawInOrder) {
  const std::string attributes = R"({"form":"encoder_layer","heads":2,"feed_forward":16,"weights":"given"})";
  const Shape shape{kSteps, kBatch, kWidth};
  const auto shown = [&](const char* bias) {
    Given in = still_layer(false);
    in[bias] = constant(kWidth, 1);
    return signs(y_of({.attributes = attributes, .seed = kMixedSeed}, in, shape));
  };
  const Values dropout1 = shown("self_attn.out_proj.bias"), dropout2 = shown("linear2.bias");
  EXPECT_EQ(last_.words,
            2 * (kBatch * 2 * kSteps * kSteps + 2 * kSteps * kBatch * kWidth + kSteps * kBatch * kWide));
  mask_of({kBatch * 2, kSteps, kSteps}, kMixedSeed);
  EXPECT_EQ(dropout1, mask_of(shape, -1));
  mask_of({kSteps, kBatch, kWide}, -1);
  EXPECT_EQ(dropout2, mask_of(shape, -1));
}

TEST_F(LibTorchLayers, SitesOfADecoderLayerDrawInOrder) {
  const std::string attributes = R"({"form":"decoder_layer","heads":2,"feed_forward":16,"weights":"given"})";
  const Shape shape{kSteps, kBatch, kWidth};
  const auto shown = [&](const char* bias) {
    Given in = still_layer(true);
    in[bias] = constant(kWidth, 1);
    return signs(y_of({.attributes = attributes, .seed = kMixedSeed}, in, shape));
  };
  const Values dropout1 = shown("self_attn.out_proj.bias"), dropout2 = shown("multihead_attn.out_proj.bias"),
               dropout3 = shown("linear2.bias");
  mask_of({kBatch * 2, kSteps, kSteps}, kMixedSeed);
  EXPECT_EQ(dropout1, mask_of(shape, -1));
  mask_of({kBatch * 2, kSteps, kMemory}, -1);
  EXPECT_EQ(dropout2, mask_of(shape, -1));
  mask_of({kSteps, kBatch, kWide}, -1);
  EXPECT_EQ(dropout3, mask_of(shape, -1));
}

// --- networks

Given mlp(const Shape& x_shape, Values x, std::size_t width) {
  const auto w = static_cast<std::int64_t>(width);
  Given in;
  in.add("x", x_shape, std::move(x));
  in.add("linear1.weight", {w, w}, identity(width)).add("linear1.bias", {w});
  in.add("linear2.weight", {w, w}, identity(width)).add("linear2.bias", {w});
  return in;
}

std::string mlp_attributes(std::int64_t width, const std::string& more = "") {
  const std::string size = std::to_string(width);
  return R"({"form":"mlp","weights":"given","hidden":)" + size + R"(,"outputs":)" + size + more + "}";
}

TEST_F(LibTorchLayers, MlpComputesWithTheGivenParameters) {
  Given in;
  in.add("x", {2, 2}, {1, 2, 3, -1});
  in.add("linear1.weight", {3, 2}, {1, 1, 1, -1, 0, 2}).add("linear1.bias", {3}, {0, 0, 1});
  in.add("linear2.weight", {1, 3}, {1, 10, 100}).add("linear2.bias", {1}, {0.5});
  // Hidden (3, -1, 5) and (2, 4, -1).
  const std::string sizes = R"({"form":"mlp","weights":"given","hidden":3,"outputs":1)";
  EXPECT_EQ(y_of({.attributes = sizes + "}", .p = 0}, in, {2, 1}), (Values{503.5, 42.5}));
  EXPECT_EQ(y_of({.attributes = sizes + R"(,"activation":"relu"})", .train = false}, in, {2, 1}),
            (Values{503.5, 42.5}));
  EXPECT_EQ(y_of({.attributes = sizes + R"(,"activation":"identity","norm":"none"})", .p = 0}, in, {2, 1}),
            (Values{493.5, -57.5}));
}

TEST_F(LibTorchLayers, MlpWithConstantWeights) {
  const Given x = std::move(Given().add("x", {1, 3}, {1, 2, 3}));
  EXPECT_EQ(
      y_of({.attributes = R"({"form":"mlp","hidden":2,"outputs":2,"weights":"ones"})", .p = 0}, x, {1, 2}),
      (Values{12, 12}));
  // Weights -3/16, -2/16, -1/16; 0, 1/16, 2/16: hidden (-10, 8) / 16; then -3, -2; -1, 0 sixteenths.
  EXPECT_EQ(y_of({.attributes = R"({"form":"mlp","hidden":2,"outputs":2})", .p = 0}, x, {1, 2}),
            (Values{-16. / 256, 0}));
}

TEST_F(LibTorchLayers, TheMaskOfAnMlpIsPlainDropoutBehindTheActivation) {
  const Shape shape{16, 4};
  Given in = mlp(shape, constant(64, 1), 4);
  EXPECT_EQ(y_of({.attributes = mlp_attributes(4), .p = 0.25, .seed = 3}, in, shape),
            mask_of(shape, 3, 0.25));
  EXPECT_EQ(last_.words, 2 * 64);
  in["x"] = constant(64, -1);
  EXPECT_EQ(y_of({.attributes = mlp_attributes(4), .seed = 3}, in, shape), constant(64, 0));
  Values mask = mask_of(shape, 3);
  for (float& value : mask) value = -value;
  EXPECT_EQ(y_of({.attributes = mlp_attributes(4, R"(,"activation":"identity")"), .seed = 3}, in, shape),
            mask);
}

/// Gain and bias of the normalisation.
Given with_norm(Given in, std::int64_t width, float gain, float bias) {
  const auto n = static_cast<std::size_t>(width);
  in.add("norm.weight", {width}, constant(n, gain)).add("norm.bias", {width}, constant(n, bias));
  return in;
}

TEST_F(LibTorchLayers, NormalisationBeforeTheActivationTellsItsStatistics) {
  const Given in = with_norm(mlp({2, 1}, {1, 3}, 1), 1, 2, 1);
  Host mean({1}), variance({1});
  const Tensors statistics{{"norm.running_mean", &mean}, {"norm.running_var", &variance}};
  const std::string attributes = mlp_attributes(1, R"(,"norm":"before")");
  // Mean 2, biased variance 1: 2 (-1, 1) + 1 = (-1, 3), of which the activation leaves (0, 3).
  expect_near(y_of({.attributes = attributes, .p = 0}, in, {2, 1}, statistics), {0, 3});
  EXPECT_EQ(mean.values()[0], 2);
  EXPECT_EQ(variance.values()[0], 2);  // unbiased
  // In eval mode the statistics are used as they are: by default 0 and 1.
  expect_near(y_of({.attributes = attributes, .train = false}, in, {2, 1}, statistics), {3, 7});
  EXPECT_EQ(mean.values()[0], 0);
  EXPECT_EQ(variance.values()[0], 1);
  Given tracked = with_norm(mlp({2, 1}, {1, 3}, 1), 1, 2, 1);
  tracked.add("norm.running_mean", {1}, {-1}).add("norm.running_var", {1}, {4});
  expect_near(y_of({.attributes = attributes, .train = false}, tracked, {2, 1}, statistics), {3, 5});
  EXPECT_EQ(mean.values()[0], -1);
  EXPECT_EQ(variance.values()[0], 4);
}

TEST_F(LibTorchLayers, NormalisationBehindDropoutSeesWhatWasDropped) {
  constexpr std::size_t kRows = 16, kFeatures = 4;
  const Shape shape{kRows, kFeatures};
  const Given in = with_norm(mlp(shape, constant(kRows * kFeatures, 1), kFeatures), kFeatures, 1, 0);
  Host mean({kFeatures}), variance({kFeatures});
  const std::string attributes = mlp_attributes(kFeatures, R"(,"norm":"after")");
  const Values y = y_of({.attributes = attributes, .seed = 3}, in, shape,
                        {{"norm.running_mean", &mean}, {"norm.running_var", &variance}});
  const Values mask = mask_of(shape, 3);
  for (std::size_t f = 0; f < kFeatures; ++f) {
    double sum = 0, squares = 0;
    for (std::size_t r = 0; r < kRows; ++r) sum += mask[r * kFeatures + f];
    for (std::size_t r = 0; r < kRows; ++r) squares += std::pow(mask[r * kFeatures + f] - sum / kRows, 2);
    EXPECT_NEAR(mean.values()[f], sum / kRows, 1e-6);
    EXPECT_NEAR(variance.values()[f], squares / (kRows - 1), 1e-5);
    for (std::size_t r = 0; r < kRows; ++r)
      EXPECT_NEAR(y[r * kFeatures + f],
                  (mask[r * kFeatures + f] - sum / kRows) / std::sqrt(squares / kRows + 1e-5), 1e-4);
  }
}

TEST_F(LibTorchLayers, ModesOfMcDropoutLeaveTheNormalisationInEval) {
  const Shape shape{16, 4};
  const Given in = with_norm(mlp(shape, constant(64, 1), 4), 4, 1, 0);
  Host mean({4}, -7), variance({4}, -7);
  const Tensors statistics{{"norm.running_mean", &mean}, {"norm.running_var", &variance}};
  const std::string attributes = mlp_attributes(4, R"(,"norm":"after","modes":"mc")");
  expect_near(y_of({.attributes = attributes, .seed = 3}, in, shape, statistics), mask_of(shape, 3), 1e-4);
  EXPECT_EQ(mean.values(), constant(4, 0));
  EXPECT_EQ(variance.values(), constant(4, 1));
  EXPECT_EQ(refusal({.attributes = attributes, .train = false}, in, shape),
            "invalid: \"modes\" = \"mc\" is about a call in training");
}

TEST_F(LibTorchLayers, CnnComputesWithTheGivenParameters) {
  Given in;
  in.add("x", {1, 2, 1, 2}, {1, 0, 1, 2});  // pixels (1, 1) and (0, 2)
  in.add("conv1.weight", {2, 2, 1, 1}, {1, 2, 3, -4}).add("conv1.bias", {2}, {1, 0});
  in.add("conv2.weight", {2, 2, 1, 1}, {1, 0, 1, 1}).add("conv2.bias", {2}, {0, 0.5});
  const std::string attributes = R"({"form":"cnn","channels":2,"weights":"given"})";
  // conv1 gives (4, -1) and (5, -8).
  EXPECT_EQ(y_of({.attributes = attributes, .p = 0}, in, {1, 2, 1, 2}), (Values{4, 5, 4.5, 5.5}));
  EXPECT_EQ(y_of({.attributes = attributes, .op = "dropout2d", .train = false}, in, {1, 2, 1, 2}),
            (Values{4, 5, 4.5, 5.5}));
}

TEST_F(LibTorchLayers, CnnsDropWholeChannels) {
  struct Case {
    const char* attributes;
    const char* op;
    Shape shape;
    std::int64_t channels;  // times batch
  };
  for (const auto& [attributes, op, shape, channels] :
       {Case{R"({"form":"cnn","channels":3,"weights":"given"})", "dropout2d", {4, 3, 2, 5}, 12},
        Case{R"({"form":"cnn","channels":3,"weights":"given","dimensions":2})", "dropout2d", {3, 2, 5}, 3},
        Case{R"({"form":"cnn","channels":3,"weights":"given","dimensions":3})",
             "dropout3d",
             {4, 3, 2, 5, 2},
             12},
        Case{R"({"form":"cnn","channels":3,"weights":"given","dimensions":3})",
             "dropout3d",
             {3, 2, 5, 2},
             3}}) {
    const bool volumes = std::string_view(op) == "dropout3d";
    const Shape kernel = volumes ? Shape{3, 3, 1, 1, 1} : Shape{3, 3, 1, 1};
    Given in;
    in.add("x", shape, constant(count(shape), 1));
    in.add("conv1.weight", kernel, identity(3)).add("conv1.bias", {3});
    in.add("conv2.weight", kernel, identity(3)).add("conv2.bias", {3});
    const Values y = y_of({.attributes = attributes, .seed = 2}, in, shape);
    EXPECT_EQ(last_.words, 2 * channels);
    const Values channel = mask_of({channels}, 2);
    const std::size_t pixels = y.size() / channel.size();
    for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], channel[i / pixels]) << attributes << " " << i;
    EXPECT_EQ(y_of({.attributes = attributes, .op = op, .seed = 2}, in, shape), y);
  }
}

TEST_F(LibTorchLayers, NetworksHaveGradients) {
  const Shape shape{16, 4};
  const Given in = mlp(shape, constant(64, 1), 4);
  Host y(shape), dy(shape, 3), dx(shape);
  const Outcome saved = forward({.attributes = mlp_attributes(4), .save = true}, in.tensors(), {{"y", &y}});
  ASSERT_EQ(saved.error, "");
  ASSERT_EQ(backward(saved.saved, {}, {{"dy", &dy}}, {{"dx", &dx}}).error, "");
  EXPECT_NE(y.kept(), std::string(64, '1'));
  for (std::size_t i = 0; i < 64; ++i) EXPECT_EQ(dx.values()[i], 3 * y.values()[i]);

  const Shape image{4, 3, 2, 2};
  Given cnn;
  cnn.add("x", image, constant(48, 1)).add("conv1.weight", {3, 3, 1, 1}, identity(3)).add("conv1.bias", {3});
  cnn.add("conv2.weight", {3, 3, 1, 1}, identity(3)).add("conv2.bias", {3});
  Host result(image), upstream(image, 3), gradient(image);
  const Outcome kept =
      forward({.attributes = R"({"form":"cnn","channels":3,"weights":"given"})", .save = true}, cnn.tensors(),
              {{"y", &result}});
  ASSERT_EQ(kept.error, "");
  ASSERT_EQ(backward(kept.saved, {}, {{"dy", &upstream}}, {{"dx", &gradient}}).error, "");
  EXPECT_NE(result.kept(), std::string(48, '1'));
  for (std::size_t i = 0; i < 48; ++i) EXPECT_EQ(gradient.values()[i], 3 * result.values()[i]);
}

TEST_F(LibTorchLayers, BuildingANetworkLeavesTheStreamAlone) {
  mask({.seed = 3});
  const std::string second = mask({.seed = -1});
  mask({.seed = 3});
  y_of({.attributes = mlp_attributes(4), .train = false, .seed = -1}, mlp({2, 4}, constant(8, 1), 4), {2, 4});
  y_of({.attributes = R"({"form":"cnn","channels":3})", .train = false, .seed = -1},
       Given().add("x", {1, 2, 2}), {3, 2, 2});
  EXPECT_EQ(mask({.seed = -1}), second);
}

// --- modules with a past

TEST_F(LibTorchLayers, TheModeReachesNestedModules) {
  const std::string plain = mask({});
  for (const char* levels : {"1", "2", "5"}) {
    const std::string attributes = std::string(R"({"form":"module","nested":)") + levels + "}";
    EXPECT_EQ(mask({.attributes = attributes}), plain);
    EXPECT_EQ(mask({.attributes = attributes, .train = false}), std::string(32, '1'));
  }
}

TEST_F(LibTorchLayers, CallsOfAHistoryDrawByTheirModes) {
  const std::string first = mask({}), second = mask({.seed = -1});
  ASSERT_NE(first, second);
  const auto call = [&](const std::string& more, bool train) {
    const Given x = std::move(Given().add("x", {32}, constant(32, 1)));
    Host y({32});
    last_ = forward({.attributes = R"({"form":"module",)" + more + "}", .train = train}, x.tensors(),
                    {{"y", &y}});
    EXPECT_EQ(last_.error, "");
    return y.kept();
  };
  EXPECT_EQ(call(R"("history":"eval")", true), first);
  EXPECT_EQ(last_.words, 64);
  EXPECT_EQ(call(R"("history":"train")", true), second);
  EXPECT_EQ(last_.words, 128);  // of all calls
  EXPECT_EQ(call(R"("history":"train,eval","nested":2)", true), second);
  EXPECT_EQ(call(R"("history":"eval,train")", false), std::string(32, '1'));
  EXPECT_EQ(last_.words, 64);
  EXPECT_EQ(call(R"("history":"eval,eval,eval","no_grad":true)", true), first);
}

TEST_F(LibTorchLayers, AModuleBuiltInsideForwardIsInTraining) {
  const std::string plain = mask({});
  for (const bool train : {true, false})
    for (const char* more : {"", R"(,"nested":2)", R"(,"history":"eval","nested":1)"}) {
      const std::string attributes = std::string(R"({"form":"module","inside":true)") + more + "}";
      const bool earlier = attributes.find("history") != std::string::npos;
      const std::string drawn = mask({.attributes = attributes, .train = train});
      EXPECT_EQ(drawn != plain, earlier);  // the call of the history drew the first mask, in eval
      EXPECT_NE(drawn, std::string(32, '1'));
    }
  EXPECT_EQ(mask({.attributes = R"({"form":"module","inside":false})", .train = false}),
            std::string(32, '1'));
}

TEST_F(LibTorchLayers, UnderNoGradACallDrawsAndHasNoGradient) {
  const std::string attributes = R"({"form":"module","no_grad":true})";
  EXPECT_EQ(mask({.attributes = attributes}), mask({}));
  Host x({32}, 1), y({32}), dy({32}, 1), dx({32});
  const Outcome saved = forward({.attributes = attributes, .save = true}, {{"x", &x}}, {{"y", &y}});
  ASSERT_EQ(saved.error, "");
  EXPECT_EQ(y.kept(), mask({}));
  const Outcome outcome = backward(saved.saved, {}, {{"dy", &dy}}, {{"dx", &dx}});
  EXPECT_EQ(outcome.status, DROPCHECK_INVALID_ARGUMENT);
  EXPECT_NE(outcome.error.find("does not require grad"), std::string::npos) << outcome.error;
}

TEST_F(LibTorchLayers, CallsOfAHistoryLeaveAnInputInPlaceToTheLast) {
  Host x({32}, 1);
  const Outcome outcome =
      forward({.attributes = R"({"form":"module","history":"train,train","nested":2})", .in_place = true},
              {{"x", &x}});
  ASSERT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.version_delta, 1);
  const Values wanted = [&] {
    mask_of({32}, 0);
    mask_of({32}, -1);
    return mask_of({32}, -1);
  }();
  EXPECT_EQ(x.values(), wanted);
}

TEST_F(LibTorchLayers, EveryOperatorHasModulesWithAPast) {
  for (const char* op : {"dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"}) {
    const Shape shape = std::string_view(op) == "dropout3d" ? Shape{3, 2, 2, 1, 2} : Shape{3, 2, 2, 2};
    const Given x = std::move(Given().add("x", shape, constant(24, 1)));
    const Values direct = y_of({.attributes = R"({"form":"module"})", .op = op}, x, shape);
    EXPECT_EQ(y_of({.attributes = R"({"form":"module","nested":2,"history":"eval"})", .op = op}, x, shape),
              direct);
    EXPECT_EQ(y_of({.attributes = R"({"form":"module","inside":true})", .op = op, .train = false}, x, shape),
              direct);
    EXPECT_NE(direct, constant(24, 1)) << op;
  }
}

// --- refusals

TEST_F(LibTorchLayers, RefusalsNameTheParameter) {
  const Shape y{2, 1, 2};
  const Options options{.attributes = kTwoRnn, .p = 0};
  Given extra = two_rnn_layers();
  extra.add("weight_ih_l2", {2, 2});
  EXPECT_EQ(refusal(options, extra, y), "unsupported: input \"weight_ih_l2\" of this form");
  Given missing;
  missing.add("x", {2, 1, 2}).add("weight_ih_l0", {2, 2});
  EXPECT_EQ(refusal(options, missing, y), "invalid: input \"weight_hh_l0\" is missing; it has shape [2, 2]");
  Given turned;
  turned.add("x", {2, 1, 3}).add("weight_ih_l0", {3, 2});
  EXPECT_EQ(refusal(options, turned, y),
            "invalid: input \"weight_ih_l0\" has shape [3, 2]; it must have [2, 3]");
  Given constants;
  constants.add("x", {2, 1, 2}).add("weight_ih_l0", {2, 2});
  EXPECT_EQ(refusal({.attributes = R"({"form":"rnn","hidden":2})", .p = 0}, constants, y),
            "unsupported: input \"weight_ih_l0\" of this form");
  Host x({2, 1, 2}, 1), integers({2, 2}, 1, kI64), result({2, 1, 2});
  EXPECT_EQ(forward(options, {{"x", &x}, {"weight_ih_l0", &integers}}, {{"y", &result}}).error,
            "input \"weight_ih_l0\" has another dtype than x");
}

TEST_F(LibTorchLayers, RefusalsOfFurtherTensors) {
  const Given x = std::move(Given().add("x", {4, 2, 8}));
  const std::string decoder = R"({"form":"decoder_layer","heads":2,"feed_forward":16})";
  EXPECT_EQ(refusal({.attributes = decoder}, x, {4, 2, 8}),
            "invalid: input \"memory\" is missing; it has shape [*, 2, 8]");
  Given memory;
  memory.add("x", {4, 2, 8}).add("memory", {5, 2, 7});
  EXPECT_EQ(refusal({.attributes = decoder}, memory, {4, 2, 8}),
            "invalid: input \"memory\" has shape [5, 2, 7]; it must have [*, 2, 8]");
  Given key;
  key.add("x", {1, 2, 1}).add("key", {1, 3, 1});
  EXPECT_EQ(refusal({.attributes = kScaled}, key, {1, 2, 1}),
            "invalid: input \"key\" has shape [1, 3, 1]; it must have [1, 2, 1]");
  Given plain;
  plain.add("x", {8}).add("key", {8});
  EXPECT_EQ(refusal({}, plain, {8}), "unsupported: input \"key\" of this form");
  Host h_n({1});
  EXPECT_EQ(refusal({.attributes = mlp_attributes(1), .p = 0}, mlp({1, 1}, {1}, 1), {1, 1}, {{"h_n", &h_n}}),
            "unsupported: output \"h_n\" of this form");
  Given statistics = mlp({1, 1}, {1}, 1);
  statistics.add("norm.running_mean", {1});
  EXPECT_EQ(refusal({.attributes = mlp_attributes(1), .p = 0}, statistics, {1, 1}),
            "unsupported: input \"norm.running_mean\" of this form");
}

TEST_F(LibTorchLayers, RefusalsOfOptions) {
  const Given x = std::move(Given().add("x", {4, 2, 8}));
  const auto status = [&](const char* attributes, const Given& in, const char* op = "dropout") {
    const std::string text = refusal({.attributes = attributes, .op = op}, in, {4, 2, 8});
    return text.substr(0, text.find(':'));
  };
  for (const char* kind : {"variational", "input", "recurrent"})
    EXPECT_EQ(
        status(
            (std::string(R"({"form":"rnn","hidden":8,"layers":2,"dropout_kind":")") + kind + "\"}").c_str(),
            x),
        "unsupported");
  EXPECT_EQ(status(R"({"form":"encoder_layer","heads":2,"feed_forward":8,"modes":"mc"})", x), "unsupported");
  EXPECT_EQ(status(R"({"form":"encoder_layer","heads":2,"feed_forward":8,"dropout_kind":"layers"})", x),
            "unsupported");
  EXPECT_EQ(status(R"({"form":"scaled_dot_product_attention","weights":"given"})", x), "unsupported");
  EXPECT_EQ(status(R"({"form":"encoder_layer","heads":2,"feed_forward":8,"average":false})", x),
            "unsupported");
  EXPECT_EQ(status(R"({"form":"functional","nested":2})", x), "unsupported");
  EXPECT_EQ(status(R"({"form":"module","nested":0})", x), "invalid");
  EXPECT_EQ(status(R"({"form":"module","history":""})", x), "invalid");
  EXPECT_EQ(status(R"({"form":"module","history":"train,"})", x), "invalid");
  EXPECT_EQ(status(R"({"form":"module","history":["train"]})", x), "invalid");
  EXPECT_EQ(status(R"({"form":"cnn","channels":2,"dimensions":1})", x), "unsupported");
  EXPECT_EQ(status(R"({"form":"cnn","channels":2,"dimensions":4})", x), "invalid");
  EXPECT_EQ(status(R"({"form":"cnn"})", x), "invalid");
  EXPECT_EQ(status(R"({"form":"cnn","channels":2})", x, "dropout3d"), "unsupported");
  EXPECT_EQ(status(R"({"form":"rnn","hidden":8})", x, "dropout2d"), "unsupported");
  EXPECT_EQ(status(R"({"form":"mlp","hidden":8,"outputs":8})", x), "invalid");  // three dimensions
  const Given rows = std::move(Given().add("x", {1, 8}));
  EXPECT_EQ(status(R"({"form":"mlp","hidden":8})", rows), "invalid");
  EXPECT_EQ(status(R"({"form":"mlp","hidden":8,"outputs":8,"activation":"tanh"})", rows), "unsupported");
  EXPECT_EQ(status(R"({"form":"mlp","hidden":8,"outputs":8,"norm":true})", rows), "invalid");
  // Torch normalises no batch of one.
  EXPECT_EQ(status(R"({"form":"mlp","hidden":8,"outputs":8,"norm":"after"})", rows), "invalid");
}

// --- claims

TEST_F(LibTorchLayers, ClaimsTheNewForms) {
  const std::string forms = std::string(",") + capabilities().forms + ",";
  for (const char* form : {"module", "rnn", "encoder_layer", "mlp", "cnn"})
    EXPECT_NE(forms.find(std::string(",") + form + ","), std::string::npos) << form;
}

TEST_F(LibTorchLayers, TheStateOfTheGeneratorCanBeSetAgain) {
  EXPECT_NE(capabilities().features & DROPCHECK_CAN_RECOMPUTE, 0u);
  mask({.seed = 3});
  const auto state = save_state();
  ASSERT_FALSE(state.empty());
  EXPECT_EQ(save_state(), state);  // telling it draws nothing
  const std::string second = mask({.seed = -1}), third = mask({.seed = -1});
  EXPECT_NE(save_state(), state);
  mask({.seed = 9});
  ASSERT_EQ(load_state(state), DROPCHECK_OK);
  EXPECT_EQ(mask({.seed = -1}), second);
  EXPECT_EQ(mask({.seed = -1}), third);
  EXPECT_NE(second, third);
}

TEST_F(LibTorchLayers, BytesThatAreNoStateAreRefused) {
  mask({.seed = 3});
  const auto state = save_state();
  EXPECT_EQ(load_state({}), DROPCHECK_INVALID_ARGUMENT);
  EXPECT_EQ(load_state({state.begin(), state.end() - 1}), DROPCHECK_INVALID_ARGUMENT);
  EXPECT_EQ(load_state(std::vector<std::byte>(state.size())), DROPCHECK_INVALID_ARGUMENT);
  EXPECT_EQ(save_state(), state);  // as it was
}

}  // namespace
}  // namespace dropcheck::libtorch
