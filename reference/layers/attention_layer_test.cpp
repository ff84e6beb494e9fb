#include "reference/layers/attention_layer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "reference/layers/layer_testing.hpp"
#include "reference/reference_backend.hpp"

namespace dropcheck::reference {
namespace {

// Two queries of one feature with keys 0 and 1: the scores of query q are 0 and q, so that the weights are
// 1 / (1 + e^q) and e^q / (1 + e^q).
constexpr double kQueries[2] = {0.5, -2};

double second_weight(double q) { return std::exp(q) / (1 + std::exp(q)); }

LayerCallOf product(double p) {
  LayerCallOf layer("scaled_dot_product_attention", {1, 2, 1}, {1, 2, 1}, {kQueries[0], kQueries[1]});
  layer.input("key", {1, 2, 1}, {0, 1});
  layer.input("value", {1, 2, 1}, {3, -5});
  layer.call.p = p;
  return layer;
}

TEST(ProductAttention, IsTheSoftmaxOfTheScoresTimesTheValues) {
  ReferenceBackend backend;
  LayerCallOf layer = product(0);
  const GuardedTensor& weights = layer.output("weights", {1, 2, 2});
  ASSERT_TRUE(layer.ask(backend));
  const std::vector<double> y = layer.y(), w = layer_values(weights);
  for (std::size_t l = 0; l < 2; ++l) {
    const double second = second_weight(kQueries[l]);
    EXPECT_NEAR(w[2 * l], 1 - second, 1e-15);
    EXPECT_NEAR(w[2 * l + 1], second, 1e-15);
    EXPECT_NEAR(y[l], 3 * (1 - second) - 5 * second, 1e-14);
  }
}

TEST(ProductAttention, DropsWeightsByTheMaskOfTheStreamInEveryMode) {
  for (const Mode mode : {Mode::train, Mode::eval}) {
    ReferenceBackend backend;
    LayerCallOf layer = product(0.25);
    layer.call.mode = mode;
    const GuardedTensor& weights = layer.output("weights", {1, 2, 2});
    std::size_t dropped = 0;
    for (std::uint64_t number = 0; number < 8; ++number) {
      const auto seen = layer.ask(backend);
      ASSERT_TRUE(seen);
      EXPECT_EQ(seen->effective_p, 0.25);
      const auto kept = layer_mask(number, 0.25, 4);
      const std::vector<double> y = layer.y(), w = layer_values(weights);
      for (std::size_t l = 0; l < 2; ++l) {
        const double second = second_weight(kQueries[l]);
        const double a = kept[2 * l] != 0 ? (1 - second) / 0.75 : 0,
                     b = kept[2 * l + 1] != 0 ? second / 0.75 : 0;
        EXPECT_NEAR(w[2 * l], a, 1e-15);
        EXPECT_NEAR(w[2 * l + 1], b, 1e-15);
        EXPECT_NEAR(y[l], 3 * a - 5 * b, 1e-14);
        dropped += a == 0 ? 1 : 0;
      }
      layer.call.seed.reset();
    }
    EXPECT_GT(dropped, 0u);
  }
}

TEST(ProductAttention, TakesTheQueryWhereThereIsNoKey) {
  ReferenceBackend backend;
  LayerCallOf layer("scaled_dot_product_attention", {1, 2, 1}, {1, 2, 1}, {0, 2});
  layer.call.p = 0;
  ASSERT_TRUE(layer.ask(backend));
  EXPECT_NEAR(layer.y()[0], 1, 1e-15) << "equal scores";
  EXPECT_NEAR(layer.y()[1], 2 * second_weight(4), 1e-14) << "scores 0 and 4";
}

TEST(ProductAttention, StaysFiniteWithLargeScores) {
  ReferenceBackend backend;
  LayerCallOf layer("scaled_dot_product_attention", {1, 2, 1}, {1, 2, 1}, {0, 100});
  layer.call.p = 0;
  ASSERT_TRUE(layer.ask(backend));
  EXPECT_EQ(layer.y()[1], 100);
}

/// Projections that are the identity: each head attends with its own features.
LayerCallOf multihead(const std::vector<double>& x, double p, bool average) {
  LayerCallOf layer("multihead_attention", {2, 1, 2}, {2, 1, 2}, x);
  layer.call.attributes["heads"] = std::int64_t{2};
  layer.call.attributes["average"] = average;
  layer.call.attributes["weights"] = std::string("given");
  layer.input("in_proj_weight", {6, 2}, {1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1});
  layer.input("in_proj_bias", {6}, {0, 0, 0, 0, 0, 0});
  layer.input("out_proj.weight", {2, 2}, {1, 0, 0, 1});
  layer.input("out_proj.bias", {2}, {0, 10});
  layer.call.p = p;
  return layer;
}

TEST(MultiheadAttention, AttendsWithTheFeaturesOfEachHead) {
  // Head 0 sees 0 and 1, head 1 sees 0 and 2.
  ReferenceBackend backend;
  LayerCallOf layer = multihead({0, 0, 1, 2}, 0.5, false);
  const GuardedTensor& weights = layer.output("weights", {1, 2, 2, 2});
  ASSERT_TRUE(layer.ask(backend));
  const auto kept = layer_mask(0, 0.5, 8);
  const auto factor = [&](std::size_t i) { return kept[i] != 0 ? 2.0 : 0.0; };
  const double s0 = second_weight(1), s1 = second_weight(4);
  const std::vector<double> wanted = {0.5 * factor(0), 0.5 * factor(1), (1 - s0) * factor(2), s0 * factor(3),
                                      0.5 * factor(4), 0.5 * factor(5), (1 - s1) * factor(6), s1 * factor(7)};
  const std::vector<double> w = layer_values(weights);
  for (std::size_t i = 0; i < 8; ++i) EXPECT_NEAR(w[i], wanted[i], 1e-15) << i;
  const std::vector<double> y = layer.y();  // time by time, head by head
  EXPECT_NEAR(y[0], wanted[1], 1e-15);
  EXPECT_NEAR(y[1], 2 * wanted[5] + 10, 1e-14);
  EXPECT_NEAR(y[2], wanted[3], 1e-15);
  EXPECT_NEAR(y[3], 2 * wanted[7] + 10, 1e-14);
}

TEST(MultiheadAttention, ReturnsTheMeanOfTheHeadsWhereAsked) {
  ReferenceBackend backend;
  LayerCallOf apart = multihead({0, 0, 1, 2}, 0.5, false), averaged = multihead({0, 0, 1, 2}, 0.5, true);
  const GuardedTensor& each = apart.output("weights", {1, 2, 2, 2});
  const GuardedTensor& mean = averaged.output("weights", {1, 2, 2});
  ASSERT_TRUE(apart.ask(backend));
  ASSERT_TRUE(averaged.ask(backend));
  for (std::size_t i = 0; i < 4; ++i)
    EXPECT_NEAR(layer_values(mean)[i], (layer_values(each)[i] + layer_values(each)[4 + i]) / 2, 1e-15);
}

TEST(MultiheadAttention, DropsNothingInEval) {
  ReferenceBackend backend;
  LayerCallOf layer = multihead({0, 0, 1, 2}, 0.5, true);
  layer.call.mode = Mode::eval;
  const auto seen = layer.ask(backend);
  ASSERT_TRUE(seen);
  EXPECT_FALSE(seen->effective_p);
  EXPECT_NEAR(layer.y()[0], 0.5, 1e-15);
}

TEST(Attention, RefusesWhatDoesNotFit) {
  ReferenceBackend backend;
  LayerCallOf odd = multihead({0, 0, 1, 2}, 0.5, true);
  odd.call.attributes["heads"] = std::int64_t{3};
  EXPECT_EQ(backend.forward(odd.call).error().code, ErrorCode::invalid_argument);
  LayerCallOf shape = multihead({0, 0, 1, 2}, 0.5, true);
  shape.output("weights", {1, 2, 2, 2});
  EXPECT_EQ(backend.forward(shape.call).error().code, ErrorCode::invalid_argument) << "averaged has no heads";
  LayerCallOf key("scaled_dot_product_attention", {1, 2, 1}, {1, 2, 1}, {0, 2});
  key.input("key", {1, 1, 1}, {0});
  EXPECT_EQ(backend.forward(key.call).error().code, ErrorCode::invalid_argument);
  LayerCallOf other("scaled_dot_product_attention", {1, 2, 1}, {1, 2, 1}, {0, 2});
  other.input("bias", {1, 1, 1}, {0});
  EXPECT_EQ(backend.forward(other.call).error().code, ErrorCode::unsupported);
  LayerCallOf flat("scaled_dot_product_attention", {2, 1}, {2, 1}, {0, 2});
  EXPECT_EQ(backend.forward(flat.call).error().code, ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace dropcheck::reference
