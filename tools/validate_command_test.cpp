// The real program on real adapters: honest ones pass, and each broken one is told its fault.
#include <gmock/gmock.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>
#include <thread>

#include "harness/run/repro.hpp"
#include "tools/adapter_exchanges.hpp"
#include "tools/testing/program.hpp"

namespace dropcheck::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAreArray;
namespace fs = std::filesystem;

const std::string kSource = DROPCHECK_SOURCE_DIR;

Ran validate(const std::string& adapter, const std::vector<std::string>& options = {"--json"}) {
  std::string command = shell_word(DROPCHECK_PROGRAM) + " validate-adapter " + shell_word(adapter);
  for (const std::string& option : options) command += " " + option;
  return ran(command);
}

struct Report {
  int code = -1;
  std::string verdict;
  std::set<std::string> wrong, warned, skipped, not_tried, not_claimed;
  std::map<std::string, std::string> texts;
};

Report report_on(const std::string& adapter, std::vector<std::string> options = {}) {
  options.push_back("--json");
  const Ran outcome = validate(adapter, options);
  const Json json = Json::parse(outcome.out, nullptr, false);
  Report report;
  report.code = outcome.code;
  if (json.is_discarded()) {
    ADD_FAILURE() << "no JSON: " << outcome.out;
    return report;
  }
  EXPECT_EQ(json.at("exit_code"), outcome.code);
  report.verdict = json.at("verdict");
  for (const Json& exchange : json.at("exchanges")) {
    const std::string name = exchange.at("name"), word = exchange.at("outcome");
    if (word == "wrong") report.wrong.insert(name);
    // How long a program takes to end is the machine's business here.
    const bool slow = exchange.at("text").get<std::string>().starts_with("it takes ");
    if (word == "warning" && !slow) report.warned.insert(name);
    if (word == "skipped") report.skipped.insert(name);
    if (word == "not tried") report.not_tried.insert(name);
    if (word == "not claimed") report.not_claimed.insert(name);
    report.texts[name] = exchange.at("text");
  }
  return report;
}

// --- the table

TEST(Exchanges, AreAtLeastFortyAndEachSaysWhatItIs) {
  std::set<std::string_view> before;
  for (const Exchange& e : all_exchanges()) {
    for (const std::string_view text : {e.name, e.asks, e.holds, e.fix})
      EXPECT_THAT(text, Not(IsEmpty())) << e.name;
    for (const std::string_view need : e.needs)
      EXPECT_TRUE(before.contains(need)) << e.name << " needs " << need;
    EXPECT_TRUE(before.insert(e.name).second) << e.name << " stands there twice";
  }
  EXPECT_GE(before.size(), 40u);
}

TEST(Exchanges, StandInTheirDocument) {
  const std::string page = text_of(kSource + "/docs/writing_an_adapter.md");
  for (const Exchange& e : all_exchanges()) EXPECT_THAT(page, HasSubstr(fmt::format("`{}`", e.name)));
  EXPECT_THAT(page, HasSubstr(fmt::format("tries {} exchanges", all_exchanges().size())));
}

// --- honest adapters

struct Honest {
  const char* name;
  std::string command;
  int code = 0;
  std::set<std::string> warned = {};  // allowed by the protocol's letter
  friend void PrintTo(const Honest& row, std::ostream* out) { *out << row.name; }
};

class HonestAdapters : public ::testing::TestWithParam<Honest> {};

TEST_P(HonestAdapters, Pass) {
  if (GetParam().command.starts_with("node ") && ran("node --version").code != 0)
    GTEST_SKIP() << "there is no node on the search path";
  const Report report = report_on(GetParam().command);
  EXPECT_EQ(report.code, 0) << report.verdict;
  EXPECT_THAT(report.wrong, IsEmpty());
  EXPECT_THAT(report.skipped, IsEmpty());
  EXPECT_THAT(report.not_tried, IsEmpty());
  EXPECT_THAT(report.warned, UnorderedElementsAreArray(GetParam().warned));
  EXPECT_THAT(report.verdict, HasSubstr("now judge its kernel: dropcheck run --backend="));
}

std::string python(const std::string& path) { return "python3 " + shell_word(kSource + path); }
std::string node(const std::string& path) { return "node " + shell_word(kSource + path); }

INSTANTIATE_TEST_SUITE_P(Examples, HonestAdapters,
                         ::testing::Values(
                             // A dozen lines have one answer for all that they refuse, and take any version.
                             Honest{"MinimalPython",
                                    python("/examples/adapters/minimal.py"),
                                    0,
                                    {"start.other_version", "command.unknown"}},
                             Honest{"MinimalNode",
                                    node("/examples/adapters/minimal.mjs"),
                                    0,
                                    {"start.other_version", "command.unknown"}},
                             Honest{"HelperInPython", python("/examples/adapters/with_sdk.py")},
                             Honest{"HelperInNode", node("/examples/adapters/with_sdk.mjs")},
                             Honest{"WithoutAFault", python("/tools/testing/broken_adapters/honest.py")}),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(HonestAdapter, InCppPasses) {
  const TemporaryFolder folder;
  const std::string program = (folder.path() / "with_sdk").string();
  const Ran compiled =
      ran(fmt::format("{} -std=c++17 -I {} {} -o {}", DROPCHECK_CXX, shell_word(kSource),
                      shell_word(kSource + "/examples/adapters/with_sdk.cpp"), shell_word(program)));
  ASSERT_EQ(compiled.code, 0) << compiled.out;
  const Report report = report_on(shell_word(program));
  EXPECT_EQ(report.code, 0) << report.verdict;
  EXPECT_THAT(report.warned, IsEmpty());
}

TEST(HonestAdapter, IsToldOneLineAnExchangeAndAVerdict) {
  const Ran outcome = validate(python("/examples/adapters/with_sdk.py"), {});
  EXPECT_EQ(outcome.code, 0);
  for (const Exchange& exchange : all_exchanges())
    EXPECT_THAT(outcome.out, HasSubstr(std::string(exchange.name)));
  EXPECT_THAT(outcome.out, HasSubstr("\nPASS: "));
  EXPECT_THAT(outcome.out, HasSubstr("MiB/s"));
}

// --- broken adapters

struct Broken {
  const char* program;
  int code;
  std::set<std::string> faults;  // exchanges that name it; no others may
  const char* words;             // of the first of them
  std::vector<std::string> options = {};
  friend void PrintTo(const Broken& row, std::ostream* out) { *out << row.program; }
};

class BrokenAdapters : public ::testing::TestWithParam<Broken> {};

TEST_P(BrokenAdapters, AreToldTheirFaultAndNothingElse) {
  const Broken& broken = GetParam();
  const Report report = report_on(
      python(std::string("/tools/testing/broken_adapters/") + broken.program + ".py"), broken.options);
  EXPECT_EQ(report.code, broken.code) << report.verdict;
  std::set<std::string> told = report.wrong;
  told.insert(report.warned.begin(), report.warned.end());
  EXPECT_THAT(told, UnorderedElementsAreArray(broken.faults));
  EXPECT_THAT(report.skipped, IsEmpty());
  EXPECT_THAT(report.texts.at(*broken.faults.begin()), HasSubstr(broken.words));
  EXPECT_THAT(report.verdict, HasSubstr(broken.code == 0 ? "PASS" : *broken.faults.begin()));
}

INSTANTIATE_TEST_SUITE_P(
    Faults, BrokenAdapters,
    ::testing::Values(
        Broken{"ignores_seed", 1, {"seed.same"}, "two runs with seed 12345 differ"},
        Broken{"same_mask_always", 1, {"seed.other"}, "seeds 0 and 1 give the same mask"},
        Broken{"reseeds_every_call", 1, {"seed.continues"}, "two runs without a seed repeat"},
        Broken{"seeds_of_53_bits", 1, {"seed.exact"}, "rounded to 53 bits"},
        Broken{"seeds_of_32_bits", 1, {"seed.high_bits"}, "seeds 5 and 5 + 2^32 give the same mask"},
        Broken{"seeds_by_hash", 1, {"process.seed"}, "another mask in another process"},
        Broken{"big_endian", 1, {"run.byte_order"}, "read and written big-endian"},
        Broken{"big_endian_output", 1, {"run.byte_order"}, "they are written big-endian"},
        Broken{"column_major", 1, {"run.element_order"}, "column-major order"},
        Broken{"float64_for_float32",
               11,
               {"run.dtype"},
               "announced as \"f64\" where f32 was asked for, and its bytes are f64"},
        Broken{"float64_called_float32", 11, {"run.dtype"}, "the bytes of y are f64 where f32 was asked for"},
        Broken{"wrong_shape", 11, {"run.shape"}, "has the shape [12] where [3,4] was asked for"},
        Broken{"prints_between_frames", 0, {"output.stray"}, "dropping with p = "},
        Broken{"prints_inside_frames", 11, {"run.frame"}, "something was printed inside"},
        Broken{"half_frames", 11, {"run.frame"}, "24 of the 48 bytes of its reply had come", {"--timeout=2"}},
        Broken{"no_nbytes", 11, {"run.frame"}, "says no 'nbytes'"},
        Broken{"counts_seq_itself", 11, {"seq.repeated"}, "instead of 1000003"},
        Broken{"wrong_seq", 11, {"start.reply"}, "it replies to seq 1 instead of 0"},
        Broken{"dies_on_unknown_cmd", 11, {"command.unknown"}, "what is frobnicate?"},
        Broken{"leaves_unknown_bytes", 11, {"command.unknown_bytes"}, "the program exited with status 1"},
        Broken{"dies_on_nan", 11, {"p.nan"}, "p must be a number"},
        Broken{"keep_probability", 1, {"p.zero"}, "every element is 0"},
        Broken{"drops_in_evaluation", 1, {"eval.identity"}, "elements are 0, the others are multiplied by 2"},
        Broken{"packs_high_bit_first", 1, {"packed.agrees"}, "packed most significant first"},
        Broken{"dirty_padding", 1, {"packed.padding"}, "bits behind the last one are set"},
        Broken{"inverted_mask", 1, {"mask.agrees", "packed.agrees"}, "inverted: 1 stands for dropped"},
        Broken{"last_gradient", 1, {"backward.two"}, "dx of the first call has the mask of the second"},
        Broken{"runs_after_stop", 1, {"end.stop"}, "the program still runs after"},
        Broken{"leaves_a_process", 0, {"end.input", "end.stop"}, "leaves processes behind: sleep"},
        Broken{"floods_standard_error", 0, {"output.errors"}, "dropping an element"},
        Broken{"reads_once", 11, {"shape.large"}, "the program exited with status 1"},
        Broken{"misspelt_claim", 0, {"start.members"}, "\"dtype\""},
        Broken{"unknown_claim", 11, {"start.claims"}, "claims 'float32' among its dtypes"}),
    [](const auto& row) { return std::string(row.param.program); });

// --- programs that are no adapters

struct Hostile {
  const char* name;
  const char* command;
  friend void PrintTo(const Hostile& row, std::ostream* out) { *out << row.name; }
};

class HostilePrograms : public ::testing::TestWithParam<Hostile> {};

TEST_P(HostilePrograms, EndWithExitCode11AndASentence) {
  const Report report = report_on(GetParam().command, {"--timeout=0.3"});
  EXPECT_EQ(report.code, 11) << report.verdict;
  EXPECT_TRUE(report.wrong.contains("start.reply") || report.wrong.contains("start.claims"))
      << report.verdict;
  EXPECT_THAT(report.verdict, HasSubstr("ERROR: 1 exchange is wrong"));
}

INSTANTIATE_TEST_SUITE_P(
    Programs, HostilePrograms,
    ::testing::Values(
        Hostile{"Missing", "/no/such/program"}, Hostile{"EndsAtOnce", "exit 0"},
        Hostile{"Sleeps", "sleep 1000"}, Hostile{"FloodsLines", "yes"},
        Hostile{"FloodsBytes", "cat /dev/urandom"}, Hostile{"FloodsZeros", "cat /dev/zero"},
        Hostile{"FloodsStandardError", "yes >&2"}, Hostile{"IgnoresSignals", "trap '' TERM INT; sleep 1000"},
        Hostile{"HugeFrame", R"(printf '{"seq":0,"nbytes":4611686018427387904}\n'; sleep 1000)"},
        Hostile{"Nothing", R"(printf '{"seq":0}\n'; sleep 1000)"},
        Hostile{"NoObject", R"(printf '["seq"]\n'; sleep 1000)"},
        Hostile{"NullMembers", R"(printf '{"seq":0,"version":1,"name":null}\n'; sleep 1000)"},
        Hostile{"Deep",
                R"(printf '{"seq":0,"a":'; head -c 200000 /dev/zero | tr '\0' '['; echo; sleep 1000)"},
        Hostile{"Echoes", "cat"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(HostileProgram, ThatAnswersOnlyStartIsToldSo) {
  const Report report = report_on(
      R"(read line; printf '{"seq":0,"version":1,"name":"x"}\n'; read line; exit 3)", {"--timeout=3"});
  EXPECT_EQ(report.code, 11);
  EXPECT_THAT(report.wrong, ::testing::Contains("run.frame"));
  EXPECT_THAT(report.texts.at("run.frame"), HasSubstr("exited with status 3"));
}

TEST(HostileProgram, ThatSkipsEverythingIsNoPass) {
  const Report report = report_on(python("/tools/testing/broken_adapters/skips_everything.py"));
  EXPECT_EQ(report.code, 5);
  EXPECT_THAT(report.skipped, ::testing::ElementsAre("run.frame"));
  EXPECT_THAT(report.texts.at("run.frame"), HasSubstr("on holiday"));
  EXPECT_THAT(report.verdict, ::testing::StartsWith("NOTHING COMPARED"));
}

// --- the command itself

TEST(ValidateCommand, RefusesWhatIsNoCommandAndNoTime) {
  for (const std::string arguments :
       {"validate-adapter", "validate-adapter ' '", "validate-adapter cat --timeout=0",
        "validate-adapter cat --timeout=nan", "validate-adapter cat --nonsense"}) {
    const Ran outcome = ran(shell_word(DROPCHECK_PROGRAM) + " " + arguments + " 2>&1");
    EXPECT_EQ(outcome.code, 4) << arguments;
    EXPECT_THAT(outcome.out, ::testing::StartsWith("dropcheck: "));
  }
}

TEST(ValidateCommand, TellsWhatItWaitsForAfterTwoSeconds) {
  const Ran outcome =
      ran(shell_word(DROPCHECK_PROGRAM) + " validate-adapter 'sleep 1000' --timeout=0.7 2>&1 >/dev/null");
  EXPECT_THAT(outcome.out, HasSubstr(": start.reply ("));
}

TEST(ValidateCommand, EndsAdaptersOnCtrlC) {
  const TemporaryFolder folder;
  const std::string pid_file = (folder.path() / "pid").string();
  const std::string adapter = "echo $$ > " + pid_file + "; trap '' HUP; while :; do sleep 1; done";
  const pid_t pid = fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    if (freopen("/dev/null", "w", stdout) == nullptr) _exit(99);
    execl(DROPCHECK_PROGRAM, DROPCHECK_PROGRAM, "validate-adapter", adapter.c_str(),
          static_cast<char*>(nullptr));
    _exit(99);
  }
  std::string written;
  for (int i = 0; i < 1000 && written.empty(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    written = text_of(pid_file);
  }
  ASSERT_FALSE(written.empty()) << "the adapter was not started";
  ASSERT_EQ(kill(pid, SIGINT), 0);
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 2) << status;
  EXPECT_NE(kill(static_cast<pid_t>(std::stol(written)), 0), 0) << "the adapter still runs";
}

}  // namespace
}  // namespace dropcheck::tools
