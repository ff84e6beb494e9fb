#include "suites/calibration/strengths.hpp"

#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/normal.hpp>
#include <cmath>

namespace dropcheck::suites::calibration {
namespace {

constexpr double kFurther = 1.25;
constexpr double kLeastShare = 0.05;

double divergence(double p1, double p) {
  const double kept = p1 < 1 ? (1 - p1) * (std::log1p(-p1) - std::log1p(-p)) : 0;
  return (p1 > 0 ? p1 * std::log(p1 / p) : 0) + kept;
}

}  // namespace

double two_sided_z(double level) {
  return boost::math::quantile(
      boost::math::complement(boost::math::normal_distribution<double>(), level / 2));
}

std::vector<double> signed_strengths(const std::vector<double>& levels) {
  std::vector<double> strengths;
  for (const double level : levels)
    for (const double sign : {1.0, -1.0}) strengths.push_back(sign * two_sided_z(level));
  const double furthest = kFurther * two_sided_z(*std::min_element(levels.begin(), levels.end()));
  strengths.insert(strengths.end(), {furthest, -furthest});
  return strengths;
}

double tilted_rate(double n, double p, double z) {
  const double wanted = z * z / 2 / n;
  double near = p, far = z > 0 ? 1 - 1e-9 : p * 1e-9;
  for (int i = 0; i < 200; ++i) {
    const double middle = (near + far) / 2;
    (divergence(middle, p) < wanted ? near : far) = middle;
  }
  return near;
}

double between_zero_and_one(double rate, double p) {
  return std::clamp(rate, p * kLeastShare, 1 - (1 - p) * kLeastShare);
}

std::vector<std::vector<ContextRate>> product_components(const std::vector<double>& centred, unsigned factors,
                                                         double n, double p,
                                                         const std::vector<double>& strengths) {
  std::vector<std::vector<ContextRate>> components;
  for (const double z : strengths) {
    // A rate that moves by s times the product of the earlier centred entries makes the mean of the product
    // of all of them s v^factors / v; it should be z / sqrt(n) in units of its deviation v^(factors / 2).
    const double slope = z / std::sqrt(n) * std::pow(p * (1 - p), 1 - 0.5 * factors);
    std::vector<ContextRate> component;
    for (std::size_t c = 0; c < centred.size(); ++c)
      if (centred[c] != 0) component.push_back({c, between_zero_and_one(p + slope * centred[c], p)});
    components.push_back(std::move(component));
  }
  return components;
}

std::vector<std::vector<ContextRate>> twisted_chains(std::size_t after_keep, double n, double p,
                                                     const std::vector<double>& strengths) {
  const double keep = -p, drop = 1 - p;
  struct Twisted {
    double ln_eigenvalue, after_keep, after_drop;
  };
  // M(a, b) = P(b) exp(theta a b): the chain with transitions M(a, b) r(b) / (lambda r(a)), r its
  // eigenvector.
  const auto twisted = [&](double theta) {
    const double kk = (1 - p) * std::exp(theta * keep * keep), kd = p * std::exp(theta * keep * drop);
    const double dk = (1 - p) * std::exp(theta * keep * drop), dd = p * std::exp(theta * drop * drop);
    const double half = (kk + dd) / 2;
    const double lambda = half + std::sqrt((kk - dd) * (kk - dd) / 4 + kd * dk);
    const double after_keep_ratio = (lambda - kk) / kd;  // r(drop) / r(keep)
    return Twisted{std::log(lambda), kd * after_keep_ratio / lambda, dd / lambda};
  };
  std::vector<std::vector<ContextRate>> components;
  for (const double z : strengths) {
    const double wanted = z * p * (1 - p) / std::sqrt(n);  // mean product, the derivative of ln lambda
    double near = 0, far = z > 0 ? 1 : -1;
    const auto mean = [&](double theta) {
      constexpr double kStep = 1e-4;
      return (twisted(theta + kStep).ln_eigenvalue - twisted(theta - kStep).ln_eigenvalue) / (2 * kStep);
    };
    while (std::abs(far) < 256 && std::abs(mean(far)) < std::abs(wanted)) far *= 2;
    for (int i = 0; i < 100; ++i) {
      const double middle = (near + far) / 2;
      (std::abs(mean(middle)) < std::abs(wanted) ? near : far) = middle;
    }
    const Twisted chain = twisted(near);
    components.push_back({{after_keep, chain.after_keep}, {after_keep + 1, chain.after_drop}});
  }
  return components;
}

std::vector<double> chi_squared_excess(double degrees_of_freedom, const std::vector<double>& levels) {
  const boost::math::chi_squared_distribution<double> law(degrees_of_freedom);
  std::vector<double> excess;
  for (const double level : levels)
    excess.push_back(boost::math::quantile(boost::math::complement(law, level)) / degrees_of_freedom - 1);
  return excess;
}

std::vector<double> exponentially_tilted(const std::vector<double>& law, const std::vector<double>& g,
                                         double mean) {
  std::vector<double> tilted(law.size());
  const auto tilt = [&](double theta) {
    double largest = -1e300;
    for (std::size_t c = 0; c < law.size(); ++c)
      if (law[c] > 0) largest = std::max(largest, std::log(law[c]) + theta * g[c]);
    double sum = 0, moment = 0;
    for (std::size_t c = 0; c < law.size(); ++c) {
      tilted[c] = law[c] > 0 ? std::exp(std::log(law[c]) + theta * g[c] - largest) : 0;
      sum += tilted[c];
      moment += tilted[c] * g[c];
    }
    for (double& t : tilted) t /= sum;
    return moment / sum;
  };
  double low = -1, high = 1;
  while (tilt(low) > mean && low > -1e6) low *= 2;
  while (tilt(high) < mean && high < 1e6) high *= 2;
  for (int i = 0; i < 200; ++i) {
    const double middle = (low + high) / 2;
    (tilt(middle) < mean ? low : high) = middle;
  }
  tilt((low + high) / 2);
  return tilted;
}

CellLaw pooled_cells(const std::vector<double>& law, double least) {
  const std::size_t top = static_cast<std::size_t>(std::max_element(law.begin(), law.end()) - law.begin());
  std::vector<std::size_t> begins;  // of cells, in order
  double sum = 0;
  std::size_t begin = 0;
  for (std::size_t c = 0; c < top; ++c) {
    sum += law[c];
    if (sum < least) continue;
    begins.push_back(begin);
    begin = c + 1;
    sum = 0;
  }
  const std::size_t middle = begin;  // the cell of the most probable value begins here
  std::vector<std::size_t> upper;    // ends (exclusive) of cells above the middle, from the top down
  sum = 0;
  std::size_t end = law.size();
  for (std::size_t c = law.size(); c-- > top + 1;) {
    sum += law[c];
    if (sum < least) continue;
    upper.push_back(end);
    end = c;
    sum = 0;
  }
  begins.push_back(middle);
  std::vector<std::size_t> ends(begins.begin() + 1, begins.end());
  ends.push_back(end);
  ends.insert(ends.end(), upper.rbegin(), upper.rend());
  CellLaw cells;
  cells.probabilities.assign(ends.size(), 0);
  std::size_t cell = 0;
  for (std::size_t c = 0; c < law.size(); ++c) {
    while (c >= ends[cell]) ++cell;
    cells.cell_of.push_back(cell);
    cells.probabilities[cell] += law[c];
  }
  return cells;
}

}  // namespace dropcheck::suites::calibration
