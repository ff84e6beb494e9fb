#include "harness/core/backend.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace dropcheck {
namespace {

template <typename Range, typename Value>
bool contains(const Range& range, const Value& value) {
  return std::find(range.begin(), range.end(), value) != range.end();
}

constexpr std::array kPromises = {Feature::batch_split, Feature::coupled_thresholds,
                                  Feature::independent_ranks, Feature::equal_ranks, Feature::replay};

}  // namespace

std::string_view to_string(SeedSemantics semantics) {
  switch (semantics) {
    case SeedSemantics::per_call: return "per_call";
    case SeedSemantics::stateful: return "stateful";
    case SeedSemantics::fixed: return "fixed";
    case SeedSemantics::none: return "none";
  }
  return "none";
}

std::optional<SeedSemantics> seed_semantics_from(std::string_view name) {
  for (const auto s :
       {SeedSemantics::per_call, SeedSemantics::stateful, SeedSemantics::fixed, SeedSemantics::none})
    if (to_string(s) == name) return s;
  return std::nullopt;
}

std::string_view to_string(Feature feature) {
  switch (feature) {
    case Feature::backward: return "backward";
    case Feature::in_place: return "in_place";
    case Feature::seeds: return "seeds";
    case Feature::continues_stream: return "calls that continue a stream";
    case Feature::threads: return "threads";
    case Feature::mask_output: return "mask_output";
    case Feature::effective_rate: return "effective_rate";
    case Feature::exact_stream: return "an exact stream";
    case Feature::pytorch_conformance: return "conformance to PyTorch";
    case Feature::rng_words: return "counting of generator words";
    case Feature::recompute: return "recompute";
    case Feature::batch_split: return "batch_split";
    case Feature::coupled_thresholds: return "coupled_thresholds";
    case Feature::independent_ranks: return "independent_ranks";
    case Feature::equal_ranks: return "equal_ranks";
    case Feature::replay: return "replay";
  }
  return "unknown";
}

bool is_promise(std::string_view word) {
  return std::any_of(kPromises.begin(), kPromises.end(),
                     [&](Feature promise) { return to_string(promise) == word; });
}

std::string known_promises() {
  std::string known;
  for (const Feature promise : kPromises) known.append(known.empty() ? "" : ", ").append(to_string(promise));
  return known;
}

std::optional<std::string> contradiction_in(const std::vector<std::string>& promises) {
  if (contains(promises, to_string(Feature::independent_ranks)) &&
      contains(promises, to_string(Feature::equal_ranks)))
    return "promises independent_ranks and equal_ranks: only one of them can hold";
  return std::nullopt;
}

std::optional<std::string> missing_capability(const Capabilities& c, const Problem& problem) {
  if (!contains(c.ops, problem.op)) return fmt::format("op {}", to_string(problem.op));
  if (!contains(c.dtypes, problem.dtype)) return fmt::format("dtype {}", to_string(problem.dtype));
  if (!contains(c.layouts, problem.layout)) return fmt::format("layout {}", to_string(problem.layout));
  if (problem.in_place && !c.in_place) return "in_place";
  if (problem.threads != 0 && !c.threads) return "threads";
  if (problem.offset != 0 && c.offset_unit.empty()) return "RNG offsets";
  return std::nullopt;
}

std::optional<std::string> missing_form(const Capabilities& c, const Attributes& attributes) {
  const std::string form = form_of(attributes);
  if (form.empty() || contains(c.forms, form)) return std::nullopt;
  return fmt::format("form \"{}\"", form);
}

bool has_feature(const Capabilities& c, Feature feature) {
  switch (feature) {
    case Feature::backward: return c.backward;
    case Feature::in_place: return c.in_place;
    case Feature::seeds:
      return c.seed_semantics == SeedSemantics::stateful || c.seed_semantics == SeedSemantics::per_call;
    case Feature::continues_stream: return c.seed_semantics != SeedSemantics::per_call;
    case Feature::threads: return c.threads;
    case Feature::mask_output: return c.mask_output;
    case Feature::effective_rate: return c.effective_rate;
    case Feature::exact_stream: return !c.exact_stream.empty();
    case Feature::pytorch_conformance: return c.conforms_to == "pytorch";
    case Feature::rng_words: return c.reports_rng_words;
    case Feature::recompute: return c.recompute;
    case Feature::batch_split:
    case Feature::coupled_thresholds:
    case Feature::independent_ranks:
    case Feature::equal_ranks:
    case Feature::replay: return contains(c.promises, to_string(feature));
  }
  return false;
}

}  // namespace dropcheck
