// A fast dropout for isolation_bench: a hash of seed and index decides about an element, in a loop that
// compilers vectorise; in eval it copies.

#include <cstring>

#include "harness/abi/dropcheck_plugin.hpp"

namespace {

struct Hashing : dropcheck::plugin::Kernel {
  Hashing() { name = "hashing"; }

  void forward(const dropcheck::plugin::Call& call, dropcheck::plugin::Result&) override {
    const auto x = call.input("x").dense<float>(), y = call.output("y").dense<float>();
    if (!call.train()) {
      std::memcpy(y.data(), x.data(), x.size_bytes());
      return;
    }
    const auto threshold = static_cast<std::uint32_t>(call.p() * 0x1p32);
    const float scale = 1 / static_cast<float>(1 - call.p());
    const auto seed = static_cast<std::uint32_t>(call.seed().value_or(0));
    for (std::uint32_t i = 0; i < x.size(); ++i) {
      std::uint32_t h = i ^ seed;  // murmur3's finaliser
      h = (h ^ (h >> 16)) * 0x85EBCA6Bu;
      h = (h ^ (h >> 13)) * 0xC2B2AE35u;
      y[i] = (h ^ (h >> 16)) < threshold ? 0.0f : x[i] * scale;
    }
  }
};

}  // namespace

DROPCHECK_PLUGIN(Hashing)
