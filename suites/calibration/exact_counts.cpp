#include "suites/calibration/exact_counts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>

namespace dropcheck::suites::calibration {
namespace {

long double ln_binomial_term(std::uint64_t n, std::uint64_t x, double p) {
  const auto size = static_cast<long double>(n), drops = static_cast<long double>(x);
  return std::lgamma(size + 1) - std::lgamma(drops + 1) - std::lgamma(size - drops + 1) +
         drops * std::log(static_cast<long double>(p)) +
         (size - drops) * std::log1p(-static_cast<long double>(p));
}

constexpr long double kNegligible = 1e-22L;

/// Outermost-inwards: the t nearest to the middle, on one side, with p-value <= level.
template <typename PValue>
std::optional<std::uint64_t> critical(const PValue& p_value, std::uint64_t middle, std::uint64_t end,
                                      double level) {
  if (middle == end || p_value(end) > level) return std::nullopt;
  std::uint64_t accepted = middle, rejected = end;
  const auto apart = [&] { return std::max(accepted, rejected) - std::min(accepted, rejected); };
  while (apart() > 1) {
    const std::uint64_t t = std::min(accepted, rejected) + apart() / 2;
    (p_value(t) <= level ? rejected : accepted) = t;
  }
  const std::uint64_t further =
      rejected > middle ? std::min(rejected + 1, end) : std::max<std::uint64_t>(rejected, end + 1) - 1;
  if (p_value(further) > level)
    throw std::logic_error(fmt::format("a p-value rises from {} to {}", rejected, further));
  return rejected;
}

}  // namespace

long double binomial_terms_above(std::uint64_t n, std::uint64_t x, double p) {
  if (x == 0) return 1;
  const long double odds = static_cast<long double>(p) / (1 - static_cast<long double>(p));
  long double term = 1, sum = 1;
  for (std::uint64_t k = x; k < n && term > kNegligible * sum; ++k)
    sum += term *= odds * static_cast<long double>(n - k) / static_cast<long double>(k + 1);
  return std::exp(ln_binomial_term(n, x, p)) * sum;
}

long double binomial_terms_below(std::uint64_t n, std::uint64_t x, double p) {
  const long double odds = (1 - static_cast<long double>(p)) / static_cast<long double>(p);
  long double term = 1, sum = 1;
  for (std::uint64_t k = x; k > 0 && term > kNegligible * sum; --k)
    sum += term *= odds * static_cast<long double>(k) / static_cast<long double>(n - k + 1);
  return std::exp(ln_binomial_term(n, x, p)) * sum;
}

long double run_probability(std::uint64_t n, std::uint64_t length, double rate) {
  if (length > n) return 0;
  if (length == 0) return 1;
  const long double all = std::pow(static_cast<long double>(rate), static_cast<long double>(length));
  std::vector<long double> p(n + 1, 0);
  p[length] = all;
  for (std::uint64_t t = length + 1; t <= n; ++t)
    p[t] = p[t - 1] + (1 - static_cast<long double>(rate)) * all * (1 - p[t - length - 1]);
  return p[n];
}

long double no_run_probability(std::uint64_t n, std::uint64_t length, double rate) {
  if (length > n) return 1;
  if (length == 0) return 0;
  // Terms fall geometrically, and each step takes off a small part of the last: no digits are lost.
  const long double all = std::pow(static_cast<long double>(rate), static_cast<long double>(length));
  std::vector<long double> f(n + 1, 1);
  f[length] = 1 - all;
  for (std::uint64_t t = length + 1; t <= n; ++t)
    f[t] = std::max(0.0L, f[t - 1] - (1 - static_cast<long double>(rate)) * all * f[t - length - 1]);
  return f[n];
}

std::vector<Measured> enumerate(const PValueUnderTest& test, const CountLaw& law,
                                const std::vector<double>& levels) {
  const auto p_value = [&](std::uint64_t t) { return test.p_value(law.mask(t), 1).p_value; };
  std::vector<Measured> result;
  for (const double level : levels) {
    Measured m;
    m.level = level;
    m.exact = true;
    long double rate = 0;
    for (const std::uint64_t end : {law.lowest, law.highest}) {
      const auto t = critical(p_value, law.middle, end, level);
      if (t) rate += end == law.lowest ? law.lower_tail(*t) : law.upper_tail(*t);
      const std::string engine = test.p_value(law.mask(t.value_or(end)), 1).engine;
      if (m.engine.find(engine) == std::string::npos) m.engine += (m.engine.empty() ? "" : " / ") + engine;
    }
    m.rate = static_cast<double>(-std::expm1(static_cast<long double>(law.cells) * std::log1p(-rate)));
    m.lower = m.upper = m.rate;
    result.push_back(std::move(m));
  }
  return result;
}

}  // namespace dropcheck::suites::calibration
