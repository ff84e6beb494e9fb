#include "suites/embedding/site_mask.hpp"

#include <algorithm>

namespace dropcheck::suites::embedding {
namespace {

/// How two lists of entries compare where both were seen.
struct Agreement {
  std::uint64_t compared = 0, equal = 0;
  void add(Entry a, Entry b) {
    if (a == Entry::unseen || b == Entry::unseen) return;
    ++compared;
    equal += a == b ? 1u : 0u;
  }
  bool tells() const { return compared >= kTelling; }
  bool all_equal() const { return equal == compared; }
};

/// Entries of a mask by index of one axis.
class Slices {
 public:
  Slices(const SiteMask& mask, std::size_t axis) : mask_(mask) {
    for (std::size_t d = axis + 1; d < mask.shape.size(); ++d)
      inner_ *= static_cast<std::size_t>(mask.shape[d]);
    count_ = static_cast<std::size_t>(mask.shape[axis]);
  }
  std::size_t count() const { return count_; }
  void compare(std::size_t a, std::size_t b, Agreement& agreement) const {
    const std::size_t block = inner_ * count_;
    for (std::size_t at = 0; at < mask_.entries.size(); at += block)
      for (std::size_t j = 0; j < inner_; ++j)
        agreement.add(mask_.entries[at + a * inner_ + j], mask_.entries[at + b * inner_ + j]);
  }

 private:
  const SiteMask& mask_;
  std::size_t inner_ = 1, count_ = 1;
};

}  // namespace

SiteMask unseen_mask(std::string name, std::vector<std::int64_t> shape) {
  const auto count = static_cast<std::size_t>(element_count(shape));
  return {std::move(name), std::move(shape), std::vector<Entry>(count, Entry::unseen)};
}

void require_active(RowTrial& trial, std::size_t i, const SiteMask& mask) {
  const auto count = [&](Entry wanted) {
    return static_cast<std::uint64_t>(std::count(mask.entries.begin(), mask.entries.end(), wanted));
  };
  const std::uint64_t dropped = count(Entry::dropped), seen = dropped + count(Entry::kept);
  trial.require(seen >= kTelling && dropped > 0 && dropped < seen, [&] {
    return fmt::format("{}: {} of {} entries of {} are dropped; at p = {} some must be, and not all",
                       trial.place(i), dropped, seen, mask.name, trial.step(i).problem.p);
  });
}

void require_unshared(RowTrial& trial, std::size_t i, const SiteMask& mask, std::size_t axis,
                      std::string_view what) {
  const Slices slices(mask, axis);
  bool told = false;
  for (std::size_t a = 0; a < slices.count(); ++a)
    for (std::size_t b = a + 1; b < slices.count(); ++b) {
      Agreement pair;
      slices.compare(a, b, pair);
      if (!pair.tells()) continue;
      told = true;
      trial.require(!pair.all_equal(), [&] {
        return fmt::format(
            "{}: {} is the same in {} {} and {}, in all of {} entries; each must have draws of "
            "its own",
            trial.place(i), mask.name, what, a + 1, b + 1, pair.compared);
      });
    }
  for (std::size_t distance = 1; distance < slices.count(); ++distance) {
    Agreement shifted, grouped;
    for (std::size_t a = 0; a + distance < slices.count(); ++a) slices.compare(a, a + distance, shifted);
    const std::size_t group = distance + 1;
    for (std::size_t a = 0; a < slices.count(); ++a)
      if (a % group != 0) slices.compare(a, a - a % group, grouped);
    for (const auto& [agreement, how] : {std::pair{shifted, fmt::format("at a distance of {}", distance)},
                                         std::pair{grouped, fmt::format("in groups of {}", group)}}) {
      if (!agreement.tells()) continue;
      told = true;
      trial.require(!agreement.all_equal(), [&] {
        return fmt::format("{}: {} is the same in all {} {}, in {} entries; each must have draws of its own",
                           trial.place(i), mask.name, what, how, agreement.compared);
      });
    }
  }
  if (!told) trial.leave_out(fmt::format("too few entries of {} were seen to compare {}", mask.name, what));
}

SiteMask require_shared_first(RowTrial& trial, std::size_t i, const SiteMask& mask, std::string_view what) {
  SiteMask one = unseen_mask(mask.name, {mask.shape.begin() + 1, mask.shape.end()});
  std::uint64_t compared = 0, wrong = 0;
  for (std::size_t e = 0; e < mask.entries.size(); ++e) {
    if (mask.entries[e] == Entry::unseen) continue;
    Entry& first = one.entries[e % one.entries.size()];
    if (first == Entry::unseen) {
      first = mask.entries[e];
      continue;
    }
    ++compared;
    wrong += first != mask.entries[e] ? 1u : 0u;
  }
  trial.require_all(std::max<std::uint64_t>(compared, 1), compared == 0 ? 1 : wrong, [&] {
    return fmt::format("{}: {} changes over {} in {} of {} entries; it must be drawn once for all of them",
                       trial.place(i), mask.name, what, wrong, compared);
  });
  return one;
}

void require_different(RowTrial& trial, std::size_t i, const SiteMask& a, const SiteMask& b) {
  Agreement agreement;
  for (std::size_t e = 0; e < std::min(a.entries.size(), b.entries.size()); ++e)
    agreement.add(a.entries[e], b.entries[e]);
  if (!agreement.tells())
    return trial.leave_out(fmt::format("too few entries to compare {} with {}", a.name, b.name));
  trial.require(!agreement.all_equal(), [&] {
    return fmt::format("{}: {} and {} are the same in all of {} entries; each must have draws of its own",
                       trial.place(i), a.name, b.name, agreement.compared);
  });
}

}  // namespace dropcheck::suites::embedding
