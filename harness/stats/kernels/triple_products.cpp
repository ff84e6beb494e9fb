#include "harness/stats/kernels/triple_products.hpp"

#include <algorithm>
#include <array>

// Highway leaves the targets with a vector population count out unless asked.
#ifndef HWY_WANT_AVX3_DL
#define HWY_WANT_AVX3_DL
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "harness/stats/kernels/triple_products.cpp"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace dropcheck::stats::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// All shifts of one block fit into the first-level cache.
constexpr std::size_t kBlock = 128;

void CircularTriples(const std::uint64_t* words, std::size_t size, std::uint64_t* pairs,
                     std::uint64_t* triples) {
  const hn::ScalableTag<std::uint64_t> d;
  const std::size_t lanes = hn::Lanes(d);
  HWY_ALIGN std::array<std::array<std::uint64_t, kBlock>, kTripleReach + 1> shifted;
  HWY_ALIGN std::array<std::uint64_t, kBlock> product;
  for (std::size_t from = 0; from < size; from += kBlock) {
    const std::size_t count = std::min(kBlock, size - from);
    // Words past the stretch are 0 in every row and add nothing.
    const std::size_t padded = (count + lanes - 1) / lanes * lanes;
    for (std::size_t l = 0; l <= kTripleReach; ++l) {
      for (std::size_t w = 0; w < count; ++w) {
        const std::uint64_t here = words[from + w];
        const std::uint64_t next = words[from + w + 1 < size ? from + w + 1 : 0];
        shifted[l][w] = l == 0 ? here : (here >> l) | (next << (64 - l));
      }
      std::fill(shifted[l].begin() + static_cast<std::ptrdiff_t>(count),
                shifted[l].begin() + static_cast<std::ptrdiff_t>(padded), 0);
    }
    auto ones = hn::Zero(d);
    for (std::size_t w = 0; w < padded; w += lanes)
      ones = hn::Add(ones, hn::PopulationCount(hn::Load(d, &shifted[0][w])));
    pairs[0] += hn::GetLane(hn::SumOfLanes(d, ones));
    std::uint64_t* at = triples;
    for (std::size_t i = 1; i <= kTripleReach; ++i) {
      auto both = hn::Zero(d);
      for (std::size_t w = 0; w < padded; w += lanes) {
        const auto both_dropped = hn::And(hn::Load(d, &shifted[0][w]), hn::Load(d, &shifted[i][w]));
        hn::Store(both_dropped, d, &product[w]);
        both = hn::Add(both, hn::PopulationCount(both_dropped));
      }
      pairs[i] += hn::GetLane(hn::SumOfLanes(d, both));
      std::size_t j = i + 1;
      for (; j + 3 <= kTripleReach; j += 4) {
        // Four sums at once: they share the loads of the product and do not wait for one another.
        auto a = hn::Zero(d), b = hn::Zero(d), c = hn::Zero(d), e = hn::Zero(d);
        for (std::size_t w = 0; w < padded; w += lanes) {
          const auto both_dropped = hn::Load(d, &product[w]);
          a = hn::Add(a, hn::PopulationCount(hn::And(both_dropped, hn::Load(d, &shifted[j][w]))));
          b = hn::Add(b, hn::PopulationCount(hn::And(both_dropped, hn::Load(d, &shifted[j + 1][w]))));
          c = hn::Add(c, hn::PopulationCount(hn::And(both_dropped, hn::Load(d, &shifted[j + 2][w]))));
          e = hn::Add(e, hn::PopulationCount(hn::And(both_dropped, hn::Load(d, &shifted[j + 3][w]))));
        }
        *at++ += hn::GetLane(hn::SumOfLanes(d, a));
        *at++ += hn::GetLane(hn::SumOfLanes(d, b));
        *at++ += hn::GetLane(hn::SumOfLanes(d, c));
        *at++ += hn::GetLane(hn::SumOfLanes(d, e));
      }
      for (; j <= kTripleReach; ++j) {
        auto all = hn::Zero(d);
        for (std::size_t w = 0; w < padded; w += lanes)
          all = hn::Add(all,
                        hn::PopulationCount(hn::And(hn::Load(d, &product[w]), hn::Load(d, &shifted[j][w]))));
        *at++ += hn::GetLane(hn::SumOfLanes(d, all));
      }
    }
  }
}

}  // namespace dropcheck::stats::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dropcheck::stats::kernels {

HWY_EXPORT(CircularTriples);

void circular_triples(std::span<const std::uint64_t> words, std::span<std::uint64_t, kTripleReach + 1> pairs,
                      std::span<std::uint64_t, kTripleCount> triples) {
  HWY_DYNAMIC_DISPATCH(CircularTriples)(words.data(), words.size(), pairs.data(), triples.data());
}

}  // namespace dropcheck::stats::kernels
#endif
