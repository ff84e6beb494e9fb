#include "reports/jsonl_reader.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <limits>
#include <memory>

#include "reports/json_bounds.hpp"
#include "reports/json_fields.hpp"

namespace dropcheck::reports {
namespace {

Error refusal(std::string message) { return {ErrorCode::invalid_argument, std::move(message)}; }

void read_capabilities(JsonFields& fields, Capabilities& c) {
  fields.text("name", c.name);
  fields.text("version", c.version);
  fields.text("library", c.library);
  fields.text("device", c.device);
  fields.text("exact_stream", c.exact_stream);
  fields.texts("notes", c.notes);
  fields.words("ops", c.ops, op_from);
  fields.words("dtypes", c.dtypes, dtype_from);
  fields.words("layouts", c.layouts, layout_from);
  fields.word("seed_semantics", c.seed_semantics, seed_semantics_from);
  fields.small_count("seed_bits", c.seed_bits);
  fields.text("offset_unit", c.offset_unit);
  fields.flag("backward", c.backward);
  fields.flag("in_place", c.in_place);
  fields.flag("threads", c.threads);
  fields.flag("mask_output", c.mask_output);
  fields.flag("packed_mask", c.packed_mask);
  fields.flag("constant_input", c.constant_input);
  fields.flag("recompute", c.recompute);
  fields.flag("reports_rng_words", c.reports_rng_words);
  fields.flag("effective_rate", c.effective_rate);
  if (fields.has("forms")) fields.texts("forms", c.forms);
  fields.optional_text("conforms_to", c.conforms_to);
}

void read_row(JsonFields& fields, DialectRow& row) {
  unsigned number = 0;
  fields.small_count("number", number);
  if (number > 100'000) fields.fail("number", "is no number of a row");
  row.number = static_cast<int>(number);
  fields.text("layers", row.layers);
  fields.text("condition", row.condition);
  fields.text("expectation", row.expectation);
  fields.text("exactness", row.exactness);
  fields.text("evidence", row.evidence);
  fields.text("versions", row.versions);
  fields.optional_text("impossible", row.impossible);
}

void read_header(JsonFields fields, RunHeader& header) {
  fields.text("tool_version", header.tool_version);
  fields.text("plan_hash", header.plan_hash);
  fields.seed("master_seed", header.master_seed);
  fields.text("dialect", header.dialect);
  if (fields.has("dialect_rules"))  // from 1.3 on
    fields.objects("dialect_rules", [&](JsonFields each) {
      DialectRule& rule = header.dialect_rules.emplace_back();
      each.text("axis", rule.axis);
      each.text("value", rule.value);
      each.text("allows", rule.allows);
    });
  fields.text("profile", header.profile);
  fields.real("alpha", header.alpha);
  fields.text("filters", header.filters);
  fields.objects("backends", [&](JsonFields each) {
    BackendRecord& backend = header.backends.emplace_back();
    each.text("spec", backend.spec);
    each.text("open_error", backend.open_error);
    each.object("capabilities", [&](JsonFields inner) { read_capabilities(inner, backend.capabilities); });
  });
  fields.objects("checks", [&](JsonFields each) {
    CheckRecord& check = header.checks.emplace_back();
    each.text("id", check.id);
    each.text("level", check.level);
    each.text("title", check.title);
    each.text("catches", check.catches);
    each.text("cannot_see", check.cannot_see);
    each.object(
        "row", [&](JsonFields inner) { read_row(inner, check.row.emplace()); }, true);
  });
}

bool read_integers(const Json& item, std::vector<Int128>& out) {
  if (!item.is_array()) {
    const auto one = integer_from(item);
    if (one) out.push_back(*one);
    return one.has_value();
  }
  for (const Json& each : item) {
    const auto one = integer_from(each);
    if (!one) return false;
    out.push_back(*one);
  }
  return true;
}

void read_optional_real(JsonFields& fields, const char* key, std::optional<double>& out) {
  if (fields.has(key)) fields.real(key, out.emplace());
}

void read_detectable(JsonFields& fields, const char* key, std::optional<MinimumDetectableEffect>& out) {
  fields.object(
      key,
      [&](JsonFields inner) {
        MinimumDetectableEffect& smallest = out.emplace();
        inner.real("value", smallest.value);
        inner.text("unit", smallest.unit);
        inner.real("power", smallest.power);
      },
      true);
}

void read_statistic(JsonFields& fields, Statistic& s) {
  fields.text("id", s.id);
  fields.small_count("version", s.version);
  fields.text("name", s.name);
  if (fields.has("cell")) fields.count("cell", s.cell.emplace());
  fields.members(
      "counts",
      [&](const std::string& name, const Json& item) {
        return read_integers(item, s.counts.emplace_back(name, std::vector<Int128>{}).second);
      },
      "integer or list of integers");
  fields.object("null", [&](JsonFields null) {
    null.text("law", s.null_law);
    null.members(
        "parameters",
        [&](const std::string& name, const Json& item) {
          const auto value = real_from(item);
          if (value) s.null_parameters.emplace_back(name, *value);
          return value.has_value();
        },
        "number");
  });
  fields.text("engine", s.engine);
  fields.real("value", s.value);
  fields.real("p_value", s.p_value);
  fields.real("log10_p", s.log10_p);
  fields.real("alpha", s.alpha);
  fields.object(
      "effect",
      [&](JsonFields inner) {
        Effect& effect = s.effect.emplace();
        inner.real("value", effect.value);
        inner.text("unit", effect.unit);
        read_optional_real(inner, "lower", effect.lower);
        read_optional_real(inner, "upper", effect.upper);
      },
      true);
  read_detectable(fields, "minimum_detectable_effect", s.minimum_detectable_effect);
}

void read_statistics(JsonFields& fields, std::vector<Statistic>& statistics) {
  fields.objects("statistics", [&](JsonFields each) { read_statistic(each, statistics.emplace_back()); });
}

void read_result(JsonFields fields, ResultRecord& result) {
  fields.text("backend", result.backend);
  fields.text("check", result.check);
  fields.text("level", result.level);
  fields.text("case", result.problem);
  fields.text("protocol", result.protocol);
  fields.word("verdict", result.verdict, verdict_from);
  fields.count("comparisons", result.comparisons);
  read_statistics(fields, result.statistics);
  fields.objects("stages", [&](JsonFields each) {
    StageRecord& stage = result.stages.emplace_back();
    each.small_count("stage", stage.stage);
    each.count("mask_entries", stage.mask_entries);
    each.text("outcome", stage.outcome);
    if (each.has("statistics")) read_statistics(each, stage.statistics);
  });
  read_detectable(fields, "detectable", result.detectable);
  read_optional_real(fields, "required_effect", result.required_effect);
  read_optional_real(fields, "effective_p", result.effective_p);
  fields.optional_text("message", result.message);
  fields.optional_text("repro", result.repro);
  fields.optional_text("missing", result.missing);
  fields.optional_text("reason", result.reason);
}

void read_rejections(JsonFields fields, RejectionList& list) {
  fields.text("backend", list.backend);
  fields.count("hypotheses", list.hypotheses);
  fields.objects("rejected", [&](JsonFields each) {
    Rejection& rejection = list.rejected.emplace_back();
    each.text("check", rejection.check);
    each.text("case", rejection.problem);
    each.text("statistic", rejection.statistic);
    each.real("log10_p", rejection.log10_p);
    each.real("share", rejection.share);
  });
}

void read_incidents(JsonFields fields, IncidentList& list) {
  fields.text("backend", list.backend);
  fields.texts("texts", list.texts);
}

void read_environment(JsonFields fields, Environment& environment) {
  fields.members(
      "facts",
      [&](const std::string& name, const Json& item) {
        if (item.is_string()) environment.emplace_back(name, item.get<std::string>());
        return item.is_string();
      },
      "string");
}

void read_footer(JsonFields fields, Footer& footer) {
  fields.word("verdict", footer.verdict, verdict_from);
  fields.members(
      "counts",
      [&](const std::string& name, const Json& item) {
        const auto count = unsigned_from(item);
        if (count) footer.counts.emplace_back(name, *count);
        return count.has_value();
      },
      "integer");
  unsigned exit_code = 0;
  fields.small_count("exit_code", exit_code);
  if (exit_code > 255) fields.fail("exit_code", "is no exit code");
  footer.exit_code = static_cast<int>(exit_code & 255u);
  fields.flag("complete", footer.complete);
}

/// Takes a file line by line.
class ResultsParser {
 public:
  explicit ResultsParser(std::string name) : name_(std::move(name)) {}

  /// `ended`: the line had its newline.
  Status take(std::string_view line, bool ended) {
    ++line_;
    const bool blank = line.find_first_not_of(" \t\r") == std::string_view::npos;
    if (blank && (footer_seen_ || !ended)) return Done{};
    if (footer_seen_) return fault("stands after the footer; a results file ends with its footer");
    if (const auto bounds = json_bounds_fault(line); !bounds.empty()) return fault(bounds);
    const Json json = Json::parse(line.begin(), line.end(), nullptr, false);
    if (json.is_discarded() && !ended) return truncated();
    if (!json.is_object()) return fault("is no JSON object");
    return take_record(json);
  }

  Expected<RunRecord> finish() {
    if (!header_seen_)
      return refusal(fmt::format("{} has no header: it is empty or no results file of dropcheck", name_));
    if (!footer_seen_) return truncated();
    return std::move(record_);
  }

 private:
  Error truncated() const {
    return refusal(fmt::format("{} has no footer: the run did not finish writing it; run it again", name_));
  }
  Error fault(std::string_view what) const {
    return refusal(fmt::format("{}, line {} {}", name_, line_, what));
  }

  Status take_record(const Json& json) {
    std::string problem;
    JsonFields fields(json, problem);
    std::string kind;
    fields.text("record", kind);
    if (problem.empty() && !header_seen_) {
      if (kind != "header") return fault("comes before a header; a results file begins with its header");
      if (auto status = take_schema(fields, problem); !status) return status;
      read_header(fields, record_.header);
      header_seen_ = true;
    } else if (kind == "result") {
      read_result(fields, record_.results.emplace_back());
    } else if (kind == "rejections") {
      read_rejections(fields, record_.rejections.emplace_back());
    } else if (kind == "incidents") {
      read_incidents(fields, record_.incidents.emplace_back());
    } else if (kind == "environment") {
      if (environment_seen_) return fault("is a second environment record");
      environment_seen_ = true;
      read_environment(fields, record_.environment);
    } else if (kind == "footer") {
      read_footer(fields, record_.footer);
      footer_seen_ = true;
    } else if (problem.empty() && kind == "header") {
      return fault("is a second header");
    } else if (problem.empty() && minor_ <= kSchemaMinor) {
      return fault("is a record of an unknown kind");
    }
    if (!problem.empty()) return fault(fmt::format("cannot be read: {}", problem));
    return Done{};
  }

  Status take_schema(JsonFields& fields, const std::string& problem) {
    std::string name;
    std::uint64_t major = 0;
    fields.object("schema", [&](JsonFields schema) {
      schema.text("name", name);
      schema.count("major", major);
      schema.count("minor", minor_);
    });
    if (!problem.empty()) return fault(fmt::format("cannot be read: {}", problem));
    if (name != kSchemaName) return fault(fmt::format("names another schema; '{}' is wanted", kSchemaName));
    if (major != kSchemaMajor)
      return fault(
          fmt::format("has schema version {}.{}, but this dropcheck reads {}.x; read it with the version "
                      "that wrote it",
                      major, minor_, kSchemaMajor));
    return Done{};
  }

  std::string name_;
  RunRecord record_;
  std::size_t line_ = 0;
  std::uint64_t minor_ = 0;
  bool header_seen_ = false;
  bool environment_seen_ = false;
  bool footer_seen_ = false;
};

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

/// Hands over whole lines of a file and never holds more than one of them.
Expected<RunRecord> parse_file(std::FILE* file, const std::string& path) {
  ResultsParser parser(path);
  std::string pending;
  std::vector<char> chunk(std::size_t{1} << 20);
  for (;;) {
    const std::size_t got = std::fread(chunk.data(), 1, chunk.size(), file);
    std::string_view rest(chunk.data(), got);
    for (std::size_t end; (end = rest.find('\n')) != std::string_view::npos; rest.remove_prefix(end + 1)) {
      pending.append(rest.substr(0, end));
      if (auto status = parser.take(pending, true); !status) return status.error();
      pending.clear();
    }
    pending.append(rest);
    const bool at_end = got < chunk.size();
    if (at_end && std::ferror(file) != 0)
      return Error{ErrorCode::io, fmt::format("cannot read {}: {}", path, std::strerror(errno))};
    if (at_end || pending.size() > kMaxLineBytes) {
      if (auto status = parser.take(pending, false); !status) return status.error();
      return parser.finish();
    }
  }
}

template <typename Parse>
Expected<RunRecord> without_exceptions(const std::string& name, Parse parse) {
  try {
    return parse();
  } catch (const std::exception& fault) {
    return Error{ErrorCode::resource_exhausted, fmt::format("cannot read {}: {}", name, fault.what())};
  }
}

}  // namespace

Expected<RunRecord> read_results(const std::string& path) {
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "rb"));
  if (!file) return Error{ErrorCode::io, fmt::format("cannot open {}: {}", path, std::strerror(errno))};
  return without_exceptions(path, [&] { return parse_file(file.get(), path); });
}

Expected<RunRecord> parse_results(std::string_view text) {
  const std::string name = "the results text";
  return without_exceptions(name, [&]() -> Expected<RunRecord> {
    ResultsParser parser(name);
    for (bool ended = true; ended;) {
      const std::size_t end = text.find('\n');
      ended = end != std::string_view::npos;
      if (auto status = parser.take(text.substr(0, end), ended); !status) return status.error();
      if (ended) text.remove_prefix(end + 1);
    }
    return parser.finish();
  });
}

}  // namespace dropcheck::reports
