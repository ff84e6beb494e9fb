// Rows 86 to 95 against a model of PyTorch, and against the model with planted defects.
#include <cmath>

#include "reference/scale_forms.hpp"
#include "suites/dialects/row_testing.hpp"

namespace dropcheck::suites::testing {
namespace {

/// Kept elements get what `form` makes of dy; the call's p and dtype are those of the last forward call.
SpoiledBackend::After remember(Call& last) {
  return [&last](const Call& call, const Expected<Observation>&) { last = call; };
}
SpoiledBackend::AfterBackward kept_by(reference::ScaleForm form, const Call& last) {
  return gradient_with([form, &last](double dy, double dx) {
    if (dx == 0 || last.p == 0 || last.p == 1) return dx;
    return reference::kept_gradient(form, dy, last.p, last.x.view.dtype);
  });
}
double positive_zero(double, double dx) { return dx == 0 ? 0 : dx; }

TEST(GradientRows, PassTheModel) {
  TorchModel model;
  expect_passes({86, 87, 88, 89, 90, 91, 92, 93, 94, 95}, model);
}

TEST(GradientRows, CatchPlantedDefects) {
  using reference::ScaleForm;
  TorchModel model;
  Call last;
  expect_failures(
      {
          {.row = 86,
           .what = "the other reciprocal",
           .said = "it must be x * fl(1/fl(q))",
           .after = remember(last),
           .after_backward = kept_by(ScaleForm::rounded_reciprocal, last)},
          {.row = 86,
           .what = "no scale",
           .said = "it must be",
           .after_backward = gradient_with([](double dy, double dx) { return dx == 0 ? dx : dy; })},
          {.row = 86,
           .what = "the sign of dropped zeros",
           .said = "it must be dy * 0",
           .after_backward = gradient_with(positive_zero)},
          {.row = 87,
           .what = "the other reciprocal",
           .said = "it must be x * fl(1/q)",
           .after = remember(last),
           .after_backward = kept_by(ScaleForm::reciprocal_of_rounded_q, last)},
          {.row = 88,
           .what = "a scaled gradient",
           .said = "it must be",
           .after = remember(last),
           .after_backward = kept_by(ScaleForm::rounded_reciprocal, last)},
          {.row = 88,
           .what = "no dropout without train",
           .said = "no element is dropped",
           .before = [](Call& call) { call.mode = Mode::eval; }},
          {.row = 88,
           .what = "an unscaled output",
           .said = "kept it must be",
           .after = result_where(draws,
                                 [](const Call& call, std::vector<double>& y) {
                                   const std::vector<double> x = read(call.x);
                                   for (std::size_t e = 0; e < y.size(); ++e) y[e] = y[e] == 0 ? y[e] : x[e];
                                 })},
          {.row = 89,
           .what = "(dy mask) / q",
           .said = "it must be x * fl(1/q)",
           .after = remember(last),
           .after_backward = kept_by(ScaleForm::wide_reciprocal_B, last)},
          {.row = 90,
           .what = "a second derivative by x",
           .said = "there is none",
           .after_backward =
               [](const BackwardCall&, Expected<Observation>& seen) {
                 if (seen) (*seen).facts["d2x"] = "some";
               }},
          {.row = 90,
           .what = "the bare mask",
           .said = "d(dx v)/d(dy)",
           .after_backward =
               [](const BackwardCall& call, Expected<Observation>&) {
                 const std::vector<double> v = read(output_named(call.inputs, "v"));
                 std::vector<double> d_dy = read(output_named(call.outputs, "d_dy"));
                 for (std::size_t e = 0; e < v.size(); ++e) d_dy[e] = d_dy[e] == 0 ? d_dy[e] : v[e];
                 write(d_dy, output_named(call.outputs, "d_dy"));
               }},
          {.row = 91,
           .what = "infinities vanish",
           .said = "it must be",
           .after_backward = gradient_with([](double, double dx) { return std::isnan(dx) ? 0 : dx; })},
          {.row = 92,
           .what = "leaves are written to",
           .said = "it must be refused",
           .before = [](Call& call) { call.attributes.clear(); }},
          {.row = 92,
           .what = "other words",
           .said = "expected are 'a leaf",
           .after = refused_with([](std::string& text) { text = "a leaf is written to"; })},
          {.row = 92,
           .what = "refused for p = 0",
           .said = "is refused",
           .after =
               [](const Call& call, Expected<Observation>& seen) {
                 if (call.p == 0)
                   seen =
                       Error{ErrorCode::invalid_argument, "a leaf Variable that requires grad is being used"};
               }},
          {.row = 93,
           .what = "unnoticed",
           .said = "is refused with 'nothing'",
           .after_backward =
               [](const BackwardCall& call, Expected<Observation>& seen) {
                 write(read(call.dy), call.dx);
                 seen = Observation{};
               }},
          {.row = 93,
           .what = "p = 0 loses the factor of exp",
           .said = "it must be dy exp(1)",
           .after_backward = gradient_with([](double dy, double) { return dy; })},
          {.row = 94,
           .what = "the gradient reads the overwritten result",
           .said = "it must be",
           .after_backward = gradient_with([](double, double) { return 0.0; })},
          {.row = 94,
           .what = "an error",
           .said = "the gradient of call",
           .after_backward =
               [](const BackwardCall&, Expected<Observation>& seen) {
                 seen = Error{ErrorCode::invalid_argument, "modified by an inplace operation"};
               }},
          {.row = 95,
           .what = "a write too many",
           .said = "version counter",
           .after = told([](const Call&, Observation& seen) { ++*seen.version_delta; })},
          {.row = 95,
           .what = "no batch dimension, one write",
           .said = "it must be 3",
           .after = told([](const Call&, Observation& seen) {
             if (seen.version_delta == 3) seen.version_delta = 1;
           })},
      },
      model);
}

}  // namespace
}  // namespace dropcheck::suites::testing
