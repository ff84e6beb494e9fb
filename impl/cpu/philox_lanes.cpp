#include "impl/cpu/philox_lanes.hpp"

#include "impl/cpu/clones.hpp"

namespace dropcheck::cpu {

DROPCHECK_CPU_CLONES
void philox_words(std::uint64_t seed, std::uint64_t call, std::uint64_t first_group, std::size_t batches,
                  std::uint32_t* words) {
  for (std::size_t batch = 0; batch < batches; ++batch, words += kWordsPerBatch) {
    // Counter words 0..3, one array of lanes each.
    std::uint32_t a[kLanes], b[kLanes], c[kLanes], d[kLanes];
    const std::uint64_t group = first_group + batch * kLanes;
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      a[lane] = static_cast<std::uint32_t>(group + lane);
      b[lane] = static_cast<std::uint32_t>((group + lane) >> 32);
      c[lane] = static_cast<std::uint32_t>(call);
      d[lane] = static_cast<std::uint32_t>(call >> 32);
    }
    auto key0 = static_cast<std::uint32_t>(seed), key1 = static_cast<std::uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round, key0 += 0x9E3779B9u, key1 += 0xBB67AE85u) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        const std::uint64_t left = std::uint64_t{0xD2511F53u} * a[lane];
        const std::uint64_t right = std::uint64_t{0xCD9E8D57u} * c[lane];
        a[lane] = static_cast<std::uint32_t>(right >> 32) ^ b[lane] ^ key0;
        b[lane] = static_cast<std::uint32_t>(right);
        c[lane] = static_cast<std::uint32_t>(left >> 32) ^ d[lane] ^ key1;
        d[lane] = static_cast<std::uint32_t>(left);
      }
    }
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      words[4 * lane] = a[lane];
      words[4 * lane + 1] = b[lane];
      words[4 * lane + 2] = c[lane];
      words[4 * lane + 3] = d[lane];
    }
  }
}

}  // namespace dropcheck::cpu
