#include "harness/core/process_family.hpp"

#include <gmock/gmock.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <fstream>
#include <thread>

namespace dropcheck {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

/// A shell that leads a session and carries a mark.
struct Family {
  explicit Family(std::string command) {
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    std::string shell = "sh", option = "-c";
    char* const argv[] = {shell.data(), option.data(), command.data(), nullptr};
    EXPECT_EQ(posix_spawn(&leader, "/bin/sh", nullptr, &attributes, argv, mark.environment()), 0);
    posix_spawnattr_destroy(&attributes);
  }
  ~Family() {
    end_family(leader, mark);
    waitpid(leader, nullptr, 0);
  }
  /// Waits until the leader is dead, and does not reap it.
  void wait_for_leader() const {
    siginfo_t info{};
    waitid(P_PID, static_cast<id_t>(leader), &info, WEXITED | WNOWAIT);
  }
  template <typename Holds>
  static bool soon(Holds&& holds) {
    for (int i = 0; i < 2000; ++i) {
      if (holds()) return true;
      std::this_thread::sleep_for(milliseconds(5));
    }
    return false;
  }

  FamilyMark mark;
  pid_t leader = -1;
};

TEST(ProcessFamily, HasTheProcessesOfItsSessionAndThoseThatLeftIt) {
  const Family family("sleep 1000 & setsid tail -f /dev/null & wait");
  const auto names = [&] { return family_of(family.leader, family.mark); };
  EXPECT_TRUE(Family::soon([&] { return names() == std::vector<std::string>{"sleep", "tail"}; }));
  EXPECT_THAT(names(), ElementsAre("sleep", "tail"));
}

TEST(ProcessFamily, IsToldFromOthers) {
  const Family one("sleep 1000 & wait"), other("sleep 1000 & wait");
  // Between its fork and its exec a child still has the shell's name.
  const std::vector<std::string> sleeper = {"sleep"};
  ASSERT_TRUE(Family::soon([&] { return family_of(one.leader, one.mark) == sleeper; }));
  ASSERT_TRUE(Family::soon([&] { return family_of(other.leader, other.mark) == sleeper; }));
  end_family(one.leader, one.mark);
  EXPECT_THAT(family_of(one.leader, one.mark), IsEmpty());
  EXPECT_THAT(family_of(other.leader, other.mark), ElementsAre("sleep"));
}

TEST(ProcessFamily, EndsAlsoWhatTookASessionOfItsOwn) {
  const Family family("trap '' TERM; setsid sh -c 'sleep 1000 & sleep 1000' & exit 0");
  family.wait_for_leader();
  ASSERT_TRUE(Family::soon([&] { return family_of(family.leader, family.mark).size() == 3; }));
  end_family(family.leader, family.mark);
  EXPECT_THAT(family_of(family.leader, family.mark), IsEmpty());
}

TEST(ProcessFamily, WhatEndsByItselfIsNotLeftBehind) {
  const Family family("sleep 0.2 & exit 0");
  family.wait_for_leader();
  EXPECT_THAT(left_behind(family.leader, family.mark, milliseconds(20'000)), IsEmpty());
  const Family other("sleep 1000 & exit 0");
  other.wait_for_leader();
  EXPECT_THAT(left_behind(other.leader, other.mark, milliseconds(50)), ElementsAre("sleep"));
}

TEST(ProcessFamily, ItsNamesMayHoldAnything) {
  const std::string program = ::testing::TempDir() + ") R 1 (x";
  const Family family("cp /bin/sleep '" + program + "'; '" + program + "' 1000 & wait");
  const auto names = [&] { return family_of(family.leader, family.mark); };
  EXPECT_TRUE(Family::soon([&] { return names() == std::vector<std::string>{") R 1 (x"}; }));
  EXPECT_EQ(std::remove(program.c_str()), 0);
}

/// A process that takes so many MiB and a child that shares them.
std::string eater(int mib) {
  return "exec python3 -c \"import os, time; x = bytearray(os.urandom(1)) * (" + std::to_string(mib) +
         " << 20); os.fork(); time.sleep(1000)\"";
}

TEST(MemoryWatch, CountsSharedPagesOnceAndSaysWhatWasTaken) {
  const Family family(eater(100));
  ASSERT_TRUE(Family::soon([&] { return session_memory(family.leader) > 100 * kMiB; }));
  ASSERT_TRUE(Family::soon([&] { return family_of(family.leader, family.mark).size() == 1; }));
  EXPECT_LT(session_memory(family.leader), 150 * kMiB) << "two processes, one copy of 100 MiB";
  MemoryWatch enough(family.leader, 150 * kMiB), short_of(family.leader, 64 * kMiB), none(family.leader, 0);
  const auto now = MemoryWatch::Clock::now();
  EXPECT_TRUE(enough.look(now));
  EXPECT_FALSE(none.is_due(now));
  EXPECT_TRUE(none.look(now));
  const auto exceeded = short_of.look(now);
  ASSERT_FALSE(exceeded);
  EXPECT_EQ(exceeded.error().code, ErrorCode::resource_exhausted);
  EXPECT_THAT(exceeded.error().message, HasSubstr("GiB of memory, more than its limit of 0.0625 GiB"));
}

TEST(MemoryWatch, LooksOnlyNowAndThen) {
  const Family family("sleep 1000");
  MemoryWatch watch(family.leader, kMiB << 10);
  const auto now = MemoryWatch::Clock::now();
  EXPECT_TRUE(watch.is_due(now));
  EXPECT_TRUE(watch.look(now));
  EXPECT_FALSE(watch.is_due(now + milliseconds(20)));
  EXPECT_TRUE(watch.is_due(now + milliseconds(60'000)));
}

TEST(MemoryWatch, ReservedAddressSpaceIsNotTaken) {
  const Family family(
      "exec python3 -c \"import mmap, time; m = mmap.mmap(-1, 64 << 30, mmap.MAP_PRIVATE | "
      "mmap.MAP_ANONYMOUS | 0x4000); time.sleep(1000)\"");
  ASSERT_TRUE(Family::soon([&] {
    std::ifstream file("/proc/" + std::to_string(family.leader) + "/maps");
    std::string line;
    while (std::getline(file, line)) {
      unsigned long long begin = 0, end = 0;
      if (std::sscanf(line.c_str(), "%llx-%llx", &begin, &end) == 2 && end - begin >= (64ull << 30))
        return true;
    }
    return false;
  }));
  EXPECT_LT(session_memory(family.leader), 100 * kMiB);
}

}  // namespace
}  // namespace dropcheck
