#pragma once
// PyTorch's dropout as a checklist of 108 rows. What each says, how it is known and for which releases it
// holds stands in the row; rows that need a GPU or the Python front end are listed with that reason.

#include <span>

#include "suites/dialects/row.hpp"

namespace dropcheck::suites {

// Words for a row's evidence, and reasons why a row cannot be tried.
inline constexpr const char* kRunOnBoth = "run on 1.13.1 and 2.13";
inline constexpr const char* kNeedsPython = "needs the Python front end";
inline constexpr const char* kNeedsCuda = "needs a CUDA device";

/// Rows 1 to 108, in order.
std::span<const RowDefinition> pytorch_rows();

// The rows by theme, in the order of their numbers.
std::vector<RowDefinition> drop_probability_rows();  // 1-10: p out of range
std::vector<RowDefinition> identity_rows();          // 11-13, 20-21: nothing is drawn
std::vector<RowDefinition> value_rows();             // 14-19, 22-30: kept and dropped values
std::vector<RowDefinition> dtype_rows();             // 31-38: integer, complex and half dtypes
std::vector<RowDefinition> stream_rows();            // 39-45, 107, 108: the CPU's random stream
std::vector<RowDefinition> draw_order_rows();        // 46, 47, 54: which entry takes which numbers
std::vector<RowDefinition> layout_rows();            // 48-53: strides, aliases, in place
std::vector<RowDefinition> feature_rows();           // 55-67: whole channels
std::vector<RowDefinition> alpha_rows();             // 68-75: alpha dropout, defaults of the interfaces
std::vector<RowDefinition> rate_rows();              // 76: the rate
std::vector<RowDefinition> cuda_rows();              // 77-85: CUDA
std::vector<RowDefinition> gradient_rows();          // 86-95: gradients, autograd
std::vector<RowDefinition> embedded_rows();          // 96-102: layers that contain dropout
std::vector<RowDefinition> compiled_rows();          // 103-106: compiled and decomposed forms

}  // namespace dropcheck::suites
