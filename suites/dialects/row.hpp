#pragma once
// A line of a dialect's checklist that can be tried: what to ask, and what must come back. Rows are data and
// two small functions; RowCheck makes a check of each.

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/check.hpp"
#include "suites/dialect.hpp"
#include "suites/judging.hpp"

namespace dropcheck::suites {

/// What one step brought, kept. Bytes are dense, in logical order.
struct Reply {
  std::size_t index = 0;  // of its step
  std::optional<std::uint64_t> seed;
  std::optional<Error> refusal;  // of the forward call; then only x and y of calls in place are filled
  Observation seen;
  std::vector<std::byte> x, y;
  std::optional<Error> gradient_refusal;
  Observation gradient_seen;
  std::vector<std::byte> dy, dx;
  std::map<std::string, std::vector<std::byte>> extra;  // the further outputs by name

  bool answered() const { return !refusal; }
  /// The backend does not claim what the step asks for, or cannot do it.
  bool unsupported() const { return refusal && refusal->code == ErrorCode::unsupported; }
};

/// A release as numbers, e.g. {1, 13, 1}.
using Version = std::vector<int>;
/// The numbers that a version text begins with; empty for none.
Version version_of(std::string_view text);

/// A row's place to look at the replies and to say what it found. Whatever a row does not compare it cannot
/// pass.
class RowTrial {
 public:
  RowTrial(const std::vector<Step>& steps, const std::vector<Reply>& replies, const JudgeContext& context)
      : steps_(steps), replies_(replies), context_(context) {}

  std::size_t size() const { return replies_.size(); }
  const Reply& reply(std::size_t i) const { return replies_.at(i); }
  /// Steps of a block.
  std::size_t asked() const { return steps_.size(); }
  /// Later blocks ask the same steps again.
  const Step& step(std::size_t i) const { return steps_.at(reply(i).index); }
  const Capabilities& capabilities() const { return *context_.capabilities; }
  /// Level of each hypothesis; 0 for exact rows.
  double alpha() const { return context_.alpha; }
  /// The backend claims to be PyTorch, to the letter of its messages.
  bool is_pytorch() const { return capabilities().conforms_to == "pytorch"; }
  Version version() const { return version_of(capabilities().version); }

  /// One comparison; `describe` is called where it does not hold and returns a sentence.
  template <typename Describe>
  void require(bool holds, Describe&& describe) {
    finding_.compared();
    finding_.violated(holds ? 0 : 1, describe);
  }
  /// Many comparisons of which `violations` do not hold.
  template <typename Describe>
  void require_all(std::uint64_t comparisons, std::uint64_t violations, Describe&& describe) {
    finding_.compared(comparisons);
    finding_.violated(violations, describe);
  }
  /// A tested hypothesis; `what_failed` is the sentence for its failure.
  void test(Statistic statistic, std::string what_failed);
  /// A part that could not be compared, and why; said in the message.
  void leave_out(std::string reason) { left_out_.push_back(std::move(reason)); }
  /// A fact for the message of a pass.
  void note(std::string fact) { notes_.push_back(std::move(fact)); }

  /// Fails where anything does; unsupported where nothing could be compared.
  Judgement judgement(const std::string& what_held) const;

  // --- what rows have in common

  /// "step 3 (op=..., form native_dropout)": for messages.
  std::string place(std::size_t i) const;
  /// Whether step i was answered. A refusal as unsupported is left out, any other is a failure.
  bool answered(std::size_t i);
  /// Step i must be refused. `text` must be in the message where the backend claims to be PyTorch; other
  /// backends may say it in their own words. Unsupported counts as a refusal where `text` is compared.
  void require_refusal(std::size_t i, std::string_view text);
  /// y of step i must be x, bit for bit.
  void require_identity(std::size_t i);
  /// Outputs of two steps are equal, bit for bit.
  void require_equal(std::size_t a, std::size_t b, std::string_view what);
  /// Generator words of step i, where the backend counts them; else left out.
  void require_words(std::size_t i, std::uint64_t words);
  /// Whether the result is the input itself, where the backend tells; else left out.
  void require_alias(std::size_t i, bool aliases);
  /// Value of element e of y, x, dx, ... in the step's dtype.
  double value(std::size_t i, const std::vector<std::byte>& bytes, std::size_t e) const;
  /// Elements of y, x, ... of step i.
  std::size_t elements(std::size_t i, const std::vector<std::byte>& bytes) const;
  /// Drop bits, 1 = dropped, element by element in logical order: y is a zero. The input must hold no zero,
  /// and the operator must not be an alpha one.
  std::vector<bool> dropped(std::size_t i) const;

 private:
  const std::vector<Step>& steps_;
  const std::vector<Reply>& replies_;
  const JudgeContext& context_;
  ExactFinding finding_;
  std::vector<Statistic> statistics_;
  std::vector<std::string> failures_;  // one a statistic
  std::vector<std::string> left_out_;
  std::vector<std::string> notes_;
};

/// The weakest hypothesis of a statistical row, for planning: what is counted in one block.
struct RowPower {
  enum class Law : std::uint8_t {
    rate,   // n entries that happen with probability p
    pairs,  // n pairs of entries of probability p that must be independent
    sum,    // a weighted sum of n entries of probability p, stated for equal weights
  };
  Law law = Law::rate;
  std::uint64_t n = 0;
  double p = 0.5;
  const char* unit = "";
  double required = 0;  // effect that has to be detectable
};

/// A row. `steps` and `judge` are null for rows that cannot be tried here; `row.impossible` says why.
struct RowDefinition {
  DialectRow row;
  std::vector<Axis> axes{};      // under a dialect that says something else on one of these it is not asked
  Problem problem{};             // what it is filed under; a backend must claim its op, dtype and layout
  std::vector<Feature> needs{};  // what a backend must claim to be asked
  std::vector<Step> (*steps)() = nullptr;
  void (*judge)(RowTrial&) = nullptr;
  std::string held{};       // sentence for a pass: what holds
  unsigned hypotheses = 0;  // of statistical rows, with their power
  RowPower power{};
  Version since{};  // first release of PyTorch for which it holds; empty: no bound
  Version until{};  // first release for which it does not hold any more
};

}  // namespace dropcheck::suites
