#include "reference/philox.hpp"

namespace dropcheck::reference {
namespace {

// Multipliers M0, M1 and the Weyl increments of the two key words (Salmon et al. 2011, section 4.3 and table
// 2).
constexpr std::uint64_t kMultiplier0 = 0xD2511F53;
constexpr std::uint64_t kMultiplier1 = 0xCD9E8D57;
constexpr std::uint32_t kWeyl0 = 0x9E3779B9;
constexpr std::uint32_t kWeyl1 = 0xBB67AE85;
constexpr int kRounds = 10;

constexpr std::uint32_t high_half(std::uint64_t product) { return static_cast<std::uint32_t>(product >> 32); }
constexpr std::uint32_t low_half(std::uint64_t product) { return static_cast<std::uint32_t>(product); }

}  // namespace

PhiloxCounter philox4x32_10(PhiloxCounter c, PhiloxKey key) {
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t product0 = kMultiplier0 * c[0];
    const std::uint64_t product1 = kMultiplier1 * c[2];
    c = {high_half(product1) ^ c[1] ^ key[0], low_half(product1), high_half(product0) ^ c[3] ^ key[1],
         low_half(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return c;
}

}  // namespace dropcheck::reference
