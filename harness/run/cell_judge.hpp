#pragma once
// From the observers of a sample to the results of its cells, stage by stage.

#include <string>
#include <vector>

#include "harness/core/run_record.hpp"
#include "harness/run/job_runner.hpp"
#include "harness/run/plan.hpp"

namespace dropcheck {

/// A hypothesis that is neither rejected nor left in peace.
struct Suspicion {
  Focus focus;
  Statistic seen;  // in the first stage
};

/// The first judgement of a cell. With suspicions, the record's verdict stands only when they are settled.
struct FirstLook {
  ResultRecord record;
  std::vector<Suspicion> suspicions;
};

class CellJudge {
 public:
  /// All must outlive the judge. `spec` names the backend. Without `pursues` the first stage decides alone.
  CellJudge(const Plan& plan, const std::string& spec, const Capabilities& capabilities, bool pursues = true)
      : plan_(plan), spec_(spec), capabilities_(capabilities), pursues_(pursues) {}

  /// The feature that a cell or its protocol needs and the backend lacks; empty when all is there.
  std::string missing_for(const PlannedSample& sample, const PlannedCell& cell) const;
  ResultRecord unsupported(const PlannedSample& sample, const PlannedCell& cell,
                           const std::string& missing) const;

  /// Results of a first-stage job, one a cell of the job. When a check finds that the rate itself is off, the
  /// failures beside it are judged again at the rate that was found.
  std::vector<FirstLook> first_look(const Job& job, const JobOutcome& outcome) const;

  /// Whether equal seeds must give equal data, so that a suspicious sample is looked at again first.
  bool promises_reproduction() const { return has_feature(capabilities_, Feature::seeds); }
  /// Compares the integers of the suspicious statistics with a repetition of the first stage. When they
  /// differ the cell fails and nothing is open any more.
  void reproduce(ResultRecord& record, std::vector<Suspicion>& open, const PlannedCell& cell,
                 const JobOutcome& outcome, std::size_t observer, const Job& job) const;
  /// Judges the open hypotheses on a later stage's data; what is not settled stays open.
  void later_look(ResultRecord& record, std::vector<Suspicion>& open, const PlannedCell& cell,
                  const JobOutcome& outcome, std::size_t observer, const Job& job) const;
  /// Another check has failed: what is suspicious stays undecided.
  void leave_unpursued(ResultRecord& record, std::vector<Suspicion>& open) const;

  /// For property checks: one exact check on one observed problem.
  Judgement judge_exact(const Check& check, const SampleInfo& info, const Observer& seen) const;

 private:
  bool has_later_stages() const;
  PlannedCell as_judged(const PlannedCell& planned, const SampleInfo& info) const;
  double null_p(const Job& job, const JobOutcome& outcome) const;
  Judgement judge(const JobOutcome& outcome, std::size_t observer, const PlannedCell& cell,
                  const JudgeContext& context) const;
  JudgeContext context_of(const Job& job, const JobOutcome& outcome, const PlannedCell& cell,
                          double level) const;
  ResultRecord record_of(const Job& job, const PlannedCell& cell, Judgement judgement) const;
  void close(ResultRecord& record, Verdict verdict, std::string message) const;

  const Plan& plan_;
  const std::string& spec_;
  const Capabilities& capabilities_;
  bool pursues_;
};

}  // namespace dropcheck
