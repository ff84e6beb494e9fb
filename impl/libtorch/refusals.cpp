#include "impl/libtorch/refusals.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <stdexcept>

#include "harness/abi/dropcheck_plugin.hpp"

namespace dropcheck::libtorch {
namespace {

// The caller asked for something that no dtype, layout or build makes valid.
constexpr std::array<std::string_view, 9> kInvalidArgument = {
    "dropout probability has to be between 0 and 1",
    "dropout should be a number in range [0, 1]",  // recurrent layers
    "bernoulli_ expects p to be in",               // native_dropout
    "requires at least",  // "Feature dropout requires at least 2 dimensions in the input"
    "a leaf Variable that requires grad is being used in an in-place operation",
    "must be divisible by",                                  // heads of an attention layer
    "modified by an inplace operation",                      // of a tensor that backward needs
    "does not require grad",                                 // backward of a call without a graph
    "Expected more than 1 value per channel when training",  // normalisation of a batch of one
};

// A valid request that this Torch has no kernel for.
constexpr std::array<std::string_view, 5> kUnsupported = {
    "not implemented for",                  // dtype without a kernel
    "can't be cast to the desired output",  // integers
    "unsupported operation",                // in place on an expanded tensor: "more than one element of the
                                            // written-to tensor refers to a single memory location"
    "does not support automatic differentiation",  // native_dropout of complex numbers
    "floating point and complex dtype can",        // gradients of integers
};

template <std::size_t N>
bool contains_any(std::string_view message, const std::array<std::string_view, N>& parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [&](std::string_view part) { return message.find(part) != std::string_view::npos; });
}

}  // namespace

std::string first_line(std::string_view message) {
  return std::string(message.substr(0, message.find('\n')));
}

void rethrow_refusal(std::string_view message) {
  const std::string text = first_line(message);
  if (contains_any(text, kInvalidArgument)) throw plugin::InvalidArgument(text);
  if (contains_any(text, kUnsupported)) throw plugin::Unsupported(text);
  if (text.find("can't allocate memory") != std::string::npos) throw std::bad_alloc();
  throw std::runtime_error(text);
}

}  // namespace dropcheck::libtorch
