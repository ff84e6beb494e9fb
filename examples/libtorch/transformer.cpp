// A transformer block that drops at three places: attention weights, the residual branch, inside the MLP.

#include <torch/torch.h>

#include <cmath>
#include <cstdio>

#include "examples/libtorch/holds.hpp"
#include "examples/libtorch/torch_site.hpp"

namespace {

constexpr std::int64_t kWidth = 64, kHeads = 4;

struct Block : torch::nn::Module {
  torch::Tensor forward(const torch::Tensor& x) {  // (batch, length, width)
    const torch::Tensor a = x + residual_dropout->forward(attend(norm1->forward(x)));
    return a + mlp2->forward(mlp_dropout->forward(torch::gelu(mlp1->forward(norm2->forward(a)))));
  }
  torch::Tensor attend(const torch::Tensor& x) {
    const auto split = in->forward(x).view({x.size(0), x.size(1), 3, kHeads, -1}).permute({2, 0, 3, 1, 4});
    const torch::Tensor scores = split[0].matmul(split[1].transpose(-2, -1)) / std::sqrt(kWidth / kHeads);
    weights = attention_dropout->forward(scores.softmax(-1));  // (batch, heads, length, length)
    return out->forward(weights.matmul(split[2]).transpose(1, 2).reshape(x.sizes()));
  }

  torch::nn::LayerNorm norm1 = register_module("norm1", layer_norm()),
                       norm2 = register_module("norm2", layer_norm());
  torch::nn::Linear in = register_module("in", torch::nn::Linear(kWidth, 3 * kWidth));
  torch::nn::Linear out = register_module("out", torch::nn::Linear(kWidth, kWidth));
  torch::nn::Linear mlp1 = register_module("mlp1", torch::nn::Linear(kWidth, 4 * kWidth));
  torch::nn::Linear mlp2 = register_module("mlp2", torch::nn::Linear(4 * kWidth, kWidth));
  torch::nn::Dropout attention_dropout = register_module("attention_dropout", torch::nn::Dropout(0.1));
  torch::nn::Dropout residual_dropout = register_module("residual_dropout", torch::nn::Dropout(0.1));
  torch::nn::Dropout mlp_dropout = register_module("mlp_dropout", torch::nn::Dropout(0.1));
  torch::Tensor weights;  // of the last call, after dropout

  static torch::nn::LayerNorm layer_norm() {
    return torch::nn::LayerNorm(torch::nn::LayerNormOptions({kWidth}));
  }
};

}  // namespace

int main() {
  torch::manual_seed(1);
  at::set_num_threads(1);
  const torch::NoGradGuard no_grad;
  Block block;
  const torch::Tensor x = torch::randn({16, 32, kWidth});
  block.eval();
  const torch::Tensor plain = block.forward(x), sums_plain = block.weights.sum(-1);
  std::cout << "block on " << x.sizes() << ", attention weights " << block.weights.sizes() << '\n';

  Claims claim;
  claim("two passes in eval mode are equal", plain.equal(block.forward(x)));
  claim("each row of attention weights sums to 1", torch::allclose(sums_plain, torch::ones_like(sums_plain)));
  std::pair<const char*, torch::nn::Dropout> sites[] = {{"of the attention weights", block.attention_dropout},
                                                        {"of the residual branch", block.residual_dropout},
                                                        {"inside the MLP", block.mlp_dropout}};
  for (auto& [place, site] : sites) {
    block.eval();
    site->train();
    const double change = ((block.forward(x) - plain).norm() / plain.norm()).item<double>();
    std::printf("dropout %s alone changes the output by %.1f %%\n", place, 100 * change);
    claim("  and so is active", change > 1e-3);
  }
  block.train();
  const bool differ = !block.forward(x).equal(block.forward(x));
  const double dropped = (block.weights == 0).to(torch::kDouble).mean().item<double>();
  std::printf("training: %.0f %% of the attention weights are 0\n", 100 * dropped);
  claim("two passes in training differ", differ);
  claim("the share dropped is p to 0.01", std::abs(dropped - 0.1) < 0.01);
  claim("rows no longer sum to 1", !torch::allclose(block.weights.sum(-1), sums_plain));
  return claim.status();
}

// To check it: any of its sites, plugin:transformer.so?attention, ?residual or ?mlp.
class TransformerSite : public TorchSite {
 public:
  explicit TransformerSite(std::string_view config) : TorchSite("example-transformer") {
    const std::string site = nlohmann::json::parse(config).value("config", "");
    if (site == "attention") site_ = block_->attention_dropout;
    else if (site == "residual") site_ = block_->residual_dropout;
    else if (site == "mlp") site_ = block_->mlp_dropout;
    else throw dropcheck::plugin::InvalidArgument("choose a site: ?attention, ?residual or ?mlp");
  }
  torch::Tensor drop(const torch::Tensor& x, const dropcheck::plugin::Call& call) override {
    block_->train(call.train());
    site_->options.p(call.p());
    return site_->forward(x);
  }

 private:
  std::shared_ptr<Block> block_ = built([] { return std::make_shared<Block>(); });
  torch::nn::Dropout site_{nullptr};
};
DROPCHECK_PLUGIN(TransformerSite)
