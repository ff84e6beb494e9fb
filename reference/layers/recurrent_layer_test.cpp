// Recurrent layers through the backend, against plain loops over the masks that the stream has.
#include "reference/layers/recurrent_layer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reference/layers/recurrent.hpp"
#include "reference/one_call.hpp"
#include "reference/reference_backend.hpp"
#include "reference/stream.hpp"

namespace dropcheck::reference {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kSteps = 3, kBatch = 2, kInput = 4, kHidden = 5;
constexpr std::uint64_t kSeed = 77;

GuardedTensor tensor_of(std::vector<std::int64_t> shape, DType dtype) {
  Problem problem;
  problem.shape = std::move(shape);
  problem.dtype = dtype;
  return GuardedTensor(*heap_memory(GuardedTensor::bytes_needed(problem, true)), problem, true);
}

/// A call of a layer with its tensors. x counts up from 1.
struct LayerCall {
  Call call;
  GuardedTensor x, y, h_n;

  LayerCall(const std::string& form, std::int64_t layers, DType dtype = DType::f64,
            std::int64_t directions = 1)
      : x(tensor_of({kSteps, kBatch, kInput}, dtype)),
        y(tensor_of({kSteps, kBatch, kHidden * directions}, dtype)),
        h_n(tensor_of({layers * directions, kBatch, kHidden}, dtype)) {
    std::vector<double> numbers;
    for (int i = 0; i < kSteps * kBatch * kInput; ++i) numbers.push_back((i + 1) / 8.0);
    fill(x, numbers);
    call.seed = kSeed;
    call.x = {&x.memory(), x.view()};
    call.y = {&y.memory(), y.view()};
    call.outputs = {{"h_n", {&h_n.memory(), h_n.view()}}};
    call.attributes = {{"form", form},
                       {"hidden", kHidden},
                       {"layers", layers},
                       {"bidirectional", directions == 2},
                       {"weights", std::string("ones")}};
  }

  std::vector<double> values(GuardedTensor& tensor) const {
    std::vector<double> made;
    const auto bytes = dense_bytes(tensor);
    for (std::size_t at = 0; at < bytes.size(); at += tensor.view().element_size())
      made.push_back(load_element(bytes.data() + at, tensor.view().dtype));
    return made;
  }
  void expect_no_fault() {
    EXPECT_EQ(y.fault("y", true), std::nullopt);
    EXPECT_EQ(h_n.fault("h_n", true), std::nullopt);
    EXPECT_EQ(x.fault("x", false), std::nullopt);
  }
};

std::vector<std::uint8_t> stream_mask(std::uint64_t number, double p, std::int64_t entries) {
  std::vector<std::uint8_t> kept(static_cast<std::size_t>(entries));
  draw_mask(kSeed, number, p, kept);
  return kept;
}

/// Two layers of ones with ReLU of positive numbers: h(t) is the sum of what comes in and of h(t-1), which is
/// exact here.
std::vector<double> sums(double p, std::uint64_t number) {
  const auto kept = stream_mask(number, p, kSteps * kBatch * kHidden);
  std::vector<double> y;
  double first[kBatch] = {}, second[kBatch] = {};
  for (std::int64_t t = 0; t < kSteps; ++t)
    for (std::int64_t b = 0; b < kBatch; ++b) {
      double in = 0, between = 0;
      for (std::int64_t i = 0; i < kInput; ++i)
        in += static_cast<double>((t * kBatch + b) * kInput + i + 1) / 8.0;
      first[b] = in + kHidden * first[b];
      for (std::int64_t j = 0; j < kHidden; ++j)
        if (kept[static_cast<std::size_t>((t * kBatch + b) * kHidden + j)] != 0)
          between += first[b] * (1 / (1 - p));
      second[b] = between + kHidden * second[b];
      y.insert(y.end(), kHidden, second[b]);
    }
  return y;
}

TEST(RecurrentLayer, DropsBetweenItsLayersByTheMaskOfTheStream) {
  ReferenceBackend backend;
  LayerCall layer("rnn", 2);
  layer.call.p = 0.5;
  const auto seen = backend.forward(layer.call);
  ASSERT_TRUE(seen) << seen.error().message;
  layer.expect_no_fault();
  EXPECT_EQ(layer.values(layer.y), sums(0.5, 0));
  EXPECT_EQ(seen->produced_shape, layer.y.view().shape);
  EXPECT_EQ(seen->effective_p, 0.5);
  EXPECT_TRUE(seen->warnings.empty());

  layer.call.seed.reset();
  ASSERT_TRUE(backend.forward(layer.call));
  EXPECT_EQ(layer.values(layer.y), sums(0.5, 1)) << "the next mask of the stream";

  OneCall plain;  // the operator goes on with the stream that the layer has drawn from
  plain.problem.shape = {64};
  plain.x.assign(64, 1.0);
  const OneResult after = run_one(backend, plain);
  const auto kept = stream_mask(2, 0.5, 64);
  const auto y = after.values(after.y, DType::f32);
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i] != 0, kept[i] != 0);
}

TEST(RecurrentLayer, IsPlainRecurrenceInEvalAndWithoutDropout) {
  for (const auto& [p, mode] : {std::pair{0.5, Mode::eval}, std::pair{0.0, Mode::train}}) {
    ReferenceBackend backend;
    LayerCall layer("rnn", 2);
    layer.call.p = p;
    layer.call.mode = mode;
    ASSERT_TRUE(backend.forward(layer.call));
    EXPECT_EQ(layer.values(layer.y), sums(0, 0));
    layer.call.seed.reset();
    layer.call.p = 0.5;
    layer.call.mode = Mode::train;
    ASSERT_TRUE(backend.forward(layer.call));
    EXPECT_EQ(layer.values(layer.y), sums(0.5, 0)) << "no mask had been drawn";
  }
}

TEST(RecurrentLayer, LeavesZerosWhereEverythingIsDropped) {
  ReferenceBackend backend;
  LayerCall layer("rnn", 2);
  layer.call.p = 1;
  ASSERT_TRUE(backend.forward(layer.call));
  for (const double y : layer.values(layer.y)) EXPECT_EQ(y, 0);
  EXPECT_GT(layer.values(layer.h_n).front(), 0) << "the first layer's state is taken before dropout";
}

TEST(RecurrentLayer, WritesTheStatesOfEveryLayerAndDirection) {
  for (const char* form : {"rnn", "lstm", "gru"}) {
    ReferenceBackend backend;
    LayerCall layer(form, 3, DType::f32, 2);
    layer.call.attributes["weights"] = std::string("small");
    layer.call.p = 0.25;
    const auto seen = backend.forward(layer.call);
    ASSERT_TRUE(seen) << seen.error().message;
    layer.expect_no_fault();
    const auto y = layer.values(layer.y), h = layer.values(layer.h_n);
    const std::size_t last = 4 * kBatch * kHidden, width = 2 * kHidden;
    for (std::size_t b = 0; b < kBatch; ++b)
      for (std::size_t j = 0; j < kHidden; ++j) {
        EXPECT_EQ(h[last + b * kHidden + j], y[((kSteps - 1) * kBatch + b) * width + j]) << form;
        EXPECT_EQ(h[last + (kBatch + b) * kHidden + j], y[b * width + kHidden + j]) << form;
      }
  }
}

TEST(RecurrentLayer, RoundsToTheDTypeOnce) {
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    ReferenceBackend wide_backend, narrow_backend;
    LayerCall wide("lstm", 2), narrow("lstm", 2, dtype);  // x is exact in each
    for (LayerCall* layer : {&wide, &narrow}) {
      layer->call.attributes["weights"] = std::string("small");
      layer->call.p = 0.5;
    }
    ASSERT_TRUE(wide_backend.forward(wide.call));
    ASSERT_TRUE(narrow_backend.forward(narrow.call));
    const auto exact = wide.values(wide.y), rounded = narrow.values(narrow.y);
    for (std::size_t i = 0; i < exact.size(); ++i)
      EXPECT_EQ(rounded[i], round_to(exact[i], dtype)) << to_string(dtype);
  }
}

TEST(RecurrentLayer, WarnsWhereItHasNoPlaceForItsDropout) {
  ReferenceBackend backend;
  LayerCall layer("gru", 1);
  layer.call.p = 0.5;
  const auto seen = backend.forward(layer.call);
  ASSERT_TRUE(seen);
  ASSERT_EQ(seen->warnings.size(), 1u);
  EXPECT_THAT(seen->warnings[0], HasSubstr("but got dropout=0.5 and num_layers=1"));
  layer.call.attributes["dropout_kind"] = std::string("recurrent");
  EXPECT_TRUE(backend.forward(layer.call)->warnings.empty());
}

TEST(RecurrentLayer, DrawsItsOtherKindsInTheOrderOfTheirPlaces) {
  // Identities hand on what is positive: y shows which features were kept on the way.
  for (const char* kind : {"variational", "input"}) {
    ReferenceBackend backend;
    LayerCall layer("rnn", 2);
    layer.call.attributes["dropout_kind"] = std::string(kind);
    layer.call.attributes["weights"] = std::string("given");
    layer.call.p = 0.25;
    std::vector<GuardedTensor> made;
    made.reserve(8);
    const auto add = [&](const std::string& name, std::vector<std::int64_t> shape, bool identity) {
      made.push_back(tensor_of(shape, DType::f64));
      std::vector<double> values(static_cast<std::size_t>(made.back().view().count()));
      if (identity)
        for (std::int64_t i = 0; i < std::min(shape[0], shape[1]); ++i)
          values[static_cast<std::size_t>(i * shape[1] + i)] = 1;
      fill(made.back(), values);
      layer.call.inputs.push_back({name, {&made.back().memory(), made.back().view()}});
    };
    for (std::int64_t l = 0; l < 2; ++l) {
      const std::string suffix = l == 0 ? "_l0" : "_l1";
      add("weight_ih" + suffix, {kHidden, l == 0 ? kInput : kHidden}, true);
      add("weight_hh" + suffix, {kHidden, kHidden}, false);
      add("bias_ih" + suffix, {kHidden}, false);
      add("bias_hh" + suffix, {kHidden}, false);
    }
    const auto seen = backend.forward(layer.call);
    ASSERT_TRUE(seen) << seen.error().message;
    const bool input = std::string_view(kind) == "input";
    const auto first = stream_mask(0, 0.25, kBatch * (input ? kInput : kHidden)),
               second = stream_mask(1, 0.25, kBatch * kHidden);
    const auto y = layer.values(layer.y);
    std::size_t e = 0;
    for (std::size_t t = 0; t < kSteps; ++t)
      for (std::size_t b = 0; b < kBatch; ++b)
        for (std::size_t j = 0; j < kHidden; ++j, ++e) {
          const double x = j < kInput ? static_cast<double>((t * kBatch + b) * kInput + j + 1) / 8 : 0;
          const double scale = 1 / (1 - 0.25);
          double wanted = x;
          if (input) {
            wanted *= j < kInput && first[b * kInput + j] != 0 ? scale : 0;
            wanted *= second[b * kHidden + j] != 0 ? scale : 0;
          } else {
            wanted *= first[b * kHidden + j] != 0 ? scale : 0;
          }
          EXPECT_EQ(y[e], wanted) << kind << " " << e;
        }
    layer.call.inputs.pop_back();
    EXPECT_EQ(backend.forward(layer.call).error().code, ErrorCode::invalid_argument) << "one is missing";
  }
}

struct Bad {
  const char* what;
  std::function<void(LayerCall&)> spoil;
  ErrorCode code;
};

TEST(RecurrentLayer, RefusesWhatItIsNotOrHasNot) {
  const Bad cases[] = {
      {"p", [](LayerCall& c) { c.call.p = 1.5; }, ErrorCode::invalid_argument},
      {"form", [](LayerCall& c) { c.call.attributes["form"] = std::string("mlp"); }, ErrorCode::unsupported},
      {"attribute", [](LayerCall& c) { c.call.attributes["heads"] = std::int64_t{1}; },
       ErrorCode::unsupported},
      {"hidden", [](LayerCall& c) { c.call.attributes.erase("hidden"); }, ErrorCode::invalid_argument},
      {"huge", [](LayerCall& c) { c.call.attributes["layers"] = std::int64_t{1} << 40; },
       ErrorCode::invalid_argument},
      {"y", [](LayerCall& c) { c.call.attributes["hidden"] = kHidden + 1; }, ErrorCode::invalid_argument},
      {"h_n", [](LayerCall& c) { c.call.attributes["layers"] = std::int64_t{1}; },
       ErrorCode::invalid_argument},
      {"output", [](LayerCall& c) { c.call.outputs[0].name = "c_n"; }, ErrorCode::unsupported},
      {"kind", [](LayerCall& c) { c.call.attributes["dropout_kind"] = std::string("zone"); },
       ErrorCode::unsupported},
      {"op", [](LayerCall& c) { c.call.op = Op::alpha_dropout; }, ErrorCode::unsupported},
      {"gradient", [](LayerCall& c) { c.call.save_for_backward = true; }, ErrorCode::unsupported},
      {"place", [](LayerCall& c) { c.call.in_place = true; }, ErrorCode::unsupported},
      {"rank",
       [](LayerCall& c) {
         c.call.x.view.shape = {kSteps, kBatch * kInput};
       },
       ErrorCode::invalid_argument}};
  for (const Bad& bad : cases) {
    ReferenceBackend backend;
    LayerCall layer("rnn", 2);
    bad.spoil(layer);
    const auto seen = backend.forward(layer.call);
    ASSERT_FALSE(seen) << bad.what;
    EXPECT_EQ(seen.error().code, bad.code) << bad.what << ": " << seen.error().message;
    EXPECT_FALSE(seen.error().message.empty());
  }
}

}  // namespace
}  // namespace dropcheck::reference
