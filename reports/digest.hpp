#pragma once
// A record sorted the way readers ask for it: by backend, by check, worst first. Every report walks this one
// order; nothing is judged here.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/run_record.hpp"

namespace dropcheck::reports {

/// Results by verdict. Recommended checks are counted apart, because they never decide.
struct Tally {
  std::map<Verdict, std::size_t> required;
  std::map<Verdict, std::size_t> recommended;

  void add(const ResultRecord& result);
  std::size_t of(Verdict verdict) const;
  std::size_t passed() const;   // of both levels
  std::size_t advised() const;  // recommended ones that failed, erred or were inconclusive
  std::size_t decided() const;  // all but unsupported ones
};

/// All results of one check on one backend, worst first.
struct CheckDigest {
  std::string id;
  const CheckRecord* info = nullptr;  // absent when the header does not list it
  std::vector<const ResultRecord*> results;
  Tally tally;

  bool is_recommended() const;
  /// Fail, error or inconclusive is among the results.
  bool has_finding() const;
  std::string suite() const { return id.substr(0, id.find('.')); }
};

struct BackendDigest {
  const BackendRecord* backend = nullptr;  // absent when the header does not list it
  std::string spec;
  std::vector<CheckDigest> checks;  // in catalogue order
  Tally tally;

  /// Checks with a finding: required before recommended, then by verdict, then in catalogue order.
  std::vector<const CheckDigest*> findings() const;
};

struct Digest {
  explicit Digest(const RunRecord& run);  // borrows `run`

  std::vector<BackendDigest> backends;  // in the order of the header
  std::vector<std::string> suites;      // in catalogue order
};

bool is_finding(Verdict verdict);
bool is_recommended(const ResultRecord& result);
/// Whether the check is the restated test of another project, whose verdict is its own.
bool is_rival(std::string_view check_id);
/// Whether the backend was judged, and by nothing but such tests.
bool is_only_rivals(const BackendDigest& backend);
/// The statistic that a sentence about the result should quote, of any stage: one that rejects, then the
/// smallest p-value.
const Statistic* quoted_statistic(const ResultRecord& result);
/// Mask entries over all stages; what was only computed again from the same seeds counts once.
std::uint64_t mask_entries(const ResultRecord& result);
/// Statistics that tell what a stage saw; `stage` counts the records. Of the first one those that were
/// pursued later, or else the one with the smallest p-value.
std::vector<const Statistic*> stage_evidence(const ResultRecord& result, std::size_t stage);
/// The number of the last stage; 0 where there is none.
unsigned last_stage(const ResultRecord& result);
/// The drop probability that the case asks for; absent where its text names none.
std::optional<double> asked_p(const ResultRecord& result);
/// The backend declared another drop probability than it was asked for, and its own was tested.
bool tested_own_p(const ResultRecord& result);
/// "libtorch 1.13.1"; the version only where it is not our own.
std::string display_name(const BackendDigest& backend, const RunHeader& header);

}  // namespace dropcheck::reports
