#include "reference/layers/attention_layer.hpp"

#include <fmt/format.h>

#include "reference/dense_tensors.hpp"

namespace dropcheck::reference {
namespace {

/// One under the other.
Matrix stacked(const std::vector<Matrix>& parts) {
  Matrix all(static_cast<std::int64_t>(parts.size()) * parts.front().rows(), parts.front().cols());
  for (std::size_t i = 0; i < parts.size(); ++i)
    all.middleRows(static_cast<std::int64_t>(i) * parts[i].rows(), parts[i].rows()) = parts[i];
  return all;
}

/// The mean over each `heads` matrices that follow one another.
std::vector<Matrix> averaged(const std::vector<Matrix>& weights, std::size_t heads) {
  std::vector<Matrix> means;
  for (std::size_t first = 0; first < weights.size(); first += heads) {
    Matrix sum = weights[first];
    for (std::size_t h = 1; h < heads; ++h) sum += weights[first + h];
    means.push_back(sum / static_cast<double>(heads));
  }
  return means;
}

}  // namespace

MultiheadParameters multihead_parameters(LayerInputs& inputs, const std::string& prefix, std::int64_t heads,
                                         std::int64_t width) {
  return {heads, inputs.weight(prefix + "in_proj_weight", 3 * width, width),
          inputs.bias(prefix + "in_proj_bias", 3 * width),
          inputs.weight(prefix + "out_proj.weight", width, width),
          inputs.bias(prefix + "out_proj.bias", width)};
}

Status valid_attention(const Call& call, std::int64_t heads, std::int64_t batch_axis, std::int64_t sources) {
  const TensorView& x = call.x.view;
  if (x.shape.size() != 3 || x.count() == 0 || call.y.view.shape != x.shape || call.y.view.dtype != x.dtype)
    return Error{ErrorCode::invalid_argument,
                 "x must have three dimensions, each 1 or more, and y the shape and dtype of x"};
  const std::int64_t batch = x.shape[static_cast<std::size_t>(batch_axis)],
                     length = x.shape[static_cast<std::size_t>(1 - batch_axis)], width = x.shape[2];
  if (width % heads != 0)
    return Error{ErrorCode::invalid_argument,
                 fmt::format("{} features cannot be shared by {} heads", width, heads)};
  const double numbers = static_cast<double>(batch) * static_cast<double>(heads) *
                             static_cast<double>(length) * static_cast<double>(sources) +
                         4.0 * static_cast<double>(width) * static_cast<double>(width);
  if (numbers > static_cast<double>(kMostNumbers))
    return Error{ErrorCode::resource_exhausted, "the layer is too large: use a smaller shape"};
  return Done{};
}

Expected<Observation> run_product_attention(const Call& call, LayerDropout& dropout) {
  const LayerAttributes attributes(call.attributes);
  if (const Status status = attributes.status(); !status) return status.error();
  const TensorView& x = call.x.view;
  const std::int64_t length = x.shape.size() == 3 ? x.shape[1] : 1;
  if (const Status status = valid_attention(call, 1, 0, length); !status) return status.error();
  const std::int64_t batch = x.shape[0];
  if (const Status status = only_outputs(call, {"weights"}); !status) return status.error();
  const auto weights = wanted_output(call, "weights", {batch, length, length});
  if (!weights) return weights.error();
  LayerInputs inputs(call, Weights::small);
  const auto read = [&](const char* name) {
    return numbers_of(inputs.tensor(name, x.shape).value_or(x), batch * length);
  };
  const Matrix query = numbers_of(x, batch * length), key = read("key"), value = read("value");
  if (const Status status = inputs.status(); !status) return status.error();

  std::vector<Head> heads;
  for (std::int64_t row = 0; row < batch * length; row += length)
    heads.push_back(
        {query.middleRows(row, length), key.middleRows(row, length), value.middleRows(row, length)});
  const AttentionResult result = attend(heads, dropout);
  write_numbers(stacked(result.values), call.y.view);
  if (*weights) write_numbers(stacked(result.weights), **weights);
  return observation_of(call.y.view);
}

Expected<Observation> run_multihead_attention(const Call& call, LayerDropout& dropout) {
  LayerAttributes attributes(call.attributes);
  const std::int64_t heads = attributes.count("heads", kMostFeatures);
  const bool average = attributes.flag("average", true);
  const Weights kind = weights_of(attributes);
  if (const Status status = attributes.status(); !status) return status.error();
  const TensorView& x = call.x.view;
  const std::int64_t length = x.shape.size() == 3 ? x.shape[0] : 1;
  if (const Status status = valid_attention(call, heads, 1, length); !status) return status.error();
  const std::int64_t batch = x.shape[1];
  if (const Status status = only_outputs(call, {"weights"}); !status) return status.error();
  const auto weights = wanted_output(call, "weights",
                                     average ? std::vector<std::int64_t>{batch, length, length}
                                             : std::vector<std::int64_t>{batch, heads, length, length});
  if (!weights) return weights.error();
  LayerInputs inputs(call, kind);
  const MultiheadParameters parameters = multihead_parameters(inputs, "", heads, x.shape[2]);
  if (const Status status = inputs.status(); !status) return status.error();

  const Matrix numbers = numbers_of(x, length * batch);
  const MultiheadResult result = multihead(parameters, numbers, numbers, batch, dropout);
  write_numbers(result.y, call.y.view);
  if (*weights)
    write_numbers(
        stacked(average ? averaged(result.weights, static_cast<std::size_t>(heads)) : result.weights),
        **weights);
  return observation_of(call.y.view);
}

}  // namespace dropcheck::reference
