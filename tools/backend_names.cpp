#include "tools/backend_names.hpp"

#include <algorithm>

namespace dropcheck::tools {

std::vector<std::string> split_backend_names(const std::vector<std::string>& arguments) {
  std::vector<std::string> names;
  for (const std::string& argument : arguments) {
    std::size_t begin = 0;
    while (begin <= argument.size()) {
      const bool rest_is_command = argument.compare(begin, 5, "exec:") == 0;
      const std::size_t end =
          rest_is_command ? argument.size() : std::min(argument.find(',', begin), argument.size());
      std::string name = argument.substr(begin, end - begin);
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
      begin = end + 1;
    }
  }
  return names;
}

}  // namespace dropcheck::tools
