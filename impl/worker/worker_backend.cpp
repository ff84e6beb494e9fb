#include "impl/worker/worker_backend.hpp"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <utility>

#include "impl/worker/frame.hpp"
#include "impl/worker/messages.hpp"
#include "impl/worker/process.hpp"
#include "impl/worker/shared_memory.hpp"

namespace dropcheck::worker {
namespace {

/// The process and what it must be told again after a restart.
class Connection {
 public:
  Connection(WorkerCommand command, std::chrono::milliseconds deadline)
      : command_(std::move(command)), deadline_(deadline) {}

  /// Starts a process; the reply is its capabilities.
  Expected<Capabilities> start() {
    auto process = Process::start(command_.program, command_.arguments);
    if (!process) return process.error();
    process_.emplace(std::move(*process));
    auto hello = receive("start-up");
    if (!hello) return hello.error();
    if (auto error = error_in(*hello)) {
      process_.reset();
      return *error;
    }
    auto capabilities = capabilities_from(*hello);
    if (!capabilities) return capabilities.error();
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
    if (!sent) return lost(sent.error(), what);
    auto reply = receive(what);
    if (!reply) return reply;
    if (auto error = error_in(*reply)) return *error;
    process_->trim_output();
    return reply;
  }

  Expected<Json> receive(const char* what) {
    auto frame = receive_frame(process_->socket(), std::chrono::steady_clock::now() + deadline_);
    if (!frame) return lost(frame.error(), what);
    return std::move(frame->body);
  }

  /// Ends the process and says why.
  Error lost(const Error& error, const char* what) {
    last_end_ = process_->end();
    const std::string words = process_->last_words();
    process_.reset();
    std::string message;
    if (error.code == ErrorCode::timeout)
      message = fmt::format("the worker gave no answer within {} ms during {} and was stopped",
                            deadline_.count(), what);
    else if (error.code == ErrorCode::crashed)
      message = fmt::format("the worker {} during {}", last_end_, what);
    else message = fmt::format("{} during {}", error.message, what);
    if (!words.empty()) message += fmt::format("; its last words: {}", words);
    return {error.code, message};
  }

  WorkerCommand command_;
  std::chrono::milliseconds deadline_;
  std::optional<Process> process_;
  std::map<std::uint64_t, SharedMemory*> memories_;
  std::uint64_t last_id_ = 0;
  unsigned restarts_ = 0;
  std::optional<Error> untold_;  // how the process was lost in a request without an answer
  std::string last_end_ = "ended";
};

class WorkerBackend final : public Backend {
 public:
  WorkerBackend(std::shared_ptr<Connection> connection, Capabilities capabilities)
      : connection_(std::move(connection)), capabilities_(std::move(capabilities)) {}

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

Expected<std::unique_ptr<Backend>> open_worker(WorkerCommand command, std::chrono::milliseconds deadline) {
  auto connection = std::make_shared<Connection>(std::move(command), deadline);
  auto capabilities = connection->start();
  if (!capabilities) return capabilities.error();
  return std::unique_ptr<Backend>(new WorkerBackend(std::move(connection), std::move(*capabilities)));
}

}  // namespace dropcheck::worker
