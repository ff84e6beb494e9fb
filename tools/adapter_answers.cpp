#include "tools/adapter_answers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>
#include <optional>

#include "harness/core/element.hpp"

namespace dropcheck::tools {
namespace {

/// Bits of the significand after the leading one.
int significand_bits(DType dtype) {
  switch (dtype) {
    case DType::f64: return 52;
    case DType::f32: return 23;
    case DType::f16: return 10;
    default: return 7;  // bf16
  }
}

std::size_t count_of(BytesView values, DType dtype) { return values.size() / size_of(dtype); }

double value_at(BytesView values, std::size_t i, DType dtype) {
  return load_element(values.data() + i * size_of(dtype), dtype);
}

Bytes swapped(BytesView values, std::size_t size) {
  Bytes result(values.begin(), values.end());
  for (std::size_t i = 0; i + size <= result.size(); i += size)
    std::reverse(result.begin() + static_cast<std::ptrdiff_t>(i),
                 result.begin() + static_cast<std::ptrdiff_t>(i + size));
  return result;
}

bool is_equal(BytesView a, BytesView b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

/// Elements of a row-major tensor in column-major order: each comes from index to[i].
std::vector<std::size_t> column_major(const Shape& shape) {
  const auto count = static_cast<std::size_t>(
      std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>()));
  std::vector<std::size_t> from(count);
  for (std::size_t i = 0; i < count; ++i) {
    // i counts with the first index fastest; the same element's row-major place is wanted.
    std::size_t rest = i, place = 0;
    std::size_t stride = count;
    for (const std::int64_t extent : shape) {
      const auto n = static_cast<std::size_t>(extent);
      stride /= n;
      place += rest % n * stride;
      rest /= n;
    }
    from[i] = place;
  }
  return from;
}

Bytes taken_from(BytesView values, const std::vector<std::size_t>& from, std::size_t size) {
  Bytes result(values.size());
  for (std::size_t i = 0; i < from.size(); ++i)
    std::memcpy(result.data() + i * size, values.data() + from[i] * size, size);
  return result;
}

std::vector<std::size_t> inverse(const std::vector<std::size_t>& order) {
  std::vector<std::size_t> result(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) result[order[i]] = i;
  return result;
}

bool is_reordered(BytesView sent, BytesView got, std::size_t size, const Shape& shape) {
  if (sent.empty()) return false;
  const auto order = column_major(shape);
  return is_equal(got, taken_from(sent, order, size)) ||
         is_equal(got, taken_from(sent, inverse(order), size));
}

/// The factor that all elements share, 0 for those dropped left out; absent when there is none.
std::optional<double> common_factor(BytesView sent, BytesView got, DType dtype) {
  std::optional<double> factor;
  for (std::size_t i = 0; i < count_of(sent, dtype); ++i) {
    const double y = value_at(got, i, dtype);
    if (y == 0) continue;
    const double ratio = y / value_at(sent, i, dtype);
    if (!std::isfinite(ratio)) return std::nullopt;
    if (!factor) factor = ratio;
    // A factor that is rounded with each element varies by less than this.
    if (std::abs(ratio - *factor) > 0.01 * std::abs(*factor)) return std::nullopt;
  }
  return factor;
}

std::size_t zeros_in(BytesView values, DType dtype) {
  std::size_t zeros = 0;
  for (std::size_t i = 0; i < count_of(values, dtype); ++i) zeros += value_at(values, i, dtype) == 0 ? 1 : 0;
  return zeros;
}

std::string first_difference(BytesView sent, BytesView got, DType dtype) {
  const std::size_t size = size_of(dtype), differ = differing_elements(sent, got, size);
  std::size_t i = 0;
  while (std::memcmp(sent.data() + i * size, got.data() + i * size, size) == 0) ++i;
  return fmt::format("{} of {} elements differ; the first is element {}, {} where {} was sent", differ,
                     count_of(sent, dtype), i, value_at(got, i, dtype), value_at(sent, i, dtype));
}

/// What else may explain an echo in a floating dtype.
std::string other_echo(BytesView sent, BytesView got, DType dtype) {
  const std::size_t count = count_of(sent, dtype), zeros = zeros_in(got, dtype);
  for (const DType narrow : {DType::f32, DType::f16, DType::bf16}) {
    if (significand_bits(narrow) >= significand_bits(dtype)) continue;
    bool rounded = true;
    for (std::size_t i = 0; rounded && i < count; ++i)
      rounded = value_at(got, i, dtype) == round_to(value_at(sent, i, dtype), narrow);
    if (rounded) return fmt::format("every element is rounded to {}", to_string(narrow));
  }
  const auto factor = common_factor(sent, got, dtype);
  if (zeros == count) return "every element is 0";
  if (zeros > 0 && factor)
    return fmt::format("{} of {} elements are 0, the others are multiplied by {:.6g}", zeros, count, *factor);
  if (factor) return fmt::format("every element is multiplied by {:.6g}", *factor);
  return first_difference(sent, got, dtype);
}

/// Whether each element of `got` is +-0 or the one of `kept`, to the bit.
bool is_zero_or(BytesView kept, BytesView got, DType dtype) {
  const std::size_t size = size_of(dtype);
  for (std::size_t i = 0; i < count_of(got, dtype); ++i)
    if (std::memcmp(kept.data() + i * size, got.data() + i * size, size) != 0 && value_at(got, i, dtype) != 0)
      return false;
  return true;
}

/// Whether the answer is right once the bytes are taken for elements of another dtype.
bool is_drop_in(BytesView sent, BytesView got, DType other) {
  return sent.size() % size_of(other) == 0 && is_zero_or(doubled(sent, other), got, other);
}

Bytes unpacked(BytesView bits, std::size_t count, bool most_significant_first) {
  Bytes bytes(count);
  for (std::size_t i = 0; i < count; ++i)
    bytes[i] = bits[i / 8] >> (most_significant_first ? 7 - i % 8 : i % 8) & std::byte{1};
  return bytes;
}

Bytes inverted(BytesView mask) {
  Bytes result(mask.size());
  std::transform(mask.begin(), mask.end(), result.begin(), [](std::byte b) { return b ^ std::byte{1}; });
  return result;
}

}  // namespace

Bytes test_values(DType dtype, std::size_t count) {
  const std::size_t size = size_of(dtype);
  Bytes values(count * size);
  for (std::size_t i = 0; i < count; ++i) {
    std::byte* const at = values.data() + i * size;
    if (!is_float(dtype)) {
      store_integer(static_cast<std::int8_t>(dtype == DType::boolean ? i % 2 : 1 + i % 7), at, dtype);
      continue;
    }
    // Odd multiples of the golden ratio: neighbours lie far apart (Knuth, TAOCP 3, section 6.4).
    const int bits = significand_bits(dtype);
    const std::uint64_t fraction = (((i + 1) * 0x9e3779b97f4a7c15u) >> (64 - bits)) | 1u;
    const double magnitude = 1 + std::ldexp(static_cast<double>(fraction), -bits);
    store_element(i % 2 == 0 ? magnitude : -magnitude, at, dtype);
  }
  return values;
}

Bytes doubled(BytesView values, DType dtype) {
  Bytes result(values.size());
  for (std::size_t i = 0; i < count_of(values, dtype); ++i)
    store_element(2 * value_at(values, i, dtype), result.data() + i * size_of(dtype), dtype);
  return result;
}

EchoLook look_at_echo(BytesView sent, BytesView got, DType dtype, const Shape& shape) {
  const std::size_t size = size_of(dtype);
  if (is_equal(sent, got)) return {Echo::same, ""};
  if (is_equal(swapped(sent, size), got))
    return {Echo::swapped, "every element comes back with its bytes in reverse: they are written big-endian"};
  if (is_reordered(sent, got, size, shape))
    return {Echo::reordered, "the elements come back in column-major order"};
  if (!is_float(dtype)) return {Echo::other, first_difference(sent, got, dtype)};
  return {Echo::other, other_echo(sent, got, dtype)};
}

DropLook look_at_drop(BytesView sent, BytesView got, DType dtype) {
  DropLook look;
  look.count = count_of(sent, dtype);
  look.dropped = zeros_in(got, dtype);
  if (is_zero_or(doubled(sent, dtype), got, dtype)) {
    look.drop = Drop::scaled;
    return look;
  }
  if (is_zero_or(sent, got, dtype)) {
    look.drop = Drop::unscaled;
    look.text = "what is kept comes back as it was sent, not doubled";
    return look;
  }
  const std::size_t size = size_of(dtype);
  const Bytes sent_swapped = swapped(sent, size), got_swapped = swapped(got, size);
  if (is_zero_or(doubled(sent_swapped, dtype), got_swapped, dtype)) {
    look.drop = Drop::swapped;
    look.text =
        "the answer is right for elements whose bytes are taken in reverse: they are read and written "
        "big-endian";
    return look;
  }
  for (const DType other : kFloatDTypes)
    if (other != dtype && is_drop_in(sent, got, other)) {
      look.text = fmt::format("the answer is right for bytes that are taken for {}, and they are {}",
                              to_string(other), to_string(dtype));
      return look;
    }
  if (const auto factor = common_factor(sent, got, dtype)) {
    look.text = fmt::format("what is kept is multiplied by {:.6g}, not by 2", *factor);
    return look;
  }
  for (std::size_t i = 0; i < look.count; ++i) {
    const double x = value_at(sent, i, dtype), y = value_at(got, i, dtype);
    if (y == 0 || y == 2 * x) continue;
    look.text = fmt::format("element {} is {} where 0 or {} may come", i, y, 2 * x);
    break;
  }
  return look;
}

Bytes kept_elements(BytesView values, DType dtype) {
  Bytes kept(count_of(values, dtype));
  for (std::size_t i = 0; i < kept.size(); ++i)
    kept[i] = value_at(values, i, dtype) == 0 ? std::byte{0} : std::byte{1};
  return kept;
}

std::string mask_fault(BytesView kept, BytesView mask, const Shape& shape) {
  if (is_equal(kept, mask)) return {};
  const auto bad = std::find_if(mask.begin(), mask.end(), [](std::byte b) { return b > std::byte{1}; });
  if (bad != mask.end())
    return fmt::format("the mask holds the byte {}: only 0 and 1 may come", std::to_integer<int>(*bad));
  if (is_equal(inverted(kept), mask)) return "the mask is inverted: 1 stands for dropped";
  if (is_reordered(kept, mask, 1, shape)) return "the mask is in column-major order";
  return fmt::format("{} of {} mask entries contradict y", differing_elements(kept, mask, 1), kept.size());
}

std::string packed_fault(BytesView kept, BytesView bits) {
  const Bytes right = unpacked(bits, kept.size(), false);
  if (is_equal(kept, right)) return {};
  const Bytes wrong_way = unpacked(bits, kept.size(), true);
  if (is_equal(kept, wrong_way)) return "the bits of each byte are packed most significant first";
  if (is_equal(inverted(kept), right)) return "the packed mask is inverted: 1 stands for dropped";
  if (is_equal(inverted(kept), wrong_way))
    return "the packed mask is inverted, 1 stands for dropped, and the bits of each byte are packed most "
           "significant first";
  return fmt::format("{} of {} bits contradict y", differing_elements(kept, right, 1), kept.size());
}

bool padding_is_zero(std::size_t count, BytesView bits) {
  return count % 8 == 0 || bits.empty() || (bits.back() >> (count % 8)) == std::byte{0};
}

std::string dtype_of_echo(BytesView sent, BytesView got, DType dtype) {
  if (!is_float(dtype) || sent.empty()) return {};
  const std::size_t count = count_of(sent, dtype);
  for (const DType other : kFloatDTypes) {
    if (other == dtype || got.size() != count * size_of(other)) continue;
    bool same = true;
    for (std::size_t i = 0; same && i < count; ++i)
      same = value_at(got, i, other) == round_to(value_at(sent, i, dtype), other);
    if (same) return std::string(to_string(other));
  }
  return {};
}

std::size_t differing_elements(BytesView a, BytesView b, std::size_t element_size) {
  const std::size_t common = std::min(a.size(), b.size()) / element_size;
  std::size_t differ = std::max(a.size(), b.size()) / element_size - common;
  for (std::size_t i = 0; i < common; ++i)
    differ +=
        std::memcmp(a.data() + i * element_size, b.data() + i * element_size, element_size) != 0 ? 1 : 0;
  return differ;
}

}  // namespace dropcheck::tools
