#pragma once
// RapidCheck properties as GoogleTest cases, with the two silences of the pair closed: a stale
// RC_PARAMS=reproduce= makes unrelated properties pass without running, and a property that discards
// everything tests nothing.

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstdlib>
#include <sstream>
#include <string>

namespace dropcheck::testing {

/// Runs a property (a callable for RapidCheck) and reports a failure at the caller's line.
template <typename Property>
void check_property(const char* file, int line, Property&& property) {
  const char* params = std::getenv("RC_PARAMS");
  if (params != nullptr && std::string(params).find("reproduce=") != std::string::npos) {
    ADD_FAILURE_AT(file, line) << "RC_PARAMS holds reproduce=, which skips properties silently: unset it";
    return;
  }
  const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
  rc::detail::TestMetadata metadata;
  metadata.id = std::string(info->test_suite_name()) + "." + info->name();
  metadata.description = info->name();
  const auto result = rc::detail::checkTestable(std::forward<Property>(property), metadata);
  if (result.template is<rc::detail::SuccessResult>()) {
    if (result.template get<rc::detail::SuccessResult>().numSuccess == 0)
      ADD_FAILURE_AT(file, line) << "the property ran on no value";
    return;
  }
  std::ostringstream text;
  rc::detail::printResultMessage(result, text);
  ADD_FAILURE_AT(file, line) << text.str();
}

}  // namespace dropcheck::testing

#define DROPCHECK_PROPERTY(...) ::dropcheck::testing::check_property(__FILE__, __LINE__, __VA_ARGS__)
