#pragma once
// What a backend did beside answering its calls, and what was done about it: text on a stream that is not its
// own, processes left behind, a changed rounding mode. Incidents are told and decide nothing.

#include <cstdint>
#include <string>
#include <vector>

namespace dropcheck {

struct Incident {
  std::string text;         // what it did, without a subject: "changed the umask to 0077, which was set back"
  std::uint64_t count = 0;  // how often or how much, in `unit`; 0: it is not counted
  std::string unit{};       // "call", "line", "byte", "process"
};

inline constexpr std::size_t kMaxIncidents = 20;

/// Adds one to a list in which every text stands once: counts of equal texts are added up. Beyond
/// kMaxIncidents different texts no more are taken.
void add_incident(std::vector<Incident>& list, Incident incident);

/// Sentences, sorted: "changed the umask to 0077, which was set back (12 calls)".
std::vector<std::string> incident_texts(const std::vector<Incident>& list);

}  // namespace dropcheck
