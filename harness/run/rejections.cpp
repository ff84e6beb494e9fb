#include "harness/run/rejections.hpp"

#include <algorithm>
#include <vector>

#include "harness/stats/holm.hpp"

namespace dropcheck {

RejectionList rejections_of(const std::string& backend, std::span<const ResultRecord> results, double alpha) {
  std::vector<stats::HolmHypothesis> hypotheses;
  std::vector<Rejection> candidates;
  RejectionList list{backend, 0, {}};
  for (const ResultRecord& record : results) {
    if (record.backend != backend) continue;
    for (const Statistic& s : record.statistics) {
      hypotheses.push_back({s.log10_p, s.alpha});
      candidates.push_back({record.check, record.problem, s.name, s.log10_p, s.alpha});
    }
    for (std::size_t i = 1; i < record.stages.size(); ++i)
      for (const Statistic& s : record.stages[i].statistics)
        if (s.rejects()) list.rejected.push_back({record.check, record.problem, s.name, s.log10_p, s.alpha});
  }
  list.hypotheses = hypotheses.size();
  for (const std::size_t i : stats::holm_rejections(hypotheses, alpha))
    list.rejected.push_back(candidates[i]);
  std::stable_sort(list.rejected.begin(), list.rejected.end(),
                   [](const Rejection& a, const Rejection& b) { return a.log10_p < b.log10_p; });
  return list;
}

}  // namespace dropcheck
