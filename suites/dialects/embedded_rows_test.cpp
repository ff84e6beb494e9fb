// Rows 96 to 102 against a model of PyTorch, and against the model with planted defects.
#include "suites/dialects/row_testing.hpp"

namespace dropcheck::suites::testing {
namespace {

TEST(EmbeddedRows, PassTheModel) {
  TorchModel model;
  expect_passes({96, 97, 98, 99, 100, 101, 102}, model);
}

/// Changes a further output of calls in training (or of all of them).
template <typename Change>
SpoiledBackend::After output_with(const std::string& name, Change change) {
  return [name, change](const Call& call, const Expected<Observation>& seen) {
    if (!seen) return;
    std::vector<double> numbers = read(output_named(call.outputs, name));
    change(call, numbers);
    write(numbers, output_named(call.outputs, name));
  };
}

TEST(EmbeddedRows, CatchPlantedDefects) {
  TorchModel model;
  const auto all = [](const Call&) { return true; };
  const auto two_words_less = told([](const Call&, Observation& seen) {
    if (seen.rng_words.value_or(0) > 0) *seen.rng_words -= 2;
  });
  expect_failures(
      {
          {.row = 96,
           .what = "no warning",
           .said = "expected is 'dropout option",
           .after = told([](const Call&, Observation& seen) { seen.warnings.clear(); })},
          {.row = 96,
           .what = "a warning for p = 0",
           .said = "must say nothing",
           .after = told([](const Call& call, Observation& seen) {
             if (call.p == 0) seen.warnings.emplace_back("dropout option adds dropout");
           })},
          {.row = 96,
           .what = "one layer draws",
           .said = "must use 0",
           .after = told([](const Call&, Observation& seen) { seen.rng_words = 80; })},
          {.row = 96,
           .what = "one layer drops",
           .said = "with and without dropout",
           .after = result_where(
               [](const Call& call) { return draws(call) && form_of(call.attributes) == "lstm"; },
               [](const Call&, std::vector<double>& y) { y[7] = 0; })},
          {.row = 96,
           .what = "all results are wrong alike",
           .said = "without dropout it is",
           .after = result_where(all, [](const Call&, std::vector<double>& y) { y[7] = 0; })},
          {.row = 97,
           .what = "the operators' words",
           .said = "expected are 'dropout should be",
           .after = refused_with(
               [](std::string& text) { text = "dropout probability has to be between 0 and 1"; })},
          {.row = 97,
           .what = "NaN accepted",
           .said = "it must be refused",
           .after =
               [](const Call& call, Expected<Observation>& seen) {
                 if (call.p != call.p) seen = Observation{};
               }},
          {.row = 98, .what = "an element less", .said = "it must use", .after = two_words_less},
          {.row = 99,
           .what = "the last layer is dropped too",
           .said = "sequence",
           .after = result_where(draws, [](const Call&, std::vector<double>& y) { y[1] = 0; })},
          {.row = 99,
           .what = "no scale",
           .said = "a whole number",
           .after = result_where(draws,
                                 [](const Call& call, std::vector<double>& y) {
                                   for (double& value : y) value *= 1 - call.p;
                                 })},
          {.row = 99,
           .what = "h_n is dropped",
           .said = "taken before dropout",
           .after = output_with("h_n", [](const Call&, std::vector<double>& h) { h[3] = 0; })},
          {.row = 99,
           .what = "p = 1 keeps",
           .said = "that must be 0",
           .before =
               [](Call& call) {
                 if (call.p == 1) call.p = 0;
               }},
          {.row = 99,
           .what = "a rate that is off",
           .said = "between the layers",
           .after =
               [](const Call& call, const Expected<Observation>& seen) {
                 if (!seen || !draws(call)) return;
                 for (const CallTensor* tensor : {&call.y, &output_named(call.outputs, "h_n")}) {
                   std::vector<double> numbers = read(*tensor);
                   for (double& value : numbers)  // 30 ones more are kept
                     if (value != 10) value += 30 * 10 / (1 - call.p);
                   write(numbers, *tensor);
                 }
               }},
          {.row = 100,
           .what = "eval turns it off",
           .said = "weights are not",
           .before =
               [](Call& call) {
                 if (call.mode == Mode::eval && call.p == .1) call.p = 0;
               }},
          {.row = 100,
           .what = "weights from before dropout",
           .said = "",
           .after = output_with("weights",
                                [](const Call&, std::vector<double>& w) {
                                  for (double& value : w) value = .125;
                                })},
          {.row = 100,
           .what = "another result than the weights give",
           .said = "weights of its row",
           .after = result_where(all, [](const Call&, std::vector<double>& y) { y[4] += .01; })},
          {.row = 100, .what = "an element less", .said = "it must use", .after = two_words_less},
          {.row = 101,
           .what = "weights from before dropout",
           .said = "weights are not",
           .after = output_with("weights",
                                [](const Call&, std::vector<double>& w) {
                                  for (double& value : w) value = .125;
                                })},
          {.row = 101,
           .what = "eval drops",
           .said = "weights are not",
           .before = [](Call& call) { call.mode = Mode::train; }},
          {.row = 101,
           .what = "a result of other weights",
           .said = "with the returned weights it is",
           .after = result_where(draws, [](const Call&, std::vector<double>& y) { y[4] += .01; })},
          {.row = 101, .what = "an element less", .said = "it must use", .after = two_words_less},
          {.row = 102, .what = "an element less", .said = "it must use", .after = two_words_less},
          {.row = 102,
           .what = "eval draws",
           .said = "it must use 0",
           .after = told([](const Call& call, Observation& seen) {
             if (call.mode == Mode::eval) seen.rng_words = 840;
           })},
      },
      model);
}

}  // namespace
}  // namespace dropcheck::suites::testing
