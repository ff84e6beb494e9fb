#include "harness/core/session_spawn.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace dropcheck {

SessionSpawn::SessionSpawn() {
  posix_spawn_file_actions_init(&actions_);
  posix_spawnattr_init(&attributes_);
}

SessionSpawn::~SessionSpawn() {
  posix_spawn_file_actions_destroy(&actions_);
  posix_spawnattr_destroy(&attributes_);
}

void SessionSpawn::hand_over(int ours, int theirs) {
  posix_spawn_file_actions_adddup2(&actions_, ours, theirs);
}

void SessionSpawn::without_input() {
  posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
}

int SessionSpawn::start(const char* program, char* const argv[], const sigset_t& defaults,
                        [[maybe_unused]] int first_closed, FamilyMark& mark, pid_t& pid) {
#if defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 34)
  posix_spawn_file_actions_addclosefrom_np(&actions_, first_closed);
#endif
#endif
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes_, &none);
  posix_spawnattr_setsigdefault(&attributes_, &defaults);
  posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  const int failed = posix_spawn(&pid, program, &actions_, &attributes_, argv, mark.environment());
  if (failed != 0) return failed;
  const rlimit no_core{0, 0};
  prlimit(pid, RLIMIT_CORE, &no_core, nullptr);
  return 0;
}

}  // namespace dropcheck
