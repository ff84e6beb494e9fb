#include "impl/mutants/network/sites.hpp"

#include <algorithm>

#include "impl/mutants/generator.hpp"
#include "impl/mutants/mask.hpp"

namespace dropcheck::mutants {
namespace {

/// Repeats the entries, one for each index of `drawn`, over `shape`; extents of `drawn` are 1 where shared.
Gains spread(const Gains& entries, const Shape& drawn, const Shape& shape) {
  if (drawn == shape) return entries;
  Gains gains = entries;
  // From the last dimension on: what is repeated is a block of all later ones, which are complete by then.
  std::int64_t block = 1;
  for (std::size_t d = shape.size(); d-- > 0;) {
    if (drawn[d] != shape[d]) {
      Gains wider;
      wider.reserve(gains.size() * static_cast<std::size_t>(shape[d]));
      for (auto from = gains.begin(); from != gains.end(); from += block)
        for (std::int64_t i = 0; i < shape[d]; ++i) wider.insert(wider.end(), from, from + block);
      gains = std::move(wider);
    }
    block *= shape[d];
  }
  return gains;
}

}  // namespace

bool Sites::draws(const Shape& shape, bool active) const {
  return active && p_ > 0 && p_ < 1 && element_count(shape) > 0;
}

std::uint64_t Sites::next_key() { return key_of(draws_.seed, draws_.next++, kForwardUse); }

Gains Sites::draw(const Shape& shape, const std::vector<std::size_t>& shared, bool active) {
  if (!draws(shape, active))
    return Gains(static_cast<std::size_t>(element_count(shape)), active && p_ == 1 ? 0.0 : 1.0);
  Shape drawn = shape;
  for (const std::size_t d : shared) drawn[d] = 1;
  const Mask mask = draw_mask({.op = Op::dropout,
                               .p = p_,
                               .dtype = DType::f64,
                               .shape = drawn,
                               .threads = 0,
                               .action = Action::drop,
                               .seed = draws_.seed,
                               .number = draws_.next++},
                              Fault::none, kForwardUse);
  Gains entries(mask.kept.size());
  std::transform(mask.kept.begin(), mask.kept.end(), entries.begin(),
                 [gain = 1.0 / (1.0 - p_)](std::uint8_t keep) { return keep != 0 ? gain : 0.0; });
  return spread(entries, drawn, shape);
}

Gains Sites::draw_once(const std::string& name, const Shape& shape, const std::vector<std::size_t>& shared,
                       bool active) {
  if (!draws(shape, active)) return draw(shape, shared, active);
  const auto found = kept_masks_.find({name, shape});
  if (found == kept_masks_.end()) return kept_masks_[{name, shape}] = draw(shape, shared, active);
  Gains gains = found->second;  // perhaps of another p
  for (double& gain : gains) gain = gain > 0 ? 1.0 / (1.0 - p_) : 0.0;
  return gains;
}

void multiply(std::vector<double>& values, const Gains& gains) {
  DROPCHECK_CHECK(values.size() == gains.size());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] *= gains[i];
}

}  // namespace dropcheck::mutants
