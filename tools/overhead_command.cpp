// dropcheck overhead: what judging costs beside the backend itself. Parts of the plan run in turn, once with
// calls only and once as a run judges them, so that a noisy machine slows both.

#include <fmt/format.h>

#include <chrono>

#include "harness/run/backend_alone.hpp"
#include "harness/run/cell_judge.hpp"
#include "harness/run/property_explorer.hpp"
#include "tools/backend_names.hpp"
#include "tools/commands.hpp"
#include "tools/progress.hpp"

namespace dropcheck::tools {
namespace {

constexpr std::uint64_t kPartWork = std::uint64_t{1} << 30;  // elements of one part: about five seconds

double seconds_of(const std::function<void()>& body) {
  const auto begin = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

struct Times {
  double alone = 0, judged = 0;
};

Expected<Times> measure(const Registry& registry, const Plan& plan, const std::string& spec, unsigned lanes,
                        const BackendOptions& options) {
  std::vector<std::unique_ptr<Backend>> backends;
  for (unsigned i = 0; i < lanes; ++i) {
    auto opened = registry.open(spec, options);
    if (!opened) return opened.error();
    backends.push_back(std::move(*opened));
  }
  const Capabilities capabilities = backends[0]->capabilities();
  BackendAlone alone(std::move(backends));
  std::atomic<bool> stop{false};
  const CellJudge judge(plan, spec, capabilities);
  JobRunner runner(registry, spec, capabilities, options, lanes, plan.master_seed, stop);
  JobEvents events;
  events.on_done = [&](std::size_t, JobOutcome) {};
  std::vector<Job> jobs;
  std::vector<std::size_t> ends;  // of the parts
  std::uint64_t work = 0;
  for (const PlannedSample& sample : plan.samples) {
    Job job{&sample, sample.info, 1, {}};
    if (job.explores()) continue;  // random problems are made up as they go: there is nothing to compare with
    for (std::size_t c = 0; c < sample.cells.size(); ++c)
      if (judge.missing_for(sample, sample.cells[c]).empty()) job.cells.push_back(c);
    if (job.cells.empty()) continue;
    work += job.work_of_block() * job.blocks();
    jobs.push_back(std::move(job));
    if (work >= kPartWork) {
      ends.push_back(jobs.size());
      work = 0;
    }
  }
  if (ends.empty() || ends.back() != jobs.size()) ends.push_back(jobs.size());

  Times times;
  Progress progress;
  progress.start(spec);
  std::size_t begin = 0;
  runner.run(std::span(jobs).first(1), events);  // opens the backends, which is not part of either
  for (std::size_t part = 0; part < ends.size(); begin = ends[part++]) {
    const auto some = std::span<const Job>(jobs).subspan(begin, ends[part] - begin);
    events.on_done = [&](std::size_t j, JobOutcome outcome) { (void)judge.first_look(some[j], outcome); };
    const auto run_alone = [&] { times.alone += seconds_of([&] { alone.run(some, plan.master_seed); }); };
    const auto run_judged = [&] { times.judged += seconds_of([&] { runner.run(some, events); }); };
    if (part % 2 == 0) {
      run_alone();
      run_judged();
    } else {
      run_judged();
      run_alone();
    }
    progress.update(part + 1, ends.size());
  }
  progress.clear();
  return times;
}

}  // namespace

ExitCode overhead_command(const Registry& registry, const Selection& selection) {
  const auto plan = plan_of(registry, selection);
  if (!plan) return usage_error(plan.error().message);
  const BackendOptions options = backend_options(selection);
  const unsigned lanes = lanes_of(selection);
  fmt::print("profile {}, {} lanes; random problems left out\n", plan->profile, lanes);
  for (const std::string& spec : split_backend_names(selection.backends)) {
    const auto times = measure(registry, *plan, spec, lanes, options);
    if (!times) {
      fmt::print("{}: cannot be measured: {}\n", spec, times.error().message);
      return ExitCode::backend_fault;
    }
    fmt::print("{}: alone {:.2f} s, judged {:.2f} s, ratio {:.3f}\n", spec, times->alone, times->judged,
               times->judged / times->alone);
  }
  return ExitCode::pass;
}

}  // namespace dropcheck::tools
