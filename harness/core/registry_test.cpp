#include "harness/core/registry.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/testing/scripted_backend.hpp"

namespace dropcheck {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Two families; the argument of the last open lands in `argument`.
Registry two_families(std::string* argument = nullptr) {
  const auto open = [argument](const std::string& given,
                               const BackendOptions&) -> Expected<std::unique_ptr<Backend>> {
    if (argument != nullptr) *argument = given;
    return std::unique_ptr<Backend>(std::make_unique<testing::ScriptedBackend>());
  };
  Registry registry;
  registry.add_backend({"plain", "plain", "takes nothing", false, open});
  registry.add_backend({"plugin", "plugin:PATH[?CONFIG]", "takes a path", true, open});
  return registry;
}

void expect_refused(const Registry& registry, std::string_view spec, const std::string& fragment) {
  const auto family = registry.family(spec);
  ASSERT_FALSE(family) << spec;
  EXPECT_EQ(family.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(family.error().message, HasSubstr(fragment));
  EXPECT_FALSE(registry.open(spec, {})) << spec;
}

TEST(Registry, ListsWhatIsKnownForAnUnknownBackend) {
  const Registry registry = two_families();
  expect_refused(registry, "torch", "backend 'torch' is not known: write one of plain, plugin:PATH[?CONFIG]");
  expect_refused(registry, "", "backend '' is not known");
  expect_refused(registry, "Plain", "'Plain' is not known");
  expect_refused(registry, "plain2", "'plain2' is not known");
}

TEST(Registry, WantsAnArgumentExactlyWhereTheFamilyTakesOne) {
  const Registry registry = two_families();
  expect_refused(registry, "plugin", "backend 'plugin' is written plugin:PATH[?CONFIG]");
  expect_refused(registry, "plain:x", "backend 'plain' is written plain");
  expect_refused(registry, "plain:", "is written plain");
  expect_refused(registry, "plain?x", "backend 'plain' is written plain");
}

TEST(Registry, HandsOverWhatStandsAfterTheFirstColonOrQuestionMark) {
  std::string argument = "untouched";
  const Registry registry = two_families(&argument);
  EXPECT_TRUE(registry.open("plugin:./a:b.so?c=d:e", {}));
  EXPECT_EQ(argument, "./a:b.so?c=d:e");
  EXPECT_TRUE(registry.open("plugin?a=b:c", {}));
  EXPECT_EQ(argument, "a=b:c");
  EXPECT_TRUE(registry.open("plain", {}));
  EXPECT_EQ(argument, "");
}

TEST(Registry, PassesTheErrorOfAFamilyOn) {
  Registry registry;
  registry.add_backend({"broken", "broken", "never opens", false,
                        [](const std::string&, const BackendOptions&) -> Expected<std::unique_ptr<Backend>> {
                          return Error{ErrorCode::backend_failed, "no such device"};
                        }});
  const auto backend = registry.open("broken", {});
  ASSERT_FALSE(backend);
  EXPECT_EQ(backend.error().code, ErrorCode::backend_failed);
  EXPECT_EQ(backend.error().message, "no such device");
}

TEST(Registry, FindsProtocolsAndProfilesByTheirNames) {
  Registry registry;
  Protocol protocol;
  protocol.id = "mask";
  registry.add_protocol(protocol);
  EXPECT_NE(registry.protocol("mask"), nullptr);
  EXPECT_EQ(registry.protocol("mas"), nullptr);
  EXPECT_EQ(registry.check("mask_rate.drop_rate"), nullptr);
  registry.add_profile("tiny", "mask 1 op=dropout,p=0.1,shape=4\n");
  registry.add_profile("other", "");
  EXPECT_THAT(registry.profiles(), ElementsAre("tiny", "other"));
  EXPECT_EQ(*registry.profile("tiny"), "mask 1 op=dropout,p=0.1,shape=4\n");
  const auto unknown = registry.profile("huge");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().message, "profile 'huge' is not known: write one of tiny, other");
}

TEST(RegistryDeathTest, RefusesTwoProtocolsOfOneName) {
  Registry registry;
  Protocol protocol;
  protocol.id = "mask";
  registry.add_protocol(protocol);
  EXPECT_DEATH(registry.add_protocol(protocol), "internal error");
}

}  // namespace
}  // namespace dropcheck
