#pragma once
// A correct dropout with hooks at which a test plants one defect, and the way to put one check before it: the
// steps of a real protocol, run by the real executor.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "harness/core/backend.hpp"
#include "harness/core/registry.hpp"

namespace dropcheck::suites::testing {

/// Bytes, 1 = dropped, one an element in logical order.
using Dropped = std::vector<std::uint8_t>;

/// What a hook may look at.
struct Drawn {
  const Call& call;
  const std::vector<double>& x;  // in logical order
  std::uint64_t since_seed;      // calls since the last seed, from 0
};

class PlantedBackend final : public Backend {
 public:
  using Engine = std::mt19937_64;

  Capabilities claims;
  /// Takes the place of a whole call when it returns something.
  std::function<std::optional<Expected<Observation>>(const Call&)> instead;
  /// Sees each call, in training and in eval, before it draws.
  std::function<void(const Call&, Engine&)> before_drawing;
  std::function<double(double p)> rate;  // that is really drawn with
  std::function<void(const Drawn&, Dropped&)> spoil_mask;
  std::function<double(const Drawn&, std::size_t i, bool dropped, double y)> spoil_value;
  std::function<double(std::size_t i, bool dropped, double dy, double dx)> spoil_gradient;
  std::function<double(double x)> spoil_eval;
  /// Gradients of the operators other than alpha, before they are spoiled: not scaled in training, or times q
  /// in eval mode.
  bool unscaled_gradients = false, eval_gradients_times_q = false;
  std::function<std::uint8_t(std::size_t i, std::uint8_t kept)> spoil_returned_mask;
  std::function<void(const Call&, Observation&)> spoil_observation;

  PlantedBackend();
  const Capabilities& capabilities() const override { return claims; }
  Expected<Observation> forward(const Call& call) override;
  Expected<Observation> backward(const BackwardCall& call) override;
  void release(SavedToken saved) override { saved_.erase(saved.id); }

 private:
  struct Saved {
    Op op;
    double p;
    Mode mode;
    Dropped dropped;
  };
  Dropped draw(const Call& call);
  double kept_gradient(const Saved& saved, double dy, DType dtype) const;

  Engine engine_{1};
  std::uint64_t since_seed_ = 0;
  std::uint64_t last_token_ = 0;
  std::map<std::uint64_t, Saved> saved_;
};

struct Sampling {
  std::uint64_t blocks = 1;
  double alpha = 1e-9;
  std::uint64_t master_seed = 1;
  const Registry* registry = nullptr;  // null: suites_registry()
  /// Opens further instances for the steps that ask for them.
  std::function<Expected<std::unique_ptr<Backend>>(const Instance&)> instances{};
};

/// Protocols, checks and profiles, without backends, as they stand under PyTorch's dialect.
const Registry& suites_registry();
/// The same under a built-in dialect.
const Registry& suites_registry(const std::string& dialect);

/// Judges the backend by one check on one sample. Trouble of the executor comes back as a judgement whose
/// message begins with "trouble: ". Throws std::logic_error when the check does not apply to the sample.
Judgement judge(const std::string& check, const std::string& protocol, const std::string& descriptor,
                Backend& backend, const Sampling& sampling = {});

/// The problem of a descriptor that must be valid.
Problem problem_of(const std::string& descriptor);

}  // namespace dropcheck::suites::testing
