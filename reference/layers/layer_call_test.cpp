#include "reference/layers/layer_call.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "reference/one_call.hpp"

namespace dropcheck::reference {
namespace {

using ::testing::HasSubstr;

Problem of_shape(std::vector<std::int64_t> shape, DType dtype = DType::f32) {
  Problem problem;
  problem.shape = std::move(shape);
  problem.dtype = dtype;
  return problem;
}

GuardedTensor tensor_of(const Problem& problem) {
  return GuardedTensor(*heap_memory(GuardedTensor::bytes_needed(problem, true)), problem, true);
}

TEST(LayerAttributes, AreReadByNameAndKind) {
  const Attributes given{{"form", std::string("rnn")},
                         {"hidden", std::int64_t{7}},
                         {"bidirectional", true},
                         {"weights", std::string("given")}};
  LayerAttributes attributes(given);
  EXPECT_EQ(attributes.count("hidden", 7), 7);
  EXPECT_TRUE(attributes.flag("bidirectional", false));
  EXPECT_TRUE(attributes.flag("absent", true));
  EXPECT_EQ(weights_of(attributes), Weights::given);
  EXPECT_EQ(attributes.word("absent", {"first", "second"}), 0u);
  EXPECT_TRUE(attributes.status());
}

TEST(LayerAttributes, SayWhatIsWrong) {
  const Attributes given{{"hidden", std::int64_t{8}}, {"layers", 2.0}, {"weights", std::string("random")}};
  const auto fault = [&](auto&& read) {
    LayerAttributes attributes(given);
    for (const char* name : {"hidden", "layers", "weights"})  // asked for, whatever comes of it
      if (std::string_view(name) != "weights") attributes.flag("none", false);
    read(attributes);
    const Status status = attributes.status();
    EXPECT_FALSE(status);
    return status.error();
  };
  EXPECT_EQ(fault([](LayerAttributes& a) { a.count("hidden", 8); }).code, ErrorCode::unsupported)
      << "nobody asked for the others";
  const auto all = [](LayerAttributes& a, std::int64_t most) {
    a.count("hidden", most);
    a.count("layers", 64);
    weights_of(a);
  };
  const Error large = fault([&](LayerAttributes& a) { all(a, 7); });
  EXPECT_EQ(large.code, ErrorCode::invalid_argument);
  EXPECT_THAT(large.message, HasSubstr("hidden must be from 1 to 7"));
  const Error kind = fault([&](LayerAttributes& a) { all(a, 8); });
  EXPECT_EQ(kind.code, ErrorCode::invalid_argument);
  EXPECT_THAT(kind.message, HasSubstr("layers has a value of another kind"));
  const Error word = fault([](LayerAttributes& a) {
    weights_of(a);
    a.flag("hidden", false);
    a.flag("layers", false);
  });
  EXPECT_EQ(word.code, ErrorCode::unsupported);
  EXPECT_THAT(word.message, HasSubstr("not 'random'"));
}

TEST(LayerInputs, AreSmallOrOnesByTheirPlace) {
  Call call;
  LayerInputs small(call, Weights::small);
  const Matrix w = small.weight("w", 3, 3);
  EXPECT_EQ(w(0, 0), -3.0 / 16);
  EXPECT_EQ(w(1, 0), 0.0);
  EXPECT_EQ(w(2, 0), 3.0 / 16);
  EXPECT_EQ(w(2, 1), -3.0 / 16) << "number 7 begins again";
  EXPECT_EQ(small.bias("b", 2), Row::Zero(2));
  EXPECT_TRUE(small.status());
  LayerInputs ones(call, Weights::ones);
  EXPECT_EQ(ones.weight("w", 2, 3), Matrix::Ones(2, 3));
  EXPECT_EQ(ones.bias("b", 2), Row::Zero(2));
}

TEST(LayerInputs, AreTakenByNameShapeAndDType) {
  GuardedTensor x = tensor_of(of_shape({1})), w = tensor_of(of_shape({2, 2})), b = tensor_of(of_shape({2})),
                half = tensor_of(of_shape({2}, DType::f16));
  fill(w, {1, 2, 3, 4});
  fill(b, {5, 6});
  Call call;
  call.x = {&x.memory(), x.view()};
  call.inputs = {{"w", {&w.memory(), w.view()}}, {"b", {&b.memory(), b.view()}}};
  {
    LayerInputs inputs(call, Weights::given);
    EXPECT_EQ(inputs.weight("w", 2, 2), (Matrix(2, 2) << 1, 2, 3, 4).finished());
    EXPECT_EQ(inputs.status().error().code, ErrorCode::unsupported) << "b is nobody's";
    EXPECT_EQ(inputs.bias("b", 2), (Row(2) << 5, 6).finished());
    EXPECT_TRUE(inputs.status());
  }
  for (const auto& [name, rows] : {std::pair{"v", 2}, std::pair{"w", 4}}) {
    LayerInputs inputs(call, Weights::given);
    inputs.weight(name, rows, 2);
    inputs.bias("b", 2);
    const Status status = inputs.status();
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(status.error().message, HasSubstr(name));
  }
  call.inputs[1].tensor = {&half.memory(), half.view()};
  LayerInputs inputs(call, Weights::given);
  inputs.weight("w", 2, 2);
  inputs.bias("b", 2);
  EXPECT_THAT(inputs.status().error().message, HasSubstr("another shape or dtype"));
}

TEST(LayerOutputs, AreThoseOfTheForm) {
  GuardedTensor x = tensor_of(of_shape({1})), h = tensor_of(of_shape({2, 2}));
  Call call;
  call.x = {&x.memory(), x.view()};
  EXPECT_FALSE(wanted_output(call, "h_n", {2, 2})->has_value());
  call.outputs = {{"h_n", {&h.memory(), h.view()}}};
  EXPECT_TRUE(wanted_output(call, "h_n", {2, 2})->has_value());
  EXPECT_EQ(wanted_output(call, "h_n", {4}).error().code, ErrorCode::invalid_argument);
  EXPECT_TRUE(only_outputs(call, {"h_n"}));
  EXPECT_EQ(only_outputs(call, {"c_n"}).error().code, ErrorCode::unsupported);
}

TEST(LayerNumbers, AreRoundedOnce) {
  GuardedTensor y = tensor_of(of_shape({1, 2}, DType::f16));
  // 1 + 2^-11 + 2^-40 lies above the middle of two neighbours in f16; by way of f32 it would lie on it.
  write_numbers((Matrix(1, 2) << 1 + 0x1p-11 + 0x1p-40, -2).finished(), y.view());
  EXPECT_EQ(numbers_of(y.view(), 2), (Matrix(2, 1) << 1 + 0x1p-10, -2).finished());
}

}  // namespace
}  // namespace dropcheck::reference
