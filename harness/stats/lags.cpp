#include "harness/stats/lags.hpp"

#include <algorithm>
#include <bit>
#include <functional>
#include <utility>

#include "harness/stats/kernels/lag_products.hpp"
#include "harness/stats/kernels/popcount.hpp"
#include "harness/stats/preconditions.hpp"

namespace dropcheck::stats {
namespace {

// Drops among the first n entries, for ascending n.
class PrefixDrops {
 public:
  explicit PrefixDrops(std::span<const std::uint64_t> words) : words_(words) {}
  std::uint64_t first(std::uint64_t n) {
    drops_ += kernels::count(words_.subspan(next_, n / 64 - next_));
    next_ = n / 64;
    const unsigned rest = n % 64;
    if (rest == 0) return drops_;
    return drops_ + static_cast<std::uint64_t>(std::popcount(words_[next_] << (64 - rest)));
  }

 private:
  std::span<const std::uint64_t> words_;
  std::size_t next_ = 0;  // words that are counted
  std::uint64_t drops_ = 0;
};

}  // namespace

std::vector<std::uint32_t> short_lags() {
  std::vector<std::uint32_t> lags;
  for (std::uint32_t lag = 1; lag <= 64; ++lag) lags.push_back(lag);
  return lags;
}

std::vector<std::uint32_t> structural_lags() {
  std::vector<std::uint32_t> lags;
  for (std::uint32_t power = 64; power < kChunkBits / 2; power *= 2) {
    lags.push_back(power + power / 2);
    lags.push_back(2 * power);
  }
  return lags;
}

LagCounts::LagCounts(std::vector<std::uint32_t> lags) : lags_(std::move(lags)), pairs_(lags_.size()) {
  require(lags_.empty() || lags_.front() > 0, "lags >= 1");
  require(std::adjacent_find(lags_.begin(), lags_.end(), std::greater_equal<>()) == lags_.end(),
          "lags ascend without repetition");
}

void LagCounts::add(const Chunk& chunk) {
  if (chunk.size == 0) return;
  ++chunks_[chunk.size];
  const auto fitting = static_cast<std::size_t>(std::lower_bound(lags_.begin(), lags_.end(), chunk.size) -
                                                lags_.begin());  // lags below the size
  std::vector<std::uint64_t> n11(fitting, 0), head(fitting), until(fitting);
  kernels::lag_products(chunk.words, chunk.size, std::span(lags_).first(fitting), n11);
  PrefixDrops heads(chunk.words), ends(chunk.words);
  for (std::size_t i = 0; i < fitting; ++i) head[i] = heads.first(lags_[i]);
  for (std::size_t i = fitting; i-- > 0;) until[i] = ends.first(chunk.size - lags_[i]);
  const std::uint64_t drops = ends.first(chunk.size);
  for (std::size_t i = 0; i < fitting; ++i)
    pairs_[i] += PairProducts{n11[i], until[i], drops - head[i], chunk.size - lags_[i]};
}

void LagCounts::merge(const LagCounts& other) {
  require(lags_ == other.lags_, "counts of the same lags");
  for (std::size_t i = 0; i < pairs_.size(); ++i) pairs_[i] += other.pairs_[i];
  for (const auto& [size, count] : other.chunks_) chunks_[size] += count;
}

std::vector<ChunkKind> LagCounts::chunks() const {
  std::vector<ChunkKind> kinds;
  for (const auto& [size, count] : chunks_) kinds.push_back({size, count});
  return kinds;
}

}  // namespace dropcheck::stats
