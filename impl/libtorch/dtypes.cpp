#include "impl/libtorch/dtypes.hpp"

#include "harness/abi/dropcheck_plugin.hpp"

namespace dropcheck::libtorch {

c10::ScalarType torch_dtype(DLDataType dtype) {
  for (const DType& row : kDTypes)
    if (row.dlpack.code == dtype.code && row.dlpack.bits == dtype.bits && dtype.lanes == 1) return row.torch;
  throw plugin::Unsupported("DLPack dtype with code " + std::to_string(dtype.code) + ", " +
                            std::to_string(dtype.bits) + " bits, " + std::to_string(dtype.lanes) + " lanes");
}

DLDataType dlpack_dtype(c10::ScalarType dtype) {
  for (const DType& row : kDTypes)
    if (row.torch == dtype) return row.dlpack;
  return {};
}

std::string_view dtype_word(c10::ScalarType dtype) {
  for (const DType& row : kDTypes)
    if (row.torch == dtype) return row.word;
  return "unknown";
}

}  // namespace dropcheck::libtorch
