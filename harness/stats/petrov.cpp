#include "harness/stats/petrov.hpp"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>

#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

// Within these the tail falls with |z| up to the limits.
constexpr double kLargestCumulant = 0.5;

// One side, z >= 0, with the skewness seen from that side.
double one_sided(double z, double gamma, double quartic) {
  const boost::math::normal_distribution<double> normal;
  return boost::math::cdf(boost::math::complement(normal, z)) *
         std::exp(gamma * z * z * z / 6 + quartic * z * z * z * z / 24);
}

// |z| at which the factor ends to be trusted.
double limit(double gamma, double quartic) {
  double farthest = 37.0;  // Q(37) is 6e-300
  if (gamma != 0) farthest = std::min(farthest, std::cbrt(6 * kPetrovCubicLimit / std::abs(gamma)));
  if (quartic != 0)
    farthest = std::min(farthest, std::pow(24 * kPetrovQuarticLimit / std::abs(quartic), 0.25));
  return farthest;
}

}  // namespace

bool petrov_is_valid(double gamma, double alpha, double quartic) {
  require(alpha > 0.0 && alpha < 1.0, "0 < alpha < 1");
  if (!(std::abs(gamma) <= kLargestCumulant && std::abs(quartic) <= kLargestCumulant)) return false;
  return 2 * one_sided(limit(gamma, quartic), std::abs(gamma), quartic) <= alpha;
}

Tail petrov_two_sided(double z, double gamma, double quartic) {
  require(!std::isnan(z), "z is a number");
  require(std::abs(gamma) <= kLargestCumulant && std::abs(quartic) <= kLargestCumulant,
          "|skewness| and |quartic| <= 1/2");
  const double farthest = limit(gamma, quartic);
  const bool inside = std::abs(z) <= farthest;
  const double side = one_sided(inside ? std::abs(z) : farthest, z < 0 ? -gamma : gamma, quartic);
  return tail_from_p(2 * side, inside ? "petrov" : "petrov_limit");
}

}  // namespace dropcheck::stats
