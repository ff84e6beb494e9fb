#include "harness/run/block_executor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "harness/core/element.hpp"
#include "harness/testing/scripted_backend.hpp"

namespace dropcheck {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::ScriptedBackend;
using ::testing::StartsWith;
using Seeds = std::vector<std::optional<std::uint64_t>>;

Problem problem_of(std::vector<std::int64_t> shape = {3, 4}, DType dtype = DType::f32) {
  Problem x;
  x.shape = std::move(shape);
  x.dtype = dtype;
  return x;
}

Step step_of(const Problem& x, std::optional<unsigned> slot = 0u, Input input = Input::random_integers) {
  Step step;
  step.problem = x;
  step.seed_slot = slot;
  step.input = input;
  return step;
}

/// Drops every other element, by zeroing it.
Expected<Observation> drop_odd(const Call& call) {
  const TensorView& x = call.x.view;
  const TensorView& y = call.in_place ? x : call.y.view;
  std::vector<std::byte> bytes(static_cast<std::size_t>(x.count()) * x.element_size());
  gather(x, bytes.data());
  for (std::size_t i = 1; i < static_cast<std::size_t>(x.count()); i += 2)
    std::memset(bytes.data() + i * x.element_size(), 0, x.element_size());
  scatter(bytes.data(), y);
  if (call.mask)
    for (std::int64_t i = 0; i < x.count(); ++i) call.mask.view.data[i] = std::byte{i % 2 == 0};
  Observation seen;
  if (call.save_for_backward) seen.saved.id = 41;
  return seen;
}

Expected<Observation> copy_gradient(const BackwardCall& call) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(call.dy.view.count()) * call.dy.view.element_size());
  gather(call.dy.view, bytes.data());
  scatter(bytes.data(), call.dx.view);
  return Observation{};
}

struct Fixture : ::testing::Test {
  ScriptedBackend backend;
  std::vector<Step> steps;
  bool streaming = false;
  std::atomic<bool> stop{false};
  std::vector<std::uint64_t> seeds = {10, 20, 30, 40, 50, 60};  // those after 20 for continuations
  std::function<void(const StepRecord&)> look = [](const StepRecord&) {};
  std::size_t records = 0;

  Fixture() {
    backend.on_forward = drop_odd;
    backend.on_backward = copy_gradient;
  }

  Protocol protocol() const {
    Protocol p;
    p.id = "scripted";
    p.default_calls = 1;
    p.steps = [this](const SampleInfo&, std::uint64_t) { return steps; };
    p.streaming = streaming;
    return p;
  }

  std::optional<Trouble> run(Backend& judged) {
    BlockExecutor executor(judged);
    return run(executor, 0);
  }
  std::optional<Trouble> run(BlockExecutor& executor, std::uint64_t block) {
    const Protocol p = protocol();
    records = 0;
    const auto sink = [&](const StepRecord& record) {
      ++records;
      look(record);
    };
    return executor.run(p, {p.id, steps.at(0).problem, 1, 1}, block, seeds, sink, stop);
  }

  void expect_trouble(Verdict verdict, const std::string& fragment) {
    const auto trouble = run(backend);
    ASSERT_TRUE(trouble) << fragment;
    EXPECT_EQ(trouble->verdict, verdict) << trouble->message;
    EXPECT_THAT(trouble->message, HasSubstr(fragment));
    EXPECT_EQ(records, 0u);
  }
  void expect_no_trouble() {
    const auto trouble = run(backend);
    EXPECT_FALSE(trouble) << trouble->message;
    EXPECT_EQ(records, steps.size());
  }

  /// What seeds the backend is called with, and that the records say so too.
  Seeds seeds_given(SeedSemantics semantics) {
    backend.claims.seed_semantics = semantics;
    Seeds given, told;
    backend.on_forward = [&](const Call& call) {
      given.push_back(call.seed);
      return drop_odd(call);
    };
    look = [&](const StepRecord& record) { told.push_back(record.seed); };
    EXPECT_FALSE(run(backend));
    EXPECT_EQ(given, told);
    return given;
  }
};

using BlockExecutorTest = Fixture;

std::vector<Step> reseeds_and_continuations() {
  const Problem x = problem_of();
  return {step_of(x, 0),           step_of(x, std::nullopt), step_of(x, std::nullopt),
          step_of(x, 1),           step_of(x, std::nullopt), step_of(x, 0),
          step_of(x, std::nullopt)};
}

TEST_F(BlockExecutorTest, ReseedsAStatefulBackendAndThenLetsItContinue) {
  steps = reseeds_and_continuations();
  EXPECT_EQ(seeds_given(SeedSemantics::stateful),
            (Seeds{10, std::nullopt, std::nullopt, 20, std::nullopt, 10, std::nullopt}));
}

TEST_F(BlockExecutorTest, GivesEveryCallASeedWhereSeedsArePerCall) {
  steps = reseeds_and_continuations();
  const Seeds given = seeds_given(SeedSemantics::per_call);
  ASSERT_EQ(given.size(), 7u);
  for (const auto& seed : given) ASSERT_TRUE(seed.has_value());
  EXPECT_EQ(given[0], 10u);
  EXPECT_EQ(given[3], 20u);
  EXPECT_EQ(given[5], 10u);
  EXPECT_EQ(given[1], given[6]) << "the same seed names the same continuation";
  EXPECT_EQ((std::set{*given[0], *given[1], *given[2], *given[3], *given[4]}).size(), 5u);
}

TEST_F(BlockExecutorTest, FlipsAndAddsWithinTheBitsThatTheBackendTakes) {
  steps = {step_of(problem_of(), 0), step_of(problem_of(), 0), step_of(problem_of(), 1)};
  backend.claims.seed_bits = 4;
  steps[0].seed_flip = 0x13;  // 10 ^ 0x13 = 0x19, of which 9 is kept
  steps[1].seed_add = 8;      // 10 + 8 = 18, of which 2
  EXPECT_EQ(seeds_given(SeedSemantics::stateful), (Seeds{9, 2, 20}));
}

TEST_F(BlockExecutorTest, GivesNoSeedWhereNoneIsTaken) {
  steps = reseeds_and_continuations();
  for (const SeedSemantics semantics : {SeedSemantics::fixed, SeedSemantics::none})
    EXPECT_EQ(seeds_given(semantics), Seeds(7, std::nullopt)) << to_string(semantics);
}

TEST_F(BlockExecutorTest, HandsTheProblemOverAsItIs) {
  Problem x = problem_of({2, 3, 2, 2}, DType::f16);
  x.op = Op::feature_alpha_dropout;
  x.p = 0.25;
  x.mode = Mode::eval;
  x.layout = Layout::channels_last;
  x.offset = 5;
  x.threads = 3;
  steps = {step_of(x)};
  bool called = false;
  backend.on_forward = [&](const Call& call) {
    called = true;
    EXPECT_EQ(call.op, x.op);
    EXPECT_EQ(call.p, 0.25);
    EXPECT_EQ(call.mode, Mode::eval);
    EXPECT_FALSE(call.in_place);
    EXPECT_EQ(call.offset, 5u);
    EXPECT_EQ(call.threads, 3u);
    EXPECT_FALSE(call.save_for_backward);
    EXPECT_FALSE(call.mask);
    EXPECT_EQ(call.x.view.dtype, DType::f16);
    EXPECT_EQ(call.x.view.shape, x.shape);
    EXPECT_EQ(call.x.view.strides, geometry_of(x, false).strides);
    EXPECT_EQ(call.y.view.strides, geometry_of(x, true).strides);
    EXPECT_NE(call.x.memory, call.y.memory);
    return drop_odd(call);
  };
  expect_no_trouble();
  EXPECT_TRUE(called);
}

TEST_F(BlockExecutorTest, ShowsInputOutputAndMaskOfEachStep) {
  for (const Layout layout : {Layout::contiguous, Layout::transposed, Layout::strided, Layout::expanded}) {
    Problem x = problem_of({4, 5}, DType::bf16);
    x.layout = layout;
    steps = {step_of(x)};
    look = [&](const StepRecord& record) {
      const InputData input = make_input(Input::random_integers, x);
      EXPECT_EQ(record.index, 0u);
      EXPECT_EQ(record.step->problem, x);
      EXPECT_TRUE(std::equal(record.x.begin(), record.x.end(), input.elements.begin(), input.elements.end()));
      EXPECT_TRUE(std::equal(record.integers.begin(), record.integers.end(), input.integers.begin(),
                             input.integers.end()));
      std::vector<std::byte> y(input.elements.size());
      gather(record.y, y.data());
      for (std::size_t i = 0; i < 20; ++i)
        EXPECT_EQ(load_element(y.data() + 2 * i, DType::bf16), i % 2 == 0 ? input.integers[i] : 0) << i;
      ASSERT_NE(record.dropped, nullptr);
      for (std::uint64_t i = 0; i < 20; ++i) EXPECT_EQ((*record.dropped)[i], i % 2 == 1);
      EXPECT_EQ(record.channels, nullptr);
      EXPECT_EQ(record.mask.data, nullptr);
      EXPECT_EQ(record.dx.data, nullptr);
    };
    expect_no_trouble();
  }
}

TEST_F(BlockExecutorTest, ReadsChannelsForOperatorsThatDropThem) {
  Problem x = problem_of({2, 2, 1, 2});
  x.op = Op::dropout2d;
  steps = {step_of(x)};
  look = [](const StepRecord& record) {
    ASSERT_NE(record.channels, nullptr);
    EXPECT_EQ(record.channels->bits.size(), 4u);
    EXPECT_EQ(record.channels->mixed_channels, 4u) << "every other element was dropped";
  };
  expect_no_trouble();
}

TEST_F(BlockExecutorTest, ReadsNoMaskWhereTheOutputDoesNotShowIt) {
  Problem eval = problem_of();
  eval.mode = Mode::eval;
  Problem alpha = problem_of();
  alpha.op = Op::alpha_dropout;
  Problem all_dropped = alpha;
  all_dropped.p = 1;
  steps = {step_of(eval), step_of(problem_of(), 0, Input::with_zeros), step_of(alpha, 0, Input::random_reals),
           step_of(all_dropped)};
  look = [](const StepRecord& record) { EXPECT_EQ(record.dropped, nullptr) << record.index; };
  expect_no_trouble();
}

TEST_F(BlockExecutorTest, FindsABackendThatWritesOutside) {
  for (const std::ptrdiff_t at : {-1, 48}) {  // 12 floats
    steps = {step_of(problem_of())};
    backend.on_forward = [at](const Call& call) {
      auto seen = drop_odd(call);
      call.y.view.data[at] = std::byte{0};
      return seen;
    };
    expect_trouble(Verdict::fail, "y: 1 bytes outside the tensor");
    backend.on_forward = [at](const Call& call) {
      auto seen = drop_odd(call);
      call.x.view.data[at] = std::byte{0};
      return seen;
    };
    expect_trouble(Verdict::fail, "x: 1 bytes outside the tensor");
  }
}

TEST_F(BlockExecutorTest, FindsElementsThatWereNeverWritten) {
  steps = {step_of(problem_of())};
  backend.on_forward = [](const Call& call) -> Expected<Observation> {
    std::memset(call.y.view.data, 0, 44);
    return Observation{};
  };
  expect_trouble(Verdict::fail, "y: 1 of 12 elements were never written");
}

TEST_F(BlockExecutorTest, DoesNotTakeTheResultOfAnEarlierCallForThisOne) {
  steps = {step_of(problem_of()), step_of(problem_of())};
  bool first = true;
  backend.on_forward = [&](const Call& call) -> Expected<Observation> {
    if (std::exchange(first, false)) return drop_odd(call);
    return Observation{};
  };
  const auto trouble = run(backend);
  ASSERT_TRUE(trouble);
  EXPECT_THAT(trouble->message, StartsWith("y: 12 of 12 elements"));
  EXPECT_EQ(records, 1u);
}

TEST_F(BlockExecutorTest, FindsABackendThatChangesItsInput) {
  steps = {step_of(problem_of())};
  backend.on_forward = [](const Call& call) {
    auto seen = drop_odd(call);
    std::memset(call.x.view.data, 0, 4);
    return seen;
  };
  expect_trouble(Verdict::fail, "changed its input");
}

TEST_F(BlockExecutorTest, RestoresASpoiledInputAtEachBlockOfAStreamingSample) {
  streaming = true;
  steps = {step_of(problem_of())};
  std::vector<float> first_elements;
  backend.on_forward = [&](const Call& call) {
    float first = 0;
    std::memcpy(&first, call.x.view.data, sizeof first);
    first_elements.push_back(first);
    auto seen = drop_odd(call);
    std::memset(call.x.view.data, 0, 4);
    return seen;
  };
  BlockExecutor executor(backend);
  for (std::uint64_t block = 0; block < 3; ++block) {
    const auto trouble = run(executor, block);
    ASSERT_FALSE(trouble) << trouble->message;
  }
  const float expected = make_input(Input::random_integers, problem_of()).integers[0];
  EXPECT_THAT(first_elements, ElementsAre(expected, expected, expected));
}

TEST_F(BlockExecutorTest, NamesTheErrorOfABackend) {
  steps = {step_of(problem_of())};
  backend.on_forward = [](const Call&) -> Expected<Observation> {
    return Error{ErrorCode::crashed, "the worker died"};
  };
  expect_trouble(Verdict::error, "forward did not return a result (crashed): the worker died");
}

TEST_F(BlockExecutorTest, ReportsUnsupportedAsSuch) {
  steps = {step_of(problem_of())};
  backend.on_forward = [](const Call&) -> Expected<Observation> {
    return Error{ErrorCode::unsupported, "no f32 today"};
  };
  expect_trouble(Verdict::unsupported, "no f32 today");
}

TEST_F(BlockExecutorTest, TakesARefusalThatWasAskedForAsAnOutcome) {
  for (const ErrorCode code :
       {ErrorCode::invalid_argument, ErrorCode::backend_failed, ErrorCode::unsupported}) {
    steps = {step_of(problem_of())};
    steps[0].expect_error = true;
    backend.on_forward = [code](const Call&) -> Expected<Observation> { return Error{code, "no"}; };
    look = [](const StepRecord& record) {
      EXPECT_FALSE(record.observation->has_value());
      EXPECT_EQ(record.dropped, nullptr);
    };
    expect_no_trouble();
  }
}

TEST_F(BlockExecutorTest, TakesACrashForNoRefusal) {
  for (const ErrorCode code : {ErrorCode::crashed, ErrorCode::timeout, ErrorCode::protocol,
                               ErrorCode::resource_exhausted, ErrorCode::io, ErrorCode::internal}) {
    steps = {step_of(problem_of())};
    steps[0].expect_error = true;
    backend.on_forward = [code](const Call&) -> Expected<Observation> { return Error{code, "gone"}; };
    expect_trouble(Verdict::error, to_string(code));
  }
}

TEST_F(BlockExecutorTest, FindsARefusalThatWroteOutside) {
  steps = {step_of(problem_of())};
  steps[0].expect_error = true;
  backend.on_forward = [](const Call& call) -> Expected<Observation> {
    call.y.view.data[-1] = std::byte{0};
    return Error{ErrorCode::invalid_argument, "bad p"};
  };
  expect_trouble(Verdict::fail, "outside the tensor");
}

TEST_F(BlockExecutorTest, ShowsAnAcceptanceWhereARefusalWasExpected) {
  steps = {step_of(problem_of())};
  steps[0].problem.p = 1.5;
  steps[0].expect_error = true;
  backend.on_forward = [](const Call&) -> Expected<Observation> { return Observation{}; };
  look = [](const StepRecord& record) {
    EXPECT_TRUE(record.observation->has_value());
    EXPECT_EQ(record.dropped, nullptr) << "no mask at a bad p";
  };
  expect_no_trouble();
}

TEST_F(BlockExecutorTest, AsksForTheMaskOnlyWhereItIsClaimed) {
  for (const bool claimed : {false, true}) {
    steps = {step_of(problem_of()), step_of(problem_of())};
    steps[0].want_mask = true;
    backend.claims.mask_output = claimed;
    std::vector<bool> asked;
    backend.on_forward = [&](const Call& call) {
      asked.push_back(static_cast<bool>(call.mask));
      return drop_odd(call);
    };
    look = [&](const StepRecord& record) {
      ASSERT_EQ(record.mask.data != nullptr, claimed && record.index == 0);
      if (record.mask.data == nullptr) return;
      EXPECT_EQ(record.mask.dtype, DType::u8);
      EXPECT_EQ(record.mask.shape, (std::vector<std::int64_t>{3, 4}));
      EXPECT_EQ(record.mask.data[0], std::byte{1});
      EXPECT_EQ(record.mask.data[1], std::byte{0});
    };
    expect_no_trouble();
    EXPECT_THAT(asked, ElementsAre(claimed, false));
  }
}

TEST_F(BlockExecutorTest, FindsAMaskThatWasNotWritten) {
  steps = {step_of(problem_of())};
  steps[0].want_mask = true;
  backend.on_forward = [](Call call) {
    call.mask = {};
    return drop_odd(call);
  };
  expect_trouble(Verdict::fail, "mask: 12 of 12 elements were never written");
}

TEST_F(BlockExecutorTest, AsksForTheGradientOfTheSavedCall) {
  for (const Layout layout : {Layout::contiguous, Layout::transposed, Layout::expanded}) {
    Problem x = problem_of();
    x.layout = layout;
    steps = {step_of(x)};
    steps[0].upstream = Input::random_reals;
    backend.on_forward = [](const Call& call) {
      EXPECT_TRUE(call.save_for_backward);
      return drop_odd(call);
    };
    int backwards = 0;
    backend.on_backward = [&](const BackwardCall& call) {
      ++backwards;
      EXPECT_EQ(call.saved.id, 41u);
      EXPECT_EQ(call.dy.view.shape, x.shape);
      EXPECT_NE(call.dy.view.strides[0], 0) << "gradients are dense";
      return copy_gradient(call);
    };
    look = [&](const StepRecord& record) {
      Problem dense = x;
      dense.layout = Layout::contiguous;
      const auto expected = make_input(Input::random_reals, dense).elements;
      ASSERT_NE(record.dx.data, nullptr);
      std::vector<std::byte> dx(expected.size());
      gather(record.dx, dx.data());
      EXPECT_EQ(dx, expected);
      EXPECT_TRUE(std::equal(record.dy.begin(), record.dy.end(), expected.begin(), expected.end()));
    };
    expect_no_trouble();
    EXPECT_EQ(backwards, 1);
  }
}

TEST_F(BlockExecutorTest, FindsFaultsOfTheBackwardCall) {
  steps = {step_of(problem_of())};
  steps[0].upstream = Input::ones;
  backend.on_backward = [](const BackwardCall&) -> Expected<Observation> { return Observation{}; };
  expect_trouble(Verdict::fail, "dx: 12 of 12 elements were never written");
  backend.on_backward = [](const BackwardCall& call) {
    auto seen = copy_gradient(call);
    call.dy.view.data[48] = std::byte{0};
    return seen;
  };
  expect_trouble(Verdict::fail, "dy: 1 bytes outside the tensor");
  backend.on_backward = [](const BackwardCall&) -> Expected<Observation> {
    return Error{ErrorCode::backend_failed, "lost"};
  };
  expect_trouble(Verdict::error, "backward did not return a result (backend_failed): lost");
}

TEST_F(BlockExecutorTest, ReadsAnInPlaceResultFromTheInputAndRestoresItForTheNextCall) {
  streaming = true;  // where the input is not restored before every call anyway
  Problem x = problem_of();
  x.in_place = true;
  steps = {step_of(x), step_of(x), step_of(problem_of())};
  std::vector<float> second_elements;
  backend.on_forward = [&](const Call& call) {
    float second = 0;
    std::memcpy(&second, call.x.view.data + 4, sizeof second);
    second_elements.push_back(second);
    EXPECT_EQ(static_cast<bool>(call.y), !call.in_place);
    return drop_odd(call);
  };
  look = [](const StepRecord& record) {
    float second = 1;
    std::memcpy(&second, record.y.data + 4, sizeof second);
    EXPECT_EQ(second, 0.0f);
    EXPECT_EQ(record.dropped->count(), 6u);
  };
  expect_no_trouble();
  const float expected = make_input(Input::random_integers, x).integers[1];
  EXPECT_THAT(second_elements, ElementsAre(expected, expected, expected));
}

TEST_F(BlockExecutorTest, FindsAnInPlaceCallThatWritesOutside) {
  steps = {step_of(problem_of())};
  steps[0].problem.in_place = true;
  backend.on_forward = [](const Call& call) {
    auto seen = drop_odd(call);
    call.x.view.data[48] = std::byte{0};
    return seen;
  };
  expect_trouble(Verdict::fail, "x (in place): 1 bytes outside");
}

TEST_F(BlockExecutorTest, UsesBuffersAgainWithoutMixingProblems) {
  steps.clear();
  for (const DType dtype : kFloatDTypes)
    for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::shifted}) {
      Problem x = problem_of({5, 3}, dtype);
      x.layout = layout;
      steps.push_back(step_of(x));
      x.shape = {0};
      steps.push_back(step_of(x));
    }
  look = [](const StepRecord& record) {
    EXPECT_EQ(record.dropped->size(), static_cast<std::uint64_t>(element_count(record.step->problem.shape)));
    EXPECT_EQ(record.dropped->count(), record.dropped->size() / 2);
  };
  expect_no_trouble();
}

TEST_F(BlockExecutorTest, EndsEarlyWhenTheRunStops) {
  steps = {step_of(problem_of()), step_of(problem_of())};
  backend.on_forward = [&](const Call& call) {
    stop = true;
    return drop_odd(call);
  };
  const auto trouble = run(backend);
  ASSERT_TRUE(trouble);
  EXPECT_EQ(trouble->verdict, Verdict::error);
  EXPECT_THAT(trouble->message, HasSubstr("stopped"));
  EXPECT_EQ(records, 1u);
}

class StingyBackend final : public Backend {
 public:
  StingyBackend() { claims_ = ScriptedBackend::all_claims(); }
  const Capabilities& capabilities() const override { return claims_; }
  Expected<std::unique_ptr<Memory>> allocate(std::size_t) override {
    return Error{ErrorCode::resource_exhausted, "no memory left"};
  }
  Expected<Observation> forward(const Call& call) override { return drop_odd(call); }
  Expected<Observation> backward(const BackwardCall& call) override { return copy_gradient(call); }
  void release(SavedToken) override {}

 private:
  Capabilities claims_;
};

TEST_F(BlockExecutorTest, NamesAnAllocationThatFails) {
  steps = {step_of(problem_of())};
  StingyBackend stingy;
  const auto trouble = run(stingy);
  ASSERT_TRUE(trouble);
  EXPECT_EQ(trouble->verdict, Verdict::error);
  EXPECT_THAT(trouble->message, HasSubstr("allocation did not return a result (resource_exhausted)"));
}

/// Counts the saved calls that are still open.
class CountingBackend final : public Backend {
 public:
  CountingBackend() { claims_ = ScriptedBackend::all_claims(); }
  const Capabilities& capabilities() const override { return claims_; }
  Expected<Observation> forward(const Call& call) override {
    auto seen = drop_odd(call);
    if (call.save_for_backward) seen->saved.id = ++last_;
    if (call.save_for_backward) open.insert(last_);
    return seen;
  }
  Expected<Observation> backward(const BackwardCall& call) override {
    if (fails) return Error{ErrorCode::backend_failed, "no"};
    return copy_gradient(call);
  }
  void release(SavedToken saved) override { open.erase(saved.id); }

  bool fails = false;
  std::set<std::uint64_t> open;

 private:
  Capabilities claims_;
  std::uint64_t last_ = 0;
};

TEST_F(BlockExecutorTest, ReleasesEverySavedCall) {
  steps = {step_of(problem_of()), step_of(problem_of())};
  steps[0].upstream = steps[1].upstream = Input::ones;
  for (const bool fails : {false, true}) {
    CountingBackend counting;
    counting.fails = fails;
    EXPECT_EQ(run(counting).has_value(), fails);
    EXPECT_TRUE(counting.open.empty());
  }
}

// --- other instances

struct Instances : Fixture {
  std::vector<Instance> opened;
  std::vector<unsigned> asked;  // numbers of the instances, in order; 0: the one of the run

  Instances() {
    backend.on_forward = [this](const Call& call) {
      asked.push_back(0);
      return drop_odd(call);
    };
  }

  BlockExecutor::Opener opener() {
    return [this](const Instance& instance) -> Expected<std::unique_ptr<Backend>> {
      opened.push_back(instance);
      auto other = std::make_unique<ScriptedBackend>();
      other->on_forward = [this, number = instance.number](const Call& call) {
        asked.push_back(number);
        return drop_odd(call);
      };
      return std::unique_ptr<Backend>(std::move(other));
    };
  }

  Step asked_of(Instance instance) {
    Step step = step_of(problem_of());
    step.instance = instance;
    return step;
  }
};

TEST_F(Instances, AreOpenedOnceABlockAndAskedByTheirNumber) {
  steps = {asked_of({}), asked_of({2, 1, 3}), asked_of({5, 2, 3}), asked_of({2, 1, 3}), asked_of({})};
  BlockExecutor executor(backend, std::make_shared<InputCache>(), opener());
  ASSERT_FALSE(run(executor, 0));
  EXPECT_EQ(records, 5u);
  EXPECT_THAT(asked, ElementsAre(0, 2, 5, 2, 0));
  ASSERT_EQ(opened.size(), 2u);
  EXPECT_EQ(opened[0].rank, 1u);
  EXPECT_EQ(opened[1].rank, 2u);
  EXPECT_EQ(opened[1].world_size, 3u);
  ASSERT_FALSE(run(executor, 1));
  EXPECT_EQ(opened.size(), 4u) << "each block has instances of its own";
}

TEST_F(Instances, GetTheSeedsOfTheBlock) {
  steps = {asked_of({}), asked_of({1, 0, 1})};
  Seeds seen;
  look = [&](const StepRecord& record) { seen.push_back(record.seed); };
  BlockExecutor executor(backend, std::make_shared<InputCache>(), opener());
  ASSERT_FALSE(run(executor, 0));
  EXPECT_THAT(seen, ElementsAre(10, 10));
}

TEST_F(Instances, AreUnsupportedWithoutAnOpener) {
  steps = {asked_of({1, 0, 1})};
  expect_trouble(Verdict::unsupported, "another instance cannot be opened");
}

TEST_F(Instances, ThatDoNotOpenAreAnError) {
  steps = {asked_of({1, 0, 1})};
  BlockExecutor executor(backend, std::make_shared<InputCache>(),
                         [](const Instance&) -> Expected<std::unique_ptr<Backend>> {
                           return Error{ErrorCode::backend_failed, "no second licence"};
                         });
  const auto trouble = run(executor, 0);
  ASSERT_TRUE(trouble);
  EXPECT_EQ(trouble->verdict, Verdict::error);
  EXPECT_THAT(trouble->message, HasSubstr("no second licence"));
}

// --- memory of a step's own

TEST_F(Fixture, BeginsTensorsPastAnAlignedAddressWhereAStepAsksForIt) {
  steps.assign(3, step_of(problem_of()));
  steps[1].elements_past = 3;
  steps[1].upstream = Input::random_integers;
  std::vector<std::uintptr_t> past;
  const auto note = [&](const CallTensor& tensor) {
    EXPECT_TRUE(tensor.view.is_contiguous());
    past.push_back(reinterpret_cast<std::uintptr_t>(tensor.view.data) % 64);
  };
  backend.on_forward = [&](const Call& call) {
    note(call.x);
    note(call.y);
    return drop_odd(call);
  };
  backend.on_backward = [&](const BackwardCall& call) {
    note(call.dy);
    note(call.dx);
    return copy_gradient(call);
  };
  expect_no_trouble();
  EXPECT_EQ(past, (std::vector<std::uintptr_t>{0, 0, 12, 12, 12, 12, 0, 0}));
}

TEST_F(Fixture, GuardsATensorThatBeginsPastAnAlignedAddress) {
  for (const std::ptrdiff_t outside : {-1, 0}) {
    steps.assign(1, step_of(problem_of()));
    steps[0].elements_past = 1;
    backend.on_forward = [&](const Call& call) {
      auto seen = drop_odd(call);
      const TensorView& y = call.y.view;
      const auto end = static_cast<std::ptrdiff_t>(y.count() * static_cast<std::int64_t>(y.element_size()));
      y.data[outside < 0 ? outside : end] = std::byte{1};
      return seen;
    };
    expect_trouble(Verdict::fail, "1 bytes outside the tensor");
  }
}

TEST_F(Fixture, AsksForTensorsPastAnAlignedAddressOnlyWhereTheLayoutIsClaimed) {
  backend.claims.layouts = {Layout::contiguous};
  steps.assign(1, step_of(problem_of()));
  steps[0].elements_past = 1;
  steps[0].skip_unclaimed = true;
  expect_no_trouble();
  steps[0].skip_unclaimed = false;
  expect_trouble(Verdict::unsupported, "layout shifted");
}

TEST_F(Fixture, GivesAStepOtherAddressesWhereItAsksForThem) {
  steps.assign(3, step_of(problem_of()));
  steps[1].other_memory = true;
  std::vector<const std::byte*> x, y;
  backend.on_forward = [&](const Call& call) {
    x.push_back(call.x.view.data);
    y.push_back(call.y.view.data);
    return drop_odd(call);
  };
  expect_no_trouble();
  EXPECT_NE(x[0], x[1]);
  EXPECT_NE(y[0], y[1]);
  EXPECT_EQ(x[0], x[2]) << "the memory of the first step was kept meanwhile";
  EXPECT_EQ(y[0], y[2]);
}

// --- the state of the generator

struct States : Fixture {
  std::vector<int> loaded;
  int state = 0;  // moved by every call

  States() {
    backend.claims.recompute = true;
    backend.on_forward = [this](const Call& call) {
      ++state;
      return drop_odd(call);
    };
    backend.on_save = [this]() -> Expected<std::vector<std::byte>> {
      return std::vector<std::byte>{std::byte(state)};
    };
    backend.on_load = [this](std::span<const std::byte> bytes) -> Status {
      state = static_cast<int>(bytes.front());
      loaded.push_back(state);
      return Done{};
    };
    steps.assign(5, step_of(problem_of(), std::nullopt));
  }
};

TEST_F(States, AreKeptUnderTheirNumbersAndSetBeforeTheCall) {
  steps[1].save_state = 7;
  steps[2].save_state = 3;
  steps[3].load_state = 7;
  steps[4].load_state = 3;
  expect_no_trouble();
  EXPECT_THAT(loaded, ElementsAre(1, 2));
  EXPECT_EQ(state, 3);
}

TEST_F(States, ThatABackendDoesNotClaimAreUnsupported) {
  backend.claims.recompute = false;
  steps[0].save_state = 1;
  expect_trouble(Verdict::unsupported, "recompute");
}

TEST_F(States, ThatCannotBeSetAreAnError) {
  steps.resize(1);
  steps[0].save_state = 1;
  steps[0].load_state = 1;
  backend.on_load = [](std::span<const std::byte>) -> Status {
    return Error{ErrorCode::backend_failed, "of another size"};
  };
  expect_trouble(Verdict::error, "the generator's state did not return a result");
}

// --- explicit numbers

TEST_F(Fixture, HandsOverTheNumbersThatAStepSays) {
  Step step = step_of(problem_of({4}, DType::f64));
  step.values = {1.5, -2, 0, 3};
  step.inputs = {{"weight", {2}, Input::ones, {0.25, -8}}};
  steps = {step, step_of(problem_of({4}, DType::f64), 0u, Input::ones)};
  std::vector<std::vector<double>> given;
  backend.on_forward = [&](const Call& call) {
    const auto numbers = [](const TensorView& view) {
      std::vector<double> all;
      for (std::int64_t i = 0; i < view.count(); ++i)
        all.push_back(
            load_element(view.data + static_cast<std::size_t>(i) * view.element_size(), view.dtype));
      return all;
    };
    given.push_back(numbers(call.x.view));
    if (!call.inputs.empty()) given.push_back(numbers(call.inputs[0].tensor.view));
    return drop_odd(call);
  };
  std::vector<bool> shows_mask;
  look = [&](const StepRecord& record) { shows_mask.push_back(record.dropped != nullptr); };
  expect_no_trouble();
  EXPECT_THAT(given, ElementsAre(ElementsAre(1.5, -2, 0, 3), ElementsAre(0.25, -8), ElementsAre(1, 1, 1, 1)));
  EXPECT_THAT(shows_mask, ElementsAre(false, true)) << "numbers may be zero, so nothing is read off them";
}

// --- gradients that are asked for later

struct Deferred : Fixture {
  std::vector<std::uint64_t> asked;  // tokens, in order

  Deferred() {
    Step saved = step_of(problem_of()), next = step_of(problem_of(), std::nullopt);
    saved.keep_saved = 0;
    next.keep_saved = 1;
    steps = {saved, next, later(1), later(0)};
    backend.on_forward = [token = std::uint64_t{0}](const Call& call) mutable {
      auto seen = drop_odd(call);
      if (call.save_for_backward) seen->saved.id = ++token;
      return seen;
    };
    backend.on_backward = [this](const BackwardCall& call) {
      asked.push_back(call.saved.id);
      return copy_gradient(call);
    };
  }
  static Step later(unsigned of) {
    Step step = step_of(problem_of(), std::nullopt);
    step.gradient_of = of;
    step.upstream = Input::random_reals;
    return step;
  }
};

TEST_F(Deferred, BelongToTheCallThatTheyName) {
  look = [](const StepRecord& record) {
    ASSERT_TRUE(record.observation->has_value());
    EXPECT_EQ(record.gradient != nullptr, record.step->gradient_of.has_value());
    if (!record.step->gradient_of) return;
    EXPECT_EQ(record.y.data, nullptr) << "there is no forward call";
    ASSERT_NE(record.dx.data, nullptr);
    EXPECT_EQ(record.dy.size(), 12 * sizeof(float));
  };
  expect_no_trouble();
  EXPECT_THAT(asked, ElementsAre(2, 1));
}

TEST_F(Deferred, TakeNoSeedOfTheirOwn) {
  steps.push_back(step_of(problem_of(), std::nullopt));
  backend.claims.seed_semantics = SeedSemantics::per_call;
  Seeds told;
  look = [&](const StepRecord& record) { told.push_back(record.seed); };
  expect_no_trouble();
  EXPECT_THAT(told, ElementsAre(10, 20, std::nullopt, std::nullopt, 30));
}

TEST_F(Deferred, OfARefusedCallAreRefused) {
  steps[0].problem.op = steps[3].problem.op = Op::dropout2d;
  steps[0].skip_unclaimed = true;
  std::erase(backend.claims.ops, Op::dropout2d);
  std::vector<bool> answered;
  look = [&](const StepRecord& record) { answered.push_back(record.observation->has_value()); };
  expect_no_trouble();
  EXPECT_THAT(answered, ElementsAre(false, true, true, false));
}

TEST_F(Deferred, AreReleasedHoweverTheBlockEnds) {
  for (const bool fails : {false, true}) {
    CountingBackend counting;
    counting.fails = fails;
    EXPECT_EQ(run(counting).has_value(), fails);
    EXPECT_TRUE(counting.open.empty());
  }
}

TEST_F(Fixture, LeavesOutAFurtherGradientThatTheBackendDoesNotKnow) {
  Step step = step_of(problem_of());
  step.upstream = Input::ones;
  step.backward_outputs = {{"d_dy", {3, 4}}};
  for (const bool optional : {true, false}) {
    step.skip_unclaimed = optional;
    steps = {step};
    look = [](const StepRecord& record) { EXPECT_TRUE(record.extra.empty()); };
    if (optional) expect_no_trouble();
    else expect_trouble(Verdict::fail, "d_dy");
  }
  backend.on_backward = [](const BackwardCall& call) {
    std::memset(call.outputs.at(0).tensor.view.data, 0, 4);
    return copy_gradient(call);
  };
  step.skip_unclaimed = true;
  steps = {step};
  expect_trouble(Verdict::fail, "d_dy");
}

}  // namespace
}  // namespace dropcheck
