#include "impl/worker/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "harness/core/session_spawn.hpp"

namespace dropcheck::worker {
namespace {

constexpr std::size_t kLastWords = 2000;
constexpr std::size_t kLastLine = 200;
constexpr std::size_t kMostAtOnce = std::size_t{1} << 20;  // bytes that are read between two other looks
constexpr std::uint64_t kFlood = std::uint64_t{1} << 16;   // bytes on standard error that are worth telling
constexpr int kSocketInChild = 3;
constexpr milliseconds kLook{50};           // between two looks at memory and at the stop
constexpr milliseconds kStopMoment{1000};   // that a call may still take once the run is stopped
constexpr milliseconds kFamilyMoment{300};  // that the rest of a family may take to end by itself

Error cannot_start(const char* what) {
  return {ErrorCode::resource_exhausted,
          fmt::format("a worker process cannot be started: {}: {}", what, std::strerror(errno))};
}

struct Pipe {
  Descriptor read, write;
};

Expected<Pipe> make_pipe() {
  std::array<int, 2> ends{-1, -1};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return cannot_start("pipe");
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
}

std::string described(int status) {
  if (WIFSIGNALED(status))
    return fmt::format("was ended by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
  return fmt::format("exited with status {}", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

}  // namespace

void Printed::drain(std::string& words) {
  std::array<char, 1 << 16> part;
  for (std::size_t sum = 0; stream_ && sum < kMostAtOnce;) {
    const ssize_t got = read(stream_.get(), part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return;
    if (got == 0) return stream_.reset();
    const std::string_view text(part.data(), static_cast<std::size_t>(got));
    sum += text.size();
    add(text);
    words.append(text);
    if (words.size() > kLastWords) words.erase(0, words.size() - kLastWords);
  }
}

void Printed::add(std::string_view text) {
  bytes_ += text.size();
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view piece = text.substr(0, end);
    line_.append(piece.substr(0, kLastLine - std::min(kLastLine, line_.size())));
    if (end == std::string_view::npos) return;
    ++lines_;
    if (line_.find_first_not_of(" \t\r") != std::string::npos) last_ = line_;
    line_.clear();
    text.remove_prefix(end + 1);
  }
}

std::string Printed::last_line() const { return line_.empty() ? last_ : line_; }

Expected<std::unique_ptr<Process>> Process::start(const std::string& program,
                                                  const std::vector<std::string>& arguments,
                                                  const Limits& limits) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return cannot_start("socketpair");
  Descriptor ours(pair[0]), theirs(pair[1]);
  auto out = make_pipe(), err = make_pipe();
  for (const auto* pipe : {&out, &err})
    if (!*pipe) return pipe->error();

  SessionSpawn spawn;
  spawn.without_input();
  spawn.hand_over(out->write.get(), STDOUT_FILENO);
  spawn.hand_over(err->write.get(), STDERR_FILENO);
  spawn.hand_over(theirs.get(), kSocketInChild);
  sigset_t all;
  sigfillset(&all);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  auto mark = std::make_unique<FamilyMark>();
  pid_t pid = -1;
  const int failed = spawn.start(program.c_str(), argv.data(), all, kSocketInChild + 1, *mark, pid);
  if (failed != 0) {
    errno = failed;
    return cannot_start(program.c_str());
  }
  return std::unique_ptr<Process>(
      new Process(pid, std::move(ours), std::move(out->read), std::move(err->read), limits, std::move(mark)));
}

Process::Process(pid_t pid, Descriptor socket, Descriptor out, Descriptor err, const Limits& limits,
                 std::unique_ptr<FamilyMark> mark)
    : pid_(pid),
      socket_(std::move(socket)),
      mark_(std::move(mark)),
      memory_(pid, limits.memory),
      stop_(limits.stop) {
  out_.set(std::move(out));
  err_.set(std::move(err));
}

Process::~Process() { end(milliseconds(0)); }

bool Process::has_exited() const {
  siginfo_t info{};
  // WNOWAIT leaves it unreaped, so that its number, which is its session's, cannot be given to another
  // process.
  return waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == pid_;
}

bool Process::poll_once(milliseconds longest, bool with_socket) {
  std::array<pollfd, 3> streams{pollfd{with_socket ? socket_.get() : -1, POLLIN, 0},
                                pollfd{out_.descriptor(), POLLIN, 0}, pollfd{err_.descriptor(), POLLIN, 0}};
  if (poll(streams.data(), streams.size(), static_cast<int>(longest.count())) <= 0) return false;
  if (streams[1].revents != 0) out_.drain(words_);
  if (streams[2].revents != 0) err_.drain(words_);
  return streams[0].revents != 0;
}

Status Process::wait_readable(Clock::time_point deadline) {
  Clock::time_point next_look = Clock::now() + kLook;
  while (true) {
    // Before the wait: answers that come faster than the looks must not keep memory from being looked at.
    Clock::time_point now = Clock::now();
    if (Status fits = memory_.look(now); !fits) return fits;
    const auto left = std::chrono::ceil<milliseconds>(std::min(deadline, next_look) - now);
    // An answer that has come counts, however late it is looked at.
    if (poll_once(std::max(left, milliseconds(0)), true)) return Done{};
    now = Clock::now();
    if (now >= deadline) return Error{ErrorCode::timeout, "no answer before the deadline"};
    if (now < next_look) continue;
    next_look = now + kLook;
    if (has_exited()) {
      if (poll_once(milliseconds(0), true)) return Done{};
      return Error{ErrorCode::crashed, "the worker ended and what it started holds its connection"};
    }
    if (stop_ == nullptr || !stop_->load()) continue;
    if (!stopped_) stopped_ = now;
    if (now >= *stopped_ + kStopMoment) return Error{ErrorCode::io, "the run was stopped"};
  }
}

std::string Process::end(milliseconds patience) {
  if (!ending_.empty()) return ending_;
  const Clock::time_point until = Clock::now() + patience;
  bool by_itself = has_exited();
  for (; !by_itself && Clock::now() < until; by_itself = has_exited()) poll_once(milliseconds(2), false);
  if (by_itself) left_ = left_behind(pid_, *mark_, kFamilyMoment);
  end_family(pid_, *mark_);  // before it is reaped, while its number is its own
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  poll_once(milliseconds(0), false);  // its last words
  ending_ = by_itself ? described(status) : kStopped;
  return ending_;
}

std::string Process::last_words() const {
  const std::size_t end = words_.find_last_not_of(" \n");
  return words_.substr(0, end == std::string::npos ? 0 : end + 1);
}

std::vector<Incident> Process::incidents() const {
  std::vector<Incident> list;
  if (out_.bytes() > 0)
    add_incident(list, {fmt::format("printed to standard output, the last line: {}", out_.last_line()),
                        std::max<std::uint64_t>(out_.lines(), 1), "line"});
  if (err_.bytes() > kFlood) add_incident(list, {"flooded standard error", err_.bytes(), "byte"});
  for (const std::string& name : left_)
    add_incident(list, {fmt::format("left '{}' behind, which was ended", name), 1, "process"});
  return list;
}

}  // namespace dropcheck::worker
