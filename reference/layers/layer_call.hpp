#pragma once
// A call of a layer: its attributes, its parameters and its tensors as numbers. What is wrong with a call is
// kept until `status` is asked, so that a layer reads all it needs first; until then a thing that could not
// be read stands for itself as a number that means nothing.

#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/backend.hpp"
#include "reference/layers/matrix.hpp"

namespace dropcheck::reference {

/// The attributes of a call, read by name.
class LayerAttributes {
 public:
  explicit LayerAttributes(const Attributes& attributes) : attributes_(attributes) {}

  /// Absent where the call has no such attribute: an invalid argument. So is a number below 1 or above
  /// `most`.
  std::int64_t count(std::string_view name, std::int64_t most);
  bool flag(std::string_view name, bool otherwise);
  /// The number of the word in `words`, of which the first one is meant where the attribute is absent. Any
  /// other word is unsupported.
  std::size_t word(std::string_view name, std::initializer_list<std::string_view> words);
  /// The first thing that was wrong, or an attribute that nobody asked for: unsupported.
  Status status() const;

 private:
  template <typename Value>
  const Value* find(std::string_view name);
  void note(ErrorCode code, std::string message);

  const Attributes& attributes_;
  std::set<std::string, std::less<>> asked_{"form"};
  std::optional<Error> wrong_;
};

/// What the attribute `weights` makes parameters of.
enum class Weights : std::uint8_t { small, ones, given };
/// Reads it; `small` where it is absent.
Weights weights_of(LayerAttributes& attributes);

/// The parameters of a layer and the other tensors that the call hands over.
class LayerInputs {
 public:
  LayerInputs(const Call& call, Weights weights) : call_(call), weights_(weights) {}

  /// A weight of that shape, with `further` dimensions of one element behind it (docs/attributes.md,
  /// Parameters).
  Matrix weight(const std::string& name, std::int64_t rows, std::int64_t columns, std::size_t further = 0);
  /// A bias, which is 0 unless it is given, and the gain of a normalisation, which is 1.
  Row bias(const std::string& name, std::int64_t size) { return row(name, size, 0.0); }
  Row gain(const std::string& name, std::int64_t size) { return row(name, size, 1.0); }
  /// A further input that is no parameter, whatever `weights` says; absent where the call does not have it.
  std::optional<TensorView> tensor(const std::string& name, const std::vector<std::int64_t>& shape);
  /// The first parameter that is missing or has another shape or dtype: an invalid argument; or an input that
  /// no parameter is: unsupported.
  Status status() const;

 private:
  Row row(const std::string& name, std::int64_t size, double otherwise);
  /// Null where it is absent or wrong, which is then noted.
  const TensorView* find(const std::string& name, const std::vector<std::int64_t>& shape);

  const Call& call_;
  Weights weights_;
  std::set<std::string, std::less<>> taken_;
  std::optional<Error> wrong_;
};

/// Numbers of a matrix that a layer may have inside, so that a call with huge extents is refused.
inline constexpr std::int64_t kMostNumbers = std::int64_t{1} << 27;
/// Features that a layer may have, and layers of a stack.
inline constexpr std::int64_t kMostFeatures = 1 << 14, kMostLayers = 64;

/// Where a further output of that name and shape is to be written; absent where the call does not ask for it.
/// A wrong shape or another dtype than x's is an invalid argument.
Expected<std::optional<TensorView>> wanted_output(const Call& call, std::string_view name,
                                                  const std::vector<std::int64_t>& shape);
/// Refuses outputs other than these as unsupported.
Status only_outputs(const Call& call, std::initializer_list<std::string_view> names);

/// The elements in logical order as a matrix of `rows` rows, which must divide their number.
Matrix numbers_of(const TensorView& tensor, std::int64_t rows);
/// Writes as many numbers as the tensor has elements, each rounded once to its dtype, ties to even.
void write_numbers(const Matrix& numbers, const TensorView& to);

}  // namespace dropcheck::reference
