// What PyTorch's kernels for CUDA do with the drop probability, the generator and the mask. The rows can be
// tried on a backend that claims that stream, be it a device or a simulation of one.

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>

#include "harness/core/tensor.hpp"
#include "harness/stats/hypergeometric.hpp"
#include "reference/claimed_stream.hpp"
#include "reference/pytorch_cuda_stream.hpp"
#include "suites/dialects/pytorch.hpp"
#include "suites/dialects/row_layers.hpp"
#include "suites/dialects/row_steps.hpp"

namespace dropcheck::suites {
namespace {

using reference::ClaimedStream;

constexpr const char* kNoCuda = "needs a CUDA device or a claim of its stream";

/// The stream that the backend claims, where it is CUDA's; otherwise the row is left out.
std::unique_ptr<ClaimedStream> cuda_stream(RowTrial& trial) {
  const std::string& claim = trial.capabilities().exact_stream;
  if (!claim.starts_with("pytorch-cuda")) {
    trial.leave_out(kNoCuda);
    return nullptr;
  }
  auto stream = ClaimedStream::open(claim);
  trial.require(bool{stream}, [&] { return stream.error().message; });
  return stream ? *std::move(stream) : nullptr;
}

/// The device in a stream's full name, "pytorch-cuda?sm=132&threads=2048&vec=8".
reference::CudaDevice device_of(const ClaimedStream& stream) {
  const auto number = [&](std::string_view key) {
    const std::size_t at = stream.name().find(key);
    DROPCHECK_CHECK(at != std::string::npos);
    return static_cast<unsigned>(std::strtoul(stream.name().c_str() + at + key.size(), nullptr, 10));
  };
  return {number("sm="), number("threads="),
          number("vec=") == 8 ? reference::VectorRule::sixteen_bytes : reference::VectorRule::at_most_four};
}

reference::StreamCall call_of(const Step& step) {
  const Problem& problem = step.problem;
  reference::StreamCall call;
  call.op = problem.op;
  call.p = problem.p;
  call.dtype = problem.dtype;
  call.shape = problem.shape;
  call.strides = geometry_of(problem, false).strides;
  if (problem.layout == Layout::shifted) call.alignment_bytes = size_of(problem.dtype);
  call.mode = problem.mode;
  call.in_place = problem.in_place;
  call.form = form_of(step.attributes);
  return call;
}

/// The mask of step i must be what `stream` draws next.
void require_drawn(RowTrial& trial, std::size_t i, ClaimedStream& stream) {
  if (trial.reply(i).seed) {
    const Status status = stream.reseed(*trial.reply(i).seed, 0);
    trial.require(bool{status}, [&] { return status.error().message; });
  }
  const Expected<MaskBits> wanted = stream.draw(call_of(trial.step(i)));
  if (!wanted) return trial.leave_out(wanted.error().message);
  if (!trial.answered(i)) return;
  const std::vector<bool> mask = trial.dropped(i);
  std::uint64_t wrong = 0;
  std::size_t first = 0;
  for (std::size_t e = mask.size(); e-- > 0;)
    if (mask[e] != (*wanted)[e]) {
      ++wrong;
      first = e;
    }
  trial.require_all(mask.size(), wrong, [&] {
    return fmt::format("{}: {} of {} elements differ from {}, the first is element {}: {}", trial.place(i),
                       wrong, mask.size(), stream.name(), first, stream.place(first));
  });
}

Step cuda_step(double p, std::vector<std::int64_t> shape, DType dtype = DType::f32) {
  return seeded_step(problem_of(p, std::move(shape), dtype), Input::random_integers);
}

// --- 77

std::vector<Step> quantised_rates() {
  std::vector<Step> steps;
  for (const double p : {.1, .5, .9}) steps.push_back(cuda_step(p, {1 << 17}));
  for (const double p : {1e-10, 1e-8, 1e-7, .15, .3, .999, 1 - 0x1p-30})
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16, DType::f64})
      steps.push_back(cuda_step(p, {256}, dtype));
  return steps;
}
constexpr std::size_t kQuantisedRates = 3;

void judge_quantised_rates(RowTrial& trial) {
  if (!cuda_stream(trial)) return;
  std::map<std::size_t, std::pair<std::uint64_t, std::uint64_t>> drops;  // by step: dropped, of how many
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const Problem& problem = trial.step(i).problem;
    const double wanted = reference::effective_drop_probability(problem.p, problem.dtype);
    if (const auto& declared = trial.reply(i).seen.effective_p)
      trial.require(*declared == wanted, [&] {
        return fmt::format("{} declares the drop probability {:.12g}; of 2^32 words {:.12g} drop",
                           trial.place(i), *declared, wanted);
      });
    else trial.leave_out("the backend does not declare its drop probability");
    if (trial.reply(i).index >= kQuantisedRates) continue;
    const std::vector<bool> mask = trial.dropped(i);
    auto& [dropped, entries] = drops[trial.reply(i).index];
    dropped += static_cast<std::uint64_t>(std::count(mask.begin(), mask.end(), true));
    entries += mask.size();
  }
  for (const auto& [index, count] : drops) {
    const double p = quantised_rates()[index].problem.p;
    test_rate(trial, "R77", fmt::format("drop rate at p = {}", p), count.second, count.first,
              reference::effective_drop_probability(p, DType::f32));
  }
}

// --- 79, 80

std::vector<Step> aligned_masks() {
  std::vector<Step> steps;
  for (const double p : {.1, .15, .3, .5, .9})
    for (const std::int64_t n : {4, 1024, 65536}) steps.push_back(cuda_step(p, {n}));
  steps.push_back(cuda_step(.3, {40, 50, 2}));
  steps.push_back(cuda_step(.3, {1081344 + 4}));  // one round of 132 multiprocessors and four elements more
  Step known = cuda_step(.5, {32});
  known.seed_slot.reset();
  known.own_seed = 42;
  steps.push_back(known);
  return steps;
}

void judge_aligned_masks(RowTrial& trial) {
  const auto stream = cuda_stream(trial);
  if (!stream) return;
  // Of seed 42, p = 0.5 and 32 elements, 1 = kept: what four elements a thread make of the sources' recipe.
  constexpr std::string_view kKept = "01111110101011001011111000001011";
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (trial.step(i).own_seed && trial.answered(i)) {
      std::string kept;
      for (const bool drop : trial.dropped(i)) kept.push_back(drop ? '0' : '1');
      trial.require(kept == kKept,
                    [&] { return fmt::format("{} keeps {}; it must keep {}", trial.place(i), kept, kKept); });
    }
    require_drawn(trial, i, *stream);
  }
}

std::vector<Step> offsets() {
  std::vector<Step> steps;
  const auto add = [&](Problem problem) {
    steps.push_back(next_step(std::move(problem), Input::random_integers));
  };
  steps.push_back(cuda_step(.3, {1000}));
  for (const std::int64_t n : {1, 4, 7, 1024, 65537, 300002}) add(problem_of(.3, {n}));
  add(problem_of(.5, {1081344}));      // 4T of 132 multiprocessors
  add(problem_of(.5, {1081344 + 4}));  // and a second round
  add(problem_of(0, {1024}));
  add(problem_of(1, {1024}));
  add(in_eval(problem_of(.5, {1024})));
  add(problem_of(.5, {1024}));
  return steps;
}

void judge_offsets(RowTrial& trial) {
  const auto stream = cuda_stream(trial);
  if (!stream) return;
  for (std::size_t i = 0; i < trial.size(); ++i) {
    const Problem& problem = trial.step(i).problem;
    if (draws_mask(problem)) {
      require_drawn(trial, i, *stream);
      trial.require_words(i, stream->words());
    } else {
      trial.require_words(i, 0);
    }
  }
}

// --- 81, 82

// Larger than twice the 270336 threads of 132 multiprocessors with 2048 each, and not divisible by 4.
constexpr std::int64_t kThreeRounds = 811010;
constexpr std::int64_t kHalfRound = 65536;

std::vector<Step> pairs_of_calls(std::int64_t n, std::initializer_list<DType> dtypes) {
  std::vector<Step> steps;
  for (const DType dtype : dtypes) {
    steps.push_back(cuda_step(.5, {n}, dtype));
    steps.push_back(next_step(problem_of(.5, {n}, dtype), Input::random_integers));
  }
  return steps;
}

/// Tests whether entry `earlier(e)` of the first call and entry e of the second are dropped independently,
/// for all e below `last`.
template <typename Earlier>
void test_overlap(RowTrial& trial, const char* id, std::size_t i, std::size_t last, Earlier&& earlier) {
  const std::vector<bool> one = trial.dropped(i), two = trial.dropped(i + 1);
  std::uint64_t n = 0, a = 0, b = 0, both = 0;
  for (std::size_t e = 0; e < last; ++e) {
    const std::optional<std::size_t> at = earlier(e);
    if (!at || *at >= one.size()) continue;
    ++n;
    a += one[*at] ? 1u : 0u;
    b += two[e] ? 1u : 0u;
    both += one[*at] && two[e] ? 1u : 0u;
  }
  if (n == 0) return trial.leave_out("the device is so large that these calls cannot overlap");
  Statistic s;
  s.id = id;
  s.name = fmt::format("overlap of two calls in {}", to_string(trial.step(i).problem.dtype));
  s.counts = {{"n", {n}}, {"first", {a}}, {"second", {b}}, {"both", {both}}};
  s.null_law = "hypergeometric given the drops of both";
  s.null_parameters = {{"p", .5}};
  set_tail(s, stats::hypergeometric_two_sided(n, a, b, both), trial.alpha());
  const auto share = [&](std::uint64_t count) { return static_cast<double>(count) / static_cast<double>(n); };
  const double correlation = (share(both) - share(a) * share(b)) / .25;  // p = 1/2
  s.value = correlation;
  s.effect = Effect{correlation, "correlation", std::nullopt, std::nullopt};
  s.minimum_detectable_effect =
      MinimumDetectableEffect{stats::overlap_min_effect(n, trial.alpha(), kBeta, .5), "correlation", kPower};
  trial.test(
      std::move(s),
      fmt::format("{} and the call before it share random words: of {} pairs of entries {} are dropped in "
                  "both, correlation {:.3g}; the call before reserved fewer words than it read",
                  trial.place(i + 1), n, both, correlation));
}

std::vector<Step> narrow_vectors() { return pairs_of_calls(kThreeRounds, {DType::f64, DType::f32}); }

void judge_narrow_vectors(RowTrial& trial) {
  const auto stream = cuda_stream(trial);
  if (!stream) return;
  for (std::size_t i = 0; i + 1 < trial.size(); i += 2) {
    if (!trial.answered(i) || !trial.answered(i + 1)) continue;
    // Two elements a thread and block: a call reads ceil(N / 2T) blocks and reserves ceil(N / 4T).
    const std::uint64_t threads = reference::launch_geometry(device_of(*stream), kThreeRounds).threads;
    const std::size_t shift = 2 * threads * reference::blocks_reserved(kThreeRounds, threads);
    test_overlap(trial, "R81", i, trial.dropped(i).size(),
                 [&](std::size_t e) { return std::optional(e + shift); });
  }
}

std::vector<Step> wide_vectors() { return pairs_of_calls(kHalfRound, {DType::f16, DType::bf16}); }

void judge_wide_vectors(RowTrial& trial) {
  if (!cuda_stream(trial)) return;
  for (std::size_t i = 0; i + 1 < trial.size(); i += 2) {
    if (!trial.answered(i) || !trial.answered(i + 1)) continue;
    // Eight elements a thread read two blocks where one is reserved.
    test_overlap(trial, "R82", i, trial.dropped(i).size(),
                 [](std::size_t e) { return e % 8 < 4 ? std::optional(e + 4) : std::nullopt; });
  }
}

// --- 83, 84

std::vector<Step> small_masks() {
  std::vector<Step> steps;
  for (const double p : {.1, .15, .5})
    for (const std::int64_t n : {4, 1024, 16384}) steps.push_back(cuda_step(p, {n}));
  return steps;
}

void judge_small_masks(RowTrial& trial) {
  if (!cuda_stream(trial)) return;
  // 16384 elements fit into one round of the smallest of these.
  for (const char* name :
       {"pytorch-cuda?sm=16&threads=1024&vec=4", "pytorch-cuda?sm=46&threads=1536&vec=8",
        "pytorch-cuda?sm=80&threads=2048&vec=4", "pytorch-cuda?sm=108&threads=2048&vec=4"}) {
    auto other = ClaimedStream::open(name);
    trial.require(bool{other}, [&] { return other.error().message; });
    if (!other) continue;
    for (std::size_t i = 0; i < trial.size(); ++i) require_drawn(trial, i, **other);
  }
}

std::vector<Step> misaligned_masks() {
  std::vector<Step> steps;
  for (const DType dtype : {DType::f32, DType::f16, DType::f64})
    for (const double p : {.15, .5}) {
      steps.push_back(cuda_step(p, {1024}, dtype));
      steps.push_back(cuda_step(p, {1024}, dtype));
      steps.back().problem.layout = Layout::shifted;
    }
  return steps;
}

void judge_misaligned_masks(RowTrial& trial) {
  const auto stream = cuda_stream(trial);
  if (!stream) return;
  for (std::size_t i = 0; i + 1 < trial.size(); i += 2) {
    require_drawn(trial, i, *stream);
    require_drawn(trial, i + 1, *stream);
    if (!trial.answered(i) || !trial.answered(i + 1)) continue;
    trial.require(trial.dropped(i) != trial.dropped(i + 1),
                  [&] { return fmt::format("{} has the mask of the aligned tensor", trial.place(i + 1)); });
  }
}

}  // namespace

std::vector<RowDefinition> cuda_rows() {
  std::vector<RowDefinition> rows;
  const Problem filed = problem_of(.3, {256, 512});
  const std::vector<Feature> claimed = {Feature::exact_stream};
  constexpr const char* kDerived = "derived from the sources";
  rows.push_back({.row = {77, "fused kernel on CUDA", "effective drop probability",
                          "that of 32-bit words against fl32(1 - p), for f64 against 1 - p, exactly",
                          "bitwise, statistical", kDerived, "all", ""},
                  .problem = filed,
                  .needs = claimed,
                  .steps = quantised_rates,
                  .judge = judge_quantised_rates,
                  .held = "the declared rate is that of the words, and drops are as frequent",
                  .hypotheses = kQuantisedRates,
                  .power = {RowPower::Law::rate, 1 << 17, 0.5, "drop probability", 0.02}});
  rows.push_back({.row = {78, "native_dropout on CUDA", "p = 0 in training",
                          "an element may be dropped, with probability 2^-25", "statistical", kDerived, "all",
                          kNeedsCuda}});
  rows.push_back(
      {.row = {79, "fused kernel on CUDA, f32", "aligned dense input, a multiple of four elements",
               "four elements a thread: the mask of the sources' recipe", "bitwise", kDerived, "all", ""},
       .problem = filed,
       .needs = claimed,
       .steps = aligned_masks,
       .judge = judge_aligned_masks,
       .held = "masks are those of the recipe"});
  rows.push_back(
      {.row = {80, "fused kernel on CUDA", "the generator's offset after a call",
               "old offset + 4 ceil(N / 4T), with T the number of threads; unchanged where nothing is "
               "drawn",
               "RNG state", kDerived, "all", ""},
       .axes = {Axis::p_one, Axis::eval},
       .problem = filed,
       .needs = {Feature::exact_stream, Feature::rng_words},
       .steps = offsets,
       .judge = judge_offsets,
       .held = "each call moves the offset by what it reserves, and the next one begins there"});
  rows.push_back({.row = {81, "fused kernel on CUDA", "two calls in f64, or with N mod 4 = 2, N > 2T",
                          "no random word is used twice; the sources predict that words are", "statistical",
                          kDerived, "all with this kernel; f64 in newer versions only", ""},
                  .problem = filed,
                  .needs = claimed,
                  .steps = narrow_vectors,
                  .judge = judge_narrow_vectors,
                  .held = "successive calls are independent",
                  .hypotheses = 2,
                  .power = {RowPower::Law::pairs, 1 << 18, 0.5, "correlation", 0.05}});
  rows.push_back(
      {.row = {82, "fused kernel on CUDA, half types", "two calls, N <= 4T",
               "no random word is used twice; the sources predict that words are where a thread takes "
               "eight elements",
               "statistical", kDerived, "newer versions", ""},
       .problem = filed,
       .needs = claimed,
       .steps = wide_vectors,
       .judge = judge_wide_vectors,
       .held = "successive calls are independent",
       .hypotheses = 2,
       .power = {RowPower::Law::pairs, kHalfRound / 2, 0.5, "correlation", 0.1}});
  rows.push_back({.row = {83, "fused kernel on CUDA, f32", "one seed and p, at most one round of the grid",
                          "the same mask on every device", "bitwise", kDerived, "all", ""},
                  .problem = filed,
                  .needs = claimed,
                  .steps = small_masks,
                  .judge = judge_small_masks,
                  .held = "small masks do not depend on the device"});
  rows.push_back(
      {.row = {84, "fused kernel on CUDA", "an input that begins one element after an aligned address",
               "fewer elements a thread, and so another mask", "bitwise", kDerived, "all", ""},
       .problem = filed,
       .needs = claimed,
       .steps = misaligned_masks,
       .judge = judge_misaligned_masks,
       .held = "the mask of a misaligned input is that of narrower vectors"});
  rows.push_back({.row = {85, "CUDA graphs", "two calls captured and replayed",
                          "the masks of the same calls made "
                          "one after the other",
                          "bitwise", kDerived, "all", kNeedsCuda}});
  return rows;
}

}  // namespace dropcheck::suites
