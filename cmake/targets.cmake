# One interface target carries what every target of ours is compiled with; nothing is set globally.
add_library(dropcheck_defaults INTERFACE)
target_include_directories(dropcheck_defaults INTERFACE "${PROJECT_SOURCE_DIR}")
target_compile_options(dropcheck_defaults INTERFACE -Wall -Wextra -Wpedantic -Wshadow
  $<$<COMPILE_LANGUAGE:CXX>:-Wconversion -Wnon-virtual-dtor -Woverloaded-virtual>
  $<$<BOOL:${DROPCHECK_WERROR}>:-Werror>)
target_compile_definitions(dropcheck_defaults INTERFACE DROPCHECK_VERSION="${PROJECT_VERSION}")
if(DROPCHECK_SANITIZE)
  target_compile_options(dropcheck_defaults INTERFACE -fsanitize=${DROPCHECK_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(dropcheck_defaults INTERFACE -fsanitize=${DROPCHECK_SANITIZE})
endif()

add_library(dropcheck_xxhash INTERFACE)
target_include_directories(dropcheck_xxhash SYSTEM INTERFACE "${XXHASH_INCLUDE_DIR}")

# dropcheck_add_library(NAME SOURCES ... LINK ...): static library dropcheck_NAME, alias dropcheck::NAME.
function(dropcheck_add_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(dropcheck_${name} STATIC ${ARG_SOURCES})
  add_library(dropcheck::${name} ALIAS dropcheck_${name})
  target_link_libraries(dropcheck_${name} PUBLIC dropcheck_defaults ${ARG_LINK})
  set_target_properties(dropcheck_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden)
endfunction()

# dropcheck_add_test(NAME SOURCES ... LINK ...): GoogleTest program; every case becomes one CTest test.
include(GoogleTest)
function(dropcheck_add_test name)
  if(NOT DROPCHECK_WITH_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE dropcheck_defaults ${ARG_LINK} GTest::gmock GTest::gtest GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  # Tests need no speed of their own: -O1 halves the time to build them, and keeps g++ 12 from false -Wrestrict warnings.
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release,RelWithDebInfo>:-O1>)
  # A fixed RapidCheck seed: a test run must not depend on the clock. RC_PARAMS=reproduce= is refused by our wrapper.
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES ENVIRONMENT "RC_PARAMS=seed=24301" TIMEOUT 900)
endfunction()
