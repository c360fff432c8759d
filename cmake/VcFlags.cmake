# SPDX-License-Identifier: Apache-2.0
# Language level, warnings and hardening for everything that is built in the tree.
include(CheckCCompilerFlag)
include(CheckPIESupported)

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
check_pie_supported(LANGUAGES C)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()
# Private asserts (vc_assert) are on in debug builds only.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g -DNDEBUG")
set(CMAKE_C_FLAGS_DEBUG "-Og -g3 -DVC_DEBUG")

function(vc_flag_if_known flag)
  string(MAKE_C_IDENTIFIER "VC_HAVE${flag}" known)
  check_c_compiler_flag("${flag}" ${known})
  if(${known})
    add_compile_options("${flag}")
  endif()
endfunction()

add_compile_definitions(_GNU_SOURCE _FILE_OFFSET_BITS=64)
add_compile_options(
  -Wall -Wextra -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wshadow
  -Wpointer-arith -Wwrite-strings -Wundef -Wvla -Wformat=2
  -Wcast-align -Wredundant-decls -Wdate-time)
# clang's version of it does not see the comments that say why; gcc's is part of -Wextra.
if(CMAKE_C_COMPILER_ID STREQUAL "Clang")
  add_compile_options(-Wno-implicit-fallthrough)
endif()
if(VC_WERROR)
  add_compile_options(-Werror)
endif()
foreach(flag -Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wthread-safety)
  vc_flag_if_known(${flag})
endforeach()

add_compile_options(-fno-strict-aliasing -fno-common -ffunction-sections -fdata-sections)
add_compile_options(-fstack-protector-strong)
vc_flag_if_known(-fstack-clash-protection)
vc_flag_if_known(-fcf-protection=full)
# With immediate binding a PLT only costs a jump per call.
vc_flag_if_known(-fno-plt)
add_link_options(-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,defs -Wl,--as-needed
                 -Wl,--gc-sections)
# Code and constants in one mapping: a process maps up to seven of these files, and two mappings more
# for each, with their page faults, are a fifth of what starting the program costs.
add_link_options(-Wl,-z,noseparate-code)

if(VC_SANITIZE)
  # -z defs refuses the sanitizers' own undefined symbols in shared libraries.
  get_property(opts DIRECTORY PROPERTY LINK_OPTIONS)
  list(REMOVE_ITEM opts -Wl,-z,defs)
  set_property(DIRECTORY PROPERTY LINK_OPTIONS ${opts})
  set(san -fsanitize=${VC_SANITIZE})
  if(VC_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID STREQUAL "Clang")
      message(FATAL_ERROR "VC_FUZZ needs clang (libFuzzer), found ${CMAKE_C_COMPILER_ID}")
    endif()
    add_compile_options(-fsanitize=fuzzer-no-link)
  endif()
  add_compile_options(${san} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(${san})
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()
if(VC_COVERAGE)
  add_compile_options(--coverage -fprofile-update=atomic)
  add_link_options(--coverage)
endif()
