#include "impl/worker/worker_backend.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "impl/worker/frame.hpp"
#include "impl/worker/messages.hpp"
#include "impl/worker/process.hpp"
#include "impl/worker/shared_memory.hpp"

namespace dropcheck::worker {
namespace {

constexpr milliseconds kLoading{60'000};  // for the library to be loaded, at least
constexpr milliseconds kClosing{3'000};   // for the library to close, at most
constexpr milliseconds kLeaving{2'000};   // for the process to end after that
constexpr milliseconds kOwnEnd{1'000};    // for one that is just dying to die in its own way
constexpr std::size_t kMostSaid = 16;     // incidents that one reply may tell
constexpr std::size_t kMostText = 1000;

/// The process and what it must be told again after a restart.
class Connection {
 public:
  Connection(WorkerCommand command, const WorkerOptions& options)
      : command_(std::move(command)), options_(options) {}

  /// Starts a process; the reply is its capabilities.
  Expected<Capabilities> start() {
    auto process = Process::start(command_.program, command_.arguments, {options_.memory, options_.stop});
    if (!process) return process.error();
    process_ = std::move(*process);
    auto hello = receive("start-up", std::max(kLoading, options_.deadline));
    if (!hello) return hello.error();
    hear(*hello);
    if (auto error = error_in(*hello)) {
      let_go(milliseconds(0));
      return *error;
    }
    auto capabilities = capabilities_from(*hello);
    if (!capabilities) {
      let_go(milliseconds(0));
      return capabilities.error();
    }
    for (const auto& [id, memory] : memories_) {
      const auto mapped = exchange(map_request(*memory), "map", memory->descriptor());
      if (!mapped) return mapped.error();
    }
    return capabilities;
  }

  /// Sends a request to a running worker, which is started again if the last one died. Errors of the worker's
  /// own pass through.
  Expected<Json> request(const Json& body, const char* what) {
    // A stream that would be continued died with the process: the next call must not draw from a fresh one.
    if (untold_) return *std::exchange(untold_, std::nullopt);
    const Status running = ensure_running();
    if (!running) return running.error();
    return exchange(body, what, -1);
  }

  /// A request whose failure nobody can be told at once; the next request tells it.
  void request_untold(const Json& body, const char* what) {
    if (!process_) return;
    const auto done = exchange(body, what, -1);
    if (!done && !process_) untold_ = done.error();
  }

  /// Ends the process, if one runs, and tells what all of them did besides answering.
  std::vector<Incident> close() {
    if (process_) close_process();
    if (untold_) add_incident(incidents_, {std::exchange(untold_, std::nullopt)->message});
    return std::exchange(incidents_, {});
  }

  Expected<std::unique_ptr<Memory>> allocate(std::size_t bytes, const std::shared_ptr<Connection>& self) {
    auto memory = SharedMemory::create(bytes);
    if (!memory) return memory.error();
    (*memory)->id = ++last_id_;
    const Status running = ensure_running();
    if (!running) return running.error();
    const auto mapped = exchange(map_request(**memory), "map", (*memory)->descriptor());
    if (!mapped) return mapped.error();
    memories_[(*memory)->id] = memory->get();
    (*memory)->on_destroyed = [self](std::uint64_t id) { self->forget(id); };
    return std::unique_ptr<Memory>(std::move(*memory));
  }

 private:
  static Json map_request(const SharedMemory& memory) {
    return {{"do", "map"}, {"memory", memory.id}, {"bytes", memory.size()}};
  }

  void close_process() {
    process_->ignore_stop();
    const Status sent = send_frame(process_->socket(), {{"do", "close"}}, -1);
    const auto closed = sent ? receive_within(kClosing) : Expected<Frame>(sent.error());
    if (closed) {
      hear(closed->body);
      // Libraries may take their time to leave, which is nobody's business once they have closed.
      const std::string ending = let_go(kLeaving);
      if (ending != "exited with status 0" && ending != kStopped)
        add_incident(incidents_, {fmt::format("{} after it had closed", ending)});
    } else {
      const bool is_crash = closed.error().code == ErrorCode::crashed;
      const std::string ending = let_go(is_crash ? kOwnEnd : milliseconds(0));
      add_incident(incidents_, {fmt::format("{} while it closed", ending)});
    }
  }

  void forget(std::uint64_t id) {
    memories_.erase(id);
    request_untold({{"do", "unmap"}, {"memory", id}}, "unmap");
  }

  Status ensure_running() {
    if (process_) return Done{};
    if (restarts_ == kMaxRestarts)
      return Error{ErrorCode::resource_exhausted,
                   fmt::format("the worker died {} times and is not started again; the last time it {}",
                               restarts_ + 1, last_end_)};
    ++restarts_;
    const auto started = start();
    if (!started) return started.error();
    return Done{};
  }

  Expected<Json> exchange(const Json& body, const char* what, int descriptor) {
    const Status sent = send_frame(process_->socket(), body, descriptor);
    if (!sent) return lost(sent.error(), what, options_.deadline);
    auto reply = receive(what, options_.deadline);
    if (!reply) return reply;
    hear(*reply);
    if (auto error = error_in(*reply)) return *error;
    return reply;
  }

  Expected<Json> receive(const char* what, milliseconds limit) {
    auto frame = receive_within(limit);
    if (!frame) return lost(frame.error(), what, limit);
    return std::move(frame->body);
  }

  Expected<Frame> receive_within(milliseconds limit) {
    const auto deadline = Clock::now() + limit;
    return receive_frame(process_->socket(), [&] { return process_->wait_readable(deadline); });
  }

  /// Keeps what the worker tells of itself.
  void hear(const Json& reply) {
    const auto said = reply.find("incidents");
    if (said == reply.end() || !said->is_array()) return;
    for (std::size_t i = 0; i < std::min(said->size(), kMostSaid); ++i) {
      const Json& one = (*said)[i];
      if (!one.is_object() || !one.contains("text") || !one["text"].is_string()) continue;
      const bool is_counted = one.contains("calls") && one["calls"] == 1;
      add_incident(incidents_,
                   {one["text"].get<std::string>().substr(0, kMostText), is_counted ? 1u : 0u, "call"});
    }
  }

  /// Ends the process and keeps what it did; returns how it ended.
  std::string let_go(milliseconds patience) {
    last_end_ = process_->end(patience);
    last_words_ = process_->last_words();
    for (Incident& incident : process_->incidents()) add_incident(incidents_, std::move(incident));
    process_.reset();
    return last_end_;
  }

  /// Ends the process and says why.
  Error lost(const Error& error, const char* what, milliseconds limit) {
    let_go(error.code == ErrorCode::crashed ? kOwnEnd : milliseconds(0));
    std::string message;
    if (error.code == ErrorCode::timeout) {
      last_end_ = fmt::format("gave no answer within {} ms", limit.count());
      message = fmt::format("the worker {} during {} and was stopped", last_end_, what);
    } else if (error.code == ErrorCode::resource_exhausted) {
      last_end_ = error.message;
      message = fmt::format("the worker {} during {} and was stopped", last_end_, what);
    } else if (error.code == ErrorCode::crashed) {
      message = fmt::format("the worker {} during {}", last_end_, what);
    } else {
      message = fmt::format("{} during {}", error.message, what);
    }
    if (!last_words_.empty()) message += fmt::format("; its last words: {}", last_words_);
    return {error.code, message};
  }

  WorkerCommand command_;
  WorkerOptions options_;
  std::unique_ptr<Process> process_;
  std::map<std::uint64_t, SharedMemory*> memories_;
  std::uint64_t last_id_ = 0;
  unsigned restarts_ = 0;
  std::optional<Error> untold_;  // how the process was lost in a request without an answer
  std::string last_end_ = "ended", last_words_;
  std::vector<Incident> incidents_;
};

class WorkerBackend final : public Backend {
 public:
  WorkerBackend(std::shared_ptr<Connection> connection, Capabilities capabilities)
      : connection_(std::move(connection)), capabilities_(std::move(capabilities)) {}
  ~WorkerBackend() override { (void)connection_->close(); }
  WorkerBackend(const WorkerBackend&) = delete;
  WorkerBackend& operator=(const WorkerBackend&) = delete;

  const Capabilities& capabilities() const override { return capabilities_; }
  Expected<std::unique_ptr<Memory>> allocate(std::size_t bytes) override {
    return connection_->allocate(bytes, connection_);
  }
  Expected<Observation> forward(const Call& call) override {
    return observe(to_json(call, id_of), "forward");
  }
  Expected<Observation> backward(const BackwardCall& call) override {
    return observe(to_json(call, id_of), "backward");
  }
  void release(SavedToken saved) override {
    if (saved.id != 0) connection_->request_untold({{"do", "release"}, {"saved", saved.id}}, "release");
  }
  Expected<std::vector<std::byte>> save_state() override {
    if (!capabilities_.recompute) return Backend::save_state();
    const auto saved = connection_->request({{"do", "save_state"}}, "save_state");
    if (!saved) return saved.error();
    const auto bytes = saved->find("bytes");
    if (bytes == saved->end() || !bytes->is_number_unsigned() || *bytes < 1u || *bytes > kMaxStateBytes)
      return Error{ErrorCode::protocol, "the worker does not say how large the state of the generator is"};
    const auto memory = allocate(bytes->get<std::size_t>());
    if (!memory) return memory.error();
    const auto copied =
        connection_->request({{"do", "copy_state"}, {"memory", id_of(**memory)}}, "copy_state");
    if (!copied) return copied.error();
    return std::vector<std::byte>((*memory)->data(), (*memory)->data() + bytes->get<std::size_t>());
  }
  Status load_state(std::span<const std::byte> state) override {
    if (!capabilities_.recompute) return Backend::load_state(state);
    const auto memory = allocate(state.size());
    if (!memory) return memory.error();
    std::copy(state.begin(), state.end(), (*memory)->data());
    const auto loaded = connection_->request(
        {{"do", "load_state"}, {"memory", id_of(**memory)}, {"bytes", state.size()}}, "load_state");
    if (!loaded) return loaded.error();
    return Done{};
  }
  std::vector<Incident> close() override { return connection_->close(); }

 private:
  static std::uint64_t id_of(const Memory& memory) {
    const auto* shared = dynamic_cast<const SharedMemory*>(&memory);
    DROPCHECK_CHECK(shared != nullptr);  // tensors come from this backend's own allocate()
    return shared->id;
  }

  Expected<Observation> observe(const Json& request, const char* what) {
    const auto reply = connection_->request(request, what);
    if (!reply) return reply.error();
    return observation_from(*reply);
  }

  std::shared_ptr<Connection> connection_;
  Capabilities capabilities_;
};

}  // namespace

Expected<std::unique_ptr<Backend>> open_worker(WorkerCommand command, const WorkerOptions& options) {
  auto connection = std::make_shared<Connection>(std::move(command), options);
  auto capabilities = connection->start();
  if (!capabilities) return capabilities.error();
  return std::unique_ptr<Backend>(new WorkerBackend(std::move(connection), std::move(*capabilities)));
}

}  // namespace dropcheck::worker
