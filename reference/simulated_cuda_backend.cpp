#include "reference/simulated_cuda_backend.hpp"

#include <fmt/format.h>

#include <Eigen/Core>
#include <cstring>

#include "reference/definition.hpp"
#include "reference/dense_tensors.hpp"
#include "reference/pytorch_cuda_stream.hpp"

namespace dropcheck::reference {
namespace {

constexpr const char* kNativeDropout = "native_dropout";

Error refused(std::string message) { return Error{ErrorCode::invalid_argument, std::move(message)}; }
Error unsupported(std::string message) { return Error{ErrorCode::unsupported, std::move(message)}; }

/// to = from m s with m = 0 or 1, in the type that the kernel calculates in, rounded once more when it is
/// stored.
template <typename Element, typename Wide>
void scale_elements(const std::byte* from, std::byte* to, const MaskBits& drops, Wide s) {
  const Wide m[2] = {Wide{1}, Wide{0}};
  std::uint64_t left = drops.size();
  for (std::uint64_t bits : drops.words()) {
    const auto count = static_cast<unsigned>(std::min<std::uint64_t>(64, left));
    left -= count;
    for (unsigned i = 0; i < count; ++i, bits >>= 1, from += sizeof(Element), to += sizeof(Element)) {
      Element value;
      std::memcpy(&value, from, sizeof value);
      const auto scaled = static_cast<Element>(static_cast<Wide>(value) * m[bits & 1u] * s);
      std::memcpy(to, &scaled, sizeof scaled);
    }
  }
}

/// Of the fused kernels. `s` is rounded to the type that they calculate in: f64 for f64, f32 otherwise.
void scale_tensor(const TensorView& in, const TensorView& out, const MaskBits& drops, double s) {
  const DenseInput source(in);
  DenseOutput target(out);
  const std::byte* from = source.data();
  std::byte* to = target.data();
  const auto narrow = static_cast<float>(s);
  switch (in.dtype) {
    case DType::f64: scale_elements<double, double>(from, to, drops, s); break;
    case DType::f16: scale_elements<Eigen::half, float>(from, to, drops, narrow); break;
    case DType::bf16: scale_elements<Eigen::bfloat16, float>(from, to, drops, narrow); break;
    default: scale_elements<float, float>(from, to, drops, narrow); break;
  }
  target.finish();
}

/// What the fused kernel multiplies with: 1 / q, with q in the type that it calculates in
/// (ATen/native/cuda/Dropout.cu). Derived.
double fused_scale(double p, DType dtype) {
  const double q = 1.0 - p;
  return dtype == DType::f64 ? 1.0 / q : static_cast<double>(1.0f / static_cast<float>(q));
}

/// Of native_dropout_backward: the reciprocal in double (tools/autograd/derivatives.yaml). Derived.
double fused_gradient_scale(double p) { return 1.0 / (1.0 - p); }

/// One mask entry for `per_entry` elements in a row.
template <typename Kept, typename Dropped>
void apply_entries(const TensorView& in, const TensorView& out, const MaskBits& drops, std::int64_t per_entry,
                   Kept&& on_kept, Dropped&& on_dropped) {
  const DenseInput source(in);
  DenseOutput target(out);
  const std::size_t size = in.element_size();
  const std::byte* from = source.data();
  std::byte* to = target.data();
  for (std::uint64_t entry = 0; entry < drops.size(); ++entry) {
    const bool drop = drops[entry];
    for (std::int64_t i = 0; i < per_entry; ++i, from += size, to += size) {
      const double value = load_element(from, in.dtype);
      store_element(drop ? on_dropped(value) : on_kept(value), to, in.dtype);
    }
  }
  target.finish();
}

void zeros(const TensorView& out) {
  DenseOutput target(out);
  std::memset(target.data(), 0, static_cast<std::size_t>(out.count()) * out.element_size());
  target.finish();
}

/// The mask as bytes or as numbers of a dtype, 1 = kept.
void write_mask(const TensorView& out, const MaskBits& drops, std::int64_t per_entry) {
  DenseOutput target(out);
  std::byte* to = target.data();
  for (std::uint64_t entry = 0; entry < drops.size(); ++entry) {
    const bool keep = !drops[entry];
    for (std::int64_t i = 0; i < per_entry; ++i, to += out.element_size()) {
      if (is_float(out.dtype)) store_element(keep ? 1.0 : 0.0, to, out.dtype);
      else *to = std::byte{keep};
    }
  }
  target.finish();
}

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (const std::int64_t extent : shape) text += fmt::format("{}{}", text.size() > 1 ? ", " : "", extent);
  return text.append("]");
}

}  // namespace

SimulatedCudaBackend::SimulatedCudaBackend(std::unique_ptr<ClaimedStream> stream)
    : stream_(std::move(stream)) {
  capabilities_.name = fmt::format("reference:{}", stream_->name());
  capabilities_.version = DROPCHECK_VERSION;
  capabilities_.exact_stream = stream_->name();
  capabilities_.notes = {
      "PyTorch's dropout on a CUDA device, simulated from PyTorch's sources, not run on a GPU"};
  capabilities_.ops.assign(kAllOps.begin(), kAllOps.end());
  capabilities_.dtypes.assign(kFloatDTypes.begin(), kFloatDTypes.end());
  capabilities_.layouts.assign(kAllLayouts.begin(), kAllLayouts.end());
  capabilities_.seed_semantics = SeedSemantics::stateful;
  capabilities_.seed_bits = 64;
  capabilities_.offset_unit = "32-bit word, a multiple of 4";
  capabilities_.backward = true;
  capabilities_.in_place = true;
  capabilities_.threads = true;  // accepted; the result cannot depend on it
  capabilities_.mask_output = true;
  capabilities_.reports_rng_words = true;
  capabilities_.effective_rate = true;
  capabilities_.forms = {kNativeDropout};
}

Expected<std::unique_ptr<Backend>> SimulatedCudaBackend::open(const std::string& name) {
  auto stream = ClaimedStream::open(name);
  if (!stream) return stream.error();
  if (!(*stream)->name().starts_with("pytorch-cuda"))
    return refused(
        fmt::format("only CUDA devices are simulated, not '{}': write "
                    "pytorch-cuda?sm=132&threads=2048&vec=8",
                    name));
  return std::unique_ptr<Backend>(new SimulatedCudaBackend(*std::move(stream)));
}

Expected<MaskBits> SimulatedCudaBackend::mask_of(const OpenCall& call) {
  const Status status = stream_->reseed(call.seed, call.offset);
  if (!status) return status.error();
  return stream_->draw(call.asked);
}

Expected<Observation> SimulatedCudaBackend::forward(const Call& call) {
  if (!call.x || (!call.in_place && !call.y))
    return refused("a forward call needs x, and y unless it is in place");
  const TensorView& x = call.x.view;
  const TensorView& y = call.in_place ? x : call.y.view;
  const bool native = form_of(call.attributes) == kNativeDropout;
  if (call.attributes.size() != (native ? 1u : 0u))
    return unsupported("the simulated device knows no attribute but form=native_dropout");
  if (native && (call.op != Op::dropout || call.in_place))
    return unsupported("native_dropout is a form of dropout out of place only");
  for (const NamedTensor& output : call.outputs)
    if (!native || output.name != "mask" || output.tensor.view.shape != x.shape ||
        (output.tensor.view.dtype != x.dtype && size_of(output.tensor.view.dtype) != 1))
      return unsupported(fmt::format("the simulated device has no such output: {}", output.name));
  if (!call.inputs.empty()) return unsupported("the simulated device takes no input but x");

  // ATen/cuda/CUDAGeneratorImpl.cpp: the setter refuses other offsets.
  if (call.offset % 4 != 0) return refused("offset must be a multiple of 4");
  if (call.seed) {
    seed_ = *call.seed;
    offset_ = call.offset;
  } else {
    offset_ += call.offset;
  }

  if (!(call.p >= 0.0 && call.p <= 1.0)) {
    if (native) return unsupported("native_dropout with p outside [0, 1] is not simulated");
    return refused(fmt::format("dropout probability has to be between 0 and 1, but got {}", call.p));
  }
  if (!is_float(x.dtype))
    return unsupported(fmt::format("the simulated device has no dtype {}", to_string(x.dtype)));

  OpenCall now;
  now.asked = {call.op,   call.p,        x.dtype,
               x.shape,   x.strides,     reinterpret_cast<std::uintptr_t>(x.data),
               call.mode, call.in_place, native ? kNativeDropout : ""};
  now.seed = seed_;
  now.offset = offset_;
  now.fused = native || (call.op == Op::dropout && !call.in_place);
  if (call.mode == Mode::eval || x.count() == 0 || (!native && call.p == 0.0)) now.action = Action::copy;
  else if (call.p == 1.0) now.action = native ? Action::zeros : Action::times_zero;
  else now.action = Action::drop;
  if (now.action == Action::drop && drops_channels(call.op) && x.shape.size() < 2)
    return refused("Feature dropout requires at least 2 dimensions in the input");

  const std::int64_t per_entry =
      now.action == Action::drop ? elements_per_entry(call.op, x.shape) : std::int64_t{1};
  MaskBits drops(static_cast<std::uint64_t>(x.count()));
  std::uint64_t words = 0;
  switch (now.action) {
    case Action::copy: copy_elements(x, y); break;
    case Action::times_zero:
    case Action::zeros:
      if (now.action == Action::zeros) zeros(y);
      else zero_elements(x, y);
      for (std::uint64_t i = 0; i < drops.size(); ++i) drops.set(i);
      break;
    case Action::drop: {
      auto drawn = mask_of(now);
      if (!drawn) return drawn.error();
      drops = *std::move(drawn);
      words = stream_->words();
      if (now.fused) {
        scale_tensor(x, y, drops, fused_scale(call.p, x.dtype));
      } else {
        const Definition definition(call.op, call.p, x.dtype);
        apply_entries(
            x, y, drops, per_entry, [&](double v) { return definition.kept(v); },
            [&](double v) { return definition.dropped(v); });
      }
      break;
    }
  }
  offset_ += words;
  if (call.mask) write_mask(call.mask.view, drops, per_entry);
  Observation seen = observation_of(y);
  for (const NamedTensor& output : call.outputs) write_mask(output.tensor.view, drops, 1);
  if (native) {
    seen.facts["mask_dtype"] = "bool";
    seen.facts["mask_shape"] = shape_text(x.shape);
  }
  seen.aliases_input = call.in_place;
  if (call.count_words) seen.rng_words = words;
  if (call.mode == Mode::train) {
    const bool declared = native ? call.p < 1.0 : call.p > 0.0 && call.p < 1.0;
    seen.effective_p = declared ? effective_drop_probability(call.p, x.dtype) : call.p;
  }
  if (call.save_for_backward) {
    seen.saved.id = ++last_token_;
    open_calls_.emplace(seen.saved.id, std::move(now));
  }
  return seen;
}

Expected<Observation> SimulatedCudaBackend::backward(const BackwardCall& call) {
  const auto found = open_calls_.find(call.saved.id);
  if (found == open_calls_.end())
    return refused(fmt::format("no forward call is saved under {}", call.saved.id));
  const OpenCall& saved = found->second;
  if (!call.attributes.empty() || !call.inputs.empty() || !call.outputs.empty())
    return unsupported("the simulated device has the plain gradient only");
  if (!call.dy || !call.dx) return refused("a backward call needs dy and dx");
  const TensorView& dy = call.dy.view;
  const TensorView& dx = call.dx.view;
  if (dy.shape != saved.asked.shape || dy.dtype != saved.asked.dtype)
    return refused("dy must have the shape and dtype of the saved forward call");

  switch (saved.action) {
    case Action::copy: copy_elements(dy, dx); break;
    case Action::times_zero:
    case Action::zeros: zero_elements(dy, dx); break;
    case Action::drop: {
      const auto drops = mask_of(saved);
      if (!drops) return drops.error();
      if (saved.fused) {
        scale_tensor(dy, dx, *drops, fused_gradient_scale(saved.asked.p));
      } else {
        const Definition definition(saved.asked.op, saved.asked.p, dy.dtype);
        apply_entries(
            dy, dx, *drops, elements_per_entry(saved.asked.op, dy.shape),
            [&](double v) { return definition.kept_gradient(v); },
            [&](double v) { return definition.dropped_gradient(v); });
      }
      break;
    }
  }

  return observation_of(dx);
}

}  // namespace dropcheck::reference
