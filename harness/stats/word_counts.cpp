#include "harness/stats/word_counts.hpp"

#include "harness/stats/preconditions.hpp"

#ifndef HWY_WANT_AVX3_DL
#define HWY_WANT_AVX3_DL  // counts ones in one instruction
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "harness/stats/word_counts.cpp"
#include <hwy/foreach_target.h>  // compiles this file once for every instruction set
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace dropcheck::stats {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

void count_words(const std::uint64_t* words, std::size_t size, std::uint8_t* counts) {
  const hn::ScalableTag<std::uint64_t> d;
  const hn::Rebind<std::uint8_t, decltype(d)> d8;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes)
    hn::StoreU(hn::TruncateTo(d8, hn::PopulationCount(hn::LoadU(d, words + i))), d8, counts + i);
  const hn::CappedTag<std::uint64_t, 1> one;
  for (; i < size; ++i)
    counts[i] = static_cast<std::uint8_t>(hn::GetLane(hn::PopulationCount(hn::LoadU(one, words + i))));
}

}  // namespace HWY_NAMESPACE
}  // namespace dropcheck::stats
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace dropcheck::stats {

HWY_EXPORT(count_words);

void word_counts(std::span<const std::uint64_t> words, std::span<std::uint8_t> counts) {
  require(counts.size() == words.size(), "one count per word");
  HWY_DYNAMIC_DISPATCH(count_words)(words.data(), words.size(), counts.data());
}

}  // namespace dropcheck::stats

#endif  // HWY_ONCE
