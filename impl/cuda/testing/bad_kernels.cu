// Kernels that tools/check-ptx has to complain of: an array that is indexed by what only the run knows, and
// elements that are moved one at a time where chunks are asked for.

#include <cstdint>

__global__ void indexed_array(const std::uint32_t* in, std::uint32_t* out) {
  std::uint32_t values[16];
  for (unsigned i = 0; i < 16; ++i) values[i] = in[i] * 3u;
  for (unsigned i = 0; i < 16; ++i) values[in[i] % 16] += i;
  out[threadIdx.x] = values[in[threadIdx.x] % 16];
}

__global__ void VectorBody_by_elements(const float* in, float* out) {
  out[threadIdx.x] = 2.0f * in[threadIdx.x];
}
