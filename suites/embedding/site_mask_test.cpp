#include "suites/embedding/site_mask.hpp"

#include <gmock/gmock.h>

#include <random>

#include "suites/dialects/row_steps.hpp"

namespace dropcheck::suites::embedding {
namespace {

using ::testing::HasSubstr;

SiteMask random_mask(std::vector<std::int64_t> shape, std::uint64_t seed = 5) {
  SiteMask mask = unseen_mask("the mask", std::move(shape));
  std::mt19937_64 engine(seed);
  for (Entry& entry : mask.entries) entry = (engine() & 1) != 0 ? Entry::dropped : Entry::kept;
  return mask;
}

/// What a comparison says of one reply; empty where it holds.
template <typename Compare>
std::string said(Compare compare) {
  const std::vector<Step> steps = {seeded_step(problem_of(0.5, {4}))};
  const std::vector<Reply> replies(1);
  const Capabilities capabilities;
  JudgeContext context;
  context.capabilities = &capabilities;
  RowTrial trial(steps, replies, context);
  compare(trial);
  const Judgement j = trial.judgement("held");
  return j.verdict == Verdict::pass ? std::string() : j.message;
}

std::string said_of_axis(const SiteMask& mask, std::size_t axis) {
  return said([&](RowTrial& trial) { require_unshared(trial, 0, mask, axis, "rows"); });
}

TEST(SiteMask, IndependentEntriesHold) {
  const SiteMask mask = random_mask({8, 16, 12});
  EXPECT_EQ(said([&](RowTrial& trial) { require_active(trial, 0, mask); }), "");
  for (const std::size_t axis : {0u, 1u, 2u}) EXPECT_EQ(said_of_axis(mask, axis), "");
  EXPECT_EQ(said([&](RowTrial& trial) {
              require_different(trial, 0, mask, random_mask({8, 16, 12}, 6));
            }),
            "");
}

TEST(SiteMask, TwoEqualRowsAreFound) {
  SiteMask mask = random_mask({8, 16, 12});
  std::copy_n(mask.entries.begin() + 2 * 192, 192, mask.entries.begin() + 5 * 192);
  EXPECT_THAT(said_of_axis(mask, 0), HasSubstr("the same in rows 3 and 6, in all of 192 entries"));
  EXPECT_EQ(said_of_axis(mask, 1), "");
}

TEST(SiteMask, GroupsOfShortRowsAreFoundWhereSinglePairsTellNothing) {
  SiteMask mask = random_mask({64, 16});
  for (std::size_t row = 1; row < 64; row += 2)
    std::copy_n(mask.entries.begin() + static_cast<std::ptrdiff_t>((row - 1) * 16), 16,
                mask.entries.begin() + static_cast<std::ptrdiff_t>(row * 16));
  EXPECT_THAT(said_of_axis(mask, 0), HasSubstr("in groups of 2"));
  SiteMask periodic = random_mask({64, 16});
  for (std::size_t row = 8; row < 64; ++row)
    std::copy_n(periodic.entries.begin() + static_cast<std::ptrdiff_t>((row - 8) * 16), 16,
                periodic.entries.begin() + static_cast<std::ptrdiff_t>(row * 16));
  EXPECT_THAT(said_of_axis(periodic, 0), HasSubstr("at a distance of 8"));
}

TEST(SiteMask, UnseenEntriesAreNoEvidence) {
  SiteMask mask = random_mask({2, 128});
  std::copy_n(mask.entries.begin(), 128, mask.entries.begin() + 128);
  std::fill_n(mask.entries.begin(), 60, Entry::unseen);
  EXPECT_THAT(said_of_axis(mask, 0), HasSubstr("too few entries"));  // 68 compared, nothing told
}

TEST(SiteMask, AMaskOverTimeMustNotChange) {
  SiteMask mask = random_mask({1, 16, 16});
  SiteMask over_time = unseen_mask("the mask", {4, 16, 16});
  for (std::size_t e = 0; e < over_time.entries.size(); ++e) over_time.entries[e] = mask.entries[e % 256];
  std::fill_n(over_time.entries.begin(), 256, Entry::unseen);
  EXPECT_EQ(said([&](RowTrial& trial) {
              EXPECT_EQ(require_shared_first(trial, 0, over_time, "steps").entries, mask.entries);
            }),
            "");
  over_time.entries[700] = over_time.entries[700] == Entry::kept ? Entry::dropped : Entry::kept;
  EXPECT_THAT(said([&](RowTrial& trial) { require_shared_first(trial, 0, over_time, "steps"); }),
              HasSubstr("changes over steps in 1 of 512"));
}

TEST(SiteMask, AllOrNothingIsNoDropout) {
  SiteMask mask = random_mask({128});
  std::fill(mask.entries.begin(), mask.entries.end(), Entry::kept);
  EXPECT_THAT(said([&](RowTrial& trial) { require_active(trial, 0, mask); }), HasSubstr("0 of 128 entries"));
  EXPECT_THAT(said([&](RowTrial& trial) { require_active(trial, 0, unseen_mask("it", {128})); }),
              HasSubstr("0 of 0 entries"));
}

TEST(SiteMask, EqualBeginningsOfTwoShapesAreFound) {
  const SiteMask a = random_mask({256});
  SiteMask b = random_mask({4, 128}, 9);
  std::copy_n(a.entries.begin(), 256, b.entries.begin());
  EXPECT_THAT(said([&](RowTrial& trial) { require_different(trial, 0, a, b); }),
              HasSubstr("the same in all of 256 entries"));
}

}  // namespace
}  // namespace dropcheck::suites::embedding
