// dropcheck mutants: judges the checks by backends that are wrong on purpose, beside the tests of others.

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <thread>

#include "harness/core/descriptor.hpp"
#include "harness/core/invariant.hpp"
#include "harness/run/atomic_file.hpp"
#include "impl/mutants/mutants.hpp"
#include "impl/mutants/tables/not_played.hpp"
#include "suites/rivals/rivals.hpp"
#include "tools/commands.hpp"
#include "tools/interruption.hpp"
#include "tools/machine.hpp"
#include "tools/mutant_trial.hpp"
#include "tools/progress.hpp"
#include "tools/registration.hpp"
#include "tools/rival_suites.hpp"

namespace dropcheck::tools {
namespace {

using reports::KillMatrix;
using reports::MatrixRow;
using Clock = std::chrono::steady_clock;

constexpr const char* kCleanBackend = "cpu";  // that rivals' false alarms are counted on
constexpr const char* kPage = "mutation_score.md";
constexpr const char* kJson = "kill_matrix.json";
constexpr const char* kPicture = "kill_matrix.svg";

/// Profiles that are asked, in the order of their sizes.
constexpr std::array<std::string_view, 4> kBySize = {"smoke", "quick", "standard", "deep"};

std::optional<std::size_t> size_of(std::string_view profile) {
  const auto found = std::find(kBySize.begin(), kBySize.end(), profile);
  if (found == kBySize.end()) return std::nullopt;
  return static_cast<std::size_t>(found - kBySize.begin());
}

MatrixRow row_of(const mutants::Family& family, const mutants::MutantInfo& mutant) {
  MatrixRow row;
  row.backend = fmt::format("mutant:{}", mutant.id);
  row.family = family.title;
  row.mechanism = mutant.mechanism;
  row.source = mutant.source;
  row.base = mutant.base;
  row.strength = mutant.strength;
  row.contains_layers = mutant.base == "network";
  row.named = reports::NamedCheck{.check = std::string(mutant.killed_by),
                                  .profile = std::string(mutant.profile),
                                  .problem = std::string(mutant.shown_by),
                                  .verdict = {},
                                  .repro = {}};
  return row;
}

PlanOptions options_of(const MatrixRow& row, const MutantsArguments& arguments) {
  PlanOptions options;
  options.profile = row.named->profile;
  options.check_glob = row.named->check;
  options.master_seed = arguments.seed;
  if (!row.named->problem.empty()) {
    const auto problem = parse_descriptor(row.named->problem);
    DROPCHECK_CHECK(problem);  // a test holds the table to it
    options.only_case = *problem;
  }
  return options;
}

/// Exact checks that fired although the defect does not concern them.
std::vector<std::string> fired_wrongly(const mutants::MutantInfo& mutant, const MatrixRow& row) {
  std::vector<std::string> wrongly;
  for (const std::string& check : mutants::spared_checks(mutant)) {
    const auto said = row.ours.find(check);
    if (said != row.ours.end() && said->second == reports::Said::fired) wrongly.push_back(check);
  }
  return wrongly;
}

/// Does `work(i)` for every i below n on that many threads; the first error ends it.
Status for_all(std::size_t n, unsigned threads, Progress& progress,
               const std::function<Status(std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::size_t done = 0;
  std::optional<Error> error;
  const auto lane = [&] {
    for (std::size_t i = next++; i < n && !g_stop.load(); i = next++) {
      const Status did = work(i);
      const std::lock_guard lock(mutex);
      progress.update(++done, n);
      if (did) continue;
      if (!error) error = did.error();
      next = n;
    }
  };
  std::vector<std::thread> lanes;
  for (unsigned i = 1; i < threads; ++i) lanes.emplace_back(lane);
  lane();
  for (std::thread& thread : lanes) thread.join();
  progress.clear();
  if (error) return *error;
  return Done{};
}

std::string command_line(const MutantsArguments& a) {
  std::string text = fmt::format("dropcheck mutants --profile={}", a.profile);
  if (!a.glob.empty()) text += fmt::format(" --only='{}'", a.glob);
  if (a.matrix_profile != MutantsArguments{}.matrix_profile) text += " --matrix=" + a.matrix_profile;
  if (!a.rivals) text += " --no-rivals";
  if (!a.only_rivals.empty()) text += fmt::format(" --rivals={}", fmt::join(a.only_rivals, ","));
  if (a.clean_runs > 0) text += fmt::format(" --clean-runs={}", a.clean_runs);
  for (const std::string& backend : a.also) text += fmt::format(" --also='{}'", backend);
  if (a.seed != kDefaultSeed) text += fmt::format(" --seed={:#x}", a.seed);
  if (!a.out.empty()) text += " --out=" + a.out;
  return text;
}

/// Processor and lanes; the rest of the facts is in results of runs.
std::string machine_text(unsigned threads) {
  std::string processor = "unknown processor";
  for (const auto& [name, value] : machine_facts())
    if (name == "processor") processor = value;
  return fmt::format("{}, {} lanes", processor, threads);
}

/// One run of everything.
class Trials {
 public:
  Trials(const MutantsArguments& arguments, unsigned threads)
      : arguments_(arguments), threads_(threads), ours_(make_registry()), rivals_(make_registry()) {
    ground_.ours = &ours_;
    ground_.rivals = &rivals_;
    ground_.stop = &g_stop;
  }

  /// Chooses mutants and makes the plans. Errors are usage errors.
  Status prepare() {
    const auto largest = size_of(arguments_.profile);
    if (!largest)
      return usage(
          fmt::format("--profile={} is not known: write {}", arguments_.profile, fmt::join(kBySize, ", ")));
    for (const mutants::Family& family : mutants::mutant_families())
      for (const mutants::MutantInfo& mutant : family.mutants) {
        if (!arguments_.glob.empty() &&
            fnmatch(arguments_.glob.c_str(), std::string(mutant.id).c_str(), 0) != 0)
          continue;
        infos_.push_back(&mutant);
        matrix_.mutants.push_back(row_of(family, mutant));
        is_asked_.push_back(*size_of(mutant.profile) <= *largest);
      }
    if (matrix_.mutants.empty())
      return usage(fmt::format("--only={}: no mutant has such a name: 'dropcheck list mutants' shows them",
                               arguments_.glob));
    for (const std::string& backend : arguments_.also) {
      const auto opened = ours_.open(backend, {});
      if (!opened) return usage(fmt::format("--also: {}", opened.error().message));
      MatrixRow row;
      row.backend = backend;
      row.family = "Also asked";
      infos_.push_back(nullptr);
      matrix_.mutants.push_back(std::move(row));
      is_asked_.push_back(true);
    }
    for (const std::string_view base : mutants::kBases) add_clean(fmt::format("mutant:{}", base));
    add_clean(kCleanBackend);
    add_clean("reference");
    return plan();
  }

  Status run() {
    const auto begin = Clock::now();
    Progress progress;
    progress.start("mutants");
    const std::size_t n = matrix_.mutants.size() + matrix_.clean.size();
    Status done = for_all(n, threads_, progress, [&](std::size_t i) -> Status {
      if (i >= matrix_.mutants.size())
        return fill_columns(ground_, matrix_.clean[i - matrix_.mutants.size()]);
      if (!is_asked_[i]) return Done{};
      MatrixRow& row = matrix_.mutants[i];
      if (!row.named) return fill_columns(ground_, row);
      const Status named = ask_named(ground_, options_of(row, arguments_), row);
      if (!named) return named;
      const Status filled = fill_columns(ground_, row);
      row.fired_wrongly = fired_wrongly(*infos_[i], row);
      return filled;
    });
    if (!done) return done;
    if (arguments_.clean_runs > 0) {
      progress.start("clean runs of rivals");
      done = count_false_alarms(progress);
      if (!done) return done;
    }
    matrix_.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    return Done{};
  }

  const KillMatrix& matrix() const { return matrix_; }

 private:
  static Error usage(std::string message) { return {ErrorCode::invalid_argument, std::move(message)}; }

  void add_clean(std::string backend) {
    MatrixRow row;
    row.backend = std::move(backend);
    matrix_.clean.push_back(std::move(row));
  }

  Status plan() {
    matrix_.tool_version = DROPCHECK_VERSION;
    matrix_.command = command_line(arguments_);
    matrix_.profile = arguments_.profile;
    matrix_.matrix_profile = arguments_.matrix_profile;
    matrix_.clean_backend = kCleanBackend;
    matrix_.seed = arguments_.seed;
    matrix_.machine = machine_text(threads_);
    for (const auto& check : ours_.checks())
      if (!check->info().foreign) matrix_.checks.push_back(check->info().id);
    for (const auto& entry : mutants::kNotPlayed)
      matrix_.not_played.push_back(
          {std::string(entry.source), std::string(entry.defect), std::string(entry.reason)});
    PlanOptions options;
    options.profile = arguments_.matrix_profile;
    options.master_seed = arguments_.seed;
    auto planned = make_plan(ours_, options);
    if (!planned) return usage(fmt::format("--matrix: {}", planned.error().message));
    plan_ = std::move(*planned);
    ground_.matrix = &plan_;
    if (!arguments_.rivals) return Done{};
    std::vector<std::string> wanted;
    for (const std::string& name : arguments_.only_rivals)
      wanted.push_back(fmt::format("{}{}", suites::kRivalPrefix, name));
    if (wanted.empty()) wanted.push_back(fmt::format("{}*", suites::kRivalPrefix));
    const Status known = add_rivals(rivals_, wanted, {});
    if (!known) return usage(fmt::format("--rivals: {}", known.error().message));
    for (const suites::RivalInfo& rival : suites::rivals()) {
      const std::string suite = fmt::format("{}{}", suites::kRivalPrefix, rival.name);
      if (std::none_of(rivals_.checks().begin(), rivals_.checks().end(),
                       [&](const auto& check) { return check->info().suite() == suite; }))
        continue;
      PlanOptions of_rival;
      of_rival.master_seed = arguments_.seed;
      of_rival.suites = {suite};
      auto rival_plan = make_plan(rivals_, of_rival);
      if (!rival_plan) return rival_plan.error();
      matrix_.rivals.push_back({.name = std::string(rival.name),
                                .source = std::string(rival.source),
                                .tests = rival_plan->cells(),
                                .elements = rival_plan->elements()});
      ground_.rival_plans.push_back({std::string(rival.name), std::move(*rival_plan)});
    }
    return Done{};
  }

  Status count_false_alarms(Progress& progress) {
    constexpr std::uint64_t kPart = 10;  // runs at a time, so that lanes share a slow suite
    struct Part {
      std::size_t rival;
      std::uint64_t first, runs;
    };
    std::vector<Part> parts;
    for (std::size_t i = 0; i < ground_.rival_plans.size(); ++i)
      for (std::uint64_t first = 0; first < arguments_.clean_runs; first += kPart)
        parts.push_back({i, first, std::min(kPart, arguments_.clean_runs - first)});
    std::mutex mutex;
    return for_all(parts.size(), threads_, progress, [&](std::size_t i) -> Status {
      const Part& part = parts[i];
      const auto alarms = false_alarms(ground_, ground_.rival_plans[part.rival], kCleanBackend,
                                       arguments_.seed + 1 + part.first, part.runs);
      if (!alarms) return alarms.error();
      const std::lock_guard lock(mutex);
      matrix_.rivals[part.rival].runs += part.runs;
      matrix_.rivals[part.rival].false_alarms += *alarms;
      return Done{};
    });
  }

  const MutantsArguments& arguments_;
  unsigned threads_;
  Registry ours_, rivals_;
  Plan plan_;
  TrialGround ground_;
  KillMatrix matrix_;
  std::vector<const mutants::MutantInfo*> infos_;
  std::vector<bool> is_asked_;
};

Status write_all(const KillMatrix& matrix, const std::filesystem::path& folder) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  const std::pair<const char*, std::string> files[] = {{kPage, mutation_score_page(matrix, kPicture)},
                                                       {kJson, kill_matrix_json(matrix)},
                                                       {kPicture, kill_matrix_svg(matrix)}};
  for (const auto& [name, text] : files) {
    const Status written = replace_file((folder / name).string(), text);
    if (!written) return written;
  }
  return Done{};
}

}  // namespace

ExitCode mutants_command(const MutantsArguments& arguments) {
  Selection lanes;
  lanes.threads = arguments.threads;
  if (lanes.threads > kMaxThreads)
    return usage_error(fmt::format("--threads={} is too many: write at most {}", lanes.threads, kMaxThreads));
  catch_signals();
  Trials trials(arguments, lanes_of(lanes));
  const Status ready = trials.prepare();
  if (!ready) return usage_error(ready.error().message);
  const Status done = trials.run();
  if (!done) {
    fmt::print(stderr, "dropcheck: {}\n", done.error().message);
    return ExitCode::internal;
  }
  if (was_interrupted()) {
    fmt::print(stderr, "dropcheck: interrupted; nothing was written\n");
    return ExitCode::interrupted;
  }
  if (!arguments.out.empty()) {
    const Status written = write_all(trials.matrix(), arguments.out);
    if (!written) return usage_error(written.error().message);
  }
  fmt::print("{}", kill_matrix_text(trials.matrix()));
  if (killed_as_named(trials.matrix()).of == 0) return ExitCode::no_comparison;
  return is_flawless(trials.matrix()) ? ExitCode::pass : ExitCode::fail;
}

}  // namespace dropcheck::tools
