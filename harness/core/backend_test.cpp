#include "harness/core/backend.hpp"

#include <gtest/gtest.h>

#include "harness/testing/scripted_backend.hpp"

namespace dropcheck {
namespace {

Problem plain() {
  Problem x;
  x.shape = {2, 3, 4, 5};
  return x;
}

TEST(MissingCapability, IsNothingWhereAllIsClaimed) {
  Problem x = plain();
  x.in_place = true;
  x.threads = 2;
  x.offset = 3;
  EXPECT_EQ(missing_capability(testing::ScriptedBackend::all_claims(), x), std::nullopt);
}

TEST(MissingCapability, NamesTheWordThatIsNotClaimed) {
  const Capabilities none;
  Problem x = plain();
  EXPECT_EQ(missing_capability(none, x), "op dropout");
  Capabilities some;
  some.ops = {Op::dropout};
  EXPECT_EQ(missing_capability(some, x), "dtype f32");
  some.dtypes = {DType::f32};
  EXPECT_EQ(missing_capability(some, x), "layout contiguous");
  some.layouts = {Layout::contiguous};
  EXPECT_EQ(missing_capability(some, x), std::nullopt);
  x.offset = 1;
  EXPECT_EQ(missing_capability(some, x), "RNG offsets");
  x.threads = 1;
  EXPECT_EQ(missing_capability(some, x), "threads");
  x.in_place = true;
  EXPECT_EQ(missing_capability(some, x), "in_place");
  x.layout = Layout::strided;
  EXPECT_EQ(missing_capability(some, x), "layout strided");
}

TEST(Features, FollowFromTheSeedSemantics) {
  Capabilities c;
  const auto expect = [&](SeedSemantics semantics, bool seeds, bool continues) {
    c.seed_semantics = semantics;
    EXPECT_EQ(has_feature(c, Feature::seeds), seeds) << to_string(semantics);
    EXPECT_EQ(has_feature(c, Feature::continues_stream), continues) << to_string(semantics);
    EXPECT_EQ(seed_semantics_from(to_string(semantics)), semantics);
  };
  expect(SeedSemantics::per_call, true, false);
  expect(SeedSemantics::stateful, true, true);
  expect(SeedSemantics::fixed, false, true);
  expect(SeedSemantics::none, false, true);
  EXPECT_FALSE(seed_semantics_from("sometimes"));
}

TEST(Features, FollowFromTheClaims) {
  Capabilities c;
  const std::pair<Feature, bool*> claims[] = {{Feature::backward, &c.backward},
                                              {Feature::in_place, &c.in_place},
                                              {Feature::threads, &c.threads},
                                              {Feature::mask_output, &c.mask_output}};
  for (const auto& [feature, claim] : claims) {
    EXPECT_FALSE(has_feature(c, feature)) << to_string(feature);
    *claim = true;
    EXPECT_TRUE(has_feature(c, feature)) << to_string(feature);
    *claim = false;
  }
}

}  // namespace
}  // namespace dropcheck
