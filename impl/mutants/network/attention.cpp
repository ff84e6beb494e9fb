#include "impl/mutants/network/attention.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "impl/mutants/network/algebra.hpp"

namespace dropcheck::mutants {
namespace {

/// Where element (position, sample, head, unit) of queries, keys or values lies.
struct Places {
  std::size_t position, sample, head;  // distances
};

struct Heads {
  std::size_t batch, heads, queries, keys, width;
};

/// softmax(q k^T / sqrt(D)), dropped, times v (Vaswani et al.: "Attention is all you need", 2017). Returns
/// the dropped weights (B, heads, L, S); `out` has the places of the queries.
Array attend(const Heads& n, const double* q, const Places& at_q, const double* k, const double* v,
             const Places& at_k, const DrawWeights& draw, double* out) {
  const auto extent = [](std::size_t value) { return static_cast<std::int64_t>(value); };
  Array weights({extent(n.batch), extent(n.heads), extent(n.queries), extent(n.keys)});
  const double scale = 1.0 / std::sqrt(static_cast<double>(n.width));
  const auto for_each_row = [&](auto&& visit) {
    double* row = weights.values.data();
    for (std::size_t b = 0; b < n.batch; ++b)
      for (std::size_t head = 0; head < n.heads; ++head)
        for (std::size_t l = 0; l < n.queries; ++l, row += n.keys)
          visit(row, l * at_q.position + b * at_q.sample + head * at_q.head,
                b * at_k.sample + head * at_k.head);
  };
  for_each_row([&](double* row, std::size_t query, std::size_t key) {
    for (std::size_t s = 0; s < n.keys; ++s)
      for (std::size_t i = 0; i < n.width; ++i)
        row[s] += q[query + i] * scale * k[key + s * at_k.position + i];
  });
  softmax_rows(weights, n.keys);
  multiply(weights.values, draw(weights.shape));
  for_each_row([&](const double* row, std::size_t query, std::size_t key) {
    for (std::size_t i = 0; i < n.width; ++i) out[query + i] = 0;
    for (std::size_t s = 0; s < n.keys; ++s)
      for (std::size_t i = 0; i < n.width; ++i) out[query + i] += row[s] * v[key + s * at_k.position + i];
  });
  return weights;
}

/// (B, L, S): the mean over the heads.
Array averaged(const Array& weights) {
  Array mean({weights.shape[0], weights.shape[2], weights.shape[3]});
  const auto heads = static_cast<std::size_t>(weights.shape[1]);
  const std::size_t block = mean.values.size() / static_cast<std::size_t>(weights.shape[0]);
  for (std::size_t i = 0; i < mean.values.size(); ++i) {
    for (std::size_t head = 0; head < heads; ++head)
      mean.values[i] += weights.values[(i / block * heads + head) * block + i % block];
    mean.values[i] /= static_cast<double>(heads);
  }
  return mean;
}

}  // namespace

DrawWeights weights_drawn_by(const LayerCall& layer, bool active) {
  return [&layer, active](const Shape& shape) {
    std::vector<std::size_t> shared;
    if (layer.has(Fault::attention_batch_shares)) shared = {0};
    if (layer.has(Fault::attention_heads_share)) shared = {1};
    if (layer.has(Fault::attention_broadcast_queries)) shared = {2};
    Gains gains = layer.sites.draw(shape, shared, active);
    if (layer.has(Fault::attention_unscaled))
      for (double& gain : gains) gain = gain > 0 ? 1 : 0;
    return gains;
  };
}

ParameterShapes multihead_shapes(const std::string& prefix, std::int64_t width) {
  return {{prefix + "in_proj_weight", {3 * width, width}},
          {prefix + "in_proj_bias", {3 * width}},
          {prefix + "out_proj.weight", {width, width}},
          {prefix + "out_proj.bias", {width}}};
}

Status check_attention(const LayerCall& layer, std::int64_t heads, std::int64_t queries, std::int64_t keys) {
  if (layer.x.shape[2] % heads != 0)
    return Error{ErrorCode::invalid_argument,
                 fmt::format("{} heads do not divide the width {}", heads, layer.x.shape[2])};
  return check_size({std::max(layer.x.shape[0], layer.x.shape[1]), heads, queries, keys});
}

Attended multihead(const Array& query, const Array& memory, std::int64_t heads, const Parameters& parameters,
                   const std::string& prefix, const DrawWeights& draw) {
  const auto size = [](std::int64_t extent) { return static_cast<std::size_t>(extent); };
  const std::size_t width = size(query.shape[2]), batch = size(query.shape[1]);
  const Heads n{batch, size(heads), size(query.shape[0]), size(memory.shape[0]), width / size(heads)};
  const Array& weight = parameters.find(prefix + "in_proj_weight")->second;
  const Array& bias = parameters.find(prefix + "in_proj_bias")->second;
  const Array q = linear(query, weight, bias, {0, width}), k = linear(memory, weight, bias, {width, width}),
              v = linear(memory, weight, bias, {2 * width, width});
  const Places places{batch * width, width, n.width};
  Array out(query.shape);
  Array weights =
      attend(n, q.values.data(), places, k.values.data(), v.values.data(), places, draw, out.values.data());
  return {linear(out, parameters.find(prefix + "out_proj.weight")->second,
                 parameters.find(prefix + "out_proj.bias")->second),
          std::move(weights)};
}

Expected<LayerResult> run_multihead_attention(const LayerCall& layer) {
  if (const Status status = check_dimensions(layer, 3, "(L, B, E)"); !status) return status.error();
  const Options& o = layer.options;
  const std::int64_t length = layer.x.shape[0];
  if (const Status status = check_attention(layer, o.heads, length, length); !status) return status.error();
  const auto parameters = load_parameters(layer.call, o.weights, multihead_shapes("", layer.x.shape[2]));
  if (!parameters) return parameters.error();
  const bool active = layer.train() || layer.has(Fault::attention_drops_in_eval);
  Attended attended = multihead(layer.x, layer.x, o.heads, *parameters, "", weights_drawn_by(layer, active));
  LayerResult result;
  result.y = std::move(attended.y);
  result.others.emplace("weights", o.average ? averaged(attended.weights) : std::move(attended.weights));
  return result;
}

Expected<LayerResult> run_scaled_dot_product_attention(const LayerCall& layer) {
  if (const Status status = check_dimensions(layer, 3, "(B, L, E)"); !status) return status.error();
  const Array& x = layer.x;
  if (const Status status = check_attention(layer, 1, x.shape[1], x.shape[1]); !status) return status.error();
  const auto none = load_parameters(layer.call, Weights::small, {}, {"key", "value"});
  if (!none) return none.error();
  const auto key = optional_input(layer.call, "key", x.shape);
  const auto value = optional_input(layer.call, "value", x.shape);
  if (!key) return key.error();
  if (!value) return value.error();
  const Array& k = *key ? **key : x;
  const Array& v = *value ? **value : x;

  const auto size = [](std::int64_t extent) { return static_cast<std::size_t>(extent); };
  const Heads n{size(x.shape[0]), 1, size(x.shape[1]), size(x.shape[1]), size(x.shape[2])};
  const Places places{n.width, n.queries * n.width, 0};
  // The function has no mode: it drops in eval, too (row 100 of pytorch_semantics).
  const bool active = layer.train() || !layer.has(Fault::sdpa_silent_in_eval);
  LayerResult result;
  result.y = Array(x.shape);
  Array weights = attend(n, x.values.data(), places, k.values.data(), v.values.data(), places,
                         weights_drawn_by(layer, active), result.y.values.data());
  weights.shape = {x.shape[0], x.shape[1], x.shape[1]};
  result.others.emplace("weights", std::move(weights));
  return result;
}

}  // namespace dropcheck::mutants
