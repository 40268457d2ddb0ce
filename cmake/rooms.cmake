# How every target of ours is compiled, and how a room (one static library) is declared.

add_library(gatehouse_flags INTERFACE)
target_compile_options(gatehouse_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Werror
  $<$<CXX_COMPILER_ID:GNU>:-fconcepts-diagnostics-depth=2>
  # False alarms of g++ 12: members of coroutine frames "maybe uninitialized" and their frees
  # "mismatched", `"x" + std::string` "overflowing". clang and the sanitizers watch over all of them.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-mismatched-new-delete
    -Wno-stringop-overflow -Wno-stringop-overread -Wno-restrict -Wno-array-bounds>)
target_include_directories(gatehouse_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_definitions(gatehouse_flags INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_DATE_TIME
  # Operations that a thread keeps for the next ones, of each kind (frames: core/base/recycling.hpp).
  BOOST_ASIO_RECYCLING_ALLOCATOR_CACHE_SIZE=16
  OPENSSL_API_COMPAT=30000 OPENSSL_NO_DEPRECATED)
# Libraries in C++ are part of the program: spdlog, fmt and toml++ by their headers, RE2 as an archive, the C++
# library by -static-libstdc++. Shared, they were most of what the dynamic linker does at a start, because every
# inline function and type of theirs has a name to be looked up. What reads the network's octets (OpenSSL, nghttp2,
# c-ares, zlib) stays shared, so that the system's security updates reach it.
add_link_options(-Wl,--as-needed -Wl,--gc-sections)
# Addresses to set right at a start are written as a map of bits, not as 24 octets each (glibc 2.36).
add_link_options(-Wl,-z,pack-relative-relocs)

if(GATEHOUSE_SANITIZE)
  set(GATEHOUSE_STATIC_CXX OFF)
  set(flags -fsanitize=${GATEHOUSE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  if(CMAKE_CXX_COMPILER_ID MATCHES Clang AND GATEHOUSE_SANITIZE MATCHES undefined)
    # clang 14 calls coroutine resume functions through another type than they are defined with.
    list(APPEND flags -fno-sanitize=function)
  endif()
  if(GATEHOUSE_SANITIZE MATCHES thread)
    # ThreadSanitizer does not know fences: Asio's mutexes order all that its fenced blocks do, and
    # Boost's own counter needs none.
    list(APPEND flags -DBOOST_ASIO_DISABLE_FENCED_BLOCK -DBOOST_ASIO_DISABLE_STD_ATOMIC)
  endif()
  add_compile_options(${flags})
  add_link_options(${flags})
endif()

# Precompiled headers: Asio and the standard library are most of what is parsed. Tests have one of
# their own, because they are compiled without optimization: it would only cost time.
file(WRITE ${CMAKE_BINARY_DIR}/pch.cpp "// carries the precompiled header\n")
function(gatehouse_pch name)
  add_library(${name} STATIC ${CMAKE_BINARY_DIR}/pch.cpp)
  target_compile_options(${name} PUBLIC $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
  target_link_libraries(${name} PUBLIC gatehouse_flags)
  target_precompile_headers(${name} PRIVATE
    <algorithm> <array> <chrono> <functional> <map> <memory> <optional> <span> <string>
    <string_view> <unordered_map> <utility> <variant> <vector>
    <boost/asio/awaitable.hpp> <boost/asio/co_spawn.hpp> <boost/asio/io_context.hpp>
    <boost/asio/steady_timer.hpp> <boost/asio/use_awaitable.hpp> <boost/asio/ip/tcp.hpp>
    <boost/system/result.hpp>)
endfunction()
gatehouse_pch(gatehouse_pch)

if(GATEHOUSE_FUZZ AND CMAKE_CXX_COMPILER_ID MATCHES Clang)
  # What libFuzzer steers by: every room tells which of its branches an input takes. Tests need not.
  target_compile_options(gatehouse_pch PUBLIC -fsanitize=fuzzer-no-link)
  add_link_options(-fsanitize=fuzzer-no-link)
endif()

# gatehouse_options(TARGET [KIND OPTION]): KIND is compiled with one option more, and so has a precompiled
# header of its own.
function(gatehouse_options target)
  set(pch gatehouse_pch)
  if(ARGC GREATER 1)
    set(pch gatehouse_${ARGV1}_pch)
    if(NOT TARGET ${pch})
      gatehouse_pch(${pch})
      target_compile_options(${pch} PUBLIC ${ARGV2})
    endif()
  endif()
  target_link_libraries(${target} PRIVATE ${pch})
  target_precompile_headers(${target} REUSE_FROM ${pch})
endfunction()

function(gatehouse_test_options target)
  gatehouse_options(${target} test -O0)
endfunction()

# gatehouse_room(NAME [SMALL] LINKS lib…): every .cpp below the current folder is the room. SMALL: it works once
# in a while, so that what the kernel maps of its code counts, and not how fast it is.
function(gatehouse_room name)
  cmake_parse_arguments(ROOM "SMALL" "" "LINKS;PRIVATE_LINKS;EXCLUDE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  foreach(pattern IN LISTS ROOM_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX "${pattern}")
  endforeach()
  if(NOT sources)
    file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/empty.cpp "")
    set(sources ${CMAKE_CURRENT_BINARY_DIR}/empty.cpp)
  endif()
  add_library(gatehouse_${name} STATIC ${sources})
  target_link_libraries(gatehouse_${name} PUBLIC ${ROOM_LINKS} PRIVATE ${ROOM_PRIVATE_LINKS})
  if(ROOM_SMALL AND CMAKE_BUILD_TYPE STREQUAL "Release")
    gatehouse_options(gatehouse_${name} small -Os)
  else()
    gatehouse_options(gatehouse_${name})
  endif()
  if(GATEHOUSE_UNITY)
    # g++ takes what a coroutine keeps for part of a header where the .cpp is included.
    set_target_properties(gatehouse_${name} PROPERTIES UNITY_BUILD ON)
    target_compile_options(gatehouse_${name} PRIVATE
      $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  endif()
endfunction()
