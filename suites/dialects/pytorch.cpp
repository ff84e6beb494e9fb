#include "suites/dialects/pytorch.hpp"

#include <algorithm>
#include <iterator>

namespace dropcheck::suites {
namespace {

constexpr int kRows = 108;

std::vector<RowDefinition> all_rows() {
  std::vector<RowDefinition> rows;
  for (const auto& theme : {drop_probability_rows, identity_rows, value_rows, dtype_rows, stream_rows,
                            draw_order_rows, layout_rows, feature_rows, alpha_rows, rate_rows, cuda_rows,
                            gradient_rows, embedded_rows, compiled_rows}) {
    std::vector<RowDefinition> some = theme();
    std::move(some.begin(), some.end(), std::back_inserter(rows));
  }
  std::sort(rows.begin(), rows.end(),
            [](const RowDefinition& a, const RowDefinition& b) { return a.row.number < b.row.number; });
  DROPCHECK_CHECK(rows.size() == kRows);
  for (int i = 0; i < kRows; ++i) DROPCHECK_CHECK(rows[static_cast<std::size_t>(i)].row.number == i + 1);
  return rows;
}

}  // namespace

std::span<const RowDefinition> pytorch_rows() {
  static const std::vector<RowDefinition> rows = all_rows();
  return rows;
}

}  // namespace dropcheck::suites
