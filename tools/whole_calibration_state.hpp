#pragma once
// What has been measured so far: a file of JSON Lines, one a batch of runs, so that a measurement of hours
// can be stopped and taken up again. Nothing in it is taken on trust.

#include <string>
#include <vector>

#include "harness/run/file_lock.hpp"
#include "tools/whole_calibration.hpp"

namespace dropcheck::tools {

/// Runs `first` to `first + counts.runs - 1` of one backend.
struct WholeBatch {
  std::string backend;  // spec
  std::string version;  // its name and version
  std::uint64_t first = 0;
  RunCounts counts;
};

/// Where the plan, the levels or the seed are others, lines are refused: counts must add up.
struct WholeIdentity {
  std::string plan;  // hash, which holds the seed
  std::uint64_t seed = 0;
};

/// One line, with its newline.
std::string line_of(const WholeIdentity& identity, const WholeBatch& batch);
/// The batches of a file. Errors (invalid_argument) name the line: it cannot be read, is damaged, belongs to
/// another plan or seed, or holds runs that an earlier line holds.
Expected<std::vector<WholeBatch>> batches_of(const WholeIdentity& identity, std::string_view text);

/// The runs below `runs` that no batch of this backend holds, cut into batches: first and number.
std::vector<std::pair<std::uint64_t, std::uint64_t>> pending_runs(const std::vector<WholeBatch>& batches,
                                                                  const std::string& backend,
                                                                  std::uint64_t runs, std::uint64_t batch);

/// The file itself, or nothing but memory where the path is empty. One process at a time.
class WholeState {
 public:
  static Expected<WholeState> open(const std::string& path, const WholeIdentity& identity);
  const std::vector<WholeBatch>& batches() const { return batches_; }
  /// Brings the line to the disk first. Error (io) when that fails; the batch then does not count.
  Status add(WholeBatch batch);

 private:
  WholeState(std::string path, WholeIdentity identity)
      : path_(std::move(path)), identity_(std::move(identity)) {}
  std::string path_;
  WholeIdentity identity_;
  std::optional<FileLock> lock_;
  std::vector<WholeBatch> batches_;
};

}  // namespace dropcheck::tools
