#include "harness/core/descriptor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <functional>

namespace dropcheck {
namespace {

struct Field {
  std::string_view key;
  std::string_view value;
  std::size_t key_column;    // 1-based
  std::size_t value_column;  // 1-based
};

Error at(std::size_t column, std::string message) {
  return Error{ErrorCode::invalid_argument, fmt::format("column {}: {}", column, std::move(message))};
}

/// Untrusted text goes into messages with its control bytes made visible and its length bounded.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text.substr(0, 40)) {
    if (c >= 0x20 && c < 0x7f) out += c;
    else out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return out + (text.size() > 40 ? "...'" : "'");
}

template <typename Integer>
bool read_integer(std::string_view text, Integer& out) {
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    text.remove_prefix(2);
    base = 16;
  }
  if (text.empty()) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  return error == std::errc{} && end == text.data() + text.size();
}

bool read_double(std::string_view text, double& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size();
}

using Setter = Status (*)(const Field&, Problem&);

Status set_op(const Field& f, Problem& x) {
  const auto op = op_from(f.value);
  if (!op)
    return at(f.value_column,
              fmt::format("op {} is not known: write one of {}", quoted(f.value), known_ops()));
  x.op = *op;
  return Done{};
}

Status set_p(const Field& f, Problem& x) {
  double p = 0;
  if (!read_double(f.value, p) || !(p >= 0.0 && p <= 1.0))
    return at(f.value_column,
              fmt::format("p={} is not a drop probability: write a number from 0 to 1", quoted(f.value)));
  x.p = p;
  return Done{};
}

Status set_dtype(const Field& f, Problem& x) {
  const auto dtype = dtype_from(f.value);
  if (!dtype)
    return at(f.value_column,
              fmt::format("dtype {} is not known: write one of {}", quoted(f.value), known_dtypes()));
  x.dtype = *dtype;
  return Done{};
}

Status set_shape(const Field& f, Problem& x) {
  x.shape.clear();
  if (f.value == "scalar") return Done{};
  std::size_t begin = 0;
  while (begin <= f.value.size()) {
    const std::size_t end = std::min(f.value.find('x', begin), f.value.size());
    const std::string_view part = f.value.substr(begin, end - begin);
    std::int64_t extent = 0;
    const bool digits =
        !part.empty() && std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!digits || !read_integer(part, extent))
      return at(f.value_column + begin, fmt::format("shape extent {} cannot be read: write numbers joined by "
                                                    "x, for example shape=64x128, or shape=scalar",
                                                    quoted(part)));
    x.shape.push_back(extent);
    if (x.shape.size() > kMaxRank)
      return at(f.value_column + begin,
                fmt::format("shape has more than {} dimensions: write at most {}", kMaxRank, kMaxRank));
    begin = end + 1;
  }
  return Done{};
}

Status set_layout(const Field& f, Problem& x) {
  const auto layout = layout_from(f.value);
  if (!layout)
    return at(f.value_column,
              fmt::format("layout {} is not known: write one of {}", quoted(f.value), known_layouts()));
  x.layout = *layout;
  return Done{};
}

Status set_mode(const Field& f, Problem& x) {
  const auto mode = mode_from(f.value);
  if (!mode)
    return at(f.value_column, fmt::format("mode {} is not known: write train or eval", quoted(f.value)));
  x.mode = *mode;
  return Done{};
}

Status set_in_place(const Field& f, Problem& x) {
  if (f.value != "true" && f.value != "false")
    return at(f.value_column, fmt::format("inplace={} cannot be read: write true or false", quoted(f.value)));
  x.in_place = f.value == "true";
  return Done{};
}

template <typename Integer>
Expected<Integer> number(const Field& f) {
  Integer value{};
  if (!read_integer(f.value, value))
    return at(f.value_column,
              fmt::format("{}={} cannot be read: write a decimal or 0x hexadecimal number that fits {} bits",
                          f.key, quoted(f.value), 8 * sizeof(Integer)));
  return value;
}

Status set_seed(const Field& f, Problem& x) {
  const auto value = number<std::uint64_t>(f);
  if (!value) return value.error();
  x.seed = *value;
  return Done{};
}

Status set_offset(const Field& f, Problem& x) {
  const auto value = number<std::uint64_t>(f);
  if (!value) return value.error();
  x.offset = *value;
  return Done{};
}

Status set_calls(const Field& f, Problem& x) {
  const auto value = number<std::uint32_t>(f);
  if (!value) return value.error();
  x.calls = *value;
  return Done{};
}

Status set_threads(const Field& f, Problem& x) {
  const auto value = number<std::uint32_t>(f);
  if (!value) return value.error();
  x.threads = *value;
  return Done{};
}

struct Key {
  std::string_view name;
  Setter set;
  bool required;
};
constexpr Key kKeys[] = {{"op", set_op, true},
                         {"p", set_p, true},
                         {"dtype", set_dtype, false},
                         {"shape", set_shape, true},
                         {"layout", set_layout, false},
                         {"mode", set_mode, false},
                         {"inplace", set_in_place, false},
                         {"seed", set_seed, false},
                         {"offset", set_offset, false},
                         {"calls", set_calls, false},
                         {"threads", set_threads, false}};

std::string known_keys() {
  std::string text;
  for (const Key& key : kKeys) text += (text.empty() ? "" : ", ") + std::string(key.name);
  return text;
}

/// Splits at the commas that stand outside brackets.
Expected<std::vector<Field>> split(std::string_view text) {
  if (text.size() > kMaxDescriptorLength)
    return at(kMaxDescriptorLength + 1,
              fmt::format("the descriptor is longer than {} characters: shorten it", kMaxDescriptorLength));
  if (text.empty()) return at(1, "the descriptor is empty: write for example op=dropout,p=0.1,shape=1024");
  std::vector<Field> fields;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    std::size_t end = begin;
    for (int depth = 0; end < text.size() && (depth > 0 || text[end] != ','); ++end) {
      if (text[end] == '[') ++depth;
      if (text[end] == ']') --depth;
    }
    const std::string_view part = text.substr(begin, end - begin);
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos)
      return at(begin + 1,
                fmt::format("{} has no '=': write key=value pairs joined by commas", quoted(part)));
    fields.push_back({part.substr(0, equals), part.substr(equals + 1), begin + 1, begin + equals + 2});
    begin = end + 1;
  }
  return fields;
}

Status apply(const Field& field, Problem& problem, std::vector<bool>& seen) {
  const auto* key =
      std::find_if(std::begin(kKeys), std::end(kKeys), [&](const Key& k) { return k.name == field.key; });
  if (key == std::end(kKeys))
    return at(field.key_column,
              fmt::format("key {} is not known: write one of {}", quoted(field.key), known_keys()));
  const auto index = static_cast<std::size_t>(key - std::begin(kKeys));
  if (seen[index])
    return at(field.key_column, fmt::format("key {} stands twice: write it once", quoted(field.key)));
  seen[index] = true;
  return key->set(field, problem);
}

Expected<Problem> assemble(const std::vector<Field>& fields) {
  Problem problem;
  std::vector<bool> seen(std::size(kKeys), false);
  for (const Field& field : fields) {
    const Status status = apply(field, problem, seen);
    if (!status) return status.error();
  }
  for (std::size_t i = 0; i < std::size(kKeys); ++i)
    if (kKeys[i].required && !seen[i])
      return at(1, fmt::format("key '{}' is missing: write for example op=dropout,p=0.1,shape=1024",
                               kKeys[i].name));
  const Status valid = validate(problem);
  if (!valid) {
    // The message begins with the field at fault, or speaks of the shape.
    const std::string& message = valid.error().message;
    std::size_t column = 1;
    for (const Field& field : fields) {
      if (field.key == "shape") column = field.value_column;
      if (!message.starts_with(std::string(field.key) + "=")) continue;
      column = field.value_column;
      break;
    }
    return at(column, message);
  }
  return problem;
}

/// The values of a field: one, or those of a list or integer range in brackets. Columns follow each value.
Expected<std::vector<Field>> alternatives(const Field& field) {
  if (!field.value.starts_with('[')) return std::vector<Field>{field};
  if (!field.value.ends_with(']')) return at(field.value_column, "the list has no closing ']'");
  const std::string_view inside = field.value.substr(1, field.value.size() - 2);
  std::vector<Field> values;
  std::size_t begin = 0;
  while (begin <= inside.size()) {
    const std::size_t end = std::min(inside.find(',', begin), inside.size());
    values.push_back(
        {field.key, inside.substr(begin, end - begin), field.key_column, field.value_column + 1 + begin});
    begin = end + 1;
  }
  return values;
}

/// `first:last[:step]` as the numbers it stands for, in decimal.
Expected<std::vector<std::string>> range_values(const Field& field) {
  std::vector<std::uint64_t> parts;
  std::string_view rest = field.value;
  while (true) {
    const std::size_t colon = std::min(rest.find(':'), rest.size());
    std::uint64_t number = 0;
    if (!read_integer(rest.substr(0, colon), number))
      return at(
          field.value_column,
          fmt::format("range {} cannot be read: write first:last or first:last:step", quoted(field.value)));
    parts.push_back(number);
    if (colon == rest.size()) break;
    rest.remove_prefix(colon + 1);
  }
  if (parts.size() == 2) parts.push_back(1);
  if (parts.size() != 3 || parts[2] == 0 || parts[1] < parts[0] ||
      (parts[1] - parts[0]) / parts[2] >= kMaxExpansion)
    return at(field.value_column,
              fmt::format("range {} is empty or too long: write first:last:step with first <= last",
                          quoted(field.value)));
  std::vector<std::string> numbers;
  const std::uint64_t count = (parts[1] - parts[0]) / parts[2] + 1;
  for (std::uint64_t i = 0; i < count; ++i) numbers.push_back(fmt::format("{}", parts[0] + i * parts[2]));
  return numbers;
}

}  // namespace

Expected<Problem> parse_descriptor(std::string_view text) {
  const auto fields = split(text);
  if (!fields) return fields.error();
  for (const Field& field : *fields)
    if (field.value.starts_with('['))
      return at(field.value_column, "a list cannot stand here: write one value");
  return assemble(*fields);
}

Expected<std::vector<Problem>> expand_descriptor(std::string_view text) {
  const auto fields = split(text);
  if (!fields) return fields.error();
  std::vector<std::vector<Field>> axes;
  std::vector<std::vector<std::string>> owned;  // keeps the text of range values alive
  owned.reserve(2 * kMaxDescriptorLength);
  std::size_t total = 1;
  for (const Field& field : *fields) {
    const auto values = alternatives(field);
    if (!values) return values.error();
    std::vector<Field> axis;
    for (const Field& value : *values) {
      if (!field.value.starts_with('[') || value.value.find(':') == std::string_view::npos) {
        axis.push_back(value);
        continue;
      }
      auto numbers = range_values(value);
      if (!numbers) return numbers.error();
      owned.push_back(std::move(*numbers));
      for (const std::string& number : owned.back())
        axis.push_back({value.key, number, value.key_column, value.value_column});
      if (axis.size() > kMaxExpansion) break;  // refused below, before more is laid out
    }
    total *= axis.size();
    if (total > kMaxExpansion)
      return at(field.value_column,
                fmt::format("the lists make more than {} cases: shorten them", kMaxExpansion));
    axes.push_back(std::move(axis));
  }
  std::vector<Problem> problems;
  std::vector<std::size_t> index(axes.size(), 0);
  for (std::size_t n = 0; n < total; ++n) {
    std::vector<Field> chosen;
    for (std::size_t a = 0; a < axes.size(); ++a) chosen.push_back(axes[a][index[a]]);
    auto problem = assemble(chosen);
    if (!problem) return problem.error();
    problems.push_back(std::move(*problem));
    for (std::size_t a = axes.size(); a-- > 0;) {
      if (++index[a] < axes[a].size()) break;
      index[a] = 0;
    }
  }
  return problems;
}

std::string print_descriptor(const Problem& x) {
  std::string text = fmt::format("op={},p={}", to_string(x.op), x.p);
  if (x.dtype != DType::f32) text += fmt::format(",dtype={}", to_string(x.dtype));
  text += x.shape.empty() ? ",shape=scalar" : fmt::format(",shape={}", fmt::join(x.shape, "x"));
  if (x.layout != Layout::contiguous) text += fmt::format(",layout={}", to_string(x.layout));
  if (x.mode != Mode::train) text += fmt::format(",mode={}", to_string(x.mode));
  if (x.in_place) text += ",inplace=true";
  if (x.seed) text += fmt::format(",seed={:#x}", *x.seed);
  if (x.offset != 0) text += fmt::format(",offset={}", x.offset);
  if (x.calls) text += fmt::format(",calls={}", *x.calls);
  if (x.threads != 0) text += fmt::format(",threads={}", x.threads);
  return text;
}

}  // namespace dropcheck
