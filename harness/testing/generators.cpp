#include "harness/testing/generators.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace dropcheck::testing {
namespace {

constexpr std::size_t kLargestRank = 5;

bool layout_fits(Layout layout, std::size_t rank) {
  switch (layout) {
    case Layout::channels_last: return rank == 4;
    case Layout::channels_last_3d: return rank == 5;
    case Layout::transposed: return rank >= 2;
    case Layout::strided:
    case Layout::expanded: return rank >= 1;
    default: return true;
  }
}

std::vector<Layout> fitting(const std::vector<Layout>& layouts, std::size_t rank) {
  std::vector<Layout> fit;
  std::copy_if(layouts.begin(), layouts.end(), std::back_inserter(fit),
               [&](Layout l) { return layout_fits(l, rank); });
  return fit;
}

std::vector<DType> floats_of(const std::vector<DType>& dtypes) {
  std::vector<DType> floats;
  std::copy_if(dtypes.begin(), dtypes.end(), std::back_inserter(floats), is_float);
  return floats;
}

std::vector<std::int64_t> draw_shape(Op op) {
  const RankRange ranks = ranks_of(op);
  const std::size_t smallest = std::max<std::size_t>(ranks.smallest, 1);
  const std::size_t rank = *rc::gen::inRange(smallest, std::min(ranks.largest, kLargestRank) + 1);
  std::vector<std::int64_t> shape;
  for (std::size_t d = 0; d < rank; ++d) shape.push_back(*rc::gen::inRange<std::int64_t>(1, 18));
  return shape;
}

}  // namespace

rc::Gen<Problem> claimed_problems(const Capabilities& capabilities) {
  return rc::gen::exec([capabilities] {
    Problem x;
    x.op = *rc::gen::elementOf(capabilities.ops);
    x.dtype = *rc::gen::elementOf(floats_of(capabilities.dtypes));
    x.shape = draw_shape(x.op);
    const std::vector<Layout> layouts = fitting(capabilities.layouts, x.shape.size());
    if (!layouts.empty()) x.layout = *rc::gen::elementOf(layouts);
    x.p = *rc::gen::inRange(1, 100) / 100.0;
    return x;
  });
}

rc::Gen<double> any_p() {
  return rc::gen::oneOf(
      rc::gen::element(0.0, -0.0, 1.0, 0.5, 0x1p-1074, 0x1p-20, 1 - 0x1p-53, 0.1, 0.999),
      rc::gen::map(rc::gen::arbitrary<std::uint64_t>(),
                   [](std::uint64_t bits) { return std::ldexp(static_cast<double>(bits >> 11), -53); }),
      rc::gen::map(rc::gen::arbitrary<std::uint64_t>(), [](std::uint64_t bits) {
        const double p = std::abs(std::bit_cast<double>(bits));  // exponents of every size
        return p <= 1.0 ? p : (std::isnormal(1 / p) ? 1 / p : 0.25);
      }));
}

rc::Gen<Problem> any_problem() {
  return rc::gen::exec([] {
    Problem x;
    x.op = *rc::gen::elementOf(std::vector<Op>(kAllOps.begin(), kAllOps.end()));
    x.p = *any_p();
    x.dtype = *rc::gen::elementOf(std::vector<DType>(kAllDTypes.begin(), kAllDTypes.end()));
    x.shape = draw_shape(x.op);
    if (x.shape.size() == 1 && *rc::gen::inRange(0, 4) == 0) x.shape.clear();
    x.layout = *rc::gen::elementOf(fitting({kAllLayouts.begin(), kAllLayouts.end()}, x.shape.size()));
    x.mode = *rc::gen::element(Mode::train, Mode::eval);
    x.in_place = x.layout != Layout::expanded && *rc::gen::arbitrary<bool>();
    if (*rc::gen::arbitrary<bool>()) x.seed = *rc::gen::arbitrary<std::uint64_t>();
    if (*rc::gen::arbitrary<bool>()) x.offset = *rc::gen::arbitrary<std::uint64_t>();
    if (*rc::gen::arbitrary<bool>()) x.calls = *rc::gen::inRange(1u, kMaxCalls + 1);
    x.threads = *rc::gen::inRange(0u, kMaxThreads + 1);
    return x;
  });
}

}  // namespace dropcheck::testing
