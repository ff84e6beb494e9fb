// Steps of which the packed mask of a constant is asked for and nothing else, since they have more elements
// than should lie in memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "harness/core/packed_mask.hpp"
#include "harness/run/block_executor.hpp"
#include "harness/testing/scripted_backend.hpp"

namespace dropcheck {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

/// A mask that keeps nothing, for every call; memory of at most so many bytes.
class Frugal final : public Backend {
 public:
  explicit Frugal(std::size_t most_bytes) : most_bytes_(most_bytes) {
    claims.packed_mask = claims.constant_input = true;
  }
  Capabilities claims = testing::ScriptedBackend::all_claims();
  std::vector<Call> calls;

  const Capabilities& capabilities() const override { return claims; }
  Expected<std::unique_ptr<Memory>> allocate(std::size_t bytes) override {
    if (bytes > most_bytes_) return Error{ErrorCode::resource_exhausted, "too many bytes"};
    return heap_memory(bytes);
  }
  Expected<Observation> forward(const Call& call) override {
    calls.push_back(call);
    const TensorView& packed = call.packed_mask.view;
    std::memset(packed.data, 0, static_cast<std::size_t>(packed.count()));
    return Observation{};
  }
  Expected<Observation> backward(const BackwardCall&) override {
    return Error{ErrorCode::unsupported, "no backward"};
  }
  void release(SavedToken) override {}

 private:
  std::size_t most_bytes_;
};

struct Seen {
  std::uint64_t entries = 0, drops = 0;
  bool has_output = false, has_integers = false;
};

/// One call of so many elements, asked for as its mask only; with `change` applied to its problem.
std::optional<Trouble> run(Backend& backend, std::int64_t elements, Seen* seen = nullptr,
                           const std::function<void(Problem&)>& change = nullptr) {
  SampleInfo sample;
  sample.problem.p = 0.5;
  sample.problem.shape = {elements};
  if (change) change(sample.problem);
  Protocol protocol;
  protocol.streaming = true;
  protocol.steps = [](const SampleInfo& info, std::uint64_t) {
    Step step;
    step.problem = info.problem;
    step.seed_slot = 0;
    step.mask_suffices = step.mask_only = true;
    return std::vector<Step>{step};
  };
  const std::vector<std::uint64_t> seeds = {9};
  const std::atomic<bool> stop{false};
  BlockExecutor executor(backend);
  return executor.run(
      protocol, sample, 0, seeds,
      [&](const StepRecord& record) {
        if (seen == nullptr || record.dropped == nullptr) return;
        *seen = {record.dropped->size(), record.dropped->count(), record.y.data != nullptr,
                 !record.integers.empty()};
      },
      stop);
}

TEST(MaskOnly, IsOneCallWithoutTensorsOfElements) {
  Frugal backend(std::size_t{1} << 20);
  Seen seen;
  const auto trouble = run(backend, 1001, &seen);
  ASSERT_FALSE(trouble) << trouble->message;
  ASSERT_EQ(backend.calls.size(), 1u) << "the first call of a sample is not asked for its output either";
  const Call& call = backend.calls[0];
  EXPECT_FALSE(call.x);
  EXPECT_FALSE(call.y);
  EXPECT_EQ(call.constant_input, 1.0);
  EXPECT_EQ(call.seed, 9u);
  EXPECT_EQ(call.x.view.shape, std::vector<std::int64_t>{1001});
  EXPECT_EQ(seen.entries, 1001u);
  EXPECT_EQ(seen.drops, 1001u);
  EXPECT_FALSE(seen.has_output || seen.has_integers);
}

TEST(MaskOnly, IsUnsupportedWhereACapabilityIsMissingAndSaysWhich) {
  const auto message_of = [](bool packed, bool constant) {
    Frugal backend(std::size_t{1} << 20);
    backend.claims.packed_mask = packed;
    backend.claims.constant_input = constant;
    const auto trouble = run(backend, std::int64_t{1} << 40);
    EXPECT_TRUE(trouble);
    EXPECT_EQ(trouble->verdict, Verdict::unsupported);
    EXPECT_TRUE(backend.calls.empty());
    return trouble->message;
  };
  EXPECT_THAT(message_of(false, false), HasSubstr("does not claim packed_mask and constant_input"));
  EXPECT_THAT(message_of(true, false), HasSubstr("does not claim constant_input"));
  EXPECT_THAT(message_of(false, true),
              AllOf(HasSubstr("does not claim packed_mask"), Not(HasSubstr(" and "))));
}

TEST(MaskOnly, IsUnsupportedWhereTheMaskNeedsTheOutput) {
  for (const auto& change : std::vector<std::function<void(Problem&)>>{
           [](Problem& x) { x.in_place = true; }, [](Problem& x) { x.layout = Layout::strided; }}) {
    Frugal backend(std::size_t{1} << 20);
    const auto trouble = run(backend, 4096, nullptr, change);
    ASSERT_TRUE(trouble);
    EXPECT_EQ(trouble->verdict, Verdict::unsupported);
    EXPECT_TRUE(backend.calls.empty());
  }
}

TEST(MaskOnly, AsksForABitAnElementOfMoreThan2To31) {
  constexpr std::int64_t kElements = (std::int64_t{1} << 31) + 3;
  Frugal backend((std::size_t{1} << 28) + (std::size_t{1} << 20));
  Seen seen;
  const auto trouble = run(backend, kElements, &seen);
  ASSERT_FALSE(trouble) << trouble->message;
  EXPECT_EQ(seen.entries, static_cast<std::uint64_t>(kElements));
  EXPECT_EQ(seen.drops, static_cast<std::uint64_t>(kElements));
}

}  // namespace
}  // namespace dropcheck
