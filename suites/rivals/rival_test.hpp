#pragma once
// One test of another project as data: what it asks, what it looks at, and where it stands.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "suites/dialects/row.hpp"
#include "suites/rivals/rivals.hpp"

namespace dropcheck::suites {

/// What is kept of a call beside its reply.
struct CallCount {
  std::uint64_t elements = 0;
  std::optional<std::uint64_t> dropped;  // read off the output; absent where it does not tell
  std::vector<double> look;              // what RivalTest::look made of it
};

/// A rival's place to look at what its calls brought.
class RivalTrial : public RowTrial {
 public:
  RivalTrial(const std::vector<Step>& steps, const std::vector<Reply>& replies, const JudgeContext& context,
             const std::vector<CallCount>& counts, const std::vector<std::vector<std::uint32_t>>& dropped_at)
      : RowTrial(steps, replies, context), counts_(counts), dropped_at_(dropped_at) {}

  const CallCount& count(std::size_t i) const { return counts_.at(i); }
  /// How often each element was dropped in the calls of a case; see RivalTest::calls_of_case.
  const std::vector<std::uint32_t>& dropped_at(std::size_t case_number) const {
    return dropped_at_.at(case_number);
  }
  std::size_t cases() const { return dropped_at_.size(); }
  /// Whether call i was answered and shows its mask. Anything else is left out or a failure, as in
  /// RowTrial::answered.
  bool shows(std::size_t i);
  /// Part of the elements of call i, which shows its mask, that are dropped.
  double rate(std::size_t i) const;

 private:
  const std::vector<CallCount>& counts_;
  const std::vector<std::vector<std::uint32_t>>& dropped_at_;
};

struct RivalTest {
  std::string name;  // unique in its suite
  std::string title;
  ForeignTest foreign;
  std::string cannot_see;
  std::vector<Step> (*steps)() = nullptr;
  std::function<void(RivalTrial&)> judge;
  std::string reads = {};  // name of the test of the suite whose calls this one looks at; empty: its own
  /// Replies are kept with all their elements. False for the large tests: only counts and looks are.
  bool keeps_elements = true;
  std::vector<double> (*look)(const StepRecord&) = nullptr;  // of an answered call, while its tensors last
  unsigned calls_of_case = 0;  // so many calls in turn make a case of one shape, counted place by place
  std::vector<Feature> needs = {};
};

struct RivalSuite {
  RivalInfo info;
  std::vector<RivalTest> tests;
};

// One function for each project, a file for a few of them.
RivalSuite pytorch_nn_rival();
RivalSuite pytorch_native_rival();
RivalSuite xformers_rival();
RivalSuite flash_attention_rival();
RivalSuite transformer_engine_rival();
RivalSuite jax_rival();
RivalSuite flax_rival();
RivalSuite keras_rival();
RivalSuite tensorflow_rival();
RivalSuite onnxruntime_rival();
RivalSuite onednn_rival();
RivalSuite triton_rival();
RivalSuite tinygrad_rival();
RivalSuite mlx_rival();
RivalSuite burn_rival();
RivalSuite mlpack_rival();
RivalSuite caffe_rival();
RivalSuite flaggems_rival();

}  // namespace dropcheck::suites
