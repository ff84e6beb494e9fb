#pragma once
// A network of ten units before the dropout and one output behind it, all of whose 1024 masks can be gone
// through.

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "suites/dialects/row.hpp"

namespace dropcheck::suites::embedding {

inline constexpr std::size_t kPassUnits = 10;
inline constexpr std::size_t kSubnetworks = std::size_t{1} << kPassUnits;

struct PassNetwork {
  std::array<int, kPassUnits> first;   // weights from the input, which is 1
  std::array<int, kPassUnits> second;  // weights to the output
  bool relu;
  int bias;  // of the output

  /// What unit i adds to the output when it is kept and not scaled.
  int part(std::size_t unit) const;
  /// Their sum over the units of a mask whose bit i is 1 = kept.
  int sum_of_kept(std::size_t kept) const;
  /// A call on `rows` equal rows.
  Step step(std::int64_t rows, double p, Mode mode) const;
};

/// The whole number of which y is bias + number * scale, within 0.02 of it; absent where there is none.
std::optional<std::int64_t> whole_number(double y, double bias, double scale);

}  // namespace dropcheck::suites::embedding
