#pragma once
// Gives a backend packed masks and constant inputs, and a test the ways to lie about them.

#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <utility>

#include "harness/core/backend.hpp"
#include "harness/core/element.hpp"
#include "harness/core/packed_mask.hpp"

namespace dropcheck::testing {

/// Claims what the inner backend claims, packed masks and constant inputs. The inner backend must run in this
/// process.
class PackingBackend final : public Backend {
 public:
  explicit PackingBackend(std::unique_ptr<Backend> inner)
      : claims(inner->capabilities()), inner_(std::move(inner)) {
    claims.packed_mask = claims.constant_input = true;
  }

  Capabilities claims;
  /// May change the mask that is sent (1 = dropped), not the output.
  std::function<void(const Call&, MaskBits& drops)> spoil_mask;
  /// May change the bytes that are sent; returns how many of them are written.
  std::function<std::size_t(const Call&, std::span<std::byte> packed)> spoil_bytes;

  std::uint64_t calls = 0, outputs = 0, masks = 0, constants = 0;
  std::uint64_t bytes = 0;  // of tensors handed over and sent back

  const Capabilities& capabilities() const override { return claims; }
  Expected<Observation> forward(const Call& call) override {
    count(call);
    Call whole = call;
    const TensorView& x = call.x.view;
    const auto n = static_cast<std::size_t>(x.count());
    const auto scratch_x = *heap_memory(n * x.element_size()), scratch_y = *heap_memory(n * x.element_size());
    if (!call.x) {
      for (std::size_t i = 0; i < n; ++i) {
        std::byte* at = scratch_x->data() + i * x.element_size();
        if (is_float(x.dtype)) store_element(*call.constant_input, at, x.dtype);
        else store_integer(static_cast<std::int8_t>(*call.constant_input), at, x.dtype);
      }
      whole.x = {scratch_x.get(), dense(scratch_x->data(), x)};
    }
    if (!call.y && !call.in_place) whole.y = {scratch_y.get(), dense(scratch_y->data(), x)};
    auto seen = inner_->forward(whole);
    if (!seen || !call.packed_mask) return seen;
    MaskBits drops = drop_bits_of_output(call.op, whole.y.view);
    if (spoil_mask) spoil_mask(call, drops);
    std::vector<std::byte> packed(static_cast<std::size_t>(call.packed_mask.view.count()));
    for (std::uint64_t i = 0; i < drops.size(); ++i)
      if (!drops[i]) packed[i / 8] |= std::byte{1} << (i % 8);
    const std::size_t written = spoil_bytes ? spoil_bytes(call, packed) : packed.size();
    std::memcpy(call.packed_mask.view.data, packed.data(), written);
    return seen;
  }
  Expected<Observation> backward(const BackwardCall& call) override { return inner_->backward(call); }
  void release(SavedToken saved) override { inner_->release(saved); }
  Expected<std::vector<std::byte>> save_state() override { return inner_->save_state(); }
  Status load_state(std::span<const std::byte> state) override { return inner_->load_state(state); }

 private:
  static TensorView dense(std::byte* data, const TensorView& like) {
    Problem problem;
    problem.dtype = like.dtype;
    problem.shape = like.shape;
    return {data, like.dtype, like.shape, geometry_of(problem, true).strides};
  }
  void count(const Call& call) {
    ++calls;
    outputs += call.y || call.in_place ? 1 : 0;
    masks += call.packed_mask ? 1 : 0;
    constants += call.constant_input ? 1 : 0;
    for (const CallTensor* tensor : {&call.x, &call.y, &call.mask, &call.packed_mask})
      if (*tensor) bytes += static_cast<std::uint64_t>(tensor->view.count()) * tensor->view.element_size();
  }

  std::unique_ptr<Backend> inner_;
};

}  // namespace dropcheck::testing
