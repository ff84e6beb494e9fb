#include "reports/json_bounds.hpp"

namespace dropcheck::reports {

std::string_view json_bounds_fault(std::string_view line) {
  if (line.size() > kMaxLineBytes) return "is longer than 64 MiB";
  std::size_t depth = 0;
  std::size_t values = 0;
  bool in_text = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (in_text) {
      if (c == '\\') ++i;
      in_text = c != '"';
      continue;
    }
    switch (c) {
      case '"': in_text = true; break;
      case '{':
      case '[':
        ++values;
        if (++depth > kMaxJsonDepth) return "is nested deeper than 64 levels";
        break;
      case '}':
      case ']':
        if (depth > 0) --depth;
        break;
      case ',': ++values; break;
      default: break;
    }
    if (values > kMaxJsonValues) return "holds more than 4194304 values";
  }
  return {};
}

}  // namespace dropcheck::reports
