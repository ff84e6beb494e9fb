#include "suites/calibration/tilts.hpp"

#include <algorithm>
#include <bit>
#include <boost/math/distributions/binomial.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "harness/core/chunk.hpp"
#include "harness/core/invariant.hpp"

namespace dropcheck::suites::calibration {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

std::vector<double> cumulated(const std::vector<double>& weights) {
  std::vector<double> sums(weights.size());
  std::partial_sum(weights.begin(), weights.end(), sums.begin());
  for (double& s : sums) s /= sums.back();
  return sums;
}

std::size_t drawn_from(const std::vector<double>& cumulative, BitSource& source) {
  const auto found = std::upper_bound(cumulative.begin(), cumulative.end(), source.uniform());
  return std::min(static_cast<std::size_t>(found - cumulative.begin()), cumulative.size() - 1);
}

std::uint64_t drops_of_block(const MaskBits& mask, std::uint64_t begin, std::uint64_t bits) {
  std::uint64_t drops = 0;
  for (std::uint64_t w = begin / 64; w < (begin + bits) / 64; ++w)
    drops += static_cast<std::uint64_t>(std::popcount(mask.words()[w]));
  return drops;
}

/// Flips random entries of a block until it has `drops`: from a random arrangement to a random one.
void set_drops(MaskBits& mask, std::uint64_t begin, std::uint64_t bits, std::uint64_t drops,
               BitSource& source) {
  std::uint64_t have = drops_of_block(mask, begin, bits);
  while (have != drops) {
    const std::uint64_t i = begin + source.below(bits);
    const std::uint64_t bit = std::uint64_t{1} << (i % 64);
    std::uint64_t& word = mask.words()[i / 64];
    const bool dropped = (word & bit) != 0;
    if (dropped == (have < drops)) continue;
    word ^= bit;
    have += dropped ? ~std::uint64_t{0} : 1;
  }
}

/// Calls visit(begin) for every whole block of a mask, chunk by chunk.
template <typename Visit>
void for_each_block(std::uint64_t size, std::uint64_t bits, Visit&& visit) {
  for (std::uint64_t chunk = 0; chunk < size; chunk += kChunkBits)
    for (std::uint64_t begin = chunk; begin + bits <= std::min(size, chunk + kChunkBits); begin += bits)
      visit(begin);
}

/// ln of the Dirichlet-multinomial probability of `counts`, over that of the multinomial with the mean.
double dirichlet_log_ratio(const std::vector<std::uint64_t>& counts, const std::vector<double>& mean,
                           double concentration) {
  double total = 0, sum = 0;
  for (std::size_t g = 0; g < counts.size(); ++g) {
    const auto n = static_cast<double>(counts[g]);
    if (counts[g] == 0) continue;
    const double a = concentration * mean[g];
    sum += std::lgamma(a + n) - std::lgamma(a) - n * std::log(mean[g]);
    total += n;
  }
  return sum + std::lgamma(concentration) - std::lgamma(concentration + total);
}

std::vector<double> dirichlet(const std::vector<double>& mean, double concentration, BitSource& source) {
  std::vector<double> drawn;
  double sum = 0;
  for (const double m : mean) {
    drawn.push_back(source.gamma(concentration * m));
    sum += drawn.back();
  }
  for (double& d : drawn) d /= sum;
  return drawn;
}

}  // namespace

double log_sum_exp(const std::vector<double>& values) {
  const double largest = values.empty() ? kMinusInfinity : *std::max_element(values.begin(), values.end());
  if (std::isinf(largest)) return largest;
  double sum = 0;
  for (const double v : values) sum += std::exp(v - largest);
  return largest + std::log(sum);
}

std::vector<double> binomial_law(std::uint64_t bits, double p) {
  const boost::math::binomial_distribution<double> law(static_cast<double>(bits), p);
  std::vector<double> probabilities;
  for (std::uint64_t c = 0; c <= bits; ++c)
    probabilities.push_back(boost::math::pdf(law, static_cast<double>(c)));
  return probabilities;
}

// --- RateMixture

RateMixture::RateMixture(std::unique_ptr<ContextModel> model,
                         std::vector<std::vector<ContextRate>> components)
    : Tilt(model->size()), model_(std::move(model)), components_(std::move(components)) {
  DROPCHECK_CHECK(!components_.empty());
}

void RateMixture::draw(BitSource& source, MaskBits& mask, std::size_t component) const {
  std::vector<double> rates(model_->contexts(), model_->p());
  for (const ContextRate& c : components_[component]) rates[c.context] = c.rate;
  model_->draw(source, rates, mask);
}

double RateMixture::log_ratio(const MaskBits& mask) const {
  const std::vector<ContextCount> counts = model_->count(mask);
  const double p = model_->p();
  std::vector<double> logs;
  for (const auto& component : components_) {
    double sum = 0;
    for (const ContextRate& c : component) {
      const auto drops = static_cast<double>(counts[c.context].drops);
      const double keeps = static_cast<double>(counts[c.context].entries) - drops;
      if (drops > 0) sum += drops * std::log(c.rate / p);
      if (keeps > 0) sum += keeps * (std::log1p(-c.rate) - std::log1p(-p));
    }
    logs.push_back(sum);
  }
  return log_sum_exp(logs) - std::log(static_cast<double>(components_.size()));
}

// --- RateSpread

namespace {
constexpr double kGridEnd = 3.5, kGridStep = 0.5;
constexpr std::size_t kNodes = 15;
}  // namespace

RateSpread::RateSpread(std::unique_ptr<ContextModel> model, std::vector<Group> groups,
                       const std::vector<double>& entries, const std::vector<double>& spreads)
    : Tilt(model->size()), model_(std::move(model)), groups_(std::move(groups)), spreads_(spreads.size()) {
  std::vector<double> weights;
  for (std::size_t k = 0; k < kNodes; ++k) {
    const double x = -kGridEnd + kGridStep * static_cast<double>(k);
    weights.push_back(std::exp(-x * x / 2));
  }
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (const double w : weights) ln_weight_.push_back(std::log(w / total));
  cumulative_ = cumulated(weights);
  members_ = 0;
  const double p = model_->p();
  for (const double spread : spreads) {
    members_ = 0;
    for (const Group& group : groups_) {
      for (const Member& member : group) {
        ++members_;
        for (std::size_t k = 0; k < kNodes; ++k) {
          const double x = -kGridEnd + kGridStep * static_cast<double>(k);
          const double rate =
              logit_shifted(p, member.sign * spread * x / std::sqrt(entries[member.context] * p * (1 - p)));
          shifts_.push_back({rate, std::log(rate / p), std::log1p(-rate) - std::log1p(-p)});
        }
      }
    }
  }
}

const RateSpread::Shift& RateSpread::shift(std::size_t spread, std::size_t member, std::size_t node) const {
  return shifts_[(spread * members_ + member) * kNodes + node];
}

void RateSpread::draw(BitSource& source, MaskBits& mask, std::size_t component) const {
  std::vector<double> rates(model_->contexts(), model_->p());
  std::size_t m = 0;
  for (const Group& group : groups_) {
    const std::size_t node = drawn_from(cumulative_, source);
    for (const Member& member : group) rates[member.context] = shift(component, m++, node).rate;
  }
  model_->draw(source, rates, mask);
}

double RateSpread::log_ratio(const MaskBits& mask) const {
  const std::vector<ContextCount> counts = model_->count(mask);
  std::vector<double> over_spreads, over_nodes(kNodes);
  for (std::size_t spread = 0; spread < spreads_; ++spread) {
    double sum = 0;
    std::size_t m = 0;
    for (const Group& group : groups_) {
      over_nodes = ln_weight_;
      for (const Member& member : group) {
        const auto drops = static_cast<double>(counts[member.context].drops);
        const double keeps = static_cast<double>(counts[member.context].entries) - drops;
        for (std::size_t k = 0; k < kNodes; ++k)
          over_nodes[k] += drops * shift(spread, m, k).drop + keeps * shift(spread, m, k).keep;
        ++m;
      }
      sum += log_sum_exp(over_nodes);
    }
    over_spreads.push_back(sum);
  }
  return log_sum_exp(over_spreads) - std::log(static_cast<double>(spreads_));
}

// --- BlockCountMixture

BlockCountMixture::BlockCountMixture(std::uint64_t size, std::uint64_t bits, double p,
                                     std::vector<std::vector<double>> laws)
    : Tilt(size), bits_(bits), p_(p) {
  DROPCHECK_CHECK(bits % 64 == 0 && !laws.empty());
  const std::vector<double> null = binomial_law(bits, p);
  for (std::vector<double>& law : laws) {
    double sum = 0;
    for (std::size_t c = 0; c <= bits; ++c) {
      if (null[c] == 0) law[c] = 0;  // below 1e-308: never drawn
      sum += law[c];
    }
    std::vector<double> ratio;
    for (std::size_t c = 0; c <= bits; ++c)
      ratio.push_back(law[c] > 0 ? std::log(law[c] / sum) - std::log(null[c]) : kMinusInfinity);
    ln_ratio_.push_back(std::move(ratio));
    cumulative_.push_back(cumulated(law));
  }
}

void BlockCountMixture::draw(BitSource& source, MaskBits& mask, std::size_t component) const {
  fill(mask, Rate(p_), source);
  const std::vector<double>& cumulative = cumulative_[component];
  for_each_block(size(), bits_, [&](std::uint64_t begin) {
    set_drops(mask, begin, bits_, drawn_from(cumulative, source), source);
  });
}

double BlockCountMixture::log_ratio(const MaskBits& mask) const {
  std::vector<double> logs(ln_ratio_.size(), 0);
  for_each_block(size(), bits_, [&](std::uint64_t begin) {
    const std::uint64_t drops = drops_of_block(mask, begin, bits_);
    for (std::size_t k = 0; k < logs.size(); ++k) logs[k] += ln_ratio_[k][drops];
  });
  return log_sum_exp(logs) - std::log(static_cast<double>(logs.size()));
}

// --- ForcedRun

ForcedRun::ForcedRun(std::uint64_t size, double p, bool of_drops, std::vector<std::uint64_t> lengths)
    : Tilt(size), p_(p), of_drops_(of_drops), lengths_(std::move(lengths)) {
  DROPCHECK_CHECK(!lengths_.empty());
  for (const std::uint64_t length : lengths_) DROPCHECK_CHECK(length > 0 && length <= size);
}

void ForcedRun::draw(BitSource& source, MaskBits& mask, std::size_t component) const {
  fill(mask, Rate(p_), source);
  const std::uint64_t length = lengths_[component];
  const std::uint64_t begin = source.below(size() - length + 1);
  for (std::uint64_t i = begin; i < begin + length; ++i) {
    const std::uint64_t bit = std::uint64_t{1} << (i % 64);
    if (of_drops_) mask.words()[i / 64] |= bit;
    else mask.words()[i / 64] &= ~bit;
  }
}

double ForcedRun::log_ratio(const MaskBits& mask) const {
  std::vector<std::uint64_t> windows(lengths_.size(), 0);  // all of the kind, of each length
  const auto run = [&](std::uint64_t length) {
    for (std::size_t k = 0; k < lengths_.size(); ++k)
      if (length >= lengths_[k]) windows[k] += length - lengths_[k] + 1;
  };
  std::uint64_t begin = 0;  // of the present run
  for (std::size_t w = 0; w < mask.words().size(); ++w) {
    std::uint64_t enders = of_drops_ ? ~mask.words()[w] : mask.words()[w];
    for (; enders != 0; enders &= enders - 1) {
      const std::uint64_t end = w * 64 + static_cast<std::uint64_t>(std::countr_zero(enders));
      if (end >= size()) break;
      run(end - begin);
      begin = end + 1;
    }
  }
  run(size() - begin);
  const double ln_one = of_drops_ ? std::log(p_) : std::log1p(-p_);
  std::vector<double> logs;
  for (std::size_t k = 0; k < lengths_.size(); ++k)
    logs.push_back(windows[k] == 0 ? kMinusInfinity
                                   : std::log(static_cast<double>(windows[k])) -
                                         std::log(static_cast<double>(size() - lengths_[k] + 1)) -
                                         static_cast<double>(lengths_[k]) * ln_one);
  return log_sum_exp(logs) - std::log(static_cast<double>(lengths_.size()));
}

// --- BlockCellSpread

BlockCellSpread::BlockCellSpread(std::uint64_t size, std::uint64_t bits, double p, CellLaw cells,
                                 std::vector<double> concentrations)
    : Tilt(size), bits_(bits), p_(p), cells_(std::move(cells)), concentrations_(std::move(concentrations)) {
  const std::vector<double> null = binomial_law(bits, p);
  values_.resize(cells_.probabilities.size());
  std::vector<std::vector<double>> weights(values_.size());
  for (std::size_t c = 0; c <= bits; ++c) {
    values_[cells_.cell_of[c]].push_back(c);
    weights[cells_.cell_of[c]].push_back(null[c]);
  }
  for (const auto& w : weights) cumulative_.push_back(cumulated(w));
}

void BlockCellSpread::draw(BitSource& source, MaskBits& mask, std::size_t component) const {
  fill(mask, Rate(p_), source);
  const std::vector<double> law =
      cumulated(dirichlet(cells_.probabilities, concentrations_[component], source));
  for_each_block(size(), bits_, [&](std::uint64_t begin) {
    const std::size_t cell = drawn_from(law, source);
    set_drops(mask, begin, bits_, values_[cell][drawn_from(cumulative_[cell], source)], source);
  });
}

double BlockCellSpread::log_ratio(const MaskBits& mask) const {
  std::vector<std::uint64_t> counts(cells_.probabilities.size(), 0);
  for_each_block(size(), bits_,
                 [&](std::uint64_t begin) { ++counts[cells_.cell_of[drops_of_block(mask, begin, bits_)]]; });
  std::vector<double> logs;
  for (const double concentration : concentrations_)
    logs.push_back(dirichlet_log_ratio(counts, cells_.probabilities, concentration));
  return log_sum_exp(logs) - std::log(static_cast<double>(logs.size()));
}

// --- GapTilt

GapTilt::GapTilt(std::uint64_t size, std::uint64_t gaps, double p, CellLaw cells,
                 std::vector<std::vector<double>> laws, std::vector<double> concentrations)
    : Tilt(size),
      gaps_(gaps),
      p_(p),
      cells_(std::move(cells)),
      laws_(std::move(laws)),
      concentrations_(std::move(concentrations)) {
  DROPCHECK_CHECK(!laws_.empty() || !concentrations_.empty());
  const std::size_t m = cells_.probabilities.size();
  first_.assign(m, 0);
  last_.assign(m, 0);
  for (std::size_t g = 1; g <= cells_.cell_of.size(); ++g) {  // cell_of[g - 1] is the cell of distance g
    const std::size_t c = cells_.cell_of[g - 1];
    if (first_[c] == 0) first_[c] = g;
    last_[c] = g;
  }
  if (first_[m - 1] == 0) first_[m - 1] = cells_.cell_of.size() + 1;
}

/// A distance with its null law inside the cell: geometric, cut off at the cell's end.
std::uint64_t GapTilt::gap_in(std::size_t cell, BitSource& source) const {
  const double ln_q = std::log1p(-p_);
  double u = source.uniform();
  if (cell + 1 < first_.size())  // P(beyond the cell's end | at least its beginning) = q^length
    u = 1 - u * -std::expm1(static_cast<double>(last_[cell] - first_[cell] + 1) * ln_q);
  const double beyond = std::floor(std::log(u) / ln_q);
  const std::uint64_t gap = first_[cell] + static_cast<std::uint64_t>(std::max(beyond, 0.0));
  return cell + 1 < first_.size() ? std::min(gap, last_[cell]) : gap;
}

/// P(distance > gap | in the cell) under the null law.
double GapTilt::survival(std::size_t cell, std::uint64_t gap) const {
  if (gap < first_[cell]) return 1;
  const double ln_q = std::log1p(-p_);
  const auto beyond = static_cast<double>(gap - first_[cell] + 1);
  if (cell + 1 == first_.size()) return std::exp(beyond * ln_q);
  if (gap >= last_[cell]) return 0;
  const auto length = static_cast<double>(last_[cell] - first_[cell] + 1);
  return (std::exp(beyond * ln_q) - std::exp(length * ln_q)) / -std::expm1(length * ln_q);
}

void GapTilt::draw(BitSource& source, MaskBits& mask, std::size_t component) const {
  fill(mask, Rate(p_), source);
  const std::vector<double> law =
      cumulated(component < laws_.size()
                    ? laws_[component]
                    : dirichlet(cells_.probabilities, concentrations_[component - laws_.size()], source));
  for (std::uint64_t begin = 0; begin < size(); begin += kChunkBits) {
    const std::uint64_t end = std::min(size(), begin + kChunkBits);
    std::uint64_t next = begin;  // first entry that is not decided yet
    for (std::uint64_t g = 0; g < gaps_ && next < end; ++g) {
      const std::uint64_t gap = gap_in(drawn_from(law, source), source);
      const std::uint64_t stop = std::min(end, next + gap - 1);
      for (std::uint64_t i = next; i < stop; ++i) mask.words()[i / 64] &= ~(std::uint64_t{1} << (i % 64));
      if (next + gap <= end) mask.set(next + gap - 1);
      next += gap;
    }
  }
}

double GapTilt::log_ratio(const MaskBits& mask) const {
  const std::size_t m = cells_.probabilities.size();
  std::vector<std::uint64_t> counts(m, 0);
  std::vector<std::uint64_t> unfinished;  // distances that the end of a chunk cut off
  for (std::uint64_t begin = 0; begin < size(); begin += kChunkBits) {
    const std::uint64_t end = std::min(size(), begin + kChunkBits);
    std::uint64_t next = begin, seen = 0;
    for (std::uint64_t w = begin / 64; w * 64 < end && seen < gaps_; ++w) {
      for (std::uint64_t word = mask.words()[w]; word != 0 && seen < gaps_; word &= word - 1) {
        const std::uint64_t at = w * 64 + static_cast<std::uint64_t>(std::countr_zero(word));
        const std::uint64_t gap = at - next + 1;
        ++counts[gap <= cells_.cell_of.size() ? cells_.cell_of[gap - 1] : m - 1];
        next = at + 1;
        ++seen;
      }
    }
    if (seen < gaps_ && next < end) unfinished.push_back(end - next);
  }
  const double ln_q = std::log1p(-p_);
  std::vector<double> logs;
  for (const std::vector<double>& law : laws_) {
    double sum = 0;
    for (std::size_t c = 0; c < m; ++c)
      if (counts[c] > 0) sum += static_cast<double>(counts[c]) * std::log(law[c] / cells_.probabilities[c]);
    for (const std::uint64_t gap : unfinished) {
      double beyond = 0;
      for (std::size_t c = 0; c < m; ++c) beyond += law[c] * survival(c, gap);
      sum += std::log(beyond) - static_cast<double>(gap) * ln_q;
    }
    logs.push_back(sum);
  }
  for (const double concentration : concentrations_) {
    double sum = dirichlet_log_ratio(counts, cells_.probabilities, concentration);
    DROPCHECK_CHECK(unfinished.size() <= 1);  // the mean of a product of two would be needed
    for (const std::uint64_t gap : unfinished) {
      double beyond = 0, total = concentration;
      for (std::size_t c = 0; c < m; ++c) {
        beyond +=
            (concentration * cells_.probabilities[c] + static_cast<double>(counts[c])) * survival(c, gap);
        total += static_cast<double>(counts[c]);
      }
      sum += std::log(beyond / total) - static_cast<double>(gap) * ln_q;
    }
    logs.push_back(sum);
  }
  return log_sum_exp(logs) - std::log(static_cast<double>(logs.size()));
}

}  // namespace dropcheck::suites::calibration
