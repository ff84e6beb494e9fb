#pragma once
// Samples on which the relations of relation_table.hpp are tried, and the relations themselves.

#include <optional>
#include <string>
#include <vector>

#include "harness/core/registry.hpp"
#include "suites/testing/mask_relations.hpp"
#include "suites/testing/relation_table.hpp"

namespace dropcheck::suites::testing {

struct RelationSample {
  std::string name;
  std::string protocol;
  std::string op = "dropout";
  std::string shape;
  std::uint64_t blocks = 1;
  std::uint32_t calls = 1;
  /// Other numbers of calls that a block may be cut into, where the shape has one dimension.
  std::vector<std::uint32_t> cuts{};
  /// The only checks that see it, whether they would be planned on it or not; empty: all that would be.
  std::vector<std::string> checks{};
  /// Exact in binary, so that 1 - p is.
  std::vector<double> rates = {0.5, 0.25, 0.75, 0.375, 0.625, 0.0625, 0.9375};
};
const std::vector<RelationSample>& relation_samples();

SampleInfo info_of(const RelationSample& sample, double p);
/// Statistical checks that read the masks of such a sample.
std::vector<const Check*> checks_on(const RelationSample& sample, double p);

/// How a mask is drawn; the relations hold of any.
enum class Draw : std::uint8_t { ideal, stuck_lane, copied_neighbours, step_of_rate, repeated_call };
inline constexpr std::size_t kDraws = 5;

/// Masks drawn so, with integers as inputs.
Seen drawn(const RelationSample& sample, double p, Draw draw, std::uint64_t seed);

/// The transformed sample; absent where the relation has no meaning for it.
std::optional<Seen> transformed(const RelationSample& sample, const Seen& seen, Relation relation,
                                std::uint64_t seed);

/// Whether a cell speaks of this statistic of such a sample.
bool speaks(const Cell& cell, const SampleInfo& sample);

}  // namespace dropcheck::suites::testing
