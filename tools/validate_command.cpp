// `dropcheck validate-adapter`: whether an adapter answers as it should, before its kernel is judged.
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "harness/run/repro.hpp"
#include "reports/escape.hpp"
#include "tools/adapter_trial.hpp"
#include "tools/commands.hpp"

namespace dropcheck::tools {
namespace {

constexpr std::size_t kShownText = 1200;

std::atomic<bool> g_stop{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void on_signal(int number) {
  if (!g_stop.exchange(true)) return;
  // A second Ctrl-C ends at once.
  process::kill_all_children();
  std::signal(number, SIG_DFL);
  std::raise(number);
}

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

/// Tells on stderr what is waited for, once that has taken two seconds: on a terminal in a line that is
/// redrawn, elsewhere in a line every ten seconds.
class Waiting {
 public:
  explicit Waiting(std::size_t total)
      : total_(total),
        terminal_(isatty(STDERR_FILENO) != 0),
        thread_([this](const std::stop_token& stop) { tell(stop); }) {}
  ~Waiting() {
    thread_.request_stop();
    thread_.join();
    clear();
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  void begins(std::size_t number, std::string_view name) {
    const std::lock_guard lock(mutex_);
    number_ = number;
    name_ = name;
  }
  /// Takes the line away, so that another can be printed.
  void clear() {
    const std::lock_guard lock(mutex_);
    if (drawn_) fmt::print(stderr, "\r\x1b[K");
    drawn_ = false;
    std::fflush(stderr);
  }

 private:
  using Clock = std::chrono::steady_clock;

  void tell(const std::stop_token& stop) {
    const auto begin = Clock::now();
    std::unique_lock lock(mutex_);
    auto pause = std::chrono::milliseconds(2000);
    while (!woken_.wait_for(lock, stop, pause, [] { return false; }) && !stop.stop_requested()) {
      const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
      const std::string line = fmt::format("{} of {}: {} ({:.0f} s)", number_, total_, name_, seconds);
      if (terminal_) fmt::print(stderr, "\r\x1b[K{}", line);
      else fmt::print(stderr, "{}\n", line);
      std::fflush(stderr);
      drawn_ = terminal_;
      pause = std::chrono::milliseconds(terminal_ ? 500 : 10'000);
    }
  }

  const std::size_t total_;
  const bool terminal_;
  std::mutex mutex_;
  std::condition_variable_any woken_;
  std::size_t number_ = 0;
  std::string_view name_;
  bool drawn_ = false;
  std::jthread thread_;  // last: it uses the others
};

using Counts = std::map<Outcome, std::size_t>;

Counts counted(const std::vector<ExchangeResult>& results) {
  Counts counts;
  for (const ExchangeResult& result : results) ++counts[result.finding.outcome];
  return counts;
}

bool is_fault(Outcome outcome) { return outcome == Outcome::wrong || outcome == Outcome::broken; }

/// Prints a line an exchange. Of those not tried for one reason in a row there is one for all.
class Table {
 public:
  void add(const ExchangeResult& result) {
    if (!untried_.empty() && (result.finding.outcome != Outcome::not_tried || result.finding.text != reason_))
      finish();
    if (result.finding.outcome == Outcome::not_tried) {
      untried_.push_back(result.exchange->name);
      reason_ = result.finding.text;
      return;
    }
    print(to_string(result.finding.outcome), result.exchange->name, result.finding.text);
    const Exchange& exchange = *result.exchange;
    const bool unfit = is_fault(result.finding.outcome);
    if (unfit) print("", "", fmt::format("asked: {}; must hold: {}", exchange.asks, exchange.holds));
    if (unfit || result.finding.tell_fix) print("", "", exchange.fix);
    std::fflush(stdout);
  }
  void finish() {
    if (untried_.size() == 1) print("not tried", untried_.front(), reason_);
    if (untried_.size() > 1)
      print("not tried", fmt::format("{} exchanges", untried_.size()),
            fmt::format("{}: {} to {}", reason_, untried_.front(), untried_.back()));
    untried_.clear();
    std::fflush(stdout);
  }

 private:
  static void print(std::string_view word, std::string_view name, std::string_view text) {
    std::string line = fmt::format("{:12} {:22} {}", word, name, reports::clean_line(text, kShownText));
    line.erase(line.find_last_not_of(' ') + 1);
    fmt::print("{}\n", line);
  }

  std::vector<std::string_view> untried_;
  std::string reason_;
};

ExitCode exit_code(const std::vector<ExchangeResult>& results) {
  Counts counts = counted(results);
  RunEnding ending;
  ending.interrupted = g_stop.load();
  if (counts[Outcome::broken] > 0) ending.verdict = Verdict::error;
  if (counts[Outcome::wrong] > 0) ending.verdict = Verdict::fail;
  // Without this nothing of what the adapter computes was looked at.
  for (const ExchangeResult& result : results)
    if (result.exchange->name == "p.drops" &&
        (result.finding.outcome == Outcome::ok || result.finding.outcome == Outcome::warning))
      ending.comparisons = 1;
  return exit_code_of(ending);
}

std::string plural(std::size_t n, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", n, n == 1 ? one : many);
}

std::string verdict_line(const std::string& command, const std::vector<ExchangeResult>& results,
                         ExitCode code) {
  Counts counts = counted(results);
  const std::string rest =
      fmt::format("{} ok, {}, {} not claimed, {} skipped, {} not tried", counts[Outcome::ok],
                  plural(counts[Outcome::warning], "warning", "warnings"), counts[Outcome::not_claimed],
                  counts[Outcome::skipped], counts[Outcome::not_tried]);
  if (code == ExitCode::interrupted) return fmt::format("INTERRUPTED: {}", rest);
  if (code == ExitCode::no_comparison)
    return fmt::format(
        "NOTHING COMPARED: the adapter answers no run in training, so nothing is known of it; {}", rest);
  if (code == ExitCode::pass)
    return fmt::format("PASS: {}; now judge its kernel: dropcheck run --backend={}", rest,
                       shell_word("exec:" + command));
  std::string_view first;
  for (const ExchangeResult& result : results)
    if (first.empty() && is_fault(result.finding.outcome)) first = result.exchange->name;
  return fmt::format("{}: {} wrong, the first is {}; {}; mend that before the kernel is judged",
                     code == ExitCode::fail ? "FAIL" : "ERROR",
                     plural(counts[Outcome::wrong] + counts[Outcome::broken], "exchange is", "exchanges are"),
                     first, rest);
}

void print_json(const std::string& command, const AdapterTrial& trial,
                const std::vector<ExchangeResult>& results, ExitCode code) {
  using Ordered = nlohmann::ordered_json;
  Ordered list = Ordered::array();
  for (const ExchangeResult& result : results) {
    const Exchange& e = *result.exchange;
    list.push_back({{"name", e.name},
                    {"outcome", to_string(result.finding.outcome)},
                    {"breaks_protocol", result.finding.outcome == Outcome::broken},
                    {"text", reports::clean_line(result.finding.text, kShownText)},
                    {"asks", e.asks},
                    {"holds", e.holds},
                    {"fix", e.fix},
                    {"seconds", result.seconds}});
  }
  const Ordered report = {{"command", command},
                          {"name", trial.claims ? reports::clean_line(trial.capabilities().name) : ""},
                          {"verdict", verdict_line(command, results, code)},
                          {"exit_code", static_cast<int>(code)},
                          {"exchanges", list}};
  fmt::print("{}\n", report.dump(1, ' ', false, Ordered::error_handler_t::replace));
}

}  // namespace

ExitCode validate_command(const ValidateArguments& arguments) {
  if (arguments.command.find_first_not_of(" \t") == std::string::npos)
    return usage_error(
        "validate-adapter needs the command that starts the adapter, e.g. \"python3 my_adapter.py\"");
  if (!(arguments.timeout > 0 && arguments.timeout <= 86'400))
    return usage_error(fmt::format(
        "--timeout={} is no number of seconds: write one above 0 and at most 86400", arguments.timeout));
  catch_signals();
  process::Options deadlines;
  deadlines.every = milliseconds(static_cast<std::int64_t>(std::ceil(1000 * arguments.timeout)));
  deadlines.first = 4 * deadlines.every;
  Selection two_lanes;  // no more processes than two run at once
  two_lanes.threads = 2;
  deadlines.limits = {backend_options(two_lanes).memory_limit, &g_stop};
  AdapterTrial trial(arguments.command, deadlines);
  std::vector<ExchangeResult> results;
  Table table;
  {
    Waiting waiting(all_exchanges().size());
    TrialWatcher watcher;
    watcher.begins = [&](std::size_t number, const Exchange& exchange) {
      waiting.begins(number, exchange.name);
    };
    watcher.ends = [&](const ExchangeResult& result) {
      if (arguments.json) return;
      waiting.clear();
      table.add(result);
    };
    watcher.is_stopped = [] { return g_stop.load(); };
    results = try_exchanges(trial, watcher);
  }
  table.finish();
  const ExitCode code = exit_code(results);
  if (arguments.json) print_json(arguments.command, trial, results, code);
  else fmt::print("{}\n", verdict_line(reports::clean_line(arguments.command), results, code));
  return code;
}

}  // namespace dropcheck::tools
