#include "harness/core/packed_mask.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "harness/testing/rc_gtest.hpp"

namespace dropcheck {
namespace {

TEST(PackedMask, HasABitForEachElement) {
  EXPECT_EQ(packed_bytes(0), 0);
  EXPECT_EQ(packed_bytes(1), 1);
  EXPECT_EQ(packed_bytes(8), 1);
  EXPECT_EQ(packed_bytes(9), 2);
}

TEST(PackedMask, BecomesDropBitsOfAnySize) {
  DROPCHECK_PROPERTY([] {
    const auto kept = *rc::gen::container<std::vector<bool>>(rc::gen::arbitrary<bool>());
    std::vector<std::byte> packed(static_cast<std::size_t>(packed_bytes(std::ssize(kept))));
    for (std::size_t i = 0; i < kept.size(); ++i)
      if (kept[i]) packed[i / 8] |= std::byte{1} << (i % 8);
    RC_ASSERT(!has_bits_past_end(packed, kept.size()));
    MaskBits drops(kept.size());
    for (std::size_t i = 0; i < kept.size(); ++i)
      if (!kept[i]) drops.set(i);
    RC_ASSERT(drop_bits_of_packed(packed, kept.size()) == drops);
    if (kept.size() % 8 == 0) return;
    const int past = *rc::gen::inRange(static_cast<int>(kept.size() % 8), 8);
    packed.back() |= std::byte{1} << past;
    RC_ASSERT(has_bits_past_end(packed, kept.size()));
    RC_ASSERT(drop_bits_of_packed(packed, kept.size()) == drops);
  });
}

}  // namespace
}  // namespace dropcheck
