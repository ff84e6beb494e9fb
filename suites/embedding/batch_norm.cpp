// embedding.batch_norm: batch normalisation beside dropout. What it sees in training is what dropout left,
// with another variance than in eval: Li, Chen, Hu and Yang (2019), "Understanding the disharmony between
// dropout and batch normalization by variance shift".

#include <algorithm>
#include <cmath>

#include "suites/dialects/row_layers.hpp"
#include "suites/embedding/embedding_check.hpp"
#include "suites/embedding/normalised_network.hpp"
#include "suites/embedding/parameters.hpp"
#include "suites/embedding/site_mask.hpp"

namespace dropcheck::suites::embedding {
namespace {

constexpr std::int64_t kRows = 128, kUnits = 64;
constexpr NormState kState{8, 0.5, 4};
constexpr double kTolerance = 1e-3;  // of normalised numbers, whose variance is a sum over 128 rows in f32

enum Place : std::size_t { kTrain, kOther, kEval, kPlaces };

std::vector<Step> steps() {
  std::vector<Step> asked;
  for (const Norm norm : {Norm::before, Norm::after}) {
    asked.push_back(normalised_step(kRows, kUnits, norm, kState, kMaskP));
    asked.push_back(normalised_step(kRows, kUnits, norm, kState, 0.2));
    asked.push_back(normalised_step(kRows, kUnits, norm, kState, kMaskP, Mode::eval));
  }
  return asked;
}

/// Mean and variances of one unit over the batch.
struct Moments {
  double mean = 0, unbiased = 0;
  double biased() const { return unbiased * static_cast<double>(kRows - 1) / static_cast<double>(kRows); }
};
Moments moments_of(const std::vector<double>& v, std::size_t unit) {
  Moments m;
  for (std::size_t e = unit; e < v.size(); e += kUnits) m.mean += v[e] / static_cast<double>(kRows);
  for (std::size_t e = unit; e < v.size(); e += kUnits)
    m.unbiased += (v[e] - m.mean) * (v[e] - m.mean) / static_cast<double>(kRows - 1);
  return m;
}

/// Whether the element was dropped, without a look at the statistics. Before dropout: the result is 0. After
/// it: normalisation keeps the order, and a dropped 0 lies below every kept x.
std::vector<bool> dropped_elements(Norm norm, const std::vector<double>& y) {
  std::vector<bool> dropped(y.size());
  for (std::size_t unit = 0; unit < static_cast<std::size_t>(kUnits); ++unit) {
    double least = y[unit];
    for (std::size_t e = unit; e < y.size(); e += kUnits) least = std::min(least, y[e]);
    for (std::size_t e = unit; e < y.size(); e += kUnits)
      dropped[e] = norm == Norm::before ? y[e] == 0 : near(y[e], least, kTolerance);
  }
  return dropped;
}

struct Sums {
  double train = 0, eval = 0, theory = 0;  // of the units' variances
};

/// Expected unbiased variance of the units' numbers after dropout: h b / q with h fixed, b of Bernoulli(q).
/// Its large-sample form is (v + c^2)/q - c^2 with mean c and variance v of h (Li et al., eq. 9).
double variance_after_dropout(const std::vector<double>& h, std::size_t unit, double q) {
  double sum = 0, squares = 0;
  for (std::size_t e = unit; e < h.size(); e += kUnits) {
    sum += h[e];
    squares += h[e] * h[e];
  }
  const auto n = static_cast<double>(kRows);
  return squares / q / n - (sum * sum - squares) / (n * (n - 1));
}

void judge_training(RowTrial& trial, std::size_t i, Norm norm) {
  const std::vector<double> x = numbers(trial, i, trial.reply(i).x), y = numbers(trial, i, trial.reply(i).y);
  const std::vector<double> mean = numbers(trial, i, trial.reply(i).extra.at(kRunningMean)),
                            variance = numbers(trial, i, trial.reply(i).extra.at(kRunningVar));
  const double q = 1 - trial.step(i).problem.p;
  const std::vector<bool> dropped = dropped_elements(norm, y);
  SiteMask mask = unseen_mask("the mask beside batch normalisation", {kRows, kUnits});
  std::vector<double> seen = x;  // by the normalisation
  for (std::size_t e = 0; e < x.size(); ++e) {
    mask.entries[e] = dropped[e] ? Entry::dropped : Entry::kept;
    if (norm == Norm::after) seen[e] = dropped[e] ? 0 : x[e] / q;
  }
  require_active(trial, i, mask);
  std::uint64_t wrong_statistics = 0, wrong = 0;
  std::size_t first_unit = 0, first = 0;
  Moments of_first;
  Sums sums;
  for (std::size_t unit = 0; unit < static_cast<std::size_t>(kUnits); ++unit) {
    const Moments m = moments_of(seen, unit);
    sums.train += variance[unit];
    sums.eval += moments_of(x, unit).unbiased;
    sums.theory += norm == Norm::after ? variance_after_dropout(x, unit, q) : m.unbiased;
    if ((!near(mean[unit], m.mean, 1e-4) || !near(variance[unit], m.unbiased, 1e-4 * m.unbiased)) &&
        wrong_statistics++ == 0) {
      first_unit = unit;
      of_first = m;
    }
    for (std::size_t e = unit; e < y.size(); e += kUnits) {
      const double z = normalised(seen[e], m.mean, m.biased(), kState.shift);
      const double result = norm == Norm::after ? z : dropped[e] ? 0 : z / q;
      if (!near(y[e], result, kTolerance * 4) && wrong++ == 0) first = e;
    }
  }
  trial.require_all(kUnits, wrong_statistics, [&] {
    return fmt::format(
        "{}: the running statistics of {} of {} units are not those of the batch {}; unit {} has "
        "mean {:.6g} and variance {:.6g}, the visible mask makes them {:.6g} and {:.6g}",
        trial.place(i), wrong_statistics, kUnits, norm == Norm::after ? "after dropout" : "before dropout",
        first_unit, mean[first_unit], variance[first_unit], of_first.mean, of_first.unbiased);
  });
  trial.require_all(y.size(), wrong, [&] {
    return fmt::format(
        "{}: {} of {} elements are not those of the visible mask and the statistics of the batch; "
        "element {} is {:.6g}",
        trial.place(i), wrong, y.size(), first, y[first]);
  });
  if (norm == Norm::after)
    trial.note(fmt::format(
        "warning of a variance shift: batch normalisation after dropout with p = {} meets in eval {:.3g} of "
        "the "
        "variance that it was trained on, by theory {:.3g} (Li, Chen, Hu and Yang 2019); before dropout it "
        "meets the same",
        trial.step(i).problem.p, sums.eval / sums.train, sums.eval / sums.theory));
}

void judge_eval(RowTrial& trial, std::size_t i, Norm) {
  const std::vector<double> x = numbers(trial, i, trial.reply(i).x), y = numbers(trial, i, trial.reply(i).y);
  std::uint64_t wrong = 0;
  for (std::size_t e = 0; e < y.size(); ++e)
    wrong += near(y[e], normalised(x[e], kState.mean, kState.variance, kState.shift), kTolerance) ? 0u : 1u;
  trial.require_all(y.size(), wrong, [&] {
    return fmt::format("{}: {} of {} elements are not x normalised by the running statistics", trial.place(i),
                       wrong, y.size());
  });
  for (const auto& [name, value] : {std::pair{kRunningMean, kState.mean}, {kRunningVar, kState.variance}})
    require_all_near(trial, i, numbers(trial, i, trial.reply(i).extra.at(name)), value, 0,
                     fmt::format("{} as it was before the call", name));
}

void judge(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const Norm norm = trial.reply(i).index < kPlaces ? Norm::before : Norm::after;
    const bool eval = trial.reply(i).index % kPlaces == kEval;
    eval ? judge_eval(trial, i, norm) : judge_training(trial, i, norm);
    require_cpu_words(trial, i, eval ? 0 : 2 * kRows * kUnits);
  }
}

}  // namespace

Definition batch_norm() {
  return {"embedding.batch_norm",
          "embedding_batch_norm",
          "batch normalisation before and after dropout, in training and in eval",
          problem_of(kMaskP, {kRows, kUnits}),
          steps,
          judge,
          "running statistics are those of what reached the normalisation, before or after dropout"};
}

}  // namespace dropcheck::suites::embedding
