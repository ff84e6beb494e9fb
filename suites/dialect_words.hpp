#pragma once
// The words of a dialect file for the values of its axes: one table a type, read in both directions.

#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "suites/dialect.hpp"

namespace dropcheck::suites {

template <typename Value>
using Word = std::pair<Value, std::string_view>;

// The first word of each is PyTorch's.
constexpr std::array<Word<PDomain>, 2> words_for(PDomain) {
  return {{{PDomain::closed, "[0, 1]"}, {PDomain::below_one, "[0, 1)"}}};
}
constexpr std::array<Word<PType>, 2> words_for(PType) { return {{{PType::f64, "f64"}, {PType::f32, "f32"}}}; }
constexpr std::array<Word<BadP>, 3> words_for(BadP) {
  return {{{BadP::refused, "refused"},
           {BadP::refused_in_training, "refused in training"},
           {BadP::unspecified, "not specified"}}};
}
constexpr std::array<Word<AtOne>, 4> words_for(AtOne) {
  return {{{AtOne::zeros, "zeros"},
           {AtOne::input, "input"},
           {AtOne::refused, "refused"},
           {AtOne::unspecified, "not specified"}}};
}
constexpr std::array<Word<TrainScale>, 2> words_for(TrainScale) {
  return {{{TrainScale::over_q, "1/q"}, {TrainScale::none, "1"}}};
}
constexpr std::array<Word<EvalRule>, 3> words_for(EvalRule) {
  return {{{EvalRule::identity, "identity"}, {EvalRule::times_q, "q"}, {EvalRule::none, "none"}}};
}
constexpr std::array<Word<DroppedRule>, 3> words_for(DroppedRule) {
  return {{{DroppedRule::multiply, "multiply"},
           {DroppedRule::select, "select"},
           {DroppedRule::unspecified, "not specified"}}};
}
constexpr std::array<Word<SeedRule>, 4> words_for(SeedRule) {
  return {{{SeedRule::stream, "stream"},
           {SeedRule::call, "call"},
           {SeedRule::life, "life"},
           {SeedRule::none, "none"}}};
}
constexpr std::array<Word<SeedZero>, 3> words_for(SeedZero) {
  return {
      {{SeedZero::a_seed, "a seed"}, {SeedZero::random, "random"}, {SeedZero::unspecified, "not specified"}}};
}
constexpr std::array<Word<GradientRule>, 2> words_for(GradientRule) {
  return {{{GradientRule::as_forward, "as forward"}, {GradientRule::unspecified, "not specified"}}};
}

template <typename Value>
constexpr std::string_view word_of(Value value) {
  for (const auto& [known, word] : words_for(value))
    if (known == value) return word;
  return "unknown";
}

template <typename Value>
constexpr std::optional<Value> value_of(std::string_view text) {
  for (const auto& [value, word] : words_for(Value{}))
    if (word == text) return value;
  return std::nullopt;
}

inline constexpr const char* kAnyRounding = "any";  // all that are known
inline constexpr const char* kNoRounding = "none";  // training does not scale

/// All known ways of rounding x / q.
std::vector<reference::ScaleForm> all_roundings();

}  // namespace dropcheck::suites
