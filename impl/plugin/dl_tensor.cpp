#include "impl/plugin/dl_tensor.hpp"

namespace dropcheck::plugin_host {
namespace {

struct Row {
  DType dtype;
  std::uint8_t code, bits;
};
constexpr Row kRows[] = {{DType::f64, kDLFloat, 64},   {DType::f32, kDLFloat, 32},
                         {DType::f16, kDLFloat, 16},   {DType::bf16, kDLBfloat, 16},
                         {DType::i64, kDLInt, 64},     {DType::i32, kDLInt, 32},
                         {DType::u8, kDLUInt, 8},      {DType::boolean, DROPCHECK_DL_BOOL, 8},
                         {DType::c64, kDLComplex, 64}, {DType::c128, kDLComplex, 128}};

}  // namespace

DLDataType dl_dtype(DType dtype) {
  for (const Row& row : kRows)
    if (row.dtype == dtype) return {row.code, row.bits, 1};
  return {};
}

std::optional<DType> dtype_of(DLDataType dtype) {
  for (const Row& row : kRows)
    if (row.code == dtype.code && row.bits == dtype.bits && dtype.lanes == 1) return row.dtype;
  return std::nullopt;
}

LentTensor::LentTensor(const TensorView& view) {
  DROPCHECK_CHECK(view.shape.size() <= kMaxRank && view.strides.size() == view.shape.size());
  for (std::size_t d = 0; d < view.shape.size(); ++d) {
    shape_[d] = view.shape[d];
    strides_[d] = view.strides[d];
  }
  tensor_.data = view.data;
  tensor_.device = {kDLCPU, 0};
  tensor_.ndim = static_cast<int>(view.shape.size());
  tensor_.dtype = dl_dtype(view.dtype);
  tensor_.shape = shape_.data();
  tensor_.strides = strides_.data();
}

}  // namespace dropcheck::plugin_host
