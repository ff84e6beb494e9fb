#pragma once
// 16 bytes of elements, moved in one load or store.

#include <cstdint>
#include <cstring>

#include "impl/cuda/element.hpp"

namespace dropcheck::cuda {

inline constexpr unsigned kChunkBytes = 16;

template <typename T>
inline constexpr unsigned kChunkElements = kChunkBytes / sizeof(T);

struct alignas(kChunkBytes) Chunk {
  std::uint32_t word[4];
};

/// `at` is a multiple of 16 bytes. The memory is read once, so it need not stay in the caches.
DROPCHECK_HD Chunk load_chunk(const void* at) {
#if defined(__CUDA_ARCH__)
  const uint4 v = __ldcs(static_cast<const uint4*>(at));
  return {{v.x, v.y, v.z, v.w}};
#else
  Chunk chunk;
  std::memcpy(&chunk, at, sizeof chunk);
  return chunk;
#endif
}

DROPCHECK_HD void store_chunk(void* at, const Chunk& chunk) {
#if defined(__CUDA_ARCH__)
  __stcs(static_cast<uint4*>(at), make_uint4(chunk.word[0], chunk.word[1], chunk.word[2], chunk.word[3]));
#else
  std::memcpy(at, &chunk, sizeof chunk);
#endif
}

// Element number i of a chunk; i is a constant wherever these are called in a loop that is unrolled.
DROPCHECK_HD void get(const Chunk& chunk, unsigned i, float& x) { x = bits_as<float>(chunk.word[i]); }
DROPCHECK_HD void get(const Chunk& chunk, unsigned i, double& x) {
  x = bits_as<double>(std::uint64_t{chunk.word[2 * i + 1]} << 32 | chunk.word[2 * i]);
}
DROPCHECK_HD void get(const Chunk& chunk, unsigned i, Half& x) {
  x.bits = static_cast<std::uint16_t>(chunk.word[i / 2] >> (16 * (i % 2)));
}
DROPCHECK_HD void get(const Chunk& chunk, unsigned i, BFloat16& x) {
  x.bits = static_cast<std::uint16_t>(chunk.word[i / 2] >> (16 * (i % 2)));
}

// Sets element number i of a chunk whose elements from i on are still zero.
DROPCHECK_HD void put(Chunk& chunk, unsigned i, float x) { chunk.word[i] = bits_as<std::uint32_t>(x); }
DROPCHECK_HD void put(Chunk& chunk, unsigned i, double x) {
  const auto bits = bits_as<std::uint64_t>(x);
  chunk.word[2 * i] = static_cast<std::uint32_t>(bits);
  chunk.word[2 * i + 1] = static_cast<std::uint32_t>(bits >> 32);
}
DROPCHECK_HD void put(Chunk& chunk, unsigned i, Half x) {
  chunk.word[i / 2] |= std::uint32_t{x.bits} << (16 * (i % 2));
}
DROPCHECK_HD void put(Chunk& chunk, unsigned i, BFloat16 x) {
  chunk.word[i / 2] |= std::uint32_t{x.bits} << (16 * (i % 2));
}

}  // namespace dropcheck::cuda
