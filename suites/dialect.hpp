#pragma once
// A dialect: what the documentation of a family of frameworks promises of dropout where frameworks differ,
// axis by axis. What all of them share, the rate and the independence of the drops, is no axis: no dialect
// can change it. docs/dialects.md explains the axes; suites/dialects/*.toml are the built-in dialects.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/run_record.hpp"
#include "reference/scale_forms.hpp"

namespace dropcheck::suites {

enum class Axis : std::uint8_t {
  p_domain,
  p_type,
  bad_p,
  p_one,
  scale,
  roundings,
  eval,
  dropped,
  seed,
  seed_zero,
  gradient,
  resolution,
};
inline constexpr std::array kAllAxes = {Axis::p_domain, Axis::p_type,    Axis::bad_p,    Axis::p_one,
                                        Axis::scale,    Axis::roundings, Axis::eval,     Axis::dropped,
                                        Axis::seed,     Axis::seed_zero, Axis::gradient, Axis::resolution};
/// For readers: "p = 1", "dropped elements".
std::string_view axis_name(Axis axis);

/// The p that a call may ask for.
enum class PDomain : std::uint8_t { closed, below_one };  // [0, 1] or [0, 1)
/// The type of p: what it is rounded to before anything looks at it.
enum class PType : std::uint8_t { f64, f32 };
/// What becomes of a p outside [0, 1], or NaN.
enum class BadP : std::uint8_t { refused, refused_in_training, unspecified };
/// What p = 1 does in training.
enum class AtOne : std::uint8_t { zeros, input, refused, unspecified };
/// What training does to a kept element of the plain and channel operators.
enum class TrainScale : std::uint8_t { over_q, none };  // x / q or x
/// What eval mode does to an element of the plain and channel operators.
enum class EvalRule : std::uint8_t { identity, times_q, none };  // none: there is no eval mode
/// What a dropped element becomes: x * 0, which keeps NaN and the sign, or the constant +0.
enum class DroppedRule : std::uint8_t { multiply, select, unspecified };
/// What a seed promises.
enum class SeedRule : std::uint8_t {
  stream,  // the masks of the call and of those that follow
  call,    // the mask of the one call that it is given to
  life,    // the masks of an instance from its making on
  none,    // nothing
};
/// What the seed 0 is.
enum class SeedZero : std::uint8_t { a_seed, random, unspecified };
/// What a gradient is.
enum class GradientRule : std::uint8_t { as_forward, unspecified };

struct Dialect {
  std::string name;
  std::string title;                    // what it describes, in a few words
  std::vector<std::string> frameworks;  // that it was written for or fits
  PDomain p_domain = PDomain::closed;
  PType p_type = PType::f64;
  BadP bad_p = BadP::refused;
  AtOne p_one = AtOne::zeros;
  TrainScale scale = TrainScale::over_q;
  std::vector<reference::ScaleForm> roundings;  // of a kept value; none where training does not scale
  EvalRule eval = EvalRule::identity;
  DroppedRule dropped = DroppedRule::multiply;
  SeedRule seed = SeedRule::stream;
  SeedZero seed_zero = SeedZero::a_seed;
  GradientRule gradient = GradientRule::as_forward;
  std::array<double, 4> resolution{};                // by dtype, in the order of kFloatDTypes
  std::array<std::string, kAllAxes.size()> sources;  // of each axis: where it is written

  /// Largest |effective p - p| for 0 < p < 1 that a rate may have by the backend's own account.
  double rate_limit(DType dtype) const;
  /// The ways in which a kept value may be rounded in that dtype, and a kept gradient.
  std::vector<reference::ScaleForm> kept_forms(DType dtype) const;
  std::vector<reference::ScaleForm> gradient_forms(Op op, DType dtype) const;
  /// What a backend sees of a p.
  double seen_p(double p) const;
  /// Whether calls with p = 1 in training are answered in a way that can be judged.
  bool answers_p_one() const { return p_one == AtOne::zeros || p_one == AtOne::input; }
  bool has_eval() const { return eval != EvalRule::none; }
};

/// PyTorch's own, which the checklist of rows describes and other dialects are compared with.
const Dialect& pytorch_dialect();

/// The value of an axis in the words of a dialect file, e.g. "select"; numbers by dtype for the resolution.
std::string value_text(const Dialect& dialect, Axis axis);
/// Whether a dialect says there what PyTorch's says.
bool agrees_with_pytorch(const Dialect& dialect, Axis axis);
/// What the dialect says there, as a sentence without a full stop: "p = 1 is refused".
std::string rule_text(const Dialect& dialect, Axis axis);
/// Why something that depends on these axes of PyTorch's is not asked: "dialect onnx-13: p = 1 is refused",
/// for the first that differs; empty where none does.
std::string differs_there(const Dialect& dialect, std::span<const Axis> axes);
/// "dialect onnx-13: p = 1 is refused".
std::string reason_text(const Dialect& dialect, Axis axis);

/// All axes for a report, in order, with what each lets pass that PyTorch would not do.
std::vector<DialectRule> rules_of(const Dialect& dialect);
/// Everything that decides verdicts, for the plan's hash: name and values, without titles and sources.
std::string content_text(const Dialect& dialect);

}  // namespace dropcheck::suites
