#pragma once
// A child process of our own binary with a socket to it. What it prints is read while anything is waited for,
// and the end of it is kept, so that its last words can be shown.

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/core/incident.hpp"
#include "harness/core/process_family.hpp"
#include "impl/worker/frame.hpp"

namespace dropcheck::worker {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// One of its output streams.
class Printed {
 public:
  void set(Descriptor stream) { stream_ = std::move(stream); }
  int descriptor() const { return stream_.get(); }
  /// Reads what has come, at most a megabyte of it, and also adds it to `words`.
  void drain(std::string& words);
  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t lines() const { return lines_; }
  /// The last line that is not empty, cut after 200 bytes.
  std::string last_line() const;

 private:
  void add(std::string_view text);

  Descriptor stream_;
  std::uint64_t bytes_ = 0, lines_ = 0;
  std::string line_, last_;
};

/// How one ended that had to be stopped.
inline constexpr const char* kStopped = "did not end by itself and was stopped";

struct Limits {
  std::uint64_t memory = 0;                 // bytes that it and what it starts may take; 0: no limit
  const std::atomic<bool>* stop = nullptr;  // once true, nothing is waited for much longer
};

class Process {
 public:
  /// Starts the program with these arguments (argv[0] included); its socket is descriptor 3. It gets a
  /// session of its own, so that Ctrl-C reaches only the run; default signal handling, no other descriptors
  /// and no core file.
  static Expected<std::unique_ptr<Process>> start(const std::string& program,
                                                  const std::vector<std::string>& arguments,
                                                  const Limits& limits);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();  // kills and reaps

  int socket() const { return socket_.get(); }
  /// Waits until the socket has something to read. Errors: timeout; crashed where it is dead and somebody
  /// else holds its end; resource_exhausted above the memory limit; io where the run was stopped.
  Status wait_readable(Clock::time_point deadline);
  /// Waits as if the run had not been stopped.
  void ignore_stop() { stop_ = nullptr; }

  /// Waits `patience` for it to end by itself, then kills it, in any case with all that it started; reaps it
  /// and says how it ended: "was ended by signal 11 (Segmentation fault)", "exited with status 3", "did not
  /// end by itself and was stopped". A second call says the same again.
  std::string end(milliseconds patience);
  /// The end of what it printed on both streams, at most 2000 bytes.
  std::string last_words() const;
  /// What it did besides answering, complete once it has ended.
  std::vector<Incident> incidents() const;

 private:
  Process(pid_t pid, Descriptor socket, Descriptor out, Descriptor err, const Limits& limits,
          std::unique_ptr<FamilyMark> mark);
  bool has_exited() const;
  /// Reads what it prints; with `with_socket` says whether that has something to read.
  bool poll_once(milliseconds longest, bool with_socket);

  pid_t pid_;
  Descriptor socket_;
  Printed out_, err_;
  std::string words_;
  std::unique_ptr<FamilyMark> mark_;
  MemoryWatch memory_;
  const std::atomic<bool>* stop_;
  std::optional<Clock::time_point> stopped_;  // when the stop was seen
  std::vector<std::string> left_;             // names of processes that outlived it
  std::string ending_;                        // set once it is reaped
};

}  // namespace dropcheck::worker
