#pragma once
// A check judges the records of samples. It does not know whom it judges.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/core/sample.hpp"
#include "harness/core/statistic.hpp"
#include "harness/core/verdict.hpp"

namespace dropcheck {

enum class Level : std::uint8_t { required, recommended };

/// How effects of a kind grow from p = 0.1 to another p on the same number of entries.
enum class EffectScale : std::uint8_t {
  none,      // correlations and Cohen's w
  rate,      // sqrt(pq / 0.09): differences of drop probabilities
  variance,  // pq / 0.09: probabilities that two entries differ
  pairs,     // sqrt(p^2 (1 - p^2) / 0.0099): probabilities that both of a pair are dropped
  odds,      // sqrt(p/q) / sqrt(1/9): relative biases of the output
  run,       // ln 0.9 / ln max(p, q): lengths of runs
};
double effect_scale(EffectScale scale, double p);

/// An effect that has to be detectable, or a pass would be worth too little.
struct RequiredEffect {
  std::string profile;
  double full = 0;   // on plain dropout, f32, contiguous, in the check's first protocol; at p = 0.1
  double other = 0;  // on all other samples; both in the unit of Check::detectable
};

/// A line of a dialect's checklist, for the checks that are one.
struct DialectRow {
  int number = 0;           // of the checklist, from 1
  std::string layers;       // which interfaces it is about
  std::string condition;    // what is asked
  std::string expectation;  // what must come back
  std::string exactness;    // bitwise, statistical, error text, warning, RNG state, structural
  std::string evidence;     // how it is known: run on a version, read in a source, derived
  std::string versions;     // of the framework, for which it holds
  std::string impossible;   // why it cannot be tried on any backend here; empty where it can
};

/// Somebody else's test, restated as a check to stand beside ours.
struct ForeignTest {
  std::string source;  // whose, and where it stands
  std::string sees;    // the smallest defect that it catches with probability kPower
  std::string ours;    // id of the check of ours that answers the same question
};

struct CheckInfo {
  std::string id;  // suite.name
  Level level = Level::required;
  std::string title;                    // a few words for tables
  std::string catches;                  // the defects it would catch
  std::string cannot_see;               // what it is blind to
  std::vector<std::string> statistics;  // ids of the catalogue; empty for exact checks
  double weight = 0;  // share of the false-alarm budget over the whole profile; 0 for exact checks
  std::vector<std::string> protocols;  // samples that it subscribes to
  std::vector<Feature> needs;
  EffectScale effect_scale = EffectScale::none;
  std::vector<RequiredEffect> required;
  bool estimates_rate = false;  // when it fails, the others are judged at the rate that it found
  std::optional<DialectRow> row = std::nullopt;
  std::optional<ForeignTest> foreign = std::nullopt;
  std::string impossible = {};  // why it cannot be tried on any backend here; empty where it can

  std::string suite() const { return id.substr(0, id.find('.')); }
};

/// Why a planned sample carries a check or does not.
struct Applicability {
  bool applies = false;
  std::string left_out;  // the rule that fails at the planned size, where the check would otherwise apply

  static Applicability yes() { return {true, {}}; }
  static Applicability no() { return {}; }
  static Applicability rule_fails(std::string rule) { return {false, std::move(rule)}; }
};

/// The one hypothesis that a later stage tests again.
struct Focus {
  std::string hypothesis;             // Statistic::name
  std::optional<std::uint64_t> cell;  // of a maximum over cells: this one alone, without correction
};

struct JudgeContext {
  SampleInfo sample;
  double p = 0;               // drop probability of the null hypothesis: declared, asked for or estimated
  double alpha = 0;           // of each hypothesis at this stage; 0 for exact checks
  std::uint64_t pit_key = 0;  // key of randomised p-values
  const Capabilities* capabilities = nullptr;
  std::optional<Focus> focus;
  bool recentred = false;  // p was estimated from the same data, after the rate itself was rejected
};

struct Judgement {
  Verdict verdict = Verdict::pass;
  std::uint64_t comparisons = 0;  // a check that compared nothing cannot pass
  std::string message;            // a sentence that needs no source to be understood
  std::vector<Statistic> statistics;
  std::optional<double> estimated_p;  // set by a check of the rate itself that fails
};

/// Runs one exact check on one problem, for property checks. Implemented by the runner.
class Explorer {
 public:
  virtual ~Explorer() = default;
  virtual std::uint64_t seed() const = 0;
  /// How many problems to try.
  virtual std::uint64_t problems() const = 0;
  virtual const Capabilities& capabilities() const = 0;
  /// Judges `check` on `problem`; absent when the check does not apply or the backend lacks something.
  virtual std::optional<Judgement> try_check(const std::string& check_id, const Problem& problem) = 0;
  /// Exact checks of a suite, by id, in catalogue order.
  virtual std::vector<std::string> exact_checks(const std::string& suite) const = 0;
  /// True once the run is to stop; exploration ends early.
  virtual bool stopping() const = 0;
};

/// What an exploration found. `problem` is the shrunk counter-example, `check_id` the exact check that it
/// breaks.
struct Exploration {
  Judgement judgement;
  std::optional<Problem> problem;
  std::string check_id;
};

class Check {
 public:
  explicit Check(CheckInfo info) : info_(std::move(info)) {}
  virtual ~Check() = default;
  const CheckInfo& info() const { return info_; }
  bool is_exact() const { return info_.weight == 0; }

  virtual Applicability applies(const SampleInfo& sample) const = 0;
  /// Null hypotheses tested on one sample; each gets the same share.
  virtual unsigned hypotheses(const SampleInfo&) const { return is_exact() ? 0 : 1; }
  /// What one test of this sample, each hypothesis at level alpha, catches with probability 1 - beta, before
  /// any data exist: the effect of the check's weakest hypothesis. Falls as the sample grows.
  virtual std::optional<MinimumDetectableEffect> detectable(const SampleInfo&, double /*alpha*/,
                                                            double /*beta*/) const {
    return std::nullopt;
  }
  virtual std::unique_ptr<Observer> observer(const SampleInfo& sample) const = 0;
  /// With a focus, only the statistic of that name counts; the others may be left out. A check that cannot
  /// be re-centred returns a judgement without statistics when `context.recentred`.
  virtual Judgement judge(const Observer& seen, const JudgeContext& context) const = 0;
  /// Property checks only: drives random problems instead of observing a planned sample.
  virtual std::optional<Exploration> explore(Explorer&) const { return std::nullopt; }

 private:
  CheckInfo info_;
};

/// Power that minimum detectable effects are stated for.
inline constexpr double kPower = 1 - 1e-6;
inline constexpr double kBeta = 1e-6;

}  // namespace dropcheck
