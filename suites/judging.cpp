#include "suites/judging.hpp"

#include <algorithm>
#include <cmath>

namespace dropcheck::suites {
namespace {

/// How far beyond its share a statistic is; smaller is worse.
double severity(const Statistic& s) { return s.log10_p - std::log10(s.alpha); }

}  // namespace

void set_tail(Statistic& statistic, const stats::Tail& tail, double alpha) {
  statistic.p_value = tail.p_value;
  statistic.log10_p = tail.log10_p;
  statistic.engine = tail.engine;
  statistic.alpha = alpha;
}

std::string p_value_text(const Statistic& s) {
  if (std::isinf(s.log10_p)) return "0";
  return s.log10_p < -300 ? fmt::format("10^{:.0f}", s.log10_p) : fmt::format("{:.2g}", s.p_value);
}

Judgement judge_statistics(std::vector<Statistic> statistics, std::uint64_t comparisons,
                           const std::function<std::string(const Statistic&)>& what_failed) {
  Judgement judgement;
  judgement.comparisons = comparisons;
  const auto worst =
      std::min_element(statistics.begin(), statistics.end(),
                       [](const Statistic& a, const Statistic& b) { return severity(a) < severity(b); });
  if (worst != statistics.end() && worst->rejects()) {
    judgement.verdict = Verdict::fail;
    judgement.message = fmt::format("{} (p-value {}, below its level {:.2g})", what_failed(*worst),
                                    p_value_text(*worst), worst->alpha);
  } else {
    for (const Statistic& s : statistics) {  // the first that has an interval speaks for all
      if (!s.effect || !s.effect->lower || !s.effect->upper) continue;
      judgement.message = fmt::format("{}: seen {:.6g} ({}), interval [{:.6g}, {:.6g}]", s.name,
                                      s.effect->value, s.effect->unit, *s.effect->lower, *s.effect->upper);
      break;
    }
  }
  judgement.statistics = std::move(statistics);
  return judgement;
}

void ExactFinding::merge(const ExactFinding& later) {
  comparisons_ += later.comparisons_;
  if (violations_ == 0) first_ = later.first_;
  violations_ += later.violations_;
}

Judgement ExactFinding::judgement(const std::string& what_held) const {
  Judgement judgement;
  judgement.comparisons = comparisons_;
  judgement.verdict = clean() ? Verdict::pass : Verdict::fail;
  judgement.message = clean()
                          ? fmt::format("{} ({} {}, exact: any violation would have been caught)", what_held,
                                        comparisons_, comparisons_ == 1 ? "comparison" : "comparisons")
                          : first_;
  return judgement;
}

}  // namespace dropcheck::suites
