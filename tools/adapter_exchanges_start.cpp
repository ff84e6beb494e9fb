// The first words: start and what it claims.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "impl/process/members.hpp"
#include "tools/adapter_trial.hpp"

namespace dropcheck::tools {
namespace {

constexpr std::size_t kShownOutput = 300;
constexpr std::string_view kReplyMembers[] = {"seq",
                                              "nbytes",
                                              "version",
                                              "name",
                                              "implementation_version",
                                              "library",
                                              "device",
                                              "notes",
                                              "ops",
                                              "dtypes",
                                              "seed_semantics",
                                              "seed_bits",
                                              "offset_unit",
                                              "features",
                                              "exact_stream",
                                              "conforms_to",
                                              "forms"};

Finding reply_comes(AdapterTrial& trial) {
  try {
    const RawReply reply = trial.start(trial.main_session());
    if (const auto refusal = trial.refusal_in(reply)) return finding_of(*refusal);
    return {Outcome::ok, fmt::format("after {:.2g} s", reply.seconds)};
  } catch (Stop& stop) {
    if (trial.stray().lines > 0)
      stop.finding.text += fmt::format("; before that it printed {}", trial.stray().summary(kShownOutput));
    throw;
  }
}

Finding claims_are_known(AdapterTrial& trial) {
  auto claims = process::claims_from(trial.main_session().start_reply());
  if (!claims) return {Outcome::broken, claims.error().message};
  trial.claims = std::move(*claims);
  const Capabilities& c = trial.capabilities();
  std::vector<std::string_view> ops, dtypes;
  for (const Op op : c.ops) ops.push_back(to_string(op));
  for (const DType dtype : c.dtypes) dtypes.push_back(to_string(dtype));
  return {Outcome::ok, fmt::format("{}: {}; {}; seeds {}", c.name, fmt::join(ops, ", "),
                                   fmt::join(dtypes, ", "), to_string(c.seed_semantics))};
}

Finding members_are_read(AdapterTrial& trial) {
  const Json& reply = trial.main_session().start_reply();
  std::vector<std::string> unread;
  for (const auto& [name, value] : reply.items())
    if (std::find(std::begin(kReplyMembers), std::end(kReplyMembers), name) == std::end(kReplyMembers))
      unread.push_back(process::shown(name));
  if (unread.size() > 5) unread.resize(5);
  if (!unread.empty())
    return {Outcome::warning, fmt::format("the reply has {}", fmt::join(unread, ", ")), true};
  if (!reply.contains("seed_semantics"))
    return {Outcome::warning, "there is no seed_semantics, so it is 'none': no seeds are sent"};
  return {};
}

}  // namespace

std::vector<Exchange> start_exchanges() {
  return {
      {"start.reply",
       "start",
       "one frame comes back that repeats seq",
       "The program does not start, or its first frame is none: start it by hand in this folder, send what "
       "it "
       "prints to standard error, and repeat the seq of the request.",
       {},
       {},
       reply_comes},
      {"start.claims",
       "start",
       "version is 1, there is a name, and all words are known",
       "The claims cannot be read: compare them with the table under 'start' in "
       "harness/abi/adapter_protocol.md.",
       {"start.reply"},
       {},
       claims_are_known},
      {"start.members",
       "start",
       "every member of the reply is one that the protocol has",
       "Nobody reads this member, so what it claims is not claimed: is its name misspelt?",
       {"start.claims"},
       {},
       members_are_read},
  };
}

}  // namespace dropcheck::tools
