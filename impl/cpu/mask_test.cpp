#include "impl/cpu/mask.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "reference/stream.hpp"

namespace dropcheck::cpu {
namespace {

TEST(LastDroppedWord, IsOneLessThanTheNumberThatDrop) {
  for (const double p :
       {std::numeric_limits<double>::denorm_min(), 1e-9, 0.1, 0.5, 0.999, std::nextafter(1.0, 0.0)})
    EXPECT_EQ(std::uint64_t{last_dropped_word(p)} + 1, reference::drop_threshold(p));
}

TEST(MaskStream, DrawsTheDocumentedMask) {
  for (const double p : {1e-9, 0.1, 0.5, 0.9, std::nextafter(1.0, 0.0)}) {
    std::vector<std::uint8_t> expected(5000), kept(5000);
    reference::draw_mask(0x1234567890abcdef, 3, p, expected);
    MaskStream{0x1234567890abcdef, 3, last_dropped_word(p)}.draw(0, kept.size(), kept.data());
    EXPECT_EQ(kept, expected);
  }
}

TEST(MaskStream, AnyPartCanBeDrawnAlone) {
  const MaskStream stream{1, 2, last_dropped_word(0.4)};
  std::vector<std::uint8_t> whole(3000);
  stream.draw(0, whole.size(), whole.data());
  for (std::size_t first = 0; first < 140; ++first) {
    for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{3}, std::size_t{64},
                                    std::size_t{1024}, std::size_t{2500}}) {
      std::vector<std::uint8_t> part(count + 1, 9);
      stream.draw(first, count, part.data());
      EXPECT_TRUE(
          std::equal(part.begin(), part.end() - 1, whole.begin() + static_cast<std::ptrdiff_t>(first)));
      EXPECT_EQ(part.back(), 9) << "writes past its end";
    }
  }
}

TEST(PackBytes, PutsTheFirstByteInTheLeastSignificantBit) {
  for (std::size_t count = 0; count < 40; ++count) {
    std::vector<std::uint8_t> kept(count);
    for (std::size_t i = 0; i < count; ++i) kept[i] = (i * i + i / 3) % 5 < 2 ? 1 : 0;
    std::vector<std::byte> packed((count + 7) / 8 + 1, std::byte{0xA5});
    pack_bytes(kept.data(), count, packed.data());
    for (std::size_t i = 0; i < (count + 7) / 8 * 8; ++i)
      EXPECT_EQ(std::to_integer<unsigned>(packed[i / 8]) >> (i % 8) & 1u, i < count ? kept[i] : 0u)
          << "entry " << i << " of " << count;
    EXPECT_EQ(packed.back(), std::byte{0xA5}) << "writes past its end";
  }
}

}  // namespace
}  // namespace dropcheck::cpu
