#pragma once
// One call of a backend on guarded memory, for the unit tests of backends: they all need the same set-up and
// the same look at what came back.

#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "harness/core/backend.hpp"
#include "harness/core/element.hpp"
#include "harness/core/guarded_tensor.hpp"

namespace dropcheck::reference {

struct OneCall {
  Problem problem;         // its seed and offset are the call's
  std::vector<double> x;   // logical order; rounded to the dtype. Expanded inputs repeat the first slice
  std::vector<double> dy;  // empty: no backward call
  bool want_mask = false;
};

struct OneResult {
  Expected<Observation> observation = Error{};
  std::vector<std::byte> y, mask, dx;  // dense, logical order
  std::vector<std::string> faults;     // wrong writes that the guards found

  std::vector<double> values(const std::vector<std::byte>& bytes, DType dtype) const {
    std::vector<double> out;
    for (std::size_t at = 0; at < bytes.size(); at += size_of(dtype))
      out.push_back(load_element(bytes.data() + at, dtype));
    return out;
  }
};

inline GuardedTensor make_tensor(Backend& backend, const Problem& problem, bool is_output) {
  return GuardedTensor(*backend.allocate(GuardedTensor::bytes_needed(problem, is_output)), problem,
                       is_output);
}

inline void fill(const GuardedTensor& tensor, const std::vector<double>& values) {
  const TensorView& view = tensor.view();
  std::vector<std::byte> bytes(values.size() * view.element_size());
  for (std::size_t i = 0; i < values.size(); ++i)
    store_element(values[i], bytes.data() + i * view.element_size(), view.dtype);
  ASSERT_EQ(static_cast<std::int64_t>(values.size()), view.count());
  scatter(bytes.data(), view);
}

inline std::vector<std::byte> dense_bytes(const GuardedTensor& tensor) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(tensor.view().count()) *
                               tensor.view().element_size());
  gather(tensor.view(), bytes.data());
  return bytes;
}

/// Numbers of both signs that use many significand bits; never zero.
inline std::vector<double> some_reals(std::int64_t count) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto bits = (static_cast<std::uint64_t>(i) + 1) * 0x9E3779B97F4A7C15u;
    const double magnitude = 0.5 + static_cast<double>(bits >> 40) * 0x1p-21;
    values.push_back((bits & 1024u) != 0 ? -magnitude : magnitude);
  }
  return values;
}

inline OneResult run_one(Backend& backend, const OneCall& one) {
  OneResult result;
  const Problem& problem = one.problem;
  GuardedTensor x = make_tensor(backend, problem, false);
  GuardedTensor y = make_tensor(backend, problem, true);
  Problem bytes = problem;
  bytes.dtype = DType::boolean;
  GuardedTensor mask = make_tensor(backend, bytes, true);
  fill(x, one.x);

  Call call{.op = problem.op,
            .p = problem.p,
            .mode = problem.mode,
            .in_place = problem.in_place,
            .seed = problem.seed,
            .offset = problem.offset,
            .threads = problem.threads,
            .save_for_backward = !one.dy.empty(),
            .x = {&x.memory(), x.view()},
            .y = {},
            .mask = {}};
  if (!problem.in_place) call.y = {&y.memory(), y.view()};
  if (one.want_mask) call.mask = {&mask.memory(), mask.view()};
  result.observation = backend.forward(call);
  if (!result.observation) return result;

  GuardedTensor& out = problem.in_place ? x : y;
  const auto note = [&](std::optional<std::string> fault) {
    if (fault) result.faults.push_back(*fault);
  };
  note(out.fault("y", true));
  if (!problem.in_place) note(x.fault("x", false));
  result.y = dense_bytes(out);
  if (one.want_mask) {
    note(mask.fault("mask", true));
    result.mask = dense_bytes(mask);
  }
  if (one.dy.empty()) return result;

  GuardedTensor dy = make_tensor(backend, problem, true);
  GuardedTensor dx = make_tensor(backend, problem, true);
  fill(dy, one.dy);
  const BackwardCall back{result.observation->saved, {&dy.memory(), dy.view()}, {&dx.memory(), dx.view()}};
  const auto gradient = backend.backward(back);
  EXPECT_TRUE(gradient.has_value());
  backend.release(result.observation->saved);
  EXPECT_FALSE(backend.backward(back).has_value()) << "a released call must be gone";
  note(dx.fault("dx", true));
  result.dx = dense_bytes(dx);
  return result;
}

}  // namespace dropcheck::reference
