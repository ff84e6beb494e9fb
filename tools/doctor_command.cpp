#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "impl/worker/server.hpp"
#include "tools/commands.hpp"
#include "tools/machine.hpp"
#include "tools/registration.hpp"

namespace dropcheck::tools {
namespace {

struct Finding {
  std::string what;
  bool works;
  std::string text;
};

Finding examine(const Registry& registry, const std::string& what, const std::string& spec,
                const BackendOptions& options) {
  const auto backend = registry.open(spec, options);
  if (!backend) return {what, false, backend.error().message};
  const Capabilities& c = (*backend)->capabilities();
  std::string text = fmt::format("{} {}", c.name, c.version);
  if (!c.library.empty()) text += " from " + c.library;
  return {what, true, text};
}

}  // namespace

int worker_command(const std::string& plugin, const BackendOptions& options) {
  return worker::serve(3, [&] { return open_plugin_here(plugin, options); });
}

ExitCode doctor_command(const Registry& registry, bool json) {
  BackendOptions in_worker, here;
  here.in_process = true;
  std::vector<Finding> findings = {examine(registry, "backend reference", "reference", in_worker),
                                   examine(registry, "backend cpu", "cpu", in_worker)};
  if (find_plugin(kLibtorchPlugin).empty()) {
    findings.push_back({"backend libtorch", false, kGetLibtorch});
  } else {
    findings.push_back(examine(registry, "libtorch in a worker", "libtorch", in_worker));
    findings.push_back(examine(registry, "libtorch in process", "libtorch", here));
  }
  findings.push_back(examine(registry, "backend cuda", "cuda", in_worker));
  findings.push_back(examine(registry, "backend cuda-curand", "cuda-curand", in_worker));
  const Environment machine = machine_facts();
  if (json) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const Finding& f : findings)
      list.push_back({{"what", f.what}, {"works", f.works}, {"text", f.text}});
    nlohmann::ordered_json facts;
    for (const auto& [name, value] : machine) facts[name] = value;
    fmt::print("{}\n", nlohmann::ordered_json{{"findings", list}, {"machine", facts}}.dump(1));
    return ExitCode::pass;
  }
  fmt::print("dropcheck {}\n\n", DROPCHECK_VERSION);
  for (const Finding& f : findings)
    fmt::print("{:7} {:22} {}\n", f.works ? "works" : "missing", f.what, f.text);
  fmt::print("\n");
  for (const auto& [name, value] : machine) fmt::print("{:18} {}\n", name, value);
  return ExitCode::pass;
}

}  // namespace dropcheck::tools
