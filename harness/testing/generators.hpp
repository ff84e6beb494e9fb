#pragma once
// RapidCheck generators of problems: small, valid, and shrinking towards plain dropout on a short vector.

#include <rapidcheck.h>

#include "harness/core/backend.hpp"
#include "harness/core/problem.hpp"

namespace dropcheck::testing {

/// Valid problems with 0 < p < 1 among what the backend claims, floating dtypes only; every extent is 1
/// to 17.
rc::Gen<Problem> claimed_problems(const Capabilities& capabilities);

/// Any valid problem, for the descriptor grammar: every op, dtype, layout, mode and option, p anywhere in [0,
/// 1].
rc::Gen<Problem> any_problem();

/// A p in [0, 1], with edges, subnormals and doubles of full precision.
rc::Gen<double> any_p();

}  // namespace dropcheck::testing
