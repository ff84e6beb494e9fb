#include "suites/calibration/importance_sampling.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <exception>
#include <mutex>
#include <set>
#include <thread>

#include "harness/stats/binomial.hpp"
#include "harness/stats/randomised_pit.hpp"

namespace dropcheck::suites::calibration {
namespace {

constexpr std::uint64_t kBatches = 50;
constexpr double kVagueFactor = 10;

struct Batch {
  std::vector<double> weights;      // sum of P/Q over hits, by level
  std::vector<std::uint64_t> hits;  // by level
  std::vector<std::set<std::string>> engines;
};

Batch run_batch(const PValueUnderTest& test, const Tilt& tilt, const std::vector<double>& levels,
                std::uint64_t runs, std::uint64_t seed) {
  Batch batch{std::vector<double>(levels.size(), 0), std::vector<std::uint64_t>(levels.size(), 0),
              std::vector<std::set<std::string>>(levels.size())};
  BitSource source(seed);
  MaskBits mask(tilt.size());
  // Components in turn from a random one on: each has its share of the runs, on average exactly.
  const std::size_t first = source.below(tilt.components());
  for (std::uint64_t r = 0; r < runs; ++r) {
    tilt.draw(source, mask, (first + r) % tilt.components());
    const ObservedPValue seen = test.p_value(mask, source.word());
    if (seen.p_value > levels.front()) continue;
    const double weight = std::exp(-tilt.log_ratio(mask));
    for (std::size_t i = 0; i < levels.size() && seen.p_value <= levels[i]; ++i) {
      batch.weights[i] += weight;
      ++batch.hits[i];
      batch.engines[i].insert(seen.engine);
    }
  }
  return batch;
}

}  // namespace

bool Measured::is_vague() const {
  if (exact || lowest_ratio() > kHighestRatio) return false;
  if (!tilted && highest_ratio() < kLowestRatio) return false;
  return !(upper <= kVagueFactor * lower);
}

std::vector<Measured> measure(const PValueUnderTest& test, const Tilt& tilt,
                              const std::vector<double>& levels, const Sampling& sampling) {
  std::vector<double> falling = levels;
  std::sort(falling.rbegin(), falling.rend());
  const std::uint64_t per_batch = std::max<std::uint64_t>(1, (sampling.runs + kBatches - 1) / kBatches);
  std::vector<Batch> batches(kBatches);
  std::atomic<std::uint64_t> next{0};
  std::exception_ptr trouble;
  std::mutex mutex;
  const auto work = [&] {
    for (std::uint64_t b = next++; b < kBatches; b = next++) {
      try {
        batches[b] = run_batch(test, tilt, falling, per_batch, stats::derived_key(sampling.seed, b));
      } catch (...) {
        const std::lock_guard lock(mutex);
        trouble = std::current_exception();
        next = kBatches;
      }
    }
  };
  {
    std::vector<std::jthread> others;
    for (unsigned t = 1; t < std::min<std::uint64_t>(sampling.threads, kBatches); ++t)
      others.emplace_back(work);
    work();
  }
  if (trouble) std::rethrow_exception(trouble);

  const boost::math::students_t_distribution<double> student(static_cast<double>(kBatches - 1));
  const double t = boost::math::quantile(boost::math::complement(student, kIntervalError / 2));
  std::vector<Measured> result;
  for (std::size_t i = 0; i < falling.size(); ++i) {
    Measured m;
    m.level = falling[i];
    m.tilted = !tilt.is_null();
    m.runs = kBatches * per_batch;
    std::array<double, kBatches> means{};
    std::set<std::string> engines;
    for (std::size_t b = 0; b < kBatches; ++b) {
      means[b] = batches[b].weights[i] / static_cast<double>(per_batch);
      m.rate += means[b] / static_cast<double>(kBatches);
      m.hits += batches[b].hits[i];
      engines.insert(batches[b].engines[i].begin(), batches[b].engines[i].end());
    }
    for (const std::string& engine : engines) m.engine += (m.engine.empty() ? "" : " / ") + engine;
    if (tilt.is_null()) {
      const stats::Interval interval = stats::clopper_pearson(m.runs, m.hits, kIntervalError);
      m.lower = interval.lower;
      m.upper = interval.upper;
    } else {
      double squares = 0;
      for (const double mean : means) squares += (mean - m.rate) * (mean - m.rate);
      const double half = t * std::sqrt(squares / static_cast<double>((kBatches - 1) * kBatches));
      m.lower = std::max(0.0, m.rate - half);
      m.upper = m.rate + half;
      if (m.hits < kFewestHits) {  // too few to say anything
        m.lower = 0;
        m.upper = 1;
      }
    }
    result.push_back(std::move(m));
  }
  return result;
}

}  // namespace dropcheck::suites::calibration
