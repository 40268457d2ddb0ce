# Finds llhttp as the distribution has it and defines Llhttp::llhttp.
#
# 1. a system library (Debian trixie: libllhttp-dev), version 9 or later;
# 2. else the C sources that Debian bookworm ships in node-llhttp, compiled here. Version 8 is safe
#    only with LLHTTP_STRICT_MODE=1: without it a bare CR ends a line and swallows the next octet,
#    which is enough to smuggle a request. The definition must be seen by every includer as well.
find_path(Llhttp_INCLUDE_DIR llhttp.h)
find_library(Llhttp_LIBRARY llhttp)
find_path(Llhttp_SOURCE_INCLUDE_DIR llhttp.h PATHS /usr/share/include/llhttp NO_DEFAULT_PATH)
find_path(Llhttp_SOURCE_DIR llhttp.c PATHS /usr/share/llhttp NO_DEFAULT_PATH)
include(FindPackageHandleStandardArgs)
if(Llhttp_LIBRARY AND Llhttp_INCLUDE_DIR)
  find_package_handle_standard_args(Llhttp REQUIRED_VARS Llhttp_LIBRARY Llhttp_INCLUDE_DIR)
  if(Llhttp_FOUND AND NOT TARGET Llhttp::llhttp)
    add_library(Llhttp::llhttp UNKNOWN IMPORTED)
    set_target_properties(Llhttp::llhttp PROPERTIES
      IMPORTED_LOCATION "${Llhttp_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${Llhttp_INCLUDE_DIR}"
      INTERFACE_COMPILE_DEFINITIONS LLHTTP_STRICT_MODE=1)
  endif()
else()
  find_package_handle_standard_args(Llhttp REQUIRED_VARS Llhttp_SOURCE_DIR Llhttp_SOURCE_INCLUDE_DIR
    REASON_FAILURE_MESSAGE "install libllhttp-dev, or node-llhttp on Debian bookworm")
  if(Llhttp_FOUND AND NOT TARGET Llhttp::llhttp)
    add_library(llhttp_from_source STATIC
      ${Llhttp_SOURCE_DIR}/llhttp.c ${Llhttp_SOURCE_DIR}/http.c ${Llhttp_SOURCE_DIR}/api.c)
    target_include_directories(llhttp_from_source SYSTEM PUBLIC ${Llhttp_SOURCE_INCLUDE_DIR})
    target_compile_definitions(llhttp_from_source PUBLIC LLHTTP_STRICT_MODE=1)
    target_compile_options(llhttp_from_source PRIVATE -w)
    add_library(Llhttp::llhttp ALIAS llhttp_from_source)
  endif()
endif()
