#include "reports/kill_matrix.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace dropcheck::reports {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

MatrixRow mutant(std::string id, bool killed, bool asked = true) {
  MatrixRow row;
  row.backend = "mutant:" + id;
  row.family = "Rates";
  row.mechanism = "compares <i> with a |";
  row.source = "nowhere#1";
  row.base = "none";
  row.named = NamedCheck{.check = "mask_rate.drop_rate",
                         .profile = asked ? "quick" : "deep",
                         .problem = "op=dropout",
                         .asked = asked,
                         .killed = killed,
                         .verdict = killed ? "fail" : "pass",
                         .repro = ""};
  row.ours = {{"mask_rate.drop_rate", killed ? Said::fired : Said::passed},
              {"unbiasedness.kept_value", Said::passed},
              {"seed_determinism.same_seed", Said::nothing}};
  row.rivals = {{"weak", Said::passed}, {"strong", Said::fired}};
  return row;
}

KillMatrix small_matrix() {
  KillMatrix matrix;
  matrix.tool_version = "0";
  matrix.command = "dropcheck mutants";
  matrix.profile = "standard";
  matrix.matrix_profile = "smoke";
  matrix.clean_backend = "cpu";
  matrix.seed = 7;
  matrix.machine = "a machine";
  matrix.checks = {"mask_rate.drop_rate", "unbiasedness.kept_value", "seed_determinism.same_seed"};
  matrix.mutants = {mutant("one", true), mutant("two", true), mutant("deep_one", false, false)};
  matrix.mutants[1].contains_layers = true;
  MatrixRow clean;
  clean.backend = "cpu";
  clean.ours = {{"mask_rate.drop_rate", Said::passed}};
  matrix.clean = {clean};
  matrix.rivals = {{"weak", "their file", 2, 1000, 100, 0}, {"strong", "another", 1, 10, 100, 7}};
  matrix.not_played = {{"somewhere#2", "a race", "it needs a GPU"}};
  return matrix;
}

TEST(KillMatrix, CountsWhatWasAsked) {
  const KillMatrix matrix = small_matrix();
  EXPECT_EQ(killed_as_named(matrix).killed, 2u);
  EXPECT_EQ(killed_as_named(matrix).of, 2u) << "the one of profile deep was not asked";
  EXPECT_EQ(killed_by_rival(matrix, "weak", false).killed, 0u);
  EXPECT_EQ(killed_by_rival(matrix, "strong", false).killed, 2u);
  EXPECT_EQ(killed_by_rival(matrix, "strong", false).of, 2u);
  EXPECT_EQ(killed_by_rival(matrix, "strong", true).of, 1u);
  EXPECT_EQ(killed_by_ours(matrix, false).killed, 2u);
  EXPECT_TRUE(is_flawless(matrix));
}

TEST(KillMatrix, ASurvivorOrAWrongAlarmIsAFlaw) {
  KillMatrix survivor = small_matrix();
  survivor.mutants[0] = mutant("one", false);
  EXPECT_FALSE(is_flawless(survivor));
  EXPECT_EQ(killed_as_named(survivor).killed, 1u);
  EXPECT_THAT(kill_matrix_text(survivor),
              AllOf(HasSubstr("SURVIVES"), EndsWith("killed 1 of 2 by the check named in advance\n")));
  EXPECT_THAT(mutation_score_page(survivor, ""),
              HasSubstr("`mutant:one` survives mask_rate.drop_rate, which says pass"));
  EXPECT_THAT(kill_matrix_svg(survivor), HasSubstr("<path fill=\"#c1121f\" d=\"M210 "));

  KillMatrix wrong = small_matrix();
  wrong.mutants[0].fired_wrongly = {"seed_determinism.same_seed"};
  EXPECT_FALSE(is_flawless(wrong));
  EXPECT_THAT(kill_matrix_text(wrong), HasSubstr("seed_determinism.same_seed must not fire"));

  KillMatrix unclean = small_matrix();
  unclean.clean[0].ours["mask_rate.drop_rate"] = Said::fired;
  EXPECT_FALSE(is_flawless(unclean));
  EXPECT_THAT(mutation_score_page(unclean, ""), HasSubstr("fires on the clean `cpu`"));

  EXPECT_FALSE(is_flawless(KillMatrix{})) << "nothing asked proves nothing";
}

TEST(KillMatrix, TextSaysWhoWasNotAsked) {
  const std::string text = kill_matrix_text(small_matrix());
  EXPECT_THAT(text, HasSubstr("not asked, for a larger profile: mutant:deep_one (deep)"));
  EXPECT_THAT(text, HasSubstr("weak                 kills   0 of 2 (0 of 1 without layers); 0 false alarms"));
  EXPECT_THAT(text, EndsWith("killed 2 of 2 by the check named in advance\n"));
}

TEST(KillMatrix, PageHasEveryMutantAndRival) {
  const std::string page = mutation_score_page(small_matrix(), "kill_matrix.svg");
  EXPECT_THAT(page, HasSubstr("**2 of 2 were killed by the check that was named in advance.**"));
  EXPECT_THAT(page, HasSubstr("](kill_matrix.svg)"));
  EXPECT_THAT(page, HasSubstr("| strong: another | 1 | 2 of 2 | 100 % | 1 of 1 (100 %) | 10 | 7 in 100 |"));
  EXPECT_LT(page.find("| strong:"), page.find("| weak:")) << "the best first";
  EXPECT_THAT(page, HasSubstr("Not asked in this run"));
  EXPECT_THAT(page, HasSubstr("it needs a GPU"));
  EXPECT_THAT(page, Not(HasSubstr("<i>"))) << "texts of tables are escaped";
}

TEST(KillMatrix, WhatWasAskedBesideIsShownAndDecidesNothing) {
  KillMatrix matrix = small_matrix();
  MatrixRow beside;
  beside.backend = "plugin:./fresh.so";
  beside.family = "Also asked";
  beside.ours = {{"seed_determinism.same_seed", Said::fired}};
  matrix.mutants.push_back(beside);
  EXPECT_TRUE(is_flawless(matrix));
  EXPECT_EQ(killed_as_named(matrix).of, 2u);
  EXPECT_THAT(mutation_score_page(matrix, ""),
              HasSubstr("| `plugin:./fresh.so` | seed_determinism.same_seed |  |"));
  EXPECT_THAT(kill_matrix_text(matrix), HasSubstr("plugin:./fresh.so"));
}

TEST(KillMatrix, JsonHoldsEveryCell) {
  const auto json = nlohmann::json::parse(kill_matrix_json(small_matrix()));
  EXPECT_EQ(json.at("schema"), "dropcheck.mutants");
  EXPECT_EQ(json.at("killed_as_named"), 2);
  EXPECT_EQ(json.at("asked"), 2);
  EXPECT_EQ(json.at("flawless"), true);
  ASSERT_EQ(json.at("mutants").size(), 3u);
  const auto& first = json.at("mutants")[0];
  EXPECT_EQ(first.at("named").at("check"), "mask_rate.drop_rate");
  EXPECT_EQ(first.at("ours").at("mask_rate.drop_rate"), "fired");
  EXPECT_FALSE(first.at("ours").contains("seed_determinism.same_seed")) << "it said nothing";
  EXPECT_EQ(first.at("rivals").at("strong"), "fired");
  EXPECT_EQ(json.at("rivals")[1].at("false_alarms"), 7);
  EXPECT_EQ(json.at("not_played")[0].at("reason"), "it needs a GPU");
}

TEST(KillMatrix, PictureShowsChecksThatFiredAlone) {
  const std::string svg = kill_matrix_svg(small_matrix());
  EXPECT_THAT(svg, HasSubstr(">mask_rate.drop_rate<"));
  EXPECT_THAT(svg, Not(HasSubstr(">unbiasedness.kept_value<")));
  EXPECT_THAT(svg, HasSubstr("mutant:one"));
  EXPECT_THAT(svg, EndsWith("</svg>\n"));
}

TEST(Said, WordsReadBack) {
  for (const Said said : {Said::nothing, Said::passed, Said::suspicious, Said::fired})
    EXPECT_EQ(said_from(to_string(said)), said);
  EXPECT_FALSE(said_from("perhaps"));
}

}  // namespace
}  // namespace dropcheck::reports
