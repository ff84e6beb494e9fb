# dropcheck_embed(OUT_CPP NAMESPACE_FUNCTION FILES...): a .cpp that holds text files as string literals, so that the
# binary needs no data folder. The function returns the text by file stem, or an empty view.
function(dropcheck_embed out_cpp function_name)
  set(arms "")
  foreach(file IN LISTS ARGN)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
    get_filename_component(stem "${file}" NAME_WE)
    file(READ "${file}" text)
    string(APPEND arms "  if (stem == \"${stem}\") return R\"__text__(${text})__text__\";\n")
  endforeach()
  file(CONFIGURE OUTPUT "${out_cpp}" CONTENT
"// Generated from data files at configure time.
#include <string_view>
namespace dropcheck {
std::string_view ${function_name}(std::string_view stem);
std::string_view ${function_name}(std::string_view stem) {
${arms}  return {};
}
}  // namespace dropcheck
" @ONLY)
endfunction()

# dropcheck_embed_files(OUT_CPP FUNCTION FOLDER PATHS...): the same byte for byte, by path below FOLDER.
function(dropcheck_embed_files out_cpp function_name folder)
  set(arms "")
  foreach(path IN LISTS ARGN)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${folder}/${path}")
    file(READ "${folder}/${path}" text)
    string(APPEND arms "  if (path == \"${path}\") return R\"__text__(${text})__text__\";\n")
  endforeach()
  set(before "")
  set(source
"// Generated from files at configure time.
#include <string_view>
namespace dropcheck {
std::string_view ${function_name}(std::string_view path);
std::string_view ${function_name}(std::string_view path) {
${arms}  return {};
}
}  // namespace dropcheck
")
  # Not by file(CONFIGURE) or file(GENERATE), which look for things to replace in the text.
  if(EXISTS "${out_cpp}")
    file(READ "${out_cpp}" before)
  endif()
  if(NOT "${before}" STREQUAL "${source}")
    file(WRITE "${out_cpp}" "${source}")
  endif()
endfunction()
