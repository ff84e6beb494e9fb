#pragma once
// What the plugins of these examples share: a place where a program drops with LibTorch, as dropcheck calls
// it. Copy it.

#include <torch/torch.h>

#include <algorithm>
#include <initializer_list>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "harness/abi/dropcheck_plugin.hpp"

/// Puts PyTorch's generator back when it goes out of scope, as if nothing had been drawn.
class KeepGenerator {
 public:
  KeepGenerator() : generator_(at::detail::getDefaultCPUGenerator()), state_(generator_.get_state()) {}
  ~KeepGenerator() { generator_.set_state(state_); }
  KeepGenerator(const KeepGenerator&) = delete;
  KeepGenerator& operator=(const KeepGenerator&) = delete;

 private:
  at::Generator generator_;
  torch::Tensor state_;
};

/// What the maker of a network returns; its initial weights leave no trace in the generator.
template <typename Maker>
auto built(Maker&& maker) {
  const KeepGenerator keep;
  return maker();
}

class TorchSite : public dropcheck::plugin::Kernel {
 public:
  explicit TorchSite(std::string site_name) {
    name = std::move(site_name), version = TORCH_VERSION, dtypes = "f64,f32";
    seed_bits = 32;  // PyTorch's CPU generator takes no more
    features = DROPCHECK_CAN_BACKWARD;
    at::set_num_threads(1);  // dropcheck runs several processes instead
  }

  /// The dropout itself, with call.p() and in the mode call.train().
  virtual torch::Tensor drop(const torch::Tensor& x, const dropcheck::plugin::Call& call) = 0;

  void forward(const dropcheck::plugin::Call& call, dropcheck::plugin::Result& result) override {
    if (call.op() != ops) throw dropcheck::plugin::Unsupported("only the operator " + ops);
    if (call.seed()) torch::manual_seed(*call.seed());
    const bool keeps = call.wants(DROPCHECK_WANT_SAVED);
    torch::Tensor x = lent(call.input("x"));
    if (keeps) x = x.clone().requires_grad_();
    const at::AutoGradMode grad(keeps);
    try {
      const torch::Tensor y = drop(x, call);
      lent(call.output("y")).copy_(y.detach());
      if (!keeps) return;
      saved_.emplace(++last_, std::pair(x, y));
      result.saved(last_);
    } catch (const c10::Error& error) {
      const std::string text = error.what_without_backtrace();
      if (text.find("has to be between 0 and 1") != text.npos || text.find("in range [0, 1]") != text.npos)
        throw dropcheck::plugin::InvalidArgument(text);
      throw std::runtime_error(text);
    }
  }

  void backward(std::uint64_t token, const dropcheck::plugin::Call& call,
                dropcheck::plugin::Result&) override {
    if (call.attributes() != "{}") throw dropcheck::plugin::Unsupported("only the plain gradient");
    const auto& [x, y] = saved_.at(token);
    const auto dx = torch::autograd::grad({y}, {x}, {lent(call.input("dy"))}, /*retain_graph=*/true);
    lent(call.output("dx")).copy_(dx.at(0));
  }
  void release(std::uint64_t token) override { saved_.erase(token); }

 protected:
  /// The host's own memory as a tensor.
  static torch::Tensor lent(const dropcheck::plugin::Tensor& tensor) {
    const auto shape = tensor.shape();
    return torch::from_blob(tensor.data(), {shape.data(), shape.size()},
                            tensor.dtype().bits == 64 ? torch::kDouble : torch::kFloat);
  }

  /// What a call asks of a network that contains dropout, by docs/attributes.md: the form and its attributes,
  /// of which the plugin knows those; any other would be ignored in silence, so it is refused.
  static nlohmann::json asked_of(const dropcheck::plugin::Call& call, std::string_view form,
                                 std::initializer_list<std::string_view> known) {
    nlohmann::json asked = nlohmann::json::parse(call.attributes());
    if (asked.value("form", "") != form || asked.value("weights", "") != "given")
      throw dropcheck::plugin::Unsupported("only networks with given weights");
    for (const auto& item : asked.items())
      if (item.key() != "form" && item.key() != "weights" &&
          std::find(known.begin(), known.end(), item.key()) == known.end())
        throw dropcheck::plugin::Unsupported("attribute " + item.key());
    return asked;
  }

  /// Gives the network the weights that the call brings, its dtype and its mode.
  static void take_weights(torch::nn::Module& network, const dropcheck::plugin::Call& call) {
    network.to(call.input("x").dtype().bits == 64 ? torch::kDouble : torch::kFloat);
    for (auto& parameter : network.named_parameters())
      parameter.value().set_data(lent(call.input(parameter.key())).view_as(parameter.value()).clone());
    network.train(call.train());
  }

 private:
  std::map<std::uint64_t, std::pair<torch::Tensor, torch::Tensor>> saved_;
  std::uint64_t last_ = 0;
};
