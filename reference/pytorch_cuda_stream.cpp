#include "reference/pytorch_cuda_stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "harness/core/invariant.hpp"
#include "reference/thread_rows.hpp"

namespace dropcheck::reference {
namespace {

constexpr std::uint64_t kWordsPerBlock = 4;

constexpr std::uint32_t low_half(std::uint64_t value) { return static_cast<std::uint32_t>(value); }
constexpr std::uint32_t high_half(std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); }

constexpr std::uint64_t quotient_up(std::uint64_t a, std::uint64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

bool is_vec(unsigned vec) { return vec == 1 || vec == 2 || vec == 4 || vec == 8; }

Error refused(std::string message) { return Error{ErrorCode::invalid_argument, std::move(message)}; }

Status validate_offset(std::uint64_t offset) {
  if (offset % kWordsPerBlock != 0)
    return refused(fmt::format("offset {} is no multiple of 4: write one, it counts 32-bit words", offset));
  return Done{};
}

/// One launch, as the loops below need it.
struct Launch {
  std::uint64_t seed;
  std::uint64_t offset;
  std::uint64_t numel;
  std::uint64_t threads;
  std::uint32_t keeping;  // words below this keep

  /// One bit for each word of a block, 1 = dropped, of kRowThreads threads.
  void row(std::uint64_t first_thread, std::uint64_t block, std::uint8_t* bits) const {
    row_at_least(seed, offset / kWordsPerBlock + block, first_thread, keeping, bits);
  }
};

std::uint64_t eight_bytes(const std::uint8_t* bytes) {
  std::uint64_t word = 0;
  for (unsigned k = 0; k < 8; ++k) word |= std::uint64_t{bytes[k]} << (8 * k);
  return word;
}

/// The two low bits of each of 8 bytes, the first byte's lowest.
std::uint64_t pack_pairs(std::uint64_t bytes) {
  bytes &= 0x0303030303030303u;
  bytes = (bytes | bytes >> 6) & 0x000f000f000f000fu;
  bytes = (bytes | bytes >> 12) & 0x000000ff000000ffu;
  return (bytes | bytes >> 24) & 0xffffu;
}

/// The four low bits of each of 8 bytes, the first byte's lowest.
std::uint64_t pack_fours(std::uint64_t bytes) {
  bytes = (bytes | bytes >> 4) & 0x00ff00ff00ff00ffu;
  bytes = (bytes | bytes >> 8) & 0x0000ffff0000ffffu;
  return (bytes | bytes >> 16) & 0xffffffffu;
}

/// Bit `lane` of each of 64 bytes.
std::uint64_t pack_lane(const std::uint8_t* bytes, unsigned lane) {
  std::uint64_t packed = 0;
  for (unsigned k = 0; k < 8; ++k) {
    const std::uint64_t ones = eight_bytes(bytes + 8 * k) >> lane & 0x0101010101010101u;
    packed |= (ones * 0x0102040810204080u >> 56) << (8 * k);
  }
  return packed;
}

/// Bits of a mask, 64 at a time; what lies past its end is dropped.
class MaskWords {
 public:
  explicit MaskWords(MaskBits& mask) : mask_(mask) {}
  ~MaskWords() {
    if (mask_.tail_length() > 0) mask_.words().back() &= ~std::uint64_t{0} >> (64 - mask_.tail_length());
  }
  MaskWords(const MaskWords&) = delete;
  MaskWords& operator=(const MaskWords&) = delete;

  /// `first` is a multiple of 64.
  void put(std::uint64_t first, std::uint64_t word) {
    if (first < mask_.size()) mask_.words()[first / 64] = word;
  }

 private:
  MaskBits& mask_;
};

// Both loops take kRowThreads = 64 threads at a time. T is a multiple of 256, so every row begins at an entry
// whose number is a multiple of 64.

/// place_of for vec = 1, read the other way round: a block makes four elements that lie T apart.
void draw_single(const Launch& launch, MaskWords& drops) {
  std::uint8_t bits[kRowThreads];
  std::uint64_t block = 0;
  for (std::uint64_t base = 0; base < launch.numel; base += 4 * launch.threads, ++block) {
    const std::uint64_t active = std::min(launch.threads, launch.numel - base);
    for (std::uint64_t thread = 0; thread < active; thread += kRowThreads) {
      launch.row(thread, block, bits);
      for (unsigned lane = 0; lane < 4; ++lane)
        drops.put(base + lane * launch.threads + thread, pack_lane(bits, lane));
    }
  }
}

/// place_of for the other widths: a block makes up to four neighbours. numel is a multiple of vec.
void draw_vectors(const Launch& launch, unsigned vec, MaskWords& drops) {
  std::uint8_t bits[kRowThreads], more[kRowThreads];
  const unsigned blocks = vec == 8 ? 2 : 1;
  for (std::uint64_t base = 0, block = 0; base < launch.numel;
       base += vec * launch.threads, block += blocks) {
    const std::uint64_t active = std::min(launch.threads, (launch.numel - base) / vec);
    for (std::uint64_t thread = 0; thread < active; thread += kRowThreads) {
      launch.row(thread, block, bits);
      if (vec == 8) {
        launch.row(thread, block + 1, more);
        for (unsigned k = 0; k < kRowThreads; ++k)
          bits[k] = static_cast<std::uint8_t>(bits[k] | more[k] << 4);
      }
      const std::uint64_t first = base + thread * vec;
      for (unsigned word = 0; word < vec; ++word) {
        const std::uint8_t* const from = bits + 64 / vec * word;
        std::uint64_t packed = 0;
        for (unsigned k = 0; k < 64 / vec; k += 8) {
          const std::uint64_t bytes = eight_bytes(from + k);
          packed |= (vec == 2 ? pack_pairs(bytes) : vec == 4 ? pack_fours(bytes) : bytes) << (vec * k % 64);
        }
        drops.put(first + 64 * word, packed);
      }
    }
  }
}

/// The number of words for which `keeps`, which must hold for the smallest words only.
template <typename Keeps>
std::uint64_t count_smallest(Keeps&& keeps) {
  std::uint64_t low = 0, high = std::uint64_t{1} << 32;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (keeps(static_cast<std::uint32_t>(middle))) low = middle + 1;
    else high = middle;
  }
  return low;
}

}  // namespace

Status validate(const CudaDevice& device) {
  if (device.multiprocessors == 0)
    return refused("a CUDA device has at least 1 multiprocessor: give its number of them");
  if (device.threads_per_multiprocessor < kThreadsPerBlock)
    return refused(
        fmt::format("a multiprocessor with {} threads holds no block of {}: give the number of "
                    "threads that it holds, for example 2048",
                    device.threads_per_multiprocessor, kThreadsPerBlock));
  return Done{};
}

// ATen/native/cuda/Dropout.cu (native_dropout_cuda); the same in ATen/native/cuda/DistributionTemplates.h
// (calc_execution_policy); ATen/cuda/CUDAGeneratorImpl.cpp adds the increment. Derived.
LaunchGeometry launch_geometry(const CudaDevice& device, std::uint64_t numel) {
  DROPCHECK_CHECK(validate(device).has_value());
  if (numel == 0) return {0, 0, 0};
  const std::uint64_t resident = device.threads_per_multiprocessor / kThreadsPerBlock;
  const std::uint64_t grid =
      std::min(device.multiprocessors * resident, quotient_up(numel, kThreadsPerBlock));
  const std::uint64_t threads = kThreadsPerBlock * grid;
  return {grid, threads, kWordsPerBlock * blocks_reserved(numel, threads)};
}

// ATen/native/cuda/Dropout.cu (get_vector_size), ATen/native/cuda/MemoryAccess.cuh (can_vectorize_up_to).
// Derived.
unsigned vector_width(DType dtype, VectorRule rule, std::uint64_t numel, std::uint64_t alignment_bytes,
                      bool dense) {
  DROPCHECK_CHECK(is_float(dtype));
  if (!dense) return 1;
  const auto size = static_cast<unsigned>(size_of(dtype));
  unsigned vec = rule == VectorRule::at_most_four ? 4 : 16 / size;
  while (vec > 1 && (alignment_bytes % (vec * size) != 0 || numel % vec != 0)) vec /= 2;
  return vec;
}

// ATen/native/cuda/Dropout.cu (fused_dropout_kernel_vec, fused_dropout_kernel) and, as vec = 1,
// ATen/native/cuda/DistributionTemplates.h (distribution_elementwise_grid_stride_kernel). Derived.
DrawPlace place_of(std::uint64_t i, std::uint64_t threads, unsigned vec) {
  DROPCHECK_CHECK(is_vec(vec) && threads > 0);
  if (vec == 1) return {i % threads, i / threads / 4, static_cast<unsigned>(i / threads % 4)};
  const std::uint64_t round = i / (vec * threads), thread = i % (vec * threads) / vec;
  const auto at = static_cast<unsigned>(i % vec);
  // Eight elements take two blocks; of the block for two elements the last two words are not used.
  if (vec == 8) return {thread, 2 * round + at / 4, at % 4};
  return {thread, round, at};
}

// Salmon et al. 2011 with the counter and key that curand_init makes; ATen/core/PhiloxRNGEngine.h makes the
// same ones on the CPU, where they were run. Derived for curand.
PhiloxCounter thread_block(std::uint64_t seed, std::uint64_t offset, std::uint64_t thread,
                           std::uint64_t block) {
  const std::uint64_t count = offset / kWordsPerBlock + block;
  return philox4x32_10({low_half(count), high_half(count), low_half(thread), high_half(thread)},
                       {low_half(seed), high_half(seed)});
}

// The uniform distribution of curand_kernel.h as PyTorch's own kernels state it. The product is exact, so a
// fused multiply-add gives the same. Derived.
float uniform_of(std::uint32_t word) { return static_cast<float>(word) * 0x1p-32f + 0x1p-33f; }

// ATen/native/cuda/Dropout.cu: rand < p, with p the keep probability in the accumulation type. For bernoulli_
// ATen/core/TransformationHelper.h has the same comparison. Derived.
std::uint64_t keeping_words(double p, DType dtype) {
  const double q = 1.0 - p;
  if (dtype == DType::f64)
    return count_smallest([&](std::uint32_t word) { return static_cast<double>(uniform_of(word)) < q; });
  const auto narrow_q = static_cast<float>(q);
  return count_smallest([&](std::uint32_t word) { return uniform_of(word) < narrow_q; });
}

double effective_drop_probability(double p, DType dtype) {
  return std::ldexp(static_cast<double>((std::uint64_t{1} << 32) - keeping_words(p, dtype)), -32);
}

// ATen/native/cuda/Dropout.cu: counter_offset = ((numel - 1) / (4 T) + 1) 4 words. Derived.
std::uint64_t blocks_reserved(std::uint64_t numel, std::uint64_t threads) {
  return numel == 0 ? 0 : quotient_up(numel, 4 * threads);
}

// Rounds of the loop over the elements times blocks a round, ATen/native/cuda/Dropout.cu. In all versions
// read the flag that would let vec = 2 use all four words of a block is never set. Derived.
std::uint64_t blocks_used(unsigned vec, std::uint64_t numel, std::uint64_t threads) {
  DROPCHECK_CHECK(is_vec(vec));
  if (numel == 0) return 0;
  if (vec == 1) return quotient_up(numel, 4 * threads);
  return quotient_up(numel, vec * threads) * (vec == 8 ? 2 : 1);
}

Status validate(const CudaCall& call) {
  if (!is_float(call.dtype))
    return refused(
        fmt::format("dropout on CUDA has no dtype {}: write f64, f32, f16 or bf16", to_string(call.dtype)));
  if (call.vec && !is_vec(*call.vec))
    return refused(fmt::format("no kernel handles {} elements at once: write 1, 2, 4 or 8", *call.vec));
  if (call.vec && call.numel % *call.vec != 0)
    return refused(
        fmt::format("{} elements cannot be handled {} at once: write a divisor", call.numel, *call.vec));
  if (call.kernel == CudaKernel::fused) return Done{};
  if (!(call.p >= 0.0 && call.p <= 1.0))
    return refused(fmt::format("p={} is not a drop probability: write a number from 0 to 1", call.p));
  if (call.vec.value_or(1) != 1)
    return refused(fmt::format("bernoulli_ handles elements alone, not {} at once: write 1", *call.vec));
  if (call.dtype == DType::f64)
    return Error{ErrorCode::unsupported,
                 "the stream of bernoulli_ on f64 is not known here: use another dtype"};
  // ATen/TensorIterator.cpp (can_use_32bit_indexing): the last element begins below byte 2^31 - 1.
  constexpr std::uint64_t kLargest = std::numeric_limits<std::int32_t>::max();
  if (call.numel > kLargest || (call.numel > 0 && (call.numel - 1) * size_of(call.dtype) >= kLargest))
    return Error{ErrorCode::unsupported,
                 fmt::format("bernoulli_ splits {} elements of {}, which is not followed here: use fewer",
                             call.numel, to_string(call.dtype))};
  return Done{};
}

Expected<PyTorchCudaStream> PyTorchCudaStream::open(CudaDevice device, std::uint64_t seed,
                                                    std::uint64_t offset) {
  if (const Status status = validate(device); !status) return status.error();
  if (const Status status = validate_offset(offset); !status) return status.error();
  return PyTorchCudaStream(device, seed, offset);
}

PyTorchCudaStream::PyTorchCudaStream(CudaDevice device, std::uint64_t seed, std::uint64_t offset)
    : device_(device), seed_(seed), offset_(offset) {
  DROPCHECK_CHECK(validate(device).has_value() && validate_offset(offset).has_value());
}

unsigned PyTorchCudaStream::vec_of(const CudaCall& call) const {
  if (call.kernel == CudaKernel::bernoulli) return 1;
  return call.vec ? *call.vec
                  : vector_width(call.dtype, device_.rule, call.numel, call.alignment_bytes, call.dense);
}

void PyTorchCudaStream::draw(const CudaCall& call, MaskBits& drops) {
  DROPCHECK_CHECK(validate(call).has_value());
  const LaunchGeometry geometry = launch_geometry(device_, call.numel);
  const std::uint64_t keeping = keeping_words(call.p, call.dtype);
  drops = MaskBits(call.numel);
  if (keeping <= std::numeric_limits<std::uint32_t>::max()) {  // else every word keeps
    const Launch launch{seed_, offset_, call.numel, geometry.threads, static_cast<std::uint32_t>(keeping)};
    MaskWords words(drops);
    if (const unsigned vec = vec_of(call); vec == 1) draw_single(launch, words);
    else draw_vectors(launch, vec, words);
  }
  offset_ += geometry.increment;
}

}  // namespace dropcheck::reference
