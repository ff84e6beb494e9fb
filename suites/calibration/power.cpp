#include "suites/calibration/power.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <mutex>
#include <thread>

#include "harness/stats/binomial.hpp"
#include "harness/stats/randomised_pit.hpp"
#include "suites/calibration/calibration.hpp"
#include "suites/calibration/defects.hpp"

namespace dropcheck::suites::calibration {
namespace {

constexpr char kMatrixIntro[] = R"(
## Which check finds which defect

Named defects in masks of 2^22 entries, p = 0.1: 4 calls of 1024 x 1024. A cell is the most significant
log10(p-value / {:g}) over the statistics of a check; `-` where none rejects. -10 is a p-value of 1e-19.
p-values far below 1e-300 are proven bounds. The row of a check is judged as if it ran alone.

)";

constexpr char kPowerIntro[] = R"(# Power

Written by `{}` in {:.0f} s on {} {}; seed {:#x}.

A pass says: an effect of this size would have been caught. This page plants exactly that effect, once for each
statistic, and counts how often it is caught.

## A defect at the minimum detectable effect

Masks get one defect whose strength, in the unit of the statistic's effect, is what the statistic
states as minimum detectable at level {:g}: with probability 1 - 1e-6, by its formula. A defect that can have
either sign has a random one. A row fails when the number of seeds in which the p-value falls to the level
is inconsistent, at {:g}, with a probability of {} or more (exact binomial test). {} of {} rows fail.

| statistic | p | defect | effect | unit | entries | seeds | found | verdict |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
)";

constexpr std::int64_t kMatrixRows = 1024, kMatrixColumns = 1024;
constexpr std::uint32_t kMatrixCalls = 4;
constexpr double kMatrixP = 0.1;

/// Calls work(i, source) for i < count on several threads; random numbers depend on i only.
void for_each_seed(std::uint64_t count, std::uint64_t seed, unsigned threads,
                   const std::function<void(std::uint64_t, BitSource&)>& work) {
  std::atomic<std::uint64_t> next{0};
  std::exception_ptr trouble;
  std::mutex mutex;
  const auto loop = [&] {
    for (std::uint64_t i = next++; i < count; i = next++) {
      try {
        BitSource source(stats::derived_key(seed, i));
        work(i, source);
      } catch (...) {
        const std::lock_guard lock(mutex);
        trouble = std::current_exception();
        next = count;
      }
    }
  };
  {
    std::vector<std::jthread> others;
    for (unsigned t = 1; t < std::min<std::uint64_t>(threads, count); ++t) others.emplace_back(loop);
    loop();
  }
  if (trouble) std::rethrow_exception(trouble);
}

std::uint64_t name_key(std::uint64_t seed, const std::string& name) {
  for (const char letter : name) seed = stats::derived_key(seed, static_cast<unsigned char>(letter));
  return seed;
}

/// Text for a cell of a Markdown table.
std::string cell_text(std::string text) {
  for (std::size_t i = 0; (i = text.find('|', i)) != std::string::npos; i += 2) text.insert(i, 1, '\\');
  return text;
}

PowerCell measure_one(const PowerTarget& target, const Check& check, const PowerOptions& options) {
  PowerCell cell;
  cell.id = target.id;
  cell.check = target.check;
  cell.statistic = target.statistic;
  cell.defect = target.defect;
  cell.p = target.sample.problem.p;
  cell.entries = target.sample.mask_entries();
  const Applicability applies = check.applies(target.sample);
  if (!applies.applies) {
    cell.left_out = applies.left_out.empty() ? "the check does not apply" : applies.left_out;
    return cell;
  }
  const CheckUnderTest test(check, target.sample, target.statistic, std::nullopt, target.integers);
  if (!test.exists()) {
    cell.left_out = "this statistic of the check is not valid at this size";
    return cell;
  }
  const std::uint64_t key = name_key(options.seed, target.check + target.statistic);
  // What it says it finds, on a correct mask: data cannot enter.
  MaskBits correct(cell.entries);
  BitSource source(key);
  fill(correct, Rate(target.sample.problem.p), source);
  const auto effect = test.statistic(correct, source.word()).minimum_detectable_effect;
  if (!effect || !std::isfinite(effect->value)) {
    cell.left_out = "no effect is detectable at this size";
    return cell;
  }
  cell.effect = effect->value;
  cell.unit = effect->unit;
  cell.seeds = options.seeds;
  std::atomic<std::uint64_t> found{0};
  for_each_seed(options.seeds, key, options.threads, [&](std::uint64_t, BitSource& random) {
    MaskBits mask(cell.entries);
    target.plant(target.sample.problem.p, cell.effect, random, mask);
    if (test.p_value(mask, random.word()).p_value <= kPowerLevel) ++found;
  });
  cell.found = found;
  return cell;
}

}  // namespace

bool PowerCell::fails() const {
  return left_out.empty() && stats::binomial_lower_tail(seeds, found, kLeastPower) < kPowerError;
}

std::vector<PowerCell> measure_power(const Registry& registry, const PowerOptions& options,
                                     const std::function<void(const PowerCell&)>& progress) {
  std::vector<PowerCell> cells;
  for (const PowerTarget& target : power_targets()) {
    const Check* check = registry.check(target.check);
    if (check == nullptr || !is_wanted(options.check_glob, target.check)) continue;
    cells.push_back(measure_one(target, *check, options));
    progress(cells.back());
  }
  return cells;
}

std::vector<MatrixRow> defect_matrix(const Registry& registry, const PowerOptions& options) {
  SampleInfo sample;
  sample.protocol = "mask";
  sample.problem.p = kMatrixP;
  sample.problem.shape = {kMatrixRows, kMatrixColumns};
  sample.calls = kMatrixCalls;
  const std::uint64_t call = kMatrixRows * kMatrixColumns;
  std::vector<const Check*> checks;
  std::vector<MatrixRow> rows;
  for (const auto& check : registry.checks()) {
    const auto& protocols = check->info().protocols;
    if (check->is_exact() || std::find(protocols.begin(), protocols.end(), "mask") == protocols.end() ||
        check->info().suite() == "unbiasedness" || !check->applies(sample).applies ||
        !is_wanted(options.check_glob, check->info().id))
      continue;
    checks.push_back(check.get());
    rows.push_back({fmt::format("{}", fmt::join(check->info().statistics, ", ")), check->info().id,
                    std::vector<double>(named_defects().size(), 0)});
  }
  for_each_seed(named_defects().size(), options.seed, options.threads,
                [&](std::uint64_t d, BitSource& source) {
                  MaskBits mask(call * kMatrixCalls);
                  named_defects()[d].draw(mask, call, kMatrixP, source);
                  for (std::size_t c = 0; c < checks.size(); ++c) {
                    JudgeContext context;
                    context.sample = sample;
                    context.p = kMatrixP;
                    context.alpha = kPowerLevel;
                    context.pit_key = source.word();
                    const Judgement judgement = checks[c]->judge(*observe(*checks[c], sample, mask), context);
                    for (const Statistic& s : judgement.statistics)
                      if (s.rejects())
                        rows[c].excess[d] = std::min(rows[c].excess[d], s.log10_p - std::log10(kPowerLevel));
                  }
                });
  return rows;
}

std::string power_page(const std::vector<PowerCell>& cells, const std::vector<MatrixRow>& matrix,
                       const PowerOptions& options, const std::string& command, double seconds) {
  const auto failed = std::count_if(cells.begin(), cells.end(), [](const PowerCell& c) { return c.fails(); });
  std::string page =
      fmt::format(kPowerIntro, command, seconds, options.threads, options.threads == 1 ? "thread" : "threads",
                  options.seed, kPowerLevel, kPowerError, kLeastPower, failed, cells.size());
  for (const PowerCell& c : cells) {
    if (!c.left_out.empty()) {
      page += fmt::format("| {} {} | {} | {} | - | - | {} | - | - | not run: {} |\n", c.id, c.statistic, c.p,
                          c.defect, c.entries, c.left_out);
      continue;
    }
    page += fmt::format("| {} {} | {} | {} | {:.4g} | {} | {} | {} | {} | {} |\n", c.id, c.statistic, c.p,
                        c.defect, c.effect, cell_text(c.unit), c.entries, c.seeds, c.found,
                        c.fails() ? "TOO FEW" : "holds");
  }
  page += fmt::format(kMatrixIntro, kPowerLevel);
  page += "| statistic | check |";
  for (const Defect& d : named_defects()) page += fmt::format(" {} |", d.name);
  page += "\n| --- | --- |";
  for (std::size_t i = 0; i < named_defects().size(); ++i) page += " --- |";
  page += "\n";
  for (const MatrixRow& row : matrix) {
    page += fmt::format("| {} | `{}` |", row.ids, row.check);
    for (const double e : row.excess)
      page += e == 0          ? std::string(" - |")
              : std::isinf(e) ? std::string(" impossible |")
                              : fmt::format(" {:.1f} |", e);
    page += "\n";
  }
  page += "\n| defect | what it is |\n| --- | --- |\n";
  for (const Defect& d : named_defects()) page += fmt::format("| {} | {} |\n", d.name, d.what);
  return page;
}

}  // namespace dropcheck::suites::calibration
