#pragma once
// Files of a run in its output folder.

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "harness/core/expected.hpp"
#include "harness/core/run_record.hpp"

namespace dropcheck::reports {

/// Writes results.jsonl line by line, each flushed, so that what was computed survives a crash.
class ResultsFile {
 public:
  /// Makes the folder. Reports of an earlier run are removed: they must not stand beside other results.
  static Expected<ResultsFile> create(const std::string& directory);
  Status write(std::string_view line);
  const std::string& path() const { return path_; }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  ResultsFile(std::string path, std::FILE* file) : path_(std::move(path)), file_(file) {}

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
};

/// Writes report.md and junit.xml.
Status write_reports(const RunRecord& run, const std::string& directory);

}  // namespace dropcheck::reports
