#include "reference/layers/cnn.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "reference/dense_tensors.hpp"
#include "reference/layers/layer_call.hpp"

namespace dropcheck::reference {

Expected<Observation> run_cnn(const Call& call, LayerDropout& dropout) {
  LayerAttributes attributes(call.attributes);
  const std::int64_t channels = attributes.count("channels", kMostFeatures);
  const std::int64_t dimensions =
      call.attributes.contains("dimensions") ? attributes.count("dimensions", 3) : 2;
  const Weights kind = weights_of(attributes);
  if (const Status status = attributes.status(); !status) return status.error();
  const TensorView& x = call.x.view;
  const auto rank = static_cast<std::int64_t>(x.shape.size());
  if (dimensions < 2 || (rank != dimensions + 1 && rank != dimensions + 2) || x.count() == 0)
    return Error{ErrorCode::invalid_argument,
                 fmt::format("with {} dimensions x must have {} or {}, each 1 or more", dimensions,
                             dimensions + 1, dimensions + 2)};
  const Op own = dimensions == 2 ? Op::dropout2d : Op::dropout3d;
  if (call.op != Op::dropout && call.op != own)
    return Error{ErrorCode::unsupported,
                 fmt::format("a cnn of {} dimensions does not contain {}", dimensions, to_string(call.op))};
  const bool is_batched = rank == dimensions + 2;
  const std::size_t axis = is_batched ? 1 : 0;
  const std::int64_t batch = is_batched ? x.shape[0] : 1, inputs_of_x = x.shape[axis],
                     places = x.count() / (batch * inputs_of_x);
  std::vector<std::int64_t> shape = x.shape;
  shape[axis] = channels;
  if (call.y.view.shape != shape || call.y.view.dtype != x.dtype)
    return Error{ErrorCode::invalid_argument,
                 fmt::format("y must be [{}] of x's dtype", fmt::join(shape, ", "))};
  if (std::max(channels, inputs_of_x) > kMostNumbers / channels || batch * places > kMostNumbers / channels)
    return Error{ErrorCode::resource_exhausted, "the network is too large: use a smaller shape"};
  if (const Status status = only_outputs(call, {}); !status) return status.error();
  LayerInputs inputs(call, kind);
  const auto kernel = static_cast<std::size_t>(dimensions);
  const Matrix first = inputs.weight("conv1.weight", channels, inputs_of_x, kernel);
  const Row first_bias = inputs.bias("conv1.bias", channels);
  const Matrix second = inputs.weight("conv2.weight", channels, channels, kernel);
  const Row second_bias = inputs.bias("conv2.bias", channels);
  if (const Status status = inputs.status(); !status) return status.error();

  const Matrix factors = dropout.factors(batch, channels);
  const Matrix numbers = numbers_of(x, batch * inputs_of_x);  // a row a channel
  Matrix y(batch * channels, places);
  for (std::int64_t b = 0; b < batch; ++b) {
    Matrix h = first * numbers.middleRows(b * inputs_of_x, inputs_of_x);
    h = relu(h.colwise() + first_bias.transpose());
    h.array().colwise() *= factors.row(b).transpose().array();
    y.middleRows(b * channels, channels) = (second * h).colwise() + second_bias.transpose();
  }
  write_numbers(y, call.y.view);
  return observation_of(call.y.view);
}

}  // namespace dropcheck::reference
