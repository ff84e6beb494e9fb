#pragma once
// Known failures of a backend, from a file: one a line, `BACKEND CHECK CASE : reason and link`. The first
// three are globs (write
// * for any); '#' begins a comment. A listed case that fails counts as expected_fail, one that passes fails
// the run with the line to delete, so that the list cannot go stale.

#include <string>
#include <vector>

#include "harness/core/run_record.hpp"

namespace dropcheck {

class Expectations {
 public:
  /// Errors (unreadable file, malformed line, no reason) are usage errors that name file and line.
  static Expected<Expectations> read(const std::string& path);
  static Expected<Expectations> parse(std::string_view text, const std::string& path);

  /// Changes verdict, reason and message of a listed result.
  void apply(ResultRecord& result);
  /// Whether a failure of this result is listed.
  bool lists(const ResultRecord& result) const;
  /// A note for each line that no result so far was meant by.
  std::vector<std::string> unmatched() const;

 private:
  struct Line {
    std::size_t number;
    std::string backend, check, problem, reason;
    bool matched = false;

    bool means(const ResultRecord& result) const;
  };
  std::string path_;
  std::vector<Line> lines_;
};

}  // namespace dropcheck
