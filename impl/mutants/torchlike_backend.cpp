#include "impl/mutants/torchlike_backend.hpp"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "impl/mutants/relu_rnn.hpp"
#include "impl/mutants/tensors.hpp"

namespace dropcheck::mutants {
namespace {

constexpr std::int64_t kMaxHidden = 8192;

Error refused(std::string message) { return Error{ErrorCode::invalid_argument, std::move(message)}; }
Error unsupported(std::string message) { return Error{ErrorCode::unsupported, std::move(message)}; }

/// bernoulli_ has no kernel for these (1.13.1); they are refused before anything is drawn.
std::optional<std::string_view> type_without_kernel(DType dtype) {
  switch (dtype) {
    case DType::f16: return "Half";
    case DType::c64: return "ComplexFloat";
    case DType::c128: return "ComplexDouble";
    default: return std::nullopt;
  }
}

/// Of the tensor that cannot take the quotient or product, after the noise was drawn.
std::optional<std::string_view> integer_type(DType dtype, Op op) {
  switch (dtype) {
    case DType::i64: return "Long";
    case DType::i32: return "Int";
    case DType::u8: return "Byte";
    case DType::boolean: return is_alpha(op) ? "Long" : "Bool";  // noise - 1 has another type
    default: return std::nullopt;
  }
}

/// The attribute "autograd" has one value here: x is a leaf that needs a gradient.
bool is_leaf(const Attributes& attributes) {
  const auto found = attributes.find("autograd");
  return found != attributes.end() && found->second == AttributeValue(std::string("leaf"));
}

/// What an operator that writes to x finds wrong with it.
Status refuse_writing(const Call& call) {
  if (!call.in_place) return Done{};
  if (is_leaf(call.attributes))
    return refused("a leaf Variable that requires grad is being used in an in-place operation.");
  if (!shares_elements(call.x.view)) return Done{};
  return unsupported(
      "unsupported operation: more than one element of the written-to tensor refers to a single memory "
      "location. Please clone() the tensor before performing the operation.");
}

/// How often an expanded first dimension repeats the same elements.
std::int64_t copies_of(const TensorView& x) { return !x.shape.empty() && x.strides[0] == 0 ? x.shape[0] : 1; }

/// Entries drawn by address, brought to logical order.
void to_logical_order(std::vector<std::uint8_t>& kept, const TensorView& x) {
  std::vector<std::uint8_t> by_address = kept;
  const TensorView view{reinterpret_cast<std::byte*>(by_address.data()), DType::u8, x.shape,
                        packed_strides(x)};
  gather(view, reinterpret_cast<std::byte*>(kept.data()));
}

/// A dense input passes its strides on; the result of any other is row-major. PyTorch may say another stride
/// of a dimension of one element, where it has no meaning.
std::vector<std::int64_t> strides_of_new(const TensorView& x) {
  if (x.is_contiguous()) return row_major_strides(x.shape);
  const std::vector<std::int64_t> packed = packed_strides(x);
  for (std::size_t d = 0; d < x.shape.size(); ++d)
    if (x.strides[d] == 0 || (x.shape[d] > 1 && packed[d] != x.strides[d])) return row_major_strides(x.shape);
  return x.strides;
}

/// What the one recurrent layer here has; anything else is unsupported.
struct RnnOptions {
  std::int64_t hidden = 0;
  RnnWeights weights = RnnWeights::small;
};

Expected<RnnOptions> rnn_options(const Attributes& attributes) {
  RnnOptions options;
  for (const auto& [name, value] : attributes) {
    const auto* number = std::get_if<std::int64_t>(&value);
    const auto* word = std::get_if<std::string>(&value);
    const auto* flag = std::get_if<bool>(&value);
    if (name == "form") continue;
    if (name == "hidden" && number != nullptr && *number >= 1 && *number <= kMaxHidden)
      options.hidden = *number;
    else if (name == "weights" && word != nullptr && *word == "ones") options.weights = RnnWeights::ones;
    else if (name == "weights" && word != nullptr && *word == "small") options.weights = RnnWeights::small;
    else if ((name == "layers" && number != nullptr && *number == 1) ||
             (name == "bidirectional" && flag != nullptr && !*flag))
      continue;
    else return unsupported(fmt::format("rnn with this value of the attribute {}", name));
  }
  if (options.hidden == 0) return refused("attribute \"hidden\" is missing");
  return options;
}

}  // namespace

TorchlikeBackend::TorchlikeBackend(const std::string& id, Fault fault) : fault_(fault) {
  capabilities_.name = "mutant:" + id;
  capabilities_.version = "1.13.1, imitated";
  capabilities_.exact_stream = "pytorch-cpu";
  capabilities_.conforms_to = "pytorch";
  capabilities_.notes = {"behaves like PyTorch 1.13.1 on a CPU and contains nothing of it"};
  capabilities_.ops.assign(kAllOps.begin(), kAllOps.end());
  capabilities_.dtypes = {DType::f64, DType::f32, DType::bf16};
  capabilities_.layouts.assign(kAllLayouts.begin(), kAllLayouts.end());
  capabilities_.forms = {"rnn"};
  capabilities_.seed_semantics = SeedSemantics::stateful;
  capabilities_.seed_bits = 32;
  capabilities_.backward = true;
  capabilities_.in_place = true;
  capabilities_.threads = true;
  capabilities_.reports_rng_words = true;
}

Expected<Observation> TorchlikeBackend::forward(const Call& call) {
  if (!call.x || (!call.in_place && !call.y))
    return refused("a forward call needs x, and y unless it is in place");
  if (call.offset != 0) return unsupported("CPU Generator does not use offset");
  if (call.mask) return unsupported("mask output is not supported");
  const std::string form = form_of(call.attributes);
  if (form.empty() && call.attributes.size() > (is_leaf(call.attributes) ? 1u : 0u))
    return unsupported("of the attributes without a form, only autograd = leaf is supported");
  if (!form.empty() && form != "rnn") return unsupported(fmt::format("form {} is not supported", form));

  const std::uint64_t words_before = stream_.words();
  Expected<Observation> seen = form.empty() ? run_operator(call) : run_rnn(call);
  if (seen && call.count_words) seen->rng_words = stream_.words() - words_before;
  return seen;
}

// In the order of ATen/native/Dropout.cpp.
Expected<Observation> TorchlikeBackend::run_operator(const Call& call) {
  const TensorView& x = call.x.view;
  const TensorView& y = call.in_place ? x : call.y.view;
  if (call.seed) stream_.reseed(*call.seed);

  if (!(call.p >= 0.0 && call.p <= 1.0))
    return refused(fault_ == Fault::error_text
                       ? fmt::format("p must lie in the interval [0, 1] and is {:g}", call.p)
                       : fmt::format("dropout probability has to be between 0 and 1, but got {:g}", call.p));

  Observation seen = observation_of(y);
  seen.aliases_input = call.in_place;
  seen.version_delta = 0;
  OpenCall now{x.shape, x.dtype, Action::drop, {}, {}};
  if (call.p == 0.0 || call.mode == Mode::eval || x.count() == 0) {
    now.action = Action::copy;
    copy_elements(x, y);
    seen.produced_strides = x.strides;
    seen.aliases_input = !(fault_ == Fault::copy_in_eval && call.mode == Mode::eval && !call.in_place);
  } else {
    if (call.p == 1.0) {
      now.action = Action::zero;
      if (const Status status = refuse_writing(call); !status) return status.error();
      if (fault_ == Fault::draws_at_p1) {
        std::vector<std::uint8_t> unused(static_cast<std::size_t>(x.count()));
        stream_.draw(0.0, unused, fault_);
      }
    } else {
      if (const Status status = draw(call, now.mask); !status) return status.error();
      now.law = torchlike_law(call.op, call.p, x.dtype, fault_);
    }
    if (!call.in_place) seen.produced_strides = strides_of_new(x);
    // mul_, and for the alpha operators add_ after it.
    else seen.version_delta = is_alpha(call.op) && now.action == Action::drop ? 2 : 1;
    if (!(call.in_place && fault_ == Fault::in_place_ignored)) write_result(call, now, y);
  }

  if (call.save_for_backward) {
    if (now.action == Action::drop) now.law = torchlike_gradient_law(call.op, call.p, x.dtype, fault_);
    seen.saved.id = ++last_token_;
    open_calls_.emplace(seen.saved.id, std::move(now));
  }
  return seen;
}

void TorchlikeBackend::write_result(const Call& call, const OpenCall& now, const TensorView& y) const {
  if (now.action == Action::zero) zero_elements(call.x.view, y);
  else apply_to_tensors(now.law, now.mask, call.x.view, y);
}

Status TorchlikeBackend::draw(const Call& call, Mask& noise) {
  const TensorView& x = call.x.view;
  const bool channels = drops_channels(call.op);
  if (channels && x.shape.size() < 2)
    return refused("Feature dropout requires at least 2 dimensions in the input");
  if (const auto type = type_without_kernel(x.dtype))
    return unsupported(fmt::format("\"bernoulli_scalar_cpu_\" not implemented for '{}'", *type));

  noise.elements_per_entry = channels ? element_count(std::span(x.shape).subspan(2)) : 1;
  const std::int64_t entries = x.count() / noise.elements_per_entry;
  const std::int64_t copies = fault_ == Fault::expanded_shared ? copies_of(x) : 1;
  const auto drawn = static_cast<std::size_t>(entries / copies);
  noise.kept.resize(static_cast<std::size_t>(entries));
  stream_.draw(1.0 - call.p, std::span(noise.kept).first(drawn), fault_);
  for (std::size_t i = drawn; i < noise.kept.size(); ++i) noise.kept[i] = noise.kept[i - drawn];
  if (fault_ == Fault::memory_order && !channels) to_logical_order(noise.kept, x);

  if (const auto type = integer_type(x.dtype, call.op))
    return unsupported(fmt::format("result type Float can't be cast to the desired output type {}", *type));
  return refuse_writing(call);
}

// torch/nn/modules/rnn: what is wrong is found when the layer is built, before the generator is seeded.
Expected<Observation> TorchlikeBackend::run_rnn(const Call& call) {
  if (!(call.p >= 0.0 && call.p <= 1.0))
    return refused(
        "dropout should be a number in range [0, 1] representing the probability of an element being zeroed");
  const auto options = rnn_options(call.attributes);
  if (!options) return options.error();
  if (call.in_place || call.save_for_backward || !call.inputs.empty())
    return unsupported("rnn in place, with a gradient or with states");
  const TensorView& x = call.x.view;
  const TensorView& y = call.y.view;
  if (!is_float(x.dtype)) return unsupported(fmt::format("rnn of dtype {}", to_string(x.dtype)));
  if (x.shape.size() != 3 || x.count() == 0) return refused("rnn needs an input (S, B, I) with elements");
  if (y.shape != std::vector<std::int64_t>{x.shape[0], x.shape[1], options->hidden} || y.dtype != x.dtype)
    return refused("the output of rnn is (S, B, H), of the input's dtype");
  TensorView h_n;
  for (const NamedTensor& output : call.outputs) {
    if (output.name != "h_n") return unsupported(fmt::format("rnn has no output {}", output.name));
    h_n = output.tensor.view;
    if (h_n.shape != std::vector<std::int64_t>{1, x.shape[1], options->hidden} || h_n.dtype != x.dtype)
      return refused("h_n is (1, B, H), of the input's dtype");
  }
  if (call.seed) stream_.reseed(*call.seed);
  run_relu_rnn(x, options->weights, y, h_n);

  Observation seen = observation_of(y);
  seen.produced_strides = row_major_strides(y.shape);
  seen.aliases_input = false;
  seen.version_delta = 0;
  if (call.p > 0 && fault_ != Fault::silent_rnn)
    seen.warnings.push_back(
        fmt::format("dropout option adds dropout after all but last recurrent layer, so non-zero dropout "
                    "expects num_layers greater than 1, but got dropout={:g} and num_layers=1",
                    call.p));
  return seen;
}

Expected<Observation> TorchlikeBackend::backward(const BackwardCall& call) {
  const auto found = open_calls_.find(call.saved.id);
  if (found == open_calls_.end())
    return refused(fmt::format("no forward call is saved under {}", call.saved.id));
  const OpenCall& saved = found->second;
  if (!call.attributes.empty() || !call.inputs.empty() || !call.outputs.empty())
    return unsupported("a backward call with attributes or further tensors");
  if (!call.dy || !call.dx) return refused("a backward call needs dy and dx");
  const TensorView& dy = call.dy.view;
  const TensorView& dx = call.dx.view;
  if (dy.shape != saved.shape || dy.dtype != saved.dtype)
    return refused("dy must have the shape and dtype of the saved forward call");

  switch (saved.action) {
    case Action::copy: copy_elements(dy, dx); break;
    case Action::zero: zero_elements(dy, dx); break;
    case Action::drop: apply_to_tensors(saved.law, saved.mask, dy, dx); break;
  }
  return observation_of(dx);
}

}  // namespace dropcheck::mutants
