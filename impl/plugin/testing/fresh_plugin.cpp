// A defect that stands in no table of mutants, for a test that the checks judge what nobody told them of.
// Random numbers are made in advance, kTile at a time, and the first element of each further tile reads the
// number that the last one before it has used already: of 641 elements one does as its neighbour does. Rate,
// scale and seeds are right. plugin:fresh_plugin.so?honest has no such defect.
#include <cstdint>
#include <string_view>

#include "harness/abi/dropcheck_plugin.hpp"

namespace {

class Fresh final : public dropcheck::plugin::Kernel {
 public:
  explicit Fresh(std::string_view config) : honest_(config.find("honest") != std::string_view::npos) {
    name = "fresh", version = "1.0";  // dropout, f32, contiguous, stateful: the helper's defaults
  }

  void forward(const dropcheck::plugin::Call& call, dropcheck::plugin::Result&) override {
    const auto x = call.input("x").dense<float>(), y = call.output("y").dense<float>();
    const double p = call.p();
    if (!(p >= 0 && p <= 1))
      throw dropcheck::plugin::InvalidArgument("the drop probability must lie between 0 and 1");
    if (call.attributes() != "{}") throw dropcheck::plugin::Unsupported("no attributes are known");
    if (call.seed()) state_ = *call.seed();
    const bool draws = call.train() && p > 0 && p < 1;
    const float scale = draws ? 1.0f / static_cast<float>(1 - p) : 1.0f;
    double number = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const bool read_again = !honest_ && i > 0 && i % kTile == 0;
      if (draws && !read_again) number = uniform();
      const bool dropped = draws ? number < p : call.train() && p == 1;
      y[i] = x[i] * (dropped ? 0.0f : scale);
    }
  }

 private:
  static constexpr std::size_t kTile = 641;

  /// SplitMix64 (Steele, Lea and Flood 2014), cut to the 53 bits that a double holds exactly.
  double uniform() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
  }

  bool honest_;
  std::uint64_t state_ = 0;
};

}  // namespace

DROPCHECK_PLUGIN(Fresh)
