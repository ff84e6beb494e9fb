#pragma once
// Pairs of dropped entries a fixed distance apart: the inner loop of the lag statistics, compiled for every
// vector width and chosen at run time.

#include <cstdint>
#include <span>

namespace dropcheck::stats::kernels {

/// n11[i] += the number of t with t + lags[i] < size at which both t and t + lags[i] are 1. Any lags in any
/// order; neighbours in the list that lie between the same multiples of 64 share their loads.
/// std::domain_error unless n11 is as long as `lags` and words hold `size` bits. Bits past the size must be
/// 0.
void lag_products(std::span<const std::uint64_t> words, std::uint64_t size,
                  std::span<const std::uint32_t> lags, std::span<std::uint64_t> n11);

}  // namespace dropcheck::stats::kernels
