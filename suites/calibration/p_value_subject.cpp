#include "suites/calibration/p_value_subject.hpp"

#include <array>
#include <string_view>

namespace dropcheck::suites::calibration {
namespace {

struct Reason {
  std::string_view part;  // of the engine's name
  const char* why;
};

constexpr std::array kBounds = {
    Reason{"bernstein", "Bernstein's inequality holds for every choice of weights, so it is slack for each"},
    Reason{"chernoff", "an exponential bound, too large by a factor of about z sqrt(2 pi)"},
    Reason{"_geometric", "the geometric series bounds the tail that it continues"},
    Reason{"bonferroni", "a sum of probabilities bounds that of their union; cells are exact and discrete"},
    Reason{"union", "a sum of probabilities bounds that of their union"},
    Reason{"_bound", "an inequality where the exact law is not worth its price"},
    Reason{"_exact", "exact, but the smaller tail is doubled and the statistic is discrete"},
    Reason{"petrov_limit", "the tail at the limit of the series stands for all beyond"}};

}  // namespace

const char* why_bound(std::string_view engine) {
  for (const Reason& reason : kBounds)
    if (engine.find(reason.part) != std::string_view::npos) return reason.why;
  return nullptr;
}

}  // namespace dropcheck::suites::calibration
