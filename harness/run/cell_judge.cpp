#include "harness/run/cell_judge.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "harness/core/descriptor.hpp"
#include "harness/run/fence.hpp"
#include "harness/run/repro.hpp"
#include "harness/run/seeds.hpp"
#include "harness/run/stream_lock_check.hpp"
#include "harness/stats/escalation.hpp"

namespace dropcheck {
namespace {

/// Seeds of fewer bits cannot give later stages data of their own.
constexpr unsigned kFreshSeedBits = 24;

/// A check that compared nothing cannot pass.
void require_comparison(Judgement& judgement) {
  if (judgement.verdict != Verdict::pass || judgement.comparisons > 0) return;
  judgement.verdict = Verdict::inconclusive;
  judgement.message = "invalid: the check made no comparison";
}

/// The hypotheses of a judgement that ask for another look.
std::vector<Suspicion> suspicions_of(const Judgement& judgement, const PlannedCell& cell) {
  std::vector<Suspicion> suspicions;
  const stats::StageLevels levels = stats::stage_levels(cell.alpha);
  if (!levels.escalates) return suspicions;
  for (const Statistic& s : judgement.statistics)
    if (s.p_value <= levels.suspicious1) suspicions.push_back({{s.name, s.cell}, s});
  return suspicions;
}

const Statistic* find(const std::vector<Statistic>& statistics, const std::string& name) {
  const auto at =
      std::find_if(statistics.begin(), statistics.end(), [&](const Statistic& s) { return s.name == name; });
  return at == statistics.end() ? nullptr : &*at;
}

bool is_probability(double p) { return p > 0 && p < 1; }

std::string caught_text(const PlannedCell& cell) {
  const MinimumDetectableEffect& effect = *cell.detectable;
  return fmt::format("{}: an effect of {:.2g} ({}) would have been caught with probability 1 - {:.0e}",
                     cell.check->info().title, effect.value, effect.unit, 1 - effect.power);
}

/// What a pass is worth, or why it is worth too little.
void weigh_pass(Judgement& judgement, const PlannedCell& cell) {
  if (judgement.verdict != Verdict::pass || !cell.detectable) return;
  std::string text = caught_text(cell);
  if (!judgement.message.empty()) text.append("; ").append(judgement.message);
  if (cell.underpowered()) {
    judgement.verdict = Verdict::inconclusive;
    text =
        fmt::format("underpowered: nothing was found, but an effect of {:.2g} ({}) has to be detectable. {}",
                    *cell.required, cell.detectable->unit, text);
  }
  judgement.message = std::move(text);
}

std::string evidence_text(const Statistic& s) {
  return s.log10_p < -300 ? fmt::format("p-value 10^{:.0f}", s.log10_p)
                          : fmt::format("p-value {:.2g}", s.p_value);
}

}  // namespace

std::string CellJudge::missing_for(const PlannedSample& sample, const PlannedCell& cell) const {
  if (!cell.check->info().impossible.empty()) return cell.check->info().impossible;
  // What was locked was claimed then: that it no longer is, is for the check to judge.
  if (sample.protocol != nullptr && sample.protocol->id != kStreamLockProtocol)
    if (auto missing = missing_capability(capabilities_, sample.info.problem)) return *missing;
  for (const Feature feature : cell.check->info().needs)
    if (!has_feature(capabilities_, feature)) return std::string(to_string(feature));
  if (sample.protocol != nullptr)
    for (const Feature feature : sample.protocol->needs)
      if (!has_feature(capabilities_, feature)) return std::string(to_string(feature));
  return {};
}

ResultRecord CellJudge::unsupported(const PlannedSample& sample, const PlannedCell& cell,
                                    const std::string& missing) const {
  const Job job{&sample, sample.info, 1, {}};
  const std::string& impossible = cell.check->info().impossible;
  ResultRecord record =
      record_of(job, cell,
                with_verdict(Verdict::unsupported, impossible.empty()
                                                       ? fmt::format("the backend does not claim {}", missing)
                                                       : fmt::format("cannot be tried: {}", impossible)));
  record.missing = missing;
  return record;
}

/// One seed for the life of a backend leaves nothing for a second look, so the first decides alone.
bool CellJudge::has_later_stages() const {
  return pursues_ &&
         (capabilities_.seed_semantics == SeedSemantics::none ||
          (has_feature(capabilities_, Feature::seeds) && capabilities_.seed_bits >= kFreshSeedBits));
}

double CellJudge::null_p(const Job& job, const JobOutcome& outcome) const {
  const double asked = job.info.problem.p;
  if (!capabilities_.effective_rate) return asked;
  const double declared = outcome.rates.common().value_or(asked);
  return is_probability(declared) ? declared : asked;
}

JudgeContext CellJudge::context_of(const Job& job, const JobOutcome& outcome, const PlannedCell& cell,
                                   double level) const {
  JudgeContext context;
  context.sample = job.info;
  context.p = null_p(job, outcome);
  context.alpha = level;
  context.pit_key = pit_key(plan_.master_seed, job.info, cell.check->info().id, job.stage);
  context.capabilities = &capabilities_;
  return context;
}

Judgement CellJudge::judge(const JobOutcome& outcome, std::size_t observer, const PlannedCell& cell,
                           const JudgeContext& context) const {
  if (outcome.trouble) return with_verdict(outcome.trouble->verdict, outcome.trouble->message);
  if (outcome.broken[observer]) return *outcome.broken[observer];
  return fenced([&] { return cell.check->judge(*outcome.observers[observer], context); });
}

Judgement CellJudge::judge_exact(const Check& check, const SampleInfo& info, const Observer& seen) const {
  JudgeContext context;
  context.sample = info;
  context.p = info.problem.p;
  context.pit_key = pit_key(plan_.master_seed, info, check.info().id, 1);
  context.capabilities = &capabilities_;
  Judgement judgement = check.judge(seen, context);
  if (judgement.verdict != Verdict::unsupported) require_comparison(judgement);
  return judgement;
}

ResultRecord CellJudge::record_of(const Job& job, const PlannedCell& cell, Judgement judgement) const {
  const CheckInfo& info = cell.check->info();
  ResultRecord record;
  record.backend = spec_;
  record.check = info.id;
  record.level = info.level == Level::required ? "required" : "recommended";
  record.problem = job.sample->case_text();
  record.protocol = job.info.protocol;
  record.comparisons = judgement.comparisons;
  record.statistics = std::move(judgement.statistics);
  record.detectable = cell.detectable;
  record.required_effect = cell.required;
  if (judgement.verdict != Verdict::unsupported)
    record.stages.push_back({job.stage,
                             !job.explores() && job.sample->protocol->streaming ? job.info.mask_entries() : 0,
                             std::string(to_string(judgement.verdict)),
                             {}});
  else record.missing = judgement.message;
  close(record, judgement.verdict, std::move(judgement.message));
  return record;
}

void CellJudge::close(ResultRecord& record, Verdict verdict, std::string message) const {
  record.verdict = verdict;
  record.message = std::move(message);
  if (verdict != Verdict::pass && verdict != Verdict::unsupported)
    record.repro = repro_line(spec_, plan_, record.check, record.problem);
}

/// Where there are no later stages, a pass cannot count on them.
PlannedCell CellJudge::as_judged(const PlannedCell& planned, const SampleInfo& info) const {
  PlannedCell cell = planned;
  if (cell.alpha > 0 && cell.detectable && !has_later_stages())
    cell.detectable = cell.check->detectable(info, cell.alpha, kBeta);
  return cell;
}

std::vector<FirstLook> CellJudge::first_look(const Job& job, const JobOutcome& outcome) const {
  std::vector<FirstLook> looks;
  if (job.explores()) {
    const PlannedCell& cell = job.sample->cells[0];
    Judgement judgement = outcome.trouble ? with_verdict(outcome.trouble->verdict, outcome.trouble->message)
                                          : outcome.exploration->judgement;
    require_comparison(judgement);
    ResultRecord record = record_of(job, cell, std::move(judgement));
    if (!outcome.trouble && outcome.exploration->problem && record.verdict != Verdict::pass)
      record.repro = repro_line(spec_, plan_, outcome.exploration->check_id,
                                print_descriptor(*outcome.exploration->problem));
    looks.push_back({std::move(record), {}});
    return looks;
  }

  std::vector<Judgement> judgements;
  std::optional<double> estimated_p;
  for (std::size_t a = 0; a < job.cells.size(); ++a) {
    const PlannedCell& cell = job.sample->cells[job.cells[a]];
    const double level =
        has_later_stages() && cell.alpha > 0 ? stats::stage_levels(cell.alpha).stage1_fail : cell.alpha;
    judgements.push_back(judge(outcome, a, cell, context_of(job, outcome, cell, level)));
    if (judgements.back().verdict == Verdict::fail && judgements.back().estimated_p)
      estimated_p = judgements.back().estimated_p;
  }

  for (std::size_t a = 0; a < job.cells.size(); ++a) {
    const PlannedCell cell = as_judged(job.sample->cells[job.cells[a]], job.info);
    Judgement judgement = std::move(judgements[a]);
    const bool statistical = cell.alpha > 0;
    const bool pursuable = statistical && has_later_stages() && !estimated_p;
    std::vector<Suspicion> suspicions =
        statistical ? suspicions_of(judgement, cell) : std::vector<Suspicion>{};
    // Where the rate itself is off, one defect would raise alarms everywhere; and nothing can be pursued on
    // fresh data, whose rate is as unknown.
    if (statistical && estimated_p && !judgement.estimated_p && is_probability(*estimated_p) &&
        (judgement.verdict == Verdict::fail || !suspicions.empty())) {
      JudgeContext context = context_of(job, outcome, cell, judgement.statistics.front().alpha);
      context.p = *estimated_p;
      context.recentred = true;
      Judgement recentred = judge(outcome, a, cell, context);
      if (!recentred.statistics.empty() &&
          (recentred.verdict == Verdict::pass || recentred.verdict == Verdict::fail)) {
        const std::string found = fmt::format(
            "judged at the rate that was found, {:.7g}, since the rate itself is off", *estimated_p);
        recentred.message =
            recentred.message.empty() ? found : fmt::format("{}: {}", found, recentred.message);
        judgement = std::move(recentred);
      }
    }
    require_comparison(judgement);
    FirstLook look;
    if (pursuable && judgement.verdict == Verdict::pass) look.suspicions = std::move(suspicions);
    weigh_pass(judgement, cell);
    look.record = record_of(job, cell, std::move(judgement));
    if (statistical && capabilities_.effective_rate) look.record.effective_p = outcome.rates.common();
    if (!look.suspicions.empty()) look.record.stages.back().outcome = "suspicious";
    looks.push_back(std::move(look));
  }
  return looks;
}

void CellJudge::reproduce(ResultRecord& record, std::vector<Suspicion>& open, const PlannedCell& cell,
                          const JobOutcome& outcome, std::size_t observer, const Job& job) const {
  const Judgement again = judge(outcome, observer, cell,
                                context_of(job, outcome, cell, stats::stage_levels(cell.alpha).stage1_fail));
  StageRecord stage{1, job.info.mask_entries(), "reproduced", {}};
  const auto differs = [&](const Statistic& s) {  // all of the check's integers, not only the suspicious ones
    const Statistic* now = find(again.statistics, s.name);
    return now == nullptr || now->counts != s.counts;
  };
  const auto first = std::find_if(record.statistics.begin(), record.statistics.end(), differs);
  if (again.verdict == Verdict::error || again.verdict == Verdict::unsupported) {
    close(record, again.verdict,
          fmt::format("the repetition of a suspicious sample failed: {}", again.message));
    stage.outcome = to_string(again.verdict);
    open.clear();
  } else if (first != record.statistics.end()) {
    close(record, Verdict::fail,
          fmt::format("the backend takes seeds, but the same seeds gave another mask: {} was computed twice "
                      "and its integers differ",
                      first->name));
    stage.outcome = "not reproduced";
    open.clear();
  }
  record.stages.push_back(std::move(stage));
}

void CellJudge::later_look(ResultRecord& record, std::vector<Suspicion>& open, const PlannedCell& cell,
                           const JobOutcome& outcome, std::size_t observer, const Job& job) const {
  const auto levels = stats::stage_levels(cell.alpha);
  const double fail_level = job.stage == 2 ? levels.stage2_fail : levels.stage3_fail;
  StageRecord stage{job.stage, job.info.mask_entries(), "pass", {}};
  std::vector<Suspicion> still_open;
  std::optional<std::pair<Verdict, std::string>> settled;
  for (const Suspicion& suspicion : open) {
    JudgeContext context = context_of(job, outcome, cell, fail_level);
    context.focus = suspicion.focus;
    const Judgement judgement = judge(outcome, observer, cell, context);
    const Statistic* s = find(judgement.statistics, suspicion.focus.hypothesis);
    if (s == nullptr) {  // trouble, or a check that does not answer: unknown is no pass
      const Verdict verdict = judgement.verdict == Verdict::pass ? Verdict::inconclusive : judgement.verdict;
      settled = {verdict,
                 fmt::format("stage {}: {}", job.stage,
                             judgement.message.empty() ? "the suspicious statistic could not be computed"
                                                       : judgement.message)};
      break;
    }
    stage.statistics.push_back(*s);
    if (s->p_value <= fail_level) {
      if (!settled)
        settled = {
            Verdict::fail,
            fmt::format("{}; it was suspicious in the first sample ({}) and {} times the sample on fresh "
                        "seeds confirms it ({}, below {:.2g})",
                        judgement.verdict == Verdict::fail ? judgement.message : s->name,
                        evidence_text(suspicion.seen), stats::stage_factor(job.stage), evidence_text(*s),
                        fail_level)};
    } else if (job.stage == 2 && s->p_value <= levels.suspicious2) {
      still_open.push_back(suspicion);
    }
  }
  open = settled ? std::vector<Suspicion>{} : std::move(still_open);
  if (settled) {
    stage.outcome = to_string(settled->first);
    close(record, settled->first, std::move(settled->second));
  } else if (!open.empty()) {
    stage.outcome = "suspicious";
  } else {
    record.message.append(
        fmt::format("; a suspicious statistic was tested again on {} times the sample and passed",
                    stats::stage_factor(job.stage)));
  }
  record.stages.push_back(std::move(stage));
}

void CellJudge::leave_unpursued(ResultRecord& record, std::vector<Suspicion>& open) const {
  close(record, Verdict::inconclusive,
        fmt::format("suspicious, not pursued: {} has {}, but the run has failed already",
                    open.front().focus.hypothesis, evidence_text(open.front().seen)));
  open.clear();
}

}  // namespace dropcheck
