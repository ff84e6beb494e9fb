#include "impl/plugin/claims.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include "impl/plugin/dl_tensor.hpp"

namespace dropcheck::plugin_host {
namespace {

constexpr std::size_t kMaxClaimText = 4096;

Error broken(std::string message) { return Error{ErrorCode::protocol, "plugin: " + std::move(message)}; }

std::string claim_text(const char* text) {
  return text == nullptr ? std::string() : bounded_text(text, kMaxClaimText);
}

/// Splits at `separator`, leaving out empty parts.
std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    if (end > begin) parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

template <typename Word>
Expected<std::vector<Word>> words(const char* claim, std::string_view field,
                                  std::optional<Word> (*read)(std::string_view), const std::string& known) {
  std::vector<Word> result;
  for (const std::string& name : split(claim_text(claim), ',')) {
    const auto word = read(name);
    if (!word) return broken(fmt::format("claims '{}' among its {}: known are {}", name, field, known));
    result.push_back(*word);
  }
  if (result.empty()) return broken(fmt::format("claims no {}: known are {}", field, known));
  return result;
}

}  // namespace

std::string bounded_text(const char* text, std::size_t bytes) {
  std::string result(text, ::strnlen(text, bytes));
  for (char& c : result)
    if (static_cast<unsigned char>(c) < 0x20 && c != '\n') c = ' ';
  return result;
}

Expected<Capabilities> checked_claims(const dropcheck_capabilities& claims) {
  Capabilities c;
  c.name = claim_text(claims.name);
  if (c.name.empty()) return broken("gives no name");
  c.version = claim_text(claims.version);
  c.library = claim_text(claims.library);
  c.device = claims.device == nullptr ? "cpu" : claim_text(claims.device);
  c.exact_stream = claim_text(claims.exact_stream);
  c.offset_unit = claim_text(claims.offset_unit);
  c.notes = split(claim_text(claims.notes), '\n');
  auto ops = words<Op>(claims.ops, "ops", op_from, known_ops());
  if (!ops) return ops.error();
  c.ops = std::move(*ops);
  auto dtypes = words<DType>(claims.dtypes, "dtypes", dtype_from, known_dtypes());
  if (!dtypes) return dtypes.error();
  c.dtypes = std::move(*dtypes);
  auto layouts = words<Layout>(claims.layouts, "layouts", layout_from, known_layouts());
  if (!layouts) return layouts.error();
  c.layouts = std::move(*layouts);
  const auto semantics = seed_semantics_from(claim_text(claims.seed_semantics));
  if (!semantics)
    return broken(fmt::format("claims the seed semantics '{}': known are per_call, stateful, fixed, none",
                              claim_text(claims.seed_semantics)));
  c.seed_semantics = *semantics;
  if (claims.seed_bits < 1 || claims.seed_bits > 64)
    return broken(fmt::format("claims {} seed bits: 1 to 64 are possible", claims.seed_bits));
  c.seed_bits = claims.seed_bits;
  const auto can = [&](std::uint32_t feature) { return (claims.features & feature) != 0; };
  c.backward = can(DROPCHECK_CAN_BACKWARD);
  c.in_place = can(DROPCHECK_CAN_IN_PLACE);
  c.threads = can(DROPCHECK_CAN_SET_THREADS);
  c.mask_output = can(DROPCHECK_CAN_RETURN_MASK);
  c.packed_mask = can(DROPCHECK_CAN_RETURN_PACKED_MASK);
  c.constant_input = can(DROPCHECK_CAN_TAKE_CONSTANT);
  c.recompute = can(DROPCHECK_CAN_RECOMPUTE);
  c.reports_rng_words = can(DROPCHECK_REPORTS_RNG_WORDS);
  c.effective_rate = can(DROPCHECK_DECLARES_EFFECTIVE_P);
  // The host zeroed the struct: fields that an older plugin does not know are null.
  c.forms = split(claim_text(claims.forms), ',');
  c.conforms_to = claim_text(claims.conforms_to);
  c.promises = split(claim_text(claims.promises), ',');
  for (const std::string& promise : c.promises)
    if (!is_promise(promise))
      return broken(fmt::format("claims '{}' among its promises: known are {}", promise, known_promises()));
  if (auto contradiction = contradiction_in(c.promises)) return broken(*contradiction);
  return c;
}

Expected<Observation> checked_result(const dropcheck_result& result) {
  Observation seen;
  if (result.produced_ndim > DROPCHECK_MAX_RANK || result.produced_ndim < -1)
    return broken(fmt::format("reports a result of {} dimensions", result.produced_ndim));
  if (result.produced_ndim >= 0) {
    const auto rank = static_cast<std::size_t>(result.produced_ndim);
    seen.produced_shape.assign(result.produced_shape, result.produced_shape + rank);
    if (result.has_produced_strides != 0)
      seen.produced_strides.assign(result.produced_strides, result.produced_strides + rank);
    seen.produced_dtype = dtype_of(result.produced_dtype);
    if (!seen.produced_dtype && result.produced_dtype.bits != 0)
      return broken(fmt::format("reports a result of the unknown dtype (code {}, {} bits)",
                                result.produced_dtype.code, result.produced_dtype.bits));
  }
  if (result.aliases_input >= 0) seen.aliases_input = result.aliases_input != 0;
  if (result.version_delta >= 0) seen.version_delta = result.version_delta;
  if (result.rng_words >= 0) seen.rng_words = static_cast<std::uint64_t>(result.rng_words);
  if (!std::isnan(result.effective_p)) {
    if (!(result.effective_p >= 0 && result.effective_p <= 1))
      return broken(fmt::format("declares the effective drop probability {}", result.effective_p));
    seen.effective_p = result.effective_p;
  }
  seen.warnings = split(bounded_text(result.warnings, sizeof result.warnings), '\n');
  for (const std::string& line : split(bounded_text(result.facts, sizeof result.facts), '\n')) {
    const std::size_t equals = line.find('=');
    if (equals == std::string::npos || equals == 0)
      return broken(fmt::format("reports the fact '{}': write NAME=VALUE", line));
    seen.facts[line.substr(0, equals)] = line.substr(equals + 1);
  }
  seen.saved.id = result.saved;
  return seen;
}

}  // namespace dropcheck::plugin_host
