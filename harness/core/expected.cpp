#include "harness/core/expected.hpp"

#include <fmt/core.h>

#include <cstdlib>

namespace dropcheck {

void invariant_broken(const char* expression, const char* file, int line) {
  fmt::print(stderr, "dropcheck: internal error: {} does not hold ({}:{})\n", expression, file, line);
  std::abort();
}

const char* to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument: return "invalid_argument";
    case ErrorCode::unsupported: return "unsupported";
    case ErrorCode::resource_exhausted: return "resource_exhausted";
    case ErrorCode::backend_failed: return "backend_failed";
    case ErrorCode::timeout: return "timeout";
    case ErrorCode::crashed: return "crashed";
    case ErrorCode::protocol: return "protocol";
    case ErrorCode::io: return "io";
    case ErrorCode::internal: return "internal";
  }
  return "internal";
}

}  // namespace dropcheck
