#include "suites/disjoint_pairs.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "harness/stats/binomial.hpp"
#include "harness/stats/kernels/popcount.hpp"

namespace dropcheck::suites {
namespace {

std::uint64_t product(const std::vector<std::int64_t>& shape, std::size_t begin, std::size_t end) {
  std::uint64_t n = 1;
  for (std::size_t d = begin; d < end; ++d) n *= static_cast<std::uint64_t>(shape[d]);
  return n;
}

/// 64 bits from any position; bits past the end are 0.
std::uint64_t word_at(std::span<const std::uint64_t> words, std::uint64_t bit) {
  const std::uint64_t w = bit / 64, shift = bit % 64;
  std::uint64_t value = w < words.size() ? words[w] >> shift : 0;
  if (shift != 0 && w + 1 < words.size()) value |= words[w + 1] << (64 - shift);
  return value;
}

}  // namespace

std::vector<std::int64_t> mask_shape(const Problem& problem) {
  if (!drops_channels(problem.op)) return problem.shape;
  return {problem.shape.begin(), problem.shape.begin() + static_cast<std::ptrdiff_t>(
                                                             std::min<std::size_t>(2, problem.shape.size()))};
}

unsigned paired_axes(const std::vector<std::int64_t>& shape) {
  return static_cast<unsigned>(
      std::count_if(shape.begin(), shape.end(), [](std::int64_t extent) { return extent >= 2; }));
}

std::uint64_t pairs_along(const std::vector<std::int64_t>& shape, std::size_t axis) {
  return product(shape, 0, axis) * static_cast<std::uint64_t>(shape[axis] / 2) *
         product(shape, axis + 1, shape.size());
}

std::uint64_t both_dropped(const MaskBits& bits, const std::vector<std::int64_t>& shape, std::size_t axis) {
  const std::uint64_t inner = product(shape, axis + 1, shape.size());
  const auto extent = static_cast<std::uint64_t>(shape[axis]);
  const std::uint64_t outer = product(shape, 0, axis);
  if (inner == 1 && extent % 2 == 0)  // pairs are neighbours in memory and never straddle a word
    return stats::kernels::adjacent_pairs(bits.words());
  std::uint64_t both = 0;
  std::array<std::uint64_t, 256> products;  // counted together when they are many
  std::size_t waiting = 0;
  const auto count_waiting = [&] {
    both += stats::kernels::count(std::span(products).first(waiting));
    waiting = 0;
  };
  for (std::uint64_t o = 0; o < outer; ++o) {
    for (std::uint64_t i = 0; i + 1 < extent; i += 2) {
      const std::uint64_t first = (o * extent + i) * inner, second = first + inner;
      for (std::uint64_t j = 0; j < inner; j += 64) {
        std::uint64_t word = word_at(bits.words(), first + j) & word_at(bits.words(), second + j);
        if (inner - j < 64) word &= (std::uint64_t{1} << (inner - j)) - 1;
        if (waiting == products.size()) count_waiting();
        products[waiting++] = word;
      }
    }
  }
  count_waiting();
  return both;
}

void PairCounts::observe(const StepRecord& record) {
  MaskBits scratch;
  const MaskBits& bits = mask_entries(record, scratch);
  for (std::size_t axis = 0; axis < shape_.size(); ++axis)
    if (shape_[axis] >= 2) both_[axis] += both_dropped(bits, shape_, axis);
  ++masks_;
}

void PairCounts::add(const PairCounts& later) {
  for (std::size_t axis = 0; axis < both_.size(); ++axis) both_[axis] += later.both_[axis];
  masks_ += later.masks_;
}

std::optional<MinimumDetectableEffect> pair_effect(const std::vector<std::int64_t>& shape,
                                                   const SampleInfo& sample, double alpha, double beta) {
  std::uint64_t fewest = std::numeric_limits<std::uint64_t>::max();
  for (std::size_t axis = 0; axis < shape.size(); ++axis)
    if (shape[axis] >= 2) fewest = std::min(fewest, pairs_along(shape, axis));
  const double p = sample.problem.p;
  return MinimumDetectableEffect{
      stats::binomial_min_effect(sample.blocks * sample.calls * fewest, alpha, beta, p * p),
      "probability that both of a pair are dropped", 1 - beta};
}

Judgement judge_pairs(const PairCounts& seen, const std::string& statistic_id, const std::string& what,
                      const JudgeContext& context) {
  const double p = context.p;
  std::vector<Statistic> statistics;
  std::uint64_t comparisons = 0;
  for (std::size_t axis = 0; axis < seen.shape().size(); ++axis) {
    if (seen.shape()[axis] < 2) continue;
    const std::uint64_t n = seen.pairs(axis), x = seen.both(axis);
    comparisons += n;
    Statistic s;
    s.id = statistic_id;
    s.name = fmt::format("pairs along axis {}", axis);
    s.counts = {{"axis", {static_cast<Int128>(axis)}}, {"n", {n}}, {"x", {x}}};
    s.null_law = "Binomial(n, p^2)";
    s.null_parameters = {{"p", p}};
    set_tail(s, stats::binomial_two_sided(n, x, p * p), context.alpha);
    const stats::Interval interval = stats::clopper_pearson(n, x, context.alpha);
    s.effect = Effect{static_cast<double>(x) / static_cast<double>(n),
                      "probability that both of a pair are dropped", interval.lower, interval.upper};
    s.minimum_detectable_effect =
        MinimumDetectableEffect{stats::binomial_min_effect(n, context.alpha, kBeta, p * p),
                                "probability that both of a pair are dropped", kPower};
    statistics.push_back(std::move(s));
  }
  return judge_statistics(std::move(statistics), comparisons, [&](const Statistic& s) {
    return fmt::format(
        "neighbouring {} ({}) are both dropped with probability {:.6g} [{:.6g}, {:.6g}]; independent ones "
        "would be with {:.6g}",
        what, s.name, s.effect->value, *s.effect->lower, *s.effect->upper, p * p);
  });
}

}  // namespace dropcheck::suites
