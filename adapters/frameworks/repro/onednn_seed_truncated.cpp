// oneDNN 3.13.2, CPU: without an offset, the high 32 bits of a 64-bit seed are ignored.
// In a virtual environment E with onednn==2026.1.0 and onednn-devel==2026.1.0:
//   g++ -I E/include onednn_seed_truncated.cpp -L E/lib -Wl,--allow-shlib-undefined -ldnnl
//   LD_LIBRARY_PATH=E/lib OCL_ICD_FILENAMES=E/lib/libintelocl.so ./a.out
#include <cstdio>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>
using namespace dnnl;
using type = memory::data_type;
const engine cpu(engine::kind::cpu, 0);
const std::int64_t n = 1000000;
template <typename T>
memory filled(const memory::desc& desc, std::int64_t count, T value) {
  memory result(desc, cpu);
  T* elements = result.map_data<T>();
  for (std::int64_t i = 0; i < count; ++i) elements[i] = value;
  result.unmap_data(elements);
  return result;
}
std::vector<unsigned char> mask_of(std::int64_t seed) {
  const memory::desc desc({n, 1}, type::f32, memory::format_tag::ab),
      bytes({n, 1}, type::u8, memory::format_tag::ab);
  primitive_attr dropout;
  dropout.set_dropout(bytes, type::s64, false, false);
  const eltwise_forward::primitive_desc identity(cpu, prop_kind::forward_training, algorithm::eltwise_linear,
                                                 desc, desc, 1, 0, dropout);
  memory mask(bytes, cpu);
  stream queue(cpu);
  eltwise_forward(identity).execute(
      queue,
      {{DNNL_ARG_SRC, filled(desc, n, 1.0f)},
       {DNNL_ARG_DST, memory(desc, cpu)},
       {DNNL_ARG_ATTR_DROPOUT_MASK, mask},
       {DNNL_ARG_ATTR_DROPOUT_PROBABILITY, filled({{1}, type::f32, memory::format_tag::a}, 1, 0.5f)},
       {DNNL_ARG_ATTR_DROPOUT_SEED, filled<std::int64_t>({{1}, type::s64, memory::format_tag::a}, 1, seed)}});
  queue.wait();
  const auto* entries = mask.map_data<unsigned char>();
  return {entries, entries + n};
}
int main() {
  const std::vector<unsigned char> first = mask_of(1);
  for (const std::int64_t seed : {2l, 1 + (1l << 32), 1 + (1l << 62)}) {
    const std::vector<unsigned char> second = mask_of(seed);
    long equal = 0;
    for (std::int64_t i = 0; i < n; ++i) equal += first[i] == second[i];
    std::printf("seeds 1 and %ld: %ld of %ld mask entries agree\n", (long)seed, equal, (long)n);
  }
}
