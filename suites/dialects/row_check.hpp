#pragma once
// Makes checks and protocols of rows: one of each a row, so that a crash in one row costs that row alone.

#include <span>
#include <string>

#include "harness/core/registry.hpp"
#include "suites/dialects/row.hpp"

namespace dropcheck::suites {

/// "pytorch_semantics.row_22".
std::string row_check_id(int number);
CheckInfo row_info(const RowDefinition& definition, const Dialect& dialect = pytorch_dialect());

/// All that a record brought.
Reply reply_of(const StepRecord& record);

/// A check of one protocol that keeps whatever its steps bring.
class RepliesCheck : public Check {
 public:
  using Check::Check;
  Applicability applies(const SampleInfo& sample) const final;
  std::unique_ptr<Observer> observer(const SampleInfo& sample) const final;

 protected:
  /// `seen` is an observer of this check.
  static const std::vector<Reply>& replies_of(const Observer& seen);
};

/// A protocol that asks its own steps, filed under that problem. Null steps: nothing can be asked.
Protocol own_protocol(std::string id, std::string summary, std::vector<Step> (*steps)(), Problem problem);

void add_rows(Registry& registry, std::span<const RowDefinition> rows, const Dialect& dialect);

}  // namespace dropcheck::suites
