#include "tools/machine.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <Eigen/Core>
#include <boost/version.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

namespace dropcheck::tools {
namespace {

/// Value of the first line "key<separator>value" of a file.
std::string field_of(const char* file, const std::string& key, char separator) {
  std::ifstream lines(file);
  std::string line;
  while (std::getline(lines, line)) {
    if (line.rfind(key, 0) != 0) continue;
    std::size_t at = line.find(separator);
    if (at == std::string::npos) continue;
    at = line.find_first_not_of(" \t\"", at + 1);
    if (at == std::string::npos) return {};
    const std::size_t end = line.find_last_not_of(" \t\"");
    return line.substr(at, end - at + 1);
  }
  return "unknown";
}

}  // namespace

Environment machine_facts() {
  utsname system{};
  uname(&system);
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGE_SIZE);
  return {{"operating_system", field_of("/etc/os-release", "PRETTY_NAME", '=')},
          {"kernel", fmt::format("{} {}", system.sysname, system.release)},
          {"architecture", system.machine},
          {"processor", field_of("/proc/cpuinfo", "model name", ':')},
          {"cores", std::to_string(std::thread::hardware_concurrency())},
          {"memory_gib",
           fmt::format("{:.1f}", static_cast<double>(pages) * static_cast<double>(page) / (1 << 30))},
          {"compiler", fmt::format("{} {}", "g++", __VERSION__)},
          {"boost", BOOST_LIB_VERSION},
          {"eigen", fmt::format("{}.{}.{}", EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION, EIGEN_MINOR_VERSION)},
          {"fmt", std::to_string(FMT_VERSION)},
          {"nlohmann_json", fmt::format("{}.{}.{}", NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR,
                                        NLOHMANN_JSON_VERSION_PATCH)}};
}

}  // namespace dropcheck::tools
