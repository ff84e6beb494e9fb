#include "harness/stats/word_runs.hpp"

#include <algorithm>

#include "harness/stats/preconditions.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "harness/stats/word_runs.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for every instruction set
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace dropcheck::stats {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Bit t stays set when the ones at t, t+1, ... t+length-1 are all there: and with itself shifted, doubling
// the length that is known each time.
template <class D>
bool has_run(D d, hn::Vec<D> x, unsigned length) {
  for (unsigned known = 1; known < length;) {
    const unsigned shift = known < length - known ? known : length - known;
    x = hn::And(x, hn::ShiftRightSame(x, static_cast<int>(shift)));
    known += shift;
  }
  return !hn::AllTrue(d, hn::Eq(x, hn::Zero(d)));
}

std::size_t next_run(const std::uint64_t* words, std::size_t begin, std::size_t end, std::uint64_t flip,
                     unsigned length) {
  const hn::ScalableTag<std::uint64_t> d;
  const hn::CappedTag<std::uint64_t, 1> one;
  const std::size_t lanes = hn::Lanes(d);
  const auto flips = hn::Set(d, flip);
  std::size_t i = begin;
  while (i + lanes <= end && !has_run(d, hn::Xor(hn::LoadU(d, words + i), flips), length)) i += lanes;
  while (i < end && !has_run(one, hn::Xor(hn::LoadU(one, words + i), hn::Set(one, flip)), length)) ++i;
  return i;
}

}  // namespace HWY_NAMESPACE
}  // namespace dropcheck::stats
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace dropcheck::stats {

HWY_EXPORT(next_run);

std::size_t next_word_with_run(std::span<const std::uint64_t> words, std::size_t begin, std::uint64_t flip,
                               unsigned length) {
  require(begin <= words.size() && length >= 1 && length <= 64, "a run of 1 to 64 in existing words");
  return HWY_DYNAMIC_DISPATCH(next_run)(words.data(), begin, words.size(), flip, length);
}

}  // namespace dropcheck::stats

#endif  // HWY_ONCE
