#pragma once
// Counters that the benchmarks report, and the choice of an instruction set.

#include <benchmark/benchmark.h>

#ifndef HWY_WANT_AVX3_DL
#define HWY_WANT_AVX3_DL
#endif
#include <hwy/highway.h>

#include <cstdint>
#include <string>

namespace dropcheck::bench {

/// Time for each of the `items` (bits, elements) that one iteration handles; printed in ps, in seconds in
/// JSON.
inline benchmark::Counter time_per(double items) {
  return benchmark::Counter(items,
                            benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

/// Makes the kernels use nothing better than one instruction set, or the machine's best with 0, while it
/// lives.
class InstructionSet {
 public:
  explicit InstructionSet(std::int64_t target) { choose(target); }
  ~InstructionSet() { choose(0); }
  InstructionSet(const InstructionSet&) = delete;
  InstructionSet& operator=(const InstructionSet&) = delete;

 private:
  static void choose(std::int64_t target) {
    hwy::SetSupportedTargetsForTest(0);
    // A better instruction set is a lower bit. Code that was not compiled for this one takes the next.
    hwy::SetSupportedTargetsForTest(target == 0 ? 0 : hwy::SupportedTargets() & ~(target - 1));
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
};

/// Registers `run(state)` once for each instruction set of this machine as "name/SET".
template <typename Run>
void on_each_instruction_set(const std::string& name, Run run) {
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    std::string full = name;
    full.append("/").append(hwy::TargetName(target));
    benchmark::RegisterBenchmark(full.c_str(), [run, target](benchmark::State& state) {
      const InstructionSet chosen(target);
      run(state);
    });
  }
}

}  // namespace dropcheck::bench
