// A plugin that is the mutant, or the base of mutants, that its config names:
// plugin:mutant_plugin.so?swapped.
#include <nlohmann/json.hpp>

#include "impl/mutants/mutants.hpp"
#include "impl/mutants/plugin/bridge.hpp"

namespace {

using dropcheck::mutants::BridgedBackward;
using dropcheck::mutants::BridgedCall;

class MutantKernel final : public dropcheck::plugin::Kernel {
 public:
  explicit MutantKernel(std::string_view config) {
    const auto options = nlohmann::json::parse(config);
    dropcheck::BackendOptions backend;
    backend.rank = options.at("rank");
    backend.world_size = options.at("world_size");
    auto opened = dropcheck::mutants::open_mutant(options.at("config"), backend);
    if (!opened) dropcheck::mutants::refuse(opened.error());
    backend_ = *std::move(opened);
    dropcheck::mutants::claim(backend_->capabilities(), *this);
  }

  void forward(const dropcheck::plugin::Call& call, dropcheck::plugin::Result& result) override {
    const BridgedCall bridged(call);
    dropcheck::mutants::report(backend_->forward(bridged.call()), result);
  }
  void backward(std::uint64_t saved, const dropcheck::plugin::Call& call,
                dropcheck::plugin::Result& result) override {
    const BridgedBackward bridged(saved, call);
    dropcheck::mutants::report(backend_->backward(bridged.call()), result);
  }
  void release(std::uint64_t saved) override { backend_->release({saved}); }

  std::vector<std::byte> save_state() {
    auto state = backend_->save_state();
    if (!state) dropcheck::mutants::refuse(state.error());
    return *std::move(state);
  }
  void load_state(std::span<const std::byte> state) {
    const auto loaded = backend_->load_state(state);
    if (!loaded) dropcheck::mutants::refuse(loaded.error());
  }

 private:
  std::unique_ptr<dropcheck::Backend> backend_;
};

}  // namespace

DROPCHECK_PLUGIN(MutantKernel)
