#include "impl/cuda/stream_setup.hpp"

#include <algorithm>
#include <cmath>

namespace dropcheck::cuda {
namespace {

constexpr unsigned kPyTorchBlock = 256;        // threads
constexpr double kAlpha = 1.7580993408473766;  // scale * alpha of SELU, with PyTorch's digits

std::uint64_t quotient_up(std::uint64_t a, std::uint64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

double plain_gain(double p, DType dtype) {
  const double q = 1.0 - p;
  if (dtype == DType::f64) return 1.0 / q;
  const float reciprocal = 1.0f / static_cast<float>(q);
  if (dtype == DType::f16) return static_cast<double>(half_value(half_bits(reciprocal)));
  if (dtype == DType::bf16) return static_cast<double>(widen(BFloat16{bfloat16_bits(reciprocal)}));
  return static_cast<double>(reciprocal);
}

double alpha_gain(double p) { return 1.0 / std::sqrt((kAlpha * kAlpha * p + 1.0) * (1.0 - p)); }

Law scaled(double gain) {
  Law law;
  law.gain = gain;
  return law;
}

}  // namespace

std::uint32_t last_dropped_word(double p) {
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(std::ceil(p * 0x1p32)) - 1);
}

double dropcheck_rate(double p) { return std::ceil(p * 0x1p32) * 0x1p-32; }

std::uint64_t pytorch_threads(const PyTorchDevice& device, std::uint64_t numel) {
  const std::uint64_t resident =
      std::uint64_t{device.multiprocessors} * (device.threads_per_multiprocessor / kPyTorchBlock);
  return kPyTorchBlock * std::min(resident, quotient_up(numel, kPyTorchBlock));
}

std::uint64_t pytorch_words(std::uint64_t numel, std::uint64_t threads) {
  return 4 * quotient_up(numel, 4 * threads);
}

unsigned pytorch_vec(const PyTorchDevice& device, DType dtype, std::uint64_t numel, std::uint64_t address,
                     bool dense) {
  if (!dense) return 1;
  const auto size = static_cast<unsigned>(size_of(dtype));
  unsigned vec = device.max_vec == 4 ? 4 : 16 / size;
  while (vec > 1 && (address % (vec * size) != 0 || numel % vec != 0)) vec /= 2;
  return vec;
}

double pytorch_rate(double p, DType dtype) {
  PyTorchStream stream;
  stream.in_double = dtype == DType::f64;
  stream.q = 1.0 - p;
  // uniform_of never falls, so the words that keep are the smallest ones.
  std::uint64_t low = 0, high = std::uint64_t{1} << 32;
  while (low < high) {
    const std::uint64_t middle = (low + high) / 2;
    if (stream.keeps(static_cast<std::uint32_t>(middle))) low = middle + 1;
    else high = middle;
  }
  return std::ldexp(static_cast<double>((std::uint64_t{1} << 32) - low), -32);
}

Law forward_law(bool alpha, double p, DType dtype) {
  if (!alpha) return scaled(plain_gain(p, dtype));
  const double a = alpha_gain(p);
  Law law = scaled(a);
  law.form = Form::shifted;
  law.kept_shift = kAlpha * a * p;
  law.dropped_shift = -kAlpha * a * (1.0 - p);
  return law;
}

Law backward_law(bool alpha, double p, DType dtype) {
  return scaled(alpha ? alpha_gain(p) : plain_gain(p, dtype));
}

Law fused_forward_law(double p, DType dtype) {
  const double q = 1.0 - p;
  return scaled(dtype == DType::f64 ? 1.0 / q : static_cast<double>(1.0f / static_cast<float>(q)));
}

Law fused_backward_law(double p) { return scaled(1.0 / (1.0 - p)); }

Law copy_law() {
  Law law;
  law.form = Form::copy;
  return law;
}

Law zero_law() { return {}; }

std::size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::f64: return 8;
    case DType::f32: return 4;
    case DType::f16:
    case DType::bf16: break;
  }
  return 2;
}

std::string_view name_of(DType dtype) {
  switch (dtype) {
    case DType::f64: return "f64";
    case DType::f32: return "f32";
    case DType::f16: return "f16";
    case DType::bf16: break;
  }
  return "bf16";
}

}  // namespace dropcheck::cuda
