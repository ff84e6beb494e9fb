// The ensemble reading of dropout: out1, out2 and out3 are three thinned networks, and eval mode is their
// average.

#include <torch/torch.h>

#include <cmath>
#include <cstdio>

#include "examples/libtorch/holds.hpp"
#include "examples/libtorch/torch_site.hpp"

int main() {
  torch::manual_seed(1);
  const torch::NoGradGuard no_grad;
  torch::nn::Dropout dropout(0.5);
  const torch::Tensor x = torch::ones({1, 100});
  const torch::Tensor out1 = dropout->forward(x), out2 = dropout->forward(x), out3 = dropout->forward(x);
  const auto kept = [](const torch::Tensor& out) { return out.count_nonzero().item<std::int64_t>(); };
  const auto differ = [](const torch::Tensor& a, const torch::Tensor& b) {
    return (a != b).sum().item<std::int64_t>();
  };
  std::cout << "of 100 units out1 keeps " << kept(out1) << ", out2 " << kept(out2) << ", out3 " << kept(out3)
            << '\n';
  std::cout << "out1 and out2 differ in " << differ(out1, out2) << " units, out1 and out3 in "
            << differ(out1, out3) << ", out2 and out3 in " << differ(out2, out3) << '\n';

  // Behind a linear layer the average over all 2^100 networks is the whole network without dropout.
  torch::nn::Linear linear(100, 1);
  constexpr int kNetworks = 10000;
  const torch::Tensor outputs = linear->forward(dropout->forward(x.expand({kNetworks, 100})));
  dropout->eval();
  const double whole = linear->forward(dropout->forward(x)).item<double>();
  const double average = outputs.mean().item<double>();
  const double standard_error = outputs.std().item<double>() / std::sqrt(1. * kNetworks);
  std::printf("linear layer: average of %d thinned networks %.2f, the whole network %.2f\n", kNetworks,
              average, whole);

  Claims claim;
  claim("no two of the three masks are equal",
        differ(out1, out2) > 0 && differ(out1, out3) > 0 && differ(out2, out3) > 0);
  claim("kept units are 2", (out1.masked_select(out1 != 0) == 2).all().item<bool>());
  claim("the average is the whole network to 5 standard errors",
        std::abs(average - whole) < 5 * standard_error);
  return claim.status();
}

// To check it: the module, as three calls in a row see it.
class EnsembleSite : public TorchSite {
 public:
  EnsembleSite() : TorchSite("example-ensemble") {}
  torch::Tensor drop(const torch::Tensor& x, const dropcheck::plugin::Call& call) override {
    torch::nn::Dropout dropout(call.p());
    dropout->train(call.train());
    return dropout->forward(x);
  }
};
DROPCHECK_PLUGIN(EnsembleSite)
