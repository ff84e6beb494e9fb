// Rows 68 to 75 against a model of PyTorch, and against the model with planted defects.
#include <cmath>

#include "reference/scale_forms.hpp"
#include "suites/dialects/row_testing.hpp"

namespace dropcheck::suites::testing {
namespace {

bool alpha_draws(const Call& call) { return draws(call) && is_alpha(call.op); }

bool is_dropped(const Call& call, double x, double y) {
  const auto branches = reference::alpha_values(x, call.p, call.x.view.dtype);
  return std::abs(y - branches.dropped) < std::abs(y - branches.kept);
}

TEST(AlphaRows, PassTheModel) {
  TorchModel model;
  expect_passes({68, 69, 70, 71, 72, 73, 74, 75}, model);
}

TEST(AlphaRows, CatchPlantedDefects) {
  TorchModel model;
  const auto all = [](const Call&) { return true; };
  const auto at_one = [](const Call& call) { return call.p == 1; };
  expect_failures(
      {
          {.row = 68,
           .what = "the flag is honoured",
           .said = "differ from the input",
           .before = [](Call& call) { call.attributes.clear(); },
           .after = told([](const Call& call, Observation& seen) {
             if (is_alpha(call.op)) seen.aliases_input = false;
           })},
          {.row = 68,
           .what = "the input comes back",
           .said = "must return a new tensor",
           .after = told([](const Call&, Observation& seen) { seen.aliases_input = true; })},
          {.row = 68,
           .what = "a write of the same values",
           .said = "version counter",
           .after = told([](const Call&, Observation& seen) { seen.version_delta = 1; })},
          {.row = 69,
           .what = "training by default",
           .said = "differ from the input",
           .before = [](Call& call) { call.mode = Mode::train; }},
          {.row = 69,
           .what = "a copy",
           .said = "must return the input itself",
           .after = told([](const Call&, Observation& seen) { seen.aliases_input = false; })},
          {.row = 69,
           .what = "draws for nothing",
           .said = "must use 0",
           .after = told([](const Call&, Observation& seen) { seen.rng_words = 4; })},
          {.row = 70,
           .what = "p = 0.25 by default",
           .said = "neither 0 nor twice",
           .before =
               [](Call& call) {
                 if (!call.attributes.empty()) call.p = .25;
               }},
          {.row = 70,
           .what = "eval by default",
           .said = "neither 0 nor twice",
           .before =
               [](Call& call) {
                 if (!call.attributes.empty()) call.mode = Mode::eval;
               }},
          {.row = 70,
           .what = "another mask",
           .said = "without arguments",
           .before =
               [](Call& call) {
                 if (!call.attributes.empty()) call.seed = *call.seed + 1;
               }},
          {.row = 71,
           .what = "the kept shift has the other sign",
           .said = "becomes",
           .after = result_where(alpha_draws,
                                 [](const Call& call, std::vector<double>& y) {
                                   const std::vector<double> x = read(call.x);
                                   for (std::size_t e = 0; e < y.size(); ++e)
                                     if (!is_dropped(call, x[e], y[e]))
                                       y[e] -= 2 * (reference::alpha_values(0, call.p, DType::f64).kept);
                                 })},
          {.row = 71,
           .what = "one unit in the last place",
           .said = "to the bit",
           .after = result_where(alpha_draws,
                                 [](const Call& call, std::vector<double>& y) {
                                   if (call.x.view.dtype == DType::f32)
                                     y[3] =
                                         static_cast<double>(std::nextafter(static_cast<float>(y[3]), 1e9f));
                                 })},
          {.row = 71,
           .what = "nothing is dropped",
           .said = "no element is dropped",
           .before =
               [](Call& call) {
                 if (is_alpha(call.op) && call.p < .5) call.mode = Mode::eval;
               },
           .after = result_where(alpha_draws,
                                 [](const Call& call, std::vector<double>& y) {
                                   for (double& value : y)
                                     value = reference::alpha_values(value, call.p, DType::f64).kept;
                                 })},
          {.row = 72,
           .what = "a shifted mean",
           .said = "mean of the output",
           .after = result_where(all,
                                 [](const Call&, std::vector<double>& y) {
                                   for (double& value : y) value += .1;
                                 })},
          {.row = 72,
           .what = "a larger variance",
           .said = "second moment",
           .after = result_where(all,
                                 [](const Call&, std::vector<double>& y) {
                                   for (std::size_t e = 0; e < y.size(); ++e) y[e] *= 1.05;
                                 })},
          {.row = 72,
           .what = "NaN",
           .said = "not finite",
           .after = result_where(all, [](const Call&, std::vector<double>& y) { y[9] = std::nan(""); })},
          {.row = 73,
           .what = "the value of a dropped element",
           .said = "it must be",
           .after =
               result_where(at_one, [](const Call&, std::vector<double>& y) { y[0] = -1.7580993408473766; })},
          {.row = 73,
           .what = "NaN vanishes",
           .said = "it must be nan",
           .after = result_where(at_one,
                                 [](const Call&, std::vector<double>& y) {
                                   for (double& value : y) value = std::isnan(value) ? 0 : value;
                                 })},
          {.row = 73,
           .what = "a sign is lost",
           .said = "it must be -0",
           .after = result_where(at_one,
                                 [](const Call&, std::vector<double>& y) {
                                   for (double& value : y) value = value == 0 ? 0 : value;
                                 })},
          {.row = 74,
           .what = "the gain left out",
           .said = "it must be x * fl(a)",
           .after_backward = gradient_with([](double dy, double dx) { return dx == 0 ? dx : dy; })},
          {.row = 74,
           .what = "dropped elements have a gradient",
           .said = "it must be dy * 0",
           .after_backward = gradient_with([](double dy, double dx) { return dx == 0 ? dy : dx; })},
          {.row = 75,
           .what = "an element against its channel",
           .said = "belong to one place",
           .after = result_where(all,
                                 [](const Call& call, std::vector<double>& y) {
                                   if (call.x.view.shape.size() == 2) return;
                                   const auto branches = reference::alpha_values(1, call.p, DType::f32);
                                   y[1] = is_dropped(call, 1, y[1]) ? branches.kept : branches.dropped;
                                 })},
          {.row = 75,
           .what = "neither branch",
           .said = "it must be",
           .after = result_where(all, [](const Call&, std::vector<double>& y) { y[5] += .01; })},
      },
      model);
}

}  // namespace
}  // namespace dropcheck::suites::testing
