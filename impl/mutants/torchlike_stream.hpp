#pragma once
// The random stream of PyTorch's CPU operators: MT19937, two words a mask entry. The faults of the stream sit
// here.

#include <cstdint>
#include <random>
#include <span>

#include "impl/mutants/fault.hpp"

namespace dropcheck::mutants {

class TorchlikeStream {
 public:
  /// The engine takes the low 32 bits.
  void reseed(std::uint64_t seed) { engine_.seed(static_cast<std::uint32_t>(seed)); }

  /// Draws the entries in order: 1 = kept. The first of an entry's two words is the high half of a number
  /// whose low 53 bits are u; the entry is kept where u < q (ATen/native/cpu/DistributionTemplates.h and
  /// ATen/CPUGeneratorImpl.cpp).
  void draw(double q, std::span<std::uint8_t> kept, Fault fault);

  /// Words of the generator since the stream was made.
  std::uint64_t words() const { return words_; }

 private:
  std::uint64_t next_word() {
    ++words_;
    return engine_();
  }

  std::mt19937 engine_;
  std::uint64_t words_ = 0;
};

}  // namespace dropcheck::mutants
