// embedding.transformer_sites: the four places with dropout of an encoder layer and the six of a decoder
// layer. Masks of all places are read under one seed, from calls with different weights: what is drawn does
// not depend on them.

#include <array>
#include <cmath>

#include "suites/dialects/row_layers.hpp"
#include "suites/embedding/embedding_check.hpp"
#include "suites/embedding/parameters.hpp"
#include "suites/embedding/transformer_network.hpp"

namespace dropcheck::suites::embedding {
namespace {

constexpr double kTolerance = 0.05;  // of an entry, or of a binary digit, in its unit

enum class Role : std::uint8_t { mask, next, eval, zero, scale };
struct Case {
  bool decoder;
  std::size_t site;
  Role role;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = [] {
    std::vector<Case> made;
    for (const bool decoder : {false, true}) {
      const std::size_t sites = sites_of(decoder).size();
      for (std::size_t s = 0; s < sites; ++s) made.push_back({decoder, s, Role::mask});
      made.push_back({decoder, sites - 1, Role::next});  // after the call that shows the same place
      for (std::size_t s = 0; s < sites; ++s) made.push_back({decoder, s, Role::eval});
      made.push_back({decoder, 0, Role::zero});
      made.push_back({decoder, sites - 1, Role::zero});
      for (std::size_t s = 0; s < sites; ++s)
        if (sites_of(decoder)[s].kind == Site::Kind::output) made.push_back({decoder, s, Role::scale});
    }
    return made;
  }();
  return all;
}

std::vector<Step> steps() {
  std::vector<Step> asked;
  for (const Case& c : cases()) {
    const double p = c.role == Role::zero ? 0 : c.role == Role::scale ? 0.2 : kMaskP;
    Step step = site_step(c.decoder, c.site, p, c.role == Role::eval ? Mode::eval : Mode::train);
    asked.push_back(c.role == Role::next ? continued(step) : step);
  }
  return asked;
}

bool is_reference(std::size_t e) { return e % kWidth < static_cast<std::size_t>(kReferences); }

/// What is added must be 0 or `kept` everywhere but at the known features, where it is 0.
SiteMask output_mask(RowTrial& trial, std::size_t i, const Site& site, const std::vector<double>& sum,
                     double kept) {
  SiteMask mask = unseen_mask(fmt::format("the mask of {}", site.name), {kLength, kSequences, kWidth});
  std::uint64_t wrong = 0;
  std::size_t first = 0;
  for (std::size_t e = 0; e < sum.size(); ++e) {
    const bool zero = near(sum[e], 0, kTolerance);
    if (!is_reference(e)) {
      if (zero) mask.entries[e] = Entry::dropped;
      else if (near(sum[e], kept, kTolerance)) mask.entries[e] = Entry::kept;
    }
    if (mask.entries[e] == Entry::unseen && !(is_reference(e) && zero) && wrong++ == 0) first = e;
  }
  trial.require_all(sum.size(), wrong, [&] {
    return fmt::format(
        "{}: where {} is read, {} of {} elements have something else added to the residual than "
        "0 or {:.6g} times the sublayer's output; element {} has {:.6g} times it",
        trial.place(i), site.name, wrong, sum.size(), kept, first, sum[first]);
  });
  return mask;
}

/// Digits of weights and inner places are read where the output of their sublayer was kept.
SiteMask coded_mask(RowTrial& trial, std::size_t i, const Site& site, const std::vector<double>& sum,
                    const SiteMask& output, double scale) {
  const bool weights = site.kind == Site::Kind::weights;
  SiteMask mask = unseen_mask(fmt::format("the mask of {}", site.name),
                              weights ? std::vector<std::int64_t>{kSequences, kHeads, kLength, kLength}
                                      : std::vector<std::int64_t>{kLength, kSequences, kInner});
  std::uint64_t wrong = 0;
  std::size_t first = 0;
  const auto violated = [&](std::size_t e) {
    if (wrong++ == 0) first = e;
  };
  for (std::int64_t l = 0; l < kLength; ++l)
    for (std::int64_t b = 0; b < kSequences; ++b) {
      const auto row = static_cast<std::size_t>((l * kSequences + b) * kWidth);
      std::array<int, 2> code = {-1, -1};
      for (std::size_t e = row; e < row + kWidth; ++e) {
        const double number = sum[e] / scale, whole = std::round(number);
        // A code of 255 is off by less than a tenth after two layer normalisations in f32.
        if (!near(number, whole, 0.1) || whole < 0 || whole > 255) {
          violated(e);
          continue;
        }
        const int seen = static_cast<int>(whole);
        if (is_reference(e) || output.entries[e] != Entry::kept) {
          if (seen != 0) violated(e);
          continue;
        }
        int& one = code[e % 2];
        if (one >= 0 && one != seen) violated(e);
        one = seen;
      }
      for (std::int64_t half = 0; half < 2; ++half)
        for (std::int64_t j = 0; j < 8 && code[static_cast<std::size_t>(half)] >= 0; ++j) {
          const bool kept = (code[static_cast<std::size_t>(half)] >> j & 1) != 0;
          const std::int64_t at = weights ? ((b * kHeads + half) * kLength + l) * kLength + j
                                          : (l * kSequences + b) * kInner + half * 8 + j;
          mask.entries[static_cast<std::size_t>(at)] = kept ? Entry::kept : Entry::dropped;
        }
    }
  trial.require_all(sum.size(), wrong, [&] {
    return fmt::format(
        "{}: where {} is read, {} of {} elements do not add up kept entries times {:.6g}, "
        "dropped once more where the output of the sublayer is under the same seed; element {} "
        "has {:.6g}",
        trial.place(i), site.name, wrong, sum.size(), scale, first, sum[first]);
  });
  return mask;
}

std::vector<double> sum_of(const RowTrial& trial, std::size_t i, const Case& c) {
  return added(numbers(trial, i, trial.reply(i).y), c.decoder, c.site);
}

/// Nothing is dropped: all digits of a code are set.
void judge_plain(RowTrial& trial, std::size_t i, const Case& c) {
  const std::vector<double> sum = sum_of(trial, i, c);
  const bool output = sites_of(c.decoder)[c.site].kind == Site::Kind::output;
  std::vector<double> seen;
  for (std::size_t e = 0; e < sum.size(); ++e)
    if (!is_reference(e)) seen.push_back(output ? sum[e] : sum[e] / 255);
  require_all_near(trial, i, seen, 1, kTolerance, "what is added to the residual where nothing is dropped");
}

void judge_masks(RowTrial& trial, std::size_t first, bool decoder) {
  const std::vector<Site>& sites = sites_of(decoder);
  const double scale = 1 / (1 - kMaskP);
  std::vector<SiteMask> masks(sites.size());
  for (const bool outputs : {true, false})
    for (std::size_t s = 0; s < sites.size(); ++s) {
      if ((sites[s].kind == Site::Kind::output) != outputs) continue;
      const std::size_t i = first + s;
      const std::vector<double> sum = sum_of(trial, i, {decoder, s, Role::mask});
      masks[s] = outputs ? output_mask(trial, i, sites[s], sum, scale)
                         : coded_mask(trial, i, sites[s], sum, masks[output_site(decoder, s)], scale * scale);
      require_active(trial, i, masks[s]);
      if (sites[s].kind == Site::Kind::weights) {
        require_unshared(trial, i, masks[s], 0, "sequences");
        require_unshared(trial, i, masks[s], 1, "heads");
        require_unshared(trial, i, masks[s], 2, "queries");
        require_unshared(trial, i, masks[s], 3, "keys");
      } else {
        require_unshared(trial, i, masks[s], 0, "positions");
        require_unshared(trial, i, masks[s], 1, "sequences");
        require_unshared(trial, i, masks[s], 2, "features");
      }
    }
  for (std::size_t a = 0; a < masks.size(); ++a)
    for (std::size_t b = a + 1; b < masks.size(); ++b)
      require_different(trial, first + b, masks[a], masks[b]);
  const std::size_t next = first + sites.size();
  SiteMask later = output_mask(trial, next, sites.back(),
                               sum_of(trial, next, {decoder, sites.size() - 1, Role::next}), scale);
  later.name = "that of the next call";
  require_different(trial, next, masks.back(), later);
}

void judge(RowTrial& trial) {
  for (std::size_t i = 0; i < trial.size(); ++i) {
    const Case& c = cases()[trial.reply(i).index];
    const std::size_t sites = sites_of(c.decoder).size();
    if (c.role == Role::mask && c.site == 0) {
      bool all = true;
      for (std::size_t s = 0; s <= sites; ++s) all = trial.answered(i + s) && all;
      if (all) judge_masks(trial, i, c.decoder);
    }
    if (!trial.answered(i)) continue;
    if (c.role == Role::eval || c.role == Role::zero) judge_plain(trial, i, c);
    if (c.role == Role::scale)
      output_mask(trial, i, sites_of(c.decoder)[c.site], sum_of(trial, i, c),
                  1 / (1 - trial.step(i).problem.p));
    const Problem& problem = trial.step(i).problem;
    const auto shape = transformer_shape(c.decoder);
    require_cpu_words(trial, i,
                      c.decoder ? reference::words_of_decoder_layer(shape, problem.p, problem.mode)
                                : reference::words_of_encoder_layer(shape, problem.p, problem.mode));
  }
}

}  // namespace

Definition transformer_sites() {
  return {
      "embedding.transformer_sites",
      "embedding_transformer_sites",
      "transformer layers whose weights show one place with dropout at a time",
      problem_of(kMaskP, {kLength, kSequences, kWidth}),
      steps,
      judge,
      "four places of an encoder layer and six of a decoder layer drop once each, with masks of their own, "
      "before the residual is added"};
}

}  // namespace dropcheck::suites::embedding
