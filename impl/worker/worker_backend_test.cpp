// A backend in a worker process of the real program, with plugins that crash, hang, exit and print.
#include "impl/worker/worker_backend.hpp"

#include <gmock/gmock.h>
#include <sys/wait.h>

#include <cstring>
#include <thread>

#include "harness/core/guarded_tensor.hpp"
#include "impl/plugin/plugin_backend.hpp"

namespace dropcheck::worker {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Expected<std::unique_ptr<Backend>> open_faulty(const std::string& fault, const WorkerOptions& options = {}) {
  const std::string spec = std::string(DROPCHECK_FAULTY_PLUGIN) + (fault.empty() ? "" : "?" + fault);
  return open_worker({DROPCHECK_PROGRAM, {"dropcheck", "worker", spec}}, options);
}

WorkerOptions brief(std::chrono::milliseconds deadline) {
  WorkerOptions options;
  options.deadline = deadline;
  return options;
}

bool has_no_children() { return waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD; }

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

TEST(WorkerBackend, SavesAndSetsTheStateOfTheGenerator) {
  const auto backend = open_faulty("state");
  ASSERT_TRUE(backend) << backend.error().message;
  ASSERT_TRUE((*backend)->capabilities().recompute);
  OneCall one(**backend);
  ASSERT_TRUE((*backend)->forward(one.call));
  one.call.seed.reset();
  const auto state = (*backend)->save_state();
  ASSERT_TRUE(state) << state.error().message;
  EXPECT_EQ(state->size(), sizeof(std::uint64_t));
  const auto draw = [&] {
    one.y->poison();
    EXPECT_TRUE((*backend)->forward(one.call));
    return one.output();
  };
  const auto first = draw(), second = draw();
  EXPECT_NE(first, second);
  ASSERT_TRUE((*backend)->load_state(*state));
  EXPECT_EQ(draw(), first);
  EXPECT_EQ(draw(), second);
  const std::vector<std::byte> short_one(3);
  const Status loaded = (*backend)->load_state(short_one);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::invalid_argument);
}

TEST(WorkerBackend, SaysWhatIsWrongWithAState) {
  for (const auto& [fault, code, message] :
       {std::tuple{"state_empty", ErrorCode::protocol, "has 0 bytes"},
        std::tuple{"state_huge", ErrorCode::protocol, "has 16777217 bytes"},
        std::tuple{"state_crashes", ErrorCode::crashed, "signal 6"}}) {
    const auto backend = open_faulty(fault);
    ASSERT_TRUE(backend) << backend.error().message;
    const auto state = (*backend)->save_state();
    ASSERT_FALSE(state);
    EXPECT_EQ(state.error().code, code) << state.error().message;
    EXPECT_THAT(state.error().message, HasSubstr(message));
  }
  const auto without = open_faulty("");
  ASSERT_TRUE(without);
  EXPECT_EQ((*without)->save_state().error().code, ErrorCode::unsupported);
}

TEST(WorkerBackend, HandsOnPromisesAndRanks) {
  const auto promises = open_faulty("promises");
  ASSERT_TRUE(promises);
  EXPECT_TRUE(has_feature((*promises)->capabilities(), Feature::replay));
  EXPECT_FALSE(has_feature((*promises)->capabilities(), Feature::equal_ranks));
  const std::string spec = std::string(DROPCHECK_FAULTY_PLUGIN) + "?tell_config";
  const auto third =
      open_worker({DROPCHECK_PROGRAM, {"dropcheck", "worker", "--rank=2", "--world-size=4", spec}});
  ASSERT_TRUE(third) << third.error().message;
  EXPECT_THAT((*third)->capabilities().notes.at(0), HasSubstr(R"("rank":2,"world_size":4)"));
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
  const auto backend = open_worker({"/no/such/program", {"dropcheck", "worker", "x"}});
  ASSERT_FALSE(backend);
  EXPECT_THAT(backend.error().message, HasSubstr("cannot be started"));
}

TEST(WorkerBackend, AProgramThatSpeaksAnotherLanguageIsReported) {
  const auto backend = open_worker({"/bin/sh", {"sh", "-c", "printf 'no frame at all' >&3"}});
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
  const auto backend = open_faulty("hang_at_seed_7", brief(std::chrono::milliseconds(3000)));
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

TEST(WorkerBackend, ARestartedWorkerDoesNotEndWithTheThreadThatStartedIt) {
  const auto backend = open_faulty("crash_at_seed_7");
  ASSERT_TRUE(backend) << backend.error().message;
  OneCall one(**backend);
  std::thread([&] {
    one.call.seed = 7;
    EXPECT_FALSE((*backend)->forward(one.call));
    one.call.seed = 1;
    EXPECT_TRUE((*backend)->forward(one.call));
  }).join();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const auto again = (*backend)->forward(one.call);
  EXPECT_TRUE(again) << again.error().message;
}

TEST(WorkerBackend, TooMuchMemoryIsAnErrorThatNamesTheLimit) {
  WorkerOptions options;
  options.memory = std::uint64_t{256} << 20;
  const auto backend = open_faulty("eat_memory@p=0.3", options);
  ASSERT_TRUE(backend) << backend.error().message;
  OneCall one(**backend);
  const auto seen = (*backend)->forward(one.call);
  ASSERT_FALSE(seen);
  EXPECT_EQ(seen.error().code, ErrorCode::resource_exhausted);
  EXPECT_THAT(seen.error().message, AllOf(HasSubstr("the worker took 0."),
                                          HasSubstr("more than its limit of 0.25 GiB (--memory-limit)"),
                                          HasSubstr("during forward and was stopped")));
  one.call.p = 0.25;
  const auto again = (*backend)->forward(one.call);
  EXPECT_TRUE(again) << "it is started again: " << again.error().message;
}

TEST(WorkerBackend, AStoppedRunDoesNotWaitForTheDeadline) {
  std::atomic<bool> stop{false};
  WorkerOptions options;
  options.stop = &stop;
  const auto backend = open_faulty("hang", options);
  ASSERT_TRUE(backend) << backend.error().message;
  OneCall one(**backend);
  stop.store(true);
  const auto begin = std::chrono::steady_clock::now();
  const auto seen = (*backend)->forward(one.call);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  ASSERT_FALSE(seen);
  EXPECT_THAT(seen.error().message, HasSubstr("the run was stopped"));
}

TEST(WorkerBackend, AChildOfADeadWorkerKeepsNobodyWaiting) {
  const auto backend = open_faulty("leave_child_and_exit@p=0.3");
  ASSERT_TRUE(backend) << backend.error().message;
  OneCall one(**backend);
  const auto begin = std::chrono::steady_clock::now();
  const auto seen = (*backend)->forward(one.call);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  ASSERT_FALSE(seen);
  EXPECT_EQ(seen.error().code, ErrorCode::crashed);
  EXPECT_THAT(seen.error().message, HasSubstr("exited with status 3 during forward"));
  EXPECT_THAT(incident_texts((*backend)->close()),
              ElementsAre("left 'dropcheck' behind, which was ended (1 process)"));
}

TEST(Incidents, OfAGoodPluginThereAreNone) {
  const auto backend = open_faulty("");
  ASSERT_TRUE(backend);
  {
    OneCall one(**backend);
    EXPECT_TRUE((*backend)->forward(one.call));
  }
  EXPECT_THAT((*backend)->close(), IsEmpty());
  EXPECT_TRUE(has_no_children());
}

TEST(Incidents, WhatACallChangesIsSetBackAndCounted) {
  const auto backend = open_faulty("change_rounding@p=0.25"), good = open_faulty("");
  ASSERT_TRUE(backend && good);
  OneCall one(**backend), other(**good);
  for (const double p : {0.25, 0.3, 0.25, 0.3, 0.25}) {
    one.call.p = other.call.p = p;
    ASSERT_TRUE((*backend)->forward(one.call));
    ASSERT_TRUE((*good)->forward(other.call));
    // 1 / 0.7 is rounded up to the nearest number, down towards zero.
    if (p == 0.3) {
      EXPECT_EQ(one.output(), other.output()) << "the mode of one call is not that of the next";
    }
  }
  EXPECT_THAT(incident_texts((*backend)->close()),
              ElementsAre("changed the rounding mode to towards zero, which was set back (3 calls)"));
}

TEST(Incidents, SurviveTheProcessThatCausedThem) {
  const auto backend = open_faulty("change_rounding_and_crash_at_seed_7");
  ASSERT_TRUE(backend);
  OneCall one(**backend);
  ASSERT_TRUE((*backend)->forward(one.call));
  one.call.seed = 7;
  ASSERT_FALSE((*backend)->forward(one.call));
  one.call.seed = 1;
  ASSERT_TRUE((*backend)->forward(one.call));
  EXPECT_THAT(incident_texts((*backend)->close()),
              ElementsAre("changed the rounding mode to towards zero, which was set back (2 calls)"));
}

TEST(Incidents, LinesOnStandardOutputAreCountedAndTheLastIsShown) {
  const auto backend = open_faulty("print");
  ASSERT_TRUE(backend);
  OneCall one(**backend);
  for (int call = 0; call < 3; ++call) ASSERT_TRUE((*backend)->forward(one.call));
  EXPECT_THAT(incident_texts((*backend)->close()),
              ElementsAre("printed to standard output, the last line: stray words on standard output "
                          "{\"do\":\"forward\"} (3 lines)"));
}

TEST(Incidents, AFloodIsReadToItsEndAndTakesNoMemory) {
  const auto backend = open_faulty("flood_output");
  ASSERT_TRUE(backend);
  OneCall one(**backend);
  const auto seen = (*backend)->forward(one.call);
  ASSERT_TRUE(seen) << seen.error().message;
  EXPECT_THAT(
      incident_texts((*backend)->close()),
      ElementsAre("printed to standard output, the last line: " + std::string(99, 'f') + " (100000 lines)"));
}

TEST(Incidents, AnEndOtherThanAskedForIsTold) {
  for (const auto& [fault, said] :
       {std::pair{"crash_in_close", "was ended by signal 6 (Aborted) while it closed"},
        std::pair{"hang_in_close", "did not end by itself and was stopped while it closed"}}) {
    const auto backend = open_faulty(fault);
    ASSERT_TRUE(backend) << backend.error().message;
    EXPECT_THAT(incident_texts((*backend)->close()), ElementsAre(said));
    EXPECT_TRUE(has_no_children());
  }
}

TEST(Incidents, ALossThatNobodyWasToldIsOne) {
  const auto backend = open_faulty("crash_in_release");
  ASSERT_TRUE(backend) << backend.error().message;
  (*backend)->release({5});
  EXPECT_THAT(incident_texts((*backend)->close()),
              ElementsAre(HasSubstr("signal 6 (Aborted) during release")));
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
