#pragma once
// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011).

#include <cstdint>

#include "impl/cuda/host_device.hpp"

namespace dropcheck::cuda {

/// The four words of one counter.
struct Words {
  std::uint32_t word[4];

  /// word[lane] by selection: an index that is no constant would put the array into memory.
  DROPCHECK_HD std::uint32_t at(unsigned lane) const {
    const std::uint32_t low = (lane & 1u) != 0 ? word[1] : word[0];
    const std::uint32_t high = (lane & 1u) != 0 ? word[3] : word[2];
    return (lane & 2u) != 0 ? high : low;
  }
};

/// The key of each round: the first one plus multiples of Weyl's constants. Worked out once, they are
/// operands that kernels read from their parameters, where adding them up would take two additions a round
/// and block.
struct KeySchedule {
  std::uint32_t key[20] = {};

  KeySchedule() = default;
  /// The low half of `seed` is key word 0.
  DROPCHECK_HD explicit KeySchedule(std::uint64_t seed) {
    auto k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
      key[2 * round] = k0;
      key[2 * round + 1] = k1;
    }
  }
};

/// Counter words 0 and 1 are `low`, words 2 and 3 `high`, low halves first.
DROPCHECK_HD Words philox4x32_10(std::uint64_t low, std::uint64_t high, const KeySchedule& keys) {
  auto c0 = static_cast<std::uint32_t>(low), c1 = static_cast<std::uint32_t>(low >> 32);
  auto c2 = static_cast<std::uint32_t>(high), c3 = static_cast<std::uint32_t>(high >> 32);
#if defined(__CUDA_ARCH__)
#pragma unroll
#endif
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t left = std::uint64_t{0xD2511F53u} * c0;
    const std::uint64_t right = std::uint64_t{0xCD9E8D57u} * c2;
    c0 = static_cast<std::uint32_t>(right >> 32) ^ c1 ^ keys.key[2 * round];
    c1 = static_cast<std::uint32_t>(right);
    c2 = static_cast<std::uint32_t>(left >> 32) ^ c3 ^ keys.key[2 * round + 1];
    c3 = static_cast<std::uint32_t>(left);
  }
  return {{c0, c1, c2, c3}};
}

}  // namespace dropcheck::cuda
