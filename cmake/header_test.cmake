# Every header of ours must compile alone: one generated translation unit a header, compiled and never linked.
if(DROPCHECK_WITH_TESTS AND NOT DROPCHECK_SANITIZE)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}"
       "${PROJECT_SOURCE_DIR}/harness/*.hpp" "${PROJECT_SOURCE_DIR}/harness/*.h" "${PROJECT_SOURCE_DIR}/reference/*.hpp"
       "${PROJECT_SOURCE_DIR}/impl/*.hpp" "${PROJECT_SOURCE_DIR}/suites/*.hpp" "${PROJECT_SOURCE_DIR}/reports/*.hpp"
       "${PROJECT_SOURCE_DIR}/tools/*.hpp")
  list(FILTER headers EXCLUDE REGEX "^impl/(libtorch|cuda)/")
  set(units "")
  foreach(header IN LISTS headers)
    string(MAKE_C_IDENTIFIER "${header}" id)
    set(unit "${CMAKE_BINARY_DIR}/header_test/${id}.cpp")
    file(CONFIGURE OUTPUT "${unit}" CONTENT "#include \"${header}\"\n#include \"${header}\"\n")
    list(APPEND units "${unit}")
  endforeach()
  add_library(header_test OBJECT ${units})
  target_compile_options(header_test PRIVATE -O0 -g0)  # it is the front end that is tested
  target_link_libraries(header_test PRIVATE dropcheck_defaults dropcheck::core dropcheck::stats dropcheck::run dropcheck::testing
    dropcheck::abi dropcheck::reference dropcheck::suites dropcheck::reports CLI11::CLI11 GTest::gtest)
endif()
