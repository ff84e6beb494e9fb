// Adapters that misbehave in every way that we know of. Each costs its own call, names its fault, leaves no
// process, and the next call works.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <cmath>
#include <numeric>

#include "impl/process/process_backend.hpp"
#include "impl/process/testing/one_call.hpp"

namespace dropcheck::process {
namespace {

using ::testing::AllOf;
using testing::has_no_children;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::OneCall;

constexpr milliseconds kPatient{60'000};
/// Only replies after the first of a process are waited for so briefly: starting Python may take its time.
constexpr milliseconds kShort{400};

std::string command(const std::string& fault, const std::string& arguments = "") {
  return fmt::format("exec python3 {}/faulty_adapter.py {} {}", DROPCHECK_PROCESS_TESTING, fault, arguments);
}

Options patient() { return {kPatient, kPatient, milliseconds(1000), 10}; }
Options brief() { return {kPatient, kShort, milliseconds(1000), 10}; }

std::unique_ptr<ProcessBackend> open(const std::string& fault, const Options& options,
                                     const std::string& arguments = "") {
  auto backend = open_process(command(fault, arguments), options);
  EXPECT_TRUE(backend) << backend.error().message;
  return std::move(*backend);
}

std::vector<float> good_output() {
  const auto backend = open("exit", patient());
  OneCall one;
  EXPECT_TRUE(one.forward(*backend, 1));
  return one.output();
}

void expect_gone(long pid) {
  for (int i = 0; i < 1000 && testing::runs(pid); ++i) usleep(10'000);
  EXPECT_FALSE(testing::runs(pid)) << pid;
}

/// The number that the text names after "grandchild ".
long grandchild_in(const std::string& text) {
  const std::size_t at = text.find("grandchild ");
  EXPECT_NE(at, std::string::npos) << text;
  return at == std::string::npos ? -1 : std::stol(text.substr(at + 11));
}

struct Fault {
  const char* name;
  ErrorCode code;
  const char* message;
  bool is_silent = false;  // is ended by a deadline
};
void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }

class LostProcess : public ::testing::TestWithParam<Fault> {};

TEST_P(LostProcess, CostsOneCallNamesItsFaultAndTheNextWorks) {
  const Fault& fault = GetParam();
  {
    const auto backend = open(fault.name, fault.is_silent ? brief() : patient());
    OneCall one;
    ASSERT_TRUE(one.forward(*backend, 1));
    const auto before = one.output();
    const auto seen = one.forward(*backend, 7);
    ASSERT_FALSE(seen);
    EXPECT_EQ(seen.error().code, fault.code) << seen.error().message;
    EXPECT_THAT(seen.error().message, AllOf(HasSubstr(fault.message), HasSubstr("during run")));
    EXPECT_LT(seen.error().message.size(), 4000u);
    EXPECT_FALSE(one.y->fault("y", false));
    EXPECT_TRUE(has_no_children());
    const auto again = one.forward(*backend, 1);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(one.output(), before);
  }
  EXPECT_TRUE(has_no_children());
}

INSTANTIATE_TEST_SUITE_P(
    Ends, LostProcess,
    ::testing::Values(
        Fault{"segfault", ErrorCode::crashed,
              "the adapter was ended by signal 11 (Segmentation fault) during run: no reply had come; its "
              "last words "
              "on standard error: about to crash"},
        Fault{"exit", ErrorCode::crashed, "the adapter exited with status 0 during run: no reply had come"},
        Fault{"exit_in_frame", ErrorCode::crashed,
              "exited with status 0 during run: 5 of the 24 bytes of its reply had come"},
        Fault{"close_output", ErrorCode::crashed, "did not end by itself and was stopped during run"},
        Fault{"leave_and_exit", ErrorCode::crashed, "exited with status 3 during run"}),
    [](const auto& tested) { return tested.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Silence, LostProcess,
    ::testing::Values(
        Fault{"loop", ErrorCode::timeout,
              "gave no whole reply within 400 ms during run and was stopped: no reply had come", true},
        Fault{"ignore_sigterm", ErrorCode::timeout, "no reply had come", true},
        Fault{"half_frame", ErrorCode::timeout, "5 of the 24 bytes of its reply had come", true},
        Fault{"half_line", ErrorCode::timeout, "half a line had come: '{\"tensors", true},
        Fault{"slow", ErrorCode::timeout, "gave no whole reply within 400 ms", true},
        Fault{"flood_lines", ErrorCode::timeout, "all work and no play\nall work", true},
        Fault{"error_flood_forever", ErrorCode::timeout, "its last words on standard error: ...eee", true}),
    [](const auto& tested) { return tested.param.name; });

INSTANTIATE_TEST_SUITE_P(
    BrokenFrames, LostProcess,
    ::testing::Values(
        Fault{"flood_line", ErrorCode::protocol,
              "a line on standard output is longer than 1048576 bytes: 'xxx"},
        Fault{"nbytes_huge", ErrorCode::protocol,
              "it announces 4611686018427387904 bytes where 24 must follow"},
        Fault{"nbytes_above_64_bits", ErrorCode::protocol, "it announces nbytes 1.18059"},
        Fault{"nbytes_negative", ErrorCode::protocol,
              "it announces nbytes -24: an integer from 0 on is needed"},
        Fault{"nbytes_text", ErrorCode::protocol, "it announces nbytes \"24\": an integer"},
        Fault{"nbytes_small", ErrorCode::protocol, "it announces 4 bytes where 24 must follow"},
        Fault{"nbytes_missing", ErrorCode::protocol, "it announces 0 bytes where 24 must follow"},
        Fault{"shape_negative", ErrorCode::protocol,
              "announces the tensor 'y' f32 [-6] where 'y' f32 [6] was asked for"},
        Fault{"shape_overflow", ErrorCode::protocol, "'y' f32 [4611686018427387904, 8] where 'y' f32 [6]"},
        Fault{"shape_above_64_bits", ErrorCode::protocol,
              "'y' f32 [1.8446744073709552e+19] where 'y' f32 [6]"},
        Fault{"shape_other", ErrorCode::protocol, "'y' f32 [3, 2] where 'y' f32 [6]"},
        Fault{"shape_text", ErrorCode::protocol, "'y' f32 six where 'y' f32 [6]"},
        Fault{"shape_long", ErrorCode::protocol, "'y' f32 [1, 1, 1, 1, 1, 1, 1, 1, ...] where 'y' f32 [6]"},
        Fault{"dtype_wrong", ErrorCode::protocol, "'y' f64 [6] where 'y' f32 [6] was asked for"},
        Fault{"dtype_unknown", ErrorCode::protocol, "'y' float7 [6] where 'y' f32 [6] was asked for"},
        Fault{"no_tensors", ErrorCode::protocol, "the reply lacks the tensor 'y' f32 [6]"},
        Fault{"tensors_text", ErrorCode::protocol, "'tensors' is \"y\": a list is needed"},
        Fault{"tensor_number", ErrorCode::protocol, "'no name' no dtype no shape where"},
        Fault{"too_many_tensors", ErrorCode::protocol, "announces 2 tensors where 1 were asked for"},
        Fault{"other_seq", ErrorCode::protocol, "it replies to seq 7 instead of 2"},
        Fault{"seq_text", ErrorCode::protocol, "it replies to seq \"2\" instead of 2"},
        Fault{"early_reply", ErrorCode::protocol, "it replies to seq 3 instead of 2"},
        Fault{"two_replies", ErrorCode::protocol, "a second reply, to seq 2, follows the one to seq 2"},
        Fault{"print_inside", ErrorCode::protocol,
              "6 bytes that are no text follow the reply: something was printed"},
        Fault{"print_without_line_feed", ErrorCode::protocol, "is no JSON object: 'loading... {"},
        Fault{"nan_literal", ErrorCode::protocol,
              "a line speaks of \"seq\" and is no JSON object: '{\"tensors"},
        Fault{"errored_kind", ErrorCode::protocol, "has the kind 'sad': known are invalid_argument"},
        Fault{"errored_with_bytes", ErrorCode::protocol, "announces 24 bytes where 0 must follow"},
        Fault{"effective_p", ErrorCode::protocol, "declares the effective drop probability 1.5"},
        Fault{"words_negative", ErrorCode::protocol, "has -1 for 'rng_words'"},
        Fault{"warnings_text", ErrorCode::protocol, "has \"careful\" for 'warnings'"},
        Fault{"facts_list", ErrorCode::protocol, "has a list for 'facts'"}),
    [](const auto& tested) { return tested.param.name; });

/// Replies that are in order: refusals, and what is none of the protocol's business.
struct Answer {
  const char* name;
  ErrorCode code;
  const char* message;
};
void PrintTo(const Answer& answer, std::ostream* out) { *out << answer.name; }

class Refusal : public ::testing::TestWithParam<Answer> {};

TEST_P(Refusal, HasItsCodeAndKeepsTheProcess) {
  const auto backend = open(GetParam().name, patient());
  OneCall one;
  const auto seen = one.forward(*backend, 7);
  ASSERT_FALSE(seen);
  EXPECT_EQ(seen.error().code, GetParam().code);
  EXPECT_EQ(seen.error().message, GetParam().message);
  EXPECT_FALSE(has_no_children());
  EXPECT_TRUE(one.forward(*backend, std::nullopt)) << "the same process, which may continue its stream";
}

INSTANTIATE_TEST_SUITE_P(
    All, Refusal,
    ::testing::Values(
        Answer{"skipped", ErrorCode::unsupported, "not on Sundays"},
        Answer{"errored", ErrorCode::backend_failed, "no luck; its traceback: line 1\nline 2"},
        Answer{"errored_memory", ErrorCode::resource_exhausted, "out of memory, says the kernel"},
        Answer{"errored_argument", ErrorCode::invalid_argument, "bad seed"},
        Answer{"errored_without_reason", ErrorCode::backend_failed, "the adapter gives no reason"}),
    [](const auto& tested) { return tested.param.name; });

class Harmless : public ::testing::TestWithParam<const char*> {};

TEST_P(Harmless, ChangesNoByte) {
  const auto expected = good_output();
  {
    const auto backend = open(GetParam(), patient());
    OneCall one;
    for (const std::uint64_t seed : {7, 1, 7, 1}) {
      const auto seen = one.forward(*backend, seed);
      ASSERT_TRUE(seen) << seen.error().message;
      EXPECT_FALSE(one.y->fault("y", true));
      if (seed != 1) continue;
      EXPECT_EQ(one.output(), expected);
    }
  }
  EXPECT_TRUE(has_no_children());
}

INSTANTIATE_TEST_SUITE_P(All, Harmless,
                         ::testing::Values("stray_flood", "error_flood", "print_between", "banner", "deep",
                                           "leave_and_go_on", "segfault_at_stop", "loop_at_stop"),
                         [](const auto& tested) { return tested.param; });

TEST(StrayOutput, IsKeptCountedAndShownWithAFailure) {
  auto backend = open("print_between", patient());
  OneCall one;
  ASSERT_TRUE(one.forward(*backend, 7));
  EXPECT_EQ(backend->stray(), "3 lines: a line between\n [32mgreen [0m\n{\"level\": \"info\"}");
  backend = open("stray_flood", patient());
  ASSERT_TRUE(one.forward(*backend, 7));
  EXPECT_THAT(backend->stray(), AllOf(HasSubstr("2097152 lines: ...n\nn"), Not(HasSubstr("tensors"))));
  EXPECT_LT(backend->stray().size(), 5000u);
}

TEST(StrayOutput, BeforeTheFirstReplyIsANoteOfTheReport) {
  const auto backend = open("banner", patient());
  ASSERT_EQ(backend->capabilities().notes.size(), 1u);
  EXPECT_EQ(backend->capabilities().notes[0],
            "printed to standard output before its first reply: 1 line: Welcome to the library");
}

TEST(StrayOutput, IsPartOfWhatALossSays) {
  const auto backend = open("flood_lines", brief());
  OneCall one;
  ASSERT_TRUE(one.forward(*backend, 1));
  const auto seen = one.forward(*backend, 7);
  ASSERT_FALSE(seen);
  EXPECT_THAT(seen.error().message, HasSubstr("; stray output: "));
}

TEST(StandardError, IsKeptUpToItsLimit) {
  const auto backend = open("error_flood", patient());
  OneCall one;
  ASSERT_TRUE(one.forward(*backend, 7));
  EXPECT_GT(backend->standard_error().size(), kKeptErrorBytes - 10);
  EXPECT_LE(backend->standard_error().size(), kKeptErrorBytes);
}

TEST(NaNFilled, ArrivesAsItIs) {
  const auto backend = open("nan_filled", patient());
  OneCall one;
  ASSERT_TRUE(one.forward(*backend, 7)) << "wrong content is for the checks to judge";
  for (const float y : one.output()) EXPECT_TRUE(std::isnan(y));
}

TEST(Grandchild, IsEndedWithACrashedAdapter) {
  const auto backend = open("leave_and_exit", patient());
  OneCall one;
  const auto seen = one.forward(*backend, 7);
  ASSERT_FALSE(seen);
  EXPECT_EQ(seen.error().code, ErrorCode::crashed);
  expect_gone(grandchild_in(seen.error().message));
}

TEST(Grandchild, IsEndedWithTheBackend) {
  auto backend = open("leave_and_go_on", patient());
  OneCall one;
  ASSERT_TRUE(one.forward(*backend, 7));
  ASSERT_TRUE(one.forward(*backend, 1)) << "it holds the pipes and disturbs nobody";
  const long grandchild = grandchild_in(backend->standard_error());
  EXPECT_TRUE(testing::runs(grandchild));
  backend.reset();
  expect_gone(grandchild);
  EXPECT_TRUE(has_no_children());
}

TEST(ClosedInput, IsACrashOfTheNextCallAndRaisesNoSignal) {
  ASSERT_NE(signal(SIGPIPE, SIG_DFL), SIG_ERR);
  const auto backend = open("go_deaf", patient());
  std::vector<float> values(1 << 20);
  std::iota(values.begin(), values.end(), 0.0f);
  OneCall one, large(values, {1 << 20});
  large.call.mode = Mode::eval;
  ASSERT_TRUE(one.forward(*backend, 7));
  const auto seen = large.forward(*backend, 1);
  ASSERT_FALSE(seen);
  EXPECT_EQ(seen.error().code, ErrorCode::crashed) << seen.error().message;
  EXPECT_THAT(seen.error().message, AllOf(HasSubstr("no reply had come, and "),
                                          HasSubstr("were taken when its standard input closed")));
  EXPECT_TRUE(has_no_children());
  ASSERT_TRUE(large.forward(*backend, 1));
  EXPECT_EQ(large.output(), values);
}

/// A program that cannot be an adapter.
struct BadProgram {
  const char* name;
  std::string command;
  ErrorCode code;
  const char* message;
  milliseconds first = kPatient;
};
void PrintTo(const BadProgram& bad, std::ostream* out) { *out << bad.name; }

class BadProgramTest : public ::testing::TestWithParam<BadProgram> {};

TEST_P(BadProgramTest, IsReportedAndLeavesNoProcess) {
  const auto backend = open_process(GetParam().command, {GetParam().first, kPatient, milliseconds(1000), 10});
  ASSERT_FALSE(backend);
  EXPECT_EQ(backend.error().code, GetParam().code) << backend.error().message;
  EXPECT_THAT(backend.error().message, HasSubstr(GetParam().message));
  EXPECT_TRUE(has_no_children());
  EXPECT_FALSE(good_output().empty()) << "another can be opened";
}

INSTANTIATE_TEST_SUITE_P(
    All, BadProgramTest,
    ::testing::Values(
        // How much of the request such a program took before it ended is anybody's guess.
        BadProgram{"Segfault", command("segfault_at_start"), ErrorCode::crashed,
                   "was ended by signal 11 (Segmentation fault) during start: no reply had come"},
        BadProgram{"LastWords", "echo 'about to go' >&2", ErrorCode::crashed,
                   "; its last words on standard error: about to go"},
        BadProgram{"NoSuchProgram", "/no/such/program --x", ErrorCode::crashed,
                   "exited with status 127 during start"},
        BadProgram{"NoCommand", "", ErrorCode::crashed, "exited with status 0 during start"},
        BadProgram{"NotAnAdapter", "echo usage: frobnicate FILE; exit 2", ErrorCode::crashed,
                   "; stray output: 1 line: usage: frobnicate FILE"},
        BadProgram{"WrongUsage", "exit 2", ErrorCode::crashed,
                   "exited with status 2 during start: no reply had"},
        BadProgram{"Silent", "sleep 1000", ErrorCode::timeout,
                   "gave no whole reply within 200 ms during start and was stopped", milliseconds(200)},
        BadProgram{"SilentEcho", "cat", ErrorCode::protocol, "gives no 'name'"},
        BadProgram{"OtherVersion", command("exit", "version=2"), ErrorCode::protocol,
                   "breaks the protocol during start and was stopped: the reply to start speaks version 2"},
        BadProgram{"UnknownFeature", command("exit", "'features=[\"levitate\"]'"), ErrorCode::protocol,
                   "claims 'levitate' among its features"},
        BadProgram{"Refuses", command("exit", "errored=true 'message=\"no licence\"'"),
                   ErrorCode::backend_failed, "the adapter refuses to start: no licence"},
        BadProgram{"Binary", "head -c 100 /dev/zero; echo", ErrorCode::protocol,
                   "101 bytes that are no text"},
        BadProgram{"Payload", R"(echo '{"seq":0,"version":1,"name":"n","nbytes":9}')", ErrorCode::protocol,
                   "announces 9 bytes where 0 must follow"}),
    [](const auto& tested) { return tested.param.name; });

TEST(Restart, EndsTheStreamUntilACallWithASeedSucceeds) {
  const auto backend = open("exit", patient());
  OneCall one;
  ASSERT_TRUE(one.forward(*backend, 1));
  ASSERT_TRUE(one.forward(*backend, std::nullopt));
  const auto second = one.output();
  ASSERT_FALSE(one.forward(*backend, 7));
  for (int call = 0; call < 2; ++call) {
    const auto seen = one.forward(*backend, std::nullopt);
    ASSERT_FALSE(seen) << "a fresh stream must not be drawn from in silence";
    EXPECT_EQ(seen.error().code, ErrorCode::crashed);
    EXPECT_THAT(
        seen.error().message,
        HasSubstr("the stream that this call continues is gone with the process that drew from it: the "
                  "adapter exited with status 0"));
    EXPECT_TRUE(has_no_children()) << "nothing is started for it";
  }
  one.call.p = 2;
  EXPECT_EQ(one.forward(*backend, 1).error().code, ErrorCode::invalid_argument);
  one.call.p = 0.5;
  EXPECT_EQ(one.forward(*backend, std::nullopt).error().code, ErrorCode::crashed)
      << "whether a refused call set its seed nobody knows";
  ASSERT_TRUE(one.forward(*backend, 1));
  ASSERT_TRUE(one.forward(*backend, std::nullopt));
  EXPECT_EQ(one.output(), second);
}

TEST(Restart, NeedsNoSeedWhereThereIsNoStreamToContinue) {
  const auto backend = open("exit", patient(), "'seed_semantics=\"none\"'");
  OneCall one;
  ASSERT_FALSE(one.forward(*backend, 7));
  EXPECT_TRUE(one.forward(*backend, std::nullopt));
}

TEST(Restart, LosesWhatWasSaved) {
  const auto backend = open("exit", patient());
  OneCall one;
  one.call.save_for_backward = true;
  const auto saved = one.forward(*backend, 1);
  ASSERT_TRUE(saved);
  ASSERT_FALSE(one.forward(*backend, 7));
  const auto newer = one.forward(*backend, 1);
  ASSERT_TRUE(newer);
  BackwardCall back;
  back.saved = saved->saved;
  const auto dx = one.tensor(true);
  back.dy = one.call.x;
  back.dx = {&dx->memory(), dx->view()};
  const auto gone = backend->backward(back);
  ASSERT_FALSE(gone) << "the new process has saved something else under the same number";
  EXPECT_EQ(gone.error().code, ErrorCode::crashed);
  EXPECT_THAT(gone.error().message, HasSubstr("the forward call of this gradient is gone with the process"));
  backend->release(saved->saved);
  back.saved = newer->saved;
  EXPECT_TRUE(backend->backward(back)) << "releasing the old one has released nothing of the new process";
}

TEST(Restart, ReportsADeathInReleaseWithTheNextCall) {
  const auto backend = open("segfault_at_release", patient(), "'seed_semantics=\"none\"'");
  OneCall one;
  one.call.save_for_backward = true;
  const auto saved = one.forward(*backend, 1);
  ASSERT_TRUE(saved);
  backend->release(saved->saved);
  EXPECT_TRUE(has_no_children());
  one.call.save_for_backward = false;
  const auto seen = one.forward(*backend, 2);
  ASSERT_FALSE(seen);
  EXPECT_EQ(seen.error().code, ErrorCode::crashed);
  EXPECT_THAT(seen.error().message, HasSubstr("signal 11 (Segmentation fault) during release"));
  EXPECT_TRUE(one.forward(*backend, 2));
}

TEST(Restart, ADeathInBackwardIsItsOwn) {
  const auto backend = open("segfault_at_backward", patient());
  OneCall one;
  one.call.save_for_backward = true;
  const auto saved = one.forward(*backend, 1);
  ASSERT_TRUE(saved);
  BackwardCall back;
  back.saved = saved->saved;
  const auto dx = one.tensor(true);
  back.dy = one.call.x;
  back.dx = {&dx->memory(), dx->view()};
  const auto seen = backend->backward(back);
  ASSERT_FALSE(seen);
  EXPECT_THAT(seen.error().message, HasSubstr("signal 11 (Segmentation fault) during backward"));
  backend->release(saved->saved);
  EXPECT_TRUE(one.forward(*backend, 1));
}

TEST(Restart, MustClaimTheSameAgain) {
  const std::string flag = fmt::format("/tmp/dropcheck_other_claims_{}", getpid());
  const auto backend = open_process(
      fmt::format(
          "if [ -e {0} ]; then name=two; rm {0}; else name=one; touch {0}; fi; {1} \"name=\\\"$name\\\"\"",
          flag, command("exit")),
      patient());
  ASSERT_TRUE(backend) << backend.error().message;
  OneCall one;
  ASSERT_FALSE(one.forward(**backend, 7));
  const auto seen = one.forward(**backend, 1);
  ASSERT_FALSE(seen);
  EXPECT_EQ(seen.error().code, ErrorCode::protocol);
  EXPECT_THAT(seen.error().message,
              HasSubstr("during start and was stopped: it claims other name than before"));
  EXPECT_TRUE(one.forward(**backend, 1));
  unlink(flag.c_str());
}

TEST(Restart, HappensOnlySoOften) {
  Options options = patient();
  options.restarts = 2;
  const auto backend = open("exit", options);
  OneCall one;
  for (int call = 0; call < 3; ++call)
    EXPECT_EQ(one.forward(*backend, 7).error().code, ErrorCode::crashed) << call;
  for (int call = 0; call < 2; ++call) {
    const auto seen = one.forward(*backend, 1);
    ASSERT_FALSE(seen);
    EXPECT_EQ(seen.error().code, ErrorCode::resource_exhausted);
    EXPECT_THAT(
        seen.error().message,
        HasSubstr(
            "the adapter was lost 3 times and is not started again; the last time: the adapter exited"));
  }
  EXPECT_TRUE(has_no_children());
}

TEST(Deadline, OfTheFirstRunIsTheLongOne) {
  // The first reply of a process may have to wait for a compiler; `slow` takes ten times the short deadline.
  const auto backend = open("slow", brief());
  OneCall one;
  EXPECT_TRUE(one.forward(*backend, 7));
  const auto seen = one.forward(*backend, 7);
  ASSERT_FALSE(seen);
  EXPECT_EQ(seen.error().code, ErrorCode::timeout);
}

TEST(Memory, BeyondTheLimitIsAnErrorThatNamesIt) {
  Options options = patient();
  options.limits.memory = std::uint64_t{256} << 20;
  const auto backend = open("eat_memory", options);
  OneCall one;
  ASSERT_TRUE(one.forward(*backend, 1));
  const auto seen = one.forward(*backend, 7);
  ASSERT_FALSE(seen);
  EXPECT_EQ(seen.error().code, ErrorCode::resource_exhausted);
  EXPECT_THAT(
      seen.error().message,
      AllOf(HasSubstr("the adapter took 0."),
            HasSubstr("more than its limit of 0.25 GiB (--memory-limit) and was stopped during run")));
  EXPECT_TRUE(has_no_children());
  EXPECT_TRUE(one.forward(*backend, 1)) << "it is started again";
}

TEST(Stop, IsNotHeldUpByACallThatTakesLong) {
  std::atomic<bool> stop{false};
  Options options = patient();
  options.limits.stop = &stop;
  const auto backend = open("loop", options);
  OneCall one;
  ASSERT_TRUE(one.forward(*backend, 1));
  stop.store(true);
  const auto begin = Clock::now();
  const auto seen = one.forward(*backend, 7);
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds(20));
  ASSERT_FALSE(seen);
  EXPECT_THAT(seen.error().message, HasSubstr("the run was stopped during run"));
  EXPECT_TRUE(has_no_children());
}

/// What close() tells after a call that was answered.
struct Told {
  const char* fault;
  std::vector<std::string> incidents;
};
void PrintTo(const Told& told, std::ostream* out) { *out << told.fault; }

class Closing : public ::testing::TestWithParam<Told> {};

TEST_P(Closing, TellsWhatWasDoneBesides) {
  const auto backend = open(GetParam().fault, patient());
  OneCall one;
  ASSERT_TRUE(one.forward(*backend, 7));
  EXPECT_EQ(incident_texts(backend->close()), GetParam().incidents);
  EXPECT_TRUE(has_no_children());
  EXPECT_TRUE(backend->close().empty()) << "once";
}

INSTANTIATE_TEST_SUITE_P(
    All, Closing,
    ::testing::Values(
        Told{"segfault_at_backward", {}},
        Told{"banner", {"printed to standard output, the last line: Welcome to the library (1 line)"}},
        Told{"print_between", {R"(printed to standard output, the last line: {"level": "info"} (3 lines))"}},
        Told{"stray_flood", {"printed to standard output, the last line: n (2097152 lines)"}},
        Told{"error_flood", {"flooded standard error (10485760 bytes)"}},
        Told{"leave_and_go_on", {"left 'python3' behind, which was ended (1 process)"}},
        Told{"leave_daemon", {"left 'python3' behind, which was ended (1 process)"}},
        Told{"segfault_at_stop", {"was ended by signal 11 (Segmentation fault) when it was asked to stop"}},
        Told{"loop_at_stop", {"did not end by itself and was stopped when it was asked to stop"}}),
    [](const auto& tested) { return tested.param.fault; });

}  // namespace
}  // namespace dropcheck::process
