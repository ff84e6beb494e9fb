#pragma once
// What the host works out once for a call's stream and law.

#include <cstdint>
#include <string_view>

#include "impl/cuda/element.hpp"
#include "impl/cuda/task.hpp"

namespace dropcheck::cuda {

// dropcheck-philox (docs/streams.md).

/// The largest word that drops, for 0 < p < 1: ceil(p 2^32) - 1.
std::uint32_t last_dropped_word(double p);
/// Probability that an entry is dropped for p in [0, 1]: ceil(p 2^32) / 2^32.
double dropcheck_rate(double p);

// pytorch-cuda (docs/streams.md), from ATen/native/cuda/Dropout.cu: derived from sources, not run on a
// device.

/// What PyTorch's masks depend on besides generator and call.
struct PyTorchDevice {
  unsigned multiprocessors = 0;
  unsigned threads_per_multiprocessor = 0;
  unsigned max_vec = 8;  // 8: up to 16 bytes at once, newer versions; 4: up to 4 elements, 1.13 and older
};

/// Threads of PyTorch's launch on `numel` elements, above 0.
std::uint64_t pytorch_threads(const PyTorchDevice& device, std::uint64_t numel);
/// 32-bit words that this call adds to the generator's offset.
std::uint64_t pytorch_words(std::uint64_t numel, std::uint64_t threads);
/// Elements that a thread of the fused kernel handles at once. `address` is that of the input; dense: without
/// gaps and overlaps.
unsigned pytorch_vec(const PyTorchDevice& device, DType dtype, std::uint64_t numel, std::uint64_t address,
                     bool dense);
/// Probability that an entry is dropped: the words whose uniform number is not below 1 - p, counted.
double pytorch_rate(double p, DType dtype);

// Laws, for 0 < p < 1 in training.

/// x fl(1 / fl(q)); the half types take the quotient from f32. Alpha operators (Klambauer et al. 2017, with
/// PyTorch's constant): gain a = ((alpha^2 p + 1) q)^(-1/2), shifts alpha a p and -alpha a q.
Law forward_law(bool alpha, double p, DType dtype);
/// The same factor, without shifts.
Law backward_law(bool alpha, double p, DType dtype);
/// PyTorch's fused kernel: the factor 1 / q stays in the type that it calculates in; backward it is the
/// quotient of doubles (tools/autograd/derivatives.yaml).
Law fused_forward_law(double p, DType dtype);
Law fused_backward_law(double p);
/// x with all its bits, and x * 0.
Law copy_law();
Law zero_law();

std::size_t size_of(DType dtype);
/// The dtype of that word of docs/descriptor.md among ours.
std::string_view name_of(DType dtype);

}  // namespace dropcheck::cuda
