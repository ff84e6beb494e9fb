#include "harness/core/incident.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace dropcheck {

void add_incident(std::vector<Incident>& list, Incident incident) {
  const auto same = std::find_if(list.begin(), list.end(), [&](const Incident& known) {
    return known.text == incident.text && known.unit == incident.unit;
  });
  if (same == list.end()) {
    if (list.size() < kMaxIncidents) list.push_back(std::move(incident));
    return;
  }
  const std::uint64_t room = std::numeric_limits<std::uint64_t>::max() - same->count;
  same->count += std::min(room, incident.count);
}

std::vector<std::string> incident_texts(const std::vector<Incident>& list) {
  std::vector<std::string> texts;
  for (const Incident& incident : list) {
    if (incident.count == 0) {
      texts.push_back(incident.text);
      continue;
    }
    const char* plural = incident.count == 1 ? "" : incident.unit.ends_with('s') ? "es" : "s";
    texts.push_back(fmt::format("{} ({} {}{})", incident.text, incident.count, incident.unit, plural));
  }
  std::sort(texts.begin(), texts.end());
  return texts;
}

}  // namespace dropcheck
