#pragma once
// --backend takes names joined by commas, and may be repeated; everything after `exec:` to the end of the
// argument is one command.

#include <string>
#include <vector>

namespace dropcheck::tools {

std::vector<std::string> split_backend_names(const std::vector<std::string>& arguments);

}  // namespace dropcheck::tools
