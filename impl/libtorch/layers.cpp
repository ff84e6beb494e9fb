#include "impl/libtorch/layers.hpp"

#include <string>

#include "impl/libtorch/generator.hpp"
#include "impl/libtorch/tensors.hpp"

namespace dropcheck::libtorch {

Layer make_layer(const plugin::Call& call, const Attributes& attributes, const at::Tensor& x) {
  if (call.op() != "dropout") throw plugin::Unsupported("a layer that contains op " + std::string(call.op()));
  if (call.in_place()) throw plugin::Unsupported("a layer in place");
  if (x.dim() != 3)
    throw plugin::InvalidArgument("a layer takes a tensor of 3 dimensions, not " + shape_text(x.sizes()));
  const KeepStream keep;
  switch (attributes.form) {
    case Form::rnn:
    case Form::lstm:
    case Form::gru: return recurrent_layer(call, attributes, x);
    case Form::multihead_attention: return multihead_attention_layer(call, attributes, x);
    case Form::scaled_dot_product_attention: return scaled_dot_product_attention_layer(call);
    case Form::encoder_layer: return encoder_layer(call, attributes, x);
    case Form::decoder_layer: return decoder_layer(call, attributes, x);
    default: throw plugin::Unsupported("an interface to an operator is no layer");
  }
}

}  // namespace dropcheck::libtorch
