// channel_correlation.whole_channels: an operator that drops channels drops all elements of a channel or
// none. Exact.

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/judging.hpp"
#include "suites/mask_observer.hpp"

namespace dropcheck::suites {
namespace {

class MixedChannels final : public MergingObserver<MixedChannels> {
 public:
  void observe(const StepRecord& record) override {
    if (record.dropped == nullptr) return;
    const auto& shape = record.step->problem.shape;
    const ChannelBits channels =
        record.channels != nullptr ? *record.channels : channel_bits(*record.dropped, shape);
    if (channels.bits.size() == record.dropped->size()) return;  // channels of one element cannot be mixed
    finding.compared(channels.bits.size());
    finding.violated(channels.mixed_channels, [&] {
      return fmt::format("{} of {} channels have both dropped and kept elements: {} must drop whole channels",
                         channels.mixed_channels, channels.bits.size(), to_string(record.step->problem.op));
    });
  }
  void add(const MixedChannels& later) { finding.merge(later.finding); }
  ExactFinding finding;
};

class WholeChannels final : public Check {
 public:
  WholeChannels() : Check(catalogue_row("channel_correlation.whole_channels")) {}
  Applicability applies(const SampleInfo& sample) const override {
    const bool channels_have_size = mask_count(sample.problem) < element_count(sample.problem.shape);
    return draws_mask(sample.problem) && drops_channels(sample.problem.op) && channels_have_size
               ? Applicability::yes()
               : Applicability::no();
  }
  std::unique_ptr<Observer> observer(const SampleInfo&) const override {
    return std::make_unique<MixedChannels>();
  }
  Judgement judge(const Observer& seen, const JudgeContext&) const override {
    return static_cast<const MixedChannels&>(seen).finding.judgement(
        "every channel is wholly kept or wholly dropped");
  }
};

}  // namespace

void add_whole_channels(Registry& registry) { registry.add_check(std::make_unique<WholeChannels>()); }

}  // namespace dropcheck::suites
