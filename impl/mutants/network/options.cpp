#include "impl/mutants/network/options.hpp"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace dropcheck::mutants {
namespace {

constexpr std::int64_t kMaxExtent = 8192;
constexpr std::int64_t kMaxNested = 64;
constexpr std::size_t kMaxHistory = 64;

constexpr std::array<std::string_view, 10> kForms = {"rnn",
                                                     "lstm",
                                                     "gru",
                                                     "multihead_attention",
                                                     "scaled_dot_product_attention",
                                                     "encoder_layer",
                                                     "decoder_layer",
                                                     "mlp",
                                                     "cnn",
                                                     "module"};

// Sets of forms.
constexpr unsigned bit(Form form) { return 1u << static_cast<unsigned>(form); }
constexpr unsigned kRecurrent = bit(Form::rnn) | bit(Form::lstm) | bit(Form::gru);
constexpr unsigned kTransformer = bit(Form::encoder_layer) | bit(Form::decoder_layer);
constexpr unsigned kWithHeads = kTransformer | bit(Form::multihead_attention);
constexpr unsigned kNetworks = bit(Form::mlp) | bit(Form::cnn);

Error refused(std::string message) { return Error{ErrorCode::invalid_argument, std::move(message)}; }
Error unknown_value(std::string_view name) {
  return Error{ErrorCode::unsupported, fmt::format("this value of the attribute {}", name)};
}

Status set_number(std::int64_t& to, std::string_view name, const AttributeValue& value,
                  std::int64_t largest) {
  const auto* number = std::get_if<std::int64_t>(&value);
  if (number == nullptr || *number < 1 || *number > largest)
    return refused(fmt::format("attribute {} must be an integer from 1 to {}", name, largest));
  to = *number;
  return Done{};
}
Status set_extent(std::int64_t& to, std::string_view name, const AttributeValue& value) {
  return set_number(to, name, value, kMaxExtent);
}

Status set_flag(bool& to, std::string_view name, const AttributeValue& value) {
  const auto* flag = std::get_if<bool>(&value);
  if (flag == nullptr) return refused(fmt::format("attribute {} must be true or false", name));
  to = *flag;
  return Done{};
}

template <typename Value>
struct Word {
  std::string_view word;
  Value value;
};

template <typename Value, std::size_t N>
Status set_word(Value& to, std::string_view name, const AttributeValue& value,
                const Word<Value> (&words)[N]) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return refused(fmt::format("attribute {} must be a text", name));
  for (const Word<Value>& row : words)
    if (row.word == *text) {
      to = row.value;
      return Done{};
    }
  return unknown_value(name);
}

/// "train,eval,train".
Status set_history(std::vector<Mode>& to, std::string_view name, const AttributeValue& value) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return refused(fmt::format("attribute {} must be a text", name));
  std::string_view rest = *text;
  while (true) {
    const std::size_t comma = rest.find(',');
    const std::optional<Mode> mode = mode_from(rest.substr(0, comma));
    if (!mode || to.size() == kMaxHistory)
      return refused(
          fmt::format("attribute {} must be a list of train and eval, {} at most", name, kMaxHistory));
    to.push_back(*mode);
    if (comma == std::string_view::npos) return Done{};
    rest.remove_prefix(comma + 1);
  }
}

struct Key {
  std::string_view name;
  unsigned forms;  // that have it
  Status (*set)(Options&, std::string_view name, const AttributeValue& value);
};

using Text = std::string_view;
using Value = AttributeValue;
constexpr Key kKeys[] = {
    {"weights", kRecurrent | kWithHeads | kNetworks,
     [](Options& o, Text name, const Value& value) {
       return set_word(o.weights, name, value,
                       {{"small", Weights::small}, {"ones", Weights::ones}, {"given", Weights::given}});
     }},
    {"hidden", kRecurrent | bit(Form::mlp),
     [](Options& o, Text name, const Value& value) { return set_extent(o.hidden, name, value); }},
    {"layers", kRecurrent,
     [](Options& o, Text name, const Value& value) { return set_extent(o.layers, name, value); }},
    {"bidirectional", kRecurrent,
     [](Options& o, Text name, const Value& value) { return set_flag(o.bidirectional, name, value); }},
    {"dropout_kind", kRecurrent,
     [](Options& o, Text name, const Value& value) {
       return set_word(o.dropout_kind, name, value,
                       {{"layers", DropoutKind::layers},
                        {"variational", DropoutKind::variational},
                        {"input", DropoutKind::input},
                        {"recurrent", DropoutKind::recurrent}});
     }},
    {"heads", kWithHeads,
     [](Options& o, Text name, const Value& value) { return set_extent(o.heads, name, value); }},
    {"average", bit(Form::multihead_attention),
     [](Options& o, Text name, const Value& value) { return set_flag(o.average, name, value); }},
    {"feed_forward", kTransformer,
     [](Options& o, Text name, const Value& value) { return set_extent(o.feed_forward, name, value); }},
    {"outputs", bit(Form::mlp),
     [](Options& o, Text name, const Value& value) { return set_extent(o.outputs, name, value); }},
    {"activation", bit(Form::mlp),
     [](Options& o, Text name, const Value& value) {
       return set_word(o.relu, name, value, {{"relu", true}, {"identity", false}});
     }},
    {"norm", bit(Form::mlp),
     [](Options& o, Text name, const Value& value) {
       return set_word(o.norm, name, value,
                       {{"none", Norm::none}, {"before", Norm::before}, {"after", Norm::after}});
     }},
    {"modes", bit(Form::mlp),
     [](Options& o, Text name, const Value& value) {
       return set_word(o.mc, name, value, {{"mc", true}});
     }},
    {"channels", bit(Form::cnn),
     [](Options& o, Text name, const Value& value) { return set_extent(o.channels, name, value); }},
    {"dimensions", bit(Form::cnn),
     [](Options& o, Text name, const Value& value) -> Status {
       if (const Status status = set_number(o.dimensions, name, value, 3); !status) return status;
       return o.dimensions == 1 ? Status(unknown_value(name)) : Done{};
     }},
    {"history", bit(Form::module),
     [](Options& o, Text name, const Value& value) { return set_history(o.history, name, value); }},
    {"nested", bit(Form::module),
     [](Options& o, Text name, const Value& value) { return set_number(o.nested, name, value, kMaxNested); }},
    {"no_grad", bit(Form::module),
     [](Options& o, Text name, const Value& value) { return set_flag(o.no_grad, name, value); }},
    {"inside", bit(Form::module),
     [](Options& o, Text name, const Value& value) { return set_flag(o.inside, name, value); }},
    {"defaults", bit(Form::module),
     [](Options& o, Text name, const Value& value) { return set_flag(o.defaults, name, value); }},
};

const Key* find_key(std::string_view name, Form form) {
  for (const Key& key : kKeys)
    if (key.name == name && (key.forms & bit(form)) != 0) return &key;
  return nullptr;
}

/// What a form cannot do without.
Status check_needs(const Options& o) {
  struct Need {
    std::string_view name;
    unsigned forms;
    std::int64_t value;
  };
  for (const Need& need :
       {Need{"hidden", kRecurrent | bit(Form::mlp), o.hidden}, Need{"heads", kWithHeads, o.heads},
        Need{"feed_forward", kTransformer, o.feed_forward}, Need{"outputs", bit(Form::mlp), o.outputs},
        Need{"channels", bit(Form::cnn), o.channels}})
    if ((need.forms & bit(o.form)) != 0 && need.value == 0)
      return refused(fmt::format("form {} needs the attribute {}", to_string(o.form), need.name));
  return Done{};
}

}  // namespace

std::string_view to_string(Form form) { return kForms[static_cast<std::size_t>(form)]; }

std::vector<std::string> form_names() { return {kForms.begin(), kForms.end()}; }

Expected<Options> parse_options(const Attributes& attributes) {
  const std::string form = form_of(attributes);
  Options options;
  std::size_t number = 0;
  while (number < kForms.size() && kForms[number] != form) ++number;
  if (number == kForms.size())
    return Error{ErrorCode::unsupported, fmt::format("form {} is not supported", form)};
  options.form = static_cast<Form>(number);
  for (const auto& [name, value] : attributes) {
    if (name == "form") continue;
    const Key* key = find_key(name, options.form);
    if (key == nullptr)
      return Error{ErrorCode::unsupported, fmt::format("form {} with the attribute {}", form, name)};
    if (const Status status = key->set(options, name, value); !status) return status.error();
  }
  if (const Status status = check_needs(options); !status) return status.error();
  return options;
}

}  // namespace dropcheck::mutants
