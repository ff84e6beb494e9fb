#pragma once
// How a worker or an adapter begins: posix_spawn with a session of its own, nothing blocked, nothing else
// open, and no core file.

#include <signal.h>
#include <spawn.h>
#include <sys/types.h>

#include "harness/core/process_family.hpp"

namespace dropcheck {

class SessionSpawn {
 public:
  SessionSpawn();
  SessionSpawn(const SessionSpawn&) = delete;
  SessionSpawn& operator=(const SessionSpawn&) = delete;
  ~SessionSpawn();

  /// Our descriptor becomes that one of the child.
  void hand_over(int ours, int theirs);
  /// The child reads nothing from its standard input.
  void without_input();
  /// Starts the program with the mark in its environment. Of its descriptors those below `first_closed` stay
  /// open; `defaults` are the signals whose handling is set back. Returns 0, or an error number.
  int start(const char* program, char* const argv[], const sigset_t& defaults, int first_closed,
            FamilyMark& mark, pid_t& pid);

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

}  // namespace dropcheck
