// The two layers of a transformer as torch.nn has them: normalisation after each block, ReLU.
#include <fmt/format.h>

#include "impl/mutants/network/algebra.hpp"
#include "impl/mutants/network/attention.hpp"
#include "impl/mutants/network/layers.hpp"

namespace dropcheck::mutants {
namespace {

const Array& get(const Parameters& parameters, std::string_view name) {
  return parameters.find(name)->second;
}

void append(ParameterShapes& to, ParameterShapes shapes) {
  to.insert(to.end(), shapes.begin(), shapes.end());
}

ParameterShapes shapes_of(const Options& o, std::int64_t width) {
  const bool decoder = o.form == Form::decoder_layer;
  ParameterShapes shapes = multihead_shapes("self_attn.", width);
  if (decoder) append(shapes, multihead_shapes("multihead_attn.", width));
  append(shapes, {{"linear1.weight", {o.feed_forward, width}},
                  {"linear1.bias", {o.feed_forward}},
                  {"linear2.weight", {width, o.feed_forward}},
                  {"linear2.bias", {width}}});
  for (int number = 1; number <= (decoder ? 3 : 2); ++number)
    append(shapes,
           {{fmt::format("norm{}.weight", number), {width}}, {fmt::format("norm{}.bias", number), {width}}});
  return shapes;
}

/// Adds the residual to what a block gave, dropped, and normalises.
void close_block(const LayerCall& layer, Array& x, Array block, const Gains& gains,
                 const Parameters& parameters, int number) {
  if (layer.has(Fault::encoder_dropout_after_residual) && layer.options.form == Form::encoder_layer) {
    add(x, block);
    multiply(x.values, gains);
  } else {
    multiply(block.values, gains);
    add(x, block);
  }
  layer_norm(x, get(parameters, fmt::format("norm{}.weight", number)),
             get(parameters, fmt::format("norm{}.bias", number)));
}

Array feed_forward(const LayerCall& layer, const Array& x, const Parameters& parameters) {
  Array inner = linear(x, get(parameters, "linear1.weight"), get(parameters, "linear1.bias"));
  relu(inner);
  const bool missing = layer.has(Fault::encoder_site_missing) && layer.options.form == Form::encoder_layer;
  multiply(inner.values, layer.sites.draw(inner.shape, {}, layer.train() && !missing));
  return linear(inner, get(parameters, "linear2.weight"), get(parameters, "linear2.bias"));
}

/// The self-attention's mask on the weights of the cross-attention, repeated where there are more keys.
Gains reused(const Gains& gains, const Shape& self, const Shape& cross) {
  const auto from = static_cast<std::size_t>(self.back()), to = static_cast<std::size_t>(cross.back());
  Gains out(static_cast<std::size_t>(element_count(cross)));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = gains[i / to * from + i % to % from];
  return out;
}

}  // namespace

Expected<LayerResult> run_encoder_layer(const LayerCall& layer) {
  if (const Status status = check_dimensions(layer, 3, "(S, B, E)"); !status) return status.error();
  const Options& o = layer.options;
  Array x = layer.x;
  const std::int64_t length = x.shape[0];
  if (const Status status = check_attention(layer, o.heads, length, length); !status) return status.error();
  if (const Status status = check_size({length, x.shape[1], o.feed_forward}); !status) return status.error();
  const auto parameters = load_parameters(layer.call, o.weights, shapes_of(o, x.shape[2]));
  if (!parameters) return parameters.error();

  Attended self = multihead(x, x, o.heads, *parameters, "self_attn.", weights_drawn_by(layer, layer.train()));
  const Gains dropout1 = layer.sites.draw(x.shape, {}, layer.train());
  close_block(layer, x, std::move(self.y), dropout1, *parameters, 1);
  Array forward = feed_forward(layer, x, *parameters);
  const Gains dropout2 =
      layer.has(Fault::encoder_sites_share) ? dropout1 : layer.sites.draw(x.shape, {}, layer.train());
  close_block(layer, x, std::move(forward), dropout2, *parameters, 2);
  LayerResult result;
  result.y = std::move(x);
  return result;
}

Expected<LayerResult> run_decoder_layer(const LayerCall& layer) {
  if (const Status status = check_dimensions(layer, 3, "(T, B, E)"); !status) return status.error();
  const Options& o = layer.options;
  Array x = layer.x;
  // The length of the memory is its own; all else is as in x.
  Shape memory_shape = x.shape;
  for (const NamedTensor& input : layer.call.inputs)
    if (input.name == "memory" && !input.tensor.view.shape.empty())
      memory_shape[0] = input.tensor.view.shape[0];
  if (const Status status = check_attention(layer, o.heads, x.shape[0], x.shape[0]); !status)
    return status.error();
  if (const Status status = check_attention(layer, o.heads, x.shape[0], memory_shape[0]); !status)
    return status.error();
  if (const Status status = check_size({x.shape[0], x.shape[1], o.feed_forward}); !status)
    return status.error();
  const auto parameters = load_parameters(layer.call, o.weights, shapes_of(o, x.shape[2]), {"memory"});
  if (!parameters) return parameters.error();
  const auto memory = optional_input(layer.call, "memory", memory_shape);
  if (!memory) return memory.error();
  if (!*memory || memory_shape[0] == 0)
    return Error{ErrorCode::invalid_argument, "input memory is missing or has no elements"};

  const DrawWeights draw = weights_drawn_by(layer, layer.train());
  Gains self_gains;
  Shape self_shape;
  Attended self = multihead(x, x, o.heads, *parameters, "self_attn.", [&](const Shape& shape) {
    self_shape = shape;
    return self_gains = draw(shape);
  });
  close_block(layer, x, std::move(self.y), layer.sites.draw(x.shape, {}, layer.train()), *parameters, 1);
  Attended cross = multihead(x, **memory, o.heads, *parameters, "multihead_attn.", [&](const Shape& shape) {
    return layer.has(Fault::decoder_cross_shares) ? reused(self_gains, self_shape, shape) : draw(shape);
  });
  close_block(layer, x, std::move(cross.y), layer.sites.draw(x.shape, {}, layer.train()), *parameters, 2);
  Array forward = feed_forward(layer, x, *parameters);
  close_block(layer, x, std::move(forward), layer.sites.draw(x.shape, {}, layer.train()), *parameters, 3);
  LayerResult result;
  result.y = std::move(x);
  return result;
}

}  // namespace dropcheck::mutants
