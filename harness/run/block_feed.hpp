#pragma once
// Shows the records of one block to observers, and the chunks that its masks make.

#include <memory>
#include <span>

#include "harness/core/sample.hpp"
#include "harness/run/chunker.hpp"

namespace dropcheck {

class BlockFeed {
 public:
  /// Observers must outlive the feed. Chunks are tested for the rate that a call declares where
  /// `declares_rate`, else for the one asked for.
  BlockFeed(std::span<const std::unique_ptr<Observer>> observers, bool streaming, bool declares_rate,
            std::uint64_t block);
  BlockFeed(const BlockFeed&) = delete;

  void observe(const StepRecord& record);
  /// After the last record.
  void finish();

 private:
  std::span<const std::unique_ptr<Observer>> observers_;
  bool streaming_, declares_rate_;
  Chunker logical_, memory_;
};

}  // namespace dropcheck
