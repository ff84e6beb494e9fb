#include "impl/mutants/offset_backend.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>

#include "impl/mutants/mutants.hpp"
#include "reference/one_call.hpp"

namespace dropcheck::mutants {
namespace {

using Bits = std::vector<bool>;  // true = dropped
using Shape = std::vector<std::int64_t>;

constexpr std::uint64_t kSeed = 4242;

OffsetBackend backend_with(Fault fault, double strength = 0, std::uint32_t rank = 0) {
  return OffsetBackend("test", fault, strength, Source::splitmix, rank);
}

Problem seeded(Shape shape, Op op = Op::dropout) {
  Problem problem;
  problem.op = op;
  problem.p = 0.5;
  problem.shape = std::move(shape);
  problem.seed = kSeed;
  return problem;
}

Problem next(Shape shape, Op op = Op::dropout) {
  Problem problem = seeded(std::move(shape), op);
  problem.seed.reset();
  return problem;
}

struct Drops {
  Bits forward, backward;
};

/// What one call on ones drops, forward and in its gradient.
Drops drops_of(Backend& backend, const Problem& problem) {
  reference::OneCall one;
  one.problem = problem;
  one.x.assign(static_cast<std::size_t>(element_count(problem.shape)), 1.0);
  one.dy = one.x;
  const reference::OneResult result = reference::run_one(backend, one);
  EXPECT_TRUE(result.observation.has_value());
  EXPECT_TRUE(result.faults.empty());
  Drops drops;
  for (const double y : result.values(result.y, problem.dtype)) drops.forward.push_back(y == 0);
  for (const double dx : result.values(result.dx, problem.dtype)) drops.backward.push_back(dx == 0);
  return drops;
}

Bits drops(Backend& backend, const Problem& problem) { return drops_of(backend, problem).forward; }

/// The first `calls` masks after a seed.
std::vector<Bits> masks(Fault fault, double strength, const Shape& shape, int calls) {
  OffsetBackend backend = backend_with(fault, strength);
  std::vector<Bits> all = {drops(backend, seeded(shape))};
  while (static_cast<int>(all.size()) < calls) all.push_back(drops(backend, next(shape)));
  return all;
}

Bits part(const Bits& bits, std::size_t begin, std::size_t size) {
  return {bits.begin() + static_cast<std::ptrdiff_t>(begin),
          bits.begin() + static_cast<std::ptrdiff_t>(begin + size)};
}

TEST(OffsetBackend, IsTheCleanBaseWithoutAFault) {
  for (const char* base : {"none", "entries"}) {
    const auto clean = *open_mutant(base, {});
    const Source source = std::string(base) == "none" ? Source::splitmix : Source::entries;
    OffsetBackend same("test", Fault::none, 0, source, 0);
    for (const Problem& problem :
         {seeded({600}), next({600}), next({3, 50, 2, 2}, Op::dropout2d), next({7, 33}), next({600})}) {
      const Drops a = drops_of(*clean, problem), b = drops_of(same, problem);
      EXPECT_EQ(a.forward, b.forward) << base;
      EXPECT_EQ(a.backward, b.backward) << base;
    }
    const auto state = clean->save_state();
    EXPECT_EQ(*state, *same.save_state()) << base;
  }
}

TEST(OffsetBackend, IncrementRoundedDown) {
  // 512 threads have four entries each: below 512 entries nothing moves, 1000 / 512 moves by one word.
  EXPECT_EQ(masks(Fault::increment_rounded_down, 0, {400}, 2)[0],
            masks(Fault::increment_rounded_down, 0, {400}, 2)[1]);
  const auto calls = masks(Fault::increment_rounded_down, 0, {1000}, 2);
  EXPECT_NE(calls[0], calls[1]);
  for (std::size_t i = 0; i < 1000; i += 4)
    for (std::size_t lane = 0; lane < 3; ++lane) EXPECT_EQ(calls[0][i + lane + 1], calls[1][i + lane]);
  const auto whole = masks(Fault::increment_rounded_down, 0, {4096}, 2);  // four words: nothing is shared
  std::size_t equal = 0;
  for (std::size_t i = 0; i + 1 < 4096; ++i) equal += whole[0][i + 1] == whole[1][i];
  EXPECT_NEAR(static_cast<double>(equal), 2048, 200);
}

TEST(OffsetBackend, CallsThatBeginTooEarly) {
  const auto by_constant = masks(Fault::advances_by_constant, 100, {600}, 2);
  EXPECT_EQ(part(by_constant[0], 100, 500), part(by_constant[1], 0, 500));
  const auto reserved = masks(Fault::reserves_too_little, 0.2, {1000}, 2);
  EXPECT_EQ(part(reserved[0], 800, 200), part(reserved[1], 0, 200));
  EXPECT_NE(part(reserved[0], 600, 200), part(reserved[1], 0, 200));
}

TEST(OffsetBackend, StatesThatComeRound) {
  const auto twice = masks(Fault::mask_used_twice, 0, {256}, 4);
  EXPECT_EQ(twice[0], twice[1]);
  EXPECT_EQ(twice[2], twice[3]);
  EXPECT_NE(twice[1], twice[2]);
  const auto ring = masks(Fault::ring_of_states, 3, {256}, 5);
  EXPECT_EQ(ring[0], ring[3]);
  EXPECT_EQ(ring[1], ring[4]);
  EXPECT_NE(ring[0], ring[1]);
  EXPECT_NE(ring[0], ring[2]);
}

TEST(OffsetBackend, HeadsShareWords) {
  const Bits bits = masks(Fault::head_base, 16, {3, 8, 20}, 1)[0];  // 160 entries a head, 128 words apart
  EXPECT_EQ(part(bits, 128, 32), part(bits, 160, 32));
  EXPECT_EQ(part(bits, 160 + 128, 32), part(bits, 320, 32));
  EXPECT_NE(part(bits, 0, 32), part(bits, 160, 32));
  const Shape narrow = {3, 20, 8};  // rows shorter than a head is wide: nothing is shared
  EXPECT_EQ(masks(Fault::head_base, 16, narrow, 1), masks(Fault::none, 0, narrow, 1));
}

TEST(OffsetBackend, BackwardTileRow) {
  OffsetBackend backend = backend_with(Fault::backward_tile_row);
  const Drops drops = drops_of(backend, seeded({20, 30}));
  EXPECT_EQ(part(drops.forward, 0, 480), part(drops.backward, 0, 480));
  EXPECT_EQ(part(drops.forward, 0, 120), part(drops.backward, 480, 120)) << "row 16 has the mask of row 0";
  EXPECT_NE(part(drops.forward, 480, 120), part(drops.backward, 480, 120));
}

TEST(OffsetBackend, CounterWraps) {
  OffsetBackend backend("test", Fault::counter_wraps, 10, Source::entries, 0);
  const Bits first = drops(backend, seeded({1000})), second = drops(backend, next({1000}));
  EXPECT_EQ(part(first, 0, 976), part(second, 24, 976));
  EXPECT_EQ(first, drops(*std::make_unique<OffsetBackend>("clean", Fault::none, 0, Source::entries, 0),
                         seeded({1000})));
}

TEST(OffsetBackend, ConstantSeedAndOffset) {
  OffsetBackend backend = backend_with(Fault::constant_seed_and_offset);
  const Bits first = drops(backend, seeded({256}));
  EXPECT_EQ(first, drops(backend, next({256})));
  Problem other = seeded({256});
  other.seed = 7;
  EXPECT_EQ(first, drops(backend, other));
}

TEST(OffsetBackend, KeyOfFirstInstance) {
  OffsetBackend first = backend_with(Fault::key_of_first_instance);
  OffsetBackend second = backend_with(Fault::key_of_first_instance);
  const Bits a = drops(first, seeded({256})), b = drops(second, seeded({256}));
  EXPECT_EQ(a, drops(first, seeded({256})));
  EXPECT_NE(a, b);
  EXPECT_NE(b, drops(second, seeded({256}))) << "the seed has no effect";
}

TEST(OffsetBackend, OperatorsThatShareWords) {
  const Shape shape = {2, 300, 2};
  OffsetBackend counters = backend_with(Fault::counter_per_operator);
  const Bits elements = drops(counters, seeded(shape)),
             channels = drops(counters, next(shape, Op::dropout1d));
  for (std::size_t channel = 0; channel < 600; ++channel) EXPECT_EQ(channels[2 * channel], elements[channel]);
  EXPECT_NE(drops(counters, next(shape)), elements) << "calls of one operator differ";

  OffsetBackend copied = backend_with(Fault::engine_copied);
  const Bits one = drops(copied, seeded(shape)), two = drops(copied, next(shape));
  const Bits three = drops(copied, next(shape, Op::dropout1d));
  EXPECT_NE(one, two);
  for (std::size_t channel = 0; channel < 600; ++channel) EXPECT_EQ(three[2 * channel], two[channel]);
}

TEST(OffsetBackend, EvalMovesOn) {
  OffsetBackend backend = backend_with(Fault::eval_moves_on), clean = backend_with(Fault::none);
  Problem eval = next({256});
  eval.mode = Mode::eval;
  for (OffsetBackend* each : {&backend, &clean}) {
    drops(*each, seeded({256}));
    drops(*each, eval);
  }
  drops(clean, next({256}));
  EXPECT_EQ(drops(backend, next({256})), drops(clean, next({256}))) << "one call further";
}

TEST(OffsetBackend, ZeroedSecondHandle) {
  OffsetBackend backend = backend_with(Fault::zeroed_second_handle);
  const Bits first = drops(backend, seeded({256})), matrix = drops(backend, next({16, 16}));
  const Bits second = drops(backend, next({256}));
  Problem other = seeded({256});
  other.seed = 7;
  drops(backend, other);
  EXPECT_EQ(drops(backend, next({16, 16})), matrix) << "whatever the seed";
  EXPECT_EQ(drops(backend, next({4, 8, 8})), matrix) << "and in each handle";
  EXPECT_EQ(masks(Fault::none, 0, {256}, 2), (std::vector<Bits>{first, second}))
      << "the first handle is right";
}

TEST(OffsetBackend, ZeroedOtherHandles) {
  OffsetBackend backend = backend_with(Fault::zeroed_other_handles);
  const Bits first = drops(backend, seeded({256})), matrix = drops(backend, next({16, 16})),
             cube = drops(backend, next({4, 8, 8}));
  EXPECT_NE(cube, matrix) << "the state goes on";
  EXPECT_NE(matrix, first);
  EXPECT_EQ(drops(backend, next({256})), masks(Fault::none, 0, {256}, 2)[1]) << "the first handle is right";
  Problem other = seeded({256});
  other.seed = 7;
  EXPECT_NE(drops(backend, other), first);
  EXPECT_EQ(drops(backend, next({16, 16})), matrix) << "whatever the seed";
}

TEST(OffsetBackend, DTypesThatShareWords) {
  OffsetBackend backend = backend_with(Fault::dtype_copied);
  const Bits one = drops(backend, seeded({256})), two = drops(backend, next({256}));
  Problem half = next({256});
  half.dtype = DType::f16;
  EXPECT_NE(one, two);
  EXPECT_EQ(drops(backend, half), two);
  EXPECT_NE(drops(backend, half), two) << "calls of one dtype differ";
}

TEST(OffsetBackend, RankInSeed) {
  OffsetBackend zero = backend_with(Fault::rank_in_seed), one = backend_with(Fault::rank_in_seed, 0, 1);
  EXPECT_NE(drops(zero, seeded({256})), drops(one, seeded({256})));
  OffsetBackend clean = backend_with(Fault::none, 0, 1);
  EXPECT_EQ(drops(zero, seeded({256})), drops(clean, seeded({256})));
}

TEST(OffsetBackend, StateWithoutCounter) {
  OffsetBackend backend = backend_with(Fault::state_without_counter);
  const Bits first = drops(backend, seeded({256}));
  const auto state = *backend.save_state();
  const Bits second = drops(backend, next({256}));
  ASSERT_TRUE(backend.load_state(state).has_value());
  EXPECT_EQ(drops(backend, next({256})), first);
  EXPECT_NE(first, second);
}

TEST(OffsetBackend, ClockForSeed) {
  OffsetBackend backend = backend_with(Fault::clock_for_seed);
  const Bits first = drops(backend, seeded({256}));
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_NE(drops(backend, seeded({256})), first);
}

TEST(OffsetBackend, ThreadNumberForSeed) {
  OffsetBackend backend = backend_with(Fault::thread_number_for_seed);
  Problem two = seeded({256});
  two.threads = 2;
  const Bits single = drops(backend, seeded({256})), both = drops(backend, two);
  EXPECT_EQ(part(single, 0, 128), part(both, 0, 128));
  EXPECT_NE(part(single, 128, 128), part(both, 128, 128));
  EXPECT_EQ(drops(backend, next({256})), single) << "every call begins again";
}

TEST(OffsetBackend, SplitsThatShow) {
  for (const Fault fault : {Fault::shards_count_apart, Fault::grid_by_size, Fault::none}) {
    OffsetBackend backend("test", fault, 0, Source::entries, 0);
    const Bits whole = drops(backend, seeded({4, 33}));
    Bits parts = drops(backend, seeded({3, 33}));
    for (const bool dropped : drops(backend, next({1, 33}))) parts.push_back(dropped);
    EXPECT_EQ(whole == parts, fault == Fault::none);
    EXPECT_NEAR(static_cast<double>(std::count(whole.begin(), whole.end(), true)), 66, 25);
  }
  // All words of an odd size are taken once: the number of drops is that of the clean base.
  OffsetBackend grid("test", Fault::grid_by_size, 0, Source::entries, 0),
      clean("test", Fault::none, 0, Source::entries, 0);
  for (const std::int64_t n : {255, 257, 258, 1}) {
    const Bits a = drops(grid, seeded({n})), b = drops(clean, seeded({n}));
    EXPECT_EQ(std::count(a.begin(), a.end(), true), std::count(b.begin(), b.end(), true)) << n;
  }
}

TEST(OffsetBackend, SeedsThatMeet) {
  OffsetBackend backend = backend_with(Fault::calls_count_seed_up);
  drops(backend, seeded({256}));
  const Bits second = drops(backend, next({256}));
  Problem above = seeded({256});
  above.seed = kSeed + 1;
  EXPECT_EQ(drops(backend, above), second);

  OffsetBackend offsets = backend_with(Fault::seed_is_offset);
  const Bits low = drops(offsets, seeded({6000}));
  above.shape = {1000};
  EXPECT_EQ(drops(offsets, above), part(low, 4096, 1000));
}

TEST(OffsetBackend, SmallSeedsOfTheMinimalStandardAlwaysDropTheFirst) {
  OffsetBackend backend = backend_with(Fault::minstd_of_counter);
  Problem problem = seeded({64});
  problem.p = 0.1;
  Bits first;
  std::size_t last = 0;
  for (int call = 0; call < 200; ++call) {
    const Bits mask = drops(backend, problem);
    first.push_back(mask.front());
    last += mask.back();
    problem.seed.reset();
  }
  EXPECT_EQ(std::count(first.begin(), first.end(), true), 200);
  EXPECT_NEAR(static_cast<double>(last), 20, 20);
}

/// A tensor of 256 f32 in memory of its own.
struct Tensor {
  Tensor() : memory(*heap_memory(1024)) { tensor = {memory.get(), {memory->data(), DType::f32, {256}, {1}}}; }
  std::vector<std::byte> bytes() const { return {memory->data(), memory->data() + memory->size()}; }
  std::unique_ptr<Memory> memory;
  CallTensor tensor;
};

TEST(OffsetBackend, TwoSlots) {
  OffsetBackend backend = backend_with(Fault::two_slots);
  Tensor ones, y, dx;
  const float one = 1;
  for (std::size_t at = 0; at < 1024; at += sizeof one)
    std::memcpy(ones.memory->data() + at, &one, sizeof one);
  std::vector<SavedToken> tokens;
  std::vector<std::vector<std::byte>> outputs;
  for (int call = 0; call < 3; ++call) {
    Call forward;
    if (call == 0) forward.seed = kSeed;
    forward.x = ones.tensor;
    forward.y = y.tensor;
    forward.save_for_backward = true;
    const auto seen = backend.forward(forward);
    ASSERT_TRUE(seen.has_value()) << seen.error().message;
    tokens.push_back(seen->saved);
    outputs.push_back(y.bytes());
  }
  EXPECT_NE(outputs[0], outputs[2]);
  const auto gradient = [&](std::size_t call) {
    BackwardCall backward;
    backward.saved = tokens[call];
    backward.dy = ones.tensor;
    backward.dx = dx.tensor;
    EXPECT_TRUE(backend.backward(backward).has_value());
    return dx.bytes();
  };
  EXPECT_EQ(gradient(2), outputs[2]);
  EXPECT_EQ(gradient(1), outputs[1]);
  EXPECT_EQ(gradient(0), outputs[2]) << "the third call has taken the place of the first";
}

}  // namespace
}  // namespace dropcheck::mutants
