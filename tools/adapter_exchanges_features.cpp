// What an adapter claims under 'features', each in its turn.
#include <fmt/format.h>

#include <algorithm>

#include "tools/adapter_trial.hpp"

namespace dropcheck::tools {
namespace {

using Claimed = std::function<std::string(const AdapterTrial&)>;

Claimed needs(bool Capabilities::*feature, std::string name) {
  return [feature, name](const AdapterTrial& trial) {
    return trial.capabilities().*feature ? std::string() : fmt::format("'{}' is no feature", name);
  };
}

/// Masks are compared with y by its zeros.
std::string needs_zeros(const AdapterTrial& trial) {
  return is_alpha(trial.op()) ? fmt::format("{} drops to another value than 0", to_string(trial.op())) : "";
}

std::string needs_plain_mask(const AdapterTrial& trial) {
  if (!trial.claims->plain_mask) return "'mask' is no feature";
  return needs_zeros(trial);
}

std::string needs_packed_mask(const AdapterTrial& trial) {
  if (!trial.capabilities().packed_mask) return "'packed_mask' is no feature";
  return needs_zeros(trial);
}

std::string needs_both_masks(const AdapterTrial& trial) {
  const std::string plain = needs_plain_mask(trial);
  return plain.empty() ? needs_packed_mask(trial) : plain;
}

std::string needs_packed_constants(const AdapterTrial& trial) {
  if (!trial.capabilities().constant_input) return "'constant_input' is no feature";
  return needs_packed_mask(trial);
}

/// 105 elements, or what the operator makes of it: no multiple of 8, so that packed bits have an end.
RunRequest odd(const AdapterTrial& trial, std::vector<std::string> want) {
  RunRequest request;
  request.shape = drops_channels(trial.op()) ? trial.shape_of(trial.op(), {3, 5}) : Shape{3, 5, 7};
  if (drops_channels(trial.op())) request.shape.back() = 7;
  request.want = std::move(want);
  return request;
}

Bytes kept_in(const AdapterTrial& trial, const Bytes& y) { return kept_elements(y, trial.dtype()); }

Finding judged(const std::string& fault) {
  return fault.empty() ? Finding{} : Finding{Outcome::wrong, fault};
}

// --- masks

Finding mask_agrees(AdapterTrial& trial) {
  const RunRequest request = odd(trial, {"y", "mask"});
  const RunAnswer answer = trial.run(request);
  return judged(mask_fault(kept_in(trial, answer.y()), answer.bytes.at("mask"), request.shape));
}

Finding mask_comes_alone(AdapterTrial& trial) {
  const RunAnswer answer = trial.run(odd(trial, {"mask"}));
  const Bytes& mask = answer.bytes.at("mask");
  const bool sound = std::all_of(mask.begin(), mask.end(), [](std::byte b) { return b <= std::byte{1}; });
  return sound ? Finding{} : Finding{Outcome::wrong, "the mask holds other bytes than 0 and 1"};
}

Finding mask_comes_first(AdapterTrial& trial) {
  const RunRequest request = odd(trial, {"mask", "y"});
  const RunAnswer answer = trial.run(request);
  return judged(mask_fault(kept_in(trial, answer.y()), answer.bytes.at("mask"), request.shape));
}

Finding packed_agrees(AdapterTrial& trial) {
  const RunAnswer answer = trial.run(odd(trial, {"y", "packed_mask"}));
  return judged(packed_fault(kept_in(trial, answer.y()), answer.bytes.at("packed_mask")));
}

Finding padding_is_empty(AdapterTrial& trial) {
  // What is left of the last byte depends on the masks, so that one look may miss it.
  for (int i = 0; i < 8; ++i) {
    RunRequest request = odd(trial, {"y", "packed_mask"});
    request.seed = static_cast<std::uint64_t>(i);
    const RunAnswer answer = trial.run(request);
    if (!padding_is_zero(answer.y().size() / size_of(trial.dtype()), answer.bytes.at("packed_mask")))
      return {Outcome::wrong, "bits behind the last one are set"};
  }
  return {};
}

Finding packed_comes_alone(AdapterTrial& trial) {
  trial.run(odd(trial, {"packed_mask"}));
  return {};
}

Finding masks_agree(AdapterTrial& trial) {
  const RunAnswer answer = trial.run(odd(trial, {"packed_mask", "mask"}));
  return judged(packed_fault(answer.bytes.at("mask"), answer.bytes.at("packed_mask")));
}

// --- constant inputs

RunRequest constant(const AdapterTrial& trial, const Json& value) {
  RunRequest request;
  request.shape = trial.wide();
  request.fill = value;
  return request;
}

Finding constants_are_read(AdapterTrial& trial) {
  RunRequest request = constant(trial, 1.5);
  request.train = false;
  request.p = 0.0;
  const RunAnswer echoed = trial.run(request);
  const EchoLook echo = look_at_echo(echoed.x, echoed.y(), trial.dtype(), request.shape);
  if (echo.echo != Echo::same) return {Outcome::wrong, echo.text};
  const RunAnswer dropped = trial.run(constant(trial, 1.5));
  if (is_alpha(trial.op())) return {};
  const DropLook look = look_at_drop(dropped.x, dropped.y(), trial.dtype());
  if (look.drop == Drop::scaled || look.drop == Drop::unscaled) return {};
  return {Outcome::wrong, look.text};
}

Finding constant_texts_are_read(AdapterTrial& trial) {
  for (const char* value : {"inf", "-inf", "-0"}) {
    RunRequest request = constant(trial, value);
    request.train = false;
    request.p = 0.0;
    const RunAnswer answer = trial.run(request);
    const EchoLook echo = look_at_echo(answer.x, answer.y(), trial.dtype(), request.shape);
    if (echo.echo != Echo::same)
      return {Outcome::wrong, fmt::format("with the value \"{}\": {}", value, echo.text)};
  }
  return {};
}

Finding constants_give_masks(AdapterTrial& trial) {
  RunRequest request = constant(trial, 1);
  request.want = {"packed_mask"};
  const RunAnswer alone = trial.run(request);
  if (!trial.has_seeds()) return {};
  request.want = {"y"};
  const RunAnswer whole = trial.run(request);  // the same seed, so the same mask
  return judged(packed_fault(kept_in(trial, whole.y()), alone.bytes.at("packed_mask")));
}

// --- in place

Finding result_comes_back(AdapterTrial& trial) {
  RunRequest request;
  request.shape = trial.wide();
  request.further = {{"in_place", true}};
  const RunAnswer answer = trial.run(request);
  if (is_alpha(trial.op()))
    return answer.y() == answer.x ? Finding{Outcome::wrong, "y is x as it was sent"} : Finding{};
  const DropLook look = look_at_drop(answer.x, answer.y(), trial.dtype());
  if (look.drop != Drop::scaled && look.drop != Drop::unscaled) return {Outcome::wrong, look.text};
  if (look.dropped == 0) return {Outcome::wrong, "nothing is dropped: y is x as it was sent"};
  return {};
}

// --- gradients

struct Forward {
  Json saved;
  Bytes kept;
  Shape shape;
};

Forward saved_call(AdapterTrial& trial, std::uint64_t seed) {
  RunRequest request;
  request.shape = trial.wide();
  request.seed = seed;
  request.further = {{"save", true}};
  const RunAnswer answer = trial.run(request);
  const Json saved = answer.header.value("saved", Json());
  if (!saved.is_number_unsigned() || saved == 0)
    throw Stop{{Outcome::broken, "the reply to a run with \"save\":true has no positive integer 'saved'"}};
  return {saved, kept_in(trial, answer.y()), request.shape};
}

void release(AdapterTrial& trial, const Json& saved) {
  const RawReply reply = trial.ask(trial.main(), {{"cmd", "release"}, {"saved", saved}});
  if (const auto refusal = trial.refusal_in(reply)) throw Stop{finding_of(*refusal)};
}

Bytes gradient_input(const AdapterTrial& trial, const Forward& forward) {
  return test_values(trial.dtype(), forward.kept.size());
}

/// What is wrong with dx; empty when it is 0 where y was and else dy, scaled or not.
std::string gradient_fault(const AdapterTrial& trial, const Forward& forward, const Bytes& dx) {
  const Bytes dy = gradient_input(trial, forward);
  const DropLook look = look_at_drop(dy, dx, trial.dtype());
  if (look.drop != Drop::scaled && look.drop != Drop::unscaled) return look.text;
  const std::size_t differ = differing_elements(forward.kept, kept_in(trial, dx), 1);
  return differ == 0 ? ""
                     : fmt::format("{} of {} elements of dx are 0 where y is not, or the other way round",
                                   differ, forward.kept.size());
}

std::string needs_gradient(const AdapterTrial& trial) {
  return trial.capabilities().backward ? "" : "'backward' is no feature";
}

std::string needs_zero_gradient(const AdapterTrial& trial) {
  const std::string reason = needs_gradient(trial);
  return reason.empty() ? needs_zeros(trial) : reason;
}

Finding gradient_agrees(AdapterTrial& trial) {
  const Forward forward = saved_call(trial, 1);
  return judged(gradient_fault(trial, forward,
                               trial.backward(forward.saved, gradient_input(trial, forward), forward.shape)));
}

Finding calls_are_kept_apart(AdapterTrial& trial) {
  const Forward first = saved_call(trial, 1), second = saved_call(trial, 2);
  if (first.saved == second.saved)
    return {Outcome::wrong, fmt::format("two calls are saved under the same number, {}", first.saved.dump())};
  const Bytes dx = trial.backward(first.saved, gradient_input(trial, first), first.shape);
  if (const std::string fault = gradient_fault(trial, first, dx); !fault.empty()) {
    if (gradient_fault(trial, second, dx).empty())
      return {Outcome::wrong, "dx of the first call has the mask of the second"};
    return {Outcome::wrong, fault};
  }
  return judged(gradient_fault(trial, second,
                               trial.backward(second.saved, gradient_input(trial, second), second.shape)));
}

/// Asks for the gradient of a call that is not there.
Finding gradient_is_refused(AdapterTrial& trial, const Json& saved) {
  const Forward like = saved_call(trial, 3);
  const Json tensor = {
      {"name", "dy"}, {"dtype", std::string(to_string(trial.dtype()))}, {"shape", like.shape}};
  const RawReply reply =
      trial.ask(trial.main(),
                {{"cmd", "backward"}, {"saved", saved}, {"want", {"dx"}}, {"tensors", Json::array({tensor})}},
                gradient_input(trial, like));
  const bool refused = trial.refusal_in(reply).has_value();
  trial.backward(like.saved, gradient_input(trial, like), like.shape);  // it goes on
  release(trial, like.saved);
  return refused ? Finding{} : Finding{Outcome::wrong, "it answers with a gradient"};
}

Finding released_is_gone(AdapterTrial& trial) {
  const Forward forward = saved_call(trial, 1);
  release(trial, forward.saved);
  const Finding finding = gradient_is_refused(trial, forward.saved);
  if (finding.outcome == Outcome::wrong)
    return {Outcome::warning, "it still answers with a gradient, so it keeps what was released"};
  return finding;
}

// --- what replies tell

Finding threads_are_set(AdapterTrial& trial) {
  for (const int threads : {1, 2}) {
    RunRequest request;
    request.shape = trial.wide();
    request.further = {{"threads", threads}};
    trial.run(request);
  }
  return {};
}

Finding offsets_move(AdapterTrial& trial) {
  Bytes seen[3];
  for (int i = 0; i < 3; ++i) {
    RunRequest request;
    request.shape = trial.wide();
    request.further = {{"offset", i % 2}};
    seen[i] = trial.run(request).y();
  }
  if (seen[0] != seen[2]) return {Outcome::wrong, "the same seed and offset give two masks"};
  if (seen[0] == seen[1]) return {Outcome::wrong, "offsets 0 and 1 give the same mask"};
  return {};
}

Finding words_are_told(AdapterTrial& trial) {
  RunRequest request;
  request.shape = trial.wide();
  const RunAnswer answer = trial.run(request);
  const Json words = answer.header.value("rng_words", Json());
  if (!words.is_number_unsigned()) return {Outcome::broken, "the reply has no natural number 'rng_words'"};
  if (words == 0) return {Outcome::warning, "it says that a run in training with p = 0.5 took no word"};
  return {Outcome::ok,
          fmt::format("{} words for {} elements", words.dump(), answer.y().size() / size_of(trial.dtype()))};
}

Finding rate_is_told(AdapterTrial& trial) {
  RunRequest request;
  request.shape = trial.wide();
  const RunAnswer answer = trial.run(request);
  const Json rate = answer.header.value("effective_p", Json());
  if (!rate.is_number() || !(rate.get<double>() >= 0 && rate.get<double>() <= 1))
    return {Outcome::broken, "the reply has no number 'effective_p' in [0, 1]"};
  return {Outcome::ok, fmt::format("{} for p = 0.5", rate.get<double>())};
}

std::string needs_offsets(const AdapterTrial& trial) {
  if (trial.capabilities().offset_unit.empty()) return "there is no offset_unit";
  return trial.has_seeds() ? "" : "seeds cannot be set";
}

}  // namespace

std::vector<Exchange> feature_exchanges() {
  const Claimed constant_input = needs(&Capabilities::constant_input, "constant_input");
  return {
      {"mask.agrees",
       "y and its mask",
       "bytes of 0 and 1 in the shape of x, 1 where y is kept",
       "Send a mask of one byte an element, 1 for kept and 0 for dropped, in the order of x.",
       {"p.half"},
       needs_plain_mask,
       mask_agrees},
      {"mask.alone",
       "a mask without y",
       "it comes alone",
       "Send what 'want' lists and nothing else.",
       {"mask.agrees"},
       needs_plain_mask,
       mask_comes_alone},
      {"mask.order",
       "a mask and y, in that order",
       "they come in that order",
       "Send what 'want' lists in its order.",
       {"mask.agrees"},
       needs_plain_mask,
       mask_comes_first},
      {"packed.agrees",
       "y and its packed mask",
       "ceil(n / 8) bytes, element 0 in the lowest bit of the first, 1 where y is kept",
       "Pack least significant bit first: numpy.packbits(mask, bitorder='little').",
       {"p.half"},
       needs_packed_mask,
       packed_agrees},
      {"packed.padding",
       "packed masks of a number of elements that is no multiple of 8",
       "the bits behind the last are 0",
       "Clear the bits of the last byte that stand for no element.",
       {"packed.agrees"},
       needs_packed_mask,
       padding_is_empty},
      {"packed.alone",
       "a packed mask without y",
       "it comes alone",
       "Send what 'want' lists and nothing else.",
       {"packed.agrees"},
       needs_packed_mask,
       packed_comes_alone},
      {"packed.and_mask",
       "a packed mask and a mask of one run",
       "they are the same",
       "Make both from one mask.",
       {"packed.agrees", "mask.agrees"},
       needs_both_masks,
       masks_agree},
      {"fill.value",
       "runs with a constant x",
       "as if the elements had come as bytes",
       "Make x from the entry under 'fill': every element is its value.",
       {"p.half"},
       constant_input,
       constants_are_read},
      {"fill.texts",
       "runs with a constant x of \"inf\", \"-inf\" and \"-0\"",
       "as if the elements had come as bytes",
       "Read a value as a number or as one of the texts nan, inf, -inf, -0.",
       {"fill.value"},
       constant_input,
       constant_texts_are_read},
      {"fill.packed_mask",
       "a packed mask of a constant x, without y",
       "it is the mask that y has with the same seed",
       "Masks must not depend on how x came or on what is wanted.",
       {"fill.value", "packed.agrees", "seed.same"},
       needs_packed_constants,
       constants_give_masks},
      {"in_place.result",
       "a run in place",
       "the result comes back as y",
       "Send x after the kernel has written to it.",
       {"p.half"},
       needs(&Capabilities::in_place, "in_place"),
       result_comes_back},
      {"backward.dx",
       "a run with save, then its gradient",
       "dx is 0 where y was, and dy or its double elsewhere",
       "Keep the mask of a call under a number of its own, and use that mask in backward.",
       {"p.half"},
       needs_zero_gradient,
       gradient_agrees},
      {"backward.two",
       "two runs with save, then the gradient of the first and that of the second",
       "each has the mask of its own run",
       "Keep what backward needs for each 'saved', not for the last run alone.",
       {"backward.dx"},
       needs_zero_gradient,
       calls_are_kept_apart},
      {"backward.unknown",
       "the gradient of a number that was never given",
       "it is answered with errored, and the program goes on",
       "Answer a 'saved' that you do not know with errored; do not end.",
       {"backward.dx"},
       needs_gradient,
       [](AdapterTrial& trial) { return gradient_is_refused(trial, std::uint64_t{1} << 40); }},
      {"backward.released",
       "the gradient of a run that was released",
       "release is answered, and the gradient with errored",
       "Answer release with an empty reply, and forget what was saved.",
       {"backward.unknown"},
       needs_gradient,
       released_is_gone},
      {"threads.set",
       "runs with 1 and 2 threads",
       "each is answered",
       "Answer with as many threads as are asked for, or do not claim 'threads'.",
       {"p.drops"},
       needs(&Capabilities::threads, "threads"),
       threads_are_set},
      {"offset.moves",
       "runs with one seed and offsets 0, 1 and 0",
       "0 gives one mask, 1 another",
       "Let the offset reach the generator, or leave out 'offset_unit'.",
       {"seed.same"},
       needs_offsets,
       offsets_move},
      {"words.told",
       "a run in training",
       "the reply says how many words of the generator it took",
       "Send 'rng_words' with each run, or do not claim the feature.",
       {"p.drops"},
       needs(&Capabilities::reports_rng_words, "rng_words"),
       words_are_told},
      {"rate.told",
       "a run in training",
       "the reply says with which probability elements are really dropped",
       "Send 'effective_p' with each run in training, or do not claim 'effective_rate'.",
       {"p.drops"},
       needs(&Capabilities::effective_rate, "effective_rate"),
       rate_is_told},
  };
}

}  // namespace dropcheck::tools
