#include "harness/core/incident.hpp"

#include <gmock/gmock.h>

#include <limits>

namespace dropcheck {
namespace {

using ::testing::ElementsAre;

TEST(Incident, EqualTextsAreAddedUpAndSorted) {
  std::vector<Incident> list;
  add_incident(list, {"wrote to standard error", 3, "byte"});
  add_incident(list, {"changed the umask", 1, "call"});
  add_incident(list, {"wrote to standard error", 4, "byte"});
  add_incident(list, {"left processes behind", 2, "process"});
  add_incident(list, {"blinked"});
  EXPECT_THAT(incident_texts(list),
              ElementsAre("blinked", "changed the umask (1 call)", "left processes behind (2 processes)",
                          "wrote to standard error (7 bytes)"));
}

TEST(Incident, CountsDoNotOverflow) {
  constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
  std::vector<Incident> list;
  add_incident(list, {"printed", kMost - 1, "line"});
  add_incident(list, {"printed", 7, "line"});
  EXPECT_EQ(list[0].count, kMost);
}

TEST(Incident, OneThatTellsSomethingElseEveryTimeFillsNoMemory) {
  std::vector<Incident> list;
  for (int i = 0; i < 1000; ++i) add_incident(list, {"printed " + std::to_string(i), 1, "line"});
  EXPECT_EQ(list.size(), kMaxIncidents);
  add_incident(list, {"printed 0", 1, "line"});
  EXPECT_EQ(list[0].count, 2u) << "known ones are still counted";
}

}  // namespace
}  // namespace dropcheck
