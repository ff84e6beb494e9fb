#include "impl/cpu/apply.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "harness/core/invariant.hpp"
#include "impl/cpu/clones.hpp"

namespace dropcheck::cpu {
namespace {

constexpr double kAlpha = 1.7580993408473766;  // scale * alpha of SELU, with PyTorch's digits

/// The type in which arithmetic on T is done.
template <typename T>
struct OperationOf {
  using type = float;
};
template <>
struct OperationOf<double> {
  using type = double;
};

template <typename T, bool shifts>
[[gnu::always_inline]] inline void run(const Affine& law, const std::byte* x_bytes, const std::uint8_t* kept,
                                       std::size_t count, std::byte* y_bytes) {
  using Real = typename OperationOf<T>::type;
  const T* x = reinterpret_cast<const T*>(x_bytes);
  T* y = reinterpret_cast<T*>(y_bytes);
  const auto gain = static_cast<Real>(law.gain);
  const auto kept_shift = static_cast<Real>(law.kept_shift),
             dropped_shift = static_cast<Real>(law.dropped_shift);
  // x and y are the same elements or do not meet at all, so no iteration depends on another.
#pragma GCC ivdep
  for (std::size_t i = 0; i < count; ++i) {
    const bool keep = kept[i] != 0;
    Real value = static_cast<Real>(x[i]) * (keep ? gain : Real{0});
    if constexpr (shifts) value += keep ? kept_shift : dropped_shift;
    y[i] = static_cast<T>(value);
  }
}

// One function a kernel: the clones attribute does not go on templates.
#define DROPCHECK_CPU_KERNEL(name, T, shifts)                                                     \
  DROPCHECK_CPU_CLONES void name(const Affine& law, const std::byte* x, const std::uint8_t* kept, \
                                 std::size_t n, std::byte* y) {                                   \
    run<T, shifts>(law, x, kept, n, y);                                                           \
  }
DROPCHECK_CPU_KERNEL(scale_f64, double, false)
DROPCHECK_CPU_KERNEL(scale_f32, float, false)
DROPCHECK_CPU_KERNEL(scale_f16, Eigen::half, false)
DROPCHECK_CPU_KERNEL(scale_bf16, Eigen::bfloat16, false)
DROPCHECK_CPU_KERNEL(affine_f64, double, true)
DROPCHECK_CPU_KERNEL(affine_f32, float, true)
DROPCHECK_CPU_KERNEL(affine_f16, Eigen::half, true)
DROPCHECK_CPU_KERNEL(affine_bf16, Eigen::bfloat16, true)
#undef DROPCHECK_CPU_KERNEL

double scale_of(double q, DType dtype) {
  const float reciprocal = 1.0f / static_cast<float>(q);
  switch (dtype) {
    case DType::f64: return 1.0 / q;
    case DType::f16: return static_cast<double>(static_cast<float>(Eigen::half(reciprocal)));
    case DType::bf16: return static_cast<double>(static_cast<float>(Eigen::bfloat16(reciprocal)));
    default: return static_cast<double>(reciprocal);
  }
}

double gain_of(Op op, double p, DType dtype) {
  const double q = 1.0 - p;
  return is_alpha(op) ? 1.0 / std::sqrt((kAlpha * kAlpha * p + 1.0) * q) : scale_of(q, dtype);
}

}  // namespace

Affine forward_law(Op op, double p, DType dtype) {
  const double gain = gain_of(op, p, dtype);
  if (!is_alpha(op)) return {.gain = gain};
  return {.gain = gain,
          .shifts = true,
          .kept_shift = kAlpha * gain * p,
          .dropped_shift = -kAlpha * gain * (1.0 - p)};
}

Affine backward_law(Op op, double p, DType dtype) { return {.gain = gain_of(op, p, dtype)}; }

void apply(const Affine& law, DType dtype, const std::byte* x, const std::uint8_t* kept, std::size_t count,
           std::byte* y) {
  switch (dtype) {
    case DType::f64: return (law.shifts ? affine_f64 : scale_f64)(law, x, kept, count, y);
    case DType::f32: return (law.shifts ? affine_f32 : scale_f32)(law, x, kept, count, y);
    case DType::f16: return (law.shifts ? affine_f16 : scale_f16)(law, x, kept, count, y);
    case DType::bf16: return (law.shifts ? affine_bf16 : scale_bf16)(law, x, kept, count, y);
    default: DROPCHECK_CHECK(false && "only floating dtypes are claimed");
  }
}

Walker::Walker(const TensorView& view, std::int64_t first)
    : view_(view),
      data_(view.data),
      size_(static_cast<std::int64_t>(view.element_size())),
      contiguous_(view.is_contiguous()),
      position_(first) {}

template <typename Copy>
void Walker::for_each_run(std::size_t count, Copy&& copy) {
  const std::size_t rank = view_.shape.size();
  const std::size_t last = rank - 1;  // rank 0 is contiguous and never comes here
  std::array<std::int64_t, kMaxRank> index{};
  std::int64_t rest = position_, offset = 0;
  for (std::size_t d = rank; d-- > 0;) {
    index[d] = rest % view_.shape[d];
    rest /= view_.shape[d];
    offset += index[d] * view_.strides[d];
  }
  position_ += static_cast<std::int64_t>(count);
  for (auto left = static_cast<std::int64_t>(count); left > 0;) {
    const std::int64_t length = std::min(left, view_.shape[last] - index[last]);
    copy(data_ + offset * size_, view_.strides[last] * size_, length);
    left -= length;
    offset -= index[last] * view_.strides[last];
    index[last] = 0;
    for (std::size_t d = last; d-- > 0;) {
      offset += view_.strides[d];
      if (++index[d] < view_.shape[d]) break;
      offset -= view_.shape[d] * view_.strides[d];
      index[d] = 0;
    }
  }
}

void Walker::read(std::size_t count, std::byte* to) {
  const auto size = static_cast<std::size_t>(size_);
  if (contiguous_) {
    std::memcpy(to, dense(), count * size);
    position_ += static_cast<std::int64_t>(count);
    return;
  }
  for_each_run(count, [&](const std::byte* at, std::int64_t step, std::int64_t length) {
    for (std::int64_t i = 0; i < length; ++i, at += step, to += size) std::memcpy(to, at, size);
  });
}

void Walker::write(std::size_t count, const std::byte* from) {
  const auto size = static_cast<std::size_t>(size_);
  if (contiguous_) {
    std::memcpy(dense(), from, count * size);
    position_ += static_cast<std::int64_t>(count);
    return;
  }
  for_each_run(count, [&](std::byte* at, std::int64_t step, std::int64_t length) {
    for (std::int64_t i = 0; i < length; ++i, at += step, from += size) std::memcpy(at, from, size);
  });
}

}  // namespace dropcheck::cpu
