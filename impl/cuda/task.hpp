#pragma once
// One pass over the tensors of a call, as host and device both read it.

#include <cstdint>

#include "impl/cuda/element.hpp"
#include "impl/cuda/mapping.hpp"

namespace dropcheck::cuda {

inline constexpr int kMaxRank = 8;

/// Extents and strides, in elements, of a walk in logical order. Absent tensors have strides 0.
struct Walk {
  int rank = 0;
  std::int64_t extent[kMaxRank] = {};
  std::int64_t x[kMaxRank] = {};
  std::int64_t y[kMaxRank] = {};
  std::int64_t mask[kMaxRank] = {};
};

/// y = law(x) under the mask, and the mask itself where it is wanted. Pointers are null for what is absent; x
/// absent: every element is `constant`. Each has the alignment of its element at least.
struct Task {
  const void* x = nullptr;
  void* y = nullptr;
  unsigned char* mask = nullptr;  // one byte an element, 1 = kept, where the walk says
  unsigned char* packed =
      nullptr;              // one bit an element in logical order, the lowest first; bits past the end are 0
  std::uint64_t count = 0;  // elements
  std::uint64_t per_entry = 1;  // elements in a row that share a mask entry
  double constant = 0;
  Law law;
  Walk walk;
};

enum class Source : std::uint8_t { constant, dropcheck, pytorch };

/// A task and where its mask comes from.
struct Request {
  Task task;
  Source source = Source::constant;
  ConstantStream constant;
  DropcheckStream dropcheck;
  PyTorchStream pytorch;
  /// x and y lie dense in the order of the walk, at multiples of 16 bytes, and so does the mask if there is
  /// one.
  bool vector = false;
};

enum class DType : std::uint8_t { f64, f32, f16, bf16 };

}  // namespace dropcheck::cuda
