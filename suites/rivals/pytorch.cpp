// PyTorch: the tests of its layers, and those of its native operators and of attention with a regenerated
// mask. The restated rows are those of suites/pytorch_tests.cpp.

#include <algorithm>

#include "suites/dialects/row_steps.hpp"
#include "suites/foreign_looks.hpp"
#include "suites/pytorch_tests.hpp"
#include "suites/rivals/rival_looks.hpp"

namespace dropcheck::suites {
namespace {

/// One of the rows that stand among our checks as well.
RivalTest of_row(const char* name, const char* cannot_see) {
  const auto rows = foreign_rows();
  const auto row = std::find_if(rows.begin(), rows.end(),
                                [&](const ForeignRow& r) { return std::string_view(r.name) == name; });
  DROPCHECK_CHECK(row != rows.end() && row->steps != nullptr);
  return {.name = row->name,
          .title = row->title,
          .foreign = row->foreign,
          .cannot_see = cannot_see,
          .steps = row->steps,
          .judge = row->judge};
}

/// A row's steps through the operator itself: the module calls nothing else, and few backends have one.
std::vector<Step> without_form(const char* row) {
  std::vector<Step> steps = of_row(row, "").steps();
  for (Step& step : steps) step.attributes.erase("form");
  return steps;
}
std::vector<Step> cpp_module_steps() { return without_form("cpp_modules"); }
std::vector<Step> cpp_channel_module_steps() { return without_form("cpp_channel_modules"); }

RivalTest with_steps(RivalTest test, std::vector<Step> (*steps)()) {
  test.steps = steps;
  return test;
}

constexpr const char* kMeanIsBlind =
    "where the drops lie, whether calls share a mask, and whose mask the gradient has: keeping exactly the "
    "first "
    "four fifths of the elements passes";
constexpr const char* kValuesOnly = "anything that is drawn";

// --- attention: the mask is generated again from its seed, and output and gradient are compared with it

constexpr double kAttentionP = 0.22;
constexpr double kMathPath = 1e-4;

std::vector<Step> regenerated_steps() {
  std::vector<Step> steps;
  unsigned slot = 0;
  for (const std::int64_t q : {4, 8, 64, 128, 256})
    for (const std::int64_t k : {8, 256}) {
      const Problem x = problem_of(kAttentionP, {1, 4, q, k});
      steps.push_back(with_gradient(seeded_step(x, Input::random_reals, slot), Input::random_reals));
      steps.push_back(seeded_step(x, Input::ones, slot++));
    }
  return steps;
}
void regenerated_mask_fits(RivalTrial& trial) {
  for (std::size_t i = 0; i + 1 < trial.size(); i += 2) {
    require_mask_of(trial, i, i + 1);
    require_kept_values(trial, i, kMathPath, kMathPath);
    require_gradient_by_output(trial, i, kMathPath, kMathPath);
  }
}

}  // namespace

RivalSuite pytorch_nn_rival() {
  return {{"pytorch_nn", "PyTorch's tests of its dropout layers",
           "pytorch/pytorch, test/nn/test_dropout.py and test/cpp/api/modules.cpp"},
          {of_row("alpha_dropout", kMeanIsBlind), of_row("feature_alpha_dropout", kMeanIsBlind),
           of_row("invalid_dropout_p", kValuesOnly), of_row("dropout_mean", kMeanIsBlind),
           of_row("dropout_eval", kValuesOnly),
           of_row("discontiguous", "rates of drops above 1e-10, and anything else that is drawn"),
           of_row("dropoutnd_channel_zero", "which channels are dropped, and gradients"),
           of_row("dropoutnd_no_batch", "anything that both forms do alike"),
           of_row("empty_dropout", kValuesOnly),
           with_steps(of_row("cpp_modules", kMeanIsBlind), cpp_module_steps),
           with_steps(of_row("cpp_channel_modules", kMeanIsBlind), cpp_channel_module_steps)}};
}

RivalSuite pytorch_native_rival() {
  return {
      {"pytorch_native", "PyTorch's tests of its native operators, and of attention",
       "pytorch/pytorch, test/nn/test_dropout.py, torch/testing (samples of operators) and "
       "test/test_transformers.py (pull request 102038)"},
      {of_row("native_dropout_corner_case", "everything between p = 0 and p = 1"),
       of_row("stride_mean_preserve", kMeanIsBlind),
       of_row("operator_samples", "anything that both variants do alike"),
       {.name = "regenerated_mask",
        .title = "output and gradient follow the mask that the same seed gives again",
        .foreign = {"test/test_transformers.py: attention against its math path, the mask generated again "
                    "from seed and offset; p = 0.22, heads of 4, f32; their precision is a factor times the "
                    "error of the math path, here 1e-4",
                    "no error of the rate at all; any other mask in the gradient, and a kept value off by "
                    "1e-4 of itself",
                    "gradient_consistency.same_mask"},
        .cannot_see = "whether the mask itself is right: the same generator gives it twice",
        .steps = regenerated_steps,
        .judge = regenerated_mask_fits,
        .needs = {Feature::seeds}}}};
}

}  // namespace dropcheck::suites
