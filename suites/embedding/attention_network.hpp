#pragma once
// Attention whose weights the judge works out by itself.

#include <string>
#include <vector>

#include "suites/dialects/row.hpp"

namespace dropcheck::suites::embedding {

struct AttentionShape {
  std::int64_t batch, heads, length, width;
  std::int64_t head_width() const { return width / heads; }
};

/// scaled_dot_product_attention with one head, x the query; key and value are given. The further output
/// `weights` is (batch, length, length).
Step product_step(const AttentionShape& shape, double p, Mode mode = Mode::train);
/// multihead_attention on x, (length, batch, width), whose projections are the identity: query, key, value
/// and the joined heads are x's own features. `weights` is (batch, heads, length, length), or averaged over
/// the heads.
Step multihead_step(const AttentionShape& shape, double p, Mode mode = Mode::train, bool average = false);

/// softmax(q k' / sqrt(d)) before dropout, (batch, heads, length, length), and what the dropped `weights`
/// make of the values, in y's order.
struct PlainAttention {
  std::vector<double> weights;
  std::vector<double> result(const std::vector<double>& dropped) const;

  AttentionShape shape;
  bool joined;                 // multihead: y is (length, batch, width), else (batch, length, width)
  std::vector<double> values;  // (batch, heads, length, head width)
};
PlainAttention plain_product(const AttentionShape& shape);
PlainAttention plain_multihead(const AttentionShape& shape);

}  // namespace dropcheck::suites::embedding
