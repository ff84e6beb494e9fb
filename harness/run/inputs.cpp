#include "harness/run/inputs.hpp"

#include <algorithm>
#include <array>
#include <boost/random/mersenne_twister.hpp>
#include <boost/random/normal_distribution.hpp>
#include <cmath>
#include <cstring>
#include <limits>

#include "harness/core/element.hpp"

namespace dropcheck {
namespace {

constexpr std::size_t kLargest = 127;  // of the integers
constexpr std::uint64_t kInputKey = 0x64726f70;

bool is_integer_kind(Input kind) {
  return kind != Input::random_reals && kind != Input::with_zeros && kind != Input::normals &&
         kind != Input::extremes;
}

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

double largest(DType dtype) {
  switch (dtype) {
    case DType::f16: return 65504;
    case DType::bf16: return 0x1.FEp127;
    case DType::f64: return std::numeric_limits<double>::max();
    default: return static_cast<double>(std::numeric_limits<float>::max());
  }
}

double extreme(std::size_t i, DType dtype) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::array values = {1.5,
                             -1.5,
                             std::numeric_limits<double>::quiet_NaN(),
                             kInfinity,
                             -kInfinity,
                             0.0,
                             -0.0,
                             smallest_normal(dtype),
                             -smallest_normal(dtype),
                             smallest_subnormal(dtype),
                             -smallest_subnormal(dtype),
                             largest(dtype),
                             -largest(dtype),
                             3.0,
                             -3.0};
  return values[i % values.size()];
}

/// Every integer as an element, by integer + 128.
template <typename Word>
std::array<Word, 256> all_integers(DType dtype) {
  std::array<Word, 256> converted{};
  for (int v = -128; v < 128; ++v)
    store_element(v, reinterpret_cast<std::byte*>(&converted[static_cast<std::size_t>(v + 128)]), dtype);
  return converted;
}

template <typename Word>
void scatter_words(std::span<const std::int8_t> integers, const TensorView& tensor) {
  const std::array<Word, 256> converted = all_integers<Word>(tensor.dtype);
  const std::int8_t* next = integers.data();
  const auto copy = [&](std::byte* at, std::int64_t count, std::ptrdiff_t step) {
    for (std::int64_t i = 0; i < count; ++i, at += step)
      std::memcpy(at, &converted[static_cast<std::size_t>(*next++ + 128)], sizeof(Word));
  };
  constexpr auto kSize = static_cast<std::ptrdiff_t>(sizeof(Word));
  if (tensor.is_contiguous()) {
    copy(tensor.data, tensor.count(), kSize);
    return;
  }
  const std::int64_t row = tensor.shape.back();
  for_each_row(tensor, [&](std::byte* at) { copy(at, row, tensor.strides.back() * kSize); });
}

/// Dense f32: what a compiler turns into vectors.
void convert_floats(std::span<const std::int8_t> integers, std::byte* to) {
  for (std::size_t i = 0; i < integers.size(); ++i) {
    const auto value = static_cast<float>(integers[i]);
    std::memcpy(to + i * sizeof value, &value, sizeof value);
  }
}

/// What make_input looks at.
Problem input_key(const Problem& problem, bool elements) {
  Problem key;
  key.op = is_alpha(problem.op) ? Op::alpha_dropout : Op::dropout;
  key.p = 0;
  key.dtype = elements ? problem.dtype : DType::f32;
  key.shape = {element_count(problem.shape)};
  if (problem.layout == Layout::expanded && !problem.shape.empty() && problem.shape[0] > 1) {
    key.layout = Layout::expanded;
    key.shape = {problem.shape[0], element_count(problem.shape) / problem.shape[0]};
  }
  return key;
}

std::size_t bytes_of(const InputData& data) { return data.elements.size() + data.integers.size(); }

}  // namespace

InputData make_input(Input kind, const Problem& problem, bool elements) {
  if (problem.layout == Layout::expanded && !problem.shape.empty() && problem.shape[0] > 1) {
    // All slices along the first dimension share one memory, so they hold the same numbers.
    Problem slice = problem;
    slice.shape[0] = 1;
    const InputData one = make_input(kind, slice, elements);
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
  if (is_integer_kind(kind)) {
    data.integers = integers_of(kind, n);
    if (is_alpha(problem.op))
      for (auto& v : data.integers) v = static_cast<std::int8_t>(v < 0 ? -v : v);
    if (!elements) return data;
    data.elements.resize(n * size);
    if (!is_float(problem.dtype)) {  // masks are not read off these
      for (std::size_t i = 0; i < n; ++i)
        store_integer(data.integers[i], data.elements.data() + i * size, problem.dtype);
      data.integers.clear();
      return data;
    }
    scatter_integers(data.integers,
                     {data.elements.data(), problem.dtype, {static_cast<std::int64_t>(n)}, {1}});
    return data;
  }
  data.elements.resize(n * size);
  boost::random::mt19937_64 engine(kInputKey + static_cast<std::uint64_t>(kind));
  boost::random::normal_distribution<double> normal;
  for (std::size_t i = 0; i < n; ++i) {
    double value = kind == Input::extremes  ? extreme(i, problem.dtype)
                   : kind == Input::normals ? normal(engine)
                                            : next_real(engine);
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

void scatter_integers(std::span<const std::int8_t> integers, const TensorView& tensor) {
  DROPCHECK_CHECK(is_float(tensor.dtype) && integers.size() == static_cast<std::size_t>(tensor.count()));
  if (tensor.dtype == DType::f32 && tensor.is_contiguous()) return convert_floats(integers, tensor.data);
  switch (tensor.element_size()) {
    case 2: return scatter_words<std::uint16_t>(integers, tensor);
    case 4: return scatter_words<std::uint32_t>(integers, tensor);
    default: return scatter_words<std::uint64_t>(integers, tensor);
  }
}

std::shared_ptr<const InputData> InputCache::of(Input kind, const Problem& problem, bool elements) {
  elements = elements || !is_integer_kind(kind);
  const Problem key = input_key(problem, elements);
  const std::lock_guard lock(mutex_);
  const auto known = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) {
    return e.kind == kind && e.elements == elements && e.key == key;
  });
  if (known != entries_.end()) {
    entries_.splice(entries_.begin(), entries_, known);
  } else {
    entries_.push_front(
        {kind, elements, key, std::make_shared<const InputData>(make_input(kind, problem, elements))});
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
