#pragma once
// The random stream of PyTorch's CPU generator, as far as dropout uses it: which words of MT19937 make which
// mask entry, and how many words a call takes.

#include <cstdint>
#include <optional>
#include <random>
#include <span>

#include "harness/core/mask_bits.hpp"
#include "harness/core/vocabulary.hpp"

namespace dropcheck::reference {

/// How a build draws a mask (ATen/native/cpu/DistributionKernels.cpp through the years). A platform cannot be
/// asked which one it is; the words that a call takes tell.
enum class CpuVariant : std::uint8_t {
  two_words,      // two words of MT19937 an element: builds without MKL, AMD processors, the newest builds
  mcg31,          // one word a call, the seed of MKL's generator MCG31: builds with MKL on Intel processors
  mkl_generator,  // no word, the state is MKL's own: the mask cannot be rebuilt from the seed
};

/// The variant of a build that took so many words for one call of dropout, 0 < p < 1 in training, on
/// `elements` elements; nothing if no variant does that or there are no elements.
std::optional<CpuVariant> variant_of(std::uint64_t words_consumed, std::uint64_t elements);

/// Number of values v in [0, 2^53) that keep in two_words: v 2^-53 < q for q = 1 - p in double. The exact
/// keep probability is this over 2^53, which is q. p is in [0, 1].
std::uint64_t keep_threshold53(double p);

/// MKL's VSL_BRNG_MCG31: x <- 1132489760 x mod (2^31 - 1), with the mcg31 variant's reading of its numbers.
/// From a port of PyTorch that claims equal masks; derived, not run against MKL.
class Mcg31 {
 public:
  /// Begins at seed mod (2^31 - 1), or at 1 where that is 0.
  explicit Mcg31(std::uint32_t seed);

  /// The state, in [1, 2^31 - 2]; then makes one step. The first number is the seed itself.
  std::uint32_t next();
  /// fl32(x) fl32(1 / (2^31 - 1)) < fl32(1 - p), all in single precision.
  static bool keeps(std::uint32_t x, double p);

 private:
  std::uint32_t x_;
};

/// The CPU generator after manual_seed. Bits in masks are 1 = dropped; entries are in row-major order, since
/// dropout draws into a contiguous tensor whatever the strides of its input. dtype and threads do not enter.
class PyTorchCpuStream {
 public:
  /// Only the low 32 bits of the seed enter.
  explicit PyTorchCpuStream(std::uint64_t seed);

  std::uint32_t next_word();
  /// Words taken since seeding, by whomever.
  std::uint64_t words_drawn() const { return words_drawn_; }

  /// Overwrites `drops` with the mask that the variant two_words draws: 2 words an entry. p is in [0, 1]; at
  /// its ends all entries agree, but the words are taken nevertheless.
  void draw(double p, MaskBits& drops);
  /// The same for the variant mcg31: 1 word, none for an empty mask.
  void draw_mcg31(double p, MaskBits& drops);

 private:
  std::mt19937 engine_;
  std::uint64_t words_drawn_ = 0;
};

// Words of MT19937 that one call takes in the variant two_words. p is in [0, 1]: a call with another p is
// refused before it draws. A call that fails because its dtype is an integer one has taken them all the same.

/// dropout, feature_dropout, alpha_dropout and feature_alpha_dropout, in place or not, on a tensor of that
/// shape; none in eval, for p = 0 or 1, for an empty tensor, and where a channel operator refuses the rank.
std::uint64_t words_of_dropout(Op op, std::span<const std::int64_t> shape, double p, Mode mode);
/// native_dropout, which draws for every p.
std::uint64_t words_of_native_dropout(std::uint64_t elements, Mode mode);

struct RecurrentShape {
  std::uint64_t layers;
  std::uint64_t steps;
  std::uint64_t batch;
  std::uint64_t hidden;      // features of one direction's output
  std::uint64_t directions;  // 1 or 2
};
/// RNN, GRU and LSTM: every layer's output but the last one's is dropped.
std::uint64_t words_of_recurrent(const RecurrentShape& shape, double p, Mode mode);

struct AttentionShape {
  std::uint64_t batch;
  std::uint64_t heads;
  std::uint64_t targets;  // length of the queries' sequence
  std::uint64_t sources;  // length of the keys' and values' sequence
};
/// MultiheadAttention: its weights are dropped. scaled_dot_product_attention takes the words of Mode::train
/// always, since it has no mode.
std::uint64_t words_of_attention(const AttentionShape& shape, double p, Mode mode);

struct TransformerShape {
  std::uint64_t batch;
  std::uint64_t heads;
  std::uint64_t embedding;     // features of an element of the sequences
  std::uint64_t feed_forward;  // features between the two linear maps
  std::uint64_t targets;       // length of the layer's own sequence
  std::uint64_t sources = 0;   // length of the encoder's output; the decoder alone has it
};
/// TransformerEncoderLayer: attention weights, after attention, inside and after the feed-forward block.
std::uint64_t words_of_encoder_layer(const TransformerShape& shape, double p, Mode mode);
/// TransformerDecoderLayer: those of the encoder layer, and weights and output of the attention to the
/// encoder.
std::uint64_t words_of_decoder_layer(const TransformerShape& shape, double p, Mode mode);

}  // namespace dropcheck::reference
