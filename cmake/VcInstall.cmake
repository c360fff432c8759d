# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` puts where. Everything refers to its own place, so the prefix can be moved.
include(CMakePackageConfigHelpers)

get_property(layers GLOBAL PROPERTY VC_LAYERS)

install(DIRECTORY include/libvirtcore DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h")

set(pcdir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH PC_PREFIX "/p/${pcdir}" "/p")
string(REGEX REPLACE "/$" "" PC_PREFIX "${PC_PREFIX}")
foreach(layer IN LISTS layers)
  vc_library_name(${layer} name)
  install(TARGETS vc_${layer}_shared vc_${layer}_static EXPORT libvirtcoreTargets
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  # Found beside itself, so that a moved prefix needs no LD_LIBRARY_PATH for the lower layers.
  set_target_properties(vc_${layer}_shared PROPERTIES INSTALL_RPATH "\$ORIGIN")
  get_property(PC_PRIVATE GLOBAL PROPERTY VC_${layer}_PRIVATE)
  configure_file(pkgconfig/lib${name}.pc.in pkgconfig/lib${name}.pc @ONLY)
  install(FILES "${CMAKE_CURRENT_BINARY_DIR}/pkgconfig/lib${name}.pc" DESTINATION ${pcdir})
endforeach()

set(cmakedir ${CMAKE_INSTALL_LIBDIR}/cmake/libvirtcore)
install(EXPORT libvirtcoreTargets NAMESPACE libvirtcore:: DESTINATION ${cmakedir})
configure_package_config_file(cmake/libvirtcoreConfig.cmake.in libvirtcoreConfig.cmake
                              INSTALL_DESTINATION ${cmakedir})
write_basic_package_version_file(libvirtcoreConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/libvirtcoreConfig.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/libvirtcoreConfigVersion.cmake"
        DESTINATION ${cmakedir})

# vc_install_program(TARGET): into bin/, finding the libraries of the same prefix wherever it is.
function(vc_install_program target)
  if(NOT TARGET ${target})
    return()
  endif()
  file(RELATIVE_PATH libs "/p/${CMAKE_INSTALL_BINDIR}" "/p/${CMAKE_INSTALL_LIBDIR}")
  set_target_properties(${target} PROPERTIES INSTALL_RPATH "\$ORIGIN/${libs}")
  install(TARGETS ${target} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()

# vc_install_completion(FILE PROGRAM): where bash-completion looks for it by the program's name.
function(vc_install_completion file program)
  install(FILES ${file} RENAME ${program}
          DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
endfunction()

if(VC_MAN)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  file(GLOB headers CONFIGURE_DEPENDS include/libvirtcore/*.h)
  set(man "${CMAKE_CURRENT_BINARY_DIR}/man")
  add_custom_command(OUTPUT "${man}/man3.stamp"
    COMMAND Python3::Interpreter "${CMAKE_CURRENT_SOURCE_DIR}/scripts/make-man"
            "${CMAKE_CURRENT_SOURCE_DIR}" "${man}" ${PROJECT_VERSION}
    DEPENDS ${headers} scripts/make-man scripts/csource.py
    VERBATIM COMMENT "Manual pages of section 3")
  add_custom_target(vc_man ALL DEPENDS "${man}/man3.stamp")
  install(DIRECTORY "${man}/man3" DESTINATION ${CMAKE_INSTALL_MANDIR})
endif()
install(FILES man/libvirtcore.7 DESTINATION ${CMAKE_INSTALL_MANDIR}/man7)
foreach(page vc-run)
  if(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/man/${page}.1")
    install(FILES man/${page}.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  endif()
endforeach()
