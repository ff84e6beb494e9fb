// embedding.mc_passes: passes of MC dropout (Gal and Ghahramani 2016, "Dropout as a Bayesian approximation"):
// the network in eval mode, its dropout alone in training.

#include "suites/dialects/row_layers.hpp"
#include "suites/embedding/embedding_check.hpp"
#include "suites/embedding/normalised_network.hpp"
#include "suites/embedding/parameters.hpp"
#include "suites/embedding/site_mask.hpp"

namespace dropcheck::suites::embedding {
namespace {

constexpr std::int64_t kRows = 16, kUnits = 128;
// A variance whose root is exact, a mean and a shift that keep all activations positive; none are those of
// the batch.
constexpr NormState kState{8, 0.5, 4};
constexpr double kTolerance = 1e-4;

enum Place : std::size_t { kFirst, kSecond, kEval, kNoDrop, kOther, kPlaces };

std::vector<Step> steps() {
  std::vector<Step> asked;
  for (const Norm norm : kNorms) {
    const auto pass = [&](double p) {
      Step step = normalised_step(kRows, kUnits, norm, kState, p);
      step.attributes["modes"] = std::string("mc");
      return step;
    };
    asked.push_back(pass(kMaskP));
    asked.push_back(continued(pass(kMaskP)));
    asked.push_back(normalised_step(kRows, kUnits, norm, kState, kMaskP, Mode::eval));
    asked.push_back(pass(0));
    asked.push_back(pass(0.2));
  }
  return asked;
}

/// The result for an element of x that was multiplied by `factor` where dropout is.
double wanted(Norm norm, double x, double factor) {
  if (norm == Norm::before) return normalised(x, kState.mean, kState.variance, kState.shift) * factor;
  if (norm == Norm::after) return normalised(x * factor, kState.mean, kState.variance, kState.shift);
  return x * factor;
}

void judge_statistics_untouched(RowTrial& trial, std::size_t i) {
  for (const auto& [name, value] : {std::pair{kRunningMean, kState.mean}, {kRunningVar, kState.variance}})
    require_all_near(trial, i, numbers(trial, i, trial.reply(i).extra.at(name)), value, 0,
                     fmt::format("{} as it was before the pass", name));
}

void judge_plain(RowTrial& trial, std::size_t i, Norm norm, const char* what) {
  const std::vector<double> x = numbers(trial, i, trial.reply(i).x), y = numbers(trial, i, trial.reply(i).y);
  std::uint64_t wrong = 0;
  std::size_t first = 0;
  for (std::size_t e = 0; e < y.size(); ++e)
    if (!near(y[e], wanted(norm, x[e], 1), kTolerance) && wrong++ == 0) first = e;
  trial.require_all(y.size(), wrong, [&] {
    return fmt::format("{}: {} of {} elements are not what {} gives; element {} is {:.6g} for {:.6g}",
                       trial.place(i), wrong, y.size(), what, first, y[first], wanted(norm, x[first], 1));
  });
}

SiteMask judge_pass(RowTrial& trial, std::size_t i, Norm norm) {
  SiteMask mask = unseen_mask("the mask of a pass", {kRows, kUnits});
  const std::vector<double> x = numbers(trial, i, trial.reply(i).x), y = numbers(trial, i, trial.reply(i).y);
  const double scale = 1 / (1 - trial.step(i).problem.p);
  std::uint64_t wrong = 0;
  std::size_t first = 0;
  for (std::size_t e = 0; e < y.size(); ++e) {
    if (near(y[e], wanted(norm, x[e], 0), kTolerance)) mask.entries[e] = Entry::dropped;
    else if (near(y[e], wanted(norm, x[e], scale), kTolerance)) mask.entries[e] = Entry::kept;
    else if (wrong++ == 0) first = e;
  }
  trial.require_all(y.size(), wrong, [&] {
    return fmt::format(
        "{}: {} of {} elements are neither those of a dropped nor of a kept unit with everything "
        "else in eval mode; element {} is {:.6g}, kept it is {:.6g} and dropped {:.6g}",
        trial.place(i), wrong, y.size(), first, y[first], wanted(norm, x[first], scale),
        wanted(norm, x[first], 0));
  });
  require_active(trial, i, mask);
  return mask;
}

void judge(RowTrial& trial) {
  for (std::size_t i = 0; i + kPlaces <= trial.size(); i += kPlaces) {
    const Norm norm = kNorms[trial.reply(i).index / kPlaces];
    for (std::size_t place = 0; place < kPlaces; ++place) {
      if (!trial.answered(i + place)) continue;
      if (norm != Norm::none) judge_statistics_untouched(trial, i + place);
      const bool draws = place != kEval && place != kNoDrop;
      require_cpu_words(trial, i + place, draws ? 2 * kRows * kUnits : 0);
      if (place == kEval) judge_plain(trial, i + place, norm, "eval mode");
      if (place == kNoDrop) judge_plain(trial, i + place, norm, "a pass with p = 0");
      if (place == kOther) judge_pass(trial, i + place, norm);
    }
    if (!trial.answered(i + kFirst) || !trial.answered(i + kSecond)) continue;
    const SiteMask first = judge_pass(trial, i + kFirst, norm);
    SiteMask second = judge_pass(trial, i + kSecond, norm);
    second.name = "that of the next pass";
    require_unshared(trial, i + kFirst, first, 0, "rows of the batch");
    require_unshared(trial, i + kFirst, first, 1, "units");
    require_different(trial, i + kSecond, first, second);
  }
}

}  // namespace

Definition mc_passes() {
  return {"embedding.mc_passes",
          "embedding_mc_passes",
          "passes of MC dropout through networks with and without batch normalisation",
          problem_of(kMaskP, {kRows, kUnits}),
          steps,
          judge,
          "each pass and each row has a mask of its own, and batch normalisation stays in eval mode"};
}

}  // namespace dropcheck::suites::embedding
