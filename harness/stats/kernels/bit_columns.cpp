#include "harness/stats/kernels/bit_columns.hpp"

#include <algorithm>

#include "harness/stats/preconditions.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "harness/stats/kernels/bit_columns.cpp"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace dropcheck::stats::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void BitColumns(const std::uint64_t* words, std::size_t size, const unsigned* bits, std::size_t count,
                std::uint64_t* columns) {
  const hn::CappedTag<std::uint64_t, 8> d;  // a mask fits into one byte
  const std::size_t lanes = hn::Lanes(d);
  std::size_t w = 0;
  for (; w + lanes <= size; w += lanes) {
    const auto word = hn::LoadU(d, words + w);
    for (std::size_t c = 0; c < count; ++c) {
      std::uint8_t mask[8] = {};
      hn::StoreMaskBits(d, hn::TestBit(word, hn::Set(d, std::uint64_t{1} << bits[c])), mask);
      columns[c] |= std::uint64_t{mask[0]} << w;
    }
  }
  for (; w < size; ++w)
    for (std::size_t c = 0; c < count; ++c) columns[c] |= ((words[w] >> bits[c]) & 1) << w;
}

}  // namespace dropcheck::stats::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dropcheck::stats::kernels {

HWY_EXPORT(BitColumns);

void bit_columns(std::span<const std::uint64_t> words, std::span<const unsigned> bits,
                 std::span<std::uint64_t> columns) {
  require(words.size() <= 64 && bits.size() == columns.size(), "up to 64 words, one column a bit");
  for (const unsigned bit : bits) require(bit < 64, "bits of a word");
  std::fill(columns.begin(), columns.end(), 0);
  HWY_DYNAMIC_DISPATCH(BitColumns)(words.data(), words.size(), bits.data(), bits.size(), columns.data());
}

}  // namespace dropcheck::stats::kernels
#endif
