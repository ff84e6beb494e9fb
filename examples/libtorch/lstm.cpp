// Three stacked LSTM layers, 128 features in and 256 out, with dropout 0.2 between them.

#include <torch/torch.h>

#include <cmath>

#include "examples/libtorch/holds.hpp"
#include "examples/libtorch/torch_site.hpp"

namespace {

torch::nn::LSTM stacked(std::int64_t inputs, std::int64_t hidden, std::int64_t layers, double p,
                        bool bidirectional = false) {
  return torch::nn::LSTM(
      torch::nn::LSTMOptions(inputs, hidden).num_layers(layers).dropout(p).bidirectional(bidirectional));
}

struct Output {
  torch::Tensor y, last_states;  // (time, batch, hidden), (layers, batch, hidden)
};

Output run(torch::nn::LSTM& lstm, const torch::Tensor& x) {
  const auto [y, states] = lstm->forward(x);
  return {y, std::get<0>(states)};
}

}  // namespace

int main() {
  torch::manual_seed(1);
  at::set_num_threads(1);
  const torch::NoGradGuard no_grad;
  torch::nn::LSTM lstm = stacked(128, 256, 3, 0.2);
  const torch::Tensor x = torch::randn({35, 8, 128});
  const Output first = run(lstm, x), second = run(lstm, x);  // a new module is in training mode
  lstm->eval();
  const Output plain = run(lstm, x), again = run(lstm, x);
  std::cout << "output " << first.y.sizes() << ", last states " << first.last_states.sizes() << '\n';
  const auto distance = [](const torch::Tensor& a, const torch::Tensor& b) {
    return std::llround(100 * ((a - b).norm() / b.norm()).item<double>());
  };
  for (int layer = 0; layer < 3; ++layer)
    std::cout << "layer " << layer + 1 << ": training changes the last states by "
              << distance(first.last_states[layer], plain.last_states[layer]) << " %\n";

  Claims claim;
  claim("two passes in training differ", !first.y.equal(second.y));
  claim("two passes in eval mode are equal", plain.y.equal(again.y));
  claim("there is no dropout before or in layer 1", first.last_states[0].equal(plain.last_states[0]));
  claim("there is none after the last layer",
        first.y.count_nonzero().item<std::int64_t>() == first.y.numel());
  return claim.status();
}

// To check it: dropcheck hands over weights that let the output show what was dropped inside.
class LstmSite : public TorchSite {
 public:
  LstmSite() : TorchSite("example-lstm") { forms = "lstm"; }
  torch::Tensor drop(const torch::Tensor& x, const dropcheck::plugin::Call& call) override {
    const auto asked = asked_of(call, "lstm", {"hidden", "layers", "bidirectional"});
    torch::nn::LSTM lstm = built([&] {
      return stacked(x.size(2), asked.at("hidden"), asked.at("layers"), call.p(),
                     asked.value("bidirectional", false));
    });
    take_weights(*lstm, call);
    const Output output = run(lstm, x);
    lent(call.output("h_n")).copy_(output.last_states.detach());
    return output.y;
  }
};
DROPCHECK_PLUGIN(LstmSite)
