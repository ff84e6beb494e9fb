#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "reports/jsonl_reader.hpp"
#include "reports/results_file.hpp"
#include "reports/summary.hpp"
#include "tools/commands.hpp"

namespace dropcheck::tools {

ExitCode report_command(const std::string& results, const std::string& out) {
  const auto record = reports::read_results(results);
  if (!record) return usage_error(record.error().message);
  std::filesystem::path directory =
      out.empty() ? std::filesystem::path(results).parent_path() : std::filesystem::path(out);
  if (directory.empty()) directory = ".";
  const Status written = reports::write_reports(*record, directory.string());
  if (!written) return usage_error(written.error().message);
  fmt::print("{}", reports::console_summary(*record, use_color("auto", STDOUT_FILENO)));
  fmt::print("wrote {} and {}\n", (directory / "report.md").string(), (directory / "junit.xml").string());
  return ExitCode::pass;
}

}  // namespace dropcheck::tools
