#pragma once
// Header-only help for plugins in C++: write a struct with capabilities() and forward(), end the file with
// DROPCHECK_PLUGIN(YourStruct). Exceptions become error texts; nothing crosses the C boundary.
//
//   struct MyKernel : dropcheck::plugin::Kernel {
//     MyKernel() { name = "my-kernel"; version = "1.0"; ops = "dropout"; dtypes = "f32"; }
//     void forward(const dropcheck::plugin::Call& call, dropcheck::plugin::Result&) override {
//       const auto x = call.input("x").dense<float>();
//       const auto y = call.output("y").dense<float>();
//       my_kernel(x.data(), y.data(), x.size(), call.p(), call.seed(), call.train());
//     }
//   };
//   DROPCHECK_PLUGIN(MyKernel)

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <exception>
#include <limits>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "harness/abi/dropcheck_plugin.h"

namespace dropcheck::plugin {

/// Throw one of these from a kernel; any other exception counts as DROPCHECK_FAILED.
struct Unsupported : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct InvalidArgument : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A tensor lent by the host.
class Tensor {
 public:
  explicit Tensor(const DLTensor* tensor) : tensor_(tensor) {}
  std::span<const std::int64_t> shape() const {
    return {tensor_->shape, static_cast<std::size_t>(tensor_->ndim)};
  }
  /// In elements.
  std::span<const std::int64_t> strides() const {
    return {tensor_->strides, static_cast<std::size_t>(tensor_->ndim)};
  }
  DLDataType dtype() const { return tensor_->dtype; }
  /// False for the input of a call with a constant one.
  bool has_data() const { return tensor_->data != nullptr; }
  void* data() const { return static_cast<char*>(tensor_->data) + tensor_->byte_offset; }
  std::size_t count() const {
    std::size_t n = 1;
    for (const std::int64_t extent : shape()) n *= static_cast<std::size_t>(extent);
    return n;
  }
  bool is_contiguous() const {
    std::int64_t step = 1;
    for (int d = tensor_->ndim; d-- > 0;) {
      if (tensor_->shape[d] != 1 && tensor_->strides[d] != step) return false;
      step *= tensor_->shape[d];
    }
    return true;
  }
  /// The elements of a contiguous tensor of this type; throws Unsupported for another size or layout.
  template <typename T>
  std::span<T> dense() const {
    if (!has_data() && count() > 0)
      throw std::logic_error("the input is a constant: ask Call::constant() first");
    if (tensor_->dtype.bits != 8 * sizeof(T)) throw Unsupported("dtype of another size");
    if (!is_contiguous()) throw Unsupported("only contiguous tensors");
    return {static_cast<T*>(data()), count()};
  }

 private:
  const DLTensor* tensor_;
};

class Call {
 public:
  explicit Call(const dropcheck_call* call) : call_(call) {}
  std::string_view op() const { return call_->op; }
  double p() const { return call_->p; }
  bool train() const { return call_->train != 0; }
  bool in_place() const { return call_->in_place != 0; }
  std::optional<std::uint64_t> seed() const {
    return call_->has_seed != 0 ? std::optional(call_->seed) : std::nullopt;
  }
  std::uint64_t offset() const { return call_->offset; }
  /// JSON object as text.
  std::string_view attributes() const { return call_->attributes; }
  bool wants(std::uint32_t what) const { return (call_->want & what) != 0; }
  /// The value of every element of "x" where that has no data; for kernels that claim
  /// DROPCHECK_CAN_TAKE_CONSTANT.
  std::optional<double> constant() const {
    return input("x").has_data() ? std::nullopt : std::optional(call_->constant_input);
  }
  /// Throws InvalidArgument when the call has no tensor of that name.
  Tensor input(std::string_view name) const { return find(call_->inputs, call_->input_count, name); }
  Tensor output(std::string_view name) const { return find(call_->outputs, call_->output_count, name); }
  bool has_input(std::string_view name) const { return has(call_->inputs, call_->input_count, name); }
  bool has_output(std::string_view name) const { return has(call_->outputs, call_->output_count, name); }
  std::uint32_t input_count() const { return call_->input_count; }
  /// Of the input of that number, below input_count().
  std::string_view input_name(std::uint32_t i) const { return call_->inputs[i].name; }
  std::uint32_t output_count() const { return call_->output_count; }
  std::string_view output_name(std::uint32_t i) const { return call_->outputs[i].name; }
  /// "y", or "x" for a call in place.
  Tensor destination() const { return in_place() ? input("x") : output("y"); }

 private:
  static bool has(const dropcheck_named_tensor* tensors, std::uint32_t count, std::string_view name) {
    for (std::uint32_t i = 0; i < count; ++i)
      if (name == tensors[i].name) return true;
    return false;
  }
  static Tensor find(const dropcheck_named_tensor* tensors, std::uint32_t count, std::string_view name) {
    for (std::uint32_t i = 0; i < count; ++i)
      if (name == tensors[i].name) return Tensor(tensors[i].tensor);
    throw InvalidArgument("the call has no tensor named " + std::string(name));
  }
  const dropcheck_call* call_;
};

/// The output "packed_mask", all dropped to begin with. Only where the call wants DROPCHECK_WANT_PACKED_MASK,
/// for kernels that claim DROPCHECK_CAN_RETURN_PACKED_MASK; throws InvalidArgument elsewhere.
class PackedMask {
 public:
  explicit PackedMask(const Call& call) : bytes_(call.output("packed_mask").dense<unsigned char>()) {
    for (unsigned char& byte : bytes_) byte = 0;
  }
  /// Element `i` of the input in row-major order is kept.
  void keep(std::size_t i) { bytes_[i / 8] = static_cast<unsigned char>(bytes_[i / 8] | 1u << (i % 8)); }

 private:
  std::span<unsigned char> bytes_;
};

class Result {
 public:
  explicit Result(dropcheck_result* result) : result_(result) {}
  void shape(std::span<const std::int64_t> shape) {
    if (shape.size() > DROPCHECK_MAX_RANK) throw Unsupported("more than 8 dimensions");
    result_->produced_ndim = static_cast<std::int32_t>(shape.size());
    for (std::size_t d = 0; d < shape.size(); ++d) result_->produced_shape[d] = shape[d];
  }
  /// In elements, one a dimension of the shape given before.
  void strides(std::span<const std::int64_t> strides) {
    result_->has_produced_strides = 1;
    for (std::size_t d = 0; d < strides.size() && d < DROPCHECK_MAX_RANK; ++d)
      result_->produced_strides[d] = strides[d];
  }
  void dtype(DLDataType dtype) { result_->produced_dtype = dtype; }
  void aliases_input(bool yes) { result_->aliases_input = yes ? 1 : 0; }
  void version_delta(std::int64_t delta) { result_->version_delta = delta; }
  void rng_words(std::int64_t words) { result_->rng_words = words; }
  void effective_p(double p) { result_->effective_p = p; }
  void saved(std::uint64_t token) { result_->saved = token; }
  void warning(std::string_view text) {
    const std::size_t used = ::strnlen(result_->warnings, sizeof result_->warnings);
    std::snprintf(result_->warnings + used, sizeof result_->warnings - used, "%s%.*s", used > 0 ? "\n" : "",
                  static_cast<int>(text.size()), text.data());
  }
  /// Neither may hold a line break, nor the name an equals sign.
  void fact(std::string_view name, std::string_view value) {
    if (!has_facts()) return;
    const std::size_t used = ::strnlen(result_->facts, sizeof result_->facts);
    std::snprintf(result_->facts + used, sizeof result_->facts - used, "%s%.*s=%.*s", used > 0 ? "\n" : "",
                  static_cast<int>(name.size()), name.data(), static_cast<int>(value.size()), value.data());
  }

 private:
  bool has_facts() const {
    return result_->struct_size >= offsetof(dropcheck_result, facts) + sizeof result_->facts;
  }
  dropcheck_result* result_;
};

/// Base of a kernel: fill the fields in the constructor. An optional constructor argument takes the config
/// JSON.
class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual void forward(const Call& call, Result& result) = 0;
  virtual void backward(std::uint64_t /*saved*/, const Call&, Result&) { throw Unsupported("no backward"); }
  virtual void release(std::uint64_t /*saved*/) {}

  std::string name, version, library, device = "cpu";
  std::string ops = "dropout", dtypes = "f32", layouts = "contiguous";
  std::string seed_semantics = "stateful", offset_unit, exact_stream, notes, forms, conforms_to, promises;
  std::uint32_t seed_bits = 64;
  std::uint32_t features = 0;
};

/// A kernel that can keep the state of its generator has two functions more, and claims
/// DROPCHECK_CAN_RECOMPUTE:
///   std::vector<std::byte> save_state();
///   void load_state(std::span<const std::byte> state);
/// There is at least one byte, and always the same number. load_state throws InvalidArgument for bytes that
/// are no state of this kernel.
template <typename K>
concept KeepsState = requires(K& kernel, std::span<const std::byte> state) {
  { kernel.save_state() } -> std::convertible_to<std::vector<std::byte>>;
  kernel.load_state(state);
};

/// A kernel whose tensors lie in memory of its own, with a `device` other than "cpu", has four functions
/// more:
///   void* allocate(std::size_t bytes);  // throws std::bad_alloc where memory is short
///   void free(void* memory);            // does not throw
///   void copy(void* to, const void* from, std::size_t bytes, bool to_host);
///   void synchronize();                 // all calls so far are done
/// It is handed copies of the host's tensors there. Only a call's own errors reach the host as text: a kernel
/// that can tell more waits for its work inside forward and backward.
template <typename K>
concept OwnsMemory = requires(K& kernel, void* memory, const void* from, std::size_t bytes, bool to_host) {
  { kernel.allocate(bytes) } -> std::same_as<void*>;
  kernel.free(memory);
  kernel.copy(memory, from, bytes, to_host);
  kernel.synchronize();
};

/// The C functions of a kernel type; use DROPCHECK_PLUGIN.
template <typename K>
struct Table {
  template <typename Body>
  static int fenced(char* error, std::size_t bytes, Body&& body) noexcept {
    const auto report = [&](const char* text, int status) {
      if (error != nullptr && bytes > 0) std::snprintf(error, bytes, "%s", text);
      return status;
    };
    try {
      body();
      return DROPCHECK_OK;
    } catch (const Unsupported& e) {
      return report(e.what(), DROPCHECK_UNSUPPORTED);
    } catch (const InvalidArgument& e) {
      return report(e.what(), DROPCHECK_INVALID_ARGUMENT);
    } catch (const std::bad_alloc&) {
      return report("out of memory", DROPCHECK_OUT_OF_MEMORY);
    } catch (const std::exception& e) {
      return report(e.what(), DROPCHECK_FAILED);
    } catch (...) {
      return report("an exception of unknown type", DROPCHECK_FAILED);
    }
  }

  static int open(const char* config, void** context, char* error, std::size_t bytes) noexcept {
    return fenced(error, bytes, [&] {
      if constexpr (std::is_constructible_v<K, std::string_view>) *context = new K(std::string_view(config));
      else *context = new K();
    });
  }
  static void close(void* context) noexcept { delete static_cast<K*>(context); }
  static int capabilities(void* context, dropcheck_capabilities* out) noexcept {
    const K& k = *static_cast<K*>(context);
    const auto text = [](const std::string& s) { return s.empty() ? nullptr : s.c_str(); };
    out->name = k.name.c_str();
    out->version = k.version.c_str();
    out->library = text(k.library);
    out->device = k.device.c_str();
    out->ops = k.ops.c_str();
    out->dtypes = k.dtypes.c_str();
    out->layouts = k.layouts.c_str();
    out->seed_semantics = k.seed_semantics.c_str();
    out->seed_bits = k.seed_bits;
    out->offset_unit = text(k.offset_unit);
    out->exact_stream = text(k.exact_stream);
    out->notes = text(k.notes);
    out->features = k.features;
    if (out->struct_size >= offsetof(dropcheck_capabilities, conforms_to) + sizeof out->conforms_to) {
      out->forms = text(k.forms);
      out->conforms_to = text(k.conforms_to);
    }
    if (out->struct_size >= offsetof(dropcheck_capabilities, promises) + sizeof out->promises)
      out->promises = text(k.promises);
    return DROPCHECK_OK;
  }
  static int forward(void* context, const dropcheck_call* call, dropcheck_result* result) noexcept {
    return fenced(result->error, sizeof result->error, [&] {
      Result r(result);
      static_cast<K*>(context)->forward(Call(call), r);
    });
  }
  static int backward(void* context, std::uint64_t saved, const dropcheck_call* call,
                      dropcheck_result* result) noexcept {
    return fenced(result->error, sizeof result->error, [&] {
      Result r(result);
      static_cast<K*>(context)->backward(saved, Call(call), r);
    });
  }
  static void release(void* context, std::uint64_t saved) noexcept {
    fenced(nullptr, 0, [&] { static_cast<K*>(context)->release(saved); });
  }
  /// 0 where the kernel throws.
  static std::size_t save_state(void* context, void* state, std::size_t bytes) noexcept {
    std::size_t needed = 0;
    fenced(nullptr, 0, [&] {
      const std::vector<std::byte> kept = static_cast<K*>(context)->save_state();
      if (!kept.empty() && kept.size() <= bytes) std::memcpy(state, kept.data(), kept.size());
      needed = kept.size();
    });
    return needed;
  }
  static int load_state(void* context, const void* state, std::size_t bytes) noexcept {
    return fenced(nullptr, 0, [&] {
      static_cast<K*>(context)->load_state(std::span(static_cast<const std::byte*>(state), bytes));
    });
  }
  static int memory_allocate(void* context, std::size_t bytes, void** memory) noexcept {
    return fenced(nullptr, 0, [&] { *memory = static_cast<K*>(context)->allocate(bytes); });
  }
  static void memory_free(void* context, void* memory) noexcept { static_cast<K*>(context)->free(memory); }
  static int memory_copy(void* context, void* to, const void* from, std::size_t bytes, int kind) noexcept {
    return fenced(nullptr, 0, [&] { static_cast<K*>(context)->copy(to, from, bytes, kind == 1); });
  }
  static int synchronize(void* context) noexcept {
    return fenced(nullptr, 0, [&] { static_cast<K*>(context)->synchronize(); });
  }
  static const dropcheck_plugin* get(std::uint32_t host_major) noexcept {
    static const dropcheck_plugin table = [] {
      dropcheck_plugin t{};
      t.struct_size = sizeof t;
      t.abi_major = DROPCHECK_ABI_MAJOR;
      t.abi_minor = DROPCHECK_ABI_MINOR;
      t.open = open;
      t.close = close;
      t.capabilities = capabilities;
      t.forward = forward;
      t.backward = backward;
      t.release = release;
      if constexpr (KeepsState<K>) {
        t.save_state = save_state;
        t.load_state = load_state;
      }
      if constexpr (OwnsMemory<K>) {
        t.memory_allocate = memory_allocate;
        t.memory_free = memory_free;
        t.memory_copy = memory_copy;
        t.synchronize = synchronize;
      }
      return t;
    }();
    return host_major == DROPCHECK_ABI_MAJOR ? &table : nullptr;
  }
};

}  // namespace dropcheck::plugin

#define DROPCHECK_PLUGIN(KernelType)                                                                     \
  extern "C" const dropcheck_plugin* dropcheck_get_plugin(std::uint32_t host_abi_major, std::uint32_t) { \
    return ::dropcheck::plugin::Table<KernelType>::get(host_abi_major);                                  \
  }
