#include "reference/layers/mlp.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "reference/layers/layer_testing.hpp"
#include "reference/reference_backend.hpp"

namespace dropcheck::reference {
namespace {

using ::testing::ElementsAre;

// Two hidden units, 3 x + 1 and -2 x, and y = 5 + 7 h1 + 11 h2.
LayerCallOf network(const std::vector<double>& x, double p, const char* activation = "relu") {
  const auto rows = static_cast<std::int64_t>(x.size());
  LayerCallOf layer("mlp", {rows, 1}, {rows, 1}, x);
  layer.call.attributes["hidden"] = std::int64_t{2};
  layer.call.attributes["outputs"] = std::int64_t{1};
  layer.call.attributes["activation"] = std::string(activation);
  layer.call.attributes["weights"] = std::string("given");
  layer.input("linear1.weight", {2, 1}, {3, -2});
  layer.input("linear1.bias", {2}, {1, 0});
  layer.input("linear2.weight", {1, 2}, {7, 11});
  layer.input("linear2.bias", {1}, {5});
  layer.call.p = p;
  return layer;
}

TEST(Mlp, IsItsFormulaWithoutDropout) {
  ReferenceBackend backend;
  LayerCallOf layer = network({1, -1}, 0);
  ASSERT_TRUE(layer.ask(backend));
  EXPECT_THAT(layer.y(), ElementsAre(5 + 7 * 4, 5 + 11 * 2));
  LayerCallOf identity = network({1, -1}, 0.5, "identity");
  identity.call.mode = Mode::eval;
  ASSERT_TRUE(identity.ask(backend));
  EXPECT_THAT(identity.y(), ElementsAre(5 + 7 * 4 - 11 * 2, 5 - 7 * 2 + 11 * 2));
}

TEST(Mlp, DropsHiddenUnitsByTheMaskOfTheStream) {
  for (const bool mc : {false, true}) {
    ReferenceBackend backend;
    LayerCallOf layer = network({1, -1, 2}, 0.75, "identity");
    if (mc) layer.call.attributes["modes"] = std::string("mc");
    for (std::uint64_t pass = 0; pass < 4; ++pass) {
      ASSERT_TRUE(layer.ask(backend));
      const auto kept = layer_mask(pass, 0.75, 6);
      const std::vector<double> y = layer.y();
      std::size_t i = 0;
      for (const double x : {1.0, -1.0, 2.0}) {
        const double first = kept[2 * i] != 0 ? 4 * (3 * x + 1) : 0,
                     second = kept[2 * i + 1] != 0 ? 4 * (-2 * x) : 0;
        EXPECT_EQ(y[i++], 5 + 7 * first + 11 * second);
      }
      layer.call.seed.reset();
    }
  }
}

/// One hidden unit x with batch normalisation, y = h.
LayerCallOf normalised(const std::vector<double>& x, const char* norm, double p) {
  const auto rows = static_cast<std::int64_t>(x.size());
  LayerCallOf layer("mlp", {rows, 1}, {rows, 1}, x);
  layer.call.attributes["hidden"] = std::int64_t{1};
  layer.call.attributes["outputs"] = std::int64_t{1};
  layer.call.attributes["activation"] = std::string("identity");
  layer.call.attributes["weights"] = std::string("ones");
  layer.call.attributes["norm"] = std::string(norm);
  layer.input("norm.running_mean", {1}, {10});
  layer.input("norm.running_var", {1}, {4});
  layer.call.p = p;
  return layer;
}

TEST(Mlp, NormalisesByTheBatchInTrainingAndLeavesItsMomentsBehind) {
  ReferenceBackend backend;
  LayerCallOf layer = normalised({1, 2, 6}, "after", 0);  // mean 3, squares 4 + 1 + 9 = 14
  const GuardedTensor& mean = layer.output("norm.running_mean", {1});
  const GuardedTensor& variance = layer.output("norm.running_var", {1});
  ASSERT_TRUE(layer.ask(backend));
  const double root = std::sqrt(14.0 / 3 + 1e-5);
  const std::vector<double> y = layer.y();
  EXPECT_NEAR(y[0], -2 / root, 1e-15);
  EXPECT_NEAR(y[1], -1 / root, 1e-15);
  EXPECT_NEAR(y[2], 3 / root, 1e-15);
  EXPECT_THAT(layer_values(mean), ElementsAre(3));
  EXPECT_THAT(layer_values(variance), ElementsAre(7));
}

TEST(Mlp, NormalisesByTheRunningMomentsInEvalAndInPassesOfMcDropout) {
  for (const bool mc : {false, true}) {
    ReferenceBackend backend;
    LayerCallOf layer = normalised({1, 2, 6}, "before", 0.5);
    if (mc) layer.call.attributes["modes"] = std::string("mc");
    else layer.call.mode = Mode::eval;
    const GuardedTensor& mean = layer.output("norm.running_mean", {1});
    const GuardedTensor& variance = layer.output("norm.running_var", {1});
    ASSERT_TRUE(layer.ask(backend));
    const auto kept = layer_mask(0, 0.5, 3);
    const std::vector<double> y = layer.y();
    std::size_t i = 0;
    for (const double x : {1.0, 2.0, 6.0}) {
      const double factor = !mc ? 1 : kept[i] != 0 ? 2 : 0;
      EXPECT_NEAR(y[i++], (x - 10) / std::sqrt(4 + 1e-5) * factor, 1e-14);
    }
    EXPECT_THAT(layer_values(mean), ElementsAre(10)) << "as it was";
    EXPECT_THAT(layer_values(variance), ElementsAre(4));
  }
}

TEST(Mlp, SeesBehindDropoutWhatDropoutLeft) {
  ReferenceBackend backend;
  LayerCallOf layer = normalised({1, 2, 6}, "after", 0.5);
  const GuardedTensor& mean = layer.output("norm.running_mean", {1});
  ASSERT_TRUE(layer.ask(backend));
  const auto kept = layer_mask(0, 0.5, 3);
  double sum = 0;
  std::size_t i = 0;
  for (const double x : {1.0, 2.0, 6.0}) sum += kept[i++] != 0 ? 2 * x : 0;
  EXPECT_NEAR(layer_values(mean)[0], sum / 3, 1e-15);
}

TEST(Mlp, RefusesWhatDoesNotFit) {
  ReferenceBackend backend;
  const auto code = [&](auto&& spoil) {
    LayerCallOf layer = network({1, -1}, 0.5);
    spoil(layer.call);
    return backend.forward(layer.call).error().code;
  };
  EXPECT_EQ(code([](Call& c) { c.attributes["activation"] = std::string("gelu"); }), ErrorCode::unsupported);
  EXPECT_EQ(code([](Call& c) { c.attributes["modes"] = std::string("all"); }), ErrorCode::unsupported);
  EXPECT_EQ(code([](Call& c) { c.attributes["outputs"] = std::int64_t{2}; }), ErrorCode::invalid_argument);
  EXPECT_EQ(code([](Call& c) { c.inputs.pop_back(); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code([](Call& c) {
              c.attributes["modes"] = std::string("mc");
              c.mode = Mode::eval;
            }),
            ErrorCode::invalid_argument);
  LayerCallOf single = normalised({1}, "after", 0.5);
  EXPECT_EQ(backend.forward(single.call).error().code, ErrorCode::invalid_argument)
      << "no variance of one row";
  LayerCallOf huge("mlp", {100000, 1}, {100000, 1}, std::vector<double>(100000, 1));
  huge.call.attributes["hidden"] = std::int64_t{16384};
  huge.call.attributes["outputs"] = std::int64_t{1};
  EXPECT_EQ(backend.forward(huge.call).error().code, ErrorCode::resource_exhausted);
}

}  // namespace
}  // namespace dropcheck::reference
