#include "suites/testing/cpu_model.hpp"

#include <fmt/format.h>

#include <stdexcept>

#include "harness/core/element.hpp"
#include "reference/definition.hpp"
#include "reference/memory_order.hpp"
#include "reference/scale_forms.hpp"

namespace dropcheck::suites::testing {
namespace {

using reference::ScaleForm;

bool is_complex(DType dtype) { return dtype == DType::c64 || dtype == DType::c128; }
bool is_integer(DType dtype) { return !is_float(dtype) && !is_complex(dtype); }
bool is_native(const Call& call) { return form_of(call.attributes) == "native_dropout"; }

/// The type of real and imaginary part, or of the number itself.
DType part_of(DType dtype) {
  if (!is_complex(dtype)) return dtype;
  return dtype == DType::c64 ? DType::f32 : DType::f64;
}

std::string_view torch_name(DType dtype) {
  switch (dtype) {
    case DType::i64: return "Long";
    case DType::i32: return "Int";
    case DType::u8: return "Byte";
    case DType::boolean: return "Bool";
    case DType::c64: return "ComplexFloat";
    case DType::c128: return "ComplexDouble";
    default: return "Half";
  }
}

bool shares_elements(const TensorView& view) {
  for (std::size_t d = 0; d < view.shape.size(); ++d)
    if (view.shape[d] > 1 && view.strides[d] == 0) return true;
  return false;
}

std::vector<std::byte> bytes_of(const TensorView& view) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(view.count()) * view.element_size());
  gather(view, bytes.data());
  return bytes;
}

/// Overwrites an element by a real number.
void put(double value, std::byte* at, DType dtype) {
  std::memset(at, 0, size_of(dtype));
  if (!is_integer(dtype)) store_element(value, at, part_of(dtype));
}

std::vector<std::int64_t> contiguous_strides(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t d = shape.size(); d-- > 1;)
    strides[d - 1] = strides[d] * std::max<std::int64_t>(shape[d], 1);
  return strides;
}

}  // namespace

CpuModel::CpuModel(const std::string& version) : is_new_(version.starts_with("2.")) {
  claims.name = "model of PyTorch's operators";
  claims.version = version;
  claims.conforms_to = "pytorch";
  claims.exact_stream = "pytorch-cpu";
  claims.ops.assign(kAllOps.begin(), kAllOps.end());
  claims.dtypes = {DType::f64, DType::f32, DType::bf16};
  if (is_new_) claims.dtypes.push_back(DType::f16);
  claims.layouts.assign(kAllLayouts.begin(), kAllLayouts.end());
  claims.forms = {"native_dropout", "module", "functional"};
  claims.seed_bits = 32;
  claims.in_place = claims.threads = claims.reports_rng_words = true;
}

std::optional<Error> CpuModel::refusal_before_drawing(const Call& call, bool zeroes) const {
  const DType dtype = call.x.view.dtype;
  if (zeroes) return std::nullopt;
  const bool has_no_sampler =
      is_complex(dtype) ? !is_native(call) : dtype == DType::f16 && !is_new_ && !is_native(call);
  if (has_no_sampler)
    return Error{ErrorCode::unsupported,
                 fmt::format("\"bernoulli_scalar_cpu_\" not implemented for '{}'", torch_name(dtype))};
  if (drops_channels(call.op) && call.x.view.shape.size() < 2)
    return Error{ErrorCode::invalid_argument, "Feature dropout requires at least 2 dimensions in the input"};
  return std::nullopt;
}

std::optional<Error> CpuModel::refusal_after_drawing(const Call& call, bool zeroes) const {
  if (is_integer(call.x.view.dtype) && !zeroes)
    return Error{ErrorCode::unsupported,
                 fmt::format("result type Float can't be cast to the desired output type {}",
                             torch_name(call.x.view.dtype))};
  if (call.in_place && shares_elements(call.x.view))
    return Error{ErrorCode::unsupported,
                 "unsupported operation: more than one element of the written-to tensor refers to a single "
                 "memory location. Please clone() the tensor before performing the operation."};
  return std::nullopt;
}

std::vector<bool> CpuModel::draw(const Call& call) {
  const TensorView& x = call.x.view;
  const auto n = static_cast<std::uint64_t>(x.count());
  const std::uint64_t entries =
      drops_channels(call.op) ? static_cast<std::uint64_t>(x.shape[0] * x.shape[1]) : n;
  MaskBits bits(entries);
  stream.draw(call.p, bits);
  std::vector<bool> dropped(n);
  const bool by_address =
      !drops_channels(call.op) && (is_native(call) || is_new_) && reference::is_dense(x.shape, x.strides);
  if (by_address)
    reference::MemoryOrder(x.shape, x.strides).for_each([&](std::uint64_t logical, std::uint64_t address) {
      dropped[logical] = bits[address];
    });
  else
    for (std::uint64_t e = 0; e < n; ++e) dropped[e] = bits[e / (n / entries)];
  return dropped;
}

double CpuModel::kept(const Call& call, double x) const {
  const DType dtype = call.x.view.dtype;
  if (is_alpha(call.op)) return reference::Definition(call.op, call.p, dtype).kept(x);
  ScaleForm form = is_native(call) ? ScaleForm::rounded_reciprocal : ScaleForm::reciprocal_of_rounded_q;
  if (!is_native(call) && is_new_ && size_of(dtype) == 2) form = ScaleForm::reciprocal_of_wide_q;
  return reference::kept_value(form, x, call.p, part_of(dtype));
}

Observation CpuModel::seen_of(const Call& call, bool copies) const {
  const TensorView& x = call.x.view;
  Observation seen;
  seen.produced_shape = x.shape;
  seen.produced_dtype = x.dtype;
  const bool keeps_strides = call.in_place || copies || reference::is_dense(x.shape, x.strides);
  seen.produced_strides = keeps_strides ? x.strides : contiguous_strides(x.shape);
  seen.aliases_input = call.in_place || (copies && (!is_native(call) || x.count() == 0));
  if (is_native(call)) {
    seen.facts["mask_dtype"] = x.count() == 0 ? to_string(x.dtype) : "bool";
    seen.facts["mask_shape"] = fmt::format("[{}]", fmt::join(x.shape, ", "));
  }
  return seen;
}

Expected<Observation> CpuModel::forward(const Call& call) {
  if (call.seed) stream = reference::PyTorchCpuStream(*call.seed);
  if (call.offset != 0) return Error{ErrorCode::backend_failed, "CPU Generator does not use offset"};
  const TensorView& x = call.x.view;
  const bool in_range = call.p >= 0 && call.p <= 1;
  if (!in_range && is_native(call) && call.mode == Mode::train)
    return Error{ErrorCode::invalid_argument,
                 fmt::format("bernoulli_ expects p to be in [0, 1], but got p={:g}", 1 - call.p)};
  if (!in_range && !is_native(call))
    return Error{ErrorCode::invalid_argument,
                 fmt::format("dropout probability has to be between 0 and 1, but got {:g}", call.p)};
  const bool copies = call.mode == Mode::eval || x.count() == 0 || (call.p == 0 && !is_native(call));
  const bool zeroes = call.p == 1 && !is_native(call);
  const std::uint64_t before = stream.words_drawn();
  std::vector<std::byte> y = bytes_of(x);
  std::vector<bool> dropped(static_cast<std::size_t>(x.count()), zeroes && !copies);
  if (!copies) {
    if (auto refusal = refusal_before_drawing(call, zeroes)) return *refusal;
    if (!zeroes) dropped = draw(call);
    if (auto refusal = refusal_after_drawing(call, zeroes)) return *refusal;
  }
  for (std::size_t e = 0; e < dropped.size() && !copies; ++e) {
    std::byte* at = y.data() + e * size_of(x.dtype);
    const double value = load_element(at, x.dtype);
    if (!dropped[e]) put(call.p == 0 ? value : kept(call, value), at, x.dtype);
    else if (is_alpha(call.op) && !zeroes)
      put(reference::Definition(call.op, call.p, x.dtype).dropped(value), at, x.dtype);
    else put(reference::zeroed(value), at, x.dtype);
  }
  scatter(y.data(), call.in_place ? x : call.y.view);
  for (const NamedTensor& output : call.outputs) {
    std::vector<std::byte> mask(y.size());
    for (std::size_t e = 0; e < dropped.size(); ++e)
      put(dropped[e] ? 0 : 1, mask.data() + e * size_of(x.dtype), x.dtype);
    scatter(mask.data(), output.tensor.view);
  }
  Observation seen = seen_of(call, copies);
  if (call.count_words) seen.rng_words = stream.words_drawn() - before;
  return seen;
}

Expected<Observation> CpuModel::backward(const BackwardCall&) {
  return Error{ErrorCode::unsupported, "the model has no gradients"};
}

}  // namespace dropcheck::suites::testing
