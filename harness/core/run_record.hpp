#pragma once
// Everything a report may say about one run. Reports print these numbers and compute none.

#include <string>
#include <utility>
#include <vector>

#include "harness/core/check.hpp"

namespace dropcheck {

inline constexpr std::string_view kSchemaName = "dropcheck.results";
inline constexpr int kSchemaMajor = 1;
inline constexpr int kSchemaMinor = 3;

struct BackendRecord {
  std::string spec;           // as given on the command line
  Capabilities capabilities;  // empty name when it could not be opened
  std::string open_error;     // empty when it could
};

/// One line of the catalogue, so that a report needs nothing but the results.
struct CheckRecord {
  std::string id;
  std::string level;
  std::string title;
  std::string catches;
  std::string cannot_see;
  std::optional<DialectRow> row = std::nullopt;
};

/// One axis of the dialect that was judged by.
struct DialectRule {
  std::string axis;    // e.g. "p = 1"
  std::string value;   // what the dialect says there
  std::string allows;  // what it lets pass that PyTorch would not do; empty where it agrees with PyTorch
};

struct RunHeader {
  std::string tool_version;
  std::string plan_hash;
  std::uint64_t master_seed = 0;
  std::string dialect;
  std::vector<DialectRule> dialect_rules;
  std::string profile;  // "case" when --case stands outside the profile
  double alpha = 0;     // per backend
  std::string filters;  // what --suite, --check and --case left, as text; empty for the whole profile
  std::vector<BackendRecord> backends;
  std::vector<CheckRecord> checks;
};

/// One look at data. A suspicious statistic is computed again from the same seeds, then from fresh ones.
struct StageRecord {
  unsigned stage = 1;
  std::uint64_t mask_entries = 0;
  std::string outcome;                // a verdict, "suspicious", "reproduced" or "not reproduced"
  std::vector<Statistic> statistics;  // of stages after the first: those that were suspicious
};

struct ResultRecord {
  std::string backend;  // spec
  std::string check;
  std::string level;
  std::string problem;  // canonical descriptor
  std::string protocol;
  Verdict verdict = Verdict::error;
  std::uint64_t comparisons = 0;
  std::vector<Statistic> statistics;  // of the first stage
  std::vector<StageRecord> stages;
  std::optional<MinimumDetectableEffect> detectable;  // of the whole test, all stages counted
  std::optional<double> required_effect;  // what the profile wants to be detectable, in the same unit
  std::optional<double> effective_p;      // that the backend declared and the statistics tested
  std::string message;
  std::string repro;    // for every verdict but pass
  std::string missing;  // capability, for unsupported
  std::string reason;   // of an expected failure
};

/// A hypothesis that Holm's procedure rejects once the backend has failed. It tells a reader where to look
/// and decides nothing.
struct Rejection {
  std::string check;
  std::string problem;
  std::string statistic;
  double log10_p = 0;
  double share = 0;  // of the false-alarm budget
};
struct RejectionList {
  std::string backend;
  std::uint64_t hypotheses = 0;  // that were tested
  std::vector<Rejection> rejected;
};

/// What a backend did beside answering its calls, and what was done about it (Backend::close). It decides
/// nothing.
struct IncidentList {
  std::string backend;             // spec
  std::vector<std::string> texts;  // sorted, each once
};

struct Footer {
  Verdict verdict = Verdict::error;
  std::vector<std::pair<std::string, std::uint64_t>> counts;  // by verdict name
  int exit_code = 3;
  bool complete = false;
};

/// Facts about the machine; the only part that may differ between two equal runs.
using Environment = std::vector<std::pair<std::string, std::string>>;

struct RunRecord {
  RunHeader header;
  std::vector<ResultRecord> results;
  std::vector<RejectionList> rejections;  // of backends that failed
  std::vector<IncidentList> incidents;    // of backends that had any
  Environment environment;
  Footer footer;
};

}  // namespace dropcheck
