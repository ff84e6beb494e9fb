// Row 76 against a model of PyTorch, and against the model with planted defects.
#include "suites/dialects/row_testing.hpp"

namespace dropcheck::suites::testing {
namespace {

TEST(RateRows, PassTheModel) {
  TorchModel model;
  expect_passes({76}, model);
}

TEST(RateRows, CatchPlantedDefects) {
  TorchModel model;
  expect_failures(
      {
          {.row = 76,
           .what = "drops 15 % too often",
           .said = "are dropped where p = 0.1",
           .before =
               [](Call& call) {
                 if (call.p < .2) call.p *= 1.15;
               }},
          {.row = 76,
           .what = "only a channel operator",
           .said = "dropout2d at p = 0.3",
           .before =
               [](Call& call) {
                 if (call.op == Op::dropout2d) call.p = .33;
               }},
          {.row = 76,
           .what = "only an alpha operator",
           .said = "alpha_dropout at p = 0.3",
           .before =
               [](Call& call) {
                 if (call.op == Op::alpha_dropout) call.p = .33;
               }},
          {.row = 76,
           .what = "declares another rate",
           .said = "declares the drop probability",
           .after = told([](const Call&, Observation& seen) { seen.effective_p = .25; })},
      },
      model);
}

}  // namespace
}  // namespace dropcheck::suites::testing
