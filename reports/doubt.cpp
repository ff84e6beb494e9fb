#include "reports/doubt.hpp"

#include <fmt/format.h>

namespace dropcheck::reports {

bool is_unpursued(const ResultRecord& result) {
  return result.verdict == Verdict::inconclusive && !result.stages.empty() &&
         result.stages.back().outcome == "suspicious";
}

bool is_underpowered(const ResultRecord& result) {
  return result.verdict == Verdict::inconclusive && !is_unpursued(result) && result.comparisons != 0 &&
         result.detectable && result.required_effect &&
         !(result.detectable->value <= *result.required_effect);
}

std::string_view doubt_of(const ResultRecord& result) {
  if (is_underpowered(result)) return "underpowered";
  return is_unpursued(result) ? "suspicious, not pursued" : "";
}

std::string verdict_text(const ResultRecord& result) {
  const std::string_view verdict = to_string(result.verdict);
  const std::string_view doubt = doubt_of(result);
  return doubt.empty() ? std::string(verdict) : fmt::format("{} ({})", verdict, doubt);
}

std::string doubts_text(const std::vector<const ResultRecord*>& results) {
  std::size_t underpowered = 0;
  std::size_t unpursued = 0;
  for (const ResultRecord* result : results) {
    underpowered += is_underpowered(*result) ? 1 : 0;
    unpursued += is_unpursued(*result) ? 1 : 0;
  }
  std::string text;
  if (underpowered != 0) text = fmt::format("{} underpowered", underpowered);
  if (unpursued != 0)
    text += fmt::format("{}{} suspicious and not pursued", text.empty() ? "" : ", ", unpursued);
  return text;
}

}  // namespace dropcheck::reports
