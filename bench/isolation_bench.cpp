// What a worker process costs: the same calls of one plugin in this process and in a worker, in turn, on
// tensors of the same size. `dropout` draws a mask; `copy` is the least that a call can do, so that it shows
// the way to the worker and back. Counters in_process_ms and worker_ms are medians; ratio is that of the
// sums, which is to stay below 1.1 for dropout on 16 MiB.

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>
#include <vector>

#include "bench/counters.hpp"
#include "harness/core/guarded_tensor.hpp"
#include "impl/plugin/plugin_backend.hpp"
#include "impl/worker/worker_backend.hpp"

namespace dropcheck::bench {
namespace {

using Clock = std::chrono::steady_clock;

/// One backend with the tensors of its calls.
class Side {
 public:
  Side(Expected<std::unique_ptr<Backend>> backend, std::size_t bytes, Mode mode) {
    if (!backend) throw std::runtime_error(backend.error().message);
    backend_ = std::move(*backend);
    Problem problem;
    problem.shape = {static_cast<std::int64_t>(bytes / sizeof(float))};
    for (auto* tensor : {&x_, &y_}) {
      const bool is_output = tensor == &y_;
      auto memory = backend_->allocate(GuardedTensor::bytes_needed(problem, is_output));
      if (!memory) throw std::runtime_error(memory.error().message);
      tensor->emplace(std::move(*memory), problem, is_output);
    }
    const std::vector<float> ones(bytes / sizeof(float), 1.0f);
    std::memcpy(x_->view().data, ones.data(), bytes);
    call_.p = 0.3;
    call_.mode = mode;
    call_.x = {&x_->memory(), x_->view()};
    call_.y = {&y_->memory(), y_->view()};
  }

  double seconds_of_call(std::uint64_t seed) {
    call_.seed = seed;
    const auto begin = Clock::now();
    const auto seen = backend_->forward(call_);
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    if (!seen) throw std::runtime_error(seen.error().message);
    return seconds;
  }

 private:
  std::unique_ptr<Backend> backend_;
  std::optional<GuardedTensor> x_, y_;
  Call call_;
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

void call_in_both(benchmark::State& state, Mode mode) {
  try {
    const auto bytes = static_cast<std::size_t>(state.range(0));
    Side here(plugin_host::open_plugin(DROPCHECK_BENCH_PLUGIN), bytes, mode);
    Side there(worker::open_worker({DROPCHECK_PROGRAM, {"dropcheck", "worker", DROPCHECK_BENCH_PLUGIN}}),
               bytes, mode);
    here.seconds_of_call(0), there.seconds_of_call(0);  // the first touches its memory
    std::vector<double> in_process, in_worker;
    double sum_in_process = 0, sum_in_worker = 0;
    std::uint64_t seed = 0;
    for (auto _ : state) {
      double a = 0, b = 0;
      if (++seed % 2 == 0) a = here.seconds_of_call(seed), b = there.seconds_of_call(seed);
      else b = there.seconds_of_call(seed), a = here.seconds_of_call(seed);
      in_process.push_back(a);
      in_worker.push_back(b);
      sum_in_process += a;
      sum_in_worker += b;
      state.SetIterationTime(b);
    }
    state.counters["in_process_ms"] = median(in_process) * 1e3;
    state.counters["worker_ms"] = median(in_worker) * 1e3;
    state.counters["ratio_of_medians"] = median(in_worker) / median(in_process);
    state.counters["ratio"] = sum_in_worker / sum_in_process;
  } catch (const std::exception& error) {
    state.SkipWithError(error.what());
  }
}

void dropout(benchmark::State& state) { call_in_both(state, Mode::train); }
void copy(benchmark::State& state) { call_in_both(state, Mode::eval); }

BENCHMARK(dropout)
    ->RangeMultiplier(64)
    ->Range(1 << 12, 1 << 24)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(copy)->RangeMultiplier(64)->Range(1 << 12, 1 << 24)->UseManualTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace dropcheck::bench
