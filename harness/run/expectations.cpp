#include "harness/run/expectations.hpp"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace dropcheck {

Expected<Expectations> Expectations::read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  if (!file.is_open() || file.bad())
    return Error{ErrorCode::invalid_argument,
                 fmt::format("--expect: cannot read '{}': name a readable file", path)};
  return parse(text.str(), path);
}

Expected<Expectations> Expectations::parse(std::string_view text, const std::string& path) {
  Expectations expectations;
  expectations.path_ = path;
  std::istringstream lines{std::string(text)};
  std::string line;
  for (std::size_t number = 1; std::getline(lines, line); ++number) {
    const std::size_t first = line.find_first_not_of(" \t\r");
    if (first == std::string::npos || line[first] == '#') continue;
    const std::size_t colon = line.find(" : ");
    std::istringstream globs(line.substr(0, colon));
    Line parsed;
    parsed.number = number;
    // The case is the rest of the left side: "random problems" has a blank.
    if (colon == std::string::npos || !(globs >> parsed.backend >> parsed.check >> std::ws) ||
        !std::getline(globs, parsed.problem) ||
        line.find_first_not_of(" \t\r", colon + 3) == std::string::npos)
      return Error{ErrorCode::invalid_argument,
                   fmt::format("{}:{}: write BACKEND CHECK CASE : reason and link", path, number)};
    parsed.problem.erase(parsed.problem.find_last_not_of(" \t") + 1);
    parsed.reason = line.substr(colon + 3);
    parsed.reason.erase(parsed.reason.find_last_not_of(" \t\r") + 1);
    expectations.lines_.push_back(std::move(parsed));
  }
  return expectations;
}

bool Expectations::Line::means(const ResultRecord& result) const {
  return fnmatch(backend.c_str(), result.backend.c_str(), 0) == 0 &&
         fnmatch(check.c_str(), result.check.c_str(), 0) == 0 &&
         fnmatch(problem.c_str(), result.problem.c_str(), 0) == 0;
}

bool Expectations::lists(const ResultRecord& result) const {
  return std::any_of(lines_.begin(), lines_.end(), [&](const Line& line) { return line.means(result); });
}

void Expectations::apply(ResultRecord& result) {
  for (Line& line : lines_) {
    if (!line.means(result)) continue;
    line.matched = true;
    if (result.verdict == Verdict::fail) {
      result.verdict = Verdict::expected_fail;
      result.reason = line.reason;
      return;
    }
    if (result.verdict == Verdict::pass) {
      result.verdict = Verdict::fail;
      result.message = fmt::format("listed as a known failure ({}), but passes: delete line {} of {}",
                                   line.reason, line.number, path_);
      return;
    }
  }
}

std::vector<std::string> Expectations::unmatched() const {
  std::vector<std::string> notes;
  for (const Line& line : lines_)
    if (!line.matched)
      notes.push_back(fmt::format("{}:{}: no result of this run is meant by this line", path_, line.number));
  return notes;
}

}  // namespace dropcheck
