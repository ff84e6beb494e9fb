#pragma once
// Exact checks of the suite: what each asks, and what must come back. Every one has a protocol of its own.

#include <span>
#include <string>
#include <vector>

#include "harness/core/registry.hpp"
#include "suites/dialects/row.hpp"

namespace dropcheck::suites::embedding {

struct Definition {
  const char* id;        // a line of the catalogue
  const char* protocol;  // the one that it names there
  const char* summary;   // of the protocol
  Problem problem;       // under which it is filed
  std::vector<Step> (*steps)();
  void (*judge)(RowTrial&);
  const char* held;  // sentence for a pass: what holds
};

// One maker a file.
Definition recurrent_sites();
Definition recurrent_masks();
Definition variational_masks();
Definition attention();
Definition attention_masks();
Definition transformer_sites();
Definition convolution();
Definition mc_passes();
Definition batch_norm();
Definition modes();

void add_exact_check(Registry& registry, const Definition& definition, const Dialect& dialect);

// The statistical ones.
void add_mc_estimate(Registry& registry, const Dialect& dialect);  // mc_estimate.cpp
void add_subnetworks(Registry& registry, const Dialect& dialect);  // subnetworks.cpp

}  // namespace dropcheck::suites::embedding
