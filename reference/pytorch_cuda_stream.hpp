#pragma once
// The random stream of PyTorch's CUDA generator, as far as dropout uses it: which word of which Philox block
// makes which mask entry, and how far a call moves the generator. Everything here is derived from PyTorch's
// sources; none of it was run on a GPU. Offsets count 32-bit words, four of them a block.

#include <cstdint>
#include <optional>

#include "harness/core/expected.hpp"
#include "harness/core/mask_bits.hpp"
#include "harness/core/vocabulary.hpp"
#include "reference/philox.hpp"

namespace dropcheck::reference {

/// How many elements a thread of the fused kernel handles at once, at most.
enum class VectorRule : std::uint8_t {
  at_most_four,   // 4 of any dtype: 1.13.1 and older
  sixteen_bytes,  // 2, 4 or 8 by dtype: newer versions
};

/// What a mask depends on besides generator and call.
struct CudaDevice {
  unsigned multiprocessors;
  unsigned threads_per_multiprocessor;  // resident ones, for example 2048
  VectorRule rule;
};

/// Refuses a device without room for one block of 256 threads.
Status validate(const CudaDevice& device);

inline constexpr unsigned kThreadsPerBlock = 256;

struct LaunchGeometry {
  std::uint64_t grid;       // blocks of threads
  std::uint64_t threads;    // 256 * grid; T in the formulas of this file
  std::uint64_t increment;  // words that the call moves the generator's offset
};
/// Of a call on `numel` elements; all 0 for none. The device must be valid.
LaunchGeometry launch_geometry(const CudaDevice& device, std::uint64_t numel);

/// Elements that a thread of the fused kernel handles at once: 1, 2, 4 or 8. `alignment_bytes` is the address
/// of the input or a power of two that divides it; `dense` says that input, output and mask all lie without
/// gaps and overlaps. dtype is a floating one.
unsigned vector_width(DType dtype, VectorRule rule, std::uint64_t numel, std::uint64_t alignment_bytes,
                      bool dense);

/// Where the random word of one element comes from.
struct DrawPlace {
  std::uint64_t thread;
  std::uint64_t block;  // of this thread's Philox blocks in this call, from 0
  unsigned lane;        // word of the block, 0 to 3

  friend bool operator==(const DrawPlace&, const DrawPlace&) = default;
};
/// Of element i of a launch of `threads` threads that handle `vec` elements at once (1, 2, 4 or 8). i counts
/// in memory order, but in row-major order for vec = 1, which is also the place in bernoulli_ of every dtype
/// but f64.
DrawPlace place_of(std::uint64_t i, std::uint64_t threads, unsigned vec);

/// The four words of a thread's Philox block number `block` after curand_init(seed, thread, offset). The
/// offset is a multiple of 4.
PhiloxCounter thread_block(std::uint64_t seed, std::uint64_t offset, std::uint64_t thread,
                           std::uint64_t block);

/// What curand_uniform4 makes of a word: fl32(fl32(word) 2^-32 + 2^-33), in (0, 1], never falling.
float uniform_of(std::uint32_t word);

/// Number of 32-bit words that keep: uniform_of(word) < 1 - p, compared in double for f64 and in float for
/// the other dtypes. They are the smallest ones. p may be any number, as in the kernel: NaN keeps none.
std::uint64_t keeping_words(double p, DType dtype);
/// The probability that an entry is dropped, exactly: 1 - keeping_words / 2^32.
double effective_drop_probability(double p, DType dtype);

/// Blocks of a thread's Philox sequence that a call reserves: increment / 4.
std::uint64_t blocks_reserved(std::uint64_t numel, std::uint64_t threads);
/// Blocks that thread 0, the busiest one, reads. Where these are more than reserved, the next call reads some
/// of them again: with vec = 2 for numel > 2T, with vec = 8 where numel mod 8T is in [1, 4T].
std::uint64_t blocks_used(unsigned vec, std::uint64_t numel, std::uint64_t threads);

enum class CudaKernel : std::uint8_t {
  fused,      // native_dropout, and dropout that is not in place
  bernoulli,  // the noise of every other dropout operator: in place, feature and alpha ones
};

/// One call that draws.
struct CudaCall {
  CudaKernel kernel = CudaKernel::fused;
  DType dtype = DType::f32;
  std::uint64_t numel = 0;
  double p = 0.5;
  std::uint64_t alignment_bytes = 256;  // see vector_width; PyTorch allocates at multiples of 256 or more
  bool dense = true;                    // see vector_width
  std::optional<unsigned> vec;          // elements at once, in place of what the device's rule says
};

/// Refuses a dtype that is no floating one, a `vec` that the kernel does not have or that does not divide
/// numel, and for bernoulli a p outside [0, 1]. Unsupported: bernoulli on f64, whose reading of the words is
/// not known here, and on tensors that PyTorch splits to index them with 32 bits.
Status validate(const CudaCall& call);

/// The CUDA generator after manual_seed and set_offset.
class PyTorchCudaStream {
 public:
  /// Refuses an offset that is no multiple of 4, and a device that is not valid.
  static Expected<PyTorchCudaStream> open(CudaDevice device, std::uint64_t seed, std::uint64_t offset = 0);
  /// The same for arguments that are known to be right.
  PyTorchCudaStream(CudaDevice device, std::uint64_t seed, std::uint64_t offset = 0);

  /// Elements that the call handles at once.
  unsigned vec_of(const CudaCall& call) const;
  /// Makes `drops` the mask of the call (1 = dropped, in the order of place_of) and moves the offset. The
  /// call must be valid.
  void draw(const CudaCall& call, MaskBits& drops);
  /// Words, a multiple of 4.
  std::uint64_t offset() const { return offset_; }

 private:
  CudaDevice device_;
  std::uint64_t seed_;
  std::uint64_t offset_;
};

}  // namespace dropcheck::reference
