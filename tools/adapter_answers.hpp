#pragma once
// What an adapter sent back, compared with what it was sent: not only whether it is right, but which mistake
// explains it.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "harness/core/vocabulary.hpp"

namespace dropcheck::tools {

using Bytes = std::vector<std::byte>;
using BytesView = std::span<const std::byte>;
using Shape = std::vector<std::int64_t>;

/// `count` elements from 1 to 2 in magnitude, in turn positive and negative, that differ from their
/// neighbours, use every bit of the significand and are doubled exactly. Dtypes that are not floating get
/// small natural numbers (booleans 0 and 1).
Bytes test_values(DType dtype, std::size_t count);
/// Every element doubled. The dtype is a floating one.
Bytes doubled(BytesView values, DType dtype);

/// How an answer relates to the input that it should be.
enum class Echo { same, swapped, reordered, other };
struct EchoLook {
  Echo echo = Echo::other;
  std::string text;  // what was seen; empty for `same`
};
/// Both have the size that shape and dtype say.
EchoLook look_at_echo(BytesView sent, BytesView got, DType dtype, const Shape& shape);

/// How an answer with drop probability 1/2 relates to its input.
enum class Drop { scaled, unscaled, swapped, other };
struct DropLook {
  Drop drop = Drop::other;
  std::size_t dropped = 0, count = 0;  // elements that are 0, and all
  std::string text;                    // what was seen, unless `scaled`
};
/// Of elements that are not 0, in a floating dtype. `scaled`: each is 0 or doubled. `unscaled`: each is 0 or
/// itself, and some are themselves.
DropLook look_at_drop(BytesView sent, BytesView got, DType dtype);

/// 1 where an element is not 0.
Bytes kept_elements(BytesView values, DType dtype);
/// What is wrong with a mask of bytes; empty when it is `kept`.
std::string mask_fault(BytesView kept, BytesView mask, const Shape& shape);
/// What is wrong with packed bits apart from those behind the last; empty when they are `kept`. They have
/// (kept.size() + 7) / 8 bytes.
std::string packed_fault(BytesView kept, BytesView bits);
/// Whether bits behind the last are 0.
bool padding_is_zero(std::size_t count, BytesView bits);

/// The dtype, another than its own, in which the bytes are the values of the input; empty for none.
std::string dtype_of_echo(BytesView sent, BytesView got, DType dtype);
/// Elements that differ; those that only one of both has count.
std::size_t differing_elements(BytesView a, BytesView b, std::size_t element_size);

}  // namespace dropcheck::tools
