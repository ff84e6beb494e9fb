#pragma once
// Which statistic keeps which of its integers under which transformation of the masks. A statistic that is
// changed is in the table with the reason.

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/statistic.hpp"

namespace dropcheck::suites::testing {

enum class Relation : std::uint8_t {
  relabelled,       // drop for keep, and 1 - p for p
  any_order,        // the entries of each call in any order
  lane_order,       // in another order inside each lane modulo 1024
  word_order,       // in another order inside each word of 64
  same_order,       // in one and the same other order in all calls, their inputs too
  calls_reordered,  // the calls of a block in another order
  reversed,         // the entries of each block from the last to the first
  recut,            // the same entries in calls of another length
  recut_aligned,    // the same, both lengths multiples of 65536
};
inline constexpr std::size_t kRelations = 9;
std::string_view name_of(Relation relation);

/// The integers of a statistic by name.
using Fields = std::map<std::string, std::vector<Int128>>;
Fields fields_of(const Statistic& s);

enum class PValue : std::uint8_t {
  equal,  // to rounding
  free,   // another one: randomised, or of cells that are pooled from one end
};

/// What a relation says of a statistic.
struct Cell {
  /// The integers that it must have after the transformation; null where nothing is said of them.
  std::function<Fields(Fields, const Statistic&)> expected;
  PValue p_value = PValue::equal;
  /// Integers that name the most extreme of many cells. Where cells are equally extreme another one may be
  /// named: only the p-value counts then.
  std::string_view place{};
  std::string_view reason{};  // why nothing is said; empty where `expected` is not null
  bool needs_powers = false;  // only where a block has a power of two of entries, 4096 at least
  bool unless_fair = false;   // not at p = 1/2
};

struct Row {
  std::string_view id;    // of the catalogue
  std::string_view name;  // that Statistic::name begins with; empty: any
  std::array<Cell, kRelations> cells;
  std::string_view renamed{};  // what Statistic::name begins with after relabelling; empty: the same
};

/// Rows of one id from the longest name to the shortest.
std::span<const Row> relation_table();
/// The first row for a statistic; null where there is none.
const Row* row_of(const Statistic& s);

/// Statistics of the catalogue that no mask alone decides, and what decides them.
struct NoMask {
  std::string_view id;
  std::string_view reason;
};
std::span<const NoMask> statistics_of_no_mask();

/// What differs from what the relation demands, in words; empty where it holds.
std::string breach(const Row& row, Relation relation, const Statistic& before, const Statistic& after);

}  // namespace dropcheck::suites::testing
