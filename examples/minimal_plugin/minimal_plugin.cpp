// The plugin of minimal_plugin.c with the C++ helper: the same masks for the same seeds.
#include "harness/abi/dropcheck_plugin.hpp"

namespace {

class Minimal : public dropcheck::plugin::Kernel {
 public:
  Minimal() {
    name = "minimal-cpp", version = "1.0";
  }  // dropout, f32, contiguous, stateful: the helper's defaults

  void forward(const dropcheck::plugin::Call& call, dropcheck::plugin::Result&) override {
    const auto x = call.input("x").dense<float>(), y = call.output("y").dense<float>();
    const double p = call.p();
    if (!(p >= 0 && p <= 1))
      throw dropcheck::plugin::InvalidArgument("the drop probability must lie between 0 and 1");
    state_ = call.seed().value_or(state_);
    const bool draws = call.train() && p > 0 && p < 1;
    const float scale = draws ? 1.0f / static_cast<float>(1 - p) : 1.0f;
    for (std::size_t i = 0; i < x.size(); ++i)
      y[i] = x[i] * ((call.train() && p == 1) || (draws && uniform() < p) ? 0.0f : scale);
  }

 private:
  /// splitmix64, cut to the 53 bits that a double holds exactly.
  double uniform() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
  }
  std::uint64_t state_ = 0;
};

}  // namespace

DROPCHECK_PLUGIN(Minimal)
