// Transformer layers of one position and two features, worked out number by number. Attention to a single key
// has the weight 1 before dropout, so that its result is the value, or nothing.
#include "reference/layers/transformer_layer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "reference/layers/layer_testing.hpp"
#include "reference/reference_backend.hpp"

namespace dropcheck::reference {
namespace {

constexpr double kP = 0.5;
using Pair = std::array<double, 2>;

// The value of self-attention is (x1, 3 x0), that of attention to memory (memory0 - 1, 2 memory1).
constexpr Pair kX = {0.5, -2}, kMemory = {4, 0.25};

LayerCallOf layer_of(bool decoder) {
  LayerCallOf layer(decoder ? "decoder_layer" : "encoder_layer", {1, 1, 2}, {1, 1, 2}, {kX[0], kX[1]});
  layer.call.p = kP;
  layer.call.attributes["heads"] = std::int64_t{1};
  layer.call.attributes["feed_forward"] = std::int64_t{3};
  layer.call.attributes["weights"] = std::string("given");
  const std::vector<double> identity = {1, 0, 0, 1};
  layer.input("self_attn.in_proj_weight", {6, 2}, {1, 0, 0, 1, 1, 0, 0, 1, 0, 1, 3, 0});
  layer.input("self_attn.in_proj_bias", {6}, {0, 0, 0, 0, 0, 0});
  layer.input("self_attn.out_proj.weight", {2, 2}, identity);
  layer.input("self_attn.out_proj.bias", {2}, {0.125, 0});
  if (decoder) {
    layer.input("memory", {1, 1, 2}, {kMemory[0], kMemory[1]});
    layer.input("multihead_attn.in_proj_weight", {6, 2}, {1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 2});
    layer.input("multihead_attn.in_proj_bias", {6}, {0, 0, 0, 0, -1, 0});
    layer.input("multihead_attn.out_proj.weight", {2, 2}, identity);
    layer.input("multihead_attn.out_proj.bias", {2}, {0, 0.25});
    layer.input("norm3.weight", {2}, {1, 0.5});
    layer.input("norm3.bias", {2}, {0, 3});
  }
  layer.input("linear1.weight", {3, 2}, {1, 0, 0, 1, -1, -1});
  layer.input("linear1.bias", {3}, {2, 2, -1});
  layer.input("linear2.weight", {2, 3}, {1, 2, 4, -1, 1, 8});
  layer.input("linear2.bias", {2}, {0, 1});
  layer.input("norm1.weight", {2}, {2, 1});
  layer.input("norm1.bias", {2}, {1, 0});
  layer.input("norm2.weight", {2}, {1, 1});
  layer.input("norm2.bias", {2}, {0, -1});
  return layer;
}

Pair norm(const Pair& v, const Pair& gain, const Pair& bias) {
  const double d = (v[0] - v[1]) / 2, root = std::sqrt(d * d + 1e-5);
  return {d / root * gain[0] + bias[0], -d / root * gain[1] + bias[1]};
}

/// `factor(place, entry)`: what the entry is multiplied by.
template <typename Factor>
Pair by_hand(bool decoder, Factor&& factor) {
  std::uint64_t place = 0;
  const auto added = [&](const Pair& h, const Pair& result) {
    const Pair sum = {h[0] + result[0] * factor(place, 0), h[1] + result[1] * factor(place, 1)};
    ++place;
    return sum;
  };
  double weight = factor(place++, 0);
  Pair h = norm(added(kX, {weight * kX[1] + 0.125, weight * 3 * kX[0]}), {2, 1}, {1, 0});
  if (decoder) {
    weight = factor(place++, 0);
    h = norm(added(h, {weight * (kMemory[0] - 1), weight * 2 * kMemory[1] + 0.25}), {1, 1}, {0, -1});
  }
  std::array<double, 3> inner = {std::max(h[0] + 2, 0.0), std::max(h[1] + 2, 0.0),
                                 std::max(-h[0] - h[1] - 1, 0.0)};
  for (std::size_t j = 0; j < 3; ++j) inner[j] *= factor(place, j);
  ++place;
  const Pair result = {inner[0] + 2 * inner[1] + 4 * inner[2], -inner[0] + inner[1] + 8 * inner[2] + 1};
  return decoder ? norm(added(h, result), {1, 0.5}, {0, 3}) : norm(added(h, result), {1, 1}, {0, -1});
}

class TransformerLayer : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Both, TransformerLayer, ::testing::Bool(),
                         [](const auto& row) { return row.param ? "Decoder" : "Encoder"; });

TEST_P(TransformerLayer, DropsAtItsPlacesByTheMasksOfTheStream) {
  ReferenceBackend backend;
  LayerCallOf layer = layer_of(GetParam());
  const std::uint64_t places = GetParam() ? 6 : 4;
  for (std::uint64_t call = 0; call < 16; ++call) {
    const auto seen = layer.ask(backend);
    ASSERT_TRUE(seen) << seen.error().message;
    const Pair wanted = by_hand(GetParam(), [&](std::uint64_t place, std::size_t entry) {
      return layer_mask(call * places + place, kP, 4)[entry] != 0 ? 2.0 : 0.0;
    });
    EXPECT_NEAR(layer.y()[0], wanted[0], 1e-13) << call;
    EXPECT_NEAR(layer.y()[1], wanted[1], 1e-13) << call;
    layer.call.seed.reset();
  }
}

TEST_P(TransformerLayer, DropsNothingInEval) {
  ReferenceBackend backend;
  LayerCallOf layer = layer_of(GetParam());
  layer.call.mode = Mode::eval;
  ASSERT_TRUE(layer.ask(backend));
  const Pair wanted = by_hand(GetParam(), [](std::uint64_t, std::size_t) { return 1.0; });
  EXPECT_NEAR(layer.y()[0], wanted[0], 1e-13);
  EXPECT_NEAR(layer.y()[1], wanted[1], 1e-13);
}

TEST_P(TransformerLayer, RefusesWhatDoesNotFit) {
  ReferenceBackend backend;
  LayerCallOf missing = layer_of(GetParam());
  missing.call.inputs.pop_back();
  EXPECT_EQ(backend.forward(missing.call).error().code, ErrorCode::invalid_argument);
  LayerCallOf output = layer_of(GetParam());
  output.output("weights", {1, 1, 1});
  EXPECT_EQ(backend.forward(output.call).error().code, ErrorCode::unsupported);
  LayerCallOf more = layer_of(GetParam());
  more.input("norm4.bias", {2}, {0, 0});
  EXPECT_EQ(backend.forward(more.call).error().code, ErrorCode::unsupported);
  LayerCallOf odd = layer_of(GetParam());
  odd.call.attributes["heads"] = std::int64_t{3};
  EXPECT_EQ(backend.forward(odd.call).error().code, ErrorCode::invalid_argument);
}

TEST(DecoderLayer, NeedsAMemory) {
  ReferenceBackend backend;
  LayerCallOf layer = layer_of(true);
  std::erase_if(layer.call.inputs, [](const NamedTensor& input) { return input.name == "memory"; });
  const auto seen = backend.forward(layer.call);
  ASSERT_FALSE(seen);
  EXPECT_EQ(seen.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(seen.error().message, ::testing::HasSubstr("memory"));
}

}  // namespace
}  // namespace dropcheck::reference
