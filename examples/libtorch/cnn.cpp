// A convolutional network with Dropout2d learns the direction of stripes; whole feature maps are dropped.

#include <torch/torch.h>

#include <cmath>

#include "examples/libtorch/holds.hpp"
#include "examples/libtorch/torch_site.hpp"

namespace {

struct Network : torch::nn::Module {
  torch::Tensor maps(const torch::Tensor& images) {
    return torch::relu(conv2->forward(torch::max_pool2d(torch::relu(conv1->forward(images)), 2)));
  }
  torch::Tensor forward(const torch::Tensor& images) {
    return linear->forward(dropout->forward(maps(images)).flatten(1));
  }
  torch::nn::Conv2d conv1 = register_module("conv1", conv3x3(1, 8));
  torch::nn::Conv2d conv2 = register_module("conv2", conv3x3(8, 16));
  torch::nn::Dropout2d dropout = register_module("dropout", torch::nn::Dropout2d(0.25));
  torch::nn::Linear linear = register_module("linear", torch::nn::Linear(16 * 8 * 8, 3));

  static torch::nn::Conv2d conv3x3(std::int64_t in, std::int64_t out) {
    return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, 3).padding(1));
  }
};

struct Data {
  torch::Tensor images, directions;
};

/// Stripes along rows, columns or diagonals, each image with a phase of its own, in noise.
Data stripes(std::int64_t count) {
  const torch::Tensor directions = torch::randint(3, {count});
  const torch::Tensor phase = 6.28 * torch::rand({count, 1, 1});
  const torch::Tensor row = torch::arange(16).view({1, 16, 1}), column = torch::arange(16).view({1, 1, 16});
  const torch::Tensor d = directions.view({count, 1, 1});
  const torch::Tensor place = torch::where(d == 0, row, torch::where(d == 1, column, row + column));
  return {((1.5 * place + phase).sin() + 1.5 * torch::randn({count, 16, 16})).unsqueeze(1), directions};
}

}  // namespace

int main() {
  torch::manual_seed(1);
  at::set_num_threads(1);
  Network net;
  torch::optim::Adam optimizer(net.parameters(), 0.003);
  for (int step = 0; step < 100; ++step) {
    const Data batch = stripes(32);
    optimizer.zero_grad();
    torch::cross_entropy_loss(net.forward(batch.images), batch.directions).backward();
    optimizer.step();
  }

  const torch::NoGradGuard no_grad;
  const Data test = stripes(1000);
  net.eval();
  const torch::Tensor right = net.forward(test.images).argmax(1) == test.directions;
  const double accuracy = right.to(torch::kDouble).mean().item<double>();
  std::cout << "of 1000 new images right: " << std::llround(100 * accuracy) << " %\n";

  // Shifted by 1, so that no map holds a zero of its own.
  const torch::Tensor before = net.maps(test.images) + 1;
  net.train();
  const torch::Tensor after = net.dropout->forward(before);
  const torch::Tensor zeros = (after == 0).flatten(2);
  const torch::Tensor whole = zeros.all(2), any = std::get<0>(zeros.max(2));
  const double dropped = whole.to(torch::kDouble).mean().item<double>();
  std::cout << "of " << whole.numel() << " feature maps dropped: " << std::llround(100 * dropped) << " %\n";

  Claims claim;
  claim("more than 90 % are right", accuracy > 0.9);
  claim("a map is dropped as a whole or not at all", whole.equal(any));
  claim("the other maps are scaled by 1 / (1 - p)",
        torch::allclose(after, before / 0.75 * whole.logical_not().unsqueeze(2).unsqueeze(3)));
  claim("the share of maps dropped is p to 0.02", std::abs(dropped - 0.25) < 0.02);
  return claim.status();
}

// To check it: the network's own Dropout2d, which is the operator dropout2d.
class CnnSite : public TorchSite {
 public:
  CnnSite() : TorchSite("example-cnn") { ops = "dropout2d"; }
  torch::Tensor drop(const torch::Tensor& x, const dropcheck::plugin::Call& call) override {
    if (x.dim() != 4) throw dropcheck::plugin::Unsupported("only batches of feature maps");
    net_->train(call.train());
    net_->dropout->options.p(call.p());
    return net_->dropout->forward(x);
  }

 private:
  std::shared_ptr<Network> net_ = built([] { return std::make_shared<Network>(); });
};
DROPCHECK_PLUGIN(CnnSite)
