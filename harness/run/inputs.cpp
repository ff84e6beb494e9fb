#include "harness/run/inputs.hpp"

#include <algorithm>
#include <array>
#include <boost/random/mersenne_twister.hpp>
#include <cmath>
#include <cstring>

#include "harness/core/element.hpp"

namespace dropcheck {
namespace {

constexpr std::size_t kLargest = 127;
constexpr std::uint64_t kInputKey = 0x64726f70;

bool is_integer_kind(Input kind) { return kind != Input::random_reals && kind != Input::with_zeros; }

std::vector<std::int8_t> integers_of(Input kind, std::size_t n) {
  std::vector<std::int8_t> values(n, 1);
  boost::random::mt19937_64 engine(kInputKey + static_cast<std::uint64_t>(kind));
  switch (kind) {
    case Input::random_integers:
      for (std::size_t i = 0; i < n; i += 8) {
        std::uint64_t bits = engine();
        for (std::size_t j = i; j < std::min(i + 8, n); ++j, bits >>= 8) {
          const auto v = static_cast<std::int8_t>(bits & 0xff);
          values[j] = v == 0 || v == -128 ? std::int8_t{1} : v;
        }
      }
      break;
    case Input::alternating:
      for (std::size_t i = 0; i < n; ++i) values[i] = i % 2 == 0 ? 64 : -64;
      break;
    case Input::ramp:
      // 1 + i (kLargest - 1) / n rounded down, by its remainder: divisions would take the longest of all.
      for (std::size_t i = 0, remainder = 0, value = 1; i < n; ++i, remainder += kLargest - 1) {
        while (remainder >= n) {
          remainder -= n;
          ++value;
        }
        values[i] = static_cast<std::int8_t>(value);
      }
      break;
    case Input::spikes:
      for (std::size_t i = 0; i < n; i += 1021) values[i] = static_cast<std::int8_t>(kLargest);
      break;
    default: break;
  }
  return values;
}

/// Both signs, all significand bits, magnitudes from 1/16 to 16.
double next_real(boost::random::mt19937_64& engine) {
  const std::uint64_t bits = engine();
  const double significand = 1.0 + static_cast<double>(bits >> 12) * 0x1p-52;
  const int exponent = static_cast<int>(bits & 7) - 4;
  return std::ldexp((bits & 8) != 0 ? -significand : significand, exponent);
}

double smallest_normal(DType dtype) {
  switch (dtype) {
    case DType::f16: return 0x1p-14;
    case DType::f64: return 0x1p-1022;
    default: return 0x1p-126;
  }
}

double smallest_subnormal(DType dtype) {
  switch (dtype) {
    case DType::f16: return 0x1p-24;
    case DType::bf16: return 0x1p-133;
    case DType::f64: return 0x1p-1074;
    default: return 0x1p-149;
  }
}

/// Sets the elements, of the size of Word, to the integers. Few values, many elements: each value is
/// converted once.
template <typename Word>
void convert(InputData& data, DType dtype) {
  std::array<Word, 256> converted{};
  for (int v = -128; v < 128; ++v)
    store_element(v, reinterpret_cast<std::byte*>(&converted[static_cast<std::size_t>(v + 128)]), dtype);
  for (std::size_t i = 0; i < data.integers.size(); ++i)
    std::memcpy(data.elements.data() + i * sizeof(Word),
                &converted[static_cast<std::size_t>(data.integers[i] + 128)], sizeof(Word));
}

/// What make_input looks at.
Problem input_key(const Problem& problem) {
  Problem key;
  key.op = is_alpha(problem.op) ? Op::alpha_dropout : Op::dropout;
  key.p = 0;
  key.dtype = problem.dtype;
  key.shape = {element_count(problem.shape)};
  if (problem.layout == Layout::expanded && !problem.shape.empty() && problem.shape[0] > 1) {
    key.layout = Layout::expanded;
    key.shape = {problem.shape[0], element_count(problem.shape) / problem.shape[0]};
  }
  return key;
}

std::size_t bytes_of(const InputData& data) { return data.elements.size() + data.integers.size(); }

}  // namespace

InputData make_input(Input kind, const Problem& problem) {
  DROPCHECK_CHECK(is_float(problem.dtype));
  if (problem.layout == Layout::expanded && !problem.shape.empty() && problem.shape[0] > 1) {
    // All slices along the first dimension share one memory, so they hold the same numbers.
    Problem slice = problem;
    slice.shape[0] = 1;
    const InputData one = make_input(kind, slice);
    InputData all;
    for (std::int64_t i = 0; i < problem.shape[0]; ++i) {
      all.elements.insert(all.elements.end(), one.elements.begin(), one.elements.end());
      all.integers.insert(all.integers.end(), one.integers.begin(), one.integers.end());
    }
    return all;
  }
  const auto n = static_cast<std::size_t>(element_count(problem.shape));
  const std::size_t size = size_of(problem.dtype);
  InputData data;
  data.elements.resize(n * size);
  if (is_integer_kind(kind)) {
    data.integers = integers_of(kind, n);
    if (is_alpha(problem.op))
      for (auto& v : data.integers) v = static_cast<std::int8_t>(v < 0 ? -v : v);
    switch (size) {
      case 2: convert<std::uint16_t>(data, problem.dtype); break;
      case 4: convert<std::uint32_t>(data, problem.dtype); break;
      default: convert<std::uint64_t>(data, problem.dtype); break;
    }
    return data;
  }
  boost::random::mt19937_64 engine(kInputKey + static_cast<std::uint64_t>(kind));
  for (std::size_t i = 0; i < n; ++i) {
    double value = next_real(engine);
    if (kind == Input::with_zeros) {
      switch (i % 11) {
        case 1: value = 0.0; break;
        case 4: value = -0.0; break;
        case 6: value = std::copysign(smallest_normal(problem.dtype), value); break;
        case 9: value = std::copysign(smallest_subnormal(problem.dtype), value); break;
        default: break;
      }
    }
    store_element(value, data.elements.data() + i * size, problem.dtype);
  }
  return data;
}

std::shared_ptr<const InputData> InputCache::of(Input kind, const Problem& problem) {
  const Problem key = input_key(problem);
  const std::lock_guard lock(mutex_);
  const auto known = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& e) { return e.kind == kind && e.key == key; });
  if (known != entries_.end()) {
    entries_.splice(entries_.begin(), entries_, known);
  } else {
    entries_.push_front({kind, key, std::make_shared<const InputData>(make_input(kind, problem))});
    std::size_t bytes = 0;
    for (auto entry = entries_.begin(); entry != entries_.end();) {
      bytes += bytes_of(*entry->data);
      const bool stays = entry == entries_.begin() || bytes <= most_bytes_;
      entry = stays ? std::next(entry) : entries_.erase(entry);
    }
  }
  return entries_.front().data;
}

}  // namespace dropcheck
