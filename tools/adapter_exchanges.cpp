#include "tools/adapter_exchanges.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <new>

#include "tools/adapter_trial.hpp"

namespace dropcheck::tools {
namespace {

/// Of a reply, for all exchanges together: 20 minutes unless it was set.
constexpr int kMostDeadlines = 40;

/// The first exchange that this one builds on and that is not right; null when there is none.
const ExchangeResult* obstacle(const Exchange& exchange, const std::vector<ExchangeResult>& before) {
  for (const std::string_view need : exchange.needs)
    for (const ExchangeResult& result : before)
      if (result.exchange->name == need && result.finding.outcome != Outcome::ok &&
          result.finding.outcome != Outcome::warning && result.finding.outcome != Outcome::not_claimed)
        return &result;
  return nullptr;
}

Finding found(const Exchange& exchange, AdapterTrial& trial, const std::vector<ExchangeResult>& before) {
  try {
    // What is claimed is known once the claims are.
    if (trial.claims && exchange.not_claimed)
      if (std::string reason = exchange.not_claimed(trial); !reason.empty())
        return {Outcome::not_claimed, std::move(reason)};
    if (const ExchangeResult* in_the_way = obstacle(exchange, before)) {
      // The first in a row of them is named.
      const bool passed_on = in_the_way->finding.outcome == Outcome::not_tried;
      return {Outcome::not_tried, passed_on && in_the_way->finding.text.starts_with("needs ")
                                      ? in_the_way->finding.text
                                      : fmt::format("needs {}", in_the_way->exchange->name)};
    }
    if (!trial.given_up().empty()) return {Outcome::not_tried, trial.given_up()};
    return exchange.run(trial);
  } catch (Stop& stop) {
    return std::move(stop.finding);
  } catch (const std::bad_alloc&) {
    return {Outcome::broken, "there is no memory for the reply"};
  }
}

}  // namespace

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::ok: return "ok";
    case Outcome::warning: return "warning";
    case Outcome::wrong:
    case Outcome::broken: return "wrong";
    case Outcome::skipped: return "skipped";
    case Outcome::not_claimed: return "not claimed";
    case Outcome::not_tried: break;
  }
  return "not tried";
}

const std::vector<Exchange>& all_exchanges() {
  static const std::vector<Exchange> all = [] {
    std::vector<Exchange> list;
    for (const auto& group : {start_exchanges(), run_exchanges(), value_exchanges(), seed_exchanges(),
                              feature_exchanges(), process_exchanges()})
      list.insert(list.end(), group.begin(), group.end());
    return list;
  }();
  return all;
}

std::vector<ExchangeResult> try_exchanges(AdapterTrial& trial, const TrialWatcher& watcher) {
  using Clock = std::chrono::steady_clock;
  std::vector<ExchangeResult> results;
  const auto limit = Clock::now() + kMostDeadlines * trial.deadlines().every;
  for (const Exchange& exchange : all_exchanges()) {
    if (watcher.is_stopped()) break;
    watcher.begins(results.size() + 1, exchange);
    const auto begin = Clock::now();
    const bool too_slow = begin > limit && trial.given_up().empty();
    if (too_slow) trial.give_up("the adapter is too slow to be asked everything");
    ExchangeResult result{
        &exchange, too_slow ? Finding{Outcome::broken, trial.given_up()} : found(exchange, trial, results),
        0};
    result.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    // What the user ended says nothing about the adapter.
    if (watcher.is_stopped()) break;
    watcher.ends(result);
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace dropcheck::tools
