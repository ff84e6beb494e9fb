#pragma once
// One statistic of a check, fed with masks as the runner feeds it: call by call and chunk by chunk.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "harness/core/check.hpp"
#include "suites/calibration/p_value_subject.hpp"

namespace dropcheck::suites::calibration {

/// Lets an observer of the check see a whole sample whose mask entries, block after block and call after
/// call, are those of the mask. `integers` stand for the input of every call where a check wants it.
std::unique_ptr<Observer> observe(const Check& check, const SampleInfo& sample, const MaskBits& mask,
                                  std::span<const std::int8_t> integers = {});

class CheckUnderTest final : public PValueUnderTest {
 public:
  /// `statistic` is a Statistic::name; `cell` names one cell of a maximum, to be tested alone. The
  /// p-value of a statistic that does not satisfy `side`, if given, counts as 1.
  CheckUnderTest(const Check& check, SampleInfo sample, std::string statistic,
                 std::optional<std::uint64_t> cell = std::nullopt, std::vector<std::int8_t> integers = {},
                 std::function<bool(const Statistic&)> side = {});
  std::string name() const override;
  ObservedPValue p_value(const MaskBits& mask, std::uint64_t key) const override;
  /// Whether the check brings this statistic at this size.
  bool exists() const;
  /// The whole statistic of a mask. Throws std::logic_error where exists() is false.
  Statistic statistic(const MaskBits& mask, std::uint64_t key) const;

 private:
  std::optional<Statistic> find(const MaskBits& mask, std::uint64_t key) const;
  const Check& check_;
  JudgeContext context_;
  std::string statistic_;
  std::vector<std::int8_t> integers_;
  std::function<bool(const Statistic&)> side_;
};

}  // namespace dropcheck::suites::calibration
