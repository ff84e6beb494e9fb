// How a verdict came about: the stages of a test with their evidence, and the hypotheses rejected in all.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "reports/escape.hpp"
#include "reports/markdown_sections.hpp"
#include "reports/number_text.hpp"

namespace dropcheck::reports {
namespace {

constexpr std::size_t kMaxStatistics = 8;  // of one stage
constexpr std::size_t kMaxRejections = 20;

std::string stage_rows(const StageRecord& stage, const std::vector<const Statistic*>& shown) {
  std::string head = fmt::format("| {} | {} | ", stage.stage,
                                 stage.mask_entries == 0 ? "" : std::to_string(stage.mask_entries));
  std::string outcome = markdown_text(stage.outcome, 60);
  if (shown.empty()) return fmt::format("{}| | | {} |\n", head, outcome);
  std::string rows;
  for (std::size_t i = 0; i < std::min(shown.size(), kMaxStatistics); ++i) {
    const Statistic& s = *shown[i];
    rows += fmt::format("{}{} | {} | {} | {} |\n", head, markdown_text(statistic_label(s), 150),
                        p_value_text(s), short_number(s.alpha), outcome);
    head = "| | | ";  // once a stage is enough
    outcome.clear();
  }
  if (shown.size() > kMaxStatistics)
    rows += fmt::format("| | | and {} more | | | |\n", shown.size() - kMaxStatistics);
  return rows;
}

}  // namespace

std::string stages_table(const ResultRecord& result) {
  if (result.stages.size() < 2) return {};
  std::string text =
      "| stage | mask entries | statistic | p-value | fails at | outcome |\n"
      "| --- | --- | --- | --- | --- | --- |\n";
  for (std::size_t i = 0; i < result.stages.size(); ++i)
    text += stage_rows(result.stages[i], stage_evidence(result, i));
  return text + "\n";
}

TableText rejections_table(const RejectionList& list) {
  TableText table;
  table.head = fmt::format(
      "#### Hypotheses rejected\n\nOf {} hypotheses Holm's procedure rejects {}, listed with the most "
      "significant first. The list shows "
      "where to "
      "look and decides nothing.\n\n"
      "| check | case | hypothesis | log10 of the p-value | level |\n"
      "| --- | --- | --- | --- | --- |\n",
      list.hypotheses, list.rejected.size());
  const std::size_t shown = std::min(list.rejected.size(), kMaxRejections);
  for (std::size_t i = 0; i < shown; ++i) {
    const Rejection& r = list.rejected[i];
    table.rows.push_back(fmt::format("| {} | {} | {} | {} | {} |\n", markdown_text(r.check, 100),
                                     markdown_code(r.problem, 400), markdown_text(r.statistic, 100),
                                     short_number(r.log10_p), short_number(r.share)));
  }
  if (shown < list.rejected.size())
    table.rows.push_back(fmt::format("| and {} more | | | | |\n", list.rejected.size() - shown));
  return table;
}

}  // namespace dropcheck::reports
