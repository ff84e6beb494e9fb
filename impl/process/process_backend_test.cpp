// A correct adapter through the whole interface.
#include "impl/process/process_backend.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "impl/process/testing/one_call.hpp"

namespace dropcheck::process {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;
using testing::OneCall;

const std::string kGood = "exec python3 " DROPCHECK_PROCESS_TESTING "/good_adapter.py";

std::unique_ptr<ProcessBackend> open(const std::string& arguments = "") {
  auto backend = open_process(kGood + " " + arguments);
  EXPECT_TRUE(backend) << backend.error().message;
  return std::move(*backend);
}

/// What the adapter was asked.
Json request_of(const Expected<Observation>& seen) {
  EXPECT_TRUE(seen) << seen.error().message;
  return seen ? Json::parse(seen->facts.at("request")) : Json();
}

TEST(ProcessBackend, KnowsWhatTheAdapterClaims) {
  const auto backend = open();
  EXPECT_EQ(backend->capabilities().name, "good");
  EXPECT_EQ(backend->capabilities().version, "1.2");
  EXPECT_THAT(backend->capabilities().dtypes, ElementsAre(DType::f32, DType::f64));
  EXPECT_EQ(backend->capabilities().seed_semantics, SeedSemantics::stateful);
  EXPECT_TRUE(backend->capabilities().backward && backend->capabilities().mask_output);
  EXPECT_THAT(backend->capabilities().notes, ElementsAre());
  EXPECT_THAT(backend->capabilities().promises, ElementsAre("equal_ranks"));
  EXPECT_TRUE(backend->capabilities().recompute);
  EXPECT_EQ(backend->stray(), "");
}

TEST(ProcessBackend, TellsRankAndWorldSize) {
  Options options;
  options.rank = 2;
  options.world_size = 4;
  const auto backend = open_process(kGood, options);
  ASSERT_TRUE(backend) << backend.error().message;
  EXPECT_THAT((*backend)->capabilities().notes, ElementsAre("rank 2 of 4"));
}

TEST(ProcessBackend, SavesAndSetsTheStateOfTheGenerator) {
  const auto backend = open();
  OneCall one(std::vector<float>(257, 3.0f), {257});
  const auto draw = [&](std::optional<std::uint64_t> seed) {
    EXPECT_TRUE(one.forward(*backend, seed));
    return one.output();
  };
  const auto seeded = draw(5);
  const auto state = backend->save_state();
  ASSERT_TRUE(state) << state.error().message;
  EXPECT_GT(state->size(), 2500u) << "625 words of 32 bits";
  const auto first = draw(std::nullopt), second = draw(std::nullopt);
  ASSERT_TRUE(backend->load_state(*state));
  EXPECT_EQ(draw(std::nullopt), first);
  EXPECT_EQ(draw(std::nullopt), second);
  EXPECT_NE(first, seeded);
}

TEST(ProcessBackend, KnowsNoStateOfAnAdapterThatClaimsNone) {
  const auto backend = open("'features=[]'");
  EXPECT_EQ(backend->save_state().error().code, ErrorCode::unsupported);
  EXPECT_EQ(backend->load_state({}).error().code, ErrorCode::unsupported);
}

TEST(ProcessBackend, GivesTheSameBytesForTheSameSeedAndContinuesTheStream) {
  const auto backend = open();
  OneCall one(std::vector<float>(257, 3.0f), {257});
  std::vector<std::vector<float>> first, second;
  for (auto* round : {&first, &second})
    for (int call = 0; call < 3; ++call) {
      const auto seen = one.forward(*backend, call == 0 ? std::optional<std::uint64_t>(5) : std::nullopt);
      ASSERT_TRUE(seen) << seen.error().message;
      EXPECT_FALSE(one.y->fault("y", true));
      round->push_back(one.output());
      for (const float y : round->back()) ASSERT_TRUE(y == 0 || y == 6) << y;
    }
  EXPECT_EQ(first, second);
  EXPECT_NE(first[0], first[1]);
  EXPECT_NE(first[1], first[2]);
  ASSERT_TRUE(one.forward(*backend, 6));
  EXPECT_NE(one.output(), first[0]);
}

TEST(ProcessBackend, PassesXThroughInEvalMode) {
  const auto backend = open();
  OneCall one({1, -0.0f, std::nanf(""), std::numeric_limits<float>::infinity(), 1e-45f, -6}, {2, 3});
  one.call.mode = Mode::eval;
  ASSERT_TRUE(one.forward(*backend, 1));
  EXPECT_EQ(std::memcmp(one.y->view().data, one.x->view().data, 24), 0);
  EXPECT_EQ(one.call.y.view.shape, (std::vector<std::int64_t>{2, 3}));
}

TEST(ProcessBackend, TakesEveryDtypeRankAndEmptyTensors) {
  const auto backend = open();
  OneCall wide;
  const auto x = wide.tensor(false, DType::f64), y = wide.tensor(true, DType::f64);
  const std::vector<double> values = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6};
  scatter(reinterpret_cast<const std::byte*>(values.data()), x->view());
  wide.call.x = {&x->memory(), x->view()};
  wide.call.y = {&y->memory(), y->view()};
  wide.call.mode = Mode::eval;
  const auto seen = backend->forward(wide.call);
  EXPECT_EQ(request_of(seen)["tensors"][0]["dtype"], "f64");
  EXPECT_EQ(std::memcmp(y->view().data, values.data(), 48), 0);
  OneCall scalar({4}, {}), empty({}, {3, 0});
  ASSERT_TRUE(scalar.forward(*backend, 1));
  EXPECT_TRUE(scalar.output()[0] == 0 || scalar.output()[0] == 8);
  ASSERT_TRUE(empty.forward(*backend, 1));
}

TEST(ProcessBackend, SendsOddProbabilitiesAndHandsOnTheRefusal) {
  const auto backend = open();
  OneCall one;
  for (const double p : {std::nan(""), std::numeric_limits<double>::infinity(), -0.5, 1.5}) {
    one.call.p = p;
    const auto seen = one.forward(*backend, 1);
    ASSERT_FALSE(seen) << p;
    EXPECT_EQ(seen.error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(seen.error().message, "p must lie in [0, 1]");
    EXPECT_FALSE(one.y->fault("y", false));
  }
  one.call.p = -0.0;
  EXPECT_EQ(request_of(one.forward(*backend, 1))["p"], "-0");
  one.call.p = 1;
  ASSERT_TRUE(one.forward(*backend, 1));
  for (const float y : one.output()) EXPECT_EQ(y, 0);
}

TEST(ProcessBackend, SendsSeedsAsIntegers) {
  const auto backend = open();
  OneCall one;
  for (const std::uint64_t seed : {std::uint64_t{0}, (std::uint64_t{1} << 53) + 1, ~std::uint64_t{0}})
    EXPECT_EQ(request_of(one.forward(*backend, seed))["seed"].get<std::uint64_t>(), seed);
  EXPECT_FALSE(request_of(one.forward(*backend, std::nullopt)).contains("seed"));
}

TEST(ProcessBackend, SendsConstantInputsAsOneNumber) {
  const auto backend = open(), plain = open("'features=[]'");
  OneCall one(std::vector<float>(100, 2.5f), {100});
  const Json request = request_of(one.forward(*backend, 1));
  const auto filled = one.output();
  EXPECT_FALSE(request.contains("nbytes"));
  EXPECT_EQ(request["fill"][0]["value"], 2.5);
  EXPECT_EQ(request_of(one.forward(*plain, 1))["nbytes"], 400);
  EXPECT_EQ(one.output(), filled);
}

TEST(ProcessBackend, CopiesTheResultIntoXInPlace) {
  const auto backend = open();
  OneCall one;
  ASSERT_TRUE(one.forward(*backend, 1));
  one.call.y = {};
  one.call.in_place = true;
  one.call.seed = 1;
  const Json request = request_of(backend->forward(one.call));
  EXPECT_EQ(request["in_place"], true);
  EXPECT_EQ(OneCall::values(*one.x), one.output());
  EXPECT_FALSE(one.x->fault("x", true));
}

TEST(ProcessBackend, ReturnsMasksInBothForms) {
  for (const char* features : {"'features=[\"mask\"]'", "'features=[\"packed_mask\"]'"}) {
    const auto backend = open(features);
    OneCall one(std::vector<float>(77, 1.0f), {7, 11});
    const auto mask = one.tensor(true, DType::u8);
    one.call.mask = {&mask->memory(), mask->view()};
    ASSERT_TRUE(one.forward(*backend, 3));
    EXPECT_FALSE(mask->fault("mask", true));
    const auto y = one.output();
    for (std::size_t i = 0; i < y.size(); ++i)
      ASSERT_EQ(std::to_integer<int>(mask->view().data[i]), y[i] == 0 ? 0 : 1) << features << " " << i;
  }
}

TEST(ProcessBackend, ComputesGradientsAndForgetsWhatIsReleased) {
  const auto backend = open();
  OneCall one;
  one.call.save_for_backward = true;
  const auto first = one.forward(*backend, 1);
  const auto second = one.forward(*backend, 2);
  ASSERT_TRUE(first && second);
  EXPECT_NE(first->saved.id, second->saved.id);
  const auto y = one.output();
  const auto dx = one.tensor(true);
  BackwardCall back;
  back.saved = second->saved;
  back.dy = one.call.x;
  back.dx = {&dx->memory(), dx->view()};
  ASSERT_TRUE(backend->backward(back));
  EXPECT_EQ(OneCall::values(*dx), y) << "with dy = x the gradient is the result";
  EXPECT_EQ(one.forward(*backend, 3)->facts.at("saved"), "2");
  backend->release(first->saved);
  backend->release(second->saved);
  backend->release(SavedToken{});
  backend->release(SavedToken{4711});
  EXPECT_EQ(one.forward(*backend, 3)->facts.at("saved"), "1");
  const auto gone = backend->backward(back);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, ErrorCode::invalid_argument);
}

TEST(ProcessBackend, TellsWhatTheAdapterTells) {
  const auto backend = open();
  OneCall one;
  const auto seen = one.forward(*backend, 1);
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->effective_p, 0.5);
  EXPECT_EQ(seen->rng_words, 12u);
  EXPECT_THAT(seen->warnings, ElementsAre("a warning"));
  EXPECT_THAT(seen->produced_shape, ElementsAre(6));
}

TEST(ProcessBackend, ExchangesTensorsLargerThanEveryPipe) {
  const auto backend = open();
  std::vector<float> values(3'000'000);
  std::iota(values.begin(), values.end(), 1.0f);
  OneCall one(values, {1000, 3000});
  one.call.mode = Mode::eval;
  ASSERT_TRUE(one.forward(*backend, 1));
  EXPECT_EQ(one.output(), values);
}

TEST(ProcessBackend, LeavesNoProcessBehind) {
  { const auto one = open(), two = open(); }
  EXPECT_TRUE(testing::has_no_children());
}

TEST(ProcessBackend, RunsWholeShellCommands) {
  const auto backend = open_process("cd / && X=1 && " + kGood.substr(5) + " 'name=\"in a shell\"'");
  ASSERT_TRUE(backend) << backend.error().message;
  EXPECT_EQ((*backend)->capabilities().name, "in a shell");
}

}  // namespace
}  // namespace dropcheck::process
