#include "suites/testing/relation_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "harness/stats/walsh_lanes.hpp"

namespace dropcheck::suites::testing {
namespace {

// Why a relation says nothing of a statistic.
constexpr std::string_view kPlaces = "it is about where entries lie";
constexpr std::string_view kLanes = "entries change their lane";
constexpr std::string_view kCalls = "it is about places in a call";
constexpr std::string_view kJoined = "its windows reach from one call into the next";
constexpr std::string_view kBothDropped =
    "it counts pairs of which both are dropped; those of which both are kept are other pairs";
constexpr std::string_view kFirstRead = "it reads the beginning of each chunk";
constexpr std::string_view kMasks = "it lays whole masks over each other: calls have to stay what they are";
constexpr std::string_view kShape = "the shape of a call has to stay";
constexpr std::string_view kEdges = "vectors and seams are counted from the beginning of a call";
constexpr std::string_view kInputs = "the inputs stay where they are";
constexpr std::string_view kWords = "bits are cut into words from the beginning of a chunk";

Cell no(std::string_view reason) {
  Cell cell;
  cell.reason = reason;
  return cell;
}

Cell same(std::string_view place = {}) {
  Cell cell;
  cell.expected = [](Fields f, const Statistic&) { return f; };
  cell.place = place;
  return cell;
}

Cell mapped(Fields (*change)(Fields, const Statistic&), std::string_view place = {},
            PValue p_value = PValue::equal) {
  Cell cell;
  cell.expected = change;
  cell.place = place;
  cell.p_value = p_value;
  return cell;
}

Cell in_powers(Cell cell) {
  cell.needs_powers = true;
  return cell;
}
Cell unless_fair(Cell cell) {
  cell.unless_fair = true;
  return cell;
}

Int128& one(Fields& f, const char* name) { return f.at(name).at(0); }

// --- drop for keep: x becomes n - x, and what follows from it

Fields keeps_for_drops(Fields f, const Statistic&) {
  one(f, "x") = one(f, "n") - one(f, "x");
  return f;
}
/// Only the finest division into lanes carries the integers of all.
Fields keeps_of_lanes(Fields f, const Statistic&) {
  if (f.empty()) return f;
  auto& drops = f.at("drops");
  const auto longer = static_cast<std::size_t>(one(f, "longer_lanes"));
  for (std::size_t lane = 0; lane < drops.size(); ++lane)
    drops[lane] = f.at("trials").at(lane < longer ? 0 : 1) - drops[lane];
  return f;
}
Fields keeps_of_positions(Fields f, const Statistic&) {
  for (Int128& drops : f.at("drops")) drops = one(f, "calls") - drops;
  return f;
}
/// sum (b - c) and sum (b - c)^2 over blocks of b entries.
Fields keeps_of_blocks(Fields f, const Statistic&) {
  const Int128 bits = one(f, "bits"), blocks = one(f, "blocks"), drops = one(f, "sum_drops");
  one(f, "sum_drops") = blocks * bits - drops;
  one(f, "sum_squares") += blocks * bits * bits - 2 * bits * drops;
  return f;
}
Fields histogram_of_keeps(Fields f, const Statistic&) {
  auto& histogram = f.at("histogram");
  one(f, "first") = one(f, "bits") - one(f, "first") - static_cast<Int128>(histogram.size()) + 1;
  std::reverse(histogram.begin(), histogram.end());
  return f;
}
Fields oddest_of_keeps(Fields f, const Statistic&) {
  one(f, "drops") = 64 - one(f, "drops");
  return f;
}
/// Neither of a pair dropped: n - left - right + both.
void neither(Fields& f, const char* n, const char* left, const char* right, const char* both) {
  one(f, both) += one(f, n) - one(f, left) - one(f, right);
  one(f, left) = one(f, n) - one(f, left);
  one(f, right) = one(f, n) - one(f, right);
}
Fields keeps_of_lags(Fields f, const Statistic&) {
  neither(f, "n", "n1L", "n1R", "n11");
  return f;
}
Fields keeps_of_overlaps(Fields f, const Statistic&) {
  neither(f, "n", "first", "second", "both");
  return f;
}
Fields keeps_of_seams(Fields f, const Statistic& s) {
  if (f.contains("pairs")) neither(f, "pairs", "left", "right", "both");
  else return keeps_for_drops(std::move(f), s);  // ends of calls
  return f;
}
Fields keeps_of_worst_pair(Fields f, const Statistic&) {
  auto& drops = f.at("drops");
  one(f, "both") += one(f, "n") - drops[0] - drops[1];
  for (Int128& d : drops) d = one(f, "n") - d;
  return f;
}
/// With G common drops and u drops of a pair together: G - u + n and 2n - u in their place.
Fields keeps_of_all_pairs(Fields f, const Statistic&) {
  const Int128 n = one(f, "n"), pairs = one(f, "pairs"), g = one(f, "both"), gg = one(f, "both_squared"),
               u = one(f, "drops"), uu = one(f, "drops_squared"), gu = one(f, "both_times_drops");
  one(f, "both") = n * pairs - u + g;
  one(f, "both_squared") = n * n * pairs + uu + gg - 2 * n * u + 2 * n * g - 2 * gu;
  one(f, "drops") = 2 * n * pairs - u;
  one(f, "drops_squared") = 4 * n * n * pairs - 4 * n * u + uu;
  one(f, "both_times_drops") = 2 * n * n * pairs - 3 * n * u + 2 * n * g + uu - gu;
  return f;
}
/// The walk turned upside down.
Fields walk_of_keeps(Fields f, const Statistic&) {
  const Int128 highest = one(f, "highest");
  one(f, "highest") = -one(f, "lowest");
  one(f, "lowest") = -highest;
  one(f, "end") = -one(f, "end");
  return f;
}
Fields keeps_of_segments(Fields f, const Statistic&) {
  for (std::size_t i = 0; i < f.at("drops").size(); ++i)
    f.at("drops")[i] = f.at("entries")[i] - f.at("drops")[i];
  return f;
}
/// Pattern w becomes the pattern with all bits flipped.
Fields flipped_patterns(Fields f, const Statistic&) {
  std::reverse(f.at("patterns").begin(), f.at("patterns").end());
  return f;
}
/// None of three dropped, by inclusion and exclusion; windows are circular, so each place is dropped alike
/// often.
Fields keeps_of_triples(Fields f, const Statistic&) {
  const Int128 n = one(f, "entries"), drops = one(f, "drops");
  auto& pairs = f.at("pairs");
  one(f, "triples") = n - 3 * drops + pairs[0] + pairs[1] + pairs[2] - one(f, "triples");
  for (Int128& both : pairs) both += n - 2 * drops;
  one(f, "drops") = n - drops;
  return f;
}
/// Circular in blocks of 4096: n - 2 drops + c_k, and c_0 are the drops.
Fields keeps_of_autocovariances(Fields f, const Statistic&) {
  const Int128 n = one(f, "blocks") * 4096, drops = one(f, "autocovariances");
  for (Int128& c : f.at("autocovariances")) c += n - 2 * drops;
  return f;
}
Fields keeps_of_halves(Fields f, const Statistic&) {
  for (const char* half : {"odd", "even"}) one(f, half) = one(f, "entries_of_half") - one(f, half);
  return f;
}
/// sum (64 - X)(64 - Y) and sum (128 - X - Y).
Fields keeps_of_words(Fields f, const Statistic&) {
  const Int128 pairs = one(f, "pairs"), margins = one(f, "margins");
  one(f, "products") += 64 * 64 * pairs - 64 * margins;
  one(f, "margins") = 128 * pairs - margins;
  return f;
}
Fields weights_of_dropped(Fields f, const Statistic&) {
  one(f, "sum_kept") = one(f, "sum") - one(f, "sum_kept");
  return f;
}

// --- from the last to the first

Fields sides_swapped(Fields f, const Statistic&) {
  std::swap(f.at("n1L"), f.at("n1R"));
  return f;
}
Fields mirrored_patterns(Fields f, const Statistic&) {
  const std::vector<Int128> before = f.at("patterns");
  const auto length = static_cast<unsigned>(std::countr_zero(before.size()));
  for (std::size_t w = 0; w < before.size(); ++w) {
    std::size_t mirrored = 0;
    for (unsigned bit = 0; bit < length; ++bit) mirrored |= (w >> bit & 1u) << (length - 1 - bit);
    f.at("patterns")[mirrored] = before[w];
  }
  return f;
}
/// The triple t, t + i, t + j is t, t + j - i, t + j seen from the other end.
Fields mirrored_triples(Fields f, const Statistic&) {
  auto& offsets = f.at("offsets");
  offsets[0] = offsets[1] - offsets[0];
  std::swap(f.at("pairs")[0], f.at("pairs")[2]);
  return f;
}
/// Lane i becomes lane 1023 - i, all of whose bits are flipped: the halves change places where the pattern
/// has an odd number of bits.
Fields mirrored_lanes(Fields f, const Statistic&) {
  if (std::popcount(static_cast<std::uint64_t>(one(f, "pattern"))) % 2 == 1)
    std::swap(f.at("odd"), f.at("even"));
  return f;
}
/// Only the length stays: the place is counted from the other end, and of runs of one length another is the
/// first.
Fields without_place(Fields f, const Statistic&) {
  f.erase("place");
  return f;
}

// --- one order for all calls

Fields sorted_drops(Fields f, const Statistic&) {
  std::sort(f.at("drops").begin(), f.at("drops").end());
  return f;
}
/// Of the most extreme position only how many calls it had is known beforehand.
Fields without_position(Fields f, const Statistic&) {
  f.erase("position");
  return f;
}

/// Both cells of a worst binomial one.
constexpr std::string_view kLane = "lane", kPosition = "position";

std::vector<Row> rows() {
  // In the order of Relation: relabelled, any_order, lane_order, word_order, same_order, calls_reordered,
  // reversed, recut, recut_aligned.
  const Cell places = no(kPlaces), joined = no(kJoined), masks = no(kMasks);
  return {
      {"S1", "", {mapped(keeps_for_drops), same(), same(), same(), same(), same(), same(), same(), same()}},
      {"S2",
       "",
       {mapped(keeps_of_lanes, {}, PValue::free), places, same(), no(kLanes), no(kLanes), same(), no(kLanes),
        no(kCalls), same()}},
      {"S3",
       "",
       {mapped(keeps_for_drops, kLane), places, same(kLane), no(kLanes), no(kLanes), same(kLane), no(kLanes),
        no(kCalls), same(kLane)}},
      {"S4",
       "",
       {mapped(keeps_of_blocks), places, places, same(), places, joined, in_powers(same()), same(), same()}},
      {"S5",
       "oddest",
       {mapped(oddest_of_keeps, "drops"), places, places, same("drops"), places, same("drops"),
        in_powers(same("drops")), no(kCalls), same("drops")}},
      // Cells are pooled from one end.
      {"S5",
       "",
       {mapped(histogram_of_keeps, {}, PValue::free), places, places, same(), places, same(),
        in_powers(same()), no(kCalls), same()}},
      {"S6",
       "lag",
       {mapped(keeps_of_lags), places, places, places, joined, joined, mapped(sides_swapped), same(),
        same()}},
      {"S6",
       "pairs along axis",
       {no(kBothDropped), places, places, places, places, same(), no(kShape), no(kShape), same()}},
      {"S7",
       "",
       {mapped(keeps_of_lags), places, places, places, joined, joined, mapped(sides_swapped), same(),
        same()}},
      {"S8",
       "",
       {mapped(keeps_of_worst_pair, "channels"), places, places, places, no(kShape), same("channels"),
        no(kShape), no(kShape), no(kShape)}},
      {"S9",
       "",
       {mapped(keeps_of_all_pairs), places, places, places, no(kShape), same(), no(kShape), no(kShape),
        no(kShape)}},
      {"S10",
       "",
       {no(kBothDropped), places, places, places, places, same(), no(kShape), no(kShape), no(kShape)}},
      {"S11",
       "worst pair of masks",
       {mapped(keeps_of_worst_pair, "steps"), masks, masks, masks, same("steps"), masks, masks, masks,
        masks}},
      {"S11",
       "all pairs of masks",
       {mapped(keeps_of_all_pairs), masks, masks, masks, same(), masks, masks, masks, masks}},
      {"S11",
       "chunks 1 apart, shifted",
       {mapped(keeps_of_overlaps), masks, masks, masks, no("the shift is of entries in order"), masks, masks,
        masks, masks}},
      {"S11", "chunks", {mapped(keeps_of_overlaps), masks, masks, masks, same(), masks, masks, masks, masks}},
      // Distances are between drops up to p = 1/2, and between keeps above.
      {"S12",
       "distances between drops",
       {unless_fair(same()), places, places, places, joined, joined, no(kFirstRead), same(), same()},
       "distances between keeps"},
      {"S12",
       "distances between keeps",
       {same(), places, places, places, joined, joined, no(kFirstRead), same(), same()},
       "distances between drops"},
      {"S12",
       "oddest distance",
       {unless_fair(same("distance")), places, places, places, joined, joined, no(kFirstRead),
        same("distance"), same("distance")}},
      {"S13",
       "longest run of keeps",
       {same(), places, places, places, joined, joined, mapped(without_place), same(), same()},
       "longest run of drops"},
      {"S13",
       "longest run of drops",
       {same(), places, places, places, joined, joined, mapped(without_place), same(), same()},
       "longest run of keeps"},
      // Every count is spread over its own step from one end.
      {"S14",
       "rates of blocks",
       {mapped(histogram_of_keeps, {}, PValue::free), places, places, same(), places, same(),
        in_powers(same()), no(kCalls), same()}},
      {"S14",
       "walk",
       {mapped(walk_of_keeps), places, places, same(), places, joined, no("it begins at the other end"),
        same(), same()}},
      {"S14",
       "position of drops",
       {mapped(keeps_of_segments), places, places, same(), places, joined,
        no("blocks stay in their order while their entries are turned round"), same(), same()}},
      {"S15",
       "",
       {mapped(flipped_patterns), places, places, places, joined, joined, mapped(mirrored_patterns), same(),
        same()}},
      {"S16",
       "",
       {mapped(keeps_of_triples, "offsets"), places, places, places, joined, joined,
        in_powers(mapped(mirrored_triples, "offsets")), same("offsets"), same("offsets")}},
      {"S17",
       "",
       {no("a matrix of ones, added to another, may change its rank by one"), places, places, places, joined,
        joined, no(kWords), same(), same()}},
      {"S18",
       "",
       {no("the complexity of the complement may differ by one"), places, places, places, joined, joined,
        no("the complexity of a sequence read backwards is another"), same(), same()}},
      {"S19",
       "strongest frequency",
       {mapped(keeps_of_autocovariances, "frequency"), places, places, places, joined, joined,
        in_powers(same("frequency")), same("frequency"), same("frequency")}},
      {"S19",
       "worst pattern of lanes",
       {mapped(keeps_of_halves, "pattern"), places, places, no(kLanes), no(kLanes), joined,
        in_powers(mapped(mirrored_lanes, "pattern")), same("pattern"), same("pattern")}},
      {"S20", "", {same(), places, places, places, joined, joined, no(kWords), same(), same()}},
      {"S21", "", {same(), places, places, places, joined, joined, no(kWords), same(), same()}},
      {"S22",
       "",
       {mapped(keeps_of_words), places, places, same(), places, joined, in_powers(same()), same(), same()}},
      {"S23",
       "",
       {mapped(keeps_of_seams), places, places, no(kEdges), no(kEdges), same(), no(kEdges), no(kCalls),
        no(kCalls)}},
      {"S24",
       "",
       {unless_fair(same()), places, places, places, joined, joined, no("windows follow their anchors"),
        same(), same()}},
      {"S25",
       "",
       {mapped(weights_of_dropped), no(kInputs), no(kInputs), no(kInputs), same(), same(), no(kInputs),
        same(), same()}},
      {"S29",
       "rates of all positions",
       {mapped(keeps_of_positions, {}, PValue::free), places, places, places,
        mapped(sorted_drops, {}, PValue::free), same(), places, no(kCalls), no(kCalls)}},
      {"S29",
       "worst position",
       {mapped(keeps_for_drops, kPosition), places, places, places, mapped(without_position, "x"),
        same(kPosition), places, no(kCalls), no(kCalls)}},
      {"S30",
       "",
       {mapped(keeps_of_overlaps, "step"), masks, masks, masks, same("step"), masks, masks, masks, masks}},
  };
}

constexpr NoMask kNoMask[] = {
    {"L1", "one call of more than 2^31 elements, of which each part is the sample of S1"},
    {"L2", "one call of more than 2^31 elements, of which parts are laid over each other as in S11"},
    {"R50", "the calls of a row, counted as in S1"},
    {"R72", "the calls of a row, summed as in S25"},
    {"R76", "the calls of a row, counted as in S1"},
    {"R77", "the calls of a row, counted as in S1"},
    {"R81", "the calls of a row, laid over each other as in S11"},
    {"R82", "the calls of a row, laid over each other as in S11"},
    {"R99", "the calls of a row, counted as in S1"},
    {"S28", "sums over gradients of a backend: the integers of dy stand beside the mask"},
    {"E1", "subnetworks of a network's hidden units, of which a backend returns no mask entries"},
    {"E2", "draws of a network's hidden units, of which a backend returns no mask entries"},
    {"E3", "sums over passes of a network"},
};

/// Randomised p-values are functions of the place; where Pearson's law holds they are none.
bool is_free(const Cell& cell, const Statistic& s) {
  return cell.p_value == PValue::free && s.engine != "chi_squared";
}
/// Cells of a histogram are pooled from one end, whatever the engine.
bool pools(const Statistic& s) { return s.id == "S5" || s.id == "S29"; }

/// Equal to rounding, on the scale on which p-values are read: 1e-6 of log10, and at least 1e-5. Near p = 1 a
/// saddlepoint's tail is the difference of two large numbers, which keeps no more digits.
bool agree(double a, double b) {
  return std::abs(a - b) <= std::max(1e-5, 1e-6 * std::max(std::abs(a), std::abs(b)));
}

std::string text_of(const std::vector<Int128>& integers) {
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(integers.size(), 12); ++i)
    text += (i == 0 ? "" : " ") + to_string(integers[i]);
  return integers.size() > 12 ? text + " ..." : text;
}

}  // namespace

std::string_view name_of(Relation relation) {
  constexpr std::array<std::string_view, kRelations> kNames = {"relabelled", "any_order",  "lane_order",
                                                               "word_order", "same_order", "calls_reordered",
                                                               "reversed",   "recut",      "recut_aligned"};
  return kNames.at(static_cast<std::size_t>(relation));
}

Fields fields_of(const Statistic& s) { return {s.counts.begin(), s.counts.end()}; }

std::span<const Row> relation_table() {
  static const std::vector<Row> table = rows();
  return table;
}

const Row* row_of(const Statistic& s) {
  for (const Row& row : relation_table())
    if (row.id == s.id && s.name.starts_with(row.name)) return &row;
  return nullptr;
}

std::span<const NoMask> statistics_of_no_mask() { return kNoMask; }

std::string breach(const Row& row, Relation relation, const Statistic& before, const Statistic& after) {
  const Cell& cell = row.cells.at(static_cast<std::size_t>(relation));
  if (!cell.expected) return {};
  Fields expected = cell.expected(fields_of(before), before), seen = fields_of(after);
  const bool p_is_free = is_free(cell, before) || (cell.p_value == PValue::free && pools(before));
  if (!p_is_free && !agree(before.log10_p, after.log10_p))
    return fmt::format("{}, {}, {}: log10 of the p-value is {:.12g} and then {:.12g}", before.name,
                       before.engine, name_of(relation), before.log10_p, after.log10_p);
  // Of a run only the length is compared where the place is free, of drops by position only their numbers.
  for (auto it = seen.begin(); it != seen.end();)
    it = !expected.contains(it->first) && fields_of(before).contains(it->first) ? seen.erase(it)
                                                                                : std::next(it);
  if (relation == Relation::same_order && before.id == "S29" && seen.contains("drops") &&
      !seen.contains("position"))
    std::sort(seen.at("drops").begin(), seen.at("drops").end());
  const std::string place(cell.place);
  if (!place.empty() && expected.contains(place) && seen.contains(place) &&
      expected.at(place) != seen.at(place))
    return {};  // another cell that is as extreme: the p-values agree
  for (const auto& [name, integers] : expected) {
    if (!seen.contains(name)) return fmt::format("{}: {} is gone", before.name, name);
    if (seen.at(name) != integers)
      return fmt::format("{}, {}: {} is {} where {} is demanded", before.name, name_of(relation), name,
                         text_of(seen.at(name)), text_of(integers));
  }
  if (seen.size() != expected.size()) return fmt::format("{}: there are other integers", before.name);
  return {};
}

}  // namespace dropcheck::suites::testing
