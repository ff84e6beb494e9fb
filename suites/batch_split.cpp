// seed_determinism.batch_split: for who promises it, a batch in several calls of one stream has the mask of
// the whole batch in one call. Rows have an odd length, so that padding between calls shows.

#include <algorithm>
#include <iterator>

#include "suites/catalogue.hpp"
#include "suites/checks.hpp"
#include "suites/dialects/row_check.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/judging.hpp"

namespace dropcheck::suites {
namespace {

constexpr std::int64_t kRows = 8;
constexpr std::int64_t kParts[] = {3, 1, 4};  // rows of each call

Problem whole() { return problem_of(0.5, {kRows, 97}); }
Problem whole_of_channels() { return problem_of(0.5, {kRows, 37, 3, 1}, DType::f32, Op::dropout2d); }

/// A batch in one call, then in parts, all after the same seed; for elements, then for channels.
std::vector<Step> split_steps() {
  std::vector<Step> steps;
  for (const Problem& batch : {whole(), whole_of_channels()}) {
    steps.push_back(seeded_step(batch));
    for (std::size_t part = 0; part < std::size(kParts); ++part) {
      Problem rows = batch;
      rows.shape[0] = kParts[part];
      steps.push_back(part == 0 ? seeded_step(rows) : next_step(rows));
    }
  }
  return steps;
}

class BatchSplit final : public RepliesCheck {
 public:
  BatchSplit() : RepliesCheck(catalogue_row("seed_determinism.batch_split")) {}

  Judgement judge(const Observer& seen, const JudgeContext& context) const override {
    const std::vector<Step> steps = split_steps();
    RowTrial trial(steps, replies_of(seen), context);
    for (std::size_t begin = 0; begin < trial.size(); begin += 1 + std::size(kParts)) {
      bool all = trial.answered(begin);
      std::vector<std::byte> parts;
      for (std::size_t part = 1; part <= std::size(kParts); ++part) {
        all = trial.answered(begin + part) && all;
        const std::vector<std::byte>& y = trial.reply(begin + part).y;
        parts.insert(parts.end(), y.begin(), y.end());
      }
      if (!all) continue;
      const std::vector<std::byte>& batch = trial.reply(begin).y;
      const auto differs = std::mismatch(batch.begin(), batch.end(), parts.begin(), parts.end());
      const std::size_t row = batch.size() / static_cast<std::size_t>(kRows);
      trial.require(batch == parts, [&] {
        return fmt::format(
            "{} has another mask than the same {} rows in calls of 3, 1 and 4, from row {} on; the "
            "backend promises batch_split",
            trial.place(begin), kRows, static_cast<std::size_t>(differs.first - batch.begin()) / row);
      });
    }
    return trial.judgement("a batch in parts has the mask of the whole");
  }
};

}  // namespace

void add_batch_split(Registry& registry) {
  registry.add_protocol(own_protocol("batch_split", "a batch in one call, then in three after the same seed",
                                     split_steps, whole()));
  registry.add_check(std::make_unique<BatchSplit>());
}

}  // namespace dropcheck::suites
