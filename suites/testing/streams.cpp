#include "suites/testing/streams.hpp"

#include <map>
#include <stdexcept>

#include "harness/core/descriptor.hpp"
#include "harness/run/chunker.hpp"

namespace dropcheck::suites::testing {

void fill_ideal(MaskBits& mask, std::mt19937_64& engine, double p) {
  if (p == 0.5) {
    for (std::uint64_t& word : mask.words()) word = engine();
    if (!mask.words().empty()) mask.words().back() &= ~std::uint64_t{0} >> (64 - mask.tail_length());
    return;
  }
  for (std::uint64_t i = 0; i < mask.size(); ++i)
    if (static_cast<double>(engine() >> 11) * 0x1p-53 < p) mask.set(i);
}

FillMask ideal(double p) {
  return [p](MaskBits& mask, std::mt19937_64& engine, std::uint64_t, std::uint32_t) {
    fill_ideal(mask, engine, p);
  };
}

SampleInfo sample_of(const Stream& stream) {
  auto problem = parse_descriptor(stream.descriptor);
  if (!problem) throw std::logic_error(problem.error().message);
  return {stream.protocol, *problem, stream.blocks, stream.calls};
}

std::unique_ptr<Observer> observe(const Check& check, const Stream& stream, const FillMask& fill,
                                  std::uint64_t from, std::uint64_t until) {
  const SampleInfo sample = sample_of(stream);
  Step step;
  step.problem = sample.problem;
  std::unique_ptr<Observer> merged;
  for (std::uint64_t block = from; block < until; ++block) {
    auto observer = check.observer(sample);
    std::mt19937_64 engine(stream.seed * 0x9e3779b97f4a7c15u + block);
    Chunker chunker(Order::logical, block, [&](const Chunk& chunk) { observer->observe_chunk(chunk); });
    for (std::uint32_t call = 0; call < sample.calls; ++call) {
      MaskBits bits(static_cast<std::uint64_t>(mask_count(sample.problem)));
      fill(bits, engine, block, call);
      StepRecord record;
      record.block = block;
      record.index = call;
      record.step = &step;
      record.dropped = &bits;
      observer->observe(record);
      chunker.append(bits, sample.problem.p);
    }
    chunker.finish();
    if (merged) merged->merge(*observer);
    else merged = std::move(observer);
  }
  return merged;
}

Judgement judge_stream(const Check& check, const Stream& stream, const FillMask& fill, double alpha,
                       std::optional<Focus> focus) {
  const SampleInfo sample = sample_of(stream);
  if (!check.applies(sample).applies)
    throw std::logic_error(std::string("does not apply: ").append(check.applies(sample).left_out));
  JudgeContext context;
  context.sample = sample;
  context.p = sample.problem.p;
  context.alpha = alpha;
  context.pit_key = stream.seed;
  context.focus = std::move(focus);
  return check.judge(*observe(check, stream, fill, 0, stream.blocks), context);
}

FalseAlarms false_alarms(const Check& check, const Stream& stream, double alpha, std::uint64_t runs) {
  std::map<std::string, std::uint64_t> rejections;
  Stream run = stream;
  for (std::uint64_t i = 0; i < runs; ++i) {
    run.seed = stream.seed + 7919 * i;
    for (const Statistic& s : judge_stream(check, run, ideal(sample_of(run).problem.p), alpha).statistics)
      rejections[s.name] += s.rejects() ? 1u : 0u;
  }
  FalseAlarms worst;
  worst.hypotheses = rejections.size();
  for (const auto& [name, count] : rejections)
    if (count >= worst.rejections) worst.hypothesis = name, worst.rejections = count;
  return worst;
}

}  // namespace dropcheck::suites::testing
