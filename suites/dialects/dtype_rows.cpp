// Rows 31-38: dtypes in which dropout does not work, or works differently.

#include <cmath>

#include "reference/pytorch_cpu_stream.hpp"
#include "suites/dialects/pytorch.hpp"
#include "suites/dialects/row_steps.hpp"
#include "suites/dialects/row_values.hpp"

namespace dropcheck::suites {
namespace {

constexpr DType kIntegers[] = {DType::i64, DType::i32, DType::u8, DType::boolean};
constexpr const char* kNative = "native_dropout";

/// PyTorch's name of an integer dtype or a complex one.
std::string_view torch_name(DType dtype) {
  switch (dtype) {
    case DType::i64: return "Long";
    case DType::i32: return "Int";
    case DType::u8: return "Byte";
    case DType::boolean: return "Bool";
    case DType::c64: return "ComplexFloat";
    default: return "ComplexDouble";
  }
}

/// Booleans hold 0 and 1 only.
Input input_of(DType dtype) { return dtype == DType::boolean ? Input::ones : Input::random_integers; }

std::vector<Step> integers_in_train() {
  std::vector<Step> steps;
  for (const double p : {0.1, 0.5})
    for (const DType dtype : kIntegers) {
      const Problem plain = problem_of(p, {6, 7}, dtype);
      steps.push_back(refused_step(plain, input_of(dtype)));
      steps.push_back(refused_step(in_place(plain), input_of(dtype)));
      steps.push_back(refused_step(problem_of(p, {6, 7}, dtype, Op::dropout2d), input_of(dtype)));
      steps.push_back(through(refused_step(plain, input_of(dtype)), kNative));
    }
  for (const DType dtype : {DType::i64, DType::i32, DType::u8})
    steps.push_back(refused_step(problem_of(0.5, {6, 7}, dtype, Op::alpha_dropout), input_of(dtype)));
  return steps;
}

void judge_integers(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i)
    trial.require_refusal(i, fmt::format("result type Float can't be cast to the desired output type {}",
                                         torch_name(trial.step(i).problem.dtype)));
}

// --- 32

std::vector<Step> integers_at_rest() {
  std::vector<Step> steps;
  for (const DType dtype : kIntegers)
    for (const Op op : {Op::dropout, Op::alpha_dropout, Op::dropout2d}) {
      for (const double p : {0.0, 1.0})
        steps.push_back(asked_step(problem_of(p, {6, 7}, dtype, op), input_of(dtype)));
      steps.push_back(asked_step(in_eval(problem_of(0.3, {6, 7}, dtype, op)), input_of(dtype)));
      steps.push_back(asked_step(in_place(problem_of(1.0, {6, 7}, dtype, op)), input_of(dtype)));
    }
  return steps;
}

void judge_integers_at_rest(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!served(trial, i)) continue;
    const Problem& problem = trial.step(i).problem;
    const auto& told = trial.reply(i).seen.produced_dtype;
    if (told)
      trial.require(*told == problem.dtype, [&] {
        return fmt::format("{} has a result of dtype {}", trial.place(i), to_string(*told));
      });
    if (problem.p != 1 || problem.mode == Mode::eval) {
      trial.require_identity(i);
      continue;
    }
    const auto& y = trial.reply(i).y;
    std::uint64_t wrong = 0;
    for (std::size_t e = 0; e < trial.elements(i, y); ++e) wrong += trial.value(i, y, e) == 0 ? 0u : 1u;
    trial.require_all(trial.elements(i, y), wrong,
                      [&] { return fmt::format("{}: {} elements are not 0", trial.place(i), wrong); });
  }
}

// --- 33 and 34

std::vector<Step> complex_numbers() {
  std::vector<Step> steps;
  for (const double p : {0.1, 0.5})
    for (const DType dtype : {DType::c64, DType::c128})
      for (const Op op : {Op::dropout, Op::alpha_dropout, Op::dropout2d}) {
        steps.push_back(refused_step(problem_of(p, {6, 7}, dtype, op)));
        steps.push_back(refused_step(in_place(problem_of(p, {6, 7}, dtype, op))));
      }
  return steps;
}

void judge_complex(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i)
    trial.require_refusal(i, fmt::format("\"bernoulli_scalar_cpu_\" not implemented for '{}'",
                                         torch_name(trial.step(i).problem.dtype)));
}

std::vector<Step> native_complex() {
  std::vector<Step> steps;
  for (const double p : {0.1, 0.15, 0.3, 0.5, 0.88})
    for (const DType dtype : {DType::c64, DType::c128})
      steps.push_back(
          with_mask(through(asked_step(problem_of(p, {20, 30}, dtype), Input::random_integers), kNative)));
  return steps;
}

/// A fact that native_dropout tells about its mask.
void require_fact(RowTrial& trial, std::size_t i, const char* name, std::string_view expected) {
  const auto& facts = trial.reply(i).seen.facts;
  const auto found = facts.find(name);
  if (found == facts.end() && !trial.is_pytorch())
    return trial.leave_out(fmt::format("the backend does not tell {}", name));
  const std::string told = found == facts.end() ? "nothing" : found->second;
  trial.require(told == expected, [&] {
    return fmt::format("{} tells {} = {}; it must be {}", trial.place(i), name, told, expected);
  });
}

/// The mask is 1 exactly where y is not zero; x has no zeros.
void require_mask_of_output(RowTrial& trial, std::size_t i) {
  const auto& extra = trial.reply(i).extra;
  const auto mask = extra.find("mask");
  if (mask == extra.end()) return trial.leave_out("no mask came back");
  const auto& y = trial.reply(i).y;
  std::uint64_t wrong = 0;
  for (std::size_t e = 0; e < trial.elements(i, y); ++e)
    wrong += trial.value(i, mask->second, e) == (trial.value(i, y, e) != 0 ? 1.0 : 0.0) ? 0u : 1u;
  trial.require_all(trial.elements(i, y), wrong, [&] {
    return fmt::format("{}: {} entries of the mask do not say what became of their elements", trial.place(i),
                       wrong);
  });
}

void judge_native_complex(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!served(trial, i)) continue;
    require_fact(trial, i, "mask_dtype", "bool");
    require_mask_of_output(trial, i);
    const Problem& problem = trial.step(i).problem;
    const DType part = problem.dtype == DType::c64 ? DType::f32 : DType::f64;
    const reference::ScaleRule rule(reference::ScaleForm::rounded_reciprocal, problem.p, part);
    const Reply& reply = trial.reply(i);
    const std::size_t size = size_of(problem.dtype);
    std::uint64_t wrong = 0;
    for (std::size_t e = 0; e < trial.elements(i, reply.y); ++e) {
      const double y = trial.value(i, reply.y, e);
      const double imaginary = load_element(reply.y.data() + e * size + size / 2, part);
      wrong += (y == 0 || y == rule(trial.value(i, reply.x, e))) && imaginary == 0 ? 0u : 1u;
    }
    trial.require_all(trial.elements(i, reply.y), wrong, [&] {
      return fmt::format("{}: {} elements are neither 0 nor x * fl(1/q)", trial.place(i), wrong);
    });
  }
}

// --- 35: each float call and the same in f16

std::vector<Step> half_and_float() {
  std::vector<Step> steps;
  for (const double p : {0.1, 0.15, 0.3, 0.42, 0.5, 0.9}) {
    steps.push_back(seeded_step(problem_of(p, {2048})));
    Step half = asked_step(problem_of(p, {2048}, DType::f16), Input::random_reals);
    steps.push_back(half);
    half.problem.in_place = true;
    steps.push_back(seeded_step(problem_of(p, {2048})));
    steps.push_back(half);
  }
  return steps;
}

void judge_half(RowTrial& trial) {
  const bool refuses = is_old_pytorch(trial);
  if (!refuses && !is_new_pytorch(trial))
    return trial.leave_out("it is not known what releases between 1.13.1 and 2.13 do");
  for (std::size_t i = 0; i + 1 < trial.size(); i += 2) {
    if (!trial.answered(i)) continue;
    if (refuses) {
      trial.require_refusal(i + 1, "\"bernoulli_scalar_cpu_\" not implemented for 'Half'");
    } else if (served(trial, i + 1)) {
      require_kept_form(trial, i + 1, reference::ScaleForm::reciprocal_of_wide_q);
      trial.require(trial.dropped(i) == trial.dropped(i + 1), [&] {
        return fmt::format("{} drops other elements than the same call in f32", trial.place(i + 1));
      });
    }
  }
}

// --- 36: an integer call that fails, then a call that draws

constexpr std::int64_t kAfter = 256;

std::vector<Step> failures_and_draws() {
  std::vector<Step> steps;
  for (const DType dtype : kIntegers)
    for (const std::int64_t n : {1, 33, 700})
      for (const bool writes : {false, true}) {
        Problem problem = problem_of(0.3, {n}, dtype);
        problem.in_place = writes;
        steps.push_back(refused_step(problem, input_of(dtype)));
        steps.push_back(next_step(problem_of(0.3, {kAfter})));
      }
  return steps;
}

void judge_failures_and_draws(RowTrial& trial) {
  if (!claims_two_words(trial)) return;
  for (std::size_t i = 0; i + 1 < trial.size(); i += 2) {
    const Reply& failed = trial.reply(i);
    trial.require(!failed.answered(),
                  [&] { return fmt::format("{} is accepted; it must be refused", trial.place(i)); });
    if (failed.answered()) continue;
    const Problem& problem = trial.step(i).problem;
    const std::uint64_t words = 2 * static_cast<std::uint64_t>(element_count(problem.shape));
    require_mask(trial, i + 1, stream_mask(*failed.seed, 0.3, kAfter, words),
                 fmt::format("the stream after the {} words of the call that failed", words));
    if (problem.in_place)
      trial.require(failed.x == failed.y,
                    [&] { return fmt::format("{} fails and has changed its input", trial.place(i)); });
  }
}

// --- 37 and 38: the mask of native_dropout

std::vector<Step> native_masks() {
  std::vector<Step> steps;
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16})
    steps.push_back(
        with_mask(through(asked_step(problem_of(0.3, {5, 7}, dtype), Input::random_reals), kNative)));
  for (const std::vector<std::int64_t>& shape : std::vector<std::vector<std::int64_t>>{
           {}, {9}, {2, 3, 4}, {2, 3, 4, 5}, {2, 2, 2, 2, 3}, {2, 1, 2, 3, 1, 2}})
    for (const double p : {0.1, 0.9})
      steps.push_back(with_mask(through(asked_step(problem_of(p, shape), Input::random_reals), kNative)));
  for (const Layout layout : {Layout::transposed, Layout::strided, Layout::expanded})
    steps.push_back(with_mask(
        through(asked_step(with_layout(problem_of(0.3, {6, 7}), layout), Input::random_reals), kNative)));
  steps.push_back(with_mask(through(
      asked_step(with_layout(problem_of(0.3, {2, 3, 4, 5}), Layout::channels_last), Input::random_reals),
      kNative)));
  return steps;
}

void judge_native_masks(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!served(trial, i)) continue;
    require_fact(trial, i, "mask_dtype", "bool");
    require_fact(trial, i, "mask_shape", fmt::format("[{}]", fmt::join(trial.step(i).problem.shape, ", ")));
    require_mask_of_output(trial, i);
  }
}

std::vector<Step> empty_natives() {
  std::vector<Step> steps;
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16, DType::i64})
    for (const std::vector<std::int64_t>& shape : std::vector<std::vector<std::int64_t>>{{0}, {2, 0, 3}})
      for (const Mode mode : {Mode::train, Mode::eval}) {
        Problem problem = problem_of(0.3, shape, dtype);
        problem.mode = mode;
        steps.push_back(through(asked_step(problem), kNative));
      }
  return steps;
}

void judge_empty_natives(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    if (!served(trial, i)) continue;
    const Problem& problem = trial.step(i).problem;
    require_fact(trial, i, "mask_dtype", to_string(problem.dtype));
    require_fact(trial, i, "mask_shape", fmt::format("[{}]", fmt::join(problem.shape, ", ")));
    trial.require_alias(i, true);
  }
}

}  // namespace

std::vector<RowDefinition> dtype_rows() {
  const Problem plain = problem_of(0.3, {6, 7});
  return {
      {.row = {31,
               "dropout, CPU",
               "integer or boolean input, 0 < p < 1, in training",
               "refused: a floating result cannot be stored in that dtype",
               "error text",
               kRunOnBoth,
               "all",
               {}},
       .problem = plain,
       .steps = integers_in_train,
       .judge = judge_integers,
       .held = "integers are refused in training"},
      {.row = {32,
               "dropout, CPU",
               "integer or boolean input, p = 0, p = 1 or eval mode",
               "served, and the dtype stays",
               "structural",
               kRunOnBoth,
               "all",
               {}},
       .axes = {Axis::p_one, Axis::eval},
       .problem = plain,
       .steps = integers_at_rest,
       .judge = judge_integers_at_rest,
       .held = "integers are served where no mask is drawn"},
      {.row = {33,
               "dropout, CPU",
               "complex input in training",
               "refused: the sampler has no such dtype",
               "error text",
               kRunOnBoth,
               "all",
               {}},
       .problem = plain,
       .steps = complex_numbers,
       .judge = judge_complex,
       .held = "complex numbers are refused"},
      {.row = {34,
               "native_dropout, CPU",
               "complex input in training",
               "served, with a boolean mask",
               "structural",
               kRunOnBoth,
               "all",
               {}},
       .problem = plain,
       .steps = native_complex,
       .judge = judge_native_complex,
       .held = "native_dropout serves complex numbers, with a boolean mask"},
      {.row = {35,
               "dropout, CPU",
               "f16 input in training",
               "1.13.1 refuses, since the sampler has no such dtype; 2.13 works, with the mask of f32",
               "error text, bitwise",
               kRunOnBoth,
               "1.13.1 and 2.13, each with its own",
               {}},
       .problem = plain,
       .needs = {Feature::pytorch_conformance},
       .steps = half_and_float,
       .judge = judge_half,
       .held = "f16 is what the release says"},
      {.row = {36,
               "dropout, CPU",
               "a call that fails for its integer dtype",
               "its random words are gone all the same; the input is as it was",
               "RNG state",
               kRunOnBoth,
               "all",
               {}},
       .problem = plain,
       .needs = {Feature::pytorch_conformance, Feature::exact_stream, Feature::continues_stream},
       .steps = failures_and_draws,
       .judge = judge_failures_and_draws,
       .held = "a call that fails for its dtype has drawn, and leaves its input alone"},
      {.row = {37,
               "native_dropout",
               "an input with elements",
               "the mask is boolean and has the input's shape",
               "structural",
               kRunOnBoth,
               "all",
               {}},
       .problem = plain,
       .steps = native_masks,
       .judge = judge_native_masks,
       .held = "masks are boolean, of the input's shape, and say what became of each element"},
      {.row = {38,
               "native_dropout, CPU",
               "an input without elements",
               "the input itself comes back, and a mask of the input's dtype",
               "structural",
               kRunOnBoth,
               "all",
               {}},
       .axes = {Axis::eval},
       .problem = plain,
       .needs = {Feature::pytorch_conformance},
       .steps = empty_natives,
       .judge = judge_empty_natives,
       .held = "an empty input comes back itself, with a mask of its dtype"},
  };
}

}  // namespace dropcheck::suites
