#pragma once
// Makes checks and protocols of rows: one of each a row, so that a crash in one row costs that row alone.

#include <span>
#include <string>

#include "harness/core/registry.hpp"
#include "suites/dialects/row.hpp"

namespace dropcheck::suites {

/// "pytorch_semantics.row_22".
std::string row_check_id(int number);
CheckInfo row_info(const RowDefinition& definition);

/// Keeps whatever the steps bring.
std::unique_ptr<Observer> replies_observer();
/// `seen` is a replies_observer().
const std::vector<Reply>& replies_of(const Observer& seen);

void add_rows(Registry& registry, std::span<const RowDefinition> rows);

}  // namespace dropcheck::suites
