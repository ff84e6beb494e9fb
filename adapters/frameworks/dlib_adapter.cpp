// dlib's dropout layer on the CPU, judged by dropcheck:
//   g++ -std=c++17 -O2 -I ../.. dlib_adapter.cpp -o dlib_adapter -ldlib
//   dropcheck run --backend=exec:./dlib_adapter --dialect=dlib
//
// A dropout_ takes its seed from std::rand() when it is made and goes on from there, so a seed means
// std::srand and new layers, one for each p. In eval mode a multiply_ made from the layer takes its place, as
// dlib's documentation advises after training.
#include <dlib/dnn.h>
#include <dlib/revision.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <string>

#include "adapters/cpp/dropcheck_adapter.hpp"

namespace {

namespace da = dropcheck::adapter;

std::map<float, dlib::dropout_> layers;  // of the seed in force

/// Whether the constructor refuses p, tried in another process: dlib ends the program at the second
/// fatal_error.
bool is_refused(float p) {
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) {
    try {
      const dlib::dropout_ layer(p);
      _exit(0);
    } catch (const dlib::fatal_error&) {
      _exit(1);
    }
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
    throw std::runtime_error("the trial of p failed");
  return WEXITSTATUS(status) == 1;
}

dlib::dropout_& layer_of(double p) {
  const float rate = static_cast<float>(p);  // the type of the constructor's argument
  const bool is_ordinary = rate >= 0 && rate <= 1;
  if (!is_ordinary && is_refused(rate))
    throw da::InvalidArgument("dlib::fatal_error: 0 <= drop_rate <= 1 is needed");
  return layers.try_emplace(rate, rate).first->second;
}

dlib::resizable_tensor tensor_of(const da::Tensor& values) {
  dlib::resizable_tensor tensor(1, 1, 1, static_cast<long>(values.count()));
  std::copy_n(values.elements<float>(), values.count(), tensor.host());
  return tensor;
}

void copy_to(const dlib::tensor& tensor, da::Tensor& values) {
  std::copy_n(tensor.host(), values.count(), values.elements<float>());
}

/// The layer that went forward, with its mask. A copy of a dropout_ keeps the mask and takes another seed.
struct Saved {
  std::shared_ptr<dlib::dropout_> dropout;
  std::shared_ptr<dlib::multiply_> multiply;
};

da::Result forward(const da::Call& call, da::Tensor& x) {
  if (call.seed) {
    std::srand(static_cast<unsigned>(*call.seed));
    layers.clear();
  }
  dlib::dropout_& layer = layer_of(call.p);
  dlib::resizable_tensor input = tensor_of(x);
  dlib::resizable_tensor output;
  output.copy_size(input);
  dlib::tensor& target = call.in_place ? input : output;
  da::Result result;
  if (call.train) {
    layer.forward_inplace(input, target);
    if (call.save) result.saved = Saved{std::make_shared<dlib::dropout_>(layer), nullptr};
  } else {
    dlib::multiply_ multiply(layer);
    multiply.forward_inplace(input, target);
    if (call.save) result.saved = Saved{nullptr, std::make_shared<dlib::multiply_>(multiply)};
  }
  result.y = x;
  copy_to(target, *result.y);
  if (call.in_place) x = *result.y;
  return result;
}

/// In place, as add_layer has it: the gradient of the output and that of the input are the same tensor.
da::Tensor backward(std::any& saved, const da::Tensor& dy) {
  const Saved& layer = std::any_cast<const Saved&>(saved);
  dlib::resizable_tensor gradient = tensor_of(dy);
  dlib::resizable_tensor no_parameters;
  if (layer.dropout) layer.dropout->backward_inplace(gradient, gradient, no_parameters);
  else layer.multiply->backward_inplace(gradient, gradient, no_parameters);
  da::Tensor dx = dy;
  copy_to(gradient, dx);
  return dx;
}

}  // namespace

int main() {
  da::Info info;
  info.name = "dlib";
  info.implementation_version = std::to_string(DLIB_MAJOR_VERSION) + "." +
                                std::to_string(DLIB_MINOR_VERSION) + "." + std::to_string(DLIB_PATCH_VERSION);
  info.seed_semantics = "stateful";
  info.seed_bits = 32;
  info.in_place = true;
  info.notes = {
      "dropout_ of float tensors; multiply_ takes its place in eval mode",
      "the number of threads is one; a p that the constructor refuses is tried in a process of its own"};
  return da::serve(info, forward, backward);
}
