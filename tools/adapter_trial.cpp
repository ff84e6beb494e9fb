#include "tools/adapter_trial.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "harness/core/element.hpp"
#include "impl/process/members.hpp"
#include "impl/process/text.hpp"

namespace dropcheck::tools {
namespace {

constexpr unsigned kMaxStarts = 30;
constexpr unsigned kMaxTimeouts = 3;
constexpr std::size_t kShownText = 200;

[[noreturn]] void broken(std::string text) { throw Stop{{Outcome::broken, std::move(text)}}; }

std::string announced(const Json& tensor, const char* key) {
  if (!tensor.is_object() || !tensor.contains(key)) return fmt::format("no {}", key);
  const Json& value = tensor[key];
  // Dumped as it is only where it is short: brackets of a reply may be many.
  return process::shown_head(value.dump(-1, ' ', false, Json::error_handler_t::replace), kShownText);
}

Json as_json(const Shape& shape) { return Json(shape); }

std::size_t bytes_of(const Shape& shape, DType dtype) {
  std::size_t count = 1;
  for (const std::int64_t extent : shape) count *= static_cast<std::size_t>(extent);
  return count * size_of(dtype);
}

/// The bytes of each tensor by name, which must be those of `names` with their dtypes and shapes.
struct Expectation {
  std::string name;
  DType dtype;
  Shape shape;
};
std::map<std::string, Bytes> tensors_of(const RawReply& reply, const std::vector<Expectation>& expected) {
  const Json tensors = reply.header.value("tensors", Json::array());
  if (!tensors.is_array()) broken("'tensors' of the reply is no list");
  std::map<std::string, Bytes> found;
  std::size_t at = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const Expectation& e = expected[i];
    if (i >= tensors.size()) broken(fmt::format("the reply lacks the tensor '{}'", e.name));
    const Json& tensor = tensors[i];
    const std::pair<const char*, Json> members[] = {
        {"name", e.name}, {"dtype", std::string(to_string(e.dtype))}, {"shape", as_json(e.shape)}};
    for (const auto& [key, value] : members)
      if (!tensor.is_object() || !tensor.contains(key) || tensor[key] != value)
        broken(fmt::format("tensor {} of the reply has the {} {} where {} was asked for", i + 1, key,
                           announced(tensor, key), value.dump()));
    const std::size_t size = bytes_of(e.shape, e.dtype);
    if (reply.bytes.size() < at + size)
      broken(fmt::format("the reply has {} bytes, its tensors need more", reply.bytes.size()));
    const auto begin = reply.bytes.begin() + static_cast<std::ptrdiff_t>(at);
    found[e.name] = Bytes(begin, begin + static_cast<std::ptrdiff_t>(size));
    at += size;
  }
  if (tensors.size() > expected.size())
    broken(fmt::format("the reply has {} tensors where {} were asked for", tensors.size(), expected.size()));
  if (at != reply.bytes.size())
    broken(fmt::format("the reply has {} bytes, its tensors need {}", reply.bytes.size(), at));
  return found;
}

}  // namespace

Finding finding_of(const Error& error) {
  if (error.code == ErrorCode::unsupported)
    return {Outcome::skipped, "the adapter skips it: " + error.message};
  const bool refused = error.code == ErrorCode::invalid_argument || error.code == ErrorCode::backend_failed;
  return {Outcome::broken, refused ? "the adapter answers with an error: " + error.message : error.message};
}

Op AdapterTrial::op() const {
  const auto& ops = capabilities().ops;
  // The first of these is the simplest to look at.
  for (const Op op : kAllOps)
    if (std::find(ops.begin(), ops.end(), op) != ops.end()) return op;
  return Op::dropout;
}

DType AdapterTrial::dtype() const {
  const auto& dtypes = capabilities().dtypes;
  for (const DType dtype : {DType::f32, DType::f64, DType::f16, DType::bf16})
    if (std::find(dtypes.begin(), dtypes.end(), dtype) != dtypes.end()) return dtype;
  return dtypes.empty() ? DType::f32 : dtypes.front();
}

bool AdapterTrial::has_seeds() const {
  const SeedSemantics semantics = capabilities().seed_semantics;
  return semantics == SeedSemantics::per_call || semantics == SeedSemantics::stateful;
}

std::uint64_t AdapterTrial::highest_seed() const {
  const unsigned bits = capabilities().seed_bits;
  return bits >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
}

Shape AdapterTrial::shape_of(Op op, Shape extents) const {
  const std::size_t rank = drops_channels(op) ? std::max<std::size_t>(ranks_of(op).smallest, 3) : 0;
  if (extents.size() < rank) extents.push_back(2);
  while (extents.size() < rank) extents.push_back(1);
  return extents;
}

AdapterSession& AdapterTrial::running(AdapterSession& session) {
  if (session.is_running()) return session;
  const RawReply reply = start(session);
  if (const auto refusal = refusal_in(reply)) throw Stop{finding_of(*refusal)};
  return session;
}

RawReply AdapterTrial::start(AdapterSession& session, const Json& further) {
  if (!given_up_.empty()) throw Stop{{Outcome::not_tried, given_up_}};
  if (++starts_ > kMaxStarts) {
    given_up_ =
        fmt::format("the program was lost too often: it is not started more than {} times", kMaxStarts);
    throw Stop{{Outcome::not_tried, given_up_}};
  }
  auto reply = session.start(further);
  if (!reply) stop_for(reply.error());
  return std::move(*reply);
}

RawReply AdapterTrial::ask(AdapterSession& session, const Json& header, BytesView bytes) {
  auto reply = session.ask(header, bytes);
  if (!reply) stop_for(reply.error());
  return std::move(*reply);
}

void AdapterTrial::stop_for(const Error& error) {
  if (error.code == ErrorCode::timeout && ++timeouts_ >= kMaxTimeouts)
    given_up_ = fmt::format("the adapter did not answer in time {} times", kMaxTimeouts);
  throw Stop{finding_of(error)};
}

Json AdapterTrial::header_of(const RunRequest& request) const {
  const DType dtype = request.dtype.value_or(this->dtype());
  Json header = {{"cmd", "run"},
                 {"op", std::string(to_string(request.op.value_or(op())))},
                 {"p", request.p},
                 {"train", request.train},
                 {"want", request.want}};
  if (has_seeds() && !request.continues) header["seed"] = std::min(request.seed, highest_seed());
  if (!capabilities().offset_unit.empty()) header["offset"] = 0;
  Json x = {{"name", "x"}, {"dtype", std::string(to_string(dtype))}, {"shape", as_json(request.shape)}};
  if (request.fill) x["value"] = *request.fill;
  header[request.fill ? "fill" : "tensors"] = Json::array({x});
  header.update(request.further);
  return header;
}

Bytes AdapterTrial::values_of(const RunRequest& request) const {
  const DType dtype = request.dtype.value_or(this->dtype());
  const std::size_t size = size_of(dtype), count = bytes_of(request.shape, dtype) / size;
  if (!request.fill) return test_values(dtype, count);
  Bytes values(count * size);
  const Json filled = {{"value", *request.fill}};
  const double value = process::Members(filled, "fill").real("value").value_or(0);
  for (std::size_t i = 0; i < count; ++i) store_element(value, values.data() + i * size, dtype);
  return values;
}

RawReply AdapterTrial::ask_run(AdapterSession& session, const RunRequest& request) {
  const Bytes x = request.fill ? Bytes() : values_of(request);
  return ask(session, header_of(request), x);
}

RunAnswer AdapterTrial::run(AdapterSession& session, const RunRequest& request) {
  const RawReply reply = ask_run(session, request);
  if (const auto refusal = refusal_in(reply)) throw Stop{finding_of(*refusal)};
  std::vector<Expectation> expected;
  const auto count = static_cast<std::int64_t>(bytes_of(request.shape, DType::u8));
  for (const std::string& name : request.want) {
    if (name == "mask") expected.push_back({name, DType::u8, request.shape});
    else if (name == "packed_mask") expected.push_back({name, DType::u8, {(count + 7) / 8}});
    else expected.push_back({name, request.dtype.value_or(dtype()), request.shape});
  }
  return {values_of(request), tensors_of(reply, expected), reply.header, reply.seconds};
}

Bytes AdapterTrial::backward(const Json& saved, BytesView dy, const Shape& shape) {
  const Json tensor = {{"name", "dy"}, {"dtype", std::string(to_string(dtype()))}, {"shape", as_json(shape)}};
  const RawReply reply =
      ask(main(),
          {{"cmd", "backward"}, {"saved", saved}, {"want", {"dx"}}, {"tensors", Json::array({tensor})}}, dy);
  if (const auto refusal = refusal_in(reply)) throw Stop{finding_of(*refusal)};
  return tensors_of(reply, {{"dx", dtype(), shape}}).at("dx");
}

std::optional<Error> AdapterTrial::refusal_in(const RawReply& reply) {
  const auto refusal = process::refusal_in(reply.header);
  if (!refusal) return std::nullopt;
  if (refusal->code == ErrorCode::protocol) throw Stop{finding_of(*refusal)};
  const auto message = reply.header.find("message");
  const bool told = message != reply.header.end() && message->is_string() &&
                    !message->get_ref<const std::string&>().empty();
  if (!told) silent_refusals_.insert(refusal->code == ErrorCode::unsupported ? "skipped" : "errored");
  return refusal;
}

}  // namespace dropcheck::tools
