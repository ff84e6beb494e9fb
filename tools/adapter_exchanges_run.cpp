// Frames that carry tensors, and what commands are answered.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "impl/process/members.hpp"
#include "tools/adapter_trial.hpp"

namespace dropcheck::tools {
namespace {

constexpr std::uint64_t kFarSeq = 1'000'003;

/// Nothing is dropped and nothing scaled, in any dialect.
RunRequest plain(const AdapterTrial& trial) {
  RunRequest request;
  request.shape = trial.small();
  request.p = 0.0;
  request.train = false;
  return request;
}

EchoLook echo_of(AdapterTrial& trial, const RunRequest& request) {
  const RunAnswer answer = trial.run(request);
  return look_at_echo(answer.x, answer.y(), request.dtype.value_or(trial.dtype()), request.shape);
}

Finding frames_are_whole(AdapterTrial& trial) {
  // Bytes that are too many may still be on their way when the first reply is whole.
  for (int i = 0; i < 3; ++i) {
    const RawReply reply = trial.ask_run(trial.main(), plain(trial));
    if (const auto refusal = trial.refusal_in(reply)) return finding_of(*refusal);
  }
  return {};
}

Finding dtype_is_asked_one(AdapterTrial& trial) {
  const RunRequest request = plain(trial);
  const RawReply reply = trial.ask_run(trial.main(), request);
  const Bytes x = trial.values_of(request);
  const std::string asked(to_string(trial.dtype()));
  const std::string sent = dtype_of_echo(x, reply.bytes, trial.dtype());
  const Json tensors = reply.header.value("tensors", Json::array());
  const bool has_dtype =
      tensors.is_array() && !tensors.empty() && tensors[0].is_object() && tensors[0].contains("dtype");
  if (has_dtype && tensors[0]["dtype"] != asked)
    return {Outcome::broken,
            fmt::format("y is announced as {} where {} was asked for{}", process::shown(tensors[0]["dtype"]),
                        asked, sent.empty() ? "" : fmt::format(", and its bytes are {}", sent))};
  if (!sent.empty())
    return {Outcome::broken, fmt::format("the bytes of y are {} where {} was asked for", sent, asked)};
  return {};
}

Finding shape_is_asked_one(AdapterTrial& trial) {
  trial.run(plain(trial));
  return {};
}

Finding bytes_are_little_endian(AdapterTrial& trial) {
  const EchoLook echo = echo_of(trial, plain(trial));
  if (echo.echo == Echo::swapped) return {Outcome::wrong, echo.text};
  if (echo.echo != Echo::same) return {Outcome::not_tried, "y is not x in any order of bytes"};
  // One that reads and writes them in the wrong order shows only when it computes.
  RunRequest request = plain(trial);
  request.train = true;
  request.p = 0.5;
  try {
    const RunAnswer answer = trial.run(request);
    const DropLook look = look_at_drop(answer.x, answer.y(), trial.dtype());
    if (look.drop == Drop::swapped) return {Outcome::wrong, look.text};
  } catch (const Stop&) {
    return {Outcome::ok, "as far as it can be told in evaluation"};  // why is told by p.drops
  }
  return {};
}

Finding elements_are_row_major(AdapterTrial& trial) {
  const EchoLook echo = echo_of(trial, plain(trial));
  if (echo.echo == Echo::reordered) return {Outcome::wrong, echo.text};
  if (echo.echo != Echo::same) return {Outcome::not_tried, "y is not x in any order of elements"};
  return {};
}

Finding input_comes_back(AdapterTrial& trial) {
  const EchoLook echo = echo_of(trial, plain(trial));
  if (echo.echo == Echo::same) return {};
  if (echo.echo != Echo::other) return {Outcome::not_tried, "the order of bytes or elements is wrong"};
  return {Outcome::wrong, echo.text};
}

Finding unknown_members_are_ignored(AdapterTrial& trial) {
  RunRequest request = plain(trial);
  request.further = {{"colour", "blue"}, {"later", {{"a", {1, 2, nullptr}}}}};
  const EchoLook echo = echo_of(trial, request);
  if (echo.echo != Echo::same) return {Outcome::wrong, echo.text};
  return {};
}

/// Runs `look` for each item and tells the first fault with the item's name; skips are told at the end.
template <typename Items, typename Look>
Finding for_each_claimed(const Items& items, Look&& look) {
  std::vector<std::string> skipped;
  for (const auto item : items) {
    try {
      if (Finding finding = look(item); finding.outcome != Outcome::ok)
        return {finding.outcome, fmt::format("{}: {}", to_string(item), finding.text)};
    } catch (const Stop& stop) {
      if (stop.finding.outcome != Outcome::skipped)
        return {stop.finding.outcome, fmt::format("{}: {}", to_string(item), stop.finding.text)};
      skipped.push_back(std::string(to_string(item)));
    }
  }
  if (!skipped.empty())
    return {Outcome::warning,
            fmt::format("skipped, so not judged, though claimed: {}", fmt::join(skipped, ", "))};
  return {Outcome::ok, items.size() == 1 ? "" : fmt::format("{} of them", items.size())};
}

Finding every_op_answers(AdapterTrial& trial) {
  return for_each_claimed(trial.capabilities().ops, [&](Op op) -> Finding {
    RunRequest request = plain(trial);
    request.op = op;
    request.shape = trial.shape_of(op, {4, 5});
    if (const EchoLook echo = echo_of(trial, request); echo.echo != Echo::same)
      return {Outcome::wrong, echo.text};
    request.train = true;
    request.p = 0.5;
    const RunAnswer answer = trial.run(request);
    if (is_alpha(op)) return {};  // what is dropped is not 0 there
    const DropLook look = look_at_drop(answer.x, answer.y(), trial.dtype());
    if (look.drop == Drop::other || look.drop == Drop::swapped) return {Outcome::wrong, look.text};
    return {};
  });
}

Finding every_dtype_answers(AdapterTrial& trial) {
  return for_each_claimed(trial.capabilities().dtypes, [&](DType dtype) -> Finding {
    RunRequest request = plain(trial);
    request.dtype = dtype;
    if (!is_float(dtype)) {  // dropout of these may be refused
      const RawReply reply = trial.ask_run(trial.main(), request);
      if (trial.refusal_in(reply)) return {};
    }
    if (const EchoLook echo = echo_of(trial, request); echo.echo != Echo::same)
      return {Outcome::wrong, echo.text};
    if (!is_float(dtype) || is_alpha(trial.op())) return {};
    request.train = true;
    request.p = 0.5;
    request.shape = trial.shape_of(trial.op(), {8, 9});
    const RunAnswer answer = trial.run(request);
    const DropLook look = look_at_drop(answer.x, answer.y(), dtype);
    if (look.drop == Drop::other || look.drop == Drop::swapped) return {Outcome::wrong, look.text};
    return {};
  });
}

Finding seq_is_repeated(AdapterTrial& trial) {
  trial.run(plain(trial));
  trial.main().count_from(kFarSeq);
  trial.run(plain(trial));
  return {};
}

/// An answer to a command that nobody knows.
Finding unknown_command(AdapterTrial& trial, const Json& further, BytesView bytes) {
  Json header = {{"cmd", "frobnicate"}};
  header.update(further);
  const RawReply reply = trial.ask(trial.main(), header, bytes);
  const auto refusal = trial.refusal_in(reply);
  if (!refusal) return {Outcome::broken, "the unknown command is answered as if it were known"};
  // What it left unread would stand before the next request.
  trial.run(plain(trial));
  if (refusal->code == ErrorCode::unsupported)
    return {Outcome::warning, "the reply is skipped where it should be errored"};
  if (refusal->code != ErrorCode::backend_failed)
    return {Outcome::warning, "the kind of the error is not 'failed'"};
  return {};
}

Finding unknown_command_is_errored(AdapterTrial& trial) { return unknown_command(trial, Json::object(), {}); }

Finding bytes_of_unknown_command_are_read(AdapterTrial& trial) {
  const Bytes bytes = test_values(DType::f32, 6);
  const Json tensor = {{"name", "x"}, {"dtype", "f32"}, {"shape", {2, 3}}};
  const Finding finding = unknown_command(trial, {{"tensors", Json::array({tensor})}}, bytes);
  // The kind has been told already.
  return finding.outcome == Outcome::warning ? Finding{} : finding;
}

}  // namespace

std::vector<Exchange> run_exchanges() {
  return {
      {"run.frame",
       "three times a small run with p = 0 in evaluation",
       "each reply is one line and exactly the bytes that it announces",
       "Write a reply as one line of JSON, then the bytes of its tensors and nothing else, let nbytes be "
       "their number, and flush. "
       "What is printed in between (by a library, too) must go to standard error.",
       {"start.claims"},
       {},
       frames_are_whole},
      {"run.dtype",
       "a small run",
       "y has the dtype of x",
       "Convert the result to the dtype that was asked for, if the kernel is to have computed in it; claim "
       "in 'dtypes' only what it has.",
       {"run.frame"},
       {},
       dtype_is_asked_one},
      {"run.shape",
       "a small run",
       "the reply lists the tensor y with the shape of x and as many bytes as that needs",
       "List under 'tensors' what 'want' asks for, each with name, dtype and shape as they really are; the "
       "shape must be that of x.",
       {"run.dtype"},
       {},
       shape_is_asked_one},
      {"run.byte_order",
       "a small run with p = 0, and one with p = 0.5",
       "elements are read and written little-endian",
       "Read and write elements little-endian (in Python '<f', in NumPy '<f4', in JavaScript true as last "
       "argument of DataView's methods).",
       {"run.shape"},
       [](const AdapterTrial& trial) {
         return size_of(trial.dtype()) == 1 ? std::string("elements of one byte have no order") : "";
       },
       bytes_are_little_endian},
      {"run.element_order",
       "a small run",
       "elements come in row-major order: the last index varies fastest",
       "Write elements in row-major order: order='C' in NumPy, a transposed copy from column-major "
       "languages.",
       {"run.shape"},
       {},
       elements_are_row_major},
      {"run.identity",
       "a small run with p = 0 in evaluation",
       "y is x, bit for bit",
       "Nothing is to be done with x here: the adapter loses or changes elements on the way in or out.",
       {"run.shape"},
       {},
       input_comes_back},
      {"run.unknown_members",
       "a run with members that nobody knows",
       "they are ignored",
       "Ignore members of a request that you do not know: later versions of dropcheck may send some.",
       {"run.identity", "run.byte_order"},
       {},
       unknown_members_are_ignored},
      {"run.every_op",
       "each claimed operator, in evaluation and in training",
       "it is answered, and y is x in evaluation",
       "Claim in 'ops' only what is there, and answer it with the shape of x.",
       {"run.identity", "run.byte_order"},
       {},
       every_op_answers},
      {"run.every_dtype",
       "each claimed dtype, in evaluation and in training with p = 0.5",
       "y is x, and in training each element is 0 or doubled",
       "Elements of this dtype are read or written as something else: claim in 'dtypes' only what is there "
       "(bf16 is not f16).",
       {"run.identity", "run.byte_order"},
       {},
       every_dtype_answers},
      {"seq.repeated",
       "a run whose seq is far from the one before",
       "the reply repeats it",
       "Send back the seq of the request, not a count of your own.",
       {"run.identity", "run.byte_order"},
       {},
       seq_is_repeated},
      {"command.unknown",
       "a command that does not exist",
       "it is answered with errored, and the program goes on",
       "Answer a cmd that you do not know with \"errored\":true, a message and the kind \"failed\"; do not "
       "end.",
       {"run.identity"},
       {},
       unknown_command_is_errored},
      {"command.unknown_bytes",
       "a command that does not exist, with bytes",
       "they are read, and the next request is understood",
       "Read the nbytes of every request before you look at its cmd.",
       {"command.unknown"},
       {},
       bytes_of_unknown_command_are_read},
  };
}

}  // namespace dropcheck::tools
