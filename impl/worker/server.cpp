#include "impl/worker/server.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <map>
#include <thread>
#include <vector>

#include "impl/worker/frame.hpp"
#include "impl/worker/messages.hpp"
#include "impl/worker/process_state.hpp"
#include "impl/worker/shared_memory.hpp"

namespace dropcheck::worker {
namespace {

/// Ends this process and all of its session once the run hangs up, whatever a call is doing at that moment.
/// PR_SET_PDEATHSIG would do so with the thread that started the process, and lanes come and go.
void never_outlive_the_run(int fd) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // the thread takes no signal that is meant for the backend
  std::thread([fd] {
    pollfd hung_up{fd, 0, 0};  // POLLHUP is always told
    while (poll(&hung_up, 1, -1) < 0) {
    }
    if (getpgrp() == getpid()) kill(0, SIGKILL);
    _exit(0);
  }).detach();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

/// What a library printed so far shall not be lost when it crashes later.
void flush_output() {
  std::cout.flush();
  std::fflush(stdout);
}

/// What a process shares between calls, looked at after each of them.
class Guard {
 public:
  /// After the library was loaded: an incident each, uncounted.
  Json look_at_loading() {
    Json said = Json::array();
    add(said, state_.restore(), 0);
    add(said, state_.accept_signals(), 0);
    return said;
  }
  /// Signals, which change no call, are looked at after the first calls, then now and then and at the end.
  Json look_after_call(bool is_last) {
    constexpr unsigned kEvery = 16;
    Json said = Json::array();
    add(said, state_.restore(), 1);
    if (calls_++ < kEvery || calls_ % kEvery == 0 || is_last) add(said, state_.restore_signals(), 0);
    return said;
  }

 private:
  static void add(Json& said, const std::vector<std::string>& texts, unsigned calls) {
    for (const std::string& text : texts) said.push_back({{"text", text}, {"calls", calls}});
  }

  ProcessState state_;
  std::uint64_t calls_ = 0;
};

class Server {
 public:
  explicit Server(Backend& backend) : backend_(backend) {}

  /// The reply to a request.
  Json answer(Frame& request) {
    const auto what = request.body.value("do", std::string());
    const auto find = [this](std::uint64_t id) -> Memory* {
      const auto found = memories_.find(id);
      return found == memories_.end() ? nullptr : found->second.get();
    };
    if (what == "forward") {
      const auto call = call_from(request.body, find);
      return call ? reply(backend_.forward(*call)) : to_json(call.error());
    }
    if (what == "backward") {
      const auto call = backward_from(request.body, find);
      return call ? reply(backend_.backward(*call)) : to_json(call.error());
    }
    if (what == "release") {
      backend_.release({request.body.value("saved", std::uint64_t{0})});
      return Json::object();
    }
    if (what == "map") {
      auto memory =
          SharedMemory::map(std::move(request.descriptor), request.body.value("bytes", std::uint64_t{0}));
      if (!memory) return to_json(memory.error());
      memories_[request.body.value("memory", std::uint64_t{0})] = std::move(*memory);
      return Json::object();
    }
    if (what == "unmap") {
      memories_.erase(request.body.value("memory", std::uint64_t{0}));
      return Json::object();
    }
    if (what == "save_state") return save_state();
    if (what == "copy_state") {
      Memory* to = find(request.body.value("memory", std::uint64_t{0}));
      if (to == nullptr || to->size() < state_.size())
        return to_json(Error{ErrorCode::protocol, "there is no memory for the state of the generator"});
      std::copy(state_.begin(), state_.end(), to->data());
      state_.clear();
      return Json::object();
    }
    if (what == "load_state") {
      Memory* from = find(request.body.value("memory", std::uint64_t{0}));
      const auto bytes = request.body.value("bytes", std::uint64_t{0});
      if (from == nullptr || bytes > from->size())
        return to_json(Error{ErrorCode::protocol, "the state of the generator is not there"});
      const Status loaded = backend_.load_state({from->data(), static_cast<std::size_t>(bytes)});
      return loaded ? Json::object() : to_json(loaded.error());
    }
    return to_json(Error{ErrorCode::protocol, "the worker does not know this request"});
  }

 private:
  /// Keeps the state until there is memory to hand it over in, and tells its size.
  Json save_state() {
    auto state = backend_.save_state();
    if (!state) return to_json(state.error());
    state_ = std::move(*state);
    return {{"bytes", state_.size()}};
  }

  static Json reply(const Expected<Observation>& seen) {
    return seen ? to_json(*seen) : to_json(seen.error());
  }

  Backend& backend_;
  std::map<std::uint64_t, std::unique_ptr<SharedMemory>> memories_;
  std::vector<std::byte> state_;  // of the generator, told and not yet handed over
};

}  // namespace

int serve(int fd, const std::function<Expected<std::unique_ptr<Backend>>()>& open) {
  fcntl(fd, F_SETFD, FD_CLOEXEC);  // what a backend starts must not keep the connection open
  never_outlive_the_run(fd);
  Guard guard;
  auto backend = open();
  Json hello = backend ? to_json((*backend)->capabilities()) : to_json(backend.error());
  hello["incidents"] = guard.look_at_loading();
  flush_output();
  if (!send_frame(fd, hello) || !backend) return 0;
  Server server(**backend);
  while (true) {
    auto request = receive_frame(fd, std::nullopt);
    if (!request) return 0;  // the run hung up
    const bool closes = request->body.value("do", std::string()) == "close";
    Json answer = Json::object();
    try {
      if (closes) backend->reset();
      else answer = server.answer(*request);
    } catch (const std::exception& e) {
      answer = to_json(
          Error{ErrorCode::backend_failed, std::string("an exception escaped the backend: ") + e.what()});
    }
    if (Json said = guard.look_after_call(closes); !said.empty()) answer["incidents"] = std::move(said);
    flush_output();
    if (!send_frame(fd, answer) || closes) return 0;
  }
}

}  // namespace dropcheck::worker
