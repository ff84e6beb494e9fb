#include "impl/libtorch/generator.hpp"

#include <ATen/Functions.h>
#include <torch/utils.h>
#include <torch/version.h>

#include <cstring>
#include <mutex>
#include <stdexcept>

#include "impl/libtorch/refusals.hpp"

namespace dropcheck::libtorch {
namespace {

constexpr std::int64_t kMostWords = std::int64_t{1} << 26;

at::mt19937 current_engine() {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard<std::mutex> lock(generator.mutex());
  return at::check_generator<at::CPUGeneratorImpl>(generator)->engine();
}

bool same_state(const at::mt19937_data_pod& a, const at::mt19937_data_pod& b) {
  return a.next_ == b.next_ && a.left_ == b.left_ && a.state_ == b.state_;
}

}  // namespace

void seed_generator(const plugin::Call& call) {
  if (const auto seed = call.seed()) torch::manual_seed(*seed);
  if (call.offset() == 0) return;
#if TORCH_VERSION_MAJOR >= 2
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  generator.set_offset(call.offset());  // which it refuses, in its own words
#else
  throw plugin::Unsupported("this release has no offset of a generator");
#endif
}

std::vector<std::byte> generator_state() {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard<std::mutex> lock(generator.mutex());
  const at::Tensor state = generator.get_state().contiguous();
  std::vector<std::byte> bytes(state.nbytes());
  std::memcpy(bytes.data(), state.data_ptr(), bytes.size());
  return bytes;
}

void set_generator_state(std::span<const std::byte> state) {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const at::Tensor bytes = at::empty({static_cast<std::int64_t>(state.size())}, at::kByte);
  if (!state.empty()) std::memcpy(bytes.data_ptr(), state.data(), state.size());
  const std::lock_guard<std::mutex> lock(generator.mutex());
  try {
    generator.set_state(bytes);
  } catch (const c10::Error& error) {
    throw plugin::InvalidArgument(first_line(error.what_without_backtrace()));
  }
}

KeepStream::KeepStream() : generator_(at::detail::getDefaultCPUGenerator()) {
  const std::lock_guard<std::mutex> lock(generator_.mutex());
  before_ = at::check_generator<at::CPUGeneratorImpl>(generator_)->clone();
}

KeepStream::~KeepStream() {
  const std::lock_guard<std::mutex> lock(generator_.mutex());
  auto* const now = generator_.get<at::CPUGeneratorImpl>();
  now->set_engine(before_->engine());
  now->set_next_float_normal_sample(before_->next_float_normal_sample());
  now->set_next_double_normal_sample(before_->next_double_normal_sample());
}

WordCounter::WordCounter() : before_(current_engine()) {}

std::int64_t WordCounter::words() const {
  const at::mt19937_data_pod after = current_engine().data();
  at::mt19937 engine = before_;
  at::mt19937_data_pod state = engine.data();
  std::int64_t words = 0;
  // States of equal position in the block of 624 words are the only ones worth comparing. A new seed's
  // position 0 stands for 624.
  constexpr std::int64_t kBlock = at::MERSENNE_STATE_N;
  std::int64_t step = (std::int64_t{after.next_} - std::int64_t{state.next_} + kBlock) % kBlock;
  while (true) {
    for (std::int64_t i = 0; i < step; ++i) engine();
    words += step;
    state = engine.data();
    if (same_state(state, after)) return words;
    if (words > kMostWords)
      throw std::runtime_error("the generator is not within 2^26 words of its state before the call");
    step = kBlock;
  }
}

namespace {

/// Order in which a mask fills a tensor that is dense but not row-major, told by a transposed one: versions
/// differ. Empty where it is neither.
std::string mask_order() {
  const at::Tensor ones = at::ones({8, 8});
  const auto dropped = [](const at::Tensor& x) {
    const KeepStream keep;  // both are given the same numbers
    return at::dropout(x, 0.5, true);
  };
  const at::Tensor straight = dropped(ones);
  const at::Tensor transposed = dropped(ones.t());
  if (transposed.equal(straight)) return "logical";
  if (transposed.t().equal(straight)) return "memory";
  return {};
}

std::int64_t words_of_a_mask(std::int64_t elements) {
  const at::Tensor ones = at::ones({elements});
  const WordCounter counter;
  at::dropout(ones, 0.5, true);
  return counter.words();
}

}  // namespace

StreamClaim stream_claim() {
  constexpr std::int64_t kElements = 64;
  const std::int64_t words = words_of_a_mask(kElements);
  const std::string order = mask_order();
  const std::string note = "a mask of " + std::to_string(kElements) + " elements takes " +
                           std::to_string(words) + " generator words, in " +
                           (order.empty() ? "an unknown" : order) + " order";
  if (order.empty() || (words != 1 && words != 2 * kElements)) return {{}, note + ": no documented stream"};
  std::string stream = "pytorch-cpu";
  if (words == 1) stream += "?variant=mcg31";
  if (order == "memory") stream += words == 1 ? "&order=memory" : "?order=memory";
  return {stream, note};
}

}  // namespace dropcheck::libtorch
