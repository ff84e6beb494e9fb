#pragma once
// For tests: exact laws of sums of products of centred bits, by convolution over the entries. For a rational
// rate a/b the sum lies on a lattice of step 1/b. All terms are positive, so even the smallest probability
// keeps the full precision of doubles.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

namespace dropcheck::stats::testing {

/// P(S = first + i * step) = pmf[i].
struct LatticeLaw {
  double first;
  double step;
  std::vector<double> pmf;

  double value(std::size_t i) const { return first + step * static_cast<double>(i); }
  double mass() const {
    double sum = 0;
    for (const double x : pmf) sum += x;
    return sum;
  }
};

/// Law of the sum of a_t a_{t+1} over chains of the given lengths, a = d - p, p = a/b: first entries drop
/// with probability p, the others with p + rho q after a drop and p - rho p after a keep (independent for rho
/// = 0, and rho is the correlation of neighbours otherwise). Sums further than `below` and `above` from 0 are
/// left out.
inline LatticeLaw chain_law(std::int64_t a, std::int64_t b, const std::vector<std::uint64_t>& chains,
                            double below, double above, double rho = 0) {
  const double p = static_cast<double>(a) / static_cast<double>(b), q = 1 - p;
  const auto width = static_cast<std::size_t>((below + above) * static_cast<double>(b)) + 1;
  const auto centre = static_cast<std::int64_t>(below * static_cast<double>(b));
  // Index centre + j stands for b n11 - a (n1L + n1R) + floor(pairs a^2 / b) = j: the drift is taken out on
  // the way.
  std::vector<double> kept(width), dropped(width), next_kept(width), next_dropped(width);
  kept[static_cast<std::size_t>(centre)] = 1;
  std::int64_t pairs = 0;
  const auto shift_into = [&](std::vector<double>& to, const std::vector<double>& from, std::int64_t by,
                              double f) {
    const std::int64_t n = static_cast<std::int64_t>(width);
    for (std::int64_t i = std::max<std::int64_t>(0, -by); i < std::min(n, n - by); ++i)
      to[static_cast<std::size_t>(i + by)] += f * from[static_cast<std::size_t>(i)];
  };
  for (const std::uint64_t length : chains) {
    for (std::size_t i = 0; i < width; ++i) {
      const double both = kept[i] + dropped[i];
      kept[i] = q * both;
      dropped[i] = p * both;
    }
    for (std::uint64_t entry = 1; entry < length; ++entry) {
      ++pairs;
      const std::int64_t drift = pairs * a * a / b - (pairs - 1) * a * a / b;
      std::fill(next_kept.begin(), next_kept.end(), 0.0);
      std::fill(next_dropped.begin(), next_dropped.end(), 0.0);
      shift_into(next_kept, kept, drift, q + rho * p);
      shift_into(next_dropped, kept, drift - a, p - rho * p);
      shift_into(next_kept, dropped, drift - a, q - rho * q);
      shift_into(next_dropped, dropped, drift + b - 2 * a, p + rho * q);
      std::swap(kept, next_kept);
      std::swap(dropped, next_dropped);
    }
  }
  for (std::size_t i = 0; i < width; ++i) kept[i] += dropped[i];
  const double missing_drift = static_cast<double>((pairs * a * a) % b) / static_cast<double>(b);
  return {(static_cast<double>(-centre) + missing_drift) / static_cast<double>(b), 1 / static_cast<double>(b),
          kept};
}

/// Chain lengths of a chunk of `size` entries at `lag`.
inline std::vector<std::uint64_t> chains_of_chunk(std::uint64_t size, std::uint64_t lag) {
  std::vector<std::uint64_t> chains;
  for (std::uint64_t start = 0; start < std::min(size, lag); ++start)
    chains.push_back((size - start - 1) / lag + 1);
  return chains;
}

/// Calls `visit(s, tail)` for the values on one side of 0, tail = P(S at least as far out as s), from the
/// farthest inwards.
template <typename Visit>
void for_each_tail(const LatticeLaw& law, bool upper, Visit&& visit) {
  double tail = 0;
  for (std::size_t k = 0; k < law.pmf.size(); ++k) {
    const std::size_t i = upper ? law.pmf.size() - 1 - k : k;
    tail += law.pmf[i];
    if (law.pmf[i] > 0 && (law.value(i) > 0) == upper) visit(law.value(i), tail);
  }
}

}  // namespace dropcheck::stats::testing
