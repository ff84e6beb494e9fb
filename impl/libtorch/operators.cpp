#include "impl/libtorch/operators.hpp"

#include <ATen/Functions.h>

#include <string_view>
#include <tuple>

namespace dropcheck::libtorch {
namespace {

using at::Tensor;

struct Op {
  std::string_view word;
  Tensor (*apply)(const Tensor&, double, bool);
  Tensor& (*apply_in_place)(Tensor&, double, bool);
};

// ATen has one operator for whole channels, whatever the rank.
constexpr Op kOps[] = {
    {"dropout", &at::dropout, &at::dropout_},
    {"dropout1d", &at::feature_dropout, &at::feature_dropout_},
    {"dropout2d", &at::feature_dropout, &at::feature_dropout_},
    {"dropout3d", &at::feature_dropout, &at::feature_dropout_},
    {"alpha_dropout", &at::alpha_dropout, &at::alpha_dropout_},
    {"feature_alpha_dropout", &at::feature_alpha_dropout, &at::feature_alpha_dropout_},
};

const Op& find_op(std::string_view word) {
  for (const Op& op : kOps)
    if (op.word == word) return op;
  throw plugin::Unsupported("op " + std::string(word));
}

}  // namespace

std::string operator_words() {
  std::string words;
  for (const Op& op : kOps) words.append(words.empty() ? "" : ",").append(op.word);
  return words;
}

Interface operator_interface(const plugin::Call& call) {
  // Two references fit into the function object, which so needs no memory of its own.
  const Op& op = find_op(call.op());
  if (call.in_place())
    return [&op, &call](Tensor& x) { return Produced{op.apply_in_place(x, call.p(), call.train())}; };
  return [&op, &call](Tensor& x) { return Produced{op.apply(x, call.p(), call.train())}; };
}

Interface native_dropout_interface(const plugin::Call& call, const Attributes& attributes) {
  if (call.op() != "dropout") throw plugin::Unsupported("native_dropout of op " + std::string(call.op()));
  if (call.in_place()) throw plugin::Unsupported("native_dropout in place");
  return [&call, train_none = attributes.train_none](Tensor& x) {
    // Braces are the absent optional in every version.
    auto [y, mask] =
        train_none ? at::native_dropout(x, call.p(), {}) : at::native_dropout(x, call.p(), call.train());
    return Produced{std::move(y), std::move(mask)};
  };
}

}  // namespace dropcheck::libtorch
