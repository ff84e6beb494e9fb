#pragma once
// The ledger as text: one JSON object with the schema, a checksum of the content and the content. Integers,
// seeds and probabilities read back to the same bits. What is read is untrusted: bounded, checked, refused
// with a sentence.

#include <string>
#include <string_view>

#include "harness/run/ledger.hpp"

namespace dropcheck {

inline constexpr std::string_view kLedgerSchemaName = "dropcheck.ledger";
inline constexpr int kLedgerMajor = 1;
inline constexpr int kLedgerMinor = 0;
inline constexpr std::size_t kMaxLedgerBytes = std::size_t{64} << 20;

/// Ends with a line break, so that any shorter text is seen to be cut.
std::string ledger_text(const LedgerContent& content);

/// Errors (invalid_argument) name `path` and what is wrong: no ledger at all, another version, cut short or
/// changed, numbers that cannot be.
Expected<LedgerContent> parse_ledger(std::string_view bytes, const std::string& path);

}  // namespace dropcheck
