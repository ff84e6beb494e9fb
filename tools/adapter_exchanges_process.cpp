// The program itself: many calls, several processes, how it ends and what it prints.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>

#include "impl/process/text.hpp"
#include "tools/adapter_trial.hpp"

namespace dropcheck::tools {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kManyCalls = 1000;
constexpr double kManySeconds = 10;  // after which as many as were made suffice
constexpr int kOtherVersion = 99;
constexpr int kPatience = 5;  // times what dropcheck itself waits for an end
constexpr std::size_t kShownOutput = 300;

RunRequest small_run(const AdapterTrial& trial) {
  RunRequest request;
  request.shape = trial.small();
  return request;
}

Finding many_calls_are_answered(AdapterTrial& trial) {
  const auto begin = Clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  int calls = 0;
  for (; calls < kManyCalls && seconds() < kManySeconds; ++calls) {
    RunRequest request = small_run(trial);
    request.seed = static_cast<std::uint64_t>(calls);
    trial.run(request);
  }
  return {Outcome::ok, fmt::format("{} in {:.2g} s: {:.0f} a second", calls, seconds(), calls / seconds())};
}

Finding unknown_start_members_are_ignored(AdapterTrial& trial) {
  const RawReply reply = trial.start(trial.other_session(), {{"colour", "blue"}, {"later", {{"a", {1, 2}}}}});
  if (const auto refusal = trial.refusal_in(reply)) return finding_of(*refusal);
  const auto claims = process::claims_from(reply.header);
  if (!claims) return {Outcome::broken, claims.error().message};
  return {};
}

Finding other_version_is_refused(AdapterTrial& trial) {
  // What it does afterwards is its own affair, so it is the end of this process.
  const RawReply reply = trial.start(trial.other_session(), {{"version", kOtherVersion}});
  const auto refusal = trial.refusal_in(reply);
  trial.other_session().close_input(trial.deadlines().stop);
  if (!refusal)
    return {Outcome::warning,
            fmt::format("start with version {} is answered as if it were 1", kOtherVersion)};
  if (refusal->code != ErrorCode::backend_failed)
    return {Outcome::warning, "it is not refused with errored of the kind 'failed'"};
  return {};
}

Finding claims_stay(AdapterTrial& trial) {
  const auto claims = process::claims_from(trial.other().start_reply());
  if (!claims) return {Outcome::broken, claims.error().message};
  if (const auto changed = process::changed_claim(*trial.claims, *claims))
    return {Outcome::broken, fmt::format("a second process claims other {}", *changed)};
  return {};
}

Finding processes_work_side_by_side(AdapterTrial& trial) {
  for (int i = 0; i < 3; ++i) {
    trial.run(trial.main(), small_run(trial));
    trial.run(trial.other(), small_run(trial));
  }
  return {};
}

std::string needs_seeds(const AdapterTrial& trial) {
  return trial.has_seeds()
             ? ""
             : fmt::format("seed_semantics is '{}'", to_string(trial.capabilities().seed_semantics));
}

Finding seeds_mean_the_same(AdapterTrial& trial) {
  RunRequest request;
  request.shape = trial.wide();
  request.seed = 7;
  if (trial.run(trial.main(), request).y() != trial.run(trial.other(), request).y())
    return {Outcome::wrong, "seed 7 gives another mask in another process"};
  return {};
}

/// How a process ended that had `stop` to end.
Finding ending(const AdapterTrial& trial, const SessionEnd& end) {
  const double limit = static_cast<double>(trial.deadlines().stop.count()) / 1000;
  if (!end.by_itself)
    return {Outcome::wrong, fmt::format("the program still runs after {:.2g} s", end.seconds)};
  if (end.seconds > limit)
    return {Outcome::warning,
            fmt::format("it takes {:.2g} s; after {:.2g} s dropcheck ends it", end.seconds, limit), true};
  if (!end.left_behind.empty())
    return {Outcome::warning, fmt::format("it leaves processes behind: {}", fmt::join(end.left_behind, ", ")),
            true};
  if (end.text != "exited with status 0")
    return {Outcome::warning, fmt::format("the program {}", end.text), true};
  return {Outcome::ok, fmt::format("after {:.2g} s", end.seconds)};
}

Finding end_of_input_ends_it(AdapterTrial& trial) {
  trial.run(trial.other(), small_run(trial));
  return ending(trial, trial.other_session().close_input(kPatience * trial.deadlines().stop));
}

Finding stop_ends_it(AdapterTrial& trial) {
  trial.run(trial.main(), small_run(trial));
  const auto end = trial.main_session().stop(kPatience * trial.deadlines().stop);
  if (!end) return finding_of(end.error());
  return ending(trial, *end);
}

Finding output_is_frames_alone(AdapterTrial& trial) {
  const process::Stray& stray = trial.stray();
  if (stray.lines == 0) return {};
  std::string_view text = stray.text.last();
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (const auto feed = text.rfind('\n'); feed != std::string_view::npos) text.remove_prefix(feed + 1);
  return {Outcome::warning,
          fmt::format("{} {} between frames, the last: '{}'", stray.lines,
                      stray.lines == 1 ? "line" : "lines", process::shown_head(text, kShownOutput)),
          true};
}

Finding errors_are_few(AdapterTrial& trial) {
  const AdapterSession& session = trial.main_session();
  const std::uint64_t bytes = session.standard_error_bytes();
  if (bytes == 0) return {Outcome::ok, "it wrote nothing to standard error"};
  std::string text = fmt::format("it wrote {} bytes to standard error, which end with: {}", bytes,
                                 process::shown_tail(session.standard_error(), kShownOutput));
  if (bytes >= process::kKeptErrorBytes) return {Outcome::warning, std::move(text), true};
  return {Outcome::ok, std::move(text)};
}

}  // namespace

std::vector<Exchange> process_exchanges() {
  return {
      {"calls.many",
       "1000 small runs",
       "each is answered",
       "Something runs out after many calls: memory, descriptors, numbers of saved calls.",
       {"p.drops"},
       {},
       many_calls_are_answered},
      {"start.other_version",
       "start with version 99, of a second process",
       "it is answered with errored of the kind failed",
       "Compare the version of start with 1, and refuse others with errored: later versions may mean other "
       "things.",
       {"start.claims"},
       {},
       other_version_is_refused},
      {"start.unknown_members",
       "start with members that nobody knows, of a second process",
       "they are ignored",
       "Ignore members of a request that you do not know: later versions of dropcheck may send some.",
       {"start.claims"},
       {},
       unknown_start_members_are_ignored},
      {"process.claims",
       "start, of a second process",
       "it claims what the first does",
       "Claims must not depend on time, on files or on other processes.",
       {"start.claims"},
       {},
       claims_stay},
      {"process.together",
       "runs of two processes in turn",
       "both answer: a run with several threads starts several",
       "A second process stands in the way of the first: files with fixed names, ports, locks, a device for "
       "one alone. Run with --threads=1 until that is mended.",
       {"process.claims", "run.identity", "run.byte_order"},
       {},
       processes_work_side_by_side},
      {"process.seed",
       "runs with one seed in two processes",
       "they have the same mask",
       "Something besides the seed goes into the masks: the time, addresses, or Python's hash(), which "
       "differs from process to process.",
       {"process.together", "seed.same"},
       needs_seeds,
       seeds_mean_the_same},
      {"end.input",
       "the end of its input, without stop",
       "the program ends within a second, with status 0",
       "Leave the loop when reading brings no more bytes, and end what you started.",
       {"process.claims", "run.identity"},
       {},
       end_of_input_ends_it},
      {"end.stop",
       "stop",
       "it is answered, and the program ends within a second, with status 0",
       "Answer stop with an empty reply and leave the loop; end the threads and processes that you started.",
       {"run.identity"},
       {},
       stop_ends_it},
      {"output.stray",
       "what the program printed to standard output besides frames",
       "nothing",
       "Send it to standard error: print(..., file=sys.stderr) in Python, console.error in JavaScript, "
       "std::cerr in C++; for libraries redirect descriptor 1, as "
       "the helpers in adapters/ do. In the middle of a frame it would break the protocol.",
       {"start.reply"},
       {},
       output_is_frames_alone},
      {"output.errors",
       "what the program wrote to standard error",
       "less than 64 KiB",
       "It is kept only in part and costs time: print less.",
       {"start.reply"},
       {},
       errors_are_few},
  };
}

}  // namespace dropcheck::tools
