#include "impl/mutants/seeded_backend.hpp"

#include <algorithm>
#include <bit>
#include <random>

#include "impl/mutants/generator.hpp"

namespace dropcheck::mutants {
namespace {

std::uint64_t random_number() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

std::uint64_t address_of(const Call& call) {
  return static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(call.x.view.data));
}

}  // namespace

SeededBackend::SeededBackend(const std::string& id, Fault fault, Source source, std::uint32_t rank)
    : PlainBackend(id, fault, source),
      fault_(fault),
      source_(source),
      rank_(rank),
      own_number_(random_number()) {}

std::optional<std::uint64_t> SeededBackend::seed_of(const Call& call) {
  if (fault_ == Fault::seed_address_and_size)
    return address_of(call) % (std::uint64_t{1} << 31) ^ static_cast<std::uint64_t>(call.x.view.count());
  if (!call.seed) {
    if (fault_ == Fault::zero_is_fixed) return 0;
    if (fault_ == Fault::unseeded_constant) return 0xA10E5EED;
    return std::nullopt;
  }
  const std::uint64_t seed = *call.seed;
  switch (fault_) {
    case Fault::seed_is_address: return address_of(call);
    case Fault::seed_never_reaches:
      return size_of(call.x.view.dtype) == 2 ? std::nullopt : std::optional(seed);
    case Fault::seed_from_rand: return seed ^ own_number_;
    case Fault::state_cached:
      if (has_been_seeded_) return std::nullopt;
      has_been_seeded_ = true;
      return seed;
    case Fault::zero_is_random: return seed == 0 ? random_number() : seed;
    case Fault::seed_truncated32: return static_cast<std::uint32_t>(seed);
    case Fault::seed_cut_beside_offset: return call.offset == 0 ? seed : static_cast<std::uint32_t>(seed);
    case Fault::seed_clamped: return std::min<std::uint64_t>(seed, 65535);
    case Fault::seed_mod_mersenne: return seed % 0x7FFFFFFF;
    case Fault::seed_folded: return (seed >> 32 ^ seed) & 0xFFFFFFFF;
    case Fault::birthday_few_seeds: return 17 + seed % 4096;
    case Fault::thresholds_uncoupled: return seed ^ std::bit_cast<std::uint64_t>(call.p);
    default: return seed;
  }
}

Expected<Observation> SeededBackend::forward(const Call& call) {
  Call plain = call;
  plain.seed.reset();
  plain.offset = 0;
  if (auto seed = seed_of(call)) {
    if (source_ == Source::entries && fault_ != Fault::ranks_equal) *seed = mix(*seed + rank_ * kGoldenGamma);
    draws() = {*seed, 0};
  }
  if (source_ != Source::entries) {
    plain.offset = call.offset;  // refused
    return PlainBackend::forward(plain);
  }
  draws().next += fault_ == Fault::offset_truncated ? static_cast<std::uint32_t>(call.offset)
                  : fault_ == Fault::offset_signed  ? call.offset & 0x7FFFFFFF
                                                    : call.offset;
  if (plain.attributes.erase("replay") > 0 && fault_ == Fault::replay_frozen) {
    if (captured_at_) draws().next = *captured_at_;
    else captured_at_ = draws().next;
  }
  auto seen = PlainBackend::forward(plain);
  if (fault_ == Fault::split_differs) draws().next = (draws().next + 3) / 4 * 4;
  return seen;
}

void SeededBackend::prepare(const Call& call, CallState& state) {
  if (fault_ == Fault::alignment_key) state.note = address_of(call) % 16;
}

Mask SeededBackend::drawn_mask(const CallState& state) {
  Mask mask = PlainBackend::drawn_mask(state);
  if (fault_ != Fault::alignment_key || state.note == 0) return mask;
  // Where four neighbours would take the four words of one thread, each takes the word of another thread.
  const std::vector<std::uint8_t> drawn = mask.kept;
  const std::size_t threads = drawn.size() / 4;
  for (std::size_t i = 0; i < 4 * threads; ++i) mask.kept[i] = drawn[i % threads * 4 + i / threads];
  return mask;
}

}  // namespace dropcheck::mutants
