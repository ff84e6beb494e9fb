#include "harness/run/block_executor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <tuple>

#include "harness/core/descriptor.hpp"
#include "harness/core/element.hpp"
#include "harness/core/packed_mask.hpp"
#include "harness/run/packed_calls.hpp"

namespace dropcheck {
namespace {

/// What a tensor's memory depends on: shape, dtype, layout, and for inputs whether the operator is an alpha
/// one.
Problem geometry_key(const Problem& problem) {
  Problem key;
  key.op = is_alpha(problem.op) ? Op::alpha_dropout : Op::dropout;
  key.p = 0;
  key.dtype = problem.dtype;
  key.shape = problem.shape;
  key.layout = problem.layout;
  return key;
}

Trouble trouble_of(const Error& error, std::string_view what) {
  if (error.code == ErrorCode::unsupported) return {Verdict::unsupported, error.message};
  return {Verdict::error,
          fmt::format("{} did not return a result ({}): {}", what, to_string(error.code), error.message)};
}

/// Explicit numbers as elements.
std::vector<std::byte> elements_of(std::span<const double> values, DType dtype) {
  const std::size_t size = size_of(dtype);
  std::vector<std::byte> elements(values.size() * size);
  for (std::size_t i = 0; i < values.size(); ++i) store_element(values[i], elements.data() + i * size, dtype);
  return elements;
}

/// Whether all of a dense tensor is still what it was poisoned with; false without elements.
bool is_untouched(const TensorView& view) {
  const std::span<const std::byte> bytes(view.data,
                                         static_cast<std::size_t>(view.count()) * view.element_size());
  return !bytes.empty() && std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == kPoison; });
}

CallTensor lend(GuardedTensor& tensor) { return {&tensor.memory(), tensor.view()}; }

Problem dense_problem(std::vector<std::int64_t> shape, DType dtype) {
  Problem problem;
  problem.dtype = dtype;
  problem.shape = std::move(shape);
  return problem;
}

/// What a step asks for and the backend does not claim.
std::optional<std::string> unclaimed(const Capabilities& capabilities, const Step& step) {
  // Memory of a dtype that it does not know could be read beyond its end: only who claims to be a framework
  // is asked how it refuses.
  if (step.expect_error && !capabilities.conforms_to.empty())
    return missing_form(capabilities, step.attributes);
  if (step.expect_error) {
    Problem plain;  // a refusal is wanted: of the operator's own claims only dtype and layout count
    plain.op = capabilities.ops.empty() ? step.problem.op : capabilities.ops.front();
    plain.dtype = step.problem.dtype;
    plain.layout = step.problem.layout;
    if (auto missing = missing_capability(capabilities, plain)) return missing;
    return missing_form(capabilities, step.attributes);
  }
  if (auto missing = missing_capability(capabilities, step.problem)) return missing;
  if (step.elements_past != 0) {
    Problem past = step.problem;
    past.layout = Layout::shifted;
    if (auto missing = missing_capability(capabilities, past)) return missing;
  }
  if ((step.upstream || step.keep_saved) && !capabilities.backward) return "backward";
  if ((step.save_state || step.load_state) && !capabilities.recompute) return "recompute";
  return missing_form(capabilities, step.attributes);
}

/// Whether a refusal is handed over as an outcome. A crash or a silent worker is no refusal.
bool is_outcome(const Step& step, ErrorCode code) {
  if (step.skip_unclaimed && code == ErrorCode::unsupported) return true;
  return step.expect_error && (code == ErrorCode::invalid_argument || code == ErrorCode::backend_failed ||
                               code == ErrorCode::unsupported);
}

/// True where the output itself tells which elements were dropped.
bool output_shows_mask(const Step& step) {
  const Problem& x = step.problem;
  return step.attributes.empty() && !step.output_shape && step.values.empty() &&
         step.input != Input::extremes && step.input != Input::normals && x.mode == Mode::train &&
         step.input != Input::with_zeros && is_float(x.dtype) && x.p >= 0 && x.p <= 1 &&
         !(is_alpha(x.op) && (x.p == 1 || step.input == Input::random_reals));
}

}  // namespace

Expected<BlockExecutor::Slot*> BlockExecutor::slot(Role role, const Problem& problem, bool is_output) {
  Slot& s = slots_[role];
  const Problem key = geometry_key(problem);
  if (s.tensor && s.key == key && s.is_output == is_output) return &s;
  // Memory is used again: fresh pages cost more than the calls that use them. What is far too large goes
  // back.
  constexpr std::size_t kSmall = std::size_t{1} << 26;  // bytes that are never too many
  const std::size_t bytes = GuardedTensor::bytes_needed(key, is_output, elements_past_);
  std::unique_ptr<Memory> memory;
  if (s.tensor) {
    const std::size_t size = s.tensor->memory().size();
    if (size >= bytes && (size <= kSmall || size / 4 <= bytes)) memory = std::move(*s.tensor).take_memory();
  }
  s.tensor.reset();
  s.holds.reset();
  if (!memory) {
    auto allocated = backend_.allocate(bytes);
    if (!allocated) return allocated.error();
    memory = std::move(*allocated);
  }
  s.tensor.emplace(std::move(memory), key, is_output, elements_past_);
  s.key = key;
  s.is_output = is_output;
  return &s;
}

Expected<BlockExecutor::Slot*> BlockExecutor::filled(Role role, const Problem& problem, Input kind,
                                                     bool is_output, bool elements) {
  auto got = slot(role, problem, is_output);
  if (!got) return got;
  Slot& s = **got;
  s.input = inputs_->of(kind, problem, elements);
  if (s.holds != kind) {
    s.tensor->poison();
    if (!s.input->integers.empty() && s.input->elements.empty())
      scatter_integers(s.input->integers, s.tensor->view());
    else scatter(s.input->elements.data(), s.tensor->view());
    s.holds = kind;
  }
  return got;
}

Expected<BlockExecutor::Slot*> BlockExecutor::filled(const Problem& problem, std::span<const double> values,
                                                     bool is_output) {
  DROPCHECK_CHECK(static_cast<std::int64_t>(values.size()) == element_count(problem.shape));
  auto got = slot(kX, problem, is_output);
  if (!got) return got;
  Slot& s = **got;
  auto data = std::make_shared<InputData>();
  data->elements = elements_of(values, problem.dtype);
  s.input = std::move(data);
  s.tensor->poison();
  scatter(s.input->elements.data(), s.tensor->view());
  s.holds.reset();
  return got;
}

Status BlockExecutor::move_state(const Step& s) {
  if (s.save_state) {
    auto state = backend_.save_state();
    if (!state) return state.error();
    states_[*s.save_state] = std::move(*state);
  }
  if (s.load_state) {
    DROPCHECK_CHECK(states_.contains(*s.load_state));
    return backend_.load_state(states_.at(*s.load_state));
  }
  return Done{};
}

std::optional<Trouble> BlockExecutor::run(const Protocol& protocol, const SampleInfo& sample,
                                          std::uint64_t block, std::span<const std::uint64_t> seeds,
                                          const std::function<void(const StepRecord&)>& sink,
                                          const std::atomic<bool>& stop) {
  const SeedSemantics semantics = backend_.capabilities().seed_semantics;
  const std::vector<Step> steps = protocol.steps(sample, block);
  std::uint64_t current = seeds.empty() ? 0 : seeds[0];
  // Where no stream can be continued, every call that would continue one has a seed of its own.
  unsigned next_slot = 0, since_reseed = 0;
  for (const Step& s : steps) next_slot = std::max(next_slot, s.seed_slot.value_or(0) + 1);
  std::tuple<unsigned, std::uint64_t, std::uint64_t> reseed{};  // slot, flip and addition
  std::map<std::pair<decltype(reseed), unsigned>, unsigned> continuations;
  std::map<unsigned, Other> others;  // instances of this block
  states_.clear();
  const Releasing releasing{*this};
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (stop.load(std::memory_order_relaxed)) return Trouble{Verdict::error, "the run was stopped"};
    const Step& s = steps[i];
    StepRecord record;
    record.block = block;
    record.index = i;
    record.step = &s;
    if (!s.gradient_of && (semantics == SeedSemantics::stateful || semantics == SeedSemantics::per_call)) {
      if (s.own_seed) {
        record.seed = s.own_seed;
      } else if (s.seed_slot) {
        reseed = {*s.seed_slot, s.seed_flip, s.seed_add};
        since_reseed = 0;
        DROPCHECK_CHECK(*s.seed_slot < seeds.size());
        const unsigned bits = backend_.capabilities().seed_bits;
        const std::uint64_t keep = bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
        current = s.seed_flip == 0 && s.seed_add == 0  // a seed that a problem fixes is asked for as it is
                      ? seeds[*s.seed_slot]
                      : ((seeds[*s.seed_slot] ^ s.seed_flip) + s.seed_add) & keep;
        record.seed = current;
      } else if (semantics ==
                 SeedSemantics::per_call) {  // no stream to continue: each call gets a seed of its own
        // The same reseed and the same number of calls since name the same seed again.
        const auto [at, is_new] = continuations.try_emplace({reseed, ++since_reseed}, next_slot);
        if (is_new) ++next_slot;
        const unsigned own_slot = at->second;
        DROPCHECK_CHECK(own_slot < seeds.size());
        record.seed = seeds[own_slot];
      }
    }
    BlockExecutor* asked = this;
    if (s.instance.number != 0) {
      Other& other = others[s.instance.number];
      if (!other.executor) {
        if (!opener_) return Trouble{Verdict::unsupported, "another instance cannot be opened here"};
        auto opened = opener_(s.instance);
        if (!opened) return trouble_of(opened.error(), "opening another instance");
        other.backend = std::move(*opened);
        other.executor = std::make_unique<BlockExecutor>(*other.backend, inputs_);
      }
      asked = other.executor.get();
    }
    if (auto trouble = asked->step(protocol, s, current, record, sink)) return trouble;
  }
  return std::nullopt;
}

std::optional<Trouble> BlockExecutor::step(const Protocol& protocol, const Step& s, std::uint64_t any_seed,
                                           StepRecord& record,
                                           const std::function<void(const StepRecord&)>& sink) {
  const Capabilities& capabilities = backend_.capabilities();
  if (s.skip_unclaimed || !s.attributes.empty() || s.save_state || s.load_state || s.elements_past != 0)
    if (const auto missing = unclaimed(capabilities, s)) {
      const std::string message = fmt::format("the backend does not claim {}", *missing);
      if (!s.skip_unclaimed) return Trouble{Verdict::unsupported, message};
      const Expected<Observation> refusal = Error{ErrorCode::unsupported, message};
      record.observation = &refusal;
      sink(record);
      return std::nullopt;
    }
  if (s.gradient_of) return deferred_gradient(s, record, sink);
  // A backend could spoil its input: streaming samples restore it at each block, the others before every
  // call.
  if (!protocol.streaming || record.index == 0) slots_[kX].holds.reset();
  if (const Status moved = move_state(s); !moved) return trouble_of(moved.error(), "the generator's state");
  std::array<Slot, kRoles> aside;  // kept while the step has memory of its own, so that addresses differ
  const bool has_own_memory = s.other_memory || s.elements_past != 0;
  if (has_own_memory) std::swap(aside, slots_);
  elements_past_ = s.elements_past;
  std::optional<Trouble> trouble;
  {
    Answer answer;
    const Asked whole{.constant =
                          s.input == Input::ones && s.values.empty() && may_send_constant(capabilities, s)};
    if (const auto missing = missing_for_mask_only(capabilities, protocol, s))
      trouble = Trouble{Verdict::unsupported, *missing};
    else if (s.mask_only)
      trouble = ask(protocol, s, {.output = false, .packed = true, .constant = true}, record, answer);
    else if (may_send_mask_alone(capabilities, protocol, s))
      trouble = ask_for_mask(protocol, s, any_seed, record, answer);
    else trouble = ask(protocol, s, whole, record, answer);
    if (!trouble) sink(record);
  }
  elements_past_ = 0;
  if (has_own_memory) std::swap(aside, slots_);
  return trouble;
}

std::optional<Trouble> BlockExecutor::ask_for_mask(const Protocol& protocol, const Step& s,
                                                   std::uint64_t any_seed, StepRecord& record,
                                                   Answer& answer) {
  const Capabilities& capabilities = backend_.capabilities();
  const bool takes_constant = may_send_constant(capabilities, s);
  const bool takes_seeds = has_feature(capabilities, Feature::seeds);
  const Asked both{.packed = true, .constant = takes_constant && s.input == Input::ones};
  // A mask must not depend on the values of x, so a constant does in place of any input; the record keeps the
  // step's integers, which are weights of the mask's entries and no claim about what was sent. Where a seed
  // can be given twice that is compared below, to the bit; elsewhere only the weighted sums would see such a
  // mask, and they need the values in every call.
  const Asked alone{
      .output = false, .packed = true, .constant = takes_constant && (both.constant || takes_seeds)};
  if (!shows_output(protocol.id, record.seed.value_or(any_seed), record.block, record.index))
    return ask(protocol, s, alone, record, answer);
  const StepRecord blank = record;
  if (!record.seed) return ask(protocol, s, both, record, answer);

  // The mask is asked for alone first: whoever sends it does not know yet that its output will be asked for
  // under the same seed.
  if (auto trouble = ask(protocol, s, alone, record, answer)) return trouble;
  const MaskBits promised = std::move(*answer.drops);
  record = blank;
  if (auto trouble = ask(protocol, s, both, record, answer)) return trouble;
  if (promised == *answer.drops) return std::nullopt;
  const MaskBits shown = std::move(*answer.drops);
  record = blank;
  if (auto trouble = ask(protocol, s, both, record, answer)) return trouble;
  // A seed that gives another mask every time shows nothing here; seed_determinism.* judges it.
  if (shown != *answer.drops) return std::nullopt;
  if (alone.constant != both.constant) {
    record = blank;
    if (auto trouble = ask(protocol, s, {.output = false, .packed = true}, record, answer)) return trouble;
    if (shown == *answer.drops)
      return Trouble{Verdict::fail,
                     fmt::format("the mask depends on the values of x: with the seed {}, {}", *blank.seed,
                                 difference_text(promised, "x = 1", shown, "x of other numbers"))};
  }
  return Trouble{
      Verdict::fail,
      fmt::format(
          "packed_mask: the mask that is sent without an output is not that of the output with the same "
          "seed, {}: {}",
          *blank.seed, difference_text(promised, "the mask alone", shown, "the output"))};
}

std::optional<Trouble> BlockExecutor::ask(const Protocol& protocol, const Step& s, Asked asked,
                                          StepRecord& record, Answer& answer) {
  const Problem& problem = s.problem;
  // What is written to has memory of its own for every element, unless the refusal of the opposite is what
  // the step wants to see.
  const bool shares_elements = s.expect_error && problem.layout == Layout::expanded;
  Slot* x = nullptr;
  if (asked.constant) {
    slots_[kX].input = s.mask_only ? std::make_shared<const InputData>()  // as many bytes as elements else
                                   : inputs_->of(s.input, problem, !protocol.streaming);
  } else {
    const bool is_output = problem.in_place && !shares_elements;
    auto got = s.values.empty() ? filled(kX, problem, s.input, is_output, !protocol.streaming)
                                : filled(problem, s.values, is_output);
    if (!got) return trouble_of(got.error(), "allocation");
    x = *got;
  }
  const InputData& pristine = *slots_[kX].input;

  Call call;
  call.op = problem.op;
  call.p = problem.p;
  call.mode = problem.mode;
  call.in_place = problem.in_place;
  call.seed = record.seed;
  call.offset = problem.offset;
  call.threads = problem.threads;
  call.save_for_backward = s.upstream.has_value() || s.keep_saved.has_value();
  call.count_words = s.count_words && backend_.capabilities().reports_rng_words;
  call.attributes = s.attributes;
  if (x != nullptr) {
    call.x = lend(*x->tensor);
  } else {
    call.x.view = {nullptr, problem.dtype, problem.shape, geometry_of(problem, false).strides};
    call.constant_input = 1.0;
  }
  Slot* y = nullptr;
  if (problem.in_place) {
    y = x;
    x->holds.reset();  // about to be overwritten
  } else if (asked.output) {
    auto got = s.output_shape ? slot(kY, dense_problem(*s.output_shape, problem.dtype), true)
                              : slot(kY, problem, true);
    if (!got) return trouble_of(got.error(), "allocation");
    y = *got;
    y->tensor->poison();
    call.y = lend(*y->tensor);
  }
  Slot* mask = nullptr;
  if (s.want_mask && backend_.capabilities().mask_output) {
    Problem bytes = problem;
    bytes.dtype = DType::u8;
    bytes.layout = Layout::contiguous;
    auto got = slot(kMask, bytes, true);
    if (!got) return trouble_of(got.error(), "allocation");
    mask = *got;
    mask->tensor->poison();
    call.mask = lend(*mask->tensor);
  }
  Slot* packed = nullptr;
  if (asked.packed) {
    auto got = slot(kPacked, packed_problem(problem), true);
    if (!got) return trouble_of(got.error(), "allocation");
    packed = *got;
    poison_packed(*packed->tensor);
    call.packed_mask = lend(*packed->tensor);
  }

  auto inputs = further(s.inputs, problem.dtype, false);
  if (!inputs) return trouble_of(inputs.error(), "allocation");
  auto outputs = further(s.outputs, problem.dtype, true);
  if (!outputs) return trouble_of(outputs.error(), "allocation");
  answer.outputs = std::move(*outputs);
  for (Further& f : *inputs) call.inputs.push_back({f.name, lend(f.tensor)});
  for (Further& f : answer.outputs) call.outputs.push_back({f.name, lend(f.tensor)});

  answer.observation = backend_.forward(call);
  const Expected<Observation>& observation = answer.observation;
  record.observation = &observation;
  record.x = pristine.elements;
  record.integers = pristine.integers;
  if (y != nullptr) record.y = y->tensor->view();
  else record.y = {nullptr, problem.dtype, problem.shape, geometry_of(problem, true).strides};
  if (!observation) {
    if (!is_outcome(s, observation.error().code)) return trouble_of(observation.error(), "forward");
    if (!problem.in_place && y != nullptr)
      if (auto fault = y->tensor->fault("y", false)) return Trouble{Verdict::fail, *fault};
    return std::nullopt;
  }
  // Reading the mask tells on the way whether any poison is left, which spares another look at all elements.
  std::optional<OutputBits> output;
  if (y != nullptr && output_shows_mask(s)) output = read_output(problem.op, record.y);
  // Among the results of extreme inputs are NaNs, and some libraries make theirs of all bits set, like the
  // poison (vectorised bf16 in PyTorch 1.13.1): those rows compare every element themselves.
  const bool must_write = !s.expect_error && s.input != Input::extremes && (!output || output->any_all_ones);
  if (y != nullptr)
    if (auto fault = y->tensor->fault(problem.in_place ? "x (in place)" : "y", must_write))
      return Trouble{Verdict::fail, *fault};
  if (!problem.in_place && x != nullptr) {
    if (auto fault = x->tensor->fault("x", false)) return Trouble{Verdict::fail, *fault};
    if (!protocol.streaming) {
      std::vector<std::byte> now(pristine.elements.size());
      gather(x->tensor->view(), now.data());
      if (now != pristine.elements)
        return Trouble{Verdict::fail, "x: the backend changed its input in a call that was not in place"};
    }
  }
  if (mask != nullptr) {
    if (auto fault = mask->tensor->fault("mask", true)) return Trouble{Verdict::fail, *fault};
    record.mask = mask->tensor->view();
  }
  if (packed != nullptr) {
    const auto elements = static_cast<std::uint64_t>(element_count(problem.shape));
    if (auto fault = packed_fault(*packed->tensor, elements)) return Trouble{Verdict::fail, *fault};
    const TensorView& bits = packed->tensor->view();
    answer.drops = drop_bits_of_packed({bits.data, static_cast<std::size_t>(bits.count())}, elements);
    if (output && output->drops != *answer.drops)
      return Trouble{Verdict::fail, fmt::format("packed_mask: the mask sent is not that of the output: {}",
                                                difference_text(*answer.drops, "the mask sent", output->drops,
                                                                "the output"))};
  } else if (output) {
    answer.drops = std::move(output->drops);
  }
  for (Further& f : answer.outputs) {
    if (auto fault = f.tensor.fault(f.name, !s.expect_error)) return Trouble{Verdict::fail, *fault};
    record.extra.emplace_back(f.name, f.tensor.view());
  }
  for (Further& f : *inputs)
    if (auto fault = f.tensor.fault(f.name, false)) return Trouble{Verdict::fail, *fault};
  if (answer.drops) {
    record.dropped = &*answer.drops;
    if (drops_channels(problem.op)) {
      answer.channels = channel_bits(*answer.drops, problem.shape);
      record.channels = &answer.channels;
    }
  }
  if (s.upstream) {
    auto trouble = gradient(s, observation->saved, answer.gradient, record);
    backend_.release(observation->saved);
    if (trouble) return trouble;
  } else if (s.keep_saved) {
    DROPCHECK_CHECK(!saved_.contains(*s.keep_saved));
    saved_[*s.keep_saved] = observation->saved;
  }
  return std::nullopt;
}

std::optional<Trouble> BlockExecutor::deferred_gradient(const Step& s, StepRecord& record,
                                                        const std::function<void(const StepRecord&)>& sink) {
  DROPCHECK_CHECK(s.upstream.has_value());
  const auto found = saved_.find(*s.gradient_of);
  if (found == saved_.end()) {  // the forward call was refused, which its own record says
    const Expected<Observation> refused =
        Error{ErrorCode::unsupported, "the forward call was refused, so there is no gradient of it"};
    record.observation = &refused;
    sink(record);
    return std::nullopt;
  }
  const Expected<Observation> nothing = Observation{};
  record.observation = &nothing;
  Gradient back;
  if (auto trouble = gradient(s, found->second, back, record)) return trouble;
  sink(record);
  return std::nullopt;
}

void BlockExecutor::release_saved() {
  for (const auto& [number, token] : saved_) backend_.release(token);
  saved_.clear();
}

std::optional<Trouble> BlockExecutor::gradient(const Step& s, SavedToken saved, Gradient& back,
                                               StepRecord& record) {
  Problem plain = s.problem;  // gradients are dense: an expanded input has a gradient of its full shape
  if (plain.layout == Layout::expanded) plain.layout = Layout::contiguous;
  slots_[kDy].holds.reset();
  const Problem above = s.output_shape ? dense_problem(*s.output_shape, plain.dtype) : plain;
  auto dy = filled(kDy, above, *s.upstream, false, true);
  if (!dy) return trouble_of(dy.error(), "allocation");
  auto dx = slot(kDx, plain, true);
  if (!dx) return trouble_of(dx.error(), "allocation");
  (*dx)->tensor->poison();
  auto inputs = further(s.backward_inputs, plain.dtype, false);
  if (!inputs) return trouble_of(inputs.error(), "allocation");
  auto outputs = further(s.backward_outputs, plain.dtype, true);
  if (!outputs) return trouble_of(outputs.error(), "allocation");
  BackwardCall call;
  call.saved = saved;
  call.dy = lend(*(*dy)->tensor);
  call.dx = lend(*(*dx)->tensor);
  call.attributes = s.backward_attributes;
  for (Further& f : *inputs) call.inputs.push_back({f.name, lend(f.tensor)});
  for (Further& f : *outputs) call.outputs.push_back({f.name, lend(f.tensor)});
  back.done = backend_.backward(call);
  record.gradient = &back.done;
  record.dy = (*dy)->input->elements;
  if (!back.done) {
    if (is_outcome(s, back.done.error().code)) return std::nullopt;
    return trouble_of(back.done.error(), "backward");
  }
  // As with outputs: a NaN may look like the poison, and checks of extreme dy compare every element.
  const bool must_write = *s.upstream != Input::extremes;
  if (auto fault = (*dx)->tensor->fault("dx", must_write)) return Trouble{Verdict::fail, *fault};
  if (auto fault = (*dy)->tensor->fault("dy", false)) return Trouble{Verdict::fail, *fault};
  back.outputs = std::move(*outputs);
  for (Further& f : back.outputs) {
    // Who fills none of it does not know this output: it is missing from the record.
    if (s.skip_unclaimed && is_untouched(f.tensor.view())) continue;
    if (auto fault = f.tensor.fault(f.name, true)) return Trouble{Verdict::fail, *fault};
    record.extra.emplace_back(f.name, f.tensor.view());
  }
  record.dx = (*dx)->tensor->view();
  return std::nullopt;
}

Expected<std::vector<BlockExecutor::Further>> BlockExecutor::further(std::span<const ExtraTensor> tensors,
                                                                     DType dtype, bool is_output) {
  std::vector<Further> made;
  made.reserve(tensors.size());
  for (const ExtraTensor& wanted : tensors) {
    const Problem problem = dense_problem(wanted.shape, dtype);
    auto memory = backend_.allocate(GuardedTensor::bytes_needed(problem, is_output));
    if (!memory) return memory.error();
    made.push_back({wanted.name, GuardedTensor(std::move(*memory), problem, is_output)});
    made.back().tensor.poison();
    if (is_output) continue;
    DROPCHECK_CHECK(wanted.values.empty() ||
                    static_cast<std::int64_t>(wanted.values.size()) == element_count(wanted.shape));
    if (wanted.values.empty())
      scatter(inputs_->of(wanted.input, problem)->elements.data(), made.back().tensor.view());
    else scatter(elements_of(wanted.values, dtype).data(), made.back().tensor.view());
  }
  return made;
}

}  // namespace dropcheck
