#include <algorithm>

#include "impl/cuda/curand_kernels.hpp"

namespace dropcheck::cuda {

std::uint64_t curand_threads(std::uint64_t count, unsigned multiprocessors) {
  const std::uint64_t blocks = count / 1024 + (count % 1024 != 0 ? 1 : 0);
  return 256 * std::clamp<std::uint64_t>(blocks, 1, std::uint64_t{multiprocessors} * 8);
}

std::uint64_t curand_words(std::uint64_t count, std::uint64_t threads) {
  return 4 * (count / (4 * threads) + (count % (4 * threads) != 0 ? 1 : 0));
}

}  // namespace dropcheck::cuda
