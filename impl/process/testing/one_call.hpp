#pragma once
// A call on six floats, and what the tests of this folder ask about processes.

#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "harness/core/backend.hpp"
#include "harness/core/guarded_tensor.hpp"

namespace dropcheck::process::testing {

/// Two rows of three numbers that are no floats of one value, p = 0.5, seed 1; y is poisoned.
struct OneCall {
  explicit OneCall(std::vector<float> values = {1, -2, 3, -4, 5, -6}, std::vector<std::int64_t> shape = {6}) {
    problem.shape = std::move(shape);
    x = tensor(false);
    y = tensor(true);
    scatter(reinterpret_cast<const std::byte*>(values.data()), x->view());
    call.x = {&x->memory(), x->view()};
    call.y = {&y->memory(), y->view()};
    call.seed = 1;
  }

  std::unique_ptr<GuardedTensor> tensor(bool is_output, DType dtype = DType::f32) const {
    Problem like = problem;
    like.dtype = dtype;
    auto made = std::make_unique<GuardedTensor>(*heap_memory(GuardedTensor::bytes_needed(like, is_output)),
                                                like, is_output);
    made->poison();
    return made;
  }

  /// Elements of a tensor of f32.
  static std::vector<float> values(GuardedTensor& tensor) {
    std::vector<float> out(static_cast<std::size_t>(tensor.view().count()));
    if (!out.empty()) gather(tensor.view(), reinterpret_cast<std::byte*>(out.data()));
    return out;
  }
  /// Runs with that seed into a freshly poisoned y.
  Expected<Observation> forward(Backend& backend, std::optional<std::uint64_t> seed) {
    call.seed = seed;
    y->poison();
    return backend.forward(call);
  }
  std::vector<float> output() { return values(*y); }

  Problem problem;
  std::unique_ptr<GuardedTensor> x, y;
  Call call;
};

/// True when this process has no child, running or dead.
inline bool has_no_children() { return waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD; }

/// True while a process of that number runs; one that is dead and only waits to be reaped does not.
inline bool runs(long pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string stat;
  if (!std::getline(file, stat)) return false;
  const std::size_t name_end = stat.rfind(')');
  return name_end != std::string::npos && name_end + 2 < stat.size() && stat[name_end + 2] != 'Z' &&
         stat[name_end + 2] != 'X';
}

}  // namespace dropcheck::process::testing
