// Counting 1 bits in vectors of words, the quickest way of each instruction set: directly where there is an
// instruction for it, else byte by byte. Included by kernels, once for every instruction set.

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

// Highway's own guard for files that are read again for each instruction set.
#if defined(DROPCHECK_HARNESS_STATS_KERNELS_TALLY_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DROPCHECK_HARNESS_STATS_KERNELS_TALLY_INL_H_
#undef DROPCHECK_HARNESS_STATS_KERNELS_TALLY_INL_H_
#else
#define DROPCHECK_HARNESS_STATS_KERNELS_TALLY_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace dropcheck::stats::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Words = hn::ScalableTag<std::uint64_t>;
using WordVector = hn::Vec<Words>;

HWY_INLINE std::uint64_t count_word(std::uint64_t word) {
  return static_cast<std::uint64_t>(hwy::PopCount(word));
}

HWY_INLINE std::uint64_t total(WordVector sums) { return hn::GetLane(hn::SumOfLanes(Words(), sums)); }

// A Partial holds the ones of at most kPartialVectors vectors; widen() gives their number in some lanes.
#if HWY_TARGET == HWY_SSSE3 || HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || \
    HWY_TARGET == HWY_NEON

using Octets = hn::Repartition<std::uint8_t, Words>;
using Partial = hn::Vec<Octets>;
constexpr std::size_t kPartialVectors = 31;  // of at most 8 ones a byte: 248

HWY_INLINE Partial no_ones() { return hn::Zero(Octets()); }
HWY_INLINE Partial with_ones(Partial sum, WordVector v) {
  return hn::Add(sum, hn::PopulationCount(hn::BitCast(Octets(), v)));
}
HWY_INLINE WordVector widen(Partial sum) { return hn::SumsOf8(sum); }

#else

using Partial = WordVector;
constexpr std::size_t kPartialVectors = std::size_t{1} << 40;

HWY_INLINE Partial no_ones() { return hn::Zero(Words()); }
HWY_INLINE Partial with_ones(Partial sum, WordVector v) { return hn::Add(sum, hn::PopulationCount(v)); }
HWY_INLINE WordVector widen(Partial sum) { return sum; }

#endif

}  // namespace HWY_NAMESPACE
}  // namespace dropcheck::stats::kernels
HWY_AFTER_NAMESPACE();

#endif  // guard
