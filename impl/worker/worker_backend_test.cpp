// A backend in a worker process of the real program, with plugins that crash, hang, exit and print.
#include "impl/worker/worker_backend.hpp"

#include <gmock/gmock.h>

#include <cstring>

#include "harness/core/guarded_tensor.hpp"
#include "impl/plugin/plugin_backend.hpp"

namespace dropcheck::worker {
namespace {

using ::testing::HasSubstr;

constexpr std::chrono::milliseconds kPatient{60'000};

Expected<std::unique_ptr<Backend>> open_faulty(const std::string& fault,
                                               std::chrono::milliseconds deadline = kPatient) {
  const std::string spec = std::string(DROPCHECK_FAULTY_PLUGIN) + (fault.empty() ? "" : "?" + fault);
  return open_worker({DROPCHECK_PROGRAM, {"dropcheck", "worker", spec}}, deadline);
}

/// A call of 4099 ones at p = 0.3 on the backend's own memory.
struct OneCall {
  explicit OneCall(Backend& backend) {
    problem.p = 0.3;
    problem.shape = {4099};
    x.emplace(*backend.allocate(GuardedTensor::bytes_needed(problem, false)), problem, false);
    y.emplace(*backend.allocate(GuardedTensor::bytes_needed(problem, true)), problem, true);
    const std::vector<float> ones(4099, 1.0f);
    std::memcpy(x->view().data, ones.data(), ones.size() * sizeof(float));
    call.p = problem.p;
    call.x = {&x->memory(), x->view()};
    call.y = {&y->memory(), y->view()};
    call.seed = 1;
  }
  std::vector<std::byte> output() const {
    std::vector<std::byte> bytes(4099 * sizeof(float));
    std::memcpy(bytes.data(), y->view().data, bytes.size());
    return bytes;
  }
  Problem problem;
  std::optional<GuardedTensor> x, y;
  Call call;
};

TEST(WorkerBackend, GivesTheSameBytesAsThePluginInProcess) {
  const auto there = open_faulty("");
  ASSERT_TRUE(there) << there.error().message;
  const auto here = plugin_host::open_plugin(DROPCHECK_FAULTY_PLUGIN);
  ASSERT_TRUE(here);
  EXPECT_EQ((*there)->capabilities().name, (*here)->capabilities().name);
  EXPECT_EQ((*there)->capabilities().ops, (*here)->capabilities().ops);
  OneCall far(**there), near(**here);
  for (int call = 0; call < 4; ++call) {
    far.call.seed = near.call.seed = call % 2 == 0 ? std::optional<std::uint64_t>(call) : std::nullopt;
    far.y->poison();
    near.y->poison();
    const auto a = (*there)->forward(far.call), b = (*here)->forward(near.call);
    ASSERT_TRUE(a) << a.error().message;
    ASSERT_TRUE(b) << b.error().message;
    EXPECT_EQ(a->effective_p, b->effective_p);
    EXPECT_EQ(far.output(), near.output()) << "call " << call;
    EXPECT_FALSE(far.y->fault("y", true));
  }
}

TEST(WorkerBackend, HandsOnARefusal) {
  const auto backend = open_faulty("");
  ASSERT_TRUE(backend);
  OneCall one(**backend);
  one.call.p = -1;
  const auto seen = (*backend)->forward(one.call);
  ASSERT_FALSE(seen);
  EXPECT_EQ(seen.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(seen.error().message, "p must lie in [0, 1]");
}

TEST(WorkerBackend, SaysThatItCannotOpen) {
  const auto backend = open_faulty("open_fails");
  ASSERT_FALSE(backend);
  EXPECT_THAT(backend.error().message, HasSubstr("the licence server is on holiday"));
  const auto claims = open_faulty("no_name");
  ASSERT_FALSE(claims);
  EXPECT_THAT(claims.error().message, HasSubstr("gives no name"));
}

TEST(WorkerBackend, APluginThatCrashesWhileOpeningIsReported) {
  const auto backend = open_faulty("open_crashes");
  ASSERT_FALSE(backend);
  EXPECT_EQ(backend.error().code, ErrorCode::crashed);
  EXPECT_THAT(backend.error().message, HasSubstr("signal 6"));
}

TEST(WorkerBackend, AProgramThatDoesNotExistIsReported) {
  const auto backend = open_worker({"/no/such/program", {"dropcheck", "worker", "x"}}, kPatient);
  ASSERT_FALSE(backend);
  EXPECT_THAT(backend.error().message, HasSubstr("cannot be started"));
}

TEST(WorkerBackend, AProgramThatSpeaksAnotherLanguageIsReported) {
  const auto backend = open_worker({"/bin/sh", {"sh", "-c", "printf 'no frame at all' >&3"}}, kPatient);
  ASSERT_FALSE(backend);
  EXPECT_EQ(backend.error().code, ErrorCode::protocol);
}

TEST(WorkerBackend, ACrashCostsOneCallAndNamesSignalAndLastWords) {
  const auto backend = open_faulty("crash_at_seed_7");
  ASSERT_TRUE(backend) << backend.error().message;
  OneCall one(**backend);
  ASSERT_TRUE((*backend)->forward(one.call));
  const auto before = one.output();
  one.call.seed = 7;
  const auto crashed = (*backend)->forward(one.call);
  ASSERT_FALSE(crashed);
  EXPECT_EQ(crashed.error().code, ErrorCode::crashed);
  EXPECT_THAT(crashed.error().message, HasSubstr("was ended by signal 6 (Aborted) during forward"));
  EXPECT_THAT(crashed.error().message, HasSubstr("its last words: the last words of the plugin"));
  one.call.seed = 1;
  one.y->poison();
  const auto again = (*backend)->forward(one.call);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(one.output(), before) << "the new worker sees the same memory";
}

TEST(WorkerBackend, ACrashThatNobodyWaitsForIsToldByTheNextCall) {
  const auto backend = open_faulty("crash_in_release");
  ASSERT_TRUE(backend) << backend.error().message;
  OneCall one(**backend);
  ASSERT_TRUE((*backend)->forward(one.call));
  (*backend)->release({5});
  one.call.seed.reset();  // would continue a stream that died with the process
  const auto lost = (*backend)->forward(one.call);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, ErrorCode::crashed);
  EXPECT_THAT(lost.error().message, HasSubstr("during release"));
  one.call.seed = 1;
  EXPECT_TRUE((*backend)->forward(one.call));
}

TEST(WorkerBackend, AHangEndsAtTheDeadlineAndTheNextCallWorks) {
  const auto backend = open_faulty("hang_at_seed_7", std::chrono::milliseconds(3000));
  ASSERT_TRUE(backend) << backend.error().message;
  OneCall one(**backend);
  one.call.seed = 7;
  const auto hung = (*backend)->forward(one.call);
  ASSERT_FALSE(hung);
  EXPECT_EQ(hung.error().code, ErrorCode::timeout);
  EXPECT_THAT(hung.error().message,
              HasSubstr("gave no answer within 3000 ms during forward and was stopped"));
  one.call.seed = 1;
  const auto again = (*backend)->forward(one.call);
  EXPECT_TRUE(again) << again.error().message;
}

TEST(WorkerBackend, AnExitWithStatusZeroIsACrash) {
  const auto backend = open_faulty("exit");
  ASSERT_TRUE(backend);
  OneCall one(**backend);
  const auto seen = (*backend)->forward(one.call);
  ASSERT_FALSE(seen);
  EXPECT_EQ(seen.error().code, ErrorCode::crashed);
  EXPECT_THAT(seen.error().message, HasSubstr("exited with status 0"));
}

TEST(WorkerBackend, StrayPrintsDoNoHarm) {
  const auto backend = open_faulty("print"), quiet = open_faulty("");
  ASSERT_TRUE(backend && quiet);
  OneCall loud_call(**backend), quiet_call(**quiet);
  for (int call = 0; call < 3; ++call) {
    ASSERT_TRUE((*backend)->forward(loud_call.call));
    ASSERT_TRUE((*quiet)->forward(quiet_call.call));
    EXPECT_EQ(loud_call.output(), quiet_call.output());
  }
}

TEST(WorkerBackend, AnExceptionInTheWorkerIsAnErrorOfItsCall) {
  const auto backend = open_faulty("throw");
  ASSERT_TRUE(backend);
  OneCall one(**backend);
  const auto seen = (*backend)->forward(one.call);
  ASSERT_FALSE(seen);
  EXPECT_EQ(seen.error().code, ErrorCode::backend_failed);
  EXPECT_THAT(seen.error().message, HasSubstr("thrown by forward"));
}

TEST(WorkerBackend, AWriteBehindTheTensorIsSeenFromHere) {
  const auto backend = open_faulty("write_past_end");
  ASSERT_TRUE(backend);
  OneCall one(**backend);
  ASSERT_TRUE((*backend)->forward(one.call));
  ASSERT_TRUE(one.y->fault("y", true));
}

TEST(WorkerBackend, RestartsEnd) {
  const auto backend = open_faulty("crash");
  ASSERT_TRUE(backend);
  OneCall one(**backend);
  for (unsigned call = 0; call <= kMaxRestarts; ++call) {
    const auto seen = (*backend)->forward(one.call);
    ASSERT_FALSE(seen);
    EXPECT_EQ(seen.error().code, ErrorCode::crashed) << "call " << call << ": " << seen.error().message;
  }
  for (int call = 0; call < 2; ++call) {
    const auto seen = (*backend)->forward(one.call);
    ASSERT_FALSE(seen);
    EXPECT_EQ(seen.error().code, ErrorCode::resource_exhausted);
    EXPECT_THAT(seen.error().message, HasSubstr("the worker died 11 times and is not started again"));
    EXPECT_THAT(seen.error().message, HasSubstr("signal 6"));
  }
  const auto memory = (*backend)->allocate(64);
  EXPECT_FALSE(memory) << "no worker is left to share it with";
}

TEST(WorkerBackend, MemoryMayOutliveTheBackendHandle) {
  std::unique_ptr<Memory> memory;
  {
    auto backend = open_faulty("");
    ASSERT_TRUE(backend);
    auto allocated = (*backend)->allocate(4096);
    ASSERT_TRUE(allocated);
    memory = std::move(*allocated);
  }
  memory->data()[0] = std::byte{1};
  memory.reset();
}

}  // namespace
}  // namespace dropcheck::worker
