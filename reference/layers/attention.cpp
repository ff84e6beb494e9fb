#include "reference/layers/attention.hpp"

#include <cmath>

#include "harness/core/invariant.hpp"

namespace dropcheck::reference {
namespace {

/// The largest score is taken off first, which changes nothing but keeps exp finite.
Matrix softmax_rows(Matrix scores) {
  for (std::int64_t row = 0; row < scores.rows(); ++row) {
    scores.row(row) = (scores.row(row).array() - scores.row(row).maxCoeff()).exp();
    scores.row(row) /= scores.row(row).sum();
  }
  return scores;
}

/// Every batch-th row from row `b` on, of `width` columns from `first` on.
Matrix sequence(const Matrix& all, std::int64_t b, std::int64_t batch, std::int64_t first,
                std::int64_t width) {
  Matrix made(all.rows() / batch, width);
  for (std::int64_t t = 0; t < made.rows(); ++t) made.row(t) = all.row(t * batch + b).segment(first, width);
  return made;
}

}  // namespace

AttentionResult attend(const std::vector<Head>& heads, LayerDropout& dropout) {
  DROPCHECK_CHECK(!heads.empty());
  const std::int64_t targets = heads.front().query.rows(), sources = heads.front().key.rows();
  const Matrix factors = dropout.factors(static_cast<std::int64_t>(heads.size()) * targets, sources);
  AttentionResult result;
  for (std::size_t h = 0; h < heads.size(); ++h) {
    const Head& head = heads[h];
    Matrix weights =
        softmax_rows(head.query * head.key.transpose() / std::sqrt(static_cast<double>(head.query.cols())));
    weights.array() *= factors.middleRows(static_cast<std::int64_t>(h) * targets, targets).array();
    result.values.push_back(weights * head.value);
    result.weights.push_back(std::move(weights));
  }
  return result;
}

MultiheadResult multihead(const MultiheadParameters& parameters, const Matrix& target, const Matrix& source,
                          std::int64_t batch, LayerDropout& dropout) {
  const std::int64_t width = target.cols(), heads = parameters.heads, head_width = width / heads;
  DROPCHECK_CHECK(head_width * heads == width && target.rows() % batch == 0 && source.rows() % batch == 0);
  const auto projected = [&](const Matrix& x, std::int64_t part) {
    return linear(x, parameters.in.middleRows(part * width, width),
                  parameters.in_bias.segment(part * width, width));
  };
  const Matrix query = projected(target, 0), key = projected(source, 1), value = projected(source, 2);
  std::vector<Head> all;
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t h = 0; h < heads; ++h) {
      const auto of_head = [&](const Matrix& x) { return sequence(x, b, batch, h * head_width, head_width); };
      all.push_back({of_head(query), of_head(key), of_head(value)});
    }
  AttentionResult attended = attend(all, dropout);
  Matrix joined(target.rows(), width);
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t h = 0; h < heads; ++h)
      for (std::int64_t t = 0; t < target.rows() / batch; ++t)
        joined.row(t * batch + b).segment(h * head_width, head_width) =
            attended.values[static_cast<std::size_t>(b * heads + h)].row(t);
  return {linear(joined, parameters.out, parameters.out_bias), std::move(attended.weights)};
}

}  // namespace dropcheck::reference
