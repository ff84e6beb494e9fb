// Children that are ordinary shell commands.
#include "impl/process/child.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <array>

#include "impl/process/testing/one_call.hpp"

namespace dropcheck::process {
namespace {

using testing::has_no_children;
using ::testing::HasSubstr;

constexpr milliseconds kPatient{20'000};
Clock::time_point soon() { return Clock::now() + kPatient; }

/// Writes `input`, reads until the child's output closes, returns what came.
std::string talk(Child& child, std::string input) {
  std::array<std::byte, 4096> bytes;
  std::string output;
  auto left = std::as_bytes(std::span(input));
  while (true) {
    const auto progress = child.pump(left, {}, bytes, soon());
    EXPECT_TRUE(progress) << progress.error().message;
    if (!progress || progress->ended) return output;
    left = progress->input_closed ? std::span<const std::byte>() : left.subspan(progress->written);
    output.append(reinterpret_cast<const char*>(bytes.data()), progress->read);
  }
}

std::unique_ptr<Child> start(const std::string& command) {
  auto child = Child::start(command);
  EXPECT_TRUE(child) << child.error().message;
  return std::move(*child);
}

TEST(Child, TakesInputAndGivesOutputAndSaysHowItEnded) {
  const auto child = start("head -c 5; echo to stderr >&2; exit 3");
  EXPECT_EQ(talk(*child, "hello"), "hello");
  EXPECT_EQ(child->end(kPatient), "exited with status 3");
  EXPECT_EQ(child->end(kPatient), "exited with status 3") << "a second end says the same";
  EXPECT_EQ(child->standard_error(), "to stderr\n");
  EXPECT_TRUE(has_no_children());
}

TEST(Child, NamesTheSignalThatEndedItOrAProgramThatAShellWaitedFor) {
  auto child = start("kill -SEGV $$");
  EXPECT_EQ(talk(*child, ""), "");
  EXPECT_EQ(child->end(kPatient), "was ended by signal 11 (Segmentation fault)");
  child = start("sh -c 'kill -SEGV $$'; exit $?");
  EXPECT_EQ(talk(*child, ""), "");
  EXPECT_EQ(child->end(kPatient), "exited with status 139 (signal 11, Segmentation fault)");
}

TEST(Child, ThatDoesNotEndIsStoppedWithAllThatItStarted) {
  const auto child = start("trap '' TERM; sleep 1000 & echo $!; while :; do sleep 1; done");
  std::array<std::byte, 64> bytes;
  const auto progress = child->pump({}, {}, bytes, soon());
  ASSERT_TRUE(progress);
  const long grandchild = std::stol(std::string(reinterpret_cast<const char*>(bytes.data()), progress->read));
  EXPECT_TRUE(testing::runs(grandchild));
  EXPECT_EQ(child->end(milliseconds(10)), "did not end by itself and was stopped");
  EXPECT_TRUE(has_no_children());
  for (int i = 0; i < 1000 && testing::runs(grandchild); ++i) usleep(10'000);
  EXPECT_FALSE(testing::runs(grandchild));
}

TEST(Child, EndsWhenItsInputClosesWithoutASignal) {
  const auto child = start("trap 'echo asked to end >&2' TERM; cat; exit 5");
  EXPECT_EQ(child->end(kPatient), "exited with status 5");
  EXPECT_EQ(child->standard_error(), "");
}

TEST(Child, ThatIsDeadIsSeenThoughAnotherHoldsItsPipes) {
  const auto child = start("echo last words >&2; sleep 1000 & exit 4");
  EXPECT_EQ(talk(*child, ""), "") << "does not wait for the grandchild";
  EXPECT_EQ(child->end(milliseconds(0)), "exited with status 4");
  EXPECT_EQ(child->standard_error(), "last words\n");
  EXPECT_TRUE(has_no_children());
}

TEST(Child, GivesATimeoutWhileItSaysNothing) {
  const auto child = start("sleep 1000");
  std::array<std::byte, 16> bytes;
  const auto progress = child->pump({}, {}, bytes, Clock::now() + milliseconds(100));
  ASSERT_FALSE(progress);
  EXPECT_EQ(progress.error().code, ErrorCode::timeout);
}

TEST(Child, MayFloodStandardErrorWhileItIsWaitedFor) {
  const auto child = start("head -c 10000000 /dev/zero | tr '\\0' e >&2; echo done; echo end >&2");
  EXPECT_EQ(talk(*child, ""), "done\n");
  child->end(kPatient);
  EXPECT_EQ(child->standard_error().size(), kKeptErrorBytes);
  EXPECT_TRUE(child->standard_error().ends_with("eeend\n"));
}

TEST(Child, MayFloodBothWhileItEnds) {
  const auto child =
      start("cat >/dev/null; head -c 5000000 /dev/zero; head -c 5000000 /dev/zero >&2; exit 6");
  EXPECT_EQ(child->end(kPatient), "exited with status 6");
}

TEST(Child, ThatReadsNoMoreRaisesNoSignal) {
  ASSERT_NE(signal(SIGPIPE, SIG_DFL), SIG_ERR);
  const auto child = start("exec 0<&-; echo closed; exec 1>&-; sleep 1000");
  std::array<std::byte, 16> bytes;
  auto progress = child->pump({}, {}, bytes, soon());
  ASSERT_TRUE(progress);
  EXPECT_EQ(progress->read, 7u);
  const std::string much(1 << 22, 'x');
  progress = child->pump(std::as_bytes(std::span(much)), {}, bytes, soon());
  ASSERT_TRUE(progress);
  EXPECT_TRUE(progress->input_closed);
  sigset_t pending;
  ASSERT_EQ(sigpending(&pending), 0);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
}

TEST(Child, InheritsNoDescriptorAndDefaultSignals) {
  const int leak = open("/dev/null", O_RDONLY);  // without O_CLOEXEC, as a library might
  ASSERT_GE(leak, 3);
  ASSERT_NE(signal(SIGPIPE, SIG_IGN), SIG_ERR);
  sigset_t block, before;
  sigemptyset(&block);
  sigaddset(&block, SIGTERM);
  ASSERT_EQ(sigprocmask(SIG_BLOCK, &block, &before), 0);
  const auto child = start(
      "exec python3 -c \"import os, signal; print(sorted(fd for fd in range(3, 100) if "
      "os.path.exists(f'/proc/self/fd/{fd}') and os.readlink(f'/proc/self/fd/{fd}') == "
      "'/dev/null'), [line.split()[1] for line in open('/proc/self/status') if "
      "line.startswith('SigBlk')])\"");
  const std::string output = talk(*child, "");
  sigprocmask(SIG_SETMASK, &before, nullptr);
  ASSERT_NE(signal(SIGPIPE, SIG_DFL), SIG_ERR);
  close(leak);
  EXPECT_EQ(output, "[] ['0000000000000000']\n") << child->standard_error();
  EXPECT_EQ(start("kill -PIPE $$")->end(kPatient), "was ended by signal 13 (Broken pipe)");
}

TEST(Child, DestroyedIsEnded) {
  { const auto child = start("sleep 1000"); }
  EXPECT_TRUE(has_no_children());
}

}  // namespace
}  // namespace dropcheck::process
