#include "impl/libtorch/layers.hpp"

#include <string>
#include <string_view>

#include "impl/libtorch/generator.hpp"
#include "impl/libtorch/tensors.hpp"

namespace dropcheck::libtorch {

namespace {

/// Whether a layer of the form contains the operator. Networks of convolutions drop whole channels; they are
/// asked for under either name.
bool contains(const Attributes& attributes, std::string_view op) {
  if (op == "dropout") return true;
  return attributes.form == Form::cnn && op == (attributes.dimensions == 2 ? "dropout2d" : "dropout3d");
}

struct Dimensions {
  std::int64_t least, most;
};

/// Of x.
Dimensions dimensions_of(const Attributes& attributes) {
  if (attributes.form == Form::mlp) return {2, 2};
  if (attributes.form == Form::cnn) return {attributes.dimensions + 1, attributes.dimensions + 2};
  return {3, 3};
}

std::string to_text(const Dimensions& dimensions) {
  if (dimensions.least == dimensions.most) return std::to_string(dimensions.least);
  return std::to_string(dimensions.least) + " or " + std::to_string(dimensions.most);
}

}  // namespace

Layer make_layer(const plugin::Call& call, const Attributes& attributes, const at::Tensor& x) {
  if (!contains(attributes, call.op()))
    throw plugin::Unsupported("a layer of this form that contains op " + std::string(call.op()));
  if (call.in_place()) throw plugin::Unsupported("a layer in place");
  const Dimensions taken = dimensions_of(attributes);
  if (x.dim() < taken.least || x.dim() > taken.most)
    throw plugin::InvalidArgument("a layer of this form takes a tensor of " + to_text(taken) +
                                  " dimensions, not " + shape_text(x.sizes()));
  const KeepStream keep;
  switch (attributes.form) {
    case Form::rnn:
    case Form::lstm:
    case Form::gru: return recurrent_layer(call, attributes, x);
    case Form::multihead_attention: return multihead_attention_layer(call, attributes, x);
    case Form::scaled_dot_product_attention: return scaled_dot_product_attention_layer(call, x);
    case Form::encoder_layer: return encoder_layer(call, attributes, x);
    case Form::decoder_layer: return decoder_layer(call, attributes, x);
    case Form::mlp: return mlp_layer(call, attributes, x);
    case Form::cnn: return cnn_layer(call, attributes, x);
    default: throw plugin::Unsupported("an interface to an operator is no layer");
  }
}

}  // namespace dropcheck::libtorch
