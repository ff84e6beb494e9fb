#include "suites/calibration/check_subject.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "harness/stats/randomised_pit.hpp"
#include "suites/calibration/bit_source.hpp"

namespace dropcheck::suites::calibration {
namespace {

/// Level that intervals and effects are computed for; p-values do not depend on it.
constexpr double kSomeLevel = 1e-9;

/// Copies `size` bits from `begin` on.
void slice(const MaskBits& mask, std::uint64_t begin, MaskBits& part) {
  const std::size_t word = begin / 64;
  const unsigned shift = begin % 64;
  for (std::size_t w = 0; w < part.words().size(); ++w) {
    std::uint64_t bits = mask.words()[word + w] >> shift;
    if (shift != 0 && word + w + 1 < mask.words().size()) bits |= mask.words()[word + w + 1] << (64 - shift);
    part.words()[w] = bits;
  }
  if (part.tail_length() % 64 != 0) part.words().back() &= (std::uint64_t{1} << part.tail_length()) - 1;
}

}  // namespace

std::unique_ptr<Observer> observe(const Check& check, const SampleInfo& sample, const MaskBits& mask,
                                  std::span<const std::int8_t> integers) {
  const auto entries = static_cast<std::uint64_t>(mask_count(sample.problem));
  DROPCHECK_CHECK(mask.size() == sample.mask_entries());
  auto observer = check.observer(sample);
  Step step;
  step.problem = sample.problem;
  MaskBits part(entries);
  for (std::uint64_t block = 0; block < sample.blocks; ++block) {
    const std::uint64_t first = block * sample.calls * entries;
    for (std::uint32_t call = 0; call < sample.calls; ++call) {
      const bool whole = sample.blocks * sample.calls == 1;
      if (!whole) slice(mask, first + call * entries, part);
      StepRecord record;
      record.block = block;
      record.index = call;
      record.step = &step;
      record.seed = stats::derived_key(block, call);  // all masks here are of different seeds
      record.integers = integers;
      record.dropped = whole ? &mask : &part;
      observer->observe(record);
    }
    for (std::uint64_t begin = 0; begin < sample.calls * entries; begin += kChunkBits) {
      Chunk chunk;
      chunk.size = std::min(kChunkBits, sample.calls * entries - begin);
      chunk.block = block;
      chunk.index = begin / kChunkBits;
      chunk.p = sample.problem.p;
      MaskBits copy;
      if ((first + begin) % 64 == 0 && (begin + chunk.size) % 64 == 0) {
        chunk.words = mask.words().subspan((first + begin) / 64, (chunk.size + 63) / 64);
      } else {
        copy = MaskBits(chunk.size);
        slice(mask, first + begin, copy);
        chunk.words = copy.words();
      }
      observer->observe_chunk(chunk);
    }
  }
  return observer;
}

CheckUnderTest::CheckUnderTest(const Check& check, SampleInfo sample, std::string statistic,
                               std::optional<std::uint64_t> cell, std::vector<std::int8_t> integers,
                               std::function<bool(const Statistic&)> side)
    : check_(check),
      statistic_(std::move(statistic)),
      integers_(std::move(integers)),
      side_(std::move(side)) {
  context_.sample = std::move(sample);
  context_.p = context_.sample.problem.p;
  context_.alpha = kSomeLevel;
  context_.focus = Focus{statistic_, cell};
}

std::string CheckUnderTest::name() const {
  return context_.focus->cell
             ? fmt::format("{}: {}, cell {}", check_.info().id, statistic_, *context_.focus->cell)
             : fmt::format("{}: {}", check_.info().id, statistic_);
}

std::optional<Statistic> CheckUnderTest::find(const MaskBits& mask, std::uint64_t key) const {
  JudgeContext context = context_;
  context.pit_key = key;
  const auto observer = observe(check_, context.sample, mask, integers_);
  Judgement judgement = check_.judge(*observer, context);
  const auto found = std::find_if(judgement.statistics.begin(), judgement.statistics.end(),
                                  [&](const Statistic& s) { return s.name == statistic_; });
  if (found == judgement.statistics.end()) return std::nullopt;
  return std::move(*found);
}

bool CheckUnderTest::exists() const {
  BitSource source(1);
  MaskBits mask(context_.sample.mask_entries());
  fill(mask, Rate(context_.p), source);
  return find(mask, 1).has_value();
}

Statistic CheckUnderTest::statistic(const MaskBits& mask, std::uint64_t key) const {
  auto found = find(mask, key);
  if (!found)
    throw std::logic_error(fmt::format("{} brought no statistic '{}'", check_.info().id, statistic_));
  return *std::move(found);
}

ObservedPValue CheckUnderTest::p_value(const MaskBits& mask, std::uint64_t key) const {
  const Statistic s = statistic(mask, key);
  return {side_ && !side_(s) ? 1 : s.p_value, s.engine};
}

}  // namespace dropcheck::suites::calibration
