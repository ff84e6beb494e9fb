#include "impl/cuda/configuration.hpp"

#include <charconv>
#include <nlohmann/json.hpp>

#include "harness/abi/dropcheck_plugin.hpp"

namespace dropcheck::cuda {
namespace {

constexpr const char* kUsage =
    "write stream=dropcheck-philox or stream=pytorch-cuda, the latter with &sm=1..1024, &threads=256..8192 "
    "and "
    "&vec=4 or 8";

[[noreturn]] void refuse(const std::string& what) {
  throw plugin::InvalidArgument("configuration '" + what + "' is not known: " + kUsage);
}

unsigned number(const std::string& option, std::string_view text, unsigned low, unsigned high) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < low || value > high) refuse(option);
  return value;
}

}  // namespace

std::string Configuration::stream_name() const {
  if (!pytorch) return "dropcheck-philox";
  return "pytorch-cuda?sm=" + std::to_string(pytorch_device.multiprocessors) +
         "&threads=" + std::to_string(pytorch_device.threads_per_multiprocessor) +
         "&vec=" + std::to_string(pytorch_device.max_vec);
}

Configuration read_configuration(std::string_view json, const DeviceFacts& device) {
  const auto parsed = nlohmann::json::parse(json, nullptr, false);
  const auto found = parsed.is_object() ? parsed.find("config") : parsed.end();
  if (!parsed.is_object() || found == parsed.end() || !found->is_string())
    throw plugin::InvalidArgument("the host's configuration is no JSON object with the text \"config\"");
  const auto& text = found->get_ref<const std::string&>();

  Configuration read;
  read.pytorch_device = {device.multiprocessors, device.threads_per_multiprocessor, 8};
  bool describes_device = false;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('&', begin), text.size());
    const std::string option = text.substr(begin, end - begin);
    begin = end + 1;
    const std::size_t equals = std::min(option.find('='), option.size());
    const std::string_view name = std::string_view(option).substr(0, equals);
    const std::string_view value =
        equals < option.size() ? std::string_view(option).substr(equals + 1) : std::string_view();
    if (name == "stream") {
      if (value != "dropcheck-philox" && value != "pytorch-cuda") refuse(option);
      read.pytorch = value == "pytorch-cuda";
      continue;
    }
    describes_device = true;
    if (name == "sm") {
      read.pytorch_device.multiprocessors = number(option, value, 1, 1024);
    } else if (name == "threads") {
      read.pytorch_device.threads_per_multiprocessor = number(option, value, 256, 8192);
    } else if (name == "vec") {
      read.pytorch_device.max_vec = number(option, value, 4, 8);
      if (read.pytorch_device.max_vec != 4 && read.pytorch_device.max_vec != 8) refuse(option);
    } else {
      refuse(option);
    }
  }
  if (describes_device && !read.pytorch) refuse(text);
  return read;
}

}  // namespace dropcheck::cuda
