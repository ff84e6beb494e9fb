#pragma once
// What the rows about channels, gradients and layers look at.

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "reference/scale_forms.hpp"
#include "suites/dialects/row.hpp"

namespace dropcheck::suites {

/// The reply to step `index` of the block that reply i belongs to.
std::size_t beside(const RowTrial& trial, std::size_t i, std::size_t index);

/// Elements as numbers, in logical order; `bytes` are of reply i.
std::vector<double> numbers(const RowTrial& trial, std::size_t i, const std::vector<std::byte>& bytes);

/// The mask (1 = dropped, one an element of x of step i) must have one entry for each place in the first
/// `dims` dimensions, shared by all the others, and must not be shared along any of the first ones.
void require_structure(RowTrial& trial, std::size_t i, const std::vector<bool>& dropped, std::size_t dims);

/// Drop bits of an alpha operator with 0 < p < 1: the branch that an element of y is nearer to.
std::vector<bool> alpha_dropped(const RowTrial& trial, std::size_t i);

/// Whether the gradient of step i came. A refusal as unsupported is left out, any other is a failure.
bool gradient_answered(RowTrial& trial, std::size_t i);

/// dx of step i must be dy times 0 where dropped; where kept, one of the forms must make it of dy, the same
/// one everywhere. 0 < p < 1. PyTorch must give the dropped zeros their signs.
void require_gradient(RowTrial& trial, std::size_t i, const std::vector<bool>& dropped,
                      std::span<const reference::GradientForm> forms);
/// How the operators of PyTorch multiply on the CPU: what a gradient of theirs may look like. Both releases
/// that were run are allowed for; others take any form.
std::vector<reference::GradientForm> operator_forms(const RowTrial& trial, DType dtype);

/// Generator words of step i, where the claimed stream takes two for an entry: "pytorch-cpu" without a
/// variant. Else left out.
void require_cpu_words(RowTrial& trial, std::size_t i, std::uint64_t words);

/// The exact binomial test of x drops in n entries, as a hypothesis of the trial. `name` says of what.
void test_rate(RowTrial& trial, const char* id, const std::string& name, std::uint64_t n, std::uint64_t x,
               double p);

/// True when x and y are the same number with the same sign, or both NaN.
bool same_number(double x, double y);

/// `text` must be in a warning of step i.
void require_warning(RowTrial& trial, std::size_t i, std::string_view text);
void require_no_warning(RowTrial& trial, std::size_t i);

}  // namespace dropcheck::suites
