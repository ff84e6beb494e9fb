#include "suites/catalogue.hpp"

#include <algorithm>
#include <array>

#include "suites/dialects/pytorch.hpp"
#include "suites/dialects/row_check.hpp"
#include "suites/pytorch_tests.hpp"
#include "suites/required_effects.hpp"

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

/// Out of the part that the weights leave, as parts of the whole budget.
constexpr std::array kKeptShares = {StatisticShare{"S28", .01}, StatisticShare{"E1", .001},
                                    StatisticShare{"E2", .001}, StatisticShare{"E3", .004},
                                    StatisticShare{"L1", .001}, StatisticShare{"L2", .001}};

double share_of(std::string_view id) {
  for (const StatisticShare& s : kKeptShares)
    if (s.id == id) return s.weight;
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
  Level level = Level::required;
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
       {"mask", "deep_mask", "position"},
       {}},
      {"mask_rate.effective_rate",
       "declared drop probability",
       "a backend whose own drop probability, by its own account, differs from the one asked for, such as a "
       "threshold of 8 bits",
       "a declaration that is not what the mask shows (mask_rate.drop_rate tests the mask against it)",
       {},
       0,
       {"rates"},
       {Feature::effective_rate}},
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
       .5,
       {"mask"},
       {}},
      {"mask_rate.drift",
       "drift of the rate",
       "a rate that changes along the sample, a generator that warms up, parts that are not written or drawn "
       "otherwise",
       "changes that cancel before they add up, such as those inside 64 entries or the thousandth part of a "
       "sample",
       {"S14"},
       .5,
       {"mask"},
       {}},
      {"mask_rate.dispersion",
       "variance of block counts",
       "rows, blocks or calls with rates or seeds of their own, drops that cluster, exact counts per block "
       "or "
       "call, stratified or quasi-random masks",
       "dependence that leaves the variance of counts in blocks of 64, 1024 and 65536 entries and in whole "
       "calls alone",
       {"S4"},
       1,
       {"mask", "position"},
       {}},
      {"mask_rate.gaps",
       "distances between drops",
       "a generator that avoids or prefers a distance between successive drops (keeps, where those are "
       "rarer)",
       "the order in which distances follow one another",
       {"S12"},
       1,
       {"mask"},
       {}},
      {"mask_rate.longest_run",
       "longest runs",
       "one stretch that is never masked, not written or dropped as a whole, however small a part it is; "
       "drops that never come close",
       "stretches shorter than the length that it states",
       {"S13"},
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
      {"mask_rate.large_call",
       "rates in one large call",
       "a part of one large call with another rate: what lies past 2^31 elements not drawn, or drawn "
       "otherwise, where an index or a size has too few bits",
       "outputs of more than 2^26 elements (packed masks alone are asked for); indices past 2^32",
       {"L1"},
       1,
       {"large_call"},
       {}},
      {"mask_rate.extremes",
       "p = 0 and p = 1",
       "an element dropped at p = 0 or kept at p = 1",
       "anything at other p; at p = 0 drops that are rarer than one in as many elements as are asked for",
       {},
       0,
       {"edge_p", "zero_p"},
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
       .2,
       {"mask"},
       {}},
      {"channel_correlation.lags",
       "entries 1 to 64 apart",
       "entries up to 64 apart that are dropped together or avoid each other: one draw for several lanes, "
       "short "
       "periods, counters used as random numbers",
       "dependence that no pair of entries shows, and other distances",
       {"S6"},
       .8,
       {"mask"},
       {}},
      {"channel_correlation.structural_lags",
       "entries 96 to 524288 apart",
       "rows, thread blocks or grid strides that draw the same numbers: distances that are a power of two or "
       "three times one",
       "other distances, and those beyond half a chunk of 2^20 entries",
       {"S7"},
       1,
       {"mask"},
       {}},
      {"channel_correlation.large_call",
       "entries 2^28 to 2^31 apart",
       "one large call whose mask begins again: an index, a counter or an offset in bytes that wraps at 2^31 "
       "elements or at a half, a quarter or an eighth of that",
       "other distances; what begins again at 2^32 elements; outputs of more than 2^26 elements",
       {"L2"},
       1,
       {"large_call"},
       {}},
      {"channel_correlation.serial",
       "patterns of 2 to 8 entries",
       "any dependence inside 8 successive entries, also between four or more of them: patterns that come "
       "too "
       "often or never",
       "dependence at larger distances; at small p, patterns with many drops",
       {"S15"},
       1,
       {"mask"},
       {}},
      {"channel_correlation.triples",
       "independence of three entries",
       "three entries at most 32 apart of which two decide the third, as in shift-register and lagged "
       "Fibonacci "
       "generators",
       "dependence of four or more entries, and of entries further apart",
       {"S16"},
       1,
       {"mask"},
       {}},
      {"channel_correlation.word_weights",
       "drops in words of 64 entries",
       "dependence that is spread thinly over many distances: a rate that varies from stretch to stretch, or "
       "draws "
       "that make up for each other",
       "dependence inside a word, or between words more than 16 apart",
       {"S22"},
       1,
       {"mask"},
       {}},
      {"channel_correlation.boundaries",
       "seams and ends",
       "entries that are shared or repeated where two threads, warps, blocks or vectors meet: seams every "
       "32, 64, "
       "... 1024 entries; first, last and left-over entries of a call that are treated apart or share a draw",
       "seams at other distances than powers of two",
       {"S23"},
       1,
       {"mask", "position"},
       {}},
      {"channel_correlation.channel_pairs",
       "every channel against every other",
       "two channels, heads or rows that are dropped together or in opposition, and a weak factor that all "
       "channels "
       "have in common",
       "channels after the first 256, and dependence between different positions of two channels",
       {"S8", "S9"},
       1,
       {"mask"},
       {}},
      {"channel_correlation.spectrum",
       "periods",
       "any period, whatever its length and phase, in the power of 4096 entries; rates of lanes that depend "
       "on a "
       "product of bits of the position",
       "defects without a period; periods longer than 4096 entries",
       {"S19"},
       1,
       {"mask"},
       {}},
      {"channel_correlation.rank",
       "rank of matrices of fair bits",
       "bits of the mask that are linear functions of few others, as in small shift registers",
       "linear dependence over more than 4096 bits",
       {"S17"},
       1,
       {"deep_mask"},
       {}},
      {"channel_correlation.linear_complexity",
       "linear complexity",
       "a mask at p = 1/2 that is one bit of a generator linear over two elements, such as MT19937",
       "any other kind of generator, and every generator at another p",
       {"S18"},
       1,
       {"deep_mask"},
       {},
       Level::recommended},
      {"channel_correlation.collisions",
       "collisions of fair bits",
       "generators with too few outputs, and outputs dealt without being put back",
       "repeats at distances beyond 2^20 entries (seed_determinism.repeats sees those)",
       {"S20"},
       1,
       {"deep_mask"},
       {}},
      {"channel_correlation.birthday",
       "birthday spacings of fair bits",
       "words on a lattice, as linear congruential generators make them",
       "generators whose successive outputs are well mixed",
       {"S21"},
       1,
       {"deep_mask"},
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
      {"gradient_consistency.every_element",
       "every element of the gradient",
       "a backward mask that is another one past a block border, in a tile, at transposed coordinates or "
       "where "
       "x is 0; zeros, infinities, NaN or subnormal numbers of dy that become something else than dy * mask "
       "* "
       "scale",
       "calls whose gradient is not asked for at once (gradient_consistency.steps)",
       {},
       0,
       {"gradient_elements"},
       {Feature::backward, Feature::seeds}},
      {"gradient_consistency.steps",
       "gradients in another order than the calls",
       "a backward pass that takes the mask of the latest call, of the place where the stream stands now or "
       "of "
       "too small a store; gradients of eval mode, p = 0 and p = 1 that are not dy, dy and 0",
       "values of x on which masks are read off wrongly (gradient_consistency.every_element)",
       {},
       0,
       {"gradient_steps"},
       {Feature::backward, Feature::seeds}},
      {"gradient_consistency.recompute",
       "forward again gives the same mask",
       "activation checkpointing that draws another mask when it works a result out again: a state of the "
       "generator that is not saved, not set, or disturbed by dropouts in between",
       "how a framework's own checkpointing calls it",
       {},
       0,
       {"recompute"},
       {Feature::backward, Feature::seeds}},
      {"gradient_consistency.numerical",
       "central differences in f64",
       "a gradient that is not the derivative of the forward pass under the same seed, in whatever entry of "
       "the Jacobian",
       "other dtypes, and errors below one part in a million",
       {},
       0,
       {"gradient_numerical"},
       {Feature::backward, Feature::seeds}},
      {"gradient_consistency.expectation",
       "E[dx] = dy, Var[dx] = dy^2 p/q",
       "a backward mask that depends on the position or the value of dy, or has another rate, where masks "
       "cannot be seeded and compared",
       "a backward mask of its own with the right rate (gradient_consistency.same_mask sees that), and "
       "channel "
       "operators",
       {"S28"},
       1,
       {"gradient_sums"},
       {Feature::backward}},
      {"gradient_consistency.double_backward",
       "gradients of gradients",
       "a second derivative with another mask or scale than the first",
       "backends that do not differentiate gradients again",
       {},
       0,
       {"double_backward"},
       {Feature::backward, Feature::seeds}},
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
      {"seed_determinism.seed_zero",
       "the seed 0",
       "a seed 0 that means something else than the dialect says, such as a seed drawn at random or no seed "
       "at "
       "all",
       "other seeds",
       {},
       0,
       {"seed_zero"},
       {Feature::seeds}},
      {"seed_determinism.seed_bits",
       "every bit of the seed",
       "seeds of which some bits are cut off or folded together, so that two seeds have the same mask",
       "dependence between the masks of two seeds that is short of equality",
       {},
       0,
       {"seed_bits"},
       {Feature::seeds}},
      {"seed_determinism.next_call",
       "next call, another mask",
       "a stream that does not advance between calls",
       "dependence between consecutive masks that is short of equality",
       {},
       0,
       {"determinism"},
       {Feature::continues_stream}},
      {"seed_determinism.other_shape",
       "another shape, another mask",
       "a stream that begins again when the shape, the dtype or the operator changes, or that a seed does "
       "not "
       "reach then",
       "dependence between masks that is short of equality",
       {},
       0,
       {"other_shape", "other_channel_shape"},
       {}},
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
      {"seed_determinism.chunk_overlaps",
       "masks of one stream against each other",
       "calls of one stream that repeat or resemble each other, also when the second begins 1, 4, 8, 256, "
       "1024 or "
       "4096 entries into the first",
       "repeats at other shifts (seed_determinism.repeats sees long ones), and calls more than 3 apart",
       {"S11"},
       .5,
       {"mask"},
       {}},
      {"seed_determinism.streams",
       "masks of close seeds and calls",
       "seeds in succession, seeds that differ in one bit, and calls after one seed whose masks are not "
       "independent "
       "of each other, one pair or all of them a little",
       "dependence between different positions of two masks",
       {"S11"},
       .5,
       {"streams"},
       {Feature::seeds}},
      {"seed_determinism.seed_flips",
       "sensitivity to the seed",
       "a bit of the seed that does not reach the generator or changes too few entries of the mask",
       "seed bits above the lowest 16",
       {"S30"},
       1,
       {"streams"},
       {Feature::seeds}},
      {"seed_determinism.repeats",
       "no stretch occurs twice",
       "random numbers that are used twice: a stretch of the mask that comes again, bit for bit, at whatever "
       "distance, "
       "in the same call, in another one or under another seed",
       "repeats shorter than the length that it states, repeats that are inverted or spaced out",
       {"S24"},
       1,
       {"mask", "neighbour_seeds"},
       {Feature::seeds}},
      {"seed_determinism.fresh_process",
       "same seed, same bits in another process",
       "a seed that is mixed with something of the process: a number of std::rand(), the time, a hash with a "
       "key of its own",
       "other machines and other builds",
       {},
       0,
       {"fresh_process"},
       {Feature::seeds}},
      {"seed_determinism.other_memory",
       "same seed, same bits at other addresses",
       "the address of a tensor or of the seed in the place of the seed",
       "other alignments of the same tensor (seed_determinism.alignment)",
       {},
       0,
       {"other_memory"},
       {Feature::seeds}},
      {"seed_determinism.alignment",
       "same seed, same bits at other alignments",
       "a kernel that hands random numbers to other elements where a tensor does not begin at an aligned "
       "address, so "
       "that a slice and a copy of it have different masks",
       "alignments of the gradients; adapters, to whom tensors are sent by value",
       {},
       0,
       {"alignment"},
       {Feature::seeds},
       Level::recommended},
      {"seed_determinism.reseed_after_calls",
       "a seed begins again after any calls",
       "a generator that is made once by the first seed, or kept for a shape, an operator or a mode and not "
       "made again, or that another instance of the backend in the same process moves",
       "other threads that draw at the same time; other processes on the same device",
       {},
       0,
       {"reseed_after_calls"},
       {Feature::seeds}},
      {"seed_determinism.forms",
       "a seed reaches every form",
       "a module or function that draws from another generator than the one that is seeded",
       "layers that contain dropout (suite embedding)",
       {},
       0,
       {"form_seeds"},
       {Feature::seeds}},
      {"seed_determinism.distinct_masks",
       "thousands of calls and seeds, no mask twice",
       "seeds or states drawn from few values, calls without a seed that begin with a constant one",
       "masks that resemble each other and are not equal",
       {},
       0,
       {"distinct_masks"},
       {}},
      {"seed_determinism.offset_bits",
       "every bit of the offset",
       "offsets of which some bits are cut off, and seeds of which some are where there is an offset",
       "the bits 0 and 1 of an offset, since some generators take multiples of four only",
       {},
       0,
       {"offset_bits"},
       {Feature::seeds}},
      {"seed_determinism.reindexed",
       "no entries again in other places",
       "calls or seeds that read the same random numbers and hand them to other threads or vector lanes: "
       "entries 4t + i of one mask that are entries 4(t + s) + j of another",
       "other strides than 1, 2, 4, 8 and 16, fewer than 128 entries in a row, and entries that are inverted",
       {},
       0,
       {"reindexed"},
       {}},
      {"seed_determinism.batch_split",
       "a batch in parts",
       "for who promises it: padding or a restart between the calls of one stream",
       "splits along other axes than the first",
       {},
       0,
       {"batch_split"},
       {Feature::batch_split, Feature::seeds, Feature::continues_stream}},
      {"seed_determinism.independent_ranks",
       "other ranks, other masks",
       "for who promises it: a rank that does not enter the seed",
       "dependence between the masks of two ranks that is short of equality",
       {},
       0,
       {"ranks"},
       {Feature::independent_ranks, Feature::seeds}},
      {"seed_determinism.equal_ranks",
       "other ranks, the same mask",
       "for who promises it: ranks that draw masks of their own",
       "tensors that are cut into parts by rank",
       {},
       0,
       {"ranks"},
       {Feature::equal_ranks, Feature::seeds}},
      {"seed_determinism.replay",
       "each replay draws anew",
       "for who promises it: a captured call whose seed or offset is a constant of the capture",
       "dependence between replays that is short of equality",
       {},
       0,
       {"replay"},
       {Feature::replay, Feature::seeds, Feature::continues_stream}},
      {"seed_determinism.coupled_thresholds",
       "dropped at p, dropped at every larger p",
       "for who promises it: p that enters what is drawn and not only the threshold",
       "operators on channels and the alpha ones",
       {},
       0,
       {"coupled_thresholds"},
       {Feature::coupled_thresholds, Feature::seeds}},
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
      {"pytorch_semantics.dropped_values",
       "what dropped elements become",
       "a dropped NaN, infinity or negative number that becomes something else than the dialect says: 0 for "
       "NaN, "
       "or NaN for 0, or another sign of zero",
       "what p = 1, gradients and the alpha operators make of them; subnormal inputs, which some processors "
       "flush to zero",
       {},
       0,
       {"dropped_values"},
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
       "an in-place call that leaves its tensor unchanged, or writes values that are neither dropped nor "
       "kept",
       "another mask than out of place, which PyTorch's CUDA kernels have too; version counters and views",
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
      {"pytorch_semantics.scale_form",
       "fingerprint: how kept values are rounded",
       "a kept value or gradient that follows none of the known ways of rounding x / q",
       "nothing else: it tells implementations apart (unbiasedness.kept_value judges)",
       {},
       0,
       {"scale_form"},
       {},
       Level::recommended},
      {"pytorch_semantics.random_problems",
       "random problems",
       "violations of this suite's exact checks on shapes, dtypes, layouts and p that nobody chose by hand",
       "statistical defects: only exact properties are tried",
       {},
       0,
       {},
       {}},
      // --- exact_stream
      {"exact_stream.masks",
       "masks are those of the claimed stream",
       "any bit that is not the claimed stream's, over calls in sequence: another generator or number of "
       "rounds, words taken in another order, memory order for logical order, a word too many or too few in "
       "any call",
       "values, and streams that are not documented",
       {},
       0,
       {"exact_stream"},
       {Feature::exact_stream, Feature::seeds, Feature::continues_stream}},
      {"exact_stream.thresholds",
       "numbers that equal the threshold",
       "<= for < in the comparison of a random number with the threshold, a threshold of fewer bits than the "
       "stream's",
       "the arrangement of the words, where no number is near its threshold",
       {},
       0,
       {"exact_thresholds"},
       {Feature::exact_stream, Feature::seeds, Feature::continues_stream}},
      {"exact_stream.offsets",
       "offsets of the claimed stream",
       "an offset that is ignored, cut to 32 bits or counted in another unit than the stream's",
       "offsets without a reseed",
       {},
       0,
       {"exact_offsets"},
       {Feature::exact_stream, Feature::seeds, Feature::continues_stream}},
      {"exact_stream.words",
       "generator words of each call",
       "a call that takes more or fewer words than the claimed stream, by the backend's own count, also in "
       "eval and at p = 0 and 1",
       "which words are taken (exact_stream.masks compares them)",
       {},
       0,
       {"exact_words"},
       {Feature::exact_stream, Feature::rng_words, Feature::seeds, Feature::continues_stream}},
      {"exact_stream.native_dropout",
       "masks of native_dropout",
       "a mask of native_dropout in logical order where the stream fills memory, or the other way round; "
       "words not taken at p = 0 and 1",
       "other forms and operators",
       {},
       0,
       {"exact_native_dropout"},
       {Feature::exact_stream, Feature::seeds, Feature::continues_stream}},
      // --- embedding
      {"embedding.recurrent_sites",
       "dropout between recurrent layers",
       "dropout after the last layer, with one layer, on the input or not at all; last states taken after "
       "dropout; another scale than 1/(1 - p), or dropout in eval and at p = 0",
       "whether masks are shared (embedding.recurrent_masks sees that), and other nonlinearities than ReLU "
       "of "
       "plain recurrent layers",
       {},
       0,
       {"embedding_recurrent_sites"},
       {Feature::seeds}},
      {"embedding.recurrent_masks",
       "masks between recurrent layers",
       "one mask for several time steps, sequences, features, directions, layers or calls; a mask that is "
       "kept "
       "for a shape",
       "dependence between entries that is short of equality, and rates",
       {},
       0,
       {"embedding_recurrent_masks"},
       {Feature::seeds}},
      {"embedding.variational_masks",
       "recurrent dropout drawn once for a sequence",
       "variational, input and recurrent dropout taken for one another or for dropout of each step; a mask "
       "that "
       "changes over time, or is shared by gates, layers, sequences or calls",
       "dependence between entries that is short of equality, and rates",
       {},
       0,
       {"embedding_variational_masks"},
       {Feature::seeds}},
      {"embedding.attention",
       "dropped attention weights",
       "dropout before the softmax or on something else than the weights, unscaled weights, returned weights "
       "that are not those used, a function that obeys a mode which it does not have, a module that drops in "
       "eval",
       "whether masks are shared (embedding.attention_masks sees that), and padding or causal masks",
       {},
       0,
       {"embedding_attention"},
       {Feature::seeds}},
      {"embedding.attention_masks",
       "masks of attention weights",
       "one mask for several sequences, heads, queries, keys or calls, as broadcasting makes them",
       "dependence between entries that is short of equality, and rates",
       {},
       0,
       {"embedding_attention_masks"},
       {Feature::seeds}},
      {"embedding.transformer_sites",
       "places with dropout in transformer layers",
       "a place of the four of an encoder layer or the six of a decoder layer that does not drop, drops "
       "twice, "
       "drops the residual too, drops in eval, or has the mask of another place",
       "normalisation before the sublayers, other activations than ReLU, and the first two features",
       {},
       0,
       {"embedding_transformer_sites"},
       {Feature::seeds}},
      {"embedding.convolution",
       "whole feature maps between convolutions",
       "a channel axis that is taken for another one where there is no batch or in another layout, maps "
       "dropped "
       "in part, maps or samples that share draws",
       "other kernels than those of extent 1",
       {},
       0,
       {"embedding_convolution"},
       {Feature::seeds}},
      {"embedding.mc_passes",
       "passes of MC dropout",
       "a pass with the mask of another one, one mask for a whole batch, dropout that stays off, batch "
       "normalisation that goes into training with it",
       "dependence between passes that is short of equality (embedding.mc_estimate sees its effect)",
       {},
       0,
       {"embedding_mc_passes"},
       {Feature::seeds}},
      {"embedding.mc_estimate",
       "mean and variance over passes of MC dropout",
       "units that are dropped together, rates and scales that are wrong in this mode: an uncertainty that "
       "is "
       "too small or too large",
       "what leaves mean and variance of the one output alone",
       {"E3"},
       1,
       {"embedding_mc_linear", "embedding_mc_relu"},
       {Feature::seeds}},
      {"embedding.subnetworks",
       "all subnetworks of ten units",
       "subnetworks that never come or come too often: a fixed number of drops, units that are dropped "
       "together "
       "or in turn",
       "dependence between different rows and calls",
       {"E1", "E2"},
       1,
       {"embedding_subnetworks", "embedding_subnetwork_sets"},
       {Feature::seeds}},
      {"embedding.batch_norm",
       "batch normalisation beside dropout",
       "running statistics of something else than what reached the normalisation, such as activations before "
       "dropout; a normalisation that eval does not freeze",
       "whether the variance shift that it tells of does harm",
       {},
       0,
       {"embedding_batch_norm"},
       {Feature::seeds}},
      {"embedding.modes",
       "training and eval of modules",
       "a mode that does not reach the children, is forgotten or cannot be taken back; dropout that no_grad "
       "turns "
       "off; a function whose default is not training",
       "modules that hold a mode of their own on purpose",
       {},
       0,
       {"embedding_modes"},
       {Feature::seeds}},
  };
  return table;
}

CheckInfo info_of(const Row& row) {
  CheckInfo info;
  info.id = row.id;
  info.level = row.level;
  info.title = row.title;
  info.catches = row.catches;
  info.cannot_see = row.cannot_see;
  info.statistics = row.statistics;
  for (const std::string& id : row.statistics) info.weight += row.part * share_of(id);
  info.protocols = row.protocols;
  info.needs = row.needs;
  Requirement requirement = requirement_of(row.id);
  info.effect_scale = requirement.scale;
  info.required = std::move(requirement.effects);
  return info;
}

}  // namespace

std::span<const StatisticShare> statistic_shares() { return kShares; }

std::span<const StatisticShare> kept_shares() { return kKeptShares; }

std::vector<CheckInfo> catalogue() {
  std::vector<CheckInfo> infos;
  for (const Row& row : rows()) infos.push_back(info_of(row));
  for (const RowDefinition& row : pytorch_rows()) infos.push_back(row_info(row));
  for (CheckInfo& info : pytorch_test_infos()) infos.push_back(std::move(info));
  return infos;
}

CheckInfo catalogue_row(std::string_view id) {
  const auto found = std::find_if(rows().begin(), rows().end(), [&](const Row& row) { return row.id == id; });
  DROPCHECK_CHECK(found != rows().end());
  return info_of(*found);
}

CheckInfo catalogue_row(std::string_view id, const Dialect& dialect) {
  CheckInfo info = catalogue_row(id);
  const auto not_asked = [&](bool when, Axis axis) {
    if (when && info.impossible.empty()) info.impossible = reason_text(dialect, axis);
  };
  if (id == "unbiasedness.mean" && dialect.scale == TrainScale::none) info.title = "E[y] = q x";
  if (id == "unbiasedness.variance" && dialect.scale == TrainScale::none) info.title = "Var[y] = x^2 p q";
  if (id == "pytorch_semantics.eval_identity" && dialect.eval == EvalRule::times_q)
    info.title = "eval multiplies by q";
  if (id == "pytorch_semantics.eval_identity" || id == "seed_determinism.eval_draws_nothing")
    not_asked(!dialect.has_eval(), Axis::eval);
  if (id == "seed_determinism.eval_draws_nothing")
    not_asked(dialect.seed == SeedRule::call || dialect.seed == SeedRule::none, Axis::seed);
  if (id == "seed_determinism.same_seed" || id == "seed_determinism.fresh_process" ||
      id == "seed_determinism.other_memory" || id == "seed_determinism.alignment" ||
      id == "seed_determinism.reseed_after_calls" || id == "seed_determinism.forms")
    not_asked(dialect.seed == SeedRule::none, Axis::seed);
  if (id == "seed_determinism.seed_zero") {
    not_asked(dialect.seed == SeedRule::none, Axis::seed);
    not_asked(dialect.seed_zero == SeedZero::unspecified, Axis::seed_zero);
  }
  if (id == "pytorch_semantics.bad_p") not_asked(dialect.bad_p == BadP::unspecified, Axis::bad_p);
  if (id == "pytorch_semantics.dropped_values")
    not_asked(dialect.dropped == DroppedRule::unspecified, Axis::dropped);
  if (info.suite() == "gradient_consistency")
    not_asked(dialect.gradient == GradientRule::unspecified, Axis::gradient);
  if (info.suite() == "embedding" && info.statistics.empty()) {  // their values are those of PyTorch's scale
    not_asked(dialect.scale != TrainScale::over_q, Axis::scale);
    not_asked(dialect.eval != EvalRule::identity, Axis::eval);
    not_asked(dialect.p_one != AtOne::zeros, Axis::p_one);
  }
  if (info.suite() == "exact_stream") {  // their sequences hold calls with p = 1 and in eval mode
    not_asked(dialect.p_one != AtOne::zeros, Axis::p_one);
    not_asked(dialect.eval != EvalRule::identity, Axis::eval);
  }
  return info;
}

}  // namespace dropcheck::suites
