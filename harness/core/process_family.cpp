#include "harness/core/process_family.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstdio>
#include <memory>
#include <string_view>
#include <thread>

#include "harness/core/file_descriptor.hpp"

extern "C" char** environ;

namespace dropcheck {
namespace {

constexpr std::chrono::milliseconds kLook{50};
constexpr int kShareOfTime = 50;  // looking takes at most one part of so many
constexpr std::size_t kMostEnvironment = std::size_t{1} << 22;

using milliseconds = std::chrono::milliseconds;

/// A file of /proc/PID, "" where there is none (any more) or it is not ours to read.
std::string proc_file(pid_t pid, const char* name, std::size_t most = 1 << 14) {
  const FileDescriptor file(open(fmt::format("/proc/{}/{}", pid, name).c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  std::array<char, 1 << 14> part;
  while (file && text.size() < most) {
    const ssize_t got = read(file.get(), part.data(), part.size());
    if (got <= 0) break;
    text.append(part.data(), static_cast<std::size_t>(got));
  }
  return text;
}

struct Running {
  pid_t pid = -1;
  pid_t session = -1;
  std::string name;
};

/// Absent for one that is gone or dead.
std::optional<Running> running(pid_t pid) {
  // "pid (name) state ppid pgrp session ...", where the name may hold anything (proc(5)).
  const std::string stat = proc_file(pid, "stat");
  const std::size_t begin = stat.find('('), end = stat.rfind(')');
  if (begin == std::string::npos || end == std::string::npos || end < begin) return std::nullopt;
  char state = 0;
  int parent = 0, group = 0, session = 0;
  if (std::sscanf(stat.c_str() + end + 1, " %c %d %d %d", &state, &parent, &group, &session) != 4 ||
      state == 'Z' || state == 'X')
    return std::nullopt;
  return Running{pid, session, stat.substr(begin + 1, end - begin - 1)};
}

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};

template <typename Look>
void for_each_process(Look&& look) {
  const std::unique_ptr<DIR, CloseFolder> folder(opendir("/proc"));
  if (!folder) return;
  while (const dirent* entry = readdir(folder.get())) {
    const std::string_view name = entry->d_name;
    pid_t pid = -1;
    const auto read = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (read.ec != std::errc() || read.ptr != name.data() + name.size()) continue;
    if (auto process = running(pid)) look(*process);
  }
}

bool carries(pid_t pid, const FamilyMark& mark) {
  std::string environment = proc_file(pid, "environ", kMostEnvironment);
  environment.insert(0, 1, '\0');
  return environment.find(std::string(1, '\0') + mark.text() + '\0') != std::string::npos;
}

std::vector<Running> members(pid_t leader, const FamilyMark& mark) {
  std::vector<Running> found;
  for_each_process([&](Running& process) {
    if (process.pid == leader || process.pid == getpid()) return;
    if (process.session == leader || carries(process.pid, mark)) found.push_back(std::move(process));
  });
  return found;
}

/// The sum of these fields of a file of lines "Name:   123 kB", in bytes; absent where none is there.
std::optional<std::uint64_t> sum_of_fields(const std::string& text,
                                           std::initializer_list<std::string_view> names) {
  std::optional<std::uint64_t> sum;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    if (std::find(names.begin(), names.end(), line.substr(0, colon)) == names.end()) continue;
    const std::size_t digits = line.find_first_of("0123456789", colon);
    std::uint64_t kib = 0;
    if (digits == std::string_view::npos) continue;
    std::from_chars(line.data() + digits, line.data() + line.size(), kib);
    sum = sum.value_or(0) + kib * 1024;
  }
  return sum;
}

/// What a process takes at most: pages that it shares with others count in full. Cheap.
std::uint64_t most_memory(pid_t pid) {
  return sum_of_fields(proc_file(pid, "status"), {"RssAnon", "RssShmem", "VmSwap"}).value_or(0);
}

/// Its share of what it takes. Reading that walks all its page tables.
std::uint64_t own_memory(pid_t pid) {
  const auto sum = sum_of_fields(proc_file(pid, "smaps_rollup"), {"Pss_Anon", "Pss_Shmem", "SwapPss"});
  return sum ? *sum : most_memory(pid);
}

std::vector<pid_t> session_members(pid_t leader) {
  std::vector<pid_t> found;
  for_each_process([&](const Running& process) {
    if (process.session == leader) found.push_back(process.pid);
  });
  return found;
}

double gib(std::uint64_t bytes) { return static_cast<double>(bytes) / (1 << 30); }

}  // namespace

FamilyMark::FamilyMark() {
  static std::atomic<std::uint64_t> last{0};
  // The name itself is the mark, so that a family inside another carries both. The time tells apart families
  // of runs that had the same process number one after the other.
  text_ = fmt::format("DROPCHECK_FAMILY_{}_{}_{}=1", getpid(),
                      std::chrono::steady_clock::now().time_since_epoch().count(), ++last);
}

char* const* FamilyMark::environment() {
  environment_.clear();
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) environment_.push_back(*entry);
  environment_.push_back(text_.data());
  environment_.push_back(nullptr);
  return environment_.data();
}

std::vector<std::string> family_of(pid_t leader, const FamilyMark& mark) {
  std::vector<std::string> names;
  for (Running& process : members(leader, mark)) names.push_back(std::move(process.name));
  std::sort(names.begin(), names.end());
  return names;
}

void end_family(pid_t leader, const FamilyMark& mark) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  kill(-leader, SIGKILL);
  while (true) {
    // One that forks faster than it is found loses the race in the end: every round kills all that there are.
    const auto left = members(leader, mark);
    if (left.empty() || std::chrono::steady_clock::now() >= until) return;
    for (const Running& process : left) kill(process.pid, SIGKILL);
    std::this_thread::sleep_for(milliseconds(1));
  }
}

std::vector<std::string> left_behind(pid_t leader, const FamilyMark& mark, milliseconds moment) {
  const auto until = std::chrono::steady_clock::now() + moment;
  while (true) {
    auto names = family_of(leader, mark);
    if (names.empty() || std::chrono::steady_clock::now() >= until) return names;
    std::this_thread::sleep_for(milliseconds(10));
  }
}

std::uint64_t session_memory(pid_t leader) {
  std::uint64_t sum = 0;
  for (const pid_t pid : session_members(leader)) sum += own_memory(pid);
  return sum;
}

Status MemoryWatch::look(Clock::time_point now) {
  if (!is_due(now)) return Done{};
  const auto begin = Clock::now();
  std::uint64_t most = 0;
  for (const pid_t pid : session_members(leader_)) most += most_memory(pid);
  const std::uint64_t taken = most > limit_ ? session_memory(leader_) : most;
  const auto end = Clock::now();
  due_ = end + std::max<Clock::duration>(kLook, kShareOfTime * (end - begin));
  if (taken <= limit_) return Done{};
  return Error{ErrorCode::resource_exhausted,
               fmt::format("took {:.3g} GiB of memory, more than its limit of {:.3g} GiB (--memory-limit)",
                           gib(taken), gib(limit_))};
}

}  // namespace dropcheck
