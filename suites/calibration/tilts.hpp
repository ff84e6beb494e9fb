#pragma once
// Laws under which an event that is rare for a correct mask is common, with the exact ratio of their
// probability to the null one. Importance sampling with them measures tails of 1e-9 in a few thousand masks.

#include <cstdint>
#include <memory>
#include <vector>

#include "suites/calibration/context_models.hpp"

namespace dropcheck::suites::calibration {

class Tilt {
 public:
  explicit Tilt(std::uint64_t size) : size_(size) {}
  virtual ~Tilt() = default;
  std::uint64_t size() const { return size_; }  // entries of a mask
  /// Q is a mixture of so many components, all equally likely.
  virtual std::size_t components() const { return 1; }
  virtual void draw(BitSource& source, MaskBits& mask, std::size_t component) const = 0;
  /// A mask of a random component.
  void draw(BitSource& source, MaskBits& mask) const { draw(source, mask, source.below(components())); }
  /// ln(Q(mask) / P(mask)), P the law of independent entries. Exact.
  virtual double log_ratio(const MaskBits& mask) const = 0;
  /// Q = P: plain simulation.
  virtual bool is_null() const { return false; }

 private:
  std::uint64_t size_;
};

/// The null law itself.
class NoTilt final : public Tilt {
 public:
  NoTilt(std::uint64_t size, double p) : Tilt(size), rate_(p) {}
  using Tilt::draw;
  void draw(BitSource& source, MaskBits& mask, std::size_t) const override { fill(mask, rate_, source); }
  double log_ratio(const MaskBits&) const override { return 0; }
  bool is_null() const override { return true; }

 private:
  Rate rate_;
};

struct ContextRate {
  std::size_t context;
  double rate;
};

/// One of several components, all equally likely: each sets the rates of some contexts, the others keep the
/// null rate.
class RateMixture final : public Tilt {
 public:
  RateMixture(std::unique_ptr<ContextModel> model, std::vector<std::vector<ContextRate>> components);
  std::size_t components() const override { return components_.size(); }
  using Tilt::draw;
  void draw(BitSource& source, MaskBits& mask, std::size_t component) const override;
  double log_ratio(const MaskBits& mask) const override;

 private:
  std::unique_ptr<ContextModel> model_;
  std::vector<std::vector<ContextRate>> components_;
};

/// Every group of contexts draws its rates apart from the others, from a normal law that is cut into a grid:
/// all directions in the space of rates at once, which is what a chi-squared statistic looks at. Contexts of
/// a group move together or, with sign -1, against one another.
class RateSpread final : public Tilt {
 public:
  struct Member {
    std::size_t context;
    double sign;
  };
  using Group = std::vector<Member>;
  /// One component for each of `spreads`: the standard deviation of a rate's logit, times the square root of
  /// the expected entries of its context times p q. `entries[c]` are those of context c, > 0.
  RateSpread(std::unique_ptr<ContextModel> model, std::vector<Group> groups,
             const std::vector<double>& entries, const std::vector<double>& spreads);
  std::size_t components() const override { return spreads_; }
  using Tilt::draw;
  void draw(BitSource& source, MaskBits& mask, std::size_t component) const override;
  double log_ratio(const MaskBits& mask) const override;

 private:
  struct Shift {              // of one member at one node of the grid
    double rate, drop, keep;  // ln of the ratio to the null rate for a drop and for a keep
  };
  const Shift& shift(std::size_t spread, std::size_t member, std::size_t node) const;
  std::unique_ptr<ContextModel> model_;
  std::vector<Group> groups_;
  std::size_t spreads_, members_;
  std::vector<double> cumulative_, ln_weight_;  // of the grid's nodes
  std::vector<Shift> shifts_;                   // [spread][member over all groups][node]
};

/// Drops in disjoint blocks of `bits` entries drawn from another law than Binomial(bits, p), arranged at
/// random inside the block; entries after the last whole block of a chunk of kChunkBits are left as they are.
/// Each component is a law over 0..bits.
class BlockCountMixture final : public Tilt {
 public:
  BlockCountMixture(std::uint64_t size, std::uint64_t bits, double p, std::vector<std::vector<double>> laws);
  std::size_t components() const override { return cumulative_.size(); }
  using Tilt::draw;
  void draw(BitSource& source, MaskBits& mask, std::size_t component) const override;
  double log_ratio(const MaskBits& mask) const override;

 private:
  std::uint64_t bits_;
  double p_;
  std::vector<std::vector<double>> cumulative_, ln_ratio_;
};

/// Every run of `length` keeps (or drops) is as likely to be forced as any other; one component a length.
class ForcedRun final : public Tilt {
 public:
  ForcedRun(std::uint64_t size, double p, bool of_drops, std::vector<std::uint64_t> lengths);
  std::size_t components() const override { return lengths_.size(); }
  using Tilt::draw;
  void draw(BitSource& source, MaskBits& mask, std::size_t component) const override;
  double log_ratio(const MaskBits& mask) const override;

 private:
  double p_;
  bool of_drops_;
  std::vector<std::uint64_t> lengths_;
};

/// Values that fall into cells: the law of what a histogram counts.
struct CellLaw {
  std::vector<std::size_t> cell_of;   // of each value; values past the end are in the last cell
  std::vector<double> probabilities;  // of the cells under the null hypothesis
};

/// The numbers of drops in blocks of 64 entries with cell probabilities that are themselves random, Dirichlet
/// with the null probabilities times `concentration` (one component each): all directions in the space of
/// histograms at once. Inside a cell counts keep their null law.
class BlockCellSpread final : public Tilt {
 public:
  BlockCellSpread(std::uint64_t size, std::uint64_t bits, double p, CellLaw cells,
                  std::vector<double> concentrations);
  std::size_t components() const override { return concentrations_.size(); }
  using Tilt::draw;
  void draw(BitSource& source, MaskBits& mask, std::size_t component) const override;
  double log_ratio(const MaskBits& mask) const override;

 private:
  std::uint64_t bits_;
  double p_;
  CellLaw cells_;
  std::vector<double> concentrations_;
  std::vector<std::vector<std::uint64_t>> values_;  // of each cell
  std::vector<std::vector<double>> cumulative_;     // of the values of each cell
};

/// The first `gaps` distances between drops, in each chunk of kChunkBits, drawn from another law than the
/// geometric one: cell probabilities of a component (one component each), or Dirichlet as in BlockCellSpread.
/// A cell is one distance, the last cell all longer ones; p <= 1/2.
class GapTilt final : public Tilt {
 public:
  GapTilt(std::uint64_t size, std::uint64_t gaps, double p, CellLaw cells,
          std::vector<std::vector<double>> laws, std::vector<double> concentrations);
  std::size_t components() const override { return laws_.size() + concentrations_.size(); }
  using Tilt::draw;
  void draw(BitSource& source, MaskBits& mask, std::size_t component) const override;
  double log_ratio(const MaskBits& mask) const override;

 private:
  std::uint64_t gap_in(std::size_t cell, BitSource& source) const;
  double survival(std::size_t cell, std::uint64_t gap) const;
  std::uint64_t gaps_;
  double p_;
  CellLaw cells_;
  std::vector<std::vector<double>> laws_;
  std::vector<double> concentrations_;
  std::vector<std::uint64_t> first_, last_;  // distances of each cell; the last cell is open
};

/// ln sum exp(x_i), -infinity for none.
double log_sum_exp(const std::vector<double>& values);

/// Null probabilities of Binomial(bits, p) counts 0..bits.
std::vector<double> binomial_law(std::uint64_t bits, double p);

}  // namespace dropcheck::suites::calibration
