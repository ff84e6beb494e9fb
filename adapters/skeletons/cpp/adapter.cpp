// ADAPTER_NAME, to be judged by dropcheck. Replace what `dropout` does by a call of your own.
//   g++ -std=c++17 -O2 adapter.cpp -o adapter
#include <random>

#include "dropcheck_adapter.hpp"

namespace da = dropcheck::adapter;

da::Result dropout(const da::Call& call, da::Tensor& x) {
  if (!(call.p >= 0 && call.p <= 1)) throw da::InvalidArgument("p must lie in [0, 1]");
  da::Tensor y = x;
  if (!call.train || call.p == 0) return da::Result(y);
  std::mt19937_64 generator(call.seed.value());
  const float scale = call.p < 1 ? 1 / static_cast<float>(1 - call.p) : 0;
  float* const values = y.elements<float>();
  for (std::size_t i = 0; i < y.count(); ++i)
    values[i] *= std::generate_canonical<double, 53>(generator) >= call.p ? scale : 0;
  return da::Result(y);
}

int main() {
  da::Info info;
  info.name = "ADAPTER_NAME";
  return da::serve(info, dropout);
}
