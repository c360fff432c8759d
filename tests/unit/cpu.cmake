# SPDX-License-Identifier: Apache-2.0
# Unit tests of src/cpu
vc_add_unit_test(test_cpuid_features LAYERS cpu)
vc_add_unit_test(test_cpuid_leaves LAYERS cpu)
vc_add_unit_test(test_cpuid_topology LAYERS cpu)
vc_add_unit_test(test_cpuid_x86 LAYERS cpu WRAP calloc)

# Stand-ins for versions of capstone that are not installed here.
foreach(major 5 6)
  add_library(fake_capstone${major} MODULE fake_capstone5.c)
  set_target_properties(fake_capstone${major} PROPERTIES COMPILE_DEFINITIONS FAKE_MAJOR=${major})
endforeach()
vc_add_unit_test(test_disasm LAYERS cpu WRAP calloc dlopen LIBS ${CMAKE_DL_LIBS})
if(TARGET test_disasm)
  target_compile_definitions(test_disasm PRIVATE
    FAKE_CAPSTONE5="$<TARGET_FILE:fake_capstone5>" FAKE_CAPSTONE6="$<TARGET_FILE:fake_capstone6>")
  add_dependencies(test_disasm fake_capstone5 fake_capstone6)
endif()

include("${CMAKE_CURRENT_LIST_DIR}/cpu_kvm.cmake")
vc_add_unit_test(test_fake LAYERS cpu WRAP malloc realloc)
vc_add_unit_test(test_fake_vcpu LAYERS cpu LIBS pthread)
vc_add_unit_test(test_fault LAYERS cpu)
vc_add_unit_test(test_fault_text LAYERS cpu WRAP dlopen LIBS ${CMAKE_DL_LIBS})
