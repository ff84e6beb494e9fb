#pragma once
// The options of a call that this plugin understands, docs/attributes.md.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dropcheck::libtorch {

/// Attribute "form": which interface to an operator, or which layer that contains dropout.
enum class Form : std::uint8_t {
  op,  // without the attribute: the operator itself
  native_dropout,
  module,
  functional,
  rnn,
  lstm,
  gru,
  multihead_attention,
  scaled_dot_product_attention,
  encoder_layer,
  decoder_layer,
  mlp,
  cnn
};

/// Whether the form is a layer that contains dropout, and no interface to the operator.
constexpr bool is_layer(Form form) { return form >= Form::rnn; }

/// Attribute "autograd": what happens to the tensors around the call.
enum class Scenario : std::uint8_t { none, leaf, after_exp, modify_input, modify_output };

/// Attribute "weights": what a layer's parameters are set to, constants or the call's inputs of their names.
enum class Weights : std::uint8_t { small, ones, given };

enum class Activation : std::uint8_t { relu, identity };

/// Where an MLP has its batch normalisation: before the activation, or after dropout.
enum class NormPlace : std::uint8_t { none, before, after };

struct Attributes {
  // The host runs several worker processes instead, so one thread a call unless it asks for more.
  int threads = 1;
  Form form = Form::op;
  bool defaults = false;
  bool train_none = false;
  Scenario autograd = Scenario::none;
  Weights weights = Weights::small;
  // Sizes without a value have no default: a layer asks for them with needed().
  std::optional<std::int64_t> hidden{}, heads{}, feed_forward{};
  std::int64_t layers = 1;
  bool bidirectional = false;
  bool average = true;  // the returned attention weights, over the heads
  std::optional<std::int64_t> outputs{}, channels{};
  std::int64_t dimensions = 2;  // of space
  Activation activation = Activation::relu;
  NormPlace norm = NormPlace::none;
  bool mc = false;  // the network in eval mode, and its dropout alone in training
  // What happened to a module before its call, and where it is.
  std::vector<bool> history{};  // modes, true for training
  std::int64_t nested = 0;
  bool no_grad = false;
  bool inside = false;
};

struct BackwardAttributes {
  int threads = 1;
  bool create_graph = false;
};

/// Of a forward call. Throws plugin::InvalidArgument for malformed text, wrong types and values out of range,
/// and plugin::Unsupported for any other key or word, and for a key that the call's form does not have: an
/// option that is ignored in silence would put a wrong claim into the report.
Attributes parse_attributes(std::string_view json);

/// Of a backward call; throws the same.
BackwardAttributes parse_backward_attributes(std::string_view json);

/// The size; throws plugin::InvalidArgument, which names the attribute, when the call has none.
std::int64_t needed(const std::optional<std::int64_t>& size, std::string_view name);

/// Every form but the operator itself, for the capabilities: "native_dropout,module,...".
std::string form_words();

}  // namespace dropcheck::libtorch
