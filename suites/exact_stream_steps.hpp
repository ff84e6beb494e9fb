#pragma once
// What the checks of exact_stream ask of a backend. Every step is skipped where the backend does not claim
// what it needs, and every group of steps begins with a reseed, so that a group that was cut short does not
// disturb the next one.

#include "harness/core/sample.hpp"

namespace dropcheck::suites {

/// Protocol exact_stream, on the problem of the sample: calls in sequence that change size, p and mode, so
/// that a word taken too many or too few shows in all later calls.
std::vector<Step> exact_stream_steps(const SampleInfo& sample, std::uint64_t block);

/// Protocol exact_thresholds: drop probabilities that put the threshold on a word of one of the known
/// streams. The steps of all streams are asked of every backend; its own stream decides what must come back.
std::vector<Step> exact_threshold_steps(const SampleInfo& sample, std::uint64_t block);

/// Protocol exact_offsets: reseeds with offsets.
std::vector<Step> exact_offset_steps(const SampleInfo& sample, std::uint64_t block);

/// Protocol exact_words: calls of every kind, with the words that they take counted.
std::vector<Step> exact_word_steps(const SampleInfo& sample, std::uint64_t block);

/// Protocol exact_native_dropout: the form native_dropout over dtypes, layouts and drop probabilities.
std::vector<Step> exact_native_dropout_steps(const SampleInfo& sample, std::uint64_t block);

/// The problem under which a profile lists the protocols that ask their own questions.
Problem exact_own_problem();

}  // namespace dropcheck::suites
