// Compiled and decomposed forms of dropout. None of them can be reached from here; they stand in the list so
// that a reader sees what was not tried.

#include "suites/dialects/pytorch.hpp"
#include "suites/dialects/row_layers.hpp"

namespace dropcheck::suites {

std::vector<RowDefinition> compiled_rows() {
  constexpr const char* kNeedsCompile = "needs torch.compile";
  constexpr const char* kRead = "read in the source";
  std::vector<RowDefinition> rows;
  rows.push_back({.row = {103, "dropout in a compiled function", "default settings",
                          "the mask may differ from the eager one for the same seed; the rate must not",
                          "statistical", kRead, "2.x", kNeedsCompile}});
  rows.push_back(
      {.row = {104, "dropout in a compiled function", "with the fallback to eager random numbers",
               "native_dropout's kernel and the eager stream", "bitwise", kRead, "2.x", kNeedsCompile}});
  rows.push_back(
      {.row = {105, "the decomposition of dropout", "eval, or p = 0",
               "a copy of the input, not the input itself", "structural", kRead, "2.x", kNeedsPython}});
  rows.push_back({.row = {106, "dropout in TorchScript on the CPU", "kept elements, with a gradient recorded",
                          "(mask x) / q, a quotient and not a product", "bitwise", kRead, "all",
                          "needs the TorchScript executor with its own gradients, which no form of a call "
                          "reaches"}});
  return rows;
}

}  // namespace dropcheck::suites
