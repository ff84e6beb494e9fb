#include <fmt/format.h>
#include <gmock/gmock.h>

#include <array>
#include <cmath>
#include <random>
#include <set>

#include "harness/core/element.hpp"
#include "harness/testing/scripted_backend.hpp"
#include "reference/claimed_stream.hpp"
#include "reference/reference_backend.hpp"
#include "suites/exact_stream_steps.hpp"
#include "suites/testing/planted_backend.hpp"

namespace dropcheck::suites {
namespace {

using ::testing::AllOf;
using testing::Dropped;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

constexpr const char* kCuda = "pytorch-cuda?sm=132&threads=2048&vec=8";
constexpr std::array kChecks = {"masks", "thresholds", "offsets", "words", "native_dropout"};

/// The protocol that a check of this suite reads.
std::string protocol_of(const std::string& check) {
  return check == "masks" ? "exact_stream" : std::string("exact_").append(check);
}

Judgement judged(const std::string& check, Backend& backend,
                 const std::string& descriptor = "op=dropout,p=0.3,shape=67", std::uint64_t blocks = 1) {
  return testing::judge(std::string("exact_stream.").append(check), protocol_of(check), descriptor, backend,
                        {blocks, 0, 1});
}

/// A dropout whose random part a test writes: order, bits and counts are right, unless a member is changed.
/// Kept values are x itself; only masks are judged here.
class Planted : public Backend {
 public:
  Capabilities claims = dropcheck::testing::ScriptedBackend::all_claims();
  std::uint64_t words_in_eval = 0, words_at_zero = 0;
  bool counts = true;
  bool native_by_address = false, plain_by_address = false;

  const Capabilities& capabilities() const override { return claims; }
  Expected<Observation> forward(const Call& call) override {
    if (call.seed) reseed(*call.seed, call.offset);
    const TensorView& x = call.x.view;
    const TensorView& y = call.in_place ? x : call.y.view;
    const auto elements = static_cast<std::size_t>(x.count());
    const bool native = form_of(call.attributes) == "native_dropout";
    Dropped dropped(elements, call.p == 1 && call.mode == Mode::train ? 1 : 0);
    std::uint64_t words = 0;
    const bool draws = call.mode == Mode::train && elements > 0 && (native || (call.p > 0 && call.p < 1));
    if (call.mode == Mode::eval) words = skip(words_in_eval);
    else if (call.p == 0 && !native) words = skip(words_at_zero);
    if (draws) {
      Problem shape;
      shape.op = call.op;
      shape.shape = x.shape;
      const auto entries = static_cast<std::size_t>(mask_count(shape));
      Dropped drawn(entries);
      words = draw(call.p, drawn);
      const std::size_t inner = elements / entries;
      std::vector<std::size_t> order(elements);
      const bool by_address = native ? native_by_address : plain_by_address;
      for (std::size_t i = 0; i < elements; ++i)
        dropped[i] = drawn[by_address ? address_rank(x, i) : i / inner];
    }
    std::vector<std::byte> bytes(elements * x.element_size());
    gather(x, bytes.data());
    for (std::size_t i = 0; i < elements; ++i) {
      std::byte* at = bytes.data() + i * x.element_size();
      const double dropped_value = is_alpha(call.op) && call.p < 1 ? -1 : 0;
      if (dropped[i] != 0) store_element(dropped_value, at, x.dtype);
    }
    scatter(bytes.data(), y);
    Observation seen;
    if (call.count_words && counts) seen.rng_words = words;
    return seen;
  }
  Expected<Observation> backward(const BackwardCall&) override {
    return Error{ErrorCode::unsupported, "no gradient here"};
  }
  void release(SavedToken) override {}

 protected:
  virtual void reseed(std::uint64_t seed, std::uint64_t offset) = 0;
  /// 1 = dropped; returns the words taken.
  virtual std::uint64_t draw(double p, Dropped& drawn) = 0;
  virtual std::uint64_t skip(std::uint64_t words) = 0;

 private:
  /// How many elements lie at lower addresses.
  static std::size_t address_rank(const TensorView& x, std::size_t element) {
    const auto address = [&](std::size_t i) {
      std::int64_t at = 0;
      for (std::size_t d = x.shape.size(); d-- > 0; i /= static_cast<std::size_t>(x.shape[d]))
        at += static_cast<std::int64_t>(i % static_cast<std::size_t>(x.shape[d])) * x.strides[d];
      return at;
    };
    const std::int64_t own = address(element);
    std::size_t lower = 0, shared = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(x.count()); ++i) {
      lower += address(i) < own ? 1u : 0u;
      shared += address(i) == own ? 1u : 0u;
    }
    return shared > 1 ? element : lower;
  }
};

/// PyTorch's CPU stream, from the standard's MT19937.
class CpuLike final : public Planted {
 public:
  unsigned words_an_entry = 2;
  bool swapped = false, keeps_equal = false;
  unsigned threshold_bits = 53;

  CpuLike() {
    claims.exact_stream = "pytorch-cpu";
    claims.offset_unit.clear();
    claims.forms = {"native_dropout"};
    claims.reports_rng_words = true;
    native_by_address = true;
  }

 protected:
  void reseed(std::uint64_t seed, std::uint64_t) override { engine_.seed(static_cast<std::uint32_t>(seed)); }
  std::uint64_t draw(double p, Dropped& drawn) override {
    for (auto& entry : drawn) {
      std::uint64_t high = engine_(), low = engine_();
      for (unsigned extra = 2; extra < words_an_entry; ++extra) engine_();
      if (swapped) std::swap(high, low);
      const std::uint64_t value = (high << 32 | low) & ((std::uint64_t{1} << 53) - 1);
      const double step = std::ldexp(1.0, -static_cast<int>(threshold_bits));
      const double u = std::floor(std::ldexp(static_cast<double>(value), -53) / step) * step;
      entry = (keeps_equal ? u <= 1.0 - p : u < 1.0 - p) ? 0 : 1;
    }
    return words_an_entry * drawn.size();
  }
  std::uint64_t skip(std::uint64_t words) override {
    engine_.discard(words);
    return words;
  }

 private:
  std::mt19937 engine_;
};

/// docs/streams.md, written once more.
class PhiloxLike final : public Planted {
 public:
  int rounds = 10;
  bool drops_equal = false, ignores_offset = false;
  std::uint64_t offset_mask = ~std::uint64_t{0};

  PhiloxLike() {
    claims.exact_stream = "dropcheck-philox";
    claims.reports_rng_words = true;
  }

 protected:
  void reseed(std::uint64_t seed, std::uint64_t offset) override {
    seed_ = seed;
    call_ = ignores_offset ? 0 : offset & offset_mask;
  }
  std::uint64_t draw(double p, Dropped& drawn) override {
    const auto threshold = static_cast<std::uint64_t>(std::ceil(std::ldexp(p, 32)));
    for (std::uint64_t i = 0; i < drawn.size(); ++i) {
      const std::uint64_t word = word_of(i);
      drawn[i] = (drops_equal ? word <= threshold : word < threshold) ? 1 : 0;
    }
    ++call_;
    return drawn.size();
  }
  std::uint64_t skip(std::uint64_t words) override {
    call_ += words;
    return words;
  }

 private:
  std::uint32_t word_of(std::uint64_t i) const {
    std::array<std::uint32_t, 4> c = {static_cast<std::uint32_t>(i / 4), 0, static_cast<std::uint32_t>(call_),
                                      static_cast<std::uint32_t>(call_ >> 32)};
    auto k0 = static_cast<std::uint32_t>(seed_), k1 = static_cast<std::uint32_t>(seed_ >> 32);
    for (int round = 0; round < rounds; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
      const std::uint64_t left = std::uint64_t{0xD2511F53u} * c[0], right = std::uint64_t{0xCD9E8D57u} * c[2];
      c = {static_cast<std::uint32_t>(right >> 32) ^ c[1] ^ k0, static_cast<std::uint32_t>(right),
           static_cast<std::uint32_t>(left >> 32) ^ c[3] ^ k1, static_cast<std::uint32_t>(left)};
    }
    return c[i % 4];
  }
  std::uint64_t seed_ = 0, call_ = 0;
};

std::unique_ptr<Backend> reference_backend(const std::string& argument) {
  return *reference::open_reference(argument, {});
}

/// What a failure of the masks says, whichever element it is.
const auto kNamesTheElement =
    AllOf(HasSubstr("call "), HasSubstr("after seed 0x"), HasSubstr("element "),
          HasSubstr("in logical order"), HasSubstr("in memory order"), HasSubstr("word"), HasSubstr("0x"));

TEST(ExactStream, PassesTheCpuStreamInEveryCheckAndLayout) {
  CpuLike backend;
  for (const char* descriptor :
       {"op=dropout,p=0.3,shape=1", "op=dropout,p=0.5,shape=257",
        "op=dropout,p=0.9,dtype=f16,shape=63,inplace=true", "op=dropout,p=0.001,shape=scalar",
        "op=dropout,p=0.3,shape=3x5x4x7,layout=channels_last",
        "op=dropout,p=0.3,shape=3x5x4x7,layout=expanded",
        "op=dropout2d,p=0.3,shape=3x5x4x7,layout=channels_last",
        "op=dropout1d,p=0.3,shape=3x5x4,layout=transposed", "op=alpha_dropout,p=0.3,shape=33,layout=strided",
        "op=feature_alpha_dropout,p=0.3,shape=3x5x4,layout=shifted"}) {
    const Judgement j = judged("masks", backend, descriptor, 2);
    EXPECT_EQ(j.verdict, Verdict::pass) << descriptor << ": " << j.message;
    EXPECT_GE(j.comparisons, 8u) << descriptor;
    EXPECT_THAT(j.message, AllOf(HasSubstr("every bit is that of pytorch-cpu"), Not(HasSubstr("left out"))));
  }
  for (const char* check : {"thresholds", "words", "native_dropout"}) {
    const Judgement j = judged(check, backend);
    EXPECT_EQ(j.verdict, Verdict::pass) << check << ": " << j.message;
    EXPECT_THAT(j.message, Not(HasSubstr("left out")));
  }
  const Judgement offsets = judged("offsets", backend);
  EXPECT_EQ(offsets.verdict, Verdict::unsupported);
  EXPECT_THAT(offsets.message, HasSubstr("does not claim RNG offsets"));
}

TEST(ExactStream, PassesOurOwnStreamAndLeavesOutWhatItSaysNothingOf) {
  PhiloxLike written_again;
  const auto reference = reference_backend("");
  for (Backend* backend : {static_cast<Backend*>(&written_again), reference.get()}) {
    for (const char* check : {"masks", "thresholds", "offsets"}) {
      const Judgement j = judged(check, *backend);
      EXPECT_EQ(j.verdict, Verdict::pass) << check << ": " << j.message;
    }
    const Judgement native = judged("native_dropout", *backend);
    EXPECT_EQ(native.verdict, Verdict::unsupported);
    EXPECT_THAT(native.message, AllOf(HasSubstr("nothing could be compared with dropcheck-philox"),
                                      HasSubstr("does not claim form \"native_dropout\"")));
  }
  const Judgement words = judged("words", written_again);
  EXPECT_EQ(words.verdict, Verdict::pass) << words.message;
  EXPECT_THAT(words.message, HasSubstr("left out"));
}

TEST(ExactStream, PassesTheSimulatedDevices) {
  for (const char* name :
       {kCuda, "pytorch-cuda?sm=132&threads=2048&vec=4", "pytorch-cuda?sm=1&threads=256&vec=8"}) {
    const auto backend = reference_backend(name);
    for (const char* check : kChecks) {
      const Judgement j = judged(check, *backend);
      EXPECT_EQ(j.verdict, Verdict::pass) << name << " " << check << ": " << j.message;
      EXPECT_GT(j.comparisons, 20u);
    }
    for (const char* dtype : {"f64", "f16", "bf16"})
      for (const char* shape :
           {"shape=2048", "shape=2046", "shape=2047", "shape=4x3x8x8,layout=channels_last",
            "shape=2048,layout=shifted", "shape=2048,layout=strided"}) {
        const Judgement j =
            judged("masks", *backend,
                   std::string("op=dropout,p=0.3,dtype=").append(dtype).append(",").append(shape));
        EXPECT_EQ(j.verdict, Verdict::pass) << name << " " << dtype << " " << shape << ": " << j.message;
      }
  }
  const auto backend = reference_backend(kCuda);
  const Judgement doubles = judged("masks", *backend, "op=dropout,p=0.3,dtype=f64,shape=64");
  EXPECT_THAT(doubles.message, HasSubstr("left out: 2 calls (the stream of bernoulli_ on f64"));
  const Judgement none = judged("masks", *backend, "op=alpha_dropout,p=0.3,dtype=f64,shape=64");
  EXPECT_EQ(none.verdict, Verdict::unsupported);
  EXPECT_THAT(none.message, HasSubstr("nothing could be compared with pytorch-cuda"));
}

TEST(ExactStream, NamesTheFirstElementThatDiffers) {
  CpuLike backend;
  backend.words_an_entry = 3;
  const Judgement j = judged("masks", backend, "op=dropout,p=0.5,shape=67");
  ASSERT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, kNamesTheElement);
  // The seed stands in the message; from it the first element is found here by hand.
  const std::size_t at = j.message.find("seed 0x") + 7;
  const auto seed = static_cast<std::uint32_t>(std::stoull(j.message.substr(at), nullptr, 16));
  std::mt19937 two(seed), three(seed);
  const auto drops = [](std::mt19937& engine, unsigned skipped, std::string& words) {
    const auto high = static_cast<unsigned>(engine()), low = static_cast<unsigned>(engine());
    engine.discard(skipped);
    words = fmt::format("words 0x{:08x}, 0x{:08x}", high, low);
    return (high >> 20 & 1u) != 0;  // the highest of the 53 bits decides at p = 0.5
  };
  int element = 0;
  std::string expected, seen;
  while (drops(two, 0, expected) == drops(three, 1, seen)) ++element;
  EXPECT_THAT(j.message,
              HasSubstr(fmt::format("the first is element {} in logical order, {} in memory order, "
                                    "which was",
                                    element, element)));
  EXPECT_THAT(j.message, HasSubstr(expected));
}

/// The backend fails the check and says where.
void expect_fail(const char* check, Backend& backend, const char* descriptor = "op=dropout,p=0.3,shape=67") {
  const Judgement j = judged(check, backend, descriptor);
  EXPECT_EQ(j.verdict, Verdict::fail) << check << ": " << j.message;
  EXPECT_THAT(j.message, kNamesTheElement) << check;
}
void expect_pass(const char* check, Backend& backend, const char* descriptor = "op=dropout,p=0.3,shape=67") {
  const Judgement j = judged(check, backend, descriptor);
  EXPECT_EQ(j.verdict, Verdict::pass) << check << ": " << j.message;
}

TEST(ExactStream, FailsThreeWordsForTwo) {
  CpuLike backend;
  backend.words_an_entry = 3;
  expect_fail("masks", backend);
  expect_fail("native_dropout", backend);
  const Judgement words = judged("words", backend);
  EXPECT_EQ(words.verdict, Verdict::fail);
  EXPECT_THAT(words.message,
              HasSubstr("took 3 words of the generator by the backend's count, where pytorch-cpu "
                        "takes 2"));
}

TEST(ExactStream, FailsHighAndLowWordSwapped) {
  CpuLike backend;
  backend.swapped = true;
  expect_fail("masks", backend);
  expect_pass("words", backend);
}

TEST(ExactStream, FailsTheWrongComparisonWhereNumberAndThresholdAreEqual) {
  CpuLike cpu;
  cpu.keeps_equal = true;
  expect_fail("thresholds", cpu);
  expect_pass("masks", cpu);
  PhiloxLike philox;
  philox.drops_equal = true;
  expect_fail("thresholds", philox);
  expect_pass("masks", philox);
}

TEST(ExactStream, FailsAThresholdOfFewerBits) {
  CpuLike backend;
  backend.threshold_bits = 40;
  expect_fail("thresholds", backend);
  expect_pass("masks", backend);
}

TEST(ExactStream, FailsSevenRoundsForTen) {
  PhiloxLike backend;
  backend.rounds = 7;
  for (const char* check : {"masks", "thresholds", "offsets"}) expect_fail(check, backend);
}

TEST(ExactStream, FailsMemoryOrderForLogicalOrder) {
  CpuLike backend;
  backend.plain_by_address = true;
  const char* last = "op=dropout,p=0.3,shape=3x5x4x7,layout=channels_last";
  expect_fail("masks", backend, last);
  expect_pass("masks", backend, "op=dropout,p=0.3,shape=3x5x4x7");
  const std::string message = judged("masks", backend, last).message;
  // The two numbers of the element differ, and follow from the shape.
  const std::size_t at = message.find("element ");
  const int logical = std::stoi(message.substr(at + 8));
  const int n = logical / 140, c = logical / 28 % 5, rest = logical % 28;
  EXPECT_THAT(message, HasSubstr(fmt::format("element {} in logical order, {} in memory order", logical,
                                             n * 140 + rest * 5 + c)));
}

TEST(ExactStream, FailsLogicalOrderForMemoryOrderInNativeDropout) {
  CpuLike backend;
  backend.native_by_address = false;
  expect_fail("native_dropout", backend);
  expect_pass("masks", backend, "op=dropout,p=0.3,shape=3x5x4x7,layout=channels_last");
}

TEST(ExactStream, FailsAnEvalCallThatTakesAWord) {
  CpuLike backend;
  backend.words_in_eval = 1;
  expect_fail("masks", backend);
  EXPECT_THAT(judged("masks", backend).message, HasSubstr("call 3 of block 1, number 3 after seed"))
      << "the first call after the eval call";
  const Judgement words = judged("words", backend);
  EXPECT_EQ(words.verdict, Verdict::fail);
  EXPECT_THAT(words.message, AllOf(HasSubstr("mode=eval"), HasSubstr("took 1 words"), HasSubstr("takes 0")));
}

TEST(ExactStream, FailsWordsTakenForNothing) {
  CpuLike backend;
  backend.words_at_zero = 2;
  expect_fail("masks", backend);
  EXPECT_THAT(judged("words", backend).message, AllOf(HasSubstr("p=0,"), HasSubstr("took 2 words")));
}

TEST(ExactStream, FailsAnOffsetThatIsIgnoredOrCut) {
  PhiloxLike ignored;
  ignored.ignores_offset = true;
  expect_fail("offsets", ignored);
  EXPECT_THAT(judged("offsets", ignored).message, HasSubstr("offset=4"));
  PhiloxLike cut;
  cut.offset_mask = 0xffffffff;
  expect_fail("offsets", cut);
  EXPECT_THAT(judged("offsets", cut).message, HasSubstr("offset=4294967300"));
  expect_pass("masks", cut);
}

TEST(ExactStream, FailsWordsThatAreClaimedAndNotReported) {
  CpuLike backend;
  backend.counts = false;
  const Judgement j = judged("words", backend);
  EXPECT_EQ(j.verdict, Verdict::fail);
  EXPECT_THAT(j.message, HasSubstr("claims to count the words of its generator but reports none"));
}

TEST(ExactStream, FailsTheOtherRuleOfVectorWidths) {
  // A device that follows the newer rule and claims the older one.
  const auto device = reference_backend(kCuda);
  dropcheck::testing::ScriptedBackend claimer;
  claimer.claims = device->capabilities();
  claimer.claims.exact_stream = "pytorch-cuda?sm=132&threads=2048&vec=4";
  claimer.on_forward = [&](const Call& call) { return device->forward(call); };
  expect_fail("masks", claimer, "op=dropout,p=0.3,dtype=f16,shape=64");
  expect_fail("masks", claimer, "op=dropout,p=0.3,dtype=f64,shape=64");
  expect_pass("masks", claimer, "op=dropout,p=0.3,shape=64");
  // One that has another number of multiprocessors shows where a launch is larger than the device.
  claimer.claims.exact_stream = "pytorch-cuda?sm=1&threads=2048&vec=8";
  expect_pass("masks", claimer, "op=dropout,p=0.3,shape=2048");
  expect_fail("masks", claimer, "op=dropout,p=0.3,shape=10000");
}

TEST(ExactStream, FailsChannelsThatAreNotWhole) {
  CpuLike backend;
  dropcheck::testing::ScriptedBackend spoiler;
  spoiler.claims = backend.claims;
  spoiler.on_forward = [&](const Call& call) {
    auto seen = backend.forward(call);
    const TensorView& y = call.in_place ? call.x.view : call.y.view;
    if (call.p == 0.3 && call.mode == Mode::train) store_element(0.0, y.data + 3 * y.element_size(), y.dtype);
    return seen;
  };
  const Judgement j = judged("masks", spoiler, "op=dropout2d,p=0.3,shape=8x8x2x2");
  EXPECT_EQ(j.verdict, Verdict::fail);
}

TEST(ExactStream, NeverPassesAClaimThatItDoesNotKnow) {
  for (const char* claim : {"pytorch", "pytorch-cuda", "numpy-pcg64", "pytorch-cpu?variant=other"}) {
    CpuLike backend;
    backend.claims.exact_stream = claim;
    for (const char* check : kChecks) {
      const Judgement j = judged(check, backend);
      EXPECT_EQ(j.verdict, Verdict::error) << claim << " " << check;
      EXPECT_THAT(j.message, AllOf(HasSubstr(std::string("'").append(claim).append("'")),
                                   HasSubstr(reference::stream_names())));
    }
  }
}

TEST(ExactStream, IsInconclusiveWhereNoNumberMeetsItsThreshold) {
  // A device of which only f16 can be tried, with the steps of f16 refused as well: what remains meets
  // nothing.
  CpuLike backend;
  dropcheck::testing::ScriptedBackend picky;
  picky.claims = backend.claims;
  std::set<double> tried;
  picky.on_forward = [&](const Call& call) -> Expected<Observation> {
    const auto stream = *reference::ClaimedStream::open("pytorch-cpu");
    EXPECT_TRUE(stream->reseed(*call.seed, 0));
    reference::StreamCall drawn;
    drawn.p = 0.5;
    drawn.shape = call.x.view.shape;
    drawn.strides = call.x.view.strides;
    EXPECT_TRUE(stream->draw(drawn));
    for (std::uint64_t i = 0; i < 64; ++i)
      if (const auto edge = stream->edge(i); edge && edge->at == call.p)
        return Error{ErrorCode::unsupported, "not at this p"};
    tried.insert(call.p);
    return backend.forward(call);
  };
  const Judgement j = judged("thresholds", picky);
  EXPECT_GT(tried.size(), 10u);
  EXPECT_EQ(j.verdict, Verdict::inconclusive) << j.message;
}

TEST(ExactStreamSteps, PutEveryKnownStreamOnItsThreshold) {
  const auto steps = exact_threshold_steps({"exact_thresholds", exact_own_problem(), 1, 1}, 0);
  for (const char* name : {"dropcheck-philox", "pytorch-cpu", "pytorch-cpu?variant=mcg31", kCuda,
                           "pytorch-cuda?sm=132&threads=2048&vec=4", "pytorch-cuda?sm=7&threads=512&vec=8"}) {
    const auto stream = *reference::ClaimedStream::open(name);
    std::size_t met = 0;
    for (const Step& step : steps) {
      ASSERT_TRUE(step.own_seed && *step.own_seed < 64 && step.skip_unclaimed);
      ASSERT_TRUE(stream->reseed(*step.own_seed, 0));
      reference::StreamCall call;
      call.p = step.problem.p;
      call.dtype = step.problem.dtype;
      call.shape = step.problem.shape;
      call.strides = {1};
      call.in_place = step.problem.in_place;
      const auto drops = stream->draw(call);
      if (!drops) continue;
      for (std::uint64_t i = 0; i < drops->size(); ++i) {
        const auto edge = stream->edge(i);
        met += edge && edge->at == step.problem.p ? 1u : 0u;
      }
    }
    EXPECT_GE(met, 6u) << name;
  }
}

TEST(ExactStreamSteps, ChangeSizePAndModeBetweenTheCallsOfABlock) {
  for (const char* descriptor :
       {"op=dropout,p=0.3,shape=1", "op=dropout,p=0.5,shape=scalar", "op=dropout,p=0.9,shape=64",
        "op=dropout2d,p=0.3,shape=2x3x4x5,layout=channels_last", "op=dropout,p=0.3,shape=3x4,layout=expanded",
        "op=dropout,p=0.3,shape=4097,inplace=true"}) {
    const SampleInfo sample{"exact_stream", testing::problem_of(descriptor), 1, 1};
    std::set<double> rates;
    std::set<std::vector<std::int64_t>> shapes;
    std::set<Mode> modes;
    bool begun = false;
    for (const Step& step : exact_stream_steps(sample, 0)) {
      EXPECT_TRUE(validate(step.problem)) << descriptor;
      begun = begun || step.seed_slot.has_value();
      EXPECT_TRUE(begun);
      rates.insert(step.problem.p);
      shapes.insert(step.problem.shape);
      modes.insert(step.problem.mode);
    }
    EXPECT_EQ(rates.size(), 4u) << "p, another one, 0 and 1";
    EXPECT_EQ(shapes.size(), element_count(sample.problem.shape) > 1 ? 2u : 1u) << descriptor;
    EXPECT_EQ(modes.size(), 2u);
  }
}

}  // namespace
}  // namespace dropcheck::suites
