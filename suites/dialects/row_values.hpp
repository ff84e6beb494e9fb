#pragma once
// What the rows about values, words and masks have in common: lists of p, and comparisons with what the
// harness works out by itself.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/mask_bits.hpp"
#include "reference/scale_forms.hpp"
#include "suites/dialects/row.hpp"

namespace dropcheck::suites {

/// The p of two decimals at which fl(1 / fl(q)) and fl(1 / q) differ in f32, by one unit in the last place.
inline constexpr std::array kTellingP = {0.04, 0.09, 0.15, 0.42, 0.45, 0.47, 0.48, 0.52,
                                         0.71, 0.74, 0.76, 0.87, 0.88, 0.94, 0.97};
bool is_telling(double p);
/// 0.01, 0.02, ... 0.99.
std::vector<double> two_decimal_p();
/// kTellingP and some p at which the forms agree.
std::vector<double> common_and_telling_p();

/// The words of PyTorch's refusal; numbers as C++ streams print them.
std::string out_of_range_text(double p);

/// A step whose refusal the judge wants to see, though it is expected to be served; see `served`. The backend
/// need not claim the dtype.
Step asked_step(Problem problem, Input input = Input::ones);
/// The same step with the further output "mask" of native_dropout.
Step with_mask(Step step);

/// Whether step i, an asked_step, was served. PyTorch must serve it; of others a refusal as unsupported is
/// left out.
bool served(RowTrial& trial, std::size_t i);

/// Whether the backend claims the CPU generator's stream with two words an element, which seeds begin and
/// calls continue; else says so and leaves the comparison out.
bool claims_two_words(RowTrial& trial);
/// Whether the backend is PyTorch up to 1.13, or from 2.13 on. What lies between has not been run.
bool is_old_pytorch(const RowTrial& trial);
bool is_new_pytorch(const RowTrial& trial);

/// Kept elements of step i (those not zero in y) are x in that form; there must be some.
void require_kept_form(RowTrial& trial, std::size_t i, reference::ScaleForm form);
/// Drops of step i are those bits. `whence` says where they come from.
void require_mask(RowTrial& trial, std::size_t i, const MaskBits& drops, std::string_view whence);
/// Mask of dropout on that many elements after `skipped` words of the CPU generator.
MaskBits stream_mask(std::uint64_t seed, double p, std::uint64_t elements, std::uint64_t skipped = 0);

/// Those steps between two calls that draw: the calls must draw as if nothing lay between them. For rows that
/// say that nothing is drawn.
std::vector<Step> between_draws(std::vector<Step> quiet);
/// Whether reply i is one of the quiet steps.
bool is_quiet(const RowTrial& trial, std::size_t i);
/// Compares the calls around them, and the counted words of the quiet ones with 0. Asked of those only whose
/// stream is documented.
void require_nothing_drawn(RowTrial& trial);

}  // namespace dropcheck::suites
