#pragma once
// Networks whose parameters a check hands over: known numbers, so that the result shows the masks inside.

#include <string>
#include <vector>

#include "suites/dialects/row.hpp"
#include "suites/dialects/row_steps.hpp"

namespace dropcheck::suites::embedding {

/// A tensor of that shape, all of one value.
ExtraTensor filled_tensor(std::string name, std::vector<std::int64_t> shape, double value);
/// The unit matrix times `gain`, with further dimensions of extent 1 as convolutions want them.
ExtraTensor identity_tensor(std::string name, std::int64_t n, double gain = 1, std::size_t further = 0);

/// A number for each element that is exact in every dtype: multiples of 1/8 from -1 to 1, not in step with
/// any small period.
std::vector<double> scattered(std::size_t count, std::uint64_t salt);

/// The step through a layer with given parameters.
Step given(Step step, const std::string& form, std::vector<ExtraTensor> parameters);

/// The same step as a continuation of the stream.
Step continued(Step step);

/// |a - b| <= tolerance, false for NaN.
bool near(double a, double b, double tolerance);

/// Every y of step i must be `wanted`, to `tolerance`.
void require_all_near(RowTrial& trial, std::size_t i, const std::vector<double>& y, double wanted,
                      double tolerance, std::string_view what);

}  // namespace dropcheck::suites::embedding
