#pragma once
// A sample is planned once per problem and protocol: a fixed list of blocks, each "reseed, then the steps in
// order". It does not depend on threads, checks or backend. Checks never call a backend: they observe the
// records of a sample.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "harness/core/backend.hpp"
#include "harness/core/chunk.hpp"
#include "harness/core/mask_bits.hpp"

namespace dropcheck {

/// What a tensor handed to a backend holds. Integers are exact in every dtype; none of them is 0. The alpha
/// operators get the absolute value, so that a kept output is positive and a dropped one negative.
enum class Input : std::uint8_t {
  ones,
  random_integers,  // -127..127 without 0
  alternating,      // +64, -64, ...
  ramp,             // 1..127 rising along the tensor
  spikes,           // mostly 1, one in 1021 is 127
  random_reals,     // both signs, all significand bits in use, 1/16 <= |x| < 16
  with_zeros,       // random_reals with +0, -0 and the smallest normal and subnormal values strewn in
  normals,          // standard normal
  extremes,         // in turn 1.5, -1.5, NaN, +-Inf, +-0, +-least normal, +-least subnormal, +-largest, 3, -3
};

/// A tensor beside the usual ones of a step. Contiguous, of the problem's dtype.
struct ExtraTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  Input input = Input::ones;     // of those handed over
  std::vector<double> values{};  // what it holds instead, in logical order; each exact in the dtype
};

/// Which instance of the backend a step asks. Number 0 is the one of the run; any other is opened for the
/// block, as often as a process of its own where the backend lives in one, and closed at its end.
struct Instance {
  unsigned number = 0;
  std::uint32_t rank = 0, world_size = 1;  // as what it is opened; those of one number are the same
};

/// One request to the backend inside a block.
struct Step {
  Problem problem;                    // may carry a p that no valid problem has
  std::optional<unsigned> seed_slot;  // reseed with the block's seed of this number; absent: continue
  std::optional<std::uint64_t> own_seed = std::nullopt;  // reseed with this one, as it is
  std::uint64_t seed_flip = 0;  // bits of that seed to flip (those past the backend's are ignored),
  std::uint64_t seed_add = 0;   // then a number to add, modulo what the backend's seeds hold
  Input input = Input::ones;
  std::vector<double> values{};   // what a contiguous x holds instead; each exact in the dtype
  std::optional<Input> upstream;  // also ask for the gradient, with this as dy
  /// The call is saved under this number, for a later step of the block that asks for its gradient.
  std::optional<unsigned> keep_saved{};
  /// No forward call: the gradient of the one saved under this number, whose problem this step must have,
  /// with `upstream` as dy. The record's observation is then empty.
  std::optional<unsigned> gradient_of{};
  bool want_mask = false;    // where the backend can return one
  bool count_words = false;  // ask for Observation::rng_words, where the backend counts them
  /// Where the backend packs masks, most calls may ask for the mask alone; the output is asked for as well in
  /// a random part of them, and compared with it.
  bool mask_suffices = false;
  /// With mask_suffices: the packed mask of a constant input is asked for and nothing else, since the call
  /// has more elements than should lie in memory. Whoever cannot do that does not claim the step. The record
  /// has no integers.
  bool mask_only = false;
  /// A refusal is an outcome here, not a fault. Who claims to be a framework is asked for dtypes and layouts
  /// beyond its claims too.
  bool expect_error = false;
  /// What the backend does not claim is handed over as a refusal (unsupported) instead of ending the block.
  bool skip_unclaimed = false;
  Instance instance{};
  bool other_memory = false;  // x and y lie at other addresses than those of the steps before
  /// x, y, dy and dx begin that many elements past an aligned address, in memory of the step's own. Other
  /// than 0 for backends that claim layout=shifted.
  std::uint32_t elements_past = 0;
  // The state of the generator, before the call: kept under this number, or set to what was kept.
  std::optional<unsigned> save_state{}, load_state{};
  Attributes attributes{};
  std::optional<std::vector<std::int64_t>> output_shape{};  // where y has not the shape of x
  std::vector<ExtraTensor> inputs{}, outputs{};             // of the forward call
  Attributes backward_attributes{};
  std::vector<ExtraTensor> backward_inputs{}, backward_outputs{};
};

/// What a plan fixes about a sample.
struct SampleInfo {
  std::string protocol;
  Problem problem;
  std::uint64_t blocks = 1;
  std::uint32_t calls = 1;  // of a block, for protocols that have a choice

  /// Mask entries in all blocks (elements, or channels for operators that drop channels).
  std::uint64_t mask_entries() const {
    return blocks * calls * static_cast<std::uint64_t>(mask_count(problem));
  }
  std::uint64_t elements() const {
    return blocks * calls * static_cast<std::uint64_t>(element_count(problem.shape));
  }
  /// Chunks of all blocks.
  ChunkCounts chunks() const {
    const std::uint64_t entries = calls * static_cast<std::uint64_t>(mask_count(problem));
    const std::uint64_t tail = entries % kChunkBits;
    return {blocks * (entries / kChunkBits), tail == 0 ? 0 : blocks, tail};
  }
};

/// Whether the memory order of a problem's mask entries differs from the logical one, so that streaming
/// samples show both. Operators that drop channels have the logical order only.
bool has_memory_order(const Problem& problem);

/// Whether a call draws a mask that its output shows: training, floating dtype, 0 < p < 1, some elements.
bool draws_mask(const Problem& problem);

/// How a sample talks to a backend.
struct Protocol {
  std::string id;
  std::string summary;              // one sentence for `plan` and `list`
  std::uint32_t default_calls = 1;  // of a block, where neither profile nor problem says
  std::function<std::vector<Step>(const SampleInfo&, std::uint64_t block)> steps;
  std::vector<Feature> needs{};
  bool takes_calls = false;  // a problem may ask for another number of calls
  /// Planned only where a profile names it: not among the "exact" protocols, nor tried on random problems.
  bool named_only = false;
  bool handles_empty = false;  // says something about problems without elements
  bool streaming = false;      // large: records are seen one at a time and inputs are not kept for comparison
  /// The steps name what they ask themselves: the protocol is planned once, with this problem, where a
  /// profile has the line `own ELEMENTS` and the steps ask for no more elements than that.
  std::optional<Problem> own_problem{};
};

/// What one step brought. Everything is borrowed and valid only during the call that hands it over.
struct StepRecord {
  std::uint64_t block = 0;
  std::size_t index = 0;  // of the step in its block
  const Step* step = nullptr;
  std::optional<std::uint64_t> seed;
  const Expected<Observation>* observation = nullptr;
  std::span<const std::byte> x;           // elements handed over, dense, in logical order; streaming
                                          // protocols leave them out where there are integers
  std::span<const std::int8_t> integers;  // the same as numbers; empty for inputs that are not integers
  TensorView y;     // the result (in place: x's memory); data is null where the mask alone was asked for
  TensorView mask;  // data is null when not asked for
  std::span<const std::byte> dy;  // dense, logical order
  TensorView dx;                  // data is null when no gradient was asked for, or it was refused
  const Expected<Observation>* gradient = nullptr;          // null when no gradient was asked for
  std::vector<std::pair<std::string, TensorView>> extra{};  // the further outputs, forward and backward
  /// Read off y, or off the packed mask where there is no y; absent where y says nothing (eval mode, an
  /// error, zeros in x).
  const MaskBits* dropped = nullptr;
  const ChannelBits* channels = nullptr;  // of `dropped`, for operators that drop channels
};

/// The sufficient statistics of one check on one block. Observers of a sample are merged in block order.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void observe(const StepRecord&) {}
  /// Streaming samples only: the chunks of a block in order, the two orders of one stretch in turn.
  virtual void observe_chunk(const Chunk&) {}
  /// Adds what `later`, an observer of the same type on later blocks, has seen.
  virtual void merge(const Observer& later) = 0;
};

}  // namespace dropcheck
