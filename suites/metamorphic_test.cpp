// Metamorphic tests of the statistics: transformations of masks under which theory says which integers stay
// and what the others become. testing/relation_table.cpp is the list. No backend and no ideal is needed: the
// relations hold of any mask.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "harness/testing/rc_gtest.hpp"
#include "suites/catalogue.hpp"
#include "suites/testing/planted_backend.hpp"
#include "suites/testing/relation_samples.hpp"

namespace dropcheck::suites {
namespace {

using testing::Cell;
using testing::Draw;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::Relation;
using testing::RelationSample;
using testing::Row;
using testing::Seen;

const Cell& cell_of(const Row& row, Relation relation) {
  return row.cells.at(static_cast<std::size_t>(relation));
}

const Statistic* find(const Judgement& judgement, const Row& row, const Statistic& before,
                      Relation relation) {
  const bool renamed = relation == Relation::relabelled && !row.renamed.empty();
  for (const Statistic& s : judgement.statistics)
    if (s.id == before.id && (renamed ? s.name.starts_with(row.renamed) : s.name == before.name)) return &s;
  return nullptr;
}

/// A statistic of one check before and after, where the relation speaks of it.
struct Compared {
  std::string check;
  const Row* row;
  Statistic before, after;
};

struct Comparison {
  std::vector<Compared> pairs;
  std::vector<std::string> breaches;
};

/// Judges both samples by each check. Ideal masks stay ideal, so all verdicts stay; others where the relation
/// speaks of every p-value of the check.
Comparison compare(const RelationSample& sample, const Seen& before, const Seen& after, Relation relation,
                   bool ideal) {
  Comparison found;
  for (const Check* check : testing::checks_on(sample, before.sample.problem.p)) {
    const Judgement first = testing::judge(*check, before), second = testing::judge(*check, after);
    bool all = !first.statistics.empty();
    for (const Statistic& s : first.statistics) {
      const Row* row = testing::row_of(s);
      if (row == nullptr) {
        found.breaches.push_back(fmt::format("{} {} is in no row", s.id, s.name));
        continue;
      }
      const Cell& cell = cell_of(*row, relation);
      if (!testing::speaks(cell, before.sample)) {
        all = false;
        continue;
      }
      all = all && cell.p_value == testing::PValue::equal;
      const Statistic* other = find(second, *row, s, relation);
      if (other == nullptr) {
        found.breaches.push_back(fmt::format("{} {} is gone after {}", s.id, s.name, name_of(relation)));
        continue;
      }
      if (std::string text = testing::breach(*row, relation, s, *other); !text.empty())
        found.breaches.push_back(fmt::format("{}: {}", check->info().id, text));
      found.pairs.push_back({check->info().id, row, s, *other});
    }
    if ((ideal || all) && first.verdict != second.verdict)
      found.breaches.push_back(fmt::format("{}: the verdict is {} and then {}", check->info().id,
                                           to_string(first.verdict), to_string(second.verdict)));
  }
  return found;
}

/// Whether the relation has a meaning for the sample.
bool concerns(const RelationSample& sample, Relation relation) {
  RelationSample small = sample;
  return testing::transformed(small, testing::drawn(small, 0.25, Draw::ideal, 1), relation, 1).has_value();
}

class MaskRelations : public ::testing::TestWithParam<Relation> {};

TEST_P(MaskRelations, LeaveWhatTheTableSays) {
  const Relation relation = GetParam();
  std::vector<const RelationSample*> samples;
  for (const RelationSample& sample : testing::relation_samples())
    if (concerns(sample, relation)) samples.push_back(&sample);
  ASSERT_THAT(samples, Not(IsEmpty()));
  std::set<const Row*> met;
  DROPCHECK_PROPERTY([&] {
    const RelationSample& sample = **rc::gen::elementOf(samples);
    const double p = *rc::gen::elementOf(sample.rates);
    // Half of the masks are ideal.
    const auto draw =
        static_cast<Draw>(std::max(0, *rc::gen::inRange(-3, static_cast<int>(testing::kDraws))));
    const auto seed = *rc::gen::arbitrary<std::uint64_t>();
    const Seen before = testing::drawn(sample, p, draw, seed);
    const auto after = testing::transformed(sample, before, relation, seed + 1);
    RC_ASSERT(after.has_value());
    const Comparison found = compare(sample, before, *after, relation, draw == Draw::ideal);
    for (const Compared& pair : found.pairs) met.insert(pair.row);
    if (!found.breaches.empty()) {
      RC_LOG() << sample.name << ", p = " << p << '\n';
      for (const std::string& text : found.breaches) RC_LOG() << text << '\n';
      RC_FAIL("a relation is broken");
    }
  });
  for (const Row& row : testing::relation_table()) {
    if (cell_of(row, relation).expected) {
      EXPECT_TRUE(met.contains(&row)) << row.id << " " << row.name << " was never compared";
    } else {
      EXPECT_FALSE(cell_of(row, relation).reason.empty()) << row.id << " " << row.name;
    }
  }
}

/// Each integer changed by a few in turn, and the p-value: the comparison must notice, or the relation would
/// be one that cannot fail.
TEST_P(MaskRelations, AreBrokenByAnIntegerThatIsWrong) {
  const Relation relation = GetParam();
  std::uint64_t planted = 0;
  for (const RelationSample& sample : testing::relation_samples()) {
    if (!concerns(sample, relation)) continue;
    const Seen before = testing::drawn(sample, 0.25, Draw::ideal, 5);
    const Comparison found =
        compare(sample, before, *testing::transformed(sample, before, relation, 6), relation, true);
    EXPECT_THAT(found.breaches, IsEmpty()) << sample.name;
    for (const Compared& pair : found.pairs) {
      const Cell& cell = cell_of(*pair.row, relation);
      const auto demanded = cell.expected(testing::fields_of(pair.before), pair.before);
      for (std::size_t field = 0; field < pair.after.counts.size(); ++field) {
        const std::string& name = pair.after.counts[field].first;
        // Which of equally extreme cells is named is free, and so is what the relation does not speak of.
        if (name == cell.place || !demanded.contains(name)) continue;
        for (std::size_t i = 0; i < pair.after.counts[field].second.size(); ++i) {
          Statistic wrong = pair.after;
          wrong.counts[field].second[i] += 3;
          EXPECT_NE(testing::breach(*pair.row, relation, pair.before, wrong), "")
              << pair.before.id << " " << pair.before.name << " " << name << " " << i;
          ++planted;
        }
      }
      if (cell.p_value == testing::PValue::free) continue;
      Statistic wrong = pair.after;
      wrong.log10_p -= 0.01;
      EXPECT_NE(testing::breach(*pair.row, relation, pair.before, wrong), "") << pair.before.name;
    }
  }
  EXPECT_GT(planted, 0u);
}

/// One entry that is flipped besides: each statistic that reads all entries must say so.
TEST_P(MaskRelations, AreBrokenByOneEntryOfTheMask) {
  const Relation relation = GetParam();
  const RelationSample& sample = testing::relation_samples().at(1);
  const Seen before = testing::drawn(sample, 0.25, Draw::ideal, 7);
  auto after = testing::transformed(sample, before, relation, 8);
  ASSERT_TRUE(after.has_value());
  std::uint64_t& word = after->masks[0].words()[100];
  word ^= std::uint64_t{1} << 33;
  const Comparison found = compare(sample, before, *after, relation, true);
  std::set<std::string> noticed;
  for (const std::string& text : found.breaches) noticed.insert(text.substr(0, text.find(':')));
  EXPECT_TRUE(noticed.contains("mask_rate.drop_rate"));
  const std::set<std::string> all_entries = {
      "mask_rate.drop_rate",  "channel_correlation.lags", "channel_correlation.serial",
      "mask_rate.dispersion", "mask_rate.lanes",          "unbiasedness.mean"};
  for (const Compared& pair : found.pairs)
    if (all_entries.contains(pair.check)) {
      EXPECT_TRUE(noticed.contains(pair.check)) << pair.check;
    }
}

INSTANTIATE_TEST_SUITE_P(All, MaskRelations,
                         ::testing::Values(Relation::relabelled, Relation::any_order, Relation::lane_order,
                                           Relation::word_order, Relation::same_order,
                                           Relation::calls_reordered, Relation::reversed, Relation::recut,
                                           Relation::recut_aligned),
                         [](const auto& row) { return std::string(testing::name_of(row.param)); });

TEST(MaskRelationTable, HasEveryStatisticOfTheCatalogue) {
  std::set<std::string> ids;
  for (const CheckInfo& info : catalogue()) ids.insert(info.statistics.begin(), info.statistics.end());
  for (const StatisticShare& share : statistic_shares()) ids.insert(std::string(share.id));
  for (const StatisticShare& share : kept_shares()) ids.insert(std::string(share.id));
  EXPECT_GT(ids.size(), 30u);
  std::set<std::string> known;
  for (const Row& row : testing::relation_table()) known.insert(std::string(row.id));
  for (const testing::NoMask& row : testing::statistics_of_no_mask()) {
    EXPECT_FALSE(row.reason.empty());
    EXPECT_TRUE(known.insert(std::string(row.id)).second) << row.id << " is told of twice";
  }
  EXPECT_EQ(known, ids);
}

TEST(MaskRelationTable, SpeaksOfEveryStatisticSomewhere) {
  for (const Row& row : testing::relation_table()) {
    std::uint64_t spoken = 0;
    for (const Cell& cell : row.cells) {
      spoken += cell.expected ? 1 : 0;
      EXPECT_NE(cell.expected != nullptr, !cell.reason.empty()) << row.id << " " << row.name;
    }
    EXPECT_GT(spoken, 0u) << row.id << " " << row.name;
  }
}

TEST(MaskRelationTable, EveryCheckOfMasksIsTriedOnSomeSample) {
  std::set<std::string> tried;
  for (const RelationSample& sample : testing::relation_samples())
    for (const Check* check : testing::checks_on(sample, 0.5)) tried.insert(check->info().id);
  for (const auto& check : testing::suites_registry().checks()) {
    const auto& protocols = check->info().protocols;
    const bool reads_masks = std::any_of(protocols.begin(), protocols.end(), [](const std::string& id) {
      return id == "mask" || id == "deep_mask" || id == "position" || id == "streams";
    });
    if (reads_masks && !check->info().statistics.empty()) {
      EXPECT_TRUE(tried.contains(check->info().id)) << check->info().id;
    }
  }
}

}  // namespace
}  // namespace dropcheck::suites
