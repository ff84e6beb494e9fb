// exact_stream: a backend that claims a documented stream is compared with it bit by bit. The stream is
// rebuilt from its document in `reference`; the backend's own code takes no part. Exact.

#include <cmath>
#include <map>

#include "harness/core/descriptor.hpp"
#include "harness/core/tensor.hpp"
#include "reference/claimed_stream.hpp"
#include "reference/memory_order.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/exact_stream_steps.hpp"
#include "suites/judging.hpp"
#include "suites/mask_observer.hpp"

namespace dropcheck::suites {
namespace {

using reference::ClaimedStream;
using reference::StreamCall;

/// All of one call that a stream has a say in.
struct SeenCall {
  std::uint64_t block = 0;
  std::size_t index = 0;
  std::optional<std::uint64_t> seed;
  Problem problem;
  std::string form;
  std::optional<std::string> refusal;  // why the call was not made, or not answered
  std::optional<MaskBits> drops;       // of the mask entries; absent where the output does not tell
  std::uint64_t mixed_channels = 0;
  bool counted = false;  // words were asked for
  std::optional<std::uint64_t> words;
};

class StreamObserver final : public MergingObserver<StreamObserver> {
 public:
  void observe(const StepRecord& record) override {
    SeenCall call;
    call.block = record.block;
    call.index = record.index;
    call.seed = record.seed;
    call.problem = record.step->problem;
    call.form = form_of(record.step->attributes);
    call.counted = record.step->count_words;
    if (record.observation->has_value()) {
      call.words = (*record.observation)->rng_words;
      if (record.dropped != nullptr) {
        MaskBits scratch;
        call.drops = mask_entries(record, scratch);
        if (record.channels != nullptr) call.mixed_channels = record.channels->mixed_channels;
      } else if (call.form == "native_dropout" && call.problem.mode == Mode::train) {
        call.drops = drop_bits_of_output(call.problem.op, record.y);
      }
    } else {
      call.refusal = record.observation->error().message;
    }
    calls.push_back(std::move(call));
  }
  void add(const StreamObserver& later) { calls.insert(calls.end(), later.calls.begin(), later.calls.end()); }
  std::vector<SeenCall> calls;
};

/// The call as the stream's document sees it. Tensors begin at an aligned address but for layout=shifted.
StreamCall stream_call(const SeenCall& call) {
  const Problem& x = call.problem;
  TensorGeometry geometry = geometry_of(x, x.in_place);
  const std::uint64_t alignment = 256 + static_cast<std::uint64_t>(geometry.first) * size_of(x.dtype);
  return {x.op, x.p, x.dtype, x.shape, std::move(geometry.strides), alignment, x.mode, x.in_place, call.form};
}

/// "call 3, the 2nd after seed 0x5eed (op=dropout,p=0.3,shape=17)".
std::string call_text(const SeenCall& call, std::uint64_t since_seed, std::uint64_t seed) {
  Problem shown = call.problem;
  shown.seed.reset();
  return fmt::format("call {} of block {}, number {} after seed 0x{:x} ({}{}{})", call.index + 1,
                     call.block + 1, since_seed, seed, print_descriptor(shown),
                     call.form.empty() ? "" : ",form=", call.form);
}

/// The first entry at which the masks differ, which they do.
std::uint64_t first_difference(const MaskBits& a, const MaskBits& b) {
  std::size_t w = 0;
  while (a.words()[w] == b.words()[w]) ++w;
  return 64 * w + static_cast<std::uint64_t>(__builtin_ctzll(a.words()[w] ^ b.words()[w]));
}

/// Where a mask entry shows: the element, or the first one of its channel.
std::string element_text(const Problem& problem, std::uint64_t entry) {
  const auto entries = static_cast<std::uint64_t>(mask_count(problem));
  const std::uint64_t element = entry * (static_cast<std::uint64_t>(element_count(problem.shape)) / entries);
  const reference::MemoryOrder order(problem.shape, geometry_of(problem, problem.in_place).strides);
  return fmt::format("{}element {} in logical order, {} in memory order,",
                     drops_channels(problem.op) ? fmt::format("channel {}, ", entry) : "", element,
                     order(element));
}

/// Goes through the calls beside the claimed stream.
class StreamCheck : public Check {
 public:
  using Check::Check;
  Applicability applies(const SampleInfo& sample) const override {
    return draws_mask(sample.problem) ? Applicability::yes() : Applicability::no();
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const final {
    return std::make_unique<StreamObserver>();
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const final {
    Judgement judgement;
    auto opened = ClaimedStream::open(context.capabilities->exact_stream);
    if (!opened) {  // not a failure, but never a pass
      judgement.verdict = Verdict::error;
      judgement.message =
          fmt::format("the backend claims a stream that cannot be rebuilt: {}", opened.error().message);
      return judgement;
    }
    if (const auto missing = cannot_apply(*context.capabilities)) {
      judgement.verdict = Verdict::unsupported;
      judgement.message = *missing;
      return judgement;
    }
    Replay replay{**opened, {}, {}};
    for (const SeenCall& call : static_cast<const StreamObserver&>(seen).calls) {
      if (const auto error = step(replay, call)) {
        judgement.verdict = Verdict::error;
        judgement.message = *error;
        return judgement;
      }
    }
    judgement = replay.finding.judgement(held(**opened, replay));
    if (judgement.verdict == Verdict::pass && judgement.comparisons > 0 && !tells(replay)) {
      judgement.verdict = Verdict::inconclusive;
      judgement.message = "invalid: no call met what the check is about";
    }
    if (replay.left_out.empty()) return judgement;
    std::string reasons;
    for (const auto& [reason, count] : replay.left_out)
      reasons += fmt::format("{}{} {} ({})", reasons.empty() ? "" : ", ", count,
                             count == 1 ? "call" : "calls", reason);
    if (judgement.comparisons == 0) {
      judgement.verdict = Verdict::unsupported;
      judgement.message = fmt::format("nothing could be compared with {}: {}", (*opened)->name(), reasons);
    } else {
      judgement.message += fmt::format("; left out: {}", reasons);
    }
    return judgement;
  }

 protected:
  struct Replay {
    ClaimedStream& stream;
    ExactFinding finding;
    std::map<std::string, std::uint64_t> left_out;  // calls by reason
    std::optional<std::uint64_t> seed{};            // absent: where the stream stands is not known
    std::uint64_t since_seed = 0;
    std::uint64_t on_threshold = 0;  // entries whose number equals the threshold
  };

  /// Why nothing that the check asks for can be had; absent when it can.
  virtual std::optional<std::string> cannot_apply(const Capabilities&) const { return std::nullopt; }
  /// Looks at one call that the stream has just drawn.
  virtual void compare(Replay& replay, const SeenCall& call, const MaskBits& expected) const {
    compare_masks(replay, call, expected);
  }
  virtual std::string held(const ClaimedStream& stream, const Replay&) const {
    return fmt::format("every bit is that of {}", stream.name());
  }
  /// Whether a pass says what the check stands for.
  virtual bool tells(const Replay&) const { return true; }

  static void compare_masks(Replay& replay, const SeenCall& call, const MaskBits& expected) {
    if (expected.size() == 0) return;  // no mask was drawn
    if (!call.drops) {
      ++replay.left_out["the output does not show the mask"];
      return;
    }
    const MaskBits& drops = *call.drops;
    DROPCHECK_CHECK(drops.size() == expected.size());
    replay.finding.compared(expected.size());
    replay.finding.violated(call.mixed_channels, [&] {
      return fmt::format(
          "{}: {} channels hold both kept and dropped elements, where {} has one entry for each",
          call_text(call, replay.since_seed, *replay.seed), call.mixed_channels, replay.stream.name());
    });
    const std::uint64_t differing = hamming_distance(drops, expected);
    replay.finding.violated(differing, [&] {
      const std::uint64_t i = first_difference(drops, expected);
      return fmt::format(
          "{}: {} of {} mask entries are not those of {}; the first is {} which was {}, and the stream has: "
          "{}",
          call_text(call, replay.since_seed, *replay.seed), differing, expected.size(), replay.stream.name(),
          element_text(call.problem, i), drops[i] ? "dropped" : "kept", replay.stream.place(i));
    });
  }

 private:
  /// Advances the stream by one call and compares. A sentence where the stream and the steps do not fit.
  std::optional<std::string> step(Replay& replay, const SeenCall& call) const {
    const auto lose = [&](const std::string& reason) {
      replay.seed.reset();
      ++replay.left_out[reason];
      return std::nullopt;
    };
    // A backend that refuses may have taken words all the same: only the next reseed tells where it stands.
    if (call.refusal) return lose(*call.refusal);
    if (call.seed) {
      const Status status = replay.stream.reseed(*call.seed, call.problem.offset);
      if (!status) return lose(status.error().message);
      replay.seed = call.seed;
      replay.since_seed = 0;
    }
    if (!replay.seed) return lose("calls that continue one that was left out");
    ++replay.since_seed;
    const auto expected = replay.stream.draw(stream_call(call));
    if (!expected) {
      if (expected.error().code == ErrorCode::unsupported) return lose(expected.error().message);
      return fmt::format("{}: the stream refuses a call that the backend answered: {}",
                         call_text(call, replay.since_seed, *replay.seed), expected.error().message);
    }
    compare(replay, call, *expected);
    return std::nullopt;
  }
};

class Masks final : public StreamCheck {
 public:
  explicit Masks(const Dialect& dialect) : StreamCheck(catalogue_row("exact_stream.masks", dialect)) {}
};

class Thresholds final : public StreamCheck {
 public:
  Thresholds() : StreamCheck(catalogue_row("exact_stream.thresholds")) {}

 protected:
  void compare(Replay& replay, const SeenCall& call, const MaskBits& expected) const override {
    for (std::uint64_t i = 0; i < expected.size(); ++i) {
      const auto edge = replay.stream.edge(i);
      if (edge && edge->at == call.problem.p) ++replay.on_threshold;
    }
    compare_masks(replay, call, expected);
  }
  std::string held(const ClaimedStream& stream, const Replay& replay) const override {
    return fmt::format("every bit is that of {}, also where a random number equals the threshold ({} times)",
                       stream.name(), replay.on_threshold);
  }
  bool tells(const Replay& replay) const override { return replay.on_threshold > 0; }
};

class Offsets final : public StreamCheck {
 public:
  Offsets() : StreamCheck(catalogue_row("exact_stream.offsets")) {}

 protected:
  std::optional<std::string> cannot_apply(const Capabilities& claims) const override {
    if (!claims.offset_unit.empty()) return std::nullopt;
    return "the backend does not claim RNG offsets";
  }
};

class Words final : public StreamCheck {
 public:
  explicit Words(const Dialect& dialect) : StreamCheck(catalogue_row("exact_stream.words", dialect)) {}

 protected:
  void compare(Replay& replay, const SeenCall& call, const MaskBits&) const override {
    if (!call.counted) return;
    const std::uint64_t expected = replay.stream.words();
    replay.finding.compared();
    replay.finding.violated(call.words == expected ? 0 : 1, [&] {
      return fmt::format(
          "{}: {}, where {} takes {}", call_text(call, replay.since_seed, *replay.seed),
          call.words ? fmt::format("took {} words of the generator by the backend's count", *call.words)
                     : "the backend claims to count the words of its generator but reports none",
          replay.stream.name(), expected);
    });
  }
  std::string held(const ClaimedStream& stream, const Replay&) const override {
    return fmt::format("every call takes as many words as in {}", stream.name());
  }
};

class NativeDropout final : public StreamCheck {
 public:
  explicit NativeDropout(const Dialect& dialect)
      : StreamCheck(catalogue_row("exact_stream.native_dropout", dialect)) {}
};

void add_own_protocol(Registry& registry, const char* id, const char* summary,
                      std::vector<Step> (*steps)(const SampleInfo&, std::uint64_t)) {
  const SampleInfo sample{id, exact_own_problem(), 1, 1};
  registry.add_protocol({.id = id,
                         .summary = summary,
                         .default_calls = static_cast<std::uint32_t>(steps(sample, 0).size()),
                         .steps = steps,
                         .needs = {Feature::seeds, Feature::continues_stream},
                         .own_problem = exact_own_problem()});
}

}  // namespace

void add_exact_stream(Registry& registry, const Dialect& dialect) {
  registry.add_protocol(
      {.id = "exact_stream",
       .summary = "calls in sequence of changing size, p and mode, rebuilt from the claimed stream",
       .default_calls = 14,
       .steps = exact_stream_steps,
       .needs = {Feature::exact_stream, Feature::seeds, Feature::continues_stream},
       .named_only = true});
  add_own_protocol(registry, "exact_thresholds", "drop probabilities that equal a word of a known stream",
                   exact_threshold_steps);
  add_own_protocol(registry, "exact_offsets", "reseeds with offsets of 0 to 2^32 + 4", exact_offset_steps);
  add_own_protocol(registry, "exact_words", "calls of every kind with their generator words counted",
                   exact_word_steps);
  add_own_protocol(registry, "exact_native_dropout", "the form native_dropout over dtypes and layouts",
                   exact_native_dropout_steps);
  registry.add_check(std::make_unique<Masks>(dialect));
  registry.add_check(std::make_unique<Thresholds>());
  registry.add_check(std::make_unique<Offsets>());
  registry.add_check(std::make_unique<Words>(dialect));
  registry.add_check(std::make_unique<NativeDropout>(dialect));
}

}  // namespace dropcheck::suites
