#pragma once
// Masks with one known defect: what statistics must find.

#include <functional>
#include <string>
#include <vector>

#include "suites/calibration/bit_source.hpp"

namespace dropcheck::suites::calibration {

/// A defect with a name, for the matrix of what finds what.
struct Defect {
  std::string name;
  std::string what;  // one sentence
  /// A mask of all calls, `call` entries each, that should have drop probability p.
  std::function<void(MaskBits& mask, std::uint64_t call, double p, BitSource& source)> draw;
};

/// The last one is none at all.
const std::vector<Defect>& named_defects();

/// Entries [begin, begin + bits) get exactly `drops` drops, arranged at random.
void place_drops(MaskBits& mask, std::uint64_t begin, std::uint64_t bits, std::uint64_t drops,
                 BitSource& source);

/// Copies `bits` entries from `from` to `to` >= from + bits.
void copy_entries(MaskBits& mask, std::uint64_t from, std::uint64_t to, std::uint64_t bits);

/// Each entry dropped with rate(i).
void draw_each(MaskBits& mask, BitSource& source, const std::function<double(std::uint64_t i)>& rate);

}  // namespace dropcheck::suites::calibration
