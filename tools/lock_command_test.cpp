// `dropcheck lock` and `dropcheck run --lock`, as a user runs them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "harness/run/stream_lock_text.hpp"
#include "tools/testing/program.hpp"

namespace dropcheck::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using Json = nlohmann::json;
namespace fs = std::filesystem;

constexpr const char* kOnlyLock = "--check=seed_determinism.stream_lock";

class LockCommand : public ::testing::Test {
 protected:
  /// Standard output and error together.
  Ran dropcheck(const std::string& arguments) const {
    return ran(fmt::format("cd '{}' && '{}' {} 2>&1 </dev/null", folder_.path().string(), DROPCHECK_PROGRAM,
                           arguments));
  }
  /// `run` of nothing but the lock, where no other selection is given.
  Ran judged(const std::string& arguments, const std::string& selection = kOnlyLock) const {
    return dropcheck(
        fmt::format("run --lock=a.json --profile=smoke --threads=1 --out=out {} {}", selection, arguments));
  }
  Json result() const {
    std::istringstream lines(text_of(folder_.path() / "out" / "results.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      Json record = Json::parse(line);
      if (record.at("record") == "result" && record.at("check") == "seed_determinism.stream_lock")
        return record;
    }
    return {};
  }
  fs::path file() const { return folder_.path() / "a.json"; }
  void write(const std::string& text) const { std::ofstream(file(), std::ios::binary) << text; }
  StreamLock locked() const {
    auto lock = read_stream_lock(file().string());
    EXPECT_TRUE(lock) << lock.error().message;
    return *std::move(lock);
  }
  static std::string adapter(const std::string& claims) {
    return fmt::format("'--backend=exec:python3 {} {}'", DROPCHECK_GOOD_ADAPTER, claims);
  }

  TemporaryFolder folder_;
};

TEST_F(LockCommand, LocksAndFindsTheSameStreamAgain) {
  const Ran written = dropcheck("lock --backend=cpu a.json");
  EXPECT_EQ(written.code, 0) << written.out;
  EXPECT_THAT(written.out, HasSubstr("locked "));
  EXPECT_THAT(written.out, HasSubstr(" cases of cpu " DROPCHECK_VERSION " in a.json"));
  const Ran again = judged("");
  EXPECT_EQ(again.code, 0) << again.out;
  EXPECT_EQ(result().at("backend"), "cpu") << "the file names it";
  EXPECT_EQ(result().at("verdict"), "pass");
  EXPECT_EQ(result().at("comparisons"), locked().calls.size());
  // Beside the rest of a profile, and in the reports.
  const Ran all = judged("--backend=cpu", "--suite=seed_determinism,mask_rate");
  EXPECT_EQ(all.code, 0) << all.out;
  EXPECT_THAT(text_of(folder_.path() / "out" / "report.md"), HasSubstr("seed_determinism.stream_lock"));
  EXPECT_THAT(text_of(folder_.path() / "out" / "junit.xml"), HasSubstr("seed_determinism.stream_lock"));
  // The reference claims the same stream under another name.
  const Ran other = judged("--backend=reference");
  EXPECT_EQ(other.code, 4) << other.out;
  EXPECT_THAT(other.out, HasSubstr("'a.json' holds streams of 'cpu' and none of 'reference'"));
  EXPECT_EQ(judged("--backend=cpu,reference").code, 4);
}

TEST_F(LockCommand, ReportsAChangedStreamAsAFailure) {
  EXPECT_EQ(dropcheck("lock --backend=mutant:philox a.json").code, 0);
  EXPECT_EQ(judged("").code, 0) << "the clean double of the mutants";
  StreamLock lock = locked();
  lock.backend = lock.name = "mutant:seven_rounds";
  lock.version = "0.9";
  write(stream_lock_text(lock));
  const Ran changed = judged("");
  EXPECT_EQ(changed.code, 1) << changed.out;
  EXPECT_THAT(result().at("message").get<std::string>(),
              MatchesRegex(fmt::format("[0-9]+ of {} locked masks have changed since version 0\\.9 of "
                                       "mutant:seven_rounds \\(locked on ....-..-.. with dropcheck .*\\); "
                                       "the first is op=.*,seed=0x5eed, call . \\(digest .*, now .*\\); "
                                       "this is version .*: if that is meant, 'dropcheck lock --update "
                                       "a.json' shows the difference",
                                       lock.calls.size())));
  EXPECT_THAT(text_of(folder_.path() / "out" / "junit.xml"), HasSubstr("have changed since version 0.9"));
  // The line that asks again, as it stands.
  const std::string repro = result().at("repro");
  EXPECT_THAT(repro, HasSubstr(" --lock=a.json"));
  EXPECT_EQ(dropcheck(repro.substr(repro.find(' ') + 1) + " --out=out").code, 1) << repro;
}

TEST_F(LockCommand, FailsOnOneFlippedDigestAndRefusesADamagedFile) {
  EXPECT_EQ(dropcheck("lock --backend=cpu a.json").code, 0);
  const std::string good = text_of(file());
  StreamLock lock = locked();
  char& digit = lock.calls[40].digest[31];
  digit = digit == 'f' ? 'e' : 'f';
  write(stream_lock_text(lock));
  EXPECT_EQ(judged("").code, 1);
  EXPECT_THAT(result().at("message").get<std::string>(), HasSubstr("1 of "));

  std::string flipped = good;
  const std::size_t at = flipped.find(locked().calls[3].digest);
  flipped[at] = flipped[at] == '0' ? '1' : '0';
  for (const std::string& damaged : {flipped, good.substr(0, good.size() / 2),
                                     good.substr(0, good.size() - 1), std::string(), std::string("{}\n")}) {
    write(damaged);
    for (const Ran& refused :
         {judged(""), judged("--backend=cpu"), dropcheck("lock --update --yes a.json")}) {
      EXPECT_EQ(refused.code, 4) << refused.out;
      EXPECT_THAT(refused.out, HasSubstr("dropcheck: stream lock 'a.json' cannot be used: "));
      EXPECT_EQ(std::count(refused.out.begin(), refused.out.end(), '\n'), 1) << refused.out;
    }
    EXPECT_EQ(text_of(file()), damaged) << "what cannot be read is never overwritten";
  }
  fs::remove(file());
  const Ran none = judged("");
  EXPECT_EQ(none.code, 4);
  EXPECT_THAT(none.out, HasSubstr("'a.json' does not exist: 'dropcheck lock' writes one"));
}

TEST_F(LockCommand, NeverPassesWhereTheLockIsLeftOut) {
  EXPECT_EQ(dropcheck("lock --backend=cpu a.json").code, 0);
  for (const char* selection :
       {"--suite=mask_rate", "--check=mask_rate.drop_rate", "--case=op=dropout,p=0.15,shape=3x5x7x11"}) {
    const Ran refused = judged("--backend=cpu", selection);
    EXPECT_EQ(refused.code, 4) << selection << refused.out;
    EXPECT_THAT(refused.out, HasSubstr("this selection leaves out seed_determinism.stream_lock"));
  }
}

TEST_F(LockCommand, FollowsAnAdapterFromVersionToVersion) {
  EXPECT_EQ(dropcheck("lock " + adapter("") + " a.json").code, 0);
  EXPECT_EQ(locked().name, "good");
  EXPECT_EQ(locked().version, "1.2");
  // A command is not taken from a file.
  for (const Ran& unnamed : {judged(""), dropcheck("lock --update a.json")}) {
    EXPECT_EQ(unnamed.code, 4);
    EXPECT_THAT(unnamed.out,
                HasSubstr("name it with --backend; foreign code is not run because a file says"));
  }
  // The same stream in a new version passes, and --update --yes notes the version.
  const std::string newer = adapter("implementation_version=\\\"1.3\\\"");
  const Ran passed = judged(newer);
  EXPECT_EQ(passed.code, 0) << passed.out;
  EXPECT_THAT(result().at("message").get<std::string>(),
              AllOf(HasSubstr("the masks of version 1.2 of good"), HasSubstr("this is version 1.3")));
  const std::string before = text_of(file());
  const Ran shown = dropcheck("lock --update " + newer + " a.json");
  EXPECT_EQ(shown.code, 0) << shown.out;
  EXPECT_THAT(shown.out, HasSubstr("0 changed, 0 added, 0 removed"));
  EXPECT_THAT(shown.out, HasSubstr("nothing was written; --yes notes the version"));
  EXPECT_EQ(text_of(file()), before);
  EXPECT_EQ(dropcheck("lock --update --yes " + newer + " a.json").code, 0);
  EXPECT_EQ(locked().version, "1.3");
  EXPECT_THAT(dropcheck("lock --update " + newer + " a.json").out, HasSubstr("nothing to write"));
  // Fewer dtypes: what was locked and is no longer claimed is a failure, and an update shows it.
  const std::string fewer = adapter("dtypes=[\\\"f64\\\"]");
  EXPECT_EQ(judged(fewer).code, 1);
  const Ran removed = dropcheck("lock --update " + fewer + " a.json");
  EXPECT_EQ(removed.code, 1) << removed.out;
  EXPECT_THAT(removed.out, HasSubstr("  removed  op=dropout,p=0.1,shape=1,seed=0x5eed, call 1: "));
  EXPECT_EQ(locked().version, "1.3") << "nothing is written without --yes";
  // No seeds any more: never a pass.
  const Ran unseeded = judged(adapter("seed_semantics=\\\"none\\\""));
  EXPECT_EQ(unseeded.code, 1) << unseeded.out;
  EXPECT_THAT(result().at("message").get<std::string>(), HasSubstr("and are now none"));
}

TEST_F(LockCommand, UpdatesShowTheDifferenceFirst) {
  EXPECT_EQ(dropcheck("lock --backend=cpu a.json").code, 0);
  const std::string good = text_of(file());
  EXPECT_EQ(dropcheck("lock --backend=cpu a.json").code, 4) << "it exists";
  EXPECT_EQ(dropcheck("lock --backend=cpu --yes a.json").code, 4) << "--yes goes with --update";
  const Ran same = dropcheck("lock --update a.json");
  EXPECT_EQ(same.code, 0) << same.out;
  EXPECT_THAT(same.out, HasSubstr("nothing to write"));

  StreamLock old = locked();
  const LockedCall changed = old.calls[4];
  old.calls[4].digest = std::string(32, '0');
  LockedCall gone = old.calls[0];
  gone.problem.seed = 99;
  old.calls.insert(old.calls.begin(), gone);
  old.calls.pop_back();
  write(stream_lock_text(old));
  const std::string before = text_of(file());
  const Ran shown = dropcheck("lock --update a.json");
  EXPECT_EQ(shown.code, 1) << shown.out;
  EXPECT_THAT(shown.out, HasSubstr(fmt::format("  changed  {}: {} -> {}\n", call_text(changed),
                                               std::string(32, '0'), changed.digest)));
  EXPECT_THAT(shown.out, HasSubstr("  removed  op=dropout,p=0.1,"));
  EXPECT_THAT(shown.out, HasSubstr("1 changed, 1 added, 1 removed, "));
  EXPECT_EQ(text_of(file()), before);
  const Ran written = dropcheck("lock --update --yes a.json");
  EXPECT_EQ(written.code, 0) << written.out;
  EXPECT_THAT(written.out, HasSubstr("1 changed, 1 added, 1 removed, "));
  EXPECT_EQ(text_of(file()), good);
  const Ran other = dropcheck("lock --update --yes --backend=reference a.json");
  EXPECT_EQ(other.code, 4);
  EXPECT_THAT(other.out, HasSubstr("holds streams of 'cpu' and none of 'reference'"));
  EXPECT_EQ(text_of(file()), good);
}

TEST_F(LockCommand, RefusesWhatCannotBeLocked) {
  EXPECT_EQ(dropcheck("lock a.json").code, 4);
  EXPECT_EQ(dropcheck("lock --backend=cpu,reference a.json").code, 4);
  EXPECT_EQ(dropcheck("lock --backend=nosuch a.json").code, 4);
  EXPECT_EQ(dropcheck("lock --backend=cpu no/such/folder/a.json").code, 4);
  EXPECT_EQ(dropcheck("lock --update --backend=cpu a.json").code, 4) << "there is no file yet";
  EXPECT_EQ(dropcheck("lock --backend=exec:false a.json").code, 11);
  const Ran unseeded = dropcheck("lock " + adapter("seed_semantics=\\\"none\\\"") + " a.json");
  EXPECT_EQ(unseeded.code, 5) << unseeded.out;
  EXPECT_THAT(unseeded.out, HasSubstr("a mask must be seeded"));
  EXPECT_FALSE(fs::exists(file()));
}

TEST_F(LockCommand, RefusesAStreamThatIsNotSteady) {
  // A seed that is mixed with the process's own number.
  const fs::path unsteady = folder_.path() / "unsteady.py";
  std::ofstream(unsteady) << fmt::format(
      "import os, runpy, random, sys\n"
      "seed = random.Random.seed\n"
      "random.Random.seed = lambda self, s=None, version=2: seed(self, str(s) + str(os.getpid()))\n"
      "sys.argv = sys.argv[1:]\n"
      "runpy.run_path('{}', run_name='__main__')\n",
      DROPCHECK_GOOD_ADAPTER);
  const Ran refused =
      dropcheck(fmt::format("lock '--backend=exec:python3 {} adapter' a.json", unsteady.string()));
  EXPECT_EQ(refused.code, 1) << refused.out;
  EXPECT_THAT(refused.out, HasSubstr("masks are others when they are drawn again; the first is op=dropout"));
  EXPECT_FALSE(fs::exists(file()));
}

TEST_F(LockCommand, AnInterruptionLeavesTheOldFile) {
  EXPECT_EQ(dropcheck("lock " + adapter("") + " a.json").code, 0);
  StreamLock old = locked();
  old.calls[0].digest = std::string(32, '0');
  write(stream_lock_text(old));
  const std::string before = text_of(file());
  // An adapter that takes its time.
  const fs::path slow = folder_.path() / "slow.py";
  std::ofstream(slow) << fmt::format(
      "import os, runpy, random, sys, time\n"
      "seed = random.Random.seed\n"
      "def slowly(self, s=None, version=2):\n"
      "    open('started', 'w').close()\n"
      "    time.sleep(0.05)\n"
      "    seed(self, s)\n"
      "random.Random.seed = slowly\n"
      "sys.argv = sys.argv[1:]\n"
      "runpy.run_path('{}', run_name='__main__')\n",
      DROPCHECK_GOOD_ADAPTER);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const std::string backend = fmt::format("--backend=exec:python3 {} adapter", slow.string());
    if (chdir(folder_.path().c_str()) == 0 && freopen("err.txt", "w", stderr) != nullptr)
      execl(DROPCHECK_PROGRAM, "dropcheck", "lock", "--update", "--yes", backend.c_str(), "a.json", nullptr);
    _exit(127);
  }
  for (int i = 0; i < 3000 && !fs::exists(folder_.path() / "started"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(fs::exists(folder_.path() / "started"));
  EXPECT_EQ(kill(child, SIGINT), 0);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 2) << status;
  EXPECT_THAT(text_of(folder_.path() / "err.txt"), HasSubstr("interrupted; nothing was written"));
  EXPECT_EQ(text_of(file()), before);
}

TEST_F(LockCommand, TheCheckIsListedAndExplained) {
  EXPECT_THAT(dropcheck("list checks").out, HasSubstr("seed_determinism.stream_lock"));
  const Ran explained = dropcheck("explain seed_determinism.stream_lock");
  EXPECT_EQ(explained.code, 0) << explained.out;
  EXPECT_THAT(explained.out, HasSubstr("run --lock=FILE"));
  EXPECT_THAT(dropcheck("list cases --profile=smoke").out, Not(HasSubstr("stream_lock")));
}

}  // namespace
}  // namespace dropcheck::tools
