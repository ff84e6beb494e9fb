#include "reports/number_text.hpp"

#include <fmt/format.h>

#include <cmath>

namespace dropcheck::reports {

std::string short_number(double value) { return fmt::format("{:.4g}", value); }

std::string exact_number(double value) { return fmt::format("{}", value); }

std::string counted(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string p_value_text(const Statistic& statistic) {
  const bool underflow = std::isfinite(statistic.log10_p) && statistic.log10_p < -300;
  if (underflow) return fmt::format("10^{:.1f}", statistic.log10_p);
  return short_number(statistic.p_value);
}

std::string statistic_label(const Statistic& s) {
  return s.cell ? fmt::format("{} {}, cell {}", s.id, s.name, *s.cell) : fmt::format("{} {}", s.id, s.name);
}

std::string power_text(double power) {
  if (power < 1 && power > 0.999) return fmt::format("1 - {:.2g}", 1 - power);
  return short_number(power);
}

std::string effect_text(const Effect& effect) {
  std::string text = short_number(effect.value);
  if (!effect.unit.empty()) text += " " + effect.unit;
  if (!effect.lower && !effect.upper) return text;
  return fmt::format("{} [{}, {}]", text, effect.lower ? short_number(*effect.lower) : "-inf",
                     effect.upper ? short_number(*effect.upper) : "inf");
}

}  // namespace dropcheck::reports
