#include "suites/embedding/attention_network.hpp"

#include <cmath>

#include "suites/embedding/parameters.hpp"

namespace dropcheck::suites::embedding {
namespace {

constexpr std::uint64_t kQuery = 1, kKey = 2, kValue = 3;  // salts

std::size_t count(const AttentionShape& s) { return static_cast<std::size_t>(s.batch * s.length * s.width); }

/// Vaswani et al. (2017), eq. 1. query, key: (batch, heads, length, head width).
std::vector<double> softmax_weights(const AttentionShape& s, const std::vector<double>& query,
                                    const std::vector<double>& key) {
  const auto length = static_cast<std::size_t>(s.length), width = static_cast<std::size_t>(s.head_width());
  const std::size_t sets = static_cast<std::size_t>(s.batch * s.heads);
  std::vector<double> weights(sets * length * length);
  for (std::size_t set = 0; set < sets; ++set)
    for (std::size_t l = 0; l < length; ++l) {
      double* const row = &weights[(set * length + l) * length];
      double sum = 0;
      for (std::size_t k = 0; k < length; ++k) {
        double score = 0;
        for (std::size_t e = 0; e < width; ++e)
          score += query[(set * length + l) * width + e] * key[(set * length + k) * width + e];
        sum += row[k] = std::exp(score / std::sqrt(static_cast<double>(width)));
      }
      for (std::size_t k = 0; k < length; ++k) row[k] /= sum;
    }
  return weights;
}

/// (length, batch, width) as (batch, heads, length, head width).
std::vector<double> by_head(const AttentionShape& s, const std::vector<double>& x) {
  std::vector<double> heads;
  heads.reserve(x.size());
  for (std::int64_t b = 0; b < s.batch; ++b)
    for (std::int64_t h = 0; h < s.heads; ++h)
      for (std::int64_t l = 0; l < s.length; ++l)
        for (std::int64_t e = 0; e < s.head_width(); ++e)
          heads.push_back(x[static_cast<std::size_t>((l * s.batch + b) * s.width + h * s.head_width() + e)]);
  return heads;
}

}  // namespace

std::vector<double> PlainAttention::result(const std::vector<double>& dropped) const {
  const AttentionShape& s = shape;
  std::vector<double> y(count(s));
  for (std::int64_t b = 0; b < s.batch; ++b)
    for (std::int64_t h = 0; h < s.heads; ++h)
      for (std::int64_t l = 0; l < s.length; ++l)
        for (std::int64_t e = 0; e < s.head_width(); ++e) {
          const std::int64_t set = b * s.heads + h;
          double sum = 0;
          for (std::int64_t k = 0; k < s.length; ++k)
            sum += dropped[static_cast<std::size_t>((set * s.length + l) * s.length + k)] *
                   values[static_cast<std::size_t>((set * s.length + k) * s.head_width() + e)];
          const std::int64_t feature = h * s.head_width() + e;
          y[static_cast<std::size_t>(joined ? (l * s.batch + b) * s.width + feature
                                            : (b * s.length + l) * s.width + feature)] = sum;
        }
  return y;
}

Step product_step(const AttentionShape& shape, double p, Mode mode) {
  DROPCHECK_CHECK(shape.heads == 1);
  const std::vector<std::int64_t> sizes = {shape.batch, shape.length, shape.width};
  Problem problem = problem_of(p, sizes);
  problem.mode = mode;
  Step step = seeded_step(problem);
  step.attributes["form"] = std::string("scaled_dot_product_attention");
  step.values = scattered(count(shape), kQuery);
  step.output_shape = sizes;
  step.inputs = {{.name = "key", .shape = sizes, .values = scattered(count(shape), kKey)},
                 {.name = "value", .shape = sizes, .values = scattered(count(shape), kValue)}};
  step.outputs = {{"weights", {shape.batch, shape.length, shape.length}}};
  return step;
}

Step multihead_step(const AttentionShape& shape, double p, Mode mode, bool average) {
  const std::int64_t width = shape.width;
  const std::vector<std::int64_t> sizes = {shape.length, shape.batch, width};
  ExtraTensor projections = filled_tensor("in_proj_weight", {3 * width, width}, 0);
  for (std::int64_t row = 0; row < 3 * width; ++row)
    projections.values[static_cast<std::size_t>(row * width + row % width)] = 1;
  Problem problem = problem_of(p, sizes);
  problem.mode = mode;
  Step step = given(seeded_step(problem), "multihead_attention",
                    {std::move(projections), filled_tensor("in_proj_bias", {3 * width}, 0),
                     identity_tensor("out_proj.weight", width), filled_tensor("out_proj.bias", {width}, 0)});
  step.values = scattered(count(shape), kQuery);
  step.output_shape = sizes;
  step.attributes["heads"] = shape.heads;
  if (average) {
    step.outputs = {{"weights", {shape.batch, shape.length, shape.length}}};
  } else {
    step.attributes["average"] = false;
    step.outputs = {{"weights", {shape.batch, shape.heads, shape.length, shape.length}}};
  }
  return step;
}

PlainAttention plain_product(const AttentionShape& shape) {
  const std::size_t n = count(shape);
  return {softmax_weights(shape, scattered(n, kQuery), scattered(n, kKey)), shape, false,
          scattered(n, kValue)};
}

PlainAttention plain_multihead(const AttentionShape& shape) {
  const std::vector<double> heads = by_head(shape, scattered(count(shape), kQuery));
  return {softmax_weights(shape, heads, heads), shape, true, heads};
}

}  // namespace dropcheck::suites::embedding
