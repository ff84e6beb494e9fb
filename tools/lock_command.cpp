#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <optional>

#include "harness/run/atomic_file.hpp"
#include "harness/run/file_lock.hpp"
#include "harness/run/stream_lock_check.hpp"
#include "harness/run/stream_lock_text.hpp"
#include "reports/escape.hpp"
#include "tools/backend_names.hpp"
#include "tools/commands.hpp"
#include "tools/interruption.hpp"

namespace dropcheck::tools {
namespace {

constexpr std::size_t kMostLines = 20;  // of each kind of difference

Error usage(std::string message) { return Error{ErrorCode::invalid_argument, std::move(message)}; }

/// Of this moment, UTC.
std::string today() { return fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::time(nullptr))); }

/// Through symbolic links, so that what they point to is replaced and not they.
std::string real_path(const std::string& path) {
  std::error_code fault;
  const auto real = std::filesystem::canonical(path, fault);
  return fault ? path : real.string();
}

/// The backend that a lock names, for who names none. A file must not choose which foreign code is run.
Expected<std::string> named_backend(const Registry& registry, const StreamLock& lock,
                                    const std::string& path) {
  const auto family = registry.family(lock.backend);
  if (!family) return usage(fmt::format("stream lock '{}': {}", path, family.error().message));
  if ((*family)->takes_argument && ((*family)->is_plugin || (*family)->name == "exec"))
    return usage(
        fmt::format("stream lock '{}' is of {}: name it with --backend; foreign code is not run "
                    "because a file says so",
                    path, lock.backend));
  return lock.backend;
}

std::string version_text(const std::string& version) { return version.empty() ? "of no version" : version; }

std::size_t cases_in(const std::vector<LockedCall>& calls) {
  return static_cast<std::size_t>(
      std::count_if(calls.begin(), calls.end(), [](const LockedCall& c) { return c.call == 1; }));
}

/// What ends the command before it is done.
struct Ending {
  ExitCode code = ExitCode::pass;
  std::string message;
};

/// One command from its arguments to its exit code.
class Locking {
 public:
  Locking(const Registry& registry, const LockArguments& arguments)
      : registry_(registry), arguments_(arguments), path_(real_path(arguments.file)) {}

  ExitCode run() {
    const std::optional<Ending> ended = work();
    if (!ended) return ExitCode::pass;
    if (!ended->message.empty()) fmt::print(stderr, "dropcheck: {}\n", ended->message);
    return ended->code;
  }

 private:
  std::optional<Ending> work() {
    if (auto ended = look_at_file()) return ended;
    if (auto ended = choose_backend()) return ended;
    if (auto ended = draw(now_)) return ended;
    StreamLock again;
    if (auto ended = draw(again)) return ended;
    const StreamDifference unsteady = difference_of(now_, again);
    if (!unsteady.none())
      return Ending{ExitCode::fail,
                    fmt::format("{} cannot be locked: after the same seed, {} of {} masks are others when "
                                "they are drawn again; the first is {}",
                                spec_, unsteady.changed.size() + unsteady.added.size(), now_.calls.size(),
                                first_of(unsteady))};
    return before_ ? update() : write_new();
  }

  static Ending interruption() { return {ExitCode::interrupted, "interrupted; nothing was written"}; }

  static std::string first_of(const StreamDifference& d) {
    if (!d.changed.empty()) return call_text(d.changed.front().first);
    return call_text(d.added.empty() ? d.removed.front() : d.added.front());
  }

  std::optional<Ending> look_at_file() {
    const auto folder = std::filesystem::path(path_).parent_path();
    std::error_code ignored;
    if (!folder.empty() && !std::filesystem::is_directory(folder, ignored))
      return Ending{ExitCode::usage,
                    fmt::format("stream lock '{}': its folder does not exist", arguments_.file)};
    if (!arguments_.update && std::filesystem::exists(path_, ignored))
      return Ending{ExitCode::usage, fmt::format("stream lock '{}' exists: --update shows what would change",
                                                 arguments_.file)};
    // Held from reading to writing. Who only looks needs none, and leaves nothing behind.
    if (!arguments_.update || arguments_.yes) {
      auto held = FileLock::take(path_ + ".lock");
      if (!held)
        return Ending{ExitCode::usage,
                      fmt::format("stream lock '{}': {}", arguments_.file, held.error().message)};
      held_ = std::move(*held);
    }
    if (!arguments_.update) return std::nullopt;
    auto read = read_stream_lock(arguments_.file);
    if (!read) return Ending{ExitCode::usage, read.error().message};
    before_ = std::move(*read);
    return std::nullopt;
  }

  std::optional<Ending> choose_backend() {
    std::vector<std::string> names = split_backend_names(arguments_.selection.backends);
    if (names.empty() && before_) {
      auto named = named_backend(registry_, *before_, arguments_.file);
      if (!named) return Ending{ExitCode::usage, named.error().message};
      names.push_back(std::move(*named));
    }
    if (names.size() != 1)
      return Ending{ExitCode::usage,
                    "lock: name one backend with --backend; a file holds the streams of one"};
    spec_ = names.front();
    return std::nullopt;
  }

  /// The streams of a new instance.
  std::optional<Ending> draw(StreamLock& lock) {
    BackendOptions options = backend_options(arguments_.selection);
    options.stop = &g_stop;
    auto opened = registry_.open(spec_, options);
    if (was_interrupted()) return interruption();
    if (!opened) {
      const bool is_usage = opened.error().code == ErrorCode::invalid_argument;
      return Ending{is_usage ? ExitCode::usage : ExitCode::backend_fault, opened.error().message};
    }
    Backend& backend = **opened;
    lock = empty_lock(spec_, backend.capabilities(), today());
    if (before_ && before_->name != lock.name)
      return Ending{ExitCode::usage, fmt::format("stream lock '{}' holds streams of '{}' and none of '{}'",
                                                 arguments_.file, before_->name, lock.name)};
    const std::vector<LockedCall> calls = calls_to_lock(backend.capabilities());
    if (calls.empty())
      return Ending{ExitCode::no_comparison,
                    fmt::format("{} claims nothing that can be locked: a mask must be seeded, and its dtype "
                                "a floating one",
                                spec_)};
    auto drawn = draw_streams(backend, calls, g_stop);
    if (was_interrupted()) return interruption();
    if (!drawn) return Ending{ExitCode::backend_fault, fmt::format("{}: {}", spec_, drawn.error().message)};
    if (drawn->calls.empty())
      return Ending{ExitCode::no_comparison, fmt::format("{} refuses all that could be locked, first {}",
                                                         spec_, drawn->left_out.front())};
    lock.calls = std::move(drawn->calls);
    left_out_ = std::move(drawn->left_out);
    return std::nullopt;
  }

  void tell_left_out() const {
    for (const std::string& text : left_out_) fmt::print("left out {}\n", reports::clean_line(text));
  }

  std::optional<Ending> write() {
    if (was_interrupted()) return interruption();
    const Status written = replace_file(path_, stream_lock_text(now_));
    if (!written) return Ending{ExitCode::internal, written.error().message};
    return std::nullopt;
  }

  std::optional<Ending> write_new() {
    if (auto ended = write()) return ended;
    tell_left_out();
    fmt::print("locked {} masks of {} cases of {} {} in {}\n", now_.calls.size(), cases_in(now_.calls),
               reports::clean_line(now_.name), reports::clean_line(version_text(now_.version)),
               reports::clean_line(arguments_.file));
    return std::nullopt;
  }

  std::optional<Ending> update() {
    const StreamDifference d = difference_of(*before_, now_);
    tell_left_out();
    fmt::print("{}: {} {}, locked on {} with dropcheck {}; this is {}\n",
               reports::clean_line(arguments_.file), reports::clean_line(before_->name),
               reports::clean_line(version_text(before_->version)), before_->date,
               reports::clean_line(before_->tool_version), reports::clean_line(version_text(now_.version)));
    print_some("changed", d.changed, [](const auto& c) {
      return fmt::format("{}: {} -> {}", call_text(c.first), c.first.digest, c.second.digest);
    });
    print_some("added", d.added, [](const auto& c) { return fmt::format("{}: {}", call_text(c), c.digest); });
    print_some("removed", d.removed,
               [](const auto& c) { return fmt::format("{}: {}", call_text(c), c.digest); });
    fmt::print("{} changed, {} added, {} removed, {} as they were\n", d.changed.size(), d.added.size(),
               d.removed.size(), now_.calls.size() - d.changed.size() - d.added.size());
    const bool same_stream = d.none() && before_->seeds == now_.seeds;
    if (same_stream && before_->version == now_.version) {
      fmt::print("nothing to write\n");
      return std::nullopt;
    }
    if (!arguments_.yes) {
      fmt::print("nothing was written; --yes {}\n",
                 same_stream ? "notes the version" : "writes what is there now");
      return same_stream ? std::nullopt : std::optional(Ending{ExitCode::fail, {}});
    }
    if (auto ended = write()) return ended;
    fmt::print("written\n");
    return std::nullopt;
  }

  template <typename List, typename Text>
  static void print_some(const char* kind, const List& list, const Text& text) {
    for (std::size_t i = 0; i < std::min(list.size(), kMostLines); ++i)
      fmt::print("  {:8} {}\n", kind, text(list[i]));
    if (list.size() > kMostLines) fmt::print("  {:8} and {} more\n", kind, list.size() - kMostLines);
  }

  const Registry& registry_;
  const LockArguments& arguments_;
  std::string path_, spec_;
  std::optional<FileLock> held_;
  std::optional<StreamLock> before_;  // what the file holds
  StreamLock now_;
  std::vector<std::string> left_out_;
};

}  // namespace

Status apply_lock(Registry& registry, RunArguments& arguments) {
  if (arguments.lock.empty()) return Done{};
  auto lock = read_stream_lock(arguments.lock);
  if (!lock) return lock.error();
  if (arguments.selection.backends.empty()) {
    auto named = named_backend(registry, *lock, arguments.lock);
    if (!named) return named.error();
    arguments.selection.backends.push_back(std::move(*named));
  }
  add_stream_lock(registry, *lock, arguments.lock);
  arguments.locked = std::move(*lock);
  return Done{};
}

ExitCode lock_command(const Registry& registry, const LockArguments& arguments) {
  catch_signals();
  LockArguments alone = arguments;
  alone.selection.threads = 1;  // one instance at a time
  return Locking(registry, alone).run();
}

}  // namespace dropcheck::tools
