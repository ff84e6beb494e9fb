// unbiasedness.mean and unbiasedness.variance: S25. With integer inputs U = sum w_i (k_i - q) is exact, where
// k_i = 1 for a kept entry and w = x for the mean (E y = x given that a kept value is x / q) or w = x^2 for
// the second moment (E y^2 = x^2 / q, so Var y = x^2 p / q). For operators that drop channels the weight of
// an entry is the sum over its channel. p-values are Bernstein's bound (1946): valid at every n, never
// optimistic. Where a mask came without its output, x may have been sent as a constant: the weights are the
// step's integers all the same, for the law of the sum holds for any weights that the mask does not depend
// on, and the executor compares such masks with those of the step's own x.

#include <array>

#include "harness/stats/kernels/selected_sums.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/judging.hpp"
#include "suites/kept_weights.hpp"
#include "suites/mask_observer.hpp"
#include "suites/protocols.hpp"

namespace dropcheck::suites {
namespace {

constexpr std::size_t kKinds = kWeightKinds.size();

template <int Power>
std::int64_t weight(std::int8_t x) {
  return Power == 1 ? x : std::int64_t{x} * x;
}

template <int Power>
class WeightedSums final : public MergingObserver<WeightedSums<Power>> {
 public:
  void observe(const StepRecord& record) override {
    MaskBits scratch;
    const MaskBits& bits = mask_entries(record, scratch);
    if (record.index == 0 || record.integers.data() != weighed_.data() ||
        record.integers.size() != weighed_.size())
      weigh(record, bits.size());
    std::int64_t dropped = 0;
    if (weights_.empty()) {
      dropped = Power == 1 ? stats::kernels::selected_sum(bits.words(), weighed_)
                           : stats::kernels::selected_squares(bits.words(), weighed_);
    } else {
      for_each_drop(bits, [&](std::uint64_t i) { dropped += weights_[i]; });
    }
    KeptWeights call = input_;
    call.kept = call.all - dropped;
    sums[record.block % kKinds].add(call);
  }
  void add(const WeightedSums& later) {
    for (std::size_t k = 0; k < kKinds; ++k) sums[k].add(later.sums[k]);
  }
  std::array<KeptWeights, kKinds> sums;

 private:
  /// Works out what depends on the input only, which all calls of a block share.
  void weigh(const StepRecord& record, std::uint64_t entries) {
    weighed_ = record.integers;
    weights_.clear();
    input_ = {};
    if (entries == weighed_.size()) {
      input_.entries = entries;
      const stats::kernels::IntegerMoments x = stats::kernels::integer_moments(weighed_);
      input_.all = Power == 1 ? x.sum : x.squares;
      input_.squares = Power == 1 ? x.squares : x.fourths;
      input_.absolute = Power == 1 ? x.absolute : x.squares;
      input_.largest = Power == 1 ? x.largest : x.largest * x.largest;
      return;
    }
    const std::uint64_t inner = entries > 0 ? weighed_.size() / entries : 1;
    weights_.assign(entries, 0);
    for (std::uint64_t i = 0; i < entries; ++i) {
      std::int64_t& w = weights_[i];
      for (std::uint64_t j = 0; j < inner; ++j) w += weight<Power>(weighed_[i * inner + j]);
      input_.add_weight(w);
    }
  }

  std::span<const std::int8_t> weighed_;
  std::vector<std::int64_t> weights_;  // one a channel; empty where the inputs are the weights
  KeptWeights input_;                  // all but `kept`
};

template <int Power>
class WeightedSumCheck final : public Check {
 public:
  WeightedSumCheck(const char* id, const Dialect& dialect)
      : Check(catalogue_row(id, dialect)), scales_(dialect.scale == TrainScale::over_q) {}

  Applicability applies(const SampleInfo& sample) const override {
    if (is_alpha(sample.problem.op))
      return Applicability::no();  // alpha dropout keeps mean and variance by another law
    return needs_arrangement(sample);
  }
  unsigned hypotheses(const SampleInfo& sample) const override {
    return static_cast<unsigned>(std::min<std::uint64_t>(sample.blocks, kKinds));
  }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    // Planned for inputs of one magnitude: the random kind detects a little less.
    return kept_weights_detectable(sample.mask_entries() / hypotheses(sample), sample.problem.p, alpha, beta,
                                   unit());
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<WeightedSums<Power>>();
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const auto& observed = static_cast<const WeightedSums<Power>&>(seen);
    std::vector<Statistic> statistics;
    std::uint64_t entries = 0;
    for (std::size_t k = 0; k < kKinds; ++k) {
      const KeptWeights& sums = observed.sums[k];
      if (sums.entries == 0) continue;
      entries += sums.entries;
      statistics.push_back(kept_weights_statistic(
          "S25", fmt::format("{} over {} x", Power == 1 ? "sum of y" : "sum of y^2", kWeightKinds[k]), unit(),
          sums, context));
    }
    return judge_statistics(std::move(statistics), entries, kept_weights_finding);
  }

 private:
  /// Effects are parts of what is expected, so they do not depend on the scale.
  std::string unit() const {
    if (Power == 2) return "excess as a part of E y^2";
    return scales_ ? "bias as a part of the mean |x|" : "bias as a part of q times the mean |x|";
  }

  bool scales_;
};

}  // namespace

void add_weighted_sums(Registry& registry, const Dialect& dialect) {
  registry.add_check(std::make_unique<WeightedSumCheck<1>>("unbiasedness.mean", dialect));
  registry.add_check(std::make_unique<WeightedSumCheck<2>>("unbiasedness.variance", dialect));
}

}  // namespace dropcheck::suites
