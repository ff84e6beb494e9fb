// The dropout operators on a CUDA device behind the plugin ABI. Nothing here depends on CUDA: device.hpp
// does.

#include <fmt/format.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "harness/abi/dropcheck_plugin.hpp"
#include "impl/cuda/configuration.hpp"
#include "impl/cuda/device.hpp"
#include "impl/cuda/generator.hpp"
#include "impl/cuda/operators.hpp"
#include "impl/cuda/tensors.hpp"
#include "impl/cuda/walk.hpp"

namespace dropcheck::cuda {
namespace {

using plugin::Call;
using plugin::InvalidArgument;
using plugin::Result;
using plugin::Tensor;
using plugin::Unsupported;

/// What a forward call did. The mask is drawn again in the backward pass instead of being kept.
struct Saved {
  Operator op;
  double p = 0;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  std::vector<int> order;  // of the dimensions, in which entries are numbered
  Action action = Action::copy;
  Draw draw;
};

class Dropout final : public plugin::Kernel {
 public:
  explicit Dropout(std::string_view config)
      : device_(open_device()),
        configuration_(read_configuration(config, device_->facts())),
        generator_(configuration_) {
    name = device_->facts().kind;
    version = DROPCHECK_VERSION;
    device = "cuda";
    ops = "dropout,dropout1d,dropout2d,dropout3d,alpha_dropout,feature_alpha_dropout";
    dtypes = "f64,f32,f16,bf16";
    layouts = "contiguous,channels_last,channels_last_3d,transposed,strided,shifted,expanded";
    seed_semantics = "stateful";
    exact_stream = configuration_.stream_name();
    offset_unit = configuration_.pytorch ? "32-bit word, a multiple of 4" : "calls";
    notes = device_->facts().description;
    if (configuration_.pytorch) notes += "\nPyTorch's stream as its sources describe it";
    else promises = "coupled_thresholds,equal_ranks";
    features = DROPCHECK_CAN_BACKWARD | DROPCHECK_CAN_IN_PLACE | DROPCHECK_CAN_RETURN_MASK |
               DROPCHECK_CAN_RETURN_PACKED_MASK | DROPCHECK_CAN_TAKE_CONSTANT | DROPCHECK_CAN_RECOMPUTE |
               DROPCHECK_REPORTS_RNG_WORDS | DROPCHECK_DECLARES_EFFECTIVE_P;
  }

  void forward(const Call& call, Result& result) override {
    refuse_attributes(call);
    refuse_inputs_but(call, "x");
    refuse_outputs_but(call, {"y", "mask", "packed_mask"});
    const Tensor x = call.input("x");
    const bool wants_y = call.wants(DROPCHECK_WANT_OUTPUT);
    generator_.begin_call(call.seed(), call.offset());
    if (!(call.p() >= 0.0 && call.p() <= 1.0))
      throw InvalidArgument(
          fmt::format("dropout probability has to be between 0 and 1, but got {}", call.p()));
    Saved now;
    now.op = operator_of(call.op());
    now.p = call.p();
    now.dtype = dtype_of(x);
    now.shape = copied(x.shape());
    now.order = logical_order(now.shape.size());
    now.action = action_of(call, x);
    if (!x.has_data() && call.in_place()) throw InvalidArgument("a constant input cannot be written to");
    const Generator before = generator_;
    try {
      const std::uint64_t words = now.action == Action::drop ? draw(call, x, now) : 0;
      Request request;
      request.task.law = law_of(now, true);
      run(request, now, x, wants_y ? std::optional(call.destination()) : std::nullopt, &call);
      tell(call, now, words, result);
    } catch (...) {
      generator_ = before;  // a call that fails takes nothing from the stream
      throw;
    }
  }

  void backward(std::uint64_t token, const Call& call, Result& result) override {
    refuse_attributes(call);
    refuse_inputs_but(call, "dy");
    refuse_outputs_but(call, {"dx"});
    const auto found = saved_.find(token);
    if (found == saved_.end()) throw InvalidArgument(fmt::format("no forward call is saved under {}", token));
    const Saved& saved = found->second;
    const Tensor dy = call.input("dy"), dx = call.output("dx");
    if (copied(dy.shape()) != saved.shape || dtype_of(dy) != saved.dtype)
      throw InvalidArgument("dy must have the shape and dtype of the saved forward call");
    Request request;
    request.task.law = law_of(saved, false);
    run(request, saved, dy, dx, nullptr);
    result.shape(dx.shape());
    result.strides(dx.strides());
    result.dtype(dx.dtype());
  }

  void release(std::uint64_t token) override { saved_.erase(token); }

  std::vector<std::byte> save_state() { return generator_.save(); }
  void load_state(std::span<const std::byte> state) { generator_.load(state); }

  void* allocate(std::size_t bytes) { return device_->allocate(bytes); }
  void free(void* memory) { device_->free(memory); }
  void copy(void* to, const void* from, std::size_t bytes, bool to_host) {
    device_->copy(to, from, bytes, to_host ? Direction::to_host : Direction::to_device);
  }
  void synchronize() { device_->synchronize(); }

 private:
  static Action action_of(const Call& call, const Tensor& x) {
    if (call.p() == 0.0 || !call.train() || x.count() == 0) return Action::copy;
    return call.p() == 1.0 ? Action::zero : Action::drop;
  }

  /// Moves the generator by what the call takes; returns its words.
  std::uint64_t draw(const Call& call, const Tensor& x, Saved& now) {
    if (now.op.channels && now.shape.size() < 2)
      throw InvalidArgument("Feature dropout requires at least 2 dimensions in the input");
    DrawShape& shape = now.draw.shape;
    shape.p = now.p;
    shape.dtype = now.dtype;
    shape.entries = entries_of(now.op, now.shape);
    if (configuration_.pytorch) {
      shape.fused = now.op.plain() && !call.in_place();
      if (shape.fused) choose_order(x, now);
      else check_noise(now.dtype, shape.entries);
    }
    const std::uint64_t words = generator_.words(shape);
    now.draw = generator_.next(shape);
    return words;
  }

  /// PyTorch's fused kernel goes by address where it handles several elements at once.
  void choose_order(const Tensor& x, Saved& now) const {
    const std::vector<int> order = memory_order(x.shape(), x.strides());
    const bool dense = is_dense(x.shape(), x.strides(), order);
    const std::uint64_t address = x.has_data() ? reinterpret_cast<std::uintptr_t>(x.data()) : 0;
    now.draw.shape.vec =
        pytorch_vec(configuration_.pytorch_device, now.dtype, now.draw.shape.entries, address, dense);
    if (now.draw.shape.vec > 1) now.order = order;
  }

  static Law law_of(const Saved& call, bool forward) {
    if (call.action == Action::copy) return copy_law();
    if (call.action == Action::zero) return zero_law();
    if (call.draw.shape.fused)
      return forward ? fused_forward_law(call.p, call.dtype) : fused_backward_law(call.p);
    return (forward ? forward_law : backward_law)(call.op.alpha, call.p, call.dtype);
  }

  /// One pass over the tensors; `outputs` may also want masks.
  void run(Request& request, const Saved& call, const Tensor& x, const std::optional<Tensor>& y,
           const Call* outputs) {
    Task& task = request.task;
    task.count = x.count();
    task.x = x.has_data() && y ? x.data() : nullptr;
    if (outputs != nullptr) task.constant = outputs->constant().value_or(0);
    if (y) {
      check_like(*y, x);
      task.y = y->data();
    }
    std::span<const std::int64_t> mask_strides;
    const bool wants_mask = outputs != nullptr && outputs->wants(DROPCHECK_WANT_MASK);
    const std::optional<Tensor> mask = wants_mask ? std::optional(outputs->output("mask")) : std::nullopt;
    if (mask) {
      check_shape(*mask, x);
      mask_strides = mask->strides();
      task.mask = static_cast<unsigned char*>(mask->data());
    }
    if (outputs != nullptr && outputs->wants(DROPCHECK_WANT_PACKED_MASK)) {
      if (call.order != logical_order(call.shape.size()))
        throw Unsupported("packed masks of this stream need an input in logical order");
      task.packed = static_cast<unsigned char*>(outputs->output("packed_mask").data());
    }
    if (call.action == Action::drop) {
      task.per_entry = per_entry_of(call.op, call.shape);
      generator_.fill(call.draw, request);
    } else {
      request.constant.keep = call.action == Action::copy;
    }
    task.walk =
        make_walk(x.shape(), call.order, task.x != nullptr ? x.strides() : std::span<const std::int64_t>(),
                  y ? y->strides() : std::span<const std::int64_t>(), mask_strides);
    choose_body(request);
    launch(*device_, call.dtype, request);
    device_->synchronize();
  }

  void tell(const Call& call, Saved& now, std::uint64_t words, Result& result) {
    const Tensor seen = call.has_output("y") || call.in_place() ? call.destination() : call.input("x");
    result.shape(seen.shape());
    result.strides(seen.strides());
    result.dtype(seen.dtype());
    result.aliases_input(call.in_place());
    if (call.wants(DROPCHECK_WANT_RNG_WORDS)) result.rng_words(static_cast<std::int64_t>(words));
    if (call.train()) result.effective_p(generator_.rate(now.p, now.dtype));
    if (!call.wants(DROPCHECK_WANT_SAVED)) return;
    saved_.emplace(++last_token_, std::move(now));
    result.saved(last_token_);
  }

  std::unique_ptr<Device> device_;
  Configuration configuration_;
  Generator generator_;
  std::uint64_t last_token_ = 0;
  std::map<std::uint64_t, Saved> saved_;
};

}  // namespace
}  // namespace dropcheck::cuda

DROPCHECK_PLUGIN(dropcheck::cuda::Dropout)
