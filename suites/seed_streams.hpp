#pragma once
// The steps of a block of the protocol `streams`: what is asked for, and what the checks read.

#include <cstddef>

namespace dropcheck::suites {

inline constexpr std::size_t kFirstFlip = 16;  // 0 to 15: a seed, and 1 to 15 added to it
inline constexpr std::size_t kFirstCall = 32;  // 16 to 31: that seed with one of its 16 low bits flipped
inline constexpr std::size_t kFirstOther =
    48;  // 32 to 47: a call after the seed kSeedsBelow less than the first, and 15 that continue it
inline constexpr std::size_t kStreamSteps = 64;  // 48 to 63: unrelated seeds
inline constexpr unsigned kSeedsBelow = 8;

inline constexpr const char* kWorstStreams = "worst pair of masks";
inline constexpr const char* kAllStreams = "all pairs of masks";

}  // namespace dropcheck::suites
