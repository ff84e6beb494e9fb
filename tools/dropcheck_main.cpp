// The command line: parses arguments and hands over to the commands. Exit codes are ExitCode's.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>

#include "harness/run/stream_lock_check.hpp"
#include "suites/dialect_file.hpp"
#include "tools/commands.hpp"
#include "tools/registration.hpp"
#include "tools/rival_suites.hpp"

namespace {

using namespace dropcheck;
using namespace dropcheck::tools;

void add_dialect(CLI::App& command, std::string& dialect) {
  command
      .add_option(
          "--dialect", dialect,
          "What frameworks differ in, to judge by: a name of 'list dialects' or a file that ends in .toml")
      ->capture_default_str();
}

/// CLI11's own Range lets NaN pass.
CLI::Validator is_number_from(double least, double most) {
  return CLI::Validator(
      [=](std::string& text) {
        double value = 0;
        const char* const end = text.data() + text.size();
        const auto read = std::from_chars(text.data(), end, value);
        if (read.ec == std::errc() && read.ptr == end && value >= least && value <= most)
          return std::string();
        return fmt::format("{} is no number from {} to {}", text, least, most);
      },
      fmt::format("in [{} - {}]", least, most));
}

/// How backends are opened.
void add_opening(CLI::App& command, Selection& s) {
  command.add_flag("--in-process", s.in_process,
                   "Load plugins into this process, on one lane, for debuggers and timing");
  command
      .add_option("--memory-limit", s.memory_limit,
                  "GiB that each worker or adapter may take, 0 for no limit; by default 3/4 of the machine's "
                  "memory, shared among the lanes, and at least 2")
      ->check(is_number_from(0, 1e6));
  command
      .add_option(
          "--call-timeout", s.call_timeout,
          "Seconds that a call may take; by default 60 for a plugin and 30 for an adapter, whose first "
          "call may always take 4 times as long")
      ->check(is_number_from(0.001, 1e6));
}

void add_selection(CLI::App& command, Selection& s) {
  command
      .add_option("--backend", s.backends,
                  "Backends to judge, joined by commas; may be repeated ('list backends' shows them)")
      ->default_str("reference,cpu,libtorch");
  command
      .add_option("--suite", s.suites,
                  "Only these suites; rival:NAME for the tests of others ('list rivals')")
      ->delimiter(',');
  command.add_option("--check", s.check_glob, "Only checks whose id matches this glob, e.g. 'mask_rate.*'");
  command.add_option("--case", s.only_case,
                     "Only this problem, as a descriptor: op=dropout,p=0.1,shape=1024x1024");
  command.add_option("--profile", s.profile, "smoke, quick, standard or deep")->capture_default_str();
  add_dialect(command, s.dialect);
  auto* seed =
      command.add_option("--seed", s.seed, "Master seed, decimal or 0x hexadecimal")->default_str("0x5eed");
  command.add_flag("--vary-seed", s.vary_seed, "Draw a master seed and print it")->excludes(seed);
  command.add_option("--alpha", s.alpha, "False-alarm budget for each backend")->capture_default_str();
  command
      .add_option("--threads", s.threads,
                  "Lanes: threads, or worker processes for plugins; 0 means one a core")
      ->capture_default_str();
  add_opening(command, s);
}

void default_backends(Selection& s) {
  if (s.backends.empty()) s.backends = {"reference,cpu,libtorch"};
}

int run_cli(int argc, char** argv) {
  CLI::App app{"dropcheck: proves a dropout implementation right, or shows where it is wrong"};
  app.set_version_flag("--version", "dropcheck " DROPCHECK_VERSION);
  app.require_subcommand(1);
  std::optional<ExitCode> code;

  RunArguments run;
  CLI::App* run_app =
      app.add_subcommand("run", "Judge backends and write results.jsonl, report.md and junit.xml");
  add_selection(*run_app, run.selection);
  run_app->add_option("--expect", run.expect, "File of known failures: BACKEND CHECK CASE : reason and link");
  run_app->add_option("--out", run.out, "Folder for results and reports")->capture_default_str();
  run_app->add_option(
      "--ledger", run.ledger,
      "Add the evidence to this file, over many runs; draws a master seed unless one is given");
  run_app->add_option(
      "--lock", run.lock,
      "Also ask again for what this file of 'dropcheck lock' holds; judges its backend unless "
      "--backend is given");
  run_app->add_flag("--fail-fast", run.fail_fast, "Stop at the first failure");
  run_app->add_flag("--pursue-always", run.pursue_always,
                    "Pursue what is suspicious to the end also when something else has failed");
  run_app->add_option("--color", run.color, "auto, always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->capture_default_str();

  LockArguments lock;
  CLI::App* lock_app = app.add_subcommand(
      "lock", "Write digests of a backend's masks to a file, for 'run --lock' to see when they change");
  lock_app
      ->add_option("--backend", lock.selection.backends,
                   "The backend; with --update by default the one that the file names")
      ->allow_extra_args(false);
  lock_app->add_option("file", lock.file, "The file, e.g. streams.lock.json")->required();
  CLI::Option* update =
      lock_app->add_flag("--update", lock.update, "Show how the masks differ from those in the file");
  lock_app->add_flag("--yes", lock.yes, "Also write the new ones")->needs(update);
  add_opening(*lock_app, lock.selection);

  Selection planned;
  bool json = false;
  CLI::App* plan_app =
      app.add_subcommand("plan", "Show cases, samples, budget and what they would catch, without judging");
  add_selection(*plan_app, planned);
  plan_app->add_flag("--json", json, "For scripts");

  Selection timed;
  CLI::App* overhead_app =
      app.add_subcommand("overhead", "Time judging beside the same calls of the backend alone");
  add_selection(*overhead_app, timed);

  std::string what, profile = "quick";
  CLI::App* list_app = app.add_subcommand(
      "list", "List backends, checks, rows, suites, rivals, cases, dialects, roundings or mutants");
  list_app
      ->add_option("what", what,
                   "backends, checks, rows, suites, rivals, cases, dialects, roundings or mutants")
      ->required()
      ->check(CLI::IsMember(
          {"backends", "checks", "rows", "suites", "rivals", "cases", "dialects", "roundings", "mutants"}));
  list_app->add_option("--profile", profile, "Whose cases")->capture_default_str();
  std::string list_dialect = "pytorch", explain_dialect = "pytorch";
  add_dialect(*list_app, list_dialect);
  list_app->add_flag("--json", json, "For scripts");

  std::string check_id;
  CLI::App* explain_app = app.add_subcommand("explain", "Say what a check catches and what it cannot see");
  explain_app->add_option("check", check_id, "Id of a check")->required();
  add_dialect(*explain_app, explain_dialect);

  std::string results, out;
  CLI::App* report_app = app.add_subcommand("report", "Write the reports of a results.jsonl again");
  report_app->add_option("results", results, "A results.jsonl")->required();
  report_app->add_option("--out", out, "Folder for the reports; default: that of the results");

  std::vector<std::string> conformance_results;
  std::string page;
  CLI::App* conformance_app = app.add_subcommand(
      "conformance", "Write one page on how far backends conform, row by row, from the results of runs");
  conformance_app->add_option("results", conformance_results, "One or more results.jsonl")->required();
  conformance_app->add_option("--out", page, "File for the page, in Markdown; default: standard output");

  std::string ledger;
  CLI::App* ledger_app = app.add_subcommand("ledger", "Show the evidence that many runs have added up");
  ledger_app->add_option("file", ledger, "A file that 'run --ledger' keeps")->required();
  ledger_app->add_flag("--json", json, "For scripts");

  CalibrateArguments calibrated;
  CLI::App* calibrate_app = app.add_subcommand(
      "calibrate",
      "Measure how often correct masks fail each statistic, or whether planted defects are found");
  calibrate_app->add_option("--check", calibrated.check_glob, "Only checks whose id matches this glob");
  calibrate_app
      ->add_option("--runs", calibrated.runs,
                   "Masks for each row, by default 5000; with --power seeds, by default 1000")
      ->check(CLI::PositiveNumber);
  calibrate_app->add_flag("--short", calibrated.brief, "Fewer masks, sizes and drop probabilities, for CI");
  calibrate_app->add_flag(
      "--power", calibrated.power,
      "Plant defects of the size that statistics say they find, and count how often they do");
  CLI::Option* full = calibrate_app->add_flag("--full", calibrated.full,
                                              "Run the profile 'calibration' over and over on correct "
                                              "backends and count the runs that alarm; --runs by "
                                              "default 10000, with --short 300");
  calibrate_app
      ->add_option("--backend", calibrated.backends,
                   "With --full: correct backends, joined by commas; may be repeated; default: reference,cpu")
      ->needs(full)
      ->allow_extra_args(false);
  calibrate_app
      ->add_option("--state", calibrated.state,
                   "With --full: file that keeps what is done, to stop and to go on")
      ->needs(full);
  calibrate_app->add_option("--seed", calibrated.seed, "Seed, decimal or 0x hexadecimal")
      ->default_str("0x5eed");
  calibrate_app->add_option("--threads", calibrated.threads, "0 means one a core")->capture_default_str();
  calibrate_app->add_option("--out", calibrated.out,
                            "File for the page, in Markdown; default: standard output");

  MutantsArguments mutants;
  CLI::App* mutants_app = app.add_subcommand(
      "mutants",
      "Judge the checks: who notices backends that are wrong on purpose, beside the tests of others");
  mutants_app->add_option("--profile", mutants.profile, "The largest in which named checks are asked")
      ->capture_default_str();
  mutants_app->add_option("--only", mutants.glob, "Only mutants whose id matches this glob");
  mutants_app->add_option("--matrix", mutants.matrix_profile, "Profile in which all checks are asked")
      ->capture_default_str();
  mutants_app->add_option("--also", mutants.also, "A backend to ask beside them, e.g. plugin:./mine.so")
      ->allow_extra_args(false);
  auto* no_rivals = mutants_app->add_flag("!--no-rivals", mutants.rivals, "Leave the tests of others away");
  mutants_app->add_option("--rivals", mutants.only_rivals, "Only the tests of these others ('list rivals')")
      ->delimiter(',')
      ->excludes(no_rivals);
  mutants_app
      ->add_option("--clean-runs", mutants.clean_runs,
                   "Count false alarms of the tests of others in so many runs on a clean backend")
      ->capture_default_str();
  mutants_app->add_option("--seed", mutants.seed, "Seed, decimal or 0x hexadecimal")->default_str("0x5eed");
  mutants_app->add_option("--threads", mutants.threads, "0 means one a core")->capture_default_str();
  mutants_app->add_option("--out", mutants.out, "Folder for the page, the picture and the matrix in JSON");

  CLI::App* doctor_app =
      app.add_subcommand("doctor", "Say what works on this machine, what is missing and how to get it");
  doctor_app->add_flag("--json", json, "For scripts");

  InitArguments init;
  CLI::App* init_app = app.add_subcommand("init", "Write the skeleton of an adapter into a new folder");
  init_app->add_option("name", init.name, "Name of the adapter and of its folder")->required();
  init_app->add_option("--lang", init.language, "python, node or cpp")->required();
  init_app->add_option("--out", init.out, "Where the folder goes; default: here");

  ValidateArguments validated;
  CLI::App* validate_app = app.add_subcommand(
      "validate-adapter",
      "Try small exchanges with an adapter and say what is wrong with it, before its kernel is judged");
  validate_app->add_option("command", validated.command, "What starts it, e.g. \"python3 my_adapter.py\"")
      ->required();
  validate_app
      ->add_option("--timeout", validated.timeout,
                   "Seconds for a reply; the first of a process may take four times that")
      ->capture_default_str();
  validate_app->add_flag("--json", validated.json, "For scripts");

  std::string plugin;
  CLI::App* worker_app = app.add_subcommand("worker", "");
  worker_app->group("");  // hidden: how we start ourselves
  worker_app->add_option("plugin", plugin)->required();
  BackendOptions as_what;
  worker_app->add_option("--rank", as_what.rank);
  worker_app->add_option("--world-size", as_what.world_size);

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& e) {
    return app.exit(e);
  } catch (const CLI::CallForVersion& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    return static_cast<int>(usage_error(fmt::format("{}; 'dropcheck --help' shows the usage", e.what())));
  }
  if (*worker_app) return worker_command(plugin, as_what);
  if (*init_app) return static_cast<int>(init_command(init));
  if (*validate_app) return static_cast<int>(validate_command(validated));
  // Checks are registered as they stand under the dialect, so it comes first.
  std::string chosen = run.selection.dialect;
  if (*plan_app) chosen = planned.dialect;
  if (*overhead_app) chosen = timed.dialect;
  if (*list_app) chosen = list_dialect;
  if (*explain_app) chosen = explain_dialect;
  const auto dialect = suites::find_dialect(chosen);
  if (!dialect) return static_cast<int>(usage_error(dialect.error().message));
  run.selection.rules = planned.rules = timed.rules = *dialect;
  Registry registry = make_registry(*dialect);
  // What others test is there only for who names it.
  const Selection& asked = *plan_app ? planned : *overhead_app ? timed : run.selection;
  const Status rivals = *explain_app ? add_rivals(registry, {}, check_id)
                                     : add_rivals(registry, asked.suites, asked.check_glob);
  if (!rivals) return static_cast<int>(usage_error(rivals.error().message));
  if (*run_app) {
    const Status locked = apply_lock(registry, run);
    if (!locked) return static_cast<int>(usage_error(locked.error().message));
  }
  if (*explain_app || (*list_app && what == "checks")) add_stream_lock(registry, {}, "");
  default_backends(run.selection);
  default_backends(planned);
  default_backends(timed);
  if (*run_app) code = run_command(registry, run);
  if (*lock_app) code = lock_command(registry, lock);
  if (*plan_app) code = plan_command(registry, planned, json);
  if (*overhead_app) code = overhead_command(registry, timed);
  if (*list_app) code = list_command(registry, what, profile, json);
  if (*explain_app) code = explain_command(registry, check_id);
  if (*report_app) code = report_command(results, out);
  if (*conformance_app) code = conformance_command(conformance_results, page);
  if (*ledger_app) code = ledger_command(ledger, json);
  if (*calibrate_app) code = calibrate_command(registry, calibrated);
  if (*mutants_app) code = mutants_command(mutants);
  if (*doctor_app) code = doctor_command(registry, json);
  return static_cast<int>(code.value_or(ExitCode::internal));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run_cli(argc, argv);
  } catch (const std::exception& e) {
    fmt::print(stderr, "dropcheck: internal error: {}; please report it with the command line\n", e.what());
    return static_cast<int>(ExitCode::internal);
  }
}
