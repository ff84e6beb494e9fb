// Monte Carlo dropout (Gal and Ghahramani 2016): many passes with dropout on; their spread says how sure the
// network is.

#include <torch/torch.h>

#include <cmath>
#include <cstdio>
#include <vector>

#include "examples/libtorch/holds.hpp"
#include "examples/libtorch/torch_site.hpp"

namespace {

struct Regressor : torch::nn::Module {
  Regressor(std::int64_t inputs, std::int64_t hidden, std::int64_t outputs, double p)
      : linear1(register_module("linear1", torch::nn::Linear(inputs, hidden))),
        dropout(register_module("dropout", torch::nn::Dropout(p))),
        linear2(register_module("linear2", torch::nn::Linear(hidden, outputs))) {}
  torch::Tensor forward(const torch::Tensor& x) {
    return linear2->forward(dropout->forward(torch::relu(linear1->forward(x))));
  }
  /// Eval mode for all but dropout.
  void sample_mode() {
    eval();
    dropout->train();
  }
  torch::nn::Linear linear1;
  torch::nn::Dropout dropout;
  torch::nn::Linear linear2;
};

torch::Tensor truth(const torch::Tensor& x) { return (3 * x).sin(); }

}  // namespace

int main() {
  torch::manual_seed(1);
  at::set_num_threads(1);
  Regressor net(1, 256, 1, 0.2);
  const torch::Tensor x = 2 * torch::rand({200, 1}) - 1;  // the data lie between -1 and 1
  const torch::Tensor y = truth(x) + 0.05 * torch::randn(x.sizes());
  torch::optim::Adam optimizer(net.parameters(), 0.01);
  for (int step = 0; step < 1500; ++step) {
    optimizer.zero_grad();
    torch::mse_loss(net.forward(x), y).backward();
    optimizer.step();
  }

  const torch::NoGradGuard no_grad;
  const torch::Tensor at = torch::tensor({-0.5F, 0.1F, 0.5F, 1.F, 2.F, 4.F}).unsqueeze(1);
  net.eval();
  const torch::Tensor single = net.forward(at);
  net.sample_mode();
  std::vector<torch::Tensor> passes;
  for (int pass = 0; pass < 2000; ++pass) passes.push_back(net.forward(at));
  const torch::Tensor all = torch::stack(passes), mean = all.mean(0), spread = all.std(0);
  std::cout << "   x   truth   mean  spread of 2000 passes\n";
  for (std::int64_t i = 0; i < at.size(0); ++i)
    std::printf("%4.1f  %6.2f %6.2f %7.2f\n", at[i].item<double>(), truth(at[i]).item<double>(),
                mean[i].item<double>(), spread[i].item<double>());

  Claims claim;
  // The last layer is linear, so eval mode is the exact mean over all masks.
  const torch::Tensor standard_error = spread / std::sqrt(2000.);
  claim("the mean is that of eval mode to 5 standard errors",
        ((mean - single).abs() < 5 * standard_error).all().item<bool>());
  claim("no two of the first passes are equal", !passes[0].equal(passes[1]) && !passes[1].equal(passes[2]));
  claim("outside the data the spread is larger", (spread[5] > 1.5 * spread[1]).item<bool>());
  return claim.status();
}

// To check it: the network with dropcheck's weights, in the mode that the passes use.
class McSite : public TorchSite {
 public:
  McSite() : TorchSite("example-mc-dropout") { forms = "mlp"; }
  torch::Tensor drop(const torch::Tensor& x, const dropcheck::plugin::Call& call) override {
    const auto asked = asked_of(call, "mlp", {"hidden", "outputs", "activation", "norm", "modes"});
    if (asked.value("activation", "relu") != "relu" || asked.value("norm", "none") != "none" ||
        asked.value("modes", "mc") != "mc")
      throw dropcheck::plugin::Unsupported("only ReLU without normalisation");
    const auto net = built([&] {
      return std::make_shared<Regressor>(x.size(1), asked.at("hidden"), asked.at("outputs"), call.p());
    });
    take_weights(*net, call);
    if (asked.contains("modes")) net->sample_mode();
    return net->forward(x);
  }
};
DROPCHECK_PLUGIN(McSite)
