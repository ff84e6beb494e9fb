// A multilayer perceptron with dropout learns to tell the three arms of a spiral apart.

#include <torch/torch.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <numbers>

#include "examples/libtorch/holds.hpp"
#include "examples/libtorch/torch_site.hpp"

namespace {

struct Classifier : torch::nn::Module {
  torch::Tensor forward(torch::Tensor x) {
    x = dropout1->forward(torch::relu(linear1->forward(x)));
    x = dropout2->forward(torch::relu(linear2->forward(x)));
    return linear3->forward(x);
  }
  torch::nn::Linear linear1 = register_module("linear1", torch::nn::Linear(2, 64));
  torch::nn::Dropout dropout1 = register_module("dropout1", torch::nn::Dropout(0.5));
  torch::nn::Linear linear2 = register_module("linear2", torch::nn::Linear(64, 64));
  torch::nn::Dropout dropout2 = register_module("dropout2", torch::nn::Dropout(0.5));
  torch::nn::Linear linear3 = register_module("linear3", torch::nn::Linear(64, 3));
};

struct Data {
  torch::Tensor points, arms;
};

Data spiral(std::int64_t points_of_an_arm) {
  const torch::Tensor arms = torch::arange(3).repeat_interleave(points_of_an_arm);
  const torch::Tensor radius = 0.1 + 0.9 * torch::rand(arms.sizes());
  const torch::Tensor angle =
      5 * radius + arms * (2 * std::numbers::pi / 3) + 0.3 * torch::randn(arms.sizes());
  return {torch::stack({radius * angle.cos(), radius * angle.sin()}, 1), arms};
}

double accuracy(Classifier& net, const Data& data) {
  const torch::NoGradGuard no_grad;
  return (net.forward(data.points).argmax(1) == data.arms).to(torch::kDouble).mean().item<double>();
}

/// A line that is written over and over, for those who watch.
void show_progress(int epoch, int epochs, double loss) {
  if (isatty(STDERR_FILENO) == 0) return;
  const int done = 30 * epoch / epochs;
  std::fprintf(stderr, "\repoch %d of %d [%-30.*s] loss %.3f ", epoch, epochs, done,
               "##############################", loss);
  if (epoch == epochs) std::fprintf(stderr, "\r\033[K");
}

}  // namespace

int main() {
  torch::manual_seed(1);
  at::set_num_threads(1);
  const Data training = spiral(300), test = spiral(1000);
  Classifier net;
  torch::optim::Adam optimizer(net.parameters(), 0.01);
  constexpr int kEpochs = 600;
  for (int epoch = 1; epoch <= kEpochs; ++epoch) {
    optimizer.zero_grad();
    const torch::Tensor loss = torch::cross_entropy_loss(net.forward(training.points), training.arms);
    loss.backward();
    optimizer.step();
    show_progress(epoch, kEpochs, loss.item<double>());
  }

  net.eval();
  const double with_eval = accuracy(net, test);
  const bool same = net.forward(test.points).equal(net.forward(test.points));
  net.train();
  const double without = accuracy(net, test);
  const bool differ = !net.forward(test.points).equal(net.forward(test.points));
  std::cout << kEpochs << " epochs; of 3000 new points right: " << std::llround(100 * with_eval) << " %, and "
            << std::llround(100 * without) << " % if eval() is forgotten\n";

  Claims claim;
  claim("more than 90 % are right", with_eval > 0.9);
  claim("two passes in eval mode are equal", same);
  claim("two passes in training differ", differ);
  return claim.status();
}

// To check it: the first of the network's own dropout modules.
class MlpSite : public TorchSite {
 public:
  MlpSite() : TorchSite("example-mlp") {}
  torch::Tensor drop(const torch::Tensor& x, const dropcheck::plugin::Call& call) override {
    net_->train(call.train());
    net_->dropout1->options.p(call.p());
    return net_->dropout1->forward(x);
  }

 private:
  std::shared_ptr<Classifier> net_ = built([] { return std::make_shared<Classifier>(); });
};
DROPCHECK_PLUGIN(MlpSite)
