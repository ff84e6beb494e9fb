#pragma once
// The plugin through the C ABI alone, with tensors of the test.

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "harness/abi/dropcheck_plugin.h"

namespace dropcheck::libtorch {

inline constexpr DLDataType kF32{kDLFloat, 32, 1};
inline constexpr DLDataType kI64{kDLInt, 64, 1};

/// A contiguous tensor of the host, f32 or i64.
class Host {
 public:
  explicit Host(std::vector<std::int64_t> shape, double fill = 0, DLDataType dtype = kF32)
      : shape_(std::move(shape)), strides_(shape_.size()), dtype_(dtype) {
    std::int64_t step = 1;
    for (std::size_t d = shape_.size(); d-- > 0; step *= shape_[d]) strides_[d] = step;
    for (std::int64_t i = 0; i < step; ++i) {
      floats_.push_back(static_cast<float>(fill));
      integers_.push_back(static_cast<std::int64_t>(fill));
    }
  }
  /// f32, of as many values as the shape has.
  static Host of(std::vector<std::int64_t> shape, std::vector<float> values) {
    Host made(std::move(shape));
    EXPECT_EQ(values.size(), made.floats_.size());
    made.floats_ = std::move(values);
    return made;
  }
  DLTensor* lent() {
    void* const data = dtype_.code == kDLFloat ? static_cast<void*>(floats_.data()) : integers_.data();
    lent_ = {data, {kDLCPU, 0}, static_cast<int>(shape_.size()), dtype_, shape_.data(), strides_.data(), 0};
    return &lent_;
  }
  std::vector<float>& values() { return floats_; }
  /// One character an element, '1' where it is not 0.
  std::string kept() const {
    std::string bits;
    for (const float value : floats_) bits += value != 0 ? '1' : '0';
    return bits;
  }

 private:
  std::vector<std::int64_t> shape_, strides_;
  DLDataType dtype_;
  std::vector<float> floats_;
  std::vector<std::int64_t> integers_;
  DLTensor lent_{};
};

using Tensors = std::vector<std::pair<const char*, Host*>>;

struct Options {
  std::string attributes = "{}";
  double p = 0.5;
  const char* op = "dropout";
  bool train = true;
  bool in_place = false;
  std::int64_t seed = 0;  // below 0: none
  bool save = false;
};

struct Outcome {
  int status;
  std::string error, warnings, facts;
  std::int64_t words, version_delta;
  std::uint64_t saved;
};

class LibTorchPlugin : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    library_ = dlopen(DROPCHECK_LIBTORCH_PLUGIN, RTLD_NOW);
    ASSERT_NE(library_, nullptr) << dlerror();
    const auto get =
        reinterpret_cast<dropcheck_get_plugin_function>(dlsym(library_, DROPCHECK_PLUGIN_SYMBOL));
    ASSERT_NE(get, nullptr);
    table_ = get(DROPCHECK_ABI_MAJOR, DROPCHECK_ABI_MINOR);
    ASSERT_NE(table_, nullptr);
  }
  void SetUp() override {
    ASSERT_NE(table_, nullptr);
    char error[256] = "";
    ASSERT_EQ(table_->open("{}", &context_, error, sizeof error), DROPCHECK_OK) << error;
  }
  void TearDown() override {
    if (context_ != nullptr) table_->close(context_);
  }

  dropcheck_capabilities capabilities() {
    dropcheck_capabilities claimed{};
    claimed.struct_size = sizeof claimed;
    EXPECT_EQ(table_->capabilities(context_, &claimed), DROPCHECK_OK);
    return claimed;
  }

  Outcome forward(const Options& options, const Tensors& in, const Tensors& out = {}) {
    return run(options, in, out,
               [&](auto* call, auto* result) { return table_->forward(context_, call, result); });
  }
  Outcome backward(std::uint64_t saved, const Options& options, const Tensors& in, const Tensors& out) {
    return run(options, in, out,
               [&](auto* call, auto* result) { return table_->backward(context_, saved, call, result); });
  }
  /// The state of the generator; empty where the plugin does not tell it.
  std::vector<std::byte> save_state() {
    std::vector<std::byte> state(table_->save_state(context_, nullptr, 0));
    EXPECT_EQ(table_->save_state(context_, state.data(), state.size()), state.size());
    return state;
  }
  int load_state(const std::vector<std::byte>& state) {
    return table_->load_state(context_, state.data(), state.size());
  }
  /// Kept elements of a call on 32 ones.
  std::string mask(const Options& options) {
    Host x({32}, 1), y({32});
    EXPECT_EQ(forward(options, {{"x", &x}}, {{"y", &y}}).error, "");
    return y.kept();
  }
  /// What a call in place on ones brings.
  Outcome in_place(Options options, std::vector<std::int64_t> shape) {
    options.in_place = true;
    Host x(std::move(shape), 1);
    return forward(options, {{"x", &x}});
  }
  /// What a layer brings that keeps the shape of x, for an x that is not constant.
  Outcome layer(const Options& options, const std::vector<std::int64_t>& x_shape,
                const std::vector<std::int64_t>& y_shape, const Tensors& more_out = {},
                const Tensors& more_in = {}) {
    Host x(x_shape), y(y_shape);
    for (std::size_t i = 0; i < x.values().size(); ++i) x.values()[i] = std::sin(static_cast<float>(i));
    Tensors in{{"x", &x}}, out{{"y", &y}};
    in.insert(in.end(), more_in.begin(), more_in.end());
    out.insert(out.end(), more_out.begin(), more_out.end());
    return forward(options, in, out);
  }

 private:
  template <typename Function>
  static Outcome run(const Options& options, const Tensors& in, const Tensors& out, Function&& function) {
    const auto named = [](const Tensors& tensors) {
      std::vector<dropcheck_named_tensor> list;
      for (const auto& [name, host] : tensors) list.push_back({name, host->lent()});
      return list;
    };
    const auto inputs = named(in), outputs = named(out);
    dropcheck_call call{};
    call.struct_size = sizeof call;
    call.op = options.op;
    call.p = options.p;
    call.train = options.train ? 1 : 0;
    call.in_place = options.in_place ? 1 : 0;
    call.has_seed = options.seed >= 0 ? 1 : 0;
    call.seed = static_cast<std::uint64_t>(std::max<std::int64_t>(options.seed, 0));
    call.attributes = options.attributes.c_str();
    call.want = DROPCHECK_WANT_OUTPUT | DROPCHECK_WANT_RNG_WORDS | (options.save ? DROPCHECK_WANT_SAVED : 0u);
    call.input_count = static_cast<std::uint32_t>(inputs.size());
    call.inputs = inputs.data();
    call.output_count = static_cast<std::uint32_t>(outputs.size());
    call.outputs = outputs.data();
    dropcheck_result result{};
    result.struct_size = sizeof result;
    result.rng_words = result.version_delta = -1;
    const int status = function(&call, &result);
    return {status,           result.error,         result.warnings, result.facts,
            result.rng_words, result.version_delta, result.saved};
  }

  static inline void* library_ = nullptr;
  static inline const dropcheck_plugin* table_ = nullptr;
  void* context_ = nullptr;
};

}  // namespace dropcheck::libtorch
