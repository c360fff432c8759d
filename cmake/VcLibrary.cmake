# SPDX-License-Identifier: Apache-2.0
# One layer = one object library, from which come
#   vc_X_shared    libvirtcore-X.so.0   version script src/X/libvirtcore-X.map
#   vc_X_static    libvirtcore-X.a      one relocatable, every private symbol made local
#   vc_X_internal  (not installed)      plain archive for tests that call private vc__ names
# The layer `vm` is libvirtcore itself, without a suffix.
#
# vc_add_library(NAME SOURCES file... [DEPENDS layer...] [ARCHIVES lib...])
#   ARCHIVES are small libraries, plain names as for -l, of which the shared library takes in what it
#   uses: one library less to load in every process. The static one leaves them to its user
#   (Libs.private and the static targets).

set_property(GLOBAL PROPERTY VC_LAYERS "")

function(vc_library_name layer ret)
  if(layer STREQUAL "vm")
    set(${ret} virtcore PARENT_SCOPE)
  else()
    set(${ret} virtcore-${layer} PARENT_SCOPE)
  endif()
endfunction()

function(vc_add_library layer)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;ARCHIVES" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "vc_add_library(${layer}): unknown argument ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT ARG_SOURCES)
    message(STATUS "layer ${layer}: no sources yet, left out")
    return()
  endif()
  vc_library_name(${layer} name)
  set(map "${CMAKE_CURRENT_SOURCE_DIR}/lib${name}.map")
  if(NOT EXISTS "${map}")
    message(FATAL_ERROR "layer ${layer}: version script ${map} is missing")
  endif()
  set(depends "")
  foreach(dep IN LISTS ARG_DEPENDS)
    if(TARGET vc_${dep}_obj)
      list(APPEND depends ${dep})
    endif()
  endforeach()

  add_library(vc_${layer}_obj OBJECT ${ARG_SOURCES})
  target_include_directories(vc_${layer}_obj PUBLIC "${PROJECT_SOURCE_DIR}/include"
                             PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")

  add_library(vc_${layer}_shared SHARED $<TARGET_OBJECTS:vc_${layer}_obj>)
  set_target_properties(vc_${layer}_shared PROPERTIES
    OUTPUT_NAME ${name} VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
    LINKER_LANGUAGE C EXPORT_NAME ${layer} LINK_DEPENDS "${map}")
  # Calls within a library go straight to their target: less to bind when a program starts.
  target_compile_options(vc_${layer}_obj PRIVATE -fno-semantic-interposition)
  target_link_options(vc_${layer}_shared PRIVATE "-Wl,--version-script=${map}" -Wl,-O1
                      -Wl,-Bsymbolic-functions)
  if(NOT VC_SANITIZE AND NOT VC_COVERAGE)
    # No constructors and nothing writable: without the compiler's start files a library has no data
    # page of its own, and four symbols fewer to look for in every process.
    target_link_options(vc_${layer}_shared PRIVATE -nostartfiles)
  endif()

  # Partial link, then hidden symbols become local: nothing private leaves the archive.
  set(one "${CMAKE_CURRENT_BINARY_DIR}/lib${name}.o")
  add_custom_command(OUTPUT "${one}"
    COMMAND ${CMAKE_LINKER} -r -o "${one}" $<TARGET_OBJECTS:vc_${layer}_obj>
    COMMAND ${CMAKE_OBJCOPY} --localize-hidden "${one}"
    DEPENDS $<TARGET_OBJECTS:vc_${layer}_obj> vc_${layer}_obj
    COMMAND_EXPAND_LISTS VERBATIM COMMENT "Partial link lib${name}.a")
  set_source_files_properties("${one}" PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
  add_library(vc_${layer}_static STATIC "${one}")
  set_target_properties(vc_${layer}_static PROPERTIES
    OUTPUT_NAME ${name} LINKER_LANGUAGE C EXPORT_NAME ${layer}-static)

  add_library(vc_${layer}_internal STATIC $<TARGET_OBJECTS:vc_${layer}_obj>)
  set_target_properties(vc_${layer}_internal PROPERTIES
    OUTPUT_NAME ${name}-internal LINKER_LANGUAGE C)
  target_include_directories(vc_${layer}_internal INTERFACE "${CMAKE_CURRENT_SOURCE_DIR}")

  foreach(kind shared static internal)
    target_include_directories(vc_${layer}_${kind} INTERFACE
      $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
      $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    list(TRANSFORM depends REPLACE "(.+)" "vc_\\1_${kind}" OUTPUT_VARIABLE below)
    set(archives ${ARG_ARCHIVES})
    if(kind STREQUAL "shared")
      list(TRANSFORM archives REPLACE "(.+)" "-l:lib\\1.a")
    endif()
    target_link_libraries(vc_${layer}_${kind} PUBLIC ${below} PRIVATE ${archives})
  endforeach()
  foreach(kind shared static)
    set(suffix "")
    if(kind STREQUAL "static")
      set(suffix -static)
    endif()
    add_library(libvirtcore::${layer}${suffix} ALIAS vc_${layer}_${kind})
  endforeach()

  list(TRANSFORM ARG_ARCHIVES PREPEND -l OUTPUT_VARIABLE private_flags)
  list(JOIN private_flags " " private_flags)
  set_property(GLOBAL PROPERTY VC_${layer}_PRIVATE "${private_flags}")
  set_property(GLOBAL APPEND PROPERTY VC_LAYERS ${layer})
endfunction()
