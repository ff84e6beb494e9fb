#pragma once
// Attention and where its dropout stands, as formulas in double: A = softmax(Q K' / sqrt(d)), row by row, and
// the result (A m) V, where m are the factors of dropout and d is the width of a row of Q (Vaswani et al.
// 2017, "Attention is all you need", eq. 1; dropout as in torch.nn.functional.scaled_dot_product_attention).

#include <vector>

#include "reference/layers/layer_dropout.hpp"

namespace dropcheck::reference {

/// Of one sequence and head: (L, d), (S, d) and (S, any width).
struct Head {
  Matrix query, key, value;
};

struct AttentionResult {
  std::vector<Matrix> weights;  // A m of each head, (L, S)
  std::vector<Matrix> values;   // (A m) V
};

/// All heads have the same L and S. Their weights are one place with dropout: one mask of (heads, L, S).
AttentionResult attend(const std::vector<Head>& heads, LayerDropout& dropout);

/// Multi-head attention (Vaswani et al. 2017, 3.2.2; torch.nn.MultiheadAttention) on E features.
struct MultiheadParameters {
  std::int64_t heads = 1;  // divides E
  Matrix in;               // (3 E, E), for query, key and value
  Row in_bias;             // 3 E
  Matrix out;              // (E, E)
  Row out_bias;            // E
};

struct MultiheadResult {
  Matrix y;                     // (L B, E)
  std::vector<Matrix> weights;  // after dropout, sequence by sequence, in it head by head
};

/// Of sequences of a batch, time by time: the queries are of `target`, (L B, E), keys and values of `source`,
/// (S B, E).
MultiheadResult multihead(const MultiheadParameters& parameters, const Matrix& target, const Matrix& source,
                          std::int64_t batch, LayerDropout& dropout);

}  // namespace dropcheck::reference
