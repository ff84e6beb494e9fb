// What becomes of the values: drop probabilities, modes and shapes.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "impl/process/members.hpp"
#include "tools/adapter_trial.hpp"

namespace dropcheck::tools {
namespace {

using process::shown;

RunRequest wide(const AdapterTrial& trial) {
  RunRequest request;
  request.shape = trial.wide();
  return request;
}

/// In training with p = 0.5.
DropLook drop_of(AdapterTrial& trial, const RunRequest& request) {
  const RunAnswer answer = trial.run(request);
  return look_at_drop(answer.x, answer.y(), trial.dtype());
}

std::string needs_zeros(const AdapterTrial& trial) {
  return is_alpha(trial.op()) ? fmt::format("{} drops to another value than 0", to_string(trial.op())) : "";
}

std::string needs_free_shapes(const AdapterTrial& trial) {
  return drops_channels(trial.op()) ? fmt::format("{} has no such shapes", to_string(trial.op())) : "";
}

Finding some_are_dropped(AdapterTrial& trial) {
  if (is_alpha(trial.op())) {
    const RunAnswer answer = trial.run(wide(trial));
    if (answer.y() == answer.x) return {Outcome::wrong, "nothing is dropped in training with p = 0.5"};
    return {};
  }
  const DropLook look = drop_of(trial, wide(trial));
  if (look.dropped == 0) return {Outcome::wrong, fmt::format("none of {} elements is dropped", look.count)};
  if (look.dropped == look.count)
    return {Outcome::wrong, fmt::format("all {} elements are dropped", look.count)};
  return {Outcome::ok, fmt::format("{} of {} elements are dropped", look.dropped, look.count)};
}

Finding half_doubles(AdapterTrial& trial) {
  const DropLook look = drop_of(trial, wide(trial));
  if (look.drop == Drop::scaled) return {};
  if (look.drop == Drop::unscaled)
    return {Outcome::warning, look.text + ": right only by conventions that scale in evaluation"};
  return {Outcome::wrong, look.text};
}

Finding zero_returns_input(AdapterTrial& trial, const Json& p) {
  RunRequest request = wide(trial);
  request.p = p;
  const RunAnswer answer = trial.run(request);
  const EchoLook echo = look_at_echo(answer.x, answer.y(), trial.dtype(), request.shape);
  if (echo.echo != Echo::same) return {Outcome::wrong, echo.text};
  return {};
}

Finding evaluation_returns_input(AdapterTrial& trial) {
  RunRequest request = wide(trial);
  request.train = false;
  const RunAnswer answer = trial.run(request);
  const EchoLook echo = look_at_echo(answer.x, answer.y(), trial.dtype(), request.shape);
  if (echo.echo == Echo::same) return {};
  Bytes y = doubled(answer.y(), trial.dtype());
  if (y == answer.x)
    return {Outcome::warning,
            "every element is multiplied by 1 - p: right only by conventions that scale in evaluation"};
  return {Outcome::wrong, echo.text};
}

/// Asks with such p. Refusing is as good as answering: what is right is the kernel's business.
struct Refusals {
  std::vector<std::string> accepted, skipped, other_kind;
};
Refusals ask_each(AdapterTrial& trial, const std::vector<Json>& list) {
  Refusals found;
  for (const Json& p : list) {
    RunRequest request;
    request.shape = trial.small();
    request.p = p;
    RawReply reply;
    try {
      reply = trial.ask_run(trial.main(), request);
    } catch (const Stop& stop) {
      throw Stop{{stop.finding.outcome, fmt::format("with p = {}: {}", shown(p), stop.finding.text)}};
    }
    const auto refusal = trial.refusal_in(reply);
    if (!refusal) found.accepted.push_back(shown(p));
    else if (refusal->code == ErrorCode::unsupported) found.skipped.push_back(shown(p));
    else if (refusal->code != ErrorCode::invalid_argument) found.other_kind.push_back(shown(p));
  }
  RunRequest request;
  request.shape = trial.small();
  trial.run(request);  // it goes on
  return found;
}

Finding bad_p_is_answered(AdapterTrial& trial, const std::vector<Json>& list) {
  const Refusals found = ask_each(trial, list);
  if (!found.other_kind.empty())
    return {Outcome::warning, fmt::format("p = {}: the kind of the error is not 'invalid_argument'",
                                          fmt::join(found.other_kind, ", "))};
  if (!found.accepted.empty())
    return {Outcome::warning,
            fmt::format("p = {}: accepted; whether it should be refused is for the dialect to say",
                        fmt::join(found.accepted, ", "))};
  if (!found.skipped.empty())
    return {Outcome::warning,
            fmt::format("p = {}: skipped; a refusal is errored, of the kind 'invalid_argument'",
                        fmt::join(found.skipped, ", "))};
  return {};
}

Finding extreme_p_is_answered(AdapterTrial& trial) {
  const Refusals found = ask_each(trial, {1.0, 1, 0.9999999, 1e-300, 5e-324});
  const auto refused = found.other_kind.size() + found.skipped.size();
  if (refused > 0)
    return {Outcome::warning,
            fmt::format("p = {} refused",
                        fmt::join(refused == found.skipped.size() ? found.skipped : found.other_kind, ", "))};
  return {};
}

Finding refusals_have_messages(AdapterTrial& trial) {
  if (trial.silent_refusals().empty()) return {};
  return {Outcome::warning, fmt::format("a reply with {} has no message",
                                        fmt::join(trial.silent_refusals(), " and one with "))};
}

/// An echo in evaluation and a drop in training.
Finding shape_works(AdapterTrial& trial, const Shape& shape) {
  RunRequest request;
  request.shape = shape;
  request.p = 0.0;
  request.train = false;
  const RunAnswer echoed = trial.run(request);
  const EchoLook echo = look_at_echo(echoed.x, echoed.y(), trial.dtype(), shape);
  if (echo.echo != Echo::same) return {Outcome::wrong, echo.text};
  request.p = 0.5;
  request.train = true;
  const RunAnswer dropped = trial.run(request);
  const DropLook look = look_at_drop(dropped.x, dropped.y(), trial.dtype());
  if (!is_alpha(trial.op()) && (look.drop == Drop::other || look.drop == Drop::swapped))
    return {Outcome::wrong, look.text};
  return {};
}

Finding empty_shapes_work(AdapterTrial& trial) {
  for (const Shape& shape : {trial.shape_of(trial.op(), {0}), trial.shape_of(trial.op(), {3, 0})})
    if (Finding finding = shape_works(trial, shape); finding.outcome != Outcome::ok) return finding;
  return {};
}

Finding large_tensor_comes_back(AdapterTrial& trial) {
  constexpr double kMiB = 1 << 20;
  RunRequest request;
  request.shape =
      trial.shape_of(trial.op(), {1024, 4096 / static_cast<std::int64_t>(size_of(trial.dtype()))});
  const RunAnswer answer = trial.run(request);
  const DropLook look = look_at_drop(answer.x, answer.y(), trial.dtype());
  if (!is_alpha(trial.op()) && (look.drop == Drop::other || look.drop == Drop::swapped))
    return {Outcome::wrong, look.text};
  const double size = static_cast<double>(answer.x.size()) / kMiB;
  return {Outcome::ok,
          fmt::format("{:.0f} MiB in {:.2g} s: {:.0f} MiB/s", size, answer.seconds, size / answer.seconds)};
}

Exchange shape_exchange(std::string_view name, std::string_view asks, Shape shape) {
  return {name,
          asks,
          "y is x in evaluation; in training with p = 0.5 each element is 0 or doubled",
          "Take the number of elements from the shape (the product of its extents; 1 where it is empty), and "
          "answer with the same shape.",
          {"p.drops"},
          needs_free_shapes,
          [shape](AdapterTrial& trial) { return shape_works(trial, shape); }};
}

}  // namespace

std::vector<Exchange> value_exchanges() {
  return {
      {"p.drops",
       "a run in training with p = 0.5",
       "some of 4096 places are dropped, and not all",
       "p and train do not reach the kernel, or its result does not reach the reply.",
       {"run.identity", "run.byte_order"},
       {},
       some_are_dropped},
      {"p.half",
       "a run in training with p = 0.5",
       "each element is 0 or doubled",
       "The values are not those of a dropout: give the kernel x as it came, and send back what it returned.",
       {"p.drops"},
       needs_zeros,
       half_doubles},
      {"p.zero",
       "a run in training with p = 0",
       "y is x, bit for bit",
       "p is not what the kernel gets: is it taken for the probability to keep?",
       {"run.identity", "run.byte_order"},
       {},
       [](AdapterTrial& trial) { return zero_returns_input(trial, 0.0); }},
      {"p.minus_zero",
       "a run in training with p = \"-0\", a text",
       "y is x, as with 0",
       "Read p as a number or as one of the texts nan, inf, -inf, -0.",
       {"p.zero"},
       {},
       [](AdapterTrial& trial) { return zero_returns_input(trial, "-0"); }},
      {"p.extreme",
       "runs with p = 1, 1.0, just below 1 and just above 0",
       "each is answered, and the program goes on",
       "Answer what the kernel refuses with errored; do not end.",
       {"p.drops"},
       {},
       extreme_p_is_answered},
      {"p.outside",
       "runs with p = -0.1, 1.5, \"inf\" and \"-inf\"",
       "each is answered, best with errored of the kind invalid_argument, and the program goes on",
       "Read p as a number or a text, let the kernel refuse it, and answer with errored; do not end.",
       {"p.drops"},
       {},
       [](AdapterTrial& trial) {
         return bad_p_is_answered(trial, {-0.1, 1.5, "inf", "-inf"});
       }},
      {"p.nan",
       "a run with p = \"nan\"",
       "it is answered, best with errored of the kind invalid_argument, and the program goes on",
       "Read p as a number or a text, let the kernel refuse it, and answer with errored; do not end. NaN is "
       "neither below 0 nor above 1: ask for 0 <= p <= 1.",
       {"p.drops"},
       {},
       [](AdapterTrial& trial) { return bad_p_is_answered(trial, {"nan"}); }},
      {"refusal.message",
       "what was refused until here",
       "every refusal says why",
       "Give replies with skipped or errored a message: it stands in the report.",
       {"p.drops"},
       {},
       refusals_have_messages},
      {"eval.identity",
       "a run in evaluation with p = 0.5",
       "y is x, bit for bit",
       "train does not reach the kernel: in evaluation nothing is dropped.",
       {"p.drops"},
       {},
       evaluation_returns_input},
      shape_exchange("shape.scalar", "runs with the shape []", {}),
      shape_exchange("shape.one", "runs with one element", {1}),
      {"shape.empty",
       "runs without elements",
       "the reply has the same shape and no bytes",
       "Answer tensors without elements like others: with their shape and nbytes 0.",
       {"p.drops"},
       needs_free_shapes,
       empty_shapes_work},
      shape_exchange("shape.odd", "runs with 3 x 5 x 7 elements", {3, 5, 7}),
      shape_exchange("shape.deep", "runs with 8 dimensions", {1, 2, 1, 3, 1, 2, 1, 2}),
      {"shape.large",
       "a run with 4 MiB",
       "each element is 0 or doubled",
       "Read until all nbytes have come and write until all are written: pipes pass on pieces.",
       {"p.drops"},
       {},
       large_tensor_comes_back},
  };
}

}  // namespace dropcheck::tools
