#pragma once
// Power spectra of many blocks of bits at once: one block a vector lane, so that a plain transform uses the
// whole vector. A library's transform of one block after the other takes ten times as long.

#include <cstddef>
#include <cstdint>
#include <span>

namespace dropcheck::stats::kernels {

inline constexpr std::size_t kSpectrumBits = 4096;

/// powers[j] += sum over blocks of |sum_t x_t exp(-2 pi i j t / 4096)|^2, j = 0 to 2048, x_t bit t of the
/// block; relative error about 1e-14. `blocks` point to the 64 words of each.
void add_power_spectra(std::span<const std::uint64_t* const> blocks,
                       std::span<double, kSpectrumBits / 2 + 1> powers);

}  // namespace dropcheck::stats::kernels
