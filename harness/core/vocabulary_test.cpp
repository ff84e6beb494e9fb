#include "harness/core/vocabulary.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

namespace dropcheck {
namespace {

using ::testing::HasSubstr;

template <typename Words, typename Reader>
void expect_round_trips(const Words& words, Reader&& read, const std::string& known) {
  std::set<std::string> names;
  for (const auto word : words) {
    const std::string name(to_string(word));
    EXPECT_EQ(read(name), word) << name;
    EXPECT_THAT(known, HasSubstr(name));
    EXPECT_TRUE(names.insert(name).second) << name << " names two words";
    EXPECT_FALSE(read(name + " ")) << name;
    EXPECT_FALSE(read("x" + name)) << name;
  }
  EXPECT_FALSE(read(""));
  EXPECT_FALSE(read("unknown"));
}

TEST(Vocabulary, EveryOperatorReadsBackFromItsName) { expect_round_trips(kAllOps, op_from, known_ops()); }

TEST(Vocabulary, EveryDTypeReadsBackFromItsName) {
  expect_round_trips(kAllDTypes, dtype_from, known_dtypes());
}

TEST(Vocabulary, EveryLayoutReadsBackFromItsName) {
  expect_round_trips(kAllLayouts, layout_from, known_layouts());
}

TEST(Vocabulary, BothModesReadBackFromTheirNames) {
  expect_round_trips(std::array{Mode::train, Mode::eval}, mode_from, "train, eval");
}

TEST(Vocabulary, NamesAreCaseSensitive) {
  EXPECT_FALSE(op_from("Dropout"));
  EXPECT_FALSE(dtype_from("F32"));
  EXPECT_FALSE(layout_from("Contiguous"));
  EXPECT_FALSE(mode_from("TRAIN"));
}

TEST(Vocabulary, SizesAreThoseOfTheTypesInMemory) {
  const std::pair<DType, std::size_t> sizes[] = {
      {DType::f64, 8}, {DType::f32, 4}, {DType::f16, 2},     {DType::bf16, 2}, {DType::i64, 8},
      {DType::i32, 4}, {DType::u8, 1},  {DType::boolean, 1}, {DType::c64, 8},  {DType::c128, 16}};
  ASSERT_EQ(std::size(sizes), kAllDTypes.size());
  for (const auto& [dtype, size] : sizes) EXPECT_EQ(size_of(dtype), size) << to_string(dtype);
}

TEST(Vocabulary, FourDTypesAreFloats) {
  for (const DType dtype : kAllDTypes)
    EXPECT_EQ(is_float(dtype),
              std::find(kFloatDTypes.begin(), kFloatDTypes.end(), dtype) != kFloatDTypes.end())
        << to_string(dtype);
}

TEST(Vocabulary, OperatorsHaveTheRanksThatTheyDefine) {
  EXPECT_EQ(ranks_of(Op::dropout).smallest, 0u);
  EXPECT_EQ(ranks_of(Op::dropout).largest, 8u);
  EXPECT_EQ(ranks_of(Op::dropout1d).smallest, 3u);
  EXPECT_EQ(ranks_of(Op::dropout2d).largest, 4u);
  EXPECT_EQ(ranks_of(Op::dropout3d).smallest, 5u);
  EXPECT_EQ(ranks_of(Op::feature_alpha_dropout).smallest, 2u);
  for (const Op op : kAllOps) EXPECT_LE(ranks_of(op).smallest, ranks_of(op).largest) << to_string(op);
}

TEST(Vocabulary, ChannelAndAlphaOperatorsAreToldApart) {
  for (const Op op : kAllOps) {
    EXPECT_EQ(drops_channels(op), op != Op::dropout && op != Op::alpha_dropout) << to_string(op);
    EXPECT_EQ(is_alpha(op), op == Op::alpha_dropout || op == Op::feature_alpha_dropout) << to_string(op);
  }
}

}  // namespace
}  // namespace dropcheck
