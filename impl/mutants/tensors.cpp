#include "impl/mutants/tensors.hpp"

#include <algorithm>
#include <numeric>

#include "harness/core/element.hpp"
#include "harness/core/invariant.hpp"

namespace dropcheck::mutants {
namespace {

/// The elements of a tensor as dense memory in logical order: its own where it is contiguous, otherwise a
/// copy.
class Dense {
 public:
  explicit Dense(const TensorView& view) : view_(view), own_(view.is_contiguous()) {
    if (own_) return;
    copy_.resize(static_cast<std::size_t>(view.count()) * view.element_size());
    gather(view, copy_.data());
  }
  std::byte* data() { return own_ ? view_.data : copy_.data(); }
  void write_back() {
    if (!own_) scatter(copy_.data(), view_);
  }

 private:
  const TensorView& view_;
  bool own_;
  std::vector<std::byte> copy_;
};

/// (a + bi)(0 + 0i) = (a 0 - b 0) + (a 0 + b 0)i.
template <typename Part>
void zero_complex(std::byte* at) {
  const Part a = element_at<Part>(at) * 0, b = element_at<Part>(at + sizeof(Part)) * 0;
  put_element(static_cast<Part>(a - b), at);
  put_element(static_cast<Part>(a + b), at + sizeof(Part));
}

std::vector<std::size_t> in_order(std::span<const std::int64_t> shape) {
  std::vector<std::size_t> order(shape.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  return order;
}

/// The last dimension of `order` has stride 1.
std::vector<std::int64_t> strides_in_order(std::span<const std::int64_t> shape,
                                           const std::vector<std::size_t>& order) {
  std::vector<std::int64_t> strides(order.size());
  std::int64_t step = 1;
  for (std::size_t i = order.size(); i-- > 0;) {
    strides[order[i]] = step;
    step *= std::max<std::int64_t>(shape[order[i]], 1);
  }
  return strides;
}

}  // namespace

void apply_to_tensors(const Law& law, const Mask& mask, const TensorView& in, const TensorView& out) {
  Dense from(in), to(out);
  apply(law, in.dtype, from.data(), mask.kept.data(), static_cast<std::int64_t>(mask.kept.size()),
        mask.elements_per_entry, to.data());
  to.write_back();
}

Mask uniform_mask(const TensorView& view, std::uint8_t keep) {
  return {std::vector<std::uint8_t>(static_cast<std::size_t>(view.count()), keep), 1};
}

void write_mask(const Mask& mask, const TensorView& out) {
  std::vector<std::byte> bytes;
  bytes.reserve(static_cast<std::size_t>(out.count()));
  for (const std::uint8_t keep : mask.kept)
    bytes.insert(bytes.end(), static_cast<std::size_t>(mask.elements_per_entry), std::byte{keep});
  DROPCHECK_CHECK(bytes.size() == static_cast<std::size_t>(out.count()) && out.element_size() == 1);
  scatter(bytes.data(), out);
}

void copy_elements(const TensorView& in, const TensorView& out) {
  if (in.data == out.data && in.strides == out.strides) return;
  Dense from(in);
  scatter(from.data(), out);
}

void zero_elements(const TensorView& in, const TensorView& out) {
  if (is_float(in.dtype)) return apply_to_tensors(Law{}, uniform_mask(in, 0), in, out);
  const std::size_t size = in.element_size();
  std::vector<std::byte> bytes(static_cast<std::size_t>(in.count()) * size);  // zeros, for integers
  if (in.dtype == DType::c64 || in.dtype == DType::c128) {
    gather(in, bytes.data());
    for (std::size_t at = 0; at < bytes.size(); at += size)
      in.dtype == DType::c64 ? zero_complex<float>(bytes.data() + at)
                             : zero_complex<double>(bytes.data() + at);
  }
  scatter(bytes.data(), out);
}

std::vector<std::int64_t> row_major_strides(std::span<const std::int64_t> shape) {
  return strides_in_order(shape, in_order(shape));
}

std::vector<std::int64_t> packed_strides(const TensorView& view) {
  std::vector<std::size_t> order = in_order(view.shape);
  if (!shares_elements(view))
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return view.strides[a] > view.strides[b]; });
  return strides_in_order(view.shape, order);
}

bool shares_elements(const TensorView& view) {
  for (std::size_t d = 0; d < view.shape.size(); ++d)
    if (view.strides[d] == 0 && view.shape[d] > 1) return true;
  return false;
}

Observation observation_of(const TensorView& out) {
  Observation seen;
  seen.produced_shape = out.shape;
  seen.produced_strides = out.strides;
  seen.produced_dtype = out.dtype;
  return seen;
}

}  // namespace dropcheck::mutants
