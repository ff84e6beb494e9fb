#include "reference/thread_rows.hpp"

// Compiled for AVX-512, AVX2 and the build's own target; the loader picks one. The resolvers run before
// sanitizers are set up, so sanitizer builds go without.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define DROPCHECK_REFERENCE_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define DROPCHECK_REFERENCE_CLONES
#endif

namespace dropcheck::reference {

DROPCHECK_REFERENCE_CLONES
void row_at_least(std::uint64_t seed, std::uint64_t count, std::uint64_t first_thread,
                  std::uint32_t threshold, std::uint8_t* bits) {
  constexpr std::size_t kLanes = 16;
  for (std::size_t begin = 0; begin < kRowThreads; begin += kLanes) {
    // Counter words 0 to 3 of kLanes threads, one array each.
    std::uint32_t c0[kLanes], c1[kLanes], c2[kLanes], c3[kLanes];
    for (std::size_t k = 0; k < kLanes; ++k) {
      const std::uint64_t thread = first_thread + begin + k;
      c0[k] = static_cast<std::uint32_t>(count);
      c1[k] = static_cast<std::uint32_t>(count >> 32);
      c2[k] = static_cast<std::uint32_t>(thread);
      c3[k] = static_cast<std::uint32_t>(thread >> 32);
    }
    auto key0 = static_cast<std::uint32_t>(seed), key1 = static_cast<std::uint32_t>(seed >> 32);
    // Constants of Salmon et al. 2011, section 4.3 and table 2.
    for (int round = 0; round < 10; ++round, key0 += 0x9E3779B9u, key1 += 0xBB67AE85u) {
      for (std::size_t k = 0; k < kLanes; ++k) {
        const std::uint64_t product0 = std::uint64_t{0xD2511F53u} * c0[k];
        const std::uint64_t product1 = std::uint64_t{0xCD9E8D57u} * c2[k];
        c0[k] = static_cast<std::uint32_t>(product1 >> 32) ^ c1[k] ^ key0;
        c1[k] = static_cast<std::uint32_t>(product1);
        c2[k] = static_cast<std::uint32_t>(product0 >> 32) ^ c3[k] ^ key1;
        c3[k] = static_cast<std::uint32_t>(product0);
      }
    }
    std::uint32_t found[kLanes];
    for (std::size_t k = 0; k < kLanes; ++k)
      found[k] = (c0[k] >= threshold ? 1u : 0u) | (c1[k] >= threshold ? 2u : 0u) |
                 (c2[k] >= threshold ? 4u : 0u) | (c3[k] >= threshold ? 8u : 0u);
    for (std::size_t k = 0; k < kLanes; ++k) bits[begin + k] = static_cast<std::uint8_t>(found[k]);
  }
}

}  // namespace dropcheck::reference
