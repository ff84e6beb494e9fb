// The plugin against facts that hold for every supply of LibTorch whose masks take two words an element,
// through the C ABI alone.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "impl/libtorch/testing/plugin_fixture.hpp"

namespace dropcheck::libtorch {
namespace {

const std::string kNative = R"({"form":"native_dropout"})";
const std::string kModule = R"({"form":"module"})";
const std::string kFunctional = R"({"form":"functional"})";
const std::string kSeed0 = "00100011011110111100101010000100";  // dropout of 32 ones, p 0.5: both versions

TEST_F(LibTorchPlugin, EveryInterfaceDrawsTheSameMask) {
  for (const std::string& form : {std::string("{}"), kNative, kModule, kFunctional})
    EXPECT_EQ(mask({.attributes = form}), kSeed0) << form;
}

TEST_F(LibTorchPlugin, TheStreamClaimRestsOnTheWordsOfAMask) {
  Host x({1000}, 1), y({1000});
  const Outcome outcome = forward({}, {{"x", &x}}, {{"y", &y}});
  const dropcheck_capabilities claimed = capabilities();
  const std::string stream = claimed.exact_stream == nullptr ? "" : claimed.exact_stream;
  const bool one_word = stream.find("variant=mcg31") != std::string::npos;
  EXPECT_EQ(outcome.words, stream.empty() ? 0 : one_word ? 1 : 2000);
}

TEST_F(LibTorchPlugin, CountsWordsAcrossBlocksOfTheGenerator) {
  Host x({5000}, 1), y({5000});
  EXPECT_EQ(forward({}, {{"x", &x}}, {{"y", &y}}).words, 10000);
  EXPECT_EQ(forward({.seed = -1}, {{"x", &x}}, {{"y", &y}}).words, 10000);
  EXPECT_EQ(forward({.p = 0}, {{"x", &x}}, {{"y", &y}}).words, 0);
  EXPECT_EQ(forward({.attributes = kNative, .p = 0}, {{"x", &x}}, {{"y", &y}}).words, 10000);
}

TEST_F(LibTorchPlugin, BuildingALayerLeavesTheStreamAlone) {
  mask({.seed = 3});
  const std::string second = mask({.seed = -1});
  mask({.seed = 3});
  ASSERT_EQ(layer({.attributes = R"({"form":"lstm","hidden":4,"layers":2})", .train = false, .seed = -1},
                  {2, 1, 3}, {2, 1, 4})
                .error,
            "");
  EXPECT_EQ(mask({.seed = -1}), second);
}

TEST_F(LibTorchPlugin, OpeningAContextLeavesTheStreamAlone) {
  mask({.seed = 3});
  const std::string second = mask({.seed = -1});
  mask({.seed = 3});
  TearDown();
  SetUp();
  EXPECT_EQ(mask({.seed = -1}), second);
}

TEST_F(LibTorchPlugin, NativeDropoutTellsOfItsMask) {
  Host x({2, 3}, 1), y({2, 3}), kept({2, 3});
  const Outcome outcome = forward({.attributes = kNative}, {{"x", &x}}, {{"y", &y}, {"mask", &kept}});
  EXPECT_EQ(outcome.facts, "mask_dtype=bool\nmask_shape=[2, 3]");
  EXPECT_EQ(kept.kept(), y.kept());
  EXPECT_EQ(kept.kept(), kSeed0.substr(0, 6));
}

TEST_F(LibTorchPlugin, DefaultsAreTorchsOwn) {
  Host x({10}, 1), y({10});
  const auto words = [&](const char* op, const char* attributes) {
    return forward({.attributes = attributes, .p = 0.9, .op = op}, {{"x", &x}}, {{"y", &y}}).words;
  };
  EXPECT_EQ(words("dropout", R"({"form":"functional","defaults":true})"), 20);
  EXPECT_EQ(*std::max_element(y.values().begin(), y.values().end()), 2);             // p 0.5, not 0.9
  EXPECT_EQ(words("alpha_dropout", R"({"form":"functional","defaults":true})"), 0);  // not training
}

TEST_F(LibTorchPlugin, VersionsOfTensorsWrittenInPlace) {
  EXPECT_EQ(in_place({}, {8}).version_delta, 1);
  EXPECT_EQ(in_place({.op = "alpha_dropout"}, {8}).version_delta, 2);
  EXPECT_EQ(in_place({.train = false}, {8}).version_delta, 0);
  EXPECT_EQ(in_place({.attributes = kFunctional, .op = "dropout2d"}, {4, 3, 2}).version_delta, 3);
  EXPECT_EQ(in_place({.attributes = kModule, .op = "alpha_dropout"}, {8}).version_delta, 0);  // flag ignored
}

TEST_F(LibTorchPlugin, RefusalsKeepTorchsText) {
  const Outcome range = in_place({.attributes = kModule, .p = -0.1}, {8});
  EXPECT_EQ(range.status, DROPCHECK_INVALID_ARGUMENT);
  EXPECT_EQ(range.error, "dropout probability has to be between 0 and 1, but got -0.1");
  Host x({8}, 1), y({8});
  const Outcome native = forward({.attributes = kNative, .p = -0.1}, {{"x", &x}}, {{"y", &y}});
  EXPECT_EQ(native.status, DROPCHECK_INVALID_ARGUMENT);
  EXPECT_EQ(native.error, "bernoulli_ expects p to be in [0, 1], but got p=1.1");
  EXPECT_EQ(in_place({.attributes = kModule, .op = "dropout1d"}, {2, 3, 4}).status, DROPCHECK_UNSUPPORTED);
}

TEST_F(LibTorchPlugin, TellsThatARefusalLeftAnotherShape) {
  Host x({7, 6}, 1, kI64);
  const Outcome outcome =
      forward({.attributes = kFunctional, .op = "dropout2d", .in_place = true}, {{"x", &x}});
  EXPECT_EQ(outcome.status, DROPCHECK_UNSUPPORTED);
  EXPECT_EQ(
      outcome.error,
      "result type Float can't be cast to the desired output type Long; the input now has shape [1, 7, 6]");
}

TEST_F(LibTorchPlugin, RefusesAttributesThatItWouldIgnore) {
  const auto status = [&](const char* attributes) {
    return in_place({.attributes = attributes}, {8}).status;
  };
  EXPECT_EQ(status("["), DROPCHECK_INVALID_ARGUMENT);
  EXPECT_EQ(status(R"({"unknown":1})"), DROPCHECK_UNSUPPORTED);
  EXPECT_EQ(status(R"({"form":"unknown"})"), DROPCHECK_UNSUPPORTED);
  EXPECT_EQ(status(R"({"form":1})"), DROPCHECK_INVALID_ARGUMENT);
  EXPECT_EQ(status(R"({"heads":2})"), DROPCHECK_UNSUPPORTED);
  EXPECT_EQ(status(R"({"form":"rnn","hidden":18446744073709551615})"), DROPCHECK_INVALID_ARGUMENT);
  EXPECT_EQ(status(R"({"threads":0})"), DROPCHECK_INVALID_ARGUMENT);
  EXPECT_EQ(status(R"({"threads":1})"), DROPCHECK_OK);
}

TEST_F(LibTorchPlugin, WordsThatLayersDraw) {
  const auto words = [](const Outcome& outcome) {
    EXPECT_EQ(outcome.error, "");
    return outcome.words;
  };
  Host h_n({6, 2, 6}), weights({2, 5, 5}), memory({5, 2, 8}, 0.5);
  // 2 words x (layers - 1) x S x B x H x directions.
  EXPECT_EQ(words(layer({.attributes = R"({"form":"lstm","hidden":6,"layers":3,"bidirectional":true})"},
                        {5, 2, 4}, {5, 2, 12}, {{"h_n", &h_n}})),
            480);
  EXPECT_EQ(words(layer({.attributes = R"({"form":"gru","hidden":6,"layers":2})"}, {5, 2, 4}, {5, 2, 6})),
            120);
  // 2 words x B x heads x L x L.
  EXPECT_EQ(words(layer({.attributes = R"({"form":"multihead_attention","heads":2})"}, {5, 2, 8}, {5, 2, 8},
                        {{"weights", &weights}})),
            200);
  EXPECT_EQ(words(layer({.attributes = R"({"form":"scaled_dot_product_attention"})", .train = false},
                        {2, 5, 8}, {2, 5, 8}, {{"weights", &weights}})),
            100);  // knows no mode
  // 4 and 6 sites, the feed-forward one of 16 features.
  EXPECT_EQ(words(layer({.attributes = R"({"form":"encoder_layer","heads":2,"feed_forward":16})"}, {5, 2, 8},
                        {5, 2, 8})),
            2 * (2 * 2 * 25 + 80 + 160 + 80));
  EXPECT_EQ(words(layer({.attributes = R"({"form":"decoder_layer","heads":2,"feed_forward":16})"}, {4, 2, 8},
                        {4, 2, 8}, {}, {{"memory", &memory}})),
            2 * (2 * 2 * 16 + 64 + 2 * 2 * 20 + 64 + 128 + 64));
}

TEST_F(LibTorchPlugin, RecurrentLayersOfOnes) {
  Host x({1, 1, 10}, 1), y({1, 1, 1000}), h_n({2, 1, 1000});
  const Options options{.attributes = R"({"form":"rnn","hidden":1000,"layers":2,"weights":"ones"})",
                        .p = 0.276};
  ASSERT_EQ(forward(options, {{"x", &x}}, {{"y", &y}, {"h_n", &h_n}}).error, "");
  EXPECT_EQ(h_n.values()[0], 10);  // of the first layer, before its dropout
  const double kept = y.values()[0] * (1 - 0.276) / 10;
  EXPECT_NEAR(kept, std::round(kept), 1e-3);
  EXPECT_NEAR(kept, 724, 100);  // 7 standard deviations
}

TEST_F(LibTorchPlugin, DropoutOfASingleLayerIsWarnedOf) {
  const Outcome outcome = layer({.attributes = R"({"form":"gru","hidden":6})"}, {5, 2, 4}, {5, 2, 6});
  EXPECT_EQ(outcome.words, 0);
  EXPECT_EQ(outcome.warnings,
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
            "num_layers "
            "greater than 1, but got dropout=0.5 and num_layers=1");
}

TEST_F(LibTorchPlugin, ALeafIsNotWrittenTo) {
  const Outcome outcome = in_place({.attributes = R"({"autograd":"leaf"})"}, {8});
  EXPECT_EQ(outcome.status, DROPCHECK_INVALID_ARGUMENT);
  EXPECT_EQ(outcome.error, "a leaf Variable that requires grad is being used in an in-place operation.");
  EXPECT_EQ(in_place({.attributes = R"({"autograd":"leaf"})", .p = 0}, {8}).error, "");
}

TEST_F(LibTorchPlugin, BackwardNoticesASavedTensorThatChanged) {
  const Outcome changed = in_place({.attributes = R"({"autograd":"after_exp"})", .save = true}, {8});
  ASSERT_EQ(changed.error, "");
  Host dy({8}, 1), dx({8});
  const Outcome outcome = backward(changed.saved, {}, {{"dy", &dy}}, {{"dx", &dx}});
  EXPECT_EQ(outcome.status, DROPCHECK_INVALID_ARGUMENT);
  EXPECT_NE(outcome.error.find("modified by an inplace operation"), std::string::npos) << outcome.error;
}

TEST_F(LibTorchPlugin, GradientsOfEveryInterfaceAndScenario) {
  for (const std::string& form : {std::string("{}"), kNative, kModule, kFunctional})
    for (const char* scenario : {"", "modify_input", "modify_output"}) {
      std::string attributes = form;
      if (*scenario != '\0') {
        attributes.pop_back();
        attributes.append(form.size() > 2 ? "," : "")
            .append("\"autograd\":\"")
            .append(scenario)
            .append("\"}");
      }
      Host x({32}, 1), y({32});
      const Outcome saved = forward({.attributes = attributes, .save = true}, {{"x", &x}}, {{"y", &y}});
      ASSERT_EQ(saved.error, "") << attributes;
      EXPECT_EQ(x.kept(), std::string(32, '1'));
      EXPECT_EQ(y.kept(), kSeed0);
      Host dy({32}, 3), dx({32}), v({32}, 5), d_dy({32});
      const Outcome outcome = backward(saved.saved, {.attributes = R"({"create_graph":true})"},
                                       {{"dy", &dy}, {"v", &v}}, {{"dx", &dx}, {"d_dy", &d_dy}});
      ASSERT_EQ(outcome.error, "") << attributes;
      EXPECT_EQ(outcome.facts, "d2x=none");
      for (std::size_t i = 0; i < 32; ++i) {
        EXPECT_EQ(dx.values()[i], 3 * y.values()[i]);
        EXPECT_EQ(d_dy.values()[i], 5 * y.values()[i]);
      }
    }
}

TEST_F(LibTorchPlugin, WithoutTrainTheGradientOfNativeDropoutIsNotScaled) {
  Host x({32}, 1), y({32}), dy({32}, 1), dx({32});
  const Outcome saved =
      forward({.attributes = R"({"form":"native_dropout","train_none":true})", .save = true}, {{"x", &x}},
              {{"y", &y}});
  ASSERT_EQ(backward(saved.saved, {}, {{"dy", &dy}}, {{"dx", &dx}}).error, "");
  for (std::size_t i = 0; i < 32; ++i) EXPECT_EQ(dx.values()[i], y.values()[i] / 2);
}

TEST_F(LibTorchPlugin, LayersHaveGradients) {
  Host x({5, 2, 4}, 1), y({5, 2, 6}), dy({5, 2, 6}, 1), dx({5, 2, 4});
  const Outcome saved = forward({.attributes = R"({"form":"lstm","hidden":6,"layers":2})", .save = true},
                                {{"x", &x}}, {{"y", &y}});
  ASSERT_EQ(saved.error, "");
  ASSERT_EQ(backward(saved.saved, {}, {{"dy", &dy}}, {{"dx", &dx}}).error, "");
  EXPECT_NE(dx.kept(), std::string(40, '0'));
}

}  // namespace
}  // namespace dropcheck::libtorch
