#include "harness/run/stream_lock.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "harness/core/descriptor.hpp"
#include "harness/core/hash.hpp"
#include "harness/run/block_executor.hpp"
#include "harness/run/plan.hpp"
#include "harness/run/seeds.hpp"
#include "harness/run/stream_lock_check.hpp"
#include "harness/run/stream_lock_text.hpp"
#include "harness/testing/scripted_backend.hpp"
#include "reference/reference_backend.hpp"
#include "suites/register.hpp"

namespace dropcheck {
namespace {

using dropcheck::testing::ScriptedBackend;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using Json = nlohmann::ordered_json;

const std::atomic<bool> kGoOn{false};

/// The reference behind a script, so that a test can change what is asked of it or what it claims.
struct Changeable {
  Changeable() {
    inner = *reference::open_reference("", {});
    outer.claims = inner->capabilities();
    outer.on_forward = [this](const Call& call) { return inner->forward(call); };
  }
  std::unique_ptr<Backend> inner;
  ScriptedBackend outer;
};

StreamLock lock_of(Backend& backend) {
  StreamLock lock = empty_lock("reference", backend.capabilities(), "2026-08-01");
  auto drawn = draw_streams(backend, calls_to_lock(backend.capabilities()), kGoOn);
  EXPECT_TRUE(drawn) << drawn.error().message;
  EXPECT_THAT(drawn->left_out, IsEmpty());
  lock.calls = std::move(drawn->calls);
  return lock;
}

const StreamLock& reference_lock() {
  static const StreamLock lock = [] {
    Changeable backend;
    return lock_of(backend.outer);
  }();
  return lock;
}

/// What the check says of a backend.
Judgement judged(const StreamLock& lock, Backend& backend) {
  Registry registry;
  add_stream_lock(registry, lock, "golden/it's.json");
  const Check& check = *registry.check(kStreamLockCheck);
  const Protocol& protocol = *registry.protocol("stream_lock");
  JudgeContext context;
  context.sample = {protocol.id, *protocol.own_problem, 1, 1};
  context.capabilities = &backend.capabilities();
  const auto observer = check.observer(context.sample);
  const auto seeds = sample_seeds(
      1, context.sample, 1, seed_slots(protocol, context.sample, backend.capabilities().seed_semantics), 64);
  BlockExecutor executor(backend);
  const auto trouble = executor.run(
      protocol, context.sample, 0, seeds[0], [&](const StepRecord& r) { observer->observe(r); }, kGoOn);
  EXPECT_FALSE(trouble) << trouble->message;
  return check.judge(*observer, context);
}

std::string refusal(const std::string& text) {
  const auto lock = parse_stream_lock(text, "a.json");
  if (lock) return "it was read";
  EXPECT_EQ(lock.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(lock.error().message, HasSubstr("'a.json'"));
  return lock.error().message;
}

// --- digests

TEST(MaskDigest, IsOfTheNumberOfEntriesAndTheBitsLeastSignificantFirst) {
  MaskBits bits(70);
  for (const std::uint64_t i : {0u, 9u, 63u, 69u}) bits.set(i);
  const unsigned char bytes[] = {70, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x02, 0, 0, 0, 0, 0, 0x80, 0x20};
  EXPECT_EQ(mask_digest(bits),
            text_fingerprint(std::string(reinterpret_cast<const char*>(bytes), sizeof bytes)));
}

TEST(MaskDigest, TellsMasksApart) {
  std::set<std::string> digests;
  for (std::uint64_t n = 0; n < 130; ++n) digests.insert(mask_digest(MaskBits(n)));
  for (std::uint64_t i = 0; i < 129; ++i) {
    MaskBits one(129);
    one.set(i);
    digests.insert(mask_digest(one));
  }
  EXPECT_THAT(digests, SizeIs(130 + 129));
}

TEST(MaskDigest, DoesNotDependOnTheDType) {
  Changeable backend;
  std::set<std::string> digests;
  for (const DType dtype : kFloatDTypes) {
    LockedCall call;
    call.problem.dtype = dtype;
    call.problem.p = 0.1;
    call.problem.shape = {1025};
    call.problem.seed = 7;
    backend.outer.on_forward = [](const Call& asked) -> Expected<Observation> {
      for (std::int64_t i = 0; i < asked.y.view.count(); ++i)  // every third element dropped
        for (std::size_t b = 0; b < asked.y.view.element_size(); ++b)
          asked.y.view.data[static_cast<std::size_t>(i) * asked.y.view.element_size() + b] =
              i % 3 == 0 ? std::byte{0} : std::byte{0x3c};
      return Observation{};
    };
    const auto drawn = draw_streams(backend.outer, {call}, kGoOn);
    ASSERT_TRUE(drawn) << drawn.error().message;
    digests.insert(drawn->calls.at(0).digest);
  }
  EXPECT_THAT(digests, SizeIs(1));
}

// --- the fixed set

TEST(CallsToLock, AreClaimedAndPossibleAndDrawMasks) {
  const Capabilities all = ScriptedBackend::all_claims();
  const auto calls = calls_to_lock(all);
  std::set<std::string> texts;
  for (const LockedCall& call : calls) {
    EXPECT_TRUE(validate(call.problem)) << call_text(call);
    EXPECT_TRUE(draws_mask(call.problem)) << call_text(call);
    EXPECT_EQ(missing_capability(all, call.problem), std::nullopt) << call_text(call);
    texts.insert(call_text(call));
  }
  EXPECT_EQ(texts.size(), calls.size());
  for (const char* part : {"op=dropout,",
                           "op=dropout1d,",
                           "op=dropout2d,",
                           "op=dropout3d,",
                           "op=alpha_dropout,",
                           "op=feature_alpha_dropout,",
                           "p=0.1,",
                           "p=0.5,",
                           "dtype=f64",
                           "dtype=f16",
                           "dtype=bf16",
                           "shape=33,",
                           "layout=channels_last,",
                           "layout=channels_last_3d",
                           "layout=transposed",
                           "layout=strided",
                           "layout=shifted",
                           "layout=expanded",
                           "inplace=true",
                           "offset=4",
                           "threads=1",
                           "threads=3",
                           "seed=0x5eed",
                           "seed=0xffffffffffffffff",
                           "call 1",
                           "call 3"})
    EXPECT_TRUE(std::any_of(texts.begin(), texts.end(), [&](const std::string& t) {
      return (t + ",").find(part) != std::string::npos;
    })) << part;
}

/// Locks of one version are compared call by call with those of the next, so the set must not move unseen.
TEST(CallsToLock, AreTheOnesTheyHaveBeen) {
  std::string all;
  for (const LockedCall& call : calls_to_lock(ScriptedBackend::all_claims())) all += call_text(call) + "\n";
  EXPECT_EQ(text_fingerprint(all), "3301149ee256145952b70bd03665e420");
}

TEST(CallsToLock, HoldNothingThatIsNotClaimed) {
  Capabilities few = ScriptedBackend::all_claims();
  few.ops = {Op::dropout};
  few.dtypes = {DType::f16, DType::i32};
  few.layouts = {Layout::contiguous};
  few.offset_unit.clear();
  few.in_place = few.threads = false;
  const auto calls = calls_to_lock(few);
  ASSERT_FALSE(calls.empty());
  for (const LockedCall& call : calls)
    EXPECT_EQ(missing_capability(few, call.problem), std::nullopt) << call_text(call);
  EXPECT_LT(calls.size(), calls_to_lock(ScriptedBackend::all_claims()).size());
}

TEST(CallsToLock, FitTheSeeds) {
  Capabilities c = ScriptedBackend::all_claims();
  for (const unsigned bits : {1u, 8u, 31u, 63u}) {
    c.seed_bits = bits;
    for (const LockedCall& call : calls_to_lock(c)) {
      EXPECT_EQ(*call.problem.seed >> bits, 0u) << bits;
      EXPECT_NE(*call.problem.seed, 0u) << bits;
    }
  }
  c.seed_semantics = SeedSemantics::per_call;
  EXPECT_THAT(calls_to_lock(c), Each(::testing::Field(&LockedCall::call, 1u)));
  for (const auto semantics : {SeedSemantics::fixed, SeedSemantics::none}) {
    c.seed_semantics = semantics;
    EXPECT_THAT(calls_to_lock(c), IsEmpty());
  }
}

// --- the file

TEST(StreamLockText, ReadsBack) {
  StreamLock lock = reference_lock();
  lock.backend = lock_header_text("exec:python3 \"a b\".py\n\xff");
  const auto back = parse_stream_lock(stream_lock_text(lock), "a.json");
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_TRUE(*back == lock);
}

TEST(StreamLockText, HasALineForEachCall) {
  const std::string text = stream_lock_text(reference_lock());
  for (const LockedCall& call : reference_lock().calls)
    EXPECT_THAT(text, HasSubstr(fmt::format("\n   \"{} call={} {}\"", print_descriptor(call.problem),
                                            call.call, call.digest)));
}

TEST(StreamLockText, RefusesEveryTextThatIsCutShort) {
  StreamLock lock = reference_lock();
  lock.calls.resize(3);
  const std::string text = stream_lock_text(lock);
  for (std::size_t length = 0; length < text.size(); ++length)
    EXPECT_THAT(refusal(text.substr(0, length)),
                ::testing::AnyOf(HasSubstr("cut short"), HasSubstr("it is empty")))
        << length;
}

TEST(StreamLockText, RefusesAFlippedDigest) {
  std::string text = stream_lock_text(reference_lock());
  const std::string& digest = reference_lock().calls[5].digest;
  char& digit = text[text.find(digest)];
  digit = digit == '0' ? '1' : '0';
  EXPECT_THAT(refusal(text), HasSubstr("its checksum does not fit its content: it was damaged or changed"));
}

TEST(StreamLockText, RefusesOtherFilesAndVersions) {
  EXPECT_THAT(refusal("[]\n"), HasSubstr("it is no stream lock"));
  EXPECT_THAT(refusal("{\"schema\":{\"name\":\"dropcheck.ledger\",\"major\":1,\"minor\":0}}\n"),
              HasSubstr("it is no stream lock"));
  EXPECT_THAT(refusal(std::string(100000, '[')), HasSubstr("it is no stream lock"));
  Json json = Json::parse(stream_lock_text(reference_lock()));
  json["schema"]["minor"] = 1;
  EXPECT_THAT(refusal(json.dump() + "\n"), HasSubstr("written by another version of dropcheck"));
  json["schema"]["minor"] = 0;
  json["schema"]["major"] = 2;
  EXPECT_THAT(refusal(json.dump() + "\n"), HasSubstr("written by another version of dropcheck"));
  json["schema"]["major"] = 1;
  json.erase("content");
  EXPECT_THAT(refusal(json.dump() + "\n"), HasSubstr("'content' is missing"));
}

TEST(StreamLockText, RefusesCallsThatNoLockHolds) {
  const auto refused = [](const std::function<void(StreamLock&)>& change) {
    StreamLock lock = reference_lock();
    lock.calls.resize(6);
    change(lock);
    return refusal(stream_lock_text(lock));
  };
  EXPECT_THAT(refused([](StreamLock&) {}), HasSubstr("it was read"));
  EXPECT_THAT(refused([](StreamLock& l) { l.calls.clear(); }), HasSubstr("it holds no calls"));
  EXPECT_THAT(refused([](StreamLock& l) { l.calls.erase(l.calls.begin()); }),
              HasSubstr("does not follow the call before it"));
  EXPECT_THAT(refused([](StreamLock& l) { l.calls[4] = l.calls[1]; }),
              HasSubstr("does not follow the call before it"));
  EXPECT_THAT(refused([](StreamLock& l) { l.calls.insert(l.calls.end(), l.calls.begin(), l.calls.end()); }),
              HasSubstr("stands twice"));
  EXPECT_THAT(refused([](StreamLock& l) { l.calls[0].digest = "00"; }), HasSubstr("32 hexadecimal digits"));
  EXPECT_THAT(refused([](StreamLock& l) { l.calls[0].problem.seed.reset(); }), HasSubstr("has no seed"));
  EXPECT_THAT(refused([](StreamLock& l) { l.calls[0].problem.p = 1; }), HasSubstr("draws no mask"));
  EXPECT_THAT(refused([](StreamLock& l) { l.calls[0].problem.mode = Mode::eval; }),
              HasSubstr("draws no mask"));
  EXPECT_THAT(refused([](StreamLock& l) { l.calls[0].problem.shape = {1 << 21}; }),
              HasSubstr("more than 1048576 elements"));
  EXPECT_THAT(refused([](StreamLock& l) { l.calls[0].problem.shape = {std::int64_t{1} << 62}; }),
              HasSubstr("a descriptor cannot be read"));
  EXPECT_THAT(refused([](StreamLock& l) { l.calls[0].problem.threads = 1000; }),
              HasSubstr("more than 64 threads"));
  EXPECT_THAT(refused([](StreamLock& l) { l.seeds = SeedSemantics::none; }), HasSubstr("'seeds' is neither"));
  EXPECT_THAT(refused([](StreamLock& l) { l.date = "yesterday"; }), HasSubstr("'date' is no date"));
  EXPECT_THAT(refused([](StreamLock& l) { l.version = "1\n2"; }), HasSubstr("'version' is no short line"));
}

TEST(StreamLockText, BoundsWhatAllCallsAskForTogether) {
  StreamLock lock = reference_lock();
  LockedCall large = lock.calls.front();
  lock.calls.clear();
  large.problem.shape = {1 << 20};
  for (std::uint64_t seed = 1; seed <= 129; ++seed) {
    large.problem.seed = seed;
    lock.calls.push_back(large);
  }
  EXPECT_THAT(refusal(stream_lock_text(lock)), HasSubstr("elements together"));
  lock.calls.pop_back();
  EXPECT_TRUE(parse_stream_lock(stream_lock_text(lock), "a.json"));
}

TEST(StreamLockText, SaysWhenThereIsNoFile) {
  const auto lock = read_stream_lock("/nonexistent/lock.json");
  ASSERT_FALSE(lock);
  EXPECT_THAT(lock.error().message, HasSubstr("'/nonexistent/lock.json' does not exist"));
}

// --- differences

TEST(DifferenceOfLocks, ListsChangedAddedAndRemovedCalls) {
  const StreamLock& before = reference_lock();
  EXPECT_TRUE(difference_of(before, before).none());
  StreamLock now = before;
  now.calls[2].digest = std::string(32, '0');
  const LockedCall gone = now.calls.back();
  now.calls.pop_back();
  LockedCall fresh = gone;
  fresh.problem.seed = 12345;
  now.calls.insert(now.calls.begin(), fresh);
  const StreamDifference d = difference_of(before, now);
  ASSERT_THAT(d.changed, SizeIs(1));
  EXPECT_EQ(d.changed[0].first, before.calls[2]);
  EXPECT_EQ(d.changed[0].second.digest, std::string(32, '0'));
  EXPECT_THAT(d.added, ::testing::ElementsAre(fresh));
  EXPECT_THAT(d.removed, ::testing::ElementsAre(gone));
}

// --- drawing

TEST(DrawStreams, NamesTheCallAtWhichTheBackendFails) {
  Changeable backend;
  unsigned asked = 0;
  backend.outer.on_forward = [&](const Call& call) -> Expected<Observation> {
    if (++asked == 6) return Error{ErrorCode::backend_failed, "boom"};
    return backend.inner->forward(call);
  };
  const auto calls = calls_to_lock(backend.outer.claims);
  const auto drawn = draw_streams(backend.outer, calls, kGoOn);
  ASSERT_FALSE(drawn);
  EXPECT_THAT(drawn.error().message, AllOf(HasSubstr(call_text(calls[5])), HasSubstr("boom")));
}

TEST(DrawStreams, LeavesOutWholeCasesThatAreRefused) {
  Changeable backend;
  unsigned asked = 0;
  backend.outer.on_forward = [&](const Call& call) -> Expected<Observation> {
    if (++asked == 5) return Error{ErrorCode::unsupported, "not this one"};
    return backend.inner->forward(call);
  };
  const auto calls = calls_to_lock(backend.outer.claims);
  const auto drawn = draw_streams(backend.outer, calls, kGoOn);
  ASSERT_TRUE(drawn) << drawn.error().message;
  EXPECT_EQ(drawn->calls.size(), calls.size() - 3);
  EXPECT_THAT(drawn->calls, Each(::testing::Field(&LockedCall::problem, Not(calls[4].problem))));
  EXPECT_THAT(drawn->left_out, ::testing::ElementsAre(AllOf(HasSubstr(print_descriptor(calls[4].problem)),
                                                            HasSubstr("not this one"))));
}

TEST(DrawStreams, EndsWhenItIsStopped) {
  Changeable backend;
  std::atomic<bool> stop{false};
  unsigned asked = 0;
  backend.outer.on_forward = [&](const Call& call) {
    if (++asked == 4) stop.store(true);
    return backend.inner->forward(call);
  };
  EXPECT_FALSE(draw_streams(backend.outer, calls_to_lock(backend.outer.claims), stop));
  EXPECT_EQ(asked, 4u);
}

// --- the check

TEST(StreamLockCheck, PassesAsLongAsTheMasksAreTheSame) {
  Changeable backend;
  const Judgement same = judged(reference_lock(), backend.outer);
  EXPECT_EQ(same.verdict, Verdict::pass) << same.message;
  EXPECT_EQ(same.comparisons, reference_lock().calls.size());
  backend.outer.claims.version = "99.1";
  const Judgement later = judged(reference_lock(), backend.outer);
  EXPECT_EQ(later.verdict, Verdict::pass) << "a version may change without its stream";
  EXPECT_THAT(later.message, HasSubstr("this is version 99.1"));
}

TEST(StreamLockCheck, NamesTheFirstChangedCallAndTheLockedVersion) {
  StreamLock lock = reference_lock();
  lock.version = "1.4";
  lock.calls[7].digest[0] = lock.calls[7].digest[0] == '0' ? '1' : '0';
  Changeable backend;
  const Judgement judgement = judged(lock, backend.outer);
  EXPECT_EQ(judgement.verdict, Verdict::fail);
  EXPECT_THAT(judgement.message,
              AllOf(HasSubstr(fmt::format("1 of {} locked masks have changed since version 1.4 of reference",
                                          lock.calls.size())),
                    HasSubstr("locked on 2026-08-01 with dropcheck " DROPCHECK_VERSION),
                    HasSubstr("the first is " + call_text(lock.calls[7])),
                    HasSubstr("'dropcheck lock --update 'golden/it'\\''s.json''")));
}

TEST(StreamLockCheck, CatchesAStreamThatMovedInOnePlace) {
  // Only the third call after a seed, only at one p, only with a tail.
  Changeable backend;
  unsigned since_seed = 0;
  backend.outer.on_forward = [&](const Call& call) {
    since_seed = call.seed ? 1 : since_seed + 1;
    Call changed = call;
    if (since_seed == 3 && call.p == 0.5 && call.x.view.count() == 1023) changed.seed = 1;
    return backend.inner->forward(changed);
  };
  const Judgement judgement = judged(reference_lock(), backend.outer);
  EXPECT_EQ(judgement.verdict, Verdict::fail);
  EXPECT_THAT(judgement.message, HasSubstr("shape=1023,seed=0x5eed, call 3"));
}

TEST(StreamLockCheck, NeverPassesWhatIsNoLongerClaimed) {
  Changeable backend;
  backend.outer.claims.dtypes = {DType::f64};
  const Judgement fewer = judged(reference_lock(), backend.outer);
  EXPECT_EQ(fewer.verdict, Verdict::fail);
  EXPECT_THAT(fewer.message, HasSubstr("(no mask: the backend does not claim dtype f"));
  backend.outer.claims = backend.inner->capabilities();
  backend.outer.claims.seed_semantics = SeedSemantics::none;
  const Judgement unseeded = judged(reference_lock(), backend.outer);
  EXPECT_EQ(unseeded.verdict, Verdict::fail);
  EXPECT_THAT(unseeded.message, HasSubstr("seeds were stateful in version"));
  EXPECT_THAT(unseeded.message, HasSubstr("are now none"));
}

TEST(StreamLockCheck, DoesNotPassWithoutAnswers) {
  Registry registry;
  add_stream_lock(registry, reference_lock(), "a.json");
  const Check& check = *registry.check(kStreamLockCheck);
  const Capabilities claims = Changeable().outer.claims;
  JudgeContext context;
  context.capabilities = &claims;
  const auto nothing = check.observer(context.sample);
  EXPECT_EQ(check.judge(*nothing, context).verdict, Verdict::fail);
}

// --- the plan

class LockInPlan : public ::testing::TestWithParam<const char*> {};

TEST_P(LockInPlan, IsThereWhateverTheProfile) {
  Registry registry;
  suites::register_suites(registry);
  PlanOptions all;
  all.profile = GetParam();
  const auto without = make_plan(registry, all);
  ASSERT_TRUE(without) << without.error().message;
  add_stream_lock(registry, reference_lock(), "a.json");
  const auto with = make_plan(registry, all);
  ASSERT_TRUE(with) << with.error().message;
  EXPECT_EQ(with->samples.size(), without->samples.size() + 1);
  EXPECT_NE(with->hash, without->hash);
  PlanOptions only = all;
  only.check_glob = kStreamLockCheck;
  only.only_case = reference_lock().calls.front().problem;  // as in a repro line
  const auto again = make_plan(registry, only);
  ASSERT_TRUE(again) << again.error().message;
  ASSERT_THAT(again->samples, SizeIs(1));
  EXPECT_EQ(again->samples[0].info.protocol, "stream_lock");
}

INSTANTIATE_TEST_SUITE_P(Profiles, LockInPlan, ::testing::Values("smoke", "quick", "standard", "frameworks"),
                         [](const auto& profile) { return std::string(profile.param); });

TEST(StreamLockCheck, IsNotPlannedWithoutCalls) {
  Registry registry;
  suites::register_suites(registry);
  const auto without = make_plan(registry, {});
  add_stream_lock(registry, {}, "");
  const auto with = make_plan(registry, {});
  ASSERT_TRUE(without && with);
  EXPECT_EQ(with->hash, without->hash);
}

}  // namespace
}  // namespace dropcheck
