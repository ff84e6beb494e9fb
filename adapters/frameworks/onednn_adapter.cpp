// oneDNN's dropout attribute on the CPU, judged by dropcheck:
//   onednn_adapter [--seed=s32|s64] [--offset=N]
//
// The attribute belongs to a leaky ReLU of slope 1, which is the identity; eltwise_linear would make +0 of
// -0. In eval mode the same primitive has no attribute. The seed is an argument of every execution. Without
// --offset no offset is passed, which oneDNN takes for 0.
#include <cstring>
#include <map>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <tuple>
#include <unordered_map>

#include "adapters/cpp/dropcheck_adapter.hpp"

namespace {

namespace da = dropcheck::adapter;
using Type = dnnl::memory::data_type;
using Tag = dnnl::memory::format_tag;

struct Options {
  Type seed_type = Type::s64;
  std::optional<std::int64_t> offset;
};

/// A memory object with these bytes.
dnnl::memory memory_of(const dnnl::memory::desc& desc, const dnnl::engine& engine, const void* bytes) {
  dnnl::memory memory(desc, engine);
  void* const target = memory.map_data();
  std::memcpy(target, bytes, desc.get_size());
  memory.unmap_data(target);
  return memory;
}

template <typename T>
dnnl::memory scalar(T value, Type type, const dnnl::engine& engine) {
  return memory_of({{1}, type, Tag::a}, engine, &value);
}

void copy_from(const dnnl::memory& memory, void* bytes) {
  void* const source = memory.map_data();
  std::memcpy(bytes, source, memory.get_desc().get_size());
  memory.unmap_data(source);
}

class Dropout {
 public:
  explicit Dropout(Options options) : options_(options) {}

  da::Result operator()(const da::Call& call, da::Tensor& x) {
    da::Result result;
    if (x.count() == 0) throw da::Unsupported("the primitive is asked for tensors with elements only");
    const auto desc = dnnl::memory::desc({static_cast<std::int64_t>(x.count()), 1},
                                         x.dtype() == "bf16" ? Type::bf16 : Type::f32, Tag::ab);
    const dnnl::memory source = memory_of(desc, engine_, x.bytes().data());
    const dnnl::memory target = call.in_place ? source : dnnl::memory(desc, engine_);
    std::unordered_map<int, dnnl::memory> arguments = {{DNNL_ARG_SRC, source}, {DNNL_ARG_DST, target}};
    if (call.train) add_arguments(call, desc, arguments);
    primitive_of(desc, call.train).execute(stream_, arguments);
    stream_.wait();
    result.y = x;
    copy_from(target, result.y->bytes().data());
    if (call.in_place) x = *result.y;
    result.mask.emplace(x.count(), true);
    if (call.train) {
      std::vector<std::uint8_t> mask(x.count());
      copy_from(arguments.at(DNNL_ARG_ATTR_DROPOUT_MASK), mask.data());
      result.mask->assign(mask.begin(), mask.end());
    }
    return result;
  }

 private:
  static dnnl::memory::desc mask_desc(const dnnl::memory::desc& desc) {
    return {desc.get_dims(), Type::u8, Tag::ab};
  }

  void add_arguments(const da::Call& call, const dnnl::memory::desc& desc,
                     std::unordered_map<int, dnnl::memory>& arguments) const {
    const auto seed = static_cast<std::int64_t>(call.seed.value());
    arguments[DNNL_ARG_ATTR_DROPOUT_MASK] = dnnl::memory(mask_desc(desc), engine_);
    arguments[DNNL_ARG_ATTR_DROPOUT_PROBABILITY] = scalar(static_cast<float>(call.p), Type::f32, engine_);
    arguments[DNNL_ARG_ATTR_DROPOUT_SEED] = options_.seed_type == Type::s64
                                                ? scalar(seed, Type::s64, engine_)
                                                : scalar(static_cast<std::int32_t>(seed), Type::s32, engine_);
    if (options_.offset)
      arguments[DNNL_ARG_ATTR_DROPOUT_OFFSET] = scalar(*options_.offset, Type::s64, engine_);
  }

  const dnnl::primitive& primitive_of(const dnnl::memory::desc& desc, bool train) {
    const auto key = std::tuple(desc.get_dims().front(), desc.get_data_type(), train);
    const auto found = primitives_.find(key);
    if (found != primitives_.end()) return found->second;
    dnnl::primitive_attr attributes;
    if (train && options_.seed_type == Type::s32 && !options_.offset) attributes.set_dropout(mask_desc(desc));
    else if (train)
      attributes.set_dropout(mask_desc(desc), options_.seed_type, options_.offset.has_value(), false);
    const dnnl::eltwise_forward::primitive_desc primitive(engine_, dnnl::prop_kind::forward_training,
                                                          dnnl::algorithm::eltwise_relu, desc, desc, 1.0f,
                                                          0.0f, attributes);
    return primitives_.emplace(key, dnnl::eltwise_forward(primitive)).first->second;
  }

  Options options_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  std::map<std::tuple<std::int64_t, Type, bool>, dnnl::primitive> primitives_;
};

std::optional<Options> parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--seed=s32") options.seed_type = Type::s32;
    else if (word == "--seed=s64") options.seed_type = Type::s64;
    else if (word.rfind("--offset=", 0) == 0) options.offset = std::atoll(word.c_str() + 9);
    else return std::nullopt;
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const std::optional<Options> options = parse(argc, argv);
  if (!options) {
    std::fputs("onednn_adapter: only --seed=s32, --seed=s64 and --offset=N are known\n", stderr);
    return 4;
  }
  const dnnl_version_t& version = *dnnl_version();
  da::Info info;
  info.name = "onednn";
  info.implementation_version = std::to_string(version.major) + "." + std::to_string(version.minor) + "." +
                                std::to_string(version.patch);
  info.dtypes = {"f32", "bf16"};
  info.seed_bits = options->seed_type == Type::s64 ? 64 : 32;
  info.mask = true;
  info.in_place = true;
  info.notes = {
      "the attribute of a leaky ReLU of slope 1, which is the identity; no implementation for "
      "the CPU takes f16 or f64 with it",
      options->offset ? "an offset of " + std::to_string(*options->offset) + " is passed with the seed"
                      : "no offset is passed, which oneDNN takes for 0"};
  Dropout dropout(*options);
  return da::serve(info, [&](const da::Call& call, da::Tensor& x) { return dropout(call, x); });
}
