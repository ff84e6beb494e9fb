#include "reference/layers/mlp.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "reference/dense_tensors.hpp"
#include "reference/layers/layer_call.hpp"

namespace dropcheck::reference {
namespace {

constexpr double kEpsilon = 1e-5;
constexpr const char* kMean = "norm.running_mean";
constexpr const char* kVariance = "norm.running_var";

Error refused(std::string message) { return Error{ErrorCode::invalid_argument, std::move(message)}; }

enum class Norm : std::uint8_t { none, before, after };

/// Batch normalisation with momentum 1 (Ioffe and Szegedy 2015; torch.nn.BatchNorm1d).
struct BatchNorm {
  Row gain, bias;
  Row mean, variance;  // the running ones, before the call and after it
  bool training = false;

  /// In training by the mean and the biased variance of the batch, which leaves the unbiased one behind.
  Matrix operator()(const Matrix& h) {
    Row biased = variance;
    if (training) {
      mean = h.colwise().mean();
      const Row squares = (h.rowwise() - mean).array().square().matrix().colwise().sum();
      biased = squares / static_cast<double>(h.rows());
      variance = squares / static_cast<double>(h.rows() - 1);
    }
    const Row factor = (biased.array() + kEpsilon).rsqrt() * gain.array();
    return (((h.rowwise() - mean).array().rowwise() * factor.array()).matrix().rowwise() + bias);
  }
};

}  // namespace

Expected<Observation> run_mlp(const Call& call, LayerDropout& dropout) {
  LayerAttributes attributes(call.attributes);
  const std::int64_t hidden = attributes.count("hidden", kMostFeatures),
                     outputs = attributes.count("outputs", kMostFeatures);
  const bool is_relu = attributes.word("activation", {"relu", "identity"}) == 0;
  const auto norm = static_cast<Norm>(attributes.word("norm", {"none", "before", "after"}));
  const bool passes = attributes.word("modes", {"", "mc"}) == 1;
  const Weights weights = weights_of(attributes);
  if (const Status status = attributes.status(); !status) return status.error();
  if (passes && call.mode != Mode::train) return refused("modes=mc is for calls in training");

  const TensorView& x = call.x.view;
  if (x.shape.size() != 2 || x.count() == 0) return refused("x must be (N, I), each 1 or more");
  const std::int64_t rows = x.shape[0], inputs_of_x = x.shape[1];
  if (call.y.view.dtype != x.dtype || call.y.view.shape != std::vector<std::int64_t>{rows, outputs})
    return refused(fmt::format("y must be [{}, {}] of x's dtype", rows, outputs));
  if (std::max({inputs_of_x, outputs, rows}) > kMostNumbers / hidden)
    return Error{ErrorCode::resource_exhausted, "the network is too large: use a smaller shape"};

  LayerInputs inputs(call, weights);
  const Matrix first = inputs.weight("linear1.weight", hidden, inputs_of_x);
  const Row first_bias = inputs.bias("linear1.bias", hidden);
  const Matrix second = inputs.weight("linear2.weight", outputs, hidden);
  const Row second_bias = inputs.bias("linear2.bias", outputs);
  BatchNorm normalise;
  std::optional<TensorView> mean, variance;
  if (norm == Norm::none) {
    if (const Status status = only_outputs(call, {}); !status) return status.error();
  } else {
    normalise = {inputs.gain("norm.weight", hidden), inputs.bias("norm.bias", hidden), Row::Zero(hidden),
                 Row::Ones(hidden), call.mode == Mode::train && !passes};
    if (const auto given = inputs.tensor(kMean, {hidden})) normalise.mean = numbers_of(*given, 1);
    if (const auto given = inputs.tensor(kVariance, {hidden})) normalise.variance = numbers_of(*given, 1);
    if (normalise.training && rows < 2) return refused("a batch of one row has no variance");
    if (const Status status = only_outputs(call, {kMean, kVariance}); !status) return status.error();
    for (auto& [name, to] : {std::pair{kMean, &mean}, std::pair{kVariance, &variance}}) {
      const auto wanted = wanted_output(call, name, {hidden});
      if (!wanted) return wanted.error();
      *to = *wanted;
    }
  }
  if (const Status status = inputs.status(); !status) return status.error();

  Matrix h = linear(numbers_of(x, rows), first, first_bias);
  if (norm == Norm::before) h = normalise(h);
  if (is_relu) h = relu(h);
  h.array() *= dropout.factors(rows, hidden).array();
  if (norm == Norm::after) h = normalise(h);
  write_numbers(linear(h, second, second_bias), call.y.view);
  if (mean) write_numbers(normalise.mean, *mean);
  if (variance) write_numbers(normalise.variance, *variance);
  return observation_of(call.y.view);
}

}  // namespace dropcheck::reference
