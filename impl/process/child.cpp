#include "impl/process/child.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "harness/core/session_spawn.hpp"

namespace dropcheck::process {
namespace {

constexpr milliseconds kLook{50};           // between two looks whether the child is still alive
constexpr milliseconds kTermMoment{300};    // between SIGTERM and SIGKILL
constexpr milliseconds kFamilyMoment{300};  // that the rest of a family may take to end by itself
constexpr milliseconds kStopMoment{1000};   // that a reply may still take once the run is stopped
constexpr int kPipeBytes = 1 << 20;         // asked for; the system may give less
constexpr std::size_t kWriteBytes = std::size_t{1} << 20;
constexpr std::size_t kReadBytes = std::size_t{1} << 16;

Error cannot_start(const char* what, int error) {
  return {ErrorCode::resource_exhausted,
          fmt::format("the adapter cannot be started: {}: {}", what, std::strerror(error))};
}

struct Pipe {
  Descriptor read, write;
};

/// Both ends close on exec and lie above the three standard descriptors, where the child's copies go.
Expected<Pipe> make_pipe() {
  std::array<int, 2> ends{-1, -1};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return cannot_start("pipe", errno);
  Pipe pipe{Descriptor(ends[0]), Descriptor(ends[1])};
  for (Descriptor* end : {&pipe.read, &pipe.write}) {
    if (end->get() > STDERR_FILENO) continue;
    *end = Descriptor(fcntl(end->get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    if (!*end) return cannot_start("pipe", errno);
  }
  return pipe;
}

/// Only our end: the flag belongs to one end of a pipe, the child's stays blocking.
void never_block(const Descriptor& end) { fcntl(end.get(), F_SETFL, fcntl(end.get(), F_GETFL) | O_NONBLOCK); }

/// A write whose SIGPIPE, which belongs to this thread, is taken back before it can be delivered.
ssize_t write_without_signal(int fd, std::span<const std::byte> bytes) {
  sigset_t pipe, pending, before;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  sigpending(&pending);
  const bool was_pending = sigismember(&pending, SIGPIPE) == 1;
  pthread_sigmask(SIG_BLOCK, &pipe, &before);
  const ssize_t written = write(fd, bytes.data(), std::min(bytes.size(), kWriteBytes));
  const int error = errno;
  if (written < 0 && error == EPIPE && !was_pending) {
    const timespec now{};
    while (sigtimedwait(&pipe, nullptr, &now) < 0 && errno == EINTR) {
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return written;
}

// Numbers of the groups of all children, where a signal handler finds them. 0 is a free place.
std::array<std::atomic<pid_t>, 1024> g_groups{};
static_assert(std::atomic<pid_t>::is_always_lock_free);

void exchange_group(pid_t from, pid_t to) {
  for (auto& group : g_groups)
    if (pid_t expected = from; group.compare_exchange_strong(expected, to)) return;
}

std::string described(int status) {
  if (WIFSIGNALED(status))
    return fmt::format("was ended by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  // A shell that waited for a program hands its signal on as 128 + number.
  if (code > 128 && code < 128 + SIGRTMIN)
    return fmt::format("exited with status {} (signal {}, {})", code, code - 128, strsignal(code - 128));
  return fmt::format("exited with status {}", code);
}

}  // namespace

void kill_all_children() {
  for (const auto& group : g_groups)
    if (const pid_t leader = group.load(); leader > 0) kill(-leader, SIGKILL);
}

Expected<std::unique_ptr<Child>> Child::start(const std::string& command, const Limits& limits) {
  auto input = make_pipe(), output = make_pipe(), error = make_pipe();
  for (const auto* pipe : {&input, &output, &error})
    if (!*pipe) return pipe->error();
  SessionSpawn spawn;
  spawn.hand_over(input->read.get(), STDIN_FILENO);
  spawn.hand_over(output->write.get(), STDOUT_FILENO);
  spawn.hand_over(error->write.get(), STDERR_FILENO);
  // A run that ignores SIGPIPE must not hand that on.
  sigset_t defaults;
  sigemptyset(&defaults);
  for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&defaults, signal);
  std::string shell = "sh", option = "-c", text = command;
  const std::array<char*, 4> argv{shell.data(), option.data(), text.data(), nullptr};
  auto mark = std::make_unique<FamilyMark>();
  pid_t pid = -1;
  const int failed = spawn.start("/bin/sh", argv.data(), defaults, STDERR_FILENO + 1, *mark, pid);
  if (failed != 0) return cannot_start("/bin/sh", failed);
  exchange_group(0, pid);
  for (const Descriptor* end : {&input->write, &output->read, &error->read}) never_block(*end);
  for (const Descriptor* end : {&input->write, &output->read}) fcntl(end->get(), F_SETPIPE_SZ, kPipeBytes);
  return std::unique_ptr<Child>(new Child(pid, std::move(input->write), std::move(output->read),
                                          std::move(error->read), limits, std::move(mark)));
}

Child::Child(pid_t pid, Descriptor input, Descriptor output, Descriptor error, const Limits& limits,
             std::unique_ptr<FamilyMark> mark)
    : pid_(pid),
      input_(std::move(input)),
      output_(std::move(output)),
      error_(std::move(error)),
      mark_(std::move(mark)),
      memory_(pid, limits.memory),
      stop_(limits.stop) {}

Child::~Child() { end(milliseconds(0)); }

bool Child::has_exited() const {
  siginfo_t info{};
  // WNOWAIT leaves it unreaped, so that its number, which is its group's, cannot be given to another process.
  return waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == pid_;
}

void Child::drain_error() {
  std::array<char, kReadBytes> bytes;
  const ssize_t got = read(error_.get(), bytes.data(), bytes.size());
  if (got > 0) error_tail_.add({bytes.data(), static_cast<std::size_t>(got)});
  else if (got == 0) error_.reset();
}

Status Child::look(Clock::time_point now) {
  if (Status fits = memory_.look(now); !fits)
    return Error{fits.error().code, fmt::format("the adapter {} and was stopped", fits.error().message)};
  if (stop_ == nullptr || !stop_->load()) return Done{};
  if (!stopped_) stopped_ = now;
  if (now >= *stopped_ + kStopMoment) return Error{ErrorCode::io, "the run was stopped"};
  return Done{};
}

Expected<Progress> Child::pump(std::span<const std::byte> out, std::span<std::byte> in,
                               std::span<std::byte> spill, Clock::time_point deadline) {
  Clock::time_point next_look = Clock::now() + kLook;
  while (true) {
    const Clock::time_point now = Clock::now();
    const bool dead = now >= next_look && has_exited();
    // Replies that come faster than the looks must not keep memory from being looked at.
    if (memory_.is_due(now) || now >= next_look)
      if (Status fine = look(now); !fine) return fine.error();
    if (now >= next_look) next_look = now + kLook;
    if (now >= deadline) return Error{ErrorCode::timeout, "no answer before the deadline"};
    const auto wait = std::chrono::ceil<milliseconds>(std::min(deadline, next_look) - now).count();
    Progress progress;
    progress.input_closed = !input_ && !out.empty();
    const bool writes = input_ && !out.empty();
    std::array<pollfd, 3> streams{pollfd{output_.get(), POLLIN, 0}, pollfd{error_.get(), POLLIN, 0},
                                  pollfd{writes ? input_.get() : -1, POLLOUT, 0}};
    if (poll(streams.data(), streams.size(), dead ? 0 : static_cast<int>(wait)) < 0 && errno != EINTR)
      return Error{ErrorCode::io, fmt::format("poll failed: {}", std::strerror(errno))};
    if (streams[1].revents != 0) drain_error();
    if (streams[0].revents != 0) {
      const std::array<iovec, 2> parts{iovec{in.data(), in.size()}, iovec{spill.data(), spill.size()}};
      const ssize_t got = readv(output_.get(), parts.data(), static_cast<int>(parts.size()));
      if (got > 0) progress.read = static_cast<std::size_t>(got);
      if (got == 0) progress.ended = true;
    } else if (dead) {
      progress.ended = true;  // a process that it left behind may hold the pipe open
    }
    if (streams[2].revents != 0) {
      const ssize_t taken = write_without_signal(input_.get(), out);
      if (taken > 0) progress.written = static_cast<std::size_t>(taken);
      if (taken < 0 && errno == EPIPE) {
        input_.reset();
        progress.input_closed = true;
      }
    }
    const bool news = progress.read > 0 || progress.written > 0 || progress.ended || progress.input_closed;
    if (news) return progress;
  }
}

bool Child::wait_for_end(milliseconds patience) {
  const Clock::time_point until = Clock::now() + patience;
  std::array<std::byte, 4096> thrown_away;
  while (!has_exited()) {
    if (Clock::now() >= until) return false;
    std::array<pollfd, 2> streams{pollfd{output_.get(), POLLIN, 0}, pollfd{error_.get(), POLLIN, 0}};
    poll(streams.data(), streams.size(), 2);
    if (streams[1].revents != 0) drain_error();
    // A closed pipe of a living process is readable for ever: it is dropped, so that poll waits.
    if (streams[0].revents != 0 && read(output_.get(), thrown_away.data(), thrown_away.size()) == 0)
      output_.reset();
  }
  return true;
}

std::string Child::end(milliseconds patience) {
  if (!ending_.empty()) return ending_;
  input_.reset();
  bool by_itself = wait_for_end(patience);
  if (!by_itself) {
    kill(-pid_, SIGTERM);
    wait_for_end(kTermMoment);
  }
  if (by_itself) left_ = dropcheck::left_behind(pid_, *mark_, kFamilyMoment);
  end_family(pid_, *mark_);  // before it is reaped, while its number is its own
  exchange_group(pid_, 0);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  // Its last words may still lie in the pipe; somebody outside the group may go on filling it.
  for (std::size_t i = 0; error_ && i < 2 * kKeptErrorBytes / 4096; ++i) {
    pollfd stream{error_.get(), POLLIN, 0};
    if (poll(&stream, 1, 0) <= 0) break;
    drain_error();
  }
  output_.reset();
  error_.reset();
  ending_ = by_itself ? described(status) : kStopped;
  return ending_;
}

}  // namespace dropcheck::process
