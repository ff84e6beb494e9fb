#pragma once
// Progress on stderr: one line that is redrawn with the time left on a terminal, a line every 30 s elsewhere.

#include <chrono>
#include <cstdint>
#include <string>

namespace dropcheck::tools {

class Progress {
 public:
  Progress();
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void start(const std::string& backend);
  void update(std::uint64_t done, std::uint64_t total);
  /// Takes the redrawn line away.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  std::string backend_;
  Clock::time_point started_, last_;
  bool terminal_;
  bool drawn_ = false;
};

}  // namespace dropcheck::tools
