#pragma once
// The one list of what this program knows: backends, protocols, checks and profiles.

#include <filesystem>

#include "harness/core/registry.hpp"
#include "suites/dialect.hpp"

namespace dropcheck::tools {

/// Checks and protocols as they stand under that dialect.
Registry make_registry(const suites::Dialect& dialect = suites::pytorch_dialect());

/// Opens `spec` (PATH[?CONFIG]) in this process; what the hidden worker command serves.
Expected<std::unique_ptr<Backend>> open_plugin_here(const std::string& spec, const BackendOptions& options);

/// Path of the running program.
std::filesystem::path own_path();

/// Where a plugin of that file name lies: plugins/ beside the program, then the library folder; empty when
/// nowhere.
std::filesystem::path find_plugin(const std::string& file_name);

inline constexpr const char* kLibtorchPlugin = "libtorch_backend.so";
/// How to get LibTorch, for those who have it not.
inline constexpr const char* kGetLibtorch =
    "the LibTorch backend is not built: install Torch (Debian: apt-get install libtorch-dev; or use "
    "tools/verify --torch=wheel) and "
    "build again";

inline constexpr const char* kCudaPlugin = "cuda_backend.so";
inline constexpr const char* kCurandPlugin = "curand_backend.so";
/// How to get the CUDA backends, where there was no nvcc, or no cuRAND, when this was built.
inline constexpr const char* kGetCuda =
    "the CUDA backend is not built: install the CUDA toolkit so that nvcc is found (or put its bin folder in "
    "PATH) and build again";
inline constexpr const char* kGetCurand =
    "the cuRAND backend is not built: install the CUDA toolkit with cuRAND's headers (or give their folder "
    "as "
    "-DDROPCHECK_CURAND_INCLUDE_DIR) and build again";

}  // namespace dropcheck::tools
