// What stands behind '?' in the backend's name, and the generator that follows from it.

#include "impl/cuda/configuration.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/abi/dropcheck_plugin.hpp"
#include "impl/cuda/generator.hpp"
#include "impl/cuda/operators.hpp"

namespace dropcheck::cuda {
namespace {

using ::testing::HasSubstr;

const DeviceFacts kDevice = {"cuda", "a device", 46, 1536};

Configuration read(const std::string& text) {
  return read_configuration(R"({"config":")" + text + R"(","rank":0,"world_size":1})", kDevice);
}

std::string refusal(const std::string& text) {
  try {
    read(text);
  } catch (const plugin::InvalidArgument& e) {
    return e.what();
  }
  return "read";
}

TEST(Configuration, NamesOneOfTwoStreams) {
  EXPECT_EQ(read("").stream_name(), "dropcheck-philox");
  EXPECT_EQ(read("stream=dropcheck-philox").stream_name(), "dropcheck-philox");
  EXPECT_EQ(read("stream=pytorch-cuda").stream_name(), "pytorch-cuda?sm=46&threads=1536&vec=8");
  EXPECT_EQ(read("stream=pytorch-cuda&sm=132&vec=4&threads=2048").stream_name(),
            "pytorch-cuda?sm=132&threads=2048&vec=4");
}

TEST(Configuration, RefusesWhatItWouldIgnore) {
  for (const char* text :
       {"stream=mt19937", "stream", "block=256", "stream=pytorch-cuda&sm=0", "stream=pytorch-cuda&sm=1025",
        "stream=pytorch-cuda&sm=12x", "stream=pytorch-cuda&threads=255", "stream=pytorch-cuda&vec=5",
        "sm=132", "stream=pytorch-cuda&sm=99999999999"})
    EXPECT_THAT(refusal(text), HasSubstr("is not known: write stream=")) << text;
  EXPECT_THROW(read_configuration("[]", kDevice), plugin::InvalidArgument);
  EXPECT_THROW(read_configuration("{", kDevice), plugin::InvalidArgument);
  EXPECT_THROW(read_configuration(R"({"config":1})", kDevice), plugin::InvalidArgument);
}

DrawShape shape_of(std::uint64_t entries) {
  DrawShape shape;
  shape.p = 0.5;
  shape.entries = entries;
  return shape;
}

TEST(Generator, CountsCallsForOurStream) {
  Generator generator(read(""));
  generator.begin_call(7, 41);
  EXPECT_EQ(generator.next(shape_of(1000)).position, 41u);
  generator.begin_call(std::nullopt, 3);
  const Draw draw = generator.next(shape_of(1));
  EXPECT_EQ(draw.position, 45u);
  EXPECT_EQ(draw.seed, 7u);
  EXPECT_EQ(generator.words(shape_of(1000)), 1000u);
  Request request;
  generator.fill(draw, request);
  EXPECT_EQ(request.source, Source::dropcheck);
  EXPECT_EQ(request.dropcheck.last_dropped, 0x7fffffffu);
}

TEST(Generator, CountsWordsForPyTorchs) {
  Generator generator(read("stream=pytorch-cuda&sm=1&threads=256"));
  EXPECT_THROW(generator.begin_call(7, 2), plugin::InvalidArgument);
  generator.begin_call(7, 8);
  EXPECT_EQ(generator.next(shape_of(1024)).position, 8u);
  EXPECT_EQ(generator.next(shape_of(1025)).position, 12u);  // 1024 elements are one block a thread
  const Draw draw = generator.next(shape_of(1));
  EXPECT_EQ(draw.position, 20u);
  Request request;
  generator.fill(draw, request);
  EXPECT_EQ(request.source, Source::pytorch);
  EXPECT_EQ(request.pytorch.first_block, 5u);
  EXPECT_EQ(request.pytorch.threads, 256u);
}

TEST(Generator, StateGoesBackAndForth) {
  Generator generator(read(""));
  generator.begin_call(9, 100);
  const std::vector<std::byte> state = generator.save();
  generator.next(shape_of(1));
  generator.load(state);
  EXPECT_EQ(generator.next(shape_of(1)).position, 100u);
  EXPECT_THROW(generator.load(std::span(state).first(15)), plugin::InvalidArgument);
}

TEST(Operators, CountEntriesAndRefuseNoiseOfUnknownOrder) {
  const std::vector<std::int64_t> shape = {2, 3, 4, 5};
  EXPECT_EQ(entries_of(operator_of("dropout"), shape), 120u);
  EXPECT_EQ(per_entry_of(operator_of("dropout"), shape), 1u);
  EXPECT_EQ(entries_of(operator_of("feature_alpha_dropout"), shape), 6u);
  EXPECT_EQ(per_entry_of(operator_of("dropout2d"), shape), 20u);
  EXPECT_THROW(operator_of("dropin"), plugin::Unsupported);
  EXPECT_THROW(check_noise(DType::f64, 1), plugin::Unsupported);
  EXPECT_NO_THROW(check_noise(DType::f16, 1u << 30));
  EXPECT_THROW(check_noise(DType::f16, (1u << 30) + 1), plugin::Unsupported);
}

}  // namespace
}  // namespace dropcheck::cuda
