#pragma once
// Pairs (2i, 2i+1) of neighbours along each axis of the mask. They are disjoint, so under the null hypothesis
// the number that is dropped together is exactly Binomial(pairs, p^2).

#include <cstdint>
#include <string>
#include <vector>

#include "suites/judging.hpp"
#include "suites/mask_observer.hpp"

namespace dropcheck::suites {

/// Shape of the mask: that of the tensor, or its first two dimensions for operators that drop channels.
std::vector<std::int64_t> mask_shape(const Problem& problem);

/// Axes with at least one pair.
unsigned paired_axes(const std::vector<std::int64_t>& shape);

/// Pairs along an axis of one mask.
std::uint64_t pairs_along(const std::vector<std::int64_t>& shape, std::size_t axis);

/// Pairs along an axis of which both members are dropped.
std::uint64_t both_dropped(const MaskBits& bits, const std::vector<std::int64_t>& shape, std::size_t axis);

class PairCounts final : public MergingObserver<PairCounts> {
 public:
  explicit PairCounts(std::vector<std::int64_t> shape) : shape_(std::move(shape)), both_(shape_.size(), 0) {}
  void observe(const StepRecord& record) override;
  void add(const PairCounts& later);

  const std::vector<std::int64_t>& shape() const { return shape_; }
  std::uint64_t both(std::size_t axis) const { return both_[axis]; }
  std::uint64_t pairs(std::size_t axis) const { return masks_ * pairs_along(shape_, axis); }

 private:
  std::vector<std::int64_t> shape_;
  std::vector<std::uint64_t> both_;
  std::uint64_t masks_ = 0;
};

/// Smallest excess of P(both dropped) over p^2 that would be caught along the axis with the fewest pairs.
std::optional<MinimumDetectableEffect> pair_effect(const std::vector<std::int64_t>& shape,
                                                   const SampleInfo& sample, double alpha, double beta);

/// One exact binomial statistic an axis. `what` names the entries in messages ("elements", "channels").
Judgement judge_pairs(const PairCounts& seen, const std::string& statistic_id, const std::string& what,
                      const JudgeContext& context);

}  // namespace dropcheck::suites
