// Metamorphic tests of how a sample is read: in whatever parts observers see its blocks, however they are
// merged and on however many lanes, no integer, no p-value and no verdict changes.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <atomic>
#include <set>

#include "harness/run/chunker.hpp"
#include "harness/run/runner.hpp"
#include "harness/testing/rc_gtest.hpp"
#include "impl/mutants/mutants.hpp"
#include "suites/register.hpp"
#include "suites/testing/planted_backend.hpp"
#include "suites/testing/relation_samples.hpp"

namespace dropcheck::suites {
namespace {

using testing::Draw;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::RelationSample;
using testing::Seen;

std::string text_of(const std::vector<Statistic>& statistics) {
  std::string text;
  for (const Statistic& s : statistics) {
    text += fmt::format("; {} {} {} p {:.17g} log10 {:.17g}", s.id, s.name, s.engine, s.p_value, s.log10_p);
    if (s.cell) text += fmt::format(" cell {}", *s.cell);
    for (const auto& [name, integers] : s.counts) {
      text += fmt::format(" {}:", name);
      for (const Int128 integer : integers) text += " " + to_string(integer);
    }
  }
  return text;
}

/// All that a judgement says, to the last bit of its p-values.
std::string told(const Judgement& j) {
  return fmt::format("{} after {}: {}{}", to_string(j.verdict), j.comparisons, j.message,
                     text_of(j.statistics));
}

// --- observers

/// Observers of the blocks from `from` to `until` - 1: one, or two halves of a random size that are merged.
std::unique_ptr<Observer> observed_in_parts(const Check& check, const Seen& seen, std::uint64_t from,
                                            std::uint64_t until, testing::Engine& engine) {
  if (until - from == 1 || engine() % 8 == 0) return testing::observe(check, seen, from, until);
  const std::uint64_t middle = from + 1 + engine() % (until - from - 1);
  auto first = observed_in_parts(check, seen, from, middle, engine);
  first->merge(*observed_in_parts(check, seen, middle, until, engine));
  return first;
}

TEST(SplitSamples, AreJudgedAlikeInWhateverPartsTheyAreObserved) {
  std::set<std::string> met;
  DROPCHECK_PROPERTY([&] {
    const RelationSample& sample = *rc::gen::elementOf(testing::relation_samples());
    const double p = *rc::gen::elementOf(std::vector<double>{0.5, 0.1, 0.3, 0.9});
    const auto draw = static_cast<Draw>(*rc::gen::inRange(0, static_cast<int>(testing::kDraws)));
    const auto seed = *rc::gen::arbitrary<std::uint64_t>();
    const Seen seen = testing::drawn(sample, p, draw, seed);
    testing::Engine engine(seed);
    for (const Check* check : testing::checks_on(sample, p)) {
      met.insert(check->info().id);
      const auto parts = observed_in_parts(*check, seen, 0, seen.sample.blocks, engine);
      RC_LOG() << check->info().id << " on " << sample.name << '\n';
      RC_ASSERT(told(testing::judge(*check, seen, *parts)) == told(testing::judge(*check, seen)));
    }
  });
  for (const RelationSample& sample : testing::relation_samples())
    for (const Check* check : testing::checks_on(sample, 0.5))
      EXPECT_TRUE(met.contains(check->info().id)) << check->info().id;
}

/// Counts neighbours that are both dropped, and forgets that blocks begin anew: what one observer sees over
/// two blocks two observers do not see.
class JoinedBlocks final : public Check {
 public:
  JoinedBlocks() : Check(CheckInfo{}) {}
  Applicability applies(const SampleInfo&) const override { return Applicability::yes(); }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override { return std::make_unique<Pairs>(); }
  Judgement judge(const Observer& seen, const JudgeContext&) const override {
    Judgement judgement;
    judgement.comparisons = static_cast<const Pairs&>(seen).both;
    return judgement;
  }

 private:
  struct Pairs final : Observer {
    void observe(const StepRecord& record) override {
      for (std::uint64_t i = 0; i < record.dropped->size(); ++i) {
        const bool drop = (*record.dropped)[i];
        both += drop && before ? 1 : 0;
        before = drop;
      }
    }
    void merge(const Observer& later) override { both += static_cast<const Pairs&>(later).both; }
    std::uint64_t both = 0;
    bool before = false;
  };
};

TEST(SplitSamples, ShowACheckThatJoinsBlocks) {
  const Seen seen = testing::drawn(testing::relation_samples().at(2), 0.9, Draw::ideal, 3);
  const JoinedBlocks check;
  testing::Engine engine(4);
  std::set<std::string> said = {told(testing::judge(check, seen))};
  for (int i = 0; i < 20; ++i)
    said.insert(
        told(testing::judge(check, seen, *observed_in_parts(check, seen, 0, seen.sample.blocks, engine))));
  EXPECT_GT(said.size(), 1u);
}

// --- chunks

TEST(SplitSamples, AreCutIntoTheSameChunksWhateverTheLengthsOfCalls) {
  constexpr std::uint64_t kEntries = 2 * kChunkBits + 12345;
  MaskBits whole(kEntries);
  testing::Engine engine(9);
  for (std::uint64_t& word : whole.words()) word = engine();
  whole.words().back() &= (std::uint64_t{1} << whole.tail_length()) - 1;
  using Read = std::vector<std::pair<std::uint64_t, std::vector<std::uint64_t>>>;
  const auto read = [&](std::uint64_t longest, std::uint64_t seed) {
    Read chunks;
    Chunker chunker(Order::logical, 0, [&](const Chunk& chunk) {
      chunks.emplace_back(chunk.size, std::vector(chunk.words.begin(), chunk.words.end()));
    });
    testing::Engine lengths(seed);
    for (std::uint64_t at = 0; at < kEntries;) {
      const std::uint64_t length = std::min(kEntries - at, 1 + lengths() % longest);
      MaskBits call(length);
      for (std::uint64_t i = 0; i < length; ++i)
        if (whole[at + i]) call.set(i);
      chunker.append(call, 0.5);
      at += length;
    }
    chunker.finish();
    return chunks;
  };
  Read once;
  Chunker chunker(Order::logical, 0, [&](const Chunk& chunk) {
    once.emplace_back(chunk.size, std::vector(chunk.words.begin(), chunk.words.end()));
  });
  chunker.append(whole, 0.5);
  chunker.finish();
  ASSERT_EQ(once.size(), 3u);
  DROPCHECK_PROPERTY([&] {
    const auto longest = std::uint64_t{1} << *rc::gen::inRange(4, 22);
    RC_ASSERT(read(longest, *rc::gen::arbitrary<std::uint64_t>()) == once);
  });
}

// --- lanes

std::vector<std::string> results_of(const Registry& registry, const std::string& spec,
                                    const PlanOptions& options, unsigned lanes) {
  const auto plan = make_plan(registry, options);
  if (!plan) throw std::logic_error(plan.error().message);
  const auto backend = registry.open(spec, {});
  if (!backend) throw std::logic_error(backend.error().message);
  std::vector<std::string> results;
  RunnerEvents events;
  events.on_result = [&](ResultRecord r) {
    std::string text = fmt::format("{} {} {} {} {} {}{}", r.check, r.protocol, r.problem,
                                   to_string(r.verdict), r.comparisons, r.message, text_of(r.statistics));
    for (const StageRecord& stage : r.stages)
      text += fmt::format(" stage {} {} {}{}", stage.stage, stage.mask_entries, stage.outcome,
                          text_of(stage.statistics));
    results.push_back(std::move(text));
    return r.verdict;
  };
  RunnerOptions runner;
  runner.lanes = lanes;
  std::atomic<bool> stop{false};
  run_plan(registry, *plan, spec, (*backend)->capabilities(), runner, events, stop);
  return results;
}

Registry registry_with_mutants() {
  Registry registry;
  register_suites(registry);
  registry.add_backend({"mutant", "mutant:ID", "wrong on purpose", true, mutants::open_mutant});
  return registry;
}

class Lanes : public ::testing::TestWithParam<const char*> {};

/// All checks that the profile plans, exact ones and rows among them: right and wrong backends.
TEST_P(Lanes, ChangeNoResultOfTheSmokeProfile) {
  const Registry registry = registry_with_mutants();
  PlanOptions options;
  options.profile = "smoke";
  const std::string spec = fmt::format("mutant:{}", GetParam());
  const auto one = results_of(registry, spec, options, 1);
  EXPECT_GT(one.size(), 1000u);
  for (const unsigned lanes : {2u, 3u, 8u})
    EXPECT_EQ(results_of(registry, spec, options, lanes), one) << lanes;
}

INSTANTIATE_TEST_SUITE_P(Backends, Lanes, ::testing::Values("none", "lanes_of_four", "torchlike"),
                         [](const auto& row) { return std::string(row.param); });

TEST(SplitRuns, TellTheSameOnAnyNumberOfLanes) {
  const Registry registry = registry_with_mutants();
  DROPCHECK_PROPERTY([&] {
    PlanOptions options;
    options.profile = "quick";
    options.master_seed = *rc::gen::arbitrary<std::uint64_t>();
    options.check_glob = *rc::gen::element<std::string>("mask_rate.*", "channel_correlation.*",
                                                        "unbiasedness.*", "seed_determinism.*");
    options.only_case = testing::problem_of("op=dropout,p=0.3,shape=8209");
    const std::string spec = *rc::gen::element<std::string>("mutant:none", "mutant:tail_kept");
    const unsigned lanes = *rc::gen::inRange(2u, 9u);
    const auto one = results_of(registry, spec, options, 1);
    RC_ASSERT(!one.empty());
    RC_ASSERT(results_of(registry, spec, options, lanes) == one);
  });
}

/// Its instances share one stream, so that what a block gets depends on who asked before.
TEST(SplitRuns, ShowABackendWhoseLanesShareAStream) {
  std::atomic<std::uint64_t> calls{0};
  Registry registry;
  register_suites(registry);
  registry.add_backend({"shared", "shared", "one stream for all", false,
                        [&](const std::string&, const BackendOptions&) -> Expected<std::unique_ptr<Backend>> {
                          auto backend = std::make_unique<testing::PlantedBackend>();
                          backend->before_drawing = [&](const Call&,
                                                        testing::PlantedBackend::Engine& engine) {
                            engine.seed(++calls);
                          };
                          return std::unique_ptr<Backend>(std::move(backend));
                        }});
  PlanOptions options;
  options.profile = "smoke";
  options.check_glob = "mask_rate.drop_rate";
  const auto one = results_of(registry, "shared", options, 1);
  ASSERT_THAT(one, Not(IsEmpty()));
  EXPECT_NE(results_of(registry, "shared", options, 3), one);
}

}  // namespace
}  // namespace dropcheck::suites
