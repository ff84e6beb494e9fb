#include "impl/libtorch/refusals.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <stdexcept>

#include "harness/abi/dropcheck_plugin.hpp"

namespace dropcheck::libtorch {
namespace {

// The caller asked for something that no dtype, layout or build makes valid.
constexpr std::array<std::string_view, 2> kInvalidArgument = {
    "dropout probability has to be between 0 and 1",
    "requires at least",  // "Feature dropout requires at least 2 dimensions in the input"
};

// A valid request that this Torch has no kernel for.
constexpr std::array<std::string_view, 4> kUnsupported = {
    "not implemented for",                   // dtype without a kernel
    "can't be cast to the desired output",   // integers
    "unsupported operation",                 // in place on an expanded tensor
    "floating point and complex dtype can",  // gradients of integers
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
