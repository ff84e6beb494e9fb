#include "reports/digest.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <tuple>

#include "harness/core/descriptor.hpp"
#include "reports/escape.hpp"

namespace dropcheck::reports {
namespace {

int rank(Verdict verdict) {
  switch (verdict) {
    case Verdict::fail: return 0;
    case Verdict::error: return 1;
    case Verdict::inconclusive: return 2;
    case Verdict::expected_fail: return 3;
    case Verdict::pass: return 4;
    case Verdict::unsupported: return 5;
  }
  return 6;
}

/// NaN sorts as no evidence; a violation without any statistic is certain.
double evidence(const ResultRecord& result) {
  const Statistic* statistic = quoted_statistic(result);
  if (statistic == nullptr)
    return is_finding(result.verdict) ? -std::numeric_limits<double>::infinity() : 0.0;
  return std::isnan(statistic->log10_p) ? 0.0 : statistic->log10_p;
}

std::tuple<int, bool, double> order(const ResultRecord& result) {
  return {rank(result.verdict), is_recommended(result), evidence(result)};
}

std::size_t at(const std::map<Verdict, std::size_t>& counts, Verdict verdict) {
  const auto found = counts.find(verdict);
  return found == counts.end() ? 0 : found->second;
}

template <typename Name>
std::size_t position(std::map<std::string, std::size_t>& index, const Name& name) {
  return index.try_emplace(name, index.size()).first->second;
}

}  // namespace

bool is_finding(Verdict verdict) {
  return verdict == Verdict::fail || verdict == Verdict::error || verdict == Verdict::inconclusive;
}

bool is_recommended(const ResultRecord& result) { return result.level == "recommended"; }
bool is_rival(std::string_view check_id) { return check_id.starts_with("rival:"); }
bool is_only_rivals(const BackendDigest& backend) {
  return !backend.checks.empty() && std::all_of(backend.checks.begin(), backend.checks.end(),
                                                [](const CheckDigest& check) { return is_rival(check.id); });
}

const Statistic* quoted_statistic(const ResultRecord& result) {
  const auto key = [](const Statistic& s) {
    return std::pair(!s.rejects(), std::isnan(s.log10_p) ? 0.0 : s.log10_p);
  };
  const Statistic* quoted = nullptr;
  const auto consider = [&](const std::vector<Statistic>& statistics) {
    for (const Statistic& s : statistics)
      if (quoted == nullptr || key(s) < key(*quoted)) quoted = &s;
  };
  consider(result.statistics);
  for (const StageRecord& stage : result.stages) consider(stage.statistics);
  return quoted;
}

std::uint64_t mask_entries(const ResultRecord& result) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < result.stages.size(); ++i)
    if (i == 0 || result.stages[i].stage != result.stages[i - 1].stage) sum += result.stages[i].mask_entries;
  return sum;
}

std::vector<const Statistic*> stage_evidence(const ResultRecord& result, std::size_t stage) {
  std::vector<const Statistic*> evidence;
  if (stage > 0) {
    for (const Statistic& statistic : result.stages[stage].statistics) evidence.push_back(&statistic);
    return evidence;
  }
  std::set<std::string_view> pursued;
  for (const StageRecord& later : result.stages)
    for (const Statistic& statistic : later.statistics) pursued.insert(statistic.name);
  const Statistic* strongest = nullptr;
  for (const Statistic& statistic : result.statistics) {
    if (pursued.contains(statistic.name)) evidence.push_back(&statistic);
    if (strongest == nullptr || statistic.log10_p < strongest->log10_p) strongest = &statistic;
  }
  if (evidence.empty() && strongest != nullptr) evidence.push_back(strongest);
  return evidence;
}

unsigned last_stage(const ResultRecord& result) {
  unsigned last = 0;
  for (const StageRecord& stage : result.stages) last = std::max(last, stage.stage);
  return last;
}

std::optional<double> asked_p(const ResultRecord& result) {
  const auto problem = parse_descriptor(result.problem);
  if (!problem) return std::nullopt;
  return problem->p;
}

bool tested_own_p(const ResultRecord& result) {
  return result.effective_p && asked_p(result) != result.effective_p;
}

std::string display_name(const BackendDigest& backend, const RunHeader& header) {
  std::string name = clean_line(backend.spec, 200);
  if (backend.backend == nullptr) return name;
  const std::string& version = backend.backend->capabilities.version;
  if (version.empty() || version == header.tool_version) return name;
  return name + " " + clean_line(version, 60);
}

void Tally::add(const ResultRecord& result) {
  ++(is_recommended(result) ? recommended : required)[result.verdict];
}

std::size_t Tally::of(Verdict verdict) const { return at(required, verdict); }

std::size_t Tally::passed() const { return at(required, Verdict::pass) + at(recommended, Verdict::pass); }

std::size_t Tally::advised() const {
  return at(recommended, Verdict::fail) + at(recommended, Verdict::error) +
         at(recommended, Verdict::inconclusive);
}

std::size_t Tally::decided() const {
  std::size_t sum = 0;
  for (const auto* counts : {&required, &recommended})
    for (const auto& [verdict, count] : *counts) sum += verdict == Verdict::unsupported ? 0 : count;
  return sum;
}

bool CheckDigest::is_recommended() const {
  return !results.empty() && reports::is_recommended(*results.front());
}

bool CheckDigest::has_finding() const { return !results.empty() && is_finding(results.front()->verdict); }

std::vector<const CheckDigest*> BackendDigest::findings() const {
  std::vector<const CheckDigest*> found;
  for (const CheckDigest& check : checks)
    if (check.has_finding()) found.push_back(&check);
  const auto key = [](const CheckDigest* check) {
    const auto [verdict, recommended, p] = order(*check->results.front());
    return std::tuple(recommended, verdict);  // else in catalogue order: the plainest checks come first
  };
  std::stable_sort(found.begin(), found.end(),
                   [&](const CheckDigest* a, const CheckDigest* b) { return key(a) < key(b); });
  return found;
}

Digest::Digest(const RunRecord& run) {
  std::map<std::string, std::size_t> backend_index;
  for (const BackendRecord& backend : run.header.backends)
    if (position(backend_index, backend.spec) == backends.size())
      backends.push_back({&backend, backend.spec, {}, {}});

  std::map<std::string, std::size_t> check_index;
  std::map<std::string, const CheckRecord*> infos;
  for (const CheckRecord& check : run.header.checks) {
    position(check_index, check.id);
    infos.emplace(check.id, &check);
  }
  std::vector<std::map<std::size_t, CheckDigest>> found(backends.size());
  for (const ResultRecord& result : run.results) {
    const std::size_t b = position(backend_index, result.backend);
    if (b == backends.size()) {
      backends.push_back({nullptr, result.backend, {}, {}});
      found.emplace_back();
    }
    CheckDigest& check = found[b][position(check_index, result.check)];
    check.id = result.check;
    check.results.push_back(&result);
    check.tally.add(result);
    backends[b].tally.add(result);
  }
  std::vector<std::string> ids(check_index.size());
  for (const auto& [id, place] : check_index) ids[place] = id;
  for (const std::string& id : ids) {
    std::string suite = id.substr(0, id.find('.'));
    if (std::find(suites.begin(), suites.end(), suite) == suites.end()) suites.push_back(std::move(suite));
  }
  for (std::size_t b = 0; b < backends.size(); ++b) {
    for (auto& [place, check] : found[b]) {
      const auto info = infos.find(check.id);
      check.info = info == infos.end() ? nullptr : info->second;
      std::stable_sort(check.results.begin(), check.results.end(),
                       [](const ResultRecord* x, const ResultRecord* y) { return order(*x) < order(*y); });
      backends[b].checks.push_back(std::move(check));
    }
  }
}

}  // namespace dropcheck::reports
