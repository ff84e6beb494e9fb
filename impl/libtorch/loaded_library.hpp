#pragma once
// Facts about the Torch library that this process really runs. The headers only tell what was compiled
// against.

#include <string>

namespace dropcheck::libtorch {

struct LoadedLibrary {
  std::string version;  // as the library states it, and the header's where the two differ
  std::string file;     // with links resolved
  std::string notes;    // one fact a line
};

LoadedLibrary loaded_library();

}  // namespace dropcheck::libtorch
