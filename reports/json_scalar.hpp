#pragma once
// Scalars that JSON readers lose: integers above 2^53, seeds, NaN and infinities travel as strings. One
// helper for each direction, so that writer and reader cannot disagree.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "harness/core/integer.hpp"

namespace dropcheck::reports {

using Json = nlohmann::ordered_json;

/// A number up to 2^53 in magnitude, else decimal text.
Json json_integer(Int128 value);
/// A number, or "NaN", "Inf", "-Inf".
Json json_real(double value);
/// Hexadecimal text, "0x5eed".
Json json_seed(std::uint64_t seed);

std::optional<Int128> integer_from(const Json& value);
std::optional<std::uint64_t> unsigned_from(const Json& value);
std::optional<double> real_from(const Json& value);
std::optional<std::uint64_t> seed_from(const Json& value);

}  // namespace dropcheck::reports
