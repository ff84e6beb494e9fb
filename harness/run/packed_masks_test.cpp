// Backends that send packed masks in place of outputs: what they are asked, that their masks are judged as
// outputs are, and that whoever lies about a mask is found out.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <random>

#include "harness/core/descriptor.hpp"
#include "harness/core/packed_mask.hpp"
#include "harness/run/block_executor.hpp"
#include "harness/run/runner.hpp"
#include "harness/run/seeds.hpp"
#include "harness/testing/packing_backend.hpp"
#include "harness/testing/scripted_backend.hpp"
#include "reference/reference_backend.hpp"
#include "suites/register.hpp"

namespace dropcheck {
namespace {

using ::testing::HasSubstr;
using testing::PackingBackend;
using testing::ScriptedBackend;

std::unique_ptr<PackingBackend> packed_reference() {
  return std::make_unique<PackingBackend>(std::make_unique<reference::ReferenceBackend>());
}

const Registry& suites_registry() {
  static const Registry registry = [] {
    Registry made;
    suites::register_suites(made);
    return made;
  }();
  return registry;
}

/// What a record says about a mask.
struct Seen {
  MaskBits drops;
  std::uint64_t channels = 0;
  std::vector<std::int8_t> integers;
  bool has_output = false;
};

/// A sample of a real protocol, on which all of whose seeds are fixed.
struct Sample {
  std::string protocol = "mask";
  std::string descriptor = "op=dropout,p=0.3,shape=100x41";
  std::uint64_t blocks = 12;

  SampleInfo info() const {
    return {protocol, *parse_descriptor(descriptor), blocks,
            suites_registry().protocol(protocol)->default_calls};
  }
  std::optional<Trouble> run(Backend& backend, std::vector<Seen>* seen = nullptr) const {
    const Protocol& steps = *suites_registry().protocol(protocol);
    const auto seeds =
        sample_seeds(1, info(), 1, seed_slots(steps, info(), backend.capabilities().seed_semantics),
                     backend.capabilities().seed_bits);
    const std::atomic<bool> stop{false};
    BlockExecutor executor(backend);
    const auto sink = [&](const StepRecord& record) {
      if (seen == nullptr) return;
      ASSERT_NE(record.dropped, nullptr);
      EXPECT_EQ(record.y.shape, info().problem.shape);
      seen->push_back({*record.dropped,
                       record.channels != nullptr ? record.channels->bits.size() : 0,
                       {record.integers.begin(), record.integers.end()},
                       record.y.data != nullptr});
    };
    for (std::uint64_t block = 0; block < blocks; ++block)
      if (auto trouble = executor.run(steps, info(), block, seeds[block], sink, stop)) return trouble;
    return std::nullopt;
  }
};

void expect_fail(const Sample& sample, Backend& backend, const std::string& part) {
  const auto trouble = sample.run(backend);
  ASSERT_TRUE(trouble) << part;
  EXPECT_EQ(trouble->verdict, Verdict::fail) << trouble->message;
  EXPECT_THAT(trouble->message, HasSubstr(part));
}

// --- what is asked

TEST(PackedMasks, AreThoseOfTheOutputsForEveryOperatorDtypeAndProtocol) {
  for (const char* protocol : {"mask", "position", "streams"})
    for (const char* problem :
         {"op=dropout,p=0.3,shape=1027", "op=dropout,p=0.9,dtype=bf16,shape=64",
          "op=alpha_dropout,p=0.5,dtype=f16,shape=9x7x5", "op=dropout1d,p=0.1,shape=8x9x3",
          "op=feature_alpha_dropout,p=0.5,dtype=f64,shape=4x5x2x3"}) {
      const Sample sample{protocol, problem, 10};
      reference::ReferenceBackend plain;
      const auto packed = packed_reference();
      std::vector<Seen> outputs, masks;
      ASSERT_FALSE(sample.run(plain, &outputs));
      const auto trouble = sample.run(*packed, &masks);
      ASSERT_FALSE(trouble) << trouble->message;
      ASSERT_EQ(masks.size(), outputs.size());
      EXPECT_TRUE(masks[0].has_output);
      std::size_t alone = 0;
      for (std::size_t i = 0; i < masks.size(); ++i) {
        ASSERT_TRUE(outputs[i].has_output);
        ASSERT_EQ(masks[i].drops, outputs[i].drops) << problem << " call " << i;
        EXPECT_EQ(masks[i].channels, outputs[i].channels);
        EXPECT_EQ(masks[i].integers, outputs[i].integers);
        alone += masks[i].has_output ? 0 : 1;
      }
      EXPECT_GT(alone, masks.size() / 2) << protocol << " " << problem;
      EXPECT_LT(alone, masks.size());
    }
}

TEST(PackedMasks, SaveMostOfTheBytes) {
  const Sample sample{"position", "op=dropout,p=0.3,shape=8192", 4};
  PackingBackend plain(std::make_unique<reference::ReferenceBackend>());
  plain.claims.packed_mask = plain.claims.constant_input = false;
  const auto packed = packed_reference();
  ASSERT_FALSE(sample.run(plain));
  ASSERT_FALSE(sample.run(*packed));
  EXPECT_EQ(plain.masks + plain.constants, 0u);
  EXPECT_EQ(plain.bytes, std::uint64_t{4 * 512} * 2 * 4 * 8192);
  // 1/64 for each mask, and half of the plain bytes, y without x, in one call of eight.
  EXPECT_LT(packed->bytes, plain.bytes / 10);
  EXPECT_EQ(packed->constants, packed->calls);
}

/// What the calls of a sample looked like, one letter each: "y" an output alone, "m" a mask alone, "b" both;
/// capital where x was a constant.
std::string asked(const Sample& sample, std::function<void(Capabilities&)> claim) {
  ScriptedBackend backend;
  reference::ReferenceBackend inner;
  PackingBackend packing(std::make_unique<reference::ReferenceBackend>());
  backend.claims = inner.capabilities();
  claim(backend.claims);
  std::string text;
  backend.on_forward = [&](const Call& call) {
    const char letter = !call.packed_mask ? 'y' : call.y ? 'b' : 'm';
    text += call.constant_input ? static_cast<char>(letter - 'a' + 'A') : letter;
    EXPECT_EQ(static_cast<bool>(call.x), !call.constant_input);
    EXPECT_EQ(call.x.view.shape, sample.info().problem.shape);
    return packing.forward(call);
  };
  const auto trouble = sample.run(backend);
  EXPECT_FALSE(trouble) << trouble->message;
  return text;
}

TEST(PackedMasks, ChangeNoCallOfABackendThatDoesNotClaimThem) {
  for (const char* protocol : {"mask", "position", "streams"}) {
    const Sample sample{protocol, "op=dropout,p=0.3,shape=17", 1};
    EXPECT_EQ(asked(sample, [](Capabilities&) {}), std::string(sample.info().calls, 'y'));
  }
}

TEST(PackedMasks, AreAskedForAloneBeforeTheOutputOfTheSameSeed) {
  const Sample sample{.blocks = 1};
  const std::string plain = asked(sample, [](Capabilities& c) { c.packed_mask = true; });
  EXPECT_EQ(plain.substr(0, 3), "mbm") << "the first call is shown, and those after it continue the stream";
  const std::string constant =
      asked(sample, [](Capabilities& c) { c.packed_mask = c.constant_input = true; });
  EXPECT_EQ(constant.substr(0, 3), "MbM") << "the output is that of the step's own input";
  const Sample ones{"position", "op=dropout,p=0.3,shape=17", 1};
  EXPECT_EQ(asked(ones, [](Capabilities& c) { c.packed_mask = c.constant_input = true; }).substr(0, 3),
            "MBM");
  EXPECT_EQ(asked(ones, [](Capabilities& c) { c.constant_input = true; }), std::string(512, 'Y'));
}

TEST(PackedMasks, KeepTheirInputWhereNoSeedCanBeGivenTwice) {
  for (const SeedSemantics semantics : {SeedSemantics::none, SeedSemantics::fixed}) {
    const auto claim = [&](Capabilities& c) {
      c.packed_mask = c.constant_input = true;
      c.seed_semantics = semantics;
    };
    const std::string calls = asked({.blocks = 20}, claim);
    EXPECT_EQ(calls.size(), 80u) << "no call is made twice";
    EXPECT_EQ(calls[0], 'b');
    EXPECT_GT(std::count(calls.begin(), calls.end(), 'm'), 40);
    EXPECT_EQ(calls.find_first_not_of("mb"), std::string::npos);
    EXPECT_EQ(asked({"position", "op=dropout,p=0.3,shape=17", 1}, claim).find_first_not_of("MB"),
              std::string::npos)
        << "an input of ones is a constant anyway";
  }
}

TEST(PackedMasks, AreComparedInEveryShownCallWhereEachCallHasItsSeed) {
  const std::string calls = asked({.blocks = 40}, [](Capabilities& c) {
    c.packed_mask = true;
    c.seed_semantics = SeedSemantics::per_call;
  });
  const auto shown = std::count(calls.begin(), calls.end(), 'b');
  EXPECT_GT(shown, 5);
  EXPECT_EQ(static_cast<std::ptrdiff_t>(calls.size()), 160 + shown);
  for (std::size_t at = calls.find('b'); at != std::string::npos; at = calls.find('b', at + 1))
    EXPECT_EQ(calls[at - 1], 'm') << at;
}

TEST(PackedMasks, AreLeftAloneWhereMoreIsLookedAt) {
  const auto claim = [](Capabilities& c) { c.packed_mask = c.constant_input = true; };
  for (const char* problem :
       {"op=dropout,p=0.3,shape=6x7,layout=transposed", "op=dropout,p=0.3,shape=42,inplace=true"})
    EXPECT_EQ(asked({"mask", problem, 1}, claim), "yyyy") << problem;
}

// --- who lies

TEST(LyingMasks, AreFoundByTheOutputOfTheSameCall) {
  const auto backend = packed_reference();
  backend->spoil_mask = [](const Call& call, MaskBits& drops) {
    if (call.y) drops.words()[1] ^= 1u << 6;
  };
  expect_fail({}, *backend,
              "packed_mask: the mask sent is not that of the output: 1 of 4100 elements differ, the first is "
              "element 70, which the mask sent");
}

TEST(LyingMasks, AreFoundWhereTheyComeAlone) {
  const auto backend = packed_reference();
  backend->spoil_mask = [](const Call& call, MaskBits& drops) {
    if (!call.y) drops.words()[1] ^= 1u << 6;
  };
  expect_fail(
      {}, *backend,
      "packed_mask: the mask that is sent without an output is not that of the output with the same seed");
}

TEST(LyingMasks, AreFoundWhereEachOneAloneIsFresh) {
  const auto backend = packed_reference();
  std::mt19937_64 engine(1);
  backend->spoil_mask = [&](const Call& call, MaskBits& drops) {
    if (call.y) return;
    for (std::uint64_t i = 0; i < drops.size(); ++i)
      if (engine() % 10 < 3 ? !drops[i] : drops[i]) drops.words()[i / 64] ^= std::uint64_t{1} << (i % 64);
  };
  expect_fail({}, *backend, "the mask alone");
}

TEST(LyingMasks, AreFoundWhenInvertedOrInTheWrongBitOrder) {
  const auto inverted = packed_reference();
  inverted->spoil_bytes = [](const Call&, std::span<std::byte> packed) {
    for (std::byte& b : packed) b = ~b;
    return packed.size();
  };
  const Sample whole_bytes{.descriptor = "op=dropout,p=0.3,shape=4096"};
  expect_fail(whole_bytes, *inverted, "the mask sent is not that of the output");
  expect_fail({}, *inverted, "bits past the last of 4100 elements are set");
  const auto reversed = packed_reference();
  reversed->spoil_bytes = [](const Call&, std::span<std::byte> packed) {
    for (std::byte& b : packed) {
      unsigned turned = 0;
      for (unsigned bit = 0; bit < 8; ++bit)
        turned |= (std::to_integer<unsigned>(b) >> bit & 1u) << (7 - bit);
      b = static_cast<std::byte>(turned);
    }
    return packed.size();
  };
  expect_fail(whole_bytes, *reversed, "the mask sent is not that of the output");
}

TEST(LyingMasks, AreFoundWhenNotWrittenOrNotToTheEnd) {
  for (const bool with_output : {false, true}) {
    const auto backend = packed_reference();
    backend->spoil_bytes = [&](const Call& call, std::span<std::byte> packed) {
      return static_cast<bool>(call.y) == with_output ? std::size_t{0} : packed.size();
    };
    expect_fail({}, *backend, "packed_mask: 16 of its 513 bytes, from byte 0 on, were never written");
    backend->spoil_bytes = [&](const Call& call, std::span<std::byte> packed) {
      return static_cast<bool>(call.y) == with_output ? packed.size() - 1 : packed.size();
    };
    expect_fail({}, *backend, "packed_mask: bits past the last");  // what lay there before has some
  }
}

TEST(LyingMasks, AreFoundWhenTheyWriteOutside) {
  const auto backend = packed_reference();
  backend->spoil_bytes = [](const Call& call, std::span<std::byte> packed) {
    call.packed_mask.view.data[packed.size()] = std::byte{0};
    return packed.size();
  };
  expect_fail({}, *backend, "packed_mask: 1 bytes outside the tensor");
}

/// Drops what the reference drops, and every x above 100.
class Choosy final : public Backend {
 public:
  const Capabilities& capabilities() const override { return inner_.capabilities(); }
  Expected<Observation> forward(const Call& call) override {
    auto seen = inner_.forward(call);
    for (std::int64_t i = 0; i < call.x.view.count(); ++i)
      if (reinterpret_cast<const float*>(call.x.view.data)[i] > 100)
        reinterpret_cast<float*>(call.y.view.data)[i] = 0;
    return seen;
  }
  Expected<Observation> backward(const BackwardCall& call) override { return inner_.backward(call); }
  void release(SavedToken saved) override { inner_.release(saved); }

 private:
  reference::ReferenceBackend inner_;
};

TEST(LyingMasks, AreToldFromMasksThatDependOnTheInput) {
  PackingBackend backend(std::make_unique<Choosy>());
  expect_fail({}, backend, "the mask depends on the values of x: with the seed ");
}

TEST(PackedMasks, OfSeedsThatGiveAnotherMaskEveryTimeAreLeftToTheChecksOfSeeds) {
  ScriptedBackend backend;
  backend.claims = reference::ReferenceBackend().capabilities();
  backend.claims.packed_mask = true;
  PackingBackend packing(std::make_unique<reference::ReferenceBackend>());
  std::uint64_t calls = 0;
  backend.on_forward = [&](Call call) {
    call.seed = ++calls;
    return packing.forward(call);
  };
  std::vector<Seen> seen;
  const auto trouble = Sample{}.run(backend, &seen);
  EXPECT_FALSE(trouble) << trouble->message;
  EXPECT_EQ(seen.size(), 48u);
  EXPECT_TRUE(seen[0].has_output);
}

TEST(PackedMasks, ThatAreRefusedEndTheBlock) {
  for (const auto& [code, verdict] : {std::pair{ErrorCode::backend_failed, Verdict::error},
                                      std::pair{ErrorCode::unsupported, Verdict::unsupported}}) {
    ScriptedBackend backend;
    backend.claims.packed_mask = true;
    backend.on_forward = [code = code](const Call&) -> Expected<Observation> {
      return Error{code, "no masks"};
    };
    const auto trouble = Sample{}.run(backend);
    ASSERT_TRUE(trouble);
    EXPECT_EQ(trouble->verdict, verdict);
    EXPECT_THAT(trouble->message, HasSubstr("no masks"));
  }
}

// --- judged

constexpr const char* kProfile =
    "mask 6 op=dropout,p=[0.1,0.5],shape=64x256,calls=2\n"
    "mask 5 op=dropout2d,p=0.3,dtype=bf16,shape=32x32x2x2,calls=1\n"
    "mask 4 op=alpha_dropout,p=0.2,shape=64x64,calls=3\n"
    "position 2 op=dropout,p=0.3,shape=67,calls=64\n"
    "streams 3 op=dropout,p=0.5,shape=4096\n"
    "exact 1 op=[dropout,alpha_dropout],p=0.15,dtype=[f32,bf16],shape=3x5x7\n";

using Maker = std::function<std::unique_ptr<Backend>()>;

std::vector<ResultRecord> judged(const Maker& make, const std::string& profile) {
  Registry registry;
  suites::register_suites(registry);
  registry.add_profile("mine", kProfile);
  registry.add_backend({"judged", "judged", "the judged", false,
                        [&](const std::string&, const BackendOptions&) -> Expected<std::unique_ptr<Backend>> {
                          return make();
                        }});
  PlanOptions options;
  options.profile = profile;
  const auto plan = make_plan(registry, options);
  if (!plan) throw std::logic_error(plan.error().message);
  std::vector<ResultRecord> results;
  RunnerEvents events;
  events.on_result = [&](ResultRecord record) {
    results.push_back(std::move(record));
    return results.back().verdict;
  };
  std::atomic<bool> stop{false};
  RunnerOptions how;
  how.lanes = 2;
  run_plan(registry, *plan, "judged", make()->capabilities(), how, events, stop);
  return results;
}

/// The integers of all statistics.
std::string counts_of(const ResultRecord& r) {
  std::string text;
  for (const Statistic& s : r.statistics) {
    text += s.name;
    for (const auto& [name, values] : s.counts) {
      text += " " + name;
      for (const Int128 v : values) text += "," + to_string(v);
    }
    text += fmt::format(" {}\n", s.p_value);
  }
  return text;
}

TEST(JudgedByMasks, EveryStatisticHasTheIntegersThatOutputsGive) {
  const auto plain = judged([] { return std::make_unique<reference::ReferenceBackend>(); }, "mine");
  const auto packed = judged([] { return packed_reference(); }, "mine");
  ASSERT_EQ(plain.size(), packed.size());
  ASSERT_GT(plain.size(), 100u);
  std::size_t fewer = 0;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    EXPECT_EQ(packed[i].verdict, plain[i].verdict) << packed[i].check << " " << packed[i].message;
    EXPECT_EQ(counts_of(packed[i]), counts_of(plain[i])) << packed[i].check;
    if (packed[i].comparisons == plain[i].comparisons) continue;
    EXPECT_EQ(packed[i].check, "unbiasedness.kept_value");
    EXPECT_GT(packed[i].comparisons, 0u) << "every sample shows an output";
    EXPECT_LT(packed[i].comparisons, plain[i].comparisons);
    ++fewer;
  }
  EXPECT_GT(fewer, 0u);
}

TEST(JudgedByMasks, AnHonestBackendPassesTheSmokeProfile) {
  std::size_t passed = 0;
  for (const ResultRecord& r : judged([] { return packed_reference(); }, "smoke")) {
    EXPECT_TRUE(r.verdict == Verdict::pass || r.verdict == Verdict::unsupported)
        << r.check << " " << r.problem << ": " << r.message;
    passed += r.verdict == Verdict::pass ? 1 : 0;
  }
  EXPECT_GT(passed, 500u);
}

/// The reference with another drop probability.
class OtherRate final : public Backend {
 public:
  OtherRate() { claims_.effective_rate = false; }
  const Capabilities& capabilities() const override { return claims_; }
  Expected<Observation> forward(const Call& call) override {
    Call other = call;
    if (call.p > 0 && call.p < 1) other.p = call.p + 0.02;
    return inner_.forward(other);
  }
  Expected<Observation> backward(const BackwardCall& call) override { return inner_.backward(call); }
  void release(SavedToken saved) override { inner_.release(saved); }

 private:
  reference::ReferenceBackend inner_;
  Capabilities claims_ = inner_.capabilities();
};

TEST(JudgedByMasks, AWrongRateFailsThroughMasks) {
  const auto results =
      judged([] { return std::make_unique<PackingBackend>(std::make_unique<OtherRate>()); }, "mine");
  std::size_t failed = 0, passed = 0;
  for (const ResultRecord& r : results) {
    if (r.check != "mask_rate.drop_rate" || r.comparisons < 10'000) continue;  // too few for that rate
    failed += r.verdict == Verdict::fail ? 1 : 0;
    passed += r.verdict == Verdict::pass ? 1 : 0;
  }
  EXPECT_EQ(failed, 3u);
  EXPECT_EQ(passed, 0u);
}

TEST(JudgedByMasks, ALiarFailsEveryCheckOfItsSampleAndNoOther) {
  const auto results = judged(
      [] {
        auto backend = packed_reference();
        backend->spoil_mask = [](const Call&, MaskBits& drops) { drops = MaskBits(drops.size()); };
        return backend;
      },
      "mine");
  for (const ResultRecord& r : results) {
    const bool by_masks = r.protocol == "mask" || r.protocol == "position" || r.protocol == "streams";
    if (by_masks) {
      EXPECT_EQ(r.verdict, Verdict::fail) << r.check << " " << r.message;
      EXPECT_THAT(r.message, HasSubstr("the mask sent is not that of the output"));
    } else {
      EXPECT_NE(r.verdict, Verdict::fail) << r.check << " " << r.message;
    }
  }
}

}  // namespace
}  // namespace dropcheck
