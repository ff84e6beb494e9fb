// One property check a suite: RapidCheck draws problems among what the backend claims, runs the suite's exact
// checks on each and shrinks a counter-example. Exact properties only: shrinking a statistical one would be a
// retry that no budget covers.

#include <rapidcheck.h>

#include <mutex>
#include <sstream>

#include "harness/core/descriptor.hpp"
#include "harness/testing/generators.hpp"
#include "suites/catalogue.hpp"
#include "suites/checks.hpp"

namespace dropcheck::suites {
namespace {

/// RapidCheck keeps its implicit parameters in one place for all threads.
std::mutex& rapidcheck_mutex() {
  static std::mutex mutex;
  return mutex;
}

class SilentListener final : public rc::detail::TestListener {
 public:
  void onTestCaseFinished(const rc::detail::CaseDescription&) override {}
  void onShrinkTried(const rc::detail::CaseDescription&, bool) override {}
  void onTestFinished(const rc::detail::TestMetadata&, const rc::detail::TestResult&) override {}
};

class RandomProblems final : public Check {
 public:
  explicit RandomProblems(const std::string& suite) : Check(catalogue_row(suite + ".random_problems")) {}

  Applicability applies(const SampleInfo&) const override {
    return Applicability::no();
  }  // reads no planned sample
  std::unique_ptr<Observer> observer(const SampleInfo&) const override { return nullptr; }
  Judgement judge(const Observer&, const JudgeContext&) const override { return {}; }

  std::optional<Exploration> explore(Explorer& explorer) const override {
    const std::vector<std::string> checks = explorer.exact_checks(info().suite());
    std::optional<Exploration> broken;  // the last failure is the one that shrinking ends with
    std::uint64_t comparisons = 0;
    int problems = 0;
    const auto property = [&] {
      const Problem problem = *testing::claimed_problems(explorer.capabilities());
      if (explorer.stopping()) return;
      ++problems;
      for (const std::string& id : checks) {
        auto judgement = explorer.try_check(id, problem);
        if (!judgement) continue;
        comparisons += judgement->comparisons;
        if (judgement->verdict != Verdict::fail && judgement->verdict != Verdict::error) continue;
        broken = Exploration{std::move(*judgement), problem, id};
        RC_FAIL(id);
      }
    };
    rc::detail::TestParams params;
    params.seed = explorer.seed();
    params.maxSuccess = static_cast<int>(explorer.problems());
    SilentListener listener;
    const std::lock_guard lock(rapidcheck_mutex());
    // The empty map keeps RapidCheck from reading RC_PARAMS: a run depends on no environment variable.
    const auto outcome = rc::detail::checkTestable(property, rc::detail::TestMetadata{}, params, listener,
                                                   std::unordered_map<std::string, rc::detail::Reproduce>{});
    Exploration result;
    if (broken) {
      result = std::move(*broken);
      result.judgement.message = message_of(result);
    } else if (!outcome.is<rc::detail::SuccessResult>()) {
      std::ostringstream why;
      rc::detail::printResultMessage(outcome, why);
      result.judgement.verdict = Verdict::error;
      result.judgement.message = "the exploration itself failed: " + why.str();
    } else if (comparisons == 0 && !explorer.stopping()) {
      result.judgement.verdict = Verdict::unsupported;
      result.judgement.message = "no exact check of this suite applies to what the backend claims";
    } else {
      result.judgement.message =
          "the exact checks of this suite hold on " + std::to_string(problems) + " random problems";
    }
    result.judgement.comparisons = comparisons;
    return result;
  }

 private:
  static std::string message_of(const Exploration& e) {
    return e.check_id + " on " + print_descriptor(*e.problem) + ": " + e.judgement.message;
  }
};

}  // namespace

void add_random_problems(Registry& registry) {
  for (const CheckInfo& info : catalogue())
    if (info.id == info.suite().append(".random_problems"))
      registry.add_check(std::make_unique<RandomProblems>(info.suite()));
}

}  // namespace dropcheck::suites
