#pragma once
// A transformer layer whose weights show the mask of one place with dropout at a time. All sublayers put out
// zero but the one that is read, and it puts out zero at the first two features, where the residual holds
// two known numbers: layer normalisation is an affine map of each position, so these two tell what it did,
// and what was added to the residual before it can be worked out exactly.

#include <cstdint>
#include <string>
#include <vector>

#include "reference/pytorch_cpu_stream.hpp"
#include "suites/dialects/row.hpp"
#include "suites/embedding/site_mask.hpp"

namespace dropcheck::suites::embedding {

/// A place with dropout, in the order in which a layer comes to them.
struct Site {
  const char* name;
  enum class Kind : std::uint8_t {
    weights,  // of attention: (batch, heads, length, length)
    inner,    // of the feed-forward block: (length, batch, kInner)
    output,   // of a sublayer, before the residual is added: (length, batch, kWidth)
  } kind;
  std::size_t sublayer;  // 0, 1, 2: that it belongs to
};
/// Four of an encoder layer, six of a decoder layer.
const std::vector<Site>& sites_of(bool decoder);
/// The index of the place that drops the output of the sublayer to which this one belongs.
std::size_t output_site(bool decoder, std::size_t site);

inline constexpr std::int64_t kLength = 8, kSequences = 4, kWidth = 32, kHeads = 2, kInner = 16;
inline constexpr std::int64_t kReferences = 2;  // features that hold known numbers

reference::TransformerShape transformer_shape(bool decoder);

/// The call that shows that place.
Step site_step(bool decoder, std::size_t site, double p, Mode mode = Mode::train);

/// What was added to the residual, in y's order (length, batch, width), in units of an output that was
/// neither dropped nor scaled; NaN where the known features do not tell. For weights and inner places the
/// unit is the last binary digit of a number whose digits are the mask of 8 entries, 1 = kept: features of
/// even index have the one of head 0 or of the first 8 entries, the others that of head 1 or of the last 8.
std::vector<double> added(const std::vector<double>& y, bool decoder, std::size_t site);

}  // namespace dropcheck::suites::embedding
