#include "harness/core/vocabulary.hpp"

#include <utility>

namespace dropcheck {
namespace {

template <typename Enum>
using Names = std::span<const std::pair<Enum, std::string_view>>;

constexpr std::pair<Op, std::string_view> kOps[] = {{Op::dropout, "dropout"},
                                                    {Op::dropout1d, "dropout1d"},
                                                    {Op::dropout2d, "dropout2d"},
                                                    {Op::dropout3d, "dropout3d"},
                                                    {Op::alpha_dropout, "alpha_dropout"},
                                                    {Op::feature_alpha_dropout, "feature_alpha_dropout"}};
constexpr std::pair<DType, std::string_view> kDTypes[] = {
    {DType::f64, "f64"}, {DType::f32, "f32"},  {DType::f16, "f16"}, {DType::bf16, "bf16"},
    {DType::i64, "i64"}, {DType::i32, "i32"},  {DType::u8, "u8"},   {DType::boolean, "bool"},
    {DType::c64, "c64"}, {DType::c128, "c128"}};
constexpr std::pair<Layout, std::string_view> kLayouts[] = {{Layout::contiguous, "contiguous"},
                                                            {Layout::channels_last, "channels_last"},
                                                            {Layout::channels_last_3d, "channels_last_3d"},
                                                            {Layout::transposed, "transposed"},
                                                            {Layout::strided, "strided"},
                                                            {Layout::shifted, "shifted"},
                                                            {Layout::expanded, "expanded"}};
constexpr std::pair<Mode, std::string_view> kModes[] = {{Mode::train, "train"}, {Mode::eval, "eval"}};

template <typename Enum>
std::string_view name_of(Names<Enum> table, Enum value) {
  for (const auto& [key, name] : table)
    if (key == value) return name;
  return "unknown";
}

template <typename Enum>
std::optional<Enum> value_of(Names<Enum> table, std::string_view name) {
  for (const auto& [key, known] : table)
    if (known == name) return key;
  return std::nullopt;
}

template <typename Enum>
std::string list_of(Names<Enum> table) {
  std::string text;
  for (const auto& [key, name] : table) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

}  // namespace

std::string_view to_string(Op op) { return name_of<Op>(kOps, op); }
std::string_view to_string(DType dtype) { return name_of<DType>(kDTypes, dtype); }
std::string_view to_string(Layout layout) { return name_of<Layout>(kLayouts, layout); }
std::string_view to_string(Mode mode) { return name_of<Mode>(kModes, mode); }

std::optional<Op> op_from(std::string_view name) { return value_of<Op>(kOps, name); }
std::optional<DType> dtype_from(std::string_view name) { return value_of<DType>(kDTypes, name); }
std::optional<Layout> layout_from(std::string_view name) { return value_of<Layout>(kLayouts, name); }
std::optional<Mode> mode_from(std::string_view name) { return value_of<Mode>(kModes, name); }

std::string known_ops() { return list_of<Op>(kOps); }
std::string known_dtypes() { return list_of<DType>(kDTypes); }
std::string known_layouts() { return list_of<Layout>(kLayouts); }

std::size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::c128: return 16;
    case DType::f64:
    case DType::i64:
    case DType::c64: return 8;
    case DType::f32:
    case DType::i32: return 4;
    case DType::f16:
    case DType::bf16: return 2;
    case DType::u8:
    case DType::boolean: return 1;
  }
  return 1;
}

bool is_float(DType dtype) {
  return dtype == DType::f64 || dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16;
}

bool drops_channels(Op op) { return op != Op::dropout && op != Op::alpha_dropout; }

bool is_alpha(Op op) { return op == Op::alpha_dropout || op == Op::feature_alpha_dropout; }

RankRange ranks_of(Op op) {
  switch (op) {
    case Op::dropout:
    case Op::alpha_dropout: return {0, 8};
    case Op::dropout1d: return {3, 3};
    case Op::dropout2d: return {4, 4};
    case Op::dropout3d: return {5, 5};
    case Op::feature_alpha_dropout: return {2, 8};
  }
  return {0, 8};
}

}  // namespace dropcheck
