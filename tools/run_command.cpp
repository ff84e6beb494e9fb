#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

#include "harness/run/expectations.hpp"
#include "harness/run/ledger.hpp"
#include "harness/run/rejections.hpp"
#include "harness/run/repro.hpp"
#include "harness/run/runner.hpp"
#include "harness/run/stream_lock_check.hpp"
#include "reports/jsonl.hpp"
#include "reports/results_file.hpp"
#include "reports/summary.hpp"
#include "tools/backend_names.hpp"
#include "tools/commands.hpp"
#include "tools/interruption.hpp"
#include "tools/machine.hpp"
#include "tools/progress.hpp"

namespace dropcheck::tools {
namespace {

CheckRecord record_of(const CheckInfo& info) {
  return {info.id,         info.level == Level::required ? "required" : "recommended",
          info.title,      info.catches,
          info.cannot_see, info.row};
}

constexpr const char* kLedger = "ledger";  // stands for the protocol in its results

/// Options that a result may depend on and the plan does not know, as they were given.
std::string limits_text(const Selection& selection) {
  std::string text;
  if (selection.in_process) text += " --in-process";
  if (selection.call_timeout > 0) text += fmt::format(" --call-timeout={}", selection.call_timeout);
  if (selection.memory_limit) text += fmt::format(" --memory-limit={}", *selection.memory_limit);
  return text;
}

/// A backend of the run as it was found before any sample was drawn.
struct FoundBackend {
  BackendRecord record;
  std::vector<Incident> incidents;
};

/// Opens every backend once. One that cannot be opened is a finding of the run; a name that cannot be is a
/// usage error.
Expected<std::vector<FoundBackend>> look_at_backends(const Registry& registry, const Selection& selection) {
  std::vector<FoundBackend> backends;
  BackendOptions options = backend_options(selection);
  options.stop = &g_stop;
  for (const std::string& spec : split_backend_names(selection.backends)) {
    FoundBackend backend;
    backend.record.spec = spec;
    const auto opened = registry.open(spec, options);
    if (opened) {
      backend.record.capabilities = (*opened)->capabilities();
      backend.incidents = (*opened)->close();
    } else if (opened.error().code == ErrorCode::invalid_argument) {
      return opened.error();
    } else {
      backend.record.open_error = opened.error().message;
    }
    backends.push_back(std::move(backend));
  }
  return backends;
}

/// The evidence of many runs, as a result of this one.
ResultRecord ledger_alarm(const LedgerEvidence& evidence, const std::string& path) {
  ResultRecord result;
  result.backend = evidence.backend;
  result.check = evidence.check;
  result.level = "required";
  result.problem = evidence.problem;
  result.protocol = kLedger;
  result.verdict = Verdict::fail;
  result.comparisons = evidence.n;
  result.message = fmt::format(
      "{} runs together: {} is {:.8g} over {} {} where {} is expected; the evidence ln E = {:.1f} has "
      "reached {:.1f}",
      evidence.runs, evidence.statistic, evidence.estimate, evidence.n,
      evidence.kind == LedgerKind::rate ? "entries" : "pairs",
      evidence.kind == LedgerKind::rate ? evidence.p : 0.0, evidence.ln_e, evidence.ln_threshold);
  result.repro = fmt::format("dropcheck ledger {}", shell_word(path));
  return result;
}

/// Whether the plan asks for what the lock holds, and all backends that could be opened are the locked one.
Status fits_lock(const Plan& plan, const RunArguments& arguments, const std::vector<FoundBackend>& backends) {
  const bool is_planned = std::any_of(plan.samples.begin(), plan.samples.end(), [](const auto& sample) {
    return sample.info.protocol == kStreamLockProtocol && !sample.cells.front().hidden;
  });
  if (!is_planned)
    return Error{ErrorCode::invalid_argument,
                 fmt::format("--lock: this selection leaves out {}; ask for it too, or leave --lock away",
                             kStreamLockCheck)};
  for (const FoundBackend& backend : backends) {
    if (!backend.record.open_error.empty()) continue;
    const std::string name = name_in_lock(backend.record.spec, backend.record.capabilities);
    if (name != arguments.locked->name)
      return Error{ErrorCode::invalid_argument,
                   fmt::format("--lock: '{}' holds streams of '{}' and none of '{}'", arguments.lock,
                               arguments.locked->name, name)};
  }
  return Done{};
}

/// One run from header to footer.
class Session {
 public:
  Session(const Registry& registry, const RunArguments& arguments, const Plan& plan,
          std::vector<FoundBackend> backends, Expectations expectations, std::optional<Ledger> ledger,
          reports::ResultsFile file)
      : registry_(registry),
        arguments_(arguments),
        plan_(plan),
        backends_(std::move(backends)),
        expectations_(std::move(expectations)),
        ledger_(std::move(ledger)),
        file_(std::move(file)) {
    options_.lanes = lanes_of(arguments.selection);
    options_.backend = backend_options(arguments.selection);
    options_.fail_fast = arguments.fail_fast;
    options_.pursue = arguments.pursue_always ? Pursue::always : Pursue::unless_failed;
    limits_ = limits_text(arguments.selection);
  }

  ExitCode run() {
    const auto started = std::chrono::steady_clock::now();
    begin();
    bool complete = true;
    for (std::size_t i = 0; i < record_.header.backends.size(); ++i) {
      const BackendRecord& backend = record_.header.backends[i];
      if (g_stop.load()) {
        complete = false;
        break;
      }
      if (!backend.open_error.empty()) continue;
      complete = judge(backend, incidents_[i]) && complete;
      RejectionList rejected = rejections_of(backend.spec, record_.results, plan_.alpha);
      if (!rejected.rejected.empty()) record_.rejections.push_back(std::move(rejected));
    }
    progress_.clear();
    finish(complete, std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count());
    return static_cast<ExitCode>(record_.footer.exit_code);
  }

 private:
  void begin() {
    RunHeader& header = record_.header;
    header.tool_version = DROPCHECK_VERSION;
    header.plan_hash = plan_.hash;
    header.master_seed = plan_.master_seed;
    header.dialect = arguments_.selection.dialect;
    header.dialect_rules = suites::rules_of(arguments_.selection.rules);
    header.profile = plan_.profile;
    header.alpha = plan_.alpha;
    header.filters = plan_.filters;
    for (FoundBackend& backend : backends_) {
      ending_.backend_unavailable = ending_.backend_unavailable || !backend.record.open_error.empty();
      header.backends.push_back(std::move(backend.record));
      incidents_.push_back(std::move(backend.incidents));
    }
    for (const auto& check : registry_.checks()) header.checks.push_back(record_of(check->info()));
    write(reports::header_line(header));
  }

  bool judge(const BackendRecord& backend, std::vector<Incident>& incidents) {
    progress_.start(backend.spec);
    RunnerEvents events;
    events.on_result = [this](ResultRecord result) { return take(std::move(result)); };
    events.is_expected = [this](const ResultRecord& result) { return expectations_.lists(result); };
    events.on_progress = [this](std::uint64_t done, std::uint64_t total) { progress_.update(done, total); };
    events.on_incidents = [&](const std::vector<Incident>& list) {
      for (const Incident& incident : list) add_incident(incidents, incident);
    };
    RunnerOptions options = options_;
    const auto family = registry_.family(backend.spec);
    if (options.backend.in_process && family && (*family)->is_plugin) options.lanes = 1;
    return run_plan(registry_, plan_, backend.spec, backend.capabilities, options, events, g_stop);
  }

  Verdict take(ResultRecord result) {
    if (!result.repro.empty() && result.protocol != kLedger) result.repro += limits_;
    if (result.check == kStreamLockCheck) {
      if (!result.repro.empty()) result.repro += " " + shell_word("--lock=" + arguments_.lock);
      // Asked for by name, so that what could not be compared is no pass.
      if (result.verdict == Verdict::unsupported) result.verdict = Verdict::error;
    }
    expectations_.apply(result);
    const Verdict verdict = result.verdict;
    if (result.level == "required") ending_.verdict = worse(ending_.verdict, verdict);
    ending_.comparisons += result.comparisons > 0 ? 1 : 0;
    ++counts_[static_cast<std::size_t>(verdict)];
    write(reports::result_line(result));
    if (ledger_) ledger_->add(record_.header, result);
    const bool decides = result.level == "required";
    record_.results.push_back(std::move(result));
    return decides ? verdict : Verdict::pass;
  }

  /// What was seen is kept even when the run was stopped: its seed must not be used again.
  void close_ledger() {
    if (!ledger_) return;
    const Status saved = ledger_->save();
    if (!saved) fail_internally(saved.error());
    for (const std::string& note : ledger_->left_out()) fmt::print(stderr, "dropcheck: ledger: {}\n", note);
    std::vector<ResultRecord> alarms;
    for (const LedgerEvidence& evidence : ledger_->evidence())
      if (evidence.current && evidence.alarms()) alarms.push_back(ledger_alarm(evidence, ledger_->path()));
    ledger_.reset();  // these results are about the ledger and not for it
    for (ResultRecord& alarm : alarms) take(std::move(alarm));
  }

  void finish(bool complete, double seconds) {
    close_ledger();
    record_.environment = machine_facts();
    record_.environment.emplace_back("lanes", std::to_string(options_.lanes));
    record_.environment.emplace_back("in_process", options_.backend.in_process ? "true" : "false");
    record_.environment.emplace_back("wall_seconds", fmt::format("{:.1f}", seconds));
    for (const RejectionList& list : record_.rejections) write(reports::rejections_line(list));
    for (std::size_t i = 0; i < incidents_.size(); ++i) {
      if (incidents_[i].empty()) continue;
      record_.incidents.push_back({record_.header.backends[i].spec, incident_texts(incidents_[i])});
      write(reports::incidents_line(record_.incidents.back()));
    }
    write(reports::environment_line(record_.environment));
    ending_.interrupted = was_interrupted();
    Footer& footer = record_.footer;
    footer.verdict = ending_.backend_unavailable ? worse(ending_.verdict, Verdict::error) : ending_.verdict;
    for (const Verdict v : {Verdict::pass, Verdict::fail, Verdict::error, Verdict::inconclusive,
                            Verdict::unsupported, Verdict::expected_fail})
      footer.counts.emplace_back(to_string(v), counts_[static_cast<std::size_t>(v)]);
    footer.complete = complete;
    footer.exit_code = static_cast<int>(exit_code_of(ending_));
    write(reports::footer_line(footer));
    const Status written = reports::write_reports(record_, arguments_.out);
    if (!written) fail_internally(written.error());
    for (const std::string& note : expectations_.unmatched()) fmt::print(stderr, "dropcheck: {}\n", note);
    const std::string summary = reports::console_summary(record_, use_color(arguments_.color, STDOUT_FILENO));
    std::fwrite(summary.data(), 1, summary.size(), stdout);
  }

  void write(const std::string& line) {
    const Status written = file_.write(line);
    if (!written) fail_internally(written.error());
  }

  void fail_internally(const Error& error) {
    if (!ending_.internal_fault) fmt::print(stderr, "dropcheck: {}\n", error.message);
    ending_.internal_fault = true;
    record_.footer.exit_code = static_cast<int>(exit_code_of(ending_));
    g_stop.store(true);
  }

  const Registry& registry_;
  const RunArguments& arguments_;
  const Plan& plan_;
  std::vector<FoundBackend> backends_;            // until the header has them
  std::vector<std::vector<Incident>> incidents_;  // by backend
  Expectations expectations_;
  std::optional<Ledger> ledger_;
  reports::ResultsFile file_;
  RunnerOptions options_;
  std::string limits_;  // of the repro lines
  RunRecord record_;
  RunEnding ending_;
  std::array<std::uint64_t, 6> counts_{};
  Progress progress_;
};

}  // namespace

ExitCode run_command(const Registry& registry, const RunArguments& given) {
  RunArguments arguments = given;
  // Evidence adds up over fresh data only.
  if (!arguments.ledger.empty() && arguments.selection.seed.empty()) arguments.selection.vary_seed = true;
  auto plan = plan_of(registry, arguments.selection);
  if (!plan) return usage_error(plan.error().message);
  if (arguments.selection.vary_seed) fmt::print("seed {:#x}\n", plan->master_seed);
  std::optional<Ledger> ledger;
  if (!arguments.ledger.empty()) {
    auto opened = Ledger::open(arguments.ledger);
    if (!opened) return usage_error(opened.error().message);
    const Status unused = opened->check_unused(plan->hash, plan->master_seed);
    if (!unused) return usage_error(unused.error().message);
    ledger = std::move(*opened);
  }
  Expectations expectations;
  if (!arguments.expect.empty()) {
    auto read = Expectations::read(arguments.expect);
    if (!read) return usage_error(read.error().message);
    expectations = std::move(*read);
  }
  catch_signals();
  auto backends = look_at_backends(registry, arguments.selection);
  if (!backends) return usage_error(backends.error().message);
  if (arguments.locked) {
    const Status fits = fits_lock(*plan, arguments, *backends);
    if (!fits) return usage_error(fits.error().message);
    plan->filters += fmt::format("{}lock={}", plan->filters.empty() ? "" : " ", arguments.lock);
  }
  auto file = reports::ResultsFile::create(arguments.out);
  if (!file) return usage_error(file.error().message);
  return Session(registry, arguments, *plan, std::move(*backends), std::move(expectations), std::move(ledger),
                 std::move(*file))
      .run();
}

}  // namespace dropcheck::tools
