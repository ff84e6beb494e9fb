#pragma once
// Where to look first after a failure: the hypotheses that Holm's procedure rejects, the most significant
// one first.

#include <span>
#include <string>

#include "harness/core/run_record.hpp"

namespace dropcheck {

/// Of all statistics of one backend's results, each at the level that decided, `alpha` in all. Hypotheses
/// that failed at a later stage are listed with that stage's evidence. Empty when no statistic failed.
RejectionList rejections_of(const std::string& backend, std::span<const ResultRecord> results, double alpha);

}  // namespace dropcheck
