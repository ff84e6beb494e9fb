// What only a GPU can show, in one program that needs nothing but the driver: the kernels against the same
// element code on the host, graphs, and speed as a ratio to copies of the same bytes in the same run.
//
//   gpu_check [--quick]     JSON Lines on standard output
//
// Exit code 0: all comparisons hold; 1: one does not; 2: something else went wrong; 11: there is no GPU to
// use.

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "impl/cuda/device.hpp"
#include "impl/cuda/dispatch.hpp"
#include "impl/cuda/kernels.hpp"
#include "impl/cuda/stream_setup.hpp"
#include "impl/cuda/walk.hpp"
#ifdef DROPCHECK_WITH_CURAND
#include "impl/cuda/curand_kernels.hpp"
#endif

namespace dropcheck::cuda {
namespace {

using Json = nlohmann::ordered_json;

constexpr DType kDTypes[] = {DType::f64, DType::f32, DType::f16, DType::bf16};
constexpr std::uint64_t kSeed = 0x0123456789abcdef;

void say(const Json& line) { std::printf("%s\n", line.dump().c_str()), std::fflush(stdout); }

void check(cudaError_t error, const char* doing) {
  if (error != cudaSuccess) throw DeviceError(std::string(doing) + ": " + cudaGetErrorString(error));
}

/// Device memory that goes with the object.
class Memory {
 public:
  explicit Memory(std::size_t bytes) {
    check(cudaMalloc(&data_, std::max<std::size_t>(bytes, 1)), "allocating");
  }
  ~Memory() { cudaFree(data_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
};

class Stream {
 public:
  Stream() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream"); }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  cudaStream_t get() const { return stream_; }
  void wait() const { check(cudaStreamSynchronize(stream_), "running"); }

 private:
  cudaStream_t stream_ = nullptr;
};

void start(DType dtype, const Request& request, unsigned blocks, cudaStream_t stream) {
  const auto run = dtype == DType::f64   ? launch_f64
                   : dtype == DType::f32 ? launch_f32
                   : dtype == DType::f16 ? launch_f16
                                         : launch_bf16;
  check(run(request, blocks, stream), "starting a kernel");
}

/// Dense tensors; per_entry above 1 drops channels of that size.
Request request_of(DType dtype, bool alpha, std::uint64_t count, std::uint64_t per_entry, const void* x,
                   void* y, void* packed) {
  Request request;
  request.source = Source::dropcheck;
  request.dropcheck = {KeySchedule(kSeed), 3, last_dropped_word(0.3)};
  Task& task = request.task;
  task.x = x;
  task.y = y;
  task.packed = static_cast<unsigned char*>(packed);
  task.count = count;
  task.per_entry = per_entry;
  task.law = forward_law(alpha, 0.3, dtype);
  const std::int64_t shape[] = {static_cast<std::int64_t>(count)}, strides[] = {1};
  const int order[] = {0};
  task.walk = make_walk(shape, order, strides, strides, {});
  choose_body(request);
  return request;
}

/// Elements of many exponents, none a NaN: conversions of NaNs may differ in bits.
std::vector<unsigned char> elements(DType dtype, std::uint64_t count) {
  const std::size_t size = size_of(dtype);
  std::vector<unsigned char> bytes(count * size);
  for (std::uint64_t i = 0; i < count; ++i) {
    const Words words = philox4x32_10(i, 99, KeySchedule(7));
    const auto value = static_cast<double>(static_cast<std::int32_t>(words.word[0])) *
                       (words.word[1] % 3 == 0 ? 0x1p-40 : 0x1p-31);
    unsigned char* const at = bytes.data() + i * size;
    const auto put = [&](const auto& x) { std::memcpy(at, &x, sizeof x); };
    switch (dtype) {
      case DType::f64: put(value); break;
      case DType::f32: put(static_cast<float>(value)); break;
      case DType::f16: put(half_bits(static_cast<float>(value))); break;
      case DType::bf16: put(bfloat16_bits(static_cast<float>(value))); break;
    }
  }
  return bytes;
}

bool compare_with_host(const Stream& stream, unsigned multiprocessors) {
  bool all = true;
  for (const DType dtype : kDTypes)
    for (const bool alpha : {false, true})
      for (const std::uint64_t per_entry : {std::uint64_t{1}, std::uint64_t{7}, std::uint64_t{4096}})
        for (const std::uint64_t count :
             {std::uint64_t{1}, std::uint64_t{1000003}, (std::uint64_t{1} << 22) + 5})
          for (const bool shifted : {false, true}) {
            const std::size_t size = size_of(dtype), bytes = count * size, shift = shifted ? size : 0;
            const std::vector<unsigned char> x = elements(dtype, count);
            std::vector<unsigned char> host_y(bytes), y(bytes), host_bits((count + 7) / 8),
                bits(host_bits.size());
            const Memory device_x(bytes + 16), device_y(bytes + 16), device_bits(bits.size());
            auto* const from = static_cast<char*>(device_x.data()) + shift;
            auto* const to = static_cast<char*>(device_y.data()) + shift;
            check(cudaMemcpy(from, x.data(), bytes, cudaMemcpyHostToDevice), "copying");
            start(dtype, request_of(dtype, alpha, count, per_entry, from, to, device_bits.data()),
                  multiprocessors * (alpha ? 3 : 32), stream.get());
            stream.wait();
            check(cudaMemcpy(y.data(), to, bytes, cudaMemcpyDeviceToHost), "copying");
            check(cudaMemcpy(bits.data(), device_bits.data(), bits.size(), cudaMemcpyDeviceToHost),
                  "copying");
            const Request on_host =
                request_of(dtype, alpha, count, per_entry, x.data(), host_y.data(), host_bits.data());
            dispatch(dtype, on_host, [](const auto& body) { body(0, 1); });
            const bool same_bits = bits == host_bits, same_values = y == host_y;
            all = all && same_bits && same_values;
            if (!same_bits || !same_values)
              say({{"what", "differs"},
                   {"dtype", name_of(dtype)},
                   {"alpha", alpha},
                   {"per_entry", per_entry},
                   {"count", count},
                   {"shifted", shifted},
                   {"masks", !same_bits},
                   {"values", !same_values}});
          }
  say({{"what", "kernels equal the host's element code"}, {"holds", all}});
  return all;
}

/// A mask alone, of more than 2^32 elements, around its borders.
bool compare_beyond_32_bits(const Stream& stream, unsigned multiprocessors) {
  constexpr std::uint64_t kCount = (std::uint64_t{1} << 32) + 4099;
  const Memory bits(kCount / 8 + 1);
  Request request = request_of(DType::f32, false, kCount, 1, nullptr, nullptr, bits.data());
  start(DType::f32, request, multiprocessors * 32, stream.get());
  stream.wait();
  bool all = true;
  for (const std::uint64_t border : {std::uint64_t{0}, std::uint64_t{1} << 31, std::uint64_t{1} << 32}) {
    const std::uint64_t first = border == 0 ? 0 : border / 8 - 256,
                        last = std::min(first + 512, (kCount + 7) / 8);
    std::vector<unsigned char> window(last - first);
    check(cudaMemcpy(window.data(), static_cast<char*>(bits.data()) + first, window.size(),
                     cudaMemcpyDeviceToHost),
          "copying");
    for (std::uint64_t b = first; b < last; ++b) {
      unsigned expected = keep_bits<8>(request.dropcheck, 8 * b);
      if (8 * b + 8 > kCount) expected &= (1u << (kCount - 8 * b)) - 1u;
      all = all && window[b - first] == expected;
    }
  }
  say({{"what", "masks beyond 2^32 elements equal the host's"}, {"holds", all}});
  return all;
}

/// A captured launch, replayed: the same bits as the launch itself.
bool compare_graph(const Stream& stream, unsigned multiprocessors) {
  constexpr std::uint64_t kCount = (std::uint64_t{1} << 20) + 3;
  const std::vector<unsigned char> x = elements(DType::f32, kCount);
  const Memory from(x.size()), to(x.size());
  check(cudaMemcpy(from.data(), x.data(), x.size(), cudaMemcpyHostToDevice), "copying");
  const Request request = request_of(DType::f32, false, kCount, 1, from.data(), to.data(), nullptr);
  std::vector<unsigned char> direct(x.size()), replayed(x.size());
  start(DType::f32, request, multiprocessors * 32, stream.get());
  stream.wait();
  check(cudaMemcpy(direct.data(), to.data(), x.size(), cudaMemcpyDeviceToHost), "copying");
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  check(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal), "beginning a capture");
  start(DType::f32, request, multiprocessors * 32, stream.get());
  check(cudaStreamEndCapture(stream.get(), &graph), "ending a capture");
  check(cudaGraphInstantiate(&executable, graph, 0), "making a graph");
  bool all = true;
  for (int replay = 0; replay < 3; ++replay) {
    check(cudaMemsetAsync(to.data(), 0xff, x.size(), stream.get()), "filling");
    check(cudaGraphLaunch(executable, stream.get()), "replaying a graph");
    stream.wait();
    check(cudaMemcpy(replayed.data(), to.data(), x.size(), cudaMemcpyDeviceToHost), "copying");
    all = all && replayed == direct;
  }
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
  say({{"what", "a captured launch replays to the same bits"}, {"holds", all}});
  return all;
}

/// Milliseconds of one run, the median of several measurements of many runs each.
template <typename Run>
double milliseconds(const Stream& stream, int rounds, Run&& run) {
  cudaEvent_t begin = nullptr, end = nullptr;
  check(cudaEventCreate(&begin), "making an event");
  check(cudaEventCreate(&end), "making an event");
  for (int warm = 0; warm < 3; ++warm) run();
  constexpr int kRuns = 10;
  std::vector<float> times;
  for (int round = 0; round < rounds; ++round) {
    check(cudaEventRecord(begin, stream.get()), "timing");
    for (int i = 0; i < kRuns; ++i) run();
    check(cudaEventRecord(end, stream.get()), "timing");
    check(cudaEventSynchronize(end), "timing");
    float passed = 0;
    check(cudaEventElapsedTime(&passed, begin, end), "timing");
    times.push_back(passed / kRuns);
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  std::nth_element(times.begin(), times.begin() + rounds / 2, times.end());
  return static_cast<double>(times[static_cast<std::size_t>(rounds / 2)]);
}

void measure(const Stream& stream, unsigned multiprocessors, int rounds) {
  for (const DType dtype : kDTypes)
    for (const std::size_t bytes : {std::size_t{1} << 24, std::size_t{1} << 29}) {
      const std::uint64_t count = bytes / size_of(dtype);
      const Memory x(bytes), y(bytes), bits(count / 8 + 1);
      check(cudaMemset(x.data(), 0x11, bytes), "filling");
      const double copy = milliseconds(stream, rounds, [&] {
        check(cudaMemcpyAsync(y.data(), x.data(), bytes, cudaMemcpyDeviceToDevice, stream.get()), "copying");
      });
      const auto kernel = [&](bool packs, std::uint64_t per_entry, bool alpha) {
        const Request request =
            request_of(dtype, alpha, count, per_entry, x.data(), y.data(), packs ? bits.data() : nullptr);
        return milliseconds(stream, rounds,
                            [&] { start(dtype, request, multiprocessors * 32, stream.get()); });
      };
      const double plain = kernel(false, 1, false), packed = kernel(true, 1, false),
                   channels = kernel(false, 4096, false), alpha = kernel(false, 1, true);
      Json line = {{"what", "speed"},
                   {"dtype", name_of(dtype)},
                   {"bytes", bytes},
                   {"copy_ms", copy},
                   {"dropout_ms", plain},
                   {"of_copy", copy / plain},
                   {"packed_of_copy", copy / packed},
                   {"channels_of_copy", copy / channels},
                   {"alpha_of_copy", copy / alpha}};
#ifdef DROPCHECK_WITH_CURAND
      CurandTask task;
      task.x = x.data();
      task.y = y.data();
      task.count = count;
      task.p = 0.3f;
      task.scale = 1 / 0.7;
      const double curand = milliseconds(stream, rounds, [&] {
        launch_curand(dtype, task, curand_threads(count, multiprocessors), stream.get());
      });
      line["curand_ms"] = curand;
      line["of_curand"] = curand / plain;
#endif
      say(line);
    }
}

int run(bool quick) {
  unsigned multiprocessors = 0;
  try {
    const std::unique_ptr<Device> device = open_device();
    multiprocessors = device->facts().multiprocessors;
    say({{"what", "device"},
         {"text", device->facts().description},
         {"multiprocessors", multiprocessors},
         {"threads_per_multiprocessor", device->facts().threads_per_multiprocessor}});
  } catch (const std::exception& e) {
    say({{"what", "no device"}, {"text", e.what()}});
    return 11;
  }
  const Stream stream;
  bool all = compare_with_host(stream, multiprocessors);
  all = compare_beyond_32_bits(stream, multiprocessors) && all;
  all = compare_graph(stream, multiprocessors) && all;
  measure(stream, multiprocessors, quick ? 3 : 9);
  return all ? 0 : 1;
}

}  // namespace
}  // namespace dropcheck::cuda

int main(int argc, char** argv) {
  try {
    return dropcheck::cuda::run(argc > 1 && std::string(argv[1]) == "--quick");
  } catch (const std::exception& e) {
    dropcheck::cuda::say({{"what", "error"}, {"text", e.what()}});
    return 2;
  }
}
