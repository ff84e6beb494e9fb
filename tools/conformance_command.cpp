#include <fmt/format.h>

#include <fstream>

#include "reports/conformance.hpp"
#include "reports/jsonl_reader.hpp"
#include "tools/commands.hpp"

namespace dropcheck::tools {

ExitCode conformance_command(const std::vector<std::string>& results, const std::string& out) {
  std::vector<RunRecord> runs;
  std::string command = "dropcheck conformance";
  for (const std::string& file : results) {
    auto record = reports::read_results(file);
    if (!record) return usage_error(record.error().message);
    runs.push_back(std::move(*record));
    command.append(" ").append(file);
  }
  if (!out.empty()) command.append(" --out=").append(out);
  const auto page = reports::conformance_page(runs, command);
  if (!page) return usage_error(page.error().message);
  if (out.empty()) {
    fmt::print("{}", *page);
    return ExitCode::pass;
  }
  std::ofstream file(out, std::ios::binary);
  file << *page;
  file.close();
  if (!file)
    return usage_error(fmt::format("'{}' cannot be written: name a file in a folder that exists", out));
  fmt::print("wrote {}\n", out);
  return ExitCode::pass;
}

}  // namespace dropcheck::tools
