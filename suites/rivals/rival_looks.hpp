#pragma once
// What the rivals' tests look at, and what their tolerances can see.

#include <cstdint>
#include <string>

#include "suites/rivals/rival_test.hpp"

namespace dropcheck::suites {

/// "a drop probability off by 0.021 at p = 0.3": what a band of +-tolerance about the rate of n entries
/// catches with probability kPower.
std::string rate_text(double tolerance, double p, double n);
/// The same where the band is so many standard deviations wide.
std::string sigma_text(double deviations, double p, double n);

/// Two-sided p-value of x successes in n trials of probability p: all outcomes that are not more probable
/// than x, as scipy.stats.binomtest counts them; p in (0, 1), x <= n.
double binomtest(std::uint64_t n, std::uint64_t x, double p);

/// The rate of each call must be within the tolerance of its p. Calls that draw nothing are passed over.
void require_rates(RivalTrial& trial, double tolerance);
/// |y - x / (1 - p)| <= absolute + relative |x / (1 - p)| where y is not zero, in call i.
void require_kept_values(RivalTrial& trial, std::size_t i, double absolute, double relative);
/// The same of dx and dy, kept where y is not zero; where y is zero, |dx| <= absolute.
void require_gradient_by_output(RivalTrial& trial, std::size_t i, double absolute, double relative);
/// Non-zero places of y of call i are those of call j.
void require_mask_of(RivalTrial& trial, std::size_t i, std::size_t j);
/// The outputs of two calls must not be equal element for element.
void require_other(RivalTrial& trial, std::size_t a, std::size_t b, const char* what);
/// y of every call must be x.
void require_identities(RivalTrial& trial);
/// Every call must be refused.
void require_refusals(RivalTrial& trial);
/// The masks of plain dropout must be those of the stream that the backend claims, bit by bit. False, and
/// left out, where it claims none.
bool require_claimed_masks(RivalTrial& trial);
/// In rows of `inner` elements all are dropped or none is, in call i.
void require_whole_rows(RivalTrial& trial, std::size_t i, std::size_t inner);

/// A drop probability as that dtype holds it.
double rounded_to(double p, DType dtype);

}  // namespace dropcheck::suites
