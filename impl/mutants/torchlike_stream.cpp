#include "impl/mutants/torchlike_stream.hpp"

#include <utility>

namespace dropcheck::mutants {

void TorchlikeStream::draw(double q, std::span<std::uint8_t> kept, Fault fault) {
  constexpr std::uint64_t kLow53 = (std::uint64_t{1} << 53) - 1;
  for (std::uint8_t& keep : kept) {
    std::uint64_t high = next_word(), low = next_word();
    if (fault == Fault::words_swapped) std::swap(high, low);
    const double u = static_cast<double>((high << 32 | low) & kLow53) * 0x1p-53;
    keep = u < q || (fault == Fault::kept_at_threshold && u == q) ? 1 : 0;
  }
  if (fault == Fault::three_words)
    for (std::size_t i = 0; i < kept.size(); ++i) next_word();
}

}  // namespace dropcheck::mutants
