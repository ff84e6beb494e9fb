#include "impl/mutants/mutants.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "impl/mutants/mask.hpp"
#include "impl/mutants/philox.hpp"
#include "impl/mutants/testing/outputs.hpp"
#include "reference/definition.hpp"
#include "reference/stream.hpp"

namespace dropcheck::mutants {
namespace {

using reference::OneCall;
using reference::OneResult;
using reference::run_one;
using reference::some_reals;
using testing::AllOf;
using testing::ElementsAre;
using testing::Gt;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Lt;

std::unique_ptr<Backend> open(const std::string& id) { return *open_mutant(id, {}); }

double drop_rate(const std::vector<double>& y) {
  return static_cast<double>(std::count(y.begin(), y.end(), 0.0)) / static_cast<double>(y.size());
}

double largest(const std::vector<double>& y) { return *std::max_element(y.begin(), y.end()); }

/// 4096 entries: five standard deviations of a rate are below 0.04. Masks are fixed, so no test can fail by
/// chance later.
auto near_rate(double p) { return AllOf(Gt(p - 0.04), Lt(p + 0.04)); }

TEST(MutantTable, DistinctOnesThatOpen) {
  std::size_t of_families = 0;
  for (const Family& family : mutant_families()) of_families += family.mutants.size();
  EXPECT_EQ(mutant_table().size(), of_families);
  EXPECT_GE(mutant_table().size(), 150u);
  std::set<std::string_view> ids(kBases.begin(), kBases.end());
  std::set<std::pair<Fault, double>> faults = {{Fault::none, 0}};  // one fault comes in several strengths
  for (const MutantInfo& mutant : mutant_table()) {
    EXPECT_TRUE(ids.insert(mutant.id).second) << mutant.id;
    EXPECT_TRUE(faults.emplace(mutant.fault, mutant.strength).second) << mutant.id;
    EXPECT_FALSE(mutant.mechanism.empty());
    EXPECT_THAT(std::string(mutant.killed_by), HasSubstr("."));
    EXPECT_THAT(kBases, testing::Contains(mutant.base));
    const auto opened = open_mutant(std::string(mutant.id), {});
    ASSERT_TRUE(opened.has_value());
    EXPECT_EQ((*opened)->capabilities().name, "mutant:" + std::string(mutant.id));
    EXPECT_EQ((*opened)->capabilities().exact_stream,
              open(std::string(mutant.base))->capabilities().exact_stream)
        << "a mutant keeps the claims of its base";
  }
}

TEST(MutantTable, AllRefuseChannelsOfOneDimension) {
  OneCall one = ones(0.5, {5});
  one.problem.op = Op::dropout2d;
  for (const MutantInfo& mutant : mutant_table())
    EXPECT_FALSE(run_one(*open(std::string(mutant.id)), one).observation.has_value()) << mutant.id;
}

TEST(OpenMutant, UnknownIdListsTheKnown) {
  const auto opened = open_mutant("nonesuch", {});
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::invalid_argument);
  for (const MutantInfo& mutant : mutant_table())
    EXPECT_THAT(opened.error().message, HasSubstr(std::string(mutant.id)));
}

TEST(PlainBase, IsBitCorrectInEveryCell) {
  for (const Op op : kAllOps) {
    for (const DType dtype : kFloatDTypes) {
      for (const Layout layout : kAllLayouts) {
        for (const std::vector<std::int64_t>& shape :
             {std::vector<std::int64_t>{}, {37}, {7, 9}, {5, 6, 7}, {3, 5, 4, 7}, {2, 3, 4, 3, 5}}) {
          for (const bool in_place : {false, true}) {
            Problem problem{.op = op,
                            .p = 0.3,
                            .dtype = dtype,
                            .shape = shape,
                            .layout = layout,
                            .mode = Mode::train,
                            .in_place = in_place,
                            .seed = 3,
                            .offset = 0,
                            .calls = {},
                            .threads = 0};
            if (!validate(problem)) continue;
            const std::int64_t count = element_count(shape);
            OneCall one{problem, some_reals(count), some_reals(count), false};
            if (layout == Layout::expanded) one.x.assign(one.x.size(), -1.5);
            const auto backend = open("none");
            const OneResult result = run_one(*backend, one);
            EXPECT_THAT(result.faults, IsEmpty());
            const Mask mask =
                draw_mask({op, 0.3, dtype, shape, 0, Action::drop, 3, 0}, Fault::none, kForwardUse);
            ASSERT_EQ(static_cast<std::int64_t>(mask.kept.size()), mask_count(problem));
            const reference::Definition definition(op, 0.3, dtype);
            const auto y = result.values(result.y, dtype), dx = result.values(result.dx, dtype);
            for (std::size_t i = 0; i < y.size(); ++i) {
              const bool keep = mask.kept[i / static_cast<std::size_t>(mask.elements_per_entry)] != 0;
              const double x = round_to(one.x[i], dtype), dy = round_to(one.dy[i], dtype);
              EXPECT_EQ(y[i], keep ? definition.kept(x) : definition.dropped(x));
              EXPECT_EQ(std::signbit(y[i]), std::signbit(keep ? definition.kept(x) : definition.dropped(x)));
              EXPECT_EQ(dx[i], keep ? definition.kept_gradient(dy) : definition.dropped_gradient(dy));
            }
          }
        }
      }
    }
  }
}

TEST(PlainBase, RatesSeedsAndCallsAreRight) {
  for (const double p : {0.1, 0.3, 0.5, 0.9}) EXPECT_THAT(drop_rate(output("none", ones(p))), near_rate(p));
  const auto backend = open("none");
  OneCall one = ones(0.5);
  const auto first = output(*backend, one);
  EXPECT_EQ(output(*backend, one), first) << "same seed";
  one.problem.seed.reset();
  const auto second = output(*backend, one);
  EXPECT_NE(second, first) << "next call";
  one.problem.seed = 43;
  EXPECT_NE(output(*backend, one), first) << "other seed";
  one.problem.seed = 42 | std::uint64_t{1} << 63;
  EXPECT_NE(output(*backend, one), first) << "all 64 bits count";
  one = ones(0.5);
  for (const std::uint32_t threads : {1u, 2u, 3u, 8u}) {
    one.problem.threads = threads;
    EXPECT_EQ(output("none", one), first);
  }
}

TEST(PlainBase, EdgesOfP) {
  const std::vector<double> x = {1.0, -1.0, std::numeric_limits<double>::infinity(), std::nan("")};
  OneCall one = ones(0.0, {4});
  one.x = x;
  const auto same = output("none", one);
  EXPECT_TRUE(std::equal(x.begin(), x.end() - 1, same.begin()));
  one.problem.p = 1.0;
  one.problem.op = Op::alpha_dropout;
  const auto zero = output("none", one);
  EXPECT_FALSE(std::signbit(zero[0]));
  EXPECT_TRUE(std::signbit(zero[1]));
  EXPECT_TRUE(std::isnan(zero[2]) && std::isnan(zero[3]));
  one.problem.p = 1.5;
  one.problem.mode = Mode::eval;
  EXPECT_EQ(run_one(*open("none"), one).observation.error().message,
            "dropout probability has to be between 0 and 1, but got 1.5");
}

TEST(PlainBase, SaysWhatItCannot) {
  OneCall one = ones(0.5);
  one.problem.offset = 1;
  EXPECT_EQ(run_one(*open("none"), one).observation.error().code, ErrorCode::unsupported);
}

TEST(PhiloxBase, IsTheDocumentedStream) {
  for (const Op op : {Op::dropout, Op::dropout2d}) {
    const auto backend = open("philox");
    OneCall one = ones(0.3, {5, 7, 3});
    one.problem.op = op;
    one.problem.seed = 0x0123456789abcdef;
    std::vector<std::uint8_t> kept(op == Op::dropout ? 105 : 35);
    for (std::uint64_t call = 0; call < 3; ++call) {
      reference::draw_mask(0x0123456789abcdef, call, 0.3, kept);
      const auto y = output(*backend, one);
      for (std::size_t i = 0; i < y.size(); ++i)
        EXPECT_EQ(y[i] != 0, kept[i * kept.size() / y.size()] != 0) << i;
      one.problem.seed.reset();
    }
  }
  // An offset counts calls.
  OneCall third = ones(0.3);
  third.problem.offset = 2;
  std::vector<std::uint8_t> kept(4096);
  reference::draw_mask(42, 2, 0.3, kept);
  const auto y = output("philox", third);
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i] != 0, kept[i] != 0) << i;
  const auto seen = run_one(*open("philox"), ones(1e-12, {4})).observation;
  ASSERT_TRUE(seen.has_value());
  EXPECT_EQ(seen->effective_p, 0x1p-32);
}

TEST(Mutant, SevenRounds) {
  EXPECT_NE(output("seven_rounds", ones(0.5)), output("philox", ones(0.5)));
  EXPECT_THAT(drop_rate(output("seven_rounds", ones(0.3))), near_rate(0.3));
  // Rounds of the paper's algorithm, counter and key 0: after one only the keys are left.
  const auto one_round = philox4x32(0, 0, 0x0000000200000001, 1);
  EXPECT_THAT(one_round, ElementsAre(1u, 0u, 2u, 0u));
}

TEST(Mutant, Swapped) { EXPECT_THAT(drop_rate(output("swapped", ones(0.1))), near_rate(0.9)); }

TEST(Mutant, Threshold8) {
  // floor(256 p) / 256 = 0.0977 for p = 0.1: found exactly by a p below 1/256, which then never drops.
  EXPECT_EQ(drop_rate(output("threshold8", ones(0.0039, {1 << 16}))), 0.0);
  EXPECT_GT(drop_rate(output("none", ones(0.0039, {1 << 16}))), 0.0);
  const double rate = drop_rate(output("threshold8", ones(0.1, {1 << 21})));
  EXPECT_NEAR(rate, 25.0 / 256.0, 1e-3);
}

TEST(Mutant, ScaleMissing) { EXPECT_EQ(largest(output("scale_missing", ones(0.2))), 1.0); }

TEST(Mutant, ScaleInverseP) { EXPECT_EQ(largest(output("scale_inverse_p", ones(0.25))), 4.0); }

TEST(Mutant, ScaleInEval) {
  OneCall one = ones(0.5);
  one.problem.mode = Mode::eval;
  EXPECT_EQ(output("scale_in_eval", one), std::vector<double>(4096, 2.0));
  EXPECT_EQ(output("none", one), std::vector<double>(4096, 1.0));
}

TEST(Mutant, AppliedTwice) {
  const auto y = output("applied_twice", ones(0.5));
  EXPECT_THAT(drop_rate(y), near_rate(0.75));
  EXPECT_EQ(largest(y), 4.0);
}

TEST(Mutant, BackwardFaults) {
  OneCall one = ones(0.25);
  one.dy = one.x;
  const auto gradients = [&](const std::string& id) { return run_one(*open(id), one); };
  const OneResult clean = gradients("none");
  EXPECT_EQ(clean.y, clean.dx);

  const OneResult own_mask = gradients("backward_own_mask");
  EXPECT_NE(own_mask.dx, own_mask.y);
  EXPECT_THAT(drop_rate(own_mask.values(own_mask.dx, DType::f32)), near_rate(0.25));
  EXPECT_EQ(own_mask.y, clean.y);

  const OneResult scaled = gradients("backward_scaled_by_p");
  EXPECT_EQ(largest(scaled.values(scaled.dx, DType::f32)), 0.25);

  const OneResult unwritten = gradients("dx_unwritten");
  ASSERT_EQ(unwritten.faults.size(), 1u);
  EXPECT_THAT(unwritten.faults[0], HasSubstr("never written"));
  one.problem.shape = {64, 64};
  one.problem.layout = Layout::transposed;
  EXPECT_EQ(gradients("dx_unwritten").faults.size(), 1u);
}

TEST(Mutant, SameMaskEveryCall) {
  const auto backend = open("same_mask_every_call");
  OneCall one = ones(0.5);
  const auto first = output(*backend, one);
  one.problem.seed.reset();
  EXPECT_EQ(output(*backend, one), first);
  one.problem.seed = 43;
  EXPECT_NE(output(*backend, one), first);
}

TEST(Mutant, SeedIgnored) {
  const auto backend = open("seed_ignored");
  const auto first = output(*backend, ones(0.5));
  EXPECT_NE(output(*backend, ones(0.5)), first);
  EXPECT_EQ(output("seed_ignored", ones(0.5)), first) << "every instance starts alike";
}

TEST(Mutant, RowKey) {
  const auto y = output("row_key", ones(0.5, {16, 64}));
  for (std::size_t i = 64; i < y.size(); ++i) EXPECT_EQ(y[i], y[i - 64]);
  EXPECT_THAT(drop_rate(y), AllOf(Gt(0.2), Lt(0.8)));
}

TEST(Mutant, ThreadDependent) {
  OneCall one = ones(0.5);
  const auto single = output("thread_dependent", one);
  one.problem.threads = 2;
  const auto two = output("thread_dependent", one);
  EXPECT_NE(two, single);
  EXPECT_THAT(drop_rate(two), near_rate(0.5));
  EXPECT_EQ(output("thread_dependent", one), two) << "reproducible with the same number";
}

TEST(Mutant, LanesOfFour) {
  const auto y = output("lanes_of_four", ones(0.5));
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], y[i / 4 * 4]);
  EXPECT_THAT(drop_rate(y), near_rate(0.5));
}

TEST(Mutant, TailKept) {
  const auto y = output("tail_kept", ones(0.99, {4095}));
  EXPECT_THAT(std::vector(y.end() - 3, y.end()), ElementsAre(Gt(0.0), Gt(0.0), Gt(0.0)));
  EXPECT_THAT(drop_rate(y), near_rate(0.99));
}

TEST(Mutant, Dropout2dElementwise) {
  OneCall one = ones(0.5, {8, 8, 8, 8});
  one.problem.op = Op::dropout2d;
  const auto mixed_channels = [](const std::vector<double>& y) {
    int mixed = 0;
    for (std::size_t channel = 0; channel < 64; ++channel)
      mixed += std::any_of(y.begin() + static_cast<std::ptrdiff_t>(channel * 64),
                           y.begin() + static_cast<std::ptrdiff_t>(channel * 64 + 64),
                           [&](double value) { return value != y[channel * 64]; });
    return mixed;
  };
  EXPECT_EQ(mixed_channels(output("dropout2d_elementwise", one)), 64);
  EXPECT_EQ(mixed_channels(output("none", one)), 0);
}

TEST(Mutant, BatchSharesChannels) {
  OneCall one = ones(0.5, {2, 64, 1, 1});
  one.problem.op = Op::dropout2d;
  const auto samples_agree = [](const std::vector<double>& y) {
    return std::equal(y.begin(), y.begin() + 64, y.begin() + 64);
  };
  EXPECT_TRUE(samples_agree(output("batch_shares_channels", one)));
  EXPECT_FALSE(samples_agree(output("none", one)));
}

TEST(Mutant, OtherwiseClean) {
  // A fault shows only where it is said to: forward values of the others are those of a correct dropout.
  for (const char* id :
       {"backward_own_mask", "backward_scaled_by_p", "dx_unwritten", "same_mask_every_call", "scale_in_eval",
        "thread_dependent", "row_key", "dropout2d_elementwise", "batch_shares_channels", "tail_kept"})
    EXPECT_EQ(output(id, ones(0.3)), output("none", ones(0.3))) << id;
}

}  // namespace
}  // namespace dropcheck::mutants
