#pragma once
// DROPCHECK_CHECK guards invariants of our own code in every build type: a wrong verdict is worse than an
// abort.

namespace dropcheck {
[[noreturn]] void invariant_broken(const char* expression, const char* file, int line);
}

#define DROPCHECK_CHECK(expression) \
  ((expression) ? static_cast<void>(0) : ::dropcheck::invariant_broken(#expression, __FILE__, __LINE__))
