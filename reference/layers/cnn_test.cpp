#include "reference/layers/cnn.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reference/layers/layer_testing.hpp"
#include "reference/reference_backend.hpp"

namespace dropcheck::reference {
namespace {

// From one channel to two, x + 1 and -x, both dropped as wholes, then the sum of them and their difference.
LayerCallOf network(std::vector<std::int64_t> shape, bool batched, const std::vector<double>& x,
                    std::int64_t dimensions = 2) {
  std::vector<std::int64_t> y_shape = shape;
  y_shape[batched ? 1 : 0] = 2;
  LayerCallOf layer("cnn", shape, y_shape, x);
  layer.call.p = 0.5;
  layer.call.attributes["channels"] = std::int64_t{2};
  layer.call.attributes["weights"] = std::string("given");
  if (dimensions == 3) layer.call.attributes["dimensions"] = dimensions;
  std::vector<std::int64_t> first = {2, 1}, second = {2, 2};
  first.insert(first.end(), static_cast<std::size_t>(dimensions), 1);
  second.insert(second.end(), static_cast<std::size_t>(dimensions), 1);
  layer.input("conv1.weight", first, {1, -1});
  layer.input("conv1.bias", {2}, {1, 0});
  layer.input("conv2.weight", second, {1, 1, 1, -1});
  layer.input("conv2.bias", {2}, {0, 100});
  return layer;
}

/// What x becomes where the two channels are multiplied by a and b.
std::pair<double, double> wanted(double x, double a, double b) {
  const double first = std::max(x + 1, 0.0) * a, second = std::max(-x, 0.0) * b;
  return {first + second, first - second + 100};
}

const std::vector<double> kX = {1, -3, 0.5, -0.5, 2, -2, 4, -4, 3, -1, 6, -6};

TEST(Cnn, DropsWholeChannelsByTheMaskOfTheStream) {
  struct Case {
    std::vector<std::int64_t> shape;
    bool batched;
    std::int64_t dimensions;
    Op op;
  };
  const Case cases[] = {{{3, 1, 2, 2}, true, 2, Op::dropout},
                        {{3, 1, 2, 2}, true, 2, Op::dropout2d},
                        {{1, 3, 4}, false, 2, Op::dropout},
                        {{3, 1, 2, 1, 2}, true, 3, Op::dropout3d},
                        {{1, 3, 2, 2}, false, 3, Op::dropout}};
  for (const Case& c : cases) {
    ReferenceBackend backend;
    LayerCallOf layer = network(c.shape, c.batched, kX, c.dimensions);
    layer.call.op = c.op;
    const auto seen = layer.ask(backend);
    ASSERT_TRUE(seen) << seen.error().message;
    const std::size_t batch = c.batched ? 3 : 1, places = kX.size() / batch;
    const auto kept = layer_mask(0, 0.5, static_cast<std::int64_t>(2 * batch));
    const std::vector<double> y = layer.y();
    for (std::size_t b = 0; b < batch; ++b)
      for (std::size_t e = 0; e < places; ++e) {
        const auto [sum, difference] =
            wanted(kX[b * places + e], kept[2 * b] != 0 ? 2 : 0, kept[2 * b + 1] != 0 ? 2 : 0);
        EXPECT_EQ(y[2 * b * places + e], sum);
        EXPECT_EQ(y[(2 * b + 1) * places + e], difference);
      }
  }
}

TEST(Cnn, DropsNothingInEval) {
  ReferenceBackend backend;
  LayerCallOf layer = network({1, 3, 4}, false, kX);
  layer.call.mode = Mode::eval;
  ASSERT_TRUE(layer.ask(backend));
  for (std::size_t e = 0; e < kX.size(); ++e) EXPECT_EQ(layer.y()[e], wanted(kX[e], 1, 1).first);
}

TEST(Cnn, RefusesWhatDoesNotFit) {
  ReferenceBackend backend;
  const auto code = [&](auto&& spoil) {
    LayerCallOf layer = network({3, 1, 2, 2}, true, kX);
    spoil(layer.call);
    return backend.forward(layer.call).error().code;
  };
  EXPECT_EQ(code([](Call& c) { c.op = Op::dropout3d; }), ErrorCode::unsupported);
  EXPECT_EQ(code([](Call& c) { c.op = Op::alpha_dropout; }), ErrorCode::unsupported);
  EXPECT_EQ(code([](Call& c) { c.attributes["dimensions"] = std::int64_t{1}; }), ErrorCode::invalid_argument);
  EXPECT_EQ(code([](Call& c) { c.attributes["channels"] = std::int64_t{3}; }), ErrorCode::invalid_argument);
  EXPECT_EQ(code([](Call& c) { c.inputs.pop_back(); }), ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace dropcheck::reference
