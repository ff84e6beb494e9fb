#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "impl/mutants/mutants.hpp"
#include "reference/one_call.hpp"
#include "reference/pytorch_cpu_stream.hpp"
#include "reference/scale_forms.hpp"

namespace dropcheck::mutants {
namespace {

using reference::dense_bytes;
using reference::fill;
using reference::make_tensor;
using reference::OneCall;
using reference::OneResult;
using reference::PyTorchCpuStream;
using reference::run_one;
using reference::some_reals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

std::unique_ptr<Backend> open(const std::string& id = "torchlike") { return *open_mutant(id, {}); }

Problem problem_of(double p, std::vector<std::int64_t> shape, Op op = Op::dropout, DType dtype = DType::f32) {
  Problem problem;
  problem.op = op;
  problem.p = p;
  problem.dtype = dtype;
  problem.shape = std::move(shape);
  problem.seed = 42;
  return problem;
}

/// What a call brought. The input is 1, 2, 3, ... where none is given.
struct Reply {
  Expected<Observation> seen = Error{};
  std::vector<double> y;
  std::vector<bool> dropped() const {
    std::vector<bool> drops;
    for (const double value : y) drops.push_back(value == 0);
    return drops;
  }
};

Reply ask(Backend& backend, const Problem& problem, std::vector<double> values = {}) {
  GuardedTensor x = make_tensor(backend, problem, problem.in_place);
  GuardedTensor y = make_tensor(backend, problem, true);
  const DType dtype = problem.dtype;
  if (values.empty())
    for (std::int64_t i = 0; i < element_count(problem.shape); ++i)
      values.push_back(static_cast<double>(i + 1));
  if (is_float(dtype)) {
    fill(x, values);
  } else {
    std::vector<std::byte> bytes(values.size() * size_of(dtype));
    for (std::size_t i = 0; i < values.size(); ++i)
      store_integer(static_cast<std::int8_t>(values[i]), bytes.data() + i * size_of(dtype), dtype);
    scatter(bytes.data(), x.view());
  }
  Call call;
  call.op = problem.op;
  call.p = problem.p;
  call.mode = problem.mode;
  call.in_place = problem.in_place;
  call.seed = problem.seed;
  call.offset = problem.offset;
  call.count_words = true;
  call.x = {&x.memory(), x.view()};
  if (!problem.in_place) call.y = {&y.memory(), y.view()};
  Reply reply{backend.forward(call), {}};
  if (!reply.seen) return reply;
  const auto bytes = dense_bytes(problem.in_place ? x : y);
  for (std::size_t at = 0; at < bytes.size(); at += size_of(dtype))
    reply.y.push_back(load_element(bytes.data() + at, dtype));
  return reply;
}
Reply ask(const std::string& id, const Problem& problem, std::vector<double> values = {}) {
  return ask(*open(id), problem, std::move(values));
}

std::string refusal(const std::string& id, const Problem& problem) {
  const Reply reply = ask(id, problem);
  return reply.seen ? "" : reply.seen.error().message;
}

std::vector<bool> drawn(PyTorchCpuStream& stream, double p, std::uint64_t entries) {
  MaskBits drops(entries);
  stream.draw(p, drops);
  std::vector<bool> out;
  for (std::uint64_t i = 0; i < entries; ++i) out.push_back(drops[i]);
  return out;
}

TEST(TorchlikeBase, GoldenMasksOfPyTorch) {
  // Drawn by PyTorch 1.13.1 for dropout(ones(32), 0.5, true).
  for (const auto& [seed, kept] : {std::pair{0u, "00100011011110111100101010000100"},
                                   std::pair{42u, "11110100111100101001101111011111"}}) {
    Problem problem = problem_of(0.5, {32});
    problem.seed = seed;
    std::string mask;
    for (const bool drops : ask("torchlike", problem).dropped()) mask += drops ? '0' : '1';
    EXPECT_EQ(mask, kept);
    problem.seed = seed + (std::uint64_t{1} << 32);
    std::string again;
    for (const bool drops : ask("torchlike", problem).dropped()) again += drops ? '0' : '1';
    EXPECT_EQ(again, kept) << "32 bits of a seed count";
  }
}

TEST(TorchlikeBase, StreamGoesOnInLogicalOrder) {
  for (const Op op : kAllOps) {
    if (is_alpha(op)) continue;  // their dropped values are not 0
    for (const DType dtype : {DType::f64, DType::f32, DType::bf16}) {
      for (const Layout layout : kAllLayouts) {
        Problem problem = problem_of(0.3, {3, 4, 5, 6}, op, dtype);
        if (layout == Layout::channels_last_3d) problem.shape = {3, 4, 2, 5, 3};
        problem.layout = layout;
        const auto backend = open();
        PyTorchCpuStream stream(42);
        const std::uint64_t entries = drops_channels(op) ? 12 : 360;
        for (int call = 0; call < 3; ++call) {
          const auto expected = drawn(stream, 0.3, entries);
          std::vector<double> x(360, 2.0);
          const Reply reply = ask(*backend, problem, x);
          ASSERT_TRUE(reply.seen.has_value());
          EXPECT_EQ(reply.seen->rng_words, 2 * entries);
          for (std::size_t i = 0; i < 360; ++i)
            ASSERT_EQ(reply.dropped()[i], expected[i * entries / 360]) << to_string(layout) << i;
          problem.seed.reset();
        }
      }
    }
  }
}

TEST(TorchlikeBase, ValuesToTheBit) {
  for (const DType dtype : {DType::f64, DType::f32, DType::bf16}) {
    for (const double p : {0.04, 0.1, 0.15, 0.3, 0.42, 0.5, 0.97}) {
      OneCall one{problem_of(p, {40, 25}, Op::dropout, dtype), some_reals(1000), some_reals(1000), false};
      const OneResult result = run_one(*open(), one);
      EXPECT_THAT(result.faults, IsEmpty());
      PyTorchCpuStream stream(42);
      const auto drops = drawn(stream, p, 1000);
      const auto y = result.values(result.y, dtype), dx = result.values(result.dx, dtype);
      for (std::size_t i = 0; i < y.size(); ++i) {
        const double x = round_to(one.x[i], dtype);
        const double expected =
            drops[i] ? x * 0 : kept_value(reference::ScaleForm::reciprocal_of_rounded_q, x, p, dtype);
        EXPECT_EQ(y[i], expected);
        EXPECT_EQ(std::signbit(y[i]), std::signbit(expected));
        EXPECT_EQ(dx[i], expected) << "dy is x";
      }
    }
  }
}

TEST(TorchlikeBase, AlphaInTheOrderOfPyTorchsRoundings) {
  constexpr double kAlpha = 1.7580993408473766;
  for (const double p : {0.1, 0.2, 0.5, 0.8}) {
    OneCall one{problem_of(p, {1000}, Op::alpha_dropout), some_reals(1000), some_reals(1000), false};
    const OneResult result = run_one(*open(), one);
    PyTorchCpuStream stream(42);
    const auto drops = drawn(stream, p, 1000);
    const auto y = result.values(result.y, DType::f32), dx = result.values(result.dx, DType::f32);
    const double a = 1.0 / std::sqrt((kAlpha * kAlpha * p + 1.0) * (1.0 - p));
    const auto gain = static_cast<float>(a), kept_shift = static_cast<float>(kAlpha * a * p);
    for (std::size_t i = 0; i < y.size(); ++i) {
      const auto x = static_cast<float>(one.x[i]);
      const float product = x * gain;
      const float low = -static_cast<float>(kAlpha * a) + kept_shift;
      EXPECT_EQ(y[i], static_cast<double>(drops[i] ? x * 0.0f + low : product + kept_shift));
      EXPECT_EQ(dx[i], static_cast<double>(drops[i] ? 0.0f : product)) << "dy is x";
    }
  }
}

TEST(TorchlikeBase, IdentitiesDrawNothingAndAreTheInput) {
  struct Row {
    double p;
    Mode mode;
    std::vector<std::int64_t> shape;
    DType dtype;
  };
  for (const Row& row : {Row{0.0, Mode::train, {6}, DType::f32}, Row{-0.0, Mode::train, {6}, DType::f32},
                         Row{0.3, Mode::eval, {6}, DType::f32}, Row{1.0, Mode::train, {0}, DType::f32},
                         Row{0.3, Mode::train, {2, 0}, DType::f32}, Row{0.3, Mode::eval, {6}, DType::i64},
                         Row{0.3, Mode::eval, {6}, DType::c128}, Row{0.0, Mode::train, {6}, DType::f16}}) {
    for (const bool in_place : {false, true}) {
      for (const Op op : kAllOps) {
        Problem problem = problem_of(row.p, row.shape, op, row.dtype);
        problem.mode = row.mode;
        problem.in_place = in_place;
        const Reply reply = ask("torchlike", problem);
        ASSERT_TRUE(reply.seen.has_value());
        EXPECT_EQ(reply.seen->aliases_input, true);
        EXPECT_EQ(reply.seen->version_delta, 0);
        EXPECT_EQ(reply.seen->rng_words, 0u);
        for (std::size_t i = 0; i < reply.y.size(); ++i) EXPECT_EQ(reply.y[i], static_cast<double>(i + 1));
      }
    }
  }
}

TEST(TorchlikeBase, VersionsAndAliases) {
  for (const Op op : kAllOps) {
    for (const double p : {0.5, 1.0}) {
      Problem problem = problem_of(p, {4, 3}, op);
      EXPECT_EQ(ask("torchlike", problem).seen->aliases_input, false);
      EXPECT_EQ(ask("torchlike", problem).seen->version_delta, 0);
      const auto out_of_place = ask("torchlike", problem).y;
      problem.in_place = true;
      const Reply reply = ask("torchlike", problem);
      EXPECT_EQ(reply.seen->aliases_input, true);
      EXPECT_EQ(reply.seen->version_delta, is_alpha(op) && p < 1 ? 2 : 1);
      EXPECT_EQ(reply.y, out_of_place);
    }
  }
}

TEST(TorchlikeBase, StridesOfTheResult) {
  Problem problem = problem_of(0.5, {2, 3, 4, 5});
  const auto strides = [&](Layout layout) {
    problem.layout = layout;
    return ask("torchlike", problem, std::vector<double>(120, 1.0)).seen->produced_strides;
  };
  EXPECT_THAT(strides(Layout::contiguous), ElementsAre(60, 20, 5, 1));
  EXPECT_THAT(strides(Layout::channels_last), ElementsAre(60, 1, 15, 3));
  EXPECT_THAT(strides(Layout::transposed), ElementsAre(60, 20, 1, 4));
  EXPECT_THAT(strides(Layout::strided), ElementsAre(60, 20, 5, 1));
  EXPECT_THAT(strides(Layout::expanded), ElementsAre(60, 20, 5, 1));
  problem.p = 0;
  EXPECT_THAT(strides(Layout::strided), ElementsAre(120, 40, 10, 2));
  EXPECT_THAT(strides(Layout::expanded), ElementsAre(0, 20, 5, 1));
}

TEST(TorchlikeBase, AllDroppedIsAProductWithZero) {
  const Reply reply = ask("torchlike", problem_of(1.0, {5}, Op::alpha_dropout), {1, -1, kInf, kNaN, -0.0});
  EXPECT_EQ(reply.seen->rng_words, 0u);
  EXPECT_FALSE(std::signbit(reply.y[0]));
  EXPECT_TRUE(reply.y[1] == 0 && std::signbit(reply.y[1]));
  EXPECT_TRUE(std::isnan(reply.y[2]) && std::isnan(reply.y[3]));
  EXPECT_TRUE(reply.y[4] == 0 && std::signbit(reply.y[4]));
  for (const DType dtype : {DType::f16, DType::i64, DType::i32, DType::u8, DType::boolean, DType::c64})
    EXPECT_THAT(ask("torchlike", problem_of(1.0, {2}, Op::dropout, dtype), {1, 1}).y, ElementsAre(0, 0));
}

TEST(TorchlikeBase, RefusesInPyTorchsWordsAndOrder) {
  const auto range = [](const char* p) {
    return std::string("dropout probability has to be between 0 and 1, but got ") + p;
  };
  Problem problem = problem_of(-0.1, {2, 3});
  EXPECT_EQ(refusal("torchlike", problem), range("-0.1"));
  problem.mode = Mode::eval;
  for (const auto& [p, text] : {std::pair{1.1, "1.1"}, std::pair{kNaN, "nan"}, std::pair{kInf, "inf"}}) {
    problem.p = p;
    EXPECT_EQ(refusal("torchlike", problem), range(text));
  }

  problem = problem_of(0.5, {6}, Op::dropout2d, DType::i64);
  const char* const rank = "Feature dropout requires at least 2 dimensions in the input";
  EXPECT_EQ(refusal("torchlike", problem), rank) << "before the dtype";
  problem.p = 1;
  EXPECT_EQ(refusal("torchlike", problem), "") << "nothing is drawn";

  for (const auto& [dtype, name] : {std::pair{DType::f16, "Half"}, std::pair{DType::c64, "ComplexFloat"},
                                    std::pair{DType::c128, "ComplexDouble"}})
    EXPECT_EQ(refusal("torchlike", problem_of(0.5, {6}, Op::dropout, dtype)),
              std::string("\"bernoulli_scalar_cpu_\" not implemented for '") + name + "'");
  for (const auto& [dtype, name] : {std::pair{DType::i64, "Long"}, std::pair{DType::i32, "Int"},
                                    std::pair{DType::u8, "Byte"}, std::pair{DType::boolean, "Bool"}})
    EXPECT_EQ(refusal("torchlike", problem_of(0.5, {6}, Op::dropout, dtype)),
              std::string("result type Float can't be cast to the desired output type ") + name);
  EXPECT_THAT(refusal("torchlike", problem_of(0.5, {6}, Op::alpha_dropout, DType::boolean)),
              HasSubstr("type Long"));
}

TEST(TorchlikeBase, WordsOfRefusedCalls) {
  struct Row {
    Problem problem;
    std::uint64_t entries;
  };
  for (const Row& row : {Row{problem_of(2.0, {2, 3}), 0}, Row{problem_of(0.5, {6}, Op::dropout2d), 0},
                         Row{problem_of(0.5, {2, 3}, Op::dropout, DType::f16), 0},
                         Row{problem_of(0.5, {2, 3, 4}, Op::dropout, DType::i32), 24},
                         Row{problem_of(0.5, {2, 3, 4}, Op::dropout2d, DType::i32), 6}}) {
    const auto backend = open();
    ASSERT_FALSE(ask(*backend, row.problem).seen.has_value());
    PyTorchCpuStream stream(42);
    drawn(stream, 0.5, row.entries);
    Problem next = problem_of(0.5, {50});
    next.seed.reset();
    EXPECT_EQ(ask(*backend, next).dropped(), drawn(stream, 0.5, 50));
  }
}

TEST(TorchlikeBase, InPlaceOnAnExpandedTensor) {
  const auto backend = open();
  const auto memory = backend->allocate(64);
  const std::vector<float> before(4, 1.0f);
  std::memcpy((*memory)->data(), before.data(), sizeof(float) * 4);
  Call call;
  call.in_place = true;
  call.seed = 42;
  call.x = {memory->get(), {(*memory)->data(), DType::f32, {3, 4}, {0, 1}}};
  for (const double p : {0.5, 1.0}) {
    call.p = p;
    const auto seen = backend->forward(call);
    ASSERT_FALSE(seen.has_value());
    EXPECT_THAT(seen.error().message, HasSubstr("more than one element of the written-to tensor refers to a "
                                                "single memory location. Please clone() the tensor"));
  }
  call.p = 0;
  EXPECT_TRUE(backend->forward(call).has_value());
  EXPECT_EQ(std::memcmp((*memory)->data(), before.data(), sizeof(float) * 4), 0);
}

TEST(TorchlikeBase, InPlaceOnALeaf) {
  const auto backend = open();
  Problem problem = problem_of(0.5, {5});
  problem.in_place = true;
  GuardedTensor x = make_tensor(*backend, problem, true);
  fill(x, {1, 2, 3, 4, 5});
  Call call;
  call.in_place = true;
  call.seed = 42;
  call.x = {&x.memory(), x.view()};
  call.attributes = {{"autograd", std::string("leaf")}};
  for (const double p : {0.5, 1.0}) {
    call.p = p;
    EXPECT_EQ(backend->forward(call).error().message,
              "a leaf Variable that requires grad is being used in an in-place operation.");
  }
  call.p = 0;
  EXPECT_TRUE(backend->forward(call).has_value()) << "nothing is written";
  EXPECT_EQ(load_element(x.view().data, DType::f32), 1.0);
  call.attributes = {{"autograd", std::string("after_exp")}};
  EXPECT_EQ(backend->forward(call).error().code, ErrorCode::unsupported);
}

/// A recurrent layer of two steps, one sample and two inputs, 1 to 4.
struct RnnReply {
  Expected<Observation> seen = Error{};
  std::vector<double> y, h_n;
};
RnnReply ask_rnn(Backend& backend, double p, const Attributes& attributes) {
  const Problem in = problem_of(0, {2, 1, 2}), out = problem_of(0, {2, 1, 3}),
                state = problem_of(0, {1, 1, 3});
  GuardedTensor x = make_tensor(backend, in, false), y = make_tensor(backend, out, true),
                h_n = make_tensor(backend, state, true);
  fill(x, {1, 2, 3, 4});
  Call call;
  call.p = p;
  call.seed = 42;
  call.count_words = true;
  call.x = {&x.memory(), x.view()};
  call.y = {&y.memory(), y.view()};
  call.attributes = attributes;
  call.outputs = {{"h_n", {&h_n.memory(), h_n.view()}}};
  RnnReply reply{backend.forward(call), {}, {}};
  const auto values = [](const GuardedTensor& tensor) {
    std::vector<double> read;
    const auto bytes = dense_bytes(tensor);
    for (std::size_t at = 0; at < bytes.size(); at += 4)
      read.push_back(load_element(bytes.data() + at, DType::f32));
    return read;
  };
  reply.y = values(y);
  reply.h_n = values(h_n);
  return reply;
}

TEST(TorchlikeBase, RecurrentLayer) {
  const Attributes ones = {{"form", std::string("rnn")},
                           {"hidden", std::int64_t{3}},
                           {"layers", std::int64_t{1}},
                           {"weights", std::string("ones")}};
  RnnReply reply = ask_rnn(*open(), 0.5, ones);
  ASSERT_TRUE(reply.seen.has_value());
  EXPECT_THAT(reply.y, ElementsAre(3, 3, 3, 16, 16, 16));  // 1 + 2, then 3 + 4 + 3 * 3
  EXPECT_THAT(reply.h_n, ElementsAre(16, 16, 16));
  EXPECT_EQ(reply.seen->rng_words, 0u);
  EXPECT_THAT(reply.seen->warnings,
              ElementsAre("dropout option adds dropout after all but last recurrent layer, so non-zero "
                          "dropout expects num_layers greater than 1, but got dropout=0.5 and num_layers=1"));
  EXPECT_THAT(ask_rnn(*open(), 0.0, ones).seen->warnings, IsEmpty());

  // W is (-3 -2; -1 0; 1 2) / 16 and U (-3 -2 -1; 0 1 2; 3 -3 -2) / 16: h_1 = (0, 0, 5/16).
  Attributes small = ones;
  small.erase("weights");
  reply = ask_rnn(*open(), 0.0, small);
  EXPECT_THAT(reply.y, ElementsAre(0, 0, 0.3125, 0, 0, 0.6875 - 0.0390625));

  EXPECT_THAT(ask_rnn(*open(), 1.1, ones).seen.error().message,
              HasSubstr("dropout should be a number in range [0, 1] representing the probability of an"));
  Attributes two = ones;
  two["layers"] = std::int64_t{2};
  EXPECT_EQ(ask_rnn(*open(), 0.5, two).seen.error().code, ErrorCode::unsupported);
  EXPECT_EQ(ask_rnn(*open(), 0.5, {{"form", std::string("lstm")}}).seen.error().code, ErrorCode::unsupported);

  const RnnReply silent = ask_rnn(*open("silent_rnn"), 0.5, ones);
  EXPECT_EQ(silent.y, ask_rnn(*open(), 0.5, ones).y);
  EXPECT_THAT(silent.seen->warnings, IsEmpty());
}

TEST(TorchlikeMutant, ScaleUlp) {
  for (const DType dtype : {DType::f64, DType::f32, DType::bf16}) {
    const Problem problem = problem_of(0.3, {64}, Op::dropout, dtype);
    const std::vector<double> ones(64, 1.0);
    const auto right = ask("torchlike", problem, ones).y, wrong = ask("scale_ulp", problem, ones).y;
    const double step = dtype == DType::f64 ? 0x1p-52 : dtype == DType::f32 ? 0x1p-23 : 0x1p-7;
    for (std::size_t i = 0; i < right.size(); ++i) EXPECT_EQ(wrong[i] - right[i], right[i] == 0 ? 0 : step);
  }
}

TEST(TorchlikeMutant, FaultsOfTheStream) {
  Problem problem = problem_of(0.5, {100});
  const auto right = ask("torchlike", problem).dropped();
  EXPECT_NE(ask("words_swapped", problem).dropped(), right);

  const auto three = open("three_words");
  const Reply first = ask(*three, problem);
  EXPECT_EQ(first.dropped(), right);
  EXPECT_EQ(first.seen->rng_words, 300u);
  problem.seed.reset();
  PyTorchCpuStream stream(42);
  drawn(stream, 0.5, 150);
  EXPECT_EQ(ask(*three, problem).dropped(), drawn(stream, 0.5, 100));
}

TEST(TorchlikeMutant, KeptAtThreshold) {
  // A p for which 1 - p is the first number after seed 42 itself.
  PyTorchCpuStream stream(42);
  const std::uint64_t high = stream.next_word(), low = stream.next_word();
  const double u = static_cast<double>((high << 32 | low) & ((std::uint64_t{1} << 53) - 1)) * 0x1p-53;
  const double p = 1.0 - u;
  ASSERT_EQ(1.0 - p, u);
  EXPECT_EQ(ask("torchlike", problem_of(p, {1})).y[0], 0);
  EXPECT_GT(ask("kept_at_threshold", problem_of(p, {1})).y[0], 0);
}

TEST(TorchlikeMutant, MemoryOrder) {
  Problem problem = problem_of(0.5, {8, 9});
  const auto right = ask("torchlike", problem).dropped();
  EXPECT_EQ(ask("memory_order", problem).dropped(), right) << "contiguous";
  problem.layout = Layout::transposed;
  const auto wrong = ask("memory_order", problem).dropped();
  for (std::size_t i = 0; i < 8; ++i)
    for (std::size_t j = 0; j < 9; ++j) EXPECT_EQ(wrong[i * 9 + j], right[j * 8 + i]);
}

TEST(TorchlikeMutant, InPlaceIgnored) {
  Problem problem = problem_of(0.5, {3});
  EXPECT_EQ(ask("in_place_ignored", problem).y, ask("torchlike", problem).y);
  problem.in_place = true;
  EXPECT_THAT(ask("in_place_ignored", problem).y, ElementsAre(1, 2, 3));
}

TEST(TorchlikeMutant, NaNToZero) {
  const std::vector<double> nans(64, kNaN), infinities(64, kInf);
  const Problem problem = problem_of(0.5, {64});
  const auto kept = ask("torchlike", problem).dropped();
  const auto y = ask("nan_to_zero", problem, nans).y;
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i] == 0, kept[i]) << "kept ones stay NaN";
  for (const double value : ask("torchlike", problem, nans).y) EXPECT_TRUE(std::isnan(value));
  for (const double value : ask("nan_to_zero", problem, infinities).y) EXPECT_FALSE(std::isfinite(value));
}

TEST(TorchlikeMutant, FaultsOfTheCall) {
  EXPECT_EQ(ask("draws_at_p1", problem_of(1.0, {6})).seen->rng_words, 12u);
  EXPECT_THAT(refusal("error_text", problem_of(1.5, {6})), testing::Not(HasSubstr("has to be between")));
  Problem problem = problem_of(0.5, {6});
  problem.mode = Mode::eval;
  EXPECT_EQ(ask("copy_in_eval", problem).seen->aliases_input, false);
}

TEST(TorchlikeMutant, ExpandedShared) {
  Problem problem = problem_of(0.5, {4, 50});
  EXPECT_EQ(ask("expanded_shared", problem).dropped(), ask("torchlike", problem).dropped());
  problem.layout = Layout::expanded;
  const auto drops = ask("expanded_shared", problem, std::vector<double>(200, 1.0)).dropped();
  for (std::size_t i = 50; i < 200; ++i) EXPECT_EQ(drops[i], drops[i - 50]);
}

}  // namespace
}  // namespace dropcheck::mutants
