// A plugin that sends packed masks and takes constant inputs, honest until its config names one way to lie:
// plugin:packed_plugin.so?inverted. Its facts tell how each call was asked.

#include <stdexcept>
#include <string>

#include "harness/abi/dropcheck_plugin.hpp"

namespace {

using dropcheck::plugin::Call;

class Packed final : public dropcheck::plugin::Kernel {
 public:
  explicit Packed(std::string_view config) : config_(config) {
    name = "packed", version = "1.0";
    features = DROPCHECK_CAN_RETURN_PACKED_MASK | DROPCHECK_CAN_TAKE_CONSTANT;
    if (is("claims_state")) features |= DROPCHECK_CAN_RECOMPUTE;  // and has no functions for it
  }

  void forward(const Call& call, dropcheck::plugin::Result& result) override {
    const std::size_t n = call.input("x").count();
    const std::optional<double> constant = call.constant();
    const std::span<const float> x =
        constant ? std::span<const float>() : std::span<const float>(call.input("x").dense<float>());
    const bool wants_mask = call.wants(DROPCHECK_WANT_PACKED_MASK),
               wants_y = call.wants(DROPCHECK_WANT_OUTPUT);
    if (wants_y != call.has_output("y") || wants_mask != call.has_output("packed_mask"))
      throw std::runtime_error("what is wanted is not what there is room for");
    const double p = call.p();
    if (!(p >= 0 && p <= 1)) throw dropcheck::plugin::InvalidArgument("p must lie in [0, 1]");
    state_ = call.seed().value_or(state_);
    const bool draws = call.train() && p > 0 && p < 1;
    const float scale = draws ? 1.0f / static_cast<float>(1 - p) : 1.0f;
    const bool lies = is("lies_alone") && !wants_y;
    std::optional<dropcheck::plugin::PackedMask> mask;
    if (wants_mask && !is("not_written")) mask.emplace(call);
    for (std::size_t i = 0; i < n; ++i) {
      const float value = constant ? static_cast<float>(*constant) : x[i];
      const double drop_at = is("wrong_rate") ? p + 0.05 : p;
      bool dropped = (call.train() && p == 1) || (draws && uniform() < drop_at);
      if (is("looks_at_x") && value > 100) dropped = true;
      if (wants_y) call.output("y").dense<float>()[i] = value * (dropped ? 0.0f : scale);
      if (mask && dropped == (is("inverted") || (lies && i == n / 2))) mask->keep(i);
    }
    if (wants_mask && is("padding")) call.output("packed_mask").dense<unsigned char>().back() |= 0x80;
    result.fact("asked", std::string(constant ? "constant" : "elements") + (wants_y ? " y" : "") +
                             (wants_mask ? " mask" : ""));
  }

 private:
  bool is(std::string_view fault) const { return config_.find(fault) != std::string::npos; }
  /// splitmix64, cut to the 53 bits that a double holds exactly.
  double uniform() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
  }

  std::string config_;
  std::uint64_t state_ = 0;
};

}  // namespace

DROPCHECK_PLUGIN(Packed)
