// The cuRAND peer's launch on the host, with cuRAND's own functions.

#include "impl/cuda/curand_body.cuh"

namespace dropcheck::cuda {
namespace {

template <typename T>
void run(const CurandTask& task, std::uint64_t threads) {
  const CurandBody<T> body{task};
  for (std::uint64_t thread = 0; thread < threads; ++thread) body(thread, threads);
}

}  // namespace

void launch_curand(DType dtype, const CurandTask& task, std::uint64_t threads, void*) {
  switch (dtype) {
    case DType::f64: return run<double>(task, threads);
    case DType::f32: return run<float>(task, threads);
    case DType::f16: return run<Half>(task, threads);
    case DType::bf16: return run<BFloat16>(task, threads);
  }
}

}  // namespace dropcheck::cuda
