// oneDNN 3.13.2, CPU: without an offset, four neighbours share one random number.
// In a virtual environment E with onednn==2026.1.0 and onednn-devel==2026.1.0:
//   g++ -I E/include onednn_groups_of_four.cpp -L E/lib -Wl,--allow-shlib-undefined -ldnnl
//   LD_LIBRARY_PATH=E/lib OCL_ICD_FILENAMES=E/lib/libintelocl.so ./a.out
#include <cstdio>
#include <oneapi/dnnl/dnnl.hpp>
using namespace dnnl;
using type = memory::data_type;
const engine cpu(engine::kind::cpu, 0);
template <typename T>
memory filled(const memory::desc& desc, std::int64_t count, T value) {
  memory result(desc, cpu);
  T* elements = result.map_data<T>();
  for (std::int64_t i = 0; i < count; ++i) elements[i] = value;
  result.unmap_data(elements);
  return result;
}
int main() {
  const std::int64_t n = 1000000;
  const memory::desc desc({n, 1}, type::f32, memory::format_tag::ab),
      bytes({n, 1}, type::u8, memory::format_tag::ab);
  for (const std::int64_t offset : {-1, 0, 1}) {  // -1: none is passed
    primitive_attr dropout;
    dropout.set_dropout(bytes, type::s64, offset >= 0, false);
    const eltwise_forward::primitive_desc identity(cpu, prop_kind::forward_training,
                                                   algorithm::eltwise_linear, desc, desc, 1, 0, dropout);
    std::unordered_map<int, memory> arguments = {
        {DNNL_ARG_SRC, filled(desc, n, 1.0f)},
        {DNNL_ARG_DST, memory(desc, cpu)},
        {DNNL_ARG_ATTR_DROPOUT_MASK, memory(bytes, cpu)},
        {DNNL_ARG_ATTR_DROPOUT_PROBABILITY, filled({{1}, type::f32, memory::format_tag::a}, 1, 0.5f)},
        {DNNL_ARG_ATTR_DROPOUT_SEED, filled<std::int64_t>({{1}, type::s64, memory::format_tag::a}, 1, 12345)},
        {DNNL_ARG_ATTR_DROPOUT_OFFSET,
         filled<std::int64_t>({{1}, type::s64, memory::format_tag::a}, 1, offset)}};
    stream queue(cpu);
    eltwise_forward(identity).execute(queue, arguments);
    queue.wait();
    const auto* mask = arguments[DNNL_ARG_ATTR_DROPOUT_MASK].map_data<unsigned char>();
    long equal = 0;
    for (std::int64_t i = 0; i < n; i += 4)
      equal += mask[i] == mask[i + 1] && mask[i] == mask[i + 2] && mask[i] == mask[i + 3];
    std::printf(
        "offset %2ld: %6ld of 250000 aligned groups of four are equal throughout, 31250 are expected\n",
        (long)offset, equal);
  }
}
