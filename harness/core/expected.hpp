#pragma once
// A value or an error, with the names of C++23's std::expected so that it can be replaced by it one day.

#include <string>
#include <utility>
#include <variant>

#include "harness/core/invariant.hpp"

namespace dropcheck {

enum class ErrorCode {
  invalid_argument,    // the caller asked for something that cannot be
  unsupported,         // the backend cannot do it and says so
  resource_exhausted,  // out of memory, descriptors, restarts
  backend_failed,      // the backend was asked properly and failed
  timeout,             // no answer before the deadline
  crashed,             // the process that ran the backend died
  protocol,            // an answer that breaks the rules of the boundary
  io,                  // a file or pipe of ours
  internal,            // a fault of dropcheck itself
};

/// Name as printed in results, e.g. "backend_failed".
const char* to_string(ErrorCode code);

/// One clear sentence that says what is wrong and what to do.
struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;
};

template <typename T>
class [[nodiscard]] Expected {
 public:
  Expected(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Expected(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & {
    DROPCHECK_CHECK(has_value());
    return std::get<0>(state_);
  }
  const T& value() const& {
    DROPCHECK_CHECK(has_value());
    return std::get<0>(state_);
  }
  T&& value() && {
    DROPCHECK_CHECK(has_value());
    return std::get<0>(std::move(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const {
    DROPCHECK_CHECK(!has_value());
    return std::get<1>(state_);
  }

 private:
  std::variant<T, Error> state_;
};

/// For operations that return nothing but may fail.
struct Done {};
using Status = Expected<Done>;

}  // namespace dropcheck
