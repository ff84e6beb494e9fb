#include "bench/read_all.hpp"

#ifndef HWY_WANT_AVX3_DL
#define HWY_WANT_AVX3_DL
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/read_all.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for every instruction set
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace dropcheck::bench {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

std::uint64_t or_all(const std::uint64_t* words, std::size_t size) {
  const hn::ScalableTag<std::uint64_t> d;
  const std::size_t lanes = hn::Lanes(d);
  auto a = hn::Zero(d), b = a, c = a, e = a;
  for (std::size_t i = 0; i + 4 * lanes <= size; i += 4 * lanes) {
    a = hn::Or(a, hn::LoadU(d, words + i));
    b = hn::Or(b, hn::LoadU(d, words + i + lanes));
    c = hn::Or(c, hn::LoadU(d, words + i + 2 * lanes));
    e = hn::Or(e, hn::LoadU(d, words + i + 3 * lanes));
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Or(hn::Or(a, b), hn::Or(c, e))));
}

}  // namespace HWY_NAMESPACE
}  // namespace dropcheck::bench
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dropcheck::bench {

HWY_EXPORT(or_all);

std::uint64_t read_all(const std::byte* data, std::size_t bytes) {
  return HWY_DYNAMIC_DISPATCH(or_all)(reinterpret_cast<const std::uint64_t*>(data), bytes / 8);
}

}  // namespace dropcheck::bench
#endif
