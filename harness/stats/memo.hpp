#pragma once
// Figures that a plan asks for on hundreds of samples and that are dear to compute.

#include <cstddef>
#include <map>
#include <utility>

namespace dropcheck::stats {

/// Values by key; all are forgotten when there are `kMost`. What throws is not remembered. Keep one a thread.
template <typename Key, typename Value, std::size_t kMost>
class Memo {
 public:
  template <typename Compute>
  Value of(const Key& key, Compute&& compute) {
    if (const auto known = known_.find(key); known != known_.end()) return known->second;
    const Value value = std::forward<Compute>(compute)();
    if (known_.size() >= kMost) known_.clear();
    known_.emplace(key, value);
    return value;
  }

 private:
  std::map<Key, Value> known_;
};

}  // namespace dropcheck::stats
