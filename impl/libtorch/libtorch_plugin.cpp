// LibTorch's dropout family behind the plugin ABI.

#include <ATen/Parallel.h>
#include <c10/util/Logging.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "harness/abi/dropcheck_plugin.hpp"
#include "impl/libtorch/attributes.hpp"
#include "impl/libtorch/dtypes.hpp"
#include "impl/libtorch/loaded_library.hpp"
#include "impl/libtorch/refusals.hpp"
#include "impl/libtorch/warning_collector.hpp"

namespace dropcheck::libtorch {
namespace {

using at::Tensor;

struct Op {
  std::string_view word;
  Tensor (*apply)(const Tensor&, double, bool);
  Tensor& (*apply_in_place)(Tensor&, double, bool);
};

// ATen has one operator for whole channels, whatever the rank.
constexpr Op kOps[] = {
    {"dropout", &at::dropout, &at::dropout_},
    {"dropout1d", &at::feature_dropout, &at::feature_dropout_},
    {"dropout2d", &at::feature_dropout, &at::feature_dropout_},
    {"dropout3d", &at::feature_dropout, &at::feature_dropout_},
    {"alpha_dropout", &at::alpha_dropout, &at::alpha_dropout_},
    {"feature_alpha_dropout", &at::feature_alpha_dropout, &at::feature_alpha_dropout_},
};

const Op& find_op(std::string_view word) {
  for (const Op& op : kOps)
    if (op.word == word) return op;
  throw plugin::Unsupported("op " + std::string(word));
}

/// The host's own memory as a Torch tensor, no copy.
Tensor wrap(const plugin::Tensor& lent) {
  const auto shape = lent.shape();
  const auto strides = lent.strides();
  return torch::from_blob(lent.data(), {shape.data(), shape.size()}, {strides.data(), strides.size()},
                          at::TensorOptions().dtype(torch_dtype(lent.dtype())));
}

void describe(const Tensor& produced, const Tensor& input, std::int64_t version_delta,
              plugin::Result& result) {
  result.shape(produced.sizes());
  result.strides(produced.strides());
  result.dtype(dlpack_dtype(produced.scalar_type()));
  // An empty tensor may have no memory to compare, so identity comes first.
  const bool shares_memory = produced.numel() > 0 && produced.data_ptr() == input.data_ptr();
  result.aliases_input(produced.is_same(input) || shares_memory);
  result.version_delta(version_delta);
}

/// Runs the body with one call's threads and warnings, and turns Torch's errors into the plugin's.
template <typename Body>
void with_torch(const plugin::Call& call, plugin::Result& result, Body&& body) {
  const Attributes attributes = parse_attributes(call.attributes());
  const WarningCollector warnings(&result);
  try {
    if (at::get_num_threads() != attributes.threads) at::set_num_threads(attributes.threads);
    body();
  } catch (const c10::Error& error) {
    rethrow_refusal(error.what_without_backtrace());
  }
}

/// The dtypes for which dropout really runs: which they are depends on the version.
std::string working_dtypes() {
  const WarningCollector swallow(nullptr);
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
    const LoadedLibrary loaded = loaded_library();
    name = "libtorch";
    version = loaded.version;
    library = loaded.file;
    ops.clear();
    for (const Op& op : kOps) ops.append(ops.empty() ? "" : ",").append(op.word);
    dtypes = working_dtypes();
    layouts = "contiguous,channels_last,channels_last_3d,transposed,strided,shifted,expanded";
    seed_semantics = "stateful";
    seed_bits = 32;  // the CPU generator takes no more of a seed
    features = DROPCHECK_CAN_BACKWARD | DROPCHECK_CAN_IN_PLACE | DROPCHECK_CAN_SET_THREADS;
    notes = loaded.notes +
            "dropout1d, dropout2d and dropout3d are at::feature_dropout, which drops by the first two "
            "dimensions\n"
            "all contexts of a process share Torch's default CPU generator";
  }

  void forward(const plugin::Call& call, plugin::Result& result) override {
    const Op& op = find_op(call.op());
    with_torch(call, result, [&] {
      if (const auto seed = call.seed()) torch::manual_seed(*seed);
      Tensor x = wrap(call.input("x"));
      if (call.wants(DROPCHECK_WANT_SAVED)) record(op, call, x, result);
      else run(op, call, x, result);
    });
  }

  void backward(std::uint64_t token, const plugin::Call& call, plugin::Result& result) override {
    const auto found = saved_.find(token);
    if (found == saved_.end())
      throw plugin::InvalidArgument("no saved forward call " + std::to_string(token));
    with_torch(call, result, [&] {
      const auto& [leaf, output] = found->second;
      const Tensor dy = wrap(call.input("dy"));
      // Torch throws when the output does not depend on the leaf, so the gradient is always defined.
      const Tensor dx = torch::autograd::grad({output}, {leaf}, {dy}, /*retain_graph=*/true).at(0);
      describe(dx, dy, 0, result);
      const at::NoGradGuard no_grad;
      wrap(call.output("dx")).copy_(dx);
    });
  }

  void release(std::uint64_t token) override { saved_.erase(token); }

 private:
  struct Saved {
    Tensor leaf;
    Tensor output;
  };

  static void run(const Op& op, const plugin::Call& call, Tensor& x, plugin::Result& result) {
    const at::NoGradGuard no_grad;
    if (call.in_place()) {
      const auto before = x._version();
      const Tensor y = op.apply_in_place(x, call.p(), call.train());
      describe(y, x, static_cast<std::int64_t>(x._version() - before), result);
      return;
    }
    const auto before = x._version();
    const Tensor y = op.apply(x, call.p(), call.train());
    describe(y, x, static_cast<std::int64_t>(x._version() - before), result);
    if (call.wants(DROPCHECK_WANT_OUTPUT)) wrap(call.output("y")).copy_(y);
  }

  void record(const Op& op, const plugin::Call& call, Tensor& x, plugin::Result& result) {
    const at::AutoGradMode grad(true);
    Saved saved;
    if (call.in_place()) {
      // Torch refuses to write to a leaf that needs a gradient. Copying the leaf into the host's tensor makes
      // that tensor an inner node, still in the host's memory and with the host's strides.
      saved.leaf = x.detach().clone().requires_grad_();
      x.copy_(saved.leaf);
      const auto before = x._version();
      saved.output = op.apply_in_place(x, call.p(), call.train());
      describe(saved.output, x, static_cast<std::int64_t>(x._version() - before), result);
    } else {
      saved.leaf = x.detach().requires_grad_();
      const auto before = saved.leaf._version();
      saved.output = op.apply(saved.leaf, call.p(), call.train());
      describe(saved.output, saved.leaf, static_cast<std::int64_t>(saved.leaf._version() - before), result);
      const at::NoGradGuard no_grad;
      if (call.wants(DROPCHECK_WANT_OUTPUT)) wrap(call.output("y")).copy_(saved.output);
    }
    // The two tensors may outlive the host's memory: backward reads the noise that the graph kept, never
    // their elements.
    result.saved(next_token_);
    saved_.emplace(next_token_++, std::move(saved));
  }

  std::unordered_map<std::uint64_t, Saved> saved_;
  std::uint64_t next_token_ = 1;
};

}  // namespace
}  // namespace dropcheck::libtorch

DROPCHECK_PLUGIN(dropcheck::libtorch::Torch)
