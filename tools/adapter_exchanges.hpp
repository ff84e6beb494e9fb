#pragma once
// The small exchanges by which `dropcheck validate-adapter` looks at an adapter before its kernel is judged.

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tools/adapter_session.hpp"

namespace dropcheck::tools {

class AdapterTrial;

enum class Outcome {
  ok,
  warning,      // allowed, and worth knowing
  wrong,        // a well-formed answer with wrong content
  broken,       // no answer, one that breaks the protocol, or a refusal of what was claimed
  skipped,      // the adapter says that it cannot do it
  not_claimed,  // so not asked
  not_tried,    // what it builds on is not right
};
/// "ok", "warning", "wrong" (also for broken), "skipped", "not claimed", "not tried".
std::string_view to_string(Outcome outcome);

struct Finding {
  Outcome outcome = Outcome::ok;
  std::string text;       // what was seen, in a line; may be empty
  bool tell_fix = false;  // of a warning: the exchange's `fix` says what to do about it
};

struct Exchange {
  std::string_view name;
  std::string_view asks;   // what is asked of the adapter
  std::string_view holds;  // what must hold
  std::string_view fix;    // what is wrong with the adapter when it does not hold, and what to do
  std::vector<std::string_view> needs;  // earlier ones that must be ok, a warning or not claimed
  /// Why there is nothing to ask; empty when there is something. Absent: always something.
  std::function<std::string(const AdapterTrial&)> not_claimed;
  /// Asks. May throw Stop.
  std::function<Finding(AdapterTrial&)> run;
};

/// Thrown inside an exchange to end it.
struct Stop {
  Finding finding;
};

/// By subject, each in the order in which they are asked.
std::vector<Exchange> start_exchanges();
std::vector<Exchange> run_exchanges();
std::vector<Exchange> value_exchanges();
std::vector<Exchange> seed_exchanges();
std::vector<Exchange> feature_exchanges();
std::vector<Exchange> process_exchanges();
/// All of them in that order.
const std::vector<Exchange>& all_exchanges();

struct ExchangeResult {
  const Exchange* exchange = nullptr;
  Finding finding;
  double seconds = 0;
};

/// What a program that is made of exchanges wants to know on the way.
struct TrialWatcher {
  std::function<void(std::size_t number, const Exchange&)> begins;
  std::function<void(const ExchangeResult&)> ends;
  std::function<bool()> is_stopped;  // by the user
};

/// Asks everything there is to ask. Exchanges after `is_stopped` are left out of the result.
std::vector<ExchangeResult> try_exchanges(AdapterTrial& trial, const TrialWatcher& watcher);

}  // namespace dropcheck::tools
