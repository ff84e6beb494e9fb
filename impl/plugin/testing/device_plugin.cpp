// A plugin with memory of its own, as one on an accelerator has: its addresses are no addresses of the host.
// Honest until its config names one fault: plugin:device_plugin.so?writes_past_end.

#include <cstdlib>
#include <map>
#include <stdexcept>

#include "harness/abi/dropcheck_plugin.hpp"

namespace {

using dropcheck::plugin::Call;
using dropcheck::plugin::Result;
using dropcheck::plugin::Tensor;

/// Set in every address of the device, and never in one of the host.
constexpr std::uintptr_t kDeviceBit = std::uintptr_t{1} << 62;

void* real(const void* device) {
  const auto address = reinterpret_cast<std::uintptr_t>(device);
  if ((address & kDeviceBit) == 0) throw std::runtime_error("an address of the host reached the device");
  return reinterpret_cast<void*>(address ^ kDeviceBit);
}

class OnDevice final : public dropcheck::plugin::Kernel {
 public:
  explicit OnDevice(std::string_view config) : config_(config) {
    name = "on-device", version = "1.0", device = "cuda";
    layouts = "contiguous,transposed,shifted";
    features = DROPCHECK_CAN_IN_PLACE | DROPCHECK_CAN_TAKE_CONSTANT | DROPCHECK_CAN_RETURN_PACKED_MASK;
  }

  // Not the law of dropout: y = 2 x, so that tests see whose bytes came back.
  void forward(const Call& call, Result& result) override {
    const Tensor x = call.input("x");
    if (call.wants(DROPCHECK_WANT_PACKED_MASK))
      *static_cast<unsigned char*>(real(call.output("packed_mask").data())) = 0x2a;
    if (!call.wants(DROPCHECK_WANT_OUTPUT)) return;
    const Tensor y = call.destination();
    auto* const to = static_cast<float*>(real(y.data()));
    std::size_t n = 0;
    walk(x, y, [&](std::int64_t from, std::int64_t at) {
      to[at] = 2 * (call.constant() ? static_cast<float>(*call.constant())
                                    : static_cast<float*>(real(x.data()))[from]);
      ++n;
    });
    if (is("writes_past_end")) to[n] = 1;
    if (is("writes_input")) *static_cast<float*>(real(x.data())) = 7;
    if (is("refuses")) throw dropcheck::plugin::InvalidArgument("not today");
    result.fact("blocks", std::to_string(blocks_.size()));
    result.fact("offset", std::to_string(reinterpret_cast<std::uintptr_t>(x.data()) % 256));
  }

  void* allocate(std::size_t bytes) {
    if (is("no_memory") && !blocks_.empty()) throw std::bad_alloc();
    void* const block = std::aligned_alloc(256, (bytes / 256 + 1) * 256);
    if (block == nullptr) throw std::bad_alloc();
    blocks_[block] = bytes;
    const auto address = reinterpret_cast<std::uintptr_t>(block) | kDeviceBit;
    return reinterpret_cast<void*>(is("unaligned") ? address + 8 : address);
  }
  void free(void* memory) {
    void* const block = reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(real(memory)) / 256 * 256);
    if (blocks_.erase(block) == 1) std::free(block);
  }
  void copy(void* to, const void* from, std::size_t bytes, bool to_host) {
    if (is("copy_fails")) throw std::runtime_error("the cable is out");
    if (to_host) std::memcpy(to, real(from), bytes);
    else std::memcpy(real(to), from, bytes);
  }
  void synchronize() {
    if (is("late_error")) throw std::runtime_error("the kernel failed after its launch");
  }

 private:
  bool is(std::string_view fault) const { return config_.find(fault) != std::string::npos; }

  /// Offsets of all elements, in elements.
  template <typename Visit>
  static void walk(const Tensor& x, const Tensor& y, Visit&& visit) {
    const auto shape = x.shape();
    for (std::size_t i = 0; i < x.count(); ++i) {
      std::int64_t from = 0, to = 0;
      auto rest = static_cast<std::int64_t>(i);
      for (std::size_t d = shape.size(); d-- > 0;) {
        from += rest % shape[d] * x.strides()[d];
        to += rest % shape[d] * y.strides()[d];
        rest /= shape[d];
      }
      visit(from, to);
    }
  }

  std::string config_;
  std::map<void*, std::size_t> blocks_;
};

}  // namespace

DROPCHECK_PLUGIN(OnDevice)
