// embedding.variational_masks: dropout of recurrent networks that is drawn once for a whole sequence. Gal and
// Ghahramani (2016), "A theoretically grounded application of dropout in recurrent neural networks": on the
// input of a layer or between layers, and on the state that a step hands to the next one, there for each gate
// by itself.

#include <cmath>

#include "suites/dialects/row_layers.hpp"
#include "suites/embedding/embedding_check.hpp"
#include "suites/embedding/parameters.hpp"
#include "suites/embedding/recurrent_network.hpp"
#include "suites/embedding/site_mask.hpp"

namespace dropcheck::suites::embedding {
namespace {

constexpr std::int64_t kSteps = 4, kBatch = 16, kHidden = 64;
constexpr double kTolerance = 1e-4;

enum class Role : std::uint8_t {
  between,        // shows the mask between two layers
  next_between,   // of the next call
  second,         // of three layers: the mask of the second place
  both,           // and of both
  nothing,        // must show no dropout: y is `level` everywhere
  input,          // shows the mask on x
  next_input,     //
  after_input,    // of two layers: the mask on the input of the second
  input_product,  // and of both
  gate,           // shows the mask on h(t - 1) before that gate
  gate_dropped,   // the same with p = 1
  next_gate,      //
  no_gate,        // must show none: y as with p = 0, which comes next
  no_gate_plain,
};

struct Case {
  Role role;
  std::size_t gate;
  double level;
  Step step;
};

Step of_kind(Step step, const char* kind) {
  step.attributes["dropout_kind"] = std::string(kind);
  step.outputs.clear();
  return step;
}

double read_twice(Cell cell) { return RecurrentNetwork::read(cell, RecurrentNetwork::read(cell, 1)); }

std::vector<Case> cases_of(Cell cell) {
  const auto shape = [](std::int64_t layers) { return RecurrentShape{kSteps, kBatch, kHidden, layers}; };
  const auto reading = [&](std::int64_t layers, std::int64_t from, const char* kind) {
    return of_kind(RecurrentNetwork::reading_from(cell, shape(layers), from).step(kMaskP), kind);
  };
  const auto hidden = [&](std::size_t gate, double p, const char* kind) {
    Step step = of_kind(RecurrentNetwork::reading_hidden(cell, shape(1), gate).step(p), kind);
    step.values = RecurrentNetwork::hidden_input(shape(1));
    return step;
  };
  const std::size_t last = gates_of(cell) - 1;
  std::vector<Case> made = {{Role::between, 0, 0, reading(2, 1, "variational")},
                            {Role::next_between, 0, 0, continued(reading(2, 1, "variational"))},
                            {Role::second, 0, 0, reading(3, 2, "variational")},
                            {Role::both, 0, 0, reading(3, 1, "variational")},
                            {Role::nothing, 0, RecurrentNetwork::read(cell, 1), reading(1, 0, "variational")},
                            {Role::no_gate, last, 0, hidden(last, kMaskP, "variational")},
                            {Role::no_gate_plain, last, 0, hidden(last, 0, "variational")},
                            {Role::input, 0, 0, reading(1, 0, "input")},
                            {Role::next_input, 0, 0, continued(reading(1, 0, "input"))},
                            {Role::after_input, 0, 0, reading(2, 1, "input")},
                            {Role::input_product, 0, 0, reading(2, 0, "input")},
                            {Role::nothing, 0, read_twice(cell), reading(2, 0, "recurrent")}};
  for (std::size_t gate = 0; gate < gates_of(cell); ++gate) {
    made.push_back({Role::gate, gate, 0, hidden(gate, kMaskP, "recurrent")});
    made.push_back({Role::gate_dropped, gate, 0, hidden(gate, 1, "recurrent")});
  }
  // The call before it drew under the same seed, so that this one continues the stream after a mask.
  made.push_back({Role::gate, last, 0, hidden(last, kMaskP, "recurrent")});
  made.push_back({Role::next_gate, last, 0, continued(hidden(last, kMaskP, "recurrent"))});
  return made;
}

struct Asked {
  Cell cell;
  std::size_t first;  // of its cell's cases
  Case what;
};
const std::vector<Asked>& cases() {
  static const std::vector<Asked> all = [] {
    std::vector<Asked> made;
    for (const Cell cell : kCells) {
      const std::size_t first = made.size();
      for (Case& c : cases_of(cell)) made.push_back({cell, first, std::move(c)});
    }
    return made;
  }();
  return all;
}

std::vector<Step> steps() {
  std::vector<Step> asked;
  for (const Asked& a : cases()) asked.push_back(a.what.step);
  return asked;
}

/// Zeros in y are dropped.
SiteMask zeros_of(const RowTrial& trial, std::size_t i, std::string name) {
  SiteMask mask = unseen_mask(std::move(name), {kSteps, kBatch, kHidden});
  const std::vector<double> y = numbers(trial, i, trial.reply(i).y);
  for (std::size_t e = 0; e < y.size(); ++e)
    mask.entries[e] = near(y[e], 0, kTolerance) ? Entry::dropped : Entry::kept;
  return mask;
}

/// From the second step on, what equals the call with p = 1 is dropped.
SiteMask gate_mask(const RowTrial& trial, std::size_t i, std::size_t dropped, std::string name) {
  SiteMask mask = unseen_mask(std::move(name), {kSteps, kBatch, kHidden});
  const std::vector<double> y = numbers(trial, i, trial.reply(i).y),
                            zero = numbers(trial, dropped, trial.reply(dropped).y);
  for (std::size_t e = static_cast<std::size_t>(kBatch * kHidden); e < y.size(); ++e)
    mask.entries[e] = near(y[e], zero[e], 1e-3) ? Entry::dropped : Entry::kept;
  return mask;
}

/// The mask of a sequence must hold for all of its steps and be no other sequence's or feature's.
SiteMask judge_once(RowTrial& trial, std::size_t i, const SiteMask& mask) {
  require_active(trial, i, mask);
  const SiteMask one = require_shared_first(trial, i, mask, "time steps");
  require_unshared(trial, i, one, 0, "sequences");
  require_unshared(trial, i, one, 1, "features");
  return one;
}

/// Replies of one cell by role; all are answered.
class CellReplies {
 public:
  CellReplies(RowTrial& trial, std::size_t first, std::size_t count)
      : trial_(trial), first_(first), count_(count) {}
  std::size_t of(Role role, std::size_t gate = 0) const {
    for (std::size_t k = 0; k < count_; ++k)
      if (cases()[first_ + k].what.role == role && cases()[first_ + k].what.gate == gate)
        return beside(trial_, at_, first_ + k);
    DROPCHECK_CHECK(false);
    return 0;
  }
  void in_block_of(std::size_t i) { at_ = i; }

 private:
  RowTrial& trial_;
  std::size_t first_, count_, at_ = 0;
};

/// What the first of two places drops, seen where the second one drops nothing.
SiteMask before(const SiteMask& both, const SiteMask& second, std::string name) {
  SiteMask mask = unseen_mask(std::move(name), both.shape);
  for (std::size_t e = 0; e < both.entries.size(); ++e)
    if (second.entries[e] == Entry::kept) mask.entries[e] = both.entries[e];
  return mask;
}

void judge_between(RowTrial& trial, const CellReplies& at) {
  const std::size_t i = at.of(Role::between), next = at.of(Role::next_between), second = at.of(Role::second),
                    both = at.of(Role::both);
  const SiteMask mask = judge_once(trial, i, zeros_of(trial, i, "the variational mask between two layers"));
  require_different(trial, next, mask,
                    judge_once(trial, next, zeros_of(trial, next, "that of the next call")));
  const SiteMask last = zeros_of(trial, second, "the variational mask between layers 2 and 3"),
                 first = before(zeros_of(trial, both, "both"), last, "that between layers 1 and 2");
  judge_once(trial, second, last);
  require_different(trial, both, first, last);
  require_active(trial, both, first);
}

void judge_input(RowTrial& trial, const CellReplies& at) {
  const std::size_t i = at.of(Role::input), next = at.of(Role::next_input), after = at.of(Role::after_input),
                    product = at.of(Role::input_product);
  const SiteMask mask = judge_once(trial, i, zeros_of(trial, i, "the mask on the input of the first layer"));
  require_different(trial, next, mask,
                    judge_once(trial, next, zeros_of(trial, next, "that of the next call")));
  const SiteMask second = zeros_of(trial, after, "the mask on the input of the second layer"),
                 first = before(zeros_of(trial, product, "both"), second, "that on the input of the first");
  judge_once(trial, after, second);
  require_different(trial, product, first, second);
  require_active(trial, product, first);
}

void judge_gates(RowTrial& trial, const CellReplies& at, Cell cell) {
  std::vector<SiteMask> masks;
  for (std::size_t gate = 0; gate < gates_of(cell); ++gate) {
    const std::size_t i = at.of(Role::gate, gate);
    masks.push_back(
        judge_once(trial, i,
                   gate_mask(trial, i, at.of(Role::gate_dropped, gate),
                             fmt::format("the recurrent mask before {}", gate_name(cell, gate)))));
    for (std::size_t other = 0; other < gate; ++other) require_different(trial, i, masks[other], masks[gate]);
  }
  const std::size_t last = gates_of(cell) - 1, next = at.of(Role::next_gate, last);
  require_different(
      trial, next, masks[last],
      judge_once(trial, next,
                 gate_mask(trial, next, at.of(Role::gate_dropped, last), "that of the next call")));
}

void judge_cell(RowTrial& trial, std::size_t i, Cell cell, std::size_t first, std::size_t count) {
  CellReplies at(trial, first, count);
  at.in_block_of(i);
  for (std::size_t k = 0; k < count; ++k) {
    const Case& c = cases()[first + k].what;
    if (c.role == Role::nothing)
      require_all_near(trial, i + k, numbers(trial, i + k, trial.reply(i + k).y), c.level, kTolerance,
                       "this kind drops nothing here");
    if (c.role == Role::no_gate) {
      const std::vector<double> y = numbers(trial, i + k, trial.reply(i + k).y),
                                plain = numbers(trial, i + k + 1, trial.reply(i + k + 1).y);
      std::uint64_t wrong = 0;
      for (std::size_t e = 0; e < y.size(); ++e) wrong += near(y[e], plain[e], kTolerance) ? 0u : 1u;
      trial.require_all(y.size(), wrong, [&] {
        return fmt::format("{}: {} of {} elements are not those of p = 0; this kind leaves h(t - 1) alone",
                           trial.place(i + k), wrong, y.size());
      });
    }
  }
  judge_between(trial, at);
  judge_input(trial, at);
  judge_gates(trial, at, cell);
}

void judge(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size();) {
    const Asked& asked = cases()[trial.reply(i).index];
    std::size_t count = 0;
    bool answered = true;
    while (i + count < trial.size() && asked.first + count < cases().size() &&
           cases()[asked.first + count].cell == asked.cell) {
      answered = trial.answered(i + count) && answered;
      ++count;
    }
    if (answered) judge_cell(trial, i, asked.cell, asked.first, count);
    i += count;
  }
}

}  // namespace

Definition variational_masks() {
  return {
      "embedding.variational_masks",
      "embedding_variational_masks",
      "recurrent layers with dropout that is drawn once for a sequence",
      problem_of(kMaskP, {kSteps, kBatch, kHidden}),
      steps,
      judge,
      "each kind drops where it says, once for all time steps, and each sequence, layer, gate and call has "
      "draws of its own"};
}

}  // namespace dropcheck::suites::embedding
