#include "harness/run/chunker.hpp"

#include <gtest/gtest.h>

#include <random>

namespace dropcheck {
namespace {

struct Seen {
  std::vector<bool> bits;
  std::vector<std::uint64_t> sizes;
  bool clean_tails = true;
};

Seen chunks_of(const std::vector<std::uint64_t>& call_sizes, std::vector<bool>& all) {
  std::mt19937_64 random(11);
  Seen seen;
  Chunker chunker(Order::logical, 3, [&](const Chunk& chunk) {
    EXPECT_EQ(chunk.block, 3u);
    EXPECT_EQ(chunk.index, seen.sizes.size());
    EXPECT_EQ(chunk.words.size(), (chunk.size + 63) / 64);
    EXPECT_EQ(chunk.p, 0.25);
    for (std::uint64_t i = 0; i < chunk.words.size() * 64; ++i) {
      const bool bit = ((chunk.words[i / 64] >> (i % 64)) & 1) != 0;
      if (i < chunk.size) seen.bits.push_back(bit);
      else seen.clean_tails = seen.clean_tails && !bit;
    }
    seen.sizes.push_back(chunk.size);
  });
  for (const std::uint64_t size : call_sizes) {
    MaskBits mask(size);
    for (std::uint64_t i = 0; i < size; ++i) {
      const bool bit = random() % 4 == 0;
      all.push_back(bit);
      if (bit) mask.set(i);
    }
    chunker.append(mask, 0.25);
  }
  chunker.finish();
  chunker.finish();  // nothing is left
  return seen;
}

TEST(Chunker, KeepsEveryBitInOrderWhateverTheCallSizes) {
  const std::vector<std::vector<std::uint64_t>> cases = {{1},
                                                         {63, 1, 64, 65},
                                                         {4099, 4099, 4099},
                                                         {kChunkBits},
                                                         {kChunkBits, kChunkBits},
                                                         {2 * kChunkBits + 17, kChunkBits, 5},
                                                         {kChunkBits - 1, 2, kChunkBits},
                                                         std::vector<std::uint64_t>(300, 4099)};
  for (const auto& sizes : cases) {
    std::vector<bool> all;
    const Seen seen = chunks_of(sizes, all);
    EXPECT_EQ(seen.bits, all);
    EXPECT_TRUE(seen.clean_tails);
    for (std::size_t c = 0; c + 1 < seen.sizes.size(); ++c) EXPECT_EQ(seen.sizes[c], kChunkBits);
  }
}

TEST(Chunker, HandsOverNothingWithoutEntries) {
  std::vector<bool> all;
  EXPECT_TRUE(chunks_of({0, 0}, all).sizes.empty());
}

}  // namespace
}  // namespace dropcheck
