// gradient_consistency.numerical: the gradient against central differences in f64, with the mask frozen by
// the seed. Each element is moved alone, so that the whole Jacobian is seen: nothing is taken for granted
// about which outputs an input reaches. Dropout is linear in x, so the differences have no truncation error,
// and the step can be as large as x.

#include <algorithm>
#include <array>
#include <cmath>

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dialects/row_check.hpp"
#include "suites/dialects/row_layers.hpp"
#include "suites/dialects/row_steps.hpp"

namespace dropcheck::suites {
namespace {

constexpr std::array kOps = {Op::dropout, Op::alpha_dropout};
constexpr std::array kRates = {0.3, 0.6};
constexpr std::int64_t kElements = 17;
constexpr double kStep = 0.5;
/// Of the sum of what each output contributes. Rounding takes less than 2^-48 of it; the rest leaves room for
/// a factor that is kept in f32 in one of the two passes (gradient_consistency.value judges factors to the
/// bit).
constexpr double kTolerance = 0x1p-20;
/// Calls of one operator and p: the gradient, then each element moved up and down.
constexpr std::size_t kCalls = 1 + 2 * static_cast<std::size_t>(kElements);

/// Multiples of 1/8 of both signs, none of them 0; x + kStep and x - kStep are exact.
std::vector<double> point() {
  std::vector<double> x;
  for (std::int64_t i = 0; i < kElements; ++i)
    x.push_back((i % 2 == 0 ? 1.0 : -1.0) * (1.625 + 0.125 * static_cast<double>(i)));
  return x;
}

std::vector<Step> numerical_steps() {
  std::vector<Step> steps;
  for (const Op op : kOps)
    for (const double p : kRates) {
      const Step base = seeded_step(problem_of(p, {kElements}, DType::f64, op), Input::random_reals);
      steps.push_back(base);
      steps.back().values = point();
      steps.back().upstream = Input::random_reals;
      for (std::size_t j = 0; j < static_cast<std::size_t>(kElements); ++j)
        for (const double by : {kStep, -kStep}) {
          steps.push_back(base);
          steps.back().values = point();
          steps.back().values[j] += by;
        }
    }
  return steps;
}

class Numerical final : public RepliesCheck {
 public:
  explicit Numerical(const Dialect& dialect)
      : RepliesCheck(catalogue_row("gradient_consistency.numerical", dialect)) {}

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const std::vector<Step> steps = numerical_steps();
    RowTrial trial(steps, replies_of(seen), context);
    double worst = 0;
    for (std::size_t i = 0; i < trial.size(); ++i)
      if (trial.step(i).upstream && gradient_answered(trial, i)) compare(trial, i, worst);
    trial.note(fmt::format("the largest difference is {:.2g} of what is summed, {:.2g} are allowed", worst,
                           kTolerance));
    return trial.judgement("the gradient is that of central differences in f64 under the same seed");
  }

 private:
  static void compare(RowTrial& trial, std::size_t i, double& worst) {
    const std::vector<double> dy = numbers(trial, i, trial.reply(i).dy),
                              dx = numbers(trial, i, trial.reply(i).dx);
    const std::size_t first = trial.reply(i).index;
    for (std::size_t j = 0; j < dx.size(); ++j) {
      const std::size_t up = beside(trial, i, first + 1 + 2 * j), down = beside(trial, i, first + 2 + 2 * j);
      if (!trial.answered(up) || !trial.answered(down)) return;
      const std::vector<double> above = numbers(trial, up, trial.reply(up).y),
                                below = numbers(trial, down, trial.reply(down).y);
      double sum = 0, magnitude = 0;
      for (std::size_t k = 0; k < dy.size(); ++k) {
        const double slope = (above[k] - below[k]) / (2 * kStep);
        sum += slope * dy[k];
        magnitude += std::abs(slope * dy[k]);
      }
      // Where no output moves, dx is 0; what is left of the roundings of an alpha output is far below this.
      const double scale = std::max(magnitude, std::abs(dy[j]));
      const double difference = std::abs(sum - dx[j]) / scale;
      if (difference <= kTolerance) worst = std::max(worst, difference);
      trial.require(difference <= kTolerance, [&] {
        return fmt::format(
            "{}: element {}: dx is {:.12g}, and moving x there by {} either way under the same seed gives "
            "{:.12g} for dy = {:.9g}",
            trial.place(i), j, dx[j], kStep, sum, dy[j]);
      });
    }
  }
};

}  // namespace

void add_gradient_numerical(Registry& registry, const Dialect& dialect) {
  registry.add_protocol(own_protocol("gradient_numerical",
                                     "small tensors in f64, moved element by element under one seed",
                                     numerical_steps, problem_of(kRates[0], {kElements}, DType::f64)));
  registry.add_check(std::make_unique<Numerical>(dialect));
}

}  // namespace dropcheck::suites
