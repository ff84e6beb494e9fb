#pragma once
// The masks of the places with dropout inside one layer. They continue the stream of the operators, one draw
// a place, in the order in which the layer comes to them.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "impl/mutants/call_state.hpp"
#include "impl/mutants/fault.hpp"
#include "impl/mutants/network/array.hpp"

namespace dropcheck::mutants {

/// What each element is multiplied by: 0 where it is dropped, 1/(1 - p) where it is kept, 1 without dropout.
using Gains = std::vector<double>;

/// Masks that outlive their call: of faults alone.
using KeptMasks = std::map<std::pair<std::string, Shape>, Gains>;

class Sites {
 public:
  /// 0 <= p <= 1.
  Sites(double p, Fault fault, DrawCounter& draws, KeptMasks& kept_masks)
      : p_(p), fault_(fault), draws_(draws), kept_masks_(kept_masks) {}

  double p() const { return p_; }
  Fault fault() const { return fault_; }

  /// Gains for a tensor of that shape, in logical order. There is one mask entry for all indices of each
  /// dimension in `shared`. Nothing is drawn where dropout is not active, p is 0 or 1, or there are no
  /// elements.
  Gains draw(const Shape& shape, const std::vector<std::size_t>& shared, bool active);

  /// Key of random words of their own, for a mask that is not made of independent entries.
  std::uint64_t next_key();

  /// A mask that is drawn under this name the first time, and the same again ever after. Faults alone.
  Gains draw_once(const std::string& name, const Shape& shape, const std::vector<std::size_t>& shared,
                  bool active);

 private:
  bool draws(const Shape& shape, bool active) const;

  double p_;
  Fault fault_;
  DrawCounter& draws_;
  KeptMasks& kept_masks_;
};

/// values[i] *= gains[i]: of the same number.
void multiply(std::vector<double>& values, const Gains& gains);

}  // namespace dropcheck::mutants
