// Loops over the elements of an output, 2^24 of them (far more than the caches hold) or 2^20 (one call of a
// sample): packing to bits and the rest of what the harness does to an element, beside plain reading of the
// same memory in the same run. Counter per_element_ps; ratio_to_reading is the time over that of reading.

#include <chrono>
#include <cstring>
#include <type_traits>
#include <vector>

#include "bench/counters.hpp"
#include "bench/read_all.hpp"
#include "harness/core/guarded_tensor.hpp"
#include "harness/core/mask_bits.hpp"
#include "harness/core/pack.hpp"
#include "harness/stats/kernels/selected_sums.hpp"

namespace dropcheck::bench {
namespace {

struct Output {
  GuardedTensor tensor;
  std::vector<std::int8_t> integers;
};

Problem problem_of(std::vector<std::int64_t> shape, DType dtype, Layout layout = Layout::contiguous) {
  Problem x;
  x.shape = std::move(shape);
  x.dtype = dtype;
  x.layout = layout;
  return x;
}

/// About 3 of 10 elements 0, the others random integers times 1/0.7; of a half type, any bits that are not 0.
template <typename Number>
Output output_of(const Problem& problem) {
  auto memory = heap_memory(GuardedTensor::bytes_needed(problem, true));
  Output output{GuardedTensor(std::move(*memory), problem, true), {}};
  const auto n = static_cast<std::size_t>(
      problem.layout == Layout::contiguous ? output.tensor.view().count() : geometry_of(problem, true).span);
  output.integers.resize(n);
  std::uint64_t state = 1;
  for (std::size_t i = 0; i < n; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    output.integers[i] = static_cast<std::int8_t>((state >> 32) % 127 + 1);
    Number value = static_cast<Number>(output.integers[i]);
    if constexpr (std::is_floating_point_v<Number>) value *= 1 / static_cast<Number>(0.7);
    if ((state >> 40) % 10 < 3) value = 0;
    std::memcpy(output.tensor.view().data + i * sizeof(Number), &value, sizeof(Number));
  }
  return output;
}

/// Measures `work` and, in turn with it, plain reading of the same memory.
template <typename Work>
void beside_reading(benchmark::State& state, const TensorView& view, const Work& work) {
  using Clock = std::chrono::steady_clock;
  const auto bytes = static_cast<std::size_t>(view.count()) * view.element_size();
  std::chrono::duration<double> reading{0}, working{0};
  for (auto _ : state) {
    const auto begin = Clock::now();
    benchmark::DoNotOptimize(read_all(view.data, bytes));
    const auto middle = Clock::now();
    work();
    benchmark::ClobberMemory();
    const auto end = Clock::now();
    reading += middle - begin;
    working += end - middle;
    state.SetIterationTime(std::chrono::duration<double>(end - middle).count());
  }
  const double elements = static_cast<double>(view.count()) * static_cast<double>(state.iterations());
  state.counters["per_element_ps"] = working.count() / elements * 1e12;
  state.counters["reading_ps"] = reading.count() / elements * 1e12;
  state.counters["ratio_to_reading"] = working / reading;
}

template <typename Number>
void pack(benchmark::State& state, std::int64_t n, DType dtype) {
  const Output output = output_of<Number>(problem_of({n}, dtype));
  const TensorView& view = output.tensor.view();
  std::vector<std::uint64_t> words(static_cast<std::size_t>(n) / 64);
  beside_reading(state, view, [&] {
    pack_drops(view.data, static_cast<std::uint64_t>(n), sizeof(Number), DropMark::zero, words);
  });
}

void pack_layout(benchmark::State& state, Layout layout) {
  const Output output = output_of<float>(problem_of({16, 64, 32, 32}, DType::f32, layout));
  const TensorView& view = output.tensor.view();
  beside_reading(state, view, [&] { benchmark::DoNotOptimize(drop_bits_of_output(Op::dropout, view)); });
}

/// All that a call of a streaming f32 sample costs besides the backend and the statistics of bits.
void whole_call(benchmark::State& state) {
  Output output = output_of<float>(problem_of({1 << 20}, DType::f32));
  const TensorView view = output.tensor.view();
  std::vector<std::byte> copy(4u << 20);
  std::memcpy(copy.data(), view.data, copy.size());
  const ScaledInteger scale{false, static_cast<double>(1.0f / 0.7f)};
  using Clock = std::chrono::steady_clock;
  std::chrono::duration<double> poisoning{0}, faults{0}, packing{0}, values{0}, sums{0};
  bool good = true;
  for (auto _ : state) {
    const auto t0 = Clock::now();
    output.tensor.poison();
    const auto t1 = Clock::now();
    std::memcpy(view.data, copy.data(), copy.size());  // the backend's work
    const auto t2 = Clock::now();
    const OutputBits read = read_output(Op::dropout, view);
    const MaskBits& bits = read.drops;
    const auto t3 = Clock::now();
    good &= !output.tensor.fault("y", read.any_all_ones);
    const auto t4 = Clock::now();
    good &= all_zero_or_scaled(view.data, output.integers, DType::f32, scale);
    const auto t5 = Clock::now();
    benchmark::DoNotOptimize(stats::kernels::selected_sum(bits.words(), output.integers));
    benchmark::DoNotOptimize(stats::kernels::selected_squares(bits.words(), output.integers));
    const auto t6 = Clock::now();
    poisoning += t1 - t0;
    packing += t3 - t2;
    faults += t4 - t3;
    values += t5 - t4;
    sums += t6 - t5;
    state.SetIterationTime(std::chrono::duration<double>((t1 - t0) + (t6 - t2)).count());
  }
  if (!good) state.SkipWithError("the output is not what it should be");
  const double scale_ps =
      1e12 / (static_cast<double>(view.count()) * static_cast<double>(state.iterations()));
  state.counters["poison_ps"] = poisoning.count() * scale_ps;
  state.counters["fault_ps"] = faults.count() * scale_ps;
  state.counters["pack_ps"] = packing.count() * scale_ps;
  state.counters["kept_value_ps"] = values.count() * scale_ps;
  state.counters["weighted_sums_ps"] = sums.count() * scale_ps;
  state.counters["per_element_ps"] = (poisoning + faults + packing + values + sums).count() * scale_ps;
}

const bool registered = [] {
  const auto add = [](const char* name, auto run) {
    benchmark::RegisterBenchmark(name, run)->UseManualTime();
  };
  for (const std::int64_t log2 : {20, 24}) {
    const std::int64_t n = std::int64_t{1} << log2;
    const std::string suffix = log2 == 20 ? "/2^20" : "/2^24";
    add(("pack_f32" + suffix).c_str(), [n](benchmark::State& s) { pack<float>(s, n, DType::f32); });
    add(("pack_f64" + suffix).c_str(), [n](benchmark::State& s) { pack<double>(s, n, DType::f64); });
    add(("pack_f16" + suffix).c_str(), [n](benchmark::State& s) { pack<std::uint16_t>(s, n, DType::f16); });
  }
  add("pack_f32_layout/contiguous", [](benchmark::State& s) { pack_layout(s, Layout::contiguous); });
  add("pack_f32_layout/channels_last", [](benchmark::State& s) { pack_layout(s, Layout::channels_last); });
  add("pack_f32_layout/transposed", [](benchmark::State& s) { pack_layout(s, Layout::transposed); });
  add("pack_f32_layout/strided", [](benchmark::State& s) { pack_layout(s, Layout::strided); });
  add("whole_call_f32/2^20", whole_call);
  return true;
}();

}  // namespace
}  // namespace dropcheck::bench
