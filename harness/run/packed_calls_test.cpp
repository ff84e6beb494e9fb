#include "harness/run/packed_calls.hpp"

#include <gmock/gmock.h>

#include <cstring>

#include "harness/testing/scripted_backend.hpp"

namespace dropcheck {
namespace {

using ::testing::HasSubstr;
using testing::ScriptedBackend;

Problem problem_of(std::int64_t elements) {
  Problem x;
  x.shape = {elements};
  return x;
}

Step step_of(std::int64_t elements) {
  Step step;
  step.problem = problem_of(elements);
  step.mask_suffices = true;
  return step;
}

struct Claimed : ::testing::Test {
  Capabilities claims = ScriptedBackend::all_claims();
  Protocol protocol;
  Step step = step_of(100);

  Claimed() {
    claims.packed_mask = claims.constant_input = true;
    protocol.streaming = true;
  }
  bool alone() const { return may_send_mask_alone(claims, protocol, step); }
  bool constant() const { return may_send_constant(claims, step); }
};

using MaskAlone = Claimed;

TEST_F(MaskAlone, NeedsTheClaimAStreamingProtocolAndAStepThatAllowsIt) {
  EXPECT_TRUE(alone());
  claims.packed_mask = false;
  EXPECT_FALSE(alone());
  claims.packed_mask = true;
  protocol.streaming = false;
  EXPECT_FALSE(alone());
  protocol.streaming = true;
  step.mask_suffices = false;
  EXPECT_FALSE(alone());
}

TEST_F(MaskAlone, IsNotAskedForWhereMoreThanTheMaskIsLookedAt) {
  const auto changed = [&](auto&& change) {
    step = step_of(100);
    change(step);
    return alone();
  };
  EXPECT_FALSE(changed([](Step& s) { s.problem.mode = Mode::eval; }));
  EXPECT_FALSE(changed([](Step& s) { s.problem.p = 0; }));
  EXPECT_FALSE(changed([](Step& s) { s.problem.p = 1; }));
  EXPECT_FALSE(changed([](Step& s) { s.problem.shape = {0}; }));
  EXPECT_FALSE(changed([](Step& s) { s.problem.in_place = true; }));
  EXPECT_FALSE(changed([](Step& s) { s.problem.layout = Layout::strided; }));
  EXPECT_FALSE(changed([](Step& s) { s.input = Input::with_zeros; }));
  EXPECT_FALSE(changed([](Step& s) { s.upstream = Input::ones; }));
  EXPECT_FALSE(changed([](Step& s) { s.want_mask = true; }));
  EXPECT_FALSE(changed([](Step& s) { s.attributes = {{"form", std::string("module")}}; }));
  EXPECT_FALSE(changed([](Step& s) { s.expect_error = true; }));
  EXPECT_TRUE(changed([](Step& s) {
    s.problem.op = Op::feature_alpha_dropout, s.problem.shape = {4, 5, 6};
  }));
}

TEST_F(Claimed, ConstantsAreForPlainCallsOnly) {
  EXPECT_TRUE(constant());
  claims.constant_input = false;
  EXPECT_FALSE(constant());
  claims.constant_input = true;
  step.upstream = Input::ones;
  EXPECT_TRUE(constant());
  step.problem.layout = Layout::transposed;
  EXPECT_FALSE(constant());
  step = step_of(100);
  step.problem.in_place = true;
  EXPECT_FALSE(constant());
  step = step_of(0);
  EXPECT_FALSE(constant());
}

TEST(ShowsOutput, InTheFirstCallOfASampleAndInOneOfEightOthers) {
  EXPECT_TRUE(shows_output("mask", 1, 0, 0));
  unsigned shown = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed)
    for (std::uint64_t block = 1; block < 11; ++block)
      for (std::size_t step = 0; step < 10; ++step) shown += shows_output("mask", seed, block, step) ? 1 : 0;
  // Of 10000 calls 1250 are expected, with a standard deviation of 33.
  EXPECT_GT(shown, 1050u);
  EXPECT_LT(shown, 1450u);
}

TEST(ShowsOutput, InCallsThatDependOnEverythingThatNamesACall) {
  const auto differ = [](auto&& one, auto&& other) {
    for (std::uint64_t i = 1; i < 100; ++i)
      if (one(i) != other(i)) return true;
    return false;
  };
  const auto base = [](std::uint64_t i) { return shows_output("mask", 5, i, 3); };
  EXPECT_TRUE(differ(base, [](std::uint64_t i) { return shows_output("mask", 6, i, 3); }));
  EXPECT_TRUE(differ(base, [](std::uint64_t i) { return shows_output("mask", 5, i, 4); }));
  EXPECT_TRUE(differ(base, [](std::uint64_t i) { return shows_output("position", 5, i, 3); }));
  EXPECT_FALSE(differ(base, base));
}

/// A packed mask that was poisoned, and then written up to `written` bytes with `value`.
std::optional<std::string> fault_of(std::int64_t elements, std::size_t begin, std::size_t written,
                                    std::byte value = std::byte{0x5A}) {
  const Problem packed = packed_problem(problem_of(elements));
  GuardedTensor tensor(*heap_memory(GuardedTensor::bytes_needed(packed, true)), packed, true);
  poison_packed(tensor);
  std::memset(tensor.view().data + begin, std::to_integer<int>(value), written);
  return packed_fault(tensor, static_cast<std::uint64_t>(elements));
}

TEST(PackedFault, PassesEveryMaskThatWasWritten) {
  for (const int value : {0x00, 0xFF, 0x5A, 0x01})
    for (const std::int64_t elements : {8, 104, 128, 800, 8192})
      EXPECT_FALSE(
          fault_of(elements, 0, static_cast<std::size_t>(elements / 8), static_cast<std::byte>(value)))
          << value << " " << elements;
}

TEST(PackedFault, FindsWhatWasNeverWritten) {
  EXPECT_THAT(fault_of(1024, 0, 0).value(), HasSubstr("16 of its 128 bytes, from byte 0 on, were never"));
  EXPECT_THAT(fault_of(1024, 0, 112).value(), HasSubstr("from byte 112 on"));
  EXPECT_THAT(fault_of(1000, 0, 109).value(), HasSubstr("16 of its 125 bytes, from byte 109 on"));
  EXPECT_THAT(fault_of(1024, 16, 112).value(), HasSubstr("from byte 0 on"));
  EXPECT_THAT(fault_of(104, 0, 0).value(), HasSubstr("13 of its 13 bytes"));
  EXPECT_FALSE(fault_of(96, 0, 0)) << "so few bits may be a mask";
}

TEST(PackedFault, FindsBitsPastTheEnd) {
  EXPECT_THAT(fault_of(5, 0, 1, std::byte{0x20}).value(), HasSubstr("bits past the last of 5 elements"));
  EXPECT_FALSE(fault_of(5, 0, 1, std::byte{0x1F}));
}

TEST(PackedFault, FindsBytesThatWereWrittenOutside) {
  EXPECT_THAT(fault_of(800, 0, 101).value(), HasSubstr("packed_mask: 1 bytes outside the tensor"));
}

TEST(Difference, NamesTheFirstElement) {
  MaskBits a(200), b(200);
  a.set(70);
  b.set(130);
  EXPECT_EQ(difference_text(a, "one", b, "other"),
            "2 of 200 elements differ, the first is element 70, which one drops and other keeps");
}

}  // namespace
}  // namespace dropcheck
