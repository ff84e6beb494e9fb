#include "suites/dialect_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

#include "harness/core/invariant.hpp"
#include "suites/dialect_words.hpp"

namespace dropcheck {

std::string_view embedded_dialect(std::string_view stem);  // generated from suites/dialects/*.toml

namespace suites {
namespace {

constexpr std::size_t kMostName = 40;
constexpr std::size_t kMostShown = 120;
constexpr std::size_t kMostText = 600;  // bytes of a source or title
constexpr std::size_t kMostFrameworks = 20;
constexpr double kCoarsest = 0.5;  // no drop probability is further than that from both ends

Error usage(std::string message) { return Error{ErrorCode::invalid_argument, std::move(message)}; }

/// Text of the file for a message: control characters would spoil a terminal.
std::string shown(std::string_view text) {
  std::string clean;
  for (const char c : text.substr(0, kMostShown)) clean += (c >= 0 && c < ' ') || c == '\x7f' ? '?' : c;
  return clean;
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kMostName &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-_") == std::string_view::npos;
}

/// Key of an axis's table; the type of p stands in that of its domain, the seed 0 in that of the seeds.
std::string_view key_of(Axis axis) {
  switch (axis) {
    case Axis::p_domain:
    case Axis::p_type: return "p_domain";
    case Axis::bad_p: return "bad_p";
    case Axis::p_one: return "p_one";
    case Axis::scale: return "scale";
    case Axis::roundings: return "roundings";
    case Axis::eval: return "eval";
    case Axis::dropped: return "dropped";
    case Axis::seed:
    case Axis::seed_zero: return "seed";
    case Axis::gradient: return "gradient";
    case Axis::resolution: return "resolution";
  }
  return "";
}

/// Reads one file; the first error stays.
class DialectReader {
 public:
  DialectReader(const toml::table& root, std::string_view where, std::size_t lines)
      : root_(root), where_(where), lines_(lines) {}

  Expected<Dialect> read() {
    known_keys(root_, "the dialect",
               {"name", "title", "frameworks", "p_domain", "bad_p", "p_one", "scale", "roundings", "eval",
                "dropped", "seed", "gradient", "resolution"});
    dialect_.name = text(root_, "the dialect", "name");
    if (!failed() && !is_name(dialect_.name))
      fail(root_.get("name"),
           fmt::format("name = \"{}\" is no name: write at most {} small letters, digits, '.', '-' and '_'",
                       shown(dialect_.name), kMostName));
    dialect_.title = text(root_, "the dialect", "title");
    frameworks();
    axis(Axis::p_domain, dialect_.p_domain, {"value", "type", "source"});
    further(Axis::p_type, "type", dialect_.p_type);
    axis(Axis::bad_p, dialect_.bad_p);
    axis(Axis::p_one, dialect_.p_one);
    axis(Axis::scale, dialect_.scale);
    roundings();
    axis(Axis::eval, dialect_.eval);
    axis(Axis::dropped, dialect_.dropped);
    axis(Axis::seed, dialect_.seed, {"value", "zero", "source"});
    further(Axis::seed_zero, "zero", dialect_.seed_zero);
    axis(Axis::gradient, dialect_.gradient);
    resolution();
    if (!failed()) agree();
    if (failed()) return *error_;
    return std::move(dialect_);
  }

 private:
  bool failed() const { return error_.has_value(); }

  void fail(std::size_t line, const std::string& what) {
    if (!error_) error_ = usage(fmt::format("{}, line {}: {}", where_, line, what));
  }
  void fail(const toml::node* node, const std::string& what) {
    const std::size_t line = node != nullptr ? node->source().begin.line : 0;
    fail(line != 0 ? line : lines_, what);
  }

  void known_keys(const toml::table& table, std::string_view what,
                  std::initializer_list<std::string_view> keys) {
    for (const auto& [key, node] : table) {
      const std::string_view name = key.str();
      if (std::find(keys.begin(), keys.end(), name) != keys.end()) continue;
      fail(key.source().begin.line,
           fmt::format("{} has no key '{}': write {}", what, shown(name), fmt::join(keys, ", ")));
    }
  }

  /// A text that has to be there; empty after a failure.
  std::string text(const toml::table& table, std::string_view what, std::string_view key) {
    const toml::node* node = table.get(key);
    if (node == nullptr) {
      fail(&table, fmt::format("{} has no '{}': every dialect says it", what, key));
      return {};
    }
    const auto* value = node->as_string();
    if (value == nullptr) {
      fail(node, fmt::format("'{}' of {} must be a text in quotation marks", key, what));
      return {};
    }
    const std::string& got = value->get();
    if (got.empty() || got.size() > kMostText)
      fail(node, fmt::format("'{}' of {} has {} bytes: write 1 to {}", key, what, got.size(), kMostText));
    if (std::any_of(got.begin(), got.end(), [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }))
      fail(node, fmt::format("'{}' of {} must be one line without control characters", key, what));
    return got;
  }

  template <typename Value>
  Value word(const toml::table& table, std::string_view what, std::string_view key) {
    const std::string got = text(table, what, key);
    if (failed()) return Value{};
    const std::optional<Value> value = value_of<Value>(got);
    if (value) return *value;
    std::vector<std::string> words;
    for (const auto& [each, name] : words_for(Value{})) words.push_back(fmt::format("\"{}\"", name));
    fail(table.get(key), fmt::format("{} = \"{}\" in {} is not known: write {}", key, shown(got), what,
                                     fmt::join(words, ", ")));
    return Value{};
  }

  std::string heading(Axis axis) const { return fmt::format("[{}]", key_of(axis)); }

  const toml::table* table_of(Axis axis) {
    const toml::node* node = root_.get(key_of(axis));
    if (node == nullptr) {
      fail(lines_, fmt::format("{} is missing: every axis has to be said", heading(axis)));
      return nullptr;
    }
    if (node->as_table() == nullptr)
      fail(node,
           fmt::format("'{}' must be a table: write {}, and its keys below it", key_of(axis), heading(axis)));
    return node->as_table();
  }

  void source(Axis axis) {
    if (failed()) return;
    if (const toml::table* table = table_of(axis))
      dialect_.sources[static_cast<std::size_t>(axis)] = text(*table, heading(axis), "source");
  }

  template <typename Value>
  void axis(Axis axis, Value& value, std::initializer_list<std::string_view> keys = {"value", "source"}) {
    const toml::table* table = failed() ? nullptr : table_of(axis);
    if (table == nullptr) return;
    known_keys(*table, heading(axis), keys);
    value = word<Value>(*table, heading(axis), "value");
    source(axis);
  }

  /// An axis that stands in the table of another, with its source.
  template <typename Value>
  void further(Axis axis, std::string_view key, Value& value) {
    const toml::table* table = failed() ? nullptr : table_of(axis);
    if (table == nullptr) return;
    value = word<Value>(*table, heading(axis), key);
    source(axis);
  }

  void frameworks() {
    if (failed()) return;
    const toml::node* node = root_.get("frameworks");
    const toml::array* list = node != nullptr ? node->as_array() : nullptr;
    if (list == nullptr || list->size() > kMostFrameworks)
      return fail(node, fmt::format("'frameworks' must be a list of at most {} texts", kMostFrameworks));
    for (const toml::node& each : *list) {
      const auto* name = each.as_string();
      if (name == nullptr || name->get().empty() || name->get().size() > kMostText)
        return fail(&each, "'frameworks' must be a list of texts");
      dialect_.frameworks.push_back(name->get());
    }
  }

  void roundings() {
    const toml::table* table = failed() ? nullptr : table_of(Axis::roundings);
    if (table == nullptr) return;
    known_keys(*table, "[roundings]", {"value", "source"});
    source(Axis::roundings);
    const toml::node* node = table->get("value");
    if (node == nullptr) return fail(table, "[roundings] has no 'value': every dialect says it");
    const std::string wanted = fmt::format(
        "'value' of [roundings] must be \"{}\", \"{}\" or a list of names of 'dropcheck list roundings'",
        kAnyRounding, kNoRounding);
    if (const auto* all = node->as_string()) {
      if (all->get() == kAnyRounding) dialect_.roundings = all_roundings();
      else if (all->get() != kNoRounding) fail(node, wanted);
      return;
    }
    const toml::array* list = node->as_array();
    if (list == nullptr || list->empty()) return fail(node, wanted);
    std::vector<reference::ScaleForm> named;
    const std::vector<reference::ScaleForm> known = all_roundings();
    for (const toml::node& each : *list) {
      const auto* name = each.as_string();
      if (name == nullptr) return fail(&each, wanted);
      const auto form = reference::scale_form_from(name->get());
      if (!form || std::find(known.begin(), known.end(), *form) == known.end())
        return fail(&each,
                    fmt::format("the rounding '{}' is not known: 'dropcheck list roundings' shows them",
                                shown(name->get())));
      if (std::find(named.begin(), named.end(), *form) != named.end())
        return fail(&each, fmt::format("the rounding '{}' stands twice", name->get()));
      named.push_back(*form);
    }
    for (const reference::ScaleForm form : known)  // in one order, whatever the file's
      if (std::find(named.begin(), named.end(), form) != named.end()) dialect_.roundings.push_back(form);
    for (const DType dtype : kFloatDTypes)
      if (dialect_.kept_forms(dtype).empty())
        return fail(node,
                    fmt::format("[roundings] leaves {} without any: name one that it has", to_string(dtype)));
  }

  void resolution() {
    const toml::table* table = failed() ? nullptr : table_of(Axis::resolution);
    if (table == nullptr) return;
    known_keys(*table, "[resolution]", {"f64", "f32", "f16", "bf16", "source"});
    source(Axis::resolution);
    for (std::size_t i = 0; i < kFloatDTypes.size() && !failed(); ++i) {
      const std::string_view key = to_string(kFloatDTypes[i]);
      const toml::node* node = table->get(key);
      if (node == nullptr) return fail(table, fmt::format("[resolution] has no '{}'", key));
      const auto* number = node->as_floating_point();
      if (number == nullptr || !(number->get() >= 0 && number->get() <= kCoarsest))
        return fail(node, fmt::format("'{}' of [resolution] must be a number with a point, from 0.0 to {}",
                                      key, kCoarsest));
      dialect_.resolution[i] = number->get();
    }
  }

  /// Axes that bear on each other.
  void agree() {
    const bool domain_ends = dialect_.p_domain == PDomain::below_one;
    if (domain_ends == dialect_.answers_p_one())
      fail(root_.get("p_one"),
           fmt::format("value = \"{}\" in [p_one] contradicts the domain {} in [p_domain]",
                       word_of(dialect_.p_one), word_of(dialect_.p_domain)));
    const bool rounds = !dialect_.roundings.empty();
    if (rounds != (dialect_.scale == TrainScale::over_q))
      fail(root_.get("roundings"),
           fmt::format("[roundings] must be \"{}\" where [scale] is \"{}\", and only there", kNoRounding,
                       word_of(TrainScale::none)));
    if (!dialect_.has_eval() && dialect_.bad_p == BadP::refused_in_training)
      fail(root_.get("bad_p"), "value = \"refused in training\" in [bad_p] needs an eval mode in [eval]");
  }

  const toml::table& root_;
  std::string where_;
  std::size_t lines_;
  Dialect dialect_;
  std::optional<Error> error_;
};

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

Expected<std::string> text_of_file(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error))
    return usage(fmt::format("--dialect={}: there is no such file", path));
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "rb"));
  if (!file) return usage(fmt::format("--dialect={} cannot be opened: {}", path, std::strerror(errno)));
  std::string text(kMostDialectBytes + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0) return usage(fmt::format("--dialect={} cannot be read", path));
  if (text.size() > kMostDialectBytes)
    return usage(
        fmt::format("--dialect={} is larger than the {} bytes of a dialect", path, kMostDialectBytes));
  return text;
}

}  // namespace

std::vector<reference::ScaleForm> all_roundings() {
  std::vector<reference::ScaleForm> all;
  for (const auto& forms : {reference::scale_forms(DType::bf16), reference::float_scale_forms(DType::bf16),
                            reference::float_scale_forms(DType::f64)})
    for (const reference::ScaleForm form : forms)
      if (std::find(all.begin(), all.end(), form) == all.end()) all.push_back(form);
  return all;
}

const std::vector<std::string>& builtin_dialects() {
  static const std::vector<std::string> names = {
      "pytorch",          "onnx-13", "keras3", "jax-flax", "tensorflow", "paddle-upscale",
      "paddle-downscale", "dlib",    "mlx",    "mxnet",    "chainer",    "onednn"};
  return names;
}

Dialect builtin_dialect(std::string_view name) {
  auto dialect = parse_dialect(embedded_dialect(name), fmt::format("suites/dialects/{}.toml", name));
  if (!dialect) fmt::print(stderr, "dropcheck: {}\n", dialect.error().message);
  DROPCHECK_CHECK(dialect.has_value());
  return std::move(*dialect);
}

Expected<Dialect> parse_dialect(std::string_view text, std::string_view where) {
  if (text.size() > kMostDialectBytes)
    return usage(fmt::format("{} is larger than the {} bytes of a dialect", where, kMostDialectBytes));
  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  try {
    const toml::table root = toml::parse(text);
    return DialectReader(root, where, lines).read();
  } catch (const toml::parse_error& error) {
    return usage(fmt::format("{}, line {}: this is no TOML: {}", where, error.source().begin.line,
                             shown(error.description())));
  }
}

Expected<Dialect> find_dialect(const std::string& name_or_file) {
  const auto& names = builtin_dialects();
  if (std::find(names.begin(), names.end(), name_or_file) != names.end())
    return builtin_dialect(name_or_file);
  if (!name_or_file.ends_with(".toml"))
    return usage(fmt::format("dialect '{}' is not known: write one of {}, or a file that ends in .toml",
                             shown(name_or_file), fmt::join(names, ", ")));
  const auto text = text_of_file(name_or_file);
  if (!text) return text.error();
  auto dialect = parse_dialect(*text, name_or_file);
  if (dialect && std::find(names.begin(), names.end(), dialect->name) != names.end())
    return usage(fmt::format("{}: the name '{}' is that of a built-in dialect: choose another", name_or_file,
                             dialect->name));
  return dialect;
}

}  // namespace suites
}  // namespace dropcheck
