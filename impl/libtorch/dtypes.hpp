#pragma once
// DLPack's element types, Torch's and the words of the descriptor grammar.

#include <c10/core/ScalarType.h>

#include <array>
#include <string_view>

#include "harness/abi/dropcheck_plugin.h"

namespace dropcheck::libtorch {

struct DType {
  std::string_view word;
  DLDataType dlpack;
  c10::ScalarType torch;
};

// DLPack names bool's code only from 0.8 on; older headers lack the constant.
inline constexpr std::uint8_t kBoolCode = 6;

inline constexpr std::array<DType, 10> kDTypes = {{
    {"f64", {kDLFloat, 64, 1}, c10::ScalarType::Double},
    {"f32", {kDLFloat, 32, 1}, c10::ScalarType::Float},
    {"f16", {kDLFloat, 16, 1}, c10::ScalarType::Half},
    {"bf16", {kDLBfloat, 16, 1}, c10::ScalarType::BFloat16},
    {"i64", {kDLInt, 64, 1}, c10::ScalarType::Long},
    {"i32", {kDLInt, 32, 1}, c10::ScalarType::Int},
    {"u8", {kDLUInt, 8, 1}, c10::ScalarType::Byte},
    {"bool", {kBoolCode, 8, 1}, c10::ScalarType::Bool},
    {"c64", {kDLComplex, 64, 1}, c10::ScalarType::ComplexFloat},
    {"c128", {kDLComplex, 128, 1}, c10::ScalarType::ComplexDouble},
}};

/// Throws plugin::Unsupported for a type outside the table.
c10::ScalarType torch_dtype(DLDataType dtype);

/// Bits 0, the ABI's "unknown", for a type outside the table.
DLDataType dlpack_dtype(c10::ScalarType dtype);

/// The descriptor grammar's word, e.g. "bool"; "unknown" for a type outside the table.
std::string_view dtype_word(c10::ScalarType dtype);

}  // namespace dropcheck::libtorch
