// Dropout on a tensor, in training and in eval mode.

#include <torch/torch.h>

#include <cmath>
#include <cstdio>

#include "examples/libtorch/holds.hpp"
#include "examples/libtorch/torch_site.hpp"

namespace {

void print(const char* what, const torch::Tensor& x) {
  std::cout << what;
  for (std::int64_t i = 0; i < x.numel(); ++i) std::cout << ' ' << x[i].item<float>();
  std::cout << '\n';
}

}  // namespace

int main() {
  torch::manual_seed(1);
  const double p = 0.5;
  const torch::Tensor x = torch::arange(1, 13, torch::kFloat);
  const torch::Tensor trained = torch::dropout(x, p, /*train=*/true);
  const torch::Tensor evaluated = torch::dropout(x, p, /*train=*/false);
  print("x    ", x);
  print("train", trained);
  print("eval ", evaluated);

  const torch::Tensor many = torch::dropout(torch::ones({1000, 1000}), p, true);
  const double dropped = (many == 0).to(torch::kDouble).mean().item<double>();
  std::printf("of 1000000 ones %.0f %% are dropped, the mean is %.2f\n", 100 * dropped,
              many.mean().item<double>());

  Claims claim;
  claim("each element is 0 or x / (1 - p)", ((trained == 0) | (trained == x / (1 - p))).all().item<bool>());
  claim("eval mode returns x", evaluated.equal(x));
  claim("the share dropped is p to 0.005", std::abs(dropped - p) < 0.005);
  return claim.status();
}

// To check it: the call above as an operator.
class TensorSite : public TorchSite {
 public:
  TensorSite() : TorchSite("example-tensor") {}
  torch::Tensor drop(const torch::Tensor& x, const dropcheck::plugin::Call& call) override {
    return torch::dropout(x, call.p(), call.train());
  }
};
DROPCHECK_PLUGIN(TensorSite)
