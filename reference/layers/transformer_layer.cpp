#include "reference/layers/transformer_layer.hpp"

#include <fmt/format.h>

#include <cmath>

#include "reference/dense_tensors.hpp"
#include "reference/layers/attention_layer.hpp"
#include "reference/layers/layer_call.hpp"

namespace dropcheck::reference {
namespace {

constexpr double kEpsilon = 1e-5;

/// Ba, Kiros and Hinton (2016), "Layer normalization": each row by its own mean and biased variance.
struct LayerNorm {
  Row gain, bias;

  Matrix operator()(Matrix x) const {
    for (std::int64_t row = 0; row < x.rows(); ++row) {
      Row v = x.row(row).array() - x.row(row).mean();
      v /= std::sqrt(v.squaredNorm() / static_cast<double>(v.size()) + kEpsilon);
      x.row(row) = v.cwiseProduct(gain) + bias;
    }
    return x;
  }
};

LayerNorm norm_parameters(LayerInputs& inputs, int number, std::int64_t width) {
  return {inputs.gain(fmt::format("norm{}.weight", number), width),
          inputs.bias(fmt::format("norm{}.bias", number), width)};
}

/// x with everything of it multiplied by the factors of the next place.
Matrix dropped(const Matrix& x, LayerDropout& dropout) {
  return x.cwiseProduct(dropout.factors(x.rows(), x.cols()));
}

}  // namespace

Expected<Observation> run_transformer_layer(const Call& call, LayerDropout& dropout) {
  const bool decodes = form_of(call.attributes) == "decoder_layer";
  LayerAttributes attributes(call.attributes);
  const std::int64_t heads = attributes.count("heads", kMostFeatures),
                     inner = attributes.count("feed_forward", kMostFeatures);
  const Weights kind = weights_of(attributes);
  if (const Status status = attributes.status(); !status) return status.error();
  const TensorView& x = call.x.view;
  if (const Status status = only_outputs(call, {}); !status) return status.error();
  if (const Status status = valid_attention(call, heads, 1, x.shape.empty() ? 1 : x.shape[0]); !status)
    return status.error();
  const std::int64_t length = x.shape[0], batch = x.shape[1], width = x.shape[2];
  if (length * batch > kMostNumbers / inner || width > kMostNumbers / inner)
    return Error{ErrorCode::resource_exhausted, "the layer is too large: use a smaller shape"};

  LayerInputs inputs(call, kind);
  Matrix memory;
  if (decodes) {
    std::int64_t sources = 0;
    for (const NamedTensor& input : call.inputs)
      if (input.name == "memory" && !input.tensor.view.shape.empty()) sources = input.tensor.view.shape[0];
    if (const Status status = valid_attention(call, heads, 1, sources); !status) return status.error();
    const auto given = inputs.tensor("memory", {sources, batch, width});
    if (!given || sources < 1)
      return Error{ErrorCode::invalid_argument,
                   fmt::format("the input memory (S, {}, {}) is missing or of another shape", batch, width)};
    memory = numbers_of(*given, sources * batch);
  }
  const MultiheadParameters self = multihead_parameters(inputs, "self_attn.", heads, width);
  MultiheadParameters cross;
  if (decodes) cross = multihead_parameters(inputs, "multihead_attn.", heads, width);
  const Matrix first = inputs.weight("linear1.weight", inner, width);
  const Row first_bias = inputs.bias("linear1.bias", inner);
  const Matrix second = inputs.weight("linear2.weight", width, inner);
  const Row second_bias = inputs.bias("linear2.bias", width);
  std::vector<LayerNorm> norms;
  for (int n = 1; n <= (decodes ? 3 : 2); ++n) norms.push_back(norm_parameters(inputs, n, width));
  if (const Status status = inputs.status(); !status) return status.error();

  // Each statement draws at its places in their order.
  Matrix h = numbers_of(x, length * batch);
  Matrix result = multihead(self, h, h, batch, dropout).y;
  h = norms[0](h + dropped(result, dropout));
  if (decodes) {
    result = multihead(cross, h, memory, batch, dropout).y;
    h = norms[1](h + dropped(result, dropout));
  }
  result = linear(dropped(relu(linear(h, first, first_bias)), dropout), second, second_bias);
  h = norms.back()(h + dropped(result, dropout));
  write_numbers(h, call.y.view);
  return observation_of(call.y.view);
}

}  // namespace dropcheck::reference
