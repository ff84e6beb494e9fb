// The reply to `start`.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "impl/process/members.hpp"
#include "impl/process/protocol.hpp"

namespace dropcheck::process {
namespace {

/// A list of known words that is not empty.
template <typename Word>
std::vector<Word> known_words(Members& members, const char* key, std::vector<Word> fallback,
                              std::optional<Word> (*read)(std::string_view), const std::string& known) {
  const auto names = members.texts(key);
  if (!names) return fallback;
  std::vector<Word> words;
  for (const std::string& name : *names) {
    const auto word = read(name);
    if (!word) members.fail(fmt::format("claims '{}' among its {}: known are {}", name, key, known));
    else words.push_back(*word);
  }
  if (words.empty()) members.fail(fmt::format("claims no {}: known are {}", key, known));
  return words;
}

void read_features(Members& members, Claims& claims) {
  Capabilities& c = claims.capabilities;
  const std::pair<std::string_view, bool*> features[] = {{"backward", &c.backward},
                                                         {"in_place", &c.in_place},
                                                         {"threads", &c.threads},
                                                         {"mask", &claims.plain_mask},
                                                         {"packed_mask", &c.packed_mask},
                                                         {"constant_input", &c.constant_input},
                                                         {"rng_words", &c.reports_rng_words},
                                                         {"effective_rate", &c.effective_rate},
                                                         {"recompute", &c.recompute}};
  std::string known;
  for (const auto& [name, flag] : features) known += fmt::format("{}{}", known.empty() ? "" : ", ", name);
  for (const std::string& name : members.texts("features").value_or(std::vector<std::string>())) {
    const auto* found = std::find_if(std::begin(features), std::end(features),
                                     [&](const auto& feature) { return feature.first == name; });
    if (found == std::end(features))
      members.fail(fmt::format("claims '{}' among its features: known are {}", name, known));
    else *found->second = true;
  }
  c.mask_output = claims.plain_mask || c.packed_mask;
}

}  // namespace

Message start_request(std::uint32_t rank, std::uint32_t world_size) {
  Message message;
  message.header = {
      {"cmd", "start"}, {"version", kProtocolVersion}, {"harness", "dropcheck " DROPCHECK_VERSION}};
  if (world_size > 1) {
    message.header["rank"] = rank;
    message.header["world_size"] = world_size;
  }
  return message;
}

Expected<Claims> claims_from(const Json& reply) {
  Members members(reply, "the reply to start");
  Claims claims;
  Capabilities& c = claims.capabilities;
  if (!reply.contains("version")) members.fail("has no 'version' of the protocol");
  else if (!reply["version"].is_number_integer() || reply["version"] != kProtocolVersion)
    members.fail(fmt::format("speaks version {} of the protocol, this is version {}", shown(reply["version"]),
                             kProtocolVersion));
  c.name = members.text("name").value_or("");
  if (c.name.empty()) members.fail("gives no 'name'");
  c.version = members.text("implementation_version").value_or("");
  c.library = members.text("library").value_or("");
  c.device = members.text("device").value_or("cpu");
  c.exact_stream = members.text("exact_stream").value_or("");
  c.conforms_to = members.text("conforms_to").value_or("");
  c.offset_unit = members.text("offset_unit").value_or("");
  c.notes = members.texts("notes").value_or(std::vector<std::string>());
  c.forms = members.texts("forms").value_or(std::vector<std::string>());
  c.promises = members.texts("promises").value_or(std::vector<std::string>());
  for (const std::string& promise : c.promises)
    if (!is_promise(promise))
      members.fail(fmt::format("claims '{}' among its promises: known are {}", promise, known_promises()));
  if (const auto contradiction = contradiction_in(c.promises)) members.fail(*contradiction);
  c.ops = known_words<Op>(members, "ops", {Op::dropout}, op_from, known_ops());
  c.dtypes = known_words<DType>(members, "dtypes", {DType::f32}, dtype_from, known_dtypes());
  c.layouts = {Layout::contiguous};
  const std::string semantics = members.text("seed_semantics").value_or("none");
  if (const auto known = seed_semantics_from(semantics)) c.seed_semantics = *known;
  else
    members.fail(
        fmt::format("claims the seed semantics '{}': known are per_call, stateful, fixed, none", semantics));
  c.seed_bits = static_cast<unsigned>(members.natural("seed_bits", 1, 64).value_or(64));
  read_features(members, claims);
  if (members.error()) return *members.error();
  return claims;
}

std::optional<std::string> changed_claim(const Claims& before, const Claims& now) {
  const Capabilities &a = before.capabilities, &b = now.capabilities;
  if (a.name != b.name) return "name";
  if (a.version != b.version) return "implementation_version";
  if (a.device != b.device) return "device";
  if (a.ops != b.ops) return "ops";
  if (a.dtypes != b.dtypes) return "dtypes";
  if (a.seed_semantics != b.seed_semantics) return "seed_semantics";
  if (a.seed_bits != b.seed_bits) return "seed_bits";
  if (a.offset_unit != b.offset_unit) return "offset_unit";
  if (a.exact_stream != b.exact_stream) return "exact_stream";
  if (a.conforms_to != b.conforms_to) return "conforms_to";
  if (a.forms != b.forms) return "forms";
  if (a.promises != b.promises) return "promises";
  if (a.backward != b.backward || a.in_place != b.in_place || a.threads != b.threads ||
      before.plain_mask != now.plain_mask || a.packed_mask != b.packed_mask ||
      a.constant_input != b.constant_input || a.reports_rng_words != b.reports_rng_words ||
      a.effective_rate != b.effective_rate || a.recompute != b.recompute)
    return "features";
  return std::nullopt;
}

}  // namespace dropcheck::process
