#pragma once
// Families of masks in which every entry is drawn with a rate that depends on its context: where it lies, or
// what some earlier entries are. With the null rate in every context a mask is what it should be. Whatever
// the rates, the probability of a mask is known exactly from the drops in each context, because every entry
// is drawn given those before it.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "suites/calibration/bit_source.hpp"

namespace dropcheck::suites::calibration {

struct ContextCount {
  std::uint64_t entries = 0, drops = 0;
};

class ContextModel {
 public:
  ContextModel(std::uint64_t size, double p) : size_(size), p_(p) {}
  virtual ~ContextModel() = default;
  std::uint64_t size() const { return size_; }  // entries of a mask
  double p() const { return p_; }               // rate of the null hypothesis
  virtual std::size_t contexts() const = 0;
  /// Draws a mask of size() entries: one in context c is dropped with probability rates[c].
  virtual void draw(BitSource& source, std::span<const double> rates, MaskBits& mask) const = 0;
  /// Entries and drops by context.
  virtual std::vector<ContextCount> count(const MaskBits& mask) const = 0;

 private:
  std::uint64_t size_;
  double p_;
};

/// The context is the stretch that an entry lies in: [0, ends[0]), [ends[0], ends[1]) ... to the last, which
/// is the size.
class Stretches final : public ContextModel {
 public:
  Stretches(std::vector<std::uint64_t> ends, double p);
  std::size_t contexts() const override { return ends_.size(); }
  void draw(BitSource& source, std::span<const double> rates, MaskBits& mask) const override;
  std::vector<ContextCount> count(const MaskBits& mask) const override;

 private:
  std::vector<std::uint64_t> ends_;
};

/// The context is a class that each position belongs to.
class Classes final : public ContextModel {
 public:
  Classes(std::vector<std::uint16_t> class_of, std::size_t classes, double p);
  std::size_t contexts() const override { return positions_.size(); }
  void draw(BitSource& source, std::span<const double> rates, MaskBits& mask) const override;
  std::vector<ContextCount> count(const MaskBits& mask) const override;

 private:
  std::vector<std::uint16_t> class_of_;
  std::vector<std::vector<std::uint32_t>> positions_;
  std::vector<MaskBits> members_;  // of classes that are large enough to be drawn word by word
  bool all_large_ = true;
};

/// Position mod `modulus` in calls of `call` entries each.
std::unique_ptr<ContextModel> lanes_model(std::uint64_t size, std::uint64_t call, std::size_t modulus,
                                          double p);

/// The context is what the entries `lags` before are, lags ascending and at most 63: bit i of it is entry
/// t - lags[i]. Entries that have no such past are the last context, 2^lags.size().
class Chain final : public ContextModel {
 public:
  Chain(std::uint64_t size, std::vector<unsigned> lags, double p);
  std::size_t contexts() const override { return (std::size_t{1} << lags_.size()) + 1; }
  void draw(BitSource& source, std::span<const double> rates, MaskBits& mask) const override;
  std::vector<ContextCount> count(const MaskBits& mask) const override;

 private:
  std::size_t context(std::uint64_t past) const;
  std::vector<unsigned> lags_;
  bool successive_;  // lags 1, 2, ... n
};

/// Some entries have a partner `distance` before them: context 1 where the partner is kept, 2 where it is
/// dropped. All others, partners of theirs included, are context 0. From distance 64 on partners may have
/// partners.
class Partners final : public ContextModel {
 public:
  /// Bit t of `second`: entry t has a partner; all such t >= distance.
  Partners(MaskBits second, std::uint64_t distance, double p);
  std::size_t contexts() const override { return 3; }
  void draw(BitSource& source, std::span<const double> rates, MaskBits& mask) const override;
  std::vector<ContextCount> count(const MaskBits& mask) const override;

 private:
  std::uint64_t partners_of(const MaskBits& mask, std::size_t word) const;
  MaskBits second_;
  std::uint64_t distance_;
};

/// The context is the number of drops, 0 to 64, in the word `lag` words before; 65 where there is none.
class WordWeights final : public ContextModel {
 public:
  WordWeights(std::uint64_t words, std::uint64_t lag, double p) : ContextModel(64 * words, p), lag_(lag) {}
  std::size_t contexts() const override { return 66; }
  void draw(BitSource& source, std::span<const double> rates, MaskBits& mask) const override;
  std::vector<ContextCount> count(const MaskBits& mask) const override;

 private:
  std::size_t context(const MaskBits& mask, std::size_t word) const;
  std::uint64_t lag_;
};

/// p in (0,1) with its logit moved: a rate that stays inside (0,1).
double logit_shifted(double p, double shift);

}  // namespace dropcheck::suites::calibration
