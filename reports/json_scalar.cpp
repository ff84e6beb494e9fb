#include "reports/json_scalar.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

namespace dropcheck::reports {
namespace {

constexpr std::int64_t kLargestExact = std::int64_t{1} << 53;

std::optional<Int128> parse_integer(std::string_view digits) {
  __extension__ typedef unsigned __int128 Magnitude;
  const bool negative = digits.starts_with('-');
  if (negative) digits.remove_prefix(1);
  if (digits.empty() || digits.size() > 39) return std::nullopt;
  const Magnitude largest = ~Magnitude{0} / 2 + (negative ? 1 : 0);
  Magnitude magnitude = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<unsigned>(c - '0');
    if (magnitude > (largest - digit) / 10) return std::nullopt;
    magnitude = magnitude * 10 + digit;
  }
  return static_cast<Int128>(negative ? Magnitude{0} - magnitude : magnitude);
}

}  // namespace

Json json_integer(Int128 value) {
  if (value < -kLargestExact || value > kLargestExact) return to_string(value);
  return static_cast<std::int64_t>(value);
}

Json json_real(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Inf" : "-Inf";
  return value;
}

Json json_seed(std::uint64_t seed) { return fmt::format("{:#x}", seed); }

std::optional<Int128> integer_from(const Json& value) {
  if (value.is_number_unsigned()) return Int128{value.get<std::uint64_t>()};
  if (value.is_number_integer()) return Int128{value.get<std::int64_t>()};
  if (value.is_string()) return parse_integer(value.get_ref<const std::string&>());
  return std::nullopt;
}

std::optional<std::uint64_t> unsigned_from(const Json& value) {
  const auto integer = integer_from(value);
  if (!integer || *integer < 0 || *integer > Int128{std::numeric_limits<std::uint64_t>::max()})
    return std::nullopt;
  return static_cast<std::uint64_t>(*integer);
}

std::optional<double> real_from(const Json& value) {
  if (value.is_number()) return value.get<double>();
  if (!value.is_string()) return std::nullopt;
  const auto& text = value.get_ref<const std::string&>();
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Inf") return std::numeric_limits<double>::infinity();
  if (text == "-Inf") return -std::numeric_limits<double>::infinity();
  return std::nullopt;
}

std::optional<std::uint64_t> seed_from(const Json& value) {
  if (!value.is_string()) return std::nullopt;
  std::string_view text = value.get_ref<const std::string&>();
  int base = 10;
  if (text.starts_with("0x")) {
    text.remove_prefix(2);
    base = 16;
  }
  std::uint64_t seed = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), seed, base);
  if (fault != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return seed;
}

}  // namespace dropcheck::reports
