#include "harness/stats/repeats.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "harness/stats/preconditions.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace dropcheck::stats {
namespace {

constexpr double kAnchorRate =
    0x1p-11;  // of large samples: hashing windows then costs less than finding them
constexpr double kAnchorsWanted = 0x1p12;  // of small ones
constexpr double kPlannedWindows = static_cast<double>(RepeatFinder::kMostWindows) / 2;
constexpr std::uint64_t kMostRare = 16;
constexpr std::uint64_t kMostCommon = 1024;
constexpr std::size_t kStripWords = 256;

/// Steps in which a run of `length` ones is found by doubling.
unsigned doublings(std::uint64_t length) { return static_cast<unsigned>(std::bit_width(length - 1)); }

/// The cheapest pattern with a probability of at most `target`, but not much less; where p is too small for
/// that, the most frequent one.
void choose_pattern(RepeatPlan& plan, double rare, double target) {
  const double log_common = std::log1p(-rare), log_target = std::log(target);
  std::uint64_t cheapest = std::numeric_limits<std::uint64_t>::max();
  for (std::uint64_t a = 1; a <= kMostRare; ++a) {
    const double log_rare = static_cast<double>(a) * std::log(rare);
    const double wanted = std::ceil((log_target - log_rare) / log_common - 1e-9);
    if (wanted > static_cast<double>(kMostCommon)) continue;
    const auto b = static_cast<std::uint64_t>(std::max(1.0, wanted));
    const double log_anchor = log_rare + static_cast<double>(b) * log_common;
    const bool frequent = log_anchor >= log_target - std::log(1.5);
    if (!frequent && !(a == 1 && b == 1)) continue;
    // Any frequent pattern beats the fallback "one of each"; then few steps, then few bits.
    const std::uint64_t cost =
        (frequent ? 0 : std::uint64_t{1} << 40) + (std::uint64_t{doublings(a) + doublings(b)} << 20) + a + b;
    if (cost >= cheapest) continue;
    cheapest = cost;
    plan.rare = a;
    plan.common = b;
    plan.anchor_probability = std::exp(log_anchor);
  }
  if (cheapest == std::numeric_limits<std::uint64_t>::max()) {  // nothing lies between: the rarest kind alone
    plan.rare = plan.common = 1;
    plan.anchor_probability = rare * (1.0 - rare);
  }
}

/// ln(p^m + q^m), remembering the last two m: neighbouring distances ask for the same.
class ChainLaw {
 public:
  explicit ChainLaw(double rare) : rare_(rare) {}
  double operator()(std::uint64_t m) {
    const std::size_t slot = m % 2;
    if (known_[slot] != m) {
      const auto length = static_cast<double>(m);
      known_[slot] = m;
      value_[slot] = length * std::log1p(-rare_) + std::log1p(std::pow(rare_ / (1.0 - rare_), length));
    }
    return value_[slot];
  }

 private:
  double rare_;  // at most 1/2, so the second term is at most ln 2
  std::array<std::uint64_t, 2> known_{};
  std::array<double, 2> value_{};
};

/// Copies `into.size()` words from bit `at` on; what lies past the end of `words` reads as 0.
void copy_bits(std::span<const std::uint64_t> words, std::uint64_t at, std::span<std::uint64_t> into) {
  const std::size_t from = at / 64;
  const unsigned shift = at % 64;
  const std::size_t whole = std::min(into.size(), words.size() - from - 1);  // with a word after them
  if (shift == 0) {
    std::copy_n(words.begin() + static_cast<std::ptrdiff_t>(from), whole, into.begin());
  } else {
    for (std::size_t w = 0; w < whole; ++w)
      into[w] = (words[from + w] >> shift) | (words[from + w + 1] << (64 - shift));
  }
  if (whole == into.size()) return;
  into[whole] = words.back() >> shift;
  std::fill(into.begin() + static_cast<std::ptrdiff_t>(whole) + 1, into.end(), 0);
}

/// run[t] &= run[t + by] for a whole strip; what lies past its end is not used by the caller.
void and_shifted(std::span<std::uint64_t> run, std::uint64_t by) {
  const std::size_t skip = by / 64;
  const unsigned shift = by % 64;
  if (skip + 1 >= run.size()) return;
  const std::size_t end = run.size() - skip - 1;
  if (shift == 0) {
    for (std::size_t w = 0; w < end; ++w) run[w] &= run[w + skip];
    return;
  }
  for (std::size_t w = 0; w < end; ++w)
    run[w] &= (run[w + skip] >> shift) | (run[w + skip + 1] << (64 - shift));
}

/// Turns ones into the positions at which `length` of them begin.
void begin_runs(std::span<std::uint64_t> ones, std::uint64_t length) {
  std::uint64_t found = 1;
  for (; 2 * found <= length; found *= 2) and_shifted(ones, found);
  if (found < length) and_shifted(ones, length - found);
}

}  // namespace

std::optional<RepeatPlan> plan_repeats(std::uint64_t entries, std::uint64_t longest_chunk, double p) {
  require(p > 0.0 && p < 1.0, "0 < p < 1");
  if (entries < 2) return std::nullopt;
  const double rare = std::min(p, 1.0 - p), n = static_cast<double>(entries);
  RepeatPlan plan;
  plan.rare_is_drop = p <= 0.5;
  choose_pattern(plan, rare, std::min(0.5, std::max(kAnchorRate, kAnchorsWanted / n)));
  plan.kept_share = std::min(1.0, kPlannedWindows / (n * plan.anchor_probability));
  const double bits_per_equality = -std::log1p(-2.0 * rare * (1.0 - rare)) / std::log(2.0);
  const double window = std::ceil((2.0 * std::log2(n) + 39.0) / bits_per_equality);
  if (!(window + static_cast<double>(plan.anchor_bits()) <= static_cast<double>(longest_chunk)))
    return std::nullopt;
  plan.window = static_cast<std::uint64_t>(window);
  while ((plan.chance = repeat_chance(plan, entries, p)) > kChanceRepeats) {
    plan.window += plan.window / 32 + 1;
    if (plan.window + plan.anchor_bits() > longest_chunk) return std::nullopt;
  }
  return plan;
}

double repeat_chance(const RepeatPlan& plan, std::uint64_t entries, double p) {
  require(p >= 0.0 && p <= 1.0, "0 <= p <= 1");
  const double rho = plan.rare_is_drop ? p : 1.0 - p;  // the planned kinds may have changed their roles
  if (rho <= 0.0 || rho >= 1.0) return 0.0;            // no pattern, no anchor
  const double log_rho = std::log(rho), log_kappa = std::log1p(-rho);
  const double n = static_cast<double>(entries), log_n = std::log(n);
  const double log_anchor =
      static_cast<double>(plan.rare) * log_rho + static_cast<double>(plan.common) * log_kappa;
  const double log_equal = std::log1p(-2.0 * rho * (1.0 - rho));
  double sum =
      std::exp(2.0 * log_n - std::log(2.0) + 2.0 * log_anchor + static_cast<double>(plan.window) * log_equal);
  ChainLaw chain(std::min(rho, 1.0 - rho));
  const std::uint64_t anchor = plan.anchor_bits();
  for (std::uint64_t s = anchor; s < plan.window + anchor; ++s) {
    const std::uint64_t bits = anchor + plan.window + s;
    const std::uint64_t shorter = bits / s,
                        longer = bits % s;  // chains: the first `longer` have one bit more
    const auto chain_bits = [&](std::uint64_t begin, std::uint64_t end) {
      const std::uint64_t more = std::min(end, longer) - std::min(begin, longer);
      return static_cast<double>((end - begin) * shorter + more);
    };
    const std::uint64_t free_longer = longer > anchor ? longer - anchor : 0;
    const double log_period = chain_bits(0, plan.rare) * log_rho + chain_bits(plan.rare, anchor) * log_kappa +
                              static_cast<double>(free_longer) * chain(shorter + 1) +
                              static_cast<double>(s - anchor - free_longer) * chain(shorter);
    sum += std::exp(log_n + log_period);
  }
  return sum;
}

std::uint64_t shortest_repeat(const RepeatPlan& plan, double beta) {
  require(beta > 0.0 && beta < 1.0, "0 < beta < 1");
  const double positions = std::ceil(std::log(beta) / std::log1p(-plan.anchor_probability * plan.kept_share));
  require(positions < 0x1p62, "anchors are not too rare");
  return plan.anchor_bits() + plan.window + static_cast<std::uint64_t>(std::max(1.0, positions)) - 1;
}

std::uint64_t repeat_max_samples(std::uint64_t length, double beta, double p) {
  const auto enough = [&](std::uint64_t entries) {
    const auto plan = plan_repeats(entries, std::min(entries, kChunkBits), p);
    return plan && shortest_repeat(*plan, beta) <= length;
  };
  std::uint64_t exponent = 62;
  while (exponent > 0 && !enough(std::uint64_t{1} << exponent)) --exponent;
  if (exponent == 0) return 0;
  std::uint64_t low = std::uint64_t{1} << exponent, high = 2 * low;
  if (exponent == 62) return low;
  while (high - low > std::max<std::uint64_t>(1, low >> 10)) {
    const std::uint64_t middle = low + (high - low) / 2;
    (enough(middle) ? low : high) = middle;
  }
  return low;
}

RepeatFinder::RepeatFinder(const RepeatPlan& plan, std::uint64_t most_windows)
    : plan_(plan), most_windows_(most_windows) {
  require(plan.window > 0 && plan.rare > 0 && plan.common > 0, "a window and a pattern");
  require(plan.kept_share > 0.0 && plan.kept_share <= 1.0, "some windows are kept");
  require(most_windows > 0, "room for a window");
  const double limit = std::ldexp(plan.kept_share, 64);
  threshold_ =
      limit >= 0x1p64 ? std::numeric_limits<std::uint64_t>::max() : static_cast<std::uint64_t>(limit);
  window_words_.resize((plan.window + 63) / 64);
}

void RepeatFinder::add(const Chunk& chunk) {
  const std::uint64_t needed = plan_.anchor_bits() + plan_.window;
  if (chunk.size < needed) return;
  const std::uint64_t last = chunk.size - needed;  // position of an anchor
  if (chunk.order == Order::logical) places_ += last + 1;
  const std::size_t halo = plan_.anchor_bits() / 64 + 2;
  const std::uint64_t rare_flip = plan_.rare_is_drop ? 0 : ~std::uint64_t{0};
  std::vector<std::uint64_t> rare(kStripWords + halo), common(kStripWords + halo);
  for (std::size_t begin = 0; begin <= last / 64; begin += kStripWords) {
    const std::size_t words = std::min(rare.size(), chunk.words.size() - begin);
    for (std::size_t w = 0; w < words; ++w) {
      rare[w] = chunk.words[begin + w] ^ rare_flip;
      common[w] = ~rare[w];
    }
    // An anchor that is looked at ends inside the chunk, so what stands beyond it does not matter.
    std::fill(rare.begin() + static_cast<std::ptrdiff_t>(words), rare.end(), 0);
    std::fill(common.begin() + static_cast<std::ptrdiff_t>(words), common.end(), 0);
    begin_runs(rare, plan_.rare);
    begin_runs(common, plan_.common);
    const std::size_t skip = plan_.rare / 64;
    const unsigned shift = plan_.rare % 64;
    const std::size_t end = std::min(kStripWords, static_cast<std::size_t>(last / 64) + 1 - begin);
    for (std::size_t w = 0; w < end; ++w) {
      const std::uint64_t after = shift == 0
                                      ? common[w + skip]
                                      : (common[w + skip] >> shift) | (common[w + skip + 1] << (64 - shift));
      for (std::uint64_t anchors = rare[w] & after; anchors != 0; anchors &= anchors - 1) {
        const std::uint64_t position =
            (begin + w) * 64 + static_cast<std::uint64_t>(std::countr_zero(anchors));
        if (position > last) break;
        look(chunk, position);
      }
    }
  }
}

void RepeatFinder::look(const Chunk& chunk, std::uint64_t position) {
  ++anchors_;
  const std::uint64_t start = position + plan_.anchor_bits();
  copy_bits(chunk.words, start, window_words_);
  if (plan_.window % 64 != 0) window_words_.back() &= (std::uint64_t{1} << (plan_.window % 64)) - 1;
  // Orders have keys of their own: a stretch in one is not compared with a stretch in the other.
  const XXH128_hash_t hash =
      XXH3_128bits_withSeed(window_words_.data(), window_words_.size() * sizeof(std::uint64_t),
                            static_cast<XXH64_hash_t>(chunk.order));
  keep({.hash = {hash.high64, hash.low64},
        .occurrences = 1,
        .first = {chunk.block,
                  2 * (chunk.index * kChunkBits + position) + (chunk.order == Order::logical ? 0u : 1u)},
        .second = {}});
}

RepeatPosition RepeatFinder::Place::position() const {
  return {block, entry_and_order / 2, entry_and_order % 2 == 0 ? Order::logical : Order::memory};
}

void RepeatFinder::Window::note(const Place& place) {
  if (place < first) {
    second = first;
    first = place;
  } else if (place < second) {
    second = place;
  }
}

void RepeatFinder::keep(const Window& window) {
  if (window.hash.high > threshold_) return;
  if (windows_.size() == 2 * most_windows_) windows_ = different(threshold_);
  if (window.hash.high <= threshold_) windows_.push_back(window);
}

/// The windows with equal ones made one, by hash: at most `most_windows_`, for which the threshold may fall.
std::vector<RepeatFinder::Window> RepeatFinder::different(std::uint64_t& threshold) const {
  std::vector<std::pair<Hash, std::uint32_t>> order;  // moved faster than windows are
  order.reserve(windows_.size());
  for (std::size_t i = 0; i < windows_.size(); ++i)
    if (windows_[i].hash.high <= threshold)
      order.emplace_back(windows_[i].hash, static_cast<std::uint32_t>(i));
  std::sort(order.begin(), order.end());
  std::vector<Window> found;
  found.reserve(order.size());
  for (const auto& [hash, i] : order) {
    const Window& window = windows_[i];
    if (found.empty() || found.back().hash != hash) {
      found.push_back(window);
      continue;
    }
    found.back().occurrences += window.occurrences;
    found.back().note(window.first);
    found.back().note(window.second);
  }
  while (found.size() > most_windows_ && threshold > 0) {
    threshold /= 2;
    while (!found.empty() && found.back().hash.high > threshold) found.pop_back();
  }
  return found;
}

void RepeatFinder::merge(const RepeatFinder& later) {
  anchors_ += later.anchors_;
  places_ += later.places_;
  threshold_ = std::min(threshold_, later.threshold_);
  for (const Window& window : later.windows_) keep(window);
}

RepeatFindings RepeatFinder::findings() const {
  std::uint64_t threshold = threshold_;
  const std::vector<Window> windows = different(threshold);
  RepeatFindings findings;
  findings.windows = windows.size();
  findings.kept_share = std::ldexp(static_cast<double>(threshold) + 1.0, -64);
  const Window* found = nullptr;
  for (const Window& window : windows) {
    findings.repeated += window.occurrences - 1;
    if (window.occurrences > 1 &&
        (found == nullptr || std::pair(window.second, window.first) < std::pair(found->second, found->first)))
      found = &window;
  }
  if (found != nullptr)
    findings.earliest = Repeat{found->first.position(), found->second.position(), found->occurrences};
  return findings;
}

double ln_no_anchor(const RepeatPlan& plan, std::uint64_t places, double p) {
  require(p >= 0.0 && p <= 1.0, "0 <= p <= 1");
  const double rare = plan.rare_is_drop ? p : 1.0 - p;
  const double anchor =
      std::pow(rare, static_cast<double>(plan.rare)) * std::pow(1.0 - rare, static_cast<double>(plan.common));
  return static_cast<double>(places) * std::log1p(-anchor);
}

Tail repeat_test(const RepeatFinder& finder, const RepeatFindings& findings, double chance, double p) {
  require(chance >= 0.0, "an expected number");
  constexpr const char* kEngine = "union_bound";
  const double ln_none = ln_no_anchor(finder.plan(), finder.places(), p);
  const bool anchors_must_occur = ln_none <= std::log(kChanceRepeats);
  if (anchors_must_occur && finder.anchors() == 0) return tail_from_ln(ln_none, kEngine);
  if (findings.repeated == 0) return tail_from_p(1.0, kEngine);
  const double sum = chance + (anchors_must_occur ? std::exp(ln_none) : 0.0);
  return sum > 0.0 ? tail_from_p(sum, kEngine) : impossible_event(kEngine);
}

}  // namespace dropcheck::stats
