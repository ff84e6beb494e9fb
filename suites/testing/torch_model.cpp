#include "suites/testing/torch_model.hpp"

#include <fmt/format.h>

#include <cmath>
#include <stdexcept>

#include "harness/core/element.hpp"
#include "reference/definition.hpp"
#include "reference/scale_forms.hpp"

namespace dropcheck::suites::testing {
namespace {

Error refused(std::string message) { return Error{ErrorCode::invalid_argument, std::move(message)}; }

template <typename T>
T attribute(const Attributes& attributes, std::string_view name, T fallback) {
  const auto found = attributes.find(name);
  return found == attributes.end() ? fallback : std::get<T>(found->second);
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

/// The interfaces of C++ put a batch dimension in front of every rank but one.
bool unbatched(const Call& call) {
  const std::string form = form_of(call.attributes);
  if (form != "functional" && form != "module") return false;
  const std::size_t rank = call.x.view.shape.size();
  return (call.op == Op::dropout2d && rank != 4) || (call.op == Op::dropout3d && rank != 5);
}

std::uint64_t entries_of(const Call& call) {
  const auto& shape = call.x.view.shape;
  if (unbatched(call)) return static_cast<std::uint64_t>(shape[0]);
  if (drops_channels(call.op)) return static_cast<std::uint64_t>(shape[0] * shape[1]);
  return static_cast<std::uint64_t>(call.x.view.count());
}

/// ATen/native/Dropout.cpp for alpha dropout, in the arithmetic of T.
template <typename T>
double alpha_value(double x, double p, bool dropped) {
  const double a = 1 / std::sqrt((reference::kAlpha * reference::kAlpha * p + 1) * (1 - p));
  const T noise = dropped ? T{0} : T{1};
  const T minus = noise - T{1};
  const T scaled = minus * static_cast<T>(reference::kAlpha * a);
  const T b = scaled + static_cast<T>(reference::kAlpha * a * p);
  const T gain = noise * static_cast<T>(a);
  const T product = static_cast<T>(x) * gain;
  return static_cast<double>(product + b);
}

double value_of(const Call& call, double x, bool dropped) {
  const DType dtype = call.x.view.dtype;
  if (is_alpha(call.op)) {
    if (dtype == DType::f32) return alpha_value<float>(x, call.p, dropped);
    if (dtype == DType::f64) return alpha_value<double>(x, call.p, dropped);
    const reference::Definition definition(call.op, call.p, dtype);
    return dropped ? definition.dropped(x) : definition.kept(x);
  }
  if (dropped) return reference::zeroed(x);
  const bool native = form_of(call.attributes) == "native_dropout";
  return reference::kept_value(
      native ? reference::ScaleForm::rounded_reciprocal : reference::ScaleForm::reciprocal_of_rounded_q, x,
      call.p, dtype);
}

std::int64_t writes_of(const Call& call) {
  if (!call.in_place) return 0;
  if (unbatched(call)) return 3;
  return is_alpha(call.op) && call.p < 1 ? 2 : 1;
}

}  // namespace

std::vector<double> read(const CallTensor& tensor) {
  const TensorView& view = tensor.view;
  const std::size_t size = view.element_size();
  std::vector<std::byte> bytes(static_cast<std::size_t>(view.count()) * size);
  gather(view, bytes.data());
  std::vector<double> numbers(bytes.size() / size);
  for (std::size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = load_element(bytes.data() + i * size, view.dtype);
  return numbers;
}

void write(const std::vector<double>& numbers, const CallTensor& tensor) {
  const TensorView& view = tensor.view;
  if (static_cast<std::size_t>(view.count()) != numbers.size()) throw std::logic_error("another size");
  const std::size_t size = view.element_size();
  std::vector<std::byte> bytes(numbers.size() * size);
  for (std::size_t i = 0; i < numbers.size(); ++i)
    store_element(numbers[i], bytes.data() + i * size, view.dtype);
  scatter(bytes.data(), view);
}

const CallTensor& result_of(const Call& call) { return call.in_place ? call.x : call.y; }

const CallTensor& output_named(const std::vector<NamedTensor>& outputs, const std::string& name) {
  for (const NamedTensor& output : outputs)
    if (output.name == name) return output.tensor;
  throw std::logic_error("the call has no output " + name);
}

TorchModel::TorchModel() {
  claims.name = "model of PyTorch";
  claims.version = "1.13.1";
  claims.conforms_to = "pytorch";
  claims.exact_stream = "pytorch-cpu";
  claims.ops.assign(kAllOps.begin(), kAllOps.end());
  claims.dtypes.assign(kFloatDTypes.begin(), kFloatDTypes.end());
  claims.layouts.assign(kAllLayouts.begin(), kAllLayouts.end());
  claims.forms = {"native_dropout",
                  "module",
                  "functional",
                  "rnn",
                  "lstm",
                  "gru",
                  "encoder_layer",
                  "decoder_layer",
                  "scaled_dot_product_attention",
                  "multihead_attention"};
  claims.seed_bits = 32;
  claims.backward = claims.in_place = claims.reports_rng_words = true;
}

std::vector<bool> TorchModel::draw(std::uint64_t entries, double p) {
  MaskBits bits(entries);
  if (p > 0 && p < 1) stream_.draw(p, bits);
  std::vector<bool> dropped(entries, p == 1);
  for (std::uint64_t i = 0; i < entries && p < 1; ++i) dropped[i] = bits[i];
  return dropped;
}

Expected<Observation> TorchModel::forward(const Call& call) {
  if (call.seed) stream_ = reference::PyTorchCpuStream(*call.seed);
  const std::string form = form_of(call.attributes);
  if (form == "rnn" || form == "lstm" || form == "gru") return recurrent(call);
  if (form == "encoder_layer" || form == "decoder_layer") return transformer(call);
  if (form.find("attention") != std::string::npos) return attention(call);
  const std::string autograd = attribute<std::string>(call.attributes, "autograd", "");
  const bool native = form == "native_dropout";

  if (!(call.p >= 0 && call.p <= 1))
    return refused(fmt::format("dropout probability has to be between 0 and 1, but got {}", call.p));
  Saved now{call, Action::drop, {}, {}};
  if (call.mode == Mode::eval || call.x.view.count() == 0 || (call.p == 0 && !native))
    now.action = Action::copy;
  else if (call.p == 1) now.action = Action::zero;
  const bool draws = now.action == Action::drop || (native && call.mode == Mode::train);
  if (draws && drops_channels(call.op) && call.x.view.shape.size() < 2 && !unbatched(call))
    return refused("Feature dropout requires at least 2 dimensions in the input");

  const std::uint64_t before = stream_.words_drawn();
  const auto n = static_cast<std::size_t>(call.x.view.count());
  now.dropped.assign(n, now.action == Action::zero);
  if (now.action == Action::drop) {
    const std::vector<bool> entries = draw(entries_of(call), call.p);
    for (std::size_t e = 0; e < n; ++e) now.dropped[e] = entries[e / (n / entries.size())];
  } else if (draws) {
    MaskBits unused(n);
    stream_.draw(call.p, unused);
  }
  if (!is_float(call.x.view.dtype) && now.action == Action::drop) {
    std::string message = "result type Float can't be cast to the desired output type Long";
    auto shape = call.x.view.shape;
    shape.insert(shape.begin(), 1);
    if (call.in_place && unbatched(call)) message += "; the input now has shape " + shape_text(shape);
    return Error{ErrorCode::unsupported, message};
  }
  if (autograd == "leaf" && now.action != Action::copy)
    return refused("a leaf Variable that requires grad is being used in an in-place operation.");

  std::vector<double> x = read(call.x);
  if (autograd == "after_exp")
    for (double& value : x) value = static_cast<double>(std::exp(static_cast<float>(value)));
  now.y = x;
  for (std::size_t e = 0; e < n && now.action != Action::copy; ++e)
    now.y[e] = now.action == Action::zero ? reference::zeroed(x[e]) : value_of(call, x[e], now.dropped[e]);
  // The modules of alpha dropout do not know of calls in place.
  const bool writes = !(call.in_place && form == "module" && is_alpha(call.op));
  if (writes) write(now.y, result_of(call));

  Observation seen;
  seen.produced_shape = call.x.view.shape;
  seen.produced_dtype = call.x.view.dtype;
  seen.aliases_input = now.action == Action::copy || (call.in_place && writes);
  seen.version_delta = now.action == Action::copy || !writes ? 0 : writes_of(call);
  if (call.count_words) seen.rng_words = stream_.words_drawn() - before;
  if (call.save_for_backward) {
    seen.saved.id = ++last_token_;
    saved_.emplace(seen.saved.id, std::move(now));
  }
  return seen;
}

Expected<Observation> TorchModel::backward(const BackwardCall& backward) {
  const Saved& saved = saved_.at(backward.saved.id);
  const Call& call = saved.call;
  const DType dtype = backward.dy.view.dtype;
  if (attribute<std::string>(call.attributes, "autograd", "") == "after_exp" && saved.action != Action::copy)
    return refused(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        "[CPUFloatType [40, 25]], which is output 0 of ExpBackward0, is at version 1; expected version 0 "
        "instead.");
  const bool native = form_of(call.attributes) == "native_dropout";
  const bool unscaled = attribute(call.attributes, "train_none", false);
  std::vector<double> dx = read(backward.dy);
  const auto factor = [&](double dy, std::size_t e) {
    if (saved.action == Action::copy) return dy;
    if (saved.dropped[e]) return reference::zeroed(dy);
    if (is_alpha(call.op)) return round_to(dy * round_to(reference::alpha_gain(call.p), dtype), dtype);
    if (unscaled || call.p == 0) return dy;
    return reference::kept_gradient(
        native ? reference::ScaleForm::rounded_reciprocal : reference::ScaleForm::reciprocal_of_rounded_q, dy,
        call.p, dtype);
  };
  const bool exp = attribute<std::string>(call.attributes, "autograd", "") == "after_exp";
  for (std::size_t e = 0; e < dx.size(); ++e)
    dx[e] = exp ? round_to(dx[e] * saved.y[e], dtype) : factor(dx[e], e);
  write(dx, backward.dx);
  Observation seen;
  if (backward.inputs.empty()) return seen;
  std::vector<double> d_dy = read(output_named(backward.inputs, "v"));
  for (std::size_t e = 0; e < d_dy.size(); ++e) d_dy[e] = factor(d_dy[e], e);
  write(d_dy, output_named(backward.outputs, "d_dy"));
  seen.facts["d2x"] = "none";
  return seen;
}

Expected<Observation> TorchModel::recurrent(const Call& call) {
  if (!(call.p >= 0 && call.p <= 1))
    return refused(
        "dropout should be a number in range [0, 1] representing the probability of an element being zeroed");
  const auto& shape = call.x.view.shape;
  const auto size = [&](const char* name, std::int64_t fallback) {
    return static_cast<std::size_t>(attribute(call.attributes, name, fallback));
  };
  const std::size_t steps = static_cast<std::size_t>(shape[0]), batch = static_cast<std::size_t>(shape[1]);
  const std::size_t width = size("hidden", 1) * (attribute(call.attributes, "bidirectional", false) ? 2 : 1);
  const std::size_t layers = size("layers", 1);
  Observation seen;
  if (layers == 1 && call.p > 0)
    seen.warnings = {
        fmt::format("dropout option adds dropout after all but last recurrent layer, so non-zero dropout "
                    "expects num_layers "
                    "greater than 1, but got dropout={} and num_layers=1",
                    call.p)};
  const std::uint64_t before = stream_.words_drawn();
  std::vector<double> values = read(call.x), h_n;
  for (std::size_t layer = 0; layer < layers; ++layer) {
    // Of weights that are ones every unit adds up its input and its last state.
    const std::size_t features = values.size() / (steps * batch);
    std::vector<double> out(steps * batch * width);
    for (std::size_t b = 0; b < batch; ++b) {
      double state = 0;
      for (std::size_t t = 0; t < steps; ++t) {
        double sum = static_cast<double>(width) * state;
        for (std::size_t i = 0; i < features; ++i) sum += values[(t * batch + b) * features + i];
        state = sum;
        for (std::size_t i = 0; i < width; ++i) out[(t * batch + b) * width + i] = state;
      }
      h_n.insert(h_n.end(), width, round_to(state, DType::f32));
    }
    values = std::move(out);
    if (layer + 1 == layers || call.mode == Mode::eval || call.p == 0) continue;
    const std::vector<bool> dropped = draw(values.size(), call.p);
    for (std::size_t e = 0; e < values.size(); ++e)
      values[e] = dropped[e] ? 0
                             : reference::kept_value(reference::ScaleForm::reciprocal_of_rounded_q, values[e],
                                                     call.p, DType::f32);
  }
  write(values, call.y);
  if (!call.outputs.empty()) write(h_n, output_named(call.outputs, "h_n"));
  if (call.count_words) seen.rng_words = stream_.words_drawn() - before;
  return seen;
}

Expected<Observation> TorchModel::attention(const Call& call) {
  const bool multihead = form_of(call.attributes) == "multihead_attention";
  const auto& shape = call.x.view.shape;
  const auto length = static_cast<std::size_t>(shape[multihead ? 0 : 1]);
  const auto batch = static_cast<std::size_t>(shape[multihead ? 1 : 0]),
             width = static_cast<std::size_t>(shape[2]);
  const auto heads = static_cast<std::size_t>(attribute(call.attributes, "heads", std::int64_t{1}));
  const double p = multihead && call.mode == Mode::eval ? 0 : call.p;  // the other one has no mode
  const std::uint64_t before = stream_.words_drawn();
  const std::vector<bool> dropped = draw(batch * heads * length * length, p);
  std::vector<double> weights(batch * length * length), y(batch * length * width);
  for (std::size_t e = 0; e < dropped.size(); ++e) {
    const std::size_t row = e % (length * length), b = e / (length * length) / heads;
    if (!dropped[e])
      weights[b * length * length + row] +=
          1.0 / static_cast<double>(length) / (1 - p) / static_cast<double>(heads);
  }
  for (std::size_t b = 0; b < batch; ++b)
    for (std::size_t l = 0; l < length; ++l) {
      double sum = 0;
      for (std::size_t j = 0; j < length; ++j) sum += weights[(b * length + l) * length + j];
      for (std::size_t i = 0; i < width; ++i)
        y[((multihead ? l * batch + b : b * length + l)) * width + i] =
            multihead ? sum * (0.5 + static_cast<double>(i)) : sum;
    }
  write(y, call.y);
  write(weights, output_named(call.outputs, "weights"));
  Observation seen;
  if (call.count_words) seen.rng_words = stream_.words_drawn() - before;
  return seen;
}

Expected<Observation> TorchModel::transformer(const Call& call) {
  const auto& shape = call.x.view.shape;
  const auto size = [](std::int64_t v) { return static_cast<std::uint64_t>(v); };
  const auto number = [&](const char* name) {
    return size(attribute(call.attributes, name, std::int64_t{1}));
  };
  reference::TransformerShape counted{size(shape[1]), number("heads"), size(shape[2]), number("feed_forward"),
                                      size(shape[0])};
  const bool decoder = form_of(call.attributes) == "decoder_layer";
  if (decoder) counted.sources = size(output_named(call.inputs, "memory").view.shape[0]);
  write(read(call.x), call.y);
  Observation seen;
  if (call.count_words)
    seen.rng_words = decoder ? reference::words_of_decoder_layer(counted, call.p, call.mode)
                             : reference::words_of_encoder_layer(counted, call.p, call.mode);
  return seen;
}

}  // namespace dropcheck::suites::testing
