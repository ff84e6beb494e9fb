// Programs and plugins that misbehave, judged by the real program: what each costs, what is told, and that
// nothing is left of it: no process, no file, no shared memory.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>
#include <sstream>
#include <thread>

#include "harness/core/process_family.hpp"

namespace {

using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Json = nlohmann::json;
using std::chrono::milliseconds;
namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) names.insert(entry.path().filename());
  return names;
}

template <typename Holds>
bool soon(Holds&& holds) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return true;
}

struct Outcome {
  int code = -1;  // exit code, or minus the signal
  std::string out, err;
  double seconds = 0;
};

/// Runs the program in a folder of its own with temporary files of its own, and knows all that it starts.
class Faults : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "dropcheck-faults-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    for (const char* name : {"here", "temporary", "seen"}) fs::create_directory(folder_ / name);
    setenv("TMPDIR", (folder_ / "temporary").c_str(), 1);
    setenv("DROPCHECK_TEST_TOUCH", (folder_ / "seen" / "fault").c_str(), 1);
  }
  void TearDown() override {
    unsetenv("TMPDIR");
    unsetenv("DROPCHECK_TEST_TOUCH");
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  pid_t start(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "dropcheck");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, (folder_ / "here").c_str());
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    const int flags = O_WRONLY | O_CREAT | O_TRUNC;
    posix_spawn_file_actions_addopen(&actions, 1, (folder_ / "seen" / "out").c_str(), flags, 0600);
    posix_spawn_file_actions_addopen(&actions, 2, (folder_ / "seen" / "err").c_str(), flags, 0600);
    pid_t pid = -1;
    EXPECT_EQ(posix_spawn(&pid, DROPCHECK_PROGRAM, &actions, nullptr, argv.data(), mark_.environment()), 0);
    posix_spawn_file_actions_destroy(&actions);
    return pid;
  }

  Outcome finish(pid_t pid) const {
    const auto begin = std::chrono::steady_clock::now();
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), text_of(folder_ / "seen" / "out"),
            text_of(folder_ / "seen" / "err"),
            std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count()};
  }

  /// Seven checks on one small case, two of which ask for p = 1.
  static std::vector<std::string> run_of(const std::string& backend) {
    return {"run",
            "--backend=" + backend,
            "--profile=smoke",
            "--case=op=dropout,p=0.5,shape=6",
            "--threads=1",
            "--out=out",
            "--check=pytorch_semantics.*"};
  }

  std::vector<Json> records(const std::string& kind) const {
    std::vector<Json> found;
    std::istringstream lines(text_of(folder_ / "here" / "out" / "results.jsonl"));
    for (std::string line; std::getline(lines, line);)
      if (Json record = Json::parse(line); record.at("record") == kind) found.push_back(std::move(record));
    return found;
  }

  void expect_nothing_left() {
    // What was killed by a dropcheck that did not wait may take a moment to go.
    EXPECT_TRUE(soon([&] { return dropcheck::family_of(-1, mark_).empty(); }));
    EXPECT_THAT(dropcheck::family_of(-1, mark_), IsEmpty());
    EXPECT_THAT(names_in(folder_ / "temporary"), IsEmpty());
    auto here = names_in(folder_ / "here");
    here.erase("out");
    EXPECT_THAT(here, IsEmpty());
    const auto only_reports = names_in(folder_ / "here" / "out");
    for (const std::string& name : only_reports)
      EXPECT_THAT(name, AnyOf("results.jsonl", "report.md", "junit.xml"));
    // Tensors lie in memory without a name, which goes with its last process. Other programs' names come and
    // go.
    for (const std::string& name : names_in("/dev/shm")) EXPECT_THAT(name, Not(HasSubstr("dropcheck")));
  }

  fs::path folder_;
  dropcheck::FamilyMark mark_;
};

enum class Kind { plugin, adapter };

std::string spec_of(Kind kind, const std::string& fault) {
  if (kind == Kind::plugin) return fmt::format("plugin:{}?{}", DROPCHECK_FAULTY_PLUGIN, fault);
  return fmt::format(
      "exec:exec python3 {}/impl/process/testing/faulty_adapter.py {} 'features=[\"backward\", "
      "\"in_place\"]'",
      DROPCHECK_SOURCE_DIR, fault);
}

// --- faults in the middle: calls with p = 1 are misbehaved in, all others are answered well

struct Fault {
  const char* name;  // of the fault, without "@p=1"
  Kind kind;
  int code;
  const char* verdict;  // of the cell that asks for p = 1
  const char* said;     // part of its message; of an incident where the verdict is pass
  std::vector<std::string> options{};

  friend void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }
};

std::string name_of(const ::testing::TestParamInfo<Fault>& row) { return row.param.name; }

class FaultInTheMiddle : public Faults, public ::testing::WithParamInterface<Fault> {};

TEST_P(FaultInTheMiddle, CostsItsOwnCellsAndLeavesNothing) {
  const Fault& fault = GetParam();
  auto arguments = run_of(spec_of(fault.kind, fault.name + std::string("@p=1")));
  arguments.insert(arguments.end(), fault.options.begin(), fault.options.end());
  const Outcome outcome = finish(start(arguments));
  EXPECT_EQ(outcome.code, fault.code) << outcome.out << outcome.err;
  std::size_t others = 0;
  bool judged = false;
  for (const Json& result : records("result")) {
    const std::string text = result.value("message", "");
    if (result.at("check") == "pytorch_semantics.extremes") {
      EXPECT_EQ(result.at("verdict"), fault.verdict) << text;
      if (result.at("verdict") != "pass") {
        EXPECT_THAT(text, HasSubstr(fault.said));
      }
      judged = true;
    } else if (result.at("verdict") != "unsupported") {
      EXPECT_EQ(result.at("verdict"), "pass") << result.at("check") << ": " << text;
      ++others;
    }
  }
  EXPECT_TRUE(judged);
  EXPECT_GE(others, 4u) << "the run went on";
  ASSERT_EQ(records("footer").size(), 1u);
  EXPECT_EQ(records("footer")[0].at("complete"), true);
  EXPECT_EQ(records("footer")[0].at("exit_code"), fault.code);
  if (std::string_view(fault.verdict) == "pass") {
    ASSERT_EQ(records("incidents").size(), 1u) << outcome.out;
    EXPECT_THAT(records("incidents")[0].at("texts").get<std::vector<std::string>>(),
                Contains(HasSubstr(fault.said)));
    EXPECT_THAT(outcome.out, HasSubstr(" besides: "));
    EXPECT_THAT(text_of(folder_ / "here" / "out" / "report.md"), HasSubstr("besides answering"));
  }
  expect_nothing_left();
}

const std::vector<std::string> kBrief = {"--call-timeout=1"};
const std::vector<std::string> kNarrow = {"--memory-limit=0.25"};

INSTANTIATE_TEST_SUITE_P(
    Plugin, FaultInTheMiddle,
    ::testing::Values(
        Fault{"segfault", Kind::plugin, 11, "error", "during forward"},
        Fault{"crash", Kind::plugin, 11, "error",
              "was ended by signal 6 (Aborted) during forward; its last words: the last words of the plugin"},
        Fault{"exit", Kind::plugin, 11, "error", "exited with status 0 during forward"},
        Fault{"leave_child_and_exit", Kind::plugin, 11, "error", "exited with status 3 during forward"},
        Fault{"hang", Kind::plugin, 11, "error", "gave no answer within 1000 ms during forward", kBrief},
        Fault{"slow", Kind::plugin, 11, "error", "gave no answer within 1000 ms during forward", kBrief},
        Fault{"flood_output_for_ever", Kind::plugin, 11, "error", "gave no answer within 1000 ms", kBrief},
        Fault{"write_to_nobody", Kind::plugin, 11, "error", "signal 13 (Broken pipe) during forward"},
        Fault{"throw", Kind::plugin, 11, "error", "thrown by forward"},
        Fault{"throw_a_number", Kind::plugin, 11, "error", "an exception of unknown type"},
        Fault{"eat_memory", Kind::plugin, 11, "error", "GiB of memory, more than its limit of 0.25 GiB",
              kNarrow},
        Fault{"garbage_shape", Kind::plugin, 11, "error", "a result of 77 dimensions"},
        Fault{"write_past_end", Kind::plugin, 1, "fail", "writes past its bounds"},
        Fault{"nan_filled", Kind::plugin, 1, "fail", ""},
        Fault{"flood_output", Kind::plugin, 0, "pass", "printed to standard output, the last line: fff"},
        Fault{"flood_error", Kind::plugin, 0, "pass", "flooded standard error ("},
        Fault{"leave_child", Kind::plugin, 0, "pass", "left 'dropcheck' behind, which was ended ("},
        Fault{"leave_daemon", Kind::plugin, 0, "pass", "left 'dropcheck' behind, which was ended ("},
        Fault{"change_rounding", Kind::plugin, 0, "pass",
              "changed the rounding mode to towards zero, which was set back ("},
        Fault{"change_signals", Kind::plugin, 0, "pass",
              "changed what SIGINT, SIGALRM does, which was set back"},
        Fault{"change_locale", Kind::plugin, 0, "pass",
              "changed the locale to C.UTF-8, which was set back ("},
        Fault{"change_files", Kind::plugin, 0, "pass", "changed the umask to 0000, which was set back ("}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Adapter, FaultInTheMiddle,
    ::testing::Values(
        Fault{"segfault", Kind::adapter, 11, "error",
              "was ended by signal 11 (Segmentation fault) during run: no reply had come"},
        Fault{"exit_in_frame", Kind::adapter, 11, "error",
              "exited with status 0 during run: 5 of the 24 bytes of its reply had come"},
        Fault{"half_frame", Kind::adapter, 11, "error", "5 of the 24 bytes of its reply had come", kBrief},
        Fault{"loop", Kind::adapter, 11, "error", "no whole reply within", kBrief},
        Fault{"late", Kind::adapter, 11, "error", "no whole reply within", kBrief},
        Fault{"flood_lines", Kind::adapter, 11, "error", "no whole reply within", kBrief},
        Fault{"error_flood_forever", Kind::adapter, 11, "error", "no whole reply within", kBrief},
        Fault{"flood_line", Kind::adapter, 11, "error", "is longer than 1048576 bytes"},
        Fault{"nbytes_huge", Kind::adapter, 11, "error",
              "it announces 4611686018427387904 bytes where 24 must follow"},
        Fault{"shape_negative", Kind::adapter, 11, "error", "'y' f32 [-6] where 'y' f32 [6]"},
        Fault{"shape_overflow", Kind::adapter, 11, "error", "'y' f32 [4611686018427387904, 8]"},
        Fault{"dtype_wrong", Kind::adapter, 11, "error", "'y' f64 [6] where 'y' f32 [6]"},
        Fault{"other_seq", Kind::adapter, 11, "error", "it replies to seq "},
        Fault{"leave_and_exit", Kind::adapter, 11, "error", "exited with status 3 during run"},
        Fault{"leave_and_loop", Kind::adapter, 11, "error", "no whole reply within", kBrief},
        Fault{"eat_memory", Kind::adapter, 11, "error",
              "GiB of memory, more than its limit of 0.25 GiB (--memory-limit) and was stopped during run",
              kNarrow},
        Fault{"nan_filled", Kind::adapter, 1, "fail", ""},
        Fault{"stray_flood", Kind::adapter, 0, "pass", "printed to standard output, the last line: n ("},
        Fault{"print_between", Kind::adapter, 0, "pass",
              "printed to standard output, the last line: {\"level\""},
        Fault{"error_flood", Kind::adapter, 0, "pass", "flooded standard error ("},
        Fault{"leave_and_go_on", Kind::adapter, 0, "pass", "left 'python3' behind, which was ended ("},
        Fault{"leave_daemon", Kind::adapter, 0, "pass", "left 'python3' behind, which was ended ("}),
    name_of);

// --- at the start and at the end

TEST_F(Faults, ACrashAtTheStartIsABackendThatCannotBeOpened) {
  for (const std::string& spec :
       {spec_of(Kind::plugin, "open_crashes"), spec_of(Kind::adapter, "segfault_at_start")}) {
    const Outcome outcome = finish(start(run_of(spec)));
    EXPECT_EQ(outcome.code, 11) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("was ended by signal "));
    ASSERT_EQ(records("footer").size(), 1u);
    EXPECT_EQ(records("footer")[0].at("complete"), true);
    EXPECT_THAT(records("result"), IsEmpty());
    expect_nothing_left();
  }
}

struct AtTheEnd {
  const char* name;
  Kind kind;
  const char* said;
  friend void PrintTo(const AtTheEnd& fault, std::ostream* out) { *out << fault.name; }
};

class FaultAtTheEnd : public Faults, public ::testing::WithParamInterface<AtTheEnd> {};

TEST_P(FaultAtTheEnd, CostsNoCellAndIsTold) {
  const Outcome outcome = finish(start(run_of(spec_of(GetParam().kind, GetParam().name))));
  EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  ASSERT_EQ(records("incidents").size(), 1u);
  EXPECT_THAT(records("incidents")[0].at("texts").get<std::vector<std::string>>(),
              ::testing::ElementsAre(GetParam().said))
      << "the look at the backend before the run and the run itself tell the same";
  EXPECT_THAT(outcome.out, HasSubstr(std::string(" besides: ") + GetParam().said));
  expect_nothing_left();
}

INSTANTIATE_TEST_SUITE_P(
    All, FaultAtTheEnd,
    ::testing::Values(
        AtTheEnd{"crash_in_close", Kind::plugin, "was ended by signal 6 (Aborted) while it closed"},
        AtTheEnd{"hang_in_close", Kind::plugin, "did not end by itself and was stopped while it closed"},
        AtTheEnd{"segfault_at_stop", Kind::adapter,
                 "was ended by signal 11 (Segmentation fault) when it was asked to stop"},
        AtTheEnd{"loop_at_stop", Kind::adapter,
                 "did not end by itself and was stopped when it was asked to stop"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST_F(Faults, AnAdapterThatReadsNoMoreRaisesNoSignalHere) {
  const Outcome outcome = finish(start(run_of(spec_of(Kind::adapter, "deaf@p=1"))));
  EXPECT_EQ(outcome.code, 11) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("when its standard input closed"));
  ASSERT_EQ(records("footer").size(), 1u);
  EXPECT_EQ(records("footer")[0].at("complete"), true);
  expect_nothing_left();
}

TEST_F(Faults, StateChangedWhileLoadingIsToldAndHandlersStay) {
  const Outcome outcome = finish(start(run_of(spec_of(Kind::plugin, "change_state_in_open"))));
  EXPECT_EQ(outcome.code, 0) << outcome.out;
  ASSERT_EQ(records("incidents").size(), 1u);
  EXPECT_THAT(records("incidents")[0].at("texts").get<std::vector<std::string>>(),
              ::testing::ElementsAre(
                  "changed the rounding mode to upward, which was set back",
                  "changed what SIGINT, SIGALRM does, which was left as it is since its runtime may "
                  "rely on it"));
  expect_nothing_left();
}

TEST_F(Faults, AWellBehavedBackendHasNoIncidents) {
  for (const std::string& spec : {spec_of(Kind::plugin, ""), spec_of(Kind::adapter, "exit")}) {
    EXPECT_EQ(finish(start(run_of(spec))).code, 0);
    EXPECT_THAT(records("incidents"), IsEmpty());
    EXPECT_EQ(text_of(folder_ / "here" / "out" / "report.md").find("besides answering"), std::string::npos);
    expect_nothing_left();
  }
}

TEST_F(Faults, TheLimitsAreInTheReproLine) {
  auto arguments = run_of(spec_of(Kind::plugin, "exit@p=1"));
  arguments.insert(arguments.end(), {"--call-timeout=2.5", "--memory-limit=1"});
  ASSERT_EQ(finish(start(arguments)).code, 11);
  for (const Json& result : records("result")) {
    if (result.at("verdict") == "error") {
      EXPECT_THAT(result.at("repro").get<std::string>(), HasSubstr(" --call-timeout=2.5 --memory-limit=1"));
    }
  }
}

// --- Ctrl-C

class CtrlC : public Faults, public ::testing::WithParamInterface<AtTheEnd> {
 protected:
  /// Starts a run that hangs in the middle of a call.
  pid_t start_hanging() {
    const pid_t pid = start(run_of(spec_of(GetParam().kind, GetParam().name)));
    EXPECT_TRUE(soon([&] { return fs::exists(folder_ / "seen" / "fault"); }));
    return pid;
  }
};

TEST_P(CtrlC, InTheMiddleOfACallEndsTheRunSoonWithWhatThereIs) {
  const pid_t pid = start_hanging();
  EXPECT_FALSE(dropcheck::family_of(pid, mark_).empty());
  kill(pid, SIGINT);
  const Outcome outcome = finish(pid);
  EXPECT_EQ(outcome.code, 2) << outcome.out << outcome.err;
  EXPECT_LT(outcome.seconds, 15) << "the call itself may take a minute";
  ASSERT_EQ(records("footer").size(), 1u);
  EXPECT_EQ(records("footer")[0].at("complete"), false);
  EXPECT_EQ(records("footer")[0].at("exit_code"), 2);
  for (const Json& result : records("result")) EXPECT_NE(result.at("verdict"), "error") << result.dump();
  EXPECT_TRUE(fs::exists(folder_ / "here" / "out" / "report.md"));
  expect_nothing_left();
}

TEST_P(CtrlC, TwiceEndsAtOnceAndLeavesNoProcess) {
  const pid_t pid = start_hanging();
  kill(pid, SIGINT);
  std::this_thread::sleep_for(milliseconds(100));
  kill(pid, SIGINT);
  EXPECT_EQ(finish(pid).code, -SIGINT);
  EXPECT_TRUE(soon([&] { return dropcheck::family_of(-1, mark_).empty(); }));
  EXPECT_THAT(dropcheck::family_of(-1, mark_), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(All, CtrlC,
                         ::testing::Values(AtTheEnd{"hang@p=1", Kind::plugin, ""},
                                           AtTheEnd{"loop@p=1", Kind::adapter, ""},
                                           AtTheEnd{"leave_and_loop@p=1", Kind::adapter, ""}),
                         [](const auto& row) {
                           const std::string name = row.param.name;
                           return name.substr(0, name.find('@')) +
                                  (row.param.kind == Kind::plugin ? "_plugin" : "");
                         });

TEST_F(Faults, ARunThatIsKilledTakesItsWorkersWithIt) {
  const pid_t pid = start(run_of(spec_of(Kind::plugin, "hang@p=1")));
  ASSERT_TRUE(soon([&] { return fs::exists(folder_ / "seen" / "fault"); }));
  kill(pid, SIGKILL);
  finish(pid);
  EXPECT_TRUE(soon([&] { return dropcheck::family_of(-1, mark_).empty(); }));
}

}  // namespace
