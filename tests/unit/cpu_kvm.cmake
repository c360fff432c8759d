# SPDX-License-Identifier: Apache-2.0
# Unit tests of the parts of src/cpu that are seen at work on a real hypervisor; without KVM they
# are skipped. Each program runs in the lab as well: tests/lab/lab kvm tests/unit/NAME.

# A test on the bare CPU layer; the small guests are built before it.
function(vc_add_cpu_test name)
  vc_add_unit_test(${name} LAYERS cpu LIBS pthread ${ARGN})
  if(TARGET ${name})
    target_compile_definitions(${name} PRIVATE
      GUESTS_DIR="${CMAKE_BINARY_DIR}/tests/guests")
    if(TARGET guests)
      add_dependencies(${name} guests)
    endif()
  endif()
endfunction()

vc_add_cpu_test(test_kvm_vcpu WRAP ioctl sched_yield)
vc_add_cpu_test(test_state_x86)
vc_add_cpu_test(test_vcpu TIMEOUT 120)
vc_add_cpu_test(test_doorbell)
vc_add_cpu_test(test_irq TIMEOUT 120)
vc_add_cpu_test(test_partition TIMEOUT 180)
vc_add_cpu_test(test_kvm)
vc_add_cpu_test(test_kvm_dirty TIMEOUT 120)
vc_add_unit_test(test_backend LAYERS cpu)
vc_add_cpu_test(test_host)
vc_add_cpu_test(test_kvm_chips)
vc_add_cpu_test(test_kvm_irq)
vc_add_cpu_test(test_kvm_tables)
vc_add_cpu_test(test_kvm_x86)
vc_add_cpu_test(test_reset_x86)
vc_add_cpu_test(test_vcpu_state)

# The counts that are promised: 100,000 kicks per mode, 10,000 lives of a partition.
if(TARGET test_vcpu)
  vc_register_test(test_vcpu.long COMMAND test_vcpu 100000 LABELS unit TIMEOUT 1800 LONG)
endif()
if(TARGET test_partition)
  vc_register_test(test_partition.long COMMAND test_partition 10000 LABELS unit TIMEOUT 3600 LONG)
endif()
# The same programs where KVM is the real one, on AMD's virtualization.
if(NOT VC_SANITIZE AND NOT VC_COVERAGE)
  foreach(test vcpu kvm_vcpu irq doorbell state_x86 reset_x86 kvm_dirty partition)
    if(TARGET test_${test})
      vc_register_test(lab.cpu.${test} LABELS lab TIMEOUT 600 LONG SERIAL
        COMMAND ${PROJECT_SOURCE_DIR}/tests/lab/lab kvm $<TARGET_FILE:test_${test}>)
    endif()
  endforeach()
endif()
