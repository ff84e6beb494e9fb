#include "harness/run/backend_alone.hpp"

#include <thread>

#include "harness/core/tensor.hpp"
#include "harness/run/inputs.hpp"
#include "harness/run/packed_calls.hpp"
#include "harness/run/seeds.hpp"

namespace dropcheck {
namespace {

/// One tensor of the geometry asked for last.
class Buffer {
 public:
  CallTensor of(Backend& backend, const Problem& problem, bool is_output) {
    const TensorGeometry geometry = geometry_of(problem, is_output);
    const std::size_t element = size_of(problem.dtype);
    const std::size_t bytes =
        std::max<std::size_t>(static_cast<std::size_t>(geometry.first + geometry.span) * element, 1);
    const bool same = memory_ != nullptr && view_.shape == problem.shape && view_.dtype == problem.dtype &&
                      view_.strides == geometry.strides;
    if (!same) {
      if (memory_ == nullptr || memory_->size() < bytes) {
        auto allocated = backend.allocate(bytes);
        if (!allocated) return {};
        memory_ = std::move(*allocated);
      }
      view_ = {memory_->data() + static_cast<std::size_t>(geometry.first) * element, problem.dtype,
               problem.shape, geometry.strides};
      if (!is_output) scatter(make_input(Input::ones, problem).elements.data(), view_);
    }
    return {memory_.get(), view_};
  }

 private:
  std::unique_ptr<Memory> memory_;
  TensorView view_;
};

struct Buffers {
  Buffer x, y, mask, packed, dy, dx;
};

/// As the executor asks, but that no mask is asked for twice.
struct Asked {
  bool output, packed;
};

void call_once(Backend& backend, Buffers& buffers, const Step& step, std::optional<std::uint64_t> seed,
               Asked asked) {
  const Problem& problem = step.problem;
  Call call;
  call.op = problem.op;
  call.p = problem.p;
  call.mode = problem.mode;
  call.in_place = problem.in_place;
  call.seed = seed;
  call.offset = problem.offset;
  call.threads = problem.threads;
  call.save_for_backward = step.upstream.has_value();
  if ((asked.packed || step.input == Input::ones) && may_send_constant(backend.capabilities(), step)) {
    call.x.view = {nullptr, problem.dtype, problem.shape, geometry_of(problem, false).strides};
    call.constant_input = 1.0;
  } else {
    call.x = buffers.x.of(backend, problem, problem.in_place);
  }
  if (!problem.in_place && asked.output) call.y = buffers.y.of(backend, problem, true);
  if (asked.packed) call.packed_mask = buffers.packed.of(backend, packed_problem(problem), true);
  if (step.want_mask && backend.capabilities().mask_output) {
    Problem bytes = problem;
    bytes.dtype = DType::u8;
    bytes.layout = Layout::contiguous;
    call.mask = buffers.mask.of(backend, bytes, true);
  }
  const auto seen = backend.forward(call);
  if (!seen || !step.upstream) return;
  Problem plain = problem;
  if (plain.layout == Layout::expanded) plain.layout = Layout::contiguous;
  (void)backend.backward(
      {seen->saved, buffers.dy.of(backend, plain, false), buffers.dx.of(backend, plain, true)});
  backend.release(seen->saved);
}

}  // namespace

void BackendAlone::run(std::span<const Job> jobs, std::uint64_t master_seed) {
  struct Work {
    const Job* job;
    std::uint64_t block;
  };
  std::vector<Work> work;
  for (const Job& job : jobs)
    if (!job.explores())
      for (std::uint64_t block = 0; block < job.blocks(); ++block) work.push_back({&job, block});
  std::atomic<std::size_t> next{0};
  const auto lane = [&](Backend& backend) {
    Buffers buffers;
    for (std::size_t at = next++; at < work.size(); at = next++) {
      const Job& job = *work[at].job;
      const Protocol& protocol = *job.sample->protocol;
      const std::uint64_t any_seed =
          derived_seed(master_seed, std::to_string(at)) >> (64 - backend.capabilities().seed_bits);
      const std::vector<Step> steps = protocol.steps(job.info, work[at].block);
      for (std::size_t i = 0; i < steps.size(); ++i) {
        const bool packs = may_send_mask_alone(backend.capabilities(), protocol, steps[i]);
        const bool shown = !packs || shows_output(protocol.id, any_seed, work[at].block, i);
        call_once(backend, buffers, steps[i], steps[i].seed_slot ? std::optional(any_seed) : std::nullopt,
                  {.output = shown, .packed = packs});
      }
    }
  };
  std::vector<std::jthread> threads;
  for (std::size_t i = 1; i < backends_.size(); ++i) threads.emplace_back([&, i] { lane(*backends_[i]); });
  lane(*backends_[0]);
}

}  // namespace dropcheck
