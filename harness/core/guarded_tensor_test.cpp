#include "harness/core/guarded_tensor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace dropcheck {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;
using ::testing::StartsWith;

Problem laid_out(std::vector<std::int64_t> shape, Layout layout, DType dtype) {
  Problem x;
  x.shape = std::move(shape);
  x.layout = layout;
  x.dtype = dtype;
  return x;
}

GuardedTensor tensor_of(const Problem& x, bool is_output = true) {
  auto memory = heap_memory(GuardedTensor::bytes_needed(x, is_output));
  DROPCHECK_CHECK(memory.has_value());
  return GuardedTensor(std::move(*memory), x, is_output);
}

void write_all(GuardedTensor& tensor) {
  const std::vector<std::byte> bytes(
      static_cast<std::size_t>(tensor.view().count()) * tensor.view().element_size(), std::byte{0x11});
  scatter(bytes.data(), tensor.view());
}

constexpr DType kOfEachSize[] = {DType::u8, DType::bf16, DType::f32, DType::f64};

class GuardedTensorOf : public ::testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(EachSize, GuardedTensorOf, ::testing::ValuesIn(kOfEachSize),
                         [](const auto& size) { return std::string(to_string(size.param)); });

TEST_P(GuardedTensorOf, IsSilentWhenEveryElementWasWrittenAndNothingElse) {
  for (const Layout layout : kAllLayouts) {
    const bool five = layout == Layout::channels_last_3d;
    GuardedTensor tensor = tensor_of(
        laid_out(five ? std::vector<std::int64_t>{2, 3, 4, 5, 2} : std::vector<std::int64_t>{2, 3, 4, 5},
                 layout, GetParam()));
    write_all(tensor);
    EXPECT_EQ(tensor.fault("y", true), std::nullopt) << to_string(layout);
    EXPECT_EQ(tensor.fault("y", false), std::nullopt) << to_string(layout);
  }
}

TEST_P(GuardedTensorOf, GuardsTheBeginningOfMemoryThatIsTooLarge) {
  const Problem x = laid_out({3, 7}, Layout::contiguous, GetParam());
  const std::size_t needed = GuardedTensor::bytes_needed(x, true);
  GuardedTensor tensor(std::move(*heap_memory(needed + 100000)), x, true);
  write_all(tensor);
  EXPECT_EQ(tensor.fault("y", true), std::nullopt);
  std::byte* memory = tensor.memory().data();
  memory[needed + 99999] = std::byte{1};  // of a larger tensor that lay here before
  EXPECT_EQ(tensor.fault("y", true), std::nullopt);
  memory[needed - 1] = std::byte{1};
  EXPECT_THAT(tensor.fault("y", true), Optional(HasSubstr("1 bytes outside the tensor")));
}

TEST_P(GuardedTensorOf, SeesAByteBeforeOrAfter) {
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::shifted}) {
    const Problem x = laid_out({3, 7}, layout, GetParam());
    const auto span = static_cast<std::size_t>(geometry_of(x, true).span) * size_of(x.dtype);
    GuardedTensor clean = tensor_of(x);
    const std::size_t offset = clean.byte_offset(), size = clean.memory().size();
    ASSERT_GE(offset, kGuardBytes);
    ASSERT_GE(size - offset - span, kGuardBytes);
    for (const std::size_t at : {std::size_t{0}, offset - 1, offset + span, offset + span + 100, size - 1}) {
      GuardedTensor tensor = tensor_of(x);
      write_all(tensor);
      tensor.memory().data()[at] = std::byte{0};
      for (const bool expect_written : {false, true})
        EXPECT_THAT(
            tensor.fault("y", expect_written),
            Optional(AllOf(StartsWith("y: 1 bytes outside the tensor"), HasSubstr("past its bounds"))))
            << to_string(layout) << " " << at;
    }
  }
}

TEST_P(GuardedTensorOf, SeesAByteInAGap) {
  const Problem x = laid_out({3, 4}, Layout::strided, GetParam());
  const std::size_t size = size_of(x.dtype);
  for (const std::size_t gap : {1u, 7u, 21u}) {
    for (std::size_t byte = 0; byte < size; ++byte) {
      GuardedTensor tensor = tensor_of(x);
      write_all(tensor);
      tensor.view().data[gap * size + byte] = std::byte{0x33};
      EXPECT_THAT(tensor.fault("y", true), Optional(HasSubstr("outside the tensor"))) << gap << " " << byte;
      EXPECT_THAT(tensor.fault("y", false), Optional(HasSubstr("outside the tensor"))) << gap << " " << byte;
    }
  }
}

TEST_P(GuardedTensorOf, CountsElementsThatWereNeverWritten) {
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::transposed, Layout::shifted}) {
    const Problem x = laid_out({3, 4}, layout, GetParam());
    for (std::size_t skipped = 0; skipped < 12; ++skipped) {
      GuardedTensor tensor = tensor_of(x);
      std::vector<std::byte> elements(12 * size_of(x.dtype), std::byte{0x11});
      std::fill_n(elements.begin() + static_cast<std::ptrdiff_t>(skipped * size_of(x.dtype)),
                  size_of(x.dtype), kPoison);
      scatter(elements.data(), tensor.view());
      EXPECT_THAT(tensor.fault("y", true), Optional(StartsWith("y: 1 of 12 elements were never written")))
          << to_string(layout) << " " << skipped;
      EXPECT_EQ(tensor.fault("y", false), std::nullopt);
    }
    EXPECT_THAT(tensor_of(x).fault("dx", true),
                Optional(StartsWith("dx: 12 of 12 elements were never written")));
  }
}

TEST_P(GuardedTensorOf, TakesAnElementWithAnyOtherBitAsWritten) {
  GuardedTensor tensor = tensor_of(laid_out({5}, Layout::contiguous, GetParam()));
  const std::size_t size = size_of(GetParam());
  for (std::size_t i = 0; i < 5; ++i) tensor.view().data[i * size + (i % size)] = std::byte{0xFE};
  EXPECT_EQ(tensor.fault("y", true), std::nullopt);
}

TEST_P(GuardedTensorOf, ForgetsWhatWasWrittenWhenPoisonedAgain) {
  GuardedTensor tensor = tensor_of(laid_out({4}, Layout::strided, GetParam()));
  write_all(tensor);
  tensor.poison();
  EXPECT_THAT(tensor.fault("y", true), Optional(StartsWith("y: 4 of 4")));
  EXPECT_EQ(tensor.fault("y", false), std::nullopt);
  tensor.view().data[-1] = std::byte{0};
  EXPECT_THAT(tensor.fault("y", false), Optional(StartsWith("y: 1 bytes outside")));
  tensor.poison();
  EXPECT_EQ(tensor.fault("y", false), std::nullopt) << "what one call overwrote is not held against the next";
}

TEST_P(GuardedTensorOf, StartsOneElementAfterAnAlignedAddressWhenShifted) {
  const GuardedTensor aligned = tensor_of(laid_out({9}, Layout::contiguous, GetParam()));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(aligned.view().data) % 64, 0u);
  const GuardedTensor shifted = tensor_of(laid_out({9}, Layout::shifted, GetParam()));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(shifted.view().data) % 64, size_of(GetParam()));
}

TEST_P(GuardedTensorOf, StartsAsManyElementsPastAnAlignedAddressAsItIsTold) {
  const Problem x = laid_out({9}, Layout::contiguous, GetParam());
  for (const std::uint32_t past : {1u, 4u}) {
    const std::size_t needed = GuardedTensor::bytes_needed(x, true, past);
    EXPECT_EQ(needed, GuardedTensor::bytes_needed(x, true) + past * size_of(GetParam()));
    GuardedTensor tensor(std::move(*heap_memory(needed)), x, true, past);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.view().data) % 64, past * size_of(GetParam()) % 64);
    EXPECT_TRUE(tensor.view().is_contiguous());
    write_all(tensor);
    EXPECT_EQ(tensor.fault("y", true), std::nullopt);
    tensor.view().data[-1] = std::byte{0};
    EXPECT_THAT(tensor.fault("y", true), Optional(StartsWith("y: 1 bytes outside")));
  }
}

TEST(GuardedTensor, IsSilentOnTensorsWithoutElements) {
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::shifted}) {
    GuardedTensor tensor = tensor_of(laid_out({0, 3}, layout, DType::f32));
    EXPECT_EQ(tensor.fault("y", true), std::nullopt) << to_string(layout);
    tensor.view().data[0] = std::byte{0};
    EXPECT_THAT(tensor.fault("y", true), Optional(HasSubstr("outside the tensor"))) << to_string(layout);
  }
}

TEST(GuardedTensor, HoldsOneElementOfAScalar) {
  GuardedTensor tensor = tensor_of(laid_out({}, Layout::contiguous, DType::f64));
  EXPECT_THAT(tensor.fault("y", true), Optional(StartsWith("y: 1 of 1 elements")));
  write_all(tensor);
  EXPECT_EQ(tensor.fault("y", true), std::nullopt);
}

TEST(GuardedTensor, SharesTheSlicesOfAnExpandedInput) {
  GuardedTensor tensor = tensor_of(laid_out({5, 3}, Layout::expanded, DType::f32), false);
  EXPECT_EQ(tensor.view().strides, (std::vector<std::int64_t>{0, 1}));
  write_all(tensor);
  EXPECT_EQ(tensor.fault("x", true), std::nullopt);
  tensor.view().data[3 * 4] = std::byte{0};
  EXPECT_THAT(tensor.fault("x", false), Optional(HasSubstr("x: 1 bytes outside")));
}

TEST(HeapMemory, IsAlignedAndZero) {
  for (const std::size_t bytes : {std::size_t{1}, kMemoryAlignment, kMemoryAlignment + 1}) {
    auto memory = heap_memory(bytes);
    ASSERT_TRUE(memory);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>((*memory)->data()) % kMemoryAlignment, 0u);
    ASSERT_GE((*memory)->size(), bytes);
    for (std::size_t i = 0; i < (*memory)->size(); ++i) ASSERT_EQ((*memory)->data()[i], std::byte{0});
  }
}

}  // namespace
}  // namespace dropcheck
