#include "reference/claimed_stream.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <map>

#include "harness/core/problem.hpp"
#include "reference/memory_order.hpp"
#include "reference/pytorch_cpu_stream.hpp"
#include "reference/pytorch_cuda_stream.hpp"
#include "reference/stream.hpp"

namespace dropcheck::reference {
namespace {

constexpr unsigned kMostMultiprocessors = 1024;
constexpr unsigned kMostThreads = 8192;

Error refused(std::string message) { return Error{ErrorCode::invalid_argument, std::move(message)}; }
Error unsupported(std::string message) { return Error{ErrorCode::unsupported, std::move(message)}; }

const char* verdict(bool drops) { return drops ? "dropped" : "kept"; }

/// Mask entries of a call that draws.
std::uint64_t entries_of(const StreamCall& call) {
  Problem problem;
  problem.op = call.op;
  problem.shape = call.shape;
  return static_cast<std::uint64_t>(mask_count(problem));
}

/// The edge of a comparison `u < q` that keeps, where q is `narrow(1 - p)`; `next` is the q after u.
template <typename Narrow>
std::optional<Edge> edge_of(double u, double next, Narrow&& narrow) {
  const Edge edge{1.0 - u, 1.0 - next};
  for (const double p : {edge.at, edge.beyond})
    if (!(p > 0.0 && p < 1.0)) return std::nullopt;
  if (narrow(1.0 - edge.at) != u || narrow(1.0 - edge.beyond) != next) return std::nullopt;
  return edge;
}

/// The number in [0, 1] after a float.
double float_after(double value) {
  return static_cast<double>(std::nextafter(static_cast<float>(value), 2.0f));
}

/// Entries of the last mask by the number under which they were drawn: logical, or by address.
class DrawOrder {
 public:
  DrawOrder() = default;
  static DrawOrder by_address(const StreamCall& call) {
    DrawOrder order;
    order.memory_.emplace(call.shape, call.strides);
    if (order.memory_->is_logical()) order.memory_.reset();
    return order;
  }
  std::uint64_t drawn_as(std::uint64_t logical) const { return memory_ ? (*memory_)(logical) : logical; }
  void to_logical(MaskBits& drops) const {
    if (!memory_) return;
    MaskBits sorted(drops.size());
    memory_->for_each([&](std::uint64_t logical, std::uint64_t at) {
      if (drops[at]) sorted.set(logical);
    });
    drops = std::move(sorted);
  }

 private:
  std::optional<MemoryOrder> memory_;
};

/// dropcheck-philox; the offset counts calls.
class PhiloxStream final : public ClaimedStream {
 public:
  PhiloxStream() : ClaimedStream(kStreamName) {}

  Status reseed(std::uint64_t seed, std::uint64_t offset) override {
    seed_ = seed;
    next_call_ = offset;
    return Done{};
  }
  std::string place(std::uint64_t i) const override {
    const std::uint32_t word = word_of(i);
    const std::uint64_t threshold = drop_threshold(p_);
    const bool drops = word < threshold;
    return fmt::format("word 0x{:08x} (call {}, group {}, word {}) {} T = 0x{:08x}: {}", word, call_, i / 4,
                       i % 4, drops ? "<" : ">=", threshold, verdict(drops));
  }
  std::optional<Edge> edge(std::uint64_t i) const override {
    const double word = word_of(i);
    if (word == 0 || word == 0xffffffffu) return std::nullopt;
    return Edge{std::ldexp(word, -32), std::ldexp(word + 1, -32)};
  }

 protected:
  bool has_native_dropout() const override { return false; }
  Expected<std::uint64_t> draw_entries(const StreamCall& call, MaskBits& drops) override {
    std::vector<std::uint8_t> kept(drops.size());
    draw_mask(seed_, next_call_, call.p, kept);
    for (std::size_t i = 0; i < kept.size(); ++i)
      if (kept[i] == 0) drops.set(i);
    p_ = call.p;
    call_ = next_call_++;
    return drops.size();
  }

 private:
  std::uint32_t word_of(std::uint64_t i) const {
    const std::uint64_t group = i / 4;
    return philox4x32_10({static_cast<std::uint32_t>(group), static_cast<std::uint32_t>(group >> 32),
                          static_cast<std::uint32_t>(call_), static_cast<std::uint32_t>(call_ >> 32)},
                         {static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)})[i % 4];
  }

  std::uint64_t seed_ = 0, next_call_ = 0;
  std::uint64_t call_ = 0;  // that drew last
  double p_ = 0;
};

/// Order in which plain dropout on the CPU fills its noise: that of indices in 1.13.1, that of addresses in
/// 2.13, both run (ATen/native/Dropout.cpp: empty_like with another memory format).
enum class NoiseOrder : std::uint8_t { logical, memory };

/// What the variants of pytorch-cpu share: the engine, and native_dropout, whose mask has the strides of a
/// dense input and is filled by address (ATen/native/Dropout.cpp: empty_like). Run on PyTorch 1.13.1.
class CpuStream : public ClaimedStream {
 public:
  CpuStream(std::string name, NoiseOrder noise_order)
      : ClaimedStream(std::move(name)), noise_order_(noise_order) {}

  Status reseed(std::uint64_t seed, std::uint64_t offset) override {
    if (offset != 0) return refused("the CPU generator of PyTorch has no offset: write 0");
    engine_ = PyTorchCpuStream(seed);
    return Done{};
  }

 protected:
  virtual void draw_mask(double p, MaskBits& drops) = 0;

  bool has_native_dropout() const override { return true; }
  Expected<std::uint64_t> draw_entries(const StreamCall& call, MaskBits& drops) override {
    const bool by_address = call.form.empty() ? noise_order_ == NoiseOrder::memory && !drops_channels(call.op)
                                              : is_dense(call.shape, call.strides);
    order_ = by_address ? DrawOrder::by_address(call) : DrawOrder();
    before_ = engine_;
    p_ = call.p;
    draw_mask(call.p, drops);
    order_.to_logical(drops);
    return engine_.words_drawn() - before_.words_drawn();
  }

  PyTorchCpuStream engine_{0};
  PyTorchCpuStream before_{0};  // the last call
  DrawOrder order_;
  double p_ = 0;

 private:
  NoiseOrder noise_order_;
};

class TwoWordsStream final : public CpuStream {
 public:
  using CpuStream::CpuStream;

  std::string place(std::uint64_t i) const override {
    const Pair words = words_of(i);
    const bool drops = words.value() >= keep_threshold53(p_);
    return fmt::format("words 0x{:08x}, 0x{:08x} -> u = {} {} q = {}: {}", words.high, words.low,
                       std::ldexp(static_cast<double>(words.value()), -53), drops ? ">=" : "<", 1.0 - p_,
                       verdict(drops));
  }
  std::optional<Edge> edge(std::uint64_t i) const override {
    const auto value = static_cast<double>(words_of(i).value());
    return edge_of(std::ldexp(value, -53), std::ldexp(value + 1, -53), [](double q) { return q; });
  }

 protected:
  void draw_mask(double p, MaskBits& drops) override { engine_.draw(p, drops); }

 private:
  struct Pair {
    std::uint32_t high, low;
    std::uint64_t value() const { return (std::uint64_t{high} << 32 | low) & ((std::uint64_t{1} << 53) - 1); }
  };
  Pair words_of(std::uint64_t i) const {
    PyTorchCpuStream engine = before_;
    for (std::uint64_t skipped = 2 * order_.drawn_as(i); skipped > 0; --skipped) engine.next_word();
    const std::uint32_t high = engine.next_word();
    return {high, engine.next_word()};
  }
};

class Mcg31Stream final : public CpuStream {
 public:
  using CpuStream::CpuStream;

  std::string place(std::uint64_t i) const override {
    const std::uint32_t x = number_of(i);
    const bool drops = !Mcg31::keeps(x, p_);
    return fmt::format("number {} of MCG31 after the word 0x{:08x} -> u = {} {} q = {}: {}", x, word(),
                       uniform(x), drops ? ">=" : "<", static_cast<float>(1.0 - p_), verdict(drops));
  }
  std::optional<Edge> edge(std::uint64_t i) const override {
    const auto u = static_cast<double>(uniform(number_of(i)));
    return edge_of(u, float_after(u), [](double q) { return static_cast<double>(static_cast<float>(q)); });
  }

 protected:
  void draw_mask(double p, MaskBits& drops) override { engine_.draw_mcg31(p, drops); }

 private:
  /// As Mcg31::keeps compares it.
  static float uniform(std::uint32_t x) {
    return static_cast<float>(x) * static_cast<float>(1.0 / 0x7fffffff);
  }
  std::uint32_t word() const {
    PyTorchCpuStream engine = before_;
    return engine.next_word();
  }
  std::uint32_t number_of(std::uint64_t i) const {
    Mcg31 generator(word());
    for (std::uint64_t skipped = order_.drawn_as(i); skipped > 0; --skipped) generator.next();
    return generator.next();
  }
};

/// pytorch-cuda; the offset counts 32-bit words.
class CudaStream final : public ClaimedStream {
 public:
  CudaStream(std::string name, const CudaDevice& device)
      : ClaimedStream(std::move(name)), device_(device), generator_(device, 0) {}

  Status reseed(std::uint64_t seed, std::uint64_t offset) override {
    auto generator = PyTorchCudaStream::open(device_, seed, offset);
    if (!generator) return generator.error();
    generator_ = *generator;
    seed_ = seed;
    return Done{};
  }
  std::string place(std::uint64_t i) const override {
    const DrawPlace at = draw_place(i);
    const std::uint32_t word = word_at(at);
    const double q = limit();
    const float u = uniform_of(word);
    const bool drops = !(static_cast<double>(u) < q);
    return fmt::format(
        "word 0x{:08x} (thread {}, offset {}, word {}) -> u = {} {} q = {}: {}", word, at.thread,
        offset_ + 4 * at.block, at.lane, u, drops ? ">=" : "<",
        call_.dtype == DType::f64 ? fmt::format("{}", q) : fmt::format("{}", static_cast<float>(q)),
        verdict(drops));
  }
  std::optional<Edge> edge(std::uint64_t i) const override {
    const auto u = static_cast<double>(uniform_of(word_at(draw_place(i))));
    return edge_of(u, float_after(u), [&](double q) { return narrow(q); });
  }

 protected:
  bool has_native_dropout() const override { return true; }
  // ATen/native/Dropout.cpp: what is out of place takes the fused kernel, the rest fills a contiguous tensor
  // of noise with bernoulli_. Without a dense input the fused kernel takes one element at once, in logical
  // order. native_dropout_cuda returns zeros for p = 1 and draws for p = 0. Derived.
  Expected<std::uint64_t> draw_entries(const StreamCall& call, MaskBits& drops) override {
    const bool native = !call.form.empty();
    if (native && call.p == 1.0) {
      drops = MaskBits();
      return std::uint64_t{0};
    }
    CudaCall cuda;
    cuda.kernel =
        native || (call.op == Op::dropout && !call.in_place) ? CudaKernel::fused : CudaKernel::bernoulli;
    cuda.dtype = call.dtype;
    cuda.numel = drops.size();
    cuda.p = call.p;
    cuda.alignment_bytes = call.alignment_bytes;
    cuda.dense = is_dense(call.shape, call.strides);
    if (const Status status = validate(cuda); !status) return status.error();
    call_ = cuda;
    offset_ = generator_.offset();
    vec_ = generator_.vec_of(cuda);
    threads_ = launch_geometry(device_, cuda.numel).threads;
    order_ = vec_ > 1 ? DrawOrder::by_address(call) : DrawOrder();
    generator_.draw(cuda, drops);
    order_.to_logical(drops);
    return generator_.offset() - offset_;
  }

 private:
  double narrow(double q) const {
    return call_.dtype == DType::f64 ? q : static_cast<double>(static_cast<float>(q));
  }
  double limit() const { return narrow(1.0 - call_.p); }
  DrawPlace draw_place(std::uint64_t i) const { return place_of(order_.drawn_as(i), threads_, vec_); }
  std::uint32_t word_at(const DrawPlace& at) const {
    return thread_block(seed_, offset_, at.thread, at.block)[at.lane];
  }

  CudaDevice device_;
  PyTorchCudaStream generator_;
  std::uint64_t seed_ = 0;
  // Of the last call.
  CudaCall call_;
  std::uint64_t offset_ = 0, threads_ = 256;
  unsigned vec_ = 1;
  DrawOrder order_;
};

Error unknown(std::string_view name, std::string_view why) {
  return refused(fmt::format("the stream '{}' is not known ({}): write {}", name, why, stream_names()));
}

using Parameters = std::map<std::string, std::string, std::less<>>;

Expected<Parameters> parameters_of(std::string_view name, std::string_view text) {
  Parameters found;
  while (true) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view one = text.substr(0, end);
    const std::size_t equals = one.find('=');
    if (equals == std::string_view::npos || equals == 0)
      return unknown(name, fmt::format("'{}' is no parameter=value", one));
    const auto [at, is_new] = found.emplace(one.substr(0, equals), one.substr(equals + 1));
    if (!is_new) return unknown(name, fmt::format("{} stands twice", at->first));
    if (end == text.size()) return found;
    text.remove_prefix(end + 1);
  }
}

/// A decimal number from `least` to `most`.
std::optional<unsigned> number(std::string_view text, unsigned least, unsigned most) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most)
    return std::nullopt;
  return value;
}

Expected<std::unique_ptr<ClaimedStream>> open_cpu(std::string_view name, const Parameters& parameters) {
  bool mcg31 = false;
  NoiseOrder order = NoiseOrder::logical;
  for (const auto& [key, text] : parameters) {
    if (key == "variant" && text == "mcg31") mcg31 = true;
    else if (key == "order" && text == "memory") order = NoiseOrder::memory;
    else if (key != "order" || text != "logical")
      return unknown(name, fmt::format("pytorch-cpu has no parameter {}={}", key, text));
  }
  std::string canonical = "pytorch-cpu";
  if (mcg31) canonical.append("?variant=mcg31");
  if (order == NoiseOrder::memory) canonical.append(mcg31 ? "&order=memory" : "?order=memory");
  if (mcg31) return std::unique_ptr<ClaimedStream>(std::make_unique<Mcg31Stream>(canonical, order));
  return std::unique_ptr<ClaimedStream>(std::make_unique<TwoWordsStream>(canonical, order));
}

Expected<std::unique_ptr<ClaimedStream>> open_cuda(std::string_view name, const Parameters& parameters) {
  std::map<std::string_view, unsigned> values = {{"sm", 0}, {"threads", 0}, {"vec", 8}};
  for (const auto& [key, text] : parameters) {
    const auto at = values.find(key);
    if (at == values.end()) return unknown(name, fmt::format("it has no parameter {}", key));
    const auto value = key == "sm"        ? number(text, 1, kMostMultiprocessors)
                       : key == "threads" ? number(text, kThreadsPerBlock, kMostThreads)
                                          : number(text, 4, 8);
    if (!value || (key == "vec" && *value != 4 && *value != 8))
      return unknown(name, fmt::format("{}={} is out of range", key, text));
    at->second = *value;
  }
  for (const char* key : {"sm", "threads"})
    if (!parameters.contains(key)) return unknown(name, fmt::format("{} is missing", key));
  const CudaDevice device{values["sm"], values["threads"],
                          values["vec"] == 8 ? VectorRule::sixteen_bytes : VectorRule::at_most_four};
  return std::unique_ptr<ClaimedStream>(std::make_unique<CudaStream>(
      fmt::format("pytorch-cuda?sm={}&threads={}&vec={}", values["sm"], values["threads"], values["vec"]),
      device));
}

}  // namespace

std::string stream_names() {
  return fmt::format(
      "{}, pytorch-cpu (with the parameters variant=mcg31 and order=memory where they hold), or "
      "pytorch-cuda?sm=132&threads=2048&vec=8 with sm from 1 "
      "to {} "
      "multiprocessors, threads from {} to {} of each, and vec 8 (may be left out) or 4",
      kStreamName, kMostMultiprocessors, kThreadsPerBlock, kMostThreads);
}

Expected<std::unique_ptr<ClaimedStream>> ClaimedStream::open(std::string_view name) {
  const std::size_t mark = name.find('?');
  const std::string_view family = name.substr(0, mark);
  Parameters parameters;
  if (mark != std::string_view::npos) {
    auto read = parameters_of(name, name.substr(mark + 1));
    if (!read) return read.error();
    parameters = *std::move(read);
  }
  if (family == "pytorch-cuda") return open_cuda(name, parameters);
  if (family == kStreamName && parameters.empty())
    return std::unique_ptr<ClaimedStream>(std::make_unique<PhiloxStream>());
  if (family == "pytorch-cpu") return open_cpu(name, parameters);
  return unknown(name, family == kStreamName ? fmt::format("{} has no parameters", family)
                                             : fmt::format("nothing is called {}", family));
}

Expected<MaskBits> ClaimedStream::draw(const StreamCall& call) {
  if (!(call.p >= 0.0 && call.p <= 1.0))
    return refused(fmt::format("p={} is not a drop probability: write a number from 0 to 1", call.p));
  if (!is_float(call.dtype))
    return unsupported(fmt::format("no stream is documented for dtype {}", to_string(call.dtype)));
  if (call.strides.size() != call.shape.size())
    return refused(fmt::format("{} strides for {} dimensions: give one for each", call.strides.size(),
                               call.shape.size()));
  const bool native = call.form == "native_dropout";
  if (!call.form.empty() && (!native || !has_native_dropout()))
    return unsupported(fmt::format("{} does not say what the form {} draws", name_, call.form));
  if (native && (call.op != Op::dropout || call.in_place))
    return unsupported("native_dropout is a form of dropout out of place only");
  words_ = 0;
  if (call.mode == Mode::eval || element_count(call.shape) == 0) return MaskBits();
  if (!native && (call.p == 0.0 || call.p == 1.0)) return MaskBits();
  if (drops_channels(call.op) && call.shape.size() < 2)
    return refused(fmt::format("{} has a mask over 2 dimensions or more", to_string(call.op)));
  MaskBits drops(entries_of(call));
  const auto words = draw_entries(call, drops);
  if (!words) return words.error();
  words_ = *words;
  return drops;
}

}  // namespace dropcheck::reference
