#include "suites/dialects/row_layers.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "harness/stats/binomial.hpp"
#include "reference/definition.hpp"

namespace dropcheck::suites {
namespace {

/// Whether the mask is the same for all indices of `dim`.
bool shared_along(const std::vector<bool>& mask, std::span<const std::int64_t> shape, std::size_t dim) {
  std::size_t inner = 1;
  for (std::size_t d = dim + 1; d < shape.size(); ++d) inner *= static_cast<std::size_t>(shape[d]);
  const std::size_t extent = static_cast<std::size_t>(shape[dim]);
  for (std::size_t e = 0; e < mask.size(); ++e)
    if (mask[e] != mask[e - e / inner % extent * inner]) return false;
  return true;
}

}  // namespace

std::size_t beside(const RowTrial& trial, std::size_t i, std::size_t index) {
  return i - trial.reply(i).index + index;
}

std::vector<double> numbers(const RowTrial& trial, std::size_t i, const std::vector<std::byte>& bytes) {
  std::vector<double> values(trial.elements(i, bytes));
  for (std::size_t e = 0; e < values.size(); ++e) values[e] = trial.value(i, bytes, e);
  return values;
}

void require_structure(RowTrial& trial, std::size_t i, const std::vector<bool>& dropped, std::size_t dims) {
  const std::vector<std::int64_t>& shape = trial.step(i).problem.shape;
  std::size_t inner = 1;
  for (std::size_t d = dims; d < shape.size(); ++d) inner *= static_cast<std::size_t>(shape[d]);
  std::uint64_t mixed = 0;
  std::size_t first = dropped.size();
  for (std::size_t e = 0; e < dropped.size(); ++e)
    if (dropped[e] != dropped[e - e % inner]) {
      ++mixed;
      first = std::min(first, e);
    }
  trial.require_all(dropped.size(), mixed, [&] {
    return fmt::format(
        "{}: element {} is {} and element {} is {}, though both belong to one place in the first {} "
        "dimensions; {} elements differ from the first one of their place",
        trial.place(i), first - first % inner, dropped[first - first % inner] ? "dropped" : "kept", first,
        dropped[first] ? "dropped" : "kept", dims, mixed);
  });
  for (std::size_t d = 0; d < dims; ++d)
    trial.require(!shared_along(dropped, shape, d), [&] {
      return fmt::format(
          "{}: all indices of dimension {} are dropped together; each must have a draw of its "
          "own",
          trial.place(i), d);
    });
}

std::vector<bool> alpha_dropped(const RowTrial& trial, std::size_t i) {
  const Problem& problem = trial.step(i).problem;
  std::vector<bool> drops(trial.elements(i, trial.reply(i).y));
  for (std::size_t e = 0; e < drops.size(); ++e) {
    const auto branches =
        reference::alpha_values(trial.value(i, trial.reply(i).x, e), problem.p, problem.dtype);
    const double y = trial.value(i, trial.reply(i).y, e);
    drops[e] = std::abs(y - branches.dropped) < std::abs(y - branches.kept);
  }
  return drops;
}

bool gradient_answered(RowTrial& trial, std::size_t i) {
  if (!trial.answered(i)) return false;
  const auto& refusal = trial.reply(i).gradient_refusal;
  if (!refusal) return true;
  if (refusal->code == ErrorCode::unsupported) {
    trial.leave_out(refusal->message);
    return false;
  }
  trial.require(false, [&] {
    return fmt::format("the gradient of {} is refused: {}", trial.place(i), refusal->message);
  });
  return false;
}

void require_gradient(RowTrial& trial, std::size_t i, const std::vector<bool>& dropped,
                      std::span<const reference::GradientForm> forms) {
  const Problem& problem = trial.step(i).problem;
  const std::vector<double> dy = numbers(trial, i, trial.reply(i).dy);
  const std::vector<double> dx = numbers(trial, i, trial.reply(i).dx);
  trial.require(dx.size() == dropped.size() && dy.size() == dropped.size(),
                [&] { return fmt::format("{}: the gradient has another size", trial.place(i)); });
  if (dx.size() != dropped.size() || dy.size() != dropped.size()) return;
  const auto complain = [&](std::size_t e, std::string_view wanted) {
    return fmt::format("{}: element {} is {}, dy is {}, dx is {}; it must be {}", trial.place(i), e,
                       dropped[e] ? "dropped" : "kept", dy[e], dx[e], wanted);
  };
  reference::FormFilter filter(forms, problem.p, problem.dtype);
  const std::string all_forms = filter.description();
  for (std::size_t e = 0; e < dx.size(); ++e) {
    if (dropped[e]) {
      const double zero = reference::zeroed(dy[e]);
      const bool right = trial.is_pytorch() ? same_number(dx[e], zero)
                                            : dx[e] == zero || (std::isnan(dx[e]) && std::isnan(zero));
      trial.require(right, [&] { return complain(e, "dy * 0"); });
      continue;
    }
    const bool was_empty = filter.empty();
    filter.observe(dy[e], dx[e]);
    trial.require(was_empty || !filter.empty(), [&] { return complain(e, all_forms); });
  }
}

std::vector<reference::GradientForm> operator_forms(const RowTrial& trial, DType dtype) {
  using reference::ScaleForm;
  if (!trial.is_pytorch()) {
    const auto all = reference::scale_forms(dtype);
    return {all.begin(), all.end()};
  }
  if (dtype == DType::f32 || dtype == DType::f64) return {ScaleForm::reciprocal_of_rounded_q};
  return {ScaleForm::reciprocal_of_rounded_q, ScaleForm::reciprocal_of_wide_q};
}

void require_cpu_words(RowTrial& trial, std::size_t i, std::uint64_t words) {
  const std::string& claim = trial.capabilities().exact_stream;
  if (!claim.starts_with("pytorch-cpu") || claim.find("variant=") != std::string::npos)
    return trial.leave_out("the words are those of a stream with two for an entry, pytorch-cpu");
  trial.require_words(i, words);
}

void test_rate(RowTrial& trial, const char* id, const std::string& name, std::uint64_t n, std::uint64_t x,
               double p) {
  Statistic s;
  s.id = id;
  s.name = name;
  s.counts = {{"n", {n}}, {"x", {x}}};
  s.null_law = "Binomial(n, p)";
  s.null_parameters = {{"p", p}};
  set_tail(s, stats::binomial_two_sided(n, x, p), trial.alpha());
  const stats::Interval interval = stats::clopper_pearson(n, x, trial.alpha());
  const double rate = static_cast<double>(x) / static_cast<double>(n);
  s.effect = Effect{rate, "drop probability", interval.lower, interval.upper};
  s.minimum_detectable_effect = MinimumDetectableEffect{
      stats::binomial_min_effect(n, trial.alpha(), kBeta, p), "drop probability", kPower};
  trial.test(std::move(s), fmt::format("{}: {:.6g} [{:.6g}, {:.6g}] of {} entries are dropped where p = {}",
                                       name, rate, interval.lower, interval.upper, n, p));
}

bool same_number(double x, double y) {
  return (std::isnan(x) && std::isnan(y)) ||
         std::bit_cast<std::uint64_t>(x) == std::bit_cast<std::uint64_t>(y);
}

void require_warning(RowTrial& trial, std::size_t i, std::string_view text) {
  if (!trial.answered(i)) return;
  const auto& warnings = trial.reply(i).seen.warnings;
  trial.require(std::any_of(warnings.begin(), warnings.end(),
                            [&](const std::string& w) { return w.find(text) != std::string::npos; }),
                [&] {
                  return fmt::format("{} warns '{}'; expected is '{}'", trial.place(i),
                                     fmt::join(warnings, "', '"), text);
                });
}

void require_no_warning(RowTrial& trial, std::size_t i) {
  if (!trial.answered(i)) return;
  const auto& warnings = trial.reply(i).seen.warnings;
  trial.require(warnings.empty(), [&] {
    return fmt::format("{} warns '{}'; it must say nothing", trial.place(i), fmt::join(warnings, "', '"));
  });
}

}  // namespace dropcheck::suites
