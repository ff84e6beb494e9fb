#include "reports/dialect_section.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "reports/escape.hpp"

namespace dropcheck::reports {
namespace {

constexpr std::string_view kPytorch = "pytorch";
constexpr std::size_t kMaxRules = 40;  // a results file may come from anywhere

std::size_t excused(const RunHeader& header) {
  return static_cast<std::size_t>(
      std::count_if(header.dialect_rules.begin(), header.dialect_rules.end(),
                    [](const DialectRule& rule) { return !rule.allows.empty(); }));
}

bool has_nothing_to_say(const RunHeader& header) {
  return header.dialect_rules.empty() || (header.dialect == kPytorch && excused(header) == 0);
}

}  // namespace

std::string dialect_section(const RunHeader& header) {
  if (has_nothing_to_say(header)) return {};
  const std::size_t count = excused(header);
  std::string text = fmt::format("## Dialect {}\n\n", markdown_code(header.dialect, 200));
  text += count == 0
              ? fmt::format("It says what PyTorch's dialect says on all {} axes.\n\n",
                            header.dialect_rules.size())
              : fmt::format(
                    "On {} of {} axes it lets pass what PyTorch would not do. Each axis is judged by the "
                    "rule that stands here; nothing else is excused.\n\n",
                    count, header.dialect_rules.size());
  text += "| axis | what the dialect says | lets pass, unlike PyTorch |\n| --- | --- | --- |\n";
  for (std::size_t i = 0; i < header.dialect_rules.size() && i < kMaxRules; ++i) {
    const DialectRule& rule = header.dialect_rules[i];
    text += fmt::format("| {} | {} | {} |\n", markdown_text(rule.axis, 60), markdown_text(rule.value, 300),
                        markdown_text(rule.allows, 300));
  }
  return text + "\n";
}

std::string dialect_line(const RunHeader& header) {
  if (has_nothing_to_say(header)) return {};
  std::vector<std::string> axes;
  for (const DialectRule& rule : header.dialect_rules)
    if (!rule.allows.empty() && axes.size() < kMaxRules) axes.push_back(clean_line(rule.axis, 60));
  const std::string name = clean_line(header.dialect, 200);
  if (axes.empty()) return fmt::format("dialect {}: as PyTorch on every axis\n", name);
  return fmt::format("dialect {}: lets pass what PyTorch would not do on {} of {} axes: {}\n", name,
                     excused(header), header.dialect_rules.size(), fmt::join(axes, ", "));
}

}  // namespace dropcheck::reports
