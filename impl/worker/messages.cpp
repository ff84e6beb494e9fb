#include "impl/worker/messages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace dropcheck::worker {
namespace {

Error malformed(const char* what) {
  return {ErrorCode::protocol, fmt::format("a message between run and worker is malformed: {}", what)};
}

/// Runs a reader that may throw nlohmann's exceptions.
template <typename T, typename Read>
Expected<T> reading(const char* what, Read&& read) {
  try {
    return read();
  } catch (const nlohmann::json::exception&) {
    return malformed(what);
  }
}

template <typename Enum>
Json names_of(const std::vector<Enum>& values) {
  Json list = Json::array();
  for (const Enum value : values) list.push_back(std::string(to_string(value)));
  return list;
}

template <typename Enum>
std::vector<Enum> values_of(const Json& list, std::optional<Enum> (*read)(std::string_view)) {
  std::vector<Enum> values;
  for (const Json& name : list)
    if (const auto value = read(name.get<std::string>())) values.push_back(*value);
  return values;
}

Json tensor_json(const CallTensor& tensor, const MemoryId& memory_id) {
  return {{"memory", memory_id(*tensor.memory)},
          {"at", static_cast<std::uint64_t>(tensor.view.data - tensor.memory->data())},
          {"dtype", std::string(to_string(tensor.view.dtype))},
          {"shape", tensor.view.shape},
          {"strides", tensor.view.strides}};
}

Expected<CallTensor> tensor_from(const Json& json, const FindMemory& find) {
  return reading<CallTensor>("tensor", [&]() -> Expected<CallTensor> {
    CallTensor tensor;
    tensor.memory = find(json.at("memory").get<std::uint64_t>());
    const auto at = json.at("at").get<std::uint64_t>();
    const auto dtype = dtype_from(json.at("dtype").get<std::string>());
    tensor.view.shape = json.at("shape").get<std::vector<std::int64_t>>();
    tensor.view.strides = json.at("strides").get<std::vector<std::int64_t>>();
    if (tensor.memory == nullptr || !dtype || at > tensor.memory->size() ||
        tensor.view.shape.size() > kMaxRank || tensor.view.strides.size() != tensor.view.shape.size())
      return malformed("tensor");
    tensor.view.dtype = *dtype;
    std::int64_t last = 0;
    bool empty = false;
    for (std::size_t d = 0; d < tensor.view.shape.size(); ++d) {
      std::int64_t reach = 0;
      if (tensor.view.shape[d] < 0 || tensor.view.strides[d] < 0) return malformed("tensor");
      if (tensor.view.shape[d] == 0) empty = true;
      else if (__builtin_mul_overflow(tensor.view.shape[d] - 1, tensor.view.strides[d], &reach) ||
               __builtin_add_overflow(last, reach, &last) || last > kMaxBytes)
        return malformed("tensor");
    }
    const std::uint64_t bytes = empty ? 0 : (static_cast<std::uint64_t>(last) + 1) * size_of(*dtype);
    if (bytes > tensor.memory->size() - at) return malformed("tensor outside its memory");
    tensor.view.data = tensor.memory->data() + at;
    return tensor;
  });
}

/// The input of a call whose elements are all equal: no memory, and the value as its bits.
Json constant_json(const TensorView& view, double value) {
  return {{"constant", std::bit_cast<std::uint64_t>(value)},
          {"dtype", std::string(to_string(view.dtype))},
          {"shape", view.shape}};
}

Status read_constant(const Json& json, Call& call) {
  TensorView& view = call.x.view;
  const auto dtype = dtype_from(json.at("dtype").get<std::string>());
  view.shape = json.at("shape").get<std::vector<std::int64_t>>();
  if (!dtype || view.shape.size() > kMaxRank || !json.at("constant").is_number_unsigned())
    return malformed("constant input");
  view.dtype = *dtype;
  view.strides.assign(view.shape.size(), 1);
  std::int64_t bytes = static_cast<std::int64_t>(size_of(*dtype));
  for (std::size_t d = view.shape.size(); d-- > 0;) {
    if (view.shape[d] < 1 || __builtin_mul_overflow(bytes, view.shape[d], &bytes) || bytes > kMaxBytes)
      return malformed("constant input");
    if (d > 0) view.strides[d - 1] = view.strides[d] * view.shape[d];
  }
  call.constant_input = std::bit_cast<double>(json.at("constant").get<std::uint64_t>());
  return Done{};
}

/// An optional tensor of a call.
Status read_tensor(const Json& json, const char* name, const FindMemory& find, CallTensor& out) {
  if (!json.contains(name)) return Done{};
  auto tensor = tensor_from(json[name], find);
  if (!tensor) return tensor.error();
  out = std::move(*tensor);
  return Done{};
}

Json attributes_json(const Attributes& attributes) {
  Json object = Json::object();
  for (const auto& [name, value] : attributes)
    std::visit([&, &key = name](const auto& v) { object[key] = v; }, value);
  return object;
}

/// Throws nlohmann's exceptions.
Attributes attributes_from(const Json& json) {
  Attributes attributes;
  for (const auto& [name, value] : json.items()) {
    if (value.is_boolean()) attributes[name] = value.get<bool>();
    else if (value.is_number_integer()) attributes[name] = value.get<std::int64_t>();
    else if (value.is_number()) attributes[name] = value.get<double>();
    else attributes[name] = value.get<std::string>();
  }
  return attributes;
}

/// What calls forward and backward have in common beyond their own tensors.
template <typename AnyCall>
void add_further(Json& json, const AnyCall& call, const MemoryId& memory_id) {
  if (!call.attributes.empty()) json["attributes"] = attributes_json(call.attributes);
  for (const auto& [key, tensors] : {std::pair{"inputs", &call.inputs}, std::pair{"outputs", &call.outputs}})
    for (const NamedTensor& named : *tensors)
      json[key].push_back({{"name", named.name}, {"tensor", tensor_json(named.tensor, memory_id)}});
}

template <typename AnyCall>
Status read_further(const Json& json, const FindMemory& find, AnyCall& call) {
  if (json.contains("attributes")) call.attributes = attributes_from(json["attributes"]);
  for (const auto& [key, tensors] :
       {std::pair{"inputs", &call.inputs}, std::pair{"outputs", &call.outputs}}) {
    if (!json.contains(key)) continue;
    for (const Json& named : json[key]) {
      auto tensor = tensor_from(named.at("tensor"), find);
      if (!tensor) return tensor.error();
      tensors->push_back({named.at("name").get<std::string>(), std::move(*tensor)});
    }
  }
  return Done{};
}

}  // namespace

Json to_json(const Capabilities& c) {
  return {{"name", c.name},
          {"version", c.version},
          {"library", c.library},
          {"device", c.device},
          {"exact_stream", c.exact_stream},
          {"notes", c.notes},
          {"ops", names_of(c.ops)},
          {"dtypes", names_of(c.dtypes)},
          {"layouts", names_of(c.layouts)},
          {"seed_semantics", std::string(to_string(c.seed_semantics))},
          {"seed_bits", c.seed_bits},
          {"offset_unit", c.offset_unit},
          {"forms", c.forms},
          {"conforms_to", c.conforms_to},
          {"promises", c.promises},
          {"features",
           {c.backward, c.in_place, c.threads, c.mask_output, c.packed_mask, c.constant_input, c.recompute,
            c.reports_rng_words, c.effective_rate}}};
}

Expected<Capabilities> capabilities_from(const Json& json) {
  return reading<Capabilities>("capabilities", [&]() -> Expected<Capabilities> {
    Capabilities c;
    c.name = json.at("name").get<std::string>();
    c.version = json.at("version").get<std::string>();
    c.library = json.at("library").get<std::string>();
    c.device = json.at("device").get<std::string>();
    c.exact_stream = json.at("exact_stream").get<std::string>();
    c.notes = json.at("notes").get<std::vector<std::string>>();
    c.ops = values_of<Op>(json.at("ops"), op_from);
    c.dtypes = values_of<DType>(json.at("dtypes"), dtype_from);
    c.layouts = values_of<Layout>(json.at("layouts"), layout_from);
    const auto semantics = seed_semantics_from(json.at("seed_semantics").get<std::string>());
    c.seed_bits = json.at("seed_bits").get<unsigned>();
    c.offset_unit = json.at("offset_unit").get<std::string>();
    c.forms = json.at("forms").get<std::vector<std::string>>();
    c.conforms_to = json.at("conforms_to").get<std::string>();
    c.promises = json.at("promises").get<std::vector<std::string>>();
    if (!std::all_of(c.promises.begin(), c.promises.end(), is_promise)) return malformed("capabilities");
    const auto features = json.at("features").get<std::vector<bool>>();
    if (!semantics || c.seed_bits < 1 || c.seed_bits > 64 || features.size() != 9)
      return malformed("capabilities");
    c.seed_semantics = *semantics;
    c.backward = features[0];
    c.in_place = features[1];
    c.threads = features[2];
    c.mask_output = features[3];
    c.packed_mask = features[4];
    c.constant_input = features[5];
    c.recompute = features[6];
    c.reports_rng_words = features[7];
    c.effective_rate = features[8];
    return c;
  });
}

Json to_json(const Call& call, const MemoryId& memory_id) {
  Json json = {{"do", "forward"},
               {"op", std::string(to_string(call.op))},
               {"p", std::bit_cast<std::uint64_t>(call.p)},
               {"train", call.mode == Mode::train},
               {"in_place", call.in_place},
               {"offset", call.offset},
               {"threads", call.threads},
               {"save", call.save_for_backward},
               {"count_words", call.count_words}};
  add_further(json, call, memory_id);
  if (call.seed) json["seed"] = *call.seed;
  if (call.constant_input) json["constant_x"] = constant_json(call.x.view, *call.constant_input);
  else if (call.x) json["x"] = tensor_json(call.x, memory_id);
  if (call.y) json["y"] = tensor_json(call.y, memory_id);
  if (call.mask) json["mask"] = tensor_json(call.mask, memory_id);
  if (call.packed_mask) json["packed_mask"] = tensor_json(call.packed_mask, memory_id);
  return json;
}

Expected<Call> call_from(const Json& json, const FindMemory& find) {
  return reading<Call>("forward", [&]() -> Expected<Call> {
    Call call;
    const auto op = op_from(json.at("op").get<std::string>());
    if (!op) return malformed("op");
    call.op = *op;
    call.p = std::bit_cast<double>(json.at("p").get<std::uint64_t>());
    call.mode = json.at("train").get<bool>() ? Mode::train : Mode::eval;
    call.in_place = json.at("in_place").get<bool>();
    call.offset = json.at("offset").get<std::uint64_t>();
    call.threads = json.at("threads").get<std::uint32_t>();
    call.save_for_backward = json.at("save").get<bool>();
    call.count_words = json.at("count_words").get<bool>();
    if (const Status got = read_further(json, find, call); !got) return got.error();
    if (json.contains("seed")) call.seed = json["seed"].get<std::uint64_t>();
    if (json.contains("constant_x")) {
      if (json.contains("x")) return malformed("x is there twice");
      if (const Status got = read_constant(json["constant_x"], call); !got) return got.error();
    } else if (!json.contains("x")) {
      return malformed("no x");
    }
    for (const auto& [name, tensor] :
         {std::pair{"x", &call.x}, std::pair{"y", &call.y}, std::pair{"mask", &call.mask},
          std::pair{"packed_mask", &call.packed_mask}}) {
      const Status got = read_tensor(json, name, find, *tensor);
      if (!got) return got.error();
    }
    return call;
  });
}

Json to_json(const BackwardCall& call, const MemoryId& memory_id) {
  Json json = {{"do", "backward"},
               {"saved", call.saved.id},
               {"dy", tensor_json(call.dy, memory_id)},
               {"dx", tensor_json(call.dx, memory_id)}};
  add_further(json, call, memory_id);
  return json;
}

Expected<BackwardCall> backward_from(const Json& json, const FindMemory& find) {
  return reading<BackwardCall>("backward", [&]() -> Expected<BackwardCall> {
    BackwardCall call;
    call.saved.id = json.at("saved").get<std::uint64_t>();
    if (const Status got = read_further(json, find, call); !got) return got.error();
    for (const auto& [name, tensor] : {std::pair{"dy", &call.dy}, std::pair{"dx", &call.dx}}) {
      const Status got = read_tensor(json, name, find, *tensor);
      if (!got) return got.error();
    }
    return call;
  });
}

Json to_json(const Observation& seen) {
  Json json = {{"shape", seen.produced_shape},
               {"strides", seen.produced_strides},
               {"warnings", seen.warnings},
               {"facts", seen.facts},
               {"saved", seen.saved.id}};
  if (seen.produced_dtype) json["dtype"] = std::string(to_string(*seen.produced_dtype));
  if (seen.aliases_input) json["aliases"] = *seen.aliases_input;
  if (seen.version_delta) json["version_delta"] = *seen.version_delta;
  if (seen.rng_words) json["rng_words"] = *seen.rng_words;
  if (seen.effective_p) json["effective_p"] = std::bit_cast<std::uint64_t>(*seen.effective_p);
  return json;
}

Expected<Observation> observation_from(const Json& json) {
  return reading<Observation>("result", [&]() -> Expected<Observation> {
    Observation seen;
    seen.produced_shape = json.at("shape").get<std::vector<std::int64_t>>();
    seen.produced_strides = json.at("strides").get<std::vector<std::int64_t>>();
    seen.warnings = json.at("warnings").get<std::vector<std::string>>();
    seen.facts = json.at("facts").get<std::map<std::string, std::string>>();
    seen.saved.id = json.at("saved").get<std::uint64_t>();
    if (json.contains("dtype")) {
      seen.produced_dtype = dtype_from(json["dtype"].get<std::string>());
      if (!seen.produced_dtype) return malformed("dtype");
    }
    if (json.contains("aliases")) seen.aliases_input = json["aliases"].get<bool>();
    if (json.contains("version_delta")) seen.version_delta = json["version_delta"].get<std::int64_t>();
    if (json.contains("rng_words")) seen.rng_words = json["rng_words"].get<std::uint64_t>();
    if (json.contains("effective_p"))
      seen.effective_p = std::bit_cast<double>(json["effective_p"].get<std::uint64_t>());
    if (seen.produced_shape.size() > kMaxRank || seen.produced_strides.size() > kMaxRank)
      return malformed("shape");
    return seen;
  });
}

Json to_json(const Error& error) { return {{"error", to_string(error.code)}, {"message", error.message}}; }

std::optional<Error> error_in(const Json& json) {
  if (!json.contains("error")) return std::nullopt;
  const auto text = [&](const char* key) {
    return json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : "";
  };
  for (const ErrorCode code : {ErrorCode::invalid_argument, ErrorCode::unsupported,
                               ErrorCode::resource_exhausted, ErrorCode::backend_failed, ErrorCode::protocol})
    if (text("error") == to_string(code)) return Error{code, text("message")};
  return Error{ErrorCode::backend_failed, text("message")};
}

}  // namespace dropcheck::worker
