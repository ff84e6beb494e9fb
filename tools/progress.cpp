#include "tools/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace dropcheck::tools {

Progress::Progress() : started_(Clock::now()), last_(started_), terminal_(isatty(STDERR_FILENO) != 0) {}

void Progress::start(const std::string& backend) {
  clear();
  backend_ = backend;
  started_ = last_ = Clock::now();
}

void Progress::update(std::uint64_t done, std::uint64_t total) {
  const auto now = Clock::now();
  if (now - last_ < (terminal_ ? std::chrono::milliseconds(200) : std::chrono::milliseconds(30'000)) ||
      total == 0 || done == 0)
    return;
  last_ = now;
  const double spent = std::chrono::duration<double>(now - started_).count();
  const double part = static_cast<double>(done) / static_cast<double>(total);
  const std::string line =
      fmt::format("{}: {:3.0f} %, about {:.0f} s left", backend_, 100 * part, spent * (1 - part) / part);
  if (terminal_) fmt::print(stderr, "\r\x1b[K{}", line);
  else fmt::print(stderr, "{}\n", line);
  std::fflush(stderr);
  drawn_ = terminal_;
}

void Progress::clear() {
  if (drawn_) fmt::print(stderr, "\r\x1b[K");
  drawn_ = false;
}

}  // namespace dropcheck::tools
