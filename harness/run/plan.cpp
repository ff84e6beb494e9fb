#include "harness/run/plan.hpp"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <set>

#include "harness/core/descriptor.hpp"
#include "harness/core/hash.hpp"
#include "harness/run/stream_lock_check.hpp"
#include "harness/stats/escalation.hpp"

namespace dropcheck {
namespace {

constexpr std::uint64_t kCaseEntries = std::uint64_t{1} << 22;  // mask entries of a case outside the profile
constexpr std::uint64_t kMostCaseBlocks = 4096;  // tiny tensors: a reseed for each would take all the time
constexpr std::uint64_t kCaseElements = std::uint64_t{1} << 26;  // and no more elements than this

Error usage(std::string message) { return Error{ErrorCode::invalid_argument, std::move(message)}; }

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  std::size_t at = 0;
  while ((at = line.find_first_not_of(" \t", at)) != std::string_view::npos) {
    const std::size_t end = std::min(line.find_first_of(" \t", at), line.size());
    words.emplace_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

/// The parts of a list with commas.
std::vector<std::string> parts_of(std::string list) {
  std::replace(list.begin(), list.end(), ',', ' ');
  return words_of(list);
}

bool subscribes(const Check& check, const Protocol& protocol) {
  const auto& ids = check.info().protocols;
  return std::find(ids.begin(), ids.end(), protocol.id) != ids.end();
}

/// Streaming samples read masks, and only some protocols say anything about tensors without elements.
bool suits(const Protocol& protocol, const Problem& problem) {
  if (protocol.streaming) return draws_mask(problem);
  return protocol.handles_empty || element_count(problem.shape) > 0;
}

/// The cells of one sample, without shares. `left_out` collects the statistics whose rule fails.
std::vector<PlannedCell> cells_of(const Registry& registry, const Protocol& protocol, const SampleInfo& info,
                                  std::vector<LeftOut>& left_out) {
  std::vector<PlannedCell> cells;
  if (!suits(protocol, info.problem)) return cells;
  for (const auto& check : registry.checks()) {
    if (!subscribes(*check, protocol)) continue;
    const Applicability applicability = check->applies(info);
    if (applicability.applies) cells.push_back({check.get(), 0, check->hypotheses(info)});
    else if (!applicability.left_out.empty())
      left_out.push_back({check->info().id, print_descriptor(info.problem), applicability.left_out});
  }
  return cells;
}

std::uint32_t calls_of(const Protocol& protocol, const Problem& problem) {
  return protocol.takes_calls ? problem.calls.value_or(protocol.default_calls) : protocol.default_calls;
}

std::optional<std::uint64_t> positive(const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value > 0 ? std::optional(value)
                                                                               : std::nullopt;
}

/// The protocols that ask their own questions, as far as these take at most so many elements; of them those
/// that are named, or all where none is.
void add_own_samples(const Registry& registry, std::uint64_t most_elements,
                     const std::set<std::string>& named, std::vector<PlannedSample>& samples,
                     std::vector<LeftOut>& left_out) {
  for (const Protocol& protocol : registry.protocols()) {
    if (!protocol.own_problem || protocol.id == kStreamLockProtocol) continue;
    if (!named.empty() && !named.contains(protocol.id)) continue;
    const Problem& problem = *protocol.own_problem;
    PlannedSample sample{&protocol, {protocol.id, problem, 1, calls_of(protocol, problem)}, {}};
    sample.cells = cells_of(registry, protocol, sample.info, left_out);
    if (sample.elements() > most_elements) {
      for (const PlannedCell& cell : sample.cells)
        left_out.push_back({cell.check->info().id, print_descriptor(problem),
                            fmt::format("it asks for {} elements, more than the {} of this profile",
                                        sample.elements(), most_elements)});
      continue;
    }
    if (!sample.cells.empty()) samples.push_back(std::move(sample));
  }
}

/// A stream lock that was asked for stands in every plan, however many elements it has.
void add_stream_lock_sample(const Registry& registry, std::vector<PlannedSample>& samples,
                            std::vector<LeftOut>& left_out) {
  const Protocol* protocol = registry.protocol(kStreamLockProtocol);
  if (protocol == nullptr) return;
  const Problem& problem = *protocol->own_problem;
  PlannedSample sample{protocol, {protocol->id, problem, 1, calls_of(*protocol, problem)}, {}};
  sample.cells = cells_of(registry, *protocol, sample.info, left_out);
  if (!sample.cells.empty()) samples.push_back(std::move(sample));
}

/// Samples of a profile's text, in its order; the other lines go to the plan.
Expected<std::vector<PlannedSample>> profile_samples(const Registry& registry, std::string_view text,
                                                     Plan& plan) {
  std::vector<PlannedSample> samples;
  std::set<std::string> seen;
  std::size_t line_number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++line_number;
    line = line.substr(0, line.find('#'));
    const std::vector<std::string> words = words_of(line);
    if (words.empty()) continue;
    const std::optional<std::uint64_t> count = words.size() > 1 ? positive(words[1]) : std::nullopt;
    if ((words.size() == 2 || words.size() == 3) && words[0] == "own" && count) {
      std::set<std::string> named;
      if (words.size() == 3)
        for (const std::string& id : parts_of(words[2])) {
          const Protocol* protocol = registry.protocol(id);
          if (protocol == nullptr || !protocol->own_problem)
            return usage(fmt::format("profile line {}: '{}' is no protocol that asks its own questions",
                                     line_number, id));
          named.insert(id);
        }
      add_own_samples(registry, *count, named, samples, plan.left_out);
      continue;
    }
    if (words.size() == 2 && words[0] == "random_problems" && count && *count <= kMostRandomProblems) {
      plan.random_problems = *count;
      continue;
    }
    if (words.size() != 3 || !count)
      return usage(fmt::format(
          "profile line {}: write PROTOCOL BLOCKS DESCRIPTOR, own ELEMENTS [PROTOCOLS] or random_problems "
          "COUNT",
          line_number));
    auto problems = expand_descriptor(words[2]);
    if (!problems) return usage(fmt::format("profile line {}: {}", line_number, problems.error().message));
    std::vector<const Protocol*> protocols;
    for (const Protocol& protocol : registry.protocols())
      if (protocol.id == words[0] ||
          (words[0] == "exact" && !protocol.streaming && !protocol.named_only && !protocol.own_problem))
        protocols.push_back(&protocol);
    if (protocols.empty())
      return usage(fmt::format("profile line {}: protocol '{}' is not known", line_number, words[0]));
    for (const Problem& problem : *problems) {
      for (const Protocol* protocol : protocols) {
        if (!seen.insert(protocol->id + " " + print_descriptor(problem)).second)
          return usage(
              fmt::format("profile line {}: {} stands twice", line_number, print_descriptor(problem)));
        PlannedSample sample{protocol, {protocol->id, problem, *count, calls_of(*protocol, problem)}, {}};
        sample.cells = cells_of(registry, *protocol, sample.info, plan.left_out);
        if (!sample.cells.empty()) samples.push_back(std::move(sample));
      }
    }
  }
  add_stream_lock_sample(registry, samples, plan.left_out);
  for (const auto& check : registry.checks()) {
    if (!check->info().protocols.empty()) continue;
    PlannedSample sample;
    sample.cells.push_back({check.get(), 0, 0});
    samples.push_back(std::move(sample));
  }
  return samples;
}

/// The plan of a case that stands in no profile: every protocol, with the whole budget.
std::vector<PlannedSample> case_samples(const Registry& registry, const Problem& problem,
                                        std::vector<LeftOut>& left_out) {
  std::vector<PlannedSample> samples;
  for (const Protocol& protocol : registry.protocols()) {
    if (protocol.streaming && protocol.named_only) continue;  // a case has not the size that it needs
    if (protocol.own_problem) continue;                       // asks its own questions
    SampleInfo info{protocol.id, problem, 1, calls_of(protocol, problem)};
    if (protocol.streaming) {
      const std::uint64_t entries = std::max<std::uint64_t>(info.mask_entries(), 1);
      const std::uint64_t elements = std::max<std::uint64_t>(info.elements(), 1);
      const std::uint64_t wanted = std::min((kCaseEntries + entries - 1) / entries, kCaseElements / elements);
      info.blocks = std::clamp<std::uint64_t>(wanted, 1, kMostCaseBlocks);
    }
    PlannedSample sample{&protocol, info, {}};
    sample.cells = cells_of(registry, protocol, info, left_out);
    if (!sample.cells.empty()) samples.push_back(std::move(sample));
  }
  return samples;
}

/// All that the detectable effect of a cell depends on: dtype and layout matter no more than by the orders
/// in which entries are read.
std::string effect_key(const PlannedSample& sample, const PlannedCell& cell) {
  Problem problem = sample.info.problem;
  problem.dtype = DType::f32;
  problem.layout = Layout::contiguous;
  problem.seed.reset();
  return fmt::format("{} {} {} {} {} {}", cell.check->info().id, print_descriptor(problem),
                     sample.info.blocks, sample.info.calls, cell.hypotheses, cell.alpha);
}

/// Where nearly nothing or nearly everything is dropped, laws are skewed and samples show less than their
/// size promises.
constexpr double kRareVariance = 0.005;
constexpr double kRareAllowance = 8;

bool is_full(const Problem& problem) {
  return problem.op == Op::dropout && problem.dtype == DType::f32 && problem.layout == Layout::contiguous;
}

/// What the profile wants to be detectable; absent where it asks for nothing. The size of a case outside the
/// profile does not depend on the profile: it is held to the least that any profile asks of its smaller
/// cells.
std::optional<double> required_effect(const Plan& plan, const PlannedSample& sample, const Check& check) {
  const bool is_case = plan.profile == "case";
  const bool full =
      !is_case && is_full(sample.info.problem) && sample.info.protocol == check.info().protocols.front();
  std::optional<double> effect;
  for (const RequiredEffect& required : check.info().required) {
    if (!is_case && required.profile != plan.requested_profile) continue;
    effect = std::max(effect.value_or(0), full ? required.full : required.other);
  }
  if (!effect) return std::nullopt;
  const double p = sample.info.problem.p;
  return *effect * effect_scale(check.info().effect_scale, p) *
         (p * (1 - p) < kRareVariance ? kRareAllowance : 1);
}

void state_effects(const Plan& plan, std::vector<PlannedSample>& samples) {
  std::map<std::string, std::optional<MinimumDetectableEffect>> known;
  for (PlannedSample& sample : samples)
    for (PlannedCell& cell : sample.cells) {
      if (cell.alpha <= 0) continue;
      const auto [at, is_new] = known.try_emplace(effect_key(sample, cell));
      if (is_new) at->second = planned_effect(*cell.check, sample.info, cell.alpha);
      cell.detectable = at->second;
      cell.required = required_effect(plan, sample, *cell.check);
    }
}

/// alpha * weight / (all hypotheses that the check tests in these samples), for each hypothesis.
void allot_shares(std::vector<PlannedSample>& samples, double alpha) {
  std::map<const Check*, std::uint64_t> hypotheses;
  for (const PlannedSample& sample : samples)
    for (const PlannedCell& cell : sample.cells) hypotheses[cell.check] += cell.hypotheses;
  for (PlannedSample& sample : samples)
    for (PlannedCell& cell : sample.cells)
      if (cell.hypotheses > 0)
        cell.alpha = alpha * cell.check->info().weight / static_cast<double>(hypotheses[cell.check]);
}

bool matches(const PlanOptions& options, const Check& check) {
  if (!options.suites.empty() &&
      std::find(options.suites.begin(), options.suites.end(), check.info().suite()) == options.suites.end())
    return false;
  return options.check_glob.empty() || fnmatch(options.check_glob.c_str(), check.info().id.c_str(), 0) == 0;
}

Status known_filters(const Registry& registry, const PlanOptions& options) {
  std::set<std::string> suites;
  bool any = false;
  for (const auto& check : registry.checks()) {
    suites.insert(check->info().suite());
    any = any || matches(options, *check);
  }
  for (const std::string& suite : options.suites)
    if (!suites.contains(suite))
      return usage(fmt::format("suite '{}' is not known: write one of {}", suite, fmt::join(suites, ", ")));
  if (!any)
    return usage(
        fmt::format("no check matches '{}': 'dropcheck list checks' shows their names", options.check_glob));
  return Done{};
}

std::string text_of(const Plan& plan, const std::string& dialect_content) {
  std::string text =
      fmt::format("{}|{}|{}|{}\n", DROPCHECK_VERSION, plan.profile, plan.alpha, plan.master_seed);
  text += dialect_content;
  for (const PlannedSample& sample : plan.samples) {
    text += fmt::format("{} {} {} {}\n", sample.info.protocol, sample.case_text(),
                        sample.protocol != nullptr ? sample.info.blocks : plan.random_problems,
                        sample.info.calls);
    for (const PlannedCell& cell : sample.cells)
      text += fmt::format("  {} {} {}\n", cell.check->info().id, cell.hypotheses, cell.alpha);
  }
  return text;
}

}  // namespace

std::string PlannedSample::case_text() const {
  return protocol != nullptr ? print_descriptor(info.problem) : std::string(kRandomProblems);
}

std::uint64_t PlannedSample::elements() const {
  if (protocol == nullptr) return 0;
  if (protocol->streaming) return info.elements();
  std::uint64_t total = 0;
  for (const Step& step : protocol->steps(info, 0))
    total += static_cast<std::uint64_t>(element_count(step.problem.shape));
  return total * info.blocks;
}

std::uint64_t Plan::elements() const {
  std::uint64_t total = 0;
  for (const PlannedSample& sample : samples) total += sample.elements();
  return total;
}

std::size_t Plan::cells() const {
  std::size_t total = 0;
  for (const PlannedSample& sample : samples)
    total += static_cast<std::size_t>(std::count_if(sample.cells.begin(), sample.cells.end(),
                                                    [](const PlannedCell& cell) { return !cell.hidden; }));
  return total;
}

Expected<Plan> make_plan(const Registry& registry, const PlanOptions& options) {
  if (!(options.alpha > 0 && options.alpha < 1))
    return usage(
        fmt::format("alpha={} is no significance level: write a number above 0 and below 1", options.alpha));
  const auto text = registry.profile(options.profile);
  if (!text) return text.error();
  const Status filters = known_filters(registry, options);
  if (!filters) return filters.error();

  Plan plan;
  plan.profile = plan.requested_profile = options.profile;
  plan.dialect = options.dialect;
  plan.alpha = options.alpha;
  plan.master_seed = options.master_seed;
  auto samples = profile_samples(registry, *text, plan);
  if (!samples) return samples.error();
  if (options.only_case) {
    // Protocols with a problem of their own are filed under a case; they are meant only where a check is
    // named.
    const auto is_case = [&](const PlannedSample& s) {
      return s.protocol != nullptr && s.info.problem == *options.only_case &&
             (!s.protocol->own_problem || !options.check_glob.empty());
    };
    if (std::any_of(samples->begin(), samples->end(), is_case)) {
      allot_shares(*samples, plan.alpha);
      std::erase_if(*samples, [&](const PlannedSample& s) { return !is_case(s); });
    } else {
      plan.profile = "case";
      plan.left_out.clear();
      *samples = case_samples(registry, *options.only_case, plan.left_out);
      allot_shares(*samples, plan.alpha);
    }
    plan.filters += fmt::format(" case={}", print_descriptor(*options.only_case));
    const std::string only = print_descriptor(*options.only_case);
    std::erase_if(plan.left_out, [&](const LeftOut& l) { return l.problem != only; });
  } else {
    allot_shares(*samples, plan.alpha);
  }
  if (!options.suites.empty()) plan.filters += fmt::format(" suite={}", fmt::join(options.suites, ","));
  if (!options.check_glob.empty()) plan.filters += fmt::format(" check={}", options.check_glob);
  if (!plan.filters.empty()) plan.filters.erase(0, 1);
  for (PlannedSample& sample : *samples) {
    for (PlannedCell& cell : sample.cells) cell.hidden = !matches(options, *cell.check);
    const bool statistical = std::any_of(sample.cells.begin(), sample.cells.end(),
                                         [](const PlannedCell& c) { return !c.hidden && c.alpha > 0; });
    std::erase_if(sample.cells, [&](const PlannedCell& cell) {
      return cell.hidden && !(statistical && cell.check->info().estimates_rate);
    });
  }
  std::erase_if(*samples, [](const PlannedSample& sample) { return sample.cells.empty(); });
  state_effects(plan, *samples);
  std::erase_if(plan.left_out, [&](const LeftOut& l) { return !matches(options, *registry.check(l.check)); });
  plan.samples = std::move(*samples);
  plan.hash = text_fingerprint(text_of(plan, options.dialect_content));
  return plan;
}

std::optional<MinimumDetectableEffect> planned_effect(const Check& check, const SampleInfo& sample,
                                                      double share) {
  auto effect = check.detectable(sample, share, kBeta);
  if (!effect) return std::nullopt;
  effect->value = stats::escalated_min_effect(
      stats::stage_levels(share), kBeta, [&](unsigned size_factor, double alpha, double beta) {
        SampleInfo larger = sample;
        larger.blocks *= size_factor;
        const auto found = check.detectable(larger, alpha, beta);
        return found ? found->value : std::numeric_limits<double>::infinity();
      });
  effect->power = kPower;
  return effect;
}

unsigned seed_slots(const Protocol& protocol, const SampleInfo& sample, SeedSemantics semantics) {
  unsigned slots = 1, unseeded = 0;
  for (const Step& step : protocol.steps(sample, 0)) {
    slots = std::max(slots, step.seed_slot.value_or(0) + 1);
    unseeded += step.seed_slot || step.own_seed ? 0u : 1u;
  }
  return slots + (semantics == SeedSemantics::per_call ? unseeded : 0);
}

}  // namespace dropcheck
