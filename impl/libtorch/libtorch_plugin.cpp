// LibTorch's dropout family behind the plugin ABI.

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/Logging.h>

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "harness/abi/dropcheck_plugin.hpp"
#include "impl/libtorch/attributes.hpp"
#include "impl/libtorch/autograd.hpp"
#include "impl/libtorch/dtypes.hpp"
#include "impl/libtorch/generator.hpp"
#include "impl/libtorch/inputs.hpp"
#include "impl/libtorch/interface.hpp"
#include "impl/libtorch/layers.hpp"
#include "impl/libtorch/loaded_library.hpp"
#include "impl/libtorch/operators.hpp"
#include "impl/libtorch/refusals.hpp"
#include "impl/libtorch/tensors.hpp"
#include "impl/libtorch/warning_collector.hpp"

namespace dropcheck::libtorch {
namespace {

using at::Tensor;

/// Runs the body with one call's threads and warnings, and turns Torch's errors into the plugin's.
template <typename Body>
void with_torch(int threads, plugin::Result& result, Body&& body) {
  const WarningCollector warnings(&result);
  try {
    if (at::get_num_threads() != threads) at::set_num_threads(threads);
    body();
  } catch (const c10::Error& error) {
    rethrow_refusal(error.what_without_backtrace());
  }
}

/// The dtypes for which dropout really runs: which they are depends on the version.
std::string working_dtypes() {
  std::string words;
  for (const DType& dtype : kDTypes) {
    try {
      at::dropout(at::ones({4}, dtype.torch), 0.5, true);
    } catch (const c10::Error&) {
      continue;
    }
    if (!words.empty()) words += ',';
    words += dtype.word;
  }
  return words;
}

class Torch : public plugin::Kernel {
 public:
  Torch() {
    at::set_num_threads(Attributes().threads);
    // Refusals are ordinary answers here, and a stack trace for each would cost more than all the calls.
    c10::SetStackTraceFetcher([]() -> std::string { return {}; });
    const WarningCollector swallow(nullptr);
    // Another context of this process may be in the middle of its stream.
    const KeepStream keep;
    const LoadedLibrary loaded = loaded_library();
    const StreamClaim claim = stream_claim();
    name = "libtorch";
    version = loaded.version;
    library = loaded.file;
    ops = operator_words();
    dtypes = working_dtypes();
    layouts = "contiguous,channels_last,channels_last_3d,transposed,strided,shifted,expanded";
    forms = form_words();
    conforms_to = "pytorch";
    exact_stream = claim.stream;
    seed_semantics = "stateful";
    seed_bits = 32;  // the CPU generator takes no more of a seed
    features = DROPCHECK_CAN_BACKWARD | DROPCHECK_CAN_IN_PLACE | DROPCHECK_CAN_SET_THREADS |
               DROPCHECK_CAN_RECOMPUTE | DROPCHECK_REPORTS_RNG_WORDS;
    notes = loaded.notes + claim.note +
            "\n"
            "dropout1d, dropout2d and dropout3d are at::feature_dropout, which drops by the first two "
            "dimensions\n"
            "all contexts of a process share Torch's default CPU generator";
  }

  void forward(const plugin::Call& call, plugin::Result& result) override {
    const Attributes attributes = parse_attributes(call.attributes());
    with_torch(attributes.threads, result, [&] {
      Tensor x = wrap(call.input("x"));
      if (is_layer(attributes.form)) run_layer(call, attributes, x, result);
      else run_interface(call, attributes, x, result);
    });
  }

  void backward(std::uint64_t token, const plugin::Call& call, plugin::Result& result) override {
    const Recorded& recorded = saved_.at(token);
    const BackwardAttributes attributes = parse_backward_attributes(call.attributes());
    with_torch(attributes.threads, result,
               [&] { differentiate(recorded, call, attributes.create_graph, result); });
  }

  void release(std::uint64_t token) override { saved_.forget(token); }

  std::vector<std::byte> save_state() { return generator_state(); }
  void load_state(std::span<const std::byte> state) { set_generator_state(state); }

 private:
  void run_interface(const plugin::Call& call, const Attributes& attributes, Tensor& x,
                     plugin::Result& result) {
    refuse_inputs_but(call, {});
    const Interface interface = make_interface(call, attributes);
    seed_generator(call);
    if (attributes.autograd != Scenario::none || call.wants(DROPCHECK_WANT_SAVED)) {
      keep(record(interface, call, attributes.autograd, x, result), call, result);
      return;
    }
    const at::NoGradGuard no_grad;
    const auto version_before = static_cast<std::int64_t>(x._version());
    report(apply(interface, call, x, result), x, version_before, call, result);
  }

  void run_layer(const plugin::Call& call, const Attributes& attributes, const Tensor& x,
                 plugin::Result& result) {
    const Layer layer = make_layer(call, attributes, x);
    seed_generator(call);
    keep(record_layer(layer, call, x, result), call, result);
  }

  void keep(Recorded recorded, const plugin::Call& call, plugin::Result& result) {
    if (call.wants(DROPCHECK_WANT_SAVED)) result.saved(saved_.keep(std::move(recorded)));
  }

  SavedCalls saved_;
};

}  // namespace
}  // namespace dropcheck::libtorch

DROPCHECK_PLUGIN(dropcheck::libtorch::Torch)
