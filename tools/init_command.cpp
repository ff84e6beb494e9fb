#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <span>
#include <string_view>

#include "harness/run/repro.hpp"
#include "tools/commands.hpp"

namespace dropcheck {
/// A file of adapters/ by its path below that folder; empty when there is none (generated).
std::string_view embedded_adapter_file(std::string_view path);
}  // namespace dropcheck

namespace dropcheck::tools {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxNameBytes = 64;
constexpr std::string_view kPlaceholder = "ADAPTER_NAME";  // in the skeletons

struct Language {
  std::string_view name, user_file, helper;
};
constexpr Language kLanguages[] = {{"python", "adapter.py", "dropcheck_adapter.py"},
                                   {"node", "adapter.mjs", "dropcheck_adapter.mjs"},
                                   {"cpp", "adapter.cpp", "dropcheck_adapter.hpp"}};

/// It becomes a folder and stands inside the quotes of three languages.
bool is_good_name(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto fits = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '_'; };
  return !name.empty() && name.size() <= kMaxNameBytes && letter(name.front()) &&
         std::all_of(name.begin(), name.end(), fits);
}

std::string filled_in(std::string_view skeleton, const std::string& name) {
  std::string text(skeleton);
  for (std::size_t at = 0; (at = text.find(kPlaceholder, at)) != std::string::npos; at += name.size())
    text.replace(at, kPlaceholder.size(), name);
  return text;
}

/// Writes a file that is not there yet.
bool write_new(const fs::path& path, std::string_view text) {
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(path, ignored))) return false;
  std::ofstream file(path, std::ios::binary);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  file.close();
  return file.good();
}

/// What starts the program, as a shell reads it.
std::string command_of(const Language& language, const fs::path& folder) {
  const fs::path program = folder / language.user_file;
  if (language.name == "python") return "python3 " + shell_word(program.string());
  if (language.name == "node") return "node " + shell_word(program.string());
  // Without a slash a shell would look for it elsewhere.
  const std::string path = (folder / "adapter").string();
  return shell_word(path.find('/') == std::string::npos ? "./" + path : path);
}

std::string compile_line(const fs::path& folder) {
  return fmt::format("g++ -std=c++17 -O2 {} -o {}", shell_word((folder / "adapter.cpp").string()),
                     shell_word((folder / "adapter").string()));
}

}  // namespace

ExitCode init_command(const InitArguments& arguments) {
  const auto* language = std::find_if(std::begin(kLanguages), std::end(kLanguages),
                                      [&](const Language& l) { return l.name == arguments.language; });
  if (language == std::end(kLanguages))
    return usage_error(fmt::format(
        "language '{}' is not known: write --lang=python, --lang=node or --lang=cpp", arguments.language));
  if (!is_good_name(arguments.name))
    return usage_error(
        fmt::format("'{}' is no name for an adapter: begin with a letter and write at most {} letters, "
                    "digits, '-' and '_'",
                    arguments.name, kMaxNameBytes));
  const fs::path folder = fs::path(arguments.out) / arguments.name;
  std::error_code absent;
  if (fs::exists(fs::symlink_status(folder, absent)))
    return usage_error(
        fmt::format("'{}' is there already and is left as it is: choose another name", folder.string()));
  std::error_code error;
  if (!arguments.out.empty()) fs::create_directories(arguments.out, error);
  // Only a folder that this call made is written to.
  if (error || !fs::create_directory(folder, error))
    return usage_error(fmt::format("the folder '{}' cannot be made{}: choose another place with --out",
                                   folder.string(), error ? fmt::format(" ({})", error.message()) : ""));

  const std::string room(language->name);
  const std::string_view helper = embedded_adapter_file(fmt::format("{}/{}", room, language->helper));
  const auto skeleton = [&](std::string_view file) {
    return filled_in(embedded_adapter_file(fmt::format("skeletons/{}/{}", room, file)), arguments.name);
  };
  const bool written = write_new(folder / language->user_file, skeleton(language->user_file)) &&
                       write_new(folder / language->helper, helper) &&
                       write_new(folder / "README.md", skeleton("README.md"));
  if (!written) {
    fs::remove_all(folder, error);
    return usage_error(fmt::format("'{}' cannot be written: is the disk full?", folder.string()));
  }
  const std::string command = command_of(*language, folder);
  const std::string compile = room == "cpp" ? compile_line(folder) + " && " : std::string();
  fmt::print("wrote {}: replace what the function in {} does, and read README.md; next:\n", folder.string(),
             language->user_file);
  fmt::print("  {}dropcheck validate-adapter {}\n", compile, shell_word(command));
  fmt::print("  dropcheck run --backend={} --profile=smoke\n", shell_word("exec:" + command));
  return ExitCode::pass;
}

}  // namespace dropcheck::tools
