#pragma once
// The run's verdict as one sentence: first line of the Markdown report, last line on the console.

#include <string>

#include "reports/digest.hpp"

namespace dropcheck::reports {

struct VerdictLine {
  std::string icon;
  std::string word;      // "PASS", "FAIL", "ERROR", "INCONCLUSIVE", "NOTHING COMPARED", "NOTHING DECIDED",
                         // "INCOMPLETE"
  std::string sentence;  // plain text, clean, not escaped
};

VerdictLine verdict_line(const RunRecord& run, const Digest& digest);

}  // namespace dropcheck::reports
