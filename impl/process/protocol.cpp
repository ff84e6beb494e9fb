#include "impl/process/protocol.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "harness/core/element.hpp"
#include "impl/process/members.hpp"

namespace dropcheck::process {
namespace {

constexpr std::size_t kShownTraceback = 2000;

Error fault(std::string message) { return {ErrorCode::protocol, std::move(message)}; }

Json attributes_json(const Attributes& attributes) {
  Json object = Json::object();
  for (const auto& [name, value] : attributes) {
    if (const auto* real = std::get_if<double>(&value)) object[name] = number_json(*real);
    else std::visit([&, &key = name](const auto& v) { object[key] = v; }, value);
  }
  return object;
}

Json tensor_json(const std::string& name, DType dtype, const std::vector<std::int64_t>& shape) {
  return {{"name", name}, {"dtype", std::string(to_string(dtype))}, {"shape", shape}};
}

/// The tensor's elements in logical order: its own memory where that is dense, else a copy kept in `request`.
std::span<const std::byte> dense(const TensorView& tensor, Request& request) {
  const std::size_t bytes = static_cast<std::size_t>(tensor.count()) * tensor.element_size();
  if (bytes == 0) return {};
  if (tensor.is_contiguous()) return {tensor.data, bytes};
  auto& copy = request.gathered.emplace_back(bytes);
  gather(tensor, copy.data());
  return copy;
}

/// The one value of a floating tensor whose elements are equal to the bit; NaNs, whose bits no number
/// carries, have none.
std::optional<double> constant_value(std::span<const std::byte> elements, DType dtype) {
  if (!is_float(dtype) || elements.empty()) return std::nullopt;
  const std::size_t size = size_of(dtype);
  // A range equals itself shifted by one element exactly when all elements are equal.
  if (std::memcmp(elements.data(), elements.data() + size, elements.size() - size) != 0) return std::nullopt;
  const double value = load_element(elements.data(), dtype);
  return std::isnan(value) ? std::nullopt : std::optional(value);
}

void add_constant(Request& request, const std::string& name, const TensorView& tensor, double value) {
  Json entry = tensor_json(name, tensor.dtype, tensor.shape);
  entry["value"] = number_json(value);
  request.message.header["fill"].push_back(std::move(entry));
}

void add_input(Request& request, const std::string& name, const TensorView& tensor, bool may_fill) {
  const auto elements = dense(tensor, request);
  if (may_fill)
    if (const auto value = constant_value(elements, tensor.dtype))
      return add_constant(request, name, tensor, *value);
  request.message.header["tensors"].push_back(tensor_json(name, tensor.dtype, tensor.shape));
  request.message.parts.push_back(elements);
}

void want(Request& request, const std::string& name, const TensorView& to) {
  request.message.header["want"].push_back(name);
  request.wanted.push_back({name, to.dtype, to.shape, to});
}

void want_mask(Request& request, const TensorView& to, bool plain) {
  if (plain) return want(request, "mask", to);
  request.message.header["want"].push_back("packed_mask");
  request.wanted.push_back({"packed_mask", DType::u8, {(to.count() + 7) / 8}, to, true});
}

/// What forward and backward have in common beyond their own tensors.
template <typename AnyCall>
void add_further(Request& request, const AnyCall& call, bool may_fill) {
  for (const NamedTensor& named : call.inputs) add_input(request, named.name, named.tensor.view, may_fill);
  for (const NamedTensor& named : call.outputs) want(request, named.name, named.tensor.view);
  if (!call.attributes.empty()) request.message.header["attributes"] = attributes_json(call.attributes);
}

std::string tensor_text(const std::string& name, std::string_view dtype,
                        const std::vector<std::int64_t>& shape) {
  return fmt::format("'{}' {} [{}]", name, dtype, fmt::join(shape, ", "));
}

/// At most kMaxRank extents, whatever they are.
std::string announced_shape(const Json& shape) {
  if (!shape.is_array()) return shown(shape);
  std::vector<std::string> extents;
  for (const Json& extent : shape) {
    extents.push_back(extents.size() == kMaxRank ? std::string("...") : shown(extent));
    if (extents.size() > kMaxRank) break;
  }
  return fmt::format("[{}]", fmt::join(extents, ", "));
}

/// An announced tensor in the same words, whatever it holds.
std::string announced_text(const Json& tensor) {
  const auto member = [&](const char* key) {
    if (!tensor.is_object() || !tensor.contains(key)) return fmt::format("no {}", key);
    const Json& value = tensor[key];
    if (value.is_string()) return shown_head(value.get_ref<const std::string&>(), 100);
    return std::string_view(key) == "shape" ? announced_shape(value) : shown(value);
  };
  return fmt::format("'{}' {} {}", member("name"), member("dtype"), member("shape"));
}

/// Extents are compared as the JSON integers they are: nothing is multiplied before.
bool is_wanted(const Json& tensor, const Wanted& wanted) {
  if (!tensor.is_object() || tensor.value("name", Json()) != wanted.name ||
      tensor.value("dtype", Json()) != std::string(to_string(wanted.dtype)))
    return false;
  const Json shape = tensor.value("shape", Json());
  if (!shape.is_array() || shape.size() != wanted.shape.size()) return false;
  for (std::size_t d = 0; d < shape.size(); ++d)
    if (!shape[d].is_number_integer() || shape[d] != wanted.shape[d]) return false;
  return true;
}

std::uint64_t bytes_of(const Wanted& wanted) {
  return static_cast<std::uint64_t>(element_count(wanted.shape)) * size_of(wanted.dtype);
}

void unpack(std::span<const std::byte> bits, const TensorView& to) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(to.count()));
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = (bits[i / 8] >> (i % 8)) & std::byte{1};
  if (!bytes.empty()) scatter(bytes.data(), to);
}

std::map<std::string, std::string> facts_in(const Json& reply, Members& members) {
  std::map<std::string, std::string> facts;
  if (!reply.contains("facts")) return facts;
  const Json& object = reply["facts"];
  if (!object.is_object() || object.size() > kMaxListItems) {
    members.fail(fmt::format("has {} for 'facts': an object of at most {} texts is needed", shown(object),
                             kMaxListItems));
    return facts;
  }
  for (const auto& [name, value] : object.items()) {
    if (!value.is_string() || name.size() + value.get_ref<const std::string&>().size() > kMaxTextBytes)
      members.fail(fmt::format("has {} for the fact '{}': text of at most {} bytes is needed", shown(value),
                               shown_head(name, 100), kMaxTextBytes));
    else facts[printable(name)] = printable(value.get_ref<const std::string&>());
  }
  return facts;
}

}  // namespace

Expected<Request> run_request(const Call& call, const Claims& claims) {
  const Capabilities& c = claims.capabilities;
  const bool constant = call.constant_input && !call.x && !call.in_place && c.constant_input;
  if ((!call.x && !constant) || (!call.y && !call.in_place && !call.packed_mask))
    return Error{ErrorCode::internal, "a call has no tensor to read or to write"};
  Request request;
  Json& header = request.message.header;
  header = {{"cmd", "run"},
            {"op", std::string(to_string(call.op))},
            {"p", number_json(call.p)},
            {"train", call.mode == Mode::train}};
  if (call.in_place) header["in_place"] = true;
  if (call.seed) header["seed"] = *call.seed;
  if (!c.offset_unit.empty()) header["offset"] = call.offset;
  if (call.threads != 0 && c.threads) header["threads"] = call.threads;
  if (call.save_for_backward) header["save"] = request.saves = true;
  if (constant) add_constant(request, "x", call.x.view, *call.constant_input);
  else add_input(request, "x", call.x.view, c.constant_input);
  if (call.in_place) want(request, "y", call.x.view);
  else if (call.y) want(request, "y", call.y.view);
  if (call.mask) want_mask(request, call.mask.view, claims.plain_mask);
  if (call.packed_mask) want(request, "packed_mask", call.packed_mask.view);
  add_further(request, call, c.constant_input);
  for (std::size_t i = 0; i < request.wanted.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (request.wanted[i].name == request.wanted[j].name)
        return Error{
            ErrorCode::unsupported,
            fmt::format("two results named '{}' cannot be asked of an adapter", request.wanted[i].name)};
  return request;
}

Request backward_request(const BackwardCall& call, std::uint64_t saved) {
  Request request;
  request.message.header = {{"cmd", "backward"}, {"saved", saved}};
  add_input(request, "dy", call.dy.view, false);
  want(request, "dx", call.dx.view);
  add_further(request, call, false);
  return request;
}

Request release_request(std::uint64_t saved) {
  Request request;
  request.message.header = {{"cmd", "release"}, {"saved", saved}};
  return request;
}

Request stop_request() {
  Request request;
  request.message.header = {{"cmd", "stop"}};
  return request;
}

Request save_state_request() {
  Request request;
  request.message.header = {{"cmd", "save_state"}};
  return request;
}

Request load_state_request(std::span<const std::byte> state) {
  Request request;
  request.message.header = {{"cmd", "load_state"}};
  request.message.parts.push_back(state);
  return request;
}

Expected<std::uint64_t> state_bytes(const Json& reply) {
  if (const auto refusal = refusal_in(reply)) {
    if (refusal->code == ErrorCode::protocol) return *refusal;
    return std::uint64_t{0};
  }
  const Json bytes = reply.value("nbytes", Json(std::uint64_t{0}));
  if (!bytes.is_number_unsigned() || bytes < 1u || bytes > kMaxStateBytes)
    return fault(fmt::format("the state of its generator has {} bytes: 1 to {} are possible", shown(bytes),
                             kMaxStateBytes));
  return bytes.get<std::uint64_t>();
}

std::optional<Error> refusal_in(const Json& reply) {
  Members members(reply, "the reply");
  const bool skipped = members.flag("skipped").value_or(false);
  const bool errored = members.flag("errored").value_or(false);
  if (members.error()) return members.error();
  if (!skipped && !errored) return std::nullopt;
  const auto text = [&](const char* key) {
    const auto found = reply.find(key);
    return found != reply.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  std::string message = shown_head(text("message"), kMaxTextBytes);
  if (message.empty()) message = "the adapter gives no reason";
  if (skipped) return Error{ErrorCode::unsupported, message};
  const std::string kind = members.text("kind").value_or("failed");
  if (members.error()) return members.error();
  if (kind == "invalid_argument") return Error{ErrorCode::invalid_argument, message};
  if (kind == "out_of_memory") return Error{ErrorCode::resource_exhausted, message};
  if (kind != "failed")
    return fault(
        fmt::format("the reply has the kind '{}': known are invalid_argument, out_of_memory, failed", kind));
  if (const std::string trace = shown_tail(text("traceback"), kShownTraceback); !trace.empty())
    message += fmt::format("; its traceback: {}", trace);
  return Error{ErrorCode::backend_failed, message};
}

Expected<std::uint64_t> bytes_after(const Json& reply, const Request& request) {
  if (const auto refusal = refusal_in(reply)) {
    if (refusal->code == ErrorCode::protocol) return *refusal;
    return std::uint64_t{0};
  }
  const Json tensors = reply.value("tensors", Json::array());
  if (!tensors.is_array()) return fault(fmt::format("'tensors' is {}: a list is needed", shown(tensors)));
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < request.wanted.size(); ++i) {
    const Wanted& wanted = request.wanted[i];
    const std::string text = tensor_text(wanted.name, to_string(wanted.dtype), wanted.shape);
    if (i >= tensors.size()) return fault(fmt::format("the reply lacks the tensor {}", text));
    if (!is_wanted(tensors[i], wanted))
      return fault(fmt::format("the reply announces the tensor {} where {} was asked for",
                               announced_text(tensors[i]), text));
    bytes += bytes_of(wanted);
  }
  if (tensors.size() > request.wanted.size())
    return fault(fmt::format("the reply announces {} tensors where {} were asked for", tensors.size(),
                             request.wanted.size()));
  return bytes;
}

Expected<Observation> observation_from(const Json& reply, std::span<const std::byte> payload,
                                       const Request& request) {
  Members members(reply, "the reply");
  Observation seen;
  if (const auto delta = members.natural("version_delta", 0, std::numeric_limits<std::int64_t>::max()))
    seen.version_delta = static_cast<std::int64_t>(*delta);
  seen.aliases_input = members.flag("aliases_input");
  seen.rng_words = members.natural("rng_words", 0, std::numeric_limits<std::uint64_t>::max());
  seen.effective_p = members.real("effective_p");
  if (seen.effective_p && !(*seen.effective_p >= 0 && *seen.effective_p <= 1))
    members.fail(fmt::format("declares the effective drop probability {}", *seen.effective_p));
  seen.warnings = members.texts("warnings").value_or(std::vector<std::string>());
  seen.facts = facts_in(reply, members);
  if (request.saves) {
    const auto saved = members.natural("saved", 1, std::numeric_limits<std::uint64_t>::max());
    if (!saved) members.fail("has no 'saved', which was asked for");
    seen.saved.id = saved.value_or(0);
  }
  if (members.error()) return *members.error();
  for (const Wanted& wanted : request.wanted) {
    const auto elements = payload.first(bytes_of(wanted));
    payload = payload.subspan(elements.size());
    if (wanted.packed) unpack(elements, wanted.to);
    else if (!elements.empty()) scatter(elements.data(), wanted.to);
  }
  if (!request.wanted.empty() && request.wanted.front().name != "packed_mask") {  // that comes first alone
    seen.produced_shape = request.wanted.front().shape;
    seen.produced_dtype = request.wanted.front().dtype;
  }
  return seen;
}

}  // namespace dropcheck::process
