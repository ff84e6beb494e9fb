// Rows 39-45, 107 and 108: the random stream of the generator.

#include "reference/pytorch_cpu_stream.hpp"
#include "suites/dialects/pytorch.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/dialects/row_values.hpp"

namespace dropcheck::suites {
namespace {

constexpr const char* kStream = "MT19937, two words an element";

std::uint64_t elements_of(const Problem& problem) {
  return static_cast<std::uint64_t>(element_count(problem.shape));
}

Step own_seeded(Problem problem, std::uint64_t seed) {
  Step step = next_step(std::move(problem));
  step.own_seed = seed;
  return step;
}

/// Every step reseeds and must have the stream's mask.
void judge_seeded_masks(RowTrial& trial) {
  if (!claims_two_words(trial)) return;
  for (std::size_t i = 0; i < trial.size(); ++i) {
    const Problem& problem = trial.step(i).problem;
    if (trial.answered(i))
      require_mask(trial, i, stream_mask(*trial.reply(i).seed, problem.p, elements_of(problem)), kStream);
  }
}

// --- 39

std::vector<Step> masks_of_every_dtype() {
  std::vector<Step> steps;
  unsigned slot = 0;
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16})
    for (const double p : {0.1, 0.15, 0.3, 0.5, 0.9, 1e-3, 1e-17, 1 - 0x1p-53, 0x1p-1074})
      for (const std::int64_t n : {1, 17, 313, 5000})
        steps.push_back(seeded_step(problem_of(p, {n}, dtype), Input::ones, slot++ % 7));
  for (const double p : {0.1, 0.7}) {
    steps.push_back(seeded_step(in_place(problem_of(p, {700}))));
    steps.push_back(seeded_step(problem_of(p, {7, 5, 3, 2})));
    steps.push_back(seeded_step(problem_of(p, {2, 1, 7, 1, 3, 5})));
    steps.push_back(seeded_step(problem_of(p, {})));
    for (const Layout layout : {Layout::strided, Layout::shifted, Layout::expanded})
      steps.push_back(seeded_step(with_layout(problem_of(p, {6, 30}), layout)));
  }
  return steps;
}

// --- 40: two masks written down from a run of 1.13.1, 1 = kept

struct GoldenMask {
  std::uint64_t seed;
  std::string_view kept;
};
constexpr GoldenMask kGolden[] = {
    {0, "00100011011110111100101010000100"},
    {42, "11110100111100101001101111011111"},
};

std::vector<Step> golden_calls() {
  std::vector<Step> steps;
  for (const GoldenMask& golden : kGolden)
    steps.push_back(
        own_seeded(problem_of(0.5, {static_cast<std::int64_t>(golden.kept.size())}), golden.seed));
  return steps;
}

void judge_golden(RowTrial& trial) {
  if (!claims_two_words(trial)) return;
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const GoldenMask& golden = kGolden[trial.reply(i).index];
    MaskBits drops(golden.kept.size());
    for (std::size_t e = 0; e < golden.kept.size(); ++e)
      if (golden.kept[e] == '0') drops.set(e);
    require_mask(trial, i, drops, "the mask that was written down");
  }
}

// --- 41

std::vector<Step> seeds_beyond_32_bits() {
  std::vector<Step> steps;
  for (const std::uint64_t low : {std::uint64_t{0}, std::uint64_t{42}, std::uint64_t{0xFFFFFFFF}})
    for (const std::uint64_t high : {0, 1, 0x7FFFFFFF})
      steps.push_back(own_seeded(problem_of(0.3, {512}), high << 32 | low));
  return steps;
}

// --- 42

std::vector<Step> one_seed_many_dtypes() {
  std::vector<Step> steps;
  for (const double p : {0.1, 0.3, 0.5})
    for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16})
      steps.push_back(seeded_step(problem_of(p, {3000}, dtype)));
  return steps;
}

// --- 43

std::vector<Step> one_seed_many_threads() {
  std::vector<Step> steps;
  for (const std::uint32_t threads : {1u, 2u, 3u, 8u}) {
    Problem problem = problem_of(0.3, {100003});
    problem.threads = threads;
    steps.push_back(seeded_step(problem));
  }
  return steps;
}

// --- 44: a seed and two calls, then the same seed and one call

std::vector<Step> parts_and_wholes() {
  std::vector<Step> steps;
  for (const auto& [first, second] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {10, 7}, {1, 1}, {312, 1}, {311, 624}, {1000, 1}, {3, 4000}}) {
    steps.push_back(seeded_step(problem_of(0.3, {first})));
    steps.push_back(next_step(problem_of(0.3, {second})));
    steps.push_back(seeded_step(problem_of(0.3, {first + second})));
  }
  return steps;
}

void judge_parts_and_wholes(RowTrial& trial) {
  if (!claims_two_words(trial)) return;
  for (std::size_t i = 0; i + 2 < trial.size(); i += 3) {
    if (!trial.answered(i) || !trial.answered(i + 1) || !trial.answered(i + 2)) continue;
    const std::uint64_t before = elements_of(trial.step(i).problem);
    const std::uint64_t seed = *trial.reply(i).seed;
    require_mask(trial, i + 1, stream_mask(seed, 0.3, elements_of(trial.step(i + 1).problem), 2 * before),
                 "the stream where the call before left it");
    require_mask(trial, i + 2, stream_mask(seed, 0.3, elements_of(trial.step(i + 2).problem)), kStream);
    std::vector<bool> joined = trial.dropped(i);
    const std::vector<bool> second = trial.dropped(i + 1);
    joined.insert(joined.end(), second.begin(), second.end());
    trial.require(joined == trial.dropped(i + 2), [&] {
      return fmt::format("two calls with {} and {} elements drop other elements than one with {}", before,
                         second.size(), joined.size());
    });
  }
}

// --- 45

std::vector<Step> calls_to_count() {
  std::vector<Step> steps;
  for (const double p : {0.1, 0.5})
    for (const std::int64_t n : {2, 17, 64, 1000, 5000}) {
      steps.push_back(seeded_step(problem_of(p, {n})));
      steps.push_back(next_step(problem_of(p, {n}, DType::f64)));
      steps.push_back(next_step(in_place(problem_of(p, {n}))));
      steps.push_back(next_step(problem_of(p, {n}, DType::f32, Op::alpha_dropout)));
    }
  return steps;
}

std::string_view words_text(reference::CpuVariant variant) {
  switch (variant) {
    case reference::CpuVariant::two_words: return "two words an element";
    case reference::CpuVariant::mcg31: return "one word a call";
    case reference::CpuVariant::mkl_generator: return "no words";
  }
  return "no known number of words";
}

/// What a claim of a CPU stream says about the words.
std::optional<reference::CpuVariant> claimed_variant(const std::string& claim) {
  if (!claim.starts_with("pytorch-cpu")) return std::nullopt;
  return claim.find("variant=mcg31") != std::string::npos ? reference::CpuVariant::mcg31
                                                          : reference::CpuVariant::two_words;
}

void judge_words(RowTrial& trial) {
  std::optional<reference::CpuVariant> build;
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!trial.answered(i)) continue;
    const auto& words = trial.reply(i).seen.rng_words;
    if (!words) {
      trial.leave_out("the backend does not count the generator words of a call");
      continue;
    }
    const std::uint64_t n = elements_of(trial.step(i).problem);
    const auto variant = reference::variant_of(*words, n);
    if (!build) build = variant;
    trial.require(variant && variant == build, [&] {
      return fmt::format(
          "{} takes {} words for {} elements; a build takes 2 an element, 1 or 0, and always the "
          "same",
          trial.place(i), *words, n);
    });
  }
  if (!build) return;
  trial.note(fmt::format("this build takes {}", words_text(*build)));
  const auto claimed = claimed_variant(trial.capabilities().exact_stream);
  if (claimed)
    trial.require(claimed == build, [&] {
      return fmt::format("the claim is the stream '{}', and the calls take {}",
                         trial.capabilities().exact_stream, words_text(*build));
    });
}

// --- 107

std::vector<Step> offset_calls() {
  std::vector<Step> steps;
  for (const std::uint64_t offset : {std::uint64_t{4}, std::uint64_t{1} << 33}) {
    Problem problem = problem_of(0.3, {64});
    problem.offset = offset;
    steps.push_back(refused_step(problem));
  }
  return steps;
}

void judge_offsets(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (trial.reply(i).answered() && trial.capabilities().offset_unit.empty())
      trial.leave_out("the backend takes no offsets, and does not look at one that it is given");
    else trial.require_refusal(i, "CPU Generator does not use offset");
  }
}

}  // namespace

std::vector<RowDefinition> stream_rows() {
  const Problem plain = problem_of(0.3, {1000});
  const std::vector<Feature> stream = {Feature::exact_stream};
  return {
      {.row = {39,
               "dropout, CPU without MKL",
               "any floating dtype, any p",
               "an entry keeps where the low 53 bits of its two words of MT19937, the first the high half, "
               "are below "
               "1 - p",
               "bitwise",
               kRunOnBoth,
               "all",
               {}},
       .problem = plain,
       .needs = stream,
       .steps = masks_of_every_dtype,
       .judge = judge_seeded_masks,
       .held = "every mask is the generator's, to the bit"},
      {.row = {40,
               "dropout, CPU without MKL",
               "p = 0.5, 32 elements, seeds 0 and 42",
               "the two masks that 1.13.1 gave",
               "bitwise",
               kRunOnBoth,
               "all",
               {}},
       .problem = plain,
       .needs = stream,
       .steps = golden_calls,
       .judge = judge_golden,
       .held = "both masks are those written down"},
      {.row = {41,
               "dropout, CPU",
               "seeds that differ above bit 31 only",
               "the same mask",
               "bitwise",
               kRunOnBoth,
               "all",
               {}},
       .problem = plain,
       .needs = stream,
       .steps = seeds_beyond_32_bits,
       .judge = judge_seeded_masks,
       .held = "only the low 32 bits of a seed count"},
      {.row = {42,
               "dropout, CPU",
               "the same seed in several dtypes",
               "the same mask",
               "bitwise",
               kRunOnBoth,
               "all",
               {}},
       .problem = plain,
       .needs = stream,
       .steps = one_seed_many_dtypes,
       .judge = judge_seeded_masks,
       .held = "the dtype does not enter the mask"},
      {.row = {43,
               "dropout, CPU",
               "the same seed with several numbers of threads",
               "the same mask",
               "bitwise",
               kRunOnBoth,
               "all",
               {}},
       .problem = plain,
       .needs = {Feature::exact_stream, Feature::threads},
       .steps = one_seed_many_threads,
       .judge = judge_seeded_masks,
       .held = "the number of threads does not enter the mask"},
      {.row = {44,
               "dropout, CPU without MKL",
               "two calls in sequence",
               "together the mask of one call on all their elements",
               "bitwise",
               kRunOnBoth,
               "all",
               {}},
       .problem = plain,
       .needs = stream,
       .steps = parts_and_wholes,
       .judge = judge_parts_and_wholes,
       .held = "calls take up the stream where the last one left it"},
      {.row = {45,
               "dropout, CPU",
               "generator words of a call",
               "2 an element, or 1 in all, or 0: which of them tells how the library was built",
               "RNG state",
               kRunOnBoth,
               "all",
               {}},
       .problem = plain,
       .needs = {Feature::rng_words, Feature::pytorch_conformance},
       .steps = calls_to_count,
       .judge = judge_words,
       .held = "the words of every call are those of one kind of build"},
      {.row = {107,
               "CPU generator",
               "an offset",
               "refused: it has none",
               "error text",
               "run on 2.13",
               "2.13; 1.13.1 has no such method",
               {}},
       .problem = plain,
       .needs = {Feature::pytorch_conformance},
       .steps = offset_calls,
       .judge = judge_offsets,
       .held = "the CPU generator refuses an offset",
       .since = {2, 13}},
      {.row = {108, "CUDA generator", "an offset that is no multiple of 4", "refused", "error text",
               "read in the source", "not known", "needs a CUDA device"}},
  };
}

}  // namespace dropcheck::suites
