#pragma once
// Hand-made records for the tests of the reports.

#include <string>

#include "harness/core/run_record.hpp"

namespace dropcheck::reports {

/// Two backends: one passes; one fails one check, lacks a dtype, and has a known failure.
RunRecord failing_run();
/// Two backends that pass.
RunRecord passing_run();
/// One backend with a drop probability of its own, judged in stages: a suspicion that was confirmed, one that
/// was not, one that was not pursued; a case that would have caught too little; and Holm's list.
RunRecord staged_run();
/// failing_run with many cases, checks that fail, and facts about the machine.
RunRecord large_run(std::size_t cases, std::size_t failing_checks);
/// The whole results file of a record.
std::string results_text(const RunRecord& run);

/// Compares with a file under reports/golden. With DROPCHECK_UPDATE_GOLDEN in the environment the file is
/// written anew; read the difference before you keep it.
void expect_golden(const std::string& text, const std::string& name);

}  // namespace dropcheck::reports
