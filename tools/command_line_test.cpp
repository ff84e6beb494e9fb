// The real program, as a user runs it: exit codes, messages and files.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>
#include <sstream>
#include <thread>

extern "C" char** environ;

namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Json = nlohmann::json;
namespace fs = std::filesystem;

constexpr const char* kSmallCase = "--case=op=dropout,p=0.15,shape=3x5x7x11";

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<Json> records_of(const fs::path& path) {
  std::vector<Json> records;
  std::istringstream lines(text_of(path));
  for (std::string line; std::getline(lines, line);) records.push_back(Json::parse(line));
  return records;
}

struct Outcome {
  int code = -1;
  std::string out, err;
};

class CommandLine : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "dropcheck-cli-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  /// Starts the program in the folder, its output in out.txt and err.txt.
  pid_t start(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(),
                     {"sh", "-c", "cd \"$0\" && exec \"$@\"", folder_.string(), DROPCHECK_PROGRAM});
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    const int flags = O_WRONLY | O_CREAT | O_TRUNC;
    posix_spawn_file_actions_addopen(&actions, 1, (folder_ / "out.txt").c_str(), flags, 0600);
    posix_spawn_file_actions_addopen(&actions, 2, (folder_ / "err.txt").c_str(), flags, 0600);
    pid_t pid = -1;
    EXPECT_EQ(posix_spawn(&pid, "/bin/sh", &actions, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    return pid;
  }

  Outcome finish(pid_t pid) {
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), text_of(folder_ / "out.txt"),
            text_of(folder_ / "err.txt")};
  }

  Outcome dropcheck(const std::vector<std::string>& arguments) { return finish(start(arguments)); }

  /// `dropcheck run` on one small case, unless the arguments say otherwise.
  Outcome run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "run");
    arguments.push_back("--out=out");
    return dropcheck(arguments);
  }

  std::vector<Json> results(const std::string& backend = "") const {
    std::vector<Json> found;
    for (const Json& record : records_of(folder_ / "out" / "results.jsonl"))
      if (record.at("record") == "result" && (backend.empty() || record.at("backend") == backend))
        found.push_back(record);
    return found;
  }
  Json footer() const {
    const auto records = records_of(folder_ / "out" / "results.jsonl");
    return records.empty() ? Json() : records.back();
  }

  fs::path folder_;
};

std::string plugin(const std::string& path, const std::string& fault = "") {
  return "--backend=plugin:" + path + (fault.empty() ? "" : "?" + fault);
}

/// Wrong usage: exit code 4, one line on stderr that says what is wrong, nothing on stdout.
void expect_usage_error(const Outcome& outcome, const std::string& part) {
  EXPECT_EQ(outcome.code, 4);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, StartsWith("dropcheck: "));
  EXPECT_THAT(outcome.err, HasSubstr(part));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
}

// --- bad input

struct BadInput {
  const char* name;
  std::vector<std::string> arguments;
  const char* message;
  friend void PrintTo(const BadInput& row, std::ostream* out) { *out << row.name; }
};

class BadArguments : public CommandLine, public ::testing::WithParamInterface<BadInput> {};

TEST_P(BadArguments, AreToldInOneSentenceWithExitCode4) {
  expect_usage_error(run(GetParam().arguments), GetParam().message);
  EXPECT_FALSE(fs::exists(folder_ / "out")) << "nothing was judged, so nothing is written";
}

INSTANTIATE_TEST_SUITE_P(
    Run, BadArguments,
    ::testing::Values(
        BadInput{"Backend",
                 {"--backend=nosuch"},
                 "backend 'nosuch' is not known: write one of reference[:STREAM], cpu"},
        BadInput{"BackendWithoutArgument", {"--backend=plugin"}, "is written plugin:PATH"},
        BadInput{"EmptyBackend", {"--backend=reference,,cpu"}, "backend '' is not known"},
        BadInput{"Check",
                 {"--backend=reference", "--check=mask_rate.nosuch"},
                 "no check matches 'mask_rate.nosuch': 'dropcheck list checks' shows their names"},
        BadInput{
            "Suite", {"--backend=reference", "--suite=nosuch"}, "suite 'nosuch' is not known: write one of"},
        BadInput{"Rival",
                 {"--backend=reference", "--suite=rival:nobody"},
                 "rival 'nobody' is not known: write one of pytorch_nn, pytorch_native, "},
        BadInput{"RivalsCheck",
                 {"--backend=reference", "--check=rival:tinygrad.nosuch"},
                 "no check matches 'rival:tinygrad.nosuch'"},
        BadInput{"Key",
                 {"--backend=reference", "--case=op=dropout,p=0.1,shap=4"},
                 "column 18: key 'shap' is not known"},
        BadInput{"DType",
                 {"--backend=reference", "--case=op=dropout,p=0.1,dtype=f12,shape=4"},
                 "dtype 'f12' is not known: write one of f64"},
        BadInput{"OverflowingShape",
                 {"--backend=reference", "--case=op=dropout,p=0.1,shape=4294967296x4294967296x4294967296"},
                 "write a smaller shape"},
        BadInput{"ExtentBeyond64Bits",
                 {"--backend=reference", "--case=op=dropout,p=0.1,shape=99999999999999999999"},
                 "cannot be read"},
        BadInput{"NanP",
                 {"--backend=reference", "--case=op=dropout,p=nan,shape=4"},
                 "is not a drop probability: write a number from 0 to 1"},
        BadInput{"NoCase", {"--backend=reference", "--case=rubbish"}, "--case: column 1"},
        BadInput{"Profile",
                 {"--backend=reference", "--profile=xyz"},
                 "profile 'xyz' is not known: write one of smoke, quick, standard"},
        BadInput{"Seed", {"--backend=reference", "--seed=zz"}, "--seed=zz cannot be read"},
        BadInput{"SeedBeyond64Bits", {"--backend=reference", "--seed=0x10000000000000000"}, "cannot be read"},
        BadInput{"Alpha", {"--backend=reference", "--alpha=0"}, "alpha=0 is no significance level"},
        BadInput{"Dialect", {"--backend=reference", "--dialect=xyz"}, "dialect 'xyz' is not known"},
        BadInput{"DialectFile",
                 {"--backend=reference", "--dialect=no.toml"},
                 "--dialect=no.toml: there is no such file"},
        BadInput{"CaseOutsideTheDialect",
                 {"--backend=reference", "--dialect=onnx-13", "--case=op=dropout,p=1,shape=4"},
                 "--case: dialect onnx-13: p = 1 is refused"},
        BadInput{"Threads", {"--backend=reference", "--threads=100000"}, "is too many"},
        BadInput{"Expect",
                 {"--backend=reference", "--expect=/no/such/file"},
                 "--expect: cannot read '/no/such/file'"},
        BadInput{"Option", {"--nonsense"}, "--nonsense"},
        BadInput{"CallTimeout", {"--backend=reference", "--call-timeout=0"}, "--call-timeout"},
        BadInput{"CallTimeoutNan", {"--backend=reference", "--call-timeout=nan"}, "--call-timeout"},
        BadInput{"MemoryLimit", {"--backend=reference", "--memory-limit=-1"}, "--memory-limit"},
        BadInput{"MemoryLimitText", {"--backend=reference", "--memory-limit=lots"}, "--memory-limit"},
        BadInput{"Color", {"--backend=reference", "--color=mauve"}, "--color"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST_F(CommandLine, AnUnwritableFolderIsAUsageError) {
  std::ofstream(folder_ / "a-file") << "in the way\n";
  expect_usage_error(dropcheck({"run", "--backend=reference", kSmallCase, "--out=a-file/below"}), "a-file");
  expect_usage_error(dropcheck({"run", "--backend=reference", kSmallCase, "--out=/proc/no/such/folder"}),
                     "/proc/no/such/folder");
}

TEST_F(CommandLine, AMalformedExpectationNamesFileAndLine) {
  std::ofstream(folder_ / "known.txt") << "# fine\ncpu mask_rate.drop_rate\n";
  expect_usage_error(run({"--backend=reference", kSmallCase, "--expect=known.txt"}),
                     "known.txt:2: write BACKEND CHECK CASE : reason and link");
}

TEST_F(CommandLine, WithoutASubcommandSaysHowToGetHelp) {
  expect_usage_error(dropcheck({}), "'dropcheck --help' shows the usage");
  expect_usage_error(dropcheck({"frobnicate"}), "--help");
}

struct BadPlugin {
  const char* name;
  const char* path;
  const char* fault;
  const char* message;
  friend void PrintTo(const BadPlugin& row, std::ostream* out) { *out << row.name; }
};

class BadPlugins : public CommandLine, public ::testing::WithParamInterface<BadPlugin> {};

TEST_P(BadPlugins, AreBackendFaultsWithExitCode11) {
  const BadPlugin& p = GetParam();
  for (const bool in_process : {false, true}) {
    const Outcome o = run({plugin(p.path, p.fault), kSmallCase, in_process ? "--in-process" : "--threads=1"});
    ASSERT_EQ(o.code, 11) << o.err;
    EXPECT_THAT(o.out + o.err, HasSubstr(p.message));
    EXPECT_EQ(footer().at("exit_code"), 11);
    EXPECT_EQ(footer().at("verdict"), "error");
    for (const Json& result : results()) EXPECT_NE(result.at("verdict"), "pass") << result.at("check");
  }
}

INSTANTIATE_TEST_SUITE_P(
    Files, BadPlugins,
    ::testing::Values(
        BadPlugin{"Missing", "/no/such/lib.so", "", "does not exist: name the file of a shared library"},
        BadPlugin{"NoPlugin", DROPCHECK_NOT_A_PLUGIN, "", "is no dropcheck plugin"},
        BadPlugin{"OtherAbi", DROPCHECK_OTHER_ABI_PLUGIN, "", "was built for ABI version 99.3"},
        BadPlugin{"ServesNobody", DROPCHECK_NULL_PLUGIN, "", "does not serve ABI version 1"},
        BadPlugin{"OpenFails", DROPCHECK_FAULTY_PLUGIN, "open_fails", "the licence server is on holiday"},
        BadPlugin{"OpenThrows", DROPCHECK_FAULTY_PLUGIN, "open_throws", "thrown by open"},
        BadPlugin{"FalseClaim", DROPCHECK_FAULTY_PLUGIN, "unknown_op_claim", "claims 'teleport'"},
        BadPlugin{"Garbage", DROPCHECK_FAULTY_PLUGIN, "garbage_shape", "a result of 77 dimensions"},
        BadPlugin{"BadStatus", DROPCHECK_FAULTY_PLUGIN, "bad_status", "unknown status 42"},
        BadPlugin{"Throws", DROPCHECK_FAULTY_PLUGIN, "throw", "thrown by forward"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST_F(CommandLine, AMissingPluginLosesNoOtherBackendsResults) {
  const Outcome o = run({"--backend=reference", plugin("/no/such/lib.so"), kSmallCase});
  EXPECT_EQ(o.code, 11);
  EXPECT_FALSE(results("reference").empty());
  for (const Json& result : results("reference")) EXPECT_EQ(result.at("verdict"), "pass") << result.dump();
}

TEST_F(CommandLine, AnAdapterOfADozenLinesIsJudgedAndPasses) {
  const Outcome outcome =
      run({std::string("--backend=exec:python3 ") + DROPCHECK_SOURCE_DIR + "/examples/adapters/minimal.py",
           "--profile=smoke"});
  EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("mask_rate"));
}

TEST_F(CommandLine, AnAdapterThatCannotBeStartedIsToldWithItsLastWords) {
  const Outcome outcome = run({"--backend=exec:echo no such luck >&2; exit 3"});
  EXPECT_EQ(outcome.code, 11);
  EXPECT_THAT(outcome.out + outcome.err, HasSubstr("no such luck"));
}

TEST_F(CommandLine, ACrashInOneRowOfTheChecklistCostsThatRowAlone) {
  const std::string spec = std::string("plugin:") + DROPCHECK_FAULTY_PLUGIN + "?crash_on_nan";
  const Outcome outcome = run({"--backend=" + spec, "--profile=quick", "--check=pytorch_semantics.row_1*"});
  EXPECT_EQ(outcome.code, 11);
  std::map<std::string, std::string> verdicts;
  for (const Json& result : results(spec)) verdicts[result.at("check")] = result.at("verdict");
  const auto verdict = [&](int row) { return verdicts["pytorch_semantics.row_" + std::to_string(row)]; };
  for (const int row : {14, 15, 17, 18, 19}) EXPECT_EQ(verdict(row), "error") << row;  // they hold NaN
  for (const int row : {1, 13}) EXPECT_EQ(verdict(row), "pass") << row;
  EXPECT_EQ(verdict(108), "unsupported");
}

TEST_F(CommandLine, APluginThatCrashesLosesNoOtherBackendsResults) {
  const std::vector<std::string> what = {"--profile=smoke", "--suite=pytorch_semantics"};
  ASSERT_EQ(run({"--backend=reference", what[0], what[1]}).code, 0);
  const auto alone = results("reference");
  ASSERT_FALSE(alone.empty());
  const std::string spec = std::string("plugin:") + DROPCHECK_FAULTY_PLUGIN + "?crash";
  const Outcome o = run({"--backend=reference," + spec, what[0], what[1]});
  EXPECT_EQ(o.code, 11) << o.err;
  EXPECT_EQ(results("reference"), alone);
  const auto crashed = results(spec);
  EXPECT_EQ(crashed.size(), alone.size()) << "one result a cell, whatever happened";
  bool told = false;
  for (const Json& result : crashed) {
    EXPECT_TRUE(result.at("verdict") == "error" || result.at("verdict") == "unsupported") << result.dump();
    told = told || result.at("message").get<std::string>().find("signal 6") != std::string::npos;
  }
  EXPECT_TRUE(told);
  EXPECT_EQ(footer().at("complete"), true);
}

TEST_F(CommandLine, AWriteBehindATensorFailsTheRun) {
  const Outcome o = run({plugin(DROPCHECK_FAULTY_PLUGIN, "write_past_end"), kSmallCase});
  EXPECT_EQ(o.code, 1);
  EXPECT_THAT(o.out, HasSubstr("writes past its bounds"));
}

// --- verdicts

TEST_F(CommandLine, ACorrectBackendExitsWith0AndWritesThreeFiles) {
  const Outcome o = run({"--backend=reference", "--profile=smoke", "--suite=pytorch_semantics"});
  EXPECT_EQ(o.code, 0) << o.out << o.err;
  for (const char* name : {"results.jsonl", "report.md", "junit.xml"})
    EXPECT_TRUE(fs::exists(folder_ / "out" / name)) << name;
  EXPECT_EQ(footer().at("exit_code"), 0);
  EXPECT_EQ(footer().at("complete"), true);
}

class CleanExamples : public CommandLine, public ::testing::WithParamInterface<const char*> {};

TEST_P(CleanExamples, ExitWith0OnTheSmokeProfile) {
  const Outcome o = run({plugin(GetParam()), "--profile=smoke"});
  EXPECT_EQ(o.code, 0) << o.out;
}

INSTANTIATE_TEST_SUITE_P(Plugins, CleanExamples,
                         ::testing::Values(DROPCHECK_MINIMAL_C, DROPCHECK_MINIMAL_CPP),
                         [](const auto& row) { return std::filesystem::path(row.param).stem().string(); });

TEST_F(CommandLine, NothingComparedExitsWith5) {
  const Outcome o = run({"--backend=cpu", "--case=op=dropout,p=0.1,dtype=i64,shape=8"});
  EXPECT_EQ(o.code, 5) << o.out << o.err;
  EXPECT_THAT(o.out, HasSubstr("no check compared anything"));
}

TEST_F(CommandLine, TheSameResultsWithOneThreadAndWithTwo) {
  std::vector<std::vector<std::string>> files;
  for (const char* threads : {"--threads=1", "--threads=2"}) {
    ASSERT_EQ(run({"--backend=reference", "--profile=smoke", threads}).code, 0);
    std::vector<std::string> lines;
    std::istringstream text(text_of(folder_ / "out" / "results.jsonl"));
    for (std::string line; std::getline(text, line);)
      if (Json::parse(line).at("record") != "environment") lines.push_back(line);
    files.push_back(std::move(lines));
  }
  EXPECT_GT(files[0].size(), 100u);
  EXPECT_EQ(files[0], files[1]);
}

TEST_F(CommandLine, ASeedChangesTheDataAndIsWrittenDown) {
  ASSERT_EQ(run({"--backend=reference", "--profile=smoke", "--check=mask_rate.drop_rate", "--seed=7"}).code,
            0);
  const auto first = results();
  EXPECT_EQ(records_of(folder_ / "out" / "results.jsonl").at(0).at("master_seed"), "0x7");
  ASSERT_EQ(run({"--backend=reference", "--profile=smoke", "--check=mask_rate.drop_rate", "--seed=0x7"}).code,
            0);
  EXPECT_EQ(results(), first);
  ASSERT_EQ(run({"--backend=reference", "--profile=smoke", "--check=mask_rate.drop_rate", "--seed=8"}).code,
            0);
  EXPECT_NE(results(), first);
}

struct Defect {
  const char* mutant;
  const char* check;
  friend void PrintTo(const Defect& row, std::ostream* out) { *out << row.mutant << " " << row.check; }
};

class ReproLines : public CommandLine, public ::testing::WithParamInterface<Defect> {};

TEST_P(ReproLines, FailAgainWithTheSameCheck) {
  const Defect& d = GetParam();
  const std::string backend = std::string("--backend=mutant:") + d.mutant;
  ASSERT_EQ(run({backend, "--profile=smoke", std::string("--check=") + d.check}).code, 1);
  std::string repro;
  for (const Json& result : results())
    if (repro.empty() && result.at("verdict") == "fail") repro = result.at("repro");
  ASSERT_THAT(repro, StartsWith("dropcheck run "));
  const std::string command = "cd '" + folder_.string() + "' && '" + DROPCHECK_PROGRAM + "'" +
                              repro.substr(std::string("dropcheck").size()) + " --out=again >again.txt 2>&1";
  const int status = std::system(command.c_str());
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 1) << repro << "\n" << text_of(folder_ / "again.txt");
  std::uint64_t failed = 0;
  for (const Json& record : records_of(folder_ / "again" / "results.jsonl")) {
    if (record.at("record") != "result") continue;
    EXPECT_THAT(repro, HasSubstr("--check=" + record.at("check").get<std::string>()));
    failed += record.at("verdict") == "fail" ? 1 : 0;
  }
  EXPECT_EQ(failed, 1u) << repro;
}

INSTANTIATE_TEST_SUITE_P(Mutants, ReproLines,
                         ::testing::Values(Defect{"swapped", "mask_rate.drop_rate"},
                                           Defect{"scale_in_eval", "pytorch_semantics.eval_identity"},
                                           Defect{"scale_in_eval", "pytorch_semantics.random_problems"},
                                           Defect{"row_key", "channel_correlation.axes"}));

TEST_F(CommandLine, AKnownFailureIsExpectedAndAnUnexpectedPassIsNot) {
  std::ofstream(folder_ / "known.txt")
      << "# known\nmutant:scale_missing unbiasedness.kept_value * : no scale, https://example.org/1\n";
  const Outcome known = run({"--backend=mutant:scale_missing", "--check=unbiasedness.kept_value", kSmallCase,
                             "--expect=known.txt"});
  EXPECT_EQ(known.code, 0) << known.out;
  for (const Json& result : results()) EXPECT_EQ(result.at("verdict"), "expected_fail");
  std::ofstream(folder_ / "stale.txt") << "reference unbiasedness.kept_value * : fixed long ago\n";
  const Outcome stale =
      run({"--backend=reference", "--check=unbiasedness.kept_value", kSmallCase, "--expect=stale.txt"});
  EXPECT_EQ(stale.code, 1);
  EXPECT_THAT(stale.out, HasSubstr("delete line 1 of stale.txt"));
}

TEST_F(CommandLine, FailFastStopsAtTheFirstFailure) {
  const std::vector<std::string> all = {"--backend=mutant:scale_missing", "--profile=smoke",
                                        "--suite=unbiasedness"};
  ASSERT_EQ(run(all).code, 1);
  const auto failures = [&] {
    const auto list = results();
    return std::count_if(list.begin(), list.end(), [](const Json& r) { return r.at("verdict") == "fail"; });
  };
  ASSERT_GT(failures(), 1);
  auto fast = all;
  fast.emplace_back("--fail-fast");
  EXPECT_EQ(run(fast).code, 1);
  EXPECT_EQ(failures(), 1);
  EXPECT_EQ(footer().at("complete"), false);
}

TEST_F(CommandLine, PursueAlwaysLeavesNoSuspicionOpenBesideAFailure) {
  // The rate of 8 bits is grossly wrong at some p and a little at others: suspicious beside failures.
  std::vector<std::string> arguments = {"--backend=mutant:threshold8", "--profile=smoke",
                                        "--check=mask_rate.*"};
  const auto unpursued = [&] {
    const auto list = results();
    return std::count_if(list.begin(), list.end(), [](const Json& r) {
      return r.at("message").get<std::string>().find("not pursued") != std::string::npos;
    });
  };
  ASSERT_EQ(run(arguments).code, 1);
  ASSERT_GT(unpursued(), 0);
  arguments.emplace_back("--pursue-always");
  EXPECT_EQ(run(arguments).code, 1);
  EXPECT_EQ(unpursued(), 0);
}

// --- Ctrl-C

/// Processes whose arguments hold this text.
std::vector<std::string> processes_with(const std::string& text) {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (text_of(entry.path() / "cmdline").find(text) != std::string::npos) found.push_back(name);
  }
  return found;
}

TEST_F(CommandLine, CtrlCKeepsWhatWasDoneAndLeavesNoWorkerBehind) {
  const fs::path own = folder_ / "interrupted_plugin.so";  // a name that no other process has
  fs::copy_file(DROPCHECK_FAULTY_PLUGIN, own);
  const pid_t pid = start({"run", plugin(own.string()), "--profile=quick", "--threads=2", "--out=out"});
  bool seen = false;
  for (int i = 0; i < 6000 && !seen; ++i) {
    seen = text_of(folder_ / "out" / "results.jsonl").find("\"record\":\"result\"") != std::string::npos;
    if (!seen) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_TRUE(seen);
  EXPECT_FALSE(processes_with(own.string()).empty());
  kill(pid, SIGINT);
  const Outcome o = finish(pid);
  EXPECT_EQ(o.code, 2) << o.out << o.err;
  EXPECT_EQ(footer().at("record"), "footer");
  EXPECT_EQ(footer().at("complete"), false);
  EXPECT_EQ(footer().at("exit_code"), 2);
  EXPECT_FALSE(results().empty());
  EXPECT_TRUE(fs::exists(folder_ / "out" / "report.md"));
  for (int i = 0; i < 1000 && !processes_with(own.string()).empty(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_THAT(processes_with(own.string()), ::testing::IsEmpty());
}

// --- the other subcommands

TEST_F(CommandLine, VersionIsTold) {
  const Outcome o = dropcheck({"--version"});
  EXPECT_EQ(o.code, 0);
  EXPECT_THAT(o.out, StartsWith("dropcheck " DROPCHECK_VERSION));
}

TEST_F(CommandLine, HelpNamesEverySubcommandButTheWorkers) {
  const Outcome o = dropcheck({"--help"});
  EXPECT_EQ(o.code, 0);
  for (const char* command : {"run", "list", "explain", "plan", "report", "doctor"})
    EXPECT_THAT(o.out, HasSubstr(std::string("\n  ") + command));
  EXPECT_THAT(o.out, Not(HasSubstr("\n  worker")));
}

TEST_F(CommandLine, ListShowsWhatThereIs) {
  EXPECT_THAT(dropcheck({"list", "backends"}).out, HasSubstr("mutant:swapped"));
  EXPECT_THAT(dropcheck({"list", "checks"}).out, HasSubstr("gradient_consistency.same_mask"));
  EXPECT_THAT(dropcheck({"list", "suites"}).out, HasSubstr("seed_determinism"));
  EXPECT_THAT(dropcheck({"list", "cases", "--profile=smoke"}).out, HasSubstr("op=dropout,p=0.5,"));
  expect_usage_error(dropcheck({"list", "wishes"}), "wishes");
  expect_usage_error(dropcheck({"list", "cases", "--profile=xyz"}), "profile 'xyz' is not known");
}

TEST_F(CommandLine, ListIsJsonWhereAScriptWantsIt) {
  for (const char* what : {"backends", "checks", "suites", "cases"}) {
    const Outcome o = dropcheck({"list", what, "--json"});
    EXPECT_EQ(o.code, 0);
    const Json list = Json::parse(o.out, nullptr, false);
    ASSERT_TRUE(list.is_array()) << what;
    ASSERT_FALSE(list.empty()) << what;
    EXPECT_TRUE(list[0].at("name").is_string() && list[0].at("text").is_string());
  }
}

TEST_F(CommandLine, ExplainSaysWhatACheckCatchesAndWhatItCannotSee) {
  const Json checks = Json::parse(dropcheck({"list", "checks", "--json"}).out);
  for (const Json& check : checks) {
    const Outcome o = dropcheck({"explain", check.at("name")});
    EXPECT_EQ(o.code, 0);
    EXPECT_THAT(o.out, HasSubstr("catches"));
    EXPECT_THAT(o.out, HasSubstr("cannot see"));
  }
  EXPECT_THAT(dropcheck({"explain", "mask_rate.drop_rate"}).out, HasSubstr("mutant:swapped"));
  expect_usage_error(dropcheck({"explain", "mask_rate.nosuch"}), "'dropcheck list checks' shows their names");
}

TEST_F(CommandLine, PlanShowsSamplesAndBudgetWithoutJudging) {
  const Outcome o = dropcheck({"plan", "--backend=reference", "--profile=smoke"});
  EXPECT_EQ(o.code, 0);
  for (const char* part : {"false-alarm budget", "of 1e-06", "catches", "mask entries", "judging included"})
    EXPECT_THAT(o.out, HasSubstr(part));
  const Json plan = Json::parse(dropcheck({"plan", "--backend=reference", "--profile=smoke", "--json"}).out,
                                nullptr, false);
  ASSERT_TRUE(plan.is_object());
  double spent = 0;
  for (const Json& sample : plan.at("samples"))
    for (const Json& check : sample.at("checks"))
      spent += check.at("alpha").get<double>() * check.at("hypotheses").get<double>();
  EXPECT_GT(spent, 0);
  EXPECT_LE(spent, 0.8e-6 * (1 + 1e-9));
  EXPECT_LE(plan.at("elements").get<double>(), 1e7);
  EXPECT_FALSE(fs::exists(folder_ / "dropcheck-out"));
  expect_usage_error(dropcheck({"plan", "--backend=nosuch"}), "backend 'nosuch' is not known");
}

// --- the tests of others

TEST_F(CommandLine, ARivalsFailureIsToldAndDecidesNothing) {
  const Outcome o = run({"--backend=mutant:threshold8,cpu", "--suite=rival:tinygrad,rival:mlpack"});
  EXPECT_EQ(o.code, 0) << o.err;
  EXPECT_THAT(o.out, HasSubstr("FAIL mutant:threshold8 rival:tinygrad.count"));
  EXPECT_THAT(o.out, HasSubstr("(a rival's verdict: decides nothing)"));
  EXPECT_THAT(o.out, HasSubstr("NOTHING DECIDED: mutant:threshold8: "));
  EXPECT_THAT(o.out, Not(HasSubstr("PASS")));
  EXPECT_THAT(text_of(folder_ / "out" / "report.md"),
              HasSubstr("a rival's test: its verdict is its own and decides nothing"));
  std::size_t failed = 0;
  for (const Json& result : results("mutant:threshold8")) {
    EXPECT_EQ(result.at("level"), "recommended");
    EXPECT_THAT(result.at("check").get<std::string>(), StartsWith("rival:"));
    if (result.at("verdict") != "fail") continue;
    ++failed;
    EXPECT_THAT(result.at("repro").get<std::string>(), HasSubstr("--check=rival:"));
  }
  EXPECT_GT(failed, 0u);
  EXPECT_EQ(footer().at("verdict"), "pass");
  EXPECT_EQ(footer().at("exit_code"), 0);
}

TEST_F(CommandLine, ARivalBesideOursChangesNeitherVerdictNorShares) {
  const auto ours = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--backend=mutant:threshold8", "--profile=smoke"});
    EXPECT_EQ(run(arguments).code, 1);
    std::vector<Json> kept;
    for (Json result : results())
      if (!result.at("check").get<std::string>().starts_with("rival:")) kept.push_back(std::move(result));
    return kept;
  };
  EXPECT_EQ(ours({"--suite=mask_rate"}), ours({"--suite=mask_rate,rival:mlx"}));
}

TEST_F(CommandLine, RivalsAreThereOnlyForWhoNamesThem) {
  const Outcome listed = dropcheck({"list", "rivals"});
  EXPECT_EQ(listed.code, 0);
  for (const char* part : {"rival:xformers", "a205b24e", "rival:tinygrad", "rival:flaggems"})
    EXPECT_THAT(listed.out, HasSubstr(part));
  for (const char* what : {"checks", "suites"})
    EXPECT_THAT(dropcheck({"list", what}).out, Not(HasSubstr("rival:"))) << what;
  EXPECT_THAT(dropcheck({"plan", "--backend=reference", "--json"}).out, Not(HasSubstr("rival:")));
  const Outcome planned = dropcheck({"plan", "--backend=reference", "--suite=rival:xformers", "--json"});
  EXPECT_THAT(planned.out, HasSubstr("rival:xformers.rate_by_place"));
  EXPECT_THAT(planned.out, Not(HasSubstr("mask_rate")));
  EXPECT_THAT(dropcheck({"explain", "rival:xformers.pooled_rate"}).out, HasSubstr("test_mem_eff_attention"));
}

TEST_F(CommandLine, DoctorSaysWhatWorks) {
  const Outcome o = dropcheck({"doctor"});
  EXPECT_EQ(o.code, 0);
  EXPECT_THAT(o.out, HasSubstr("backend reference"));
  EXPECT_THAT(o.out, HasSubstr("libtorch"));
  const Json findings = Json::parse(dropcheck({"doctor", "--json"}).out, nullptr, false);
  ASSERT_TRUE(findings.is_object());
  for (const Json& finding : findings.at("findings")) {
    const std::string what = finding.at("what");
    if (what == "backend reference" || what == "backend cpu") {
      EXPECT_EQ(finding.at("works"), true) << what;
    }
    EXPECT_FALSE(finding.at("text").get<std::string>().empty()) << what;
  }
}

TEST_F(CommandLine, ReportWritesTheSameReportsAgain) {
  ASSERT_EQ(run({"--backend=mutant:scale_missing", kSmallCase}).code, 1);
  const std::string markdown = text_of(folder_ / "out" / "report.md"),
                    junit = text_of(folder_ / "out" / "junit.xml");
  ASSERT_FALSE(markdown.empty());
  const Outcome o = dropcheck({"report", "out/results.jsonl", "--out=again"});
  EXPECT_EQ(o.code, 0) << o.err;
  EXPECT_EQ(text_of(folder_ / "again" / "report.md"), markdown);
  EXPECT_EQ(text_of(folder_ / "again" / "junit.xml"), junit);
}

TEST_F(CommandLine, ReportRefusesATruncatedFileWhereverItWasCut) {
  ASSERT_EQ(run({"--backend=reference", kSmallCase}).code, 0);
  const std::string whole = text_of(folder_ / "out" / "results.jsonl");
  std::vector<std::size_t> cuts = {0,
                                   1,
                                   whole.size() / 3,
                                   whole.size() / 2,
                                   whole.rfind("\n{\"record\":\"footer\"") + 1,
                                   whole.size() - 3};
  for (const std::size_t cut : cuts) {
    std::ofstream(folder_ / "cut.jsonl", std::ios::binary) << whole.substr(0, cut);
    expect_usage_error(dropcheck({"report", "cut.jsonl", "--out=again"}), "cut.jsonl");
    EXPECT_FALSE(fs::exists(folder_ / "again" / "report.md")) << "cut at " << cut;
  }
  expect_usage_error(dropcheck({"report", "nosuch.jsonl"}), "nosuch.jsonl");
  std::ofstream(folder_ / "rubbish.jsonl") << "this is no result\n";
  expect_usage_error(dropcheck({"report", "rubbish.jsonl"}), "rubbish.jsonl");
}

// --- dialects

/// A dialect of a user: PyTorch's, but that dropped elements are the constant 0.
constexpr const char* kOwnDialect = R"(name = "selecting"
title = "a dialect of a user"
frameworks = []
p_domain = {value = "[0, 1]", type = "f64", source = "a test"}
bad_p = {value = "refused", source = "a test"}
p_one = {value = "zeros", source = "a test"}
scale = {value = "1/q", source = "a test"}
roundings = {value = "any", source = "a test"}
eval = {value = "identity", source = "a test"}
dropped = {value = "select", source = "a test"}
seed = {value = "stream", zero = "a seed", source = "a test"}
gradient = {value = "as forward", source = "a test"}
resolution = {f64 = 0.01, f32 = 0.01, f16 = 0.01, bf16 = 0.01, source = "a test"}
)";

TEST_F(CommandLine, AUsersOwnDialectDecidesAndIsReported) {
  std::ofstream(folder_ / "own.toml") << kOwnDialect;
  const std::vector<std::string> filter = {"--backend=reference", "--profile=smoke",
                                           "--check=pytorch_semantics.dropped_values"};
  EXPECT_EQ(run(filter).code, 0) << "the reference multiplies, as PyTorch does";
  std::vector<std::string> own = filter;
  own.push_back("--dialect=own.toml");
  const Outcome o = run(own);
  EXPECT_EQ(o.code, 1) << o.out << o.err;
  EXPECT_THAT(o.out,
              HasSubstr("dialect own.toml: lets pass what PyTorch would not do on 3 of 12 axes: roundings, "
                        "dropped elements, resolution of p\n"));
  ASSERT_EQ(results().size(), 1u);
  const Json result = results()[0];
  EXPECT_THAT(result.at("message").get<std::string>(), HasSubstr("a dropped element is +0"));
  EXPECT_THAT(result.at("repro").get<std::string>(), HasSubstr(" --dialect=own.toml "));
  const Json header = records_of(folder_ / "out" / "results.jsonl").front();
  EXPECT_EQ(header.at("dialect"), "own.toml");
  ASSERT_EQ(header.at("dialect_rules").size(), 12u);
  EXPECT_EQ(header.at("dialect_rules")[7].at("axis"), "dropped elements");
  EXPECT_NE(header.at("dialect_rules")[7].at("allows"), "");
  EXPECT_THAT(text_of(folder_ / "out" / "report.md"), HasSubstr("## Dialect `own.toml`"));
}

TEST_F(CommandLine, AMalformedDialectIsAUsageErrorWithItsLine) {
  std::string text = kOwnDialect;
  std::ofstream(folder_ / "bad.toml") << text.replace(text.find("select\""), 7, "choose\"");
  for (const char* command : {"run", "plan", "overhead"})
    expect_usage_error(dropcheck({command, "--backend=reference", kSmallCase, "--dialect=bad.toml"}),
                       "bad.toml, line 10: value = \"choose\" in [dropped] is not known");
  expect_usage_error(dropcheck({"list", "checks", "--dialect=bad.toml"}), "bad.toml, line 10");
  expect_usage_error(dropcheck({"explain", "mask_rate.drop_rate", "--dialect=bad.toml"}),
                     "bad.toml, line 10");
}

TEST_F(CommandLine, ListShowsDialectsAndRoundings) {
  const Outcome dialects = dropcheck({"list", "dialects"});
  EXPECT_EQ(dialects.code, 0) << dialects.err;
  std::vector<std::string> names;
  std::istringstream lines(dialects.out);
  for (std::string line; std::getline(lines, line);) names.push_back(line.substr(0, line.find(' ')));
  EXPECT_THAT(names, ::testing::IsSupersetOf({"pytorch", "onnx-13", "keras3", "jax-flax", "tensorflow",
                                              "paddle-upscale", "paddle-downscale", "dlib"}));
  EXPECT_THAT(dialects.out, HasSubstr("ONNX operator Dropout, version 13 (fits ONNX Runtime); "));
  EXPECT_THAT(dropcheck({"list", "roundings"}).out, HasSubstr("wide_quotient_of_float_q"));
}

TEST_F(CommandLine, ExplainAndPlanStandUnderTheDialect) {
  EXPECT_THAT(dropcheck({"explain", "pytorch_semantics.eval_identity", "--dialect=dlib"}).out,
              HasSubstr("not tried   dialect dlib: there is no eval mode"));
  EXPECT_THAT(dropcheck({"explain", "pytorch_semantics.eval_identity"}).out, Not(HasSubstr("not tried")));
  const auto hash = [&](const std::string& dialect) {
    return Json::parse(dropcheck({"plan", "--backend=reference", "--profile=smoke", "--check=mask_rate.*",
                                  "--json", "--dialect=" + dialect})
                           .out)
        .at("plan_hash")
        .get<std::string>();
  };
  EXPECT_NE(hash("keras3"), hash("pytorch"));
  EXPECT_EQ(hash("keras3"), hash("keras3"));
}

}  // namespace
