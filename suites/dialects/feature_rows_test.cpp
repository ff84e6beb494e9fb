// Rows 55 to 67 against a model of PyTorch, and against the model with planted defects.
#include "suites/dialects/row_testing.hpp"

namespace dropcheck::suites::testing {
namespace {

void flip_second(const Call&, std::vector<double>& y) {
  if (y.size() > 1) y[1] = y[1] == 0 ? 7 : 0;
}

/// The first index of the first dimension decides for all of them.
void share_rows(const Call& call, std::vector<double>& y) {
  const std::size_t row = y.size() / static_cast<std::size_t>(call.x.view.shape.at(0));
  for (std::size_t e = row; e < y.size(); ++e) y[e] = y[e % row];
}

TEST(FeatureRows, PassTheModel) {
  TorchModel model;
  expect_passes({55, 56, 57, 58, 59, 61, 63, 64, 67}, model);
}

TEST(FeatureRows, CatchPlantedDefects) {
  TorchModel model;
  const auto all = [](const Call&) { return true; };
  const auto one_more_word = told([](const Call&, Observation& seen) {
    if (seen.rng_words) ++*seen.rng_words;
  });
  const auto warns = told([](const Call&, Observation& seen) { seen.warnings.emplace_back("deprecated"); });
  expect_failures(
      {
          {.row = 55,
           .what = "an element against its channel",
           .said = "belong to one place",
           .after = result_where(draws,
                                 [](const Call& call, std::vector<double>& y) {
                                   if (call.x.view.shape.size() > 2) flip_second(call, y);
                                 })},
          {.row = 55,
           .what = "one draw for a whole batch",
           .said = "dimension 0 are dropped together",
           .after = result_where(draws, share_rows)},
          {.row = 56,
           .what = "accepted",
           .said = "it must be refused",
           .after = [](const Call&, Expected<Observation>& seen) { seen = Observation{}; }},
          {.row = 56,
           .what = "other words",
           .said = "expected are 'Feature dropout",
           .after = refused_with([](std::string& text) { text = "needs 2 dimensions"; })},
          {.row = 57,
           .what = "refused",
           .said = "is refused",
           .after =
               [](const Call&, Expected<Observation>& seen) {
                 seen = Error{ErrorCode::invalid_argument, "Feature dropout requires at least 2 dimensions"};
               }},
          {.row = 57,
           .what = "p = 1 keeps",
           .said = "it must be 0",
           .after = result_where([](const Call& call) { return call.p == 1; },
                                 [](const Call&, std::vector<double>& y) { y[0] = 1; })},
          {.row = 57,
           .what = "a changed element",
           .said = "differ from the input",
           .after = result_where([](const Call& call) { return call.p == 0; },
                                 [](const Call&, std::vector<double>& y) { y[0] += 1; })},
          {.row = 57, .what = "draws for nothing", .said = "it must use 0", .after = one_more_word},
          {.row = 58, .what = "a word too many", .said = "it must use", .after = one_more_word},
          {.row = 59,
           .what = "another stream for channels",
           .said = "masks their channel",
           .before =
               [](Call& call) {
                 if (drops_channels(call.op)) call.seed = *call.seed + 1;
               }},
          {.row = 59,
           .what = "the alpha mask inverted",
           .said = "masks their channel",
           .before =
               [](Call& call) {
                 if (is_alpha(call.op)) call.seed = *call.seed ^ 5;
               }},
          {.row = 61,
           .what = "another mask without a batch",
           .said = "batch dimension",
           .before =
               [](Call& call) {
                 if (call.x.view.shape.size() == 4) call.seed = *call.seed + 1;
               }},
          {.row = 61,
           .what = "elements against their channel",
           .said = "belong to one place",
           .after = result_where(all, flip_second)},
          {.row = 63,
           .what = "read as (N, C, L)",
           .said = "belong to one place",
           .before = [](Call& call) { call.attributes.clear(); }},
          {.row = 63, .what = "a warning", .said = "must say nothing", .after = warns},
          {.row = 63, .what = "a word too many", .said = "it must use", .after = one_more_word},
          {.row = 63,
           .what = "eval changes",
           .said = "differ from the input",
           .after = result_where([](const Call& call) { return call.mode == Mode::eval; }, flip_second)},
          {.row = 64,
           .what = "two dimensions of the mask",
           .said = "belong to one place",
           .before =
               [](Call& call) {
                 if (call.x.view.shape.size() > 1) call.attributes.clear();
               }},
          {.row = 64, .what = "a warning", .said = "must say nothing", .after = warns},
          {.row = 67,
           .what = "the dimension taken back",
           .said = "must leave the caller's tensor with shape",
           .after = refused_with([](std::string& text) { text = text.substr(0, text.find(';')); })},
          {.row = 67,
           .what = "a batch that is changed",
           .said = "must leave its tensor as it was",
           .after = refused_with([](std::string& text) {
             if (text.find(';') == std::string::npos) text += "; the input now has shape [1]";
           })},
          {.row = 67,
           .what = "other words",
           .said = "expected are 'result type Float",
           .after = refused_with([](std::string& text) { text = text.substr(text.find("output")); })},
      },
      model);
}

}  // namespace
}  // namespace dropcheck::suites::testing
