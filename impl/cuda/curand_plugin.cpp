// The cuRAND peer behind the plugin ABI: something to judge, and to compare our own kernels with.

#include <fmt/format.h>

#include <map>
#include <memory>

#include "harness/abi/dropcheck_plugin.hpp"
#include "impl/cuda/curand_kernels.hpp"
#include "impl/cuda/device.hpp"
#include "impl/cuda/tensors.hpp"

namespace dropcheck::cuda {

namespace {

using plugin::Call;
using plugin::InvalidArgument;
using plugin::Result;
using plugin::Tensor;

class CurandDropout final : public plugin::Kernel {
 public:
  explicit CurandDropout(std::string_view) : device_(open_device()) {
    name = device_->facts().kind + "-curand";
    version = DROPCHECK_VERSION;
    device = "cuda";
    dtypes = "f64,f32,f16,bf16";
    notes = device_->facts().description + "\nthe mask depends on the number of multiprocessors";
    features = DROPCHECK_CAN_BACKWARD | DROPCHECK_CAN_IN_PLACE;
  }

  void forward(const Call& call, Result& result) override {
    refuse_attributes(call);
    refuse_inputs_but(call, "x");
    refuse_outputs_but(call, {"y"});
    if (call.seed()) {
      task_.seed = *call.seed();
      task_.offset = 0;
    }
    const double p = call.p();
    if (!(p >= 0.0 && p <= 1.0))
      throw InvalidArgument(fmt::format("dropout probability has to be between 0 and 1, but got {}", p));
    const Tensor x = call.input("x"), y = call.destination();
    CurandTask now = task_;
    now.count = x.count();
    now.p = call.train() ? static_cast<float>(p) : 0.0f;
    // With p = 1 nothing is kept, and 1 / (1 - p) is not needed.
    now.scale = call.train() && p < 1.0 ? 1.0 / (1.0 - p) : 1.0;
    const DType dtype = dtype_of(x);
    run(dtype, now, x, y);
    if (call.train() && p > 0.0 && p < 1.0) task_.offset += curand_words(now.count, threads(now.count));
    result.shape(y.shape());
    result.strides(y.strides());
    result.dtype(y.dtype());
    result.aliases_input(call.in_place());
    if (!call.wants(DROPCHECK_WANT_SAVED)) return;
    saved_[++last_token_] = {now, dtype};
    result.saved(last_token_);
  }

  void backward(std::uint64_t token, const Call& call, Result& result) override {
    refuse_attributes(call);
    refuse_inputs_but(call, "dy");
    refuse_outputs_but(call, {"dx"});
    const auto found = saved_.find(token);
    if (found == saved_.end()) throw InvalidArgument(fmt::format("no forward call is saved under {}", token));
    const Tensor dy = call.input("dy"), dx = call.output("dx");
    if (dtype_of(dy) != found->second.dtype || dy.count() != found->second.task.count)
      throw InvalidArgument("dy must have the shape and dtype of the saved forward call");
    run(found->second.dtype, found->second.task, dy, dx);
    result.shape(dx.shape());
    result.strides(dx.strides());
    result.dtype(dx.dtype());
  }

  void release(std::uint64_t token) override { saved_.erase(token); }

  void* allocate(std::size_t bytes) { return device_->allocate(bytes); }
  void free(void* memory) { device_->free(memory); }
  void copy(void* to, const void* from, std::size_t bytes, bool to_host) {
    device_->copy(to, from, bytes, to_host ? Direction::to_host : Direction::to_device);
  }
  void synchronize() { device_->synchronize(); }

 private:
  struct Saved {
    CurandTask task;
    DType dtype = DType::f32;
  };

  std::uint64_t threads(std::uint64_t count) const {
    return curand_threads(count, device_->facts().multiprocessors);
  }

  void run(DType dtype, CurandTask task, const Tensor& x, const Tensor& y) {
    check_like(y, x);
    if (!x.is_contiguous() || !y.is_contiguous()) throw plugin::Unsupported("only contiguous tensors");
    task.x = x.data();
    task.y = y.data();
    if (task.count == 0) return;
    device_->run([&](void* stream) { launch_curand(dtype, task, threads(task.count), stream); });
    device_->synchronize();
  }

  std::unique_ptr<Device> device_;
  CurandTask task_;  // seed and offset of the next call
  std::uint64_t last_token_ = 0;
  std::map<std::uint64_t, Saved> saved_;
};

}  // namespace
}  // namespace dropcheck::cuda

DROPCHECK_PLUGIN(dropcheck::cuda::CurandDropout)
