#pragma once
// For tests of layers: tensors of a call that is put together by hand.

#include <gtest/gtest.h>

#include <list>
#include <string>
#include <utility>
#include <vector>

#include "reference/one_call.hpp"
#include "reference/stream.hpp"

namespace dropcheck::reference {

inline GuardedTensor layer_tensor(std::vector<std::int64_t> shape, DType dtype = DType::f64) {
  Problem problem;
  problem.shape = std::move(shape);
  problem.dtype = dtype;
  return GuardedTensor(*heap_memory(GuardedTensor::bytes_needed(problem, true)), problem, true);
}

inline std::vector<double> layer_values(const GuardedTensor& tensor) {
  std::vector<double> made;
  const auto bytes = dense_bytes(tensor);
  for (std::size_t at = 0; at < bytes.size(); at += tensor.view().element_size())
    made.push_back(load_element(bytes.data() + at, tensor.view().dtype));
  return made;
}

/// A call with the tensors that it borrows.
class LayerCallOf {
 public:
  LayerCallOf(const std::string& form, std::vector<std::int64_t> shape, std::vector<std::int64_t> y_shape,
              const std::vector<double>& x, DType dtype = DType::f64)
      : dtype_(dtype) {
    call.attributes["form"] = form;
    call.seed = 77;
    call.x = hold(std::move(shape), x);
    call.y = hold(std::move(y_shape), {});
    y_ = &held_.back();
  }

  void input(const std::string& name, std::vector<std::int64_t> shape, const std::vector<double>& values) {
    call.inputs.push_back({name, hold(std::move(shape), values)});
  }
  /// The tensor that the call will fill.
  const GuardedTensor& output(const std::string& name, std::vector<std::int64_t> shape) {
    call.outputs.push_back({name, hold(std::move(shape), {})});
    return held_.back();
  }
  std::vector<double> y() const { return layer_values(*y_); }
  /// The call as it is now; y is poisoned before, and guarded.
  Expected<Observation> ask(Backend& backend) {
    y_->poison();
    auto seen = backend.forward(call);
    EXPECT_EQ(y_->fault("y", seen.has_value()), std::nullopt);
    return seen;
  }

  Call call;

 private:
  CallTensor hold(std::vector<std::int64_t> shape, const std::vector<double>& values) {
    held_.push_back(layer_tensor(std::move(shape), dtype_));
    if (!values.empty()) fill(held_.back(), values);
    return {&held_.back().memory(), held_.back().view()};
  }

  DType dtype_;
  std::list<GuardedTensor> held_;
  GuardedTensor* y_ = nullptr;
};

/// Mask number `number` of the stream after the seed of LayerCallOf: 1 = kept.
inline std::vector<std::uint8_t> layer_mask(std::uint64_t number, double p, std::int64_t entries) {
  std::vector<std::uint8_t> kept(static_cast<std::size_t>(entries));
  draw_mask(77, number, p, kept);
  return kept;
}

}  // namespace dropcheck::reference
