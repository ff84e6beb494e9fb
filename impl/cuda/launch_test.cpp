// The element code of the kernels, run on the host by the loops of a launch: against the `cpu` backend.

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "harness/core/element.hpp"
#include "impl/cpu/cpu_backend.hpp"
#include "impl/cuda/dispatch.hpp"
#include "impl/cuda/operators.hpp"
#include "impl/cuda/stream_setup.hpp"
#include "impl/cuda/walk.hpp"

namespace dropcheck::cuda {
namespace {

using CoreDType = ::dropcheck::DType;
constexpr std::array<CoreDType, 4> kCore = {CoreDType::f64, CoreDType::f32, CoreDType::f16, CoreDType::bf16};
constexpr std::array<DType, 4> kOurs = {DType::f64, DType::f32, DType::f16, DType::bf16};

void launch(DType dtype, const Request& request, std::uint64_t threads) {
  dispatch(dtype, request, [&](const auto& body) {
    for (std::uint64_t thread = 0; thread < threads; ++thread) body(thread, threads);
  });
}

std::vector<std::int64_t> row_major(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size());
  std::int64_t step = 1;
  for (std::size_t d = shape.size(); d-- > 0;) {
    strides[d] = step;
    step *= shape[d];
  }
  return strides;
}

/// One call of the `cpu` backend on the bytes of x.
struct FromCpu {
  std::vector<std::byte> y;
  std::vector<std::uint8_t> mask;
};
FromCpu ask_cpu(Op op, double p, CoreDType dtype, const std::vector<std::int64_t>& shape, std::uint64_t seed,
                std::uint64_t offset, const std::vector<std::byte>& x) {
  cpu::CpuBackend backend;
  const auto count = static_cast<std::size_t>(element_count(shape));
  const auto lent = [&](std::size_t bytes) {
    return std::move(*heap_memory(std::max<std::size_t>(bytes, 1)));
  };
  const auto x_memory = lent(x.size()), y_memory = lent(x.size()), mask_memory = lent(count);
  std::memcpy(x_memory->data(), x.data(), x.size());
  Call call;
  call.op = op;
  call.p = p;
  call.seed = seed;
  call.offset = offset;
  call.x = {x_memory.get(), {x_memory->data(), dtype, shape, row_major(shape)}};
  call.y = {y_memory.get(), {y_memory->data(), dtype, shape, row_major(shape)}};
  call.mask = {mask_memory.get(), {mask_memory->data(), CoreDType::u8, shape, row_major(shape)}};
  const auto seen = backend.forward(call);
  EXPECT_TRUE(seen.has_value());
  FromCpu result{std::vector<std::byte>(y_memory->data(), y_memory->data() + x.size()),
                 std::vector<std::uint8_t>(count)};
  std::memcpy(result.mask.data(), mask_memory->data(), count);
  return result;
}

/// Elements that are exact in every dtype, zeros of both signs among them.
std::vector<std::byte> some_elements(CoreDType dtype, std::size_t count) {
  std::vector<std::byte> bytes(count * ::dropcheck::size_of(dtype));
  for (std::size_t i = 0; i < count; ++i) {
    const double value = i % 31 == 0 ? -0.0 : static_cast<double>(static_cast<int>(i % 97) - 48) / 16.0;
    store_element(value, bytes.data() + i * ::dropcheck::size_of(dtype), dtype);
  }
  return bytes;
}

/// A request on dense tensors.
Request dense_request(std::string_view op, double p, DType dtype, const std::vector<std::int64_t>& shape,
                      std::uint64_t seed, std::uint64_t call, const void* x, void* y) {
  const Operator which = operator_of(op);
  Request request;
  request.source = Source::dropcheck;
  request.dropcheck = {KeySchedule(seed), call, last_dropped_word(p)};
  Task& task = request.task;
  task.x = x;
  task.y = y;
  task.count =
      std::accumulate(shape.begin(), shape.end(), std::uint64_t{1},
                      [](std::uint64_t n, std::int64_t e) { return n * static_cast<std::uint64_t>(e); });
  task.per_entry = per_entry_of(which, shape);
  task.law = forward_law(which.alpha, p, dtype);
  const std::vector<std::int64_t> strides = row_major(shape);
  task.walk = make_walk(shape, logical_order(shape.size()), strides, strides, {});
  choose_body(request);
  return request;
}

std::vector<std::byte> packed(const std::vector<std::uint8_t>& mask) {
  std::vector<std::byte> bytes((mask.size() + 7) / 8);
  for (std::size_t i = 0; i < mask.size(); ++i) bytes[i / 8] |= static_cast<std::byte>(mask[i] << (i % 8));
  return bytes;
}

/// A shape of that rank and about that many elements.
std::vector<std::int64_t> random_shape(std::mt19937_64& random, std::size_t rank, double elements) {
  std::vector<std::int64_t> shape;
  for (std::size_t d = 0; d + 1 < rank; ++d) {
    const double mean = std::pow(elements, 1.0 / static_cast<double>(rank - d));
    const auto extent = std::max<std::int64_t>(
        1, static_cast<std::int64_t>(mean * (0.5 + static_cast<double>(random() % 1000) / 1000.0)));
    shape.push_back(extent);
    elements /= static_cast<double>(extent);
  }
  shape.push_back(std::max<std::int64_t>(1, static_cast<std::int64_t>(elements)));
  return shape;
}

TEST(EmulatedLaunch, EqualsTheCpuBackendOnAHundredMillionElements) {
  constexpr std::array<Op, 6> kOps = {Op::dropout,   Op::dropout1d,     Op::dropout2d,
                                      Op::dropout3d, Op::alpha_dropout, Op::feature_alpha_dropout};
  std::mt19937_64 random(20240901);
  std::uint64_t elements = 0;
  int shapes = 0;
  for (; shapes < 100; ++shapes) {
    const Op op = kOps[static_cast<std::size_t>(shapes) % kOps.size()];
    const std::size_t which = random() % 4;
    const std::size_t rank = (drops_channels(op) ? 2 : 1) + random() % 4;
    const std::vector<std::int64_t> shape = random_shape(random, rank, 1.05e6 + 13.0 * shapes);
    const double p = static_cast<double>(1 + random() % 999) / 1000.0;
    const std::uint64_t seed = random();
    const std::uint64_t offset = shapes % 3 == 0 ? random() : random() % 1000;
    const auto count = static_cast<std::size_t>(element_count(shape));
    const std::vector<std::byte> x = some_elements(kCore[which], count);
    std::vector<std::byte> y(x.size()), bits((count + 7) / 8);
    Request request = dense_request(to_string(op), p, kOurs[which], shape, seed, offset, x.data(), y.data());
    request.task.packed = reinterpret_cast<unsigned char*>(bits.data());
    launch(kOurs[which], request, 1 + random() % 5000);
    const FromCpu expected = ask_cpu(op, p, kCore[which], shape, seed, offset, x);
    ASSERT_TRUE(bits == packed(expected.mask)) << to_string(op) << " shape number " << shapes;
    ASSERT_TRUE(y == expected.y) << to_string(op) << " shape number " << shapes;
    elements += count;
  }
  EXPECT_EQ(shapes, 100);
  EXPECT_GE(elements, 100'000'000u);
}

TEST(EmulatedLaunch, EveryTailAlignmentAndNumberOfThreads) {
  for (std::size_t d = 0; d < 4; ++d) {
    const std::size_t size = size_of(kOurs[d]);
    for (std::int64_t count = 0; count <= 41; ++count)
      for (std::size_t shift = 0; shift <= 16 / size; ++shift)
        for (const std::uint64_t threads : {1u, 2u, 3u, 64u})
          for (const bool packs : {false, true})
            for (const char* op : {"dropout", "dropout1d"}) {
              const std::vector<std::int64_t> shape = op == std::string_view("dropout")
                                                          ? std::vector<std::int64_t>{count}
                                                          : std::vector<std::int64_t>{1, (count + 2) / 3, 3};
              const auto n = static_cast<std::size_t>(element_count(shape));
              const std::vector<std::byte> x = some_elements(kCore[d], n);
              const FromCpu expected = ask_cpu(*op_from(op), 0.4, kCore[d], shape, 5, 6, x);
              alignas(16) std::byte memory[64 * 8 + 64];
              std::memset(memory, 0xab, sizeof memory);
              std::byte* const at = memory + 16 + shift * size;
              std::memcpy(at, x.data(), x.size());  // in place
              std::array<unsigned char, 8> bits{};
              bits.fill(0xcd);
              Request request = dense_request(op, 0.4, kOurs[d], shape, 5, 6, at, at);
              if (packs) request.task.packed = bits.data();
              ASSERT_EQ(request.vector, reinterpret_cast<std::uintptr_t>(at) % 16 == 0);
              launch(kOurs[d], request, threads);
              ASSERT_EQ(std::memcmp(at, expected.y.data(), n * size), 0) << count << " " << shift;
              for (const std::byte* b = memory; b < at; ++b) ASSERT_EQ(*b, std::byte{0xab});
              for (const std::byte* b = at + n * size; b < std::end(memory); ++b)
                ASSERT_EQ(*b, std::byte{0xab});
              if (!packs) continue;
              const std::vector<std::byte> whole = packed(expected.mask);
              ASSERT_EQ(std::memcmp(bits.data(), whole.data(), whole.size()), 0) << count;
              for (std::size_t b = whole.size(); b < bits.size(); ++b) ASSERT_EQ(bits[b], 0xcd);
            }
  }
}

TEST(EmulatedLaunch, ConstantInputsMasksAndConstantStreams) {
  std::vector<float> y(77), x(77, 3.0f);
  std::vector<unsigned char> mask(77, 9), bits(10, 9);
  Request request = dense_request("dropout", 0.25, DType::f32, {7, 11}, 1, 2, nullptr, y.data());
  request.task.constant = 3;
  request.task.mask = mask.data();
  const std::vector<std::int64_t> strides = {11, 1};
  request.task.walk = make_walk(std::vector<std::int64_t>{7, 11}, logical_order(2), {}, strides, strides);
  request.task.packed = bits.data();
  launch(DType::f32, request, 3);
  std::vector<float> from_x(77);
  Request other = dense_request("dropout", 0.25, DType::f32, {7, 11}, 1, 2, x.data(), from_x.data());
  launch(DType::f32, other, 5);
  EXPECT_EQ(y, from_x);
  for (std::size_t i = 0; i < y.size(); ++i) {
    EXPECT_EQ(mask[i], y[i] != 0 ? 1 : 0);
    EXPECT_EQ(bits[i / 8] >> (i % 8) & 1, mask[i]);
  }
  EXPECT_EQ(bits[9] >> 5, 0);  // past the end
  other.source = Source::constant;
  other.task.law = zero_law();
  other.constant.keep = false;
  other.task.packed = bits.data();
  launch(DType::f32, other, 2);
  EXPECT_EQ(from_x, std::vector<float>(77, 0.0f));
  EXPECT_EQ(bits, std::vector<unsigned char>(10, 0));
}

/// Address space without memory behind it, apart from the pages that are touched.
struct Sparse {
  explicit Sparse(std::size_t n)
      : bytes(n),
        data(static_cast<std::byte*>(::mmap(nullptr, n, PROT_READ | PROT_WRITE,
                                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {}
  ~Sparse() { ::munmap(data, bytes); }
  Sparse(const Sparse&) = delete;
  Sparse& operator=(const Sparse&) = delete;
  std::size_t bytes;
  std::byte* data;
};

TEST(EmulatedLaunch, ItemsBeyondTwoToThe31And32) {
  constexpr std::uint64_t kCount = (std::uint64_t{1} << 32) + 4099;
  const Sparse x(2 * kCount), y(2 * kCount), bits(kCount / 8 + 1);
  ASSERT_NE(x.data, MAP_FAILED);
  ASSERT_NE(y.data, MAP_FAILED);
  ASSERT_NE(bits.data, MAP_FAILED);
  const auto extent = static_cast<std::int64_t>(kCount);
  Request request = dense_request("dropout", 0.5, DType::f16, {extent}, 8, 9, x.data, y.data);
  request.task.packed = reinterpret_cast<unsigned char*>(bits.data);
  ASSERT_TRUE(request.vector);
  const cpu::MaskStream expected{8, 9, cpu::last_dropped_word(0.5)};
  const std::vector<std::uint64_t> items = {
      0, (1u << 28) - 1, 1u << 28, (1u << 28) + 1, (1u << 29) - 1, 1u << 29, kCount / 8 - 1};
  const VectorBody<Half, false, true, DropcheckStream> vector{request.task, request.dropcheck};
  const SingleBody<Half, false, DropcheckStream> single{request.task, request.dropcheck};
  const RealLaw<Half, Form::plain> law(request.task.law);
  for (const bool in_vectors : {true, false})
    for (const std::uint64_t item : items) {
      auto* const in = reinterpret_cast<std::uint16_t*>(x.data) + 8 * item;
      auto* const out = reinterpret_cast<std::uint16_t*>(y.data) + 8 * item;
      std::fill(in, in + 8, std::uint16_t{0x3c00});
      std::fill(out, out + 8, std::uint16_t{0xffff});
      bits.data[item] = std::byte{0};
      if (in_vectors) vector.run(law, item);
      else single.run(law, item);
      for (unsigned i = 0; i < 8; ++i) {
        std::uint8_t kept = 2;
        expected.draw(8 * item + i, 1, &kept);
        ASSERT_EQ(out[i], kept != 0 ? 0x4000 : 0) << item;
        ASSERT_EQ(std::to_integer<unsigned>(bits.data[item]) >> i & 1u, kept) << item;
      }
    }
  // The tail belongs to the thread after the last item's, however many there are.
  auto* const end = reinterpret_cast<std::uint16_t*>(x.data) + kCount / 8 * 8;
  std::fill(end, end + kCount % 8, std::uint16_t{0x3c00});
  const std::uint64_t threads = std::uint64_t{1} << 62;
  vector(kCount / 8, threads);
  for (std::uint64_t i = kCount / 8 * 8; i < kCount; ++i) {
    std::uint8_t kept = 2;
    expected.draw(i, 1, &kept);
    ASSERT_EQ(reinterpret_cast<std::uint16_t*>(y.data)[i], kept != 0 ? 0x4000 : 0) << i;
  }
}

TEST(Walks, FollowStridesBeyondTwoToThe32) {
  const std::int64_t rows = (std::int64_t{1} << 31) + 3;
  const std::vector<std::int64_t> shape = {rows, 3}, strides = {5, 1};
  const Walk walk = make_walk(shape, logical_order(2), strides, {}, {});
  EXPECT_EQ(walk.rank, 2);
  Offsets at;
  at.find(walk, (std::uint64_t{1} << 32) + 1);  // row 1431655765, column 2
  EXPECT_EQ(at.x, std::int64_t{1431655765} * 5 + 2);
  at.next(walk, (std::uint64_t{1} << 32) + 2);
  EXPECT_EQ(at.x, std::int64_t{1431655766} * 5);
}

TEST(Walks, MergeDimensionsThatAreOneRow) {
  const std::vector<std::int64_t> shape = {2, 1, 3, 4}, dense = {12, 77, 4, 1},
                                  channels_last = {12, 77, 1, 3};
  const Walk one = make_walk(shape, logical_order(4), dense, dense, {});
  EXPECT_EQ(one.rank, 1);
  EXPECT_EQ(one.extent[0], 24);
  const Walk two = make_walk(shape, logical_order(4), channels_last, dense, {});
  EXPECT_EQ(two.rank, 3);
  const std::vector<int> order = memory_order(shape, channels_last);
  EXPECT_EQ(order, (std::vector<int>{0, 1, 3, 2}));
  EXPECT_TRUE(is_dense(shape, channels_last, order));
  EXPECT_FALSE(is_dense(shape, channels_last, logical_order(4)));
  EXPECT_EQ(make_walk(shape, order, channels_last, channels_last, {}).rank, 1);
}

}  // namespace
}  // namespace dropcheck::cuda
