#include "impl/mutants/plugin/bridge.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <utility>

namespace dropcheck::mutants {
namespace {

using plugin::InvalidArgument;
using plugin::Unsupported;

/// Memory of the host, for the time of a call.
class LentMemory final : public Memory {
 public:
  LentMemory(std::byte* data, std::size_t size) : data_(data), size_(size) {}
  std::byte* data() override { return data_; }
  std::size_t size() const override { return size_; }

 private:
  std::byte* data_;
  std::size_t size_;
};

/// DLPack's code for the kind of a dtype.
std::uint8_t code_of(DType dtype) {
  switch (dtype) {
    case DType::bf16: return kDLBfloat;
    case DType::i64:
    case DType::i32: return kDLInt;
    case DType::u8: return kDLUInt;
    case DType::boolean: return DROPCHECK_DL_BOOL;
    case DType::c64:
    case DType::c128: return kDLComplex;
    case DType::f64:
    case DType::f32:
    case DType::f16: break;
  }
  return kDLFloat;
}

DLDataType dl_of(DType dtype) { return {code_of(dtype), static_cast<std::uint8_t>(8 * size_of(dtype)), 1}; }

DType dtype_of(DLDataType dtype) {
  for (const DType known : kAllDTypes) {
    const DLDataType dl = dl_of(known);
    if (dl.code == dtype.code && dl.bits == dtype.bits && dl.lanes == dtype.lanes) return known;
  }
  throw Unsupported(fmt::format("dtype of code {}, {} bits", dtype.code, dtype.bits));
}

/// Bytes from the first element to the end of the page that holds the last one. The ABI says nothing of what
/// lies behind a tensor, but this host lends memory in whole pages: mutants that write past an end may look
/// for room there.
std::size_t room_of(const TensorView& view) {
  std::size_t last = 0;
  for (std::size_t d = 0; d < view.shape.size(); ++d) {
    if (view.shape[d] == 0) return 0;
    last += static_cast<std::size_t>((view.shape[d] - 1) * view.strides[d]);
  }
  const auto begin = reinterpret_cast<std::uintptr_t>(view.data);
  const std::size_t end = begin + last * view.element_size() + view.element_size();
  return (end + kMemoryAlignment - 1) / kMemoryAlignment * kMemoryAlignment - begin;
}

using Memories = std::list<std::unique_ptr<Memory>>;

/// A tensor without data has no memory: a constant input.
CallTensor lent(const plugin::Tensor& tensor, Memories& memories) {
  CallTensor result;
  TensorView& view = result.view;
  view.data = tensor.has_data() ? static_cast<std::byte*>(tensor.data()) : nullptr;
  view.dtype = dtype_of(tensor.dtype());
  view.shape.assign(tensor.shape().begin(), tensor.shape().end());
  view.strides.assign(tensor.strides().begin(), tensor.strides().end());
  if (view.data == nullptr && view.count() > 0) return result;
  memories.push_back(std::make_unique<LentMemory>(view.data, room_of(view)));
  result.memory = memories.back().get();
  return result;
}

/// The tensors of a call other than those that a call names itself.
template <typename Count, typename Name, typename Find, typename Known>
std::vector<NamedTensor> further(Count count, Name&& name_of, Find&& find, const Known& known,
                                 Memories& memories) {
  std::vector<NamedTensor> tensors;
  for (Count i = 0; i < count; ++i) {
    const std::string name(name_of(i));
    if (std::find(known.begin(), known.end(), name) == known.end())
      tensors.push_back({name, lent(find(name), memories)});
  }
  return tensors;
}

std::vector<NamedTensor> further_inputs(const plugin::Call& call, const std::vector<std::string>& known,
                                        Memories& memories) {
  return further(
      call.input_count(), [&](std::uint32_t i) { return call.input_name(i); },
      [&](const std::string& name) { return call.input(name); }, known, memories);
}
std::vector<NamedTensor> further_outputs(const plugin::Call& call, const std::vector<std::string>& known,
                                         Memories& memories) {
  return further(
      call.output_count(), [&](std::uint32_t i) { return call.output_name(i); },
      [&](const std::string& name) { return call.output(name); }, known, memories);
}

/// The attributes but for "threads", which a backend's call has a field for.
Attributes attributes_of(const plugin::Call& call, std::uint32_t* threads) {
  const auto object = nlohmann::json::parse(call.attributes(), nullptr, false);
  if (!object.is_object()) throw InvalidArgument("the attributes are no JSON object");
  Attributes attributes;
  for (const auto& [name, value] : object.items()) {
    if (threads != nullptr && name == "threads" && value.is_number_unsigned()) *threads = value;
    else if (value.is_boolean()) attributes[name] = value.get<bool>();
    else if (value.is_number_integer()) attributes[name] = value.get<std::int64_t>();
    else if (value.is_number_float()) attributes[name] = value.get<double>();
    else if (value.is_string()) attributes[name] = value.get<std::string>();
    else throw Unsupported(fmt::format("the attribute {} is neither a number nor a text", name));
  }
  return attributes;
}

template <typename Word>
std::string words(const std::vector<Word>& list) {
  std::string text;
  for (const Word& word : list) text.append(text.empty() ? "" : ",").append(to_string(word));
  return text;
}

}  // namespace

void claim(const Capabilities& c, plugin::Kernel& kernel) {
  kernel.name = c.name, kernel.version = c.version, kernel.library = c.library, kernel.device = c.device;
  kernel.exact_stream = c.exact_stream, kernel.offset_unit = c.offset_unit,
  kernel.conforms_to = c.conforms_to;
  kernel.notes = fmt::format("{}", fmt::join(c.notes, "\n"));
  kernel.ops = words(c.ops), kernel.dtypes = words(c.dtypes), kernel.layouts = words(c.layouts);
  kernel.seed_semantics = to_string(c.seed_semantics);
  kernel.seed_bits = c.seed_bits;
  kernel.forms = fmt::format("{}", fmt::join(c.forms, ","));
  kernel.promises = fmt::format("{}", fmt::join(c.promises, ","));
  const std::pair<bool, std::uint32_t> features[] = {{c.backward, DROPCHECK_CAN_BACKWARD},
                                                     {c.in_place, DROPCHECK_CAN_IN_PLACE},
                                                     {c.threads, DROPCHECK_CAN_SET_THREADS},
                                                     {c.mask_output, DROPCHECK_CAN_RETURN_MASK},
                                                     {c.packed_mask, DROPCHECK_CAN_RETURN_PACKED_MASK},
                                                     {c.constant_input, DROPCHECK_CAN_TAKE_CONSTANT},
                                                     {c.recompute, DROPCHECK_CAN_RECOMPUTE},
                                                     {c.reports_rng_words, DROPCHECK_REPORTS_RNG_WORDS},
                                                     {c.effective_rate, DROPCHECK_DECLARES_EFFECTIVE_P}};
  for (const auto& [can, feature] : features) kernel.features |= can ? feature : 0u;
}

BridgedCall::BridgedCall(const plugin::Call& call) {
  const auto op = op_from(call.op());
  if (!op) throw Unsupported(fmt::format("the operator {}", call.op()));
  call_.op = *op;
  call_.p = call.p();
  call_.mode = call.train() ? Mode::train : Mode::eval;
  call_.in_place = call.in_place();
  call_.seed = call.seed();
  call_.offset = call.offset();
  call_.attributes = attributes_of(call, &call_.threads);
  call_.save_for_backward = call.wants(DROPCHECK_WANT_SAVED);
  call_.count_words = call.wants(DROPCHECK_WANT_RNG_WORDS);
  call_.x = lent(call.input("x"), memories_);
  if (!call_.x) call_.constant_input = call.constant();
  std::vector<std::string> own;
  const auto take = [&](const char* name, bool wanted, CallTensor& tensor) {
    if (!wanted) return;
    tensor = lent(call.output(name), memories_);
    own.emplace_back(name);
  };
  // A form of a call may have an output named "mask" of its own.
  take("y", call.wants(DROPCHECK_WANT_OUTPUT) && !call.in_place(), call_.y);
  take("mask", call.wants(DROPCHECK_WANT_MASK), call_.mask);
  take("packed_mask", call.wants(DROPCHECK_WANT_PACKED_MASK), call_.packed_mask);
  call_.inputs = further_inputs(call, {"x"}, memories_);
  call_.outputs = further_outputs(call, own, memories_);
}

BridgedBackward::BridgedBackward(std::uint64_t saved, const plugin::Call& call) {
  call_.saved.id = saved;
  call_.attributes = attributes_of(call, nullptr);
  call_.dy = lent(call.input("dy"), memories_);
  call_.dx = lent(call.output("dx"), memories_);
  call_.inputs = further_inputs(call, {"dy"}, memories_);
  call_.outputs = further_outputs(call, {"dx"}, memories_);
}

void refuse(const Error& error) {
  switch (error.code) {
    case ErrorCode::unsupported: throw Unsupported(error.message);
    case ErrorCode::invalid_argument: throw InvalidArgument(error.message);
    case ErrorCode::resource_exhausted: throw std::bad_alloc();
    default: throw std::runtime_error(error.message);
  }
}

void report(const Expected<Observation>& seen, plugin::Result& result) {
  if (!seen) refuse(seen.error());
  const Observation& o = *seen;
  // The ABI says shape, strides and dtype together. A result without dimensions has a dtype.
  if (!o.produced_shape.empty() || o.produced_dtype) {
    result.shape(o.produced_shape);
    if (!o.produced_strides.empty() || o.produced_shape.empty()) result.strides(o.produced_strides);
    if (o.produced_dtype) result.dtype(dl_of(*o.produced_dtype));
  }
  if (o.aliases_input) result.aliases_input(*o.aliases_input);
  if (o.version_delta) result.version_delta(*o.version_delta);
  if (o.rng_words) result.rng_words(static_cast<std::int64_t>(*o.rng_words));
  if (o.effective_p) result.effective_p(*o.effective_p);
  result.saved(o.saved.id);
  std::size_t warnings = 0, facts = 0;
  for (const std::string& warning : o.warnings) warnings += warning.size() + 1;
  for (const auto& [name, value] : o.facts) facts += name.size() + value.size() + 2;
  if (warnings >= DROPCHECK_TEXT_BYTES || facts >= DROPCHECK_TEXT_BYTES)
    throw std::length_error("warnings or facts are longer than the ABI has room for");
  for (const std::string& warning : o.warnings) result.warning(warning);
  for (const auto& [name, value] : o.facts) result.fact(name, value);
}

}  // namespace dropcheck::mutants
