// Mutants behind the plugin ABI: the boundary hides no defect and adds none.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <ostream>

#include "harness/core/descriptor.hpp"
#include "harness/run/runner.hpp"
#include "impl/mutants/mutants.hpp"
#include "impl/plugin/plugin_backend.hpp"
#include "suites/register.hpp"

namespace dropcheck::mutants {
namespace {

using ::testing::HasSubstr;

std::string direct(std::string_view id) { return fmt::format("mutant:{}", id); }
std::string through_plugin(std::string_view id) {
  return fmt::format("plugin:{}?{}", DROPCHECK_MUTANT_PLUGIN, id);
}

const Registry& registry() {
  static const Registry made = [] {
    Registry all;
    suites::register_suites(all);
    all.add_backend({"mutant", "mutant:ID", "wrong on purpose", true, open_mutant});
    all.add_backend({"plugin", "plugin:PATH[?CONFIG]", "a shared library", true,
                     [](const std::string& argument, const BackendOptions& options) {
                       return plugin_host::open_plugin(argument, options.rank, options.world_size);
                     }});
    return all;
  }();
  return made;
}

Capabilities claims_of(const std::string& spec) {
  const auto backend = registry().open(spec, {});
  if (!backend) throw std::logic_error(backend.error().message);
  return (*backend)->capabilities();
}

std::vector<ResultRecord> results_of(const std::string& spec, const PlanOptions& options) {
  const auto plan = make_plan(registry(), options);
  if (!plan) throw std::logic_error(plan.error().message);
  std::vector<ResultRecord> results;
  RunnerEvents events;
  events.on_result = [&](ResultRecord result) {
    results.push_back(result);
    return result.verdict;
  };
  std::atomic<bool> stop{false};
  run_plan(registry(), *plan, spec, claims_of(spec), {}, events, stop);
  return results;
}

const MutantInfo& mutant_of(std::string_view id) {
  const auto table = mutant_table();
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const MutantInfo& m) { return m.id == id; });
  if (found == table.end()) throw std::logic_error(fmt::format("no mutant is called {}", id));
  return *found;
}

PlanOptions options_of(const MutantInfo& mutant) {
  PlanOptions options;
  options.profile = std::string(mutant.profile);
  options.check_glob = std::string(mutant.killed_by);
  if (!mutant.shown_by.empty()) options.only_case = *parse_descriptor(std::string(mutant.shown_by));
  return options;
}

/// Verdict and integers of each result in a line; nothing of the backend's name.
std::vector<std::string> told(const std::vector<ResultRecord>& results) {
  std::vector<std::string> lines;
  for (const ResultRecord& r : results) {
    lines.push_back(
        fmt::format("{} {} {} {} {}", r.check, r.problem, to_string(r.verdict), r.comparisons, r.message));
    for (const Statistic& s : r.statistics)
      for (const auto& [name, integers] : s.counts) {
        lines.back() += fmt::format(" {}:", name);
        for (const Int128 integer : integers) lines.back() += " " + to_string(integer);
      }
  }
  return lines;
}

std::uint64_t failures(const std::vector<ResultRecord>& results) {
  return static_cast<std::uint64_t>(std::count_if(
      results.begin(), results.end(), [](const ResultRecord& r) { return r.verdict == Verdict::fail; }));
}

// --- a sample of all families and all bases

struct Sampled {
  std::string_view id;
  std::string_view why;  // it is in the sample: what has to cross the boundary

  friend void PrintTo(const Sampled& row, std::ostream* out) { *out << row.id; }
};

constexpr Sampled kSample[] = {
    {"same_mask_every_call", "calls that continue a stream"},
    {"offset_truncated", "offsets of 64 bits"},
    {"ranks_equal", "a promise, and the rank of a context"},
    {"replay_frozen", "a promise, and an attribute that is a boolean"},
    {"thread_dependent", "the attribute of threads"},
    {"row_key", "large masks"},
    {"seven_rounds", "the name of a documented stream"},
    {"swapped", "p"},
    {"scale_missing", "values to the bit"},
    {"nan_to_zero", "bit patterns that are no numbers"},
    {"in_place_ignored", "calls in place"},
    {"scale_in_eval", "the mode"},
    {"tail_overrun", "memory past the end of a tensor, which the mutant writes"},
    {"backward_own_mask", "saved calls and gradients"},
    {"mask_not_shared", "the state of the generator"},
    {"graph_mask_redrawn", "gradients of gradients: further tensors of a backward call"},
    {"seed_truncated32", "seeds of 64 bits"},
    {"dropout2d_elementwise", "another operator"},
    {"copy_in_eval", "what a result says of itself"},
    {"error_text", "the text of a refusal"},
    {"gates_share_mask", "a layer: attributes and further tensors"},
    {"mlp_pairs_coupled", "a network"},
    {"second_half_kept", "a constant input and a packed mask of more than 2^31 elements"},
};

class BehindThePlugin : public ::testing::TestWithParam<Sampled> {};

TEST_P(BehindThePlugin, IsCaughtByItsCheckAsItIsDirectly) {
  const MutantInfo& mutant = mutant_of(GetParam().id);
  const auto without = results_of(direct(mutant.id), options_of(mutant));
  const auto within = results_of(through_plugin(mutant.id), options_of(mutant));
  EXPECT_GT(failures(without), 0u) << mutant.mechanism;
  EXPECT_GT(failures(within), 0u) << mutant.mechanism;
  for (const ResultRecord& r : within) EXPECT_EQ(r.check, mutant.killed_by);
  EXPECT_EQ(told(within), told(without)) << GetParam().why;
}

INSTANTIATE_TEST_SUITE_P(Sample, BehindThePlugin, ::testing::ValuesIn(kSample),
                         [](const auto& row) { return std::string(row.param.id); });

TEST(MutantPlugin, SampleHasEveryFamilyAndEveryBase) {
  for (const Family& family : mutant_families())
    EXPECT_TRUE(std::any_of(family.mutants.begin(), family.mutants.end(), [](const MutantInfo& member) {
      return std::any_of(std::begin(kSample), std::end(kSample),
                         [&](const Sampled& row) { return row.id == member.id; });
    })) << family.title;
  for (const std::string_view base : kBases)
    EXPECT_TRUE(std::any_of(std::begin(kSample), std::end(kSample), [&](const Sampled& row) {
      return mutant_of(row.id).base == base;
    })) << base;
}

// --- the bases

class BaseBehindThePlugin : public ::testing::TestWithParam<std::string_view> {};

TEST_P(BaseBehindThePlugin, PassesTheSmokeProfileAsItDoesDirectly) {
  PlanOptions options;
  options.profile = "smoke";
  const auto within = results_of(through_plugin(GetParam()), options);
  EXPECT_EQ(failures(within), 0u);
  EXPECT_GT(std::count_if(within.begin(), within.end(),
                          [](const ResultRecord& r) { return r.verdict == Verdict::pass; }),
            500);
  EXPECT_EQ(told(within), told(results_of(direct(GetParam()), options)));
}

TEST_P(BaseBehindThePlugin, PassesTheChecksOfTheSample) {
  for (const Sampled& row : kSample) {
    const MutantInfo& mutant = mutant_of(row.id);
    if (mutant.base != GetParam()) continue;
    const auto results = results_of(through_plugin(GetParam()), options_of(mutant));
    EXPECT_FALSE(results.empty()) << mutant.killed_by;
    for (const ResultRecord& r : results)
      EXPECT_EQ(r.verdict, Verdict::pass) << r.check << " " << r.problem << ": " << r.message;
  }
}

TEST_P(BaseBehindThePlugin, ClaimsWhatItClaimsDirectly) {
  const Capabilities within = claims_of(through_plugin(GetParam())), without = claims_of(direct(GetParam()));
  const auto fields = [](const Capabilities& c) {
    return std::tuple(c.name, c.version, c.device, c.exact_stream, c.notes, c.ops, c.dtypes, c.layouts,
                      c.seed_semantics, c.seed_bits, c.offset_unit, c.forms, c.conforms_to, c.promises);
  };
  EXPECT_EQ(fields(within), fields(without));
  const auto features = [](const Capabilities& c) {
    return std::vector{c.backward,       c.in_place,  c.threads,           c.mask_output,   c.packed_mask,
                       c.constant_input, c.recompute, c.reports_rng_words, c.effective_rate};
  };
  EXPECT_EQ(features(within), features(without));
}

INSTANTIATE_TEST_SUITE_P(All, BaseBehindThePlugin, ::testing::ValuesIn(kBases),
                         [](const auto& base) { return std::string(base.param); });

TEST(MutantPlugin, RefusesAnIdThatIsInNoTable) {
  const auto opened = registry().open(through_plugin("no_such_mutant"), {});
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("mutant 'no_such_mutant' is not known"));
}

}  // namespace
}  // namespace dropcheck::mutants
