#include "impl/plugin/plugin_backend.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <list>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "impl/plugin/claims.hpp"
#include "impl/plugin/device_memory.hpp"
#include "impl/plugin/dl_tensor.hpp"

namespace dropcheck::plugin_host {
namespace {

struct Closer {
  void operator()(void* library) const { dlclose(library); }
};
using Library = std::unique_ptr<void, Closer>;

Error cannot_open(std::string message) { return Error{ErrorCode::backend_failed, std::move(message)}; }

Error error_of(int status, const char* text) {
  std::string message = bounded_text(text, DROPCHECK_TEXT_BYTES);
  if (message.empty()) message = "the plugin gives no reason";
  switch (status) {
    case DROPCHECK_UNSUPPORTED: return {ErrorCode::unsupported, std::move(message)};
    case DROPCHECK_INVALID_ARGUMENT: return {ErrorCode::invalid_argument, std::move(message)};
    case DROPCHECK_OUT_OF_MEMORY: return {ErrorCode::resource_exhausted, std::move(message)};
    case DROPCHECK_FAILED: return {ErrorCode::backend_failed, std::move(message)};
    default: return {ErrorCode::protocol, fmt::format("plugin: returned the unknown status {}", status)};
  }
}

/// Calls into the plugin. A C++ exception that crosses the C boundary is against the rules, but must not take
/// us down.
template <typename Body>
int fenced(char* error, std::size_t bytes, Body&& body) {
  const char* what = "an exception of unknown type";
  std::string text;
  try {
    return body();
  } catch (const std::exception& e) {
    text = e.what();
    what = text.c_str();
  } catch (...) {
  }
  fmt::format_to_n(error, bytes - 1, "an exception crossed the C boundary: {}", what);
  return DROPCHECK_FAILED;
}

/// The attributes as the JSON text that crosses the boundary.
std::string attributes_text(const Attributes& attributes, std::uint32_t threads) {
  if (attributes.empty() && threads == 0) return "{}";
  nlohmann::json object = nlohmann::json::object();
  for (const auto& [name, value] : attributes)
    std::visit([&, &key = name](const auto& v) { object[key] = v; }, value);
  if (threads != 0) object["threads"] = threads;
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// Tensors under their names, as a call carries them.
class NamedList {
 public:
  void add(const char* name, const CallTensor& tensor) {
    names_.emplace_back(name);
    tensors_.emplace_back(tensor.view);
    memories_.push_back(tensor.memory);
  }
  void add(const std::vector<NamedTensor>& more) {
    for (const NamedTensor& named : more) add(named.name.c_str(), named.tensor);
  }
  /// Valid until the list is added to.
  std::span<const dropcheck_named_tensor> list() {
    list_.clear();
    auto tensor = tensors_.begin();
    for (const std::string& name : names_) list_.push_back({name.c_str(), (tensor++)->get()});
    return list_;
  }
  /// Lends copies on the device in place of the tensors themselves.
  Status move_to(StagedTensors& staged) {
    auto memory = memories_.begin();
    for (LentTensor& tensor : tensors_)
      if (Status moved = staged.lend(tensor, *memory++); !moved) return moved;
    return Done{};
  }

 private:
  std::vector<std::string> names_;
  std::list<LentTensor> tensors_;
  std::vector<Memory*> memories_;
  std::vector<dropcheck_named_tensor> list_;
};

dropcheck_result empty_result() {
  dropcheck_result result{};
  result.struct_size = sizeof result;
  result.produced_ndim = -1;
  result.aliases_input = -1;
  result.version_delta = -1;
  result.rng_words = -1;
  result.effective_p = std::numeric_limits<double>::quiet_NaN();
  return result;
}

class PluginBackend final : public Backend {
 public:
  PluginBackend(Library library, const dropcheck_plugin* table, void* context, Capabilities capabilities)
      : library_(std::move(library)),
        table_(table),
        context_(context),
        capabilities_(std::move(capabilities)) {
    if (capabilities_.device != "cpu") device_.emplace(*table_, context_, capabilities_.device);
  }
  ~PluginBackend() override {
    device_.reset();
    table_->close(context_);
  }
  PluginBackend(const PluginBackend&) = delete;
  PluginBackend& operator=(const PluginBackend&) = delete;

  const Capabilities& capabilities() const override { return capabilities_; }

  Expected<Observation> forward(const Call& call) override {
    NamedList in, out;
    in.add("x", call.x);
    if (call.y) out.add("y", call.y);
    if (call.mask) out.add("mask", call.mask);
    if (call.packed_mask) out.add("packed_mask", call.packed_mask);
    in.add(call.inputs);
    out.add(call.outputs);
    const std::string op(to_string(call.op));
    const std::string attributes = attributes_text(call.attributes, call.threads);
    dropcheck_call request{};
    request.struct_size = sizeof request;
    request.op = op.c_str();
    request.p = call.p;
    request.train = call.mode == Mode::train ? 1 : 0;
    request.in_place = call.in_place ? 1 : 0;
    request.has_seed = call.seed ? 1 : 0;
    request.seed = call.seed.value_or(0);
    request.offset = call.offset;
    request.attributes = attributes.c_str();
    request.constant_input = call.constant_input.value_or(0);  // x then has no data
    request.want = (call.y || call.in_place ? DROPCHECK_WANT_OUTPUT : 0u) |
                   (call.mask ? DROPCHECK_WANT_MASK : 0u) |
                   (call.packed_mask ? DROPCHECK_WANT_PACKED_MASK : 0u) |
                   (call.save_for_backward ? DROPCHECK_WANT_SAVED : 0u) |
                   (call.count_words ? DROPCHECK_WANT_RNG_WORDS : 0u);
    return run(request, in, out,
               [&](dropcheck_result& result) { return table_->forward(context_, &request, &result); });
  }

  Expected<Observation> backward(const BackwardCall& call) override {
    if (table_->backward == nullptr) return Error{ErrorCode::unsupported, "the plugin has no backward"};
    NamedList in, out;
    in.add("dy", call.dy);
    out.add("dx", call.dx);
    in.add(call.inputs);
    out.add(call.outputs);
    const std::string attributes = attributes_text(call.attributes, 0);
    dropcheck_call request{};
    request.struct_size = sizeof request;
    request.op = "";
    request.attributes = attributes.c_str();
    request.want = DROPCHECK_WANT_OUTPUT;
    return run(request, in, out, [&](dropcheck_result& result) {
      return table_->backward(context_, call.saved.id, &request, &result);
    });
  }

  void release(SavedToken saved) override {
    if (table_->release != nullptr && saved.id != 0) table_->release(context_, saved.id);
  }

  Expected<std::vector<std::byte>> save_state() override {
    if (!capabilities_.recompute) return Backend::save_state();
    std::size_t needed = 0;
    if (Status asked = save_into({}, needed); !asked) return asked.error();
    if (needed == 0 || needed > kMaxStateBytes)
      return Error{ErrorCode::protocol,
                   fmt::format("plugin: the state of its generator has {} bytes: 1 to {} are possible",
                               needed, kMaxStateBytes)};
    std::vector<std::byte> state(needed);
    std::size_t written = 0;
    if (Status asked = save_into(state, written); !asked) return asked.error();
    if (written != needed)
      return Error{
          ErrorCode::protocol,
          fmt::format("plugin: the state of its generator needs {} bytes, then {}", needed, written)};
    return state;
  }

  Status load_state(std::span<const std::byte> state) override {
    if (!capabilities_.recompute) return Backend::load_state(state);
    std::array<char, DROPCHECK_TEXT_BYTES> reason{};
    const int status = fenced(reason.data(), reason.size(),
                              [&] { return table_->load_state(context_, state.data(), state.size()); });
    if (status != DROPCHECK_OK) return error_of(status, reason.data());
    return Done{};
  }

 private:
  /// Lets the plugin write its state, and says how many bytes that needs.
  Status save_into(std::span<std::byte> state, std::size_t& needed) {
    std::array<char, DROPCHECK_TEXT_BYTES> reason{};
    const int status = fenced(reason.data(), reason.size(), [&] {
      needed = table_->save_state(context_, state.empty() ? nullptr : state.data(), state.size());
      return DROPCHECK_OK;
    });
    if (status != DROPCHECK_OK) return error_of(status, reason.data());
    return Done{};
  }

  /// Lends the tensors, makes the call, and brings back what it wrote where it did that on a device.
  template <typename Body>
  Expected<Observation> run(dropcheck_call& request, NamedList& in, NamedList& out, Body&& body) {
    std::optional<StagedTensors> staged;
    if (device_) {
      staged.emplace(*device_);
      if (Status moved = in.move_to(*staged); !moved) return moved.error();
      if (Status moved = out.move_to(*staged); !moved) return moved.error();
    }
    set_tensors(request, in, out);
    dropcheck_result result = empty_result();
    const int status = fenced(result.error, sizeof result.error, [&] { return body(result); });
    if (status != DROPCHECK_OK) return error_of(status, result.error);
    if (staged)
      if (Status back = staged->bring_back(); !back) return back.error();
    return checked_result(result);
  }

  static void set_tensors(dropcheck_call& request, NamedList& in, NamedList& out) {
    request.input_count = static_cast<std::uint32_t>(in.list().size());
    request.inputs = in.list().data();
    request.output_count = static_cast<std::uint32_t>(out.list().size());
    request.outputs = out.list().data();
  }

  Library library_;
  const dropcheck_plugin* table_;
  void* context_;
  Capabilities capabilities_;
  std::optional<DeviceMemory> device_;
};

/// Fields up to and including `release`: what every table must have.
constexpr std::size_t kTableBytes = offsetof(dropcheck_plugin, save_state);

bool has_state(const dropcheck_plugin& table) {
  return table.struct_size >= offsetof(dropcheck_plugin, load_state) + sizeof table.load_state &&
         table.save_state != nullptr && table.load_state != nullptr;
}

}  // namespace

Expected<std::unique_ptr<Backend>> open_plugin(const std::string& path_and_config, std::uint32_t rank,
                                               std::uint32_t world_size) {
  const std::size_t question = path_and_config.find('?');
  const std::string path = path_and_config.substr(0, question);
  const std::string config = question == std::string::npos ? "" : path_and_config.substr(question + 1);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored))
    return cannot_open(fmt::format("plugin '{}' does not exist: name the file of a shared library", path));
  // A bare name would be searched in the system's folders: what stands here is always a path.
  const std::string file = path.find('/') == std::string::npos ? "./" + path : path;
  // Never unloaded: frameworks leave threads and exit handlers behind.
  Library library(dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE));
  if (!library) {
    const char* reason = dlerror();
    return cannot_open(fmt::format("plugin '{}' cannot be loaded: {}", path,
                                   reason != nullptr ? reason : "no reason given"));
  }
  void* symbol = dlsym(library.get(), DROPCHECK_PLUGIN_SYMBOL);
  if (symbol == nullptr)
    return cannot_open(
        fmt::format("'{}' is no dropcheck plugin: it does not export {}", path, DROPCHECK_PLUGIN_SYMBOL));
  const auto get = reinterpret_cast<dropcheck_get_plugin_function>(symbol);
  const dropcheck_plugin* table = get(DROPCHECK_ABI_MAJOR, DROPCHECK_ABI_MINOR);
  if (table == nullptr)
    return cannot_open(
        fmt::format("plugin '{}' does not serve ABI version {}: build it against this release's header", path,
                    DROPCHECK_ABI_MAJOR));
  if (table->struct_size < kTableBytes || table->abi_major != DROPCHECK_ABI_MAJOR)
    return cannot_open(fmt::format(
        "plugin '{}' was built for ABI version {}.{}, this is {}.{}: build it against this release's header",
        path, table->abi_major, table->abi_minor, DROPCHECK_ABI_MAJOR, DROPCHECK_ABI_MINOR));
  if (table->open == nullptr || table->close == nullptr || table->capabilities == nullptr ||
      table->forward == nullptr)
    return cannot_open(fmt::format("plugin '{}' lacks one of open, close, capabilities and forward", path));

  const std::string options =
      nlohmann::json{{"config", config}, {"rank", rank}, {"world_size", world_size}}.dump(
          -1, ' ', false, nlohmann::json::error_handler_t::replace);
  void* context = nullptr;
  std::array<char, DROPCHECK_TEXT_BYTES> reason{};
  const int opened = fenced(reason.data(), reason.size(), [&] {
    return table->open(options.c_str(), &context, reason.data(), reason.size());
  });
  if (opened != DROPCHECK_OK)
    return cannot_open(
        fmt::format("plugin '{}' refuses to open: {}", path, bounded_text(reason.data(), reason.size())));
  dropcheck_capabilities claims{};
  claims.struct_size = sizeof claims;
  Expected<Capabilities> capabilities = Error{ErrorCode::protocol, "plugin: does not say what it can do"};
  std::array<char, DROPCHECK_TEXT_BYTES> unused{};
  if (fenced(unused.data(), unused.size(), [&] { return table->capabilities(context, &claims); }) ==
      DROPCHECK_OK)
    capabilities = checked_claims(claims);
  if (capabilities && capabilities->recompute && !has_state(*table))
    capabilities = Error{ErrorCode::protocol,
                         "plugin: claims DROPCHECK_CAN_RECOMPUTE without save_state and load_state"};
  if (capabilities && capabilities->device != "cpu")
    if (Status usable = usable_device(*table, capabilities->device); !usable) capabilities = usable.error();
  if (!capabilities) {
    table->close(context);
    return Error{capabilities.error().code, fmt::format("'{}': {}", path, capabilities.error().message)};
  }
  return std::unique_ptr<Backend>(
      new PluginBackend(std::move(library), table, context, std::move(*capabilities)));
}

}  // namespace dropcheck::plugin_host
