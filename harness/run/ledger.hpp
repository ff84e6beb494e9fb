#pragma once
// Evidence that adds up over nights. A run decides alone, at its own false-alarm budget; errors too small for
// any one night show in the integers of many. The ledger is a file of those integers: for each backend the
// drops among entries (S1) and the pairs of neighbours (S6, lag 1) of every problem, as an e-process each
// (harness/stats/e_process.hpp), so that looking after every night costs nothing. It has a false-alarm budget
// of its own for its whole life, beside that of the runs.

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "harness/core/run_record.hpp"
#include "harness/run/file_lock.hpp"
#include "harness/stats/e_process.hpp"

namespace dropcheck {

/// Probability that a ledger ever raises an alarm although every backend in it is right.
inline constexpr double kLedgerAlpha = 1e-6;

enum class LedgerKind : std::uint8_t { rate, lag };

struct LedgerAlarm {
  std::uint64_t run = 0;  // first one after which the threshold was reached, counted from 1
  double ln_e = 0;        // then
};

/// One null hypothesis: its integers, summed over runs.
struct LedgerHypothesis {
  std::string check, id, name, problem;  // of the statistic
  unsigned version = 1;
  double p = 0.5;  // of the null hypothesis
  LedgerKind kind = LedgerKind::rate;
  std::uint64_t runs = 0;
  std::uint64_t generation = 1;
  stats::DropCounts drops;    // of a rate
  stats::PairProducts pairs;  // of a lag
  std::optional<LedgerAlarm> alarm;
};

/// One version of a backend under one contract. A new version or contract opens a new epoch and leaves the
/// evidence of the old one as history; a version that comes back goes on with its own.
struct LedgerEpoch {
  std::string backend, version, device, contract;
  std::uint64_t first_run = 0, last_run = 0;
  std::vector<LedgerHypothesis> hypotheses;
};

struct LedgerRun {
  std::string plan_hash;
  std::uint64_t master_seed = 0;
};

/// What the file holds.
struct LedgerContent {
  double alpha = kLedgerAlpha;
  std::vector<LedgerRun> runs;
  /// Hypotheses that appeared together. Those of generation g, counted from 1, K of them, alarm at E >= g (g
  /// + 1) K / alpha: the levels of all that ever appear add up to alpha, for sum 1/(g (g + 1)) = 1.
  std::vector<std::uint64_t> generations;
  std::vector<LedgerEpoch> epochs;
};

/// One line of evidence. Computed from the integers only.
struct LedgerEvidence {
  std::string backend, version, device, contract;
  std::string check, statistic, problem;  // the name of the statistic
  double p = 0.5;
  LedgerKind kind = LedgerKind::rate;
  std::uint64_t runs = 0;  // that added to it
  std::uint64_t n = 0;     // entries, or pairs
  double estimate = 0;     // rate of drops, or correlation of neighbours
  std::optional<double> lower,
      upper;  // of a rate: excludes p exactly when the evidence reaches the threshold
  double ln_e = 0;
  double ln_threshold = 0;
  bool current = true;               // no later version or contract of the backend on that device is there
  std::optional<LedgerAlarm> alarm;  // sticky: what was once reached stays an alarm for its epoch

  bool alarms() const { return alarm.has_value() || ln_e >= ln_threshold; }
};

class Ledger {
 public:
  /// For a run: locks the file and reads it; a file that does not exist is a new ledger. The folder must take
  /// files. Errors are usage errors: a file that is no ledger, is damaged, cut short or written by a newer
  /// version (it is never overwritten), or one that another run holds.
  static Expected<Ledger> open(const std::string& path);
  /// To look at: no lock, the file must exist, save() is refused.
  static Expected<Ledger> read(const std::string& path);

  /// A usage error when the seed was used before. Equal seeds give equal masks, under any plan, and would
  /// count the same evidence twice.
  Status check_unused(const std::string& plan_hash, std::uint64_t master_seed) const;

  /// Adds what a result holds for the ledger: S1 (counts n and x) and S6 "lag 1" in any order (counts n, n11,
  /// n1L, n1R), of all stages, each with its p. Ignored are results that the ledger cannot count as fresh
  /// data: of backends whose masks may repeat from run to run (see left_out()), of problems that fix the
  /// seed, statistics that were judged at another rate than the declared one, expected failures, and a
  /// backend that is listed twice in one run. All results of one object must be of one run; throws
  /// std::logic_error otherwise and when check_unused would refuse it.
  void add(const RunHeader& header, const ResultRecord& result);

  /// Of every hypothesis in every epoch, in order of appearance.
  std::vector<LedgerEvidence> evidence() const;
  /// Whether a hypothesis of a current epoch alarms.
  bool alarm() const;

  /// Notes new alarms and replaces the file as a whole, or leaves it as it was and says why not (io; or
  /// invalid_argument if someone else has changed it meanwhile).
  Status save();

  const LedgerContent& content() const { return content_; }
  const std::string& path() const { return path_; }
  /// Backends of this run that the ledger cannot follow, each with the reason.
  const std::vector<std::string>& left_out() const { return left_out_; }

 private:
  Ledger() = default;
  void begin_run(const RunHeader& header);
  LedgerEpoch& epoch_of(const std::string& dialect, const BackendRecord& backend);
  void add_statistic(LedgerEpoch& epoch, const ResultRecord& result, double p, const Statistic& statistic);

  std::string path_;
  std::optional<FileLock> lock_;
  std::optional<std::string> bytes_;  // fingerprint of the file as it was read; absent when there was none
  LedgerContent content_;
  bool run_begun_ = false;
  bool generation_begun_ = false;  // the run's new hypotheses have one together
  std::set<std::tuple<std::string, std::string, std::string, std::string>> added_;  // results of this run,
  std::set<std::pair<std::size_t, std::size_t>> touched_;  // and what they went to: epoch, hypothesis
  std::vector<std::string> left_out_;
};

}  // namespace dropcheck
