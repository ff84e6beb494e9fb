#include "impl/libtorch/attributes.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "harness/abi/dropcheck_plugin.hpp"

namespace dropcheck::libtorch {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kMaxThreads = 1024;
// Sizes of a layer. Larger ones would only exhaust the memory: LSTM weights grow with their square.
constexpr std::int64_t kMaxSize = 8192;
constexpr std::int64_t kMaxNested = 64;
constexpr std::size_t kMaxHistory = 64;

template <typename Value>
struct Word {
  std::string_view word;
  Value value;
};

constexpr Word<Form> kForms[] = {
    {"native_dropout", Form::native_dropout},
    {"module", Form::module},
    {"functional", Form::functional},
    {"rnn", Form::rnn},
    {"lstm", Form::lstm},
    {"gru", Form::gru},
    {"multihead_attention", Form::multihead_attention},
    {"scaled_dot_product_attention", Form::scaled_dot_product_attention},
    {"encoder_layer", Form::encoder_layer},
    {"decoder_layer", Form::decoder_layer},
    {"mlp", Form::mlp},
    {"cnn", Form::cnn},
};
constexpr Word<Scenario> kScenarios[] = {
    {"leaf", Scenario::leaf},
    {"after_exp", Scenario::after_exp},
    {"modify_input", Scenario::modify_input},
    {"modify_output", Scenario::modify_output},
};
constexpr Word<Weights> kWeights[] = {
    {"small", Weights::small}, {"ones", Weights::ones}, {"given", Weights::given}};
constexpr Word<Activation> kActivations[] = {{"relu", Activation::relu}, {"identity", Activation::identity}};
constexpr Word<NormPlace> kNormPlaces[] = {
    {"none", NormPlace::none}, {"before", NormPlace::before}, {"after", NormPlace::after}};
constexpr Word<bool> kModesOfParts[] = {{"mc", true}};
// Masks over the whole sequence are of other libraries.
constexpr Word<bool> kDropoutKinds[] = {{"layers", true}};

std::string attribute_text(std::string_view key) {
  return std::string("attribute \"").append(key).append("\"");
}

std::int64_t integer_of(std::string_view key, const Json& value, std::int64_t limit) {
  // A number above the signed range must not wrap into a valid one.
  const bool wraps =
      value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(limit);
  if (value.is_number_integer() && !wraps) {
    const auto number = value.get<std::int64_t>();
    if (number >= 1 && number <= limit) return number;
  }
  throw plugin::InvalidArgument(attribute_text(key).append(" must be an integer from 1 to ") +
                                std::to_string(limit));
}

bool boolean_of(std::string_view key, const Json& value) {
  if (!value.is_boolean())
    throw plugin::InvalidArgument(attribute_text(key).append(" must be true or false"));
  return value.get<bool>();
}

template <typename Value, std::size_t N>
Value word_of(std::string_view key, const Json& value, const Word<Value> (&words)[N]) {
  if (!value.is_string()) throw plugin::InvalidArgument(attribute_text(key).append(" must be a text"));
  const auto& text = value.get_ref<const std::string&>();
  for (const Word<Value>& row : words)
    if (row.word == text) return row.value;
  throw plugin::Unsupported(attribute_text(key).append(" = \"").append(text).append("\""));
}

/// "train,eval,train".
std::vector<bool> modes_of(std::string_view key, const Json& value) {
  if (!value.is_string()) throw plugin::InvalidArgument(attribute_text(key).append(" must be a text"));
  std::vector<bool> modes;
  std::string_view rest = value.get_ref<const std::string&>();
  while (true) {
    const std::size_t comma = rest.find(',');
    const std::string_view word = rest.substr(0, comma);
    if ((word != "train" && word != "eval") || modes.size() == kMaxHistory)
      throw plugin::InvalidArgument(
          attribute_text(key).append(" must be a list of train and eval, at most ") +
          std::to_string(kMaxHistory));
    modes.push_back(word == "train");
    if (comma == std::string_view::npos) return modes;
    rest.remove_prefix(comma + 1);
  }
}

// Sets of forms.
constexpr std::uint32_t bit(Form form) { return 1u << static_cast<unsigned>(form); }
constexpr std::uint32_t kAllForms = ~0u;
constexpr std::uint32_t kInterfaces =
    bit(Form::op) | bit(Form::native_dropout) | bit(Form::module) | bit(Form::functional);
constexpr std::uint32_t kRecurrent = bit(Form::rnn) | bit(Form::lstm) | bit(Form::gru);
constexpr std::uint32_t kTransformer = bit(Form::encoder_layer) | bit(Form::decoder_layer);
constexpr std::uint32_t kWithHeads = kTransformer | bit(Form::multihead_attention);
constexpr std::uint32_t kNetworks = bit(Form::mlp) | bit(Form::cnn);

struct Key {
  std::string_view name;
  std::uint32_t forms;  // that have it
  void (*set)(Attributes&, std::string_view name, const Json& value);
};

constexpr Key kKeys[] = {
    {"threads", kAllForms,
     [](Attributes& a, std::string_view name, const Json& value) {
       a.threads = static_cast<int>(integer_of(name, value, kMaxThreads));
     }},
    {"form", kAllForms,
     [](Attributes& a, std::string_view name, const Json& value) { a.form = word_of(name, value, kForms); }},
    {"defaults", bit(Form::module) | bit(Form::functional),
     [](Attributes& a, std::string_view name, const Json& value) { a.defaults = boolean_of(name, value); }},
    {"train_none", bit(Form::native_dropout),
     [](Attributes& a, std::string_view name, const Json& value) { a.train_none = boolean_of(name, value); }},
    {"autograd", kInterfaces,
     [](Attributes& a, std::string_view name, const Json& value) {
       a.autograd = word_of(name, value, kScenarios);
     }},
    {"weights", kRecurrent | kWithHeads | kNetworks,
     [](Attributes& a, std::string_view name, const Json& value) {
       a.weights = word_of(name, value, kWeights);
     }},
    {"hidden", kRecurrent | bit(Form::mlp),
     [](Attributes& a, std::string_view name, const Json& value) {
       a.hidden = integer_of(name, value, kMaxSize);
     }},
    {"layers", kRecurrent,
     [](Attributes& a, std::string_view name, const Json& value) {
       a.layers = integer_of(name, value, kMaxSize);
     }},
    {"bidirectional", kRecurrent,
     [](Attributes& a, std::string_view name, const Json& value) {
       a.bidirectional = boolean_of(name, value);
     }},
    {"heads", kWithHeads,
     [](Attributes& a, std::string_view name, const Json& value) {
       a.heads = integer_of(name, value, kMaxSize);
     }},
    {"feed_forward", kTransformer,
     [](Attributes& a, std::string_view name, const Json& value) {
       a.feed_forward = integer_of(name, value, kMaxSize);
     }},
    {"dropout_kind", kRecurrent,
     [](Attributes&, std::string_view name, const Json& value) { word_of(name, value, kDropoutKinds); }},
    {"average", bit(Form::multihead_attention),
     [](Attributes& a, std::string_view name, const Json& value) { a.average = boolean_of(name, value); }},
    {"outputs", bit(Form::mlp),
     [](Attributes& a, std::string_view name, const Json& value) {
       a.outputs = integer_of(name, value, kMaxSize);
     }},
    {"activation", bit(Form::mlp),
     [](Attributes& a, std::string_view name, const Json& value) {
       a.activation = word_of(name, value, kActivations);
     }},
    {"norm", bit(Form::mlp),
     [](Attributes& a, std::string_view name, const Json& value) {
       a.norm = word_of(name, value, kNormPlaces);
     }},
    {"modes", bit(Form::mlp),
     [](Attributes& a, std::string_view name, const Json& value) {
       a.mc = word_of(name, value, kModesOfParts);
     }},
    {"channels", bit(Form::cnn),
     [](Attributes& a, std::string_view name, const Json& value) {
       a.channels = integer_of(name, value, kMaxSize);
     }},
    {"dimensions", bit(Form::cnn),
     [](Attributes& a, std::string_view name, const Json& value) {
       a.dimensions = integer_of(name, value, 3);
       if (a.dimensions < 2) throw plugin::Unsupported(attribute_text(name).append(" = 1"));
     }},
    {"history", bit(Form::module),
     [](Attributes& a, std::string_view name, const Json& value) { a.history = modes_of(name, value); }},
    {"nested", bit(Form::module),
     [](Attributes& a, std::string_view name, const Json& value) {
       a.nested = integer_of(name, value, kMaxNested);
     }},
    {"no_grad", bit(Form::module),
     [](Attributes& a, std::string_view name, const Json& value) { a.no_grad = boolean_of(name, value); }},
    {"inside", bit(Form::module),
     [](Attributes& a, std::string_view name, const Json& value) { a.inside = boolean_of(name, value); }},
};

const Key& find_key(std::string_view name) {
  for (const Key& key : kKeys)
    if (key.name == name) return key;
  throw plugin::Unsupported(attribute_text(name));
}

Json parse_object(std::string_view json) {
  Json object = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) throw plugin::InvalidArgument("the attributes are not a JSON object");
  return object;
}

}  // namespace

Attributes parse_attributes(std::string_view json) {
  Attributes attributes;
  if (json.empty() || json == "{}") return attributes;
  const Json object = parse_object(json);
  for (const auto& [name, value] : object.items()) find_key(name).set(attributes, name, value);
  for (const auto& [name, value] : object.items())
    if ((find_key(name).forms & bit(attributes.form)) == 0)
      throw plugin::Unsupported(attribute_text(name).append(" with this form"));
  return attributes;
}

BackwardAttributes parse_backward_attributes(std::string_view json) {
  BackwardAttributes attributes;
  if (json.empty() || json == "{}") return attributes;
  const Json object = parse_object(json);
  for (const auto& [name, value] : object.items()) {
    if (name == "threads") attributes.threads = static_cast<int>(integer_of(name, value, kMaxThreads));
    else if (name == "create_graph") attributes.create_graph = boolean_of(name, value);
    else throw plugin::Unsupported(attribute_text(name).append(" of a backward call"));
  }
  return attributes;
}

std::int64_t needed(const std::optional<std::int64_t>& size, std::string_view name) {
  if (!size) throw plugin::InvalidArgument(attribute_text(name).append(" is missing"));
  return *size;
}

std::string form_words() {
  std::string words;
  for (const auto& row : kForms) words.append(words.empty() ? "" : ",").append(row.word);
  return words;
}

}  // namespace dropcheck::libtorch
