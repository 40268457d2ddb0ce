# Finds brotlienc and defines Brotli::brotlienc. 1.0.9 is the oldest that was tried (Debian bookworm).
find_path(Brotli_INCLUDE_DIR brotli/encode.h)
find_library(Brotli_LIBRARY brotlienc)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Brotli REQUIRED_VARS Brotli_LIBRARY Brotli_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "install libbrotli-dev")
if(Brotli_FOUND AND NOT TARGET Brotli::brotlienc)
  add_library(Brotli::brotlienc UNKNOWN IMPORTED)
  set_target_properties(Brotli::brotlienc PROPERTIES
    IMPORTED_LOCATION "${Brotli_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${Brotli_INCLUDE_DIR}")
endif()
