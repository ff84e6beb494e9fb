// embedding.attention_masks: every weight of attention has a draw of its own.

#include "reference/pytorch_cpu_stream.hpp"
#include "suites/dialects/row_layers.hpp"
#include "suites/embedding/attention_network.hpp"
#include "suites/embedding/embedding_check.hpp"
#include "suites/embedding/parameters.hpp"
#include "suites/embedding/site_mask.hpp"

namespace dropcheck::suites::embedding {
namespace {

constexpr AttentionShape kProduct{8, 1, 16, 4}, kMultihead{8, 4, 16, 8};

std::vector<Step> steps() {
  return {product_step(kProduct, kMaskP), continued(product_step(kProduct, kMaskP)),
          multihead_step(kMultihead, kMaskP), continued(multihead_step(kMultihead, kMaskP))};
}

SiteMask weights_mask(const RowTrial& trial, std::size_t i, std::string name, const AttentionShape& s) {
  SiteMask mask = unseen_mask(std::move(name), {s.batch, s.heads, s.length, s.length});
  const std::vector<double> weights = numbers(trial, i, trial.reply(i).extra.at("weights"));
  for (std::size_t e = 0; e < weights.size(); ++e)
    mask.entries[e] = near(weights[e], 0, 1e-9) ? Entry::dropped : Entry::kept;
  return mask;
}

void judge(RowTrial& trial) {
  for (std::size_t i = 0; i + 1 < trial.size(); i += 2) {
    if (!trial.answered(i) || !trial.answered(i + 1)) continue;
    const AttentionShape& s = trial.reply(i).index == 0 ? kProduct : kMultihead;
    const SiteMask mask = weights_mask(trial, i, "the mask of the attention weights", s),
                   next = weights_mask(trial, i + 1, "that of the next call", s);
    require_active(trial, i, mask);
    require_unshared(trial, i, mask, 0, "sequences");
    if (s.heads > 1) require_unshared(trial, i, mask, 1, "heads");
    require_unshared(trial, i, mask, 2, "queries");
    require_unshared(trial, i, mask, 3, "keys");
    require_different(trial, i + 1, mask, next);
    const auto u = [](std::int64_t v) { return static_cast<std::uint64_t>(v); };
    for (const std::size_t call : {i, i + 1})
      require_cpu_words(trial, call,
                        reference::words_of_attention({u(s.batch), u(s.heads), u(s.length), u(s.length)},
                                                      kMaskP, Mode::train));
  }
}

}  // namespace

Definition attention_masks() {
  return {"embedding.attention_masks",
          "embedding_attention_masks",
          "the weights of attention after dropout",
          problem_of(kMaskP, {8, 16, 4}),
          steps,
          judge,
          "sequences, heads, queries, keys and calls have draws of their own"};
}

}  // namespace dropcheck::suites::embedding
