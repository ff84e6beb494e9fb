#include "reference/layers/layer_call.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "harness/core/element.hpp"
#include "reference/dense_tensors.hpp"

namespace dropcheck::reference {
namespace {

bool contains(std::initializer_list<std::string_view> words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

void LayerAttributes::note(ErrorCode code, std::string message) {
  if (!wrong_) wrong_ = Error{code, std::move(message)};
}

template <typename Value>
const Value* LayerAttributes::find(std::string_view name) {
  asked_.emplace(name);
  const auto found = attributes_.find(name);
  if (found == attributes_.end()) return nullptr;
  const auto* value = std::get_if<Value>(&found->second);
  if (value == nullptr)
    note(ErrorCode::invalid_argument, fmt::format("the attribute {} has a value of another kind", name));
  return value;
}

std::int64_t LayerAttributes::count(std::string_view name, std::int64_t most) {
  const auto* value = find<std::int64_t>(name);
  if (value != nullptr && *value >= 1 && *value <= most) return *value;
  note(ErrorCode::invalid_argument, fmt::format("the attribute {} must be from 1 to {}", name, most));
  return 1;
}

bool LayerAttributes::flag(std::string_view name, bool otherwise) {
  const auto* value = find<bool>(name);
  return value != nullptr ? *value : otherwise;
}

std::size_t LayerAttributes::word(std::string_view name, std::initializer_list<std::string_view> words) {
  const auto* value = find<std::string>(name);
  if (value == nullptr) return 0;
  const auto at = std::find(words.begin(), words.end(), *value);
  if (at != words.end()) return static_cast<std::size_t>(at - words.begin());
  note(ErrorCode::unsupported, fmt::format("the reference knows {} for the attribute {}, not '{}'",
                                           fmt::join(words, ", "), name, *value));
  return 0;
}

Status LayerAttributes::status() const {
  for (const auto& [name, value] : attributes_)
    if (!asked_.contains(name))
      return Error{ErrorCode::unsupported, fmt::format("the reference knows no attribute {} of the form {}",
                                                       name, form_of(attributes_))};
  if (wrong_) return *wrong_;
  return Done{};
}

Weights weights_of(LayerAttributes& attributes) {
  return static_cast<Weights>(attributes.word("weights", {"small", "ones", "given"}));
}

const TensorView* LayerInputs::find(const std::string& name, const std::vector<std::int64_t>& shape) {
  taken_.insert(name);
  const auto found = std::find_if(call_.inputs.begin(), call_.inputs.end(),
                                  [&](const NamedTensor& input) { return input.name == name; });
  if (found != call_.inputs.end() && found->tensor && found->tensor.view.shape == shape &&
      found->tensor.view.dtype == call_.x.view.dtype)
    return &found->tensor.view;
  if (!wrong_)
    wrong_ = Error{ErrorCode::invalid_argument,
                   fmt::format("the input {} of shape [{}] and dtype {} is {}", name, fmt::join(shape, ", "),
                               to_string(call_.x.view.dtype),
                               found == call_.inputs.end() ? "missing" : "of another shape or dtype")};
  return nullptr;
}

Matrix LayerInputs::weight(const std::string& name, std::int64_t rows, std::int64_t columns,
                           std::size_t further) {
  Matrix made = Matrix::Ones(rows, columns);
  if (weights_ == Weights::small) {
    // Number k in row-major order is (k mod 7 - 3) / 16.
    for (std::int64_t k = 0; k < made.size(); ++k) made.data()[k] = static_cast<double>(k % 7 - 3) / 16.0;
  } else if (weights_ == Weights::given) {
    std::vector<std::int64_t> shape = {rows, columns};
    shape.insert(shape.end(), further, 1);
    if (const TensorView* tensor = find(name, shape)) made = numbers_of(*tensor, rows);
  }
  return made;
}

Row LayerInputs::row(const std::string& name, std::int64_t size, double otherwise) {
  if (weights_ == Weights::given)
    if (const TensorView* tensor = find(name, {size})) return numbers_of(*tensor, 1);
  return Row::Constant(size, otherwise);
}

std::optional<TensorView> LayerInputs::tensor(const std::string& name,
                                              const std::vector<std::int64_t>& shape) {
  for (const NamedTensor& input : call_.inputs)
    if (input.name == name) {
      const TensorView* found = find(name, shape);
      return found != nullptr ? std::optional(*found) : std::nullopt;
    }
  return std::nullopt;
}

Status LayerInputs::status() const {
  if (wrong_) return *wrong_;
  for (const NamedTensor& input : call_.inputs)
    if (!taken_.contains(input.name))
      return Error{ErrorCode::unsupported,
                   fmt::format("the form {} has no input {} here", form_of(call_.attributes), input.name)};
  return Done{};
}

Expected<std::optional<TensorView>> wanted_output(const Call& call, std::string_view name,
                                                  const std::vector<std::int64_t>& shape) {
  for (const NamedTensor& output : call.outputs) {
    if (output.name != name) continue;
    const TensorView& view = output.tensor.view;
    if (!output.tensor || view.shape != shape || view.dtype != call.x.view.dtype)
      return Error{ErrorCode::invalid_argument,
                   fmt::format("the output {} must have the shape [{}] and dtype {}", name,
                               fmt::join(shape, ", "), to_string(call.x.view.dtype))};
    return std::optional(view);
  }
  return std::optional<TensorView>();
}

Status only_outputs(const Call& call, std::initializer_list<std::string_view> names) {
  for (const NamedTensor& output : call.outputs)
    if (!contains(names, output.name))
      return Error{ErrorCode::unsupported,
                   fmt::format("the form {} has no output {} here", form_of(call.attributes), output.name)};
  return Done{};
}

Matrix numbers_of(const TensorView& tensor, std::int64_t rows) {
  DROPCHECK_CHECK(rows > 0 && tensor.count() % rows == 0);
  const DenseInput elements(tensor);
  const std::size_t size = tensor.element_size();
  Matrix made(rows, tensor.count() / rows);
  for (std::int64_t i = 0; i < made.size(); ++i)
    made.data()[i] = load_element(elements.data() + static_cast<std::size_t>(i) * size, tensor.dtype);
  return made;
}

void write_numbers(const Matrix& numbers, const TensorView& to) {
  DROPCHECK_CHECK(numbers.size() == to.count());
  DenseOutput elements(to);
  const std::size_t size = to.element_size();
  for (std::int64_t i = 0; i < numbers.size(); ++i)
    store_element(numbers.data()[i], elements.data() + static_cast<std::size_t>(i) * size, to.dtype);
  elements.finish();
}

}  // namespace dropcheck::reference
