# Packages come from the system (Debian 12), vcpkg or Conan through find_package; nothing is downloaded here.
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(Eigen3 3.4 REQUIRED NO_MODULE)
find_package(Boost 1.74 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(CLI11 2.1 REQUIRED)
find_package(dlpack REQUIRED)
find_package(rapidcheck REQUIRED)
# Debian ships xxHash without a CMake package; its header alone is all that is used.
find_path(XXHASH_INCLUDE_DIR xxhash.h REQUIRED)

if(DROPCHECK_WITH_TESTS)
  find_package(GTest 1.12 REQUIRED)
endif()

set(Torch_FOUND FALSE)
if(NOT DROPCHECK_WITH_TORCH STREQUAL "OFF")
  if(DROPCHECK_SANITIZE)
    message(FATAL_ERROR "Sanitizer builds leave Torch out: give -DDROPCHECK_WITH_TORCH=OFF")
  endif()
  # kineto is a profiler that CPU packages leave out; without this TorchConfig warns about it at each configure.
  set(kineto_LIBRARY "${CMAKE_DL_LIBS}" CACHE STRING "unused profiler of Torch; an empty value would count as not found")
  if(DROPCHECK_WITH_TORCH STREQUAL "ON")
    find_package(Torch REQUIRED)
  else()
    find_package(Torch QUIET)
  endif()
endif()
