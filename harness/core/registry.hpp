#pragma once
// The one place where the run learns which backends, protocols, checks and profiles exist. `tools` fills it.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/check.hpp"

namespace dropcheck {

struct BackendOptions {
  bool in_process = false;  // load plugins here instead of in a worker
  /// Of one call to a worker or an adapter; 0: what the kind of backend takes for sensible.
  std::chrono::milliseconds deadline{0};
  std::uint32_t rank = 0, world_size = 1;  // of the instance among those that draw together
  std::uint64_t memory_limit = 0;          // bytes that a worker or an adapter may take; 0: no limit
  /// Once true, calls that take long are given up. Must outlive the backend; may be absent.
  const std::atomic<bool>* stop = nullptr;
};

struct BackendFamily {
  std::string name;     // what stands before the first ':' or '?' in a backend name
  std::string usage;    // e.g. "plugin:PATH[?CONFIG]"
  std::string summary;  // one sentence
  bool takes_argument = false;
  /// `argument` is what stands after that.
  std::function<Expected<std::unique_ptr<Backend>>(const std::string& argument, const BackendOptions&)> open;
  /// Instances in one process may share a generator: in process, only one lane is safe.
  bool is_plugin = false;
  /// With takes_argument: the name alone will do as well.
  bool argument_is_optional = false;
};

class Registry {
 public:
  void add_backend(BackendFamily family);
  void add_protocol(Protocol protocol);
  void add_check(std::unique_ptr<Check> check);
  /// Puts the checks in the order of these ids, which are all of theirs.
  void order_checks(const std::vector<std::string>& ids);
  /// Text of a profile: lines `protocol blocks descriptor-with-lists`, `own elements [ids]` for the protocols
  /// with a problem of their own, or `random_problems count`; "#" begins a comment.
  void add_profile(std::string name, std::string_view text);

  const std::vector<BackendFamily>& backends() const { return backends_; }
  const std::vector<Protocol>& protocols() const { return protocols_; }
  const std::vector<std::unique_ptr<Check>>& checks() const { return checks_; }
  std::vector<std::string> profiles() const;

  const Protocol* protocol(std::string_view id) const;
  const Check* check(std::string_view id) const;
  Expected<std::string_view> profile(std::string_view name) const;

  /// Looks the family up without opening anything. Unknown names are usage errors that list what is known.
  Expected<const BackendFamily*> family(std::string_view spec) const;
  Expected<std::unique_ptr<Backend>> open(std::string_view spec, const BackendOptions& options) const;

 private:
  std::vector<BackendFamily> backends_;
  std::vector<Protocol> protocols_;
  std::vector<std::unique_ptr<Check>> checks_;
  std::vector<std::pair<std::string, std::string>> profiles_;
};

}  // namespace dropcheck
