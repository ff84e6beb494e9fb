#include "impl/mutants/value_backend.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "harness/core/element.hpp"
#include "harness/core/problem.hpp"
#include "impl/mutants/tensors.hpp"

namespace dropcheck::mutants {
namespace {

constexpr std::int64_t kTile = 16;  // extent of the tile that is lost, both ways

void multiply(const TensorView& tensor, double factor) {
  apply_to_tensors(Law{.gain = factor}, uniform_mask(tensor, 1), tensor, tensor);
}

/// Whether the elements lie without gaps in another order than the logical one.
bool is_permuted(const TensorView& view) {
  return !view.is_contiguous() && !shares_elements(view) && packed_strides(view) == view.strides;
}

std::vector<std::byte> dense(const TensorView& view) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(view.count()) * view.element_size());
  gather(view, bytes.data());
  return bytes;
}

/// x = 0 wherever y is.
void drop_in_input(const TensorView& y, const TensorView& x) {
  std::vector<std::byte> input = dense(x);
  const std::vector<std::byte> output = dense(y);
  const std::size_t size = x.element_size();
  for (std::size_t at = 0; at < input.size(); at += size)
    if (load_element(output.data() + at, y.dtype) == 0) store_element(0, input.data() + at, x.dtype);
  scatter(input.data(), x);
}

/// Where the element of that number in logical order lies.
std::byte* at_element(const TensorView& view, std::int64_t element) {
  std::int64_t offset = 0;
  for (std::size_t d = view.shape.size(); d-- > 0; element /= view.shape[d])
    offset += element % view.shape[d] * view.strides[d];
  return view.data + offset * static_cast<std::int64_t>(view.element_size());
}

/// The first 16 x 16 elements of the first matrix become 0.
void lose_tile(const TensorView& y) {
  const std::size_t rank = y.shape.size();
  if (rank < 2 || y.shape[rank - 2] < kTile || y.shape[rank - 1] < kTile) return;
  for (std::int64_t row = 0; row < kTile; ++row)
    for (std::int64_t column = 0; column < kTile; ++column)
      store_element(0, at_element(y, row * y.shape[rank - 1] + column), y.dtype);
}

/// Writes the last word of 32 bits whole where only its first half belongs to the tensor.
void overrun(const CallTensor& y) {
  if (y.view.element_size() != 2 || y.view.count() % 2 == 0 || !y.view.is_contiguous()) return;
  std::byte* const end = y.view.data + y.view.count() * 2;
  if (end + 2 > y.memory->data() + y.memory->size()) return;
  std::memcpy(end, end - 2, 2);
}

/// The bytes of a mask with rows and columns of its matrices exchanged, written where they were.
void transpose_mask(const TensorView& mask) {
  const std::size_t rank = mask.shape.size();
  if (rank < 2) return;
  const std::vector<std::byte> right = dense(mask);
  std::vector<std::byte> wrong(right.size());
  const auto rows = static_cast<std::size_t>(mask.shape[rank - 2]),
             columns = static_cast<std::size_t>(mask.shape[rank - 1]);
  for (std::size_t i = 0; i < right.size(); ++i) {
    const std::size_t in_matrix = i % (rows * columns);
    wrong[i] = right[i - in_matrix + in_matrix % rows * columns + in_matrix / rows];
  }
  scatter(wrong.data(), mask);
}

}  // namespace

ValueBackend::ValueBackend(const std::string& id, Fault fault) : PlainBackend(id, fault), fault_(fault) {}

Expected<Observation> ValueBackend::forward(const Call& call) {
  Call asked = call;
  if (fault_ == Fault::strided_as_dense && !call.in_place && is_permuted(call.x.view))
    asked.x.view.strides = row_major_strides(call.x.view.shape);

  const TensorView& y = call.in_place ? call.x.view : call.y.view;
  const bool training = call.mode == Mode::train, apart = !call.in_place;
  const bool draws = training && call.p > 0 && call.p < 1 && y.count() > 0;
  const bool spares_middle =
      fault_ == Fault::middle_unwritten && draws && apart && call.y && y.count() % 2 == 0;
  std::vector<std::byte> middle;
  if (spares_middle) {
    const std::byte* at = at_element(y, y.count() / 2);
    middle.assign(at, at + y.element_size());
  }

  auto seen = PlainBackend::forward(asked);
  if (!seen) return seen;
  if (call.save_for_backward && training && call.p == 1) saved_at_one_.insert(seen->saved.id);
  if (call.save_for_backward && !training && call.p < 1) saved_in_eval_[seen->saved.id] = call.p;
  switch (fault_) {
    case Fault::not_inverted:
      if (!training && call.p > 0 && call.p < 1 && !is_alpha(call.op)) multiply(y, 1 - call.p);
      break;
    case Fault::nan_at_p1:
      if (training && call.p == 1) multiply(y, std::numeric_limits<double>::infinity());
      break;
    case Fault::input_overwritten:
      if (draws && apart && !shares_elements(call.x.view)) copy_elements(y, call.x.view);
      break;
    case Fault::input_dropped:
      if (draws && apart && !is_alpha(call.op) && !shares_elements(call.x.view))
        drop_in_input(y, call.x.view);
      break;
    case Fault::dtype_promoted:
      if (draws && y.element_size() == 2) seen->produced_dtype = DType::f32;
      break;
    case Fault::mask_output_constant:
      if (draws && call.mask) write_mask(uniform_mask(call.mask.view, 0), call.mask.view);
      break;
    case Fault::mask_output_transposed:
      if (draws && call.mask) transpose_mask(call.mask.view);
      break;
    case Fault::tile_zeroed:
      if (draws && call.op == Op::dropout) lose_tile(y);
      break;
    case Fault::middle_unwritten:
      if (spares_middle) std::copy(middle.begin(), middle.end(), at_element(y, y.count() / 2));
      break;
    case Fault::tail_overrun:
      if (draws && apart) overrun(call.y);
      break;
    default: break;
  }
  return seen;
}

Expected<Observation> ValueBackend::backward(const BackwardCall& call) {
  auto seen = PlainBackend::backward(call);
  if (seen && fault_ == Fault::gradient_nan_at_p1 && saved_at_one_.contains(call.saved.id))
    multiply(call.dx.view, std::numeric_limits<double>::infinity());
  if (seen && fault_ == Fault::eval_gradient_scaled && saved_in_eval_.contains(call.saved.id))
    multiply(call.dx.view, 1 / (1 - saved_in_eval_.at(call.saved.id)));
  return seen;
}

void ValueBackend::release(SavedToken saved) {
  saved_at_one_.erase(saved.id);
  saved_in_eval_.erase(saved.id);
  PlainBackend::release(saved);
}

Mask ValueBackend::drawn_mask(const CallState& state) {
  Mask mask = PlainBackend::drawn_mask(state);
  if (fault_ == Fault::mask_inverted_unscaled)
    for (std::uint8_t& keep : mask.kept) keep ^= 1u;
  return mask;
}

}  // namespace dropcheck::mutants
