#include "harness/run/stream_lock.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "harness/core/descriptor.hpp"
#include "harness/core/hash.hpp"
#include "harness/run/stream_lock_text.hpp"

namespace dropcheck {
namespace {

using Shape = std::vector<std::int64_t>;

constexpr std::uint32_t kCalls = 3;  // after a seed, where calls continue a stream
constexpr std::array kRates = {0.1, 0.5};
constexpr std::uint64_t kSeed = 0x5eed;
/// 0 is not among them: to some frameworks it means a random seed.
constexpr std::array kFurtherSeeds = {std::uint64_t{1}, std::uint64_t{0x9e3779b97f4a7c15}, ~std::uint64_t{0}};
/// Some generators make four words at a time and take only multiples of four.
constexpr std::array kOffsets = {std::uint64_t{4}, std::uint64_t{1024}};

/// Tails, and the borders of words, vectors and blocks.
std::vector<Shape> flat_shapes() {
  std::vector<Shape> shapes;
  for (const std::int64_t n : {1, 3, 31, 33, 64, 257, 1023, 1025}) shapes.push_back({n});
  return shapes;
}

/// Shapes for an operator that wants dimensions: for each rank that it takes, one without round numbers.
std::vector<Shape> shapes_of(Op op) {
  if (!drops_channels(op)) return op == Op::dropout ? flat_shapes() : std::vector<Shape>{{33}, {257}, {1025}};
  const std::array<Shape, 4> by_rank = {Shape{13, 33}, {5, 13, 3}, {5, 13, 3, 3}, {3, 11, 2, 3, 2}};
  std::vector<Shape> shapes;
  const RankRange ranks = ranks_of(op);
  for (const Shape& shape : by_rank)
    if (shape.size() >= ranks.smallest && shape.size() <= ranks.largest) shapes.push_back(shape);
  return shapes;
}

struct LaidOut {
  Layout layout;
  Op op;
  Shape shape;
};
const std::array kLaidOut = {
    LaidOut{Layout::channels_last, Op::dropout, {2, 5, 3, 7}},
    LaidOut{Layout::channels_last, Op::dropout2d, {5, 13, 3, 3}},
    LaidOut{Layout::channels_last_3d, Op::dropout, {2, 5, 2, 3, 3}},
    LaidOut{Layout::channels_last_3d, Op::dropout3d, {3, 11, 2, 3, 2}},
    LaidOut{Layout::transposed, Op::dropout, {17, 33}},
    LaidOut{Layout::strided, Op::dropout, {257}},
    LaidOut{Layout::shifted, Op::dropout, {257}},
    LaidOut{Layout::expanded, Op::dropout, {5, 33}},
};

/// The seed in as many bits as the backend's have, never 0.
std::uint64_t fitted(std::uint64_t seed, unsigned bits) {
  const std::uint64_t kept = bits >= 64 ? seed : seed & ((std::uint64_t{1} << bits) - 1);
  return kept == 0 ? 1 : kept;
}

/// Collects what a backend claims of the cases that it is offered.
class Cases {
 public:
  explicit Cases(const Capabilities& capabilities) : capabilities_(capabilities) {}

  void offer(Problem problem, std::uint64_t seed = kSeed) {
    const std::uint32_t most = capabilities_.seed_semantics == SeedSemantics::per_call ? 1 : kCalls;
    problem.seed = fitted(seed, capabilities_.seed_bits);
    if (missing_capability(capabilities_, problem) || !validate(problem)) return;
    const bool is_known =
        std::any_of(calls_.begin(), calls_.end(), [&](const auto& c) { return c.problem == problem; });
    if (is_known) return;  // two seeds may be one in few bits
    // An offset places one call in the stream; where the next one goes on is the backend's own affair.
    const std::uint32_t calls = problem.offset != 0 ? 1 : most;
    for (std::uint32_t call = 1; call <= calls; ++call) calls_.push_back({problem, call, {}});
  }
  std::vector<LockedCall> take() { return std::move(calls_); }

 private:
  const Capabilities& capabilities_;
  std::vector<LockedCall> calls_;
};

Problem case_of(Op op, DType dtype, double p, Shape shape) {
  Problem problem;
  problem.op = op;
  problem.dtype = dtype;
  problem.p = p;
  problem.shape = std::move(shape);
  return problem;
}

std::map<std::string, const LockedCall*> by_text(const StreamLock& lock) {
  std::map<std::string, const LockedCall*> calls;
  for (const LockedCall& call : lock.calls) calls.emplace(call_text(call), &call);
  return calls;
}

}  // namespace

std::string call_text(const LockedCall& call) {
  return fmt::format("{}, call {}", print_descriptor(call.problem), call.call);
}

std::vector<LockedCall> calls_to_lock(const Capabilities& capabilities) {
  if (!has_feature(capabilities, Feature::seeds)) return {};
  std::vector<DType> dtypes;
  std::copy_if(capabilities.dtypes.begin(), capabilities.dtypes.end(), std::back_inserter(dtypes), is_float);
  if (dtypes.empty()) return {};
  // In the order of the vocabulary, whatever the backend's: f32 is the dtype that the rest is asked in.
  std::sort(dtypes.begin(), dtypes.end());
  const bool has_f32 = std::find(dtypes.begin(), dtypes.end(), DType::f32) != dtypes.end();
  const DType plain = has_f32 ? DType::f32 : dtypes.front();
  Cases cases(capabilities);
  for (const Op op : kAllOps)
    for (const DType dtype : dtypes)
      for (const Shape& shape : shapes_of(op))
        for (const double p : kRates) cases.offer(case_of(op, dtype, p, shape));
  for (const std::uint64_t seed : kFurtherSeeds)
    for (const double p : kRates) cases.offer(case_of(Op::dropout, plain, p, {1025}), seed);
  for (const LaidOut& laid_out : kLaidOut)
    for (const double p : kRates) {
      Problem problem = case_of(laid_out.op, plain, p, laid_out.shape);
      problem.layout = laid_out.layout;
      cases.offer(problem);
    }
  for (const double p : kRates) {
    Problem problem = case_of(Op::dropout, plain, p, {257});
    problem.in_place = true;
    cases.offer(problem);
  }
  for (const std::uint64_t offset : kOffsets)
    for (const double p : kRates) {
      Problem problem = case_of(Op::dropout, plain, p, {257});
      problem.offset = offset;
      cases.offer(problem);
    }
  for (const std::uint32_t threads : {1u, 3u})
    for (const double p : kRates) {
      // Large enough that implementations which share out their work do so.
      Problem problem = case_of(Op::dropout, plain, p, {100003});
      problem.threads = threads;
      cases.offer(problem);
    }
  return cases.take();
}

std::string mask_digest(const MaskBits& bits) {
  std::string bytes;
  const auto append = [&](std::uint64_t value, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) bytes.push_back(static_cast<char>(value >> (8 * i) & 0xff));
  };
  append(bits.size(), 8);
  std::uint64_t left = (bits.size() + 7) / 8;
  for (const std::uint64_t word : bits.words()) {
    const std::uint64_t count = std::min<std::uint64_t>(left, 8);
    append(word, count);
    left -= count;
  }
  return text_fingerprint(bytes);
}

std::string name_in_lock(const std::string& spec, const Capabilities& capabilities) {
  return lock_header_text(capabilities.name.empty() ? spec : capabilities.name);
}

StreamLock empty_lock(const std::string& spec, const Capabilities& capabilities, std::string date) {
  StreamLock lock;
  lock.backend = lock_header_text(spec);
  lock.name = name_in_lock(spec, capabilities);
  lock.version = lock_header_text(capabilities.version);
  lock.seeds = capabilities.seed_semantics;
  lock.tool_version = DROPCHECK_VERSION;
  lock.date = std::move(date);
  return lock;
}

StreamDifference difference_of(const StreamLock& old_lock, const StreamLock& new_lock) {
  StreamDifference difference;
  const auto before = by_text(old_lock), now = by_text(new_lock);
  for (const LockedCall& call : new_lock.calls) {
    const auto found = before.find(call_text(call));
    if (found == before.end()) difference.added.push_back(call);
    else if (found->second->digest != call.digest) difference.changed.emplace_back(*found->second, call);
  }
  for (const LockedCall& call : old_lock.calls)
    if (!now.contains(call_text(call))) difference.removed.push_back(call);
  return difference;
}

}  // namespace dropcheck
