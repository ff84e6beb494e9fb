#pragma once
// Calls of layers for unit tests: named tensors in, named tensors out.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "impl/mutants/mutants.hpp"
#include "reference/one_call.hpp"

namespace dropcheck::mutants {

using Numbers = std::vector<double>;

struct Given {
  std::vector<std::int64_t> shape;
  Numbers values;
};

struct LayerQuestion {
  Attributes attributes;
  double p = 0.5;
  Given x;
  std::vector<std::int64_t> y_shape;
  std::map<std::string, Given> inputs{};
  std::map<std::string, std::vector<std::int64_t>> outputs{};
  Mode mode = Mode::train;
  std::optional<std::uint64_t> seed = 42;
  DType dtype = DType::f64;
  Op op = Op::dropout;
  bool in_place = false;  // y is then what x has become
};

struct LayerReply {
  Expected<Observation> seen = Error{};
  Numbers y{};
  std::map<std::string, Numbers> outputs{};
};

/// Text of an attribute, or a number.
inline AttributeValue word(const char* text) { return std::string(text); }
inline AttributeValue number(std::int64_t value) { return value; }

inline std::unique_ptr<Backend> open_one(const std::string& id) { return *open_mutant(id, {}); }

inline LayerReply ask(Backend& backend, const LayerQuestion& q) {
  const auto tensor = [&](const std::vector<std::int64_t>& shape) {
    Problem problem;
    problem.shape = shape;
    problem.dtype = q.dtype;
    return reference::make_tensor(backend, problem, true);
  };
  const auto filled = [&](const Given& given) {
    GuardedTensor made = tensor(given.shape);
    reference::fill(made, given.values);
    return made;
  };
  const auto numbers = [&](const GuardedTensor& from) {
    Numbers values;
    const auto bytes = reference::dense_bytes(from);
    for (std::size_t at = 0; at < bytes.size(); at += size_of(q.dtype))
      values.push_back(load_element(bytes.data() + at, q.dtype));
    return values;
  };
  GuardedTensor x = filled(q.x), y = tensor(q.y_shape);
  std::map<std::string, GuardedTensor> inputs, outputs;
  for (const auto& [name, given] : q.inputs) inputs.emplace(name, filled(given));
  for (const auto& [name, shape] : q.outputs) outputs.emplace(name, tensor(shape));

  Call call;
  call.op = q.op;
  call.p = q.p;
  call.mode = q.mode;
  call.seed = q.seed;
  call.attributes = q.attributes;
  call.x = {&x.memory(), x.view()};
  call.in_place = q.in_place;
  if (!q.in_place) call.y = {&y.memory(), y.view()};
  for (auto& [name, input] : inputs) call.inputs.push_back({name, {&input.memory(), input.view()}});
  for (auto& [name, output] : outputs) call.outputs.push_back({name, {&output.memory(), output.view()}});
  LayerReply reply{backend.forward(call)};
  if (!reply.seen) return reply;
  EXPECT_FALSE((q.in_place ? x : y).fault("y", true).has_value());
  EXPECT_FALSE(x.fault("x", false).has_value());
  reply.y = numbers(q.in_place ? x : y);
  for (const auto& [name, output] : outputs) {
    EXPECT_FALSE(output.fault(name, true).has_value());
    reply.outputs[name] = numbers(output);
  }
  return reply;
}
inline LayerReply ask(const std::string& id, const LayerQuestion& q) { return ask(*open_one(id), q); }

/// y of a call that must be answered.
inline Numbers answer(const std::string& id, const LayerQuestion& q) {
  const LayerReply reply = ask(id, q);
  EXPECT_TRUE(reply.seen.has_value()) << (reply.seen ? "" : reply.seen.error().message);
  return reply.y;
}
inline Numbers answer(Backend& backend, const LayerQuestion& q) {
  const LayerReply reply = ask(backend, q);
  EXPECT_TRUE(reply.seen.has_value()) << (reply.seen ? "" : reply.seen.error().message);
  return reply.y;
}

/// The operator on ones: what a mask multiplies by.
inline Numbers operator_gains(Backend& backend, const std::vector<std::int64_t>& shape, double p,
                              std::optional<std::uint64_t> seed) {
  LayerQuestion q;
  q.p = p;
  q.x = {shape, Numbers(static_cast<std::size_t>(element_count(shape)), 1.0)};
  q.y_shape = shape;
  q.seed = seed;
  return answer(backend, q);
}

/// Gains that the operator of the plain base draws, one after the other, after a seed of 42.
inline std::vector<Numbers> draws_of(const std::vector<std::vector<std::int64_t>>& shapes, double p = 0.5) {
  const auto backend = open_one("none");
  std::vector<Numbers> gains;
  for (const auto& shape : shapes)
    gains.push_back(
        operator_gains(*backend, shape, p, gains.empty() ? std::optional<std::uint64_t>(42) : std::nullopt));
  return gains;
}

/// n x n, of `value` on the diagonal.
inline Given diagonal(std::int64_t n, double value = 1) {
  Given matrix{{n, n}, Numbers(static_cast<std::size_t>(n * n), 0.0)};
  for (std::int64_t i = 0; i < n; ++i) matrix.values[static_cast<std::size_t>(i * n + i)] = value;
  return matrix;
}
inline Given all(std::vector<std::int64_t> shape, double value) {
  const auto count = static_cast<std::size_t>(element_count(shape));
  return {std::move(shape), Numbers(count, value)};
}
inline Given zeros(std::vector<std::int64_t> shape) { return all(std::move(shape), 0); }
/// 1, 2, 3, ...
inline Given rising(std::vector<std::int64_t> shape) {
  Given given = zeros(std::move(shape));
  for (std::size_t i = 0; i < given.values.size(); ++i) given.values[i] = static_cast<double>(i + 1);
  return given;
}
/// One below the other.
inline Given stacked(const std::vector<Given>& matrices) {
  Given out{{0, matrices[0].shape[1]}, {}};
  for (const Given& matrix : matrices) {
    out.shape[0] += matrix.shape[0];
    out.values.insert(out.values.end(), matrix.values.begin(), matrix.values.end());
  }
  return out;
}

}  // namespace dropcheck::mutants
