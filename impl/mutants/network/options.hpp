#pragma once
// The attributes of a call with a form (docs/attributes.md), checked.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/attributes.hpp"
#include "harness/core/expected.hpp"
#include "harness/core/vocabulary.hpp"

namespace dropcheck::mutants {

enum class Form : std::uint8_t {
  rnn,
  lstm,
  gru,
  multihead_attention,
  scaled_dot_product_attention,
  encoder_layer,
  decoder_layer,
  mlp,
  cnn,
  module,
};
std::string_view to_string(Form form);
/// Values of the attribute `form`, in the order of Form.
std::vector<std::string> form_names();

enum class Weights : std::uint8_t { small, ones, given };
/// Where a recurrent layer drops: between layers anew at each time step, between layers with one mask for all
/// steps, the same on the input of every layer, or on the state that is handed to the next step.
enum class DropoutKind : std::uint8_t { layers, variational, input, recurrent };
enum class Norm : std::uint8_t { none, before, after };

struct Options {
  Form form = Form::module;
  Weights weights = Weights::small;
  std::int64_t hidden = 0;  // 0: not given
  std::int64_t layers = 1;
  bool bidirectional = false;
  DropoutKind dropout_kind = DropoutKind::layers;
  std::int64_t heads = 0;
  bool average = true;
  std::int64_t feed_forward = 0;
  std::int64_t outputs = 0;
  bool relu = true;
  Norm norm = Norm::none;
  bool mc = false;
  std::int64_t channels = 0;
  std::int64_t dimensions = 2;
  // Of a module.
  std::vector<Mode> history{};
  std::int64_t nested = 0;
  bool no_grad = false;
  bool inside = false;
  bool defaults = false;
};

/// Needs the attribute `form`. What the form does not know is unsupported, and a value out of range an
/// invalid argument; so is a number that the form needs and does not get.
Expected<Options> parse_options(const Attributes& attributes);

}  // namespace dropcheck::mutants
