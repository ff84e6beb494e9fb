// A small convolutional network, with kernels of one pixel, that drops whole feature maps.
#include <span>

#include "impl/mutants/network/algebra.hpp"
#include "impl/mutants/network/layers.hpp"

namespace dropcheck::mutants {
namespace {

/// y (N, O, pixels) of x (N, C, pixels), W (O, C).
Array mix_channels(const Array& x, const Array& weight, const Array& bias, std::size_t pixels) {
  const auto outputs = static_cast<std::size_t>(weight.shape[0]),
             inputs = static_cast<std::size_t>(weight.shape[1]);
  const std::size_t samples = x.values.size() / (inputs * pixels);
  Array y({static_cast<std::int64_t>(samples), weight.shape[0], static_cast<std::int64_t>(pixels)});
  for (std::size_t sample = 0; sample < samples; ++sample)
    for (std::size_t o = 0; o < outputs; ++o) {
      double* to = y.values.data() + (sample * outputs + o) * pixels;
      for (std::size_t i = 0; i < pixels; ++i) to[i] = bias.values[o];
      for (std::size_t c = 0; c < inputs; ++c) {
        const double* from = x.values.data() + (sample * inputs + c) * pixels;
        const double factor = weight.values[o * inputs + c];
        for (std::size_t i = 0; i < pixels; ++i) to[i] += factor * from[i];
      }
    }
  return y;
}

}  // namespace

Expected<LayerResult> run_cnn(const LayerCall& layer) {
  const Options& o = layer.options;
  const auto spatial = static_cast<std::size_t>(o.dimensions);
  const bool batched = layer.x.shape.size() == spatial + 2;
  if (!batched)
    if (const Status status =
            check_dimensions(layer, spatial + 1,
                             spatial == 2 ? "(N, C, H, W) or (C, H, W)" : "(N, C, D, H, W) or (C, D, H, W)");
        !status)
      return status.error();
  const std::size_t channel = batched ? 1 : 0;  // the dimension
  Shape shape = layer.x.shape;
  const std::int64_t inputs = shape[channel];
  shape[channel] = o.channels;
  if (const Status status = check_size(shape); !status) return status.error();
  Shape kernel1 = {o.channels, inputs}, kernel2 = {o.channels, o.channels};
  kernel1.resize(2 + spatial, 1);
  kernel2.resize(2 + spatial, 1);
  const auto parameters = load_parameters(layer.call, o.weights,
                                          {{"conv1.weight", kernel1},
                                           {"conv1.bias", {o.channels}},
                                           {"conv2.weight", kernel2},
                                           {"conv2.bias", {o.channels}}});
  if (!parameters) return parameters.error();
  const auto get = [&](std::string_view name) -> const Array& { return parameters->find(name)->second; };

  std::vector<std::size_t> shared;  // dimensions along which a feature map is dropped as a whole
  const std::size_t first = !batched && layer.has(Fault::cnn_wrong_axis) ? 2 : channel + 1;
  if (!layer.has(Fault::cnn_elementwise))
    for (std::size_t d = first; d < shape.size(); ++d) shared.push_back(d);

  const auto pixels = static_cast<std::size_t>(element_count(std::span(shape).subspan(channel + 1)));
  Array maps = mix_channels(layer.x, get("conv1.weight"), get("conv1.bias"), pixels);
  relu(maps);
  multiply(maps.values, layer.sites.draw(shape, shared, layer.train()));
  LayerResult result;
  result.y = mix_channels(maps, get("conv2.weight"), get("conv2.bias"), pixels);
  result.y.shape = shape;
  return result;
}

}  // namespace dropcheck::mutants
