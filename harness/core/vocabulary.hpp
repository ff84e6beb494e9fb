#pragma once
// The closed word lists of a problem: operators, dtypes, layouts, modes. One table each, used by the
// descriptor grammar, capabilities, the plugin ABI and the reports alike.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace dropcheck {

enum class Op : std::uint8_t {
  dropout,
  dropout1d,
  dropout2d,
  dropout3d,
  alpha_dropout,
  feature_alpha_dropout
};
enum class DType : std::uint8_t { f64, f32, f16, bf16, i64, i32, u8, boolean, c64, c128 };
enum class Layout : std::uint8_t {
  contiguous,
  channels_last,     // rank 4: C is innermost in memory
  channels_last_3d,  // rank 5: C is innermost in memory
  transposed,        // the last two dimensions are swapped in memory
  strided,           // every second element along the innermost dimension
  shifted,           // contiguous, but starts one element after an aligned address
  expanded,          // the first dimension of the input has stride 0; outputs are contiguous
};
enum class Mode : std::uint8_t { train, eval };

inline constexpr std::array kAllOps = {Op::dropout,   Op::dropout1d,     Op::dropout2d,
                                       Op::dropout3d, Op::alpha_dropout, Op::feature_alpha_dropout};
inline constexpr std::array kFloatDTypes = {DType::f64, DType::f32, DType::f16, DType::bf16};
inline constexpr std::array kAllDTypes = {DType::f64, DType::f32, DType::f16,     DType::bf16, DType::i64,
                                          DType::i32, DType::u8,  DType::boolean, DType::c64,  DType::c128};
inline constexpr std::array kAllLayouts = {
    Layout::contiguous, Layout::channels_last, Layout::channels_last_3d, Layout::transposed,
    Layout::strided,    Layout::shifted,       Layout::expanded};

std::string_view to_string(Op op);
std::string_view to_string(DType dtype);
std::string_view to_string(Layout layout);
std::string_view to_string(Mode mode);

std::optional<Op> op_from(std::string_view name);
std::optional<DType> dtype_from(std::string_view name);
std::optional<Layout> layout_from(std::string_view name);
std::optional<Mode> mode_from(std::string_view name);

/// "dropout, dropout1d, ...": for messages that say what may be written.
std::string known_ops();
std::string known_dtypes();
std::string known_layouts();

/// Bytes of one element.
std::size_t size_of(DType dtype);
/// True for f64, f32, f16, bf16: the dtypes whose masks are judged.
bool is_float(DType dtype);
/// True for the operators that drop whole channels (dimensions 0 and 1 index the mask).
bool drops_channels(Op op);
/// True for the two operators that keep mean and variance by an affine map.
bool is_alpha(Op op);
/// The rank that an operator is planned with: smallest and largest it defines as batched input.
struct RankRange {
  std::size_t smallest;
  std::size_t largest;
};
RankRange ranks_of(Op op);

}  // namespace dropcheck
