#include "impl/libtorch/loaded_library.hpp"

#include <ATen/Context.h>
#include <ATen/Version.h>
#include <dlfcn.h>
#include <torch/version.h>

#include <filesystem>
#include <string_view>
#include <system_error>

namespace dropcheck::libtorch {
namespace {

/// The value of NAME=value among the library's own build settings; empty when it has no such name.
std::string build_setting(std::string_view config, std::string_view name) {
  // Settings follow a blank; the blank keeps a key from matching the end of another.
  std::string key(1, ' ');
  key.append(name).append("=");
  const std::size_t at = config.find(key);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = config.substr(at + key.size());
  return std::string(rest.substr(0, rest.find_first_of(", \n")));
}

/// The source folder that the build flags map: distributions patch a release without changing the version it
/// states, but name it here: "-ffile-prefix-map=/build/x/pytorch-1.13.1+dfsg=.". Empty without such a flag.
std::string source_folder(std::string_view config) {
  constexpr std::string_view kFlag = "-prefix-map=";
  const std::size_t at = config.find(kFlag);
  if (at == std::string_view::npos) return {};
  std::string_view path = config.substr(at + kFlag.size());
  path = path.substr(0, path.find_first_of("= ,\n"));
  return std::string(path.substr(path.rfind('/') + 1));
}

/// "1.13.1" of "pytorch-1.13.1+dfsg"; empty for other names.
std::string release_of(std::string_view source) {
  constexpr std::string_view kPrefix = "pytorch-";
  if (!source.starts_with(kPrefix)) return {};
  source.remove_prefix(kPrefix.size());
  return std::string(source.substr(0, source.find_first_not_of("0123456789.")));
}

std::string file_of(const void* symbol) {
  Dl_info info{};
  if (dladdr(symbol, &info) == 0 || info.dli_fname == nullptr) return {};
  std::error_code error;
  const auto resolved = std::filesystem::canonical(info.dli_fname, error);
  return error ? std::string(info.dli_fname) : resolved.string();
}

}  // namespace

LoadedLibrary loaded_library() {
  const std::string config = at::show_config();
  LoadedLibrary library;
  library.file = file_of(reinterpret_cast<const void*>(&at::show_config));
  library.version = build_setting(config, "TORCH_VERSION");
  if (library.version.empty()) library.version = std::string(TORCH_VERSION) + " (header)";
  else if (library.version != TORCH_VERSION) library.version += " (compiled against " TORCH_VERSION ")";
  // Some versions draw the masks from a generator of MKL where they have it.
  library.notes = at::hasMKL() ? "built with MKL\n" : "built without MKL\n";
  if (const std::string source = source_folder(config); !source.empty()) {
    // Debian's 1.13.1 calls itself 1.13.0: the source is the better witness.
    const std::string release = release_of(source);
    if (!release.empty() && release != library.version) {
      library.notes.append("the library calls itself ").append(library.version);
      library.notes.append("; its build flags name the source ").append(source).append("\n");
      library.version = release;
    }
  }
  return library;
}

}  // namespace dropcheck::libtorch
