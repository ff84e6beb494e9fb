// dropcheck calibrate --full: runs a small plan over and over on correct backends and compares the number of
// runs that alarm with what the shares allow.

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <thread>

#include "harness/run/atomic_file.hpp"
#include "harness/run/repro.hpp"
#include "suites/required_effects.hpp"
#include "tools/backend_names.hpp"
#include "tools/commands.hpp"
#include "tools/interruption.hpp"
#include "tools/progress.hpp"
#include "tools/whole_calibration_page.hpp"
#include "tools/whole_calibration_state.hpp"

namespace dropcheck::tools {
namespace {

constexpr std::uint64_t kFullRuns = 10000, kBriefRuns = 300;
constexpr std::uint64_t kBatch = 50;  // runs that a stop may cost
constexpr std::size_t kMostPage = std::size_t{1} << 26;

/// The command line again, as far as it matters for the result.
std::string command_line(const CalibrateArguments& a, std::uint64_t runs,
                         const std::vector<std::string>& names) {
  return fmt::format("dropcheck calibrate --full {} --runs={} --seed={:#x}",
                     shell_word(fmt::format("--backend={}", fmt::join(names, ","))), runs, a.seed);
}

/// Makes what is missing of one backend's runs. Errors are of the state file.
class Measurement {
 public:
  Measurement(const Registry& registry, const WholePlan& whole, const std::string& spec,
              const Capabilities& capabilities, WholeState& state)
      : registry_(registry), whole_(whole), spec_(spec), capabilities_(capabilities), state_(state) {}

  Status make(std::uint64_t runs, unsigned threads) {
    const auto pending = pending_runs(state_.batches(), spec_, runs, kBatch);
    pending_.assign(pending.begin(), pending.end());
    for (const auto& [first, count] : pending) to_make_ += count;
    progress_.start(spec_);
    {
      std::vector<std::jthread> helpers;
      for (unsigned i = 1; i < threads; ++i) helpers.emplace_back([this] { work(); });
      work();
    }
    progress_.clear();
    return fault_;
  }

 private:
  void work() {
    while (true) {
      std::pair<std::uint64_t, std::uint64_t> next;
      {
        const std::lock_guard lock(mutex_);
        if (pending_.empty() || !fault_ || g_stop.load()) return;
        next = pending_.front();
        pending_.pop_front();
      }
      auto counts = measure_runs(registry_, whole_, spec_, capabilities_, next.first, next.second, g_stop);
      if (!counts) return;
      const std::lock_guard lock(mutex_);
      for (const std::string& words : counts->failed) {
        progress_.clear();
        fmt::print(stderr, "FAILED at the true level: {}\n", words);
      }
      made_ += counts->runs;
      Status added = state_.add({spec_, fmt::format("{} {}", capabilities_.name, capabilities_.version),
                                 next.first, std::move(*counts)});
      if (!added && fault_) fault_ = std::move(added);
      progress_.update(made_, to_make_);
    }
  }

  const Registry& registry_;
  const WholePlan& whole_;
  const std::string& spec_;
  const Capabilities& capabilities_;
  WholeState& state_;
  std::mutex mutex_;
  std::deque<std::pair<std::uint64_t, std::uint64_t>> pending_;
  std::uint64_t made_ = 0, to_make_ = 0;
  Status fault_ = Done{};
  Progress progress_;
};

void tell(const WholePlan& whole, const BackendCounts& b) {
  const WholeFindings found = findings_of(whole, b.counts);
  fmt::print(stderr, "{}: {} runs, {:.3f} s each, {} failed results at the true level\n", b.version,
             b.counts.runs, b.counts.seconds / static_cast<double>(b.counts.runs), b.counts.failures);
  for (const LevelFinding& level : found.levels)
    fmt::print(stderr, "  {:g}: {} runs alarm, at most {}{}{}\n", level.level, level.alarmed, level.most,
               level.has_least ? fmt::format(", at least {:.0f}", level.least) : std::string(),
               level.is_too_many()  ? ": TOO MANY"
               : level.is_too_few() ? ": TOO FEW"
                                    : "");
  for (const CheckFinding& check : found.too_many)
    fmt::print(stderr, "  TOO MANY: {} alarms at {:g} in {} runs, where its share allows {}\n", check.check,
               check.level, check.alarmed, check.most);
}

ExitCode deliver(const std::string& path, const std::string& section) {
  if (path.empty()) {
    fmt::print("{}", section);
    return ExitCode::pass;
  }
  const auto old = read_plain_file(path, kMostPage);
  if (!old) return usage_error(fmt::format("--out: {}", old.error().message));
  const auto page = with_section(old->value_or(""), section);
  if (!page) return usage_error(fmt::format("--out={}: {}", path, page.error().message));
  const Status written = replace_file(path, *page);
  return written ? ExitCode::pass : usage_error(fmt::format("--out={} cannot be written", path));
}

}  // namespace

ExitCode calibrate_whole(const Registry& registry, const CalibrateArguments& arguments) {
  if (arguments.power || !arguments.check_glob.empty())
    return usage_error("--full runs the whole plan: it goes with neither --power nor --check");
  std::vector<std::string> names = split_backend_names(arguments.backends);
  if (names.empty()) names = {"reference", "cpu"};
  const std::uint64_t runs = arguments.runs.value_or(arguments.brief ? kBriefRuns : kFullRuns);
  auto whole = whole_plan(registry, suites::kCalibrationProfile, arguments.seed);
  if (!whole) return usage_error(whole.error().message);
  auto state = WholeState::open(arguments.state, {whole->plan.hash, arguments.seed});
  if (!state) return usage_error(state.error().message);
  catch_signals();
  std::vector<BackendCounts> measured;
  bool fails = false;
  for (const std::string& name : names) {
    auto opened = registry.open(name, {});
    if (!opened) {
      usage_error(opened.error().message);
      return opened.error().code == ErrorCode::invalid_argument ? ExitCode::usage : ExitCode::backend_fault;
    }
    const Capabilities capabilities = (*opened)->capabilities();
    (*opened)->close();
    opened->reset();
    BackendCounts counts{name, fmt::format("{} {}", capabilities.name, capabilities.version), {}};
    for (const WholeBatch& batch : state->batches())
      if (batch.backend == name && batch.version != counts.version)
        return usage_error(fmt::format("--state={} holds runs of {} and this is {}: take another file",
                                       arguments.state, batch.version, counts.version));
    const Status made =
        Measurement(registry, *whole, name, capabilities, *state).make(runs, arguments.threads);
    if (!made) {
      fmt::print(stderr, "dropcheck: {}\n", made.error().message);
      return ExitCode::internal;
    }
    if (g_stop.load()) {
      fmt::print(stderr, "stopped{}\n",
                 arguments.state.empty()
                     ? "; with --state=FILE it could be taken up again"
                     : fmt::format("; the same command goes on from {}", arguments.state));
      return ExitCode::interrupted;
    }
    for (const WholeBatch& batch : state->batches())
      if (batch.backend == name) counts.counts.add(batch.counts);
    tell(*whole, counts);
    fails = fails || findings_of(*whole, counts.counts).fails;
    measured.push_back(std::move(counts));
  }
  fmt::print(stderr, "{}\n", fails ? "fail" : "pass");
  const ExitCode delivered =
      deliver(arguments.out, whole_section(*whole, measured, command_line(arguments, runs, names)));
  return delivered != ExitCode::pass ? delivered : fails ? ExitCode::fail : ExitCode::pass;
}

}  // namespace dropcheck::tools
