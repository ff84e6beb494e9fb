#include "impl/mutants/large_backend.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "harness/core/element.hpp"
#include "harness/core/problem.hpp"
#include "impl/mutants/generator.hpp"
#include "impl/mutants/tensors.hpp"

namespace dropcheck::mutants {
namespace {

constexpr unsigned kRateBits = 53;
constexpr std::uint64_t kGroup = 64;  // entries drawn at once
constexpr std::uint64_t kSignedIndices = std::uint64_t{1} << 31, kUnsignedBytes = std::uint64_t{1} << 32;

/// 64 entries, 1 = kept.
std::uint64_t kept_group(std::uint64_t key, std::uint64_t group, std::uint64_t threshold) {
  std::uint64_t undecided = ~std::uint64_t{0}, kept = 0;
  for (unsigned k = 0; undecided != 0 && k < kRateBits; ++k) {
    const std::uint64_t bits = word_of(key, group * kGroup + k);
    if ((threshold >> (kRateBits - 1 - k) & 1u) != 0) {
      undecided &= bits;  // a 0 below a 1: dropped
    } else {
      kept |= undecided & bits;
      undecided &= ~bits;
    }
  }
  return kept | undecided;  // as large as the threshold
}

bool keeps(std::span<const std::byte> packed, std::uint64_t i) {
  return (std::to_integer<unsigned>(packed[i / 8]) >> (i % 8) & 1u) != 0;
}

std::vector<std::byte> packed_of(std::uint64_t entries) {
  return std::vector<std::byte>(static_cast<std::size_t>((entries + 7) / 8));
}

/// A call that only draws: nothing but the packed mask of plain dropout is wanted.
bool is_mask_alone(const Call& call) {
  return call.packed_mask && !call.y && !call.in_place && !call.mask && !call.save_for_backward &&
         call.op == Op::dropout && call.mode == Mode::train && call.p > 0 && call.p < 1 && call.offset == 0 &&
         is_float(call.x.view.dtype) && call.x.view.count() > 0;
}

}  // namespace

void write_packed_mask(std::uint64_t key, double p, std::uint64_t entries, std::size_t element_size,
                       Fault fault, std::span<std::byte> packed) {
  const auto threshold = static_cast<std::uint64_t>(std::ceil(std::ldexp(p, kRateBits)));
  std::uint64_t wrap = ~std::uint64_t{0};  // entries after which the index begins again
  if (fault == Fault::index_31_bits) wrap = kSignedIndices;
  if (fault == Fault::byte_offset_32) wrap = kUnsignedBytes / element_size;
  for (std::uint64_t first = 0; first < entries; first += kGroup) {
    const bool past = first >= kSignedIndices;
    if (past && fault == Fault::tail_unwritten) return;
    std::uint64_t kept = past && fault == Fault::second_half_kept
                             ? ~std::uint64_t{0}
                             : kept_group(key, first % wrap / kGroup, threshold);
    if (entries - first < kGroup) kept &= (std::uint64_t{1} << (entries - first)) - 1;
    const std::size_t at = static_cast<std::size_t>(first / 8);
    std::memcpy(packed.data() + at, &kept, std::min<std::size_t>(sizeof kept, packed.size() - at));
  }
}

LargeBackend::LargeBackend(const std::string& id, Fault fault)
    : PlainBackend(id, fault), capabilities_(PlainBackend::capabilities()), fault_(fault) {
  capabilities_.packed_mask = capabilities_.constant_input = true;
}

Mask LargeBackend::drawn_mask(const CallState& state) {
  const std::int64_t entries = entries_of(state.op, state.shape);
  std::vector<std::byte> packed = packed_of(static_cast<std::uint64_t>(entries));
  write_packed_mask(key_of(state.seed, state.number, kForwardUse), state.p,
                    static_cast<std::uint64_t>(entries), size_of(state.dtype), fault_, packed);
  last_ = {std::vector<std::uint8_t>(static_cast<std::size_t>(entries)),
           element_count(state.shape) / std::max<std::int64_t>(entries, 1)};
  for (std::size_t i = 0; i < last_.kept.size(); ++i) last_.kept[i] = keeps(packed, i) ? 1 : 0;
  return last_;
}

Expected<Observation> LargeBackend::forward(const Call& call) {
  const TensorView& view = call.x.view;
  const auto elements = static_cast<std::uint64_t>(view.count());
  const auto packed = [&] {
    return std::span(call.packed_mask.view.data, static_cast<std::size_t>(call.packed_mask.view.count()));
  };
  if (is_mask_alone(call)) {
    if (call.seed) draws() = {*call.seed, 0};
    write_packed_mask(key_of(draws().seed, draws().next++, kForwardUse), call.p, elements,
                      size_of(view.dtype), fault_, packed());
    return Observation{};
  }

  Call whole = call;
  whole.packed_mask = {};
  std::unique_ptr<Memory> x, y;
  const auto dense = [&](std::unique_ptr<Memory>& memory) -> CallTensor {
    auto made = heap_memory(static_cast<std::size_t>(elements) * view.element_size());
    if (!made) return {};
    memory = std::move(*made);
    return {memory.get(), {memory->data(), view.dtype, view.shape, row_major_strides(view.shape)}};
  };
  if (!call.x && call.constant_input && !call.in_place && is_float(view.dtype)) {
    whole.x = dense(x);
    if (!whole.x) return Error{ErrorCode::resource_exhausted, "no memory for x"};
    for (std::uint64_t i = 0; i < elements; ++i)
      store_element(*call.constant_input, x->data() + i * view.element_size(), view.dtype);
  }
  if (!call.y && !call.in_place && call.packed_mask) {
    whole.y = dense(y);
    if (!whole.y) return Error{ErrorCode::resource_exhausted, "no memory for y"};
  }
  last_ = uniform_mask(view, call.mode == Mode::train && call.p == 1 ? 0 : 1);
  auto seen = PlainBackend::forward(whole);
  if (!seen || !call.packed_mask) return seen;
  const auto bytes = packed();
  std::fill(bytes.begin(), bytes.end(), std::byte{0});
  for (std::uint64_t i = 0; i < elements; ++i)
    if (last_.kept[i / static_cast<std::uint64_t>(last_.elements_per_entry)] != 0)
      bytes[i / 8] |= std::byte{1} << (i % 8);
  return seen;
}

}  // namespace dropcheck::mutants
