#pragma once
// The documented streams that a backend may claim (docs/streams.md), all asked in one way: which mask does
// the next call draw, from which random words, and how many of them does it take.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/expected.hpp"
#include "harness/core/mask_bits.hpp"
#include "harness/core/vocabulary.hpp"

namespace dropcheck::reference {

/// How the names are written, for messages.
std::string stream_names();

/// One forward call, as far as a stream depends on it.
struct StreamCall {
  Op op = Op::dropout;
  double p = 0.5;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  // of the input, in elements; as many as dimensions
  std::uint64_t alignment_bytes =
      256;  // address of the input's first element, or a power of two that divides it
  Mode mode = Mode::train;
  bool in_place = false;
  std::string form;  // the attribute "form": empty for the operator itself, or native_dropout
};

/// Drop probabilities at which a random number lies on the threshold.
struct Edge {
  double at;      // number and threshold are equal
  double beyond;  // the threshold lies one step further, so that the entry has the other value
};

/// A stream after a reseed. Before the first one it stands at seed 0.
class ClaimedStream {
 public:
  /// Refuses what is no name of a stream with a sentence that lists the names.
  static Expected<std::unique_ptr<ClaimedStream>> open(std::string_view name);
  virtual ~ClaimedStream() = default;

  /// The name with all its parameters, as `open` reads it.
  const std::string& name() const { return name_; }

  /// Begins again at that seed. Refuses an offset that the stream does not have; it then stays where it was.
  virtual Status reseed(std::uint64_t seed, std::uint64_t offset) = 0;

  /// The mask that the call draws: 1 = dropped, one bit a mask entry, in logical order; empty for a call that
  /// draws none (eval, an empty tensor, p = 0 and 1 but for some forms). Advances the stream. Refuses a p
  /// outside [0, 1] and a rank that the operator has not, and is `unsupported` where the document says
  /// nothing; the stream then stays where it was.
  Expected<MaskBits> draw(const StreamCall& call);

  /// Words of the generator that the last call took: for pytorch-cuda, what it added to the generator's
  /// offset.
  std::uint64_t words() const { return words_; }
  /// Where entry i of the last mask comes from, and why it is what it is: "words 0x9a3f.., 0x.. -> u = 0.51
  /// >= q = 0.5: dropped". i is below the size of that mask.
  virtual std::string place(std::uint64_t i) const = 0;
  /// Drop probabilities that lay entry i of the last mask on the threshold; absent where no p in (0, 1) does.
  virtual std::optional<Edge> edge(std::uint64_t i) const = 0;

 protected:
  explicit ClaimedStream(std::string name) : name_(std::move(name)) {}

  /// What a call draws where `draw` has not found that it draws nothing: `entries` is at least 1, and p is 0
  /// or 1 for forms other than the operator itself only. Returns the words taken.
  virtual Expected<std::uint64_t> draw_entries(const StreamCall& call, MaskBits& drops) = 0;
  /// Whether the document says what the form native_dropout draws.
  virtual bool has_native_dropout() const = 0;

 private:
  std::string name_;
  std::uint64_t words_ = 0;
};

}  // namespace dropcheck::reference
