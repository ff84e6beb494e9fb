#pragma once
// The one table of checks: ids, what each catches and cannot see, its statistics and its share of the
// false-alarm budget.

#include <span>
#include <string_view>

#include "harness/core/check.hpp"
#include "suites/dialect.hpp"

namespace dropcheck::suites {

/// A statistic of the catalogue and its share of the budget, before the part that is kept for other rows.
struct StatisticShare {
  std::string_view id;
  double weight;
};

/// All statistics that have a share; the weights add up to 1.
std::span<const StatisticShare> statistic_shares();

/// Statistics of gradients, embedded layers and large calls with their parts of the whole budget, out of what
/// kCatalogueShare leaves.
std::span<const StatisticShare> kept_shares();

/// Part of the budget that the weights share out; the rest is for statistical rows of semantics, embedding
/// and gradients.
inline constexpr double kCatalogueShare = 0.8;

/// Rows of the table in the order in which checks are registered and reported.
std::vector<CheckInfo> catalogue();

/// One row; the id must be in the table.
CheckInfo catalogue_row(std::string_view id);
/// The row as it stands under a dialect: with its titles, and with `impossible` where the dialect leaves
/// nothing to ask.
CheckInfo catalogue_row(std::string_view id, const Dialect& dialect);

}  // namespace dropcheck::suites
