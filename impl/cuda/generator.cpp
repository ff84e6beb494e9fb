#include "impl/cuda/generator.hpp"

#include <array>
#include <cstring>

#include "harness/abi/dropcheck_plugin.hpp"

namespace dropcheck::cuda {

void Generator::begin_call(std::optional<std::uint64_t> seed, std::uint64_t offset) {
  // ATen/cuda/CUDAGeneratorImpl.cpp: the setter refuses other offsets.
  if (configuration_.pytorch && offset % 4 != 0)
    throw plugin::InvalidArgument("offset must be a multiple of 4");
  if (seed) {
    seed_ = *seed;
    position_ = offset;
  } else {
    position_ += offset;
  }
}

Draw Generator::next(const DrawShape& shape) {
  const Draw draw{shape, seed_, position_};
  position_ += configuration_.pytorch ? words(shape) : 1;
  return draw;
}

std::uint64_t Generator::words(const DrawShape& shape) const {
  if (!configuration_.pytorch) return shape.entries;
  return pytorch_words(shape.entries, pytorch_threads(configuration_.pytorch_device, shape.entries));
}

double Generator::rate(double p, DType dtype) const {
  if (!configuration_.pytorch) return dropcheck_rate(p);
  return p > 0 && p < 1 ? pytorch_rate(p, dtype) : p;
}

void Generator::fill(const Draw& draw, Request& request) const {
  if (!configuration_.pytorch) {
    request.source = Source::dropcheck;
    request.dropcheck = {KeySchedule(draw.seed), draw.position, last_dropped_word(draw.shape.p)};
    return;
  }
  request.source = Source::pytorch;
  PyTorchStream& stream = request.pytorch;
  stream.keys = KeySchedule(draw.seed);
  stream.first_block = draw.position / 4;
  stream.threads = pytorch_threads(configuration_.pytorch_device, draw.shape.entries);
  stream.vec = draw.shape.vec;
  stream.in_double = draw.shape.dtype == DType::f64;
  stream.q = 1.0 - draw.shape.p;
}

std::vector<std::byte> Generator::save() const {
  const std::array<std::uint64_t, 2> words = {seed_, position_};
  const auto bytes = std::as_bytes(std::span(words));
  return {bytes.begin(), bytes.end()};
}

void Generator::load(std::span<const std::byte> state) {
  std::array<std::uint64_t, 2> words{};
  if (state.size() != sizeof words)
    throw plugin::InvalidArgument("a state has " + std::to_string(sizeof words) + " bytes, not " +
                                  std::to_string(state.size()));
  std::memcpy(words.data(), state.data(), sizeof words);
  seed_ = words[0];
  position_ = words[1];
}

}  // namespace dropcheck::cuda
