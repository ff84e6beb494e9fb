#pragma once
// A child process of our own binary with a socket to it. What it prints is kept, so that its last words can
// be shown.

#include <sys/types.h>

#include <string>
#include <vector>

#include "impl/worker/frame.hpp"

namespace dropcheck::worker {

class Process {
 public:
  /// Starts the program with these arguments (argv[0] included); its socket is descriptor 3. It gets a
  /// session of its own, so that Ctrl-C reaches only the run.
  static Expected<Process> start(const std::string& program, const std::vector<std::string>& arguments);
  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;
  ~Process();  // kills and reaps

  int socket() const { return socket_.get(); }
  /// Kills it if need be, reaps it and says how it ended: "was ended by signal 11 (Segmentation fault)",
  /// "exited with status 3".
  std::string end();
  /// The end of what it printed, at most 2000 bytes.
  std::string last_words() const;
  /// Forgets what it printed, once that is a lot.
  void trim_output();

 private:
  Process(pid_t pid, Descriptor socket, Descriptor output)
      : pid_(pid), socket_(std::move(socket)), output_(std::move(output)) {}
  pid_t pid_;
  Descriptor socket_;
  Descriptor output_;
};

}  // namespace dropcheck::worker
