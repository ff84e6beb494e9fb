#include "suites/catalogue.hpp"

#include <algorithm>
#include <array>

namespace dropcheck::suites {
namespace {

constexpr std::array kShares = {
    StatisticShare{"S1", .15},  StatisticShare{"S2", .05},  StatisticShare{"S3", .02},
    StatisticShare{"S4", .05},  StatisticShare{"S5", .02},  StatisticShare{"S6", .15},
    StatisticShare{"S7", .05},  StatisticShare{"S8", .03},  StatisticShare{"S9", .02},
    StatisticShare{"S10", .05}, StatisticShare{"S11", .08}, StatisticShare{"S12", .01},
    StatisticShare{"S13", .01}, StatisticShare{"S14", .01}, StatisticShare{"S15", .01},
    StatisticShare{"S16", .02}, StatisticShare{"S17", .01}, StatisticShare{"S18", .01},
    StatisticShare{"S19", .02}, StatisticShare{"S20", .01}, StatisticShare{"S21", .01},
    StatisticShare{"S22", .03}, StatisticShare{"S23", .06}, StatisticShare{"S24", .05},
    StatisticShare{"S25", .03}, StatisticShare{"S29", .02}, StatisticShare{"S30", .02}};

double share_of(std::string_view id) {
  for (const StatisticShare& s : kShares)
    if (s.id == id) return kCatalogueShare * s.weight;
  return 0;
}

struct Row {
  const char* id;
  const char* title;
  const char* catches;
  const char* cannot_see;
  std::vector<std::string> statistics;  // empty: an exact check without a share
  double part;                          // of its statistics' share, where several checks divide it
  std::vector<std::string> protocols;   // empty: drives random problems
  std::vector<Feature> needs;
};

const std::vector<Row>& rows() {
  static const std::vector<Row> table = {
      // --- mask_rate
      {"mask_rate.drop_rate",
       "drop rate",
       "a wrong, swapped or quantised threshold, a dropout that is applied twice, elements that are never "
       "drawn",
       "where the drops lie: any arrangement of the right number of drops passes",
       {"S1"},
       1,
       {"mask"},
       {}},
      {"mask_rate.lanes",
       "rate by lane",
       "a lane, vector slot or thread position whose rate differs: for position mod 2, 4, ... 1024",
       "differences with another period than a power of two up to 1024",
       {"S2"},
       1,
       {"mask"},
       {}},
      {"mask_rate.worst_lane",
       "worst lane",
       "a single lane of 1024 with another rate, such as one that is never dropped",
       "a deviation spread thinly over many lanes (mask_rate.lanes sees that)",
       {"S3"},
       1,
       {"mask"},
       {}},
      {"mask_rate.block_histogram",
       "drops per 64 entries",
       "a wrong distribution of the number of drops in 64 neighbours: stuck words, stratified or exact-count "
       "masks",
       "dependence between entries more than 64 apart",
       {"S5"},
       1,
       {"mask"},
       {}},
      {"mask_rate.block_rates",
       "rates of disjoint blocks",
       "a rate that drifts or differs between blocks of 1024 entries, and blocks that are more alike than "
       "chance allows",
       "deviations shorter than a block that cancel inside it",
       {"S14"},
       1,
       {"mask"},
       {}},
      {"mask_rate.position",
       "rate by position",
       "positions that are dropped too often or never over thousands of calls: dead elements, an unhandled "
       "tail, frozen masks",
       "a deviation of all positions alike (mask_rate.drop_rate sees that)",
       {"S29"},
       1,
       {"position"},
       {}},
      {"mask_rate.extremes",
       "p = 0 and p = 1",
       "an element dropped at p = 0 or kept at p = 1",
       "anything at other p",
       {},
       0,
       {"edge_p"},
       {}},
      {"mask_rate.random_problems",
       "random problems",
       "violations of this suite's exact checks on shapes, dtypes, layouts and p that nobody chose by hand",
       "statistical defects: only exact properties are tried",
       {},
       0,
       {},
       {}},
      // --- unbiasedness
      {"unbiasedness.mean",
       "E[y] = x",
       "dropping that depends on position or value of the input, so that weighted sums are biased",
       "a wrong scale (unbiasedness.kept_value sees that to the bit)",
       {"S25"},
       .5,
       {"mask"},
       {}},
      {"unbiasedness.variance",
       "Var[y] = x^2 p/q",
       "a second moment of the output that differs from x^2/q",
       "a wrong scale (unbiasedness.kept_value sees that to the bit)",
       {"S25"},
       .5,
       {"mask"},
       {}},
      {"unbiasedness.kept_value",
       "kept and dropped values",
       "a missing, inverse or badly rounded scale, a dropped element that is not zero, alpha branches with "
       "wrong constants",
       "which elements are kept",
       {},
       0,
       {"mask", "values"},
       {}},
      {"unbiasedness.random_problems",
       "random problems",
       "violations of this suite's exact checks on shapes, dtypes, layouts and p that nobody chose by hand",
       "statistical defects: only exact properties are tried",
       {},
       0,
       {},
       {}},
      // --- channel_correlation
      {"channel_correlation.whole_channels",
       "whole channels",
       "a channel operator that drops single elements or parts of a channel",
       "dependence between channels",
       {},
       0,
       {"mask", "values"},
       {}},
      {"channel_correlation.channels",
       "independence of channels",
       "channels that are dropped together more or less often than chance allows, along the batch or the "
       "channel dimension",
       "pairs of channels at other distances than 1, and pairs that straddle two disjoint pairs",
       {"S10"},
       1,
       {"mask"},
       {}},
      {"channel_correlation.axes",
       "independence along each axis",
       "neighbours along an axis that are dropped together: one draw for several lanes, one key for every "
       "row, repeated masks",
       "dependence at other distances than 1, and pairs that straddle two disjoint pairs",
       {"S6"},
       1,
       {"mask"},
       {}},
      {"channel_correlation.random_problems",
       "random problems",
       "violations of this suite's exact checks on shapes, dtypes, layouts and p that nobody chose by hand",
       "statistical defects: only exact properties are tried",
       {},
       0,
       {},
       {}},
      // --- gradient_consistency
      {"gradient_consistency.same_mask",
       "backward uses the forward mask",
       "a backward pass with a mask of its own, or one that guesses the mask from zeros in the output",
       "how the gradient is scaled",
       {},
       0,
       {"gradient"},
       {}},
      {"gradient_consistency.value",
       "dx = dy * mask * scale",
       "a gradient that is unscaled, scaled otherwise than a kept value, not zero where dropped, or not "
       "written",
       "which elements are kept",
       {},
       0,
       {"gradient"},
       {}},
      {"gradient_consistency.random_problems",
       "random problems",
       "violations of this suite's exact checks on shapes, dtypes, layouts and p that nobody chose by hand",
       "statistical defects: only exact properties are tried",
       {},
       0,
       {},
       {}},
      // --- seed_determinism
      {"seed_determinism.same_seed",
       "same seed, same bits",
       "a seed that is ignored, only partly used, or mixed with other state",
       "whether different seeds give different masks",
       {},
       0,
       {"determinism"},
       {Feature::seeds}},
      {"seed_determinism.other_seed",
       "other seed, other bits",
       "seeds that do not matter",
       "dependence between the masks of two seeds that is short of equality",
       {},
       0,
       {"determinism"},
       {Feature::seeds}},
      {"seed_determinism.next_call",
       "next call, another mask",
       "a stream that does not advance between calls",
       "dependence between consecutive masks that is short of equality",
       {},
       0,
       {"determinism"},
       {Feature::continues_stream}},
      {"seed_determinism.eval_draws_nothing",
       "eval draws nothing",
       "an eval call that advances the stream, so that masks depend on how often a model was evaluated",
       "other calls that draw without need",
       {},
       0,
       {"determinism"},
       {Feature::seeds, Feature::continues_stream}},
      {"seed_determinism.threads",
       "threads do not matter",
       "masks that change with the number of threads",
       "races that show only now and then",
       {},
       0,
       {"threads"},
       {Feature::seeds, Feature::threads}},
      {"seed_determinism.random_problems",
       "random problems",
       "violations of this suite's exact checks on shapes, dtypes, layouts and p that nobody chose by hand",
       "statistical defects: only exact properties are tried",
       {},
       0,
       {},
       {}},
      // --- pytorch_semantics
      {"pytorch_semantics.bad_p",
       "bad p is refused",
       "p below 0, above 1, infinite or NaN that is accepted, in training or in eval",
       "the wording of the refusal",
       {},
       0,
       {"bad_p"},
       {}},
      {"pytorch_semantics.extremes",
       "outputs at p = 0 and p = 1",
       "p = 0 that changes the input, -0 that is refused, p = 1 that is not all zeros or divides by zero",
       "anything at other p",
       {},
       0,
       {"edge_p"},
       {}},
      {"pytorch_semantics.eval_identity",
       "eval is identity",
       "scaling, dropping or rounding outside training",
       "anything in training",
       {},
       0,
       {"eval"},
       {}},
      {"pytorch_semantics.in_place",
       "in place writes in place",
       "an in-place call that leaves its tensor unchanged or gives another result than the call out of place",
       "version counters and views",
       {},
       0,
       {"in_place"},
       {Feature::in_place, Feature::seeds}},
      {"pytorch_semantics.shape_and_dtype",
       "shape and dtype are kept",
       "a result of another shape or dtype, elements that are not written, bytes written outside the tensor",
       "strides of the result",
       {},
       0,
       {"values"},
       {}},
      {"pytorch_semantics.degenerate",
       "empty and 0-dim tensors",
       "a refusal or crash on tensors without elements or without dimensions",
       "ordinary shapes",
       {},
       0,
       {"degenerate"},
       {}},
      {"pytorch_semantics.mask_output",
       "returned mask agrees with the output",
       "a returned mask that is inverted, shifted or not of 0 and 1",
       "which elements are kept",
       {},
       0,
       {"values"},
       {Feature::mask_output}},
      {"pytorch_semantics.random_problems",
       "random problems",
       "violations of this suite's exact checks on shapes, dtypes, layouts and p that nobody chose by hand",
       "statistical defects: only exact properties are tried",
       {},
       0,
       {},
       {}},
  };
  return table;
}

CheckInfo info_of(const Row& row) {
  CheckInfo info;
  info.id = row.id;
  info.title = row.title;
  info.catches = row.catches;
  info.cannot_see = row.cannot_see;
  info.statistics = row.statistics;
  for (const std::string& id : row.statistics) info.weight += row.part * share_of(id);
  info.protocols = row.protocols;
  info.needs = row.needs;
  return info;
}

}  // namespace

std::span<const StatisticShare> statistic_shares() { return kShares; }

std::vector<CheckInfo> catalogue() {
  std::vector<CheckInfo> infos;
  for (const Row& row : rows()) infos.push_back(info_of(row));
  return infos;
}

CheckInfo catalogue_row(std::string_view id) {
  const auto found = std::find_if(rows().begin(), rows().end(), [&](const Row& row) { return row.id == id; });
  DROPCHECK_CHECK(found != rows().end());
  return info_of(*found);
}

}  // namespace dropcheck::suites
