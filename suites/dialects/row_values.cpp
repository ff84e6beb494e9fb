#include "suites/dialects/row_values.hpp"

#include <algorithm>

#include "reference/pytorch_cpu_stream.hpp"
#include "suites/dialects/row_steps.hpp"

namespace dropcheck::suites {
namespace {

constexpr std::size_t kBefore = 3;  // drawing calls before the quiet steps; one comes after them
constexpr double kDrawP = 0.3;

}  // namespace

bool is_telling(double p) { return std::find(kTellingP.begin(), kTellingP.end(), p) != kTellingP.end(); }

std::vector<double> two_decimal_p() {
  std::vector<double> all;
  for (int hundredths = 1; hundredths < 100; ++hundredths) all.push_back(hundredths / 100.0);
  return all;
}

std::vector<double> common_and_telling_p() {
  std::vector<double> all = {0.1, 0.3, 0.5, 0.7};
  all.insert(all.end(), kTellingP.begin(), kTellingP.end());
  return all;
}

std::string out_of_range_text(double p) {
  return fmt::format("dropout probability has to be between 0 and 1, but got {:g}", p);
}

Step asked_step(Problem problem, Input input) { return refused_step(std::move(problem), input); }

Step with_mask(Step step) {
  step.outputs.push_back({.name = "mask", .shape = step.problem.shape});
  return step;
}

bool served(RowTrial& trial, std::size_t i) {
  const Reply& reply = trial.reply(i);
  if (reply.answered()) return true;
  if (reply.unsupported() &&
      (!trial.is_pytorch() || reply.refusal->message.starts_with("the backend does not claim"))) {
    trial.leave_out(reply.refusal->message);
    return false;
  }
  trial.require(false, [&] {
    return fmt::format("{} is refused: {}; it must be served", trial.place(i), reply.refusal->message);
  });
  return false;
}

bool claims_two_words(RowTrial& trial) {
  const std::string& claim = trial.capabilities().exact_stream;
  const bool continues = trial.capabilities().seed_semantics == SeedSemantics::stateful;
  if (continues && claim.starts_with("pytorch-cpu") && claim.find("variant=") == std::string::npos)
    return true;
  trial.leave_out("the stream pytorch-cpu, two words an element, is not claimed");
  return false;
}

bool is_old_pytorch(const RowTrial& trial) {
  return trial.is_pytorch() && !trial.version().empty() && trial.version() < Version{1, 14};
}
bool is_new_pytorch(const RowTrial& trial) { return trial.is_pytorch() && trial.version() >= Version{2, 13}; }

void require_kept_form(RowTrial& trial, std::size_t i, reference::ScaleForm form) {
  const Reply& reply = trial.reply(i);
  const Problem& problem = trial.step(i).problem;
  const reference::ScaleRule rule(form, problem.p, problem.dtype);
  std::uint64_t kept = 0, wrong = 0;
  std::size_t first = 0;
  for (std::size_t e = 0; e < trial.elements(i, reply.y); ++e) {
    const double y = trial.value(i, reply.y, e);
    if (y == 0) continue;
    ++kept;
    if (y == rule(trial.value(i, reply.x, e))) continue;
    if (wrong++ == 0) first = e;
  }
  trial.require(kept > 0, [&] { return fmt::format("{} keeps no element", trial.place(i)); });
  trial.require_all(kept, wrong, [&] {
    const double x = trial.value(i, reply.x, first);
    return fmt::format(
        "{}: {} of {} kept elements are not {}; element {} was {:.17g} and is {:.17g} where {:.17g} "
        "is expected",
        trial.place(i), wrong, kept, to_string(form), first, x, trial.value(i, reply.y, first), rule(x));
  });
}

void require_mask(RowTrial& trial, std::size_t i, const MaskBits& drops, std::string_view whence) {
  if (!trial.answered(i)) return;
  const std::vector<bool> seen = trial.dropped(i);
  if (seen.size() != drops.size())
    return trial.require(false, [&] {
      return fmt::format("{} has {} elements; {} has {}", trial.place(i), seen.size(), whence, drops.size());
    });
  std::uint64_t wrong = 0;
  std::size_t first = 0;
  for (std::size_t e = 0; e < seen.size(); ++e)
    if (seen[e] != drops[e] && wrong++ == 0) first = e;
  trial.require_all(seen.size(), wrong, [&] {
    return fmt::format("{}: {} of {} mask entries differ from {}; the first is element {}, which is {}",
                       trial.place(i), wrong, seen.size(), whence, first, seen[first] ? "dropped" : "kept");
  });
}

MaskBits stream_mask(std::uint64_t seed, double p, std::uint64_t elements, std::uint64_t skipped) {
  reference::PyTorchCpuStream stream(seed);
  while (skipped-- > 0) stream.next_word();
  MaskBits drops(elements);
  stream.draw(p, drops);
  return drops;
}

std::vector<Step> between_draws(std::vector<Step> quiet) {
  const Problem first = problem_of(kDrawP, {64}), second = problem_of(kDrawP, {1024});
  std::vector<Step> steps = {seeded_step(first), next_step(second), seeded_step(first)};
  for (Step& step : quiet) {
    step.seed_slot.reset();
    steps.push_back(std::move(step));
  }
  steps.push_back(next_step(second));
  return steps;
}

bool is_quiet(const RowTrial& trial, std::size_t i) {
  const std::size_t index = trial.reply(i).index;
  return index >= kBefore && index + 1 < trial.asked();
}

void require_nothing_drawn(RowTrial& trial) {
  const Capabilities& claims = trial.capabilities();
  const bool told = claims.seed_semantics == SeedSemantics::stateful &&
                    (trial.is_pytorch() || !claims.exact_stream.empty());
  if (!told)
    trial.leave_out("that nothing is drawn shows in a stream that later calls continue and that is claimed");
  std::size_t undisturbed = 0;
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (is_quiet(trial, i)) {
      if (trial.reply(i).answered() && trial.reply(i).seen.rng_words) trial.require_words(i, 0);
      continue;
    }
    if (trial.reply(i).index == 1) undisturbed = i;
    if (told && trial.reply(i).index + 1 == trial.asked())
      trial.require_equal(undisturbed, i, "a call gives another mask after calls that must draw nothing");
  }
}

}  // namespace dropcheck::suites
