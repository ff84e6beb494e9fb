#include "harness/core/hash.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <string>

#include "harness/core/integer.hpp"

namespace dropcheck {
namespace {

// These values must never change: every seed and plan hash of an old report derives from them.
TEST(KeyedHash, NeverChanges) {
  EXPECT_EQ(keyed_hash(0, ""), 0x2d06800538d394c2u);
  EXPECT_EQ(keyed_hash(0, "dropcheck"), 0xe41e45b82cceefa8u);
  EXPECT_EQ(keyed_hash(0x5eed, "dropcheck"), 0x8730c8be1bcd6310u);
  EXPECT_EQ(keyed_hash(0x5eed, std::string(1000, 'x')), 0xbd0814ee38077a96u);
}

TEST(TextFingerprint, NeverChanges) {
  EXPECT_EQ(text_fingerprint(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(text_fingerprint("dropcheck"), "f5cf68162d4982db47237ac269f564da");
  EXPECT_EQ(text_fingerprint(std::string(1000, 'x')), "50a1af5a5f2dcf01c0a4877b962cba82");
}

TEST(KeyedHash, DiffersWithKeyAndText) {
  std::set<std::uint64_t> seen;
  for (std::uint64_t key = 0; key < 100; ++key)
    for (int i = 0; i < 100; ++i) seen.insert(keyed_hash(key, std::to_string(i)));
  EXPECT_EQ(seen.size(), 10000u);
}

TEST(KeyedHash, TakesNulBytesAsText) {
  EXPECT_NE(keyed_hash(1, std::string_view("a\0b", 3)), keyed_hash(1, std::string_view("a\0c", 3)));
  EXPECT_NE(keyed_hash(1, std::string_view("a\0", 2)), keyed_hash(1, "a"));
}

TEST(TextFingerprint, HasThirtyTwoHexadecimalDigitsAndDiffers) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string digits = text_fingerprint(std::to_string(i));
    EXPECT_EQ(digits.size(), 32u);
    EXPECT_EQ(digits.find_first_not_of("0123456789abcdef"), std::string::npos) << digits;
    seen.insert(digits);
  }
  EXPECT_EQ(seen.size(), 1000u);
}

TEST(Int128, PrintsExactly) {
  EXPECT_EQ(to_string(Int128{0}), "0");
  EXPECT_EQ(to_string(Int128{-1}), "-1");
  EXPECT_EQ(to_string(Int128{std::numeric_limits<std::int64_t>::max()} + 1), "9223372036854775808");
  const Int128 largest = ~(Int128{1} << 127);
  EXPECT_EQ(to_string(largest), "170141183460469231731687303715884105727");
  EXPECT_EQ(to_string(-largest - 1), "-170141183460469231731687303715884105728");
}

}  // namespace
}  // namespace dropcheck
