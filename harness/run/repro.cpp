#include "harness/run/repro.hpp"

#include <fmt/format.h>

namespace dropcheck {

std::string shell_word(const std::string& word) {
  if (!word.empty() &&
      word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-") ==
          std::string::npos)
    return word;
  std::string quoted = "'";
  for (const char c : word) {
    if (c == '\'') quoted += "'\\''";
    else quoted += c;
  }
  quoted += '\'';
  return quoted;
}

std::string repro_line(const std::string& backend, const Plan& plan, const std::string& check,
                       const std::string& problem) {
  std::string line = fmt::format("dropcheck run {} --profile={} --seed={:#x} --alpha={} --check={}",
                                 shell_word("--backend=" + backend), plan.requested_profile, plan.master_seed,
                                 plan.alpha, check);
  if (!plan.dialect.empty()) line += fmt::format(" {}", shell_word("--dialect=" + plan.dialect));
  if (problem != kRandomProblems) line += fmt::format(" {}", shell_word("--case=" + problem));
  return line;
}

}  // namespace dropcheck
