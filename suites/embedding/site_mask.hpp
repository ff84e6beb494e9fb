#pragma once
// The mask of one place with dropout inside a network, as far as a result shows it, and the comparisons that
// no correct dropout fails: equality of so many entries at p = 1/2 that chance does not bring it about.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "suites/dialects/row.hpp"

namespace dropcheck::suites::embedding {

/// Masks are read at p = 1/2, where this many equal entries have probability 2^-100.
inline constexpr std::uint64_t kTelling = 100;
inline constexpr double kMaskP = 0.5;

enum class Entry : std::int8_t { unseen = -1, kept = 0, dropped = 1 };

struct SiteMask {
  std::string name;  // "the mask between layers 1 and 2": for messages
  std::vector<std::int64_t> shape;
  std::vector<Entry> entries;  // row-major
};

/// A mask of that shape of which nothing has been seen yet.
SiteMask unseen_mask(std::string name, std::vector<std::int64_t> shape);

/// Some entries must be dropped and some kept: the place has dropout, and not of everything.
void require_active(RowTrial& trial, std::size_t i, const SiteMask& mask);

/// No two indices of that axis may share their entries, nor may equal distances or aligned groups of indices
/// where single pairs have too few entries to tell. `what`: "time steps". The mask must be active.
void require_unshared(RowTrial& trial, std::size_t i, const SiteMask& mask, std::size_t axis,
                      std::string_view what);

/// The mask must be the same for all indices of the first axis. Returns it without that axis; entries that
/// are unseen somewhere are taken from where they are seen.
SiteMask require_shared_first(RowTrial& trial, std::size_t i, const SiteMask& mask, std::string_view what);

/// The two must differ, entry by entry in row-major order as far as the shorter one reaches.
void require_different(RowTrial& trial, std::size_t i, const SiteMask& a, const SiteMask& b);

}  // namespace dropcheck::suites::embedding
