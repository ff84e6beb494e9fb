#include "reports/results_file.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "reports/junit.hpp"
#include "reports/markdown.hpp"

namespace dropcheck::reports {
namespace {

constexpr const char* kReportName = "report.md";
constexpr const char* kJunitName = "junit.xml";

std::string in_folder(const std::string& directory, const char* name) {
  return (std::filesystem::path(directory) / name).string();
}

Error io_error(std::string_view what, const std::string& path, std::string_view why) {
  return {ErrorCode::io,
          fmt::format("cannot {} {}: {}; free the space or name another folder with --out", what, path, why)};
}

Status make_folder(const std::string& directory) {
  std::error_code fault;
  std::filesystem::create_directories(directory, fault);
  if (fault) return io_error("make the folder", directory, fault.message());
  if (!std::filesystem::is_directory(directory, fault))
    return io_error("make the folder", directory, "a file of this name is there");
  return Done{};
}

Status write_text(const std::string& path, std::string_view text) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return io_error("write", path, std::strerror(errno));
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  const int write_fault = errno;
  const bool closed = std::fclose(file) == 0;
  if (written && closed) return Done{};
  return io_error("write", path, std::strerror(written ? errno : write_fault));
}

}  // namespace

Expected<ResultsFile> ResultsFile::create(const std::string& directory) {
  if (auto made = make_folder(directory); !made) return made.error();
  std::error_code ignored;
  for (const char* name : {kReportName, kJunitName})
    std::filesystem::remove(in_folder(directory, name), ignored);
  std::string path = in_folder(directory, "results.jsonl");
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return io_error("write", path, std::strerror(errno));
  return ResultsFile(std::move(path), file);
}

Status ResultsFile::write(std::string_view line) {
  const bool written = std::fwrite(line.data(), 1, line.size(), file_.get()) == line.size() &&
                       std::fputc('\n', file_.get()) != EOF && std::fflush(file_.get()) == 0;
  if (written) return Done{};
  return io_error("write", path_, std::strerror(errno));
}

Status write_reports(const RunRecord& run, const std::string& directory) {
  if (auto made = make_folder(directory); !made) return made.error();
  if (auto status = write_text(in_folder(directory, kReportName), markdown_report(run)); !status)
    return status;
  return write_text(in_folder(directory, kJunitName), junit_report(run));
}

}  // namespace dropcheck::reports
