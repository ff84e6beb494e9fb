#pragma once
// Defects that were met with and that no mutant plays, with the reason.

#include <array>
#include <string_view>

namespace dropcheck::mutants {

struct NotPlayed {
  std::string_view source;  // where it was met with
  std::string_view defect;
  std::string_view reason;
};

inline constexpr std::array kNotPlayed = {
    NotPlayed{"pytorch test/nn/test_dropout.py", "the mean of the gradient stands for the gradient",
              "a gap of a test and no defect of a dropout; the rival pytorch_nn has it"},
    NotPlayed{"flash-attention 51524daf",
              "the gradient of a learnable sink took scores in which dropped entries carry a sign",
              "no form of a call has a sink"},
    NotPlayed{"cudnn-frontend 1.23",
              "a compiler for a GPU left part of the outputs zero where dropout and mask were both on",
              "a fault of a compiler; its effect is played by tile_zeroed"},
    NotPlayed{"mxnet#16735", "threads that write bits of the same byte of a packed mask",
              "a real race differs from run to run; the update that it loses is played by "
              "packed_update_lost"},
    NotPlayed{"pytorch#192643, PyTorch's DistributionKernels.cpp",
              "another generator, and so another mask, on the processors of another maker",
              "it takes two machines; the choice by the number of threads is played by "
              "generator_by_threads"},
    NotPlayed{"cudnn-frontend 1.8", "a mask that the user hands in was not applied as it should be",
              "no call takes a mask; a returned mask that is not the one applied is played"},
    NotPlayed{"keras#20612", "the counter of a generator was averaged over replicas",
              "it takes ranks that talk to each other; ranks_equal plays what came of it"},
    NotPlayed{"mlx#3432, #2798, #1301, tinygrad#15329, #15330",
              "byte counts of 32 bits that overflow past 2^32 entries",
              "a mask of 2^32 entries takes longer than a profile should; 2^30 and 2^31 are played"},
};

}  // namespace dropcheck::mutants
