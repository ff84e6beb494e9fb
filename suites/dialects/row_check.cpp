#include "suites/dialects/row_check.hpp"

#include <algorithm>

#include "harness/stats/bernstein.hpp"
#include "harness/stats/binomial.hpp"
#include "harness/stats/hypergeometric.hpp"
#include "suites/dense_bytes.hpp"
#include "suites/mask_observer.hpp"
#include "suites/required_effects.hpp"

namespace dropcheck::suites {
namespace {

/// Of the budget, for each hypothesis that a row tests.
constexpr double kShareOfHypothesis = 0.001;

class RepliesObserver final : public MergingObserver<RepliesObserver> {
 public:
  void observe(const StepRecord& record) override { replies.push_back(reply_of(record)); }
  void add(const RepliesObserver& later) {
    replies.insert(replies.end(), later.replies.begin(), later.replies.end());
  }
  std::vector<Reply> replies;
};

std::string text_of(const Version& version) { return fmt::format("{}", fmt::join(version, ".")); }

/// Why the row says nothing about this release; empty where it does.
std::string out_of_range(const RowDefinition& row, const Capabilities& capabilities) {
  if (row.since.empty() && row.until.empty()) return {};
  const Version version = version_of(capabilities.version);
  if (capabilities.conforms_to != "pytorch" || version.empty())
    return "the row is about certain releases of PyTorch, and the backend does not say that it is one";
  if (!row.since.empty() && version < row.since)
    return fmt::format("the row is about PyTorch from {} on, this is {}", text_of(row.since),
                       capabilities.version);
  if (!row.until.empty() && version >= row.until)
    return fmt::format("the row is about PyTorch before {}, this is {}", text_of(row.until),
                       capabilities.version);
  return {};
}

class RowCheck final : public RepliesCheck {
 public:
  RowCheck(const RowDefinition& row, const Dialect& dialect)
      : RepliesCheck(row_info(row, dialect)), row_(row) {}

  unsigned hypotheses(const SampleInfo&) const override { return row_.hypotheses; }
  std::optional<MinimumDetectableEffect> detectable(const SampleInfo& sample, double alpha,
                                                    double beta) const override {
    const RowPower& power = row_.power;
    const std::uint64_t n = power.n * sample.blocks;
    if (n == 0) return std::nullopt;
    double effect = 0;
    switch (power.law) {
      case RowPower::Law::rate: effect = stats::binomial_min_effect(n, alpha, beta, power.p); break;
      case RowPower::Law::pairs: effect = stats::overlap_min_effect(n, alpha, beta, power.p); break;
      case RowPower::Law::sum:
        effect = stats::bernstein_min_effect({0, static_cast<double>(n), 1, power.p}, alpha, beta) /
                 static_cast<double>(n);
        break;
    }
    return MinimumDetectableEffect{effect, power.unit, 1 - beta};
  }

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    if (context.recentred) return {};
    if (const std::string reason = out_of_range(row_, *context.capabilities); !reason.empty()) {
      Judgement judgement;
      judgement.verdict = Verdict::unsupported;
      judgement.message = reason;
      return judgement;
    }
    const std::vector<Step> steps = row_.steps();
    RowTrial trial(steps, replies_of(seen), context);
    row_.judge(trial);
    return trial.judgement(row_.held);
  }

 private:
  const RowDefinition& row_;
};

}  // namespace

Reply reply_of(const StepRecord& record) {
  Reply reply;
  reply.index = record.index;
  reply.seed = record.seed;
  if (record.observation->has_value()) {
    reply.seen = record.observation->value();
    reply.x.assign(record.x.begin(), record.x.end());
    reply.y = dense_bytes(record.y);
    reply.dy.assign(record.dy.begin(), record.dy.end());
    reply.dx = dense_bytes(record.dx);
    for (const auto& [name, view] : record.extra) reply.extra[name] = dense_bytes(view);
    if (record.gradient != nullptr) {
      if (record.gradient->has_value()) reply.gradient_seen = record.gradient->value();
      else reply.gradient_refusal = record.gradient->error();
    }
  } else {
    reply.refusal = record.observation->error();
    if (record.step->problem.in_place) {  // what the refusal left of the caller's tensor
      reply.x.assign(record.x.begin(), record.x.end());
      reply.y = dense_bytes(record.y);
    }
  }
  return reply;
}

Applicability RepliesCheck::applies(const SampleInfo& sample) const {
  const std::vector<std::string>& protocols = info().protocols;
  const bool subscribed = std::find(protocols.begin(), protocols.end(), sample.protocol) != protocols.end();
  return subscribed ? Applicability::yes() : Applicability::no();
}

std::unique_ptr<Observer> RepliesCheck::observer(const SampleInfo&) const {
  return std::make_unique<RepliesObserver>();
}

const std::vector<Reply>& RepliesCheck::replies_of(const Observer& seen) {
  return static_cast<const RepliesObserver&>(seen).replies;
}

Protocol own_protocol(std::string id, std::string summary, std::vector<Step> (*steps)(), Problem problem) {
  const auto asked = [steps] { return steps != nullptr ? steps() : std::vector<Step>{}; };
  return {.id = std::move(id),
          .summary = std::move(summary),
          .default_calls = std::max(1u, static_cast<unsigned>(asked().size())),
          .steps = [asked](const SampleInfo&, std::uint64_t) { return asked(); },
          .named_only = true,
          .handles_empty = true,
          .own_problem = std::move(problem)};
}

std::string row_check_id(int number) { return fmt::format("pytorch_semantics.row_{}", number); }

CheckInfo row_info(const RowDefinition& definition, const Dialect& dialect) {
  const DialectRow& row = definition.row;
  CheckInfo info;
  info.id = row_check_id(row.number);
  info.title = fmt::format("row {}: {}, {}", row.number, row.layers, row.condition);
  info.catches = fmt::format("a backend that differs from PyTorch here: {}", row.expectation);
  info.cannot_see = "everything but this row";
  info.protocols = {fmt::format("row_{}", row.number)};
  info.needs = definition.needs;
  info.row = row;
  info.impossible = row.impossible.empty() ? differs_there(dialect, definition.axes) : row.impossible;
  info.weight = kShareOfHypothesis * definition.hypotheses;
  if (definition.hypotheses > 0) {
    info.statistics = {fmt::format("R{}", row.number)};
    for (const char* profile : kProfiles)
      info.required.push_back({profile, definition.power.required, definition.power.required});
  }
  return info;
}

void add_rows(Registry& registry, std::span<const RowDefinition> rows, const Dialect& dialect) {
  for (const RowDefinition& row : rows) {
    registry.add_protocol(own_protocol(row_info(row).protocols.front(),
                                       fmt::format("what row {} of PyTorch's checklist asks", row.row.number),
                                       row.steps, row.problem));
    registry.add_check(std::make_unique<RowCheck>(row, dialect));
  }
}

}  // namespace dropcheck::suites
