#include "suites/calibration/context_models.hpp"

#include <bit>
#include <cmath>
#include <utility>

#include "harness/core/invariant.hpp"

namespace dropcheck::suites::calibration {
namespace {

std::uint64_t ones(std::uint64_t word) { return static_cast<std::uint64_t>(std::popcount(word)); }

std::uint64_t drops_between(const MaskBits& mask, std::uint64_t begin, std::uint64_t end) {
  std::uint64_t drops = 0;
  for (std::uint64_t w = begin / 64; w * 64 < end; ++w) {
    std::uint64_t word = mask.words()[w];
    if (w * 64 < begin) word &= ~std::uint64_t{0} << (begin % 64);
    if (end - w * 64 < 64) word &= (std::uint64_t{1} << (end % 64)) - 1;
    drops += ones(word);
  }
  return drops;
}

constexpr std::size_t kLargeClass = 16;  // a class of one entry in so many, or more

std::vector<Rate> thresholds(std::span<const double> rates) {
  std::vector<Rate> result;
  result.reserve(rates.size());
  for (const double rate : rates) result.emplace_back(rate);
  return result;
}

}  // namespace

Stretches::Stretches(std::vector<std::uint64_t> ends, double p)
    : ContextModel(ends.back(), p), ends_(std::move(ends)) {}

void Stretches::draw(BitSource& source, std::span<const double> rates, MaskBits& mask) const {
  std::uint64_t begin = 0;
  for (std::size_t c = 0; c < ends_.size(); begin = ends_[c++])
    fill(mask, begin, ends_[c], Rate(rates[c]), source);
}

std::vector<ContextCount> Stretches::count(const MaskBits& mask) const {
  std::vector<ContextCount> counts;
  std::uint64_t begin = 0;
  for (const std::uint64_t end : ends_) {
    counts.push_back({end - begin, drops_between(mask, begin, end)});
    begin = end;
  }
  return counts;
}

Classes::Classes(std::vector<std::uint16_t> class_of, std::size_t classes, double p)
    : ContextModel(class_of.size(), p), class_of_(std::move(class_of)), positions_(classes) {
  for (std::size_t i = 0; i < class_of_.size(); ++i)
    positions_[class_of_[i]].push_back(static_cast<std::uint32_t>(i));
  members_.resize(classes);
  for (std::size_t c = 0; c < classes; ++c) {
    if (positions_[c].size() < size() / kLargeClass) {
      all_large_ = all_large_ && positions_[c].empty();
      continue;
    }
    members_[c] = MaskBits(size());
    for (const std::uint32_t i : positions_[c]) members_[c].set(i);
  }
}

void Classes::draw(BitSource& source, std::span<const double> rates, MaskBits& mask) const {
  fill(mask, Rate(p()), source);
  const std::span<std::uint64_t> words = mask.words();
  for (std::size_t c = 0; c < positions_.size(); ++c) {
    if (rates[c] == p()) continue;
    const Rate rate(rates[c]);
    if (members_[c].size() > 0) {
      const std::span<const std::uint64_t> members = members_[c].words();
      for (std::size_t w = 0; w < words.size(); ++w)
        if (members[w] != 0) words[w] = (words[w] & ~members[w]) | (rate.word(source) & members[w]);
      continue;
    }
    std::uint64_t bits = 0;
    unsigned left = 0;
    for (const std::uint32_t i : positions_[c]) {
      if (left == 0) {
        bits = rate.word(source);
        left = 64;
      }
      const std::uint64_t bit = std::uint64_t{1} << (i % 64);
      words[i / 64] = (words[i / 64] & ~bit) | ((bits & 1) << (i % 64));
      bits >>= 1;
      --left;
    }
  }
}

std::vector<ContextCount> Classes::count(const MaskBits& mask) const {
  std::vector<ContextCount> counts(positions_.size());
  for (std::size_t c = 0; c < positions_.size(); ++c) counts[c].entries = positions_[c].size();
  if (all_large_) {
    for (std::size_t c = 0; c < positions_.size(); ++c)
      for (std::size_t w = 0; w < members_[c].words().size(); ++w)
        counts[c].drops += ones(mask.words()[w] & members_[c].words()[w]);
    return counts;
  }
  for (std::size_t w = 0; w < mask.words().size(); ++w)
    for (std::uint64_t word = mask.words()[w]; word != 0; word &= word - 1)
      ++counts[class_of_[w * 64 + static_cast<std::size_t>(std::countr_zero(word))]].drops;
  return counts;
}

std::unique_ptr<ContextModel> lanes_model(std::uint64_t size, std::uint64_t call, std::size_t modulus,
                                          double p) {
  std::vector<std::uint16_t> class_of(size);
  for (std::uint64_t i = 0; i < size; ++i) class_of[i] = static_cast<std::uint16_t>(i % call % modulus);
  return std::make_unique<Classes>(std::move(class_of), modulus, p);
}

Chain::Chain(std::uint64_t size, std::vector<unsigned> lags, double p)
    : ContextModel(size, p), lags_(std::move(lags)), successive_(true) {
  DROPCHECK_CHECK(!lags_.empty() && lags_.back() < 64 && lags_.size() < 16);
  for (std::size_t i = 0; i < lags_.size(); ++i) successive_ = successive_ && lags_[i] == i + 1;
}

/// Bit k of `past` is the entry k + 1 before.
std::size_t Chain::context(std::uint64_t past) const {
  if (successive_) return past & ((std::size_t{1} << lags_.size()) - 1);
  std::size_t c = 0;
  for (std::size_t i = 0; i < lags_.size(); ++i) c |= ((past >> (lags_[i] - 1)) & 1) << i;
  return c;
}

void Chain::draw(BitSource& source, std::span<const double> rates, MaskBits& mask) const {
  const std::vector<Rate> drawn = thresholds(rates);
  std::uint64_t past = 0, word = 0;
  for (std::uint64_t t = 0; t < size(); ++t) {
    const std::size_t c = t < lags_.back() ? contexts() - 1 : context(past);
    const std::uint64_t bit = drawn[c].one(source) ? 1 : 0;
    word |= bit << (t % 64);
    past = (past << 1) | bit;
    if (t % 64 == 63 || t + 1 == size()) {
      mask.words()[t / 64] = word;
      word = 0;
    }
  }
}

std::vector<ContextCount> Chain::count(const MaskBits& mask) const {
  std::vector<ContextCount> counts(contexts());
  std::uint64_t past = 0, word = 0;
  for (std::uint64_t t = 0; t < size(); ++t) {
    if (t % 64 == 0) word = mask.words()[t / 64];
    ContextCount& here = counts[t < lags_.back() ? contexts() - 1 : context(past)];
    ++here.entries;
    here.drops += word & 1;
    past = (past << 1) | (word & 1);
    word >>= 1;
  }
  return counts;
}

Partners::Partners(MaskBits second, std::uint64_t distance, double p)
    : ContextModel(second.size(), p), second_(std::move(second)), distance_(distance) {}

/// The bits `distance` before those of a word.
std::uint64_t Partners::partners_of(const MaskBits& mask, std::size_t word) const {
  const std::size_t whole = distance_ / 64;
  const unsigned rest = distance_ % 64;
  if (word < whole) return 0;
  std::uint64_t bits = mask.words()[word - whole] << rest;
  if (rest != 0 && word > whole) bits |= mask.words()[word - whole - 1] >> (64 - rest);
  return bits;
}

void Partners::draw(BitSource& source, std::span<const double> rates, MaskBits& mask) const {
  fill(mask, Rate(rates[0]), source);
  const Rate after_keep(rates[1]), after_drop(rates[2]);
  for (std::size_t w = 0; w < mask.words().size(); ++w) {
    const std::uint64_t second = second_.words()[w];
    if (second == 0) continue;
    const std::uint64_t partners = partners_of(mask, w);
    const std::uint64_t drawn = (partners & after_drop.word(source)) | (~partners & after_keep.word(source));
    mask.words()[w] = (mask.words()[w] & ~second) | (drawn & second);
  }
}

std::vector<ContextCount> Partners::count(const MaskBits& mask) const {
  std::vector<ContextCount> counts(3);
  for (std::size_t w = 0; w < mask.words().size(); ++w) {
    const std::uint64_t second = second_.words()[w], bits = mask.words()[w];
    const std::uint64_t partners = second == 0 ? 0 : partners_of(mask, w);
    counts[0].drops += ones(bits & ~second);
    counts[1].entries += ones(second & ~partners);
    counts[1].drops += ones(second & ~partners & bits);
    counts[2].entries += ones(second & partners);
    counts[2].drops += ones(second & partners & bits);
  }
  counts[0].entries = size() - counts[1].entries - counts[2].entries;
  return counts;
}

std::size_t WordWeights::context(const MaskBits& mask, std::size_t word) const {
  return word < lag_ ? 65 : static_cast<std::size_t>(std::popcount(mask.words()[word - lag_]));
}

void WordWeights::draw(BitSource& source, std::span<const double> rates, MaskBits& mask) const {
  const std::vector<Rate> drawn = thresholds(rates);
  for (std::size_t w = 0; w < mask.words().size(); ++w)
    mask.words()[w] = drawn[context(mask, w)].word(source);
}

std::vector<ContextCount> WordWeights::count(const MaskBits& mask) const {
  std::vector<ContextCount> counts(contexts());
  for (std::size_t w = 0; w < mask.words().size(); ++w) {
    ContextCount& here = counts[context(mask, w)];
    here.entries += 64;
    here.drops += ones(mask.words()[w]);
  }
  return counts;
}

double logit_shifted(double p, double shift) {
  const double odds = p / (1 - p) * std::exp(shift);
  return odds / (1 + odds);
}

}  // namespace dropcheck::suites::calibration
