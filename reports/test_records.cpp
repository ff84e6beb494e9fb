#include "reports/test_records.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "reports/jsonl.hpp"

namespace dropcheck::reports {
namespace {

BackendRecord backend(std::string spec, std::string version) {
  BackendRecord record;
  record.spec = std::move(spec);
  record.capabilities.name = record.spec;
  record.capabilities.version = std::move(version);
  record.capabilities.ops = {Op::dropout, Op::dropout2d};
  record.capabilities.dtypes = {DType::f64, DType::f32};
  record.capabilities.layouts = {Layout::contiguous, Layout::strided};
  record.capabilities.backward = true;
  return record;
}

Statistic drop_rate(Int128 n, Int128 dropped, double p_value, double log10_p) {
  Statistic s;
  s.id = "S1";
  s.name = "drop rate";
  s.counts = {{"n", {n}}, {"dropped", {dropped}}};
  s.null_parameters = {{"p", 0.1}};
  s.null_law = "Binomial(n, p)";
  s.engine = "exact binomial";
  s.value = -1.5;
  s.p_value = p_value;
  s.log10_p = log10_p;
  s.alpha = 1e-9;
  s.effect = Effect{to_double(dropped) / to_double(n) - 0.1, "drop probability", -0.001, 0.002};
  s.minimum_detectable_effect = MinimumDetectableEffect{9.95e-5, "drop probability", 1 - 1e-6};
  return s;
}

ResultRecord result(std::string spec, std::string check, std::string problem, Verdict verdict) {
  ResultRecord r;
  r.backend = std::move(spec);
  r.check = std::move(check);
  r.level = "required";
  r.problem = std::move(problem);
  r.protocol = "stream";
  r.verdict = verdict;
  r.comparisons = verdict == Verdict::unsupported ? 0 : 1000;
  r.stages = {{1, 1u << 20, std::string(to_string(verdict)), {}}};
  return r;
}

constexpr const char* kCase = "op=dropout,p=0.1,dtype=f32,shape=1048576";
constexpr const char* kOtherCase = "op=dropout,p=0.3,dtype=f32,shape=1048576";

Statistic lag(unsigned distance, double p_value, double log10_p, double alpha) {
  Statistic s;
  s.id = "S6";
  s.name = fmt::format("lag {}", distance);
  s.counts = {{"n", {1 << 20}}, {"n11", {12345}}};
  s.null_parameters = {{"p", 0.1015625}};
  s.null_law = "sum of products";
  s.engine = "saddlepoint";
  s.p_value = p_value;
  s.log10_p = log10_p;
  s.alpha = alpha;
  s.minimum_detectable_effect = MinimumDetectableEffect{0.011, "correlation between entries", 1 - 1e-6};
  return s;
}

/// A result of the lag check whose whole test catches 0.0101 where 0.012 is required.
ResultRecord lags(std::string problem, Verdict verdict) {
  ResultRecord r = result("mutant:threshold8", "channel_correlation.lags", std::move(problem), verdict);
  r.statistics = {lag(1, 0.43, -0.3665, 2.5e-10), lag(4, 2e-6, -5.69897, 2.5e-10)};
  r.detectable = MinimumDetectableEffect{0.0101, "correlation between entries", 1 - 1e-6};
  r.required_effect = 0.012;
  r.effective_p = 0.1015625;
  r.stages.front().outcome = "suspicious";
  return r;
}

void count_results(RunRecord& run) {
  for (const Verdict v : {Verdict::pass, Verdict::unsupported, Verdict::expected_fail, Verdict::inconclusive,
                          Verdict::error, Verdict::fail}) {
    std::uint64_t count = 0;
    for (const ResultRecord& r : run.results) count += r.verdict == v ? 1 : 0;
    run.footer.counts.emplace_back(to_string(v), count);
  }
}

RunRecord empty_run() {
  RunRecord run;
  run.header.tool_version = "0.1.0";
  run.header.plan_hash = "00112233445566778899aabbccddeeff";
  run.header.master_seed = 0x5eed;
  run.header.dialect = "pytorch";
  run.header.profile = "quick";
  run.header.alpha = 1e-6;
  run.header.checks = {{"mask_rate.rate", "required", "drop rate", "a wrong drop rate",
                        "rates that average out over the tensor"},
                       {"mask_rate.scale", "required", "scale of kept elements", "a wrong factor 1/(1-p)",
                        "errors below one ulp"},
                       {"channel_correlation.complexity", "recommended", "linear complexity",
                        "linear generators", "all else"}};
  run.environment = {{"cpu", "8 cores | AVX-512"}, {"compiler", "g++ 12.2"}};
  return run;
}

}  // namespace

RunRecord passing_run() {
  RunRecord run = empty_run();
  run.header.backends = {backend("reference", "0.1.0"), backend("libtorch", "1.13.1")};
  run.header.backends[1].capabilities.library = "/opt/torch/libtorch.so";
  run.header.backends[1].capabilities.notes = {"one global generator"};
  for (const char* spec : {"reference", "libtorch"}) {
    run.results.push_back(result(spec, "mask_rate.rate", kCase, Verdict::pass));
    run.results.back().statistics = {drop_rate(1 << 20, 104900, 0.43, -0.3665)};
    run.results.push_back(result(spec, "mask_rate.scale", kCase, Verdict::pass));
  }
  run.footer = {Verdict::pass, {}, 0, true};
  count_results(run);
  return run;
}

RunRecord failing_run() {
  RunRecord run = passing_run();
  run.header.backends[1] = backend("mutant:swapped", "0.1.0");
  run.results.resize(2);
  ResultRecord failed = result("mutant:swapped", "mask_rate.rate", kCase, Verdict::fail);
  failed.statistics = {drop_rate(1 << 20, 943718, 0, -812000.25)};
  failed.message = "the drop rate is 0.9, expected 0.1: p and 1 - p are <swapped> | `see` p";
  failed.repro = "dropcheck run --backend=mutant:swapped --check=mask_rate.rate --case=" + failed.problem;
  run.results.push_back(failed);
  failed.problem = kOtherCase;
  failed.statistics.front().log10_p = -400000;
  run.results.push_back(failed);
  ResultRecord missing =
      result("mutant:swapped", "mask_rate.rate", "op=dropout,p=0.1,dtype=f16,shape=16", Verdict::unsupported);
  missing.missing = "dtype f16";
  run.results.push_back(missing);
  ResultRecord known = result("mutant:swapped", "mask_rate.scale", kCase, Verdict::expected_fail);
  known.reason = "known since 1.0, https://example.org/1";
  run.results.push_back(known);
  ResultRecord linear = result("mutant:swapped", "channel_correlation.complexity", kCase, Verdict::fail);
  linear.level = "recommended";
  linear.message = "the linear complexity is 19938";
  run.results.push_back(linear);
  run.footer = {Verdict::fail, {}, 1, true};
  count_results(run);
  return run;
}

RunRecord staged_run() {
  RunRecord run = empty_run();
  run.header.checks.push_back({"channel_correlation.lags", "required", "correlation at lags",
                               "entries that are dropped together", "lags above 64"});
  run.header.backends = {backend("mutant:threshold8", "0.1.0")};
  run.header.backends[0].capabilities.effective_rate = true;

  ResultRecord confirmed = lags(kCase, Verdict::fail);
  confirmed.stages.push_back({1, 1u << 20, "reproduced", {}});
  confirmed.stages.push_back({2, 8u << 20, "fail", {lag(4, 1.25e-20, -19.90309, 2.5e-6)}});
  confirmed.message = "entries 4 apart are dropped together; it was suspicious in the first sample";
  confirmed.repro = "dropcheck run --backend=mutant:threshold8 --check=channel_correlation.lags --case=" +
                    confirmed.problem;
  run.results.push_back(confirmed);

  ResultRecord cleared = lags(kOtherCase, Verdict::pass);
  cleared.effective_p = 0.30078125;
  cleared.stages.push_back({1, 1u << 20, "reproduced", {}});
  cleared.stages.push_back({2, 8u << 20, "suspicious", {lag(4, 2e-4, -3.69897, 2.5e-6)}});
  Statistic last = lag(4, 0.25, -0.60206, 1.25e-3);
  last.cell = 3;
  cleared.stages.push_back({3, 64u << 20, "pass", {last}});
  run.results.push_back(cleared);

  ResultRecord open = lags("op=dropout,p=0.5,dtype=f32,shape=1048576", Verdict::inconclusive);
  open.effective_p = 0.5;
  open.message = "suspicious, not pursued: lag 4 has p-value 2e-06, but the run has failed already";
  run.results.push_back(open);

  ResultRecord weak = result("mutant:threshold8", "mask_rate.rate", kOtherCase, Verdict::inconclusive);
  weak.statistics = {drop_rate(1 << 20, 104900, 0.43, -0.3665)};
  weak.detectable = MinimumDetectableEffect{2.5e-4, "drop probability", 1 - 1e-6};
  weak.required_effect = 1e-4;
  weak.message =
      "underpowered: nothing was found, but an effect of 0.0001 (drop probability) has to be "
      "detectable";
  run.results.push_back(weak);
  ResultRecord strong = result("mutant:threshold8", "mask_rate.rate", kCase, Verdict::pass);
  strong.statistics = weak.statistics;
  strong.stages.front().mask_entries = 16u << 20;
  strong.detectable = MinimumDetectableEffect{9e-5, "drop probability", 1 - 1e-6};
  strong.required_effect = 1e-4;
  run.results.push_back(strong);

  RejectionList list{"mutant:threshold8", 8, {}};
  list.rejected.push_back({"channel_correlation.lags", kCase, "lag 4", -19.90309, 2.5e-6});
  for (unsigned i = 0; i < 21; ++i)
    list.rejected.push_back(
        {"mask_rate.rate", kCase, fmt::format("statistic | {}", i), -10.5 + 0.1 * i, 1e-9});
  list.hypotheses = 5000;
  run.rejections = {list};
  run.incidents = {{"mutant:threshold8",
                    {"changed the rounding mode to upward, which was set back (12 calls)",
                     "printed to standard output, the last line: <b>| `hello` (3 lines)"}}};
  run.footer = {Verdict::fail, {}, 1, true};
  count_results(run);
  return run;
}

RunRecord large_run(std::size_t cases, std::size_t failing_checks) {
  RunRecord run = failing_run();
  for (std::size_t i = 0; i < cases; ++i) {
    ResultRecord r =
        result("reference", "mask_rate.rate", fmt::format("{},seed={:#x}", kCase, i), Verdict::pass);
    r.statistics = {drop_rate(1 << 20, 104900, 0.43, -0.3665)};
    run.results.push_back(std::move(r));
  }
  for (std::size_t i = 0; i < failing_checks; ++i) {
    ResultRecord r = result("mutant:swapped", fmt::format("mask_rate.lane_{}", i), kCase, Verdict::fail);
    r.statistics = {drop_rate(1 << 20, 943718, 0, -5000.0 + static_cast<double>(i))};
    r.message = fmt::format("lane {} is wrong", i) + std::string(300, '!');
    r.repro = "dropcheck run --case=" + r.problem;
    run.results.push_back(std::move(r));
  }
  for (std::size_t i = 0; i < 50; ++i)
    run.environment.emplace_back(fmt::format("fact {}", i), std::string(50, 'x'));
  run.footer.counts.clear();
  count_results(run);
  return run;
}

std::string results_text(const RunRecord& run) {
  std::string text = header_line(run.header) + "\n";
  for (const ResultRecord& r : run.results) text += result_line(r) + "\n";
  for (const RejectionList& list : run.rejections) text += rejections_line(list) + "\n";
  for (const IncidentList& list : run.incidents) text += incidents_line(list) + "\n";
  return text + environment_line(run.environment) + "\n" + footer_line(run.footer) + "\n";
}

void expect_golden(const std::string& text, const std::string& name) {
  const std::string path = std::string(DROPCHECK_SOURCE_DIR) + "/reports/golden/" + name;
  if (std::getenv("DROPCHECK_UPDATE_GOLDEN") != nullptr) std::ofstream(path, std::ios::binary) << text;
  std::ifstream file(path, std::ios::binary);
  ASSERT_TRUE(file) << "cannot read " << path;
  std::ostringstream wanted;
  wanted << file.rdbuf();
  EXPECT_EQ(text, wanted.str()) << "differs from " << path;
}

}  // namespace dropcheck::reports
