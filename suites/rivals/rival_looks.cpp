#include "suites/rivals/rival_looks.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "harness/core/element.hpp"
#include "harness/stats/binomial.hpp"
#include "reference/claimed_stream.hpp"
#include "suites/dialects/row_values.hpp"
#include "suites/foreign_looks.hpp"

namespace dropcheck::suites {
namespace {

double log_pmf(std::uint64_t n, std::uint64_t x, double p) {
  const auto count = static_cast<double>(n), hits = static_cast<double>(x);
  return std::lgamma(count + 1) - std::lgamma(hits + 1) - std::lgamma(count - hits + 1) + hits * std::log(p) +
         (count - hits) * std::log1p(-p);
}

/// Violations of |seen - expected| <= absolute + relative |expected|. NaN is one.
struct Closeness {
  double absolute, relative;
  std::uint64_t compared = 0, wrong = 0;
  std::size_t first = 0;
  double first_seen = 0, first_expected = 0;

  void see(std::size_t e, double seen, double expected) {
    ++compared;
    if (std::fabs(seen - expected) <= absolute + relative * std::fabs(expected)) return;
    if (wrong++ > 0) return;
    first = e;
    first_seen = seen;
    first_expected = expected;
  }
  void tell(RivalTrial& trial, std::size_t i, const char* what) const {
    trial.require_all(compared, wrong, [&] {
      return fmt::format("{}: {} of {} {} are too far off; element {} is {:.6g} where {:.6g} is expected",
                         trial.place(i), wrong, compared, what, first, first_seen, first_expected);
    });
  }
};

double keep_factor(double p) { return p > 0 && p < 1 ? 1 / (1 - p) : 1; }

}  // namespace

std::string rate_text(double tolerance, double p, double n) {
  return fmt::format("a drop probability off by {:.2g} at p = {:.4g}",
                     visible(tolerance, std::sqrt(p * (1 - p) / n)), p);
}

std::string sigma_text(double deviations, double p, double n) {
  return rate_text(deviations * std::sqrt(p * (1 - p) / n), p, n);
}

double binomtest(std::uint64_t n, std::uint64_t x, double p) {
  // scipy adds a relative 1e-7 to the probability of x, so that equal ones count as equal.
  const double bound = log_pmf(n, x, p) + std::log1p(1e-7);
  const double mean = p * static_cast<double>(n);
  const auto at = static_cast<double>(x);
  if (at == mean) return 1;
  // Beyond the mean, probabilities fall: a bisection finds the first outcome that is not more probable.
  if (at < mean) {
    auto low = static_cast<std::uint64_t>(std::ceil(mean));  // may be more probable
    std::uint64_t high = n + 1;                              // is not: beyond all outcomes
    while (low < high) {
      const std::uint64_t middle = low + (high - low) / 2;
      if (log_pmf(n, middle, p) <= bound) high = middle;
      else low = middle + 1;
    }
    const double upper = low > n ? 0 : stats::binomial_upper_tail(n, low, p);
    return std::min(1.0, stats::binomial_lower_tail(n, x, p) + upper);
  }
  std::uint64_t low = 0,
                high = static_cast<std::uint64_t>(std::floor(mean)) + 1;  // outcomes below `low` count
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (log_pmf(n, middle, p) <= bound) low = middle + 1;
    else high = middle;
  }
  const double lower = low == 0 ? 0 : stats::binomial_lower_tail(n, low - 1, p);
  return std::min(1.0, stats::binomial_upper_tail(n, x, p) + lower);
}

void require_rates(RivalTrial& trial, double tolerance) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!draws_mask(trial.step(i).problem) || !trial.shows(i)) continue;
    require_within(trial, i, "the rate of drops", trial.rate(i), trial.step(i).problem.p, tolerance);
  }
}

void require_kept_values(RivalTrial& trial, std::size_t i, double absolute, double relative) {
  if (!trial.answered(i)) return;
  const Reply& reply = trial.reply(i);
  const double factor = keep_factor(trial.step(i).problem.p);
  Closeness close{absolute, relative};
  for (std::size_t e = 0; e < trial.elements(i, reply.y); ++e) {
    const double y = trial.value(i, reply.y, e);
    if (y != 0) close.see(e, y, trial.value(i, reply.x, e) * factor);
  }
  close.tell(trial, i, "kept values");
}

void require_gradient_by_output(RivalTrial& trial, std::size_t i, double absolute, double relative) {
  if (!trial.answered(i)) return;
  const Reply& reply = trial.reply(i);
  if (reply.dx.empty()) return trial.leave_out("no gradient came");
  const double factor = keep_factor(trial.step(i).problem.p);
  Closeness close{absolute, relative};
  for (std::size_t e = 0; e < trial.elements(i, reply.dx); ++e) {
    const bool kept = trial.value(i, reply.y, e) != 0;
    close.see(e, trial.value(i, reply.dx, e), kept ? trial.value(i, reply.dy, e) * factor : 0);
  }
  close.tell(trial, i, "gradients");
}

void require_mask_of(RivalTrial& trial, std::size_t i, std::size_t j) {
  if (!trial.answered(i) || !trial.answered(j)) return;
  const auto &a = trial.reply(i).y, &b = trial.reply(j).y;
  const std::size_t n = trial.elements(i, a);
  if (n != trial.elements(j, b))
    return trial.require(false, [&] { return fmt::format("{} has another size", trial.place(j)); });
  std::uint64_t wrong = 0;
  for (std::size_t e = 0; e < n; ++e)
    wrong += (trial.value(i, a, e) == 0) != (trial.value(j, b, e) == 0) ? 1u : 0u;
  trial.require_all(n, wrong, [&] {
    return fmt::format("{} of {} entries of the mask of {} are not those of {}", wrong, n, trial.place(i),
                       trial.place(j));
  });
}

void require_other(RivalTrial& trial, std::size_t a, std::size_t b, const char* what) {
  if (!trial.answered(a) || !trial.answered(b)) return;
  trial.require(trial.reply(a).y != trial.reply(b).y,
                [&] { return fmt::format("{} are equal: {} and {}", what, trial.place(a), trial.place(b)); });
}

void require_identities(RivalTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) trial.require_identity(i);
}

void require_refusals(RivalTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) trial.require_refusal(i, "");
}

bool require_claimed_masks(RivalTrial& trial) {
  const std::string& claim = trial.capabilities().exact_stream;
  if (claim.empty()) {
    trial.leave_out("the backend claims no stream that could be known beforehand");
    return false;
  }
  auto opened = reference::ClaimedStream::open(claim);
  if (!opened) {
    trial.leave_out(opened.error().message);
    return false;
  }
  bool known = false;  // where the stream stands
  for (std::size_t i = 0; i < trial.size(); ++i) {
    const Step& step = trial.step(i);
    if (step.instance.number != 0) continue;
    if (step.own_seed && trial.reply(i).refusal) {  // it may have more bits than the backend's seeds
      trial.leave_out(trial.reply(i).refusal->message);
      known = false;
      continue;
    }
    if (!trial.answered(i)) {
      known = false;
      continue;
    }
    if (const auto& seed = trial.reply(i).seed) known = bool((*opened)->reseed(*seed, step.problem.offset));
    if (!known) {
      trial.leave_out("calls at which the claimed stream is not known");
      continue;
    }
    const Problem& x = step.problem;
    TensorGeometry geometry = geometry_of(x, x.in_place);
    const auto drops = (*opened)->draw(
        {x.op, x.p, x.dtype, x.shape, std::move(geometry.strides), 256, x.mode, x.in_place, ""});
    if (!drops) {
      trial.leave_out(drops.error().message);
      known = false;
      continue;
    }
    if (drops->size() > 0) require_mask(trial, i, *drops, (*opened)->name());
  }
  return true;
}

void require_whole_rows(RivalTrial& trial, std::size_t i, std::size_t inner) {
  if (!trial.answered(i)) return;
  const std::vector<bool> drops = trial.dropped(i);
  std::uint64_t broken = 0;
  for (std::size_t at = 0; at + inner <= drops.size(); at += inner) {
    std::size_t count = 0;
    for (std::size_t e = at; e < at + inner; ++e) count += drops[e] ? 1 : 0;
    broken += count != 0 && count != inner ? 1u : 0u;
  }
  trial.require_all(drops.size() / inner, broken, [&] {
    return fmt::format("{}: {} of {} groups that share an entry of the mask are dropped in part",
                       trial.place(i), broken, drops.size() / inner);
  });
}

double rounded_to(double p, DType dtype) {
  std::array<std::byte, 16> element{};
  store_element(p, element.data(), dtype);
  return load_element(element.data(), dtype);
}

}  // namespace dropcheck::suites
