#include "suites/embedding/transformer_network.hpp"

#include <limits>

#include "suites/embedding/parameters.hpp"

namespace dropcheck::suites::embedding {
namespace {

constexpr double kReference = 256;  // the residual's first two features are this and its negative
constexpr double kOutput = 64;      // what an output that is read is, before dropout
constexpr std::int64_t kDigits = 8;

static_assert(kLength == kDigits && kInner == 2 * kDigits && kHeads == 2);
static_assert(kWidth / kHeads >= kLength && kWidth >= kReferences + kLength);

/// At position l: the two references, then a 1 at the feature of that position.
std::vector<double> positions(bool with_references) {
  std::vector<double> x(static_cast<std::size_t>(kLength * kSequences * kWidth));
  for (std::int64_t l = 0; l < kLength; ++l)
    for (std::int64_t b = 0; b < kSequences; ++b) {
      double* const at = &x[static_cast<std::size_t>((l * kSequences + b) * kWidth)];
      if (with_references) {
        at[0] = kReference;
        at[1] = -kReference;
      }
      at[kReferences + l] = 1;
    }
  return x;
}

/// The residual that the sublayer gets: x for the first one, else the constant that the normalisation before
/// it is made to put out.
std::vector<double> residual(std::size_t sublayer) {
  std::vector<double> r = positions(true);
  if (sublayer == 0) return r;
  for (std::size_t e = 0; e < r.size(); ++e)
    if (e % kWidth >= static_cast<std::size_t>(kReferences)) r[e] = 0;
  return r;
}

/// The digit that feature `row` of an output reads at `column`: 2^j of its half, else 0.
double digit(std::int64_t row, std::int64_t half, std::int64_t j) {
  return row >= kReferences && row % 2 == half ? static_cast<double>(1 << j) : 0;
}

void add_attention(std::vector<ExtraTensor>& parameters, const std::string& name, const Site* site) {
  ExtraTensor in = filled_tensor(name + "in_proj_weight", {3 * kWidth, kWidth}, 0);
  ExtraTensor out = filled_tensor(name + "out_proj.weight", {kWidth, kWidth}, 0);
  ExtraTensor bias = filled_tensor(name + "out_proj.bias", {kWidth}, 0);
  const std::int64_t head_width = kWidth / kHeads;
  if (site != nullptr && site->kind == Site::Kind::weights) {
    // Scores are 0 and weights 1/L. Value j of a head is 1 at position j, so the head puts out the weights.
    for (std::int64_t h = 0; h < kHeads; ++h)
      for (std::int64_t j = 0; j < kLength; ++j) {
        const std::int64_t feature = h * head_width + j;
        in.values[static_cast<std::size_t>((2 * kWidth + feature) * kWidth + kReferences + j)] = 1;
        for (std::int64_t row = 0; row < kWidth; ++row)
          out.values[static_cast<std::size_t>(row * kWidth + feature)] = kLength * digit(row, h, j);
      }
  } else if (site != nullptr) {
    std::fill(bias.values.begin() + kReferences, bias.values.end(), kOutput);
  }
  parameters.push_back(std::move(in));
  parameters.push_back(filled_tensor(name + "in_proj_bias", {3 * kWidth}, 0));
  parameters.push_back(std::move(out));
  parameters.push_back(std::move(bias));
}

/// All inner features are 1 before dropout.
void add_feed_forward(std::vector<ExtraTensor>& parameters, const Site* site) {
  ExtraTensor out = filled_tensor("linear2.weight", {kWidth, kInner}, 0);
  ExtraTensor bias = filled_tensor("linear2.bias", {kWidth}, 0);
  if (site != nullptr && site->kind == Site::Kind::inner) {
    for (std::int64_t row = 0; row < kWidth; ++row)
      for (std::int64_t j = 0; j < kInner; ++j)
        out.values[static_cast<std::size_t>(row * kInner + j)] = digit(row, j / kDigits, j % kDigits);
  } else if (site != nullptr) {
    std::fill(bias.values.begin() + kReferences, bias.values.end(), kOutput);
  }
  parameters.push_back(filled_tensor("linear1.weight", {kInner, kWidth}, 0));
  parameters.push_back(filled_tensor("linear1.bias", {kInner}, 1));
  parameters.push_back(std::move(out));
  parameters.push_back(std::move(bias));
}

/// The normalisation before the sublayer that is read puts out the residual; the others keep what they get.
void add_norms(std::vector<ExtraTensor>& parameters, bool decoder, std::size_t sublayer) {
  for (std::size_t n = 1; n <= (decoder ? 3u : 2u); ++n) {
    const bool constant = n == sublayer;
    ExtraTensor bias = filled_tensor(fmt::format("norm{}.bias", n), {kWidth}, 0);
    if (constant) {
      bias.values[0] = kReference;
      bias.values[1] = -kReference;
    }
    parameters.push_back(filled_tensor(fmt::format("norm{}.weight", n), {kWidth}, constant ? 0 : 1));
    parameters.push_back(std::move(bias));
  }
}

}  // namespace

const std::vector<Site>& sites_of(bool decoder) {
  using Kind = Site::Kind;
  static const std::vector<Site> encoder = {{"the attention weights", Kind::weights, 0},
                                            {"the output of attention", Kind::output, 0},
                                            {"the inside of the feed-forward block", Kind::inner, 1},
                                            {"the output of the feed-forward block", Kind::output, 1}};
  static const std::vector<Site> decoders = {{"the weights of self-attention", Kind::weights, 0},
                                             {"the output of self-attention", Kind::output, 0},
                                             {"the weights of the attention to memory", Kind::weights, 1},
                                             {"the output of the attention to memory", Kind::output, 1},
                                             {"the inside of the feed-forward block", Kind::inner, 2},
                                             {"the output of the feed-forward block", Kind::output, 2}};
  return decoder ? decoders : encoder;
}

std::size_t output_site(bool decoder, std::size_t site) {
  return sites_of(decoder)[site].kind == Site::Kind::output ? site : site + 1;
}

reference::TransformerShape transformer_shape(bool decoder) {
  return {kSequences, kHeads, kWidth, kInner, kLength, decoder ? std::uint64_t{kLength} : 0};
}

Step site_step(bool decoder, std::size_t site, double p, Mode mode) {
  const Site& read = sites_of(decoder)[site];
  const auto at = [&](std::size_t sublayer) { return read.sublayer == sublayer ? &read : nullptr; };
  std::vector<ExtraTensor> parameters;
  add_attention(parameters, "self_attn.", at(0));
  if (decoder) add_attention(parameters, "multihead_attn.", at(1));
  add_feed_forward(parameters, at(decoder ? 2 : 1));
  add_norms(parameters, decoder, read.sublayer);
  if (decoder)
    parameters.push_back(
        {.name = "memory", .shape = {kLength, kSequences, kWidth}, .values = positions(false)});
  Problem problem = problem_of(p, {kLength, kSequences, kWidth});
  problem.mode = mode;
  Step step = given(seeded_step(problem), decoder ? "decoder_layer" : "encoder_layer", std::move(parameters));
  step.values = positions(true);
  step.output_shape = problem.shape;
  step.attributes["heads"] = std::int64_t{kHeads};
  step.attributes["feed_forward"] = std::int64_t{kInner};
  return step;
}

std::vector<double> added(const std::vector<double>& y, bool decoder, std::size_t site) {
  const Site& read = sites_of(decoder)[site];
  const std::vector<double> r = residual(read.sublayer);
  const double unit = read.kind == Site::Kind::output ? kOutput : 1;
  std::vector<double> sum(y.size(), std::numeric_limits<double>::quiet_NaN());
  for (std::size_t row = 0; row < y.size(); row += kWidth) {
    const double gain = (y[row] - y[row + 1]) / (2 * kReference);
    if (!(gain > 1e-6)) continue;
    for (std::size_t e = row; e < row + kWidth; ++e)
      sum[e] = ((y[e] - y[row]) / gain + kReference - r[e]) / unit;
  }
  return sum;
}

}  // namespace dropcheck::suites::embedding
