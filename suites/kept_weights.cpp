#include "suites/kept_weights.hpp"

#include <fmt/format.h>

#include "harness/stats/bernstein.hpp"
#include "suites/judging.hpp"

namespace dropcheck::suites {

void KeptWeights::add(const KeptWeights& other) {
  kept += other.kept;
  all += other.all;
  squares += other.squares;
  absolute += other.absolute;
  largest = std::max(largest, other.largest);
  entries += other.entries;
}

Statistic kept_weights_statistic(std::string id, std::string name, const std::string& unit,
                                 const KeptWeights& sums, const JudgeContext& context) {
  const double p = context.p, q = 1 - p;
  const double deviation = to_double(sums.kept) - q * to_double(sums.all);
  const stats::WeightedSum weighted{deviation, to_double(sums.squares), static_cast<double>(sums.largest), p};
  const double scale = q * to_double(sums.absolute);
  const double half_width = stats::bernstein_threshold(weighted, context.alpha) / scale;
  Statistic s;
  s.id = std::move(id);
  s.name = std::move(name);
  s.counts = {
      {"n", {sums.entries}},           {"sum_kept", {sums.kept}},         {"sum", {sums.all}},
      {"sum_squares", {sums.squares}}, {"sum_absolute", {sums.absolute}}, {"largest", {sums.largest}}};
  s.null_law = "E sum_kept = q sum; Bernstein's bound with variance p q sum_squares";
  s.null_parameters = {{"p", p}};
  s.value = deviation;
  set_tail(s, stats::bernstein_two_sided(weighted), context.alpha);
  s.effect = Effect{deviation / scale, unit, deviation / scale - half_width, deviation / scale + half_width};
  s.minimum_detectable_effect = MinimumDetectableEffect{
      stats::bernstein_min_effect(weighted, context.alpha, kBeta) / scale, unit, kPower};
  return s;
}

MinimumDetectableEffect kept_weights_detectable(std::uint64_t n, double p, double alpha, double beta,
                                                const std::string& unit) {
  const auto entries = static_cast<double>(n);
  const double threshold = stats::bernstein_min_effect({0, entries, 1, p}, alpha, beta);
  return {threshold / (entries * (1 - p)), unit, 1 - beta};
}

std::string kept_weights_finding(const Statistic& statistic) {
  return fmt::format("{} is off by {:.4g} [{:.4g}, {:.4g}] of what is expected", statistic.name,
                     statistic.effect->value, *statistic.effect->lower, *statistic.effect->upper);
}

}  // namespace dropcheck::suites
