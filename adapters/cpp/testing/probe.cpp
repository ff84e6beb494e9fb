// An adapter for tests: says in facts what it was asked, and behaves as p tells it to.
#include <complex>  // these two, so that no name of the header is taken for one of theirs
#include <cstdio>
#include <iomanip>
#include <iostream>
#include <sstream>

#include "../dropcheck_adapter.hpp"

namespace {

namespace da = dropcheck::adapter;

void misbehave(double p) {
  if (p == 2) throw da::InvalidArgument("refused");
  if (p == 3) throw da::Unsupported("cannot do this");
  if (p == 4) throw std::runtime_error("broken");
  if (p == 5) throw std::bad_alloc();
  if (p == 8) throw std::invalid_argument("refused by argument");
  if (p == 9) throw 9;
}

std::string shown(double value) {
  std::ostringstream out;
  out << value;
  return std::signbit(value) && value == 0 ? "-0.0" : out.str();
}

void scale(da::Tensor& tensor, double factor) {
  for (std::size_t i = 0; i < tensor.count(); ++i) {
    if (tensor.dtype() == "f64") {
      tensor.elements<double>()[i] *= factor;
    } else if (tensor.dtype() == "f32") {
      tensor.elements<float>()[i] *= static_cast<float>(factor);
    } else if (tensor.dtype() == "f16") {
      std::uint16_t& half = tensor.elements<std::uint16_t>()[i];
      half = da::f16_from_float(da::float_from_f16(half) * static_cast<float>(factor));
    } else {
      std::uint16_t& half = tensor.elements<std::uint16_t>()[i];
      half = da::bf16_from_float(da::float_from_bf16(half) * static_cast<float>(factor));
    }
  }
}

int calls = 0;

da::Result dropout(const da::Call& call, da::Tensor& x) {
  std::cout << "noise from the kernel\n";
  std::printf("{\"seq\":-1}\n");
  misbehave(call.p);
  if (call.p == 6) return da::Result();
  if (call.p == 7) return da::Result(x);
  calls = call.seed ? 0 : calls + 1;
  da::Result result(x);
  scale(*result.y, 2);
  if (call.in_place) scale(x, 2);
  result.mask.emplace();
  for (std::size_t i = 0; i < x.count(); ++i) result.mask->push_back(i % 3 != 0);
  if (call.save) result.saved = 3.0;
  result.facts = {{"p", shown(call.p)},
                  {"train", call.train ? "true" : "false"},
                  {"seed", call.seed ? std::to_string(*call.seed) : "None"},
                  {"calls", std::to_string(calls)},
                  {"threads", call.threads != 0 ? std::to_string(call.threads) : "None"},
                  {"offset", std::to_string(call.offset)},
                  {"input", std::getchar() == EOF ? "" : "something"}};
  result.rng_words = x.count();
  result.effective_p = 0.25;
  result.warnings = {"a warning"};
  return result;
}

da::Tensor gradient(std::any& saved, const da::Tensor& dy) {
  da::Tensor dx = dy;
  scale(dx, std::any_cast<double>(saved));
  return dx;
}

}  // namespace

int main() {
  da::Info info;
  info.name = "probe";
  info.dtypes = {"f32", "f64", "f16", "bf16"};
  info.seed_semantics = "stateful";
  info.mask = true;
  info.in_place = true;
  info.threads = true;
  info.offset_unit = "calls";
  info.features = {"rng_words", "effective_rate"};
  return da::serve(info, dropout, gradient);
}
