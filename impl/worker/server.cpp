#include "impl/worker/server.hpp"

#include <sys/prctl.h>

#include <csignal>
#include <map>

#include "impl/worker/frame.hpp"
#include "impl/worker/messages.hpp"
#include "impl/worker/shared_memory.hpp"

namespace dropcheck::worker {
namespace {

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
    return to_json(Error{ErrorCode::protocol, "the worker does not know this request"});
  }

 private:
  static Json reply(const Expected<Observation>& seen) {
    return seen ? to_json(*seen) : to_json(seen.error());
  }

  Backend& backend_;
  std::map<std::uint64_t, std::unique_ptr<SharedMemory>> memories_;
};

}  // namespace

int serve(int fd, const std::function<Expected<std::unique_ptr<Backend>>()>& open) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // a worker never outlives the lane that started it
  auto backend = open();
  if (!backend) {
    (void)send_frame(fd, to_json(backend.error()));
    return 0;
  }
  if (!send_frame(fd, to_json((*backend)->capabilities()))) return 0;
  Server server(**backend);
  while (true) {
    auto request = receive_frame(fd, std::nullopt);
    if (!request) return 0;  // the run hung up
    Json answer;
    try {
      answer = server.answer(*request);
    } catch (const std::exception& e) {
      answer = to_json(
          Error{ErrorCode::backend_failed, std::string("an exception escaped the backend: ") + e.what()});
    }
    if (!send_frame(fd, answer)) return 0;
  }
}

}  // namespace dropcheck::worker
