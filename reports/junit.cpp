#include "reports/junit.hpp"

#include <fmt/format.h>

#include <map>
#include <set>

#include "reports/digest.hpp"
#include "reports/escape.hpp"
#include "reports/number_text.hpp"

namespace dropcheck::reports {
namespace {

struct Totals {
  std::size_t tests = 0;
  std::size_t failures = 0;
  std::size_t errors = 0;
  std::size_t skipped = 0;

  void add(const Totals& other) {
    tests += other.tests;
    failures += other.failures;
    errors += other.errors;
    skipped += other.skipped;
  }
  std::string attributes() const {
    return fmt::format(R"(tests="{}" failures="{}" errors="{}" skipped="{}")", tests, failures, errors,
                       skipped);
  }
};

std::string property(std::string_view name, std::string_view value) {
  return fmt::format("        <property name=\"{}\" value=\"{}\"/>\n", xml_text(name), xml_text(value));
}

std::string number(double value) { return fmt::format("{}", value); }

std::string statistic_properties(const Statistic& s) {
  const std::string name = s.name.empty() ? s.id : s.id + " " + s.name;
  std::string text = property(name + ": p_value", number(s.p_value)) +
                     property(name + ": log10_p", number(s.log10_p)) +
                     property(name + ": alpha", number(s.alpha));
  if (s.effect) {
    text += property(fmt::format("{}: effect ({})", name, s.effect->unit), number(s.effect->value));
    if (s.effect->lower) text += property(name + ": effect lower", number(*s.effect->lower));
    if (s.effect->upper) text += property(name + ": effect upper", number(*s.effect->upper));
  }
  if (const auto& m = s.minimum_detectable_effect)
    text += property(fmt::format("{}: minimum detectable effect of one stage ({})", name, m->unit),
                     number(m->value));
  return text;
}

/// All numbers of a finding; the telling ones of the rest, since CI systems limit the size of such files.
std::string properties_of(const ResultRecord& result) {
  std::string text;
  if (is_finding(result.verdict)) {
    for (const Statistic& statistic : result.statistics) text += statistic_properties(statistic);
  } else if (const Statistic* statistic = quoted_statistic(result)) {
    text = statistic_properties(*statistic);
  }
  if (const auto& m = result.detectable)
    text += property(fmt::format("minimum detectable effect ({})", m->unit), number(m->value));
  if (result.required_effect) text += property("required effect", number(*result.required_effect));
  if (result.effective_p) text += property("declared drop probability", number(*result.effective_p));
  return text.empty() ? text : "      <properties>\n" + text + "      </properties>\n";
}

/// A line a stage, where there are several.
std::string stages_text(const ResultRecord& result) {
  if (result.stages.size() < 2) return {};
  std::string text;
  for (std::size_t i = 0; i < result.stages.size(); ++i) {
    const StageRecord& stage = result.stages[i];
    text += fmt::format("\nstage {}: {} mask entries: {}", stage.stage, stage.mask_entries, stage.outcome);
    for (const Statistic* s : stage_evidence(result, i))
      text += fmt::format("; {}: p-value {}, fails at {}", statistic_label(*s), p_value_text(*s),
                          short_number(s->alpha));
  }
  return text;
}

std::string body_of(const ResultRecord& result) {
  std::string body = result.message + stages_text(result);
  if (!result.repro.empty()) body += "\n" + result.repro;
  return xml_text(body);
}

std::string outcome_of(const ResultRecord& result, Totals& totals) {
  const auto skipped = [&](const std::string& message) {
    ++totals.skipped;
    return fmt::format("      <skipped message=\"{}\"/>\n", xml_text(clean_line(message, 2000)));
  };
  const auto element = [&](std::string_view tag, std::string_view type) {
    return fmt::format("      <{0} message=\"{1}\" type=\"{2}\">{3}</{0}>\n", tag,
                       xml_text(clean_line(result.message, 2000)), xml_text(type), body_of(result));
  };
  if (is_recommended(result) && is_finding(result.verdict))
    return skipped(
        fmt::format("recommended, does not decide: {}: {}", to_string(result.verdict), result.message));
  switch (result.verdict) {
    case Verdict::pass: return {};
    case Verdict::unsupported: return skipped("unsupported: " + result.missing);
    case Verdict::expected_fail: return skipped("expected failure: " + result.reason);
    case Verdict::fail: ++totals.failures; return element("failure", result.check);
    case Verdict::error: ++totals.errors; return element("error", "error");
    case Verdict::inconclusive: ++totals.errors; return element("error", "inconclusive");
  }
  return {};
}

class SuiteWriter {
 public:
  explicit SuiteWriter(const BackendDigest& backend) : backend_(backend) {}

  std::string write(const RunHeader& header, Totals& totals) {
    add_opening();
    for (const CheckDigest& check : backend_.checks)
      for (const ResultRecord* result : check.results) add(*result);
    totals.add(totals_);
    const std::string facts = property("profile", header.profile) + property("dialect", header.dialect) +
                              property("alpha", number(header.alpha)) +
                              property("master_seed", fmt::format("{:#x}", header.master_seed)) +
                              property("plan_hash", header.plan_hash) + property("filters", header.filters) +
                              property("dropcheck", header.tool_version);
    return fmt::format(
        "  <testsuite name=\"{}\" {}>\n    <properties>\n{}    </properties>\n{}  </testsuite>\n",
        xml_text(backend_.spec), totals_.attributes(), facts, cases_);
  }

 private:
  /// A backend that could not be opened has no results, and must not look like an empty success.
  void add_opening() {
    if (backend_.backend == nullptr || backend_.backend->open_error.empty()) return;
    ++totals_.tests;
    ++totals_.errors;
    cases_ += fmt::format(
        "    <testcase classname=\"{}\" name=\"open\">\n      <error message=\"{}\" type=\"backend\"/>\n"
        "    </testcase>\n",
        xml_text(backend_.spec), xml_text(clean_line(backend_.backend->open_error, 2000)));
  }

  void add(const ResultRecord& result) {
    ++totals_.tests;
    const std::string inside = properties_of(result) + outcome_of(result, totals_);
    cases_ += fmt::format("    <testcase classname=\"{}\" name=\"{}\"",
                          xml_text(backend_.spec + "." + result.check), unique_name(result));
    cases_ += inside.empty() ? std::string("/>\n") : ">\n" + inside + "    </testcase>\n";
  }

  /// CI systems drop the second of two equal names.
  std::string unique_name(const ResultRecord& result) {
    const std::string name = xml_text(fmt::format("{} [{}]", result.problem, result.protocol));
    std::string unique = name;
    std::size_t& repeats = repeats_[xml_text(result.check) + "\n" + name];
    while (!names_.insert(xml_text(result.check) + "\n" + unique).second)
      unique = fmt::format("{} #{}", name, ++repeats + 1);
    return unique;
  }

  const BackendDigest& backend_;
  Totals totals_;
  std::string cases_;
  std::set<std::string> names_;
  std::map<std::string, std::size_t> repeats_;
};

}  // namespace

std::string junit_report(const RunRecord& run) {
  const Digest digest(run);
  Totals totals;
  std::string suites;
  for (const BackendDigest& backend : digest.backends)
    suites += SuiteWriter(backend).write(run.header, totals);
  if (!run.footer.complete) {
    Totals broken;
    ++broken.tests;
    ++broken.errors;
    totals.add(broken);
    suites += fmt::format(
        "  <testsuite name=\"run\" {}>\n    <testcase classname=\"run\" name=\"complete\">\n"
        "      <error message=\"the run did not finish\" type=\"incomplete\"/>\n    </testcase>\n  "
        "</testsuite>\n",
        broken.attributes());
  }
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"dropcheck\" {}>\n{}</testsuites>\n",
      totals.attributes(), suites);
}

}  // namespace dropcheck::reports
