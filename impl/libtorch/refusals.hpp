#pragma once
// Torch throws one type for nearly every refusal, so its text is all that tells them apart.

#include <string>
#include <string_view>

namespace dropcheck::libtorch {

/// The part of a Torch message before its first line break: what follows is a trace.
std::string first_line(std::string_view message);

/// Throws the plugin exception that stands for a message of Torch, with its first line as text.
[[noreturn]] void rethrow_refusal(std::string_view message);

}  // namespace dropcheck::libtorch
