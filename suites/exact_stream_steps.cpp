#include "suites/exact_stream_steps.hpp"

#include <algorithm>
#include <string_view>

#include "harness/core/invariant.hpp"
#include "harness/core/tensor.hpp"
#include "reference/claimed_stream.hpp"

namespace dropcheck::suites {
namespace {

Step continuing(const Problem& problem) {
  Step step;
  step.problem = problem;
  step.problem.seed.reset();
  step.problem.calls.reset();
  step.problem.offset = 0;
  step.skip_unclaimed = true;
  return step;
}

Step reseeding(const Problem& problem, unsigned slot) {
  Step step = continuing(problem);
  step.problem.offset = problem.offset;
  step.seed_slot = slot;
  return step;
}

Problem with_p(Problem problem, double p) {
  problem.p = p;
  return problem;
}

Problem in_eval(Problem problem) {
  problem.mode = Mode::eval;
  return problem;
}

/// About half as large; an odd extent becomes an even one and the other way round where that is possible.
Problem shorter(Problem problem) {
  for (std::int64_t& extent : problem.shape) {
    if (extent < 2) continue;
    extent = extent / 2 + (extent / 2 % 2 == extent % 2 && extent > 2 ? 1 : 0);
    break;
  }
  return problem;
}

Problem plain(std::vector<std::int64_t> shape, double p) {
  Problem problem;
  problem.shape = std::move(shape);
  problem.p = p;
  return problem;
}

Step native(Step step) {
  step.attributes["form"] = std::string("native_dropout");
  return step;
}

/// Words of one stream that thresholds are put on.
struct Probe {
  std::string_view stream;
  DType dtype = DType::f32;
  bool in_place = false;
};

constexpr std::string_view kNewerCuda = "pytorch-cuda?sm=132&threads=2048&vec=8";
constexpr std::string_view kOlderCuda = "pytorch-cuda?sm=132&threads=2048&vec=4";

// With at most 256 elements the device does not matter; with these dtypes only the rule of vector widths
// does.
constexpr Probe kProbes[] = {{"dropcheck-philox"},           {"pytorch-cpu"},
                             {"pytorch-cpu?variant=mcg31"},  {kNewerCuda},
                             {kNewerCuda, DType::f64},       {kNewerCuda, DType::f16},
                             {kNewerCuda, DType::f32, true}, {kOlderCuda, DType::f64},
                             {kOlderCuda, DType::f16}};
constexpr std::int64_t kProbedElements = 64;
constexpr std::uint64_t kProbedWords = 6;

std::vector<Step> threshold_steps_of(const Probe& probe, std::uint64_t seed) {
  auto stream = reference::ClaimedStream::open(probe.stream);
  DROPCHECK_CHECK(stream.has_value());
  Problem problem = plain({kProbedElements}, 0.5);
  problem.dtype = probe.dtype;
  problem.in_place = probe.in_place;
  reference::StreamCall call;
  call.p = problem.p;
  call.dtype = problem.dtype;
  call.shape = problem.shape;
  call.strides = {1};
  call.in_place = problem.in_place;
  DROPCHECK_CHECK((*stream)->reseed(seed, 0).has_value());
  DROPCHECK_CHECK((*stream)->draw(call).has_value());
  std::vector<Step> steps;
  std::uint64_t found = 0;
  for (std::uint64_t i = 0; i < kProbedElements && found < kProbedWords; i += 7) {
    const auto edge = (*stream)->edge(i);
    if (!edge) continue;
    ++found;
    for (const double p : {edge->at, edge->beyond}) {
      steps.push_back(continuing(with_p(problem, p)));
      steps.back().own_seed = seed;
    }
  }
  DROPCHECK_CHECK(found == kProbedWords);
  return steps;
}

}  // namespace

Problem exact_own_problem() { return plain({64}, 0.3); }

std::vector<Step> exact_stream_steps(const SampleInfo& sample, std::uint64_t) {
  const Problem& x = sample.problem;
  const double other_p = x.p < 0.5 ? 0.5 + x.p / 2 : x.p / 2;
  std::vector<Step> steps = {
      reseeding(x, 0),
      continuing(in_eval(x)),
      continuing(shorter(x)),
      continuing(with_p(x, 1.0)),
      continuing(with_p(x, other_p)),
      continuing(with_p(x, 0.0)),
      continuing(in_eval(shorter(x))),
      continuing(x),
      reseeding(shorter(x), 1),
      continuing(with_p(x, other_p)),
      reseeding(x, 0),
      continuing(x),
  };
  if (x.layout != Layout::expanded) {
    Problem within = x;
    within.in_place = !x.in_place;
    steps.push_back(reseeding(within, 1));
    steps.push_back(continuing(within));
  }
  return steps;
}

std::vector<Step> exact_threshold_steps(const SampleInfo&, std::uint64_t) {
  static const std::vector<Step> all = [] {
    std::vector<Step> steps;
    std::uint64_t seed = 11;  // small ones: every backend's seeds hold them
    for (const Probe& probe : kProbes) {
      const auto more = threshold_steps_of(probe, seed++);
      steps.insert(steps.end(), more.begin(), more.end());
    }
    return steps;
  }();
  return all;
}

std::vector<Step> exact_offset_steps(const SampleInfo&, std::uint64_t) {
  std::vector<Step> steps;
  for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{4}, std::uint64_t{8},
                                     std::uint64_t{4096}, (std::uint64_t{1} << 32) + 4}) {
    for (const DType dtype : {DType::f32, DType::f16}) {
      Problem problem = plain({264}, 0.3);
      problem.dtype = dtype;
      problem.offset = offset;
      steps.push_back(reseeding(problem, 0));
      steps.push_back(continuing(problem));
      steps.push_back(continuing(plain({131}, 0.9)));
    }
  }
  return steps;
}

std::vector<Step> exact_word_steps(const SampleInfo&, std::uint64_t) {
  std::vector<Step> steps;
  const auto group = [&](const Problem& x) {
    steps.push_back(reseeding(x, 0));
    steps.push_back(continuing(in_eval(x)));
    steps.push_back(continuing(with_p(x, 0.0)));
    steps.push_back(continuing(with_p(x, 1.0)));
    steps.push_back(continuing(shorter(x)));
  };
  for (const DType dtype : kFloatDTypes) {
    for (const std::int64_t n : {1, 7, 72, 131}) {
      Problem x = plain({n}, 0.3);
      x.dtype = dtype;
      group(x);
    }
  }
  Problem within = plain({72}, 0.3);
  within.in_place = true;
  group(within);
  Problem empty = plain({0}, 0.3);
  steps.push_back(reseeding(empty, 0));
  steps.push_back(continuing(with_p(empty, 1.0)));
  for (const Op op : kAllOps) {
    if (op == Op::dropout) continue;
    const RankRange ranks = ranks_of(op);
    Problem x = plain({4, 6, 3, 2, 2}, 0.3);
    x.op = op;
    x.shape.resize(std::min<std::size_t>(ranks.largest, x.shape.size()));
    group(x);
  }
  const std::size_t plain_steps = steps.size();
  group(plain({72}, 0.3));
  group(plain({7}, 0.9));
  for (std::size_t i = plain_steps; i < steps.size(); ++i) steps[i] = native(std::move(steps[i]));
  for (Step& step : steps) step.count_words = true;
  return steps;
}

std::vector<Step> exact_native_dropout_steps(const SampleInfo&, std::uint64_t) {
  std::vector<Step> steps;
  for (const DType dtype : kFloatDTypes) {
    for (const Layout layout : kAllLayouts) {
      const bool five = layout == Layout::channels_last_3d;
      Problem x =
          plain(five ? std::vector<std::int64_t>{2, 3, 2, 2, 4} : std::vector<std::int64_t>{2, 3, 4, 4}, 0.3);
      x.dtype = dtype;
      x.layout = layout;
      Problem odd = x;
      odd.shape = five ? std::vector<std::int64_t>{1, 3, 3, 1, 5} : std::vector<std::int64_t>{3, 3, 3, 5};
      for (const Step& step : {reseeding(x, 0), continuing(with_p(x, 0.0)), continuing(in_eval(x)),
                               continuing(with_p(x, 1.0)), continuing(with_p(odd, 0.9)), continuing(x)})
        steps.push_back(native(step));
    }
  }
  return steps;
}

}  // namespace dropcheck::suites
