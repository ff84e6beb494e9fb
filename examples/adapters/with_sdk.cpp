// A dropout with gradients in a process of its own, judged by dropcheck:
//   g++ -std=c++17 -O2 -I ../.. with_sdk.cpp -o with_sdk
//   dropcheck run --backend=exec:./with_sdk
#include <random>
#include <vector>

#include "adapters/cpp/dropcheck_adapter.hpp"

namespace {

namespace da = dropcheck::adapter;

/// What a backward pass needs.
struct Saved {
  std::vector<bool> mask;  // true: kept
  double scale = 1;
};

/// A dropped element is multiplied by 0, so that NaN stays NaN and -1 becomes -0.
template <typename T>
void apply(const Saved& saved, da::Tensor& values) {
  T* const v = values.elements<T>();
  for (std::size_t i = 0; i < values.count(); ++i) v[i] *= saved.mask[i] ? static_cast<T>(saved.scale) : T{0};
}

void apply(const Saved& saved, da::Tensor& values) {
  if (values.dtype() == "f64") apply<double>(saved, values);
  else apply<float>(saved, values);
}

/// 1 / (1 - p), with each step rounded to T.
template <typename T>
double scale_of(double p) {
  return p < 1 ? T{1} / static_cast<T>(1 - p) : T{0};
}

da::Result dropout(const da::Call& call, da::Tensor& x) {
  if (!(call.p >= 0 && call.p <= 1)) throw da::InvalidArgument("p must lie in [0, 1]");
  Saved saved;
  saved.mask.assign(x.count(), true);
  if (call.train && call.p > 0) {
    std::mt19937_64 generator(call.seed.value());
    for (std::size_t i = 0; i < x.count(); ++i)
      saved.mask[i] = static_cast<double>(generator() >> 11) * 0x1p-53 >= call.p;
    saved.scale = x.dtype() == "f64" ? scale_of<double>(call.p) : scale_of<float>(call.p);
  }
  da::Result result;
  if (call.in_place) {
    apply(saved, x);
  } else {
    result.y = x;
    apply(saved, *result.y);
  }
  result.mask = saved.mask;
  result.saved = std::move(saved);
  return result;
}

da::Tensor gradient(std::any& saved, const da::Tensor& dy) {
  da::Tensor dx = dy;
  apply(std::any_cast<const Saved&>(saved), dx);
  return dx;
}

}  // namespace

int main() {
  da::Info info;
  info.name = "with-sdk-cpp";
  info.dtypes = {"f32", "f64"};
  info.mask = true;
  info.in_place = true;
  return da::serve(info, dropout, gradient);
}
