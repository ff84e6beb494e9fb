#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <random>
#include <thread>

#include "harness/core/descriptor.hpp"
#include "tools/backend_names.hpp"
#include "tools/commands.hpp"

namespace dropcheck::tools {
namespace {

Error usage(std::string message) { return Error{ErrorCode::invalid_argument, std::move(message)}; }

Expected<std::uint64_t> seed_of(const Selection& selection) {
  if (selection.vary_seed) {
    std::random_device device;
    return std::uint64_t{device()} << 32 | device();
  }
  if (selection.seed.empty()) return kDefaultSeed;
  std::string_view text = selection.seed;
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  if (hex) text.remove_prefix(2);
  std::uint64_t seed = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed, hex ? 16 : 10);
  if (error != std::errc{} || end != text.data() + text.size())
    return usage(fmt::format("--seed={} cannot be read: write a decimal or 0x hexadecimal number of 64 bits",
                             selection.seed));
  return seed;
}

/// What a call has in memory, in bytes an element: the buffers, inputs and copies of one lane come to about
/// five times the tensor; of a mask alone there are three copies of a bit.
double bytes_of_tensors(const Problem& problem) { return 5 * static_cast<double>(size_of(problem.dtype)); }
constexpr double kBytesOfMask = 3.0 / 8;

Status fits_memory(const Problem& problem, unsigned lanes, double bytes_an_element) {
  const double machine =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGE_SIZE));
  const double needed = bytes_an_element * static_cast<double>(element_count(problem.shape)) * lanes;
  if (needed <= 0.8 * machine) return Done{};
  constexpr double kGiB = 1 << 30;
  return usage(fmt::format(
      "--case: {} lanes on this shape need about {:.0f} GiB and this machine has {:.0f}: write a smaller "
      "shape or --threads=1",
      lanes, needed / kGiB, machine / kGiB));
}

/// Whether a sample's calls have tensors of their elements: those asked for as masks alone have none.
bool needs_tensors(const PlannedSample& sample) {
  if (sample.protocol == nullptr) return false;
  const std::vector<Step> steps = sample.protocol->steps(sample.info, 0);
  return std::any_of(steps.begin(), steps.end(), [](const Step& step) { return !step.mask_only; });
}

}  // namespace

ExitCode usage_error(const std::string& message) {
  fmt::print(stderr, "dropcheck: {}\n", message);
  return ExitCode::usage;
}

Expected<Plan> plan_of(const Registry& registry, const Selection& selection) {
  if (selection.threads > kMaxThreads)
    return usage(fmt::format("--threads={} is too many: write at most {}", selection.threads, kMaxThreads));
  for (const std::string& name : split_backend_names(selection.backends)) {
    const auto family = registry.family(name);
    if (!family) return family.error();
  }
  const auto seed = seed_of(selection);
  if (!seed) return seed.error();
  PlanOptions options;
  options.profile = selection.profile;
  options.alpha = selection.alpha;
  options.master_seed = *seed;
  options.suites = selection.suites;
  options.check_glob = selection.check_glob;
  if (selection.dialect !=
      suites::pytorch_dialect().name) {  // hashes of runs under PyTorch's stay what they were
    options.dialect = selection.dialect;
    options.dialect_content = suites::content_text(selection.rules);
  }
  if (!selection.only_case.empty()) {
    auto problem = parse_descriptor(selection.only_case);
    if (!problem) return usage(fmt::format("--case: {}", problem.error().message));
    if (problem->p == 1 && !selection.rules.answers_p_one())
      return usage(fmt::format("--case: {}: write a smaller p",
                               suites::reason_text(selection.rules, suites::Axis::p_one)));
    const Status fits = fits_memory(*problem, 1, kBytesOfMask);
    if (!fits) return fits.error();
    options.only_case = std::move(*problem);
  }
  auto plan = make_plan(registry, options);
  if (plan && options.only_case && std::any_of(plan->samples.begin(), plan->samples.end(), needs_tensors)) {
    const Status fits =
        fits_memory(*options.only_case, lanes_of(selection), bytes_of_tensors(*options.only_case));
    if (!fits) return fits.error();
  }
  return plan;
}

unsigned lanes_of(const Selection& selection) {
  return selection.threads != 0 ? selection.threads : std::max(1u, std::thread::hardware_concurrency());
}

bool use_color(const std::string& choice, int descriptor) {
  if (choice != "auto") return choice == "always";
  return isatty(descriptor) != 0 && std::getenv("NO_COLOR") == nullptr;
}

}  // namespace dropcheck::tools
