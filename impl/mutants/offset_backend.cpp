#include "impl/mutants/offset_backend.hpp"

#include <atomic>
#include <chrono>
#include <random>

#include "impl/mutants/draw_rule.hpp"

namespace dropcheck::mutants {
namespace {

/// The numbers that a kernel took for seed and offset in every call (flash-attention#2088).
constexpr DrawCounter kConstantState = {0x1BF58, 0x1D4B49};

/// The instance whose key a compiled function has captured: the first one that lives.
std::atomic<const OffsetBackend*> captured{nullptr};
std::atomic<std::uint64_t> instances{0};

std::uint64_t microseconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

std::uint64_t entries_in(const CallState& call) {
  return static_cast<std::uint64_t>(entries_of(call.op, call.shape));
}

/// Threads of DeepSpeed's dropout kernels: 512 in a block, four elements a thread.
std::uint64_t threads_for(std::uint64_t entries) { return (entries + 2047) / 2048 * 512; }

/// One stream of words after a seed; entry i takes word `first` + i.
Mask of_one_stream(const CallState& call, std::uint64_t seed, std::uint64_t first) {
  return mask_from(
      call, [first, key = key_of(seed, 0, kForwardUse)](std::uint64_t i) { return word_of(key, first + i); });
}

/// A call as the plain base draws it, under another seed or number.
Mask drawn_as(CallState call, std::uint64_t seed, std::uint64_t number) {
  call.seed = seed;
  call.number = number;
  return draw_mask(call, Fault::none, kForwardUse);
}

/// Thread t has a stream of its own, of which each call takes four words from the counter on.
Mask of_thread_streams(const CallState& call) {
  return mask_from(call, [first = call.number, key = key_of(call.seed, 0, kForwardUse)](std::uint64_t i) {
    return word_of(key, (i / 4) << 32 | (first + i % 4));
  });
}

/// Matrices of q x k begin `width` q words after one another.
Mask of_head_bases(const CallState& call, std::uint64_t width) {
  const std::size_t rank = call.shape.size();
  if (rank < 3 || drops_channels(call.op)) return draw_mask(call, Fault::none, kForwardUse);
  const auto q = static_cast<std::uint64_t>(call.shape[rank - 2]),
             k = static_cast<std::uint64_t>(call.shape[rank - 1]);
  const std::uint64_t step = width < k ? q * width : q * k;
  return mask_from(call, [=, key = clean_key(call)](std::uint64_t i) {
    return word_of(key, i / (q * k) * step + i % (q * k));
  });
}

/// The first half of the samples and the second count from bases of their own.
Mask of_two_shards(const CallState& call) {
  if (call.shape.empty()) return draw_mask(call, Fault::none, kForwardUse);
  const auto samples = static_cast<std::uint64_t>(call.shape[0]);
  const std::uint64_t share = (samples + 1) / 2 * (entries_in(call) / samples);
  return mask_from(call, [=, first = call.number, key = clean_key(call)](std::uint64_t i) {
    return word_of(key, (i / share) << 40 | (first + i % share));
  });
}

/// Four threads take the words in turn where four does not divide the entries, else four words each at once.
Mask of_grid_by_size(const CallState& call) {
  const std::uint64_t n = entries_in(call);
  if (n % 4 == 0) return draw_mask(call, Fault::none, kForwardUse);
  const std::uint64_t rounds = (n + 3) / 4, full = n % 4;  // threads 0 to full - 1 have `rounds` entries
  return mask_from(call, [=, first = call.number, key = clean_key(call)](std::uint64_t i) {
    const std::uint64_t thread = i % 4;
    const std::uint64_t before =
        thread <= full ? thread * rounds : full * rounds + (thread - full) * (rounds - 1);
    return word_of(key, first + before + i / 4);
  });
}

/// Each thread's generator is seeded with the thread's number.
Mask of_thread_numbers(const CallState& call) {
  const std::uint64_t threads = call.threads == 0 ? 1 : call.threads;
  const std::uint64_t share = (entries_in(call) + threads - 1) / threads;
  return mask_from(call, [share](std::uint64_t i) { return word_of(key_of(i / share, 0, 0), i % share); });
}

/// The minimal standard generator (Park and Miller, Comm. ACM 31, 1988) seeded with a small number: the first
/// output of the seed s is 16807 s / (2^31 - 1).
Mask of_counted_minstd(const CallState& call) {
  std::minstd_rand0 generator(static_cast<std::uint32_t>(1 + call.seed % 1000 + call.number));
  Mask mask = kept_mask(call);
  for (std::uint8_t& keep : mask.kept)
    keep = static_cast<double>(generator()) < call.p * 2147483647.0 ? 0 : 1;
  return mask;
}

/// Row r of the mask is row r modulo 16.
Mask of_tile_rows(const CallState& call, Mask mask) {
  if (call.shape.size() < 2) return mask;
  const auto row = drops_channels(call.op) ? static_cast<std::size_t>(call.shape[1])
                                           : static_cast<std::size_t>(call.shape.back());
  for (std::size_t i = 16 * row; i < mask.kept.size(); ++i) mask.kept[i] = mask.kept[i % (16 * row)];
  return mask;
}

}  // namespace

OffsetBackend::OffsetBackend(const std::string& id, Fault fault, double strength, Source source,
                             std::uint32_t rank)
    : SeededBackend(id, fault, source, rank),
      fault_(fault),
      strength_(strength),
      source_(source),
      rank_(rank) {
  if (fault != Fault::key_of_first_instance) return;
  const OffsetBackend* none = nullptr;
  captured.compare_exchange_strong(none, this);
  draws() = {mix(++instances), 0};
}

OffsetBackend::~OffsetBackend() {
  const OffsetBackend* self = this;
  captured.compare_exchange_strong(self, nullptr);
}

void OffsetBackend::begin_stream(std::uint64_t seed) {
  if (fault_ == Fault::key_of_first_instance && captured != this) return;
  if (fault_ == Fault::rank_in_seed) seed ^= rank_ * kGoldenGamma;
  if (fault_ == Fault::clock_for_seed) seed = static_cast<std::uint32_t>(microseconds());
  draws() = {seed, 0};
  aside_.clear();
  seeded_dimensions_.reset();
  next_of_op_.clear();
  last_op_.reset();
  last_dtype_.reset();
}

std::optional<std::size_t> OffsetBackend::handle_of(const Call& call) const {
  const std::size_t dimensions = call.x.view.shape.size();
  if (!seeded_dimensions_ || dimensions == *seeded_dimensions_) return std::nullopt;
  return fault_ == Fault::zeroed_other_handles ? 0 : dimensions;
}

DrawCounter OffsetBackend::place_of(const Call& call, bool seeded) {
  switch (fault_) {
    case Fault::constant_seed_and_offset: return kConstantState;
    case Fault::counter_per_operator: return {draws().seed, next_of_op_[call.op]};
    case Fault::engine_copied:
      if (!seeded && last_op_ && *last_op_ != call.op) return {draws().seed, last_number_};
      return draws();
    case Fault::dtype_copied:
      if (!seeded && last_dtype_ && *last_dtype_ != call.x.view.dtype) return {draws().seed, last_number_};
      return draws();
    case Fault::zeroed_second_handle:
    case Fault::zeroed_other_handles:
      if (!seeded_dimensions_) seeded_dimensions_ = call.x.view.shape.size();
      return handle_of(call) ? aside_[*handle_of(call)] : draws();
    default: return draws();
  }
}

std::uint64_t OffsetBackend::advance_of(const Call& call) const {
  const auto entries = static_cast<std::uint64_t>(entries_of(call.op, call.x.view.shape));
  switch (fault_) {
    case Fault::increment_rounded_down: return entries / threads_for(entries);
    case Fault::advances_by_constant: return static_cast<std::uint64_t>(strength_);
    case Fault::reserves_too_little:
      return entries - static_cast<std::uint64_t>(strength_ * static_cast<double>(entries));
    case Fault::seed_is_offset: return entries;
    default: return 1;
  }
}

void OffsetBackend::move_on(const Call& call, const DrawCounter& before, bool drew) {
  if (drew) {
    draws().next = before.next + advance_of(call);
    last_op_ = call.op;
    last_dtype_ = call.x.view.dtype;
    last_number_ = before.next;
  }
  if (fault_ == Fault::eval_moves_on && call.mode == Mode::eval) ++draws().next;
  if (fault_ == Fault::counter_per_operator) next_of_op_[call.op] = draws().next;
}

Expected<Observation> OffsetBackend::forward(const Call& call) {
  if (source_ == Source::entries) return SeededBackend::forward(call);
  Call changed = call;
  changed.seed.reset();
  if (call.seed) begin_stream(*call.seed);
  const DrawCounter seeded_state = draws(), before = place_of(call, call.seed.has_value());
  draws() = before;
  auto seen = SeededBackend::forward(changed);
  move_on(call, before, draws().next != before.next);
  if (const auto handle = handle_of(call)) {
    aside_[*handle] = draws();
    draws() = seeded_state;
  }
  if (seen && seen->saved.id != 0) slots_[seen->saved.id % 2] = before;
  return seen;
}

Expected<Observation> OffsetBackend::backward(const BackwardCall& call) {
  in_backward_ = call.saved.id;
  return SeededBackend::backward(call);
}

Status OffsetBackend::load_state(std::span<const std::byte> state) {
  auto loaded = SeededBackend::load_state(state);
  if (loaded && fault_ == Fault::state_without_counter) draws().next = 0;
  return loaded;
}

Mask OffsetBackend::drawn_mask(const CallState& state) {
  const std::uint64_t seed = state.seed, number = state.number;
  const auto whole = static_cast<std::uint64_t>(strength_);  // of strengths that count something
  switch (fault_) {
    case Fault::increment_rounded_down: return of_thread_streams(state);
    case Fault::advances_by_constant:
    case Fault::reserves_too_little: return of_one_stream(state, seed, number);
    case Fault::seed_is_offset: return of_one_stream(state, 0, seed * 4096 + number);
    case Fault::mask_used_twice: return drawn_as(state, seed, number / 2);
    case Fault::ring_of_states: return drawn_as(state, seed, number % whole);
    case Fault::head_base: return of_head_bases(state, whole);
    case Fault::counter_wraps:
      return mask_from(state, [=, key = clean_key(state)](std::uint64_t i) {
        return word_of(key, (number + i) % (std::uint64_t{1} << whole));
      });
    case Fault::shards_count_apart: return of_two_shards(state);
    case Fault::grid_by_size: return of_grid_by_size(state);
    case Fault::thread_number_for_seed: return of_thread_numbers(state);
    case Fault::calls_count_seed_up: return drawn_as(state, seed + number, 0);
    case Fault::minstd_of_counter: return of_counted_minstd(state);
    default: return SeededBackend::drawn_mask(state);
  }
}

Mask OffsetBackend::backward_mask(const CallState& state, bool second) {
  Mask mask = SeededBackend::backward_mask(state, second);
  if (fault_ == Fault::backward_tile_row) return of_tile_rows(state, std::move(mask));
  if (fault_ != Fault::two_slots) return mask;
  const DrawCounter& slot = slots_[in_backward_ % 2];
  return drawn_as(state, slot.seed, slot.next);
}

}  // namespace dropcheck::mutants
