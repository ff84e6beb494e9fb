#include "impl/worker/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

extern "C" char** environ;

namespace dropcheck::worker {
namespace {

constexpr std::size_t kLastWords = 2000;
constexpr off_t kMostOutput = off_t{1} << 20;
constexpr int kSocketInChild = 3;

Error cannot_start(const char* what) {
  return {ErrorCode::resource_exhausted,
          fmt::format("a worker process cannot be started: {}: {}", what, std::strerror(errno))};
}

}  // namespace

Expected<Process> Process::start(const std::string& program, const std::vector<std::string>& arguments) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return cannot_start("socketpair");
  Descriptor ours(pair[0]), theirs(pair[1]);
  Descriptor output(memfd_create("dropcheck-output", MFD_CLOEXEC));
  if (!output) return cannot_start("memfd_create");
  fcntl(output.get(), F_SETFL, O_APPEND);

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output.get(), 1);
  posix_spawn_file_actions_adddup2(&actions, output.get(), 2);
  posix_spawn_file_actions_adddup2(&actions, theirs.get(), kSocketInChild);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_t pid = -1;
  const int failed = posix_spawn(&pid, program.c_str(), &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failed != 0) {
    errno = failed;
    return cannot_start(program.c_str());
  }
  return Process(pid, std::move(ours), std::move(output));
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      socket_(std::move(other.socket_)),
      output_(std::move(other.output_)) {}

Process::~Process() {
  if (pid_ > 0) end();
}

std::string Process::end() {
  if (pid_ <= 0) return "was not running";
  // One that is just dying is given a moment, so that its own way of ending is what gets reported.
  int status = 0;
  pid_t reaped = 0;
  pollfd hung_up{socket_.get(), POLLIN, 0};
  const bool dying = poll(&hung_up, 1, 0) > 0;
  for (int i = 0; dying && i < 100 && (reaped = waitpid(pid_, &status, WNOHANG)) == 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  if (reaped == 0) {
    kill(pid_, SIGKILL);
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
  }
  pid_ = -1;
  if (WIFSIGNALED(status))
    return fmt::format("was ended by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
  return fmt::format("exited with status {}", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

std::string Process::last_words() const {
  struct stat facts {};
  if (fstat(output_.get(), &facts) != 0 || facts.st_size <= 0) return {};
  const auto size = std::min<std::size_t>(kLastWords, static_cast<std::size_t>(facts.st_size));
  std::string words(size, '\0');
  const ssize_t got = pread(output_.get(), words.data(), size, facts.st_size - static_cast<off_t>(size));
  words.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  while (!words.empty() && (words.back() == '\n' || words.back() == ' ')) words.pop_back();
  return words;
}

void Process::trim_output() {
  struct stat facts {};
  if (fstat(output_.get(), &facts) == 0 && facts.st_size > kMostOutput && ftruncate(output_.get(), 0) != 0)
    return;
}

}  // namespace dropcheck::worker
