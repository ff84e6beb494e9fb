#include "tools/registration.hpp"

#include <fmt/format.h>

#include "impl/cpu/cpu_backend.hpp"
#include "impl/mutants/mutants.hpp"
#include "impl/plugin/plugin_backend.hpp"
#include "impl/process/process_backend.hpp"
#include "impl/worker/worker_backend.hpp"
#include "reference/reference_backend.hpp"
#include "suites/register.hpp"

namespace dropcheck::tools {
namespace {

/// A plugin in a worker of our own binary, or here when asked for.
Expected<std::unique_ptr<Backend>> open_plugin_anywhere(const std::string& spec,
                                                        const BackendOptions& options) {
  if (options.in_process) return plugin_host::open_plugin(spec, options.rank, options.world_size);
  worker::WorkerOptions of_worker;
  if (options.deadline.count() > 0) of_worker.deadline = options.deadline;
  of_worker.memory = options.memory_limit;
  of_worker.stop = options.stop;
  return worker::open_worker({own_path().string(),
                              {"dropcheck", "worker", fmt::format("--rank={}", options.rank),
                               fmt::format("--world-size={}", options.world_size), spec}},
                             of_worker);
}

/// A program that speaks the adapter protocol.
Expected<std::unique_ptr<Backend>> open_adapter(const std::string& command, const BackendOptions& options) {
  process::Options of_adapter;
  if (options.deadline.count() > 0) {
    of_adapter.first = options.deadline * (of_adapter.first / of_adapter.every);
    of_adapter.every = options.deadline;
  }
  of_adapter.limits = {options.memory_limit, options.stop};
  of_adapter.rank = options.rank;
  of_adapter.world_size = options.world_size;
  auto opened = process::open_process(command, of_adapter);
  if (!opened) return opened.error();
  return std::unique_ptr<Backend>(std::move(*opened));
}

/// A plugin that is built beside this program where its library is there; `missing` says how to get that.
Expected<std::unique_ptr<Backend>> open_own_plugin(const char* file_name, const char* missing,
                                                   const std::string& config, const BackendOptions& options) {
  const std::filesystem::path path = find_plugin(file_name);
  if (path.empty()) return Error{ErrorCode::unsupported, missing};
  return open_plugin_anywhere(config.empty() ? path.string() : path.string() + "?" + config, options);
}

Expected<std::unique_ptr<Backend>> open_libtorch(const std::string&, const BackendOptions& options) {
  return open_own_plugin(kLibtorchPlugin, kGetLibtorch, {}, options);
}

Expected<std::unique_ptr<Backend>> open_cuda(const std::string& config, const BackendOptions& options) {
  return open_own_plugin(kCudaPlugin, kGetCuda, config, options);
}

Expected<std::unique_ptr<Backend>> open_curand(const std::string&, const BackendOptions& options) {
  return open_own_plugin(kCurandPlugin, kGetCurand, {}, options);
}

}  // namespace

std::filesystem::path own_path() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? std::filesystem::path("dropcheck") : path;
}

std::filesystem::path find_plugin(const std::string& file_name) {
  const std::filesystem::path beside = own_path().parent_path();
  std::error_code error;
  for (const auto& folder : {beside / "plugins", beside.parent_path() / "lib" / "dropcheck" / "plugins"})
    if (std::filesystem::exists(folder / file_name, error)) return folder / file_name;
  return {};
}

Expected<std::unique_ptr<Backend>> open_plugin_here(const std::string& spec, const BackendOptions& options) {
  return plugin_host::open_plugin(spec, options.rank, options.world_size);
}

Registry make_registry(const suites::Dialect& dialect) {
  Registry registry;
  registry.add_backend({"reference", "reference[:STREAM]",
                        "the definition itself, readable before fast; or a simulated stream, for example "
                        "reference:pytorch-cuda?sm=132&threads=2048&vec=8",
                        true, reference::open_reference, false, true});
  registry.add_backend(
      {"cpu", "cpu", "our own implementation for CPUs, stream dropcheck-philox", false, cpu::open_cpu});
  registry.add_backend(
      {"libtorch", "libtorch", "the real LibTorch, behind the plugin ABI", false, open_libtorch, true});
  registry.add_backend({"cuda", "cuda[?CONFIG]",
                        "our own CUDA kernels, stream dropcheck-philox; or another, for example "
                        "cuda?stream=pytorch-cuda",
                        true, open_cuda, true, true});
  registry.add_backend({"cuda-curand", "cuda-curand",
                        "dropout written the ordinary way with cuRAND, to compare with", false, open_curand,
                        true});
  registry.add_backend({"plugin", "plugin:PATH[?CONFIG]", "a shared library with the C plugin ABI", true,
                        open_plugin_anywhere, true});
  registry.add_backend(
      {"exec", "exec:COMMAND", "a program in any language, by the adapter protocol", true, open_adapter});
  registry.add_backend({"mutant", "mutant:ID", "a deliberately wrong implementation, to see it caught", true,
                        mutants::open_mutant});
  suites::register_suites(registry, dialect);
  return registry;
}

}  // namespace dropcheck::tools
