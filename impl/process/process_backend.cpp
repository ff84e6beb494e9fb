#include "impl/process/process_backend.hpp"

#include <fmt/format.h>

#include <map>
#include <new>
#include <optional>

#include "impl/process/protocol.hpp"

namespace dropcheck::process {
namespace {

constexpr std::size_t kShownError = 2000;  // of the last words in a message
constexpr std::size_t kShownStray = 500;
constexpr std::size_t kShownIncident = 200;
constexpr milliseconds kOwnEnd{1000};  // for one that is just dying to die in its own way

/// The last line of a text that is not empty.
std::string_view last_line(std::string_view text) {
  text = text.substr(0, text.find_last_not_of(" \r\n") + 1);
  return text.substr(text.rfind('\n') + 1);
}

/// A program that is started again when it was lost, and its conversation.
class Adapter {
 public:
  Adapter(std::string command, const Options& options) : command_(std::move(command)), options_(options) {}
  ~Adapter() { (void)close(); }
  Adapter(const Adapter&) = delete;
  Adapter& operator=(const Adapter&) = delete;

  /// Starts a process, the first or another; its claims must stay what they were.
  Status start() {
    ++starts_;
    auto child = Child::start(command_, options_.limits);
    if (!child) return child.error();
    child_ = std::move(*child);
    wire_.emplace(*child_, stray_);
    has_run_ = false;
    const auto reply = talk(
        start_request(options_.rank, options_.world_size), "start", options_.first, [](const Json& header) {
          if (const auto refusal = refusal_in(header); refusal && refusal->code == ErrorCode::protocol)
            return Expected<std::uint64_t>(*refusal);
          return Expected<std::uint64_t>(std::uint64_t{0});
        });
    if (!reply) return reply.error();
    if (const auto refusal = refusal_in(reply->header)) {
      lose(milliseconds(0));
      last_loss_ = fmt::format("the adapter refuses to start: {}", refusal->message);
      return Error{refusal->code, last_loss_};
    }
    auto claims = claims_from(reply->header);
    if (!claims) return lost(claims.error(), "start", options_.first);
    if (!claims_) {
      claims_ = std::move(*claims);
    } else if (const auto changed = changed_claim(*claims_, *claims)) {
      return lost({ErrorCode::protocol, fmt::format("it claims other {} than before its restart", *changed)},
                  "start", options_.first);
    }
    return Done{};
  }

  /// Starts the program again if its process was lost.
  Status ensure_running() {
    if (child_) return Done{};
    if (starts_ > options_.restarts)
      return Error{ErrorCode::resource_exhausted,
                   fmt::format("the adapter was lost {} times and is not started again; the last time: {}",
                               starts_, last_loss_)};
    return start();
  }

  /// Asks a running process. Refusals of its own pass through; after any other error the process is gone.
  Expected<Observation> ask(Request& request, const char* what) {
    const milliseconds limit = has_run_ ? options_.every : options_.first;
    const auto reply = talk(std::move(request.message), what, limit,
                            [&](const Json& header) { return bytes_after(header, request); });
    if (!reply) return reply.error();
    has_run_ = true;
    if (const auto refusal = refusal_in(reply->header)) return *refusal;
    auto seen = observation_from(reply->header, reply->payload, request);
    if (!seen) return lost(seen.error(), what, limit);
    return seen;
  }

  /// The same for the state of the generator: what the reply brought.
  Expected<std::vector<std::byte>> ask_for_state() {
    const auto reply = talk(save_state_request().message, "save_state", options_.every, state_bytes);
    if (!reply) return reply.error();
    if (const auto refusal = refusal_in(reply->header)) return *refusal;
    return std::vector<std::byte>(reply->payload.begin(), reply->payload.end());
  }

  /// Asks the process to end, and tells what all processes did besides answering.
  std::vector<Incident> close() {
    if (child_) {
      child_->ignore_stop();
      const Clock::time_point until = Clock::now() + options_.stop;
      const auto reply = wire_->exchange(
          stop_request().message, [](const Json&) { return std::uint64_t{0}; }, until);
      const auto left = std::chrono::duration_cast<milliseconds>(until - Clock::now());
      const std::string ending = lose(std::max(left, milliseconds(0)));
      // Frameworks may take their time to leave, which is nobody's business once they have answered.
      if (ending != "exited with status 0" && !(reply && ending == kStopped))
        add_incident(incidents_,
                     {fmt::format("{} {}", ending,
                                  reply ? "after it had answered stop" : "when it was asked to stop")});
    }
    if (stray_.lines > 0)
      add_incident(incidents_, {fmt::format("printed to standard output, the last line: {}",
                                            shown_head(last_line(stray_.text.last()), kShownIncident)),
                                std::exchange(stray_.lines, 0), "line"});
    return std::exchange(incidents_, {});
  }

  bool is_running() const { return child_ != nullptr; }
  /// Number of the process that runs, or would be started next.
  unsigned process_number() const { return child_ ? starts_ : starts_ + 1; }
  const Claims& claims() const { return *claims_; }
  const std::string& last_loss() const { return last_loss_; }
  std::string stray() const { return stray_.summary(kKeptStrayBytes); }
  std::string standard_error() const {
    return child_ ? shown_tail(child_->standard_error(), kKeptErrorBytes) : last_words_;
  }

 private:
  Expected<Reply> talk(Message message, const char* what, milliseconds limit, const Announced& announced) {
    auto reply = wire_->exchange(std::move(message), announced, Clock::now() + limit);
    if (!reply) return lost(reply.error(), what, limit);
    return reply;
  }

  /// Ends the process and keeps what it said; returns how it ended.
  std::string lose(milliseconds patience) {
    const std::string ending = child_->end(patience);
    last_words_ = shown_tail(child_->standard_error(), kKeptErrorBytes);
    const std::uint64_t said = child_->standard_error_bytes();
    if (said > kKeptErrorBytes) add_incident(incidents_, {"flooded standard error", said, "byte"});
    for (const std::string& name : child_->left_behind())
      add_incident(incidents_,
                   {fmt::format("left '{}' behind, which was ended", printable(name)), 1, "process"});
    wire_.reset();
    child_.reset();
    return ending;
  }

  /// Ends the process and says why, in the words that the report shows.
  Error lost(const Error& error, const char* what, milliseconds limit) {
    const bool is_crash = error.code == ErrorCode::crashed;
    const std::string ending = lose(is_crash ? kOwnEnd : milliseconds(0));
    std::string message;
    if (is_crash) message = fmt::format("the adapter {} during {}: {}", ending, what, error.message);
    else if (error.code == ErrorCode::timeout)
      message = fmt::format("the adapter gave no whole reply within {} ms during {} and was stopped: {}",
                            limit.count(), what, error.message);
    else if (error.code == ErrorCode::protocol)
      message =
          fmt::format("the adapter breaks the protocol during {} and was stopped: {}", what, error.message);
    else message = fmt::format("{} during {}", error.message, what);
    last_loss_ = message;
    if (!last_words_.empty())
      message += fmt::format("; its last words on standard error: {}", shown_tail(last_words_, kShownError));
    if (stray_.lines > 0) message += fmt::format("; stray output: {}", stray_.summary(kShownStray));
    return {error.code, message};
  }

  std::string command_;
  Options options_;
  Stray stray_;
  std::unique_ptr<Child> child_;
  std::optional<Wire> wire_;
  std::optional<Claims> claims_;
  unsigned starts_ = 0;
  bool has_run_ = false;
  std::string last_words_, last_loss_;
  std::vector<Incident> incidents_;
};

/// Calls may need more memory than there is.
template <typename Body>
Expected<Observation> within_memory(Body&& body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::resource_exhausted, "no memory for the copies of a call: use a smaller shape"};
  }
}

class AdapterBackend final : public ProcessBackend {
 public:
  AdapterBackend(std::unique_ptr<Adapter> adapter)
      : adapter_(std::move(adapter)), claims_(adapter_->claims()) {
    if (const std::string printed = adapter_->stray(); !printed.empty())
      claims_.capabilities.notes.push_back(fmt::format(
          "printed to standard output before its first reply: {}", shown_head(printed, kShownStray)));
  }

  const Capabilities& capabilities() const override { return claims_.capabilities; }
  std::string stray() const override { return adapter_->stray(); }
  std::string standard_error() const override { return adapter_->standard_error(); }
  std::vector<Incident> close() override {
    auto incidents = adapter_->close();
    if (auto unreported = take_unreported()) add_incident(incidents, {unreported->message});
    return incidents;
  }

  Expected<Observation> forward(const Call& call) override {
    return within_memory([&]() -> Expected<Observation> {
      if (Status usable = check_stream(call); !usable) return usable.error();
      auto request = run_request(call, claims_);
      if (!request) return request.error();
      if (Status running = adapter_->ensure_running(); !running) return running.error();
      auto seen = adapter_->ask(*request, "run");
      if (!seen) return seen;
      if (call.seed) stream_of_ = adapter_->process_number();
      if (request->saves) seen->saved.id = keep(seen->saved.id);
      return seen;
    });
  }

  Expected<Observation> backward(const BackwardCall& call) override {
    return within_memory([&]() -> Expected<Observation> {
      if (auto unreported = take_unreported()) return *unreported;
      const auto saved = saved_.find(call.saved.id);
      if (saved == saved_.end())
        return Error{ErrorCode::invalid_argument, "backward names a forward call that was not saved"};
      if (!adapter_->is_running() || saved->second.process != adapter_->process_number())
        return Error{
            ErrorCode::crashed,
            fmt::format("the forward call of this gradient is gone with the process that made it: {}",
                        adapter_->last_loss())};
      Request request = backward_request(call, saved->second.id);
      return adapter_->ask(request, "backward");
    });
  }

  Expected<std::vector<std::byte>> save_state() override {
    if (!claims_.capabilities.recompute) return Backend::save_state();
    if (auto unreported = take_unreported()) return *unreported;
    if (Status running = adapter_->ensure_running(); !running) return running.error();
    auto state = adapter_->ask_for_state();
    if (state) state_of_ = adapter_->process_number();
    return state;
  }

  Status load_state(std::span<const std::byte> state) override {
    if (!claims_.capabilities.recompute) return Backend::load_state(state);
    if (auto unreported = take_unreported()) return *unreported;
    if (!adapter_->is_running() || state_of_ != adapter_->process_number())
      return Error{ErrorCode::crashed,
                   fmt::format("the state of the generator is gone with the process that told it: {}",
                               adapter_->last_loss())};
    Request request = load_state_request(state);
    const auto loaded = adapter_->ask(request, "load_state");
    if (!loaded) return loaded.error();
    return Done{};
  }

  void release(SavedToken saved) override {
    const auto found = saved_.find(saved.id);
    if (found == saved_.end()) return;
    const Saved old = found->second;
    saved_.erase(found);
    if (!adapter_->is_running() || old.process != adapter_->process_number()) return;
    Request request = release_request(old.id);
    const auto done = adapter_->ask(request, "release");
    // Nobody is told here that the process was lost, so the next call is.
    if (!done && !adapter_->is_running()) unreported_ = done.error();
  }

 private:
  struct Saved {
    unsigned process;  // number of the one that knows it
    std::uint64_t id;  // its own
  };

  std::uint64_t keep(std::uint64_t id) {
    saved_[++last_saved_] = {adapter_->process_number(), id};
    return last_saved_;
  }

  std::optional<Error> take_unreported() { return std::exchange(unreported_, std::nullopt); }

  /// A stream cannot be continued in a process that did not begin it.
  Status check_stream(const Call& call) {
    if (auto unreported = take_unreported()) return *unreported;
    if (claims_.capabilities.seed_semantics != SeedSemantics::stateful || call.seed) return Done{};
    if (stream_of_ == adapter_->process_number()) return Done{};
    return Error{
        ErrorCode::crashed,
        fmt::format("the stream that this call continues is gone with the process that drew from it: {}",
                    adapter_->last_loss())};
  }

  std::unique_ptr<Adapter> adapter_;
  Claims claims_;
  std::map<std::uint64_t, Saved> saved_;  // by our own numbers
  std::uint64_t last_saved_ = 0;
  /// Number of the process whose stream may be continued: the first from the start, a later one once a call
  /// with a seed has succeeded in it.
  unsigned stream_of_ = 1;
  unsigned state_of_ = 0;  // number of the process that told its state last
  std::optional<Error> unreported_;
};

}  // namespace

Expected<std::unique_ptr<ProcessBackend>> open_process(const std::string& command, const Options& options) {
  auto adapter = std::make_unique<Adapter>(command, options);
  if (Status started = adapter->start(); !started) return started.error();
  return std::unique_ptr<ProcessBackend>(new AdapterBackend(std::move(adapter)));
}

}  // namespace dropcheck::process
