// A network with one hidden layer: linear, activation, dropout, linear, with batch normalisation before or
// after the dropout where that is asked for.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "impl/mutants/generator.hpp"
#include "impl/mutants/network/algebra.hpp"
#include "impl/mutants/network/layers.hpp"

namespace dropcheck::mutants {
namespace {

struct Running {
  Array mean, variance;  // (H)
};

/// Mean and unbiased variance of each column. At least two rows.
Running statistics(const Array& x) {
  const auto width = static_cast<std::size_t>(x.shape[1]);
  const auto rows = static_cast<double>(x.shape[0]);
  Running s{Array({x.shape[1]}), Array({x.shape[1]})};
  for (std::size_t i = 0; i < x.values.size(); ++i) s.mean.values[i % width] += x.values[i] / rows;
  for (std::size_t i = 0; i < x.values.size(); ++i) {
    const double off = x.values[i] - s.mean.values[i % width];
    s.variance.values[i % width] += off * off / (rows - 1);
  }
  return s;
}

/// BatchNorm1d with momentum 1 (Ioffe and Szegedy: "Batch normalization", 2015). In training it takes the
/// biased variance of the batch and leaves the unbiased one behind.
void batch_norm(Array& x, const Array& gain, const Array& shift, Running& running, bool training) {
  const std::size_t width = gain.values.size();
  if (training) running = statistics(x);
  const auto rows = static_cast<double>(x.shape[0]);
  const double bias = training ? (rows - 1) / rows : 1.0;
  std::vector<double> scale(width);
  for (std::size_t i = 0; i < width; ++i)
    scale[i] = gain.values[i] / std::sqrt(running.variance.values[i] * bias + kNormEpsilon);
  for (std::size_t i = 0; i < x.values.size(); ++i) {
    const std::size_t unit = i % width;
    x.values[i] = (x.values[i] - running.mean.values[unit]) * scale[unit] + shift.values[unit];
  }
}

/// In each row the same number of units, p H rounded, chosen at random.
Gains exact_count(const LayerCall& layer, const Shape& shape) {
  const auto width = static_cast<std::size_t>(shape[1]);
  const double p = layer.sites.p();
  const auto dropped = static_cast<std::ptrdiff_t>(std::llround(p * static_cast<double>(width)));
  const std::uint64_t key = layer.sites.next_key();
  Gains gains(static_cast<std::size_t>(element_count(shape)), 1.0 / (1.0 - p));
  std::vector<std::size_t> units(width);
  for (std::size_t row = 0; row < gains.size(); row += width) {
    std::iota(units.begin(), units.end(), std::size_t{0});
    std::sort(units.begin(), units.end(),
              [&](std::size_t a, std::size_t b) { return word_of(key, row + a) < word_of(key, row + b); });
    std::for_each(units.begin(), units.begin() + dropped, [&](std::size_t unit) { gains[row + unit] = 0; });
  }
  return gains;
}

Gains hidden_gains(const LayerCall& layer, const Shape& shape) {
  const bool active = layer.train();
  const double p = layer.sites.p();
  if (layer.has(Fault::mlp_exact_count) && active && p > 0 && p < 1) return exact_count(layer, shape);
  if (layer.options.mc && layer.has(Fault::mc_same_mask))
    return layer.sites.draw_once("mc", shape, {}, active);
  if (layer.options.mc && layer.has(Fault::mc_unscaled_variance)) return layer.sites.draw(shape, {0}, active);
  Gains gains = layer.sites.draw(shape, {}, active);
  if (layer.has(Fault::mlp_pairs_coupled)) {
    const auto width = static_cast<std::size_t>(shape[1]);
    for (std::size_t i = 0; i < gains.size(); ++i)
      if (i % width % 2 == 1) gains[i] = gains[i - 1];
  }
  return gains;
}

ParameterShapes shapes_of(const Options& o, std::int64_t inputs) {
  ParameterShapes shapes = {{"linear1.weight", {o.hidden, inputs}},
                            {"linear1.bias", {o.hidden}},
                            {"linear2.weight", {o.outputs, o.hidden}},
                            {"linear2.bias", {o.outputs}}};
  if (o.norm != Norm::none) {
    shapes.push_back({"norm.weight", {o.hidden}});
    shapes.push_back({"norm.bias", {o.hidden}});
  }
  return shapes;
}

/// What the batch norm brings along: 0 and 1 where it is not given.
Expected<Running> running_of(const LayerCall& layer) {
  const Shape shape = {layer.options.hidden};
  Running running{Array(shape), Array(shape)};
  std::fill(running.variance.values.begin(), running.variance.values.end(), 1.0);
  const auto mean = optional_input(layer.call, "norm.running_mean", shape);
  if (!mean) return mean.error();
  const auto variance = optional_input(layer.call, "norm.running_var", shape);
  if (!variance) return variance.error();
  if (*mean) running.mean = **mean;
  if (*variance) running.variance = **variance;
  return running;
}

Error refused(std::string message) { return Error{ErrorCode::invalid_argument, std::move(message)}; }

}  // namespace

Expected<LayerResult> run_mlp(const LayerCall& layer) {
  if (const Status status = check_dimensions(layer, 2, "(N, I)"); !status) return status.error();
  const Options& o = layer.options;
  for (const std::int64_t width : {o.hidden, o.outputs})
    if (const Status status = check_size({layer.x.shape[0], width}); !status) return status.error();
  if (o.mc && !layer.train()) return refused("modes = mc sets the modes itself; the call's mode is train");
  const bool norm_training = layer.train() && (!o.mc || layer.has(Fault::mc_norm_in_training));
  if (o.norm != Norm::none && norm_training && layer.x.shape[0] < 2)
    return refused("batch normalisation in training needs more than one row");
  std::vector<std::string> buffers;
  if (o.norm != Norm::none) buffers = {"norm.running_mean", "norm.running_var"};
  const auto parameters = load_parameters(layer.call, o.weights, shapes_of(o, layer.x.shape[1]), buffers);
  if (!parameters) return parameters.error();
  auto running = running_of(layer);
  if (!running) return running.error();
  const auto get = [&](std::string_view name) -> const Array& { return parameters->find(name)->second; };

  Array hidden = linear(layer.x, get("linear1.weight"), get("linear1.bias"));
  if (o.norm == Norm::before)
    batch_norm(hidden, get("norm.weight"), get("norm.bias"), *running, norm_training);
  if (o.relu) relu(hidden);
  const bool shifted = o.norm == Norm::after && norm_training && layer.has(Fault::norm_shift_hidden);
  const Array without = shifted ? statistics(hidden).variance : Array();
  multiply(hidden.values, hidden_gains(layer, hidden.shape));
  if (o.norm == Norm::after)
    batch_norm(hidden, get("norm.weight"), get("norm.bias"), *running, norm_training);
  if (shifted) running->variance = without;

  LayerResult result;
  result.y = linear(hidden, get("linear2.weight"), get("linear2.bias"));
  if (o.norm != Norm::none) {
    result.others.emplace("norm.running_mean", std::move(running->mean));
    result.others.emplace("norm.running_var", std::move(running->variance));
  }
  return result;
}

}  // namespace dropcheck::mutants
