#pragma once
// A check's own code may throw; whatever escapes it is an error, never a pass.

#include <fmt/format.h>

#include <exception>
#include <string>

#include "harness/core/check.hpp"

namespace dropcheck {

inline Judgement with_verdict(Verdict verdict, std::string message) {
  Judgement judgement;
  judgement.verdict = verdict;
  judgement.message = std::move(message);
  return judgement;
}

/// Runs `body`, which returns a Judgement.
template <typename Body>
Judgement fenced(Body&& body) {
  try {
    return body();
  } catch (const std::exception& e) {
    return with_verdict(Verdict::error, fmt::format("the check itself failed: {}", e.what()));
  }
}

}  // namespace dropcheck
