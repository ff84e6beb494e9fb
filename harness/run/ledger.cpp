#include "harness/run/ledger.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <stdexcept>

#include "harness/core/descriptor.hpp"
#include "harness/core/hash.hpp"
#include "harness/run/atomic_file.hpp"
#include "harness/run/ledger_text.hpp"
#include "harness/run/stored_json.hpp"

namespace dropcheck {
namespace {

/// Seeds of fewer bits meet again within the nights of a few years.
constexpr unsigned kFreshSeedBits = 32;
constexpr std::uint64_t kMostEntries = std::uint64_t{1} << 53;  // that the evidence is computed for

Error refusal(std::string message) { return {ErrorCode::invalid_argument, std::move(message)}; }

/// Through symbolic links, so that what they point to is replaced and not they.
std::string real_path(const std::string& path) {
  std::error_code fault;
  const auto real = std::filesystem::canonical(path, fault);
  return fault ? path : real.string();
}

/// Why equal masks may come back in another run; empty where they do not.
std::string why_not_fresh(const Capabilities& c) {
  switch (c.seed_semantics) {
    case SeedSemantics::fixed: return "it has one seed for its life, so every run may see the same masks";
    case SeedSemantics::none: return "it takes no seed, so every run may see the same masks";
    case SeedSemantics::per_call:
    case SeedSemantics::stateful: break;
  }
  if (c.seed_bits < kFreshSeedBits)
    return fmt::format("its seeds have {} bits, so runs see the same masks again", c.seed_bits);
  return {};
}

std::string contract_of(const std::string& dialect, const Capabilities& c) {
  return fmt::format("dialect={} name={} seeds={}/{} stream={}", dialect, c.name, to_string(c.seed_semantics),
                     c.seed_bits, c.exact_stream);
}

/// A single count by name, where it can be one.
std::optional<std::uint64_t> count(const Statistic& s, std::string_view name) {
  const auto found =
      std::find_if(s.counts.begin(), s.counts.end(), [&](const auto& c) { return c.first == name; });
  if (found == s.counts.end() || found->second.size() != 1) return std::nullopt;
  const Int128 value = found->second.front();
  if (value < 0 || value > Int128{kMostEntries}) return std::nullopt;
  return static_cast<std::uint64_t>(value);
}

bool tests_rate(const Statistic& s, double p) {
  return std::any_of(s.null_parameters.begin(), s.null_parameters.end(),
                     [&](const auto& parameter) { return parameter.first == "p" && parameter.second == p; });
}

/// The integers of a statistic that the ledger follows.
std::optional<LedgerHypothesis> counted(const Statistic& s) {
  LedgerHypothesis h;
  if (s.id == "S1") {
    const auto n = count(s, "n"), x = count(s, "x");
    if (!n || !x || *x > *n) return std::nullopt;
    h.kind = LedgerKind::rate;
    h.drops = {*n, *x};
    return h;
  }
  if (s.id != "S6" || (s.name != "lag 1" && !s.name.starts_with("lag 1,"))) return std::nullopt;
  const auto n = count(s, "n"), n11 = count(s, "n11"), left = count(s, "n1L"), right = count(s, "n1R");
  if (!n || !n11 || !left || !right) return std::nullopt;
  h.kind = LedgerKind::lag;
  h.pairs = {*n11, *left, *right, *n};
  return stats::is_possible(h.pairs) ? std::optional(h) : std::nullopt;
}

std::uint64_t size_of(const LedgerHypothesis& h) {
  return h.kind == LedgerKind::rate ? h.drops.n : h.pairs.n;
}

bool is_same(const LedgerHypothesis& a, const LedgerHypothesis& b) {
  return a.problem == b.problem && a.name == b.name && a.check == b.check && a.id == b.id &&
         a.version == b.version && a.p == b.p && a.kind == b.kind;
}

double ln_evidence(const LedgerHypothesis& h) {
  if (h.kind == LedgerKind::rate) return stats::ln_rate_e(h.drops, h.p);
  return stats::ln_mean_e(
      std::array{stats::ln_context_e(stats::left_contexts(h.pairs), h.p), stats::ln_lag_e(h.pairs, h.p)});
}

double ln_threshold(const LedgerContent& content, const LedgerHypothesis& h) {
  const double g = static_cast<double>(h.generation);
  const double members = static_cast<double>(content.generations[h.generation - 1]);
  return std::log(g * (g + 1) * members) - std::log(content.alpha);
}

/// No later version or contract of the same backend on the same device has come since.
bool is_current(const LedgerContent& content, const LedgerEpoch& epoch) {
  return std::none_of(content.epochs.begin(), content.epochs.end(), [&](const LedgerEpoch& other) {
    return other.backend == epoch.backend && other.device == epoch.device && other.last_run > epoch.last_run;
  });
}

double estimate_of(const LedgerHypothesis& h) {
  const double n = static_cast<double>(size_of(h));
  if (n == 0) return h.kind == LedgerKind::rate ? h.p : 0.0;
  if (h.kind == LedgerKind::rate) return static_cast<double>(h.drops.x) / n;
  return stats::pair_correlation(h.pairs, h.p);
}

}  // namespace

Expected<Ledger> Ledger::read(const std::string& path) {
  Ledger ledger;
  ledger.path_ = real_path(path);
  auto bytes = read_plain_file(ledger.path_, kMaxLedgerBytes);
  if (!bytes) return refusal(fmt::format("ledger: {}", bytes.error().message));
  if (!bytes->has_value()) return refusal(fmt::format("ledger '{}' does not exist", path));
  auto content = parse_ledger(**bytes, path);
  if (!content) return content.error();
  ledger.content_ = *std::move(content);
  ledger.bytes_ = text_fingerprint(**bytes);
  return ledger;
}

Expected<Ledger> Ledger::open(const std::string& path) {
  const std::string real = real_path(path);
  const auto folder = std::filesystem::path(real).parent_path();
  std::error_code ignored;
  if (path.empty() || (!folder.empty() && !std::filesystem::is_directory(folder, ignored)))
    return refusal(fmt::format("ledger '{}': its folder does not exist; make it or name another file", path));
  auto lock = FileLock::take(real + ".lock");
  if (!lock) return refusal(fmt::format("ledger '{}': {}", path, lock.error().message));
  // Only now: before, another run might have been about to replace it.
  auto exists = read_plain_file(real, kMaxLedgerBytes);
  if (!exists) return refusal(fmt::format("ledger: {}", exists.error().message));
  Ledger ledger;
  if (exists->has_value()) {
    auto found = read(real);
    if (!found) return found.error();
    ledger = std::move(*found);
  }
  ledger.path_ = real;
  ledger.lock_ = std::move(*lock);
  return ledger;
}

Status Ledger::check_unused(const std::string& plan_hash, std::uint64_t master_seed) const {
  const LedgerRun* other = nullptr;
  for (const LedgerRun& run : content_.runs) {
    if (run.master_seed != master_seed) continue;
    if (run.plan_hash == plan_hash)
      return refusal(fmt::format("seed {:#x} was already used with this plan in {}: use --vary-seed",
                                 master_seed, path_));
    other = &run;
  }
  if (other != nullptr)
    return refusal(
        fmt::format("seed {:#x} was already used with another plan in {}, and equal seeds give equal "
                    "masks: use --vary-seed",
                    master_seed, path_));
  return Done{};
}

void Ledger::begin_run(const RunHeader& header) {
  if (run_begun_) {
    const LedgerRun& run = content_.runs.back();
    if (run.plan_hash != header.plan_hash || run.master_seed != header.master_seed)
      throw std::logic_error("ledger: results of two runs");
    return;
  }
  if (const Status unused = check_unused(header.plan_hash, header.master_seed); !unused)
    throw std::logic_error(unused.error().message);
  content_.runs.push_back({header.plan_hash, header.master_seed});
  run_begun_ = true;
}

LedgerEpoch& Ledger::epoch_of(const std::string& dialect, const BackendRecord& backend) {
  const Capabilities& c = backend.capabilities;
  LedgerEpoch epoch;
  epoch.backend = stored::as_stored(backend.spec);
  epoch.version = stored::as_stored(c.version);
  epoch.device = stored::as_stored(c.device);
  epoch.contract = stored::as_stored(contract_of(dialect, c));
  epoch.first_run = content_.runs.size();
  auto found = std::find_if(content_.epochs.begin(), content_.epochs.end(), [&](const LedgerEpoch& e) {
    return e.backend == epoch.backend && e.version == epoch.version && e.device == epoch.device &&
           e.contract == epoch.contract;
  });
  if (found == content_.epochs.end()) found = content_.epochs.insert(found, std::move(epoch));
  found->last_run = content_.runs.size();
  return *found;
}

void Ledger::add_statistic(LedgerEpoch& epoch, const ResultRecord& result, double p,
                           const Statistic& statistic) {
  auto fresh = counted(statistic);
  // Re-centred at what the same data showed, a statistic is no evidence about the declared rate.
  if (!fresh || !tests_rate(statistic, p)) return;
  fresh->check = stored::as_stored(result.check);
  fresh->id = stored::as_stored(statistic.id);
  fresh->version = statistic.version;
  fresh->name = stored::as_stored(statistic.name);
  fresh->problem = stored::as_stored(result.problem);
  fresh->p = p;
  auto& all = epoch.hypotheses;
  auto known =
      std::find_if(all.begin(), all.end(), [&](const LedgerHypothesis& h) { return is_same(h, *fresh); });
  if (known == all.end()) {
    if (!generation_begun_) content_.generations.push_back(0);
    generation_begun_ = true;
    ++content_.generations.back();
    LedgerHypothesis empty = *fresh;
    empty.drops = {};
    empty.pairs = {};
    empty.generation = content_.generations.size();
    known = all.insert(known, std::move(empty));
  }
  if (size_of(*known) + size_of(*fresh) > kMostEntries) return;  // full: what it has says enough
  known->drops.n += fresh->drops.n;
  known->drops.x += fresh->drops.x;
  known->pairs += fresh->pairs;
  const auto place = std::pair(static_cast<std::size_t>(&epoch - content_.epochs.data()),
                               static_cast<std::size_t>(known - all.begin()));
  if (touched_.insert(place).second) ++known->runs;
}

void Ledger::add(const RunHeader& header, const ResultRecord& result) {
  begin_run(header);
  const auto backend = std::find_if(header.backends.begin(), header.backends.end(),
                                    [&](const BackendRecord& b) { return b.spec == result.backend; });
  if (backend == header.backends.end())
    throw std::logic_error("ledger: a result of a backend that is not there");
  if (result.verdict == Verdict::expected_fail) return;
  const auto problem = parse_descriptor(result.problem);
  if (!problem || problem->seed) return;
  const bool declared = result.effective_p && *result.effective_p > 0 && *result.effective_p < 1;
  const double p = declared ? *result.effective_p : problem->p;
  if (!(p > 0 && p < 1)) return;

  std::vector<const Statistic*> followed;
  const auto follow = [&](const std::vector<Statistic>& statistics) {
    for (const Statistic& s : statistics)
      if (counted(s)) followed.push_back(&s);
  };
  follow(result.statistics);
  for (const StageRecord& stage : result.stages) follow(stage.statistics);
  if (followed.empty()) return;
  if (!added_.insert({result.backend, result.check, result.problem, result.protocol}).second) return;
  if (const std::string reason = why_not_fresh(backend->capabilities); !reason.empty()) {
    const std::string note = fmt::format("{} is not in the ledger: {}", result.backend, reason);
    if (std::find(left_out_.begin(), left_out_.end(), note) == left_out_.end()) left_out_.push_back(note);
    return;
  }
  LedgerEpoch& epoch = epoch_of(header.dialect, *backend);
  for (const Statistic* s : followed) add_statistic(epoch, result, p, *s);
}

std::vector<LedgerEvidence> Ledger::evidence() const {
  std::vector<LedgerEvidence> lines;
  for (const LedgerEpoch& epoch : content_.epochs) {
    const bool current = is_current(content_, epoch);
    for (const LedgerHypothesis& h : epoch.hypotheses) {
      LedgerEvidence line;
      line.backend = epoch.backend;
      line.version = epoch.version;
      line.device = epoch.device;
      line.contract = epoch.contract;
      line.check = h.check;
      line.statistic = h.name;
      line.problem = h.problem;
      line.p = h.p;
      line.kind = h.kind;
      line.runs = h.runs;
      line.n = size_of(h);
      line.estimate = estimate_of(h);
      line.ln_e = ln_evidence(h);
      line.ln_threshold = ln_threshold(content_, h);
      line.current = current;
      line.alarm = h.alarm;
      if (h.kind == LedgerKind::rate) {
        const auto interval = stats::rate_confidence_sequence(h.drops, std::exp(-line.ln_threshold));
        line.lower = interval.lower;
        line.upper = interval.upper;
      }
      lines.push_back(std::move(line));
    }
  }
  return lines;
}

bool Ledger::alarm() const {
  for (const LedgerEpoch& epoch : content_.epochs) {
    if (!is_current(content_, epoch)) continue;
    for (const LedgerHypothesis& h : epoch.hypotheses)
      if (h.alarm || ln_evidence(h) >= ln_threshold(content_, h)) return true;
  }
  return false;
}

Status Ledger::save() {
  if (!lock_) return refusal(fmt::format("ledger '{}' was opened to be read only", path_));
  const auto now = read_plain_file(path_, kMaxLedgerBytes);
  if (!now) return now.error();
  const auto seen = now->has_value() ? std::optional(text_fingerprint(**now)) : std::nullopt;
  if (seen != bytes_)
    return refusal(
        fmt::format("ledger '{}' was changed by someone else during the run, so it was left alone and "
                    "this run is not in it",
                    path_));
  for (LedgerEpoch& epoch : content_.epochs)
    for (LedgerHypothesis& h : epoch.hypotheses)
      if (const double ln_e = ln_evidence(h); !h.alarm && ln_e >= ln_threshold(content_, h))
        h.alarm = LedgerAlarm{content_.runs.size(), std::min(ln_e, 1e300)};
  const std::string text = ledger_text(content_);
  if (text.size() > kMaxLedgerBytes)
    return Error{ErrorCode::io, fmt::format("ledger '{}' is full: begin another file", path_)};
  if (auto written = replace_file(path_, text); !written) return written;
  bytes_ = text_fingerprint(text);
  return Done{};
}

}  // namespace dropcheck
